/* What a verdict promises, by simulation with known truth: the same configuration under two names is not told apart, a
 * planted 5 % is found, and a ratio that lies at the margin does not pass for "no difference". Seeded: the counts are
 * the same on every machine, so nothing here depends on luck or speed. docs/statistics.md has more rows. */
#include "study/comparison.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { STUDIES = 600, MOST_RUNS = 15 };

/* A generator of its own, so that nothing is shared with the code under test: L'Ecuyer's 64-bit LCG, high bits. */
static double uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state) { /* Box and Muller 1958 */
    double radius = sqrt(-2 * log(uniform(state)));
    return radius * cos(6.283185307179586 * uniform(state));
}

struct truth {
    size_t runs;
    double noise;  /* of a run */
    double stalls; /* share of runs that are 10 to 30 % slower */
    double blocks; /* what all runs of a block have in common */
    double ratio;  /* of the first to the second */
};

struct counts {
    int different, equivalent;
};

static double one_run(const struct truth *truth, uint64_t *state) {
    double value = 100 * exp(truth->noise * normal(state));
    return uniform(state) < truth->stalls ? value / (1.1 + 0.2 * uniform(state)) : value;
}

static struct counts simulate(struct truth truth, uint64_t seed) {
    struct counts counts = {0, 0};
    for (int study = 0; study < STUDIES; study++) {
        double a[MOST_RUNS], b[MOST_RUNS];
        int64_t blocks[MOST_RUNS];
        for (size_t i = 0; i < truth.runs; i++) {
            double weather = exp(truth.blocks * normal(&seed));
            blocks[i] = (int64_t)i;
            a[i] = truth.ratio * weather * one_run(&truth, &seed);
            b[i] = weather * one_run(&truth, &seed);
        }
        const struct ew_stat_sample first = {a, blocks, truth.runs}, second = {b, blocks, truth.runs};
        struct ew_stat_decision decision;
        assert_int_equal(ew_stat_decide(&first, &second, true, 0.02, &decision, NULL), 0);
        counts.different += decision.verdict == EW_VERDICT_DIFFERENT;
        counts.equivalent += decision.verdict == EW_VERDICT_EQUIVALENT;
    }
    return counts;
}

static void same_configuration_under_two_names(void **state) {
    (void)state;
    static const struct truth cases[] = {{5, 0.01, 0, 0, 1},    {5, 0.05, 0, 0, 1},       {10, 0.02, 0, 0, 1},
                                         {15, 0.02, 0, 0, 1},   {10, 0.02, 0.05, 0, 1},   {15, 0.01, 0.05, 0, 1},
                                         {5, 0.02, 0, 0.02, 1}, {10, 0.02, 0.05, 0.02, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_in_range(simulate(cases[i], 100 + i).different, 0, STUDIES * 5 / 100);
}

static void a_planted_slowdown_is_found(void **state) {
    (void)state;
    static const struct truth cases[] = {{5, 0.01, 0, 0, 1 / 1.05},
                                         {10, 0.02, 0, 0, 1 / 1.05},
                                         {10, 0.02, 0, 0.05, 1 / 1.05},
                                         {15, 0.01, 0.05, 0, 1 / 1.05}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_in_range(simulate(cases[i], 200 + i).different, STUDIES * 95 / 100, STUDIES);
}

static void equivalence_is_shown_and_not_given_away(void **state) {
    (void)state;
    struct truth quiet = {15, 0.01, 0, 0, 1};
    assert_in_range(simulate(quiet, 300).equivalent, STUDIES * 95 / 100, STUDIES);
    static const struct truth at_margin[] = {
        {5, 0.01, 0, 0, 1.02}, {15, 0.02, 0, 0, 1.02}, {10, 0.02, 0.05, 0.02, 1.02}};
    for (size_t i = 0; i < sizeof at_margin / sizeof *at_margin; i++)
        assert_in_range(simulate(at_margin[i], 400 + i).equivalent, 0, STUDIES * 5 / 100);
}

static void too_little_claims_nothing(void **state) {
    (void)state;
    double a[] = {1, 1.01}, b[] = {2, 2.01};
    struct ew_stat_decision decision;
    const struct ew_stat_sample first = {a, NULL, 2}, second = {b, NULL, 2}, none = {a, NULL, 0};
    assert_int_equal(ew_stat_decide(&first, &second, false, 0.02, &decision, NULL), 0);
    assert_int_equal(decision.verdict, EW_VERDICT_UNDECIDED);
    assert_int_equal(ew_stat_decide(&first, &none, false, 0.02, &decision, NULL), 0);
    assert_int_equal(decision.verdict, EW_VERDICT_UNDECIDED);
    assert_true(isnan(decision.different_p));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_configuration_under_two_names),
        cmocka_unit_test(a_planted_slowdown_is_found),
        cmocka_unit_test(equivalence_is_shown_and_not_given_away),
        cmocka_unit_test(too_little_claims_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
