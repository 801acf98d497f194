/* Memory activity as JSON, and what trials and commands hold on a graphics card that a stand-in for NVIDIA's library
 * plays (tests/unit/meter/fake_nvml.c). Expectations: the bytes that the test gave the stand-in. */
#include "fake_nvml.h"
#include "study/command_run.h"
#include "study/memory_record.h"
#include "study/trial_run.h"

#include <dirent.h>
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const unsigned long long held_bytes = 7ull << 20;
static char engine_path[4096], library_path[4096];
static struct fake_nvml *card;

static void record_keeps_everything(void **state) {
    (void)state;
    struct ew_memory_activity a = ew_memory_activity_unknown(), b;
    a.window_ns = 10000000000;
    a.page_bytes = 4096;
    a.swapped_out_pages = 3149;
    a.stalled_all_us = 0;
    a.limit_hits = 3;
    a.n_zram = 1;
    a.zram[0] = (struct ew_memory_zram_change){"zram1", 5, -1, 7, 8};
    char *text = ew_memory_record_write(&a);
    assert_non_null(text);
    assert_non_null(strstr(text, "\"swapped_out_pages\":3149"));
    assert_non_null(strstr(text, "\"swapped_in_pages\":null")); /* not known, not zero */
    assert_non_null(strstr(text, "\"stalled_all_us\":0"));
    assert_non_null(strstr(text, "\"flags\":[\"swapped\",\"limit_hit\"]"));
    assert_non_null(strstr(text, "\"words\":\"swapped out 12.3 MiB; the cgroup's memory limit was hit 3 times\""));
    assert_true(ew_memory_record_read(text, &b));
    assert_memory_equal(&a, &b, sizeof a);
    free(text);
}

static void record_of_others(void **state) {
    (void)state;
    static const char *const none[] = {NULL, "", "{", "[]", "7", "null"};
    struct ew_memory_activity a;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(ew_memory_record_read(none[i], &a));
        assert_int_equal(a.swapped_out_pages, -1);
        assert_int_equal(a.n_zram, 0);
    }
    assert_true(ew_memory_record_read("{\"limit_hits\":-5,\"oom_kills\":1.5,\"stalled_us\":\"x\",\"reread_pages\":2,"
                                      "\"zram\":[{\"name\":\"a name of more than fifteen bytes\"},1,2,3,4,5,6,7,8,9]}",
                                      &a));
    assert_int_equal(a.limit_hits, -1);
    assert_int_equal(a.oom_kills, -1);
    assert_int_equal(a.stalled_us, -1);
    assert_int_equal(a.reread_pages, 2);
    assert_int_equal(a.n_zram, EW_MEMORY_ZRAM_DEVICES);
    assert_string_equal(a.zram[0].name, "a name of more ");
}

/* ---- a card ---- */

static void open_meters(struct ew_study_meters *meters) {
    const struct ew_meter_config config = {.nvml_path = library_path};
    struct ew_error err = {0};
    if (ew_study_meters_open(&config, "none", meters, &err) != EW_OK) fail_msg("%s", err.message);
}

struct put {
    size_t n;
    bool gpu_memory;
};

static enum ew_status put_meter(void *context, const struct ew_meter_record *record, int64_t *id,
                                struct ew_error *err) {
    (void)err;
    struct put *put = context;
    put->gpu_memory |= strcmp(record->name, "gpu-memory") == 0 && record->used;
    *id = (int64_t)++put->n;
    return EW_OK;
}

/* Puts the child of this process on the card: it is known only once it runs. */
static void put_child_on_card(void *context, const char *phase) {
    (void)phase;
    (void)context;
    DIR *folder = opendir("/proc");
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
        char path[300], text[1024] = "";
        unsigned parent = 0;
        snprintf(path, sizeof path, "/proc/%.200s/stat", e->d_name);
        FILE *f = atoi(e->d_name) > 0 ? fopen(path, "r") : NULL;
        if (!f) continue;
        size_t n = fread(text, 1, sizeof text - 1, f);
        fclose(f);
        text[n] = 0;
        const char *after = strrchr(text, ')');
        if (!after || sscanf(after + 1, " %*c %u", &parent) != 1 || parent != (unsigned)getpid()) continue;
        card->compute[0].pid = (unsigned)atoi(e->d_name);
        card->compute[0].bytes = held_bytes;
        card->n_compute = 1;
    }
    if (folder) closedir(folder);
}

static struct ew_trial_result *run_trial(struct ew_study_meters *meters, void (*tick)(void *, const char *)) {
    const char *const engine[] = {"python3", engine_path, "slow", NULL};
    const struct ew_trial_setup setup = {.engine = engine,
                                         .spec = {.model = "m",
                                                  .context = 32,
                                                  .prompt_tokens = 16,
                                                  .generate_tokens = 5,
                                                  .sample_prompt = "Once",
                                                  .sample_tokens = 4},
                                         .timeout_s = 60,
                                         .meters = meters,
                                         .tick = tick};
    struct ew_trial_result *result = NULL;
    struct ew_error err = {0};
    card->n_compute = 0;
    if (ew_trial_run(&setup, &result, &err) != EW_OK) fail_msg("%s", err.message);
    return result;
}

static const struct ew_series_record *gpu_series(const struct ew_trial_record *r, int64_t meter_id) {
    for (size_t i = 0; i < r->n_series; i++)
        if (r->series[i].meter_id == meter_id && strcmp(r->series[i].channel, "gpu0") == 0) return &r->series[i];
    return NULL;
}

static void trials_on_a_card(void **state) {
    (void)state;
    struct ew_study_meters meters;
    struct put put = {0};
    const struct ew_study_sink sink = {.context = &put, .put_meter = put_meter};
    open_meters(&meters);
    assert_int_equal(ew_study_meters_put(&meters, &sink, 1, NULL), EW_OK);
    assert_true(put.gpu_memory && meters.gpu_memory_id == (int64_t)put.n && meters.memory_id == (int64_t)put.n - 1);
    struct ew_trial_result *result = run_trial(&meters, put_child_on_card);
    const struct ew_trial_record *r = ew_trial_result_record(result);
    if (r->status != EW_TRIAL_OK) fail_msg("%s", r->reason);
    assert_int_equal(r->gpu_peak_bytes, held_bytes);
    const struct ew_series_record *series = gpu_series(r, meters.gpu_memory_id);
    assert_non_null(series);
    assert_string_equal(series->unit, "bytes");
    assert_true(series->n > 1 && series->value[series->n - 1] <= (double)held_bytes);
    ew_trial_result_close(&result);
    result = run_trial(&meters, NULL); /* nothing on the card: nothing is known, and nothing recorded */
    r = ew_trial_result_record(result);
    assert_int_equal(r->gpu_peak_bytes, EW_MISSING);
    assert_null(gpu_series(r, meters.gpu_memory_id));
    assert_true(r->peak_rss_bytes > 0);
    ew_trial_result_close(&result);
    ew_study_meters_close(&meters);
}

static void commands_on_a_card(void **state) {
    (void)state;
    const char *const argv[] = {"sh", "-c", "echo 'begin one' >&$EDGEWISE_PHASE_FD; sleep 0.5", NULL};
    struct ew_study_meters meters;
    struct ew_command_result *result = NULL;
    struct ew_error err = {0};
    open_meters(&meters);
    for (int held = 0; held < 2; held++) {
        const struct ew_command_setup setup = {.argv = argv, .meters = &meters, .repeats = 1};
        card->n_compute = (unsigned)held;
        card->compute[0].pid = (unsigned)getpid(); /* above the command, as what it starts is below it */
        card->compute[0].bytes = held_bytes;
        if (ew_command_run(&setup, &result, &err) != EW_OK) fail_msg("%s", err.message);
        const struct ew_command_once *once = &result->runs[0];
        assert_int_equal(once->n_phases, 1);
        const double peaks[] = {once->window.peak_gpu_bytes, once->phases[0].window.peak_gpu_bytes};
        for (size_t i = 0; i < 2; i++) {
            if (held)
                assert_float_equal(peaks[i], (double)held_bytes, 0);
            else
                assert_true(isnan(peaks[i]));
        }
        assert_true(once->memory.window_ns >= 500000000 && once->memory.window_ns < 20000000000);
        assert_true(once->window.peak_anon_bytes > 0 && once->window.peak_file_bytes > 0);
        ew_command_result_close(&result);
    }
    ew_study_meters_close(&meters);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(record_keeps_everything),
        cmocka_unit_test(record_of_others),
        cmocka_unit_test(trials_on_a_card),
        cmocka_unit_test(commands_on_a_card),
    };
    const char *source = getenv("EW_SOURCE_DIR"), *folder = getenv("EW_FAKE_NVML_DIR");
    if (!source || !folder || system("python3 -c '' >/dev/null 2>&1") != 0) {
        puts("skipped: needs python3, EW_SOURCE_DIR and EW_FAKE_NVML_DIR");
        return 77;
    }
    snprintf(engine_path, sizeof engine_path, "%s/tests/fixtures/fake-engine.py", source);
    snprintf(library_path, sizeof library_path, "%s/fake_nvml.so", folder);
    signal(SIGPIPE, SIG_IGN);
    setenv("EW_FAKE_NVML", "ada", 1);
    void *library = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    card = library ? dlsym(library, "fake_nvml") : NULL;
    if (!card) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    dlclose(library);
    return failed;
}
