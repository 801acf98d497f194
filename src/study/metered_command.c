/* Owns one child whose output is an answer: how it is kept, metered and judged. */
#include "study/metered_command.h"
#include "base/clock.h"
#include "base/error.h"
#include "study/memory_left.h"
#include "study/metering.h"
#include "study/trial_process.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MOST_OUTPUT = 64 << 20 };

struct command {
    const struct ew_metered_setup *setup;
    struct ew_metered_result *result;
    struct ew_trial_process process;
    struct ew_metering metering;
    struct ew_memory_left before;
    struct ew_process_end end;
    size_t capacity;
};

static enum ew_status take_bytes(void *context, const char *bytes, size_t n, struct ew_error *err) {
    struct command *c = context;
    struct ew_metered_result *r = c->result;
    if (c->setup->tick) c->setup->tick(c->setup->context);
    if (n > MOST_OUTPUT - r->n_output)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: says more than %d MiB", c->setup->argv[0], MOST_OUTPUT >> 20);
    if (r->n_output + n + 1 > c->capacity) {
        size_t capacity = 2 * (r->n_output + n + 1);
        char *larger = realloc(r->output, capacity);
        if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its output", c->setup->argv[0]);
        r->output = larger;
        c->capacity = capacity;
    }
    if (n > 0) memcpy(r->output + r->n_output, bytes, n);
    r->n_output += n;
    r->output[r->n_output] = 0;
    return EW_OK;
}

/* What a command of ours says when it fails is a reason by itself. */
static void take_message(const struct ew_trial_process *process, char reason[EW_TRIAL_REASON_SIZE]) {
    static const char prefix[] = "edgewise: ";
    const char *at = strstr(process->stderr_tail, prefix);
    if (!at) return;
    at += sizeof prefix - 1;
    snprintf(reason, EW_TRIAL_REASON_SIZE, "%.*s", (int)strcspn(at, "\n"), at);
}

static void judge(struct command *c) {
    struct ew_metered_result *r = c->result;
    bool killed = WIFSIGNALED(c->end.wait_status);
    int64_t kills = ew_memory_left_take().oom_kills;
    ew_trial_process_clean_stderr(&c->process);
    const struct ew_trial_evidence evidence = {
        .said = {.pid = 1, .phase = "eval", .done = !killed && WEXITSTATUS(c->end.wait_status) == 0},
        .timed_out = c->end.timed_out,
        .timeout_s = c->setup->timeout_s,
        .exit_code = killed ? -1 : WEXITSTATUS(c->end.wait_status),
        .signal = killed ? WTERMSIG(c->end.wait_status) : 0,
        .oom_kills =
            kills == EW_MISSING || c->before.oom_kills == EW_MISSING ? EW_MISSING : kills - c->before.oom_kills,
        .peak_bytes = (int64_t)c->end.usage.ru_maxrss * 1024,
        .free_at_start_bytes = c->before.free_bytes,
        .stderr_tail = c->process.stderr_tail};
    r->status = ew_trial_judge(&evidence, r->reason);
    if (r->status == EW_TRIAL_FAILED) take_message(&c->process, r->reason);
}

static void note_energy(struct command *c) {
    struct ew_metered_result *r = c->result;
    double silent_s;
    if (!c->metering.sampler) return;
    ew_meter_sampler_stop(c->metering.sampler);
    if (!c->metering.has_energy) return;
    const struct ew_meter_trace *trace = ew_meter_sampler_trace(c->metering.sampler, 0);
    if (ew_metering_lasts(trace, r->begin_ns, r->end_ns, &silent_s))
        r->joules = ew_metering_gross_j(trace, r->begin_ns, r->end_ns);
}

enum ew_status ew_metered_command_run(const struct ew_metered_setup *setup, struct ew_metered_result *out,
                                      struct ew_error *err) {
    struct ew_metered_result result = {.joules = NAN};
    struct command c = {.setup = setup, .result = &result, .process = {.in = -1, .out = -1, .error = -1}};
    enum ew_status status = setup->meters ? ew_metering_start(setup->meters, &c.metering, err) : EW_OK;
    c.before = ew_memory_left_take();
    result.begin_ns = ew_clock_now_ns();
    const struct ew_process_follow follow = {result.begin_ns + (int64_t)(setup->timeout_s * 1e9), setup->stop,
                                             take_bytes, &c};
    if (status == EW_OK) status = ew_trial_process_start(setup->argv, "", 0, NULL, &c.process, err);
    if (status == EW_OK) status = ew_trial_process_follow(&c.process, &follow, &c.end, err);
    result.end_ns = ew_clock_now_ns();
    if (status == EW_OK) {
        note_energy(&c);
        judge(&c);
    }
    ew_trial_process_close(&c.process);
    ew_metering_close(&c.metering);
    if (status != EW_OK)
        ew_metered_result_close(&result);
    else
        *out = result;
    return status;
}

void ew_metered_result_close(struct ew_metered_result *result) {
    free(result->output);
    result->output = NULL;
    result->n_output = 0;
}
