/* Owns the rules about what this process gets of the machine: memory, processor time, and who else wants them. */
#include "insight/doctor.h"

#include "insight/words.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static const double low_memory_share = 0.1;  /* of all memory, available */
static const double swap_used_share = 0.01;  /* of all memory, swapped out: more than what idle services leave there */
static const double others_warn_share = 0.1; /* of all CPUs, used by others */
static const double steal_warn = 0.01, steal_problem = 0.05;

static const char *size_words(char out[EW_NUMBER_SIZE], int64_t bytes) {
    ew_words_size(out, (double)bytes);
    return out;
}

/* ---- memory ---- */

static bool memory_free(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_memory *m = &f->machine->memory;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    if (m->total_bytes <= 0 || m->available_bytes < 0) return false;
    bool low = (double)m->available_bytes < low_memory_share * (double)m->total_bytes;
    if (low) ew_doctor_remedy(out, "see who holds it: ps -eo rss,pid,comm --sort=-rss | head");
    return ew_doctor_say(out, low ? EW_DOCTOR_WARNING : EW_DOCTOR_OK, "%s of %s available",
                         size_words(a, m->available_bytes), size_words(b, m->total_bytes));
}

static bool memory_swap(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_memory *m = &f->machine->memory;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    if (m->swap_total_bytes < 0 || m->swap_free_bytes < 0) return false;
    int64_t used = m->swap_total_bytes - m->swap_free_bytes;
    if (m->swap_total_bytes == 0) return ew_doctor_say(out, EW_DOCTOR_OK, "none");
    if (used <= 0) return ew_doctor_say(out, EW_DOCTOR_OK, "%s, none in use", size_words(a, m->swap_total_bytes));
    bool much = m->total_bytes > 0 && (double)used > swap_used_share * (double)m->total_bytes;
    if (much && used < m->available_bytes)
        ew_doctor_remedy(out, "sudo swapoff -a && sudo swapon -a");
    else if (much)
        ew_doctor_remedy(out, "free memory first, then: sudo swapoff -a && sudo swapon -a");
    return ew_doctor_say(out, much ? EW_DOCTOR_WARNING : EW_DOCTOR_NOTE, "%s of %s in use", size_words(a, used),
                         size_words(b, m->swap_total_bytes));
}

static bool memory_zram(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    char a[EW_NUMBER_SIZE];
    if (f->machine->memory.zram_bytes <= 0) return false;
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s of the swap is zram, compressed memory",
                         size_words(a, f->machine->memory.zram_bytes));
}

static bool memory_cgroup(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_machine_memory *m = &f->machine->memory;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    if (m->cgroup_limit_bytes < 0 || (m->total_bytes > 0 && m->cgroup_limit_bytes >= m->total_bytes)) return false;
    ew_doctor_say(out, EW_DOCTOR_WARNING, "a control group allows %s", size_words(a, m->cgroup_limit_bytes));
    if (m->cgroup_used_bytes >= 0) ew_doctor_add(out, ", %s of it used", size_words(b, m->cgroup_used_bytes));
    ew_doctor_remedy(out, "raise it where it was set: docker run --memory …, or systemctl set-property UNIT "
                          "MemoryMax=…");
    return true;
}

/* ---- processors ---- */

static bool cores_quota(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                        struct ew_doctor_finding *out) {
    (void)before;
    if (isnan(f->machine->quota) || f->machine->quota >= f->machine->threads) return false;
    ew_doctor_remedy(out,
                     "raise it where it was set: docker run --cpus %d, or systemctl set-property UNIT CPUQuota=%d%%",
                     f->machine->threads, 100 * f->machine->threads);
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "a control group allows %.3g CPUs' worth of time of %d",
                         f->machine->quota, f->machine->threads);
}

static bool cores_set(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                      struct ew_doctor_finding *out) {
    (void)before;
    size_t usable = 0;
    for (size_t i = 0; i < f->machine->n_cpus; i++) usable += f->machine->cpus[i].usable;
    if (f->machine->n_cpus == 0 || usable == f->machine->n_cpus) return false;
    ew_doctor_remedy(out, "taskset, a cpuset or docker run --cpuset-cpus sets it; all: taskset -c 0-%d edgewise …",
                     f->machine->cpus[f->machine->n_cpus - 1].id);
    return ew_doctor_say(out, EW_DOCTOR_WARNING, "this process may run on %zu of %zu CPUs", usable, f->machine->n_cpus);
}

static bool cores_others(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    (void)before;
    int cpus = f->machine->threads > 0 ? f->machine->threads : 1;
    if (isnan(f->others_cpus)) return false;
    if (f->others_cpus < others_warn_share * cpus)
        return ew_doctor_say(out, EW_DOCTOR_OK, "other processes use %.2f of %d CPUs", f->others_cpus, cpus);
    ew_doctor_say(out, EW_DOCTOR_WARNING, "other processes use %.2f of %d CPUs", f->others_cpus, cpus);
    if (f->busiest[0]) ew_doctor_add(out, ", most of all %s with %.2f", f->busiest, f->busiest_cpus);
    if (isfinite(f->load_1min)) ew_doctor_add(out, "; load average %.2f", f->load_1min);
    ew_doctor_remedy(out, "stop them, or wait: top");
    return true;
}

static bool machine_virtual(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                            struct ew_doctor_finding *out) {
    (void)before;
    const char *name = f->machine->hypervisor;
    bool known = isfinite(f->steal), stolen = known && f->steal >= steal_warn;
    if (!name[0] && !stolen) return false;
    ew_doctor_say(out,
                  !stolen                    ? EW_DOCTOR_NOTE
                  : f->steal < steal_problem ? EW_DOCTOR_WARNING
                                             : EW_DOCTOR_PROBLEM,
                  "%s", !name[0] ? "a virtual machine" : name);
    if (known) ew_doctor_add(out, "; %.1f %% of the time was given to others while this was measured", 100 * f->steal);
    if (stolen) ew_doctor_remedy(out, "repeat at a quieter time, or on a machine of your own");
    return true;
}

static const struct ew_doctor_rule rules[] = {
    {"memory.free", "memory", "a model that does not fit is read from disk again and again", true, memory_free},
    {"memory.swap", "swap", "a run whose pages come back from swap measures the disk", true, memory_swap},
    {"memory.zram", "zram", "it takes processor time and memory while it helps", false, memory_zram},
    {"memory.cgroup", "memory limit", "a run that needs more is killed, whatever the machine has", false,
     memory_cgroup},
    {"cores.quota", "CPU quota", "threads beyond the quota are stopped in the middle of a token", true, cores_quota},
    {"cores.set", "CPU set", "the other cores are not used", true, cores_set},
    {"cores.others", "neighbours", "every core that others use is missing, and threads wait for the slowest", true,
     cores_others},
    {"machine.virtual", "virtual", "neighbours on the host take time and memory bandwidth, and sensors are missing",
     true, machine_virtual},
};
const struct ew_doctor_rules ew_doctor_share_rules = {sizeof rules / sizeof *rules, rules};
