/* Decoders of blocks of 256: Q2_K … Q6_K, IQ4_XS. Included through decode_body.h. */
#ifndef EW_KERNEL_X86_DECODE_SUPER_H
#define EW_KERNEL_X86_DECODE_SUPER_H

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
    w->min[0] = vf_mul(s->dmin, byte_of_lane(s->min[sub / 4], sub % 4));
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

/* Bits 2k, 2k + 1 of every byte. */
EW_INLINE vint bit_pairs(vint v, unsigned k) { return v_and(v_shift_right(v, 2 * k), v_set_8(3)); }

/* Columns 4 begin … 4 end of a group of Q2_K, times the scale in byte s % 4 of scales, which is at most 15: every lane
 * looks up its own four multiples. */
EW_INLINE void scale_columns_q2_k(vint q[8], int begin, int end, const vint raw[8], unsigned k, vint scales,
                                  unsigned s) {
    vint scale = v_and(v_shift_right(scales, 8 * (s % 4)), v_set_32(15));
    vint multiples = v_mul_32(scale, v_set_32(0x03020100));
    for (int j = begin; j < end; j++) q[j] = v_lookup(multiples, v_or(bit_pairs(raw[j], k), v_bytes_of_lanes()));
}

/* One half (128 columns) of a Q2_K block. Its number is no constant: a loop over the halves keeps the code small. */
EW_INLINE void decode_half_q2_k(struct ew_rows src, unsigned half, struct ew_group *w, vfloat dmin,
                                const vint scales[2], uint32_t g, ew_emit *emit, void *state) {
    vint raw[8];
    load_units(src, 16 + 32 * half, 320 + 512 * half, 8, raw);
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; k++) {
        unsigned s = 2 * k;
        scale_columns_q2_k(w->q, 0, 4, raw, k, scales[s / 4], s);
        scale_columns_q2_k(w->q, 4, 8, raw, k, scales[s / 4], s + 1);
        vint mins = high_nibbles(scales[s / 4]);
        w->min[0] = vf_mul(dmin, byte_of_lane(mins, s % 4));
        w->min[1] = vf_mul(dmin, byte_of_lane(mins, s % 4 + 1));
        emit(state, g + k, w);
    }
}

/* q of Q2_K in 0 … 45, scales included, no bias, with a minimum per 16 columns. */
EW_INLINE void decode_q2_k(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 84 : 84 * 16) {
        struct ew_group w;
        vint scales[4], last[4];
        prefetch_blocks(&src, 84);
        load_units(src, 0, 64, 4, scales);
        load_few_units(src, 68, 0, 0, last);
        w.scale[0] = src.stride ? v_low_f16(last[3]) : load_f16_field(src, 0);
        vfloat dmin = src.stride ? v_low_f16(v_shift_right(last[3], 16)) : load_f16_field(src, 32);
#pragma GCC unroll 1
        for (unsigned half = 0; half < 2; half++)
            decode_half_q2_k(src, half, &w, dmin, scales + 2 * half, g + 4 * half, emit, state);
    }
}

/* Scales of Q3_K, see ew_unpack_scales_q3_k: byte s % 4 of scale[s / 4] is that of sub-block s, without its - 32. */
struct ew_scales_q3_k {
    vfloat d;
    vint scale[4];
};

EW_INLINE struct ew_scales_q3_k load_scales_q3_k(struct ew_rows src) {
    struct ew_scales_q3_k s;
    vint u[4];
    load_few_units(src, 94, 32, 3, u);
    if (src.stride) { /* two bytes early, so that the last unit ends with the block */
        s.d = v_low_f16(v_shift_right(u[3], 16));
        for (int i = 0; i < 3; i++) u[i] = v_or(v_shift_right(u[i], 16), v_shift_left(u[i + 1], 16));
    } else {
        s.d = load_f16_field(src, 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        vint low = i < 2 ? low_nibbles(u[i]) : high_nibbles(u[i - 2]);
        s.scale[i] = v_or(low, v_shift_left(bit_pairs(u[2], i), 4));
    }
    return s;
}

/* d * (byte s of each lane - 32): exact, as d has 11 bits. */
EW_INLINE vfloat scale_around_32(vfloat d, vint scales, unsigned s) {
    return vf_fma(d, byte_of_lane(scales, s), vf_mul(d, vf_set(-32)));
}

/* One half (128 columns) of a Q3_K block, as for Q2_K. */
EW_INLINE void decode_half_q3_k(struct ew_rows src, unsigned half, vfloat d, const vint scales[2], const vint high[8],
                                uint32_t g, ew_emit *emit, void *state) {
    struct ew_group w;
    vint raw[8], third[8];
    load_units(src, 32 + 32 * half, 736 + 512 * half, 8, raw);
    for (int j = 0; j < 8; j++) third[j] = v_shift_left(v_shift_right(high[j], 4 * half), 2);
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; k++) {
        for (int j = 0; j < 8; j++) w.q[j] = v_or_and(bit_pairs(raw[j], k), v_shift_right(third[j], k), v_set_8(4));
        w.scale[0] = scale_around_32(d, scales[k / 2], 2 * k % 4);
        w.scale[1] = scale_around_32(d, scales[k / 2], 2 * k % 4 + 1);
        emit(state, g + k, &w);
    }
}

/* q of Q3_K in 0 … 7, bias 4, a scale per 16 columns. */
EW_INLINE void decode_q3_k(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 110 : 110 * 16) {
        vint high[8];
        prefetch_blocks(&src, 110);
        struct ew_scales_q3_k s = load_scales_q3_k(src);
        load_units(src, 0, 224, 8, high);
#pragma GCC unroll 1
        for (unsigned half = 0; half < 2; half++)
            decode_half_q3_k(src, half, s.d, s.scale + 2 * half, high, g + 4 * half, emit, state);
    }
}

/* q of IQ4_XS as those of Q8_0. */
EW_INLINE void decode_iq4_xs(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    const vint values = iq4_values();
    for (uint32_t g = 0; g < n_cols / 32; g += 8, src.p += src.stride ? 136 : 136 * 16) {
        struct ew_group w;
        vint head[4];
        prefetch_blocks(&src, 136);
        load_few_units(src, 0, 0, 2, head);
        vfloat d = v_low_f16(head[0]);
#pragma GCC unroll 1
        for (unsigned s = 0; s < 8; s++) {
            vint low = v_and(v_shift_right(head[1], 4 * s), v_set_32(15));
            vint high = v_and(v_shift_right(head[0], 16 + 2 * s), v_set_32(3));
            w.scale[0] = scale_around_32(d, v_or(low, v_shift_left(high, 4)), 0);
            load_units(src, 8 + 16 * s, 128 + 256 * s, 4, w.q);
            look_up_nibbles(w.q, values);
            emit(state, g + s, &w);
        }
    }
}

#endif
