/* Checkpoints of llama2.c: a header of seven numbers, then the matrices as float32. Version 0 ("legacy") has no magic
 * and keeps each kind of tensor for all layers together; version 1 has a magic and stores norms first. The tokenizer is
 * a file of its own. Source: the description of both layouts in llama2.c's export.py. */
#ifndef EW_CONVERT_LLAMA2C_H
#define EW_CONVERT_LLAMA2C_H

#include "convert/checkpoint.h"
#include "convert/hf_config.h"
#include "convert/vocabulary.h"

/* Fills config, and adds tensors under Meta's names ("layers.0.attention.wq.weight") as tensors of file `file`. name
 * stands before messages. Errors: FORMAT (a size that does not fit the header …), UNSUPPORTED (version 2), MEMORY. */
enum ew_status ew_llama2c_read(const char *name, const uint8_t *data, size_t size, uint32_t file,
                               struct ew_checkpoint *checkpoint, struct ew_hf_config *config, struct ew_error *err);

/* Fills an uninitialised vocabulary of n_vocab tokens from tokenizer.bin. Errors: FORMAT, UNSUPPORTED (scores that are
 * ranks: the file lacks the merges), MEMORY. */
enum ew_status ew_llama2c_tokenizer_read(const char *name, const uint8_t *data, size_t size, uint32_t n_vocab,
                                         struct ew_vocabulary *out, struct ew_error *err);

#endif
