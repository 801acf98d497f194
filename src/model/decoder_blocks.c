/* Owns the blocks of decoders: which ops they become and which tensors they take. Knows no architecture by name. */
#include "model/decoder_blocks.h"

#include "base/error.h"
#include <math.h>
#include <stdio.h>

static const char *suffixed(const char *name, const char *suffix, char buf[96]) {
    snprintf(buf, 96, "%s.%s", name, suffix);
    return buf;
}

static const struct ew_layer_config *layer_of(const struct ew_binder *b) { return &b->config->layers[b->layer]; }

void ew_block_embedding(struct ew_binder *b, double scale) {
    const struct ew_config *c = b->config;
    struct ew_op *op = ew_bind_op(b, EW_OP_EMBED);
    ew_bind_buffer(b, EW_BUF_X, c->n_embd);
    b->plan->n_vocab = c->n_vocab;
    op->scale = (float)scale;
    op->n_weights = 1;
    op->weights[0] = ew_bind_matrix(b, "token_embd.weight", c->n_embd, c->n_vocab);
    if (!ew_bind_has(b, "position_embd.weight")) return;
    op->weights[op->n_weights++] = ew_bind_matrix(b, "position_embd.weight", c->n_embd, c->n_ctx_train);
    b->plan->n_positions = c->n_ctx_train;
}

bool ew_block_next_layer(struct ew_binder *b) {
    if (b->status == EW_OK && b->layer + 1 < (int32_t)b->config->n_layer) {
        b->layer++;
        return true;
    }
    b->layer = -1;
    return false;
}

/* Fills a norm of n_rows pieces of width floats, or one with weights for each piece (own). */
static struct ew_op *add_norm(struct ew_binder *b, const char *name, enum ew_buffer src, enum ew_buffer dst,
                              uint32_t n_rows, uint32_t width) {
    char full[96];
    struct ew_op *op = ew_bind_op(b, EW_OP_NORM);
    op->src = src;
    op->dst[0] = ew_bind_buffer(b, dst, n_rows * width);
    op->norm = b->norm;
    op->eps = (float)b->config->norm_eps;
    op->n_rows = n_rows;
    op->width = width;
    op->n_weights = 1;
    op->bias[0] = ew_bind_optional(b, suffixed(name, "bias", full), width);
    return op;
}

void ew_block_norm(struct ew_binder *b, const char *name, enum ew_buffer src, enum ew_buffer dst) {
    char full[96];
    uint32_t n = b->config->n_embd;
    add_norm(b, name, src, dst, 1, n)->weights[0] = ew_bind_vector(b, suffixed(name, "weight", full), n);
}

/* ---- products ---- */

/* Adds <name>.weight and its bias to an op of products. */
static void add_weight(struct ew_binder *b, struct ew_op *op, const char *name, uint32_t n_in, enum ew_buffer dst,
                       uint32_t n_out) {
    char full[96];
    uint32_t i = op->n_weights++;
    op->dst[i] = ew_bind_buffer(b, dst, n_out);
    op->weights[i] = ew_bind_matrix(b, suffixed(name, "weight", full), n_in, n_out);
    op->bias[i] = ew_bind_optional(b, suffixed(name, "bias", full), n_out);
}

/* The same for n parts of a fused weight, one after the other in its rows. */
static void add_parts(struct ew_binder *b, struct ew_op *op, const char *name, uint32_t n_in, uint32_t n,
                      const enum ew_buffer *dst, const uint32_t *n_out) {
    char full[96];
    uint32_t total = 0, row = 0;
    for (uint32_t i = 0; i < n; i++) total += n_out[i];
    const struct ew_gguf_tensor *weight = ew_bind_matrix(b, suffixed(name, "weight", full), n_in, total);
    const struct ew_gguf_tensor *bias = ew_bind_optional(b, suffixed(name, "bias", full), total);
    op->n_weights = n;
    for (uint32_t i = 0; i < n; i++, row += n_out[i - 1]) {
        op->dst[i] = ew_bind_buffer(b, dst[i], n_out[i]);
        op->weights[i] = ew_bind_rows(b, weight, row, n_out[i]);
        if (bias) op->bias[i] = ew_bind_rows(b, bias, row, n_out[i]);
    }
}

static struct ew_op *add_products(struct ew_binder *b, enum ew_buffer src) {
    struct ew_op *op = ew_bind_op(b, EW_OP_MATMUL);
    op->src = src;
    op->n_weights = 0;
    return op;
}

void ew_block_output(struct ew_binder *b, const char *name, enum ew_buffer src, uint32_t n_in, enum ew_buffer dst) {
    struct ew_op *op = add_products(b, src);
    add_weight(b, op, name, n_in, dst, b->config->n_embd);
    op->accumulate = dst == EW_BUF_X;
}

void ew_block_attention_output(struct ew_binder *b, enum ew_buffer dst) {
    ew_block_output(b, "attn_output", EW_BUF_ATTN, layer_of(b)->n_head * b->config->head_dim, dst);
}

/* ---- attention ---- */

static void add_qkv(struct ew_binder *b, enum ew_buffer src, uint32_t q, uint32_t kv) {
    static const enum ew_buffer dst[] = {EW_BUF_Q, EW_BUF_K, EW_BUF_V};
    uint32_t n = b->config->n_embd;
    struct ew_op *op = add_products(b, src);
    if (ew_bind_has(b, "attn_qkv.weight")) {
        add_parts(b, op, "attn_qkv", n, 3, dst, (const uint32_t[]){q, kv, kv});
        return;
    }
    add_weight(b, op, "attn_q", n, EW_BUF_Q, q);
    add_weight(b, op, "attn_k", n, EW_BUF_K, kv);
    add_weight(b, op, "attn_v", n, EW_BUF_V, kv);
}

/* The norm of queries or keys, where the file has one. Its shape says what it spans. */
static void add_head_norm(struct ew_binder *b, const char *name, enum ew_buffer buffer, uint32_t n_head) {
    char full[96];
    const uint32_t dim = b->config->head_dim;
    const struct ew_gguf_tensor *t = ew_bind_peek(b, suffixed(name, "weight", full));
    if (!t) return;
    bool whole = t->ne[0] != dim;
    struct ew_op *op = add_norm(b, name, buffer, buffer, whole ? 1 : n_head, whole ? n_head * dim : dim);
    op->weights[0] = ew_bind_vectors(b, full, op->width, t->ne[1] > 1 ? n_head : 1);
}

static struct ew_op *add_head_op(struct ew_binder *b, enum ew_op_kind kind) {
    struct ew_op *op = ew_bind_op(b, kind);
    op->n_head = layer_of(b)->n_head;
    op->n_head_kv = layer_of(b)->n_head_kv;
    op->head_dim = b->config->head_dim;
    return op;
}

void ew_block_attention(struct ew_binder *b, enum ew_buffer src, const struct ew_attention_block *a) {
    const struct ew_config *c = b->config;
    const uint32_t q = layer_of(b)->n_head * c->head_dim, kv = layer_of(b)->n_head_kv * c->head_dim;
    if (b->status == EW_OK && (c->head_dim % 8 != 0 || kv == 0))
        b->status = ew_error_set(b->err, EW_ERR_SHAPE,
                                 "%s: layer %d: %u KV heads of %u values; attention needs at "
                                 "least 1, of a multiple of 8",
                                 ew_gguf_path(b->gguf), b->layer, layer_of(b)->n_head_kv, c->head_dim);
    add_qkv(b, src, q, kv);
    add_head_norm(b, "attn_q_norm", EW_BUF_Q, layer_of(b)->n_head);
    add_head_norm(b, "attn_k_norm", EW_BUF_K, layer_of(b)->n_head_kv);
    if (a->rope) add_head_op(b, EW_OP_ROPE)->src = a->rope;
    add_head_op(b, EW_OP_CACHE);
    struct ew_op *op = add_head_op(b, EW_OP_ATTENTION);
    op->dst[0] = ew_bind_buffer(b, EW_BUF_ATTN, q);
    op->scale = a->scale > 0 ? (float)a->scale : 1.0f / sqrtf((float)c->head_dim);
    op->soft_cap = (float)a->soft_cap;
    op->window = a->window;
}

/* ---- feed-forward ---- */

static void add_gate(struct ew_binder *b, enum ew_activation activation, enum ew_buffer src, uint32_t width,
                     uint32_t n_used) {
    struct ew_op *op = ew_bind_op(b, EW_OP_GATE);
    op->src = src;
    op->dst[0] = EW_BUF_GATE;
    op->activation = activation;
    op->width = width;
    op->n_used = n_used;
}

static void add_expert_weight(struct ew_binder *b, struct ew_op *op, const char *name, uint32_t n_in,
                              enum ew_buffer dst, uint32_t n_out) {
    op->dst[op->n_weights] = ew_bind_buffer(b, dst, op->n_used * n_out);
    op->weights[op->n_weights++] = ew_bind_experts(b, name, n_in, n_out, b->config->n_expert);
}

static struct ew_op *add_expert_op(struct ew_binder *b, enum ew_op_kind kind, enum ew_buffer src) {
    struct ew_op *op = ew_bind_op(b, kind);
    op->src = src;
    op->n_expert = b->config->n_expert;
    op->n_used = b->config->n_expert_used;
    op->n_weights = 0;
    return op;
}

static void add_experts(struct ew_binder *b, enum ew_buffer src, enum ew_activation activation, enum ew_buffer dst) {
    const struct ew_config *c = b->config;
    const uint32_t n = c->n_embd, n_ff = c->n_ff_expert;
    add_weight(b, add_products(b, src), "ffn_gate_inp", n, EW_BUF_ROUTE, c->n_expert);
    add_expert_op(b, EW_OP_ROUTE, EW_BUF_ROUTE);
    struct ew_op *op = add_expert_op(b, EW_OP_EXPERTS, src);
    op->n_rows = 1;
    add_expert_weight(b, op, "ffn_gate_exps.weight", n, EW_BUF_GATE, n_ff);
    add_expert_weight(b, op, "ffn_up_exps.weight", n, EW_BUF_UP, n_ff);
    add_gate(b, activation, EW_BUF_UP, n_ff, c->n_expert_used);
    op = add_expert_op(b, EW_OP_EXPERTS, EW_BUF_GATE);
    op->n_rows = c->n_expert_used;
    add_expert_weight(b, op, "ffn_down_exps.weight", n_ff, EW_BUF_EXPERTS, n);
    op = add_expert_op(b, EW_OP_MIX, EW_BUF_EXPERTS);
    op->width = n;
    op->dst[0] = ew_bind_buffer(b, dst, n);
    op->accumulate = dst == EW_BUF_X;
}

void ew_block_feed_forward(struct ew_binder *b, enum ew_buffer src, enum ew_activation activation, enum ew_buffer dst) {
    static const enum ew_buffer halves[] = {EW_BUF_GATE, EW_BUF_UP};
    const uint32_t n = b->config->n_embd, n_ff = layer_of(b)->n_ff;
    if (ew_bind_has(b, "ffn_gate_inp.weight")) {
        add_experts(b, src, activation, dst);
        return;
    }
    const struct ew_gguf_tensor *up = ew_bind_peek(b, "ffn_up.weight");
    struct ew_op *op = add_products(b, src);
    if (up && up->ne[1] == 2 * (uint64_t)n_ff) {
        add_parts(b, op, "ffn_up", n, 2, halves, (const uint32_t[]){n_ff, n_ff});
    } else {
        add_weight(b, op, "ffn_gate", n, EW_BUF_GATE, n_ff);
        add_weight(b, op, "ffn_up", n, EW_BUF_UP, n_ff);
    }
    add_gate(b, activation, EW_BUF_UP, n_ff, 0);
    ew_block_output(b, "ffn_down", EW_BUF_GATE, n_ff, dst);
}

void ew_block_plain_feed_forward(struct ew_binder *b, enum ew_buffer src, enum ew_activation activation,
                                 enum ew_buffer dst) {
    const uint32_t n_ff = layer_of(b)->n_ff;
    add_weight(b, add_products(b, src), "ffn_up", b->config->n_embd, EW_BUF_GATE, n_ff);
    add_gate(b, activation, EW_BUF_GATE, n_ff, 0);
    ew_block_output(b, "ffn_down", EW_BUF_GATE, n_ff, dst);
}

/* ---- layers ---- */

/* Up to the norm that the feed-forward reads. */
static void add_attention_part(struct ew_binder *b, const struct ew_attention_block *attention) {
    ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
    ew_block_attention(b, EW_BUF_NORMED, attention);
    ew_block_attention_output(b, EW_BUF_X);
    ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
}

void ew_block_usual_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                          enum ew_activation activation) {
    add_attention_part(b, attention);
    ew_block_feed_forward(b, EW_BUF_NORMED, activation, EW_BUF_X);
}

void ew_block_plain_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                          enum ew_activation activation) {
    add_attention_part(b, attention);
    ew_block_plain_feed_forward(b, EW_BUF_NORMED, activation, EW_BUF_X);
}

void ew_block_wrapped_layer(struct ew_binder *b, const struct ew_attention_block *attention,
                            enum ew_activation activation) {
    ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
    ew_block_attention(b, EW_BUF_NORMED, attention);
    ew_block_attention_output(b, EW_BUF_BRANCH);
    ew_block_norm(b, "post_attention_norm", EW_BUF_BRANCH, EW_BUF_BRANCH);
    ew_block_add(b, 1);
    ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
    ew_block_feed_forward(b, EW_BUF_NORMED, activation, EW_BUF_BRANCH);
    ew_block_norm(b, "post_ffw_norm", EW_BUF_BRANCH, EW_BUF_BRANCH);
    ew_block_add(b, 1);
}

void ew_block_add(struct ew_binder *b, double scale) {
    struct ew_op *op = ew_bind_op(b, EW_OP_ADD);
    op->src = EW_BUF_BRANCH;
    op->dst[0] = EW_BUF_X;
    op->scale = (float)scale;
    op->width = b->config->n_embd;
}

void ew_block_head(struct ew_binder *b, const char *norm_name, double scale, double soft_cap) {
    char full[96];
    const struct ew_config *c = b->config;
    struct ew_op *op = ew_bind_op(b, EW_OP_HEAD);
    const char *matrix = ew_bind_has(b, "output.weight") ? "output.weight" : "token_embd.weight";
    op->src = EW_BUF_X;
    op->dst[0] = ew_bind_buffer(b, EW_BUF_LOGITS, c->n_vocab);
    ew_bind_buffer(b, EW_BUF_NORMED, c->n_embd);
    op->norm = b->norm;
    op->eps = (float)c->norm_eps;
    op->scale = (float)scale;
    op->soft_cap = (float)soft_cap;
    op->n_weights = 2;
    op->weights[0] = ew_bind_vector(b, suffixed(norm_name, "weight", full), c->n_embd);
    op->bias[0] = ew_bind_optional(b, suffixed(norm_name, "bias", full), c->n_embd);
    op->weights[1] = ew_bind_matrix(b, matrix, c->n_embd, c->n_vocab);
    op->bias[1] = ew_bind_optional(b, "output.bias", c->n_vocab);
}
