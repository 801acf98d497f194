/* Calibration of one meter against another over a staircase of load: played, fitted, kept, applied.
 *
 * Model: reference_w = gain * target_w + offset_w, over the means of each step. Source: weighted least squares with
 * intervals from Student's t, JCGM 100:2008 (GUM), H.3. Method and file format: docs/meters.md, "Calibration". */
#ifndef EW_METER_CALIBRATION_H
#define EW_METER_CALIBRATION_H

#include "meter/integrate.h"
#include "meter/time_shift.h"

enum { EW_CALIBRATION_MAX_STEPS = 64, EW_CALIBRATION_MIN_STEPS = 4 };

/* One step of the staircase: the load stood at level (0 … 1) from begin to end, on the machine's clock. */
struct ew_load_step {
    double level;
    int64_t begin_ns, end_ns;
};

/* Levels for a staircase of n steps [4 … 64]: up and then down, so that heat which lags cancels; first and last 0. */
void ew_staircase_levels(size_t n, double *levels);

/* Plays the levels, each for step_ns (best no whole number of periods of either meter: load_signature.c says why);
 * set(context, level) returns when the load has changed. The load is off when it returns. clock NULL = the machine's;
 * steps [n]. */
void ew_staircase_play(const double *levels, size_t n, int64_t step_ns, const struct ew_meter_clock *clock,
                       void (*set)(void *context, double level), void *context, struct ew_load_step *steps);
void ew_staircase_set_maker(void *load_maker, double level); /* for set: context is a struct ew_load_maker */

struct ew_calibration_step {
    double level, target_w, reference_w; /* means of the step, its settling time left out */
    double residual_w;                   /* reference_w minus the fitted line */
};

struct ew_calibration {
    char target[EW_METER_NAME_SIZE];
    char reference[EW_METER_NAME_SIZE];
    enum ew_meter_boundary reference_boundary; /* what the calibrated figures then cover */
    char reference_covers[EW_METER_TEXT_SIZE];
    enum ew_trust_grade reference_grade; /* its ceiling */
    double reference_error_relative;     /* NAN = not documented */
    char board[EW_METER_TEXT_SIZE];      /* fingerprint of the machine it was taken on; the caller's words */
    int64_t taken_at_s;                  /* seconds since the epoch */
    double gain, gain_error;             /* 95 % half-widths */
    double offset_w, offset_error_w;
    double lag_s, lag_error_s; /* the target shows a change so much later than the reference; error NAN = not found */
    double rms_w, largest_w;   /* residuals of the steps */
    double r_squared;
    double low_w, high_w; /* range of the target's step means: the fit holds between them */
    size_t n_steps;
    struct ew_calibration_step steps[EW_CALIBRATION_MAX_STEPS];
    double error_relative; /* expected error of a calibrated figure: residuals, interval and the reference's error */
};

/* Fits traces of both meters, on the machine's clock, over the steps. Of each step the first settle_ns and the meter's
 * last period are left out. Fills all but board and taken_at_s. Errors: ARGUMENT (fewer than 4 steps, settle_ns as long
 * as a step), NOT_FOUND (a step without enough samples; the range is too small: less than 10 % of the highest or less
 * than ten times the noise; residuals above 5 % of the range or R² below 0.98; a gain that is not positive: the message
 * names the numbers), MEMORY. */
enum ew_status ew_calibration_fit(const struct ew_energy_trace *target, const struct ew_energy_trace *reference,
                                  const struct ew_load_step *steps, size_t n, int64_t settle_ns,
                                  struct ew_calibration *out, struct ew_error *err);

/* The calibrated watts of a reading of the total. */
static inline double ew_calibration_watts(const struct ew_calibration *c, double target_w) {
    return c->gain * target_w + c->offset_w;
}

/* Best grade of a calibrated figure: D when it was taken on another board, otherwise the reference's, and B at most. */
enum ew_trust_grade ew_calibration_grade(const struct ew_calibration *c, const char *board);

/* From its next start on the meter's readings are calibrated: every channel times gain, and a channel "calibration"
 * that holds the offset. Boundary, error and grade ceiling follow the reference (ew_calibration_grade with this board).
 * Errors: ARGUMENT (another meter's calibration, started, no energy meter), UNSUPPORTED (a counter with a negative
 * offset: it would run backwards; calibrated already), MEMORY. */
enum ew_status ew_calibration_apply(const struct ew_calibration *calibration, const char *board, struct ew_meter *meter,
                                    struct ew_error *err);

#endif
