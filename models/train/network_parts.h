/* The parts of a layer that are no matrix product, forward and backward: root-mean-square norm, rotary positions,
 * SwiGLU, attention, and the loss over the vocabulary. Arrays are row-major; a row belongs to a token. "d" before a
 * name is the derivative of the loss by it. Single-threaded. Sources: Zhang and Sennrich 2019 (RMSNorm); Su et al. 2021
 * (RoPE), adjacent pairs; Shazeer 2020 (SwiGLU); Vaswani et al. 2017 (attention). */
#ifndef EW_TRAIN_NETWORK_PARTS_H
#define EW_TRAIN_NETWORK_PARTS_H

#include "train/network_shape.h"

/* y = x / rms(x) · gain.   x, y: [n, width]; scale: [n] receives 1 / rms(x). */
void ew_norm_forward(size_t n, size_t width, const float *x, const float *gain, float eps, float *y, float *scale);
/* Adds to dx [n, width] and dgain [width]. */
void ew_norm_backward(size_t n, size_t width, const float *x, const float *gain, const float *scale, const float *dy,
                      float *dx, float *dgain);

/* table: [n_ctx, head_dim / 2, 2]: cosine and sine of each position and pair. */
void ew_rope_fill(const struct ew_net_shape *shape, float *table);
/* Turns queries and keys of rows [n, qkv width]; row i is at position i % n_ctx. direction 1, or -1 for derivatives:
 * the inverse of a rotation is its transpose. */
void ew_rope_turn(const struct ew_net_shape *shape, size_t n, const float *table, float direction, float *qkv);

/* out = silu(gate) · up.   gate_up: [n, 2 ff], gates first; out: [n, ff]. */
void ew_swiglu_forward(size_t n, size_t ff, const float *gate_up, float *out);
/* dgate_up: [n, 2 ff], overwritten. */
void ew_swiglu_backward(size_t n, size_t ff, const float *gate_up, const float *dout, float *dgate_up);

/* Causal attention of sequences of n_ctx tokens. qkv: [n_sequences · n_ctx, qkv width]; out: [.., n_embd];
 * weights: [n_sequences, n_head, n_ctx, n_ctx] receives the softmax, for the way back; above the diagonal it holds what
 * nobody reads. */
void ew_attention_forward(const struct ew_net_shape *shape, size_t n_sequences, const float *qkv, float *weights,
                          float *out);
/* dqkv is overwritten. scratch: EW_ATTENTION_BLOCK · n_ctx floats. */
enum { EW_ATTENTION_BLOCK = 64 };
void ew_attention_backward(const struct ew_net_shape *shape, size_t n_sequences, const float *qkv, const float *weights,
                           const float *dout, float *dqkv, float *scratch);

/* One row of logits: returns -ln p(next) in nats; where dscale is not 0 the logits become dscale · (p - [next]), the
 * derivative of dscale times that loss. */
double ew_cross_entropy(size_t n_vocab, float *logits, uint32_t next, float dscale);

#endif
