/* The life of a trial in the store, what comes back, and readers beside a writer. */
#include "store_fixture.h"

static struct ew_stored_study *read_back(struct fixture *f) {
    struct ew_stored_study *study = NULL;
    struct ew_error err = {0};
    if (ew_store_read_study(f->store, f->study_id, &study, &err) != EW_OK) fail_msg("%s", err.message);
    return study;
}

static const struct ew_phase_record phases[] = {
    {.name = "load",
     .begin_ns = 1,
     .end_ns = 2,
     .n_tokens = 0,
     .vm_hwm_bytes = 3,
     .rss_anon_bytes = EW_MISSING,
     .rss_file_bytes = 4,
     .peak_rss_bytes = 5,
     .peak_pss_bytes = 6},
    {.name = "prefill", .begin_ns = 10, .end_ns = 1000000010, .n_tokens = 16}};
static const int64_t stamps[] = {2000000000, 2500000000, 3000000000, 3500000000};
static const int64_t times[] = {1, 2, 3};
static const double values[] = {100, 200, 150};

static void finish_a_trial(struct fixture *f) {
    assert_int_equal(ew_store_begin_trial(f->store, "k1", f->invocation_id, 99, NULL), EW_OK);
    const struct ew_series_record series = {.meter_id = f->meter_id,
                                            .channel = "pss",
                                            .unit = "bytes",
                                            .n = 3,
                                            .n_missing = 1,
                                            .time_ns = times,
                                            .value = values};
    char key[8];
    struct ew_trial_record t = fixture_trial(f, 1, key);
    t.status = EW_TRIAL_OK;
    t.kernels = "gemm_ref";
    t.exit_code = 0;
    t.signal = EW_MISSING;
    t.ttft_ns = 77;
    t.ledger = (struct ew_ledger_record){.present = true, .weights_mapped = 1, .kv_cache = 2, .total = 3};
    t.phases = phases;
    t.n_phases = 2;
    t.stamps_ns = stamps;
    t.n_stamps = 4;
    t.series = &series;
    t.n_series = 1;
    struct ew_error err = {0};
    if (ew_store_finish_trial(f->store, &t, &err) != EW_OK) fail_msg("%s", err.message);
}

static void samples_come_back(struct fixture *f, int64_t trial_id) {
    struct ew_series_record *samples = NULL;
    size_t n = 0;
    assert_int_equal(ew_store_read_series(f->store, trial_id, EW_MISSING, &samples, &n, NULL), EW_OK);
    assert_int_equal(n, 1);
    assert_string_equal(samples[0].channel, "pss");
    assert_memory_equal(samples[0].time_ns, times, sizeof times);
    assert_memory_equal(samples[0].value, values, sizeof values);
    assert_int_equal(samples[0].n_missing, 1);
    ew_store_free_series(&samples, n);
}

static void finished_trial_comes_back(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 2);
    finish_a_trial(&f);
    struct ew_stored_study *study = read_back(&f);
    assert_int_equal(study->n_trials, 2);
    assert_int_equal(study->trials[0].status, EW_TRIAL_PLANNED);
    assert_int_equal(study->trials[0].invocation_id, EW_MISSING);
    assert_null(study->trials[0].kernels);
    assert_false(study->trials[0].ledger.present);
    const struct ew_trial_record *got = &study->trials[1];
    assert_int_equal(got->status, EW_TRIAL_OK);
    assert_string_equal(got->kernels, "gemm_ref");
    assert_int_equal(got->attempts, 1);
    assert_int_equal(got->signal, EW_MISSING);
    assert_int_equal(got->exit_code, 0);
    assert_int_equal(got->ttft_ns, 77);
    assert_true(got->ledger.present);
    assert_int_equal(got->ledger.total, 3);
    assert_int_equal(got->n_phases, 2);
    assert_string_equal(got->phases[0].name, "load");
    assert_int_equal(got->phases[0].rss_anon_bytes, EW_MISSING);
    assert_int_equal(got->phases[1].n_tokens, 16);
    assert_int_equal(got->n_stamps, 4);
    assert_memory_equal(got->stamps_ns, stamps, sizeof stamps);
    assert_int_equal(study->n_models, 1);
    assert_true(study->models[0].synthetic);
    assert_int_equal(study->n_machines, 1);
    assert_int_equal(study->machines[0].memory_bytes, EW_MISSING);
    assert_int_equal(study->n_meters, 1);
    samples_come_back(&f, got->id);
    ew_store_free_study(&study);
    fixture_close(&f);
}

static void steps_out_of_order_are_refused(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 1);
    char key[8];
    struct ew_trial_record t = fixture_trial(&f, 0, key);
    t.status = EW_TRIAL_OK;
    assert_int_equal(ew_store_finish_trial(f.store, &t, NULL), EW_ERR_ARGUMENT); /* not begun */
    assert_int_equal(ew_store_begin_trial(f.store, "k0", f.invocation_id, 1, NULL), EW_OK);
    assert_int_equal(ew_store_begin_trial(f.store, "k0", f.invocation_id, 1, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_store_begin_trial(f.store, "nope", f.invocation_id, 1, NULL), EW_ERR_ARGUMENT);
    t.status = EW_TRIAL_RUNNING;
    assert_int_equal(ew_store_finish_trial(f.store, &t, NULL), EW_ERR_ARGUMENT);
    t.status = EW_TRIAL_OOM; /* every result but ok needs a reason */
    assert_int_not_equal(ew_store_finish_trial(f.store, &t, NULL), EW_OK);
    t.reason = "no memory";
    assert_int_equal(ew_store_finish_trial(f.store, &t, NULL), EW_OK);
    assert_int_equal(ew_store_finish_trial(f.store, &t, NULL), EW_ERR_ARGUMENT); /* twice */
    fixture_close(&f);
}

static void a_killed_study_goes_on(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 3);
    char key[8];
    struct ew_trial_record t = fixture_trial(&f, 0, key);
    t.status = EW_TRIAL_OK;
    assert_int_equal(ew_store_begin_trial(f.store, "k0", f.invocation_id, 1, NULL), EW_OK);
    assert_int_equal(ew_store_finish_trial(f.store, &t, NULL), EW_OK);
    assert_int_equal(ew_store_begin_trial(f.store, "k1", f.invocation_id, 1, NULL), EW_OK);
    /* Killed here. The same plan again, but without k2: */
    fixture_plan(&f, 2);
    struct ew_stored_study *study = read_back(&f);
    assert_int_equal(study->n_trials, 2);
    assert_int_equal(study->trials[0].status, EW_TRIAL_OK);
    assert_int_equal(study->trials[1].status, EW_TRIAL_PLANNED);
    assert_int_equal(study->trials[1].attempts, 1);
    ew_store_free_study(&study);
    assert_int_equal(ew_store_begin_trial(f.store, "k1", f.invocation_id, 1, NULL), EW_OK);
    assert_int_equal(ew_store_abandon_trial(f.store, "k1", NULL), EW_OK);
    assert_int_equal(ew_store_abandon_trial(f.store, "k1", NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_store_check(f.store, NULL), EW_OK);
    fixture_close(&f);
}

static void one_writer_many_readers(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 1);
    struct ew_store *other = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_store_open(f.path, EW_STORE_WRITE, &other, &err), EW_ERR_IO);
    assert_non_null(strstr(err.message, "another study is writing"));
    assert_null(other);
    assert_int_equal(ew_store_open(f.path, EW_STORE_READ, &other, &err), EW_OK);
    struct ew_stored_study *study = NULL;
    assert_int_equal(ew_store_read_study(other, 0, &study, &err), EW_OK);
    assert_int_equal(study->n_trials, 1);
    ew_store_free_study(&study);
    fixture_plan(&f, 2); /* the writer goes on while the reader is open */
    assert_int_equal(ew_store_read_study(other, 0, &study, &err), EW_OK);
    assert_int_equal(study->n_trials, 2);
    ew_store_free_study(&study);
    assert_int_not_equal(ew_store_begin_trial(other, "k0", f.invocation_id, 1, &err), EW_OK); /* readers cannot write */
    ew_store_close(&other);
    fixture_close(&f);
}

static void studies_are_listed(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    struct ew_study_record s = {.name = "second", .seed = 8, .created_unix_ns = 2, .file = "x.yaml"};
    int64_t second = 0, again = 0;
    assert_int_equal(ew_store_put_study(f.store, &s, &second, NULL), EW_OK);
    s.seed = 9;
    assert_int_equal(ew_store_put_study(f.store, &s, &again, NULL), EW_OK);
    assert_int_equal(second, again);
    const struct ew_study_record *list = NULL;
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ew_store_list_studies(f.store, &list, &n, NULL), EW_OK);
        assert_int_equal(n, 2);
        assert_string_equal(list[0].name, "st");
        assert_string_equal(list[1].file, "x.yaml");
        assert_int_equal(list[1].seed, 8); /* the first run's */
    }
    struct ew_stored_study *study = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_store_read_study(f.store, 0, &study, &err), EW_OK);
    assert_string_equal(study->study.name, "second");
    ew_store_free_study(&study);
    assert_int_equal(ew_store_read_study(f.store, 12345, &study, &err), EW_ERR_NOT_FOUND);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finished_trial_comes_back), cmocka_unit_test(steps_out_of_order_are_refused),
        cmocka_unit_test(a_killed_study_goes_on),    cmocka_unit_test(one_writer_many_readers),
        cmocka_unit_test(studies_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
