/* Waiting until the processor is cool enough for the next trial, so that every trial starts alike. A machine that is
 * cooler than asked is let through: nothing is heated up on purpose. Pure but for the reader and the sleep that it is
 * given. */
#ifndef EW_STUDY_THERMAL_GATE_H
#define EW_STUDY_THERMAL_GATE_H

#include <stdbool.h>

struct ew_thermal_gate {
    double at_c;      /* start temperature; NAN = no gate */
    double within_c;  /* how much above it is still fine */
    double timeout_s; /* then the trial begins all the same, and it is recorded */
};

struct ew_gate_io {
    double (*read_c)(void *context); /* NAN = no temperature */
    double (*now_s)(void *context);
    void (*sleep_s)(void *context, double seconds);
    bool (*stopped)(void *context); /* Ctrl-C */
    void *context;
};

enum ew_gate_outcome {
    EW_GATE_NONE = 0,  /* not asked for */
    EW_GATE_PASSED,    /* cool enough */
    EW_GATE_TIMED_OUT, /* still too warm: the trial says so */
    EW_GATE_BLIND,     /* there is no temperature to wait for */
    EW_GATE_STOPPED
};

struct ew_gate_result {
    enum ew_gate_outcome outcome;
    double waited_s;
    double start_c; /* when it ended; NAN unknown */
};

struct ew_gate_result ew_thermal_gate_wait(const struct ew_thermal_gate *gate, const struct ew_gate_io *io);

const char *ew_gate_outcome_name(enum ew_gate_outcome outcome); /* "passed", "timed_out" … */

#endif
