/* The list of trials: its product, keys, order; and what is left of it while it runs. */
#include "study/study_plan.h"
#include "study/study_slots.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

struct world {
    struct ew_study_file *study;
    struct ew_located_model located[3];
    struct ew_located_models models;
    struct ew_plan_limits limits;
};

static void open_world(struct world *w, const char *sweep) {
    char text[1000];
    snprintf(text, sizeof text, "study: s\nmodels: [{file: a}, {file: b}, {file: c}]\n%s", sweep);
    struct ew_error err = {0};
    memset(w, 0, sizeof *w);
    if (ew_study_file_parse("s.yaml", text, strlen(text), &w->study, &err) != EW_OK) fail_msg("%s", err.message);
    static const char *const keys[] = {"ka", "kb", "kc"};
    for (size_t i = 0; i < 3; i++)
        w->located[i] = (struct ew_located_model){.from = &w->study->models[i],
                                                  .path = (char *)keys[i],
                                                  .file_bytes = 1000000 * (i + 1),
                                                  .record = {.key = keys[i]}};
    w->models = (struct ew_located_models){.models = w->located, .n = 3};
    w->limits = (struct ew_plan_limits){.usable_cpus = 4, .all_cores = 2};
}

static struct ew_study_plan make(struct world *w, uint64_t seed) {
    struct ew_study_plan plan;
    struct ew_error err = {0};
    if (ew_study_plan_make(w->study, &w->models, &w->limits, seed, &plan, &err) != EW_OK) fail_msg("%s", err.message);
    return plan;
}

static void product_of_the_sweep(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {prefill_threads: [1, 2, all], decode_threads: [1, 4], depth: [0, 8]}\n"
                   "measure: {repeats: 3, prompt_tokens: 16, generate_tokens: 4}\n");
    struct ew_study_plan plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 3 * 2 * 2 * 2); /* "2" and "all" are the same here */
    assert_int_equal(plan.n_trials, 24 * 3);
    for (size_t i = 0; i < plan.n_configs; i++) {
        const struct ew_config_record *c = &plan.configs[i].record;
        assert_int_equal(c->context, c->depth + 16 + 4);
        assert_true(plan.configs[i].cost > 0);
        for (size_t j = 0; j < i; j++) assert_string_not_equal(plan.configs[j].key, plan.configs[i].key);
    }
    /* Each block of 24 holds every configuration once; all keys differ. */
    for (size_t block = 0; block < 3; block++) {
        int seen[24] = {0};
        for (size_t i = 0; i < 24; i++) {
            const struct ew_plan_trial *t = &plan.trials[block * 24 + i];
            assert_int_equal(t->repeat, block);
            assert_int_equal(seen[t->config]++, 0);
        }
    }
    for (size_t i = 0; i < plan.n_trials; i++)
        for (size_t j = 0; j < i; j++) assert_string_not_equal(plan.trials[i].key, plan.trials[j].key);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

static void threads_together(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: [1, all]}\nmeasure: {repeats: 1}\n");
    struct ew_study_plan plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(plan.configs[i].record.prefill_threads, plan.configs[i].record.decode_threads);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

static void order_follows_the_seed_and_keys_do_not(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: [1, 2, 3, 4]}\nmeasure: {repeats: 2}\n");
    struct ew_study_plan a = make(&w, 5), b = make(&w, 5), c = make(&w, 6);
    int moved = 0, blocks_differ = 0;
    for (size_t i = 0; i < a.n_trials; i++) {
        assert_string_equal(a.trials[i].key, b.trials[i].key);
        moved += strcmp(a.trials[i].key, c.trials[i].key) != 0;
        size_t found = 0;
        for (size_t j = 0; j < c.n_trials; j++) found += strcmp(a.trials[i].key, c.trials[j].key) == 0;
        assert_int_equal(found, 1);
    }
    for (size_t i = 0; i < 12; i++) blocks_differ += a.trials[i].config != a.trials[12 + i].config;
    assert_true(moved > 0 && blocks_differ > 0);
    ew_study_plan_close(&a);
    ew_study_plan_close(&b);
    ew_study_plan_close(&c);
    ew_study_file_close(&w.study);
}

static void too_many_threads_are_refused(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep:\n  decode_threads: [1, 8]\n");
    struct ew_study_plan plan;
    struct ew_error err = {0};
    assert_int_equal(ew_study_plan_make(w.study, &w.models, &w.limits, 1, &plan, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "s.yaml:4: decode_threads: 8 is more than this machine's 4 cores (sweep: 1–4, or all)");
    ew_study_file_close(&w.study);
}

/* Cores 0-1 are fast, 2-3 slow, one thread each. */
static const struct ew_machine_cpu cpus[] = {
    {.id = 0, .core = 0, .kind = 0, .usable = true},  {.id = 1, .core = 1, .kind = 0, .usable = true},
    {.id = 2, .core = 2, .kind = 1, .usable = true},  {.id = 3, .core = 3, .kind = 1, .usable = true},
    {.id = 4, .core = 3, .kind = 1, .usable = false},
};
static const struct ew_machine machine = {.kinds = 2, .usable = 4, .n_cpus = 5, .cpus = (struct ew_machine_cpu *)cpus};

static void sets_of_cores(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: [1, 4, all], cores: [all, big, little, 1-2]}\nmeasure: {repeats: 1}\n");
    w.limits.machine = &machine;
    w.models.n = 1;
    struct ew_study_plan plan = make(&w, 1);
    /* On all: 1, 4, and all = 2; on each pair: 1, and all = 2; four threads do not fit there. */
    assert_int_equal(plan.n_configs, 3 + 3 * 2);
    assert_int_equal(plan.n_left_out, 3);
    assert_string_equal(plan.left_out[0].what, "4 threads on cores 0-1");
    int big = 0, little = 0;
    for (size_t i = 0; i < plan.n_configs; i++) {
        const struct ew_config_record *c = &plan.configs[i].record;
        assert_true((c->cores == NULL) == (plan.configs[i].cpus == NULL));
        big += c->cores && strcmp(c->cores, "0-1") == 0;
        little += c->cores && strcmp(c->cores, "2-3") == 0 && CPU_ISSET(3, plan.configs[i].cpus) &&
                  !CPU_ISSET(1, plan.configs[i].cpus);
    }
    assert_int_equal(big, 2);
    assert_int_equal(little, 2);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
    open_world(&w, "sweep:\n  cores: [3-4]\n");
    w.limits.machine = &machine;
    struct ew_error err = {0};
    assert_int_equal(ew_study_plan_make(w.study, &w.models, &w.limits, 1, &plan, &err), EW_ERR_ARGUMENT);
    assert_string_equal(err.message, "s.yaml:4: cores: 3-4: core 4 may not be used by this process");
    ew_study_file_close(&w.study);
}

static void single_configurations_and_exclusions(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: [1, 2], depth: [0, 8], sustained: [none, 1 min]}\n"
                   "measure: {repeats: 1}\n"
                   "exclude:\n  - {threads: 1, sustained: 1 min}\n  - {model: c}\n"
                   "configurations:\n  - {model: a, threads: 4, depth: [0, 99], sustained: none}\n");
    struct ew_study_plan plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 2 * (8 - 2) + 2);
    assert_int_equal(plan.n_left_out, 2);
    assert_int_equal(plan.left_out[0].n, 2 * 2 + 2); /* c's long runs with one thread meet the first entry, too */
    assert_int_equal(plan.left_out[1].n, 8 - 2);
    assert_true(plan.left_out[0].asked);
    for (size_t i = 0; i < plan.n_configs; i++)
        if (plan.configs[i].record.sustained_ms) assert_true(plan.configs[i].cost > 60);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
    open_world(&w, "configurations:\n  - {threads: 1}\n  - {threads: 1, load: cold}\nmeasure: {repeats: 1}\n");
    plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 3 * 2); /* instead of a sweep */
    assert_null(plan.configs[0].record.load);
    assert_string_equal(plan.configs[1].record.load, "cold");
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

static void spinning_is_a_knob(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: 2, spin: [200, 0, 50]}\nmeasure: {repeats: 1}\n");
    w.models.n = 1;
    struct ew_study_plan plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 3);
    assert_int_equal(plan.configs[0].record.spin_us, 0); /* what the engine does anyway */
    assert_int_equal(plan.configs[1].record.spin_us, -1);
    assert_int_equal(plan.configs[2].record.spin_us, 50);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

/* Knobs that came later must not change the keys of what was measured before them. The text is version 1's. */
static void default_knobs_keep_their_keys(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: 2}\nmeasure: {repeats: 1}\n");
    struct ew_study_plan plan = make(&w, 1);
    char key[17];
    static const char text[] = "ka|2|2|512|128|0|640|auto|0|1|";
    snprintf(key, sizeof key, "%016llx", (unsigned long long)XXH64(text, sizeof text - 1, 0));
    assert_string_equal(plan.configs[0].key, key);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

static enum ew_status check_device(void *context, const struct ew_study_setting *s, struct ew_error *err) {
    ++*(int *)context;
    if (!s->governor || strcmp(s->governor, "performance") != 0) return EW_OK;
    snprintf(err->message, sizeof err->message, "governor performance: needs root");
    return EW_ERR_PERMISSION;
}

static void what_cannot_be_set_is_left_out(void **state) {
    (void)state;
    struct world w;
    int asked = 0;
    const struct ew_study_device device = {.context = &asked, .check = check_device};
    open_world(&w, "sweep: {threads: [1, 2], governor: [as_is, powersave, performance], frequency_cap: 1 GHz}\n"
                   "measure: {repeats: 1}\n");
    w.limits.device = &device;
    struct ew_study_plan plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 3 * 2 * 2);
    assert_int_equal(plan.n_left_out, 1);
    assert_string_equal(plan.left_out[0].what, "governor performance, at most 1000 MHz");
    assert_string_equal(plan.left_out[0].why, "governor performance: needs root");
    assert_int_equal(plan.left_out[0].n, 6);
    ew_study_plan_close(&plan);
    w.limits.device = NULL;
    plan = make(&w, 1);
    assert_int_equal(plan.n_configs, 0); /* a cap of 1 GHz is asked for everywhere */
    assert_int_equal(plan.n_trials, 0);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

/* ---- what is left ---- */

static enum ew_status no_states(void *context, int64_t id, struct ew_trial_state **out, size_t *n,
                                struct ew_error *err) {
    (void)context, (void)id, (void)err;
    *out = NULL;
    *n = 0;
    return EW_OK;
}

static void end_trial(struct ew_study_slots *slots, size_t config, int64_t repeat, enum ew_trial_status status,
                      int64_t prefill_ns, int64_t decode_ns) {
    const struct ew_phase_record prefill = {.name = "prefill", .begin_ns = 0, .end_ns = prefill_ns, .n_tokens = 100};
    const struct ew_trial_record record = {.status = status,
                                           .phases = &prefill,
                                           .n_phases = 1,
                                           .n_stamps = 11,
                                           .first_stamp_ns = 0,
                                           .last_stamp_ns = decode_ns,
                                           .begin_ns = 0,
                                           .end_ns = 2000000000};
    for (size_t i = 0; i < slots->plan->n_trials; i++)
        if (slots->plan->trials[i].config == config && slots->plan->trials[i].repeat == repeat)
            ew_study_slots_note(slots, i, &record);
}

static size_t wanted(struct ew_study_slots *slots, const struct ew_study_file *study, size_t config) {
    size_t n = 0;
    for (size_t i = 0; i < slots->plan->n_trials; i++)
        n += slots->plan->trials[i].config == config && ew_study_slots_wants(slots, study, i);
    return n;
}

static void repeats_end_when_precise_or_hopeless(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "sweep: {threads: 1}\nmeasure: {repeats: {min: 3, max: 9, until_interval: 2 %}}\n");
    struct ew_study_plan plan = make(&w, 1);
    const struct ew_study_sink sink = {.trial_states = no_states};
    struct ew_study_slots slots;
    assert_int_equal(ew_study_slots_open(&plan, &sink, 1, &slots, NULL), EW_OK);
    for (size_t c = 0; c < 3; c++) assert_int_equal(wanted(&slots, w.study, c), 9);
    for (int64_t r = 0; r < 6; r++) {
        assert_int_equal(wanted(&slots, w.study, 0), 9 - r); /* six runs before anything is settled */
        end_trial(&slots, 0, r, EW_TRIAL_OK, 1000000000 + r * 1000000, 500000000);   /* within 0.1 % */
        end_trial(&slots, 1, r, EW_TRIAL_OK, 1000000000 + r * 100000000, 500000000); /* 10 % apart */
    }
    end_trial(&slots, 2, 0, EW_TRIAL_OOM, 0, 0);
    assert_int_equal(wanted(&slots, w.study, 0), 0);
    assert_int_equal(wanted(&slots, w.study, 1), 3);
    assert_int_equal(wanted(&slots, w.study, 2), 0);
    struct ew_slots_estimate left = ew_study_slots_estimate(&slots);
    assert_int_equal(left.done, 13);
    assert_int_equal(left.total, 6 + 9 + 1);
    assert_true(fabs(left.seconds_left - 3 * 2.0) < 1e-9); /* two seconds each, as seen */
    ew_study_slots_close(&slots);
    ew_study_plan_close(&plan);
    ew_study_file_close(&w.study);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_of_the_sweep),
        cmocka_unit_test(threads_together),
        cmocka_unit_test(order_follows_the_seed_and_keys_do_not),
        cmocka_unit_test(too_many_threads_are_refused),
        cmocka_unit_test(sets_of_cores),
        cmocka_unit_test(single_configurations_and_exclusions),
        cmocka_unit_test(spinning_is_a_knob),
        cmocka_unit_test(default_knobs_keep_their_keys),
        cmocka_unit_test(what_cannot_be_set_is_left_out),
        cmocka_unit_test(repeats_end_when_precise_or_hopeless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
