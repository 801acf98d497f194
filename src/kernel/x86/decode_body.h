/* Decoders of quantized weights: LANES rows at a time, one lane per row, 32 columns per group. Every block is read as
 * vectors of 4-byte units (unit j of all rows), which is how the R16 layout stores it; the file's layout is transposed
 * on the way. What becomes of a group (a panel, a product) is up to `emit`, which is inlined. The decoders themselves
 * are in decode_small.h (blocks of 32) and decode_super.h (blocks of 256). Include a lanes_….h first. */
#ifndef EW_KERNEL_X86_DECODE_BODY_H
#define EW_KERNEL_X86_DECODE_BODY_H

#include "kernel/matmul_table.h"
#include "quant/blocks.h"

/* Unsigned quants of 32 columns, four columns per lane and vector; weight = scale * (q - bias) - min, where the bias
 * belongs to the type. scale[1], min[1] are those of columns 16 … 31 where the type has one per 16. */
struct ew_group {
    vint q[8];
    vfloat scale[2], min[2];
};
typedef void ew_emit(void *state, uint32_t group, const struct ew_group *w);

/* LANES of 16 rows of blocks, from row `lane` on (the file's layout: p is already there). stride: bytes from row to row
 * in the file's layout; 0 says R16. ahead: what to prefetch; a bit further in R16, otherwise the next 16 rows, a
 * stretch of memory as long as the part that is being read; NULL: nothing. */
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

/* n units (at most 4) at `packed` of the R16 block; in the file's layout the four units at `offset`, whichever they
 * are, so that they end inside the block. */
EW_INLINE void load_few_units(struct ew_rows src, size_t offset, size_t packed, int n, vint out[4]) {
    if (src.stride)
        v_transpose_units(src.p + offset, src.stride, out);
    else
        for (int i = 0; i < n; i++) out[i] = v_load(src.p + packed + 64 * i + 4 * src.lane);
}

/* The half-precision field at `packed` of an R16 block. */
EW_INLINE vfloat load_f16_field(struct ew_rows src, size_t packed) {
    return vf_load_f16(src.p + packed + 2 * src.lane);
}

/* Asks early for as many bytes as 16 blocks have, because the processor's own prefetching stops at the ends of pages
 * and loses its way between 16 rows. Past the end of the weight this does nothing. */
EW_INLINE void prefetch_blocks(struct ew_rows *src, size_t block_bytes) {
    if (src->lane || !src->ahead) return;
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

#include "kernel/x86/decode_small.h"
#include "kernel/x86/decode_super.h"

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

/* Constants where the type is one, as it is in every kernel. */
EW_INLINE uint32_t elems_of(uint32_t type) {
    bool small = type <= EW_TYPE_Q8_0 || type == EW_TYPE_IQ4_NL;
    return small ? EW_QK_SMALL : EW_QK_SUPER;
}

EW_INLINE uint32_t bytes_of(uint32_t type) {
    switch (type) {
    case EW_TYPE_Q4_0: return sizeof(struct ew_block_q4_0);
    case EW_TYPE_Q4_1: return sizeof(struct ew_block_q4_1);
    case EW_TYPE_Q5_0: return sizeof(struct ew_block_q5_0);
    case EW_TYPE_Q5_1: return sizeof(struct ew_block_q5_1);
    case EW_TYPE_Q8_0: return sizeof(struct ew_block_q8_0);
    case EW_TYPE_Q2_K: return sizeof(struct ew_block_q2_k);
    case EW_TYPE_Q3_K: return sizeof(struct ew_block_q3_k);
    case EW_TYPE_Q4_K: return sizeof(struct ew_block_q4_k);
    case EW_TYPE_Q5_K: return sizeof(struct ew_block_q5_k);
    case EW_TYPE_IQ4_NL: return sizeof(struct ew_block_iq4_nl);
    case EW_TYPE_IQ4_XS: return sizeof(struct ew_block_iq4_xs);
    default: return sizeof(struct ew_block_q6_k);
    }
}

EW_INLINE struct ew_rows rows_at(const struct ew_weight *w, struct ew_place at, uint8_t tail[TAIL_BYTES]) {
    const uint32_t block_elems = elems_of(at.type), block_bytes = bytes_of(at.type);
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

EW_INLINE vint broadcast_bytes(const void *p) {
    int v;
    memcpy(&v, p, sizeof v);
    return v_set_32(v);
}

#endif
