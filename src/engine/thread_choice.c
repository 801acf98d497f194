/* Owns the default thread counts and the order of cores; what the cores are is the machine room's knowledge. */
#include "engine/thread_choice.h"

#include "machine/machine.h"

#include <math.h>

static uint32_t limited(int n) { return n < 1 ? 1 : n > EW_MAX_THREADS ? EW_MAX_THREADS : (uint32_t)n; }

/* Usable cores at least half as fast as the fastest of them; a core of unknown speed is as fast as any. */
static int count_fast_cores(const struct ew_machine *m) {
    double best = 0;
    int n = 0;
    for (size_t i = 0; i < m->n_cpus; i++)
        if (m->cpus[i].usable && m->cpus[i].speed > best) best = m->cpus[i].speed;
    for (size_t i = 0; i < m->n_cpus; i++) {
        const struct ew_machine_cpu *cpu = &m->cpus[i];
        bool first = cpu->usable;
        for (size_t k = 0; k < i; k++)
            first &= !(m->cpus[k].usable && m->cpus[k].core >= 0 && m->cpus[k].core == cpu->core);
        n += first && (isnan(cpu->speed) || cpu->speed >= 0.5 * best);
    }
    return n;
}

void ew_thread_choose_on(const struct ew_machine *machine, struct ew_thread_choice *out) {
    *out = (struct ew_thread_choice){.n_default = limited(ew_machine_usable_cores(machine))};
    out->n_decode = limited(count_fast_cores(machine));
    if (out->n_decode > out->n_default) out->n_decode = out->n_default; /* a quota allows fewer */
    bool uneven = machine->kinds > 1 || (machine->cores > 0 && machine->threads > machine->cores);
    if (!uneven) return;
    size_t n = ew_machine_core_order(machine, out->cores, EW_MAX_THREADS);
    out->n_cores = n < EW_MAX_THREADS ? n : EW_MAX_THREADS;
}

void ew_thread_choose(struct ew_thread_choice *out) {
    struct ew_machine *machine = NULL;
    *out = (struct ew_thread_choice){.n_default = 1, .n_decode = 1};
    if (ew_machine_open("", &machine, NULL) != EW_OK) return;
    ew_thread_choose_on(machine, out);
    ew_machine_close(&machine);
}
