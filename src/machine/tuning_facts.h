/* What somebody may change about a machine's speed, and where it stands: boost, power modes offered, supply, the
 * temperature at which it slows down. Beside the facts of machine.h; read only where advice is wanted. */
#ifndef EW_MACHINE_TUNING_FACTS_H
#define EW_MACHINE_TUNING_FACTS_H

#include "machine/machine.h"

enum { EW_POWER_MODES = 16 };

/* One POWER_MODEL line of /etc/nvpmodel.conf. */
struct ew_power_mode {
    int id;
    char name[48]; /* "25W", "MAXN_SUPER" */
};

/* Unknown: "" for text, -1 for numbers, NAN for temperatures. */
struct ew_machine_tuning {
    char driver[32];         /* cpufreq driver, "intel_pstate" */
    int boost;               /* 1 = clocks above the nominal one are allowed, 0 = switched off */
    char boost_command[112]; /* switches it on */
    char profiles[128];      /* ACPI platform profiles that may be chosen, separated by blanks */
    int mode;                /* nvpmodel mode in force */
    size_t n_modes;
    struct ew_power_mode modes[EW_POWER_MODES];
    int on_battery;                     /* 1 = a battery of the system is being emptied, 0 = not */
    double slows_at_c;                  /* the processor is slowed down from here on */
    char slows_source[EW_MACHINE_TEXT]; /* where that stands */
};

/* root as for ew_machine_open. */
void ew_machine_tuning_read(const struct ew_machine *machine, const char *root, struct ew_machine_tuning *out);

/* The mode with the most power: MAXN_SUPER, another MAXN, or the most watts by name, of equal ones the one in force;
 * NULL where names do not say. */
const struct ew_power_mode *ew_machine_largest_mode(const struct ew_machine_tuning *tuning);

#endif
