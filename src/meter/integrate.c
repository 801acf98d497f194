/* Owns turning recorded samples into joules, with the uncertainty that the sensor and the sampling leave. Pure: no
 * file, no clock. Refuses nothing silently: what a trace cannot tell ends as NAN with its reason. Grades: trust.c. */
#include "meter/integrate.h"
#include "base/error.h"
#include "meter/trust.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A cell between two samples longer than this many median steps has lost samples in it. */
static const double gap_factor = 2.5;

/* One channel, or the total, without its missing samples. value: watts, or joules since the first sample (unwrapped).
 */
struct series {
    int64_t *times_ns;
    double *value;
    size_t n;
    int64_t end_ns; /* stamp of the last reading, also when it repeated the one before */
    bool fell;      /* a counter without a known range ran backwards */
    double *steps;  /* scratch for medians, [n] */
};

static void free_series(struct series *s) {
    free(s->times_ns);
    free(s->value);
    free(s->steps);
}

static bool in_sum(const struct ew_meter_info *info, int channel, size_t c) {
    return channel == EW_ENERGY_TOTAL ? info->channels[c].in_total : (size_t)channel == c;
}

/* Joules since the first reading. base: what earlier wraps add, minus the first reading; last: the reading before. */
static double unwrap(const struct ew_meter_info *info, int channel, const double *v, double *base, double *last,
                     struct series *s) {
    double sum = 0;
    for (size_t c = 0; c < info->n_channels; c++) {
        if (!in_sum(info, channel, c)) continue;
        if (s->n == 0) {
            base[c] = -v[c];
        } else if (v[c] < last[c]) {
            base[c] += info->channels[c].wrap;
            s->fell |= info->channels[c].wrap <= 0;
        }
        last[c] = v[c];
        sum += v[c] + base[c];
    }
    return sum;
}

/* Sums the chosen channels; a sample where one of them is missing is missing as a whole, as the sum would be a smaller
 * thing. Counters are unwrapped per channel: every fall is taken as one wrap-around. */
static bool gather(const struct ew_energy_trace *t, int channel, struct series *s) {
    size_t width = t->info->n_channels;
    double *base = calloc(2 * width, sizeof *base);
    s->times_ns = calloc(t->n + 1, sizeof *s->times_ns);
    s->value = calloc(t->n + 1, sizeof *s->value);
    s->steps = calloc(t->n + 1, sizeof *s->steps);
    if (!base || !s->times_ns || !s->value || !s->steps) {
        free(base);
        return false;
    }
    double *last = base + width;
    for (size_t i = 0; i < t->n; i++) {
        double sum = 0;
        const double *v = t->values + i * width;
        for (size_t c = 0; c < width; c++)
            if (in_sum(t->info, channel, c)) sum += v[c];
        if (isnan(sum)) continue;
        if (t->info->kind == EW_METER_COUNTER) sum = unwrap(t->info, channel, v, base, last, s);
        s->end_ns = s->times_ns[s->n] = t->times_ns[i];
        s->value[s->n++] = sum;
    }
    free(base);
    return true;
}

/* Where t lies in the cell between samples i and i + 1: 0 … 1; up to 2 after a counter's last update. */
static double place_in_cell(const struct series *s, size_t i, int64_t t) {
    return fmin((double)(t - s->times_ns[i]) / (double)(s->times_ns[i + 1] - s->times_ns[i]), 2);
}

/* The value at time t. After a counter's last update it goes on at its last slope, for one more update at most. */
static double interpolate(const struct series *s, size_t i, int64_t t) {
    return s->value[i] + place_in_cell(s, i, t) * (s->value[i + 1] - s->value[i]);
}

/* Index i with times[i] <= t < times[i + 1], or of the last cell for the trace's end. n >= 2 and t inside. */
static size_t cell_of(const struct series *s, int64_t t) {
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

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n) {
    if (n == 0) return NAN;
    qsort(v, n, sizeof *v, compare_double);
    return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]);
}

/* A counter's readings between its updates repeat; a new value has been there since some moment after the reading
 * before. Keeping the first sight of each value gives the slope of the counter itself and not of our polling. */
static void drop_repeats(struct series *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (kept > 0 && s->value[i] == s->value[kept - 1]) continue;
        s->times_ns[kept] = s->times_ns[i];
        s->value[kept++] = s->value[i];
    }
    s->n = kept;
}

static bool inside(int64_t t, int64_t t0, int64_t t1) { return t >= t0 && t <= t1; }

/* Readings that failed (left out by gather), and those that never came: cells much longer than the usual step. */
static uint32_t count_missing(const struct ew_energy_trace *trace, struct series *s, int64_t t0, int64_t t1) {
    const int64_t *t = trace->times_ns;
    double missing = 0;
    size_t n_steps = 0;
    for (size_t i = 0, kept = 0; i < trace->n; i++) {
        bool has = kept < s->n && s->times_ns[kept] == t[i];
        kept += has;
        if (!has && inside(t[i], t0, t1)) missing++;
        if (i > 0 && inside(t[i], t0, t1)) s->steps[n_steps++] = (double)(t[i] - t[i - 1]);
    }
    double step = median(s->steps, n_steps);
    for (size_t i = 1; i < trace->n; i++) {
        double dt = (double)(t[i] - t[i - 1]);
        if (t[i] >= t0 && t[i - 1] <= t1 && dt > gap_factor * step) missing += round(dt / step) - 1;
    }
    return (uint32_t)fmin(missing, 1e9);
}

/* Counts samples, updates and duplicates inside the window, and finds the true update period. */
static void count_samples(struct series *s, int64_t t0, int64_t t1, struct ew_energy *out) {
    size_t n_updates = 0;
    int64_t last_update = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!inside(s->times_ns[i], t0, t1)) continue;
        out->samples++;
        if (i == 0) continue;
        if (s->value[i] == s->value[i - 1]) {
            out->duplicates++;
            continue;
        }
        if (out->updates++ > 0) s->steps[n_updates++] = (double)(s->times_ns[i] - last_update);
        last_update = s->times_ns[i];
    }
    out->update_period_s = n_updates > 0 ? median(s->steps, n_updates) * 1e-9 : NAN;
}

/* Variance in J^2 of what may have happened between the samples. A step of size d at an unknown moment of a cell of
 * length h, equally likely everywhere, makes the trapezoid wrong by d h / sqrt(12) in the mean square. */
static double step_variance(double difference_w, double seconds) {
    return difference_w * difference_w * seconds * seconds / 12;
}

static void integrate_power(const struct series *s, int64_t t0, int64_t t1, struct ew_energy *out, double *variance) {
    double energy = 0;
    int64_t from = t0;
    double power = interpolate(s, cell_of(s, t0), t0);
    out->peak_w = power;
    for (size_t i = cell_of(s, t0) + 1; i < s->n && from < t1; i++) {
        int64_t to = s->times_ns[i] < t1 ? s->times_ns[i] : t1;
        double next = to == s->times_ns[i] ? s->value[i] : interpolate(s, i - 1, t1);
        energy += 0.5 * (power + next) * (double)(to - from) * 1e-9;
        /* A sensor that repeats itself between updates saw the change at some time since its last update. */
        double seconds = (double)(to - from) * 1e-9;
        *variance += step_variance(next - power, seconds < out->update_period_s ? out->update_period_s : seconds);
        out->peak_w = fmax(out->peak_w, next);
        power = next;
        from = to;
    }
    out->energy_j = energy;
}

static void integrate_counter(const struct series *s, int64_t t0, int64_t t1, struct ew_energy *out, double *variance) {
    size_t first = cell_of(s, t0), last = cell_of(s, t1);
    out->energy_j = interpolate(s, last, t1) - interpolate(s, first, t0);
    out->peak_w = 0;
    for (size_t i = first; i <= last; i++) {
        double seconds = (double)(s->times_ns[i + 1] - s->times_ns[i]) * 1e-9;
        out->peak_w = fmax(out->peak_w, (s->value[i + 1] - s->value[i]) / seconds);
    }
    /* Only the two cells that the window cuts are uncertain: where inside them the energy fell is not known. */
    size_t cut[2] = {first, last};
    int64_t at[2] = {t0, t1};
    for (int e = 0; e < 2; e++) {
        size_t i = cut[e];
        double f = place_in_cell(s, i, at[e]), joules = s->value[i + 1] - s->value[i];
        *variance += joules * joules * (f <= 1 ? f * (1 - f) : 1) / 3;
    }
}

/* Quantization (two readings of a counter; every sample of a power sensor, taken as fully correlated), and the sensor's
 * averaging, which moves half a window's worth of a change across each edge. */
static double sensor_variance(const struct ew_meter_info *info, const struct series *s, int64_t t0, int64_t t1,
                              double duration_s) {
    double q = info->resolution, variance = 0;
    if (info->kind == EW_METER_COUNTER) return q * q / 6;
    variance += q * q / 12 * duration_s * duration_s;
    if (info->averaging_s <= 0) return variance;
    int64_t window = (int64_t)fmin(info->averaging_s * 1e9, 1e18);
    int64_t edges[2] = {t0, t1};
    for (int e = 0; e < 2; e++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < s->n; i++) {
            if (s->times_ns[i] < edges[e] - window || s->times_ns[i] > edges[e] + window) continue;
            low = fmin(low, s->value[i]);
            high = fmax(high, s->value[i]);
        }
        double reach = high > low ? (high - low) * info->averaging_s / 2 : 0;
        variance += reach * reach / 3;
    }
    return variance;
}

static void apply_idle(const struct ew_idle_baseline *idle, struct ew_energy *out) {
    if (!idle) return;
    out->net_j = out->energy_j - idle->power_w * out->duration_s;
    out->net_error_j = hypot(out->error_j, idle->error_w * out->duration_s);
}

static enum ew_status absent(struct ew_energy *out, const char *reason) {
    out->grade = EW_GRADE_NONE;
    snprintf(out->grade_reason, sizeof out->grade_reason, "%s", reason);
    return EW_OK;
}

static void finish(const struct ew_energy_trace *trace, const struct series *s, int64_t t0, int64_t t1, double variance,
                   const struct ew_idle_baseline *idle, struct ew_energy *out) {
    const struct ew_meter_info *info = trace->info;
    out->average_w = out->energy_j / out->duration_s;
    variance += sensor_variance(info, s, t0, t1, out->duration_s);
    /* The sensor's error is a limit, so taken as a rectangular distribution. 2 standard uncertainties: 95 %. */
    double sensor = isnan(info->error_relative) ? 0 : info->error_relative * out->energy_j / sqrt(3.0);
    out->error_j = 2 * sqrt(variance + sensor * sensor);
    apply_idle(idle, out);
    ew_trust_grade_of(info, out);
}

enum ew_status ew_energy_of_window(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                                   const struct ew_idle_baseline *idle, struct ew_energy *out, struct ew_error *err) {
    const struct ew_meter_info *info = trace->info;
    if (t1_ns <= t0_ns) return ew_error_set(err, EW_ERR_ARGUMENT, "energy: the window ends before it begins");
    bool any = false;
    for (size_t c = 0; c < info->n_channels; c++) any |= in_sum(info, channel, c);
    if (info->quantity != EW_METER_ENERGY || channel < EW_ENERGY_TOTAL || !any)
        return ew_error_set(err, EW_ERR_ARGUMENT, "energy: meter %s has no energy channel %d", info->name, channel);
    struct series s = {0};
    if (!gather(trace, channel, &s)) {
        free_series(&s);
        return ew_error_set(err, EW_ERR_MEMORY, "energy: out of memory for %zu samples", trace->n);
    }
    *out = (struct ew_energy){.energy_j = NAN,
                              .error_j = NAN,
                              .net_j = NAN,
                              .net_error_j = NAN,
                              .average_w = NAN,
                              .peak_w = NAN,
                              .update_period_s = NAN,
                              .duration_s = (double)(t1_ns - t0_ns) * 1e-9};
    out->missing = count_missing(trace, &s, t0_ns, t1_ns);
    count_samples(&s, t0_ns, t1_ns, out);
    if (info->kind == EW_METER_COUNTER) drop_repeats(&s);
    enum ew_status status = EW_OK;
    if (s.n < 2) {
        status = absent(out, "the meter gave fewer than two different readings");
    } else if (s.fell) {
        status = absent(out, "the energy counter ran backwards: it was reset, or its range is not known");
    } else if (s.times_ns[0] > t0_ns || s.end_ns < t1_ns) {
        status = absent(out, "the readings do not cover the whole window");
    } else {
        double variance = 0;
        if (info->kind == EW_METER_COUNTER)
            integrate_counter(&s, t0_ns, t1_ns, out, &variance);
        else
            integrate_power(&s, t0_ns, t1_ns, out, &variance);
        finish(trace, &s, t0_ns, t1_ns, variance, idle, out);
    }
    free_series(&s);
    return status;
}

bool ew_energy_idle_baseline(const struct ew_energy *before, const struct ew_energy *after,
                             struct ew_idle_baseline *out) {
    bool has_before = before && isfinite(before->average_w), has_after = after && isfinite(after->average_w);
    if (!has_before && !has_after) return false;
    const struct ew_energy *one = has_before ? before : after;
    double error_w = one->error_j / one->duration_s;
    *out = (struct ew_idle_baseline){.power_w = one->average_w, .error_w = error_w, .drift_w = NAN};
    if (!has_before || !has_after) return true;
    out->drift_w = after->average_w - before->average_w;
    out->power_w = 0.5 * (before->average_w + after->average_w);
    /* The sensor's own error is the same in both windows, so it does not shrink by averaging. */
    error_w = fmax(error_w, after->error_j / after->duration_s);
    out->error_w = hypot(error_w, out->drift_w / 2);
    return true;
}

size_t ew_energy_power_points(const struct ew_energy_trace *trace, int channel, int64_t t0_ns, int64_t t1_ns,
                              int64_t *times_ns, double *watts, size_t capacity) {
    struct series s = {0};
    size_t n = 0;
    if (!gather(trace, channel, &s)) goto done;
    bool counter = trace->info->kind == EW_METER_COUNTER;
    if (counter) drop_repeats(&s);
    for (size_t i = counter; i < s.n; i++) {
        if (s.times_ns[i] < t0_ns || s.times_ns[i] > t1_ns) continue;
        double w = s.value[i];
        if (counter) w = (w - s.value[i - 1]) / ((double)(s.times_ns[i] - s.times_ns[i - 1]) * 1e-9);
        if (n < capacity) {
            times_ns[n] = s.times_ns[i];
            watts[n] = w;
        }
        n++;
    }
done:
    free_series(&s);
    return n;
}
