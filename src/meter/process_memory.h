/* Memory of another process, read from outside. */
#ifndef EW_METER_PROCESS_MEMORY_H
#define EW_METER_PROCESS_MEMORY_H

#include "edgewise/meter.h"

/* Channels of the meter, in this order; bytes. */
enum ew_process_memory_channel {
    EW_MEM_RSS = 0,   /* VmRSS: resident pages, shared ones counted in full */
    EW_MEM_PSS,       /* smaps_rollup Pss: shared pages counted by share; NAN between its slower readings */
    EW_MEM_PEAK,      /* VmHWM: the kernel's own high-water mark of RSS */
    EW_MEM_RSS_FILE,  /* resident file mappings: the mapped weights are here */
    EW_MEM_RSS_ANON,  /* heap, stacks, packed weights, KV cache */
    EW_MEM_RSS_SHMEM, /* shared memory */
    EW_MEM_SWAP,      /* VmSwap */
    EW_MEM_N_CHANNELS
};

/* Opens the meter "memory" of process pid (below config->root; config may be NULL). Status is read at every sample,
 * smaps_rollup no more often than every 200 ms and for no more than 0.25 % of the time, as the kernel walks all pages
 * for it (about 14 ms for 800 MiB). Reading gives NOT_FOUND once the process has ended. Errors: NOT_FOUND, PERMISSION,
 * MEMORY. Source: proc(5), /proc/pid/status and /proc/pid/smaps_rollup. */
enum ew_status ew_meter_open_process_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                            struct ew_error *err);

/* Makes the next sample take PSS whatever that costs: at the end of a phase, for example. Thread-safe. meter: one of
 * ew_meter_open_process_memory. */
void ew_process_memory_want_pss(struct ew_meter *meter);

#endif
