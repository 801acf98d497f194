/* Owns reading what the memory system counts, and saying what changed. A file that is missing, as in containers and on
 * kernels without PSI, leaves its facts unknown. Limits of groups: cgroup_limits.c. */
#include "machine/memory_activity.h"
#include "base/small_file.h"
#include "base/text_parts.h"
#include "machine/facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Less than this moves on an idle machine too. */
static const int64_t least_bytes = 1 << 20;
/* Of the window: less cannot move a figure by more than its own noise. */
static const double least_stalled_share = 0.01;

/* ---- reading ---- */

static int64_t number_in(const char *text, const char *name) {
    int64_t value;
    return text && ew_small_file_number(text, name, &value) && value >= 0 ? value : -1;
}

static void read_vmstat(const char *root, struct ew_memory_reading *out) {
    char *text = ew_facts_read_file(root, "/proc/vmstat");
    out->swapped_in_pages = number_in(text, "pswpin");
    out->swapped_out_pages = number_in(text, "pswpout");
    out->major_faults = number_in(text, "pgmajfault");
    out->reread_pages = number_in(text, "workingset_refault_file");
    /* Before Linux 5.9 only files had a working set, and the counter no suffix. */
    if (out->reread_pages < 0) out->reread_pages = number_in(text, "workingset_refault");
    free(text);
}

static void read_available(const char *root, struct ew_memory_reading *out) {
    char *text = ew_facts_read_file(root, "/proc/meminfo");
    int64_t kib = number_in(text, "MemAvailable");
    out->available_bytes = kib < 0 || kib > INT64_MAX / 1024 ? -1 : kib * 1024;
    free(text);
}

/* "some avg10=0.00 avg60=0.03 avg300=0.05 total=339110" */
static int64_t pressure_total(const char *text, const char *who) {
    size_t n = strlen(who);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        long long total;
        if (strncmp(line, who, n) != 0 || line[n] != ' ') continue;
        return sscanf(line + n, " avg10=%*f avg60=%*f avg300=%*f total=%lld", &total) == 1 && total >= 0 ? total : -1;
    }
    return -1;
}

static void read_pressure(const char *root, struct ew_memory_reading *out) {
    char *text = ew_facts_read_file(root, "/proc/pressure/memory");
    out->stalled_us = pressure_total(text, "some");
    out->stalled_all_us = pressure_total(text, "full");
    free(text);
}

struct zram_search {
    const char *root;
    struct ew_memory_reading *out;
};

static bool add_zram(void *context, const char *name) {
    struct zram_search *s = context;
    struct ew_memory_zram *z = &s->out->zram[s->out->n_zram];
    char text[256];
    long long original, compressed, used;
    *z = (struct ew_memory_zram){.original_bytes = -1, .compressed_bytes = -1, .used_bytes = -1};
    snprintf(z->name, sizeof z->name, "%.15s", name);
    if (ew_facts_text(s->root, text, sizeof text, "/sys/block/%s/mm_stat", name) &&
        sscanf(text, "%lld %lld %lld", &original, &compressed, &used) == 3 && original >= 0 && compressed >= 0 &&
        used >= 0) {
        z->original_bytes = original;
        z->compressed_bytes = compressed;
        z->used_bytes = used;
    }
    return ++s->out->n_zram < EW_MEMORY_ZRAM_DEVICES;
}

static void read_group_v2(const char *root, struct ew_memory_reading *out) {
    char path[EW_MEMORY_GROUP_BYTES + 32];
    snprintf(path, sizeof path, "%s/memory.events", out->group);
    char *text = ew_facts_read_file(root, path);
    out->above_high = number_in(text, "high");
    out->limit_hits = number_in(text, "max");
    out->limit_oom = number_in(text, "oom");
    out->oom_kills = number_in(text, "oom_kill");
    free(text);
}

static int64_t whole(double value) { return value >= 0 && value < 0x1p62 ? (int64_t)value : -1; }

static void read_group_v1(const char *root, struct ew_memory_reading *out) {
    char path[EW_MEMORY_GROUP_BYTES + 32];
    snprintf(path, sizeof path, "%s/memory.oom_control", out->group);
    char *text = ew_facts_read_file(root, path);
    out->oom_kills = number_in(text, "oom_kill");
    out->limit_hits = whole(ew_facts_number(root, "%s/memory.failcnt", out->group));
    free(text);
}

static void read_group(const char *root, struct ew_memory_reading *out) {
    struct ew_facts_memory_group group;
    out->limit_bytes = out->used_bytes = out->above_high = out->limit_hits = out->limit_oom = out->oom_kills = -1;
    if (!ew_facts_find_memory_group(root, &group)) return;
    snprintf(out->group, sizeof out->group, "%s", group.folder);
    out->limit_bytes = group.limit_bytes;
    out->used_bytes =
        whole(ew_facts_number(root, "%s/%s", group.folder, group.v2 ? "memory.current" : "memory.usage_in_bytes"));
    if (group.v2)
        read_group_v2(root, out);
    else
        read_group_v1(root, out);
}

void ew_memory_reading_take(const char *root, struct ew_memory_reading *out) {
    *out = (struct ew_memory_reading){.page_bytes = root && *root ? -1 : sysconf(_SC_PAGESIZE)};
    read_vmstat(root, out);
    read_available(root, out);
    read_pressure(root, out);
    read_group(root, out);
    ew_facts_each_entry(root, "/sys/block", "zram", add_zram, &(struct zram_search){root, out});
}

/* ---- difference ---- */

static int64_t grown(int64_t before, int64_t after) { return before < 0 || after < before ? -1 : after - before; }

static void compare_zram(const struct ew_memory_reading *before, const struct ew_memory_reading *after,
                         struct ew_memory_activity *out) {
    for (size_t i = 0; i < after->n_zram; i++) {
        const struct ew_memory_zram *z = &after->zram[i];
        struct ew_memory_zram_change *c = &out->zram[out->n_zram++];
        *c = (struct ew_memory_zram_change){.original_before_bytes = -1,
                                            .original_after_bytes = z->original_bytes,
                                            .compressed_after_bytes = z->compressed_bytes,
                                            .used_after_bytes = z->used_bytes};
        memcpy(c->name, z->name, sizeof c->name);
        for (size_t k = 0; k < before->n_zram; k++)
            if (strcmp(before->zram[k].name, z->name) == 0) c->original_before_bytes = before->zram[k].original_bytes;
    }
}

struct ew_memory_activity ew_memory_activity_unknown(void) {
    return (struct ew_memory_activity){.window_ns = -1,
                                       .page_bytes = -1,
                                       .available_before_bytes = -1,
                                       .available_after_bytes = -1,
                                       .swapped_in_pages = -1,
                                       .swapped_out_pages = -1,
                                       .major_faults = -1,
                                       .reread_pages = -1,
                                       .stalled_us = -1,
                                       .stalled_all_us = -1,
                                       .limit_bytes = -1,
                                       .used_before_bytes = -1,
                                       .used_after_bytes = -1,
                                       .above_high = -1,
                                       .limit_hits = -1,
                                       .limit_oom = -1,
                                       .oom_kills = -1};
}

void ew_memory_activity_between(const struct ew_memory_reading *before, const struct ew_memory_reading *after,
                                int64_t window_ns, struct ew_memory_activity *out) {
    *out = ew_memory_activity_unknown();
    out->window_ns = window_ns;
    out->page_bytes = after->page_bytes;
    out->available_before_bytes = before->available_bytes;
    out->available_after_bytes = after->available_bytes;
    out->swapped_in_pages = grown(before->swapped_in_pages, after->swapped_in_pages);
    out->swapped_out_pages = grown(before->swapped_out_pages, after->swapped_out_pages);
    out->major_faults = grown(before->major_faults, after->major_faults);
    out->reread_pages = grown(before->reread_pages, after->reread_pages);
    out->stalled_us = grown(before->stalled_us, after->stalled_us);
    out->stalled_all_us = grown(before->stalled_all_us, after->stalled_all_us);
    out->limit_bytes = after->limit_bytes;
    out->used_after_bytes = after->used_bytes;
    if (strcmp(before->group, after->group) == 0) { /* the counts of another group say nothing */
        out->used_before_bytes = before->used_bytes;
        out->above_high = grown(before->above_high, after->above_high);
        out->limit_hits = grown(before->limit_hits, after->limit_hits);
        out->limit_oom = grown(before->limit_oom, after->limit_oom);
        out->oom_kills = grown(before->oom_kills, after->oom_kills);
    }
    compare_zram(before, after, out);
}

/* ---- words ---- */

/* Without the size of a page every page counts as small as pages are. */
static int64_t bytes_of(const struct ew_memory_activity *a, int64_t pages) {
    int64_t page = a->page_bytes > 0 ? a->page_bytes : 4096;
    return pages > INT64_MAX / page ? INT64_MAX : pages * page;
}

static int64_t zram_grown(const struct ew_memory_zram_change *z) {
    return grown(z->original_before_bytes, z->original_after_bytes);
}

static bool has_swapped(const struct ew_memory_activity *a) {
    int64_t in = a->swapped_in_pages > 0 ? bytes_of(a, a->swapped_in_pages) : 0;
    int64_t out = a->swapped_out_pages > 0 ? bytes_of(a, a->swapped_out_pages) : 0;
    bool swapped = in >= least_bytes || out >= least_bytes || in + out >= least_bytes;
    for (size_t i = 0; i < a->n_zram; i++) swapped |= zram_grown(&a->zram[i]) >= least_bytes;
    return swapped;
}

unsigned ew_memory_activity_flags(const struct ew_memory_activity *a) {
    unsigned flags = 0;
    if (has_swapped(a)) flags |= EW_MEMORY_SWAPPED;
    if (a->window_ns > 0 && a->stalled_all_us > 0 &&
        (double)a->stalled_all_us * 1e3 >= least_stalled_share * (double)a->window_ns)
        flags |= EW_MEMORY_STALLED;
    if (a->limit_hits > 0 || a->limit_oom > 0 || a->oom_kills > 0) flags |= EW_MEMORY_LIMIT;
    if (a->reread_pages > 0 && bytes_of(a, a->reread_pages) >= least_bytes) flags |= EW_MEMORY_REREAD;
    return flags;
}

struct words {
    char *buf;
    size_t capacity;
};

/* "12.3 MiB", or "3148 pages" where their size is not known. */
static void amount_of(const struct ew_memory_activity *a, int64_t pages, char *out, size_t capacity) {
    if (a->page_bytes > 0)
        snprintf(out, capacity, "%.1f MiB", (double)bytes_of(a, pages) / 1048576);
    else
        snprintf(out, capacity, "%" PRId64 " page%s", pages, pages == 1 ? "" : "s");
}

static const char *times(int64_t n) { return n == 1 ? "time" : "times"; }

static void say_swap(struct words *w, const struct ew_memory_activity *a) {
    char amount[48];
    amount_of(a, a->swapped_out_pages, amount, sizeof amount);
    if (a->swapped_out_pages > 0) ew_text_add_part(w->buf, w->capacity, "; ", "swapped out %s", amount);
    amount_of(a, a->swapped_in_pages, amount, sizeof amount);
    if (a->swapped_in_pages > 0) ew_text_add_part(w->buf, w->capacity, "; ", "swapped in %s", amount);
    for (size_t i = 0; i < a->n_zram; i++) {
        const struct ew_memory_zram_change *z = &a->zram[i];
        if (zram_grown(z) > 0)
            ew_text_add_part(w->buf, w->capacity, "; ", "%s took up %.1f MiB more, now %.1f MiB in %.1f MiB of memory",
                             z->name, (double)zram_grown(z) / 1048576, (double)z->original_after_bytes / 1048576,
                             (double)z->used_after_bytes / 1048576);
    }
}

static void say_limit(struct words *w, const struct ew_memory_activity *a) {
    if (a->limit_hits > 0)
        ew_text_add_part(w->buf, w->capacity, "; ", "the cgroup's memory limit was hit %" PRId64 " %s", a->limit_hits,
                         times(a->limit_hits));
    if (a->above_high > 0)
        ew_text_add_part(w->buf, w->capacity, "; ", "the cgroup was slowed down above memory.high %" PRId64 " %s",
                         a->above_high, times(a->above_high));
    if (a->oom_kills > 0)
        ew_text_add_part(w->buf, w->capacity, "; ",
                         "%" PRId64 " of the cgroup's processes %s killed for want of memory", a->oom_kills,
                         a->oom_kills == 1 ? "was" : "were");
    else if (a->limit_oom > 0)
        ew_text_add_part(w->buf, w->capacity, "; ", "the cgroup ran out of memory %" PRId64 " %s", a->limit_oom,
                         times(a->limit_oom));
}

/* Microseconds of waiting are the ordinary life of a kernel. */
static const double least_said_s = 0.001;

static void say_stalls(struct words *w, const struct ew_memory_activity *a) {
    double some = (double)a->stalled_us * 1e-6, all = (double)a->stalled_all_us * 1e-6;
    if (some < least_said_s) return;
    ew_text_add_part(w->buf, w->capacity, "; ", "memory pressure stalled tasks for %.*g s", some < 100 ? 2 : 6, some);
    if (all >= least_said_s)
        ew_text_add_part(w->buf, w->capacity, ", ", "all of them at once for %.*g s", all < 100 ? 2 : 6, all);
}

bool ew_memory_activity_words(const struct ew_memory_activity *a, char *buf, size_t capacity) {
    struct words w = {buf, capacity};
    char amount[48];
    buf[0] = 0;
    say_swap(&w, a);
    say_stalls(&w, a);
    say_limit(&w, a);
    amount_of(a, a->reread_pages, amount, sizeof amount);
    if (a->reread_pages > 0)
        ew_text_add_part(buf, capacity, "; ", "%s of files that had been dropped for want of memory were read again",
                         amount);
    return buf[0] != 0;
}

void ew_memory_activity_unknown_words(const struct ew_memory_activity *a, char *buf, size_t capacity) {
    buf[0] = 0;
    if (a->swapped_in_pages < 0 || a->swapped_out_pages < 0)
        ew_text_add_part(buf, capacity, ", ", "swapping (/proc/vmstat does not say)");
    if (a->stalled_us < 0) ew_text_add_part(buf, capacity, ", ", "stalls (no /proc/pressure/memory)");
    if (a->reread_pages < 0) ew_text_add_part(buf, capacity, ", ", "files read again (/proc/vmstat does not say)");
    if (a->limit_bytes >= 0 && a->limit_hits < 0)
        ew_text_add_part(buf, capacity, ", ", "hits of the cgroup's limit (memory.events)");
    for (size_t i = 0; i < a->n_zram; i++)
        if (a->zram[i].original_after_bytes < 0) ew_text_add_part(buf, capacity, ", ", "%s (mm_stat)", a->zram[i].name);
}
