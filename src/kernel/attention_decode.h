/* Attention of a few query rows (one decoded token, all heads of a group): bound by memory, so K and V are read once,
 * as they are stored, for the whole group, and converted in registers.
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
    float scale[EW_ATTENTION_MAX_DIM / EW_QK_SMALL][DECODE_TILE]; /* of the blocks of a tile of Q8_0 */
};

/* One register block of positions: acc[r][p] += q[r][d] · k[p][d] over VF_N columns. */
struct decode_dots {
    vf acc[DECODE_BLOCK][DECODE_STEP];
};

static inline __attribute__((always_inline)) void decode_dots_step(struct decode_dots *dots, const float *q,
                                                                   uint32_t n_rows, uint32_t dim_pad,
                                                                   const vf key[DECODE_STEP]) {
    for (uint32_t r = 0; r < n_rows; r++) {
        vf x = vf_load(q + (size_t)r * dim_pad);
        for (uint32_t p = 0; p < DECODE_STEP; p++) dots->acc[r][p] = vf_fma(x, key[p], dots->acc[r][p]);
    }
}

/* score[r][p] = q[r] · k[p] for rows [0, n_rows) and DECODE_STEP positions, whose rows of the cache are k[p]; scale:
 * of their blocks, DECODE_TILE apart. */
static inline __attribute__((always_inline)) void decode_dots(const float *q, uint32_t n_rows, uint32_t dim,
                                                              uint32_t dim_pad, enum ew_type type,
                                                              const uint8_t *const k[DECODE_STEP], const float *scale,
                                                              float *score) {
    struct decode_dots dots;
    vf key[DECODE_STEP];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t p = 0; p < DECODE_STEP; p++) dots.acc[r][p] = vf_set1(0);
    uint32_t d = 0;
    if (type == EW_TYPE_Q8_0) {
        for (; d < dim; d += EW_QK_SMALL, scale += DECODE_TILE) {
            for (uint32_t i = 0; i < EW_QK_SMALL; i += VF_N) {
                for (uint32_t p = 0; p < DECODE_STEP; p++) key[p] = vf_mul(row_bytes(k[p], d + i), vf_set1(scale[p]));
                decode_dots_step(&dots, q + d + i, n_rows, dim_pad, key);
            }
        }
    }
    for (; d + VF_N <= dim; d += VF_N) {
        for (uint32_t p = 0; p < DECODE_STEP; p++) key[p] = row_floats(type, k[p], d);
        decode_dots_step(&dots, q + d, n_rows, dim_pad, key);
    }
    if (d < dim) {
        for (uint32_t p = 0; p < DECODE_STEP; p++) key[p] = row_floats_some(type, k[p], d, dim - d);
        decode_dots_step(&dots, q + d, n_rows, dim_pad, key);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        vf_sum4(dots.acc[r][0], dots.acc[r][1], dots.acc[r][2], dots.acc[r][3], score + (size_t)r * DECODE_TILE);
}

/* Cache rows: n positions of row_bytes each. */
struct decode_rows {
    const uint8_t *p;
    size_t row_bytes;
    uint32_t n;
};

/* Asks for rows that are needed next. The tiles of K and of V alternate, too briefly for the processor to see two
 * streams, so the first pass over one tile asks for the other. */
static inline void decode_prefetch(const struct decode_rows *ahead, uint32_t p, uint32_t n) {
    if (p + n > ahead->n) return;
    const uint8_t *at = ahead->p + p * ahead->row_bytes;
    for (size_t i = 0; i < n * ahead->row_bytes; i += 64) __builtin_prefetch(at + i, 0, 3);
}

/* The last step of a tile repeats its last position instead of reading beyond the cache. */
static inline __attribute__((always_inline)) void decode_scores(struct decode_state *s, uint32_t row, uint32_t n_rows,
                                                                enum ew_type type, const struct decode_rows *k,
                                                                const struct decode_rows *ahead) {
    for (uint32_t p = 0; p < k->n; p += DECODE_STEP) {
        if (row == 0) decode_prefetch(ahead, p, DECODE_STEP);
        const uint8_t *key[DECODE_STEP];
        for (uint32_t i = 0; i < DECODE_STEP; i++)
            key[i] = k->p + (size_t)(p + i < k->n ? p + i : k->n - 1) * k->row_bytes;
        decode_dots(s->q + (size_t)row * s->dim_pad, n_rows, s->dim, s->dim_pad, type, key, s->scale[0] + p,
                    s->score + (size_t)row * DECODE_TILE + p);
    }
}

/* Columns [d, d + n_vectors * VF_N) of the values; the last vector may have only tail lanes (0: all). */
struct decode_columns {
    uint32_t d, n_vectors, tail;
};

/* out[r][d..] += Σ_p score[r][p] · v[p][d..]. */
static inline __attribute__((always_inline)) void decode_values(struct decode_state *s, uint32_t row, uint32_t n_rows,
                                                                enum ew_type type, const struct decode_rows *v,
                                                                struct decode_columns c,
                                                                const struct decode_rows *ahead) {
    float *out = s->out + (size_t)row * s->dim_pad + c.d;
    const float *score = s->score + (size_t)row * DECODE_TILE;
    const uint8_t *from = v->p;
    vf acc[DECODE_BLOCK][4];
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < c.n_vectors; i++) acc[r][i] = vf_load(out + (size_t)r * s->dim_pad + i * VF_N);
    for (uint32_t p = 0; p < v->n; p++, from += v->row_bytes) {
        if (ahead) decode_prefetch(ahead, p, 1);
        vf value[4];
        for (uint32_t i = 0; i < c.n_vectors; i++) {
            uint32_t d = c.d + i * VF_N;
            if (type == EW_TYPE_Q8_0)
                value[i] = vf_mul(row_bytes(from, d), vf_set1(s->scale[d / EW_QK_SMALL][p]));
            else
                value[i] = c.tail ? row_floats_some(type, from, d, c.tail) : row_floats(type, from, d);
        }
        for (uint32_t r = 0; r < n_rows; r++) {
            vf weight = vf_set1(score[(size_t)r * DECODE_TILE + p]);
            for (uint32_t i = 0; i < c.n_vectors; i++) acc[r][i] = vf_fma(weight, value[i], acc[r][i]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < c.n_vectors; i++) vf_store(out + (size_t)r * s->dim_pad + i * VF_N, acc[r][i]);
}

static inline __attribute__((always_inline)) void decode_value_rows(struct decode_state *s, uint32_t row,
                                                                    uint32_t n_rows, enum ew_type type,
                                                                    const struct decode_rows *v,
                                                                    const struct decode_rows *ahead) {
    uint32_t d = 0;
    for (; d + 4 * VF_N <= s->dim; d += 4 * VF_N)
        decode_values(s, row, n_rows, type, v, (struct decode_columns){d, 4, 0}, row + d ? NULL : ahead);
    for (; d + VF_N <= s->dim; d += VF_N)
        decode_values(s, row, n_rows, type, v, (struct decode_columns){d, 1, 0}, NULL);
    if (d < s->dim) decode_values(s, row, n_rows, type, v, (struct decode_columns){d, 1, s->dim - d}, NULL);
}

typedef void decode_rows_fn(struct decode_state *s, uint32_t row, uint32_t n_rows, enum ew_type type,
                            const struct decode_rows *rows, const struct decode_rows *ahead);

/* Row blocks with a constant number of rows and a constant type each, so that accumulators live in registers. */
static inline __attribute__((always_inline)) void decode_row_blocks(decode_rows_fn *run, struct decode_state *s,
                                                                    enum ew_type type, const struct decode_rows *rows,
                                                                    const struct decode_rows *ahead) {
    uint32_t row = 0;
    for (; row + DECODE_BLOCK <= s->n_rows; row += DECODE_BLOCK) run(s, row, DECODE_BLOCK, type, rows, ahead);
    switch (s->n_rows - row) {
    case 3: run(s, row, 3 <= DECODE_BLOCK ? 3 : 1, type, rows, ahead); break;
    case 2: run(s, row, 2, type, rows, ahead); break;
    case 1: run(s, row, 1, type, rows, ahead); break;
    default: break;
    }
}

static inline __attribute__((always_inline)) void decode_any_type(decode_rows_fn *run, struct decode_state *s,
                                                                  enum ew_type type, const struct decode_rows *rows,
                                                                  const struct decode_rows *ahead) {
    switch (type) {
    case EW_TYPE_Q8_0:
        row_scales(rows->p, rows->n, s->dim, s->scale[0], DECODE_TILE);
        decode_row_blocks(run, s, EW_TYPE_Q8_0, rows, ahead);
        break;
    case EW_TYPE_F32: decode_row_blocks(run, s, EW_TYPE_F32, rows, ahead); break;
    default: decode_row_blocks(run, s, EW_TYPE_F16, rows, ahead); break;
    }
}

static void decode_tile_scores(struct decode_state *s, enum ew_type type, const struct decode_rows *k,
                               const struct decode_rows *ahead) {
    decode_any_type(decode_scores, s, type, k, ahead);
}

static void decode_tile_values(struct decode_state *s, enum ew_type type, const struct decode_rows *v,
                               const struct decode_rows *ahead) {
    decode_any_type(decode_value_rows, s, type, v, ahead);
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
    struct decode_rows k = {.row_bytes = ew_type_row_bytes(a->k_type, a->head_dim)};
    struct decode_rows v = {.row_bytes = ew_type_row_bytes(a->v_type, a->head_dim)};
    for (uint32_t base = ew_attention_first(a, 0); base < n_positions; base += DECODE_TILE) {
        uint32_t n = n_positions - base < DECODE_TILE ? n_positions - base : DECODE_TILE;
        uint32_t left = n_positions - base - n;
        k.p = (const uint8_t *)a->k + base * k.row_bytes;
        v.p = (const uint8_t *)a->v + base * v.row_bytes;
        k.n = v.n = n;
        struct decode_rows next = {k.p + n * k.row_bytes, k.row_bytes, left < DECODE_TILE ? left : DECODE_TILE};
        decode_tile_scores(&s, a->k_type, &k, &v);
        for (uint32_t r = 0; r < s.n_rows; r++) {
            uint32_t t = r / a->n_group, first = ew_attention_first(a, t), end = a->pos0 + t + 1;
            if (a->soft_cap > 0) decode_cap(&s, r, n, a->soft_cap);
            decode_softmax(&s, r, within_tile(first, base, n), within_tile(end, base, n));
        }
        decode_tile_values(&s, a->v_type, &v, &next);
    }
    for (uint32_t r = 0; r < s.n_rows; r++) {
        float *out = a->out + r / a->n_group * a->out_stride + (size_t)(r % a->n_group) * a->head_dim;
        float norm = 1 / s.sum[r];
        for (uint32_t d = 0; d < s.dim; d++) out[d] = s.out[(size_t)r * s.dim_pad + d] * norm;
    }
}

#endif
