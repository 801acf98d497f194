/* A GGUF file into another with fewer bits per weight: metadata as it is, matrices encoded anew, everything else
 * copied. Streaming: memory does not depend on the model's size. docs/quantize.md has the rules in words. */
#ifndef EW_CONVERT_REQUANTIZE_H
#define EW_CONVERT_REQUANTIZE_H

#include "edgewise/quantize.h"
#include "gguf/file_type.h"
#include "quality/importance.h"
#include <stdbool.h>

enum { EW_REQUANTIZE_OVERRIDES = 32 };

/* Tensors whose name contains `pattern` get this type; the last one that fits counts. */
struct ew_requantize_override {
    const char *pattern;
    enum ew_type type;
};

struct ew_requantize_params {
    const char *source;
    enum ew_file_type file_type; /* one that ew_requantize_file_type finds */
    bool pure;                   /* every matrix of the file type's main type, no mixture */
    /* An importance matrix (quality/importance.h) that the encoders' errors are weighted by, and the name of its file
     * for the metadata; NULL: none. */
    const struct ew_importance *importance;
    const char *importance_path;
    bool again; /* take sources that are quantized already: what they lost stays lost */
    struct ew_requantize_override overrides[EW_REQUANTIZE_OVERRIDES];
    size_t n_overrides;
    uint32_t threads; /* at least 1 */
    /* May be NULL; called some times a second with bytes done and in all; false stops the writing (CANCELLED). */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
};

struct ew_requantize_summary {
    const char *file_type; /* "Q4_K_M"; a static string */
    uint64_t source_bytes, file_bytes;
    uint64_t n_weights, matrix_bytes; /* of the tensors that were encoded */
    uint32_t n_tensors, n_encoded;
    uint32_t n_weighted;  /* of those, encoded with an entry of the importance matrix */
    uint32_t n_unmatched; /* of a type that makes use of weights, but with no entry there: encoded without */
    uint32_t n_fallback;  /* of another type than the rule's, because their rows are no whole blocks of it */
};

/* File type, and tensor type, by name in any case; false: it cannot be written. */
bool ew_requantize_file_type(const char *name, enum ew_file_type *out);
bool ew_requantize_tensor_type(const char *name, enum ew_type *out);
const char *ew_requantize_type_name(enum ew_type type); /* "Q6_K" */

struct ew_requantize_tensor {
    const char *name;
    uint64_t ne[4];
    enum ew_type from, to;
    uint64_t from_bytes, to_bytes;
};

/* What the file would be; each, if not NULL, is called for every tensor. Errors: NOT_FOUND, IO, FORMAT (source),
 * UNSUPPORTED (a source that is quantized already), SHAPE (an override or an entry of the importance matrix that does
 * not fit a tensor's rows), ARGUMENT (an importance matrix with a tensor that the source does not have), MEMORY. */
enum ew_status ew_requantize_measure(const struct ew_requantize_params *params,
                                     void (*each)(void *context, const struct ew_requantize_tensor *tensor),
                                     void *context, struct ew_requantize_summary *out, struct ew_error *err);

/* Writes the file; an older one of that name is replaced once the new one is complete. summary may be NULL. Errors: the
 * above, FORMAT (a weight that is no number), CANCELLED, and what ew_gguf_writer_begin gives. */
enum ew_status ew_requantize_write(const struct ew_requantize_params *params, const char *path,
                                   struct ew_requantize_summary *summary, struct ew_error *err);

#endif
