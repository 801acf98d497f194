/* Encoders that are told which columns matter: the weighted error of every type is smaller than without, and near the
 * least that any scale at all could leave, which a search over all of them finds. */
#include "edgewise/quantize.h"
#include "gguf/tensor_type.h"
#include "quant/half.h"
#include "quant/iq4.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const enum ew_type types[] = {EW_TYPE_Q4_0, EW_TYPE_Q4_1,   EW_TYPE_Q5_0,  EW_TYPE_Q5_1,
                                     EW_TYPE_Q2_K, EW_TYPE_Q3_K,   EW_TYPE_Q4_K,  EW_TYPE_Q5_K,
                                     EW_TYPE_Q6_K, EW_TYPE_IQ4_NL, EW_TYPE_IQ4_XS};
enum { N_TYPES = sizeof types / sizeof *types, N = 256 * 64, MOST_BYTES = N * 2 };

static float x[N], weight[N];

/* splitmix64, as a number in 0..1. */
static double draw(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* Near normal values; weights that spread over some powers of ten, as squares of activations do. */
static int fill(void **state) {
    (void)state;
    uint64_t random = 11;
    for (size_t i = 0; i < N; i++) {
        double sum = -3, spread = 0;
        for (int k = 0; k < 6; k++) sum += draw(&random);
        for (int k = 0; k < 4; k++) spread += draw(&random);
        x[i] = (float)(0.03 * sum);
        weight[i] = (float)exp(2.5 * (spread - 2));
    }
    return 0;
}

static double weighted_error(enum ew_type type, const uint8_t *bytes, const float *w) {
    static float back[N];
    double sum = 0;
    assert_int_equal(ew_dequantize_row(type, bytes, N, back, NULL), EW_OK);
    for (size_t i = 0; i < N; i++) {
        double e = (double)back[i] - (double)x[i];
        sum += (double)w[i] * e * e;
    }
    return sum;
}

static double error_with(enum ew_type type, const float *w) {
    static uint8_t bytes[MOST_BYTES];
    assert_int_equal(ew_quantize_row_weighted(type, x, w, N, bytes, NULL), EW_OK);
    return weighted_error(type, bytes, weight);
}

static void weights_lower_the_weighted_error_of_every_type(void **state) {
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        double without = error_with(types[t], NULL), with = error_with(types[t], weight);
        printf("%-6s weighted error with weights: %.3f of that without\n", ew_type_traits(types[t])->name,
               with / without);
        assert_true(ew_quantize_takes_weights(types[t]));
        assert_true(with < 0.97 * without);
    }
}

/* Only ratios count: a multiple of the weights, by a power of two so that nothing is rounded, gives the same bytes; and
 * equal ones give what none give. */
static void only_ratios_count(void **state) {
    (void)state;
    static uint8_t a[MOST_BYTES], b[MOST_BYTES];
    static float other[N], equal[N];
    for (size_t i = 0; i < N; i++) {
        other[i] = weight[i] * 0x1p40f;
        equal[i] = 0x1p-30f;
    }
    for (size_t t = 0; t < N_TYPES; t++) {
        size_t n = ew_type_row_bytes((uint32_t)types[t], N);
        ew_quantize_row_weighted(types[t], x, weight, N, a, NULL);
        ew_quantize_row_weighted(types[t], x, other, N, b, NULL);
        assert_memory_equal(a, b, n);
        ew_quantize_row_weighted(types[t], x, equal, N, a, NULL);
        ew_quantize_row(types[t], x, N, b, NULL);
        assert_true(fabs(weighted_error(types[t], a, equal) / weighted_error(types[t], b, equal) - 1) < 1e-3);
    }
}

/* Types without a search do not care. */
static void other_types_encode_as_without(void **state) {
    (void)state;
    static const enum ew_type others[] = {EW_TYPE_F32, EW_TYPE_F16, EW_TYPE_BF16, EW_TYPE_Q8_0, EW_TYPE_MXFP4};
    static uint8_t a[N * 4], b[N * 4];
    for (size_t t = 0; t < sizeof others / sizeof *others; t++) {
        ew_quantize_row_weighted(others[t], x, weight, N, a, NULL);
        ew_quantize_row(others[t], x, N, b, NULL);
        assert_false(ew_quantize_takes_weights(others[t]));
        assert_memory_equal(a, b, ew_type_row_bytes((uint32_t)others[t], N));
    }
    assert_false(ew_quantize_takes_weights(EW_TYPE_IQ2_XS));
    assert_false(ew_quantize_takes_weights((enum ew_type)4711));
}

/* Zero weights, all or some, and huge ones: finite blocks come out, and what weighs something is kept. */
static void strange_weights_do_no_harm(void **state) {
    (void)state;
    static float w[N];
    static uint8_t bytes[MOST_BYTES];
    for (size_t t = 0; t < N_TYPES; t++) {
        for (int kind = 0; kind < 4; kind++) {
            for (size_t i = 0; i < N; i++)
                w[i] = kind == 0 ? 0.0f : kind == 1 ? (float)(i % 32 == 5) : kind == 2 ? 3e38f : 1e-38f;
            assert_int_equal(ew_quantize_row_weighted(types[t], x, w, N, bytes, NULL), EW_OK);
            double all = weighted_error(types[t], bytes, weight);
            assert_true(isfinite(all));
            if (kind == 1) assert_true(weighted_error(types[t], bytes, w) < 0.05 * all);
        }
    }
}

/* The least weighted error of 32 values that any F16 scale leaves, each value taking the nearest of `levels`. */
static double least_error(const float *v, const float *w, const int *levels, size_t n_levels) {
    double least = INFINITY;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const double d = (double)ew_f16_to_f32((uint16_t)h);
        for (int sign = -1; sign <= 1; sign += 2) {
            double sum = 0;
            for (size_t i = 0; i < 32 && sum < least; i++) {
                double best = INFINITY;
                for (size_t k = 0; k < n_levels; k++) best = fmin(best, fabs(sign * d * levels[k] - (double)v[i]));
                sum += (double)w[i] * best * best;
            }
            least = fmin(least, sum);
        }
    }
    return least;
}

static double error_of_block(enum ew_type type, const float *v, const float *w) {
    uint8_t bytes[32];
    float back[32];
    double sum = 0;
    ew_quantize_row_weighted(type, v, w, 32, bytes, NULL);
    ew_dequantize_row(type, bytes, 32, back, NULL);
    for (size_t i = 0; i < 32; i++) sum += (double)w[i] * pow((double)back[i] - (double)v[i], 2);
    return sum;
}

static void no_scale_at_all_would_be_much_better(void **state) {
    (void)state;
    enum { BLOCKS = 12 };
    int nibbles[16], five_bits[32], table[16];
    for (int i = 0; i < 16; i++) nibbles[i] = i - 8, table[i] = ew_iq4_values[i];
    for (int i = 0; i < 32; i++) five_bits[i] = i - 16;
    const struct {
        enum ew_type type;
        const int *levels;
        size_t n;
    } cases[] = {{EW_TYPE_Q4_0, nibbles, 16}, {EW_TYPE_Q5_0, five_bits, 32}, {EW_TYPE_IQ4_NL, table, 16}};
    for (size_t c = 0; c < 3; c++) {
        double least = 0, ours = 0;
        for (size_t b = 0; b < BLOCKS; b++) {
            double block = least_error(x + 32 * b, weight + 32 * b, cases[c].levels, cases[c].n);
            double found = error_of_block(cases[c].type, x + 32 * b, weight + 32 * b);
            assert_true(found >= block * (1 - 1e-6));
            least += block;
            ours += found;
        }
        printf("%-6s weighted error is %.3f of the least that a scale can leave\n", ew_type_traits(cases[c].type)->name,
               ours / least);
        assert_true(ours < 1.1 * least);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_lower_the_weighted_error_of_every_type),
        cmocka_unit_test(only_ratios_count),
        cmocka_unit_test(other_types_encode_as_without),
        cmocka_unit_test(strange_weights_do_no_harm),
        cmocka_unit_test(no_scale_at_all_would_be_much_better),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
