/* A study that varies settings of the machine, over a pretended machine, engine and a real store: what is set when,
 * what is put back, and what a setting that fails half-way becomes. */
#include "store/store_sink.h"
#include "study/study_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake_device {
    char governor[32]; /* "" = as found */
    char log[4096];    /* what was asked for, in order */
    int recovered, applied, restored;
    bool refuses_fast, restore_fails;
};

static enum ew_status recover(void *context, bool *undone, struct ew_error *err) {
    (void)err;
    ((struct fake_device *)context)->recovered++;
    *undone = true;
    return EW_OK;
}
static enum ew_status check(void *context, const struct ew_study_setting *s, struct ew_error *err) {
    (void)context, (void)s, (void)err;
    return EW_OK;
}
static enum ew_status apply(void *context, const struct ew_study_setting *s, struct ew_error *err) {
    struct fake_device *d = context;
    d->applied++;
    if (d->refuses_fast && s->governor && strcmp(s->governor, "fast") == 0) {
        snprintf(err->message, sizeof err->message, "governor fast: did not take");
        return EW_ERR_IO;
    }
    snprintf(d->governor, sizeof d->governor, "%s", s->governor ? s->governor : "");
    return EW_OK;
}
static enum ew_status restore(void *context, struct ew_error *err) {
    struct fake_device *d = context;
    d->restored++;
    if (d->restore_fails) {
        snprintf(err->message, sizeof err->message, "read-only");
        return EW_ERR_IO;
    }
    d->governor[0] = 0;
    return EW_OK;
}

static void said(void *context, const char *line) {
    struct fake_device *d = context;
    size_t n = strlen(d->log);
    snprintf(d->log + n, sizeof d->log - n, "%s\n", line);
}

/* While a trial runs, the machine must be set as its configuration says. */
static void finished(void *context, const struct ew_study_progress *p, const struct ew_trial_record *t) {
    struct fake_device *d = context;
    if (t->status == EW_TRIAL_OK) assert_string_equal(d->governor, p->config->governor ? p->config->governor : "");
}

static struct ew_study_outcome run(struct fake_device *d, const char *sweep, struct ew_store *store) {
    char text[400], engine_path[4096];
    const char *source = getenv("EW_SOURCE_DIR");
    snprintf(text, sizeof text,
             "study: s\nmodels: [{file: m}]\nsweep: {threads: 1, %s}\n"
             "measure: {prompt_tokens: 4, generate_tokens: 3, repeats: 2, energy: none}\n",
             sweep);
    snprintf(engine_path, sizeof engine_path, "%s/tests/fixtures/fake-engine.py", source ? source : ".");
    const char *const engine[] = {"python3", engine_path, "good", NULL};
    const struct ew_study_device device = {d, recover, check, apply, restore};
    const struct ew_study_sink sink = ew_store_sink(store);
    struct ew_study_file *study = NULL;
    struct ew_error err = {0};
    struct ew_machine *machine = NULL;
    if (ew_study_file_parse("s.yaml", text, strlen(text), &study, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(ew_machine_open(NULL, &machine, &err), EW_OK);
    struct ew_located_model located = {.from = study->models,
                                       .path = "m",
                                       .file_bytes = 1000,
                                       .record = {.key = "mk", .path = "m", .name = "M", .file_type = "F16"}};
    const struct ew_study_request request = {
        .study = study,
        .models = &(struct ew_located_models){.models = &located, .n = 1},
        .machine = machine,
        .limits = {.usable_cpus = 1, .all_cores = 1, .machine = machine, .device = &device},
        .engine = engine,
        .sink = &sink,
        .version = "0",
        .watcher = {.context = d, .finished = finished, .said = said}};
    struct ew_study_outcome outcome;
    if (ew_study_run(&request, &outcome, &err) != EW_OK) fail_msg("%s", err.message);
    ew_machine_close(&machine);
    ew_study_file_close(&study);
    return outcome;
}

static struct ew_store *open_store(void) {
    struct ew_store *store = NULL;
    struct ew_error err = {0};
    if (ew_store_open(":memory:", EW_STORE_WRITE, &store, &err) != EW_OK) fail_msg("%s", err.message);
    return store;
}

static void set_before_and_put_back_after(void **state) {
    (void)state;
    struct fake_device d = {0};
    struct ew_store *store = open_store();
    struct ew_study_outcome outcome = run(&d, "governor: [as_is, slow, fast]", store);
    assert_int_equal(outcome.count[EW_TRIAL_OK], 6);
    assert_int_equal(d.recovered, 1);
    assert_true(d.applied >= 4 && d.applied <= 6); /* not again where the next trial wants the same */
    assert_int_equal(d.restored, 1);
    assert_string_equal(d.governor, "");
    assert_non_null(strstr(d.log, "settings that an earlier study left were put back"));
    struct ew_stored_study *s = NULL;
    assert_int_equal(ew_store_read_study(store, 0, &s, NULL), EW_OK);
    assert_int_equal(s->n_configs, 3);
    int named = 0;
    for (size_t i = 0; i < s->n_configs; i++) named += s->configs[i].governor != NULL;
    assert_int_equal(named, 2);
    ew_store_free_study(&s);
    ew_store_close(&store);
}

static void nothing_asked_for_nothing_touched(void **state) {
    (void)state;
    struct fake_device d = {0};
    struct ew_store *store = open_store();
    assert_int_equal(run(&d, "depth: [0, 1]", store).count[EW_TRIAL_OK], 4);
    assert_int_equal(d.applied, 0);
    assert_int_equal(d.restored, 0);
    ew_store_close(&store);
}

static void a_setting_that_does_not_take_is_a_result(void **state) {
    (void)state;
    struct fake_device d = {.refuses_fast = true, .restore_fails = true};
    struct ew_store *store = open_store();
    struct ew_study_outcome outcome = run(&d, "governor: [slow, fast]", store);
    assert_int_equal(outcome.count[EW_TRIAL_OK], 2);
    assert_int_equal(outcome.count[EW_TRIAL_FAILED], 2);
    assert_non_null(strstr(d.log, "the machine's settings could not be put back: read-only"));
    struct ew_stored_study *s = NULL;
    assert_int_equal(ew_store_read_study(store, 0, &s, NULL), EW_OK);
    for (size_t i = 0; i < s->n_trials; i++)
        if (s->trials[i].status == EW_TRIAL_FAILED)
            assert_string_equal(s->trials[i].reason, "governor fast: did not take");
    ew_store_free_study(&s);
    ew_store_close(&store);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_before_and_put_back_after),
        cmocka_unit_test(nothing_asked_for_nothing_touched),
        cmocka_unit_test(a_setting_that_does_not_take_is_a_result),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
