/* Owns the fit of one meter against another. Both are uncertain: the weight of a step comes from the scatter of both
 * meters in it, and from what the line itself leaves over. Refuses a range that is too small and a line that does not
 * fit. Application: calibration_apply.c; files: calibration_file.c. */
#include "meter/calibration.h"
#include "base/error.h"
#include "meter/student_t.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_SAMPLES = 3, ROUNDS = 4 };
static const double min_range = 0.1, range_per_noise = 10, max_residual = 0.05, min_r_squared = 0.98;

struct step {
    double x, y;   /* means of target and reference */
    double sx, sy; /* standard errors of the means, from the scatter inside the step */
};

struct line {
    double gain, offset;
    double var_gain, var_offset, covariance; /* of the fit, scaled by what it leaves */
    double rms, largest, r_squared;
};

/* Mean of a trace over a window and its standard error; false where the trace has too few samples. */
static bool mean_of(const struct ew_energy_trace *trace, int64_t t0, int64_t t1, double *mean, double *error) {
    struct ew_energy energy;
    if (ew_energy_of_window(trace, EW_ENERGY_TOTAL, t0, t1, NULL, &energy, NULL) != EW_OK) return false;
    if (!isfinite(energy.average_w) || energy.samples < MIN_SAMPLES) return false;
    size_t n = ew_energy_power_points(trace, EW_ENERGY_TOTAL, t0, t1, NULL, NULL, 0);
    int64_t *times = malloc((n + 1) * sizeof *times);
    double *watts = malloc((n + 1) * sizeof *watts), squares = 0, sum = 0;
    if (times && watts) n = ew_energy_power_points(trace, EW_ENERGY_TOTAL, t0, t1, times, watts, n);
    bool good = times && watts && n >= MIN_SAMPLES - 1;
    for (size_t i = 0; good && i < n; i++) sum += watts[i] / (double)n;
    for (size_t i = 0; good && i < n; i++) squares += (watts[i] - sum) * (watts[i] - sum);
    free(times);
    free(watts);
    *mean = energy.average_w;
    *error = good ? sqrt(squares / (double)(n - 1) / (double)n) : 0;
    return good;
}

/* One pass of weighted least squares. spread: standard deviation of a step about the line, besides its own errors. */
static void fit_line(const struct step *s, size_t n, double gain, double spread, struct line *out) {
    double sw = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (int pass = 0; pass < 2; pass++) { /* the second about the means, which keeps the digits */
        double mx = pass ? sx / sw : 0, my = pass ? sy / sw : 0;
        sw = pass ? 0 : sw;
        for (size_t i = 0; i < n; i++) {
            double w = 1 / (s[i].sy * s[i].sy + gain * gain * s[i].sx * s[i].sx + spread * spread);
            sw += w;
            if (!pass) {
                sx += w * s[i].x;
                sy += w * s[i].y;
            } else {
                sxx += w * (s[i].x - mx) * (s[i].x - mx);
                sxy += w * (s[i].x - mx) * (s[i].y - my);
            }
        }
    }
    double mx = sx / sw, my = sy / sw;
    out->gain = sxy / sxx;
    out->offset = my - out->gain * mx;
    double chi = 0, residuals = 0, total = 0, mean = 0;
    out->largest = 0;
    for (size_t i = 0; i < n; i++) mean += s[i].y / (double)n;
    for (size_t i = 0; i < n; i++) {
        double r = s[i].y - out->gain * s[i].x - out->offset;
        chi += r * r / (s[i].sy * s[i].sy + gain * gain * s[i].sx * s[i].sx + spread * spread);
        residuals += r * r;
        total += (s[i].y - mean) * (s[i].y - mean);
        out->largest = fmax(out->largest, fabs(r));
    }
    double scale = chi / (double)(n - 2);
    out->var_gain = scale / sxx;
    out->var_offset = scale * (1 / sw + mx * mx / sxx);
    out->covariance = -scale * mx / sxx;
    out->rms = sqrt(residuals / (double)(n - 2));
    out->r_squared = total > 0 ? 1 - residuals / total : 0;
}

/* The reading after the end of a step shows the next one already, and the line to it would be inside. */
static int64_t last_moment(const struct ew_meter_info *info, const struct ew_load_step *step) {
    return step->end_ns - (int64_t)llround(fmin(fmax(info->period_s, 0), 3600) * 1e9);
}

static enum ew_status take_steps(const struct ew_energy_trace *target, const struct ew_energy_trace *reference,
                                 const struct ew_load_step *steps, size_t n, int64_t settle_ns, struct step *out,
                                 struct ew_error *err) {
    if (n < EW_CALIBRATION_MIN_STEPS || n > EW_CALIBRATION_MAX_STEPS || settle_ns < 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "calibration: %zu steps: %d to %d are possible", n,
                            EW_CALIBRATION_MIN_STEPS, EW_CALIBRATION_MAX_STEPS);
    for (size_t i = 0; i < n; i++) {
        int64_t begin = steps[i].begin_ns + settle_ns;
        if (begin >= steps[i].end_ns || (i > 0 && steps[i].begin_ns < steps[i - 1].end_ns))
            return ew_error_set(err, EW_ERR_ARGUMENT,
                                "calibration: step %zu is no longer than its settling time of %.3g s, "
                                "or begins before the last has ended",
                                i, (double)settle_ns * 1e-9);
        const struct ew_energy_trace *traces[2] = {target, reference};
        double mean[2], error[2];
        for (int k = 0; k < 2; k++)
            if (!mean_of(traces[k], begin, last_moment(traces[k]->info, &steps[i]), &mean[k], &error[k]))
                return ew_error_set(err, EW_ERR_NOT_FOUND,
                                    "calibration: meter %s gave fewer than %d samples in step %zu",
                                    traces[k]->info->name, MIN_SAMPLES, i);
        out[i] = (struct step){.x = mean[0], .y = mean[1], .sx = error[0], .sy = error[1]};
    }
    return EW_OK;
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static enum ew_status judge_range(const struct step *s, size_t n, struct ew_calibration *c, struct ew_error *err) {
    double errors[EW_CALIBRATION_MAX_STEPS];
    c->low_w = INFINITY;
    c->high_w = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        c->low_w = fmin(c->low_w, s[i].x);
        c->high_w = fmax(c->high_w, s[i].x);
        errors[i] = s[i].sx;
    }
    qsort(errors, n, sizeof *errors, compare_double);
    double range = c->high_w - c->low_w, noise = errors[n / 2];
    if (range >= min_range * c->high_w && range > range_per_noise * noise && range > 0) return EW_OK;
    return ew_error_set(err, EW_ERR_NOT_FOUND,
                        "calibration: meter %s goes only from %.4g to %.4g W over the staircase (its means scatter by "
                        "%.2g W): needs %.0f %% of the highest and %.0f times the scatter",
                        c->target, c->low_w, c->high_w, noise, 100 * min_range, range_per_noise);
}

static enum ew_status judge_line(const struct line *line, const struct ew_calibration *c, struct ew_error *err) {
    double range = fabs(line->gain) * (c->high_w - c->low_w);
    if (line->gain > 0 && line->rms <= max_residual * range && line->r_squared >= min_r_squared) return EW_OK;
    return ew_error_set(
        err, EW_ERR_NOT_FOUND,
        "calibration: %s does not follow %s in a line: gain %.4g, residuals %.3g W (%.1f %% of the range; "
        "%.0f %% at most), R2 %.4f (%.2f at least)",
        c->target, c->reference, line->gain, line->rms, 100 * line->rms / range, 100 * max_residual, line->r_squared,
        min_r_squared);
}

/* Where the staircase lies in a trace that is not empty: the middle of its edges by the trace's stamps, against the
 * load's. */
static bool find_delay(const struct ew_energy_trace *trace, const double *means, const struct ew_load_step *steps,
                       size_t n, struct ew_time_shift *out) {
    int64_t begin = steps[0].begin_ns, end = steps[n - 1].end_ns, edges[EW_CALIBRATION_MAX_STEPS];
    double levels[EW_CALIBRATION_MAX_STEPS];
    for (size_t i = 1; i < n; i++) {
        edges[i - 1] = steps[i].begin_ns;
        levels[i - 1] = means[i] - means[0];
    }
    struct ew_level_pattern pattern = {
        .times_ns = edges, .levels = levels, .n = n - 1, .begin_ns = begin, .end_ns = end};
    int64_t first = trace->times_ns[0], last = trace->times_ns[trace->n - 1];
    size_t count = ew_energy_power_points(trace, EW_ENERGY_TOTAL, first, last, NULL, NULL, 0);
    int64_t *times = malloc((count + 1) * sizeof *times);
    double *watts = malloc((count + 1) * sizeof *watts);
    bool found = times && watts;
    if (found) {
        count = ew_energy_power_points(trace, EW_ENERGY_TOTAL, first, last, times, watts, count);
        struct ew_power_series series = {.times_ns = times, .watts = watts, .n = count};
        int64_t reach = (end - begin) / (int64_t)n;
        found = ew_time_shift_find_levels(&pattern, &series, -reach, reach, out, NULL) == EW_OK;
    }
    free(times);
    free(watts);
    return found;
}

static void find_lag(const struct ew_energy_trace *target, const struct ew_energy_trace *reference,
                     const struct ew_load_step *steps, struct ew_calibration *c) {
    double x[EW_CALIBRATION_MAX_STEPS], y[EW_CALIBRATION_MAX_STEPS];
    struct ew_time_shift tx, ty;
    for (size_t i = 0; i < c->n_steps; i++) {
        x[i] = c->steps[i].target_w;
        y[i] = c->steps[i].reference_w;
    }
    c->lag_s = 0;
    c->lag_error_s = NAN;
    if (!find_delay(target, x, steps, c->n_steps, &tx) || !find_delay(reference, y, steps, c->n_steps, &ty)) return;
    c->lag_s = (double)(ty.shift_ns - tx.shift_ns) * 1e-9; /* a late trace needs a shift below zero */
    c->lag_error_s = hypot((double)tx.error_ns, (double)ty.error_ns) * 1e-9;
}

/* As a limit (rectangular, so times root 3), in the middle of the range: the reference's own error, what the steps
 * scatter about the line, and how well the line is known there. */
static double expected_error(const struct line *line, const struct ew_calibration *c) {
    double x = 0.5 * (c->low_w + c->high_w), y = line->gain * x + line->offset;
    double fit = line->var_offset + x * x * line->var_gain + 2 * x * line->covariance;
    double reference = c->reference_error_relative * y / sqrt(3.0);
    return sqrt(3.0) * sqrt(reference * reference + line->rms * line->rms + fmax(fit, 0)) / y;
}

static void fill(const struct line *line, const struct step *s, const struct ew_load_step *steps, size_t n,
                 struct ew_calibration *c) {
    double t = ew_student_t95(n - 2);
    c->gain = line->gain;
    c->offset_w = line->offset;
    c->gain_error = t * sqrt(line->var_gain);
    c->offset_error_w = t * sqrt(line->var_offset);
    c->rms_w = line->rms;
    c->largest_w = line->largest;
    c->r_squared = line->r_squared;
    c->n_steps = n;
    for (size_t i = 0; i < n; i++)
        c->steps[i] = (struct ew_calibration_step){.level = steps[i].level,
                                                   .target_w = s[i].x,
                                                   .reference_w = s[i].y,
                                                   .residual_w = s[i].y - line->gain * s[i].x - line->offset};
    c->error_relative = expected_error(line, c);
}

enum ew_status ew_calibration_fit(const struct ew_energy_trace *target, const struct ew_energy_trace *reference,
                                  const struct ew_load_step *steps, size_t n, int64_t settle_ns,
                                  struct ew_calibration *out, struct ew_error *err) {
    struct step s[EW_CALIBRATION_MAX_STEPS];
    struct ew_calibration c = {.reference_boundary = reference->info->boundary,
                               .reference_grade = reference->info->grade_ceiling,
                               .reference_error_relative = reference->info->error_relative};
    memcpy(c.target, target->info->name, sizeof c.target);
    memcpy(c.reference, reference->info->name, sizeof c.reference);
    memcpy(c.reference_covers, reference->info->covers, sizeof c.reference_covers);
    enum ew_status status = take_steps(target, reference, steps, n, settle_ns, s, err);
    if (status == EW_OK) status = judge_range(s, n, &c, err);
    if (status != EW_OK) return status;
    /* Means that do not scatter at all would weigh without limit: a thousandth of the range is the least. */
    struct line line = {.gain = 1, .rms = 0};
    double least = 1e-3 * (c.high_w - c.low_w);
    for (int round = 0; round < ROUNDS; round++) {
        double gain = round ? line.gain : 1;
        fit_line(s, n, gain, hypot(line.rms, fabs(gain) * least), &line);
    }
    if ((status = judge_line(&line, &c, err)) != EW_OK) return status;
    fill(&line, s, steps, n, &c);
    find_lag(target, reference, steps, &c);
    *out = c;
    return EW_OK;
}

enum ew_trust_grade ew_calibration_grade(const struct ew_calibration *c, const char *board) {
    enum ew_trust_grade best = strcmp(c->board, board) == 0 ? EW_GRADE_B : EW_GRADE_D;
    return c->reference_grade < best ? c->reference_grade : best;
}
