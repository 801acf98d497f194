/* Owns what is done to readings before they are integrated. A reading that cannot be is left out and counted, never
 * bent into shape; a counter that was reset is marked, and integrate.c refuses the windows that hold the mark. */
#include "meter/energy_series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Above this nothing that the program runs on draws; below the floor a sensor's offset may push a small power. */
static const double max_power_w = 5e3, min_power_w = -0.1;
/* A cell between two samples longer than this many median steps has lost samples in it. */
static const double gap_factor = 2.5;
/* A sensor counts as slower than the sampling when it takes this many samples for a change. */
static const double slow_factor = 1.5;
/* A wrap-around that implies this many times the highest power seen otherwise is a reset. */
static const double reset_factor = 20;
enum { MIN_CHANGES = 8 };

enum row { ROW_GOOD, ROW_MISSING, ROW_ABSURD };

bool ew_energy_in_sum(const struct ew_meter_info *info, int channel, size_t c) {
    return channel == EW_ENERGY_TOTAL ? info->channels[c].in_total : (size_t)channel == c;
}

static bool inside(int64_t t, int64_t t0, int64_t t1) { return t >= t0 && t <= t1; }

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values. */
static double quantile(const double *v, size_t n, double q) { return n ? v[(size_t)(q * (double)(n - 1) + 0.5)] : NAN; }

static double median(double *v, size_t n) {
    if (n == 0) return NAN;
    qsort(v, n, sizeof *v, compare_double);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

/* ---- one row of readings ---- */

static double seconds_between(int64_t from, int64_t to) { return (double)(to - from) * 1e-9; }

static enum row judge_power(const struct ew_meter_info *info, int channel, const double *v, double *sum, bool *full) {
    double range = info->range_max, q = info->resolution;
    *sum = 0;
    *full = false;
    bool absurd = false;
    for (size_t c = 0; c < info->n_channels; c++) {
        if (!ew_energy_in_sum(info, channel, c)) continue;
        if (isnan(v[c])) return ROW_MISSING;
        absurd |= range > 0 && v[c] > 1.02 * range + q;
        *full |= range > 0 && v[c] >= range - fmax(q, 1e-3 * range);
        *sum += v[c];
    }
    if (!isfinite(*sum) || *sum > max_power_w || *sum < fmin(min_power_w, -2 * q)) absurd = true;
    return absurd ? ROW_ABSURD : ROW_GOOD;
}

/* A counter's channels while they are unwrapped. */
struct unwrap {
    double *last;      /* [n_channels] accepted readings before */
    double *base;      /* [n_channels] what earlier wraps add, minus the first reading */
    double *changed_s; /* [n_channels] when each changed last; -INFINITY before that */
    bool any;
};

/* Joules from one reading to a later one, over the wrap-around where it fell; negative where that cannot be, or implies
 * a power that cannot. */
static double forward_j(double from, double to, double wrap, double seconds) {
    double joules = to - from;
    if (joules < 0 && wrap > 0) joules += wrap;
    return joules <= max_power_w * seconds ? joules : -1;
}

/* Whether reading i alone is off the line: it cannot follow the one before it, but the next one can. */
static bool is_glitch(const struct ew_energy_trace *t, int channel, const struct unwrap *u, size_t i) {
    const struct ew_meter_info *info = t->info;
    const double *v = t->values + i * info->n_channels;
    if (!u->any || i + 1 >= t->n) return false;
    double here_s = (double)t->times_ns[i] * 1e-9, next_s = (double)t->times_ns[i + 1] * 1e-9;
    for (size_t c = 0; c < info->n_channels; c++) {
        if (!ew_energy_in_sum(info, channel, c)) continue;
        double wrap = info->channels[c].wrap, next = v[info->n_channels + c];
        bool off = forward_j(u->last[c], v[c], wrap, here_s - u->changed_s[c]) < 0;
        if (off && next >= u->last[c] && forward_j(u->last[c], next, wrap, next_s - u->changed_s[c]) >= 0) return true;
    }
    return false;
}

static enum row judge_counter(const struct ew_energy_trace *t, int channel, const struct unwrap *u, size_t i) {
    const struct ew_meter_info *info = t->info;
    const double *v = t->values + i * info->n_channels;
    for (size_t c = 0; c < info->n_channels; c++)
        if (ew_energy_in_sum(info, channel, c) && isnan(v[c])) return ROW_MISSING;
    for (size_t c = 0; c < info->n_channels; c++)
        if (ew_energy_in_sum(info, channel, c) && !(isfinite(v[c]) && v[c] >= 0)) return ROW_ABSURD;
    return is_glitch(t, channel, u, i) ? ROW_ABSURD : ROW_GOOD;
}

/* Joules since the first reading. A fall is a wrap-around, unless the range is not known or the power would be absurd:
 * then it is a reset, and the cell is marked. */
static double unwrap_row(const struct ew_energy_trace *t, int channel, struct unwrap *u, size_t i, uint8_t *cell) {
    const struct ew_meter_info *info = t->info;
    const double *v = t->values + i * info->n_channels;
    double sum = 0, now_s = (double)t->times_ns[i] * 1e-9;
    for (size_t c = 0; c < info->n_channels; c++) {
        if (!ew_energy_in_sum(info, channel, c)) continue;
        if (!u->any) {
            u->base[c] = -v[c];
        } else if (v[c] < u->last[c]) {
            bool wraps = forward_j(u->last[c], v[c], info->channels[c].wrap, now_s - u->changed_s[c]) >= 0;
            u->base[c] += wraps ? info->channels[c].wrap : u->last[c] - v[c];
            *cell |= wraps ? EW_CELL_WRAPPED : EW_CELL_FELL;
        }
        if (u->any && v[c] != u->last[c]) u->changed_s[c] = now_s;
        u->last[c] = v[c];
        sum += v[c] + u->base[c];
    }
    u->any = true;
    return sum;
}

/* ---- all rows ---- */

static double absurd_of(const struct ew_meter_info *info, int channel, const double *v) {
    double worst = NAN;
    for (size_t c = 0; c < info->n_channels; c++)
        if (ew_energy_in_sum(info, channel, c) && !(fabs(v[c]) <= fabs(worst))) worst = v[c];
    return worst;
}

static void gather(const struct ew_energy_trace *t, int channel, int64_t t0, int64_t t1, struct unwrap *u,
                   struct ew_energy *counts, struct ew_energy_series *s) {
    const struct ew_meter_info *info = t->info;
    for (size_t i = 0; i < t->n; i++) {
        const double *v = t->values + i * info->n_channels;
        double sum = 0;
        bool full = false, in = inside(t->times_ns[i], t0, t1);
        enum row row = info->kind == EW_METER_COUNTER ? judge_counter(t, channel, u, i)
                                                      : judge_power(info, channel, v, &sum, &full);
        counts->missing += in && row == ROW_MISSING;
        counts->implausible += in && row == ROW_ABSURD;
        counts->saturated += in && full && row == ROW_GOOD;
        if (row == ROW_ABSURD) s->absurd_value = absurd_of(info, channel, v);
        if (row != ROW_GOOD) continue;
        s->cell[s->n] = 0;
        if (info->kind == EW_METER_COUNTER) sum = unwrap_row(t, channel, u, i, &s->cell[s->n]);
        s->times_ns[s->n] = t->times_ns[i];
        s->value[s->n++] = sum;
    }
}

/* Readings that never came: cells much longer than the usual step. */
static void count_gaps(const struct ew_energy_trace *trace, int64_t t0, int64_t t1, struct ew_energy *counts,
                       struct ew_energy_series *s) {
    const int64_t *t = trace->times_ns;
    for (size_t i = 1; i < trace->n; i++) s->scratch[i - 1] = seconds_between(t[i - 1], t[i]);
    s->step_s = median(s->scratch, trace->n > 0 ? trace->n - 1 : 0);
    double lost = 0;
    for (size_t i = 1; i < trace->n; i++) {
        double seconds = seconds_between(t[i - 1], t[i]);
        if (t[i] >= t0 && t[i - 1] <= t1 && seconds > gap_factor * s->step_s) lost += round(seconds / s->step_s) - 1;
    }
    counts->missing += (uint32_t)fmin(lost, 1e9);
}

/* A wrap-around of which nothing else in the trace is like: the counter was set to zero. */
static void mark_resets(struct ew_energy_series *s) {
    double highest_w = 0;
    size_t n = 0;
    for (size_t i = 1; i < s->n; i++) {
        if (s->cell[i] || s->value[i] == s->value[i - 1]) continue;
        highest_w =
            fmax(highest_w, (s->value[i] - s->value[i - 1]) / seconds_between(s->times_ns[i - 1], s->times_ns[i]));
        n++;
    }
    if (n < MIN_CHANGES) return;
    for (size_t i = 1; i < s->n; i++) {
        double w = (s->value[i] - s->value[i - 1]) / seconds_between(s->times_ns[i - 1], s->times_ns[i]);
        if (s->cell[i] == EW_CELL_WRAPPED && w > reset_factor * highest_w) s->cell[i] = EW_CELL_FELL;
    }
}

/* ---- updates ---- */

/* Samples, updates and duplicates inside the window, and the longest time without a change. */
static void count_updates(struct ew_energy_series *s, int64_t t0, int64_t t1, struct ew_energy *out) {
    size_t n_periods = 0;
    int64_t last_update = t0, last = t0;
    for (size_t i = 0; i < s->n; i++) {
        if (!inside(s->times_ns[i], t0, t1)) continue;
        last = s->times_ns[i];
        out->samples++;
        if (i == 0) continue;
        if (s->value[i] == s->value[i - 1]) {
            out->duplicates++;
            continue;
        }
        double seconds = seconds_between(last_update, last);
        if (out->updates++ > 0) s->scratch[n_periods++] = seconds;
        if (seconds > out->still_s) {
            out->still_s = seconds;
            s->still_w = (s->value[i] - s->value[i - 1]) / seconds;
        }
        last_update = last;
    }
    if (seconds_between(last_update, last) > out->still_s) {
        out->still_s = seconds_between(last_update, last);
        s->still_w = 0;
    }
    out->update_period_s = median(s->scratch, n_periods);
}

/* Times between changes over the whole trace, sorted in scratch; returns how many. */
static size_t change_times(struct ew_energy_series *s) {
    size_t n = 0;
    int64_t last = -1;
    for (size_t i = 1; i < s->n; i++) {
        if (s->value[i] == s->value[i - 1]) continue;
        if (last >= 0) s->scratch[n++] = seconds_between(last, s->times_ns[i]);
        last = s->times_ns[i];
    }
    qsort(s->scratch, n, sizeof *s->scratch, compare_double);
    return n;
}

/* Whether most changes are no larger than the sensor's step: then standing still is what a steady load looks like. */
static bool steps_are_smallest(struct ew_energy_series *s, double resolution) {
    size_t n = 0;
    for (size_t i = 1; i < s->n; i++)
        if (s->value[i] != s->value[i - 1]) s->scratch[n++] = fabs(s->value[i] - s->value[i - 1]);
    return resolution > 0 && median(s->scratch, n) <= 1.5 * resolution;
}

/* How many different values the changes led to, as a share of their number. A load that goes to and fro between few
 * levels looks regular, too, but comes back to the same readings. */
static double share_of_distinct(struct ew_energy_series *s) {
    size_t n = 0, distinct = 0;
    for (size_t i = 1; i < s->n; i++)
        if (s->value[i] != s->value[i - 1]) s->scratch[n++] = s->value[i];
    qsort(s->scratch, n, sizeof *s->scratch, compare_double);
    for (size_t i = 0; i < n; i++) distinct += i == 0 || s->scratch[i] != s->scratch[i - 1];
    return n ? (double)distinct / (double)n : 0;
}

/* The sensor's own period, where it is slower than the sampling. It is regular where its changes come in equal times and
 * lead to ever new values, as no load does; otherwise the shortest usual time between changes stands for it, and
 * whether sensor or load stood still is open. */
static void find_update_period(const struct ew_meter_info *info, struct ew_energy_series *s) {
    size_t n = change_times(s);
    s->update_s = s->step_s;
    s->still_limit_s = INFINITY;
    if (n < MIN_CHANGES) return;
    double low = quantile(s->scratch, n, 0.1), mid = quantile(s->scratch, n, 0.5), high = quantile(s->scratch, n, 0.9);
    double spread = quantile(s->scratch, n, 0.75) - quantile(s->scratch, n, 0.25);
    double tolerance = 1.1 * s->step_s + 0.1 * mid;
    bool even = mid > slow_factor * s->step_s && spread <= tolerance && low >= mid - tolerance;
    s->regular = even && share_of_distinct(s) >= 0.25;
    if (s->regular || low > slow_factor * s->step_s) s->update_s = s->regular ? mid : low;
    s->still_limit_s = fmax(10 * high, 1);
    if (info->kind == EW_METER_POWER && steps_are_smallest(s, info->resolution)) s->still_limit_s = INFINITY;
}

/* Keeps the first sight of each value, and of a power sensor's value that stayed one per period. An update came between
 * its first sight and the reading before that repeated the old value, so in the middle of the two. */
static void keep_updates(struct ew_energy_series *s, bool power) {
    size_t kept = 0;
    bool repeats = s->update_s > slow_factor * s->step_s;
    int64_t before = 0, seen = 0; /* stamps as recorded: of the reading before, of the last one kept */
    for (size_t i = 0; i < s->n; i++) {
        int64_t t = s->times_ns[i];
        bool changed = kept == 0 || s->value[i] != s->value[kept - 1] || s->cell[i];
        bool due = power && kept > 0 && seconds_between(seen, t) >= s->update_s - 0.5 * s->step_s;
        if (changed || due) {
            bool first_sight = repeats && kept > 0 && before != seen;
            s->times_ns[kept] = first_sight ? before + (t - before) / 2 : t;
            s->value[kept] = s->value[i];
            s->cell[kept++] = s->cell[i];
            seen = t;
        }
        before = t;
    }
    s->n = kept;
    s->reduced = true;
}

/* A reading of an averaging sensor tells of the time before its stamp, in the middle half the window ago. */
static void shift_averages(const struct ew_meter_info *info, struct ew_energy_series *s) {
    int64_t half = (int64_t)fmin(info->averaging_s * 0.5e9, 1e18);
    for (size_t i = 0; i < s->n; i++) s->times_ns[i] -= half;
}

size_t ew_energy_cell_of(const struct ew_energy_series *s, int64_t t) {
    size_t low = 0, high = s->n - 1;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;
        if (s->times_ns[mid] <= t)
            low = mid;
        else
            high = mid;
    }
    return low;
}

bool ew_energy_series_read(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns, bool reduce,
                           struct ew_energy *counts, struct ew_energy_series *out) {
    const struct ew_meter_info *info = trace->info;
    size_t width = info->n_channels;
    *out = (struct ew_energy_series){.absurd_value = NAN};
    double *rows = calloc(3 * width + 1, sizeof *rows);
    out->times_ns = calloc(trace->n + 1, sizeof *out->times_ns);
    out->value = calloc(trace->n + 1, sizeof *out->value);
    out->cell = calloc(trace->n + 1, sizeof *out->cell);
    out->scratch = calloc(trace->n + 1, sizeof *out->scratch);
    bool ok = rows && out->times_ns && out->value && out->cell && out->scratch;
    if (ok) {
        struct unwrap unwrap = {.last = rows, .base = rows + width, .changed_s = rows + 2 * width};
        for (size_t c = 0; c < width; c++) {
            unwrap.changed_s[c] = -INFINITY;
            if (!ew_energy_in_sum(info, channel, c)) continue;
            double wrap = info->channels[c].wrap;
            out->n_channels++;
            if (wrap > 0 && !(out->smallest_wrap_j > 0 && out->smallest_wrap_j < wrap)) out->smallest_wrap_j = wrap;
        }
        gather(trace, channel, t0_ns, t1_ns, &unwrap, counts, out);
        count_gaps(trace, t0_ns, t1_ns, counts, out);
        if (info->kind == EW_METER_COUNTER) mark_resets(out);
        count_updates(out, t0_ns, t1_ns, counts);
        find_update_period(info, out);
        out->first_ns = out->n ? out->times_ns[0] : 0;
        out->last_ns = out->n ? out->times_ns[out->n - 1] : 0;
        if (info->kind == EW_METER_COUNTER)
            keep_updates(out, false);
        else if (reduce && out->update_s > slow_factor * out->step_s)
            keep_updates(out, true);
        if (info->kind == EW_METER_POWER && info->averaging_s > 0) shift_averages(info, out);
    }
    free(rows);
    return ok;
}

void ew_energy_series_free(struct ew_energy_series *series) {
    free(series->times_ns);
    free(series->value);
    free(series->cell);
    free(series->scratch);
    *series = (struct ew_energy_series){.n = 0};
}
