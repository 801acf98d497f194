/* Owns the parent's side of one trial. The process: trial_process.c; its words: trial_collector.c; the verdict:
 * trial_judge.c. Memory is sampled from the moment `hello` names the process to look at. */
#include "study/trial_run.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text_parts.h"
#include "meter/nvml_processes.h"
#include "meter/process_memory.h"
#include "study/memory_left.h"
#include "study/metering.h"
#include "study/throttle_span.h"
#include "study/trial_conditions.h"
#include "study/trial_process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOTES_SIZE = 1024 };

struct ew_trial_result {
    struct ew_trial_record record;
    struct ew_trial_collector *collector;
    struct ew_series_record *series;
    size_t n_series;
    char reason[EW_TRIAL_REASON_SIZE];
    char meter_lost[EW_TRIAL_REASON_SIZE]; /* "" = it lasted */
    char notes[NOTES_SIZE];                /* "" = none */
    struct ew_trial_process process;       /* for stderr_tail */
};

struct run {
    const struct ew_trial_setup *setup;
    struct ew_trial_result *result;
    char *spec;
    struct ew_meter *memory;
    struct ew_meter_sampler *memory_sampler;
    struct ew_metering metering;
    int64_t begin_ns, deadline_ns;
    struct ew_memory_left memory_before;
    struct ew_meter *gpu_memory; /* sampled with memory; NULL: no card to ask */
    struct ew_process_end end;
};

/* The pid of hello, if it is in the child's process group; otherwise the child itself. */
static int32_t pid_to_meter(const struct run *run, int64_t said) {
    pid_t child = run->result->process.pid;
    if (said > 0 && said <= INT32_MAX && getpgid((pid_t)said) == child) return (int32_t)said;
    return (int32_t)child;
}

static enum ew_status start_memory_meter(struct run *run, int64_t said_pid, struct ew_error *err) {
    int32_t pid = pid_to_meter(run, said_pid);
    if (ew_meter_open_process_memory(NULL, pid, &run->memory, NULL) != EW_OK) return EW_OK; /* it has ended already */
    const struct ew_study_meters *meters = run->setup->meters;
    if (meters->gpu_memory_id == EW_MISSING ||
        ew_meter_open_gpu_memory(&meters->config, pid, &run->gpu_memory, NULL) != EW_OK)
        run->gpu_memory = NULL;
    struct ew_meter *const watched[] = {run->memory, run->gpu_memory};
    enum ew_status status = ew_meter_sampler_open(watched, run->gpu_memory ? 2 : 1, NULL, &run->memory_sampler, err);
    if (status != EW_OK) return status;
    if (ew_meter_sampler_start(run->memory_sampler, NULL) != EW_OK) ew_meter_sampler_close(&run->memory_sampler);
    return EW_OK;
}

/* An energy meter that has gone is no reason not to run: the trial says that it has none. */
static enum ew_status start_meters(struct run *run, struct ew_error *err) {
    struct ew_trial_result *result = run->result;
    enum ew_status status = ew_metering_start(run->setup->meters, &run->metering, err);
    if (status != EW_OK) return status;
    snprintf(result->meter_lost, sizeof result->meter_lost, "%.380s", run->metering.energy_lost);
    if (*run->metering.left_out)
        ew_text_add_part(result->notes, sizeof result->notes, "; ", "without %s", run->metering.left_out);
    return EW_OK;
}

static enum ew_status start(struct run *run, struct ew_error *err) {
    const struct ew_trial_setup *setup = run->setup;
    enum ew_status status = ew_trial_spec_write(&setup->spec, &run->spec, err);
    if (status == EW_OK) status = ew_trial_collector_open(&run->result->collector, err);
    if (status != EW_OK) return status;
    if (setup->meters) {
        status = start_meters(run, err);
        if (status != EW_OK) return status;
    }
    run->memory_before = ew_memory_left_take();
    run->begin_ns = ew_clock_now_ns();
    run->deadline_ns = run->begin_ns + (int64_t)(setup->timeout_s * 1e9);
    return ew_trial_process_start(setup->engine, run->spec, strlen(run->spec), setup->cpus, &run->result->process, err);
}

static enum ew_status take_bytes(void *context, const char *bytes, size_t n, struct ew_error *err) {
    struct run *run = context;
    enum ew_status status = n > 0 ? ew_trial_collector_feed(run->result->collector, bytes, n, err) : EW_OK;
    if (status != EW_OK) return status;
    struct ew_trial_collected said = ew_trial_collector_state(run->result->collector);
    if (!run->memory && said.pid != EW_MISSING && run->setup->meters) status = start_memory_meter(run, said.pid, err);
    if (run->setup->tick) run->setup->tick(run->setup->tick_context, said.phase);
    return status;
}

static double max_in(const struct ew_meter_trace *trace, size_t channel, int64_t begin_ns, int64_t end_ns) {
    double most = NAN;
    for (size_t i = 0; i < trace->n; i++) {
        if (trace->times_ns[i] < begin_ns || trace->times_ns[i] > end_ns) continue;
        double value = trace->values[i * trace->n_channels + channel];
        if (!isnan(value) && !(value <= most)) most = value;
    }
    return most;
}

static int64_t bytes_or_missing(double value) { return isnan(value) ? EW_MISSING : (int64_t)value; }

static void note_memory(struct run *run, const struct ew_meter_trace *trace) {
    struct ew_trial_record *r = &run->result->record;
    r->peak_rss_bytes = bytes_or_missing(max_in(trace, EW_MEM_PEAK, INT64_MIN, INT64_MAX));
    r->peak_pss_bytes = bytes_or_missing(max_in(trace, EW_MEM_PSS, INT64_MIN, INT64_MAX));
    r->swap_peak_bytes = bytes_or_missing(max_in(trace, EW_MEM_SWAP, INT64_MIN, INT64_MAX));
    struct ew_phase_record *phases = (struct ew_phase_record *)r->phases; /* the collector's, which is ours */
    for (size_t i = 0; i < r->n_phases; i++) {
        phases[i].peak_rss_bytes = bytes_or_missing(max_in(trace, EW_MEM_RSS, phases[i].begin_ns, phases[i].end_ns));
        phases[i].peak_pss_bytes = bytes_or_missing(max_in(trace, EW_MEM_PSS, phases[i].begin_ns, phases[i].end_ns));
    }
}

/* Whether the meter lasted to the end; if so, what the trial took, for the budget. */
static void note_energy(struct run *run, const struct ew_meter_trace *trace) {
    struct ew_trial_record *r = &run->result->record;
    double silent_s;
    if (ew_metering_lasts(trace, r->begin_ns, r->end_ns, &silent_s)) {
        r->conditions.spent_j = ew_metering_gross_j(trace, r->begin_ns, r->end_ns);
        return;
    }
    snprintf(run->result->meter_lost, sizeof run->result->meter_lost,
             "%.60s gave nothing in the last %.1f s of %.1f s%s%.200s", trace->info->name, silent_s,
             (double)(r->end_ns - r->begin_ns) * 1e-9, *trace->error ? ": " : "", trace->error);
}

/* What came and went between the looks at the machine before and after. */
static void note_throttling(struct run *run) {
    struct ew_trial_record *r = &run->result->record;
    char words[EW_THROTTLE_WORDS];
    r->conditions.throttled = ew_throttle_seen(&run->metering, r->begin_ns, r->end_ns, words, sizeof words);
    if (r->conditions.throttled)
        ew_text_add_part(run->result->notes, sizeof run->result->notes, "; ", "while it ran: %s", words);
}

static enum ew_status gather_samples(struct run *run, struct ew_error *err) {
    struct ew_trial_result *result = run->result;
    const struct ew_study_meters *meters = run->setup->meters;
    enum ew_status status = EW_OK;
    if (run->memory_sampler) {
        ew_meter_sampler_stop(run->memory_sampler);
        const struct ew_meter_trace *trace = ew_meter_sampler_trace(run->memory_sampler, 0);
        note_memory(run, trace);
        status = ew_series_add_trace(&result->series, &result->n_series, trace, meters->memory_id, err);
        trace = run->gpu_memory ? ew_meter_sampler_trace(run->memory_sampler, 1) : NULL;
        if (trace) result->record.gpu_peak_bytes = bytes_or_missing(ew_gpu_memory_peak(trace, INT64_MIN, INT64_MAX));
        if (status == EW_OK && result->record.gpu_peak_bytes != EW_MISSING)
            status = ew_series_add_trace(&result->series, &result->n_series, trace, meters->gpu_memory_id, err);
    }
    if (run->metering.sampler) {
        ew_meter_sampler_stop(run->metering.sampler);
        if (status == EW_OK) status = ew_metering_add_series(&run->metering, &result->series, &result->n_series, err);
        note_throttling(run);
        if (run->metering.has_energy) note_energy(run, ew_meter_sampler_trace(run->metering.sampler, 0));
    }
    result->record.series = result->series;
    result->record.n_series = result->n_series;
    return status;
}

static int64_t timeval_ns(struct timeval t) { return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000; }

static void judge(struct run *run) {
    struct ew_trial_result *result = run->result;
    struct ew_trial_record *r = &result->record;
    bool killed = WIFSIGNALED(run->end.wait_status);
    r->exit_code = killed ? EW_MISSING : WEXITSTATUS(run->end.wait_status);
    r->signal = killed ? WTERMSIG(run->end.wait_status) : EW_MISSING;
    r->user_cpu_ns = timeval_ns(run->end.usage.ru_utime);
    r->system_cpu_ns = timeval_ns(run->end.usage.ru_stime);
    r->max_rss_bytes = (int64_t)run->end.usage.ru_maxrss * 1024;
    r->major_faults = run->end.usage.ru_majflt;
    int64_t kills = ew_memory_left_take().oom_kills, kills_before = run->memory_before.oom_kills;
    ew_trial_process_clean_stderr(&result->process);
    struct ew_trial_evidence evidence = {
        .said = ew_trial_collector_state(result->collector),
        .timed_out = run->end.timed_out,
        .timeout_s = run->setup->timeout_s,
        .exit_code = killed ? -1 : WEXITSTATUS(run->end.wait_status),
        .signal = killed ? WTERMSIG(run->end.wait_status) : 0,
        .oom_kills = kills == EW_MISSING || kills_before == EW_MISSING ? EW_MISSING : kills - kills_before,
        .peak_bytes = r->peak_rss_bytes,
        .free_at_start_bytes = run->memory_before.free_bytes,
        .stderr_tail = result->process.stderr_tail};
    r->status = ew_trial_judge(&evidence, result->reason);
    r->reason = r->status == EW_TRIAL_OK ? NULL : result->reason;
    r->stderr_tail = r->status == EW_TRIAL_OK || result->process.stderr_size == 0 ? NULL : result->process.stderr_tail;
}

/* The child's own high-water mark counts too: the last sample may come before the highest moment. */
static void note_own_peak(struct ew_trial_record *r) {
    for (size_t i = 0; i < r->n_phases; i++)
        if (r->phases[i].vm_hwm_bytes != EW_MISSING && r->phases[i].vm_hwm_bytes > r->peak_rss_bytes)
            r->peak_rss_bytes = r->phases[i].vm_hwm_bytes;
}

static enum ew_status conclude(struct run *run, struct ew_error *err) {
    struct ew_trial_record *r = &run->result->record;
    r->begin_ns = run->begin_ns;
    r->end_ns = ew_clock_now_ns();
    r->peak_rss_bytes = r->peak_pss_bytes = r->swap_peak_bytes = r->gpu_peak_bytes = EW_MISSING;
    r->conditions = (struct ew_trial_conditions){.gate_waited_s = NAN,
                                                 .start_c = NAN,
                                                 .end_c = NAN,
                                                 .cached_share = NAN,
                                                 .throttle_core_events = EW_MISSING,
                                                 .throttle_package_events = EW_MISSING,
                                                 .pi_flags_before = EW_MISSING,
                                                 .pi_flags_after = EW_MISSING,
                                                 .swap_in_pages = EW_MISSING,
                                                 .swap_out_pages = EW_MISSING,
                                                 .spent_j = NAN,
                                                 .own_cpu_ns = EW_MISSING};
    enum ew_status status = ew_trial_collector_end(run->result->collector, err);
    if (status != EW_OK) return status;
    ew_trial_collector_record(run->result->collector, r->end_ns, r);
    status = gather_samples(run, err);
    note_own_peak(r);
    if (*run->result->meter_lost) r->conditions.meter_lost = run->result->meter_lost;
    if (*run->result->notes) r->conditions.notes = run->result->notes;
    if (status == EW_OK) judge(run);
    return status;
}

enum ew_status ew_trial_run(const struct ew_trial_setup *setup, struct ew_trial_result **out, struct ew_error *err) {
    struct ew_trial_result *result = calloc(1, sizeof *result);
    if (!result) return ew_error_set(err, EW_ERR_MEMORY, "trial: out of memory");
    result->process = (struct ew_trial_process){.in = -1, .out = -1, .error = -1};
    struct run run = {.setup = setup, .result = result};
    enum ew_status status = start(&run, err);
    const struct ew_process_follow follow = {run.deadline_ns, setup->stop, take_bytes, &run};
    if (status == EW_OK) status = ew_trial_process_follow(&result->process, &follow, &run.end, err);
    if (status == EW_OK) status = conclude(&run, err);
    ew_trial_process_close(&result->process);
    ew_meter_sampler_close(&run.memory_sampler);
    ew_metering_close(&run.metering);
    ew_meter_close(&run.memory);
    ew_meter_close(&run.gpu_memory);
    free(run.spec);
    if (status != EW_OK) {
        ew_trial_result_close(&result);
        return status;
    }
    *out = result;
    return EW_OK;
}

void ew_trial_result_close(struct ew_trial_result **result) {
    if (!result || !*result) return;
    ew_series_free(&(*result)->series, (*result)->n_series);
    ew_trial_collector_close(&(*result)->collector);
    free(*result);
    *result = NULL;
}

const struct ew_trial_record *ew_trial_result_record(const struct ew_trial_result *result) { return &result->record; }
