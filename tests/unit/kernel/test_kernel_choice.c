/* What a choice does to the look-up of kernels: it overrides features where it says something, and only there; a
 * variant that may not run is never taken; and the product is the same but for the order of its sums. */
#include "kernel/contest.h"
#include "kernel/kernel.h"
#include "kernel/matmul.h"
#include "machine/cpu_features.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N_IN = 512, N_OUT = 32 };

static const struct ew_weight rows = {NULL, EW_TYPE_Q4_0, EW_LAYOUT_ROWS, N_IN, N_OUT};

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void nothing_chosen_is_what_features_say(void **state) {
    (void)state;
    struct ew_kernels plain, chosen;
    const struct ew_kernel_choice none = {0};
    ew_kernels_init(&plain, ew_cpu_features());
    ew_kernels_init(&chosen, ew_cpu_features());
    ew_kernels_choose(&chosen, &none);
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++) {
        if (!ew_matmul_serves(&plain, type, EW_LAYOUT_ROWS)) continue;
        struct ew_weight w = {NULL, type, EW_LAYOUT_ROWS, N_IN, N_OUT};
        for (uint32_t n = 1; n < 600; n = 2 * n + 1)
            assert_string_equal(ew_matmul_kernel_name(&plain, &w, n), ew_matmul_kernel_name(&chosen, &w, n));
        assert_true(ew_matmul_prefers_packed(&plain, type) == ew_matmul_prefers_packed(&chosen, type));
    }
    assert_string_equal(plain.vector.isa, chosen.vector.isa);
}

/* Few and many tokens are chosen apart, and one type's choice leaves the others alone. */
static void variants_are_taken_as_chosen(void **state) {
    (void)state;
    struct ew_kernels k, plain;
    ew_kernels_init(&plain, ew_cpu_features());
    for (uint32_t v = 0; v < ew_kernels_n_variants(); v++) {
        if (!ew_kernels_may_use(&plain, v)) continue;
        struct ew_kernel_choice choice = {0};
        choice.matmul[EW_TYPE_Q4_0][EW_LAYOUT_ROWS].many = (uint8_t)(v + 1);
        k = plain;
        ew_kernels_choose(&k, &choice);
        struct ew_kernels alone = plain;
        choice.matmul[EW_TYPE_Q4_0][EW_LAYOUT_ROWS].few = (uint8_t)(v + 1);
        ew_kernels_choose(&alone, &choice);
        assert_string_equal(ew_matmul_kernel_name(&k, &rows, 1), ew_matmul_kernel_name(&plain, &rows, 1));
        assert_string_equal(ew_matmul_kernel_name(&k, &rows, 512), ew_matmul_kernel_name(&alone, &rows, 512));
        if (v == 0) assert_true(ends_with(ew_matmul_kernel_name(&k, &rows, 512), "_ref"));
        struct ew_weight other = rows;
        other.type = EW_TYPE_Q8_0;
        assert_string_equal(ew_matmul_kernel_name(&alone, &other, 1), ew_matmul_kernel_name(&plain, &other, 1));
        assert_string_equal(ew_matmul_kernel_name(&alone, &other, 512), ew_matmul_kernel_name(&plain, &other, 512));
    }
}

static void what_may_not_run_is_not_taken(void **state) {
    (void)state;
    struct ew_kernels k;
    struct ew_kernel_choice choice = {.vector = 200};
    for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++)
        choice.matmul[EW_TYPE_Q4_0][layout] = (struct ew_matmul_choice){.few = 200, .many = 255};
    ew_kernels_init(&k, 0);
    ew_kernels_choose(&k, &choice);
    assert_string_equal(ew_matmul_kernel_name(&k, &rows, 512), "gemm_q4_0_ref");
    assert_string_equal(k.vector.isa, "ref");
    choice.matmul[EW_TYPE_Q4_0][EW_LAYOUT_ROWS].many =
        (uint8_t)ew_kernels_n_variants(); /* the last one needs features */
    choice.vector = (uint8_t)ew_kernels_n_vector_variants();
    ew_kernels_choose(&k, &choice);
    assert_string_equal(ew_matmul_kernel_name(&k, &rows, 512), "gemm_q4_0_ref");
    assert_string_equal(k.vector.isa, "ref");
}

static void few_tokens_are_limited(void **state) {
    (void)state;
    struct ew_kernels k;
    struct ew_kernel_choice choice = {0};
    ew_kernels_init(&k, ew_cpu_features());
    uint32_t most = ew_matmul_gemv_tokens(&k, EW_TYPE_Q4_0, EW_LAYOUT_ROWS);
    if (most < 2) skip();
    const char *gemv = ew_matmul_kernel_name(&k, &rows, 1), *gemm = ew_matmul_kernel_name(&k, &rows, 512);
    for (uint32_t limit = 0; limit <= most + 1; limit++) {
        choice.matmul[EW_TYPE_Q4_0][EW_LAYOUT_ROWS].few_tokens = (uint8_t)(limit + 1);
        ew_kernels_choose(&k, &choice);
        uint32_t effective = limit < most ? limit : most;
        assert_int_equal(ew_matmul_gemv_tokens(&k, EW_TYPE_Q4_0, EW_LAYOUT_ROWS), effective);
        for (uint32_t n = 1; n <= most + 2; n++)
            assert_string_equal(ew_matmul_kernel_name(&k, &rows, n), n <= effective ? gemv : gemm);
    }
}

static void packing_follows_the_choice(void **state) {
    (void)state;
    struct ew_kernels k;
    struct ew_kernel_choice choice = {0};
    ew_kernels_init(&k, ew_cpu_features());
    if (!ew_matmul_can_pack(&k, EW_TYPE_Q4_0)) skip();
    choice.packed[EW_TYPE_Q4_0] = EW_PACKED_NO;
    ew_kernels_choose(&k, &choice);
    assert_false(ew_matmul_prefers_packed(&k, EW_TYPE_Q4_0));
    choice.packed[EW_TYPE_Q4_0] = EW_PACKED_YES;
    choice.packed[EW_TYPE_F32] = EW_PACKED_YES; /* has no packed layout: nothing to prefer */
    ew_kernels_choose(&k, &choice);
    assert_true(ew_matmul_prefers_packed(&k, EW_TYPE_Q4_0));
    assert_false(ew_matmul_prefers_packed(&k, EW_TYPE_F32));
}

static void each_vector_variant_can_be_had(void **state) {
    (void)state;
    struct ew_kernels k;
    ew_kernels_init(&k, ew_cpu_features());
    for (uint32_t v = 0; v < ew_kernels_n_vector_variants(); v++) {
        if (!ew_kernels_may_use_vector(&k, v)) continue;
        const struct ew_kernel_choice choice = {.vector = (uint8_t)(v + 1)};
        ew_kernels_choose(&k, &choice);
        assert_string_equal(k.vector.isa, ew_kernels_vector_name(v));
    }
}

/* Products through every variant: the same numbers up to the rounding of sums. Weights of 0 … 15 - 8 and a scale of 1;
 * activations are small whole numbers, each group with a 127, so that rounding them to 8 bits changes nothing. */
static void products_stay_what_they_are(void **state) {
    (void)state;
    struct ew_kernels k, plain;
    ew_kernels_init(&plain, ew_cpu_features());
    uint8_t weights[N_OUT][N_IN / 32][18];
    float x[N_IN], y[N_OUT];
    for (int r = 0; r < N_OUT; r++)
        for (int b = 0; b < N_IN / 32; b++) {
            weights[r][b][0] = 0x00; /* half 1.0 */
            weights[r][b][1] = 0x3c;
            for (int i = 0; i < 16; i++) weights[r][b][2 + i] = (uint8_t)(37 * r + 11 * b + 7 * i);
        }
    for (int i = 0; i < N_IN; i++) x[i] = i % 32 == 0 ? 127 : (float)(i % 7 - 3);
    struct ew_weight w = rows;
    w.data = weights;
    void *act = aligned_alloc(64, ew_matmul_act_bytes(&plain, EW_ACT_Q8, N_IN, 1));
    void *scratch = aligned_alloc(64, ew_matmul_scratch_bytes(&plain, 1));
    assert_true(act && scratch);
    ew_matmul_act_prepare(&plain, EW_ACT_Q8, N_IN, 1, x, N_IN, 0, 1, act);
    for (uint32_t v = 0; v < ew_kernels_n_variants(); v++) {
        if (!ew_kernels_may_use(&plain, v)) continue;
        struct ew_kernel_choice choice = {0};
        choice.matmul[EW_TYPE_Q4_0][EW_LAYOUT_ROWS] = (struct ew_matmul_choice){(uint8_t)(v + 1), (uint8_t)(v + 1), 0};
        k = plain;
        ew_kernels_choose(&k, &choice);
        ew_matmul_rows(&k, &w, act, 1, 0, N_OUT, false, y, N_OUT, scratch);
        for (int r = 0; r < N_OUT; r++) {
            double sum = 0;
            for (int i = 0; i < N_IN; i++) {
                uint8_t pair = weights[r][i / 32][2 + i % 16];
                sum += ((i % 32 < 16 ? pair & 15 : pair >> 4) - 8) * (double)x[i];
            }
            assert_true(fabs(y[r] - sum) <= 1e-2 * (1 + fabs(sum)) * 1e-2);
        }
    }
    free(act);
    free(scratch);
}

static void one_kernel_needs_no_contest(void **state) {
    (void)state;
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++) assert_false(ew_contest_has_candidates(0, type));
    if (ew_cpu_features() & EW_CPU_AVX2)
        assert_true(ew_contest_has_candidates(EW_CPU_AVX2, EW_TYPE_Q4_0)); /* layouts */
    if (ew_cpu_features() & EW_CPU_AVX2) assert_false(ew_contest_has_candidates(EW_CPU_AVX2, EW_TYPE_F32));
    if (ew_cpu_features() & EW_CPU_AVX512) assert_true(ew_contest_has_candidates(ew_cpu_features(), EW_TYPE_F32));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_chosen_is_what_features_say), cmocka_unit_test(variants_are_taken_as_chosen),
        cmocka_unit_test(what_may_not_run_is_not_taken),       cmocka_unit_test(few_tokens_are_limited),
        cmocka_unit_test(packing_follows_the_choice),          cmocka_unit_test(each_vector_variant_can_be_had),
        cmocka_unit_test(products_stay_what_they_are),         cmocka_unit_test(one_kernel_needs_no_contest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
