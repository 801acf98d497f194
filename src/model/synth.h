/* Synthetic models: files in the shape of a well-known model, with random weights. Speed, memory and energy do not
 * depend on the values, so a device can be judged before any download; the text such a model writes is noise, and key
 * edgewise.synthetic marks it. Source of the mixture of types: llama.cpp's quantizer (see docs/synth.md). */
#ifndef EW_MODEL_SYNTH_H
#define EW_MODEL_SYNTH_H

#include "edgewise/quantize.h"
#include "gguf/file_type.h"
#include "model/shapes.h"

struct ew_synth_params {
    const struct ew_shape *shape;
    enum ew_file_type file_type; /* one of ew_synth_file_types */
    uint64_t seed;               /* the same seed gives the same bytes */
    /* May be NULL; called some times a second with bytes done and in all; false stops the writing (CANCELLED). */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

struct ew_synth_summary {
    uint64_t file_bytes;
    uint32_t n_tensors;
    uint32_t n_fallback; /* tensors of another type, because their rows are no whole blocks of the mixture's */
};

/* File types that can be written, best known first; *n is their count. */
const enum ew_file_type *ew_synth_file_types(size_t *n);
/* One of them by name, any case; false when it cannot be written. */
bool ew_synth_file_type_by_name(const char *name, enum ew_file_type *out);

/* What a file would be, without writing it: for saying disk use beforehand. Errors: as ew_synth_write, less IO. */
enum ew_status ew_synth_measure(const struct ew_synth_params *params, struct ew_synth_summary *out,
                                struct ew_error *err);

/* Writes the model as a stream: memory stays below 64 MiB whatever the model's size. An older file of that name is
 * replaced once the new one is complete. summary may be NULL. Errors: UNSUPPORTED (file type), MEMORY, CANCELLED, and
 * what ew_gguf_writer_begin gives. */
enum ew_status ew_synth_write(const struct ew_synth_params *params, const char *path, struct ew_synth_summary *summary,
                              struct ew_error *err);

/* Whether path is a model file marked as synthetic; false for anything else, also what cannot be read. */
bool ew_synth_is_synthetic(const char *path);

#endif
