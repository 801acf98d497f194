/* Decoders of blocks of 32: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL. Included through decode_body.h. */
#ifndef EW_KERNEL_X86_DECODE_SMALL_H
#define EW_KERNEL_X86_DECODE_SMALL_H

#include "quant/iq4.h"

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

/* Scale and offset, the two f16 fields at the front of Q4_1 and Q5_1. */
EW_INLINE void load_offset_scales(struct ew_rows src, struct ew_group *w) {
    vfloat offset;
    if (src.stride) {
        vint u[4];
        v_transpose_units(src.p, src.stride, u);
        w->scale[0] = v_low_f16(u[0]);
        offset = v_low_f16(v_shift_right(u[0], 16));
    } else {
        w->scale[0] = load_f16_field(src, 0);
        offset = load_f16_field(src, 32);
    }
    w->min[0] = vf_mul(offset, vf_set(-1));
}

/* q of Q4_1 in 0 … 15, no bias, with minima: the format's offset with its sign turned. */
EW_INLINE void decode_q4_1(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 20 : 20 * 16) {
        struct ew_group w;
        prefetch_blocks(&src, 20);
        load_offset_scales(src, &w);
        load_units(src, 4, 64, 4, w.q);
        for (int j = 0; j < 4; j++) {
            w.q[j + 4] = high_nibbles(w.q[j]);
            w.q[j] = low_nibbles(w.q[j]);
        }
        emit(state, g, &w);
    }
}

/* Nibbles in q[0 … 3] with their fifth bits, of which each lane has 32 in a row. */
EW_INLINE void spread_five_bits(vint q[8], vint high) {
#pragma GCC unroll 8
    for (int j = 7; j >= 0; j--) {
        vint nibbles = j < 4 ? low_nibbles(q[j]) : high_nibbles(q[j - 4]);
        vint bits = v_repeat_byte(high, j / 2);
        q[j] = v_or_where(nibbles, bits, v_set_32(j % 2 ? (int)0x80402010 : 0x08040201), v_set_8(16));
    }
}

/* q of Q5_0 in 0 … 31, bias 16. */
EW_INLINE void decode_q5_0(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 22 : 22 * 16) {
        struct ew_group w;
        vint high[4];
        prefetch_blocks(&src, 22);
        load_few_units(src, 2, 32, 1, high);
        load_units(src, 6, 96, 4, w.q);
        w.scale[0] = src.stride ? v_f16_of_rows(src.p, src.stride) : load_f16_field(src, 0);
        spread_five_bits(w.q, high[0]);
        emit(state, g, &w);
    }
}

/* q of Q5_1 in 0 … 31, no bias, with minima as in Q4_1. */
EW_INLINE void decode_q5_1(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 24 : 24 * 16) {
        struct ew_group w;
        vint high[4];
        prefetch_blocks(&src, 24);
        load_offset_scales(src, &w);
        load_few_units(src, 4, 64, 1, high);
        load_units(src, 8, 128, 4, w.q);
        spread_five_bits(w.q, high[0]);
        emit(state, g, &w);
    }
}

/* The sixteen values of IQ4 types, with the bias that decode_q8_0 has, for v_lookup. */
EW_INLINE vint iq4_values(void) {
    vint values = v_repeat_16(ew_iq4_values);
    return WIDE_BYTES ? v_xor(values, v_set_8(-128)) : values;
}

/* Nibbles in q[0 … 3] become values in q[0 … 7]. */
EW_INLINE void look_up_nibbles(vint q[8], vint values) {
    for (int j = 0; j < 4; j++) {
        q[j + 4] = v_lookup(values, high_nibbles(q[j]));
        q[j] = v_lookup(values, low_nibbles(q[j]));
    }
}

/* q of IQ4_NL as those of Q8_0. */
EW_INLINE void decode_iq4_nl(struct ew_rows src, uint32_t n_cols, ew_emit *emit, void *state) {
    const vint values = iq4_values();
    for (uint32_t g = 0; g < n_cols / 32; g++, src.p += src.stride ? 18 : 18 * 16) {
        struct ew_group w;
        prefetch_blocks(&src, 18);
        load_units(src, 2, 32, 4, w.q);
        w.scale[0] = src.stride ? v_f16_of_rows(src.p, src.stride) : load_f16_field(src, 0);
        look_up_nibbles(w.q, values);
        emit(state, g, &w);
    }
}

#endif
