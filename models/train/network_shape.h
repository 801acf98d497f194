/* The shape of a Llama model in training and where its parameters lie: all of them in one array of floats, so that
 * gradients, moments and checkpoints are arrays of the same length.
 *
 *     token_embd [n_vocab, n_embd]    of the input and, transposed, of the output (tied)
 *     n_layer times: attn_norm, attn_q | attn_k | attn_v (one matrix), attn_output, ffn_norm, ffn_gate | ffn_up (one
 *     matrix), ffn_down
 *     output_norm */
#ifndef EW_TRAIN_NETWORK_SHAPE_H
#define EW_TRAIN_NETWORK_SHAPE_H

#include "edgewise/status.h"
#include <stddef.h>
#include <stdint.h>

struct ew_net_shape {
    uint32_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    float norm_eps, rope_base;
};

static inline size_t ew_net_head_dim(const struct ew_net_shape *s) { return s->n_embd / s->n_head; }
static inline size_t ew_net_kv_width(const struct ew_net_shape *s) { return s->n_head_kv * ew_net_head_dim(s); }
static inline size_t ew_net_qkv_width(const struct ew_net_shape *s) { return s->n_embd + 2 * ew_net_kv_width(s); }

/* Errors: ARGUMENT, naming what does not divide or is out of range. */
enum ew_status ew_net_shape_check(const struct ew_net_shape *shape, struct ew_error *err);

/* Offsets of one layer's parameters. */
struct ew_net_layer_at {
    size_t attn_norm, qkv, attn_output, ffn_norm, gate_up, ffn_down;
};
struct ew_net_layer_at ew_net_layer(const struct ew_net_shape *shape, uint32_t layer);
size_t ew_net_output_norm(const struct ew_net_shape *shape);
size_t ew_net_n_params(const struct ew_net_shape *shape);

enum ew_net_kind { EW_NET_EMBEDDING, EW_NET_NORM, EW_NET_MATRIX };

/* A tensor as a GGUF file names it. */
struct ew_net_tensor {
    char name[48];
    enum ew_net_kind kind;
    size_t offset, rows, columns; /* a norm: one row */
};

enum { EW_NET_TENSORS_PER_LAYER = 9 };
static inline size_t ew_net_n_tensors(const struct ew_net_shape *s) {
    return 2 + (size_t)s->n_layer * EW_NET_TENSORS_PER_LAYER;
}
/* i < ew_net_n_tensors; in the order of memory. */
struct ew_net_tensor ew_net_tensor_at(const struct ew_net_shape *shape, size_t i);

/* Multiplications and additions of matrices for one token, forward and backward: 6 for each parameter of a matrix (the
 * output's included), and 12 · n_layer · n_embd for each position that attention looks at (half the window on average).
 * Source: Kaplan et al. 2020, arXiv 2001.08361, section 2.1. */
double ew_net_flops_per_token(const struct ew_net_shape *shape);

#endif
