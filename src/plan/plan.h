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
    EW_BUF_ATTN, /* heads' outputs, concatenated; or what a convolution gives */
    EW_BUF_GATE,
    EW_BUF_UP,
    EW_BUF_BRANCH,     /* what a block gives, where it is normed or scaled before it joins X */
    EW_BUF_CONV,       /* input of a short convolution: two gates and the values */
    EW_BUF_ROUTE,      /* the router's logits, one per expert */
    EW_BUF_EXPERTS,    /* outputs of the chosen experts */
    EW_BUF_ROPE,       /* cos, sin pairs of the token's position: table 0 */
    EW_BUF_ROPE_LOCAL, /* the same of table 1, for layers with a base of their own */
    EW_BUF_LOGITS,     /* one row, not one per token */
    EW_BUF_COUNT
};

enum ew_op_kind {
    EW_OP_EMBED,     /* X = scale * row of weight 0 by token id (+ row of weight 1 by position); ROPE… by position */
    EW_OP_NORM,      /* dst[0] = norm(src) * weight 0 + bias 0, on each of n_rows pieces */
    EW_OP_MATMUL,    /* dst[i] (+)= weight i * src + bias i, i < n_weights: products that share their input */
    EW_OP_ROPE,      /* rotate Q and K in place, per head, by table src */
    EW_OP_CACHE,     /* append K and V to the layer's cache */
    EW_OP_ATTENTION, /* ATTN = softmax(scale Q K', capped) V over the layer's cache, or its last `window` positions */
    EW_OP_GATE,      /* GATE = activation(GATE) * UP, or without UP when src is GATE; n_used rows per token, or one */
    EW_OP_ADD,       /* X += scale * src */
    EW_OP_CONV,      /* dst[0] = C * conv(B * V), the thirds of src being B, C, V; weight 0: [n_embd][taps], causal */
    EW_OP_ROUTE,     /* choose n_used of the experts by ROUTE, with softmax over the chosen as their weights */
    EW_OP_EXPERTS,   /* dst[i] = weight i of each chosen expert * src, which has n_rows rows per token: 1 or n_used */
    EW_OP_MIX,       /* dst[0] (+)= the chosen experts' EXPERTS, weighted */
    EW_OP_HEAD       /* LOGITS = capped(scale * (weight 1 * norm(X of the chosen token, weight 0, bias 0) + bias 1)) */
};

enum ew_norm_kind { EW_NORM_RMS, EW_NORM_LAYER };

/* Gates of the feed-forward. GELU is the tanh approximation, GELU_ERF the exact one. */
enum ew_activation { EW_ACTIVATION_SILU, EW_ACTIVATION_GELU, EW_ACTIVATION_GELU_ERF };

enum { EW_OP_MAX_WEIGHTS = 3, EW_PLAN_MAX_ROPES = 2 };

struct ew_op {
    enum ew_op_kind kind;
    int32_t layer; /* -1 outside the layers */
    enum ew_buffer src;
    enum ew_buffer dst[EW_OP_MAX_WEIGHTS];
    const struct ew_gguf_tensor *weights[EW_OP_MAX_WEIGHTS];
    const struct ew_gguf_tensor *bias[EW_OP_MAX_WEIGHTS]; /* NULL: none */
    uint32_t n_weights;
    bool accumulate; /* MATMUL, MIX: add to dst */

    enum ew_norm_kind norm; /* NORM, HEAD */
    float eps;
    enum ew_activation activation;        /* GATE */
    uint32_t n_rows;                      /* NORM: pieces of a token's row; EXPERTS: rows of src per token */
    uint32_t width;                       /* NORM: floats of a piece; GATE, ADD, MIX, CONV: of a row */
    uint32_t n_head, n_head_kv, head_dim; /* ROPE, CACHE, ATTENTION */
    uint32_t window;                      /* ATTENTION: 0 = all positions */
    uint32_t n_expert;                    /* ROUTE, EXPERTS */
    uint32_t n_used;                      /* ROUTE, EXPERTS, MIX, GATE: chosen experts; 0 = none of it */
    float scale;                          /* EMBED, ATTENTION, ADD, HEAD */
    float soft_cap;                       /* ATTENTION, HEAD: 0 = none */
};

enum ew_rope_pairs { EW_ROPE_ADJACENT, EW_ROPE_HALVES };

/* A table of rotations. Long contexts may have frequencies of their own; which set holds is settled by the context a
 * session is opened with, because keys in the cache are rotated already. */
struct ew_rope {
    uint32_t n_rot; /* leading dimensions of each head that are rotated; even; 0: no table */
    enum ew_rope_pairs pairs;
    double *frequency;      /* [n_rot / 2]: radians per position, scaling applied */
    double *long_frequency; /* the same for contexts of more than n_ctx_short tokens; NULL: frequency serves all */
    uint32_t n_ctx_short;
    double magnitude; /* what cos and sin are multiplied with */
};

struct ew_plan {
    uint32_t n_vocab;
    uint32_t n_positions; /* positions that the model has embeddings for; 0: no limit */
    struct ew_rope ropes[EW_PLAN_MAX_ROPES];
    struct ew_op *ops;
    size_t n_ops;
    size_t capacity;
    struct ew_gguf_tensor **views; /* [n_views]: rows of fused matrices */
    size_t n_views;
    uint32_t width[EW_BUF_COUNT]; /* floats per token; 0 = unused */
};

/* Appends an op (zero-filled but for the arguments) and returns it for completion; NULL when memory is short. */
struct ew_op *ew_plan_append(struct ew_plan *plan, enum ew_op_kind kind, int32_t layer);

/* Rows [row, row + n_rows) of a matrix (or elements of a vector) as a tensor that the plan owns: how the parts of a
 * fused weight become weights of their own. The range must lie inside. NULL when memory is short. */
const struct ew_gguf_tensor *ew_plan_view_rows(struct ew_plan *plan, const struct ew_gguf_tensor *tensor, uint64_t row,
                                               uint64_t n_rows);

/* The matrices that op multiplies with, in the order of its weights; returns their count. */
uint32_t ew_plan_op_matrices(const struct ew_op *op, const struct ew_gguf_tensor *out[EW_OP_MAX_WEIGHTS]);

/* Whether some op remembers more than keys and values by position: then only the latest position can go on. */
bool ew_plan_keeps_state(const struct ew_plan *plan);

void ew_plan_free(struct ew_plan *plan);

/* Fixed words for printing. */
const char *ew_op_name(enum ew_op_kind kind);
const char *ew_buffer_name(enum ew_buffer buffer);

/* Where buffers live: buffers that are never alive together share memory. offset_floats[b] is per token: a buffer's
 * row-major block for n tokens starts at offset_floats[b] * n. Returns the floats per token of all together
 * (EW_BUF_LOGITS left out: it is one row). */
size_t ew_plan_place_buffers(const struct ew_plan *plan, size_t offset_floats[EW_BUF_COUNT]);

#endif
