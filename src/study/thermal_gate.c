/* Owns the wait before a trial. Which temperature it reads: study_run.c. */
#include "study/thermal_gate.h"

#include <math.h>

/* Two readings in a row, as a single one of a jumpy sensor lets warm trials through. */
enum { READINGS_NEEDED = 2 };
static const double step_s = 0.5;

const char *ew_gate_outcome_name(enum ew_gate_outcome outcome) {
    static const char *const names[] = {"none", "passed", "timed_out", "blind", "stopped"};
    return names[outcome];
}

struct ew_gate_result ew_thermal_gate_wait(const struct ew_thermal_gate *gate, const struct ew_gate_io *io) {
    struct ew_gate_result r = {.outcome = EW_GATE_NONE, .start_c = NAN};
    if (isnan(gate->at_c)) return r;
    double begin = io->now_s(io->context);
    for (int cool = 0;;) {
        r.start_c = io->read_c(io->context);
        r.waited_s = io->now_s(io->context) - begin;
        if (isnan(r.start_c)) {
            r.outcome = EW_GATE_BLIND;
            return r;
        }
        cool = r.start_c <= gate->at_c + gate->within_c ? cool + 1 : 0;
        r.outcome = cool >= READINGS_NEEDED                   ? EW_GATE_PASSED
                    : r.waited_s >= gate->timeout_s           ? EW_GATE_TIMED_OUT
                    : io->stopped && io->stopped(io->context) ? EW_GATE_STOPPED
                                                              : EW_GATE_NONE;
        if (r.outcome != EW_GATE_NONE) return r;
        io->sleep_s(io->context, step_s);
    }
}
