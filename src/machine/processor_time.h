/* Who uses the processors: time in all as the kernel counts it, time taken away by a hypervisor, and the processes. */
#ifndef EW_MACHINE_PROCESSOR_TIME_H
#define EW_MACHINE_PROCESSOR_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Since boot, over all CPUs. Source: proc(5), /proc/stat. */
struct ew_processor_time {
    double busy_s;  /* user, nice, system, interrupts */
    double steal_s; /* wanted, and given to somebody else by the hypervisor */
    double total_s; /* both, and idle */
    double own_s;   /* of this process */
};

/* root as for ew_machine_open; own_s is 0 with one. false: not readable. */
bool ew_processor_time_read(const char *root, struct ew_processor_time *out);

/* What other processes used between two readings; this one's children count as others. */
double ew_processor_time_others_s(const struct ew_processor_time *before, const struct ew_processor_time *after);

struct ew_process_time {
    int32_t pid;
    char name[32]; /* "" = none */
    double cpu_s;
};

struct ew_process_times {
    size_t n;
    struct ew_process_time *at; /* [n] by pid; owned */
};

/* All processes of this machine that may be seen; n = 0 when out of memory or nothing can be read. */
void ew_process_times_read(struct ew_process_times *out);
void ew_process_times_free(struct ew_process_times *times);

/* Which process used the most between two readings, this one left out; cpu_s is the difference. name "" = none. */
struct ew_process_time ew_process_times_busiest(const struct ew_process_times *before,
                                                const struct ew_process_times *after);

#endif
