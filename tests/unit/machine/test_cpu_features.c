/* CPU features: the words of --cpu-mask, and detection held against what the kernel says of itself. */
#include "machine/cpu_features.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t parse(const char *text) {
    const char *bad = "untouched";
    uint64_t mask = ew_cpu_features_parse(text, &bad);
    assert_null(bad);
    return mask;
}

static void words_of_a_mask(void **state) {
    (void)state;
    uint64_t have = ew_cpu_features();
    assert_int_equal(parse("all"), have ? have : EW_CPU_MASK_NONE);
    assert_int_equal(parse("none"), EW_CPU_MASK_NONE);
    assert_int_equal(parse("all,none"), EW_CPU_MASK_NONE);
    assert_int_equal(parse("none,all"), have ? have : EW_CPU_MASK_NONE);
    uint64_t avx2 = have & EW_CPU_AVX2, neon = have & EW_CPU_NEON;
    assert_int_equal(parse("avx2"), avx2 ? avx2 : EW_CPU_MASK_NONE);
    assert_int_equal(parse("avx2,neon"), avx2 | neon ? avx2 | neon : EW_CPU_MASK_NONE);
    uint64_t without = have & ~(uint64_t)(EW_CPU_AVX2 | EW_CPU_NEON);
    assert_int_equal(parse("no-avx2,no-neon"), without ? without : EW_CPU_MASK_NONE);
    assert_int_equal(parse("avx2,no-avx2"), EW_CPU_MASK_NONE);
}

static void a_mask_is_never_0_because_0_asks_for_all(void **state) {
    (void)state;
    static const char *const texts[] = {"none", "avx2", "neon", "sve", "no-avx2", ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_int_not_equal(parse(texts[i]), 0);
}

static void unknown_words_are_pointed_at(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bad_at;
    } cases[] = {{"avx3", 0}, {"avx2,mmx", 5},    {"no-", 0},      {"no-none-such", 0},
                 {"AVX2", 0}, {"avx2 avx512", 0}, {"all, avx2", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *bad = NULL;
        assert_int_equal(ew_cpu_features_parse(cases[i].text, &bad), 0);
        assert_ptr_equal(bad, cases[i].text + cases[i].bad_at);
    }
}

static void names_and_masks_agree(void **state) {
    (void)state;
    char text[256];
    assert_int_equal(ew_cpu_features_text(EW_CPU_AVX2 | EW_CPU_AVX512VNNI | EW_CPU_NEON, text, sizeof text), 20);
    assert_string_equal(text, "avx2 avx512vnni neon");
    assert_int_equal(ew_cpu_features_text(0, text, sizeof text), 0);
    assert_string_equal(text, "");
    char small[8] = "xxxxxxx";
    assert_int_equal(ew_cpu_features_text(EW_CPU_AVX2 | EW_CPU_AVX512VNNI, small, 6), 15);
    assert_memory_equal(small, "avx2 \0x", 7);
}

/* Whether the flags of the first processor in /proc/cpuinfo hold a word. The kernel lists a feature only where it has
 * enabled its register state, which is the rule that detection follows by itself. */
static bool cpuinfo_has(const char *word) {
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return false;
    char line[16384];
    bool found = false, seen = false;
    while (!seen && fgets(line, sizeof line, f)) {
        seen = strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0;
        if (!seen) continue;
        for (char *save, *flag = strtok_r(line, " \t\n", &save); flag; flag = strtok_r(NULL, " \t\n", &save))
            found |= strcmp(flag, word) == 0;
    }
    fclose(f);
    return found;
}

static void detection_agrees_with_the_kernel(void **state) {
    (void)state;
    static const struct {
        uint64_t bit;
        const char *words[6];
    } rules[] = {
#if defined(__x86_64__)
        {EW_CPU_AVX2, {"avx2", "fma", "f16c", "bmi2"}},
        {EW_CPU_AVXVNNI, {"avx_vnni"}},
        {EW_CPU_AVX512, {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"}},
        {EW_CPU_AVX512VNNI, {"avx512_vnni", "avx512f"}},
        {EW_CPU_AVX512BF16, {"avx512_bf16", "avx512f"}},
        {EW_CPU_AVX512VBMI, {"avx512vbmi", "avx512f"}},
#elif defined(__aarch64__)
        {EW_CPU_NEON, {"asimd"}},
        {EW_CPU_DOTPROD, {"asimddp"}},
        {EW_CPU_I8MM, {"i8mm"}},
        {EW_CPU_FP16, {"asimdhp"}},
        {EW_CPU_SVE, {"sve"}},
        {EW_CPU_BF16, {"bf16"}},
#else
        {0, {NULL}},
#endif
    };
#if defined(__x86_64__)
    const char *always = "sse2";
#else
    const char *always = "asimd";
#endif
    if (!cpuinfo_has(always)) {
        print_message("skipped: /proc/cpuinfo does not describe this processor (an emulator)\n");
        skip();
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        bool expected = true;
        for (int w = 0; w < 6 && rules[i].words[w]; w++) expected &= cpuinfo_has(rules[i].words[w]);
        if (rules[i].bit) assert_int_equal(!!(ew_cpu_features() & rules[i].bit), expected);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_a_mask),
        cmocka_unit_test(a_mask_is_never_0_because_0_asks_for_all),
        cmocka_unit_test(unknown_words_are_pointed_at),
        cmocka_unit_test(names_and_masks_agree),
        cmocka_unit_test(detection_agrees_with_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
