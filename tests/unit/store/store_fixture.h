/* A store in a fresh folder with one study, one configuration and a plan of n trials with the keys "k0", "k1" … */
#ifndef EW_TESTS_STORE_FIXTURE_H
#define EW_TESTS_STORE_FIXTURE_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char folder[64], path[96];
    struct ew_store *store;
    int64_t study_id, config_id, invocation_id, meter_id;
};

static inline struct ew_trial_record fixture_trial(const struct fixture *f, int i, char key[8]) {
    snprintf(key, 8, "k%d", i);
    return (struct ew_trial_record){
        .study_id = f->study_id, .config_id = f->config_id, .key = key, .repeat = i, .position = i, .seed = 100 + i};
}

static inline void fixture_plan(struct fixture *f, int n) {
    char keys[16][8];
    struct ew_trial_record trials[16];
    for (int i = 0; i < n; i++) trials[i] = fixture_trial(f, i, keys[i]);
    assert_int_equal(ew_store_put_plan(f->store, f->study_id, trials, (size_t)n, NULL), EW_OK);
}

static inline void fixture_open(struct fixture *f) {
    strcpy(f->folder, "/tmp/edgewise-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/s.db", f->folder);
    struct ew_error err = {0};
    if (ew_store_open(f->path, EW_STORE_WRITE, &f->store, &err) != EW_OK) fail_msg("%s", err.message);
    int64_t machine = 0, model = 0;
    struct ew_machine_record m = {
        .fingerprint = "feed", .name = "box", .arch = "x86_64", .n_cores = 2, .memory_bytes = EW_MISSING};
    struct ew_study_record s = {.name = "st", .seed = 7, .created_unix_ns = 1};
    struct ew_model_record mo = {.key = "mk",
                                 .path = "/m.gguf",
                                 .name = "M",
                                 .file_type = "Q4_0",
                                 .synthetic = true,
                                 .file_bytes = 10,
                                 .mtime_unix_ns = 5};
    assert_int_equal(ew_store_put_machine(f->store, &m, &machine, NULL), EW_OK);
    assert_int_equal(ew_store_put_study(f->store, &s, &f->study_id, NULL), EW_OK);
    assert_int_equal(ew_store_put_model(f->store, &mo, &model, NULL), EW_OK);
    struct ew_config_record c = {.key = "ck",
                                 .model_id = model,
                                 .prefill_threads = 2,
                                 .decode_threads = 1,
                                 .prompt_tokens = 16,
                                 .generate_tokens = 4,
                                 .context = 64,
                                 .layout = "auto"};
    assert_int_equal(ew_store_put_config(f->store, &c, &f->config_id, NULL), EW_OK);
    struct ew_invocation_record in = {.study_id = f->study_id,
                                      .machine_id = machine,
                                      .started_unix_ns = 2,
                                      .started_ns = 3,
                                      .ended_unix_ns = EW_MISSING,
                                      .version = "0"};
    assert_int_equal(ew_store_put_invocation(f->store, &in, &f->invocation_id, NULL), EW_OK);
    struct ew_meter_record me = {.invocation_id = f->invocation_id,
                                 .name = "process_memory",
                                 .quantity = "memory",
                                 .used = true,
                                 .period_ns = EW_MISSING};
    assert_int_equal(ew_store_put_meter(f->store, &me, &f->meter_id, NULL), EW_OK);
}

static inline void fixture_close(struct fixture *f) {
    ew_store_close(&f->store);
    static const char *const ends[] = {"", "-wal", "-shm", "-lock"};
    for (int i = 0; i < 4; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        unlink(path);
    }
    rmdir(f->folder);
}

#endif
