/* Scores of attention with few query rows: rows · keys of one tile of positions, and the state that the passes over a
 * tile share. K is read as it is stored and converted in registers, once for a block of rows.
 *
 * Groups of few heads take the columns of a head as lanes and sum across them at the end, which costs little where few
 * scores come of it. Larger groups transpose the keys of some positions first and take positions as lanes: no sum
 * crosses lanes then. Which way depends on the group alone, so that a token's results do not tell how many tokens were
 * computed with it. Included once per variant through vector_body.h; values: attention_values.h. */
#ifndef EW_KERNEL_ATTENTION_SCORES_H
#define EW_KERNEL_ATTENTION_SCORES_H

/* Rows that go over the tiles together, positions of a tile, and register blocks: FEW rows x 4 vectors, MANY x 2. */
enum {
    DECODE_ROWS = EW_ATTENTION_LANES,
    DECODE_TILE = EW_ATTENTION_TILE,
    DECODE_FEW = VF_REGISTERS / 8,
    DECODE_MANY = VF_REGISTERS / 4,
    DECODE_STEP = 4,
    DECODE_PIECE = 2 * VF_N,
    DECODE_TRANSPOSED_GROUP = 5 /* heads from which transposing pays */
};
static_assert(DECODE_TILE % DECODE_PIECE == 0, "pieces fill a tile");

struct decode_state {
    const struct ew_attention_args *a;
    float *q;     /* [DECODE_ROWS][dim_pad], times query_factor, zero padded */
    float *out;   /* [DECODE_ROWS][dim_pad], sums of values of this chunk relative to the running maximum */
    float *total; /* [DECODE_ROWS][dim_pad], the same of the chunks before */
    float *score; /* [DECODE_ROWS][DECODE_TILE] */
    float *keys;  /* [dim_pad][DECODE_PIECE], transposed */
    uint32_t row_begin, n_rows, dim, dim_pad;
    float max[DECODE_ROWS], sum[DECODE_ROWS], total_max[DECODE_ROWS], total_sum[DECODE_ROWS];
    float scale[EW_ATTENTION_MAX_DIM / EW_QK_SMALL][DECODE_TILE]; /* of the blocks of a tile of Q8_0 */
};

/* Cache rows: n positions of row_bytes each. */
struct decode_rows {
    const uint8_t *p;
    size_t row_bytes;
    uint32_t n;
};

/* Query rows [begin, end) of a state. */
struct decode_span {
    uint32_t begin, end;
};

/* Asks for rows that are needed next. The tiles of K and of V alternate, too briefly for the processor to see two
 * streams, so the first pass over one tile asks for the other. */
static inline void decode_prefetch(const struct decode_rows *ahead, uint32_t p, uint32_t n) {
    if (!ahead || p + n > ahead->n) return;
    const uint8_t *at = ahead->p + p * ahead->row_bytes;
    for (size_t i = 0; i < n * ahead->row_bytes; i += 64) __builtin_prefetch(at + i, 0, 3);
}

/* Where n positions from p on lie, and where the scales of their blocks are, DECODE_TILE apart. Whole steps of
 * positions repeat the last one instead of reading beyond the cache. */
static inline __attribute__((always_inline)) void decode_locate(const struct decode_state *s,
                                                                const struct decode_rows *rows, uint32_t p, uint32_t n,
                                                                const uint8_t **row, const float **scale) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = p + i < rows->n ? p + i : rows->n - 1;
        row[i] = rows->p + at * rows->row_bytes;
        scale[i] = s->scale[0] + at;
    }
}

/* ---- scores, columns as lanes ---- */

/* acc[r][p] += q[r][d] · key[p][d] over VF_N columns d. */
static inline __attribute__((always_inline)) void decode_dots_step(const float *q, uint32_t n_rows, uint32_t dim_pad,
                                                                   const vf key[DECODE_STEP],
                                                                   vf acc[DECODE_FEW][DECODE_STEP]) {
    for (uint32_t r = 0; r < n_rows; r++) {
        vf x = vf_load(q + (size_t)r * dim_pad);
        for (uint32_t p = 0; p < DECODE_STEP; p++) acc[r][p] = vf_fma(x, key[p], acc[r][p]);
    }
}

/* score[r][p] = q[r] · k[p] for n_rows (a constant) rows from `row` on and DECODE_STEP positions from p on. */
static inline __attribute__((always_inline)) void decode_dots(const struct decode_state *s, uint32_t row,
                                                              uint32_t n_rows, enum ew_type type,
                                                              const struct decode_rows *k, uint32_t p) {
    const uint32_t dim = s->dim, dim_pad = s->dim_pad;
    const float *q = s->q + (size_t)row * dim_pad, *scale[DECODE_STEP];
    float *score = s->score + (size_t)row * DECODE_TILE + p;
    const uint8_t *from[DECODE_STEP];
    vf acc[DECODE_FEW][DECODE_STEP], key[DECODE_STEP];
    decode_locate(s, k, p, DECODE_STEP, from, scale);
    for (uint32_t r = 0; r < n_rows; r++)
        for (uint32_t i = 0; i < DECODE_STEP; i++) acc[r][i] = vf_set1(0);
    uint32_t d = 0;
    for (uint32_t b = 0; type == EW_TYPE_Q8_0 && d < dim; b++) {
        for (uint32_t j = 0; j < EW_QK_SMALL; j += VF_N, d += VF_N) {
            for (uint32_t i = 0; i < DECODE_STEP; i++) key[i] = row_quants(from[i], b, j, scale[i][b * DECODE_TILE]);
            decode_dots_step(q + d, n_rows, dim_pad, key, acc);
        }
    }
    for (; d + VF_N <= dim; d += VF_N) {
        for (uint32_t i = 0; i < DECODE_STEP; i++) key[i] = row_floats(type, from[i], d);
        decode_dots_step(q + d, n_rows, dim_pad, key, acc);
    }
    if (d < dim) {
        for (uint32_t i = 0; i < DECODE_STEP; i++) key[i] = row_floats_some(type, from[i], d, dim - d);
        decode_dots_step(q + d, n_rows, dim_pad, key, acc);
    }
    for (uint32_t r = 0; r < n_rows; r++)
        vf_sum4(acc[r][0], acc[r][1], acc[r][2], acc[r][3], score + (size_t)r * DECODE_TILE);
}

static inline __attribute__((always_inline)) void decode_scores_few(struct decode_state *s, uint32_t row,
                                                                    uint32_t n_rows, enum ew_type type,
                                                                    const struct decode_rows *k,
                                                                    const struct decode_rows *ahead) {
    for (uint32_t p = 0; p < k->n; p += DECODE_STEP) {
        decode_prefetch(ahead, p, DECODE_STEP);
        decode_dots(s, row, n_rows, type, k, p);
    }
}

/* A constant number of rows each, so that sums live in registers. */
static inline __attribute__((always_inline)) void decode_scores(struct decode_state *s, struct decode_span span,
                                                                enum ew_type type, const struct decode_rows *k,
                                                                const struct decode_rows *ahead) {
    uint32_t row = span.begin;
    for (; row + DECODE_FEW <= span.end; row += DECODE_FEW, ahead = NULL)
        decode_scores_few(s, row, DECODE_FEW, type, k, ahead);
    switch (span.end - row) {
    case 3: decode_scores_few(s, row, DECODE_FEW > 3 ? 3 : 1, type, k, ahead); break;
    case 2: decode_scores_few(s, row, DECODE_FEW > 2 ? 2 : 1, type, k, ahead); break;
    case 1: decode_scores_few(s, row, 1, type, k, ahead); break;
    default: break;
    }
}

/* ---- scores, positions as lanes ---- */

/* VF_N vectors of keys become as many columns of s->keys. */
static inline __attribute__((always_inline)) void decode_put_columns(vf v[VF_N], float *keys) {
    vf_transpose(v);
#pragma GCC unroll 16
    for (uint32_t i = 0; i < VF_N; i++) vf_store(keys + i * DECODE_PIECE, v[i]);
}

/* VF_N positions from p on, the last one repeated, into half a piece. */
static inline __attribute__((always_inline)) void decode_transpose(const struct decode_state *s, enum ew_type type,
                                                                   const struct decode_rows *k, uint32_t p,
                                                                   float *keys) {
    const uint32_t dim = s->dim;
    const uint8_t *from[VF_N];
    const float *scale[VF_N];
    vf v[VF_N];
    decode_locate(s, k, p, VF_N, from, scale);
    uint32_t d = 0;
    for (uint32_t b = 0; type == EW_TYPE_Q8_0 && d < dim; b++) {
        for (uint32_t j = 0; j < EW_QK_SMALL; j += VF_N, d += VF_N) {
#pragma GCC unroll 16
            for (uint32_t i = 0; i < VF_N; i++) v[i] = row_quants(from[i], b, j, scale[i][b * DECODE_TILE]);
            decode_put_columns(v, keys + (size_t)d * DECODE_PIECE);
        }
    }
    for (; d + VF_N <= dim; d += VF_N) {
#pragma GCC unroll 16
        for (uint32_t i = 0; i < VF_N; i++) v[i] = row_floats(type, from[i], d);
        decode_put_columns(v, keys + (size_t)d * DECODE_PIECE);
    }
    if (d < dim) {
        for (uint32_t i = 0; i < VF_N; i++) v[i] = row_floats_some(type, from[i], d, dim - d);
        decode_put_columns(v, keys + (size_t)d * DECODE_PIECE);
    }
}

/* score[r][p] = q[r] · k[p] for n_rows (a constant) rows and the piece of positions that is in s->keys. Asks for a line
 * of memory from `ahead` on per column: many at once would wait for each other. */
static inline __attribute__((always_inline)) void decode_piece(const float *q, uint32_t n_rows, uint32_t dim,
                                                               uint32_t dim_pad, const float *keys,
                                                               const uint8_t *ahead, float *score) {
    vf acc[DECODE_MANY][2];
    for (uint32_t r = 0; r < n_rows; r++) acc[r][0] = acc[r][1] = vf_set1(0);
    for (uint32_t d = 0; d < dim; d++, q++, keys += DECODE_PIECE, ahead += 64) {
        __builtin_prefetch(ahead, 0, 3);
        vf key0 = vf_load(keys), key1 = vf_load(keys + VF_N);
        for (uint32_t r = 0; r < n_rows; r++) {
            vf x = vf_set1(q[(size_t)r * dim_pad]);
            acc[r][0] = vf_fma(x, key0, acc[r][0]);
            acc[r][1] = vf_fma(x, key1, acc[r][1]);
        }
    }
    for (uint32_t r = 0; r < n_rows; r++) {
        vf_store(score + (size_t)r * DECODE_TILE, acc[r][0]);
        vf_store(score + (size_t)r * DECODE_TILE + VF_N, acc[r][1]);
    }
}

static void decode_piece_rows(struct decode_state *s, struct decode_span span, uint32_t p, const uint8_t *ahead) {
    const uint8_t *here = (const uint8_t *)s->keys;
    for (uint32_t row = span.begin, n; row < span.end; row += n, ahead = here) {
        const float *q = s->q + (size_t)row * s->dim_pad;
        float *score = s->score + (size_t)row * DECODE_TILE + p;
        n = span.end - row < DECODE_MANY ? span.end - row : DECODE_MANY;
        switch (n) {
        case 1: decode_piece(q, 1, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 2: decode_piece(q, 2, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 3: decode_piece(q, 3, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 4: decode_piece(q, 4, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 5: decode_piece(q, DECODE_MANY > 5 ? 5 : 1, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 6: decode_piece(q, DECODE_MANY > 6 ? 6 : 1, s->dim, s->dim_pad, s->keys, ahead, score); break;
        case 7: decode_piece(q, DECODE_MANY > 7 ? 7 : 1, s->dim, s->dim_pad, s->keys, ahead, score); break;
        default: decode_piece(q, DECODE_MANY, s->dim, s->dim_pad, s->keys, ahead, score); break;
        }
    }
}

static inline __attribute__((always_inline)) void decode_scores_transposed(struct decode_state *s,
                                                                           struct decode_span span, enum ew_type type,
                                                                           const struct decode_rows *k,
                                                                           const struct decode_rows *ahead) {
    for (uint32_t p = 0; p < k->n; p += DECODE_PIECE) {
        const uint8_t *at = ahead && p < ahead->n ? ahead->p + p * ahead->row_bytes : (const uint8_t *)s->keys;
        for (uint32_t i = 0; i < DECODE_PIECE; i += VF_N) decode_transpose(s, type, k, p + i, s->keys + i);
        decode_piece_rows(s, span, p, at);
    }
}

/* ---- one loop for each type ---- */

typedef void decode_pass(struct decode_state *s, struct decode_span span, enum ew_type type,
                         const struct decode_rows *rows, const struct decode_rows *ahead);

static inline __attribute__((always_inline)) void decode_any_type(decode_pass *run, struct decode_state *s,
                                                                  struct decode_span span, enum ew_type type,
                                                                  const struct decode_rows *rows,
                                                                  const struct decode_rows *ahead) {
    switch (type) {
    case EW_TYPE_Q8_0:
        row_scales(rows->p, rows->n, s->dim, s->scale[0], DECODE_TILE);
        run(s, span, EW_TYPE_Q8_0, rows, ahead);
        break;
    case EW_TYPE_F32: run(s, span, EW_TYPE_F32, rows, ahead); break;
    default: run(s, span, EW_TYPE_F16, rows, ahead); break;
    }
}

static void decode_tile_scores(struct decode_state *s, struct decode_span span, const struct decode_rows *k,
                               const struct decode_rows *ahead) {
    if (s->a->n_group < DECODE_TRANSPOSED_GROUP)
        decode_any_type(decode_scores, s, span, s->a->k_type, k, ahead);
    else
        decode_any_type(decode_scores_transposed, s, span, s->a->k_type, k, ahead);
}

#endif
