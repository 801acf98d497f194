/* Power modes of a Jetson: those of /etc/nvpmodel.conf, the one in force, and setting one through NVIDIA's program
 * nvpmodel. Source: Jetson Linux Developer Guide, "Power Mode Controls". */
#ifndef EW_MACHINE_POWER_MODE_H
#define EW_MACHINE_POWER_MODE_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>

struct ew_power_mode {
    int id;
    char name[40];
};

/* Fills modes [capacity] in the file's order; returns how many (at most capacity). */
size_t ew_power_mode_list(const char *root, struct ew_power_mode *modes, size_t capacity);

/* From the file that nvpmodel keeps, or from `nvpmodel -q`. false = unknown. */
bool ew_power_mode_now(const char *root, int *id);

/* The number in the last line of what `nvpmodel -q` prints. false = there is none. */
bool ew_power_mode_parse_answer(const char *answer, int *id);

/* Runs `nvpmodel -m ID` and asks again. A mode that wants a restart of the system is refused (UNSUPPORTED): the
 * question is never answered. Errors: NOT_FOUND (no nvpmodel), IO, TIMEOUT, PERMISSION. */
enum ew_status ew_power_mode_set(const char *root, int id, struct ew_error *err);

#endif
