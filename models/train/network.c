/* Owns the order of a model's parts, forward and backward, and the memory between them. Logits of the vocabulary are
 * made for LOSS_ROWS tokens at a time and turned into derivatives where they lie: all of them at once would be the
 * largest array by far. What the parts compute: network_parts.h. */
#include "train/network.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/seeded_random.h"
#include "train/matrix_product.h"
#include "train/network_parts.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOSS_ROWS = 256, ALIGN_FLOATS = 16 };

/* What a layer's way back needs of its way forth; [n] is a row per token. */
struct layer_state {
    float *x, *attn_scale, *attn_in; /* [n, width], [n], [n, width] */
    float *qkv, *weights, *heads;    /* [n, qkv width], [n_sequences, n_head, n_ctx, n_ctx], [n, width] */
    float *y, *ffn_scale, *ffn_in;   /* [n, width], [n], [n, width] */
    float *gate_up, *act;            /* [n, 2 ff], [n, ff] */
};

struct ew_net_work {
    struct ew_net_shape shape;
    size_t capacity; /* sequences */
    bool backward;
    float *block; /* everything below but the table of layers */
    size_t n_floats;
    struct layer_state *layers; /* [n_layer]; without a way back all are the same memory */
    float *rope;
    float *x, *out_scale, *out_in, *logits;
    float *dx, *dnarrow, *dqkv, *dgate_up, *dact, *scratch;
};

/* Hands out pieces of one block; with block NULL only counts. */
struct carving {
    float *block;
    size_t used;
    bool overflow;
};

static float *carve(struct carving *c, size_t a, size_t b) {
    size_t n, end;
    if (!ew_mul_size(a, b, &n) || !ew_align_size(n, ALIGN_FLOATS, &n) || !ew_add_size(c->used, n, &end)) {
        c->overflow = true;
        return NULL;
    }
    float *piece = c->block ? c->block + c->used : NULL;
    c->used = end;
    return piece;
}

static struct layer_state carve_layer(struct carving *c, const struct ew_net_shape *s, size_t n) {
    const size_t width = s->n_embd;
    struct layer_state l;
    l.x = carve(c, n, width);
    l.attn_scale = carve(c, n, 1);
    l.attn_in = carve(c, n, width);
    l.qkv = carve(c, n, ew_net_qkv_width(s));
    l.weights = carve(c, n * s->n_head, s->n_ctx);
    l.heads = carve(c, n, width);
    l.y = carve(c, n, width);
    l.ffn_scale = carve(c, n, 1);
    l.ffn_in = carve(c, n, width);
    l.gate_up = carve(c, n, 2 * (size_t)s->n_ff);
    l.act = carve(c, n, s->n_ff);
    return l;
}

static void carve_all(struct carving *c, struct ew_net_work *w) {
    const struct ew_net_shape *s = &w->shape;
    const size_t n = w->capacity * s->n_ctx, width = s->n_embd;
    for (uint32_t l = 0; l < s->n_layer; l++)
        w->layers[l] = l == 0 || w->backward ? carve_layer(c, s, n) : w->layers[0];
    w->rope = carve(c, s->n_ctx, ew_net_head_dim(s));
    w->x = carve(c, n, width);
    w->out_scale = carve(c, n, 1);
    w->out_in = carve(c, n, width);
    w->logits = carve(c, LOSS_ROWS, s->n_vocab);
    if (!w->backward) return;
    w->dx = carve(c, n, width);
    w->dnarrow = carve(c, n, width);
    w->dqkv = carve(c, n, ew_net_qkv_width(s));
    w->dgate_up = carve(c, n, 2 * (size_t)s->n_ff);
    w->dact = carve(c, n, s->n_ff);
    w->scratch = carve(c, EW_ATTENTION_BLOCK, s->n_ctx);
}

enum ew_status ew_net_work_open(const struct ew_net_shape *shape, size_t n_sequences, bool backward,
                                struct ew_net_work **out, struct ew_error *err) {
    struct ew_net_work *w = calloc(1, sizeof *w);
    struct carving c = {0};
    size_t size = 0;
    if (w) w->layers = calloc(shape->n_layer, sizeof *w->layers);
    if (!w || !w->layers) goto no_memory;
    w->shape = *shape;
    w->capacity = n_sequences;
    w->backward = backward;
    carve_all(&c, w);
    if (c.overflow || !ew_mul_size(c.used, sizeof(float), &size)) goto no_memory;
    w->n_floats = c.used;
    w->block = aligned_alloc(ALIGN_FLOATS * sizeof(float), size);
    if (!w->block) goto no_memory;
    c = (struct carving){.block = w->block};
    carve_all(&c, w);
    ew_rope_fill(shape, w->rope);
    *out = w;
    return EW_OK;
no_memory:
    ew_net_work_close(&w);
    return ew_error_set(err, EW_ERR_MEMORY, "no memory for %zu sequences of %u tokens", n_sequences, shape->n_ctx);
}

void ew_net_work_close(struct ew_net_work **work) {
    if (!work || !*work) return;
    free((*work)->block);
    free((*work)->layers);
    free(*work);
    *work = NULL;
}

size_t ew_net_work_bytes(const struct ew_net_work *work) { return work->n_floats * sizeof(float); }

/* y [n, n_out] = beta y + x · Wᵀ, as a model's matrices are applied. */
static void apply(size_t n, size_t n_in, size_t n_out, const float *x, const float *matrix, float beta, float *y) {
    ew_product(n, n_out, n_in, 1, ew_side(x, n_in), ew_side_transposed(matrix, n_in), beta, y, n_out);
}

/* Its way back: dx [n, n_in] = dy · W is overwritten, dmatrix gets dyᵀ · x added. */
static void apply_backward(size_t n, size_t n_in, size_t n_out, const float *x, const float *matrix, const float *dy,
                           float *dx, float *dmatrix) {
    ew_product(n, n_in, n_out, 1, ew_side(dy, n_out), ew_side(matrix, n_in), 0, dx, n_in);
    ew_product(n_out, n_in, n, 1, ew_side_transposed(dy, n_out), ew_side(x, n_in), 1, dmatrix, n_in);
}

/* x is the residual stream behind the layer before and becomes the one behind this. */
static void layer_forward(struct ew_net_work *w, const struct layer_state *l, const float *params,
                          const struct ew_net_layer_at *at, size_t n_sequences) {
    const struct ew_net_shape *s = &w->shape;
    const size_t n = n_sequences * s->n_ctx, width = s->n_embd, ff = s->n_ff, bytes = n * width * sizeof(float);
    memcpy(l->x, w->x, bytes);
    ew_norm_forward(n, width, l->x, params + at->attn_norm, s->norm_eps, l->attn_in, l->attn_scale);
    apply(n, width, ew_net_qkv_width(s), l->attn_in, params + at->qkv, 0, l->qkv);
    ew_rope_turn(s, n, w->rope, 1, l->qkv);
    ew_attention_forward(s, n_sequences, l->qkv, l->weights, l->heads);
    apply(n, width, width, l->heads, params + at->attn_output, 1, w->x);
    memcpy(l->y, w->x, bytes);
    ew_norm_forward(n, width, l->y, params + at->ffn_norm, s->norm_eps, l->ffn_in, l->ffn_scale);
    apply(n, width, 2 * ff, l->ffn_in, params + at->gate_up, 0, l->gate_up);
    ew_swiglu_forward(n, ff, l->gate_up, l->act);
    apply(n, ff, width, l->act, params + at->ffn_down, 1, w->x);
}

static void layer_backward(struct ew_net_work *w, const struct layer_state *l, const float *params,
                           const struct ew_net_layer_at *at, size_t n_sequences, float *d) {
    const struct ew_net_shape *s = &w->shape;
    const size_t n = n_sequences * s->n_ctx, width = s->n_embd, ff = s->n_ff;
    apply_backward(n, ff, width, l->act, params + at->ffn_down, w->dx, w->dact, d + at->ffn_down);
    ew_swiglu_backward(n, ff, l->gate_up, w->dact, w->dgate_up);
    apply_backward(n, width, 2 * ff, l->ffn_in, params + at->gate_up, w->dgate_up, w->dnarrow, d + at->gate_up);
    ew_norm_backward(n, width, l->y, params + at->ffn_norm, l->ffn_scale, w->dnarrow, w->dx, d + at->ffn_norm);
    apply_backward(n, width, width, l->heads, params + at->attn_output, w->dx, w->dnarrow, d + at->attn_output);
    ew_attention_backward(s, n_sequences, l->qkv, l->weights, w->dnarrow, w->dqkv, w->scratch);
    ew_rope_turn(s, n, w->rope, -1, w->dqkv);
    apply_backward(n, width, ew_net_qkv_width(s), l->attn_in, params + at->qkv, w->dqkv, w->dnarrow, d + at->qkv);
    ew_norm_backward(n, width, l->x, params + at->attn_norm, l->attn_scale, w->dnarrow, w->dx, d + at->attn_norm);
}

static void forward(struct ew_net_work *w, const float *params, const uint16_t *ids, size_t n_sequences) {
    const struct ew_net_shape *s = &w->shape;
    const size_t n = n_sequences * s->n_ctx, width = s->n_embd;
    for (size_t i = 0; i < n; i++) memcpy(w->x + i * width, params + ids[i] * width, width * sizeof(float));
    for (uint32_t l = 0; l < s->n_layer; l++) {
        const struct ew_net_layer_at at = ew_net_layer(s, l);
        layer_forward(w, &w->layers[l], params, &at, n_sequences);
    }
    ew_norm_forward(n, width, w->x, params + ew_net_output_norm(s), s->norm_eps, w->out_in, w->out_scale);
}

/* Losses of all rows, LOSS_ROWS at a time: loss [n] or NULL; with d their derivatives, and dnarrow that of out_in. */
static double losses(struct ew_net_work *w, const float *params, const uint16_t *next, size_t n, float dscale,
                     float *loss, float *d) {
    const size_t width = w->shape.n_embd, n_vocab = w->shape.n_vocab;
    double sum = 0;
    for (size_t from = 0; from < n; from += LOSS_ROWS) {
        const size_t rows = n - from < LOSS_ROWS ? n - from : LOSS_ROWS;
        const float *in = w->out_in + from * width;
        apply(rows, width, n_vocab, in, params, 0, w->logits);
        for (size_t i = 0; i < rows; i++) {
            const double nll = ew_cross_entropy(n_vocab, w->logits + i * n_vocab, next[from + i], dscale);
            if (loss) loss[from + i] = (float)nll;
            sum += nll;
        }
        if (d) apply_backward(rows, width, n_vocab, in, params, w->logits, w->dnarrow + from * width, d);
    }
    return sum;
}

void ew_net_losses(struct ew_net_work *w, const float *params, const uint16_t *ids, const uint16_t *next,
                   size_t n_sequences, float *loss) {
    forward(w, params, ids, n_sequences);
    losses(w, params, next, n_sequences * w->shape.n_ctx, 0, loss, NULL);
}

double ew_net_gradients(struct ew_net_work *w, const float *params, const uint16_t *ids, const uint16_t *next,
                        size_t n_sequences, float dscale, float *d) {
    const struct ew_net_shape *s = &w->shape;
    const size_t n = n_sequences * s->n_ctx, width = s->n_embd, norm = ew_net_output_norm(s);
    forward(w, params, ids, n_sequences);
    const double sum = losses(w, params, next, n, dscale, NULL, d);
    memset(w->dx, 0, n * width * sizeof(float));
    ew_norm_backward(n, width, w->x, params + norm, w->out_scale, w->dnarrow, w->dx, d + norm);
    for (uint32_t l = s->n_layer; l-- > 0;) {
        const struct ew_net_layer_at at = ew_net_layer(s, l);
        layer_backward(w, &w->layers[l], params, &at, n_sequences, d);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++) d[ids[i] * width + j] += w->dx[i * width + j];
    return sum;
}

/* Box and Muller 1958. */
static double random_normal(uint64_t *state) {
    const double u = (double)((ew_random_next(state) >> 11) + 1) * 0x1p-53, v = (double)(ew_random_next(state) >> 11);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * 0x1p-53 * v);
}

void ew_net_init(const struct ew_net_shape *s, uint64_t seed, float *params) {
    for (size_t i = 0; i < ew_net_n_tensors(s); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(s, i);
        const bool back = strstr(t.name, "attn_output") || strstr(t.name, "ffn_down");
        const double deviation = 0.02 / (back ? sqrt(2.0 * s->n_layer) : 1);
        for (size_t j = 0; j < t.rows * t.columns; j++)
            params[t.offset + j] = t.kind == EW_NET_NORM ? 1 : (float)(deviation * random_normal(&seed));
    }
}
