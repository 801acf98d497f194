/* Owns reading /proc for the verdict on a child that was killed: trial_judge.c. */
#include "study/memory_left.h"
#include "base/small_file.h"
#include "study/study_record.h"

/* A "name value" line of a /proc file; EW_MISSING when it is not there. */
static int64_t proc_field(const char *path, const char *name) {
    char text[16384];
    if (ew_small_file_read("", path, text, sizeof text) < 0) return EW_MISSING;
    int64_t value = EW_MISSING;
    ew_small_file_number(text, name, &value);
    return value;
}

struct ew_memory_left ew_memory_left_take(void) {
    int64_t kib = proc_field("/proc/meminfo", "MemAvailable");
    return (struct ew_memory_left){.oom_kills = proc_field("/proc/vmstat", "oom_kill"),
                                   .free_bytes = kib == EW_MISSING ? EW_MISSING : kib * 1024};
}
