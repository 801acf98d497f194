/* Owns the parts of a layer that work row by row. Attention: network_attention.c. */
#include "train/network_parts.h"

#include "train/fast_exp.h"
#include <math.h>

void ew_norm_forward(size_t n, size_t width, const float *x, const float *gain, float eps, float *y, float *scale) {
    for (size_t i = 0; i < n; i++, x += width, y += width) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < width; j++) sum += x[j] * x[j];
        const float s = 1 / sqrtf(sum / (float)width + eps);
        for (size_t j = 0; j < width; j++) y[j] = x[j] * s * gain[j];
        scale[i] = s;
    }
}

/* With s = 1/rms and z = x s: dz = dy gain, dx = s (dz - z mean(dz z)). */
void ew_norm_backward(size_t n, size_t width, const float *x, const float *gain, const float *scale, const float *dy,
                      float *dx, float *dgain) {
    for (size_t i = 0; i < n; i++, x += width, dy += width, dx += width) {
        const float s = scale[i];
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = 0; j < width; j++) sum += dy[j] * gain[j] * x[j];
        const float along = sum * s * s / (float)width;
#pragma omp simd
        for (size_t j = 0; j < width; j++) {
            dx[j] += s * (dy[j] * gain[j] - x[j] * along);
            dgain[j] += dy[j] * x[j] * s;
        }
    }
}

void ew_rope_fill(const struct ew_net_shape *s, float *table) {
    const size_t head_dim = ew_net_head_dim(s);
    for (size_t position = 0; position < s->n_ctx; position++)
        for (size_t pair = 0; pair < head_dim / 2; pair++) {
            const double angle = (double)position * pow((double)s->rope_base, -2.0 * (double)pair / (double)head_dim);
            *table++ = (float)cos(angle);
            *table++ = (float)sin(angle);
        }
}

void ew_rope_turn(const struct ew_net_shape *s, size_t n, const float *table, float direction, float *qkv) {
    const size_t head_dim = ew_net_head_dim(s), turned = s->n_head + s->n_head_kv;
    for (size_t i = 0; i < n; i++, qkv += ew_net_qkv_width(s)) {
        const float *turn = table + i % s->n_ctx * head_dim;
        for (size_t head = 0; head < turned; head++) {
            float *x = qkv + head * head_dim;
#pragma omp simd
            for (size_t pair = 0; pair < head_dim / 2; pair++) {
                const float c = turn[2 * pair], d = direction * turn[2 * pair + 1];
                const float a = x[2 * pair], b = x[2 * pair + 1];
                x[2 * pair] = a * c - b * d;
                x[2 * pair + 1] = a * d + b * c;
            }
        }
    }
}

void ew_swiglu_forward(size_t n, size_t ff, const float *gate_up, float *out) {
    for (size_t i = 0; i < n; i++, gate_up += 2 * ff, out += ff)
#pragma omp simd
        for (size_t j = 0; j < ff; j++) out[j] = gate_up[j] / (1 + ew_fast_exp(-gate_up[j])) * gate_up[ff + j];
}

/* silu'(g) = σ (1 + g (1 - σ)) with σ = 1 / (1 + e^-g). */
void ew_swiglu_backward(size_t n, size_t ff, const float *gate_up, const float *dout, float *dgate_up) {
    for (size_t i = 0; i < n; i++, gate_up += 2 * ff, dgate_up += 2 * ff, dout += ff)
#pragma omp simd
        for (size_t j = 0; j < ff; j++) {
            const float gate = gate_up[j], sigma = 1 / (1 + ew_fast_exp(-gate));
            dgate_up[j] = dout[j] * gate_up[ff + j] * sigma * (1 + gate * (1 - sigma));
            dgate_up[ff + j] = dout[j] * gate * sigma;
        }
}

double ew_cross_entropy(size_t n_vocab, float *logits, uint32_t next, float dscale) {
    float top = logits[0], sum = 0;
#pragma omp simd reduction(max : top)
    for (size_t i = 0; i < n_vocab; i++) top = logits[i] > top ? logits[i] : top;
    const double ahead = (double)top - (double)logits[next];
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n_vocab; i++) {
        logits[i] = ew_fast_exp(logits[i] - top);
        sum += logits[i];
    }
    const float factor = dscale / sum;
    for (size_t i = 0; i < n_vocab; i++) logits[i] *= factor;
    logits[next] -= dscale;
    return ahead + log((double)sum);
}
