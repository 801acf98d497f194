/* Owns putting the facts together and the questions that others ask of them. */
#include "machine/machine.h"
#include "base/error.h"
#include "machine/facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void count_usable(struct ew_machine *m) {
    int usable = 0;
    for (size_t i = 0; i < m->n_cpus; i++) usable += m->cpus[i].usable;
    /* Half a CPU of quota still runs one thread; 1.5 feed one thread fully, and a second would be throttled. */
    if (m->quota < usable) usable = (int)m->quota;
    m->usable = usable > 0 ? usable : 1;
}

enum ew_status ew_machine_open(const char *root, struct ew_machine **out, struct ew_error *err) {
    struct ew_machine *m = calloc(1, sizeof *m);
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "facts of the machine: out of memory");
    ew_facts_read_board(m, root);
    if (!ew_facts_read_topology(m, root) || !ew_facts_read_cpu_names(m, root) || !ew_facts_read_heat(m, root) ||
        !ew_facts_read_cooling(m, root)) {
        ew_machine_close(&m);
        return ew_error_set(err, EW_ERR_MEMORY, "facts of the machine: out of memory");
    }
    ew_facts_refresh_throttle(m, root);
    ew_facts_read_clocks(m, root);
    ew_facts_read_memory(m, root);
    ew_facts_read_cgroup(m, root);
    ew_facts_read_pi_firmware(m, root);
    ew_facts_read_gpu(m, root);
    count_usable(m);
    *out = m;
    return EW_OK;
}

void ew_machine_close(struct ew_machine **machine) {
    if (!machine || !*machine) return;
    free((*machine)->cpus);
    free((*machine)->caches);
    free((*machine)->temperatures);
    free((*machine)->fans);
    free((*machine)->coolers);
    free(*machine);
    *machine = NULL;
}

void ew_machine_refresh(struct ew_machine *m, const char *root) {
    ew_facts_read_clocks(m, root);
    ew_facts_read_memory(m, root);
    ew_facts_read_cgroup(m, root);
    count_usable(m);
    ew_facts_refresh_heat(m, root);
    ew_facts_refresh_cooling(m, root);
    ew_facts_refresh_throttle(m, root);
    ew_facts_read_power_mode(m, root);
    ew_facts_refresh_gpu(m, root);
}

/* Whether a should get a thread before b. */
static bool goes_before(const struct ew_machine_cpu *a, const struct ew_machine_cpu *b) {
    if (a->smt != b->smt) return a->smt < b->smt;
    if (a->kind != b->kind) return a->kind < b->kind;
    if (a->speed != b->speed && !isnan(a->speed) && !isnan(b->speed)) return a->speed > b->speed;
    return a->id < b->id;
}

/* The place of a CPU in the order is the number of usable ones that go before it. */
size_t ew_machine_core_order(const struct ew_machine *m, int *ids, size_t capacity) {
    size_t n = 0;
    for (size_t i = 0; i < m->n_cpus; i++) {
        if (!m->cpus[i].usable) continue;
        size_t place = 0;
        for (size_t k = 0; k < m->n_cpus; k++)
            place += m->cpus[k].usable && k != i && goes_before(&m->cpus[k], &m->cpus[i]);
        if (place < capacity) ids[place] = m->cpus[i].id;
        n++;
    }
    return n;
}

int ew_machine_usable_cores(const struct ew_machine *m) {
    int cores = 0;
    for (size_t i = 0; i < m->n_cpus; i++) {
        bool first = m->cpus[i].usable;
        for (size_t k = 0; k < i; k++)
            first &= !(m->cpus[k].usable && m->cpus[k].core >= 0 && m->cpus[k].core == m->cpus[i].core);
        cores += first;
    }
    if (cores > m->usable) cores = m->usable;
    return cores > 0 ? cores : 1;
}

int64_t ew_machine_free_bytes(const struct ew_machine *m) {
    const struct ew_machine_memory *memory = &m->memory;
    int64_t free_bytes = memory->available_bytes;
    if (memory->cgroup_limit_bytes >= 0 && memory->cgroup_used_bytes >= 0) {
        int64_t left = memory->cgroup_limit_bytes - memory->cgroup_used_bytes;
        if (left < 0) left = 0;
        if (free_bytes < 0 || left < free_bytes) free_bytes = left;
    }
    return free_bytes;
}

double ew_machine_cpu_temperature_c(const struct ew_machine *m) {
    for (size_t i = 0; i < m->n_temperatures; i++)
        if (m->temperatures[i].is_cpu) return m->temperatures[i].degrees_c;
    return NAN;
}

int64_t ew_machine_last_cache_bytes(const struct ew_machine *machine) {
    int level = 0;
    int64_t bytes = 0;
    for (size_t i = 0; i < machine->n_caches; i++) {
        const struct ew_machine_cache *c = &machine->caches[i];
        if (c->size_bytes <= 0 || c->level < level || strcmp(c->type, "Instruction") == 0) continue;
        if (c->level > level) bytes = 0;
        level = c->level;
        bytes += c->size_bytes * (c->instances > 0 ? c->instances : 1);
    }
    return bytes;
}
