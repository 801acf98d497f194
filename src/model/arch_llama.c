/* The Llama family: Llama 1–3.2, TinyLlama, SmolLM2, Mistral. Pre-norm decoder with RMSNorm, rotary positions on
 * adjacent pairs, grouped-query attention and a SwiGLU feed-forward; the head may share the embedding.
 * Sources: arXiv 2302.13971 (Llama), 2307.09288 (grouped queries), 2407.21783 (Llama 3); GGUF tensor names.
 * Refuses mixtures of experts and biases. */
#include "model/architecture.h"

#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status check(const struct ew_gguf *gguf, const struct ew_config *c, struct ew_error *err) {
    if (c->n_expert > 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: %s.expert_count: %u; mixtures of experts cannot be run yet",
                            ew_gguf_path(gguf), c->arch, c->n_expert);
    if (c->n_embd % 32 != 0 || c->n_ff % 32 != 0 || c->n_head * c->head_dim % 32 != 0 || c->head_dim % 8 != 0)
        return ew_error_set(err, EW_ERR_SHAPE,
                            "%s: widths %u, %u and heads of %u: widths must be multiples of 32 and "
                            "heads of 8",
                            ew_gguf_path(gguf), c->n_embd, c->n_ff, c->head_dim);
    return EW_OK;
}

/* Radians per position of each rotated pair: base^(-2i/n_rot), divided by the linear factor and by the file's own
 * divisors (rope_freqs.weight, the Llama 3 scaling) where it has them. */
static void fill_rope(struct ew_binder *b, const struct ew_config *c) {
    uint32_t n = c->n_rot / 2;
    double *f = calloc(n, sizeof *f);
    if (!f) {
        b->status = ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory while planning", ew_gguf_path(b->gguf));
        return;
    }
    b->plan->rope_frequency = f;
    const float *divisors = NULL;
    if (ew_bind_has(b, -1, "rope_freqs.weight")) {
        const struct ew_gguf_tensor *t = ew_bind(b, -1, "rope_freqs.weight", n, 0);
        if (b->status != EW_OK) return;
        if (t->type != EW_TYPE_F32) {
            b->status = ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor rope_freqs.weight: type %s, expected F32",
                                     ew_gguf_path(b->gguf), ew_type_traits(t->type)->name);
            return;
        }
        divisors = (const float *)(const void *)t->data;
    }
    for (uint32_t i = 0; i < n; i++) {
        float divisor = 1;
        if (divisors) memcpy(&divisor, divisors + i, sizeof divisor);
        f[i] = pow(c->rope_base, -2.0 * i / c->n_rot) / (c->rope_linear_factor * divisor);
    }
}

static void add_norm(struct ew_binder *b, int32_t layer, const char *name, uint32_t width) {
    struct ew_op *op = ew_bind_op(b, EW_OP_NORM, layer);
    op->src = EW_BUF_X;
    op->dst[0] = EW_BUF_NORMED;
    op->weights[0] = ew_bind(b, layer, name, width, 0);
    op->n_weights = 1;
}

static void add_product(struct ew_binder *b, int32_t layer, const char *name, enum ew_buffer src, enum ew_buffer dst,
                        uint32_t n_in, uint32_t n_out) {
    struct ew_op *op = ew_bind_op(b, EW_OP_MATMUL, layer);
    op->src = src;
    op->dst[0] = dst;
    op->weights[0] = ew_bind(b, layer, name, n_in, n_out);
    op->n_weights = 1;
    op->accumulate = dst == EW_BUF_X;
}

static void add_layer(struct ew_binder *b, const struct ew_config *c, int32_t layer) {
    uint32_t q = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;
    add_norm(b, layer, "attn_norm.weight", c->n_embd);
    struct ew_op *qkv = ew_bind_op(b, EW_OP_MATMUL, layer);
    qkv->src = EW_BUF_NORMED;
    qkv->n_weights = 3;
    qkv->dst[0] = EW_BUF_Q;
    qkv->dst[1] = EW_BUF_K;
    qkv->dst[2] = EW_BUF_V;
    qkv->weights[0] = ew_bind(b, layer, "attn_q.weight", c->n_embd, q);
    qkv->weights[1] = ew_bind(b, layer, "attn_k.weight", c->n_embd, kv);
    qkv->weights[2] = ew_bind(b, layer, "attn_v.weight", c->n_embd, kv);
    ew_bind_op(b, EW_OP_ROPE, layer);
    ew_bind_op(b, EW_OP_CACHE, layer);
    ew_bind_op(b, EW_OP_ATTENTION, layer);
    add_product(b, layer, "attn_output.weight", EW_BUF_ATTN, EW_BUF_X, q, c->n_embd);

    add_norm(b, layer, "ffn_norm.weight", c->n_embd);
    struct ew_op *up = ew_bind_op(b, EW_OP_MATMUL, layer);
    up->src = EW_BUF_NORMED;
    up->n_weights = 2;
    up->dst[0] = EW_BUF_GATE;
    up->dst[1] = EW_BUF_UP;
    up->weights[0] = ew_bind(b, layer, "ffn_gate.weight", c->n_embd, c->n_ff);
    up->weights[1] = ew_bind(b, layer, "ffn_up.weight", c->n_embd, c->n_ff);
    ew_bind_op(b, EW_OP_GATE, layer);
    add_product(b, layer, "ffn_down.weight", EW_BUF_GATE, EW_BUF_X, c->n_ff, c->n_embd);
}

static void refuse_biases(struct ew_binder *b) {
    if (b->status == EW_OK && ew_bind_has(b, 0, "attn_q.bias"))
        b->status = ew_error_set(b->err, EW_ERR_UNSUPPORTED,
                                 "%s: tensor blk.0.attn_q.bias: attention biases cannot be "
                                 "run yet",
                                 ew_gguf_path(b->gguf));
}

static enum ew_status build(const struct ew_gguf *gguf, const struct ew_config *c, struct ew_plan *plan,
                            struct ew_error *err) {
    enum ew_status status = check(gguf, c, err);
    if (status != EW_OK) return status;
    uint32_t q = c->n_head * c->head_dim, kv = c->n_head_kv * c->head_dim;
    plan->shape = (struct ew_plan_shape){
        .n_layer = c->n_layer,
        .n_embd = c->n_embd,
        .n_head = c->n_head,
        .n_head_kv = c->n_head_kv,
        .head_dim = c->head_dim,
        .n_ff = c->n_ff,
        .n_vocab = c->n_vocab,
        .n_ctx_train = c->n_ctx_train,
        .n_rot = c->n_rot,
        .rope_pairs = EW_ROPE_ADJACENT,
        .norm_eps = (float)c->norm_eps,
        .attention_scale = 1.0f / sqrtf((float)c->head_dim),
    };
    const uint32_t width[EW_BUF_COUNT] = {
        [EW_BUF_X] = c->n_embd,   [EW_BUF_NORMED] = c->n_embd,
        [EW_BUF_Q] = q,           [EW_BUF_K] = kv,
        [EW_BUF_V] = kv,          [EW_BUF_ATTN] = q,
        [EW_BUF_GATE] = c->n_ff,  [EW_BUF_UP] = c->n_ff,
        [EW_BUF_ROPE] = c->n_rot, [EW_BUF_LOGITS] = c->n_vocab,
    };
    memcpy(plan->width, width, sizeof width);

    struct ew_binder b = {.gguf = gguf, .plan = plan, .status = EW_OK, .err = err};
    fill_rope(&b, c);
    refuse_biases(&b);
    struct ew_op *embed = ew_bind_op(&b, EW_OP_EMBED, -1);
    embed->weights[0] = ew_bind(&b, -1, "token_embd.weight", c->n_embd, c->n_vocab);
    embed->n_weights = 1;
    for (uint32_t i = 0; i < c->n_layer; i++) add_layer(&b, c, (int32_t)i);
    struct ew_op *head = ew_bind_op(&b, EW_OP_HEAD, -1);
    head->src = EW_BUF_X;
    head->dst[0] = EW_BUF_LOGITS;
    head->n_weights = 2;
    head->weights[0] = ew_bind(&b, -1, "output_norm.weight", c->n_embd, 0);
    bool tied = !ew_bind_has(&b, -1, "output.weight");
    head->weights[1] = ew_bind(&b, -1, tied ? "token_embd.weight" : "output.weight", c->n_embd, c->n_vocab);
    return b.status;
}

const struct ew_architecture ew_architecture_llama = {.name = "llama", .build = build};
