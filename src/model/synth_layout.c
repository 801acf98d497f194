/* Owns the tensor lists of shapes. Which type a matrix has is in model/type_mixture.c. */
#include "model/synth_layout.h"

#include "base/error.h"
#include "model/type_mixture.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct build {
    const struct ew_shape *shape;
    enum ew_file_type file_type;
    struct ew_synth_layout *layout;
    int32_t layer; /* -1 outside of layers */
    bool failed;
};

static enum ew_type matrix_type(struct build *b, enum ew_matrix_role role, uint64_t row) {
    const struct ew_shape *s = b->shape;
    bool fallback;
    struct ew_matrix_place place = {role, b->layer < 0 ? 0 : (uint32_t)b->layer, s->n_layer, s->n_head / s->n_head_kv,
                                    row};
    enum ew_type type = ew_mixture_type(b->file_type, place, &fallback);
    b->layout->n_fallback += fallback;
    return type;
}

static struct ew_synth_tensor *add(struct build *b, const char *name) {
    static struct ew_synth_tensor ignored;
    struct ew_synth_layout *l = b->layout;
    if (l->n == l->capacity && !b->failed) {
        uint32_t capacity = l->capacity ? l->capacity * 2 : 64;
        struct ew_synth_tensor *grown = realloc(l->tensors, capacity * sizeof *grown);
        if (grown) {
            l->tensors = grown;
            l->capacity = capacity;
        } else {
            b->failed = true;
        }
    }
    if (b->failed) return &ignored;
    struct ew_synth_tensor *t = &l->tensors[l->n++];
    *t = (struct ew_synth_tensor){.n_dims = 1, .ne = {1, 1}, .type = EW_TYPE_F32};
    if (b->layer < 0)
        snprintf(t->name, sizeof t->name, "%s", name);
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s", b->layer, name);
    return t;
}

static void add_vector(struct build *b, const char *name, uint64_t n, enum ew_synth_fill fill, float deviation) {
    struct ew_synth_tensor *t = add(b, name);
    t->ne[0] = n;
    t->fill = fill;
    t->deviation = deviation;
}

static void add_norm(struct build *b, const char *name) {
    add_vector(b, name, b->shape->n_embd, EW_SYNTH_NEAR_ONE, 0.05f);
}

static void add_matrix(struct build *b, const char *name, uint64_t n_in, uint64_t n_out, float deviation,
                       enum ew_matrix_role role) {
    struct ew_synth_tensor *t = add(b, name);
    t->n_dims = 2;
    t->ne[0] = n_in;
    t->ne[1] = n_out;
    t->fill = EW_SYNTH_NORMAL;
    t->deviation = deviation;
    t->type = matrix_type(b, role, n_in);
}

/* A fresh initialisation: outputs keep the inputs' deviation; what is added to the residual stream is divided by
 * sqrt(2 layers), so that the stream stays of order one (Radford et al. 2019, section 2.3). */
static void add_linear(struct build *b, const char *name, uint64_t n_in, uint64_t n_out, enum ew_matrix_role role) {
    add_matrix(b, name, n_in, n_out, 1.0f / sqrtf((float)n_in), role);
}

static void add_residual(struct build *b, const char *name, uint64_t n_in, enum ew_matrix_role role) {
    add_matrix(b, name, n_in, b->shape->n_embd, 1.0f / sqrtf((float)n_in * 2 * (float)b->shape->n_layer), role);
}

static void add_attention(struct build *b, bool qwen2, bool phi3) {
    const struct ew_shape *s = b->shape;
    uint64_t q = (uint64_t)s->n_head * s->head_dim, kv = (uint64_t)s->n_head_kv * s->head_dim;
    add_norm(b, "attn_norm.weight");
    if (phi3) {
        add_linear(b, "attn_qkv.weight", s->n_embd, q + 2 * kv, EW_ROLE_FUSED_QKV);
    } else {
        add_linear(b, "attn_q.weight", s->n_embd, q, EW_ROLE_PLAIN);
        add_linear(b, "attn_k.weight", s->n_embd, kv, EW_ROLE_PLAIN);
        add_linear(b, "attn_v.weight", s->n_embd, kv, EW_ROLE_VALUE);
    }
    if (qwen2) {
        add_vector(b, "attn_q.bias", q, EW_SYNTH_NORMAL, 0.1f);
        add_vector(b, "attn_k.bias", kv, EW_SYNTH_NORMAL, 0.1f);
        add_vector(b, "attn_v.bias", kv, EW_SYNTH_NORMAL, 0.1f);
    }
    add_residual(b, "attn_output.weight", q, EW_ROLE_ATTENTION_OUTPUT);
}

static void add_layer(struct build *b) {
    const struct ew_shape *s = b->shape;
    bool qwen2 = strcmp(s->architecture, "qwen2") == 0, gemma2 = strcmp(s->architecture, "gemma2") == 0;
    bool phi3 = strcmp(s->architecture, "phi3") == 0;
    add_attention(b, qwen2, phi3);
    if (gemma2) add_norm(b, "post_attention_norm.weight");
    add_norm(b, "ffn_norm.weight");
    if (!phi3) add_linear(b, "ffn_gate.weight", s->n_embd, s->n_ff, EW_ROLE_PLAIN);
    add_linear(b, "ffn_up.weight", s->n_embd, phi3 ? 2 * (uint64_t)s->n_ff : s->n_ff, EW_ROLE_PLAIN);
    add_residual(b, "ffn_down.weight", s->n_ff, EW_ROLE_DOWN);
    if (gemma2) add_norm(b, "post_ffw_norm.weight");
}

static void add_rope(struct build *b) {
    const struct ew_shape *s = b->shape;
    if (s->rope_factor > 0) add_vector(b, "rope_freqs.weight", s->head_dim / 2, EW_SYNTH_ROPE, 0);
    if (strcmp(s->architecture, "phi3") != 0) return;
    add_vector(b, "rope_factors_long.weight", s->head_dim / 2, EW_SYNTH_ROPE, 0);
    add_vector(b, "rope_factors_short.weight", s->head_dim / 2, EW_SYNTH_ROPE, 0);
}

enum ew_status ew_synth_layout_fill(const struct ew_shape *shape, enum ew_file_type file_type,
                                    struct ew_synth_layout *layout, struct ew_error *err) {
    *layout = (struct ew_synth_layout){0};
    struct build b = {.shape = shape, .file_type = file_type, .layout = layout, .layer = -1};
    add_matrix(&b, "token_embd.weight", shape->n_embd, shape->n_vocab, 0.02f,
               shape->tied ? EW_ROLE_HEAD : EW_ROLE_PLAIN);
    add_rope(&b);
    for (b.layer = 0; b.layer < (int32_t)shape->n_layer; b.layer++) add_layer(&b);
    b.layer = -1;
    add_norm(&b, "output_norm.weight");
    if (!shape->tied) add_linear(&b, "output.weight", shape->n_embd, shape->n_vocab, EW_ROLE_HEAD);
    return b.failed ? ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its tensor list", shape->name) : EW_OK;
}

void ew_synth_layout_free(struct ew_synth_layout *layout) {
    free(layout->tensors);
    *layout = (struct ew_synth_layout){0};
}
