/* tokenizer.model, a SentencePiece model: a protocol-buffer message with pieces, scores and types.
 * Source: sentencepiece_model.proto (fields and numbers), Protocol Buffers encoding (wire format). */
#ifndef EW_CONVERT_SENTENCEPIECE_MODEL_H
#define EW_CONVERT_SENTENCEPIECE_MODEL_H

#include "convert/vocabulary.h"

/* Fills an uninitialised vocabulary. name stands before messages. Errors: FORMAT, UNSUPPORTED (unigram, word and
 * character models), MEMORY. */
enum ew_status ew_sentencepiece_model_read(const char *name, const uint8_t *data, size_t size,
                                           struct ew_vocabulary *out, struct ew_error *err);

#endif
