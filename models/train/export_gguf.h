/* A trained model as a GGUF file of architecture "llama", which any engine of that format runs. Pairs of rotary
 * positions are adjacent in training as they are in such files, so no row changes its place. */
#ifndef EW_TRAIN_EXPORT_GGUF_H
#define EW_TRAIN_EXPORT_GGUF_H

#include "gguf/gguf_read.h"
#include "train/network_shape.h"
#include <stdbool.h>

/* vocabulary: a file with the tokenizer.* keys to copy. f16: matrices in F16, else in F32; norms are F32. name:
 * general.name. Errors: MEMORY, and those of the GGUF writer. */
enum ew_status ew_train_export(const struct ew_net_shape *shape, const float *weights, const struct ew_gguf *vocabulary,
                               const char *name, bool f16, const char *path, struct ew_error *err);

#endif
