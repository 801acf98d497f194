/* Figures and answers in the store: what comes back, what replaces what, which study sees them, and merging. */
#include "store/store_merge.h"
#include "store_fixture.h"

#include <math.h>
#include <sqlite3.h>

static struct ew_quality_record figure(void) {
    return (struct ew_quality_record){.model_id = 1,
                                      .study_id = EW_MISSING,
                                      .measure = "perplexity",
                                      .data = "held-out",
                                      .data_hash = "00000000000000aa",
                                      .settings = "context 256, stride 0",
                                      .n = 1234,
                                      .value = 12.5,
                                      .low = 12.25,
                                      .high = 12.75,
                                      .chance = NAN,
                                      .figures_json = "{\"perplexity\":12.5}",
                                      .seconds_ns = 5000000000,
                                      .joules = 40.5,
                                      .made_unix_ns = 1000,
                                      .version = "0.1"};
}

static struct ew_answer_record answer(int64_t position, const char *text) {
    return (struct ew_answer_record){.model_id = 1,
                                     .study_id = EW_MISSING,
                                     .set = "prompts",
                                     .position = position,
                                     .prompt = "Once upon",
                                     .text = text,
                                     .n_tokens = 3,
                                     .n_most = 32,
                                     .made_unix_ns = 1000,
                                     .version = "0.1"};
}

static int64_t put(struct fixture *f, const struct ew_quality_record *r) {
    struct ew_error err = {0};
    int64_t id = 0;
    if (ew_store_put_quality(f->store, r, &id, &err) != EW_OK) fail_msg("%s", err.message);
    return id;
}

static int64_t put_answer(struct fixture *f, const struct ew_answer_record *r) {
    struct ew_error err = {0};
    int64_t id = 0;
    if (ew_store_put_answer(f->store, r, &id, &err) != EW_OK) fail_msg("%s", err.message);
    return id;
}

static struct ew_stored_study *read_back(struct fixture *f, int64_t study_id) {
    struct ew_stored_study *study = NULL;
    struct ew_error err = {0};
    if (ew_store_read_study(f->store, study_id, &study, &err) != EW_OK) fail_msg("%s", err.message);
    return study;
}

/* Of the fixture, with a trial, so that its configuration and model are the study's. */
static void open_planned(struct fixture *f) {
    fixture_open(f);
    fixture_plan(f, 1);
}

static void everything_comes_back(void **state) {
    (void)state;
    struct fixture f;
    open_planned(&f);
    struct ew_quality_record a = figure(), b = figure();
    b.kv_type = "q8_0";
    b.measure = "kl_divergence";
    b.reference = "M F16";
    b.chance = 0.25;
    b.joules = NAN;
    b.study_id = f.study_id;
    put(&f, &a);
    put(&f, &b);
    const struct ew_answer_record second = answer(1, "ein Märchen"), first = answer(0, "");
    put_answer(&f, &second);
    put_answer(&f, &first);
    struct ew_stored_study *s = read_back(&f, f.study_id);
    assert_int_equal(s->n_qualities, 2);
    const struct ew_quality_record *q = &s->qualities[0], *p = &s->qualities[1];
    assert_int_equal(q->model_id, 1);
    assert_int_equal(q->study_id, EW_MISSING);
    assert_null(q->kv_type);
    assert_string_equal(q->measure, "perplexity");
    assert_string_equal(q->data, "held-out");
    assert_string_equal(q->data_hash, "00000000000000aa");
    assert_string_equal(q->settings, "context 256, stride 0");
    assert_null(q->reference);
    assert_int_equal(q->n, 1234);
    assert_true(q->value == 12.5 && q->low == 12.25 && q->high == 12.75 && isnan(q->chance) && q->joules == 40.5);
    assert_string_equal(q->figures_json, "{\"perplexity\":12.5}");
    assert_int_equal(q->seconds_ns, 5000000000);
    assert_int_equal(q->made_unix_ns, 1000);
    assert_string_equal(q->version, "0.1");
    assert_string_equal(p->kv_type, "q8_0");
    assert_string_equal(p->reference, "M F16");
    assert_int_equal(p->study_id, f.study_id);
    assert_true(p->chance == 0.25 && isnan(p->joules));
    assert_int_equal(s->n_answers, 2);
    assert_string_equal(s->answers[0].text, "");
    assert_string_equal(s->answers[1].text, "ein Märchen");
    assert_string_equal(s->answers[1].prompt, "Once upon");
    assert_string_equal(s->answers[1].set, "prompts");
    assert_int_equal(s->answers[1].position, 1);
    assert_int_equal(s->answers[1].n_tokens, 3);
    assert_int_equal(s->answers[1].n_most, 32);
    ew_store_free_study(&s);
    fixture_close(&f);
}

static void newer_replaces_older_of_the_same_key(void **state) {
    (void)state;
    struct fixture f;
    open_planned(&f);
    struct ew_quality_record a = figure(), again = figure(), other = figure();
    a.study_id = f.study_id;
    again.value = 11;
    again.made_unix_ns = 2000;
    other.settings = "context 512, stride 0";
    int64_t id = put(&f, &a);
    assert_int_equal(put(&f, &again), id);
    assert_int_not_equal(put(&f, &other), id);
    struct ew_answer_record one = answer(0, "old"), two = answer(0, "new");
    id = put_answer(&f, &one);
    assert_int_equal(put_answer(&f, &two), id);
    struct ew_stored_study *s = read_back(&f, f.study_id);
    assert_int_equal(s->n_qualities, 2);
    assert_true(s->qualities[0].value == 11);
    assert_int_equal(s->qualities[0].made_unix_ns, 2000);
    assert_int_equal(s->qualities[0].study_id, f.study_id); /* measured by hand since, still of the study */
    assert_int_equal(s->n_answers, 1);
    assert_string_equal(s->answers[0].text, "new");
    ew_store_free_study(&s);
    fixture_close(&f);
}

/* A figure without a value is refused, and the one that was there stays. */
static void a_figure_has_a_value(void **state) {
    (void)state;
    struct fixture f;
    open_planned(&f);
    struct ew_quality_record a = figure();
    put(&f, &a);
    a.value = NAN;
    struct ew_error err = {0};
    int64_t id = 77;
    assert_int_equal(ew_store_put_quality(f.store, &a, &id, &err), EW_ERR_IO);
    assert_non_null(strstr(err.message, "quality.value"));
    assert_int_equal(id, 77);
    struct ew_stored_study *s = read_back(&f, f.study_id);
    assert_int_equal(s->n_qualities, 1);
    assert_true(s->qualities[0].value == 12.5);
    ew_store_free_study(&s);
    fixture_close(&f);
}

static void a_study_sees_its_models_and_its_own(void **state) {
    (void)state;
    struct fixture f;
    open_planned(&f);
    struct ew_model_record stranger = {.key = "other", .path = "/o.gguf", .name = "O"};
    struct ew_study_record empty = {.name = "without runs", .seed = 1, .created_unix_ns = 9};
    int64_t model = 0, study = 0;
    assert_int_equal(ew_store_put_model(f.store, &stranger, &model, NULL), EW_OK);
    assert_int_equal(ew_store_put_study(f.store, &empty, &study, NULL), EW_OK);
    struct ew_quality_record ours = figure(), by_hand = figure(), theirs = figure();
    by_hand.model_id = theirs.model_id = model;
    theirs.measure = "accuracy";
    theirs.study_id = study;
    put(&f, &ours);
    put(&f, &by_hand);
    put(&f, &theirs);
    struct ew_stored_study *s = read_back(&f, f.study_id);
    assert_int_equal(s->n_qualities, 1);
    assert_int_equal(s->n_models, 1);
    ew_store_free_study(&s);
    s = read_back(&f, study);
    assert_int_equal(s->n_qualities, 1);
    assert_string_equal(s->qualities[0].measure, "accuracy");
    assert_int_equal(s->n_models, 1); /* that a figure's model can be named */
    assert_string_equal(s->models[0].name, "O");
    ew_store_free_study(&s);
    fixture_close(&f);
}

static void expect_quality(struct fixture *f, struct ew_quality_record asked, bool there) {
    bool yes = !there;
    assert_int_equal(ew_store_has_quality(f->store, &asked, &yes, NULL), EW_OK);
    assert_int_equal(yes, there);
}

static void asking_what_is_there(void **state) {
    (void)state;
    struct fixture f;
    open_planned(&f);
    struct ew_quality_record a = figure(), asked = figure();
    a.reference = "M F16";
    a.study_id = f.study_id;
    put(&f, &a);
    expect_quality(&f, asked, true);
    asked.reference = "M BF16";
    expect_quality(&f, asked, false);
    asked = (struct ew_quality_record){.model_id = 1, .study_id = f.study_id, .data_hash = "00000000000000aa"};
    expect_quality(&f, asked, true);
    asked.study_id++;
    expect_quality(&f, asked, false);
    asked = figure();
    asked.kv_type = "q8_0";
    expect_quality(&f, asked, false);
    asked = figure();
    asked.data_hash = "00000000000000ab";
    expect_quality(&f, asked, false);
    struct ew_answer_record said = answer(0, "x"), like = answer(0, NULL);
    put_answer(&f, &said);
    bool yes = false;
    assert_int_equal(ew_store_has_answer(f.store, &like, &yes, NULL), EW_OK);
    assert_true(yes);
    like.prompt = "Another prompt";
    assert_int_equal(ew_store_has_answer(f.store, &like, &yes, NULL), EW_OK);
    assert_false(yes);
    like.prompt = said.prompt;
    like.n_most = 64;
    assert_int_equal(ew_store_has_answer(f.store, &like, &yes, NULL), EW_OK);
    assert_false(yes);
    fixture_close(&f);
}

static double real(struct fixture *f, const char *sql) {
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) fail_msg("%s", sqlite3_errmsg(db));
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    double value = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

/* Two runs of 4 and 2 tokens a second with 30 and 50 J and peaks of 2 and 3 GB: means 3 and 40, most 3. */
static void quality_beside_speed_and_energy(void **state) {
    (void)state;
    struct fixture f;
    fixture_open(&f);
    fixture_plan(&f, 2);
    for (int i = 0; i < 2; i++) {
        const int64_t stamps[] = {0, i ? 500000000 : 250000000};
        char key[8];
        struct ew_trial_record t = fixture_trial(&f, i, key);
        struct ew_error err = {0};
        t.status = EW_TRIAL_OK;
        t.stamps_ns = stamps;
        t.n_stamps = 2;
        t.peak_rss_bytes = i ? 3000000000 : 2000000000;
        t.conditions.spent_j = i ? 50 : 30;
        assert_int_equal(ew_store_begin_trial(f.store, key, f.invocation_id, 99, NULL), EW_OK);
        if (ew_store_finish_trial(f.store, &t, &err) != EW_OK) fail_msg("%s", err.message);
    }
    struct ew_quality_record a = figure(), kv = figure();
    kv.kv_type = "q8_0";
    put(&f, &a);
    put(&f, &kv);
    assert_true(real(&f, "SELECT count(*) FROM model_quality") == 2);
    assert_true(real(&f, "SELECT decode_tokens_per_s FROM model_quality WHERE kv_type = 'f16'") == 3);
    assert_true(real(&f, "SELECT joules_per_run FROM model_quality WHERE kv_type = 'f16'") == 40);
    assert_true(real(&f, "SELECT peak_gb FROM model_quality WHERE kv_type = 'f16'") == 3);
    assert_true(real(&f, "SELECT file_gb FROM model_quality WHERE kv_type = 'f16'") == 1e-8);
    assert_true(real(&f, "SELECT peak_gb IS NULL FROM model_quality WHERE kv_type = 'q8_0'") == 1);
    fixture_close(&f);
}

static void merge(struct fixture *to, const char *path) {
    struct ew_merge_counts counts;
    struct ew_error err = {0};
    if (ew_store_merge(to->store, path, &counts, &err) != EW_OK) fail_msg("%s", err.message);
    if (ew_store_check(to->store, &err) != EW_OK) fail_msg("%s", err.message);
}

static void the_newer_stays_when_merged(void **state) {
    (void)state;
    struct fixture a, b;
    open_planned(&a);
    open_planned(&b);
    /* In the other file the model has another id. */
    struct ew_model_record stranger = {.key = "other", .path = "/o.gguf", .name = "O"};
    int64_t model = 0;
    assert_int_equal(ew_store_put_model(b.store, &stranger, &model, NULL), EW_OK);
    struct ew_quality_record old = figure(), newer = figure(), only_b = figure();
    newer.made_unix_ns = 2000;
    newer.value = 13;
    only_b.model_id = model;
    only_b.study_id = b.study_id;
    put(&a, &old);
    put(&b, &newer);
    put(&b, &only_b);
    struct ew_answer_record mine = answer(0, "mine"), theirs = answer(0, "theirs"), next = answer(1, "next");
    mine.made_unix_ns = 3000;
    put_answer(&a, &mine);
    put_answer(&b, &theirs);
    put_answer(&b, &next);
    ew_store_close(&b.store);
    merge(&a, b.path);
    merge(&a, b.path); /* again: nothing */
    struct ew_stored_study *s = read_back(&a, a.study_id);
    assert_int_equal(s->n_qualities, 2);
    const struct ew_quality_record *first = &s->qualities[0];
    const struct ew_quality_record *of_m = first->model_id == 1 ? first : &s->qualities[1];
    const struct ew_quality_record *of_o = first->model_id == 1 ? &s->qualities[1] : first;
    assert_true(of_m->value == 13);
    assert_true(of_o->value == 12.5);
    assert_int_equal(of_o->study_id, a.study_id);
    assert_int_equal(s->n_answers, 2);
    assert_string_equal(s->answers[0].text, "mine");
    assert_string_equal(s->answers[1].text, "next");
    ew_store_free_study(&s);
    fixture_close(&a);
    fixture_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),       cmocka_unit_test(newer_replaces_older_of_the_same_key),
        cmocka_unit_test(a_figure_has_a_value),        cmocka_unit_test(a_study_sees_its_models_and_its_own),
        cmocka_unit_test(asking_what_is_there),        cmocka_unit_test(quality_beside_speed_and_energy),
        cmocka_unit_test(the_newer_stays_when_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
