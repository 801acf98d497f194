/* Owns joining a study with this program: its signals, its own path as the engine, its store. */
#include "cli/study_drive.h"
#include "base/error.h"
#include "cli/kernel_memory.h"
#include "machine/cpu_features.h"
#include "store/store_sink.h"
#include "study/study_value.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int stop_soon, stop_now;

static void on_signal(int number) {
    if (number != SIGINT || stop_soon) stop_now = 1;
    stop_soon = 1;
}

void ew_study_drive_catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static void choose_engine(struct ew_study_drive *d) {
    if (d->engine_command) {
        snprintf(d->engine_text, sizeof d->engine_text, "exec %s", d->engine_command);
        d->engine[0] = "/bin/sh";
        d->engine[1] = "-c";
        d->engine[2] = d->engine_text;
        d->engine[3] = NULL;
        return;
    }
    ssize_t n = readlink("/proc/self/exe", d->self, sizeof d->self - 1);
    if (n > 0) d->self[n] = 0;
    /* A program that was replaced while it runs is still itself through /proc. */
    if (n <= 0 || access(d->self, X_OK) != 0) strcpy(d->self, "/proc/self/exe");
    d->engine[0] = d->self;
    d->engine[1] = "trial";
    d->engine[2] = NULL;
}

enum ew_status ew_study_drive_open(struct ew_study_drive *d, FILE *out, struct ew_error *err) {
    ew_study_view_open(&d->view, out, d->study, &stop_soon);
    enum ew_status status = ew_machine_open(d->common->root, &d->machine, err);
    if (status == EW_OK) status = ew_study_models_locate(d->study, d->cache, &d->models, err);
    if (status != EW_OK) return status;
    d->limits = (struct ew_plan_limits){.usable_cpus = d->machine->usable,
                                        .all_cores = ew_machine_usable_cores(d->machine),
                                        .cpu_mask = d->common->cpu_mask == ew_cpu_features() ? 0 : d->common->cpu_mask,
                                        .engine = d->engine_command,
                                        .machine = d->machine,
                                        .device = d->device};
    choose_engine(d);
    return EW_OK;
}

void ew_study_drive_close(struct ew_study_drive *d) {
    ew_located_models_close(&d->models);
    ew_machine_close(&d->machine);
    free(d->kernels);
    d->kernels = NULL;
}

/* Before the first trial, so that no trial holds a contest. */
static enum ew_status choose_kernels(struct ew_study_drive *d, struct ew_error *err) {
    if (d->engine_command || d->kernels) return EW_OK;
    const char **paths = calloc(d->models.n + 1, sizeof *paths);
    if (!paths) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", d->study->path);
    for (size_t i = 0; i < d->models.n; i++) paths[i] = d->models.models[i].path;
    d->kernels = ew_cli_kernels_for_trials(d->limits.cpu_mask, paths, d->models.n);
    free(paths);
    return EW_OK;
}

static bool on_writing(void *context, const char *path, uint64_t done, uint64_t total) {
    struct ew_study_drive *d = context;
    char line[512], have[32], all[32];
    ew_value_print_bytes((double)done, have, sizeof have);
    ew_value_print_bytes((double)total, all, sizeof all);
    snprintf(line, sizeof line, "writing %s  %s of %s", path, have, all);
    if (!d->silent) ew_study_view_say(&d->view, line);
    return !stop_soon;
}

enum ew_status ew_study_drive_models(struct ew_study_drive *d, struct ew_error *err) {
    char why[200];
    if (!ew_study_budget_allows_disk(&d->study->budget, (double)d->models.write_bytes, why, sizeof why))
        return ew_error_set(err, EW_ERR_LIMIT, "%s: budget: %s", d->study->path, why);
    enum ew_status status = ew_study_models_write(&d->models, on_writing, d, err);
    ew_study_view_clear(&d->view);
    if (status == EW_OK) status = ew_study_models_describe(&d->models, d->study->path, d->engine_command != NULL, err);
    if (status == EW_OK) status = choose_kernels(d, err);
    return status;
}

enum ew_status ew_study_drive_run(struct ew_study_drive *d, struct ew_store *store, struct ew_study_outcome *out,
                                  struct ew_error *err) {
    const struct ew_study_sink sink = ew_store_sink(store);
    const struct ew_meter_config meters = ew_meter_options_config(d->meters, d->common->root);
    struct ew_study_watcher watcher = ew_study_view_watcher(&d->view);
    if (d->silent) watcher = (struct ew_study_watcher){0};
    if (d->quiet) watcher.begun = NULL;
    d->view.omits_runs = d->quiet && !d->view.live;
    const struct ew_study_request request = {.study = d->study,
                                             .models = &d->models,
                                             .machine = d->machine,
                                             .root = d->common->root,
                                             .limits = d->limits,
                                             .engine = d->engine,
                                             .sink = &sink,
                                             .meters = &meters,
                                             .version = EW_VERSION,
                                             .kernels = d->kernels,
                                             .program = d->engine_command ? NULL : d->self,
                                             .stop_soon = &stop_soon,
                                             .stop_now = &stop_now,
                                             .watcher = watcher};
    enum ew_status status = ew_study_run(&request, out, err);
    ew_study_view_clear(&d->view);
    return status;
}
