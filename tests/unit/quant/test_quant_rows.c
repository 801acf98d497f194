/* Half-precision conversions over all values, and the row functions on shapes and values that are easy to get wrong. */
#include "edgewise/quantize.h"
#include "gguf/tensor_type.h"
#include "quant/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The value of a half by its definition (IEEE 754, 3.4). */
static double half_by_definition(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double magnitude = exponent == 0 ? ldexp(mantissa, -24) : ldexp(1024 + mantissa, exponent - 25);
    return h & 0x8000 ? -magnitude : magnitude;
}

static void every_half_converts_exactly_and_back(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = ew_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00) {
            assert_true((h & 0x3ff) ? isnan(x) : isinf(x));
            assert_true((h & 0x3ff) ? (ew_f32_to_f16(x) & 0x7fff) > 0x7c00 : ew_f32_to_f16(x) == h);
            continue;
        }
        assert_true((double)x == half_by_definition((uint16_t)h));
        assert_int_equal(ew_f32_to_f16(x), h);
    }
}

/* Between two neighbours: below the middle down, above it up, at the middle to the even one. */
static void halves_round_to_nearest_even(void **state) {
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double low = half_by_definition((uint16_t)h), high = half_by_definition((uint16_t)(h + 1));
        float middle = (float)((low + high) / 2); /* exact: one bit more than a half has */
        assert_int_equal(ew_f32_to_f16(middle), h & 1 ? h + 1 : h);
        assert_int_equal(ew_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(ew_f32_to_f16(-nextafterf(middle, 1e9f)), 0x8000 | (h + 1));
    }
    assert_int_equal(ew_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(ew_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(ew_f32_to_f16(0x1p-26f), 0);
    assert_int_equal(ew_f32_to_f16(3e38f), 0x7c00);
}

static void bfloat16_rounds_to_nearest_even(void **state) {
    (void)state;
    assert_int_equal(ew_f32_to_bf16(1.0f), 0x3f80);
    assert_int_equal(ew_f32_to_bf16(ew_float_of_bits(0x3f808000)), 0x3f80); /* tie, even below */
    assert_int_equal(ew_f32_to_bf16(ew_float_of_bits(0x3f818000)), 0x3f82); /* tie, even above */
    assert_int_equal(ew_f32_to_bf16(ew_float_of_bits(0x3f808001)), 0x3f81);
    assert_int_equal(ew_f32_to_bf16(ew_float_of_bits(0x7f7fffff)), 0x7f80);          /* to infinity */
    assert_int_equal(ew_f32_to_bf16(ew_float_of_bits(0x7f800001)) & 0x7fc0, 0x7fc0); /* NaN stays NaN */
    assert_true(ew_bf16_to_f32(0xc040) == -3.0f);
}

/* Every type that can be written, with the largest error of values that are -7, -6 … 7. */
static const struct {
    enum ew_type type;
    float error;
} types[] = {
    {EW_TYPE_F32, 0},      {EW_TYPE_F16, 0},       {EW_TYPE_BF16, 0},      {EW_TYPE_Q8_0, 0.1f},
    {EW_TYPE_Q4_0, 0.6f},  {EW_TYPE_Q4_1, 0.6f},   {EW_TYPE_Q5_0, 0.3f},   {EW_TYPE_Q5_1, 0.3f},
    {EW_TYPE_Q2_K, 2.5f},  {EW_TYPE_Q3_K, 1.2f},   {EW_TYPE_Q4_K, 0.6f},   {EW_TYPE_Q5_K, 0.3f},
    {EW_TYPE_Q6_K, 0.2f},  {EW_TYPE_IQ4_NL, 0.8f}, {EW_TYPE_IQ4_XS, 0.8f}, {EW_TYPE_MXFP4, 1.01f},
    {EW_TYPE_TQ1_0, 3.7f}, {EW_TYPE_TQ2_0, 3.7f},
};
enum { N_TYPES = sizeof types / sizeof *types, N = 512 };

static void zeros_stay_zeros_and_guards_stay(void **state) {
    (void)state;
    static const float zeros[N];
    for (size_t t = 0; t < N_TYPES; t++) {
        uint8_t bytes[N * 4 + 8];
        float x[N + 1];
        size_t n_bytes = ew_type_row_bytes((uint32_t)types[t].type, N);
        memset(bytes, 0xa5, sizeof bytes);
        x[N] = 7;
        assert_int_equal(ew_quantize_row(types[t].type, zeros, N, bytes, NULL), EW_OK);
        for (size_t i = 0; i < 8; i++) assert_int_equal(bytes[n_bytes + i], 0xa5);
        assert_int_equal(ew_dequantize_row(types[t].type, bytes, N, x, NULL), EW_OK);
        for (size_t i = 0; i < N; i++) assert_true(x[i] == 0);
        assert_true(x[N] == 7);
    }
}

/* Not finite, huge and tiny values: no undefined behaviour (the sanitizer build watches), and a finite neighbour block
 * is not touched by them. */
static void strange_values_do_no_harm(void **state) {
    (void)state;
    static const float strange[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f};
    for (size_t t = 0; t < N_TYPES; t++) {
        for (size_t k = 0; k < sizeof strange / sizeof *strange; k++) {
            uint8_t bytes[N * 4];
            float src[N], x[N];
            for (size_t i = 0; i < N; i++) src[i] = i < 256 ? strange[k] : (float)(i % 15) - 7;
            assert_int_equal(ew_quantize_row(types[t].type, src, N, bytes, NULL), EW_OK);
            assert_int_equal(ew_dequantize_row(types[t].type, bytes, N, x, NULL), EW_OK);
            for (size_t i = 256; i < N; i++) assert_true(fabsf(x[i] - src[i]) <= types[t].error);
        }
    }
}

static void wrong_lengths_and_types_are_refused(void **state) {
    (void)state;
    float x[256] = {0};
    uint8_t bytes[1024];
    struct ew_error err;
    assert_int_equal(ew_quantize_row(EW_TYPE_Q4_K, x, 255, bytes, &err), EW_ERR_SHAPE);
    assert_string_equal(err.message, "row length 255 is not a multiple of 256 (Q4_K)");
    assert_int_equal(ew_dequantize_row(EW_TYPE_Q8_0, bytes, 31, x, &err), EW_ERR_SHAPE);
    assert_int_equal(ew_dequantize_row((enum ew_type)9, bytes, 32, x, &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Q8_1"));
    assert_int_equal(ew_quantize_row(EW_TYPE_IQ2_XS, x, 256, bytes, &err), EW_ERR_UNSUPPORTED);
    assert_string_equal(err.message, "type IQ2_XS is read, but not written");
    assert_int_equal(ew_dequantize_row((enum ew_type)47, bytes, 32, x, &err), EW_ERR_UNSUPPORTED);
    assert_int_equal(ew_dequantize_row(EW_TYPE_Q4_0, NULL, 0, NULL, &err), EW_OK);
}

/* Weights of a ternary model are one magnitude with three signs: what the ternary types are for. */
static void ternary_values_come_back_exactly(void **state) {
    (void)state;
    float src[N], x[N];
    uint8_t bytes[N];
    uint32_t random = 1;
    for (size_t i = 0; i < N; i++) {
        random = random * 1664525 + 1013904223;
        src[i] = 0.03125f * (float)((int)(random >> 16) % 3 - 1);
    }
    const enum ew_type ternary[] = {EW_TYPE_TQ1_0, EW_TYPE_TQ2_0};
    for (size_t t = 0; t < 2; t++) {
        assert_int_equal(ew_quantize_row(ternary[t], src, N, bytes, NULL), EW_OK);
        assert_int_equal(ew_dequantize_row(ternary[t], bytes, N, x, NULL), EW_OK);
        for (size_t i = 0; i < N; i++) assert_true(x[i] == src[i]);
    }
}

/* The sum of twelve uniform numbers, close to normal: splitmix64, four times 16 bits of each draw. */
static float draw_normal(uint64_t *state) {
    float sum = 0;
    for (int i = 0; i < 3; i++) {
        uint64_t z = *state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        z ^= z >> 31;
        for (int k = 0; k < 4; k++) sum += (float)(z >> (16 * k) & 0xffff);
    }
    return (sum - 12 * 32767.5f) / 65536;
}

/* Relative root mean square errors that other encoders reach on normal values. Ternary: the best quantizer of three
 * levels (Max, "Quantizing for minimum distortion", 1960: distortion 0.1902). MXFP4: the encoder of ggml 0.25.1 on
 * these very values, from state 7 on. */
static void normal_values_lose_no_more_than_with_others(void **state) {
    (void)state;
    enum { COUNT = 65536 };
    static const struct {
        enum ew_type type;
        double error;
    } others[] = {{EW_TYPE_TQ1_0, 0.4361}, {EW_TYPE_TQ2_0, 0.4361}, {EW_TYPE_MXFP4, 0.11458}};
    static float src[COUNT], x[COUNT];
    static uint8_t bytes[COUNT];
    uint64_t random = 7;
    for (size_t i = 0; i < COUNT; i++) src[i] = draw_normal(&random);
    for (size_t t = 0; t < sizeof others / sizeof *others; t++) {
        double error = 0, sum = 0;
        assert_int_equal(ew_quantize_row(others[t].type, src, COUNT, bytes, NULL), EW_OK);
        assert_int_equal(ew_dequantize_row(others[t].type, bytes, COUNT, x, NULL), EW_OK);
        for (size_t i = 0; i < COUNT; i++) {
            error += ((double)x[i] - (double)src[i]) * ((double)x[i] - (double)src[i]);
            sum += (double)src[i] * (double)src[i];
        }
        assert_true(sqrt(error / sum) <= others[t].error);
    }
}

/* An offset of any size costs the types that have one nothing. */
static void offsets_far_from_zero_are_kept(void **state) {
    (void)state;
    const enum ew_type with_offset[] = {EW_TYPE_Q4_1, EW_TYPE_Q5_1};
    for (size_t t = 0; t < 2; t++) {
        for (float offset = -64; offset <= 64; offset += 128) {
            float src[32], x[32];
            uint8_t bytes[24];
            for (size_t i = 0; i < 32; i++) src[i] = offset + (float)(i % 16);
            assert_int_equal(ew_quantize_row(with_offset[t], src, 32, bytes, NULL), EW_OK);
            assert_int_equal(ew_dequantize_row(with_offset[t], bytes, 32, x, NULL), EW_OK);
            for (size_t i = 0; i < 32; i++) assert_true(fabsf(x[i] - src[i]) < 0.26f);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_converts_exactly_and_back),
        cmocka_unit_test(halves_round_to_nearest_even),
        cmocka_unit_test(bfloat16_rounds_to_nearest_even),
        cmocka_unit_test(zeros_stay_zeros_and_guards_stay),
        cmocka_unit_test(strange_values_do_no_harm),
        cmocka_unit_test(ternary_values_come_back_exactly),
        cmocka_unit_test(normal_values_lose_no_more_than_with_others),
        cmocka_unit_test(offsets_far_from_zero_are_kept),
        cmocka_unit_test(wrong_lengths_and_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
