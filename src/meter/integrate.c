/* Owns turning recorded samples into joules. Pure: no file, no clock. Refuses nothing silently: what a trace cannot
 * tell ends as NAN with its reason. Readings made ready: energy_series.c; uncertainty: energy_budget.c; grades:
 * trust.c. */
#include "meter/integrate.h"
#include "base/error.h"
#include "meter/energy_budget.h"
#include "meter/energy_series.h"
#include "meter/trust.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* Where t lies in the cell between samples i and i + 1: 0 … 1; up to `most` after the last. */
static double place_in_cell(const struct ew_energy_series *s, size_t i, int64_t t, double most) {
    return fmin((double)(t - s->times_ns[i]) / (double)(s->times_ns[i + 1] - s->times_ns[i]), most);
}

/* The value at time t. After a counter's last update it goes on at its last slope, for one more update at most; a power
 * stays what it was. */
static double interpolate(const struct ew_energy_series *s, size_t i, int64_t t, double most) {
    return s->value[i] + place_in_cell(s, i, t, most) * (s->value[i + 1] - s->value[i]);
}

static double integrate_power(const struct ew_energy_series *s, int64_t t0, int64_t t1, double *peak_w) {
    double energy = 0;
    int64_t from = t0;
    size_t first = ew_energy_cell_of(s, t0);
    double power = interpolate(s, first, t0, 1);
    *peak_w = power;
    for (size_t i = first + 1; i < s->n && from < t1; i++) {
        if (s->times_ns[i] <= from) continue;
        int64_t to = s->times_ns[i] < t1 ? s->times_ns[i] : t1;
        double next = to == s->times_ns[i] ? s->value[i] : interpolate(s, i - 1, t1, 1);
        energy += 0.5 * (power + next) * (double)(to - from) * 1e-9;
        *peak_w = fmax(*peak_w, next);
        power = next;
        from = to;
    }
    return energy + power * (double)(t1 - from) * 1e-9;
}

static double integrate_counter(const struct ew_energy_series *s, int64_t t0, int64_t t1, double *peak_w) {
    size_t first = ew_energy_cell_of(s, t0), last = ew_energy_cell_of(s, t1);
    *peak_w = 0;
    for (size_t i = first; i <= last; i++) {
        double seconds = (double)(s->times_ns[i + 1] - s->times_ns[i]) * 1e-9;
        *peak_w = fmax(*peak_w, (s->value[i + 1] - s->value[i]) / seconds);
    }
    return interpolate(s, last, t1, 2) - interpolate(s, first, t0, 2);
}

__attribute__((format(printf, 2, 3))) static bool absent(struct ew_energy *out, const char *format, ...) {
    out->grade = EW_GRADE_NONE;
    va_list args;
    va_start(args, format);
    vsnprintf(out->grade_reason, sizeof out->grade_reason, format, args);
    va_end(args);
    return false;
}

/* Whether a whole turn of the counter may hide between two of its readings in the window: at twice the highest power
 * that the trace shows, or the highest that its description allows. */
static bool hides_wraps(const struct ew_meter_info *info, const struct ew_energy_series *s, int64_t t0, int64_t t1,
                        double *gap_s, double *power_w) {
    *gap_s = *power_w = 0;
    for (size_t i = 1; i < s->n; i++) {
        double seconds = (double)(s->times_ns[i] - s->times_ns[i - 1]) * 1e-9;
        if (!s->cell[i]) *power_w = fmax(*power_w, 2 * (s->value[i] - s->value[i - 1]) / seconds);
        if (s->times_ns[i] > t0 && s->times_ns[i - 1] < t1) *gap_s = fmax(*gap_s, seconds);
    }
    *power_w = fmax(*power_w, info->power_max_w);
    return s->smallest_wrap_j > 0 && *gap_s * *power_w >= s->smallest_wrap_j;
}

static bool is_counter_sound(const struct ew_meter_info *info, const struct ew_energy_series *s, int64_t t0, int64_t t1,
                             struct ew_energy *out) {
    double gap_s, power_w;
    for (size_t i = 1; i < s->n; i++)
        if (s->cell[i] & EW_CELL_FELL && s->times_ns[i] > t0 && s->times_ns[i - 1] < t1)
            return absent(out, "the energy counter ran backwards: it was reset, or its range is not known");
    if (hides_wraps(info, s, t0, t1, &gap_s, &power_w))
        return absent(
            out,
            "the counter starts again every %.4g J and was not read for %.3g s: at %.4g W it may have done so "
            "unseen",
            s->smallest_wrap_j, gap_s, power_w);
    return true;
}

/* Whether the readings can carry a figure; otherwise out has the reason why not. */
static bool is_sound(const struct ew_meter_info *info, const struct ew_energy_series *s, int64_t t0, int64_t t1,
                     struct ew_energy *out) {
    int64_t begin = s->first_ns > t0 ? s->first_ns : t0, end = s->last_ns < t1 ? s->last_ns : t1;
    out->covered_s = s->n > 0 && end > begin ? (double)(end - begin) * 1e-9 : 0;
    uint32_t read = out->samples + out->implausible;
    if (s->n < 2 && out->implausible > 0)
        return absent(out, "%u of %u readings cannot be (%.4g, for one)", out->implausible, read, s->absurd_value);
    if (s->n < 2) return absent(out, "the meter gave fewer than two different readings");
    if (info->kind == EW_METER_COUNTER && !is_counter_sound(info, s, t0, t1, out)) return false;
    if (out->covered_s <= 0) return absent(out, "no readings cover the window");
    if (s->first_ns > t0)
        return absent(out, "the readings do not cover the whole window: they begin %.3g s after it (%.3g of %.3g s)",
                      (double)(s->first_ns - t0) * 1e-9, out->covered_s, out->duration_s);
    if (s->last_ns < t1)
        return absent(out, "the readings do not cover the whole window: they end %.3g s before it (%.3g of %.3g s)",
                      (double)(t1 - s->last_ns) * 1e-9, out->covered_s, out->duration_s);
    return true;
}

/* A sensor that repeats itself: was it slow, or was the load still? Over its updates alone a slow sensor is integrated
 * best, over all readings a load in steps. Where its updates are regular the first is believed, and the difference is a
 * limit of the figure either way. */
static enum ew_status settle_repeats(const struct ew_energy_trace *trace, int channel, int64_t t0, int64_t t1,
                                     bool regular, struct ew_energy *out, struct ew_error *err) {
    struct ew_energy unused = {0};
    struct ew_energy_series all;
    enum ew_status status = EW_OK;
    if (ew_energy_series_read(trace, channel, t0, t1, false, &unused, &all)) {
        double peak_w, of_all_j = integrate_power(&all, t0, t1, &peak_w);
        out->budget.standard_j[EW_PART_SAMPLING] = fabs(of_all_j - out->energy_j) / sqrt(3.0);
        if (!regular) out->energy_j = of_all_j;
    } else {
        status = ew_error_set(err, EW_ERR_MEMORY, "energy: out of memory for %zu samples", trace->n);
    }
    ew_energy_series_free(&all);
    return status;
}

static enum ew_status integrate(const struct ew_energy_trace *trace, int channel, const struct ew_energy_series *s,
                                int64_t t0, int64_t t1, const struct ew_idle_baseline *idle, struct ew_energy *out,
                                struct ew_error *err) {
    const struct ew_meter_info *info = trace->info;
    out->energy_j = info->kind == EW_METER_COUNTER ? integrate_counter(s, t0, t1, &out->peak_w)
                                                   : integrate_power(s, t0, t1, &out->peak_w);
    enum ew_status status = EW_OK;
    if (info->kind == EW_METER_POWER && s->reduced)
        status = settle_repeats(trace, channel, t0, t1, s->regular, out, err);
    out->average_w = out->energy_j / out->duration_s;
    ew_energy_budget_of(trace, s, t0, t1, idle, out);
    if (info->assumed) out->error_j = out->net_j = out->net_error_j = NAN; /* nobody knows, and idle is assumed too */
    ew_trust_grade_of(info, s, out);
    return status;
}

enum ew_status ew_energy_of_window(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                                   const struct ew_idle_baseline *idle, struct ew_energy *out, struct ew_error *err) {
    const struct ew_meter_info *info = trace->info;
    if (t1_ns <= t0_ns) return ew_error_set(err, EW_ERR_ARGUMENT, "energy: the window ends before it begins");
    bool any = false;
    for (size_t c = 0; c < info->n_channels; c++) any |= ew_energy_in_sum(info, channel, c);
    if (info->quantity != EW_METER_ENERGY || channel < EW_ENERGY_TOTAL || !any)
        return ew_error_set(err, EW_ERR_ARGUMENT, "energy: meter %s has no energy channel %d", info->name, channel);
    struct ew_energy e = {.energy_j = NAN,
                          .error_j = NAN,
                          .net_j = NAN,
                          .net_error_j = NAN,
                          .average_w = NAN,
                          .peak_w = NAN,
                          .update_period_s = NAN,
                          .duration_s = (double)(t1_ns - t0_ns) * 1e-9};
    struct ew_energy_series s;
    enum ew_status status = EW_OK;
    if (!ew_energy_series_read(trace, channel, t0_ns, t1_ns, true, &e, &s))
        status = ew_error_set(err, EW_ERR_MEMORY, "energy: out of memory for %zu samples", trace->n);
    else if (is_sound(info, &s, t0_ns, t1_ns, &e))
        status = integrate(trace, channel, &s, t0_ns, t1_ns, idle, &e, err);
    ew_energy_series_free(&s);
    if (status == EW_OK) *out = e;
    return status;
}

size_t ew_energy_power_points(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                              int64_t *times_ns, double *watts, size_t capacity) {
    struct ew_energy unused = {0};
    struct ew_energy_series s;
    size_t n = 0;
    if (!ew_energy_series_read(trace, channel, t0_ns, t1_ns, false, &unused, &s)) goto done;
    bool counter = trace->info->kind == EW_METER_COUNTER;
    for (size_t i = counter; i < s.n; i++) {
        if (s.times_ns[i] < t0_ns || s.times_ns[i] > t1_ns || s.cell[i] & EW_CELL_FELL) continue;
        double w = s.value[i];
        if (counter) w = (w - s.value[i - 1]) / ((double)(s.times_ns[i] - s.times_ns[i - 1]) * 1e-9);
        if (n < capacity) {
            times_ns[n] = s.times_ns[i];
            watts[n] = w;
        }
        n++;
    }
done:
    ew_energy_series_free(&s);
    return n;
}
