/* Owns reading another process's memory from /proc: what the kernel itself counts, never an estimate. Refuses a process
 * that has ended. The exact peak of a child that has exited comes from wait4's ru_maxrss, which its parent has. */
#include "meter/process_memory.h"
#include "base/error.h"
#include "base/kept_file.h"
#include "base/small_file.h"
#include "meter/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PSS_PERIOD_NS = 200000000, PSS_COST_SHARE = 400 };

struct memory_state {
    struct ew_kept_file status, rollup;
    int64_t next_pss_ns;
    bool pss_works;
    atomic_bool pss_wanted; /* set by another thread than the sampling one */
};

/* "Key:   123 kB" at a line's start, in bytes. false when there is no such line. */
static bool find_kib(const char *text, const char *key, double *bytes) {
    int64_t kib;
    if (!ew_small_file_number(text, key, &kib)) return false;
    *bytes = (double)kib * 1024;
    return true;
}

static bool read_status(struct memory_state *state, double *values) {
    static const struct {
        const char *key;
        enum ew_process_memory_channel channel;
    } fields[] = {{"VmRSS", EW_MEM_RSS},        {"VmHWM", EW_MEM_PEAK},         {"RssFile", EW_MEM_RSS_FILE},
                  {"RssAnon", EW_MEM_RSS_ANON}, {"RssShmem", EW_MEM_RSS_SHMEM}, {"VmSwap", EW_MEM_SWAP}};
    char text[8192];
    if (ew_kept_file_read(&state->status, text, sizeof text) < 0) return false;
    const char *memory = strstr(text, "\nVmPeak:"); /* the lines before, and the many after, are of no interest */
    if (!memory) memory = text;
    double rss;
    if (!find_kib(memory, "VmRSS", &rss)) return false; /* a zombie has no memory lines */
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        find_kib(memory, fields[i].key, &values[fields[i].channel]);
    return true;
}

static void read_pss(const struct ew_meter *meter, struct memory_state *state, double *values) {
    int64_t begin = ew_meter_now_ns(meter);
    bool wanted = atomic_exchange(&state->pss_wanted, false);
    if (!state->pss_works || (begin < state->next_pss_ns && !wanted)) return;
    char text[4096];
    if (ew_kept_file_read(&state->rollup, text, sizeof text) < 0) {
        /* The process may be ending (ESRCH), which the next status will say; no rights means never. */
        if (errno == EACCES || errno == EPERM || errno == ENOENT) state->pss_works = false;
        return;
    }
    find_kib(text, "Pss", &values[EW_MEM_PSS]);
    int64_t cost = (ew_meter_now_ns(meter) - begin) * PSS_COST_SHARE;
    state->next_pss_ns = begin + (cost > PSS_PERIOD_NS ? cost : PSS_PERIOD_NS);
}

void ew_process_memory_want_pss(struct ew_meter *meter) {
    struct memory_state *state = meter->state;
    atomic_store(&state->pss_wanted, true);
}

static enum ew_status read_memory(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct memory_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    if (!values) return EW_OK;
    if (!read_status(state, values)) {
        batch->n--;
        return ew_error_set(err, EW_ERR_NOT_FOUND, "meter memory: %s: the process has ended", meter->info.source);
    }
    read_pss(meter, state, values);
    return EW_OK;
}

static enum ew_status start_memory(struct ew_meter *meter, struct ew_error *err) {
    (void)err;
    struct memory_state *state = meter->state;
    state->next_pss_ns = INT64_MIN;
    state->pss_works = true;
    return EW_OK;
}

static void close_memory(struct ew_meter *meter) {
    struct memory_state *state = meter->state;
    ew_kept_file_close(&state->status);
    ew_kept_file_close(&state->rollup);
}

static void describe(struct ew_meter *m, int32_t pid) {
    static const char *const names[EW_MEM_N_CHANNELS] = {"rss",      "pss",       "peak_rss", "rss_file",
                                                         "rss_anon", "rss_shmem", "swap"};
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_MEMORY;
    info->kind = EW_METER_GAUGE;
    info->boundary = EW_BOUNDARY_PROCESS;
    info->period_s = 0.04; /* a multiple of the counters' 20 ms: one waking for both; VmHWM has the peaks between */
    info->resolution = 4096;
    info->documented = "proc(5): /proc/pid/status, /proc/pid/smaps_rollup";
    ew_meter_text(info->name, sizeof info->name, "memory");
    ew_meter_text(info->source, sizeof info->source, "/proc/%" PRId32 "/status", pid);
    ew_meter_text(info->covers, sizeof info->covers, "pages of one process that are in memory or swapped out");
    ew_meter_text(info->leaves_out, sizeof info->leaves_out,
                  "memory that drivers hold for it (graphics), and cached file pages that it has not mapped");
    for (size_t c = 0; c < EW_MEM_N_CHANNELS; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", names[c]);
}

enum ew_status ew_meter_open_process_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                            struct ew_error *err) {
    static const struct ew_meter_driver driver = {.start = start_memory, .read = read_memory, .close = close_memory};
    struct ew_meter *m = ew_meter_new(&driver, config, EW_MEM_N_CHANNELS, sizeof(struct memory_state));
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "meter memory: out of memory");
    struct memory_state *state = m->state;
    enum ew_status status = EW_OK;
    char rollup_path[48], text[8192];
    describe(m, pid);
    snprintf(rollup_path, sizeof rollup_path, "/proc/%" PRId32 "/smaps_rollup", pid);
    if (!ew_kept_file_set(&state->status, m->root, m->info.source) ||
        !ew_kept_file_set(&state->rollup, m->root, rollup_path)) {
        status = ew_error_set(err, EW_ERR_MEMORY, "meter memory: out of memory");
    } else if (ew_kept_file_read(&state->status, text, sizeof text) < 0) {
        status = errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_NOT_FOUND;
        ew_error_errno(err, status, errno, "meter memory: %s", m->info.source);
    }
    if (status != EW_OK) {
        ew_meter_close(&m);
        return status;
    }
    *out = m;
    return EW_OK;
}
