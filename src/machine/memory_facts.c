/* Owns what /proc/meminfo and /proc/swaps say. MemAvailable and not MemFree: cached files can be given back. */
#include "machine/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t kib_field(const char *text, const char *key) {
    char value[32];
    if (!ew_facts_field(text, key, value, sizeof value)) return -1;
    char *end;
    long long kib = strtoll(value, &end, 10);
    return end == value || kib < 0 || kib > INT64_MAX / 1024 ? -1 : kib * 1024;
}

/* Sizes of the zram devices among the swaps: "/dev/zram0 partition 3904508 0 100". */
static int64_t count_zram(const char *root) {
    char *text = ew_facts_read_file(root, "/proc/swaps");
    if (!text) return -1;
    int64_t sum = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        long long kib;
        if (strncmp(line, "/dev/zram", 9) == 0 && sscanf(line, "%*s %*s %lld", &kib) == 1 && kib > 0) sum += kib * 1024;
    }
    free(text);
    return sum;
}

void ew_facts_read_memory(struct ew_machine *m, const char *root) {
    struct ew_machine_memory *memory = &m->memory;
    memory->total_bytes = memory->available_bytes = memory->swap_total_bytes = memory->swap_free_bytes = -1;
    char *text = ew_facts_read_file(root, "/proc/meminfo");
    if (text) {
        memory->total_bytes = kib_field(text, "MemTotal");
        memory->available_bytes = kib_field(text, "MemAvailable");
        memory->swap_total_bytes = kib_field(text, "SwapTotal");
        memory->swap_free_bytes = kib_field(text, "SwapFree");
    }
    free(text);
    memory->zram_bytes = count_zram(root);
    memory->page_bytes = root && *root ? -1 : sysconf(_SC_PAGESIZE);
}
