/* Owns reading /proc/stat and /proc/PID/stat. What a share of time means is said where it is asked for. */
#include "machine/processor_time.h"
#include "machine/facts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

bool ew_processor_time_read(const char *root, struct ew_processor_time *out) {
    char line[256];
    unsigned long long t[8] = {0}; /* user nice system idle iowait irq softirq steal */
    if (!ew_facts_text(root, line, sizeof line, "/proc/stat")) return false;
    int n = sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4], &t[5], &t[6],
                   &t[7]);
    if (n < 4) return false;
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    *out = (struct ew_processor_time){.busy_s = (double)(t[0] + t[1] + t[2] + t[5] + t[6]) * tick,
                                      .steal_s = (double)t[7] * tick};
    out->total_s = out->busy_s + out->steal_s + (double)(t[3] + t[4]) * tick;
    struct rusage own;
    if ((!root || !*root) && getrusage(RUSAGE_SELF, &own) == 0)
        out->own_s = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
                     (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) * 1e-6;
    return true;
}

double ew_processor_time_others_s(const struct ew_processor_time *before, const struct ew_processor_time *after) {
    return after->busy_s - before->busy_s - (after->own_s - before->own_s);
}

/* "123 (name (of it)) S …": the name may hold anything, so fields count from the last bracket. */
static bool parse_process(const char *text, struct ew_process_time *out) {
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    unsigned long long user, system;
    if (!open || !close || close < open) return false;
    if (sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2) return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(close - open - 1), open + 1);
    out->cpu_s = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static int by_pid(const void *a, const void *b) {
    const struct ew_process_time *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

void ew_process_times_read(struct ew_process_times *out) {
    *out = (struct ew_process_times){0};
    DIR *folder = opendir("/proc");
    if (!folder) return;
    for (struct dirent *e = readdir(folder); e; e = readdir(folder)) {
        char text[512];
        int pid = atoi(e->d_name);
        struct ew_process_time one = {.pid = pid};
        if (pid <= 0 || !ew_facts_text("", text, sizeof text, "/proc/%d/stat", pid) || !parse_process(text, &one))
            continue;
        struct ew_process_time *p = ew_facts_append((void **)&out->at, &out->n, sizeof *p);
        if (!p) break;
        *p = one;
    }
    closedir(folder);
    if (out->n) qsort(out->at, out->n, sizeof *out->at, by_pid);
}

void ew_process_times_free(struct ew_process_times *times) {
    free(times->at);
    *times = (struct ew_process_times){0};
}

struct ew_process_time ew_process_times_busiest(const struct ew_process_times *before,
                                                const struct ew_process_times *after) {
    struct ew_process_time best = {0};
    for (size_t i = 0; i < after->n; i++) {
        struct ew_process_time now = after->at[i];
        if (now.pid == getpid()) continue;
        const struct ew_process_time *was =
            before->n ? bsearch(&now, before->at, before->n, sizeof *before->at, by_pid) : NULL;
        if (was) now.cpu_s -= was->cpu_s;
        if (now.cpu_s > best.cpu_s) best = now;
    }
    return best;
}
