/* Owns the default thread count and the order of cores; what the cores are is the machine room's knowledge. */
#include "engine/thread_choice.h"

#include "machine/machine.h"

void ew_thread_choose(struct ew_thread_choice *out) {
    *out = (struct ew_thread_choice){.n_default = 1};
    struct ew_machine *machine = NULL;
    if (ew_machine_open("", &machine, NULL) != EW_OK) return;
    int usable = ew_machine_usable_cores(machine);
    out->n_default = usable < 1 ? 1 : usable > EW_MAX_THREADS ? EW_MAX_THREADS : (uint32_t)usable;
    bool uneven = machine->kinds > 1 || (machine->cores > 0 && machine->threads > machine->cores);
    if (uneven) {
        size_t n = ew_machine_core_order(machine, out->cores, EW_MAX_THREADS);
        out->n_cores = n < EW_MAX_THREADS ? n : EW_MAX_THREADS;
    }
    ew_machine_close(&machine);
}
