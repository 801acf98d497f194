/* What `edgewise meter attach` says: text for people, one JSON object for machines. docs/meter.md. */
#ifndef EW_CLI_METER_ATTACH_H
#define EW_CLI_METER_ATTACH_H

#include "cli/run_file.h"

struct ew_attached {
    const char *run_path, *source;
    const struct ew_run_file *run;
    const struct ew_aligned_log *log;
    const char *by; /* "signatures", "runs" or "here": how the clocks were brought together */
    bool has_idle;
    struct ew_idle_baseline idle;
    const struct ew_energy *energies; /* [run->n] of its windows */
};

void ew_attach_print(const struct ew_attached *attached);
bool ew_attach_print_json(const struct ew_attached *attached);

#endif
