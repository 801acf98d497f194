/* Owns the rules of docs/trial-protocol.md, "What the parent does", step 4. */
#include "study/trial_judge.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const double mib = 1048576.0;

/* Other engines say it in their own words. */
static bool says_out_of_memory(const char *text) {
    static const char *const words[] = {"out of memory", "Out of memory", "bad_alloc", "Cannot allocate memory",
                                        "failed to allocate"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i])) return true;
    return false;
}

static const char *last_line(const char *text, size_t *length) {
    size_t n = strlen(text);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    size_t begin = n;
    while (begin > 0 && text[begin - 1] != '\n') begin--;
    *length = n - begin < 160 ? n - begin : 160;
    return text + begin;
}

static enum ew_trial_status judge_signal(const struct ew_trial_evidence *e, const char *where, char *reason) {
    bool took_all = e->peak_bytes != EW_MISSING && e->free_at_start_bytes != EW_MISSING &&
                    (double)e->peak_bytes > 0.8 * (double)e->free_at_start_bytes;
    bool counted = e->oom_kills != EW_MISSING && e->oom_kills > 0;
    if (e->signal == SIGKILL && (counted || took_all)) {
        int n = snprintf(reason, EW_TRIAL_REASON_SIZE, "killed by the kernel while out of memory, %s", where);
        if (e->peak_bytes != EW_MISSING && e->free_at_start_bytes != EW_MISSING && n > 0)
            snprintf(reason + n, EW_TRIAL_REASON_SIZE - (size_t)n, "; it had taken %.0f of %.0f MiB that were free",
                     (double)e->peak_bytes / mib, (double)e->free_at_start_bytes / mib);
        return EW_TRIAL_OOM;
    }
    size_t length;
    const char *line = last_line(e->stderr_tail, &length);
    if (e->signal != SIGKILL && says_out_of_memory(e->stderr_tail)) {
        snprintf(reason, EW_TRIAL_REASON_SIZE, "out of memory, %s: %.*s", where, (int)length, line);
        return EW_TRIAL_OOM;
    }
    snprintf(reason, EW_TRIAL_REASON_SIZE, "%s (signal %d), %s%s%.*s", strsignal(e->signal), e->signal, where,
             length ? ": " : "", (int)length, line);
    return EW_TRIAL_CRASHED;
}

static enum ew_trial_status judge_exit(const struct ew_trial_evidence *e, const char *where, char *reason) {
    size_t length;
    const char *line = last_line(e->stderr_tail, &length);
    if (e->said.error_status) {
        const char *message = e->said.error_message ? e->said.error_message : "no message";
        snprintf(reason, EW_TRIAL_REASON_SIZE, "%.380s", message);
        return strcmp(e->said.error_status, "memory") == 0 ? EW_TRIAL_OOM : EW_TRIAL_FAILED;
    }
    if (e->said.broken) {
        snprintf(reason, EW_TRIAL_REASON_SIZE, "the engine broke the trial protocol: %s", e->said.broken);
        return EW_TRIAL_FAILED;
    }
    if (e->exit_code == 0 && e->said.done) {
        *reason = 0;
        return EW_TRIAL_OK;
    }
    if (says_out_of_memory(e->stderr_tail)) {
        snprintf(reason, EW_TRIAL_REASON_SIZE, "out of memory, %s: %.*s", where, (int)length, line);
        return EW_TRIAL_OOM;
    }
    snprintf(reason, EW_TRIAL_REASON_SIZE, "ended with exit status %d %s, %s%s%.*s", e->exit_code,
             e->said.done ? "after done" : "before done", where, length ? ": " : "", (int)length, line);
    return EW_TRIAL_FAILED;
}

enum ew_trial_status ew_trial_judge(const struct ew_trial_evidence *e, char reason[EW_TRIAL_REASON_SIZE]) {
    char where[64];
    if (e->said.phase)
        snprintf(where, sizeof where, "in phase %.32s", e->said.phase);
    else
        snprintf(where, sizeof where, "%s", e->said.pid == EW_MISSING ? "before hello" : "between phases");
    if (e->timed_out) {
        snprintf(reason, EW_TRIAL_REASON_SIZE, "not done after %.3g s, %s", e->timeout_s, where);
        return EW_TRIAL_TIMEOUT;
    }
    return e->signal ? judge_signal(e, where, reason) : judge_exit(e, where, reason);
}
