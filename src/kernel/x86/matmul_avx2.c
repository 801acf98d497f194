/* Matrix products of AVX2: rounding activations to 8 and 16 bits, float weights, and the table. Quantized products are
 * in quant_gemm_body.h and quant_gemv_body.h, those of half-precision weights with many tokens in float_words_body.h.
 */
#include "kernel/act_q16.h"
#include "kernel/act_q8.h"
#include "kernel/x86/lanes_avx2.h"

#define EW_ISA avx2
#include "kernel/x86/quant_gemm_body.h"

#include "kernel/x86/float_words_body.h"
#define EW_FLOAT_TOKENS 6
#include "kernel/x86/float_body.h"

EW_INLINE float largest_of(__m256 v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

EW_INLINE int sum_of(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

static void quantize_group(const float *x, struct ew_act_q8 *rec, uint32_t g) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], amax_of_lane = _mm256_setzero_ps();
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        amax_of_lane = _mm256_max_ps(amax_of_lane, _mm256_andnot_ps(sign, v[i]));
    }
    float amax = largest_of(amax_of_lane);
    __m256 inverse = _mm256_set1_ps(amax > 0 ? 127.0f / amax : 0);
    __m256i q[4];
    for (int i = 0; i < 4; i++) {
        q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
        q[i] = _mm256_min_epi32(_mm256_max_epi32(q[i], _mm256_set1_epi32(-127)), _mm256_set1_epi32(127));
    }
    int first = sum_of(_mm256_add_epi32(q[0], q[1])), second = sum_of(_mm256_add_epi32(q[2], q[3]));
    __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7); /* packing works within 128-bit halves */
    v_store(rec->q + g * EW_ACT_GROUP, _mm256_permutevar8x32_epi32(bytes, order));
    ew_act_q8_finish_group(rec, g, amax, first, second);
}

/* Packing works within 128-bit halves: the fours of two vectors in turn. */
EW_INLINE __m256i pack_words(__m256i a, __m256i b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), _MM_SHUFFLE(3, 1, 2, 0));
}

static void quantize_group_16(const float *x, struct ew_act_q16 *rec, uint32_t g) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 v[4], amax = _mm256_setzero_ps(), total = amax;
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        amax = _mm256_max_ps(amax, _mm256_andnot_ps(sign, v[i]));
        total = _mm256_add_ps(total, _mm256_andnot_ps(sign, v[i]));
    }
    const __m256 inverse = vf_set(ew_act_q16_scale_group(rec, g, vf_sum(total), largest_of(amax)));
    __m256i q[4];
    for (int i = 0; i < 4; i++) q[i] = v_max_32(v_round(vf_mul(v[i], inverse)), v_set_32(-EW_Q16_LARGEST));
    v_store(rec->q + g * EW_ACT_GROUP, pack_words(q[0], q[1]));
    v_store(rec->q + g * EW_ACT_GROUP + 16, pack_words(q[2], q[3]));
}

static void act_prepare_q16(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                            uint32_t token_end, void *act) {
    ew_act_q16_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group_16);
}

static void act_prepare_q8(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                           uint32_t token_end, void *act) {
    ew_act_q8_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group);
}

const struct ew_matmul_kernels ew_matmul_avx2 = {
    .isa = "avx2",
    .base = &ew_matmul_ref,
    .act_prepare = {[EW_ACT_Q8] = act_prepare_q8, [EW_ACT_Q16] = act_prepare_q16},
    .pack_strip = ew_pack_strip_avx2,
    .entry = ENTRIES(avx2, FLOAT_ENTRIES(avx2)),
    .many = WORD_ENTRIES(avx2),
};
