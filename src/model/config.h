/* Hyper-parameters of a model as its file states them, checked for sense. */
#ifndef EW_MODEL_CONFIG_H
#define EW_MODEL_CONFIG_H

#include "gguf/gguf_read.h"

enum { EW_ARCH_NAME_SIZE = 32 };

struct ew_config {
    char arch[EW_ARCH_NAME_SIZE];
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train;
    uint32_t n_rot;
    uint32_t n_expert; /* 0 = dense */
    double norm_eps;
    double rope_base;
    double rope_linear_factor; /* positions are divided by this; 1 = no scaling */
};

/* Reads <arch>.* keys. Optional keys get the defaults of the GGUF specification (head_count_kv = head_count,
 * rope.freq_base = 10000, …). Every value is bounded so that later products cannot overflow 64 bits.
 * Errors: NOT_FOUND (key), FORMAT (value out of range), UNSUPPORTED (rope scaling). */
enum ew_status ew_config_read(const struct ew_gguf *gguf, struct ew_config *out, struct ew_error *err);

#endif
