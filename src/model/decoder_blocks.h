/* The blocks that decoders are built from, as ops of the plan. What a file has decides what is built: biases, norms of
 * queries and keys, fused or separate products, experts; what only the architecture knows is an argument. */
#ifndef EW_MODEL_DECODER_BLOCKS_H
#define EW_MODEL_DECODER_BLOCKS_H

#include "model/architecture.h"

/* X = scale * token_embd row, plus the row of position_embd where the file has one. */
void ew_block_embedding(struct ew_binder *b, double scale);

/* Goes to the next layer; false behind the last, outside the layers again. Start before the first:
 * while (ew_block_next_layer(b)) … */
bool ew_block_next_layer(struct ew_binder *b);

/* dst = norm of src with <name>.weight and, where the file has it, <name>.bias; both n_embd wide. */
void ew_block_norm(struct ew_binder *b, const char *name, enum ew_buffer src, enum ew_buffer dst);

/* What the architecture knows of its attention. */
struct ew_attention_block {
    enum ew_buffer rope; /* EW_BUF_ROPE, EW_BUF_ROPE_LOCAL, or 0: this layer does not rotate */
    double scale;        /* of scores; 0: 1 / sqrt(head_dim) */
    double soft_cap;     /* 0: none */
    uint32_t window;     /* 0: all positions */
};

/* ATTN = attention of src: products for Q, K, V (attn_qkv, or attn_q, attn_k, attn_v; with biases), norms of queries
 * and keys (attn_q_norm, attn_k_norm: of a head, of each head its own, or of all heads together), rotation, cache. */
void ew_block_attention(struct ew_binder *b, enum ew_buffer src, const struct ew_attention_block *attention);

/* dst = or, when dst is X, X += the product of <name>.weight (bias) with src: n_in to n_embd values. */
void ew_block_output(struct ew_binder *b, const char *name, enum ew_buffer src, uint32_t n_in, enum ew_buffer dst);
/* The same for attn_output and ATTN of this layer's heads. */
void ew_block_attention_output(struct ew_binder *b, enum ew_buffer dst);

/* dst = or X += the gated feed-forward of src: ffn_gate and ffn_up, or both in ffn_up, then ffn_down, with biases where
 * the file has them; or a mixture of experts of that kind, where it has a router, ffn_gate_inp. SILU or GELU. */
void ew_block_feed_forward(struct ew_binder *b, enum ew_buffer src, enum ew_activation activation, enum ew_buffer dst);
/* The same without a gate: ffn_up and ffn_down. GELU or GELU_ERF. */
void ew_block_plain_feed_forward(struct ew_binder *b, enum ew_buffer src, enum ew_activation activation,
                                 enum ew_buffer dst);

/* A layer in the usual order, each part on a norm of X: X += attention, X += feed-forward (attn_norm, ffn_norm). */
void ew_block_usual_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                          enum ew_activation activation);
/* The same with a feed-forward without a gate. */
void ew_block_plain_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                          enum ew_activation activation);
/* The usual one with norms behind both parts too, before they join X (post_attention_norm, post_ffw_norm). */
void ew_block_wrapped_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                            enum ew_activation activation);

/* X += scale * BRANCH. */
void ew_block_add(struct ew_binder *b, double scale);

/* LOGITS = capped(scale * (output.weight · norm(X) + output.bias)); the embedding serves where there is no
 * output.weight. soft_cap 0: none. */
void ew_block_head(struct ew_binder *b, const char *norm_name, double scale, double soft_cap);

#endif
