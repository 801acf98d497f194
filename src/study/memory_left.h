/* What tells that memory has ended: the kernel's count of processes it ended for want of it, and what is free. */
#ifndef EW_STUDY_MEMORY_LEFT_H
#define EW_STUDY_MEMORY_LEFT_H

#include <stdint.h>

struct ew_memory_left {
    int64_t oom_kills;  /* since boot; EW_MISSING where it is not counted */
    int64_t free_bytes; /* MemAvailable; EW_MISSING unknown */
};

struct ew_memory_left ew_memory_left_take(void);

#endif
