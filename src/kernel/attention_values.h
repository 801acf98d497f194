/* Values of attention with few query rows: sums of one tile of positions, weighted with the scores. V is read as it is
 * stored and converted in registers, once for a block of rows. Included once per variant through vector_body.h; the
 * state, and the scores: attention_scores.h. */
#ifndef EW_KERNEL_ATTENTION_VALUES_H
#define EW_KERNEL_ATTENTION_VALUES_H

#include "kernel/attention_scores.h"

/* out[r][d…] += Σ_p score[r][p] · v[p][d…] for n_rows rows and n_vectors vectors of columns, both constants; cut: fewer
 * columns than a vector are left. */
static inline __attribute__((always_inline)) void decode_values(struct decode_state *s, uint32_t row, uint32_t n_rows,
                                                                enum ew_type type, const struct decode_rows *v,
                                                                uint32_t d, uint32_t n_vectors, bool cut,
                                                                const struct decode_rows *ahead) {
    const uint32_t dim = s->dim, dim_pad = s->dim_pad;
    float *out = s->out + (size_t)row * dim_pad + d;
    const float *score = s->score + (size_t)row * DECODE_TILE;
    const uint8_t *from = v->p;
    vf acc[DECODE_MANY][4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_vectors; i++) acc[r][i] = vf_load(out + (size_t)r * dim_pad + i * VF_N);
    for (uint32_t p = 0; p < v->n; p++, from += v->row_bytes) {
        decode_prefetch(ahead, p, 1);
        vf value[4];
        for (uint32_t i = 0; i < n_vectors; i++) {
            const uint32_t at = d + i * VF_N;
            if (type == EW_TYPE_Q8_0)
                value[i] = row_quants(from, at / EW_QK_SMALL, at % EW_QK_SMALL, s->scale[at / EW_QK_SMALL][p]);
            else
                value[i] = cut ? row_floats_some(type, from, at, dim - at) : row_floats(type, from, at);
        }
        for (uint32_t r = 0; r < n_rows; r++) {
            vf weight = vf_set1(score[(size_t)r * DECODE_TILE + p]);
            for (uint32_t i = 0; i < n_vectors; i++) acc[r][i] = vf_fma(weight, value[i], acc[r][i]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_vectors; i++) vf_store(out + (size_t)r * dim_pad + i * VF_N, acc[r][i]);
}

/* All columns of n_rows rows, n_vectors at a time. */
static inline __attribute__((always_inline)) void decode_value_rows(struct decode_state *s, uint32_t row,
                                                                    uint32_t n_rows, uint32_t n_vectors,
                                                                    enum ew_type type, const struct decode_rows *v,
                                                                    const struct decode_rows *ahead) {
    uint32_t d = 0;
    for (; d + n_vectors * VF_N <= s->dim; d += n_vectors * VF_N, ahead = NULL)
        decode_values(s, row, n_rows, type, v, d, n_vectors, false, ahead);
    for (; d + VF_N <= s->dim; d += VF_N, ahead = NULL) decode_values(s, row, n_rows, type, v, d, 1, false, ahead);
    if (d < s->dim) decode_values(s, row, n_rows, type, v, d, 1, true, ahead);
}

static inline __attribute__((always_inline)) void decode_weighted(struct decode_state *s, struct decode_span span,
                                                                  enum ew_type type, const struct decode_rows *v,
                                                                  const struct decode_rows *ahead) {
    for (uint32_t row = span.begin, n; row < span.end; row += n, ahead = NULL) {
        n = span.end - row < DECODE_MANY ? span.end - row : DECODE_MANY;
        switch (n) {
        case 1: decode_value_rows(s, row, 1, 4, type, v, ahead); break;
        case 2: decode_value_rows(s, row, 2, 4, type, v, ahead); break;
        case 3: decode_value_rows(s, row, 3, DECODE_FEW > 2 ? 4 : 2, type, v, ahead); break;
        case 4: decode_value_rows(s, row, 4, DECODE_FEW > 2 ? 4 : 2, type, v, ahead); break;
        case 5: decode_value_rows(s, row, DECODE_MANY > 5 ? 5 : 1, 2, type, v, ahead); break;
        case 6: decode_value_rows(s, row, DECODE_MANY > 6 ? 6 : 1, 2, type, v, ahead); break;
        case 7: decode_value_rows(s, row, DECODE_MANY > 7 ? 7 : 1, 2, type, v, ahead); break;
        default: decode_value_rows(s, row, DECODE_MANY, 2, type, v, ahead); break;
        }
    }
}

static void decode_tile_values(struct decode_state *s, struct decode_span span, const struct decode_rows *v,
                               const struct decode_rows *ahead) {
    decode_any_type(decode_weighted, s, span, s->a->v_type, v, ahead);
}

#endif
