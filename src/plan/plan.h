/* The plan: an ordered list of typed operations with shapes, weight references and buffers. It is data; backends run
 * it, the ledger and the cost model sum it up, and nothing below it knows what architecture it came from.
 * A plan refers to the tensors of an opened GGUF file and must not outlive it. */
#ifndef EW_PLAN_PLAN_H
#define EW_PLAN_PLAN_H

#include "gguf/gguf_read.h"

/* Activations: rows of `width` floats, one per token in flight. */
enum ew_buffer {
    EW_BUF_X,      /* residual stream */
    EW_BUF_NORMED, /* input of the next products */
    EW_BUF_Q,
    EW_BUF_K,
    EW_BUF_V,
    EW_BUF_ATTN, /* heads' outputs, concatenated */
    EW_BUF_GATE,
    EW_BUF_UP,
    EW_BUF_ROPE,   /* cos, sin pairs of the token's position */
    EW_BUF_LOGITS, /* one row, not one per token */
    EW_BUF_COUNT
};

enum ew_op_kind {
    EW_OP_EMBED,     /* X = rows of weight 0 by token id; ROPE = cos, sin by position */
    EW_OP_NORM,      /* dst[0] = rms_norm(src) * weight 0 */
    EW_OP_MATMUL,    /* dst[i] (+)= weight i * src, i < n_weights: products that share their input */
    EW_OP_ROPE,      /* rotate Q and K in place, per head */
    EW_OP_CACHE,     /* append K and V to the layer's cache */
    EW_OP_ATTENTION, /* ATTN = softmax(Q K') V over the layer's cache */
    EW_OP_GATE,      /* GATE = silu(GATE) * UP */
    EW_OP_HEAD       /* LOGITS = weight 1 * rms_norm(X of the chosen token, weight 0) */
};

enum { EW_OP_MAX_WEIGHTS = 3 };

struct ew_op {
    enum ew_op_kind kind;
    int32_t layer; /* -1 outside the layers */
    enum ew_buffer src;
    enum ew_buffer dst[EW_OP_MAX_WEIGHTS];
    const struct ew_gguf_tensor *weights[EW_OP_MAX_WEIGHTS];
    uint32_t n_weights;
    bool accumulate; /* MATMUL: add to dst */
};

enum ew_rope_pairs { EW_ROPE_ADJACENT, EW_ROPE_HALVES };

/* Sizes that several ops share. */
struct ew_plan_shape {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train;
    uint32_t n_rot; /* leading dimensions of each head that are rotated; even */
    enum ew_rope_pairs rope_pairs;
    float norm_eps;
    float attention_scale;
};

struct ew_plan {
    struct ew_plan_shape shape;
    double *rope_frequency; /* [n_rot / 2]: radians per position, scaling applied */
    struct ew_op *ops;
    size_t n_ops;
    size_t capacity;
    uint32_t width[EW_BUF_COUNT]; /* floats per token; 0 = unused */
};

/* Appends an op (zero-filled but for the arguments) and returns it for completion; NULL when memory is short. */
struct ew_op *ew_plan_append(struct ew_plan *plan, enum ew_op_kind kind, int32_t layer);
void ew_plan_free(struct ew_plan *plan);

/* Fixed words for printing. */
const char *ew_op_name(enum ew_op_kind kind);
const char *ew_buffer_name(enum ew_buffer buffer);

/* Where buffers live: buffers that are never alive together share memory. offset_floats[b] is per token: a buffer's
 * row-major block for n tokens starts at offset_floats[b] * n. Returns the floats per token of all together
 * (EW_BUF_LOGITS left out: it is one row). */
size_t ew_plan_place_buffers(const struct ew_plan *plan, size_t offset_floats[EW_BUF_COUNT]);

#endif
