/* Owns finding the descendants of a process and adding up their memory as the kernel counts it. Processes that live
 * shorter than a sample are not seen: the parent has wait4's exact maximum of those. One process: process_memory.c. */
#include "meter/tree_memory.h"
#include "base/error.h"
#include "base/small_file.h"
#include "meter/driver.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST_PROCESSES = 2048,
    PERIOD_NS = 20000000,
    COST_SHARE = 200, /* a reading may take 1/200 of the time */
    PSS_PERIOD_NS = 200000000,
    PSS_COST_SHARE = 400
};

struct tree_state {
    int32_t root_pid;
    int32_t pids[MOST_PROCESSES]; /* breadth first */
    size_t n;
    bool has_children_file;
    int32_t *strangers; /* [n_strangers] sorted: known not to be descendants; owned */
    size_t n_strangers;
    bool pss_works;
    int64_t next_ns, next_pss_ns;
    atomic_uint most; /* read by other threads than the sampling one */
};

/* ---- who is in the tree ---- */

static void add_pid(struct tree_state *s, int32_t pid) {
    if (pid > 0 && s->n < MOST_PROCESSES) s->pids[s->n++] = pid;
}

static void add_listed(struct tree_state *s, const char *text) {
    for (char *end; *text; text = end) {
        long pid = strtol(text, &end, 10);
        if (end == text) return;
        add_pid(s, (int32_t)pid);
    }
}

/* Calls fn for every entry of a folder below the root whose name is a number. */
static void for_numbers_in(const struct ew_meter *meter, const char *path, void (*fn)(void *context, int32_t number),
                           void *context) {
    char full[4352];
    if (snprintf(full, sizeof full, "%s%s", meter->root, path) >= (int)sizeof full) return;
    DIR *dir = opendir(full);
    if (!dir) return;
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        char *end;
        long number = strtol(e->d_name, &end, 10);
        if (end != e->d_name && !*end && number > 0 && number <= INT32_MAX) fn(context, (int32_t)number);
    }
    closedir(dir);
}

struct walk {
    const struct ew_meter *meter;
    struct tree_state *state;
    int32_t pid;
};

/* Each thread has its own children. */
static void add_children_of_thread(void *context, int32_t tid) {
    struct walk *w = context;
    char path[64], text[16384];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task/%" PRId32 "/children", w->pid, tid);
    if (ew_small_file_read(w->meter->root, path, text, sizeof text) > 0) add_listed(w->state, text);
}

bool ew_process_parent(const char *root, int32_t pid, int32_t *parent) {
    char path[48], text[1024];
    int number;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/stat", pid);
    if (ew_small_file_read(root, path, text, sizeof text) <= 0) return false;
    const char *after_name = strrchr(text, ')'); /* the name may hold anything, brackets too */
    if (!after_name || sscanf(after_name + 1, " %*c %d", &number) != 1) return false;
    *parent = number;
    return true;
}

/* ---- kernels without `children` ---- */

static int compare_pids(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static bool is_stranger(const struct tree_state *s, int32_t pid) {
    return s->n_strangers > 0 && bsearch(&pid, s->strangers, s->n_strangers, sizeof pid, compare_pids);
}

/* One look at /proc: processes that may be ours with their parents, and strangers that are still there. */
struct family {
    const struct ew_meter *meter;
    struct tree_state *state;
    int32_t pid[MOST_PROCESSES], parent[MOST_PROCESSES];
    size_t n;
    int32_t *strangers; /* of this look */
    size_t n_strangers, capacity;
};

static void add_stranger(struct family *f, int32_t pid) {
    if (f->n_strangers == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 512;
        int32_t *larger = realloc(f->strangers, capacity * sizeof *larger);
        if (!larger) return; /* it is looked at again next time */
        f->strangers = larger;
        f->capacity = capacity;
    }
    f->strangers[f->n_strangers++] = pid;
}

/* A stranger never becomes a descendant, so that only new numbers need a look. */
static void add_to_family(void *context, int32_t pid) {
    struct family *f = context;
    int32_t parent;
    if (pid == f->state->root_pid) return;
    if (is_stranger(f->state, pid)) {
        add_stranger(f, pid);
        return;
    }
    if (f->n == MOST_PROCESSES || !ew_process_parent(f->meter->root, pid, &parent)) return;
    f->pid[f->n] = pid;
    f->parent[f->n++] = parent;
}

static bool is_in_tree(const struct tree_state *s, int32_t pid) {
    for (size_t i = 0; i < s->n; i++)
        if (s->pids[i] == pid) return true;
    return false;
}

/* Before anything was started, all others are strangers; later those whose parent is one. A new process whose parent
 * has ended meanwhile is neither, until it is seen below another. */
static void keep_strangers(struct tree_state *s, struct family *f) {
    for (size_t i = 0; i < f->n; i++) {
        if (is_in_tree(s, f->pid[i])) continue;
        if (!s->strangers || is_stranger(s, f->parent[i])) add_stranger(f, f->pid[i]);
    }
    if (f->n_strangers > 0) qsort(f->strangers, f->n_strangers, sizeof *f->strangers, compare_pids);
    free(s->strangers);
    s->strangers = f->strangers;
    s->n_strangers = f->n_strangers;
}

static void find_by_parents(const struct ew_meter *meter, struct tree_state *s) {
    struct family *f = calloc(1, sizeof *f);
    if (!f) return;
    f->meter = meter;
    f->state = s;
    for_numbers_in(meter, "/proc", add_to_family, f);
    int32_t parent = s->root_pid;
    for (size_t next = 0;; parent = s->pids[next++]) {
        for (size_t i = 0; i < f->n; i++)
            if (f->parent[i] == parent) add_pid(s, f->pid[i]);
        if (next == s->n) break;
    }
    keep_strangers(s, f);
    free(f);
}

static void find_processes(const struct ew_meter *meter, struct tree_state *s) {
    s->n = 0;
    if (!s->has_children_file) {
        find_by_parents(meter, s);
        return;
    }
    struct walk w = {.meter = meter, .state = s, .pid = s->root_pid};
    for (size_t next = 0;; w.pid = s->pids[next++]) {
        char path[32];
        snprintf(path, sizeof path, "/proc/%" PRId32 "/task", w.pid);
        for_numbers_in(meter, path, add_children_of_thread, &w);
        if (next == s->n) break;
    }
}

/* ---- their memory ---- */

/* "Key:   123 kB" at a line's start, in bytes; 0 when there is no such line. */
static double find_kib(const char *text, const char *key) {
    int64_t kib = 0;
    ew_small_file_number(text, key, &kib);
    return (double)kib * 1024;
}

static bool add_process(const struct ew_meter *meter, int32_t pid, double *values) {
    static const struct {
        const char *key;
        enum ew_tree_memory_channel channel;
    } fields[] = {{"VmRSS", EW_TREE_RSS},
                  {"RssFile", EW_TREE_RSS_FILE},
                  {"RssAnon", EW_TREE_RSS_ANON},
                  {"RssShmem", EW_TREE_RSS_SHMEM},
                  {"VmSwap", EW_TREE_SWAP}};
    char path[48], text[8192];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/status", pid);
    if (ew_small_file_read(meter->root, path, text, sizeof text) < 0) return false;
    if (!strstr(text, "\nVmRSS:")) return false; /* a zombie has no memory lines */
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        values[fields[i].channel] += find_kib(text, fields[i].key);
    values[EW_TREE_LARGEST] = fmax(values[EW_TREE_LARGEST], find_kib(text, "VmHWM"));
    return true;
}

/* Processor time: on a busy machine a reading waits long, and costs no more. */
static int64_t spent_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void read_pss(const struct ew_meter *meter, struct tree_state *s, double *values) {
    int64_t begin = ew_meter_now_ns(meter), spent = spent_ns();
    if (!s->pss_works || begin < s->next_pss_ns) return;
    double sum = 0;
    for (size_t i = 0; i < s->n; i++) {
        char path[48], text[4096];
        snprintf(path, sizeof path, "/proc/%" PRId32 "/smaps_rollup", s->pids[i]);
        if (ew_small_file_read(meter->root, path, text, sizeof text) >= 0) {
            sum += find_kib(text, "Pss");
        } else if (errno == EACCES || errno == EPERM) {
            s->pss_works = false; /* a program of another user is in the tree: a sum without it would be wrong */
            return;
        }
    }
    if (sum > 0) values[EW_TREE_PSS] = sum;
    int64_t cost = (spent_ns() - spent) * PSS_COST_SHARE;
    s->next_pss_ns = begin + (cost > PSS_PERIOD_NS ? cost : PSS_PERIOD_NS);
}

static enum ew_status read_tree(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    struct tree_state *s = meter->state;
    int64_t begin = ew_meter_now_ns(meter), spent = spent_ns();
    if (begin < s->next_ns) return EW_OK;
    find_processes(meter, s);
    double values[EW_TREE_N_CHANNELS] = {[EW_TREE_PSS] = NAN};
    unsigned seen = 0;
    for (size_t i = 0; i < s->n; i++) seen += add_process(meter, s->pids[i], values);
    int64_t cost = (spent_ns() - spent) * COST_SHARE;
    s->next_ns = begin + (cost > PERIOD_NS ? cost : PERIOD_NS / 2);
    if (seen == 0) return EW_OK;
    if (seen > atomic_load(&s->most)) atomic_store(&s->most, seen);
    read_pss(meter, s, values);
    double *out = ew_meter_batch_add(meter, batch);
    if (out) memcpy(out, values, sizeof values);
    return EW_OK;
}

static enum ew_status start_tree(struct ew_meter *meter, struct ew_error *err) {
    (void)err;
    struct tree_state *s = meter->state;
    char path[64], text[16384];
    snprintf(path, sizeof path, "/proc/%" PRId32 "/task/%" PRId32 "/children", s->root_pid, s->root_pid);
    s->has_children_file = ew_small_file_read(meter->root, path, text, sizeof text) >= 0;
    free(s->strangers);
    s->strangers = NULL;
    s->n_strangers = 0;
    if (!s->has_children_file) find_processes(meter, s); /* who was here before */
    s->pss_works = true;
    s->next_ns = s->next_pss_ns = INT64_MIN;
    atomic_store(&s->most, 0);
    return EW_OK;
}

static void close_tree(struct ew_meter *meter) {
    struct tree_state *s = meter->state;
    if (s) free(s->strangers);
}

enum ew_status ew_meter_open_tree_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                         struct ew_error *err) {
    static const struct ew_meter_driver driver = {.start = start_tree, .read = read_tree, .close = close_tree};
    static const char *const names[EW_TREE_N_CHANNELS] = {"rss",      "pss",       "largest", "rss_file",
                                                          "rss_anon", "rss_shmem", "swap"};
    struct ew_meter *m = ew_meter_new(&driver, config, EW_TREE_N_CHANNELS, sizeof(struct tree_state));
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "meter tree-memory: out of memory");
    ((struct tree_state *)m->state)->root_pid = pid;
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_MEMORY;
    info->kind = EW_METER_GAUGE;
    info->boundary = EW_BOUNDARY_PROCESS;
    info->period_s = PERIOD_NS * 1e-9;
    info->resolution = 4096;
    info->documented = "proc(5): /proc/pid/task/tid/children, /proc/pid/status, /proc/pid/smaps_rollup";
    ew_meter_text(info->name, sizeof info->name, "tree-memory");
    ew_meter_text(info->source, sizeof info->source, "/proc/PID/status of all descendants of %" PRId32, pid);
    ew_meter_text(info->covers, sizeof info->covers, "pages of a program and of all processes that it started");
    ew_meter_text(info->leaves_out, sizeof info->leaves_out,
                  "memory that drivers hold for them (graphics), and cached file pages that they have not mapped");
    for (size_t c = 0; c < EW_TREE_N_CHANNELS; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", names[c]);
    *out = m;
    return EW_OK;
}

uint32_t ew_tree_memory_most(const struct ew_meter *meter) {
    struct tree_state *s = meter->state;
    return atomic_load(&s->most);
}

uint32_t ew_tree_memory_now(struct ew_meter *meter) {
    struct tree_state *s = meter->state;
    uint32_t alive = 0;
    find_processes(meter, s);
    for (size_t i = 0; i < s->n; i++) alive += add_process(meter, s->pids[i], (double[EW_TREE_N_CHANNELS]){0});
    return alive;
}
