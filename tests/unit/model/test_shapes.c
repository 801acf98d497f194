/* The table of shapes against what publishers say: parameter counts are those that the model pages on huggingface.co
 * give for the safetensors files; frequency divisors are those in rope_freqs.weight of published Llama 3.2 files. */
#include "model/shapes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    uint64_t n_params;
} published[] = {
    {"smollm2-135m", 134515008},    {"smollm2-360m", 361821120},  {"smollm2-1.7b", 1711376384},
    {"tinyllama-1.1b", 1100048384}, {"llama-3.2-1b", 1235814400}, {"llama-3.2-3b", 3212749824},
    {"llama-3.1-8b", 8030261248},   {"mistral-7b", 7248023552},   {"qwen2.5-0.5b", 494032768},
    {"qwen2.5-1.5b", 1543714304},   {"qwen2.5-3b", 3085938688},   {"gemma-2-2b", 2614341888},
    {"phi-3.5-mini", 3821079552},
};
enum { N_PUBLISHED = sizeof published / sizeof *published };

static void every_shape_has_the_published_number_of_parameters(void **state) {
    (void)state;
    assert_int_equal(ew_shape_count(), N_PUBLISHED);
    for (size_t i = 0; i < N_PUBLISHED; i++) {
        const struct ew_shape *shape = ew_shape_find(published[i].name);
        assert_non_null(shape);
        if (ew_shape_n_params(shape) != published[i].n_params)
            fail_msg("%s: %llu parameters, published %llu", shape->name, (unsigned long long)ew_shape_n_params(shape),
                     (unsigned long long)published[i].n_params);
    }
}

static void names_are_found_in_any_case_and_only_whole(void **state) {
    (void)state;
    assert_ptr_equal(ew_shape_find("Llama-3.2-1B"), ew_shape_find("llama-3.2-1b"));
    assert_null(ew_shape_find("llama-3.2"));
    assert_null(ew_shape_at(ew_shape_count()));
}

/* Llama 3.2 1B: the first 15 of 32 pairs turn as before, the last ones 32 times slower. */
static void frequency_divisors_are_those_of_llama_3(void **state) {
    (void)state;
    const struct ew_shape *shape = ew_shape_find("llama-3.2-1b");
    for (uint32_t i = 0; i < 15; i++) assert_true(ew_shape_rope_divisor(shape, i) == 1.0f);
    for (uint32_t i = 18; i < 32; i++) assert_true(ew_shape_rope_divisor(shape, i) == 32.0f);
    for (uint32_t i = 15; i < 18; i++)
        assert_true(ew_shape_rope_divisor(shape, i) > 1.0f && ew_shape_rope_divisor(shape, i) < 32.0f);
    assert_true(ew_shape_rope_divisor(ew_shape_find("mistral-7b"), 31) == 1.0f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_has_the_published_number_of_parameters),
        cmocka_unit_test(names_are_found_in_any_case_and_only_whole),
        cmocka_unit_test(frequency_divisors_are_those_of_llama_3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
