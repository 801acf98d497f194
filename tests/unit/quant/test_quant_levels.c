/* Decoders of all block formats against values that an independent implementation computed from the same blocks: the
 * dequantize_row functions of ggml 0.25.1 (the library of llama.cpp v0.5.0), called on the random blocks that
 * make_blocks below describes. All of it is exact, so the comparison is of bits: the first values here in words, all
 * 1024 blocks as a hash (64-bit FNV-1a over 32-bit words, -0 as 0). That many blocks meet every point of every
 * codebook. */
#include "gguf/tensor_type.h"
#include "quant/levels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_BLOCKS = 1024 };

static const struct {
    enum ew_type type;
    float first[4];
    uint64_t hash;
} expected[] = {
    {EW_TYPE_Q4_0, {0.0930328369f, -0.0531616211f, 0.0132904053f, -0.0664520264f}, 0x414295b8d98ee725},
    {EW_TYPE_Q4_1, {-0.387207031f, -0.433502197f, -0.479797363f, -0.387207031f}, 0xe61790a9aaf0edc9},
    {EW_TYPE_Q5_0, {7.5f, -0.0f, -6.875f, 1.25f}, 0x1e5477a54a9b2f25},
    {EW_TYPE_Q5_1, {1.1552124f, 30.1942749f, 13.2548218f, 33.8241577f}, 0xbecbe2a2342efdbf},
    {EW_TYPE_Q8_0, {0.0101776123f, -0.773498535f, -0.549591064f, 0.162841797f}, 0xeef0d01bb2e27a65},
    {EW_TYPE_Q2_K, {-5.79199219f, -64.3564453f, -64.3564453f, -5.79199219f}, 0xec346bf7a6509a59},
    {EW_TYPE_Q3_K, {-5.51074219f, -0.0f, -3.67382812f, 1.83691406f}, 0xe3bad8d7f01030e5},
    {EW_TYPE_Q4_K, {141.944702f, 121.786011f, 20.9925537f, 61.3099365f}, 0x35528ef337e64ae3},
    {EW_TYPE_Q5_K, {91.5720215f, 65.3391113f, 98.130249f, 203.06189f}, 0x23b847cd0d07e185},
    {EW_TYPE_Q6_K, {-886.894531f, -633.496094f, -633.496094f, -1140.29297f}, 0xf6420e707d13fd37},
    {EW_TYPE_IQ2_XXS, {-0.7137146f, -3.83621597f, -0.7137146f, 2.23035812f}, 0x3793e2b6a4ea8b61},
    {EW_TYPE_IQ2_XS, {4.73442078f, -4.73442078f, -8.14320374f, -1.51501465f}, 0xd6ee9fe9854eceb5},
    {EW_TYPE_IQ3_XXS, {70.7958984f, 14.1591797f, -14.1591797f, 70.7958984f}, 0x43a309613c6aaccd},
    {EW_TYPE_IQ1_S, {-1.27270508f, -11.4543457f, -1.27270508f, 8.90893555f}, 0x7d733fa31c08d645},
    {EW_TYPE_IQ4_NL, {0.216674805f, -1.14837646f, -2.44842529f, 1.79840088f}, 0x89f45e7b2cd01825},
    {EW_TYPE_IQ3_S, {-64.1630859f, 106.938477f, -320.81543f, 64.1630859f}, 0x886027223cd16875},
    {EW_TYPE_IQ2_S, {-6.59342957f, -1.22668457f, -3.83338928f, 3.83338928f}, 0x32234334ee668c71},
    {EW_TYPE_IQ4_XS, {-270.339844f, 137.128906f, -348.699219f, -148.882812f}, 0x2a108ba3f4b11705},
    {EW_TYPE_IQ1_M, {0.000957079232f, 0.000106342137f, -0.000744394958f, -0.000744394958f}, 0x38115ad451d078a5},
    {EW_TYPE_TQ1_0, {0.649902344f, -0.0f, -0.649902344f, -0.649902344f}, 0x11fc880b7881a325},
    {EW_TYPE_TQ2_0, {-0.116638184f, -0.0583190918f, -0.116638184f, -0.0f}, 0x39f9f3c2ff21e325},
    {EW_TYPE_MXFP4, {0.0f, 0.000122070312f, 9.15527344e-05f, -0.000122070312f}, 0x0b2be71d712c2325},
};

/* splitmix64, seeded with the type's number, lowest byte of each draw. */
static uint8_t draw(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (uint8_t)(z ^ z >> 31);
}

/* Where the high bytes of a block's f16 fields are. */
static size_t half_offsets(enum ew_type type, size_t at[2]) {
    switch (type) {
    case EW_TYPE_Q4_1:
    case EW_TYPE_Q5_1:
    case EW_TYPE_Q4_K:
    case EW_TYPE_Q5_K: at[0] = 1, at[1] = 3; return 2;
    case EW_TYPE_Q2_K: at[0] = 81, at[1] = 83; return 2;
    case EW_TYPE_Q3_K: at[0] = 109; return 1;
    case EW_TYPE_Q6_K: at[0] = 209; return 1;
    case EW_TYPE_TQ1_0: at[0] = 53; return 1;
    case EW_TYPE_TQ2_0: at[0] = 65; return 1;
    case EW_TYPE_IQ1_M:
    case EW_TYPE_MXFP4: return 0;
    default: at[0] = 1; return 1;
    }
}

/* Random bytes but for scales: f16 exponents from 8 to 15, so that nothing overflows or is no number. */
static uint8_t *make_blocks(enum ew_type type, size_t block_bytes) {
    uint64_t state = (uint64_t)type;
    uint8_t *blocks = malloc(N_BLOCKS * block_bytes);
    assert_non_null(blocks);
    for (uint8_t *b = blocks; b < blocks + N_BLOCKS * block_bytes; b += block_bytes) {
        size_t at[2], n = half_offsets(type, at);
        for (size_t i = 0; i < block_bytes; i++) b[i] = draw(&state);
        for (size_t i = 0; i < n; i++) b[at[i]] = (uint8_t)((b[at[i]] & 0x9f) | 0x20);
        if (type == EW_TYPE_IQ1_M) b[55] &= 0xbf;
        if (type == EW_TYPE_MXFP4) b[0] = (uint8_t)(100 + b[0] % 56);
    }
    return blocks;
}

static void decoders_agree_with_ggml_bit_for_bit(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof expected / sizeof *expected; t++) {
        const struct ew_type_traits *traits = ew_type_traits((uint32_t)expected[t].type);
        uint8_t *blocks = make_blocks(expected[t].type, traits->block_bytes);
        size_t n = N_BLOCKS * (size_t)traits->block_elems;
        float *x = malloc(n * sizeof *x);
        assert_non_null(x);
        assert_int_equal(ew_dequantize_row(expected[t].type, blocks, n, x, NULL), EW_OK);
        for (size_t i = 0; i < 4; i++) {
            if (x[i] == expected[t].first[i]) continue;
            fail_msg("%s [%zu]: %.9g, expected %.9g", traits->name, i, (double)x[i], (double)expected[t].first[i]);
        }
        uint64_t hash = 0xcbf29ce484222325u;
        for (size_t i = 0; i < n; i++) {
            float value = x[i] == 0 ? 0 : x[i];
            uint32_t word;
            memcpy(&word, &value, sizeof word);
            hash = (hash ^ word) * 0x100000001b3u;
        }
        if (hash != expected[t].hash) fail_msg("%s: some value differs", traits->name);
        free(blocks);
        free(x);
    }
}

/* What the table above would miss: a type that was made decodable without an entry there. */
static void every_block_format_is_compared(void **state) {
    (void)state;
    size_t n = 0;
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++) {
        const struct ew_type_traits *traits = ew_type_traits(type);
        bool blocks = traits && traits->decodable && traits->block_elems > 1;
        assert_true((ew_quant_levels(type) != NULL) == blocks);
        n += blocks;
    }
    assert_int_equal(n, sizeof expected / sizeof *expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decoders_agree_with_ggml_bit_for_bit),
        cmocka_unit_test(every_block_format_is_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
