/* The bytes of a recipe's tensors, in pieces: rows gathered from the mapped files, re-ordered, converted, encoded. */
#ifndef EW_CONVERT_TENSOR_STREAM_H
#define EW_CONVERT_TENSOR_STREAM_H

#include "convert/recipe.h"

/* Gets the next bytes of a tensor, in order. */
typedef enum ew_status ew_tensor_sink_fn(void *context, const void *data, size_t n, struct ew_error *err);

/* Memory: two pieces of 1 MiB, or one row where rows are longer; pages of the files are given back when their tensor is
 * done. source stands before messages. Errors: UNSUPPORTED (a number that F16 cannot hold), MEMORY, the sink's. */
enum ew_status ew_tensor_stream(const char *source, const struct ew_recipe *recipe,
                                const struct ew_recipe_tensor *tensor, const struct ew_hf_config *config,
                                const struct ew_checkpoint *checkpoint, ew_tensor_sink_fn *sink, void *context,
                                struct ew_error *err);

#endif
