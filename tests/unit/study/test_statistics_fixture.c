/* Statistics against tables that SciPy and R wrote: tests/fixtures/statistics/README.md. */
#include "study/bootstrap.h"
#include "study/comparison.h"
#include "study/distributions.h"
#include "study/drift.h"
#include "study/effect_size.h"
#include "study/multiplicity.h"
#include "study/quantiles.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_VALUES = 600, LINE = 8192 };

struct table {
    char lines[128][LINE];
    size_t n, checked;
};

struct row {
    double v[MOST_VALUES];
    size_t n;
};

static struct table scipy, r;

static int read_table(struct table *table, const char *name) {
    char path[1024];
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(path, sizeof path, "%s/tests/fixtures/statistics/%s", source ? source : ".", name);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    while (table->n < 128 && fgets(table->lines[table->n], LINE, file)) table->n++;
    fclose(file);
    return table->n > 10 ? 0 : -1;
}

static int read_tables(void **state) {
    (void)state;
    return read_table(&scipy, "scipy.txt") || read_table(&r, "r.txt");
}

/* The numbers after "value KEY " or "sample KEY ". */
static struct row get(struct table *table, const char *kind, const char *key) {
    char head[128];
    int length = snprintf(head, sizeof head, "%s %s ", kind, key);
    struct row row = {.n = 0};
    for (size_t i = 0; i < table->n && row.n == 0; i++) {
        if (strncmp(table->lines[i], head, (size_t)length) != 0) continue;
        char *at = table->lines[i] + length, *end;
        for (double v; row.n < MOST_VALUES && (v = strtod(at, &end), end != at); at = end) row.v[row.n++] = v;
    }
    if (row.n == 0) fail_msg("no line \"%s\"", head);
    table->checked += strcmp(kind, "value") == 0;
    return row;
}

static void near(const char *what, double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance * fmax(1e-3, fabs(expected))))
        fail_msg("%s: %.15g is not %.15g", what, value, expected);
}

static void check(struct table *table, const char *key, size_t n, ...) {
    struct row expected = get(table, "value", key);
    assert_int_equal(expected.n, n);
    va_list args;
    va_start(args, n);
    for (size_t i = 0; i < n; i++) near(key, va_arg(args, double), expected.v[i], 1e-9);
    va_end(args);
}

static void distributions(void **state) {
    (void)state;
    char key[64];
    static const double x[] = {-3.1, -0.4, 0, 1.2, 5.5}, p[] = {0.001, 0.025, 0.3, 0.975, 0.9999};
    static const double f[] = {0.2, 1, 3.7, 40}, k[] = {0, 3, 24, 49};
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "normal_below %g", x[i]);
        check(&scipy, key, 1, ew_stat_normal_below(x[i]));
        snprintf(key, sizeof key, "student_below %g 2.5", x[i]);
        check(&scipy, key, 1, ew_stat_student_below(x[i], 2.5));
        snprintf(key, sizeof key, "normal_quantile %g", p[i]);
        check(&scipy, key, 1, ew_stat_normal_quantile(p[i]));
        snprintf(key, sizeof key, "student_quantile %g 4", p[i]);
        check(&scipy, key, 1, ew_stat_student_quantile(p[i], 4));
        snprintf(key, sizeof key, "student_quantile %g 77.7", p[i]);
        check(&scipy, key, 1, ew_stat_student_quantile(p[i], 77.7));
    }
    for (int i = 0; i < 4; i++) {
        snprintf(key, sizeof key, "fisher_above %g 4 15", f[i]);
        check(&scipy, key, 1, ew_stat_fisher_above(f[i], 4, 15));
        snprintf(key, sizeof key, "binomial_below %g 50 0.37", k[i]);
        check(&scipy, key, 1, ew_stat_binomial_below(k[i], 50, 0.37));
    }
    check(&scipy, "beta 0.3 120.5 300", 1, ew_stat_beta(0.3, 120.5, 300));
    assert_true(isnan(ew_stat_beta(2, 1, 1)) && isnan(ew_stat_normal_quantile(0)) &&
                isnan(ew_stat_student_quantile(0.5, 0)) && isnan(ew_stat_fisher_above(-1, 1, 1)));
}

static void summaries(void **state) {
    (void)state;
    static const char *const names[] = {"a", "five", "ties", "long_a"};
    char key[64];
    for (int i = 0; i < 4; i++) {
        struct row x = get(&scipy, "sample", names[i]);
        struct ew_stat_summary s;
        assert_int_equal(ew_stat_summarise(x.v, x.n, &s, NULL), EW_OK);
        snprintf(key, sizeof key, "summary %s", names[i]);
        check(&scipy, key, 4, s.mean, s.median, s.stddev, s.mad);
    }
}

static void intervals(void **state) {
    (void)state;
    static const char *const names[] = {"a", "ties", "long_a", "many"}, *const few[] = {"five", "a"};
    static const double q[] = {0.5, 0.9, 0.99};
    char key[64];
    for (int i = 0; i < 4; i++) {
        struct row x = get(&scipy, "sample", names[i]);
        ew_stat_sort(x.v, x.n);
        struct ew_stat_interval at = ew_stat_median_interval(x.v, x.n, 0.95);
        snprintf(key, sizeof key, "median_interval %s", names[i]);
        check(&scipy, key, 2, at.low, at.high);
    }
    for (int i = 0; i < 2; i++) {
        struct row x = get(&scipy, "sample", few[i]);
        struct ew_stat_interval at;
        assert_int_equal(ew_stat_mean_interval(x.v, x.n, 1, &at, NULL), EW_OK);
        assert_int_equal(at.method, EW_INTERVAL_BOOTSTRAP);
        snprintf(key, sizeof key, "mean_interval %s", few[i]);
        check(&scipy, key, 2, at.low, at.high);
    }
    struct row many = get(&scipy, "sample", "many");
    ew_stat_sort(many.v, many.n);
    for (int i = 0; i < 3; i++) {
        struct ew_stat_interval at = ew_stat_quantile_interval(many.v, many.n, q[i], 0.95);
        snprintf(key, sizeof key, "quantile %g", q[i]);
        check(&scipy, key, 3, ew_stat_quantile(many.v, many.n, q[i]), at.low, at.high);
        assert_true(at.coverage >= 0.95);
    }
}

static struct ew_stat_rank_test whitney(const struct row *a, const struct row *b) {
    struct ew_stat_rank_test test;
    assert_int_equal(ew_stat_mann_whitney(a->v, a->n, b->v, b->n, &test, NULL), EW_OK);
    return test;
}

static void ranks_as_scipy(void **state) {
    (void)state;
    struct row a = get(&scipy, "sample", "a"), b = get(&scipy, "sample", "b"), ties = get(&scipy, "sample", "ties"),
               more = get(&scipy, "sample", "more_ties"), la = get(&scipy, "sample", "long_a"),
               lb = get(&scipy, "sample", "long_b");
    struct ew_stat_rank_test test = whitney(&a, &b);
    assert_true(test.exact);
    check(&scipy, "mann_whitney a b", 1, test.p);
    test = whitney(&ties, &more);
    assert_true(test.exact);
    check(&scipy, "mann_whitney ties more_ties", 1, test.p);
    check(&scipy, "cliff ties more_ties", 1, test.delta);
    test = whitney(&la, &lb);
    assert_false(test.exact);
    check(&scipy, "mann_whitney long_a long_b", 1, test.p);
    assert_int_equal(ew_stat_signed_rank(a.v, b.v, a.n, &test, NULL), EW_OK);
    check(&scipy, "signed_rank a b", 1, test.p);
}

static void shifts_as_r(void **state) {
    (void)state;
    struct row a = get(&r, "sample", "a"), b = get(&r, "sample", "b"), fa = get(&r, "sample", "few_a"),
               fb = get(&r, "sample", "few_b");
    struct ew_stat_rank_test t = whitney(&a, &b);
    check(&r, "groups_shift a b", 4, t.p, t.shift, t.shift_interval.low, t.shift_interval.high);
    t = whitney(&fa, &fb);
    check(&r, "groups_shift few_a few_b", 4, t.p, t.shift, t.shift_interval.low, t.shift_interval.high);
    near("coverage", t.shift_interval.coverage, 1 - 8.0 / 252, 1e-12); /* 1, 1 and 2 of 252 splits on a side */
    assert_int_equal(ew_stat_signed_rank(a.v, b.v, a.n, &t, NULL), EW_OK);
    check(&r, "pairs_shift a b", 4, t.p, t.shift, t.shift_interval.low, t.shift_interval.high);
}

static void t_tests(void **state) {
    (void)state;
    struct row a = get(&r, "sample", "a"), b = get(&r, "sample", "b"), fa = get(&r, "sample", "few_a"),
               fb = get(&r, "sample", "few_b"), la = get(&scipy, "sample", "long_a"),
               lb = get(&scipy, "sample", "long_b");
    struct ew_stat_equivalence e = ew_stat_compare_groups(a.v, a.n, b.v, b.n, 0.05);
    check(&r, "welch a b", 5, e.ratio, e.low, e.high, e.different_p, e.df);
    check(&scipy, "groups a b 0.05", 2, e.different_p, e.equivalent_p);
    e = ew_stat_compare_pairs(fa.v, fb.v, fa.n, 0);
    check(&r, "paired few_a few_b", 5, e.ratio, e.low, e.high, e.different_p, e.df);
    assert_true(isnan(e.equivalent_p) && e.runs_wanted == 0);
    e = ew_stat_compare_pairs(a.v, b.v, a.n, 0.05);
    check(&scipy, "pairs a b 0.05", 2, e.different_p, e.equivalent_p);
    e = ew_stat_compare_groups(la.v, la.n, lb.v, lb.n, 0.02);
    check(&scipy, "groups long_a long_b 0.02", 2, e.different_p, e.equivalent_p);
    e = ew_stat_compare_pairs(la.v, lb.v, la.n, 0.02);
    check(&scipy, "pairs long_a long_b 0.02", 2, e.different_p, e.equivalent_p);
}

static void effects(void **state) {
    (void)state;
    static const char *const keys[] = {"hedges a b", "hedges long_a long_b"}, *const names[] = {"a", "b", "long_a",
                                                                                                "long_b"};
    for (int i = 0; i < 2; i++) {
        struct row a = get(&scipy, "sample", names[2 * i]), b = get(&scipy, "sample", names[2 * i + 1]);
        struct ew_stat_comparison c;
        const struct ew_stat_sample sa = {a.v, NULL, a.n}, sb = {b.v, NULL, b.n};
        assert_int_equal(ew_stat_compare(&sa, &sb, true, 0.02, 1, &c, NULL), EW_OK);
        check(&scipy, keys[i], 1, c.hedges_g);
    }
}

static void trends_and_blocks(void **state) {
    (void)state;
    struct row drift = get(&scipy, "sample", "drift"), la = get(&scipy, "sample", "long_a"), a = get(&r, "sample", "a"),
               speed = get(&r, "sample", "speed");
    struct ew_stat_trend t;
    assert_int_equal(ew_stat_find_trend(NULL, drift.v, drift.n, &t, NULL), EW_OK);
    check(&scipy, "trend drift", 2, t.slope, t.p);
    assert_int_equal(ew_stat_find_trend(NULL, la.v, la.n, &t, NULL), EW_OK);
    check(&scipy, "trend long_a", 1, t.slope);
    assert_int_equal(ew_stat_find_trend(NULL, a.v, a.n, &t, NULL), EW_OK);
    check(&r, "inversions_p", 1, t.p);
    struct row both = get(&r, "sample", "a"), b = get(&r, "sample", "b");
    for (size_t i = 0; i < b.n; i++) both.v[both.n++] = b.v[i];
    check(&r, "lag1 a", 1, ew_stat_find_neighbours(both.v, both.n).r1);
    struct ew_stat_block_run runs[12];
    for (size_t i = 0; i < 12; i++) runs[i] = (struct ew_stat_block_run){speed.v[i], i / 4, i % 4};
    struct ew_stat_block_effect e;
    assert_int_equal(ew_stat_find_block_effect(runs, 12, 3, 4, &e, NULL), EW_OK);
    check(&r, "blocks_full", 4, e.f, e.p, e.df1, e.df2);
    assert_int_equal(e.largest_block, 3); /* 5 % less in each configuration */
    assert_true(e.differs && e.largest < -0.04 && e.largest > -0.07);
    memmove(runs + 6, runs + 7, 5 * sizeof *runs);
    assert_int_equal(ew_stat_find_block_effect(runs, 11, 3, 4, &e, NULL), EW_OK);
    check(&r, "blocks_missing_7", 4, e.f, e.p, e.df1, e.df2);
}

static void many_tests(void **state) {
    (void)state;
    struct row p = get(&r, "sample", "p"), again = p;
    struct row holm = get(&r, "value", "holm p"), hochberg = get(&r, "value", "benjamini_hochberg p");
    p.v[p.n] = again.v[again.n] = NAN;
    assert_int_equal(ew_stat_adjust_holm(p.v, p.n + 1, NULL), EW_OK);
    assert_int_equal(ew_stat_adjust_benjamini_hochberg(again.v, again.n + 1, NULL), EW_OK);
    for (size_t i = 0; i < p.n; i++) {
        near("holm", p.v[i], holm.v[i], 1e-12);
        near("hochberg", again.v[i], hochberg.v[i], 1e-12);
    }
    assert_true(isnan(p.v[p.n]) && isnan(again.v[again.n]));
}

static void every_value_was_used(void **state) {
    (void)state;
    size_t values = 0;
    for (size_t i = 0; i < scipy.n; i++) values += strncmp(scipy.lines[i], "value ", 6) == 0;
    for (size_t i = 0; i < r.n; i++) values += strncmp(r.lines[i], "value ", 6) == 0;
    assert_int_equal(values, scipy.checked + r.checked);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions), cmocka_unit_test(summaries),
        cmocka_unit_test(intervals),     cmocka_unit_test(ranks_as_scipy),
        cmocka_unit_test(shifts_as_r),   cmocka_unit_test(t_tests),
        cmocka_unit_test(effects),       cmocka_unit_test(trends_and_blocks),
        cmocka_unit_test(many_tests),    cmocka_unit_test(every_value_was_used),
    };
    return cmocka_run_group_tests(tests, read_tables, NULL);
}
