/* Owns the limits that control groups put on this process: processor time, CPUs, memory. Both versions of cgroups; a
 * limit anywhere on the way up to the root counts. Source: cgroups(7), the kernel's cgroup-v2 and cgroup-v1 documents.
 */
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 384 };

/* Version 1 writes "no limit" as the largest multiple of a page. */
static const double no_limit = 0x1p62;

struct group {
    bool v2;
    char mount[PATH_BYTES];
    char path[PATH_BYTES]; /* within the mount; "" at its root */
};

static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (const char *p = list; *p; p += strcspn(p, ","), p += *p == ',')
        if (strncmp(p, word, n) == 0 && (p[n] == 0 || p[n] == ',' || p[n] == '\n')) return true;
    return false;
}

/* The process's path in a hierarchy: "4:memory:/a/b" for version 1, "0::/a/b" for version 2. */
static bool find_path(const char *text, const char *controller, char *path) {
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char controllers[128] = "", at[PATH_BYTES] = "";
        if (sscanf(line, "%*d::%383[^\n]", at) != 1 && sscanf(line, "%*d:%127[^:]:%383[^\n]", controllers, at) != 2)
            continue;
        if (controller ? !has_word(controllers, controller) : controllers[0]) continue;
        snprintf(path, PATH_BYTES, "%s", strcmp(at, "/") == 0 ? "" : at);
        return true;
    }
    return false;
}

static bool find_mount(const char *mounts, const char *controller, char *mount) {
    for (const char *line = mounts; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        char at[PATH_BYTES], type[32], options[256];
        if (sscanf(line, "%*s %383s %31s %255s", at, type, options) != 3) continue;
        if (strcmp(type, controller ? "cgroup" : "cgroup2") != 0) continue;
        if (controller && !has_word(options, controller)) continue;
        snprintf(mount, PATH_BYTES, "%s", at);
        return true;
    }
    return false;
}

/* The group that holds the controller: a version 1 hierarchy where it is mounted, otherwise version 2. */
static bool find_group(const char *cgroup, const char *mounts, const char *controller, struct group *g) {
    g->v2 = false;
    if (find_mount(mounts, controller, g->mount) && find_path(cgroup, controller, g->path)) return true;
    g->v2 = true;
    if (!find_mount(mounts, NULL, g->mount)) snprintf(g->mount, sizeof g->mount, "/sys/fs/cgroup");
    return find_path(cgroup, NULL, g->path);
}

/* Shortens the path to its parent; false at the root. */
static bool go_up(struct group *g) {
    char *slash = strrchr(g->path, '/');
    if (!slash) return false;
    *slash = 0;
    return true;
}

static double cpu_limit_of(const char *root, const struct group *g) {
    if (!g->v2) {
        double quota = ew_facts_number(root, "%s%s/cpu.cfs_quota_us", g->mount, g->path);
        double period = ew_facts_number(root, "%s%s/cpu.cfs_period_us", g->mount, g->path);
        return quota > 0 && period > 0 ? quota / period : NAN;
    }
    char text[64];
    double quota, period;
    if (!ew_facts_text(root, text, sizeof text, "%s%s/cpu.max", g->mount, g->path)) return NAN;
    return sscanf(text, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 ? quota / period : NAN;
}

static void read_quota(struct ew_machine *m, const char *root, struct group g) {
    do m->quota = fmin(m->quota, cpu_limit_of(root, &g)); /* fmin ignores NAN */
    while (go_up(&g));
}

/* What the group holds without the cached file pages that it would give back first: memory.stat's inactive_file. */
static double memory_in_use(const char *root, const struct group *g) {
    double used =
        ew_facts_number(root, "%s%s/%s", g->mount, g->path, g->v2 ? "memory.current" : "memory.usage_in_bytes");
    char path[2 * PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s%s/memory.stat", g->mount, g->path);
    char *text = ew_facts_read_file(root, path);
    const char *key = g->v2 ? "inactive_file " : "total_inactive_file ";
    const char *at = text ? strstr(text, key) : NULL;
    double cached = at ? strtod(at + strlen(key), NULL) : 0;
    free(text);
    return cached > 0 && cached <= used ? used - cached : used;
}

/* Goes to the group with the smallest limit; false, and g at the root, where none has one. */
static bool find_smallest_limit(const char *root, struct group *g, double *limit) {
    const char *limit_file = g->v2 ? "memory.max" : "memory.limit_in_bytes";
    struct group found = *g;
    *limit = no_limit;
    do {
        double here = ew_facts_number(root, "%s%s/%s", g->mount, g->path, limit_file); /* "max" reads as NAN */
        if (!(here < *limit)) continue;
        *limit = here;
        found = *g;
    } while (go_up(g));
    if (*limit < no_limit) *g = found;
    return *limit < no_limit;
}

static void read_memory_limit(struct ew_machine *m, const char *root, struct group g) {
    double limit;
    if (!find_smallest_limit(root, &g, &limit)) return;
    double used = memory_in_use(root, &g);
    m->memory.cgroup_limit_bytes = (int64_t)limit;
    m->memory.cgroup_used_bytes = used >= 0 && used < no_limit ? (int64_t)used : -1;
}

static void read_cpuset(struct ew_machine *m, const char *root, const struct group *g) {
    char list[1024];
    bool allowed[4096] = {false};
    const char *file = g->v2 ? "cpuset.cpus.effective" : "cpuset.effective_cpus";
    if (!ew_facts_text(root, list, sizeof list, "%s%s/%s", g->mount, g->path, file) ||
        !ew_facts_parse_list(list, allowed, 4096))
        return;
    for (size_t i = 0; i < m->n_cpus; i++) m->cpus[i].usable &= m->cpus[i].id < 4096 && allowed[m->cpus[i].id];
}

/* Where the kernel gives no list of groups, /proc/self/cpuset still names this one: cpuset(7). */
static bool find_cpuset(const char *root, const char *cgroup, const char *mounts, struct group *g) {
    if (cgroup) return find_group(cgroup, mounts, "cpuset", g);
    g->v2 = !find_mount(mounts, "cpuset", g->mount);
    if (g->v2 && !find_mount(mounts, NULL, g->mount)) return false;
    return ew_facts_text(root, g->path, sizeof g->path, "/proc/self/cpuset");
}

/* What the kernel lists about this process; NULL and "" where it does not. Both the caller's: free(). */
static void read_lists(const char *root, char **cgroup, char **mounts) {
    *cgroup = ew_facts_read_file(root, "/proc/self/cgroup");
    *mounts = ew_facts_read_file(root, "/proc/self/mounts");
    if (!*mounts) *mounts = ew_facts_read_file(root, "/proc/mounts");
}

bool ew_facts_find_memory_group(const char *root, struct ew_facts_memory_group *out) {
    char *cgroup, *mounts;
    struct group own, g;
    double limit;
    read_lists(root, &cgroup, &mounts);
    bool found = cgroup && find_group(cgroup, mounts ? mounts : "", "memory", &own);
    if (found) {
        g = own;
        bool limited = find_smallest_limit(root, &g, &limit);
        const struct group *which = limited ? &g : &own;
        *out = (struct ew_facts_memory_group){.v2 = which->v2, .limit_bytes = limited ? (int64_t)limit : -1};
        snprintf(out->folder, sizeof out->folder, "%s%s", which->mount, which->path);
    }
    free(cgroup);
    free(mounts);
    return found;
}

void ew_facts_read_cgroup(struct ew_machine *m, const char *root) {
    m->quota = NAN;
    m->memory.cgroup_limit_bytes = m->memory.cgroup_used_bytes = -1;
    char *cgroup, *mounts;
    read_lists(root, &cgroup, &mounts);
    struct group g;
    if (cgroup && find_group(cgroup, mounts ? mounts : "", "cpu", &g)) read_quota(m, root, g);
    if (cgroup && find_group(cgroup, mounts ? mounts : "", "memory", &g)) read_memory_limit(m, root, g);
    if (find_cpuset(root, cgroup, mounts ? mounts : "", &g)) read_cpuset(m, root, &g);
    free(cgroup);
    free(mounts);
}
