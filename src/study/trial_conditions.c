/* Owns what two looks at the machine say of a trial. What counts as throttled: throttle_span.c. */
#include "study/trial_conditions.h"
#include "base/small_file.h"
#include "base/text_parts.h"
#include "study/throttle_span.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
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
    struct ew_processor_time processors;
    if (!ew_processor_time_read(root, &processors)) processors = (struct ew_processor_time){0};
    ew_machine_refresh(machine, root);
    return (struct ew_conditions_snapshot){.throttle = machine->throttle,
                                           .processors = processors,
                                           .cpu_c = ew_machine_cpu_temperature_c(machine),
                                           .swap_in_pages = has ? vmstat(text, "pswpin") : EW_MISSING,
                                           .swap_out_pages = has ? vmstat(text, "pswpout") : EW_MISSING,
                                           .own_cpu_ns = ew_conditions_own_cpu_ns()};
}

/* A count that fell began anew: its core was switched off meanwhile. */
static int64_t difference(int64_t before, int64_t after) {
    return before < 0 || after < before ? EW_MISSING : after - before;
}

/* Of all time of all CPUs. The kernel counts in ticks of 10 ms: a run of less than half a second is too short to say.
 */
static void share_processors(const struct ew_processor_time *a, const struct ew_processor_time *b, double engine_s,
                             struct ew_trial_conditions *out) {
    static const double shortest_s = 0.5;
    double total_s = b->total_s - a->total_s;
    out->others_share = out->stolen_share = NAN;
    if (!(total_s >= shortest_s)) return;
    double others_s = ew_processor_time_others_s(a, b) - engine_s;
    out->others_share = fmax(others_s, 0) / total_s;
    out->stolen_share = fmax(b->steal_s - a->steal_s, 0) / total_s;
}

bool ew_conditions_crowded(const struct ew_trial_conditions *c) {
    static const double crowded_share = 0.1;
    return !isnan(c->others_share) && c->others_share + c->stolen_share >= crowded_share;
}

void ew_conditions_compare(const struct ew_conditions_snapshot *before, const struct ew_conditions_snapshot *after,
                           int64_t engine_ns, struct ew_trial_conditions *out, char *notes, size_t capacity) {
    const struct ew_machine_throttle *a = &before->throttle, *b = &after->throttle;
    const struct ew_throttle_span span = ew_throttle_span_of(a, b);
    out->start_c = before->cpu_c;
    out->end_c = after->cpu_c;
    out->throttle_core_events = difference(a->core_events, b->core_events);
    out->throttle_package_events = difference(a->package_events, b->package_events);
    out->pi_flags_before = a->pi_flags < 0 ? EW_MISSING : a->pi_flags;
    out->pi_flags_after = b->pi_flags < 0 ? EW_MISSING : b->pi_flags;
    out->throttled |= span.throttled;
    if (span.throttled) ew_text_add_part(notes, capacity, "; ", "%s", span.words);
    out->swap_in_pages = difference(before->swap_in_pages, after->swap_in_pages);
    out->swap_out_pages = difference(before->swap_out_pages, after->swap_out_pages);
    out->own_cpu_ns = after->own_cpu_ns - before->own_cpu_ns;
    share_processors(&before->processors, &after->processors, (double)engine_ns * 1e-9, out);
}
