/* Owns what counts as throttled. Where the counts come from: src/machine. */
#include "study/trial_conditions.h"
#include "base/small_file.h"

#include <sys/resource.h>

static int64_t vmstat(const char *text, const char *name) {
    int64_t value = EW_MISSING;
    ew_small_file_number(text, name, &value);
    return value;
}

static int64_t timeval_ns(struct timeval t) { return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000; }

int64_t ew_conditions_own_cpu_ns(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return timeval_ns(usage.ru_utime) + timeval_ns(usage.ru_stime);
}

int64_t ew_conditions_own_max_rss_bytes(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)usage.ru_maxrss * 1024;
}

struct ew_conditions_snapshot ew_conditions_take(struct ew_machine *machine, const char *root) {
    char text[16384];
    bool has = ew_small_file_read(root, "/proc/vmstat", text, sizeof text) > 0;
    ew_machine_refresh(machine, root);
    return (struct ew_conditions_snapshot){.throttle = machine->throttle,
                                           .cpu_c = ew_machine_cpu_temperature_c(machine),
                                           .swap_in_pages = has ? vmstat(text, "pswpin") : EW_MISSING,
                                           .swap_out_pages = has ? vmstat(text, "pswpout") : EW_MISSING,
                                           .own_cpu_ns = ew_conditions_own_cpu_ns()};
}

static int64_t grown(int64_t before, int64_t after, int64_t unknown) {
    return before == unknown || after == unknown ? EW_MISSING : after - before;
}

/* Raspberry Pi: bits 0-3 hold now, bits 16-19 since boot. */
static bool pi_throttled(int64_t before, int64_t after) {
    enum { NOW = 0xf, SINCE_BOOT = 0xf0000 };
    return before >= 0 && after >= 0 && ((after & NOW) || (before & NOW) || (after & ~before & SINCE_BOOT));
}

void ew_conditions_compare(const struct ew_conditions_snapshot *before, const struct ew_conditions_snapshot *after,
                           struct ew_trial_conditions *out) {
    const struct ew_machine_throttle *a = &before->throttle, *b = &after->throttle;
    out->start_c = before->cpu_c;
    out->end_c = after->cpu_c;
    out->throttle_core_events = grown(a->core_events, b->core_events, -1);
    out->throttle_package_events = grown(a->package_events, b->package_events, -1);
    out->pi_flags_before = a->pi_flags < 0 ? EW_MISSING : a->pi_flags;
    out->pi_flags_after = b->pi_flags < 0 ? EW_MISSING : b->pi_flags;
    out->throttled =
        out->throttle_core_events > 0 || out->throttle_package_events > 0 || pi_throttled(a->pi_flags, b->pi_flags);
    out->swap_in_pages = grown(before->swap_in_pages, after->swap_in_pages, EW_MISSING);
    out->swap_out_pages = grown(before->swap_out_pages, after->swap_out_pages, EW_MISSING);
    out->own_cpu_ns = after->own_cpu_ns - before->own_cpu_ns;
}
