/* The stand-in tokenizer of a synthetic model: of the kind, size and special tokens that the model has, with
 * pieces made of letters instead of learned ones. Encodes any text, at about two to three letters a token. */
#ifndef EW_MODEL_SYNTH_TOKENIZER_H
#define EW_MODEL_SYNTH_TOKENIZER_H

#include "gguf/gguf_write.h"
#include "model/shapes.h"

/* Puts the tokenizer.* keys. Errors: MEMORY. */
enum ew_status ew_synth_put_tokenizer(struct ew_gguf_writer *writer, const struct ew_shape *shape,
                                      struct ew_error *err);

#endif
