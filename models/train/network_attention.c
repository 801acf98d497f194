/* Owns causal attention, forward and backward: blocks of EW_ATTENTION_BLOCK queries against the keys before them, so
 * that about half of the square above the diagonal is never computed. */
#include "train/network_parts.h"

#include "train/fast_exp.h"
#include "train/matrix_product.h"
#include <string.h>

/* One head of one sequence. */
struct head {
    size_t n_ctx, head_dim, stride; /* floats from one token's row to the next in qkv */
    size_t q, k, v;                 /* offsets in qkv */
    size_t out, out_stride;
    size_t weights;
    float scale;
};

static struct head head_at(const struct ew_net_shape *s, size_t sequence, size_t index) {
    const size_t head_dim = ew_net_head_dim(s), stride = ew_net_qkv_width(s), row = sequence * s->n_ctx;
    const size_t kv = index / (s->n_head / s->n_head_kv);
    return (struct head){
        .n_ctx = s->n_ctx,
        .head_dim = head_dim,
        .stride = stride,
        .q = row * stride + index * head_dim,
        .k = row * stride + s->n_embd + kv * head_dim,
        .v = row * stride + s->n_embd + ew_net_kv_width(s) + kv * head_dim,
        .out = row * s->n_embd + index * head_dim,
        .out_stride = s->n_embd,
        .weights = (sequence * s->n_head + index) * s->n_ctx * s->n_ctx,
        .scale = 1 / sqrtf((float)head_dim),
    };
}

/* Softmax of the first `seen` of n scores; the others become 0. */
static void softmax_row(float *row, size_t seen, size_t n) {
    float top = row[0], sum = 0;
#pragma omp simd reduction(max : top)
    for (size_t j = 0; j < seen; j++) top = row[j] > top ? row[j] : top;
#pragma omp simd reduction(+ : sum)
    for (size_t j = 0; j < seen; j++) {
        row[j] = ew_fast_exp(row[j] - top);
        sum += row[j];
    }
    const float factor = 1 / sum;
    for (size_t j = 0; j < seen; j++) row[j] *= factor;
    for (size_t j = seen; j < n; j++) row[j] = 0;
}

static size_t block_end(size_t from, size_t n) { return from + EW_ATTENTION_BLOCK < n ? from + EW_ATTENTION_BLOCK : n; }

static void head_forward(const struct head *h, const float *qkv, float *weights, float *out) {
    weights += h->weights;
    for (size_t from = 0, to; from < h->n_ctx; from = to) {
        to = block_end(from, h->n_ctx);
        float *rows = weights + from * h->n_ctx;
        ew_product(to - from, to, h->head_dim, h->scale, ew_side(qkv + h->q + from * h->stride, h->stride),
                   ew_side_transposed(qkv + h->k, h->stride), 0, rows, h->n_ctx);
        for (size_t i = from; i < to; i++) softmax_row(weights + i * h->n_ctx, i + 1, to);
        ew_product(to - from, h->head_dim, to, 1, ew_side(rows, h->n_ctx), ew_side(qkv + h->v, h->stride), 0,
                   out + h->out + from * h->out_stride, h->out_stride);
    }
}

void ew_attention_forward(const struct ew_net_shape *s, size_t n_sequences, const float *qkv, float *weights,
                          float *out) {
    for (size_t sequence = 0; sequence < n_sequences; sequence++)
        for (size_t index = 0; index < s->n_head; index++) {
            const struct head h = head_at(s, sequence, index);
            head_forward(&h, qkv, weights, out);
        }
}

/* Of a softmax p with dp: p (dp - Σ p dp), and the scale of the scores. */
static void softmax_backward(const float *p, size_t n, float scale, float *dp) {
    float along = 0;
#pragma omp simd reduction(+ : along)
    for (size_t j = 0; j < n; j++) along += p[j] * dp[j];
    for (size_t j = 0; j < n; j++) dp[j] = scale * p[j] * (dp[j] - along);
}

static void head_backward(const struct head *h, const float *qkv, const float *weights, const float *dout, float *dqkv,
                          float *scratch) {
    const size_t n_ctx = h->n_ctx, stride = h->stride;
    weights += h->weights;
    for (size_t from = 0, to; from < n_ctx; from = to) {
        to = block_end(from, n_ctx);
        const size_t n = to - from;
        const float *p = weights + from * n_ctx, *dblock = dout + h->out + from * h->out_stride;
        ew_product(n, to, h->head_dim, 1, ew_side(dblock, h->out_stride), ew_side_transposed(qkv + h->v, stride), 0,
                   scratch, n_ctx);
        ew_product(to, h->head_dim, n, 1, ew_side_transposed(p, n_ctx), ew_side(dblock, h->out_stride), 1, dqkv + h->v,
                   stride);
        for (size_t i = 0; i < n; i++) softmax_backward(p + i * n_ctx, to, h->scale, scratch + i * n_ctx);
        ew_product(n, h->head_dim, to, 1, ew_side(scratch, n_ctx), ew_side(qkv + h->k, stride), 0,
                   dqkv + h->q + from * stride, stride);
        ew_product(to, h->head_dim, n, 1, ew_side_transposed(scratch, n_ctx),
                   ew_side(qkv + h->q + from * stride, stride), 1, dqkv + h->k, stride);
    }
}

void ew_attention_backward(const struct ew_net_shape *s, size_t n_sequences, const float *qkv, const float *weights,
                           const float *dout, float *dqkv, float *scratch) {
    memset(dqkv, 0, n_sequences * s->n_ctx * ew_net_qkv_width(s) * sizeof *dqkv);
    for (size_t sequence = 0; sequence < n_sequences; sequence++)
        for (size_t index = 0; index < s->n_head; index++) {
            const struct head h = head_at(s, sequence, index);
            head_backward(&h, qkv, weights, dout, dqkv, scratch);
        }
}
