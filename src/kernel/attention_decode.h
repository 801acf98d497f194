/* Attention of a few query rows (one decoded token, all heads of a group): bound by memory, so K and V are read once,
 * as f16, for the whole group, and converted in registers.
 *
 * Included once per variant through vector_body.h. Scores of a tile of positions are held in scratch; a tile of K or V
 * stays in the first-level cache while the rows go over it in register blocks. See attention_tiles.h for many rows. */
#ifndef EW_KERNEL_ATTENTION_DECODE_H
#define EW_KERNEL_ATTENTION_DECODE_H

/* Register blocks: rows x positions dot products at once, and rows x 4 vectors of output. With 16 registers two rows,
 * with 32 four. */
enum { DECODE_ROWS = 8, DECODE_TILE = 64, DECODE_BLOCK = VF_REGISTERS / 8, DECODE_STEP = 4 };

struct decode_state {
    float *q;     /* [n_rows][dim_pad], times query_factor, zero padded */
    float *out;   /* [n_rows][dim_pad], sums of values relative to the running maximum */
    float *score; /* [n_rows][DECODE_TILE] */
    uint32_t n_rows, dim, dim_pad;
    float max[DECODE_ROWS], sum[DECODE_ROWS];
};

/* score[r][p] = q[r] · k[p] for rows [0, n_rows) and DECODE_STEP positions; steps of stride halves, 0 repeats one. */
static inline __attribute__((always_inline)) void decode_dots(const float *q, uint32_t n_rows, uint32_t dim,
                                                              uint32_t dim_pad, const ew_f16 *const k[DECODE_STEP],
                                                              float *score) {
    vf acc[DECODE_BLOCK][DECODE_STEP];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t p = 0; p < DECODE_STEP; p++) acc[r][p] = vf_set1(0);
    uint32_t d = 0;
    for (; d + VF_N <= dim; d += VF_N) {
        vf key[DECODE_STEP];
        for (uint32_t p = 0; p < DECODE_STEP; p++) key[p] = vf_load_half(k[p] + d);
        for (uint32_t r = 0; r < n_rows; r++) {
            vf x = vf_load(q + (size_t)r * dim_pad + d);
            for (uint32_t p = 0; p < DECODE_STEP; p++) acc[r][p] = vf_fma(x, key[p], acc[r][p]);
        }
    }
    if (d < dim) {
        for (uint32_t p = 0; p < DECODE_STEP; p++) {
            vf key = vf_load_half_some(k[p] + d, dim - d);
            for (uint32_t r = 0; r < n_rows; r++)
                acc[r][p] = vf_fma(vf_load(q + (size_t)r * dim_pad + d), key, acc[r][p]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        vf_sum4(acc[r][0], acc[r][1], acc[r][2], acc[r][3], score + (size_t)r * DECODE_TILE);
}

/* Cache rows that are needed next: n positions. The tiles of K and of V alternate, too briefly for the processor to see
 * two streams, so the first pass over one tile asks for the other. */
struct decode_ahead {
    const ew_f16 *p;
    uint32_t n;
};

static inline void decode_prefetch(const struct decode_ahead *ahead, uint32_t p, uint32_t n, uint32_t dim) {
    if (p + n > ahead->n) return;
    const char *at = (const char *)(ahead->p + (size_t)p * dim);
    for (size_t i = 0; i < (size_t)n * dim * sizeof(ew_f16); i += 64) __builtin_prefetch(at + i, 0, 3);
}

/* The last step of a tile repeats its last position instead of reading beyond the cache. */
static inline __attribute__((always_inline)) void decode_scores(struct decode_state *s, uint32_t row, uint32_t n_rows,
                                                                const ew_f16 *k, uint32_t n,
                                                                const struct decode_ahead *ahead) {
    for (uint32_t p = 0; p < n; p += DECODE_STEP) {
        if (row == 0) decode_prefetch(ahead, p, DECODE_STEP, s->dim);
        const ew_f16 *key[DECODE_STEP];
        for (uint32_t i = 0; i < DECODE_STEP; i++) key[i] = k + (size_t)(p + i < n ? p + i : n - 1) * s->dim;
        decode_dots(s->q + (size_t)row * s->dim_pad, n_rows, s->dim, s->dim_pad, key,
                    s->score + (size_t)row * DECODE_TILE + p);
    }
}

/* out[r][d..] += Σ_p score[r][p] · v[p][d..] over n_vectors vectors; the last may have only tail lanes (0: all). */
static inline __attribute__((always_inline)) void decode_values(float *out, uint32_t dim_pad, const float *score,
                                                                uint32_t n_rows, const ew_f16 *v, uint32_t dim,
                                                                uint32_t n, uint32_t n_vectors, uint32_t tail,
                                                                const struct decode_ahead *ahead) {
    vf acc[DECODE_BLOCK][4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_vectors; i++) acc[r][i] = vf_load(out + (size_t)r * dim_pad + i * VF_N);
    for (uint32_t p = 0; p < n; p++, v += dim) {
        if (ahead) decode_prefetch(ahead, p, 1, dim);
        vf value[4];
        for (uint32_t i = 0; i < n_vectors; i++)
            value[i] = tail ? vf_load_half_some(v + i * VF_N, tail) : vf_load_half(v + i * VF_N);
        for (uint32_t r = 0; r < n_rows; r++) {
            vf weight = vf_set1(score[(size_t)r * DECODE_TILE + p]);
            for (uint32_t i = 0; i < n_vectors; i++) acc[r][i] = vf_fma(weight, value[i], acc[r][i]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < n_vectors; i++) vf_store(out + (size_t)r * dim_pad + i * VF_N, acc[r][i]);
}

static inline __attribute__((always_inline)) void decode_value_rows(struct decode_state *s, uint32_t row,
                                                                    uint32_t n_rows, const ew_f16 *v, uint32_t n,
                                                                    const struct decode_ahead *ahead) {
    float *out = s->out + (size_t)row * s->dim_pad;
    const float *score = s->score + (size_t)row * DECODE_TILE;
    uint32_t d = 0;
    for (; d + 4 * VF_N <= s->dim; d += 4 * VF_N)
        decode_values(out + d, s->dim_pad, score, n_rows, v + d, s->dim, n, 4, 0, row + d ? NULL : ahead);
    for (; d + VF_N <= s->dim; d += VF_N)
        decode_values(out + d, s->dim_pad, score, n_rows, v + d, s->dim, n, 1, 0, NULL);
    if (d < s->dim) decode_values(out + d, s->dim_pad, score, n_rows, v + d, s->dim, n, 1, s->dim - d, NULL);
}

/* Row blocks with a constant number of rows each, so that accumulators live in registers. */
static void decode_tile_scores(struct decode_state *s, const ew_f16 *k, uint32_t n, const struct decode_ahead *ahead) {
    uint32_t row = 0;
    for (; row + DECODE_BLOCK <= s->n_rows; row += DECODE_BLOCK) decode_scores(s, row, DECODE_BLOCK, k, n, ahead);
    switch (s->n_rows - row) {
    case 3: decode_scores(s, row, 3 <= DECODE_BLOCK ? 3 : 1, k, n, ahead); break;
    case 2: decode_scores(s, row, 2, k, n, ahead); break;
    case 1: decode_scores(s, row, 1, k, n, ahead); break;
    default: break;
    }
}

static void decode_tile_values(struct decode_state *s, const ew_f16 *v, uint32_t n, const struct decode_ahead *ahead) {
    uint32_t row = 0;
    for (; row + DECODE_BLOCK <= s->n_rows; row += DECODE_BLOCK) decode_value_rows(s, row, DECODE_BLOCK, v, n, ahead);
    switch (s->n_rows - row) {
    case 3: decode_value_rows(s, row, 3 <= DECODE_BLOCK ? 3 : 1, v, n, ahead); break;
    case 2: decode_value_rows(s, row, 2, v, n, ahead); break;
    case 1: decode_value_rows(s, row, 1, v, n, ahead); break;
    default: break;
    }
}

static float decode_max(const float *score) {
    vf m = vf_load(score);
    for (uint32_t p = VF_N; p < DECODE_TILE; p += VF_N) m = vf_max(m, vf_load(score + p));
    float lane[VF_N];
    vf_store(lane, m);
    for (uint32_t i = 1; i < VF_N; i++)
        if (lane[i] > lane[0]) lane[0] = lane[i];
    return lane[0];
}

/* Turns scores into weights relative to the row's new maximum and shrinks what was gathered before. Scores outside
 * [first, end) are masked. */
static void decode_softmax(struct decode_state *s, uint32_t row, uint32_t first, uint32_t end) {
    float *score = s->score + (size_t)row * DECODE_TILE, *out = s->out + (size_t)row * s->dim_pad;
    for (uint32_t p = 0; p < first; p++) score[p] = -INFINITY;
    for (uint32_t p = end; p < DECODE_TILE; p++) score[p] = -INFINITY;
    float max = decode_max(score);
    if (!(max > s->max[row])) max = s->max[row];
    float before[VF_N];
    vf_store(before, exp2_lanes(vf_set1(s->max[row] - max)));
    vf shrink = vf_set1(before[0]), sum = vf_set1(0), top = vf_set1(max);
    for (uint32_t p = 0; p < DECODE_TILE; p += VF_N) {
        vf weight = exp2_lanes(vf_sub(vf_load(score + p), top));
        sum = vf_add(sum, weight);
        vf_store(score + p, weight);
    }
    for (uint32_t d = 0; d < s->dim_pad; d += VF_N) vf_store(out + d, vf_mul(vf_load(out + d), shrink));
    s->sum[row] = s->sum[row] * before[0] + vf_sum(sum);
    s->max[row] = max;
}

static void decode_cap(struct decode_state *s, uint32_t row, uint32_t n, float cap) {
    float *score = s->score + (size_t)row * DECODE_TILE;
    vf times = vf_set1(cap * EW_LOG2_E);
    for (uint32_t p = 0; p < n; p += VF_N) vf_store(score + p, capped_score(vf_load(score + p), times));
}

static void decode_begin(const struct ew_attention_args *a, struct decode_state *s) {
    s->n_rows = a->n_tokens * a->n_group;
    s->dim = a->head_dim;
    s->dim_pad = (a->head_dim + 15) & ~15u;
    s->q = a->scratch;
    s->out = s->q + (size_t)s->n_rows * s->dim_pad;
    s->score = s->out + (size_t)s->n_rows * s->dim_pad;
    float factor = query_factor(a);
    for (uint32_t r = 0; r < s->n_rows; r++) {
        const float *q = a->q + r / a->n_group * a->q_stride + (size_t)(r % a->n_group) * a->head_dim;
        for (uint32_t d = 0; d < s->dim_pad; d++) {
            s->q[(size_t)r * s->dim_pad + d] = d < s->dim ? q[d] * factor : 0;
            s->out[(size_t)r * s->dim_pad + d] = 0;
        }
        s->max[r] = LOWEST_SCORE;
        s->sum[r] = 0;
    }
}

static void attention_decode(const struct ew_attention_args *a) {
    struct decode_state s;
    decode_begin(a, &s);
    uint32_t n_positions = a->pos0 + a->n_tokens;
    for (uint32_t base = ew_attention_first(a, 0); base < n_positions; base += DECODE_TILE) {
        uint32_t n = n_positions - base < DECODE_TILE ? n_positions - base : DECODE_TILE;
        size_t at = (size_t)base * a->head_dim;
        uint32_t left = n_positions - base - n;
        struct decode_ahead values = {a->v + at, n}, keys = {NULL, left < DECODE_TILE ? left : DECODE_TILE};
        if (left) keys.p = a->k + at + (size_t)n * a->head_dim;
        decode_tile_scores(&s, a->k + at, n, &values);
        for (uint32_t r = 0; r < s.n_rows; r++) {
            uint32_t t = r / a->n_group, first = ew_attention_first(a, t), end = a->pos0 + t + 1;
            if (a->soft_cap > 0) decode_cap(&s, r, n, a->soft_cap);
            decode_softmax(&s, r, within_tile(first, base, n), within_tile(end, base, n));
        }
        decode_tile_values(&s, a->v + at, n, &keys);
    }
    for (uint32_t r = 0; r < s.n_rows; r++) {
        float *out = a->out + r / a->n_group * a->out_stride + (size_t)(r % a->n_group) * a->head_dim;
        float norm = 1 / s.sum[r];
        for (uint32_t d = 0; d < s.dim; d++) out[d] = s.out[(size_t)r * s.dim_pad + d] * norm;
    }
}

#endif
