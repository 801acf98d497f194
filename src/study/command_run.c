/* Owns the order of things around a measured program: rest, warm-up, runs, rest; and cutting the traces into windows.
 * One sampler runs through all of it, so that power at the edges of every window is known. */
#include "study/command_run.h"
#include "base/clock.h"
#include "base/error.h"
#include "machine/machine.h"
#include "meter/tree_memory.h"
#include "study/command_memory.h"
#include "study/command_signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct session {
    const struct ew_command_setup *setup;
    struct ew_command_result *result;
    size_t capacity;
    struct ew_command_memory machine_memory;
    struct ew_meter *memory;
    struct ew_meter_sampler *memory_sampler;
    struct ew_machine *machine;
};

static void tell(const struct session *s, enum ew_command_stage stage, uint32_t number, double seconds) {
    if (s->setup->stage) s->setup->stage(s->setup->context, stage, number, seconds);
}

static const struct ew_energy no_energy = {.energy_j = NAN,
                                           .error_j = NAN,
                                           .net_j = NAN,
                                           .net_error_j = NAN,
                                           .average_w = NAN,
                                           .peak_w = NAN,
                                           .duration_s = NAN,
                                           .update_period_s = NAN};

static const struct ew_gauge_window no_gauge = {NAN, NAN, NAN, NAN};

/* ---- windows of traces ---- */

static struct ew_gauge_window gauge_in(const struct ew_meter_trace *trace, size_t channel, int64_t t0, int64_t t1) {
    struct ew_gauge_window g = no_gauge;
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < trace->n; i++) {
        double v = trace->values[i * trace->n_channels + channel];
        if (isnan(v) || trace->times_ns[i] > t1) continue;
        if (trace->times_ns[i] < t0) {
            g.first = v; /* the reading before still holds at the beginning */
            continue;
        }
        if (isnan(g.first)) g.first = v;
        g.last = v;
        g.max = fmax(g.max, v);
        sum += v;
        n++;
    }
    if (n > 0) g.mean = sum / (double)n;
    if (n == 0) g.last = g.max = g.mean = g.first;
    return g;
}

/* The channel that stands for the processor, or the first; of clocks the fastest domain. */
static struct ew_gauge_window gauge_of(const struct session *s, enum ew_meter_quantity quantity, int64_t t0,
                                       int64_t t1) {
    struct ew_gauge_window best = no_gauge;
    const struct ew_metering *metering = &s->result->metering;
    for (size_t i = 0; i < metering->n; i++) {
        const struct ew_meter_trace *trace = ew_meter_sampler_trace(metering->sampler, i);
        if (trace->info->quantity != quantity) continue;
        for (size_t c = 0; c < trace->n_channels; c++) {
            struct ew_gauge_window g = gauge_in(trace, c, t0, t1);
            if (quantity == EW_METER_TEMPERATURE && strcmp(trace->info->channels[c].name, "cpu") == 0) return g;
            bool better = quantity == EW_METER_FREQUENCY && g.mean > best.mean;
            if (isnan(best.mean) || better) best = g;
        }
    }
    return best;
}

static double peak_in(const struct ew_meter_trace *trace, size_t channel, int64_t t0, int64_t t1) {
    double most = NAN;
    for (size_t i = 0; trace && i < trace->n; i++)
        if (trace->times_ns[i] >= t0 && trace->times_ns[i] <= t1)
            most = fmax(most, trace->values[i * trace->n_channels + channel]);
    return most;
}

static enum ew_status energy_in(const struct session *s, int64_t t0, int64_t t1, struct ew_energy *out,
                                struct ew_error *err) {
    const struct ew_meter_trace *trace = s->result->energy_trace;
    *out = no_energy;
    if (!trace || t1 <= t0) return EW_OK;
    const struct ew_energy_trace input = {
        .info = trace->info, .times_ns = trace->times_ns, .values = trace->values, .n = trace->n};
    const struct ew_idle_baseline *idle = s->result->has_idle ? &s->result->idle : NULL;
    return ew_energy_of_window(&input, EW_ENERGY_TOTAL, t0, t1, idle, out, err);
}

static void peaks_in(const struct session *s, struct ew_command_window *w) {
    const struct ew_meter_trace *memory = ew_meter_sampler_trace(s->memory_sampler, 0);
    w->peak_rss_bytes = peak_in(memory, EW_TREE_RSS, w->begin_ns, w->end_ns);
    w->peak_pss_bytes = peak_in(memory, EW_TREE_PSS, w->begin_ns, w->end_ns);
    w->peak_swap_bytes = peak_in(memory, EW_TREE_SWAP, w->begin_ns, w->end_ns);
    w->peak_anon_bytes = peak_in(memory, EW_TREE_RSS_ANON, w->begin_ns, w->end_ns);
    w->peak_file_bytes = peak_in(memory, EW_TREE_RSS_FILE, w->begin_ns, w->end_ns);
}

/* Needs the memory trace of this one run, which the next run's sampling drops. */
static void take_memory(const struct session *s, struct ew_command_once *once, const struct ew_command_end *end) {
    const struct ew_meter_trace *memory = ew_meter_sampler_trace(s->memory_sampler, 0);
    int64_t t0 = end->begin_ns, t1 = end->end_ns;
    double largest = peak_in(memory, EW_TREE_LARGEST, t0, t1), reaped = (double)end->usage.ru_maxrss * 1024;
    /* Before its exec a child is a copy of this process, and the kernel counts that too. */
    if (reaped > (double)end->own_peak_bytes) largest = fmax(largest, reaped);
    once->largest_bytes = largest;
    peaks_in(s, &once->window);
    for (size_t i = 0; i < once->n_phases; i++) peaks_in(s, &once->phases[i].window);
    once->window.peak_rss_bytes = fmax(once->window.peak_rss_bytes, largest);
    once->most_processes = ew_tree_memory_most(s->memory);
    once->left_running = ew_tree_memory_now(s->memory);
}

static enum ew_status take_phases(struct ew_command_once *once, struct ew_command_end *end, struct ew_error *err) {
    const struct ew_command_phases *p = &end->phases;
    once->broken_lines = p->broken;
    memcpy(once->first_broken, p->first_broken, sizeof once->first_broken);
    if (p->n == 0) return EW_OK;
    once->phases = calloc(p->n, sizeof *once->phases);
    if (!once->phases) return ew_error_set(err, EW_ERR_MEMORY, "phases: out of memory");
    for (size_t i = 0; i < p->n; i++) {
        memcpy(once->phases[i].name, p->list[i].name, sizeof once->phases[i].name);
        once->phases[i].window.energy = no_energy;
        once->phases[i].window.begin_ns = p->list[i].begin_ns;
        once->phases[i].window.end_ns = p->list[i].end_ns;
    }
    once->n_phases = p->n;
    return EW_OK;
}

/* ---- one run ---- */

/* As the meters, it is asked below the root that the user named. */
static struct ew_machine_throttle throttle_now(struct session *s) {
    if (!s->machine) return ew_machine_throttle_unknown();
    ew_machine_refresh(s->machine, s->setup->meters->config.root);
    return s->machine->throttle;
}

static double seconds_of(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec * 1e-6; }

static struct ew_command_once *new_once(struct session *s, struct ew_error *err) {
    struct ew_command_result *result = s->result;
    if (result->n_runs == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 8;
        struct ew_command_once *larger = realloc(result->runs, capacity * sizeof *larger);
        if (!larger) {
            ew_error_set(err, EW_ERR_MEMORY, "runs: out of memory");
            return NULL;
        }
        result->runs = larger;
        s->capacity = capacity;
    }
    struct ew_command_once *once = &result->runs[result->n_runs];
    *once = (struct ew_command_once){.window.energy = no_energy, .temperature_c = no_gauge, .frequency_hz = no_gauge};
    return once;
}

static enum ew_status run_once(struct session *s, bool warm_up, struct ew_error *err) {
    struct ew_command_once *once = new_once(s, err);
    if (!once) return EW_ERR_MEMORY;
    struct ew_command_end end;
    const struct ew_machine_throttle before = throttle_now(s);
    enum ew_status status = ew_meter_sampler_start(s->memory_sampler, err);
    if (status != EW_OK) return status;
    status = ew_command_execute(s->setup->argv, &end, err);
    ew_meter_sampler_stop(s->memory_sampler);
    if (status != EW_OK) return status;
    const struct ew_machine_throttle after = throttle_now(s);
    once->warm_up = warm_up;
    once->window.begin_ns = end.begin_ns;
    once->window.end_ns = end.end_ns;
    once->wait_status = end.wait_status;
    once->user_s = seconds_of(end.usage.ru_utime);
    once->system_s = seconds_of(end.usage.ru_stime);
    once->minor_faults = end.usage.ru_minflt;
    once->major_faults = end.usage.ru_majflt;
    once->throttle = ew_throttle_span_of(&before, &after);
    status = take_phases(once, &end, err);
    if (status == EW_OK) {
        take_memory(s, once, &end);
        s->result->n_runs++;
    }
    ew_command_phases_close(&end.phases);
    return status;
}

static bool failed(const struct ew_command_once *once) {
    return !WIFEXITED(once->wait_status) || WEXITSTATUS(once->wait_status) != 0;
}

/* Each run reads the same standard input where that is a file. */
static void rewind_input(off_t offset) {
    if (offset >= 0) lseek(STDIN_FILENO, offset, SEEK_SET);
}

static enum ew_status run_all(struct session *s, struct ew_error *err) {
    const struct ew_command_setup *setup = s->setup;
    uint32_t total = setup->warm_ups + setup->repeats;
    off_t offset = lseek(STDIN_FILENO, 0, SEEK_CUR);
    for (uint32_t i = 0; i < total; i++) {
        bool warm_up = i < setup->warm_ups;
        tell(s, warm_up ? EW_STAGE_WARM_UP : EW_STAGE_RUN, warm_up ? i + 1 : i - setup->warm_ups + 1, NAN);
        if (i > 0) rewind_input(offset);
        ew_command_memory_begin(&s->machine_memory);
        enum ew_status status = run_once(s, warm_up, err);
        ew_command_memory_end(&s->machine_memory, status == EW_OK ? &s->result->runs[i] : NULL);
        if (status != EW_OK) return status;
        if (ew_command_interrupted() || failed(&s->result->runs[i])) return EW_OK;
    }
    return EW_OK;
}

/* ---- around the runs ---- */

static void rest(struct session *s, bool after) {
    if (s->setup->idle_s <= 0 || ew_command_interrupted()) return;
    tell(s, after ? EW_STAGE_IDLE_AFTER : EW_STAGE_IDLE_BEFORE, 0, s->setup->idle_s);
    int64_t begin = ew_clock_now_ns();
    ew_command_wait_until(begin + (int64_t)(s->setup->idle_s * 1e9));
    s->result->rest_ns[2 * after] = begin;
    s->result->rest_ns[2 * after + 1] = ew_clock_now_ns();
}

/* One that was interrupted is none. */
static enum ew_status play_signature(struct session *s, bool after, struct ew_error *err) {
    struct ew_command_result *result = s->result;
    if (!s->setup->signature || ew_command_interrupted()) return EW_OK;
    double seconds = ew_command_signature_s(s->setup->signature_period_s);
    tell(s, after ? EW_STAGE_SIGNATURE_AFTER : EW_STAGE_SIGNATURE_BEFORE, 0, seconds);
    struct ew_played_signature *to = &result->signatures[result->n_signatures];
    enum ew_status status = ew_command_play_signature(s->setup->signature_period_s, to, err);
    if (status == EW_OK) result->n_signatures++;
    return status == EW_ERR_CANCELLED ? EW_OK : status;
}

static enum ew_status open_samplers(struct session *s, struct ew_error *err) {
    const struct ew_study_meters *m = s->setup->meters;
    struct ew_metering *metering = &s->result->metering;
    enum ew_status status = ew_meter_open_tree_memory(NULL, (int32_t)getpid(), &s->memory, err);
    if (status == EW_OK) status = ew_meter_sampler_open(&s->memory, 1, NULL, &s->memory_sampler, err);
    if (status == EW_OK) status = ew_metering_start(m, metering, err);
    if (status == EW_OK && m->energy && !metering->has_energy)
        status = ew_error_set(err, EW_ERR_UNSUPPORTED, "%s", metering->energy_lost);
    return status;
}

static enum ew_status idle_figures(struct session *s, struct ew_error *err) {
    struct ew_command_result *result = s->result;
    enum ew_status status = EW_OK;
    const int64_t *rest = result->rest_ns;
    if (rest[0]) status = energy_in(s, rest[0], rest[1], &result->idle_before, err);
    if (status == EW_OK && rest[2]) status = energy_in(s, rest[2], rest[3], &result->idle_after, err);
    result->has_idle =
        status == EW_OK && ew_energy_idle_baseline(&result->idle_before, &result->idle_after, &result->idle);
    return status;
}

/* The end of the last window that wants energy. */
static int64_t last_window_end(const struct ew_command_result *result) {
    int64_t end = result->rest_ns[3];
    for (size_t i = 0; i < result->n_runs; i++)
        if (result->runs[i].window.end_ns > end) end = result->runs[i].window.end_ns;
    return end;
}

static enum ew_status cut_run(struct session *s, struct ew_command_once *once, struct ew_error *err) {
    int64_t t0 = once->window.begin_ns, t1 = once->window.end_ns;
    once->temperature_c = gauge_of(s, EW_METER_TEMPERATURE, t0, t1);
    once->frequency_hz = gauge_of(s, EW_METER_FREQUENCY, t0, t1);
    ew_throttle_span_add(&once->throttle, &s->result->metering, t0, t1);
    enum ew_status status = energy_in(s, t0, t1, &once->window.energy, err);
    for (size_t p = 0; p < once->n_phases && status == EW_OK; p++) {
        struct ew_command_window *w = &once->phases[p].window;
        status = energy_in(s, w->begin_ns, w->end_ns, &w->energy, err);
    }
    return status;
}

static enum ew_status cut_windows(struct session *s, struct ew_error *err) {
    struct ew_command_result *result = s->result;
    struct ew_meter_sampler *sampler = result->metering.sampler;
    if (!sampler) return EW_OK;
    ew_meter_sampler_finish(sampler, last_window_end(result));
    result->cost = ew_meter_sampler_cost(sampler);
    if (result->metering.has_energy) result->energy_trace = ew_meter_sampler_trace(sampler, 0);
    enum ew_status status = idle_figures(s, err);
    for (size_t i = 0; i < result->n_runs && status == EW_OK; i++) status = cut_run(s, &result->runs[i], err);
    return status;
}

size_t ew_command_gauges(const struct ew_command_result *result, const struct ew_command_once *once, const char *meter,
                         struct ew_named_gauge *out, size_t capacity) {
    const struct ew_meter_trace *trace = ew_metering_trace(&result->metering, meter);
    size_t n = trace ? trace->n_channels : 0;
    for (size_t c = 0; c < n && c < capacity; c++)
        out[c] = (struct ew_named_gauge){trace->info->channels[c].name,
                                         gauge_in(trace, c, once->window.begin_ns, once->window.end_ns)};
    return n < capacity ? n : capacity;
}

static enum ew_status run_session(struct session *s, struct ew_error *err) {
    struct ew_command_result *result = s->result;
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    result->begin_ns = ew_clock_now_ns();
    result->begin_unix_ns = (int64_t)wall.tv_sec * 1000000000 + wall.tv_nsec;
    ew_machine_open(s->setup->meters->config.root, &s->machine, NULL); /* without it, nothing is known of throttling */
    enum ew_status status = open_samplers(s, err);
    if (status == EW_OK) status = ew_command_signals_open(err);
    if (status != EW_OK) return status;
    rest(s, false);
    status = play_signature(s, false, err);
    if (status == EW_OK && ew_command_interrupted())
        status = ew_error_set(err, EW_ERR_CANCELLED, "stopped before the command began");
    if (status == EW_OK) status = run_all(s, err);
    if (status == EW_OK) status = play_signature(s, true, err);
    if (status == EW_OK) rest(s, true);
    result->interrupted = ew_command_interrupted();
    ew_command_signals_close();
    return status == EW_OK ? cut_windows(s, err) : status;
}

enum ew_status ew_command_run(const struct ew_command_setup *setup, struct ew_command_result **out,
                              struct ew_error *err) {
    struct ew_command_result *result = calloc(1, sizeof *result);
    if (!result) return ew_error_set(err, EW_ERR_MEMORY, "command: out of memory");
    result->idle_before = result->idle_after = no_energy;
    struct session s = {.setup = setup, .result = result};
    ew_command_memory_open(&setup->meters->config, &s.machine_memory);
    enum ew_status status = run_session(&s, err);
    ew_meter_sampler_close(&s.memory_sampler);
    ew_meter_close(&s.memory);
    ew_command_memory_close(&s.machine_memory);
    ew_machine_close(&s.machine);
    if (status != EW_OK) {
        ew_command_result_close(&result);
        return status;
    }
    *out = result;
    return EW_OK;
}

void ew_command_result_close(struct ew_command_result **result) {
    if (!result || !*result) return;
    for (size_t i = 0; i < (*result)->n_runs; i++) free((*result)->runs[i].phases);
    free((*result)->runs);
    ew_metering_close(&(*result)->metering);
    free(*result);
    *result = NULL;
}
