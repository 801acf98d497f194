/* RAPL by perf events: the same counters as powercap shows, for users whom the kernel lets open system-wide events. */
#ifndef EW_METER_RAPL_PERF_H
#define EW_METER_RAPL_PERF_H

#include "edgewise/meter.h"

/* How the kernel is asked; tests script it. */
struct ew_rapl_perf_calls {
    /* Opens one system-wide counter on a CPU. Returns a descriptor, or -1 with errno set (perf_event_open(2)). */
    int (*open)(void *context, uint32_t type, uint64_t config, int cpu);
    /* The counter's value. false = none, with errno set; 0 where the event is in error (its CPU went away). */
    bool (*read)(void *context, int fd, uint64_t *value);
    void (*close)(void *context, int fd);
    void *context;
};

/* Adds "rapl-perf" (packages) and "rapl-perf-psys" (platform) where the event source `power` is below config->root;
 * nothing where it is not. Each is refused as a duplicate where the list's "rapl" or "rapl-psys" is usable: so it is
 * probed after those. calls NULL: events cannot be opened (a recorded machine). calls must outlive the meters.
 * Errors: MEMORY. Source: kernel ABI testing/sysfs-bus-event_source-devices-events, arch/x86/events/rapl.c's
 * events and perf_event_open(2). */
enum ew_status ew_rapl_perf_probe(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_rapl_perf_calls *calls, struct ew_error *err);

#endif
