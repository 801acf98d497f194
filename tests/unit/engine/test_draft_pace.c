/* The rule of when to draft, on made-up machines and texts: a clock that moves by what a pass is said to cost, and
 * drafted tokens that come true as often as is said. What must hold follows from the costs by arithmetic. */
#include "engine/draft_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { STEP_NS = 1000000 };

struct world {
    double cost_of_more; /* of each token after the first of a pass, in steps */
    double share;        /* of drafted tokens that come true */
    uint32_t matched, most;
    uint64_t random;
    double clock_ns;
    uint64_t drafted, accepted;
};

static double next_random(struct world *w) {
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(w->random >> 11) * 0x1p-53;
}

/* Decodes n tokens, a match before each. */
static void decode(struct ew_draft_pace *pace, struct world *w, uint64_t n) {
    for (uint64_t made = 0; made < n;) {
        uint32_t k = ew_draft_pace_choose(pace, w->matched, w->most);
        int64_t ns = (int64_t)(STEP_NS * (1 + k * w->cost_of_more));
        w->clock_ns += (double)ns;
        made++;
        if (k == 0) {
            ew_draft_pace_note_step(pace, ns);
            continue;
        }
        uint32_t n_true = 0;
        while (n_true < k && next_random(w) < w->share) n_true++;
        ew_draft_pace_note_pass(pace, w->matched, k, n_true, n_true < k, ns);
        made += n_true;
        w->drafted += k;
        w->accepted += n_true;
    }
}

/* Time for n tokens, in steps. */
static double steps_for(struct world w, uint64_t n) {
    struct ew_draft_pace pace;
    ew_draft_pace_begin(&pace, w.most, false);
    decode(&pace, &w, n);
    return w.clock_ns / STEP_NS;
}

/* Nothing that is drafted comes true: 1 % of all time and two steps are lost at most, and the pass that went beyond:
 * steps <= n + 0.01 steps + 2 + 15 c. */
static void test_hopeless_text_costs_little(void **state) {
    (void)state;
    static const double costs[] = {0.05, 0.25, 0.5, 1};
    static const uint64_t lengths[] = {16, 64, 200, 1000, 20000};
    for (int c = 0; c < 4; c++)
        for (uint32_t matched = 2; matched <= 4; matched++)
            for (int i = 0; i < 5; i++) {
                struct world w = {.cost_of_more = costs[c], .share = 0, .matched = matched, .most = 15, .random = 1};
                double n = (double)lengths[i], steps = steps_for(w, lengths[i]);
                assert_true(steps <= (n + 2 + 15 * costs[c]) / 0.99);
            }
}

/* What comes true always, at a quarter of a step each: 16 tokens for 4.75 steps. */
static void test_repetition_is_drafted_widely(void **state) {
    (void)state;
    struct world w = {.cost_of_more = 0.25, .share = 1, .matched = 4, .most = 15, .random = 1};
    double steps = steps_for(w, 4000);
    assert_true(steps >= 4000 * 4.75 / 16);
    assert_true(steps <= 1.05 * 4000 * 4.75 / 16);
    w.most = 3; /* 4 tokens for 1.75 steps */
    steps = steps_for(w, 4000);
    assert_true(steps >= 4000 * 1.75 / 4);
    assert_true(steps <= 1.05 * 4000 * 1.75 / 4);
}

/* Where a pass costs as much as its tokens one by one nothing can be won, and nothing is drafted for long. */
static void test_nothing_to_win_nothing_lost(void **state) {
    (void)state;
    for (int share = 0; share <= 10; share++) {
        struct world w = {.cost_of_more = 1, .share = share / 10.0, .matched = 4, .most = 15, .random = 3};
        assert_true(steps_for(w, 2000) <= 1.012 * 2000);
    }
}

/* Every share and cost: never more than 1.2 % slower over a long text, and near the best fixed width where that wins.
 * With k drafts E(k) = (1 - a^(k + 1)) / (1 - a) tokens take 1 + c k steps. */
static void test_follows_the_best_width(void **state) {
    (void)state;
    static const double costs[] = {0.1, 0.2, 0.4, 0.7};
    for (int c = 0; c < 4; c++) {
        for (int percent = 10; percent <= 95; percent += 17) {
            double a = percent / 100.0, best = 1, power = 1, tokens = 1;
            for (int k = 1; k <= 15; k++) {
                power *= a;
                tokens += power;
                if ((1 + costs[c] * k) / tokens < best) best = (1 + costs[c] * k) / tokens;
            }
            struct world w = {.cost_of_more = costs[c], .share = a, .matched = 3, .most = 15, .random = 11};
            double steps = steps_for(w, 20000) / 20000;
            print_message("cost %.1f, share %.2f: %.3f steps a token, %.3f at best\n", costs[c], a, steps, best);
            assert_true(steps <= 1.012);
            assert_true(steps <= best * 1.12 + 0.01);
            assert_true(steps >= best * 0.97); /* the draws are random, too */
        }
    }
}

/* A text that begins to repeat itself: it pays again before as much has been written as was hopeless. */
static void test_tries_again(void **state) {
    (void)state;
    struct world w = {.cost_of_more = 0.25, .share = 0, .matched = 4, .most = 3, .random = 1};
    struct ew_draft_pace pace;
    ew_draft_pace_begin(&pace, w.most, false);
    decode(&pace, &w, 3000);
    uint64_t drafted = w.drafted;
    assert_int_equal(w.accepted, 0);
    assert_true(drafted < 3000 / 10);
    w.share = 1;
    decode(&pace, &w, 3000);
    assert_true(w.accepted > 0);
    double before = w.clock_ns;
    decode(&pace, &w, 1000);
    assert_true(w.clock_ns - before < 0.5 * 1000 * STEP_NS);
}

/* Pauses grow: of 32, 64, 128 … 4096 tokens. With shares of none each try is in vain. */
static void test_pauses_double(void **state) {
    (void)state;
    struct ew_draft_pace p;
    ew_draft_pace_begin(&p, 1, false);
    for (int i = 0; i < 4000; i++) ew_draft_pace_note_step(&p, STEP_NS); /* 40 steps may be lost */
    uint32_t waited = 0, tries = 0, want = 32;
    for (int i = 0; i < 100 && p.match[0].pause == 0; i++) /* the guess is that it pays; it does not */
        if (ew_draft_pace_choose(&p, 2, 1) > 0) ew_draft_pace_note_pass(&p, 2, 1, 0, true, 2 * STEP_NS);
    while (tries < 9) {
        if (ew_draft_pace_choose(&p, 2, 1) == 0) {
            ew_draft_pace_note_step(&p, STEP_NS);
            waited++;
            continue;
        }
        assert_int_equal(waited, want);
        ew_draft_pace_note_pass(&p, 2, 1, 0, true, 2 * STEP_NS);
        waited = 0;
        tries++;
        want = want < 4096 ? 2 * want : 4096;
    }
    assert_int_equal(want, 4096);
}

/* Four steps are measured first. After them 0.75 is assumed of four tokens that match and a quarter of a step for each
 * drafted one: E(k) / c(1 + k) = 1.400, 1.542, 1.563, 1.525 for k = 1 … 4. Of two that match 0.4: 1.120, 1.040. */
static void test_first_choice(void **state) {
    (void)state;
    struct ew_draft_pace p;
    ew_draft_pace_begin(&p, 15, false);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ew_draft_pace_choose(&p, 4, 15), 0);
        ew_draft_pace_note_step(&p, STEP_NS);
    }
    assert_int_equal(ew_draft_pace_choose(&p, 4, 15), 3);
    assert_int_equal(ew_draft_pace_choose(&p, 4, 2), 2); /* no more were found */
    assert_int_equal(ew_draft_pace_choose(&p, 2, 15), 1);
    assert_int_equal(ew_draft_pace_choose(&p, 2, 0), 0);
}

/* One step in which the processor was away a thousand times as long does not make every pass look cheap. */
static void test_one_stall_says_nothing(void **state) {
    (void)state;
    struct ew_draft_pace p;
    ew_draft_pace_begin(&p, 15, false);
    for (int i = 0; i < 20; i++) ew_draft_pace_note_step(&p, STEP_NS);
    ew_draft_pace_note_step(&p, 1000 * (int64_t)STEP_NS);
    assert_true(p.step_ns.value < 1.2 * STEP_NS);
}

static void test_always_does_not_ask(void **state) {
    (void)state;
    struct ew_draft_pace p;
    ew_draft_pace_begin(&p, 5, true);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(ew_draft_pace_choose(&p, 2, 15), 5);
        ew_draft_pace_note_pass(&p, 2, 5, 0, true, 50 * (int64_t)STEP_NS);
    }
    assert_int_equal(ew_draft_pace_choose(&p, 3, 4), 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hopeless_text_costs_little),
        cmocka_unit_test(test_repetition_is_drafted_widely),
        cmocka_unit_test(test_nothing_to_win_nothing_lost),
        cmocka_unit_test(test_follows_the_best_width),
        cmocka_unit_test(test_tries_again),
        cmocka_unit_test(test_pauses_double),
        cmocka_unit_test(test_first_choice),
        cmocka_unit_test(test_one_stall_says_nothing),
        cmocka_unit_test(test_always_does_not_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
