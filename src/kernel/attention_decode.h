/* Attention of a few tokens: bound by memory, so K and V are read once, as they are stored, for all rows of a block.
 *
 * What a token gets does not depend on how many tokens share a call, to the bit: tiles begin at multiples of their
 * length, a tile that not all tokens see in full is worked on token by token, and each product sums in an order of its
 * own (attention_scores.h). Nor does it depend on who computes which chunk of positions: every chunk is summed apart,
 * and chunks are put together in their order. Included once per variant through vector_body.h; a tile of K or V stays
 * in the first-level cache while the rows go over it. See attention_tiles.h for many tokens. */
#ifndef EW_KERNEL_ATTENTION_DECODE_H
#define EW_KERNEL_ATTENTION_DECODE_H

#include "kernel/attention_values.h"

static_assert(EW_ATTENTION_CHUNK % DECODE_TILE == 0, "tiles fill a chunk");

/* ---- softmax ---- */

static float decode_max(const float *score, uint32_t n) {
    vf m = vf_load(score);
    for (uint32_t p = VF_N; p < n; p += VF_N) m = vf_max(m, vf_load(score + p));
    return vf_top(m);
}

static void decode_cap(float *score, uint32_t n, float cap) {
    vf times = vf_set1(cap * EW_LOG2_E);
    for (uint32_t p = 0; p < n; p += VF_N) vf_store(score + p, capped_score(vf_load(score + p), times));
}

/* What sums relative to the maximum `from` are multiplied with when it becomes `to`. */
static inline vf decode_shrink(float from, float to) { return exp2_lanes(vf_set1(from - to)); }

static inline float first_lane(vf v) {
    float lane[VF_N];
    vf_store(lane, v);
    return lane[0];
}

/* Turns n scores into weights relative to the row's new maximum and shrinks what was gathered before. */
static void decode_softmax(struct decode_state *s, uint32_t row, uint32_t n) {
    float *score = s->score + (size_t)row * DECODE_TILE, *out = s->out + (size_t)row * s->dim_pad;
    if (s->a->soft_cap > 0) decode_cap(score, n, s->a->soft_cap);
    for (uint32_t p = n; p % VF_N != 0; p++) score[p] = -INFINITY;
    float max = decode_max(score, n);
    if (max > s->max[row]) {
        vf shrink = decode_shrink(s->max[row], max);
        for (uint32_t d = 0; d < s->dim_pad; d += VF_N) vf_store(out + d, vf_mul(vf_load(out + d), shrink));
        s->sum[row] *= first_lane(shrink);
        s->max[row] = max;
    }
    vf sum = vf_set1(0), top = vf_set1(s->max[row]);
    for (uint32_t p = 0; p < n; p += VF_N) {
        vf weight = exp2_lanes(vf_sub(vf_load(score + p), top));
        sum = vf_add(sum, weight);
        vf_store(score + p, weight);
    }
    s->sum[row] += vf_sum(sum);
}

/* Adds a chunk's sums to those of the chunks before it. A chunk of which the row saw nothing changes nothing. */
static void decode_merge(uint32_t dim_pad, const float *out, float out_max, float out_sum, float *total, float *max,
                         float *sum) {
    if (out_sum == 0) return;
    float top = out_max > *max ? out_max : *max;
    vf before = decode_shrink(*max, top), now = decode_shrink(out_max, top);
    for (uint32_t d = 0; d < dim_pad; d += VF_N)
        vf_store(total + d, vf_fma(vf_load(total + d), before, vf_mul(vf_load(out + d), now)));
    *sum = first_lane(vf_fma(vf_set1(*sum), before, vf_mul(vf_set1(out_sum), now)));
    *max = top;
}

/* ---- tiles and chunks ---- */

/* Positions [begin, end), and up to where the rows will go on. */
struct decode_range {
    uint32_t begin, end, ahead_end;
};

/* Rows that see the same positions of a tile. */
static void decode_tile_span(struct decode_state *s, struct decode_span span, struct decode_range at) {
    const struct ew_attention_args *a = s->a;
    struct decode_rows k = {.row_bytes = ew_type_row_bytes(a->k_type, s->dim), .n = at.end - at.begin};
    struct decode_rows v = {.row_bytes = ew_type_row_bytes(a->v_type, s->dim), .n = k.n};
    uint32_t left = at.ahead_end - at.end;
    k.p = (const uint8_t *)a->k + at.begin * k.row_bytes;
    v.p = (const uint8_t *)a->v + at.begin * v.row_bytes;
    struct decode_rows next = {k.p + k.n * k.row_bytes, k.row_bytes, left < DECODE_TILE ? left : DECODE_TILE};
    decode_tile_scores(s, span, &k, &v);
    for (uint32_t r = span.begin; r < span.end; r++) decode_softmax(s, r, k.n);
    decode_tile_values(s, span, &v, &next);
}

/* What the token of a row sees of a range; end <= begin: nothing. */
static struct decode_range decode_visible(const struct decode_state *s, uint32_t row, struct decode_range range) {
    uint32_t t = (s->row_begin + row) / s->a->n_group, first = ew_attention_first(s->a, t), end = s->a->pos0 + t + 1;
    if (range.begin < first) range.begin = first;
    if (range.end > end) range.end = end;
    return range;
}

static void decode_tile(struct decode_state *s, struct decode_range tile) {
    const uint32_t group = s->a->n_group;
    struct decode_span span;
    for (span.begin = 0; span.begin < s->n_rows; span.begin = span.end) {
        struct decode_range seen = decode_visible(s, span.begin, tile);
        span.end = span.begin + group - (s->row_begin + span.begin) % group;
        while (span.end < s->n_rows) {
            struct decode_range next = decode_visible(s, span.end, tile);
            if (next.begin != seen.begin || next.end != seen.end) break;
            span.end += group;
        }
        if (span.end > s->n_rows) span.end = s->n_rows;
        if (seen.begin < seen.end) decode_tile_span(s, span, seen);
    }
}

static void decode_clear(struct decode_state *s, float *out, float *max, float *sum) {
    memset(out, 0, sizeof *out * s->n_rows * s->dim_pad);
    for (uint32_t r = 0; r < s->n_rows; r++) {
        max[r] = LOWEST_SCORE;
        sum[r] = 0;
    }
}

/* Positions [begin, end) of one chunk. */
static void decode_chunk(struct decode_state *s, uint32_t begin, uint32_t end) {
    decode_clear(s, s->out, s->max, s->sum);
    for (uint32_t next; begin < end; begin = next) {
        next = begin / DECODE_TILE * DECODE_TILE + DECODE_TILE;
        if (next > end) next = end;
        decode_tile(s, (struct decode_range){begin, next, end});
    }
}

/* ---- blocks of rows ---- */

static void decode_begin(struct decode_state *s, const struct ew_attention_args *a) {
    s->a = a;
    s->dim = a->head_dim;
    s->dim_pad = (a->head_dim + 15) & ~15u;
    size_t rows = a->n_tokens * a->n_group < DECODE_ROWS ? a->n_tokens * a->n_group : DECODE_ROWS;
    s->q = a->scratch;
    s->out = s->q + rows * s->dim_pad;
    s->total = s->out + rows * s->dim_pad;
    s->score = s->total + rows * s->dim_pad;
    s->keys = s->score + rows * DECODE_TILE;
}

static void decode_take_rows(struct decode_state *s, uint32_t row_begin) {
    const struct ew_attention_args *a = s->a;
    uint32_t left = a->n_tokens * a->n_group - row_begin;
    s->row_begin = row_begin;
    s->n_rows = left < DECODE_ROWS ? left : DECODE_ROWS;
    float factor = query_factor(a);
    for (uint32_t r = 0; r < s->n_rows; r++) {
        uint32_t row = row_begin + r;
        const float *q = a->q + row / a->n_group * a->q_stride + (size_t)(row % a->n_group) * s->dim;
        for (uint32_t d = 0; d < s->dim_pad; d++) s->q[(size_t)r * s->dim_pad + d] = d < s->dim ? q[d] * factor : 0;
    }
}

static void decode_put_row(const struct ew_attention_args *a, uint32_t row, const float *total, float sum) {
    float *out = a->out + row / a->n_group * a->out_stride + (size_t)(row % a->n_group) * a->head_dim;
    float norm = 1 / sum;
    for (uint32_t d = 0; d < a->head_dim; d++) out[d] = total[d] * norm;
}

static void decode_whole(struct decode_state *s) {
    const struct ew_attention_args *a = s->a;
    const uint32_t last = (s->row_begin + s->n_rows - 1) / a->n_group, end = a->pos0 + last + 1;
    decode_clear(s, s->total, s->total_max, s->total_sum);
    for (uint32_t begin = ew_attention_first(a, s->row_begin / a->n_group), next; begin < end; begin = next) {
        next = ew_attention_next_chunk(begin, end);
        decode_chunk(s, begin, next);
        for (uint32_t r = 0; r < s->n_rows; r++)
            decode_merge(s->dim_pad, s->out + (size_t)r * s->dim_pad, s->max[r], s->sum[r],
                         s->total + (size_t)r * s->dim_pad, &s->total_max[r], &s->total_sum[r]);
    }
    for (uint32_t r = 0; r < s->n_rows; r++)
        decode_put_row(a, s->row_begin + r, s->total + (size_t)r * s->dim_pad, s->total_sum[r]);
}

static void attention_decode(const struct ew_attention_args *a) {
    struct decode_state s;
    decode_begin(&s, a);
    for (uint32_t row = 0; row < a->n_tokens * a->n_group; row += DECODE_ROWS) {
        decode_take_rows(&s, row);
        decode_whole(&s);
    }
}

/* ---- chunks apart ---- */

static void attention_chunk(const struct ew_attention_args *a, uint32_t chunk, float *part) {
    struct decode_state s;
    const size_t part_floats = ew_attention_part_floats(a->head_dim);
    decode_begin(&s, a);
    for (uint32_t row = 0; row < a->n_tokens * a->n_group; row += DECODE_ROWS) {
        decode_take_rows(&s, row);
        uint32_t begin = chunk * EW_ATTENTION_CHUNK, end = begin + EW_ATTENTION_CHUNK;
        uint32_t first = ew_attention_first(a, row / a->n_group);
        uint32_t last = a->pos0 + (row + s.n_rows - 1) / a->n_group + 1;
        decode_chunk(&s, begin > first ? begin : first, end < last ? end : last);
        for (uint32_t r = 0; r < s.n_rows; r++, part += part_floats) {
            memcpy(part, s.out + (size_t)r * s.dim_pad, s.dim_pad * sizeof *part);
            part[s.dim_pad] = s.max[r];
            part[s.dim_pad + 1] = s.sum[r];
        }
    }
}

static void attention_merge(const struct ew_attention_args *a, const float *parts, uint32_t n_parts) {
    const size_t part_floats = ew_attention_part_floats(a->head_dim), n_rows = (size_t)a->n_tokens * a->n_group;
    const uint32_t dim_pad = (a->head_dim + 15) & ~15u;
    for (uint32_t row = 0; row < n_rows; row++) {
        float total[EW_ATTENTION_MAX_DIM] = {0}, max = LOWEST_SCORE, sum = 0;
        for (uint32_t i = 0; i < n_parts; i++) {
            const float *part = parts + (i * n_rows + row) * part_floats;
            decode_merge(dim_pad, part, part[dim_pad], part[dim_pad + 1], total, &max, &sum);
        }
        decode_put_row(a, row, total, sum);
    }
}

#endif
