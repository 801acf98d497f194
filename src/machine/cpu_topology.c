/* Owns the CPUs of the machine: which are online, which threads share a core, which cores are fast, and the caches.
 * From sysfs alone, so that a recorded tree and the machine at hand go the same way. */
#include "machine/facts.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CPUS = 4096, LIST_BYTES = 1024 };
#define CPU "/sys/devices/system/cpu/cpu%d"

static int first_of_list(const char *text) {
    char *end;
    long first = strtol(text, &end, 10);
    return end == text || first < 0 || first >= MAX_CPUS ? -1 : (int)first;
}

/* Without sysfs, /proc/cpuinfo lists the processors; kernels for one ARM processor give it no number. */
static void find_in_cpuinfo(const char *root, bool *online) {
    char *text = ew_facts_read_file(root, "/proc/cpuinfo");
    bool any = false;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, "processor", 9) != 0) continue;
        const char *p = line + 9 + strspn(line + 9, " \t");
        int id = *p == ':' ? first_of_list(p + 1) : -1;
        if (id < 0) continue;
        any = online[id] = true;
    }
    if (!any && text && strstr(text, "CPU implementer")) online[0] = true;
    free(text);
}

static bool list_cpus(struct ew_machine *m, const char *root, bool *online) {
    char list[LIST_BYTES];
    if (!ew_facts_text(root, list, sizeof list, "/sys/devices/system/cpu/online") ||
        !ew_facts_parse_list(list, online, MAX_CPUS))
        find_in_cpuinfo(root, online);
    for (int id = 0; id < MAX_CPUS; id++) {
        if (!online[id]) continue;
        struct ew_machine_cpu *cpu = ew_facts_append((void **)&m->cpus, &m->n_cpus, sizeof *cpu);
        if (!cpu) return false;
        *cpu = (struct ew_machine_cpu){.id = id,
                                       .package = -1,
                                       .core = -1,
                                       .speed = NAN,
                                       .usable = true,
                                       .min_mhz = NAN,
                                       .max_mhz = NAN,
                                       .hardware_max_mhz = NAN,
                                       .now_mhz = NAN};
    }
    m->threads = m->n_cpus > 0 ? (int)m->n_cpus : -1;
    return true;
}

/* A core is known by the first CPU of its siblings: core_id repeats between clusters on ARM. */
static void find_cores(struct ew_machine *m, const char *root) {
    int leader_of_core[MAX_CPUS], cores = 0;
    for (size_t i = 0; i < m->n_cpus; i++) {
        struct ew_machine_cpu *cpu = &m->cpus[i];
        char list[LIST_BYTES];
        double package = ew_facts_number(root, CPU "/topology/physical_package_id", cpu->id);
        cpu->package = package >= 0 ? (int)package : -1;
        if (!ew_facts_text(root, list, sizeof list, CPU "/topology/core_cpus_list", cpu->id) &&
            !ew_facts_text(root, list, sizeof list, CPU "/topology/thread_siblings_list", cpu->id))
            continue;
        int leader = first_of_list(list);
        if (leader < 0) continue;
        int core = 0;
        while (core < cores && leader_of_core[core] != leader) core++;
        if (core == cores) leader_of_core[cores++] = leader;
        cpu->core = core;
        for (size_t k = 0; k < i; k++) cpu->smt += m->cpus[k].core == core;
    }
    m->cores = cores > 0 ? cores : -1;
}

/* Speeds from one source for all CPUs; false when one of them lacks it or all are equal. */
static bool read_speeds(struct ew_machine *m, const char *root, const char *file) {
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < m->n_cpus; i++) {
        double v = ew_facts_number(root, CPU "/%s", m->cpus[i].id, file);
        if (!(v > 0)) return false;
        low = fmin(low, v);
        high = fmax(high, v);
    }
    if (!(high > low)) return false;
    for (size_t i = 0; i < m->n_cpus; i++) m->cpus[i].speed = ew_facts_number(root, CPU "/%s", m->cpus[i].id, file);
    return true;
}

/* Intel hybrids name their kinds outright, whatever the clocks are set to. */
static bool read_hybrid(struct ew_machine *m, const char *root) {
    char list[LIST_BYTES];
    bool fast[MAX_CPUS] = {false};
    if (!ew_facts_text(root, list, sizeof list, "/sys/devices/cpu_core/cpus") ||
        !ew_facts_parse_list(list, fast, MAX_CPUS))
        return false;
    if (!ew_facts_text(root, list, sizeof list, "/sys/devices/cpu_atom/cpus")) return false;
    for (size_t i = 0; i < m->n_cpus; i++) m->cpus[i].speed = fast[m->cpus[i].id] ? 2 : 1;
    return true;
}

static int compare_speed(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Cores within a tenth of each other are of one kind: favoured cores of a desktop chip, or two clusters of the same
 * core with slightly different capacities, are not worth a border. */
static bool find_kinds(struct ew_machine *m, const char *root) {
    m->kinds = m->n_cpus > 0 ? 1 : -1;
    if (!read_speeds(m, root, "cpu_capacity") && !read_hybrid(m, root) &&
        !read_speeds(m, root, "cpufreq/cpuinfo_max_freq") && !read_speeds(m, root, "acpi_cppc/highest_perf"))
        return true;
    double *speeds = calloc(m->n_cpus, sizeof *speeds);
    if (!speeds) return false;
    for (size_t i = 0; i < m->n_cpus; i++) speeds[i] = m->cpus[i].speed;
    qsort(speeds, m->n_cpus, sizeof *speeds, compare_speed);
    int kind = 0;
    double head = speeds[0];
    for (size_t i = 0; i < m->n_cpus; i++) {
        if (speeds[i] < 0.9 * head) {
            head = speeds[i];
            kind++;
        }
        for (size_t k = 0; k < m->n_cpus; k++)
            if (m->cpus[k].speed == speeds[i]) m->cpus[k].kind = kind;
    }
    m->kinds = kind + 1;
    free(speeds);
    return true;
}

/* Older ARM kernels number clusters as packages. Packages whose cores differ in kind are clusters of one chip. */
static void count_packages(struct ew_machine *m) {
    bool clusters = false;
    int packages = 0;
    for (size_t i = 0; i < m->n_cpus; i++) {
        size_t k = 0;
        while (k < i && m->cpus[k].package != m->cpus[i].package) k++;
        packages += k == i && m->cpus[i].package >= 0;
        for (size_t j = 0; j < i; j++)
            clusters |= m->cpus[j].package != m->cpus[i].package && m->cpus[j].kind != m->cpus[i].kind;
    }
    m->packages = packages == 0 ? -1 : clusters ? 1 : packages;
}

static bool add_cache(struct ew_machine *m, const char *root, int cpu, int index) {
    char list[LIST_BYTES], type[16], size[32];
    double level = ew_facts_number(root, CPU "/cache/index%d/level", cpu, index);
    if (!ew_facts_text(root, list, sizeof list, CPU "/cache/index%d/shared_cpu_list", cpu, index) ||
        !ew_facts_text(root, type, sizeof type, CPU "/cache/index%d/type", cpu, index) ||
        !ew_facts_text(root, size, sizeof size, CPU "/cache/index%d/size", cpu, index) || isnan(level))
        return true;
    if (first_of_list(list) != cpu) return true; /* told by the first CPU that shares it */
    char *unit;
    int64_t bytes = strtoll(size, &unit, 10);
    if (bytes <= 0 || bytes > INT64_MAX >> 20) return true;
    bytes *= *unit == 'K' ? 1024 : *unit == 'M' ? 1048576 : 1;
    for (size_t i = 0; i < m->n_caches; i++) {
        struct ew_machine_cache *c = &m->caches[i];
        if (c->level == (int)level && c->size_bytes == bytes && strcmp(c->type, type) == 0) {
            c->instances++;
            return true;
        }
    }
    struct ew_machine_cache *c = ew_facts_append((void **)&m->caches, &m->n_caches, sizeof *c);
    if (!c) return false;
    *c = (struct ew_machine_cache){.level = (int)level, .size_bytes = bytes, .instances = 1};
    snprintf(c->type, sizeof c->type, "%s", type);
    bool sharing[MAX_CPUS] = {false};
    ew_facts_parse_list(list, sharing, MAX_CPUS);
    for (int i = 0; i < MAX_CPUS; i++) c->shared_by += sharing[i];
    return true;
}

/* Which CPUs this process may use, asked of the machine at hand only. */
static void ask_affinity(struct ew_machine *m, const char *root) {
    if (root && *root) return;
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    size_t bytes = CPU_ALLOC_SIZE(MAX_CPUS);
    if (set && sched_getaffinity(0, bytes, set) == 0)
        for (size_t i = 0; i < m->n_cpus; i++) m->cpus[i].usable = CPU_ISSET_S((size_t)m->cpus[i].id, bytes, set);
    CPU_FREE(set);
}

bool ew_facts_read_topology(struct ew_machine *m, const char *root) {
    bool online[MAX_CPUS] = {false};
    if (!list_cpus(m, root, online)) return false;
    find_cores(m, root);
    if (!find_kinds(m, root)) return false;
    count_packages(m);
    for (size_t i = 0; i < m->n_cpus; i++)
        for (int index = 0; index < 10; index++)
            if (!add_cache(m, root, m->cpus[i].id, index)) return false;
    ask_affinity(m, root);
    return true;
}
