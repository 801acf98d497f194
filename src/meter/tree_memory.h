/* Memory of everything that a process starts: its children, their children, and so on. */
#ifndef EW_METER_TREE_MEMORY_H
#define EW_METER_TREE_MEMORY_H

#include "edgewise/meter.h"

/* Channels of the meter, in this order; bytes, summed over the processes. */
enum ew_tree_memory_channel {
    EW_TREE_RSS = 0,   /* pages that several processes share are counted in each */
    EW_TREE_PSS,       /* shared pages counted once; NAN between its slower readings */
    EW_TREE_LARGEST,   /* largest high-water mark (VmHWM) of a single process */
    EW_TREE_RSS_FILE,  /* resident file mappings */
    EW_TREE_RSS_ANON,  /* heap and stacks */
    EW_TREE_RSS_SHMEM, /* shared memory */
    EW_TREE_SWAP,
    EW_TREE_N_CHANNELS
};

/* Opens the meter "tree-memory" over all descendants of process pid, itself left out. A process whose parent has ended
 * stays in the tree where pid is a child subreaper (prctl(2)). Sampled every 20 ms, less often where that would take
 * more than 0.5 % of the time; PSS as in process_memory.h. Without any descendant there is no sample.
 * Errors: MEMORY. Source: proc(5), /proc/pid/task/tid/children, or /proc/pid/stat where the kernel lacks that. */
enum ew_status ew_meter_open_tree_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                         struct ew_error *err);

/* Processes seen in one sample, at most, since the start. Thread-safe. */
uint32_t ew_tree_memory_most(const struct ew_meter *meter);

/* Processes in the tree now; only while nobody samples the meter. */
uint32_t ew_tree_memory_now(struct ew_meter *meter);

/* The parent of a process, by /proc/PID/stat below the root. false = it has ended, or its line is not of that form. */
bool ew_process_parent(const char *root, int32_t pid, int32_t *parent);

#endif
