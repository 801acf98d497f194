/* The plain C reference of the vector kernels, and the one place that chooses their variants.
 *
 * The reference is what every variant is checked against and what runs where no variant fits: it is written to be read,
 * not to be fast. Variants live in x86/ and arm/; each overwrites entries through its own ew_vector_install_*. */
#include "kernel/vector.h"
#include "kernel/vector_variants.h"
#include "machine/cpu_features.h"
#include "quant/half.h"

#include <math.h>

static void rms_norm_ref(size_t n, const float *x, const float *weight, float eps, float *y) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    float scale = n ? (float)(1.0 / sqrt(sum / (double)n + eps)) : 0;
    for (size_t i = 0; i < n; i++) y[i] = x[i] * scale * weight[i];
}

static void layer_norm_ref(size_t n, const float *x, const float *weight, const float *bias, float eps, float *y) {
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) sum += (double)x[i];
    double mean = n ? sum / (double)n : 0;
    for (size_t i = 0; i < n; i++) square += ((double)x[i] - mean) * ((double)x[i] - mean);
    double scale = n ? 1.0 / sqrt(square / (double)n + (double)eps) : 0;
    for (size_t i = 0; i < n; i++) y[i] = (float)(((double)x[i] - mean) * scale) * weight[i] + (bias ? bias[i] : 0);
}

static void silu_mul_ref(size_t n, const float *gate, const float *up, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static float gelu_of(float z) {
    float u = 0.79788456f * (z + 0.044715f * z * z * z); /* sqrt(2 / π) */
    return z / (1 + expf(-2 * u));
}

static void gelu_mul_ref(size_t n, const float *gate, const float *up, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = gelu_of(gate[i]) * up[i];
}

static void gelu_ref(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = gelu_of(x[i]);
}

static void gelu_erf_ref(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = 0.5f * x[i] * (1 + erff(x[i] * 0.70710678f)); /* sqrt(1 / 2) */
}

static void soft_cap_ref(size_t n, float cap, float *x) {
    for (size_t i = 0; i < n; i++) x[i] = cap * tanhf(x[i] / cap);
}

static void add_ref(size_t n, const float *x, float *y) {
    for (size_t i = 0; i < n; i++) y[i] += x[i];
}

static void add_scaled_ref(size_t n, float scale, const float *x, float *y) {
    for (size_t i = 0; i < n; i++) y[i] += scale * x[i];
}

static void rope_adjacent_ref(size_t n_rot, const float *cos_sin, float *x) {
    for (size_t i = 0; i + 1 < n_rot; i += 2) {
        float c = cos_sin[i], s = cos_sin[i + 1], a = x[i], b = x[i + 1];
        x[i] = a * c - b * s;
        x[i + 1] = a * s + b * c;
    }
}

static void rope_halves_ref(size_t n_rot, const float *cos_sin, float *x) {
    size_t half = n_rot / 2;
    for (size_t i = 0; i < half; i++) {
        float c = cos_sin[2 * i], s = cos_sin[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = a * s + b * c;
    }
}

static void f32_to_f16_ref(size_t n, const float *x, ew_f16 *y) {
    for (size_t i = 0; i < n; i++) y[i] = ew_f32_to_f16(x[i]);
}

static void f16_to_f32_ref(size_t n, const ew_f16 *x, float *y) {
    for (size_t i = 0; i < n; i++) y[i] = ew_f16_to_f32(x[i]);
}

enum { REF_TILE = 64 };

struct softmax_state {
    float max, sum;
};

/* Position p of the keys or values as floats. */
static void read_row(enum ew_type type, const void *rows, size_t p, uint32_t head_dim, float *row) {
    ew_dequantize_row(type, (const uint8_t *)rows + p * ew_type_row_bytes(type, head_dim), head_dim, row, NULL);
}

/* Adds positions [p0, p0 + n) to one row; out holds the sum of values, weighted relative to the maximum so far. */
static void attend_tile(const struct ew_attention_args *a, const float *q, uint32_t p0, uint32_t n,
                        struct softmax_state *state, float *out) {
    float score[REF_TILE], row[EW_ATTENTION_MAX_DIM], max = state->max;
    for (uint32_t p = 0; p < n; p++) {
        float dot = 0;
        read_row(a->k_type, a->k, p0 + p, a->head_dim, row);
        for (uint32_t d = 0; d < a->head_dim; d++) dot += q[d] * row[d];
        score[p] = dot * a->scale;
        if (a->soft_cap > 0) score[p] = a->soft_cap * tanhf(score[p] / a->soft_cap);
        if (score[p] > max) max = score[p];
    }
    float shrink = expf(state->max - max);
    for (uint32_t d = 0; d < a->head_dim; d++) out[d] *= shrink;
    state->sum *= shrink;
    state->max = max;
    for (uint32_t p = 0; p < n; p++) {
        float weight = expf(score[p] - max);
        state->sum += weight;
        read_row(a->v_type, a->v, p0 + p, a->head_dim, row);
        for (uint32_t d = 0; d < a->head_dim; d++) out[d] += weight * row[d];
    }
}

/* Positions [begin, end) of a row, summed from nothing. */
static void attend_positions(const struct ew_attention_args *a, uint32_t row, uint32_t begin, uint32_t end,
                             struct softmax_state *state, float *out) {
    const float *q = a->q + row / a->n_group * a->q_stride + (size_t)(row % a->n_group) * a->head_dim;
    *state = (struct softmax_state){-INFINITY, 0};
    for (uint32_t d = 0; d < a->head_dim; d++) out[d] = 0;
    for (uint32_t p = begin; p < end; p += REF_TILE)
        attend_tile(a, q, p, end - p < REF_TILE ? end - p : REF_TILE, state, out);
}

/* What a chunk leaves of a row: as in ew_attention_part_floats. */
static void attention_chunk_ref(const struct ew_attention_args *a, uint32_t chunk, float *part) {
    for (uint32_t row = 0; row < a->n_tokens * a->n_group; row++, part += ew_attention_part_floats(a->head_dim)) {
        struct softmax_state state;
        uint32_t t = row / a->n_group, first = ew_attention_first(a, t), last = a->pos0 + t + 1;
        uint32_t begin = chunk * EW_ATTENTION_CHUNK, end = begin + EW_ATTENTION_CHUNK;
        attend_positions(a, row, begin > first ? begin : first, end < last ? end : last, &state, part);
        part[a->head_dim] = state.max;
        part[a->head_dim + 1] = state.sum;
    }
}

static void merge_part(uint32_t head_dim, const float *part, struct softmax_state *state, float *total) {
    if (part[head_dim + 1] == 0) return;
    float max = fmaxf(state->max, part[head_dim]), before = expf(state->max - max), now = expf(part[head_dim] - max);
    for (uint32_t d = 0; d < head_dim; d++) total[d] = total[d] * before + part[d] * now;
    state->sum = state->sum * before + part[head_dim + 1] * now;
    state->max = max;
}

static void attention_merge_ref(const struct ew_attention_args *a, const float *parts, uint32_t n_parts) {
    const size_t part_floats = ew_attention_part_floats(a->head_dim), n_rows = (size_t)a->n_tokens * a->n_group;
    for (uint32_t row = 0; row < n_rows; row++) {
        float *out = a->out + row / a->n_group * a->out_stride + (size_t)(row % a->n_group) * a->head_dim;
        struct softmax_state state = {-INFINITY, 0};
        for (uint32_t d = 0; d < a->head_dim; d++) out[d] = 0;
        for (uint32_t i = 0; i < n_parts; i++)
            merge_part(a->head_dim, parts + (i * n_rows + row) * part_floats, &state, out);
        for (uint32_t d = 0; d < a->head_dim; d++) out[d] /= state.sum;
    }
}

static void attention_ref(const struct ew_attention_args *a) {
    for (uint32_t row = 0; row < a->n_tokens * a->n_group; row++) {
        float part[EW_ATTENTION_MAX_DIM + 2], *out;
        struct softmax_state of_part, state = {-INFINITY, 0};
        uint32_t t = row / a->n_group, begin = ew_attention_first(a, t), end = a->pos0 + t + 1;
        out = a->out + t * a->out_stride + (size_t)(row % a->n_group) * a->head_dim;
        for (uint32_t d = 0; d < a->head_dim; d++) out[d] = 0;
        for (uint32_t next; begin < end; begin = next) {
            next = ew_attention_next_chunk(begin, end);
            attend_positions(a, row, begin, next, &of_part, part);
            part[a->head_dim] = of_part.max;
            part[a->head_dim + 1] = of_part.sum;
            merge_part(a->head_dim, part, &state, out);
        }
        for (uint32_t d = 0; d < a->head_dim; d++) out[d] /= state.sum;
    }
}

size_t ew_attention_part_floats(uint32_t head_dim) { return ((head_dim + 15) & ~(size_t)15) + 16; }

bool ew_attention_takes(uint32_t type, uint32_t head_dim) {
    bool known = type == EW_TYPE_F16 || type == EW_TYPE_F32 || type == EW_TYPE_Q8_0;
    return known && head_dim % ew_type_traits(type)->block_elems == 0;
}

size_t ew_attention_scratch_bytes(uint32_t head_dim, uint32_t n_rows) {
    size_t rows = n_rows < EW_ATTENTION_ROWS
                      ? (n_rows + EW_ATTENTION_LANES - 1) / EW_ATTENTION_LANES * EW_ATTENTION_LANES
                      : EW_ATTENTION_ROWS;
    size_t dim = (head_dim + 15) & ~(size_t)15;
    size_t rows_floats = rows * (2 * dim + EW_ATTENTION_ROW_STATE) + EW_ATTENTION_LANES * EW_ATTENTION_TILE;
    return sizeof(float) * (rows_floats + 2 * dim * EW_ATTENTION_TILE);
}

void ew_vector_kernels_init(struct ew_vector_kernels *v, uint64_t features) {
    features &= ew_cpu_features();
    *v = (struct ew_vector_kernels){.rms_norm = rms_norm_ref,
                                    .layer_norm = layer_norm_ref,
                                    .silu_mul = silu_mul_ref,
                                    .gelu_mul = gelu_mul_ref,
                                    .gelu = gelu_ref,
                                    .gelu_erf = gelu_erf_ref,
                                    .soft_cap = soft_cap_ref,
                                    .add = add_ref,
                                    .add_scaled = add_scaled_ref,
                                    .rope_adjacent = rope_adjacent_ref,
                                    .rope_halves = rope_halves_ref,
                                    .f32_to_f16 = f32_to_f16_ref,
                                    .f16_to_f32 = f16_to_f32_ref,
                                    .attention = attention_ref,
                                    .attention_chunk = attention_chunk_ref,
                                    .attention_merge = attention_merge_ref,
                                    .isa = "ref"};
#define INSTALL(isa_, feature_)                                                                                        \
    if (features & (feature_)) ew_vector_install_##isa_(v);
    EW_VECTOR_VARIANTS(INSTALL)
#undef INSTALL
}
