/* Owns per-core frequency and its limits, governor and energy preference, as cpufreq tells them. */
#include "machine/facts.h"

#include <math.h>

#define CPUFREQ "/sys/devices/system/cpu/cpu%d/cpufreq/"
#define POLICY "/sys/devices/system/cpu/cpufreq/policy%d/"

enum { MAX_CPUS = 4096 };

/* A CPU's cpufreq folder is a link to its policy; copies of a tree often keep only the policies. policy: [MAX_CPUS],
 * the policy that names the CPU, or the CPU's own number. */
static void find_policies(const struct ew_machine *m, const char *root, int *policy) {
    for (int cpu = 0; cpu < MAX_CPUS; cpu++) policy[cpu] = cpu;
    for (size_t i = m->n_cpus; i-- > 0;) {
        char list[1024];
        bool set[MAX_CPUS] = {false};
        int id = m->cpus[i].id;
        if (!ew_facts_text(root, list, sizeof list, POLICY "affected_cpus", id)) continue;
        for (char *p = list; *p; p++)
            if (*p == ' ') *p = ',';
        if (!ew_facts_parse_list(list, set, MAX_CPUS)) continue;
        for (int cpu = 0; cpu < MAX_CPUS; cpu++)
            if (set[cpu]) policy[cpu] = id;
    }
}

static double mhz(const char *root, int cpu, int policy, const char *file) {
    double khz = ew_facts_number(root, CPUFREQ "%s", cpu, file);
    if (isnan(khz)) khz = ew_facts_number(root, POLICY "%s", policy, file);
    return khz / 1000;
}

static void text(const char *root, int cpu, int policy, const char *file, char *buf, size_t capacity) {
    if (!ew_facts_text(root, buf, capacity, CPUFREQ "%s", cpu, file))
        ew_facts_text(root, buf, capacity, POLICY "%s", policy, file);
}

void ew_facts_read_clocks(struct ew_machine *m, const char *root) {
    int policies[MAX_CPUS];
    find_policies(m, root, policies);
    for (size_t i = 0; i < m->n_cpus; i++) {
        struct ew_machine_cpu *c = &m->cpus[i];
        int policy = policies[c->id];
        c->min_mhz = mhz(root, c->id, policy, "scaling_min_freq");
        c->max_mhz = mhz(root, c->id, policy, "scaling_max_freq");
        c->hardware_max_mhz = mhz(root, c->id, policy, "cpuinfo_max_freq");
        c->now_mhz = mhz(root, c->id, policy, "scaling_cur_freq");
        text(root, c->id, policy, "scaling_governor", c->governor, sizeof c->governor);
        text(root, c->id, policy, "energy_performance_preference", c->preference, sizeof c->preference);
    }
}
