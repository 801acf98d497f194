/* Choosing under limits, and memory over context, on numbers that can be followed by hand. */
#include "insight/context_fit.h"
#include "insight/recommend.h"
#include "insight/words.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define assert_near_value(got_, expected_, within_) assert_true(fabs((got_) - (expected_)) <= (within_))

enum { N = 4 };
struct made {
    struct ew_model_record model[N];
    struct ew_insight_config config[N];
    struct ew_insight insight;
};

static void set(struct made *m, int i, const char *label, int64_t params, double speed, double ttft, double bytes,
                double joules) {
    m->model[i] = (struct ew_model_record){.name = label, .n_params = params, .file_bytes = params};
    struct ew_insight_config *c = &m->config[i];
    *c = (struct ew_insight_config){.model = &m->model[i], .name = label, .label = label, .n_ok = 5, .quality = NAN};
    for (int k = 0; k < EW_MEASURES; k++) c->figure[k] = (struct ew_figure){.value = NAN};
    c->figure[EW_MEASURE_DECODE].value = speed;
    c->figure[EW_MEASURE_TTFT].value = ttft;
    c->figure[EW_MEASURE_PEAK_MEMORY].value = bytes;
    c->figure[EW_MEASURE_DECODE_ENERGY].value = joules;
}

static void make(struct made *m) {
    memset(m, 0, sizeof *m);
    set(m, 0, "large", 8000000000, 2, 9, 6e9, 4);
    set(m, 1, "middle", 3000000000, 6, 3, 2.5e9, 1.5);
    set(m, 2, "small", 1000000000, 20, 0.8, 1e9, 0.4);
    set(m, 3, "tiny", 100000000, 90, 0.1, 2e8, NAN);
    m->insight = (struct ew_insight){.configs = m->config, .n_configs = N};
}

static struct ew_wishes wishes(void) {
    struct ew_wishes w = {0};
    for (int l = 0; l < EW_LIMITS; l++) w.limit[l] = NAN;
    return w;
}

static struct ew_recommendation ask(struct made *m, const struct ew_wishes *w) {
    struct ew_recommendation r;
    assert_int_equal(ew_recommend(&m->insight, w, &r, NULL), EW_OK);
    return r;
}

static void test_limits(void **state) {
    (void)state;
    struct made m;
    make(&m);
    struct ew_wishes w = wishes();
    assert_string_equal(ask(&m, &w).config->label, "large");
    w.limit[EW_LIMIT_MEMORY] = 3e9;
    struct ew_recommendation r = ask(&m, &w);
    assert_string_equal(r.config->label, "middle");
    assert_int_equal(r.n_meeting, 3);
    assert_int_equal(r.broken[EW_LIMIT_MEMORY], 1);
    assert_non_null(strstr(r.reason, "1 by peak memory"));
    w.limit[EW_LIMIT_TTFT] = 1;
    assert_string_equal(ask(&m, &w).config->label, "small");
    /* small runs at 20 tokens/s x 0.4 J = 8 W; middle at 6 x 1.5 = 9 W; tiny's joules are not known, so its watts
     * aren't. */
    w = wishes();
    w.limit[EW_LIMIT_WATTS] = 8.5;
    r = ask(&m, &w);
    assert_string_equal(r.config->label, "large"); /* 2 x 4 = 8 W */
    assert_int_equal(r.unknown[EW_LIMIT_WATTS], 1);
    ew_words_free(&m.insight);
}

static void test_preferences(void **state) {
    (void)state;
    struct made m;
    make(&m);
    struct ew_wishes w = wishes();
    w.prefer = EW_PREFER_SPEED;
    assert_string_equal(ask(&m, &w).config->label, "tiny");
    w.prefer = EW_PREFER_ENERGY; /* tiny's is not known and so is not the least */
    assert_string_equal(ask(&m, &w).config->label, "small");
    w.prefer = EW_PREFER_MEMORY;
    assert_string_equal(ask(&m, &w).config->label, "tiny");
    w.prefer = EW_PREFER_QUALITY;
    m.config[1].quality = 0.6; /* measured quality beats parameters, and a model without comes after one with */
    m.config[2].quality = 0.5;
    struct ew_recommendation r = ask(&m, &w);
    assert_string_equal(r.config->label, "middle");
    assert_null(strstr(r.reason, "not measured"));
    w.limit[EW_LIMIT_QUALITY] = 0.55;
    assert_int_equal(ask(&m, &w).n_meeting, 1);
    ew_words_free(&m.insight);
}

static void test_nothing_fits(void **state) {
    (void)state;
    struct made m;
    make(&m);
    struct ew_wishes w = wishes();
    w.limit[EW_LIMIT_SPEED] = 25;
    w.limit[EW_LIMIT_JOULES] = 0.5;
    struct ew_recommendation r = ask(&m, &w);
    assert_null(r.config);
    assert_non_null(
        strstr(r.reason, "The nearest is small: its decode speed is 20")); /* 25/20 is the smallest factor */
    assert_non_null(strstr(r.reason, "energy per token was not measured in 1 of 4"));
    m.config[2].n_ok = 0; /* what never ran well is no answer, near or not */
    r = ask(&m, &w);
    assert_null(strstr(r.reason, "small"));
    ew_words_free(&m.insight);
}

/* 1000 MiB of weights, 50 MiB of the rest, 64 MiB of cache at 2048 tokens: 32 KiB per token. */
static void test_context(void **state) {
    (void)state;
    const int64_t mib = 1 << 20;
    const struct ew_ledger_record ledger = {.present = true,
                                            .weights_mapped = 400 * mib,
                                            .weights_packed = 600 * mib,
                                            .kv_cache = 64 * mib,
                                            .total = 1114 * mib};
    struct ew_context_fit fit;
    assert_true(ew_context_fit_make(&ledger, 2048, &fit));
    assert_near_value(fit.kv_bytes_per_token, 32 * 1024, 0);
    assert_near_value(fit.outgrows_tokens, 32000, 0);
    assert_near_value(ew_context_fit_bytes(&fit, 2048), 1114.0 * (double)mib, 0);
    bool at_limit = true;
    assert_int_equal(ew_context_fit_most(&fit, 1114.0 * (double)mib, EW_MISSING, &at_limit), 2048);
    assert_false(at_limit);
    assert_int_equal(ew_context_fit_most(&fit, 4e9, 8192, &at_limit), 8192);
    assert_true(at_limit);
    assert_int_equal(ew_context_fit_most(&fit, 1049.0 * (double)mib, EW_MISSING, &at_limit), 0);
    assert_false(ew_context_fit_make(&ledger, 0, &fit));
    assert_false(ew_context_fit_make(&(struct ew_ledger_record){0}, 2048, &fit));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_preferences),
        cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
