/* What the memory system did over a window: swapping, compressed swap, files read again, waiting for memory, and how
 * often the limit of a control group was met. Two readings and their difference; the counters are of the whole machine
 * or of the whole group, so a window that had the machine for itself tells most.
 *
 * Sources: proc(5), /proc/vmstat and /proc/meminfo; kernel Documentation/accounting/psi.rst,
 * admin-guide/blockdev/zram.rst (mm_stat), admin-guide/cgroup-v2.rst (memory.events), cgroup-v1/memory.rst. */
#ifndef EW_MACHINE_MEMORY_ACTIVITY_H
#define EW_MACHINE_MEMORY_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_MEMORY_ZRAM_DEVICES = 8, EW_MEMORY_GROUP_BYTES = 800, EW_MEMORY_WORDS_BYTES = 640 };

/* One compressed memory device; it may hold swap or a file system. -1 unknown. */
struct ew_memory_zram {
    char name[16];            /* "zram0" */
    int64_t original_bytes;   /* what was put into it */
    int64_t compressed_bytes; /* the same, compressed */
    int64_t used_bytes;       /* memory that it takes, its own tables included */
};

/* One look. Counters run since boot, or since the group was made. -1 = not known, never "none". */
struct ew_memory_reading {
    int64_t page_bytes;
    int64_t available_bytes; /* MemAvailable, never MemFree */
    int64_t swapped_in_pages, swapped_out_pages;
    int64_t major_faults;   /* faults that waited for a disk, swap included */
    int64_t reread_pages;   /* of files, dropped for want of memory and read again (workingset refaults) */
    int64_t stalled_us;     /* at least one task waited for memory (PSI "some") */
    int64_t stalled_all_us; /* all tasks that could run waited for memory (PSI "full") */
    char
        group[EW_MEMORY_GROUP_BYTES]; /* folder of the cgroup with the smallest memory limit on the way up; "" = none */
    int64_t limit_bytes;              /* of that group; also -1 without a limit */
    int64_t used_bytes;               /* by that group, cached files included */
    int64_t above_high;               /* times it was slowed down above memory.high */
    int64_t limit_hits;               /* times that it ran into the limit and had to give something back */
    int64_t limit_oom;                /* times that it could give nothing back */
    int64_t oom_kills;                /* processes of it that were killed */
    size_t n_zram;
    struct ew_memory_zram zram[EW_MEMORY_ZRAM_DEVICES];
};

struct ew_memory_zram_change {
    char name[16];
    int64_t original_before_bytes, original_after_bytes;
    int64_t compressed_after_bytes, used_after_bytes;
};

/* What changed in between; members as above. -1 = not known: one reading lacks it, or a counter was set back. */
struct ew_memory_activity {
    int64_t window_ns;
    int64_t page_bytes;
    int64_t available_before_bytes, available_after_bytes;
    int64_t swapped_in_pages, swapped_out_pages;
    int64_t major_faults, reread_pages;
    int64_t stalled_us, stalled_all_us;
    int64_t limit_bytes, used_before_bytes, used_after_bytes;
    int64_t above_high, limit_hits, limit_oom, oom_kills;
    size_t n_zram;
    struct ew_memory_zram_change zram[EW_MEMORY_ZRAM_DEVICES];
};

/* What may have changed a figure of the window. */
enum ew_memory_flag {
    EW_MEMORY_SWAPPED = 1 << 0, /* 1 MiB or more went to or came from swap, or into zram */
    EW_MEMORY_STALLED = 1 << 1, /* all tasks waited for memory at once, 1 % of the time or more */
    EW_MEMORY_LIMIT = 1 << 2,   /* the group met its limit */
    EW_MEMORY_REREAD = 1 << 3   /* 1 MiB or more of files was read again */
};

/* root: as for ew_machine_open; page_bytes of a recorded machine is not known. */
void ew_memory_reading_take(const char *root, struct ew_memory_reading *out);

void ew_memory_activity_between(const struct ew_memory_reading *before, const struct ew_memory_reading *after,
                                int64_t window_ns, struct ew_memory_activity *out);

/* Nothing known. */
struct ew_memory_activity ew_memory_activity_unknown(void);

/* Bits of enum ew_memory_flag. What is not known raises none. */
unsigned ew_memory_activity_flags(const struct ew_memory_activity *activity);

/* All that happened, in words joined by "; ": "swapped out 12.3 MiB; the cgroup's memory limit was hit 3 times". false
 * and "" when nothing did, as far as this machine tells. */
bool ew_memory_activity_words(const struct ew_memory_activity *activity, char *buf, size_t capacity);

/* What this machine does not tell, joined by ", ": "stalls (no /proc/pressure/memory)"; "" when it tells all. */
void ew_memory_activity_unknown_words(const struct ew_memory_activity *activity, char *buf, size_t capacity);

#endif
