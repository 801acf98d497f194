/* Matrix-vector products of types without a decoder of vectors, for every variant of x86: blocks become levels
 * (quant/levels.h), whose making takes most of the time, and the levels are multiplied 32 columns at a time. Sums of
 * whole numbers are exact, and floats are added group by group, as the tile kernels do (quant_gemm_body.h): results are
 * the same. */
#include "kernel/x86/lanes_avx2.h"
#include "kernel/x86/quant_gemv.h"
#include "quant/levels.h"

enum { PART_COLS = EW_QK_SUPER, PART_GROUPS = PART_COLS / EW_ACT_GROUP };

/* Levels of at most PART_COLS columns: one block, or several small ones. Groups that are missing are zeros. */
EW_INLINE void unpack_part(ew_levels_fn *unpack, const struct ew_type_traits *traits, const uint8_t *block,
                           uint32_t n_cols, struct ew_levels *part) {
    if (traits->block_elems == PART_COLS) {
        unpack(block, part);
        return;
    }
    memset(part, 0, sizeof *part);
    for (uint32_t i = 0; i < n_cols; i += traits->block_elems, block += traits->block_bytes) {
        struct ew_levels levels;
        unpack(block, &levels);
        memcpy(part->q + i, levels.q, traits->block_elems);
        memcpy(part->scale + i / EW_LEVEL_GROUP, levels.scale, traits->block_elems / EW_LEVEL_GROUP * sizeof(float));
    }
}

/* Scales of the first halves of groups, and of the second ones. */
EW_INLINE void split_scales(const float *scale, vfloat *first, vfloat *second) {
    vfloat a = vf_load(scale), b = vf_load(scale + LANES);
    __m256i even = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88));
    __m256i odd = _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd));
    *first = _mm256_castsi256_ps(_mm256_permute4x64_epi64(even, 0xd8));
    *second = _mm256_castsi256_ps(_mm256_permute4x64_epi64(odd, 0xd8));
}

/* A token's sums over the two halves of eight groups, a lane each. */
EW_INLINE void dot_part(const struct ew_levels *part, const int8_t *x, vint *first, vint *second) {
    vint pairs[PART_GROUPS / 2];
#pragma GCC unroll 4
    for (int k = 0; k < PART_GROUPS / 2; k++) {
        const int8_t *q = part->q + 2 * k * EW_ACT_GROUP, *a = x + 2 * k * EW_ACT_GROUP;
        vint even = v_dot_signed(v_zero(), v_load(q), v_load(a));
        vint odd = v_dot_signed(v_zero(), v_load(q + EW_ACT_GROUP), v_load(a + EW_ACT_GROUP));
        pairs[k] = _mm256_hadd_epi32(even, odd);
    }
    vint low = _mm256_hadd_epi32(pairs[0], pairs[1]), high = _mm256_hadd_epi32(pairs[2], pairs[3]);
    *first = _mm256_permute2x128_si256(low, high, 0x20);
    *second = _mm256_permute2x128_si256(low, high, 0x31);
}

/* acc + Σ a[k] · b[k], one after the other. */
EW_INLINE float add_groups(float acc, vfloat a, vfloat b, uint32_t n_groups) {
    float from_a[LANES], from_b[LANES];
    __m128 sum = _mm_set_ss(acc);
    vf_store(from_a, a);
    vf_store(from_b, b);
    for (uint32_t k = 0; k < n_groups; k++) sum = _mm_fmadd_ss(_mm_set_ss(from_a[k]), _mm_set_ss(from_b[k]), sum);
    return _mm_cvtss_f32(sum);
}

/* Adds a part's columns to the sums of n_tokens tokens. None of these types has minima. x: record of the first token;
 * g: first group within it; halves: scales differ within groups. */
EW_INLINE void add_part(const struct ew_levels *part, const struct ew_act_q8 *x, uint32_t n_tokens, uint32_t g,
                        uint32_t n_groups, bool halves, float *acc) {
    vfloat scale0, scale1;
    split_scales(part->scale, &scale0, &scale1);
    for (uint32_t t = 0; t < n_tokens; t++, x++) {
        const vfloat d = vf_load(x->d + g);
        vint first, second;
        dot_part(part, x->q + g * EW_ACT_GROUP, &first, &second);
        if (halves) {
            vfloat sum = vf_fma(v_to_float(second), scale1, vf_mul(v_to_float(first), scale0));
            acc[t] = add_groups(acc[t], sum, d, n_groups);
        } else {
            vfloat sum = v_to_float(_mm256_add_epi32(first, second));
            acc[t] = add_groups(acc[t], sum, vf_mul(scale0, d), n_groups);
        }
    }
}

EW_INLINE void gemv_levels(const struct ew_gemv_args *a, bool halves) {
    const struct ew_type_traits *traits = ew_type_traits(a->w->type);
    const size_t row_bytes = ew_type_row_bytes(a->w->type, a->w->n_in);
    const uint32_t n_in = a->w->n_in;
    ew_levels_fn *unpack = ew_quant_levels(a->w->type);
    for (uint32_t row = a->row_begin; row < a->row_end; row++) {
        const uint8_t *data = (const uint8_t *)a->w->data + row * row_bytes;
        float acc[EW_GEMV_TOKENS];
        for (uint32_t t = 0; t < a->n_tokens; t++) acc[t] = a->accumulate ? a->y[t * a->y_stride + row] : 0;
        for (uint32_t col = 0; col < n_in; col += PART_COLS) {
            const uint32_t n_cols = n_in - col < PART_COLS ? n_in - col : PART_COLS;
            struct ew_levels part;
            unpack_part(unpack, traits, data + (size_t)col / traits->block_elems * traits->block_bytes, n_cols, &part);
            add_part(&part, (const struct ew_act_q8 *)a->act + (size_t)(col / EW_ACT_Q8_COLS) * a->n_tokens,
                     a->n_tokens, col % EW_ACT_Q8_COLS / EW_ACT_GROUP, n_cols / EW_ACT_GROUP, halves, acc);
        }
        for (uint32_t t = 0; t < a->n_tokens; t++) a->y[t * a->y_stride + row] = acc[t];
    }
}

void ew_gemv_levels_avx2(const struct ew_gemv_args *a) { gemv_levels(a, false); }
void ew_gemv_halves_avx2(const struct ew_gemv_args *a) { gemv_levels(a, true); }
