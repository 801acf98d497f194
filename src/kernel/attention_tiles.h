/* Attention of many query rows (prefill): bound by arithmetic, so a tile of K and V is unpacked to f32 once for a block
 * of rows, and both products run as register-blocked outer products.
 *
 * Included once per variant through vector_body.h. Query rows lie in vector lanes: queries and outputs are kept
 * transposed, so K and V need no transposition (their values are broadcast), and softmax needs no sums across lanes.
 * A block of EW_ATTENTION_ROWS rows is worked on in groups of LANES rows (3 vectors), with blocks of 8 (32 registers)
 * or 4 (16 registers) positions or output columns: 3 x 8 accumulators, or 3 x 4. */
#ifndef EW_KERNEL_ATTENTION_TILES_H
#define EW_KERNEL_ATTENTION_TILES_H

enum {
    TILE_VECTORS = 3,
    TILE_LANES = TILE_VECTORS * VF_N,
    TILE_STEP = VF_REGISTERS / 4,
    TILE = EW_ATTENTION_TILE,
    TILE_GROUPS = EW_ATTENTION_ROWS / TILE_LANES
};
static_assert(EW_ATTENTION_ROWS % TILE_LANES == 0 && TILE % 8 == 0, "groups fill a block of rows");

struct tile_state {
    const struct ew_attention_args *a;
    float *q;     /* [group][head_dim][TILE_LANES], times query_factor */
    float *out;   /* [group][head_dim][TILE_LANES] */
    float *score; /* [TILE][TILE_LANES] of one group */
    float *max, *sum;
    float *limit, *below; /* [group][TILE_LANES] as max and sum: last visible position; minus the first one */
    float *k;             /* [TILE][head_dim] */
    float *v;             /* [head_dim / 8][TILE][8]: what one block of output columns reads is contiguous */
    uint32_t row_begin, n_rows;
};

/* Rows of one group of lanes: how many vectors, and where the visible positions of its first and last row begin and
 * end. */
struct tile_group {
    uint32_t index, n_vectors, first_begin, last_begin, first_end, last_end;
};

/* score[p][lane] = Σ_d k[p][d] · q[d][lane] for TILE_STEP positions and n_vectors vectors of lanes. */
static inline __attribute__((always_inline)) void tile_dots(const float *k, const float *q, uint32_t dim,
                                                            uint32_t n_vectors, float *score) {
    vf acc[TILE_STEP][TILE_VECTORS];
    for (uint32_t p = 0; p < TILE_STEP; p++)
        for (uint32_t i = 0; i < n_vectors; i++) acc[p][i] = vf_set1(0);
    for (uint32_t d = 0; d < dim; d++, q += TILE_LANES) {
        vf x[TILE_VECTORS];
        for (uint32_t i = 0; i < n_vectors; i++) x[i] = vf_load(q + i * VF_N);
        for (uint32_t p = 0; p < TILE_STEP; p++) {
            vf key = vf_set1(k[(size_t)p * dim + d]);
            for (uint32_t i = 0; i < n_vectors; i++) acc[p][i] = vf_fma(key, x[i], acc[p][i]);
        }
    }
    for (uint32_t p = 0; p < TILE_STEP; p++)
        for (uint32_t i = 0; i < n_vectors; i++) vf_store(score + p * TILE_LANES + i * VF_N, acc[p][i]);
}

/* out[d][lane] = out[d][lane] · shrink[lane] + Σ_p v[p][d] · weight[p][lane] for TILE_STEP columns d. */
static inline __attribute__((always_inline)) void tile_values(const float *v, const float *weight, const float *shrink,
                                                              uint32_t n, uint32_t n_vectors, float *out) {
    vf acc[TILE_STEP][TILE_VECTORS];
    for (uint32_t d = 0; d < TILE_STEP; d++)
        for (uint32_t i = 0; i < n_vectors; i++)
            acc[d][i] = vf_mul(vf_load(out + d * TILE_LANES + i * VF_N), vf_load(shrink + i * VF_N));
    for (uint32_t p = 0; p < n; p++, v += 8, weight += TILE_LANES) {
        vf w[TILE_VECTORS];
        for (uint32_t i = 0; i < n_vectors; i++) w[i] = vf_load(weight + i * VF_N);
        for (uint32_t d = 0; d < TILE_STEP; d++) {
            vf value = vf_set1(v[d]);
            for (uint32_t i = 0; i < n_vectors; i++) acc[d][i] = vf_fma(value, w[i], acc[d][i]);
        }
    }
    for (uint32_t d = 0; d < TILE_STEP; d++)
        for (uint32_t i = 0; i < n_vectors; i++) vf_store(out + d * TILE_LANES + i * VF_N, acc[d][i]);
}

static inline vf tile_masked(vf score, uint32_t position, vf limit, vf below) {
    score = vf_or_below(score, vf_set1((float)position), limit);
    return vf_or_below(score, vf_set1(-(float)position), below);
}

static inline __attribute__((always_inline)) void tile_cap(float *score, uint32_t n, uint32_t n_vectors, float cap) {
    vf times = vf_set1(cap * EW_LOG2_E);
    for (uint32_t p = 0; p < n; p++, score += TILE_LANES)
        for (uint32_t i = 0; i < n_vectors * VF_N; i += VF_N)
            vf_store(score + i, capped_score(vf_load(score + i), times));
}

/* Scores [n][lane] of positions base… become weights relative to the lane's new maximum; shrink is what the older sums
 * are multiplied with. */
static inline __attribute__((always_inline)) void tile_softmax(float *score, uint32_t n, uint32_t base, bool masked,
                                                               float *max, float *sum, const float *limit,
                                                               const float *below, float *shrink) {
    vf old = vf_load(max), top = old, last = vf_load(limit), first = vf_load(below);
    for (uint32_t p = 0; p < n; p++) {
        vf s = vf_load(score + p * TILE_LANES);
        if (masked) {
            s = tile_masked(s, base + p, last, first);
            vf_store(score + p * TILE_LANES, s);
        }
        top = vf_max(top, s);
    }
    vf factor = exp2_lanes(vf_sub(old, top)), total = vf_mul(vf_load(sum), factor);
    for (uint32_t p = 0; p < n; p++) {
        vf weight = exp2_lanes(vf_sub(vf_load(score + p * TILE_LANES), top));
        total = vf_add(total, weight);
        vf_store(score + p * TILE_LANES, weight);
    }
    vf_store(max, top);
    vf_store(sum, total);
    vf_store(shrink, factor);
}

/* One tile of n positions (padded with zeros to a multiple of TILE_STEP) for one group of lanes. */
static inline __attribute__((always_inline)) void tile_group_step(struct tile_state *s, const struct tile_group *g,
                                                                  uint32_t base, uint32_t n, uint32_t n_vectors) {
    uint32_t dim = s->a->head_dim;
    size_t at = (size_t)g->index * dim * TILE_LANES, lane = (size_t)g->index * TILE_LANES;
    float shrink[TILE_LANES];
    for (uint32_t p = 0; p < n; p += TILE_STEP)
        tile_dots(s->k + (size_t)p * dim, s->q + at, dim, n_vectors, s->score + p * TILE_LANES);
    if (s->a->soft_cap > 0) tile_cap(s->score, n, n_vectors, s->a->soft_cap);
    bool masked = base + n > g->first_end || base < g->last_begin;
    for (uint32_t i = 0; i < n_vectors * VF_N; i += VF_N)
        tile_softmax(s->score + i, n, base, masked, s->max + lane + i, s->sum + lane + i, s->limit + lane + i,
                     s->below + lane + i, shrink + i);
    for (uint32_t d = 0; d < dim; d += TILE_STEP)
        tile_values(s->v + (size_t)(d / 8) * TILE * 8 + d % 8, s->score, shrink, n, n_vectors,
                    s->out + at + (size_t)d * TILE_LANES);
}

/* A constant number of vectors each, so that accumulators live in registers. */
static void tile_group_run(struct tile_state *s, const struct tile_group *g, uint32_t base) {
    if (base >= g->last_end || base + TILE <= g->first_begin) return;
    uint32_t n = g->last_end - base < TILE ? g->last_end - base : TILE;
    n = (n + TILE_STEP - 1) & ~(uint32_t)(TILE_STEP - 1);
    switch (g->n_vectors) {
    case 3: tile_group_step(s, g, base, n, 3); break;
    case 2: tile_group_step(s, g, base, n, 2); break;
    default: tile_group_step(s, g, base, n, 1); break;
    }
}

/* Values in the order of s->v: 8 columns of all positions after each other. */
static void tile_unpack_values(struct tile_state *s, uint32_t base, uint32_t n) {
    const struct ew_attention_args *a = s->a;
    uint32_t dim = a->head_dim;
    size_t bytes = ew_type_row_bytes(a->v_type, dim);
    const uint8_t *from = (const uint8_t *)a->v + base * bytes;
    float row[EW_ATTENTION_MAX_DIM];
    if (a->v_type == EW_TYPE_F16) {
        const ew_f16 *v = (const void *)from;
        for (uint32_t d = 0; d < dim; d += 8)
            for (uint32_t p = 0; p < n; p++) vf_convert8(v + (size_t)p * dim + d, s->v + (size_t)d * TILE + p * 8);
    } else {
        for (uint32_t p = 0; p < n; p++, from += bytes) {
            row_unpack(a->v_type, 1, dim, from, row);
            for (uint32_t d = 0; d < dim; d += 8) memcpy(s->v + (size_t)d * TILE + p * 8, row + d, 8 * sizeof *row);
        }
    }
    for (uint32_t d = 0; d < dim; d += 8) memset(s->v + (size_t)d * TILE + n * 8, 0, sizeof(float) * (TILE - n) * 8);
}

/* Unpacks n positions; the rest of the tile becomes zero, so that no stray value meets a zero weight. */
static void tile_unpack(struct tile_state *s, uint32_t base, uint32_t n) {
    const struct ew_attention_args *a = s->a;
    size_t dim = a->head_dim;
    row_unpack(a->k_type, n, (uint32_t)dim, (const uint8_t *)a->k + base * ew_type_row_bytes(a->k_type, dim), s->k);
    memset(s->k + n * dim, 0, sizeof(float) * (TILE - n) * dim);
    tile_unpack_values(s, base, n);
}

/* Transposes the block's queries into lanes; lanes without a row compute harmless zeros. */
static void tile_begin_rows(struct tile_state *s) {
    const struct ew_attention_args *a = s->a;
    uint32_t dim = a->head_dim, n_groups = (s->n_rows + TILE_LANES - 1) / TILE_LANES;
    float factor = query_factor(a);
    memset(s->out, 0, sizeof(float) * n_groups * dim * TILE_LANES);
    for (uint32_t i = 0; i < n_groups * TILE_LANES; i++) {
        uint32_t row = s->row_begin + i, t = row / a->n_group;
        bool used = i < s->n_rows;
        const float *q = a->q + t * a->q_stride + (size_t)(row % a->n_group) * dim;
        float *to = s->q + (size_t)(i / TILE_LANES) * dim * TILE_LANES + i % TILE_LANES;
        for (uint32_t d = 0; d < dim; d++) to[(size_t)d * TILE_LANES] = used ? q[d] * factor : 0;
        s->max[i] = LOWEST_SCORE;
        s->sum[i] = 0;
        s->limit[i] = (float)(a->pos0 + (used ? t : 0));
        s->below[i] = -(float)ew_attention_first(a, used ? t : 0);
    }
}

static void tile_finish_rows(struct tile_state *s) {
    const struct ew_attention_args *a = s->a;
    uint32_t dim = a->head_dim;
    for (uint32_t i = 0; i < s->n_rows; i++) {
        uint32_t row = s->row_begin + i;
        float *out = a->out + row / a->n_group * a->out_stride + (size_t)(row % a->n_group) * dim;
        const float *from = s->out + (size_t)(i / TILE_LANES) * dim * TILE_LANES + i % TILE_LANES;
        float norm = 1 / s->sum[i];
        for (uint32_t d = 0; d < dim; d++) out[d] = from[(size_t)d * TILE_LANES] * norm;
    }
}

static uint32_t tile_make_groups(const struct tile_state *s, struct tile_group group[TILE_GROUPS]) {
    const struct ew_attention_args *a = s->a;
    uint32_t n_groups = 0;
    for (uint32_t i = 0; i < s->n_rows; i += TILE_LANES) {
        uint32_t n = s->n_rows - i < TILE_LANES ? s->n_rows - i : TILE_LANES;
        uint32_t first = s->row_begin + i, last = first + n - 1;
        group[n_groups] = (struct tile_group){.index = n_groups,
                                              .n_vectors = (n + VF_N - 1) / VF_N,
                                              .first_begin = ew_attention_first(a, first / a->n_group),
                                              .last_begin = ew_attention_first(a, last / a->n_group),
                                              .first_end = a->pos0 + first / a->n_group + 1,
                                              .last_end = a->pos0 + last / a->n_group + 1};
        n_groups++;
    }
    return n_groups;
}

static void attention_tiles(const struct ew_attention_args *a) {
    uint32_t n_rows = a->n_tokens * a->n_group, dim = a->head_dim;
    uint32_t block =
        n_rows < EW_ATTENTION_ROWS ? (n_rows + TILE_LANES - 1) / TILE_LANES * TILE_LANES : EW_ATTENTION_ROWS;
    struct tile_state s = {.a = a, .q = a->scratch};
    s.out = s.q + (size_t)block * dim;
    s.k = s.out + (size_t)block * dim;
    s.v = s.k + (size_t)TILE * dim;
    s.score = s.v + (size_t)TILE * dim;
    s.max = s.score + (size_t)TILE * TILE_LANES;
    s.sum = s.max + block;
    s.limit = s.sum + block;
    s.below = s.limit + block;
    for (s.row_begin = 0; s.row_begin < n_rows; s.row_begin += EW_ATTENTION_ROWS) {
        struct tile_group group[TILE_GROUPS];
        s.n_rows = n_rows - s.row_begin < EW_ATTENTION_ROWS ? n_rows - s.row_begin : EW_ATTENTION_ROWS;
        uint32_t n_groups = tile_make_groups(&s, group), end = group[n_groups - 1].last_end;
        tile_begin_rows(&s);
        for (uint32_t base = group[0].first_begin; base < end; base += TILE) {
            tile_unpack(&s, base, end - base < TILE ? end - base : TILE);
            for (uint32_t g = 0; g < n_groups; g++) tile_group_run(&s, &group[g], base);
        }
        tile_finish_rows(&s);
    }
}

#endif
