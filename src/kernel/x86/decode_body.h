/* Decoders of quantized weights: LANES rows at a time, one lane per row, 32 columns per group. Every block is read as
 * vectors of 4-byte units (unit j of all rows), which is how the R16 layout stores it; the file's layout is transposed
 * on the way. What becomes of a group (a panel, a product) is up to `emit`, which is inlined. Include a lanes_….h
 * first. */
#ifndef EW_KERNEL_X86_DECODE_BODY_H
#define EW_KERNEL_X86_DECODE_BODY_H

#include "kernel/matmul_table.h"

/* Unsigned quants of 32 columns, four columns per lane and vector; weight = scale * (q - bias) - min, where the bias
 * belongs to the type. scale[1] is that of columns 16 … 31 where the type has one per 16. */
struct ew_group {
    vint q[8];
    vfloat scale[2], min;
};
typedef void ew_emit(void *state, uint32_t group, const struct ew_group *w);

/* LANES of 16 rows of blocks, from row `lane` on (the file's layout: p is already there). stride: bytes from row to row
 * in the file's layout; 0 says R16. ahead: what to prefetch; a bit further in R16, otherwise the next 16 rows, a
 * stretch of memory as long as the part that is being read. */
struct ew_rows {
    const uint8_t *p;
    size_t stride;
    const uint8_t *ahead;
    uint32_t lane;
};
enum { AHEAD_BYTES_R16 = 4096 };

/* n units (a multiple of 4) at `offset` of the file's block, at `packed` of the R16 block. */
EW_INLINE void load_units(struct ew_rows src, size_t offset, size_t packed, int n, vint *out) {
    for (int j = 0; j < n; j += 4) {
        if (src.stride)
            v_transpose_units(src.p + offset + 4 * j, src.stride, out + j);
        else
            for (int i = j; i < j + 4; i++) out[i] = v_load(src.p + packed + 64 * i + 4 * src.lane);
    }
}

/* The half-precision field at `packed` of an R16 block. */
EW_INLINE vfloat load_f16_field(struct ew_rows src, size_t packed) {
    return vf_load_f16(src.p + packed + 2 * src.lane);
}

/* Asks early for as many bytes as 16 blocks have, because the processor's own prefetching stops at the ends of pages
 * and loses its way between 16 rows. Past the end of the weight this does nothing. */
EW_INLINE void prefetch_blocks(struct ew_rows *src, size_t block_bytes) {
    if (src->lane) return;
    for (size_t i = 0; i < 16 * block_bytes; i += 64) {
        if (src->stride)
            _mm_prefetch((const char *)src->ahead + i, _MM_HINT_T1);
        else
            _mm_prefetch((const char *)src->ahead + i, _MM_HINT_T0);
    }
    src->ahead += 16 * block_bytes;
}

EW_INLINE vint low_nibbles(vint v) { return v_and(v, v_set_8(15)); }
EW_INLINE vint high_nibbles(vint v) { return low_nibbles(v_shift_right(v, 4)); }

/* Byte s of each lane. */
EW_INLINE vfloat byte_of_lane(vint v, unsigned s) { return v_to_float(v_and(v_shift_right(v, 8 * s), v_set_32(255))); }

/* q of Q4_0 in 0 … 15, bias 8. */
EW_INLINE void decode_q4_0(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 18 : 18 * 16) {
        struct ew_group w;
        prefetch_blocks(&src, 18);
        load_units(src, 2, 32, 4, w.q);
        w.scale[0] = src.stride ? v_f16_of_rows(src.p, src.stride) : load_f16_field(src, 0);
        for (int j = 0; j < 4; j++) {
            w.q[j + 4] = high_nibbles(w.q[j]);
            w.q[j] = low_nibbles(w.q[j]);
        }
        emit(state, g, &w);
    }
}

/* q of Q8_0 in 0 … 255, bias 128; where wide bytes cannot be multiplied, signed and without bias. */
EW_INLINE void decode_q8_0(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 34 : 34 * 16) {
        struct ew_group w;
        prefetch_blocks(&src, 34);
        load_units(src, 2, 32, 8, w.q);
        w.scale[0] = src.stride ? v_f16_of_rows(src.p, src.stride) : load_f16_field(src, 0);
        for (int j = 0; j < 8 && WIDE_BYTES; j++) w.q[j] = v_xor(w.q[j], v_set_8(-128));
        emit(state, g, &w);
    }
}

/* Scales and minima of Q4_K and Q5_K, see ew_unpack_scales_k4: byte s % 4 of scale[s / 4], min[s / 4] is that of
 * sub-block s. */
struct ew_scales {
    vfloat d, dmin;
    vint scale[2], min[2];
};

EW_INLINE struct ew_scales load_scales_k(struct ew_rows src) {
    struct ew_scales s;
    vint u[4];
    if (src.stride) {
        v_transpose_units(src.p, src.stride, u);
        s.d = v_low_f16(u[0]);
        s.dmin = v_low_f16(v_shift_right(u[0], 16));
    } else {
        s.d = load_f16_field(src, 0);
        s.dmin = load_f16_field(src, 32);
        for (int i = 1; i < 4; i++) u[i] = v_load(src.p + 64 * i + 4 * src.lane);
    }
    const vint low6 = v_set_8(63), low4 = v_set_8(15), bits45 = v_set_8(48);
    s.scale[0] = v_and(u[1], low6);
    s.min[0] = v_and(u[2], low6);
    s.scale[1] = v_or(v_and(u[3], low4), v_and(v_shift_right(u[1], 2), bits45));
    s.min[1] = v_or(v_and(v_shift_right(u[3], 4), low4), v_and(v_shift_right(u[2], 2), bits45));
    return s;
}

EW_INLINE void emit_sub_block(const struct ew_scales *s, unsigned sub, struct ew_group *w, uint32_t g, ew_emit *emit,
                              void *state) {
    w->scale[0] = vf_mul(s->d, byte_of_lane(s->scale[sub / 4], sub % 4));
    w->min = vf_mul(s->dmin, byte_of_lane(s->min[sub / 4], sub % 4));
    emit(state, g + sub, w);
}

/* q of Q4_K in 0 … 15, no bias, with minima. */
EW_INLINE void decode_q4_k(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 144 : 144 * 16) {
        prefetch_blocks(&src, 144);
        struct ew_scales s = load_scales_k(src);
#pragma GCC unroll 4
        for (unsigned pair = 0; pair < 4; pair++) {
            struct ew_group w;
            vint raw[8];
            load_units(src, 16 + 32 * pair, 256 + 512 * pair, 8, raw);
            for (int j = 0; j < 8; j++) w.q[j] = low_nibbles(raw[j]);
            emit_sub_block(&s, 2 * pair, &w, g, emit, state);
            for (int j = 0; j < 8; j++) w.q[j] = high_nibbles(raw[j]);
            emit_sub_block(&s, 2 * pair + 1, &w, g, emit, state);
        }
    }
}

/* nibbles | (bit `sub` of each byte of high) << 4 */
EW_INLINE vint with_fifth_bit(vint nibbles, vint high, unsigned sub) {
    vint at4 = sub < 4 ? v_shift_left(high, 4 - sub) : v_shift_right(high, sub - 4);
    return v_or_and(nibbles, at4, v_set_8(16)); /* a | (b & c) */
}

/* q of Q5_K in 0 … 31, no bias, with minima. */
EW_INLINE void decode_q5_k(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 176 : 176 * 16) {
        prefetch_blocks(&src, 176);
        struct ew_scales s = load_scales_k(src);
        vint high[8];
        load_units(src, 16, 256, 8, high);
#pragma GCC unroll 4
        for (unsigned pair = 0; pair < 4; pair++) {
            struct ew_group w;
            vint raw[8];
            load_units(src, 48 + 32 * pair, 768 + 512 * pair, 8, raw);
            for (int j = 0; j < 8; j++) w.q[j] = with_fifth_bit(low_nibbles(raw[j]), high[j], 2 * pair);
            emit_sub_block(&s, 2 * pair, &w, g, emit, state);
            for (int j = 0; j < 8; j++) w.q[j] = with_fifth_bit(high_nibbles(raw[j]), high[j], 2 * pair + 1);
            emit_sub_block(&s, 2 * pair + 1, &w, g, emit, state);
        }
    }
}

EW_INLINE vfloat signed_byte_of_lane(vint v, unsigned s) {
    return v_to_float(v_shift_right_signed(v_shift_left(v, 24 - 8 * s), 24));
}

/* nibbles | (bits 2k, 2k + 1 of each byte of high) << 4 */
EW_INLINE vint with_high_bits(vint nibbles, vint high, unsigned k) {
    vint at4 = k < 2 ? v_shift_left(high, 4 - 2 * k) : v_shift_right(high, 2 * k - 4);
    return v_or_and(nibbles, at4, v_set_8(48));
}

/* One half (128 columns) of a Q6_K block. */
EW_INLINE void decode_half_q6_k(struct ew_rows src, unsigned half, vfloat d, const vint scales[4], uint32_t g,
                                ew_emit *emit, void *state) {
    vint high[8];
    load_units(src, 128 + 32 * half, 288 + 512 * half, 8, high);
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; k++) {
        struct ew_group w;
        load_units(src, 64 * half + 32 * (k % 2), 1312 + 1024 * half + 512 * (k % 2), 8, w.q);
        for (int j = 0; j < 8; j++)
            w.q[j] = with_high_bits(k < 2 ? low_nibbles(w.q[j]) : high_nibbles(w.q[j]), high[j], k);
        unsigned s = 2 * k;
        w.scale[0] = vf_mul(d, signed_byte_of_lane(scales[2 * half + s / 4], s % 4));
        w.scale[1] = vf_mul(d, signed_byte_of_lane(scales[2 * half + s / 4], s % 4 + 1));
        emit(state, g + 4 * half + k, &w);
    }
}

/* q of Q6_K in 0 … 63, bias 32, a scale per 16 columns. */
EW_INLINE void decode_q6_k(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 210 : 210 * 16) {
        prefetch_blocks(&src, 210);
        vint scales[4];
        load_units(src, 192, 32, 4, scales);
        vfloat d = src.stride ? v_f16_of_rows(src.p + 208, src.stride) : load_f16_field(src, 0);
        decode_half_q6_k(src, 0, d, scales, g, emit, state);
        decode_half_q6_k(src, 1, d, scales, g, emit, state);
    }
}

/* ---- where the rows of a weight are ---- */

typedef void ew_decode(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state);

/* LANES rows from `row` on at column `col`. Fewer than 16 rows of the file's layout are copied to tail first. */
enum { TAIL_ROW_BYTES = EW_ACT_Q8_COLS / 32 * 34, TAIL_BYTES = 16 * TAIL_ROW_BYTES };

struct ew_place {
    uint32_t type;
    enum ew_layout layout;
    uint32_t row, lane; /* row is a multiple of 16, lane of LANES */
    uint32_t n_rows;    /* that exist from row on */
    uint32_t col, n_cols;
};

EW_INLINE struct ew_rows rows_at(const struct ew_weight *w, struct ew_place at, uint8_t tail[TAIL_BYTES]) {
    uint32_t block_elems = at.type == EW_TYPE_Q4_0 || at.type == EW_TYPE_Q8_0 ? 32 : 256;
    uint32_t block_bytes = at.type == EW_TYPE_Q4_0   ? 18
                           : at.type == EW_TYPE_Q8_0 ? 34
                           : at.type == EW_TYPE_Q4_K ? 144
                           : at.type == EW_TYPE_Q5_K ? 176
                                                     : 210;
    size_t row_bytes = (size_t)w->n_in / block_elems * block_bytes;
    size_t offset = (size_t)at.col / block_elems * block_bytes;
    const uint8_t *data = (const uint8_t *)w->data + at.row * row_bytes;
    const uint8_t *part = data + 16 * offset;
    if (at.layout == EW_LAYOUT_R16) return (struct ew_rows){part, 0, part + AHEAD_BYTES_R16, at.lane};
    if (at.n_rows >= 16)
        return (struct ew_rows){data + offset + at.lane * row_bytes, row_bytes, part + 16 * row_bytes, at.lane};
    size_t bytes = at.n_cols / block_elems * block_bytes;
    for (uint32_t r = 0; r < 16; r++)
        memcpy(tail + r * TAIL_ROW_BYTES, data + (r < at.n_rows ? r : 0) * row_bytes + offset, bytes);
    return (struct ew_rows){tail + at.lane * TAIL_ROW_BYTES, TAIL_ROW_BYTES, tail, at.lane};
}

EW_INLINE vint broadcast_bytes(const int8_t *p) {
    int v;
    memcpy(&v, p, sizeof v);
    return v_set_32(v);
}

#endif
