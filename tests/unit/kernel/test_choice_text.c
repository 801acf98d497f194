/* The text of choices: what is written comes back, and nothing else is believed. Lines that reading must refuse are put
 * under a checksum that fits, so that it is the rule that refuses them and not the sum. */
#include "base/checksum.h"
#include "kernel/choice_text.h"
#include "machine/cpu_features.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ew_choice_record example(void) {
    struct ew_choice_record r = {.processor = "A processor @ 1 GHz", .features = 0, .date = "2026-01-02 03:04 UTC"};
    r.choice.decided[EW_TYPE_Q4_0] = r.choice.decided[EW_TYPE_F16] = true;
    r.choice.packed[EW_TYPE_Q4_0] = EW_PACKED_NO;
    r.choice.matmul[EW_TYPE_Q4_0][0] = (struct ew_matmul_choice){1, 1, 4};
    r.choice.matmul[EW_TYPE_F16][0] = (struct ew_matmul_choice){0, 1, 0};
    r.choice.vector = 1;
    const struct ew_kernel_figure f = {"Q4_0", "rows", "gemm_q4_0_ref", 128, 1.5e9, 3e9, 0.25, 0.0125, true};
    assert_true(ew_kernel_figures_add(&r.figures, &f));
    return r;
}

static struct ew_choice_record empty(void) {
    return (struct ew_choice_record){.processor = "A processor @ 1 GHz", .features = 0};
}

static void a_round_trip_loses_nothing(void **state) {
    (void)state;
    struct ew_choice_record r = example(), back = empty();
    char *text = ew_choice_text_write(&r);
    assert_non_null(text);
    assert_int_equal(ew_choice_text_read(&back, text, strlen(text), NULL), EW_OK);
    assert_memory_equal(&r.choice, &back.choice, sizeof r.choice);
    assert_string_equal(back.date, r.date);
    assert_int_equal(back.figures.n, 1);
    assert_string_equal(back.figures.at[0].kernel, "gemm_q4_0_ref");
    assert_int_equal(back.figures.at[0].tokens, 128);
    assert_float_equal(back.figures.at[0].bytes_per_s, 1.5e9, 1);
    assert_float_equal(back.figures.at[0].of_limit, 0.25, 1e-6);
    assert_float_equal(back.figures.at[0].spread, 0.0125, 1e-6);
    assert_true(back.figures.at[0].chosen);
    char *again = ew_choice_text_write(&back);
    assert_string_equal(text, again);
    free(text);
    free(again);
    free(r.figures.at);
    free(back.figures.at);
}

/* Every prefix, and every byte changed: refused, and the record is as before. */
static void damage_is_refused(void **state) {
    (void)state;
    struct ew_choice_record r = example(), back = empty(), before = empty();
    char *text = ew_choice_text_write(&r);
    size_t n = strlen(text);
    for (size_t cut = 0; cut < n; cut++) assert_int_equal(ew_choice_text_read(&back, text, cut, NULL), EW_ERR_FORMAT);
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit += 3) {
            text[i] = (char)(text[i] ^ 1 << bit);
            enum ew_status status = ew_choice_text_read(&back, text, n, NULL);
            /* Upper and lower case of the sum's own digits mean the same. */
            if (i < n - 17) assert_int_not_equal(status, EW_OK);
            if (status == EW_OK) {
                free(back.figures.at);
                back = empty();
            }
            text[i] = (char)(text[i] ^ 1 << bit);
        }
    assert_memory_equal(&back, &before, sizeof back);
    free(text);
    free(r.figures.at);
}

static void others_are_refused_in_words(void **state) {
    (void)state;
    struct ew_choice_record r = example(), other_cpu = empty(), other_features = empty();
    struct ew_error err;
    char *text = ew_choice_text_write(&r);
    strcpy(other_cpu.processor, "Another processor");
    other_features.features = EW_CPU_AVX2 | EW_CPU_NEON;
    assert_int_equal(ew_choice_text_read(&other_cpu, text, strlen(text), &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "another processor: A processor @ 1 GHz"));
    assert_int_equal(ew_choice_text_read(&other_features, text, strlen(text), &err), EW_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "set of features"));
    free(text);
    free(r.figures.at);
}

/* The example's text with one piece exchanged, and a sum that fits. */
static enum ew_status read_changed(const char *from, const char *to, struct ew_error *err) {
    struct ew_choice_record r = example(), back = empty();
    char *text = ew_choice_text_write(&r), *changed = NULL, *at = strstr(text, from);
    assert_non_null(at);
    size_t body = strlen(text) - 21;
    assert_int_equal(strncmp(text + body, "end ", 4), 0);
    text[body] = 0;
    assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    char *whole = NULL;
    assert_true(asprintf(&whole, "%send %016" PRIx64 "\n", changed, ew_checksum(changed, strlen(changed), 0)) > 0);
    enum ew_status status = ew_choice_text_read(&back, whole, strlen(whole), err);
    if (status == EW_OK) free(back.figures.at);
    free(text);
    free(changed);
    free(whole);
    free(r.figures.at);
    return status;
}

static void wrong_lines_are_refused_by_their_rule(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *word;
        enum ew_status status;
    } cases[] = {
        {"edgewise kernels 1", "edgewise kernels 2", "version", EW_ERR_UNSUPPORTED},
        {"edgewise kernels 1", "something else 1", "line 1", EW_ERR_FORMAT},
        {"table ", "table 0", "build's kernels", EW_ERR_UNSUPPORTED},
        {"decided 20", "dedicated 20", "line 5", EW_ERR_FORMAT},
        {"type Q4_0", "type Q99_0", "line 9: is no type", EW_ERR_FORMAT},
        {"packed no", "packed maybe", "packed is not", EW_ERR_FORMAT},
        {"choice Q4_0 rows", "choice Q4_0 columns", "layout", EW_ERR_FORMAT},
        {"choice Q4_0 rows few ref", "choice Q4_0 rows few avx9", "may not run here", EW_ERR_FORMAT},
        {"choice Q4_0 rows few ref many ref few_tokens 3", "choice Q4_0 rows few ref many ref few_tokens 900",
         "is no choice", EW_ERR_FORMAT},
        {"attention ref", "attention sse9", "may not run here", EW_ERR_FORMAT},
        {"figure Q4_0 rows 128", "figure Q4_0 rows many", "is no figure", EW_ERR_FORMAT},
        {"1.5e+09", "nan", "no number", EW_ERR_FORMAT},
        {"attention ref\n", "attention ref\nfuture line\n", "begins with no word", EW_ERR_FORMAT},
    };
    struct ew_error err;
    assert_int_equal(read_changed("packed no", "packed yes", NULL), EW_OK); /* the helper itself */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(read_changed(cases[i].from, cases[i].to, &err), cases[i].status);
        if (!strstr(err.message, cases[i].word)) fail_msg("`%s`: %s", cases[i].to, err.message);
    }
}

/* On a machine without features a variant that needs some may not be taken from a file. */
static void variants_must_be_allowed(void **state) {
    (void)state;
    char to[96];
    struct ew_error err;
    uint32_t last = ew_kernels_n_variants() - 1;
    if (last == 0) skip();
    snprintf(to, sizeof to, "choice Q4_0 rows few %s", ew_kernels_variant_name(last));
    assert_int_equal(read_changed("choice Q4_0 rows few ref", to, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "may not run here"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_loses_nothing),  cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(others_are_refused_in_words), cmocka_unit_test(wrong_lines_are_refused_by_their_rule),
        cmocka_unit_test(variants_must_be_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
