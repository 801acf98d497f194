/* Matrix products of AVX-512 with VNNI: rounding activations to 8 and 16 bits, and the table. The products are in
 * quant_gemm_body.h and quant_gemv_body.h, those of float weights with many tokens in float_words_body.h. */
#include "kernel/act_q16.h"
#include "kernel/act_q8.h"
#include "kernel/x86/lanes_avx512.h"

#define EW_ISA avx512vnni
#include "kernel/x86/quant_gemm_body.h"

#include "kernel/x86/float_words_body.h"

static void quantize_group(const float *x, struct ew_act_q8 *rec, uint32_t g) {
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    float amax = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    __m512 inverse = _mm512_set1_ps(amax > 0 ? 127.0f / amax : 0);
    const __m512i least = _mm512_set1_epi32(-127);
    __m512i qa = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)), least);
    __m512i qb = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)), least);
    _mm_storeu_si128((__m128i *)(rec->q + g * EW_ACT_GROUP), _mm512_cvtsepi32_epi8(qa));
    _mm_storeu_si128((__m128i *)(rec->q + g * EW_ACT_GROUP + 16), _mm512_cvtsepi32_epi8(qb));
    int sum_a = _mm512_reduce_add_epi32(qa), sum_b = _mm512_reduce_add_epi32(qb);
    ew_act_q8_finish_group(rec, g, amax, sum_a, sum_b);
}

static void act_prepare_q8(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                           uint32_t token_end, void *act) {
    ew_act_q8_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group);
}

static void quantize_group_16(const float *x, struct ew_act_q16 *rec, uint32_t g) {
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16);
    __m512 abs_a = _mm512_abs_ps(a), abs_b = _mm512_abs_ps(b);
    float total = _mm512_reduce_add_ps(_mm512_add_ps(abs_a, abs_b));
    float amax = _mm512_reduce_max_ps(_mm512_max_ps(abs_a, abs_b));
    __m512 inverse = _mm512_set1_ps(ew_act_q16_scale_group(rec, g, total, amax));
    const __m512i least = _mm512_set1_epi32(-EW_Q16_LARGEST);
    __m512i qa = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(a, inverse)), least);
    __m512i qb = _mm512_max_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(b, inverse)), least);
    _mm256_storeu_si256((__m256i *)(rec->q + g * EW_ACT_GROUP), _mm512_cvtepi32_epi16(qa));
    _mm256_storeu_si256((__m256i *)(rec->q + g * EW_ACT_GROUP + 16), _mm512_cvtepi32_epi16(qb));
}

static void act_prepare_q16(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                            uint32_t token_end, void *act) {
    ew_act_q16_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group_16);
}

const struct ew_matmul_kernels ew_matmul_avx512vnni = {
    .isa = "avx512vnni",
    .base = &ew_matmul_avx512,
    .act_prepare = {[EW_ACT_Q8] = act_prepare_q8, [EW_ACT_Q16] = act_prepare_q16},
    .entry = ENTRIES(avx512vnni),
    .many = WORD_ENTRIES(avx512vnni),
};
