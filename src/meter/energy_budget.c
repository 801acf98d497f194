/* Owns the uncertainty of an energy figure: one function per part, each with the reasoning behind its formula, and the
 * mean of repeats. docs/meters.md, "Energy of a window", says the same in words. */
#include "meter/energy_budget.h"

#include <math.h>
#include <string.h>

static const double root3 = 1.7320508075688772;

struct cut {
    const struct ew_energy_trace *trace;
    const struct ew_energy_series *s;
    int64_t t0, t1;
    const struct ew_energy *e;
};

const char *ew_energy_part_name(enum ew_energy_part part) {
    static const char *const names[EW_ENERGY_PARTS] = {"sensor", "quantization", "sampling", "averaging",
                                                       "clock",  "idle",         "drift",    "repeats"};
    return part < EW_ENERGY_PARTS ? names[part] : "unknown";
}

static double seconds_between(int64_t from, int64_t to) { return (double)(to - from) * 1e-9; }

/* A limit, equally likely everywhere below: rectangular. */
static double sensor_part(const struct cut *c) {
    double limit = c->trace->info->error_relative;
    return isnan(limit) ? 0 : limit * fabs(c->e->energy_j) / root3;
}

/* A counter: its two readings, q / sqrt(12) each. A power sensor: q / sqrt(12) of every reading, taken as the same in
 * all, as on a steady load it is. Channels of a sum likewise. */
static double quantization_part(const struct cut *c) {
    double q = c->trace->info->resolution, n = (double)c->s->n_channels;
    if (c->trace->info->kind == EW_METER_COUNTER) return q * sqrt(n / 6);
    return n * q / sqrt(12.0) * c->e->duration_s;
}

/* ---- between the readings of a power sensor ---- */

/* By how much the energy changes when reading k is left out: the triangle between it and its neighbours. */
static double without_reading(const struct ew_energy_series *s, size_t k) {
    double before = seconds_between(s->times_ns[k - 1], s->times_ns[k]);
    double after = seconds_between(s->times_ns[k], s->times_ns[k + 1]);
    double chord = (s->value[k - 1] * after + s->value[k + 1] * before) / (before + after);
    return 0.5 * (s->value[k] - chord) * (before + after);
}

/* Variance of the trapezoid sum over whole cells, from what leaving out single readings would do. With c0 the mean
 * square of that, c1 the mean product of neighbours, h the cell, d the change over one cell that comes as a step at an
 * unknown moment, and n noise or load faster than the sampling: c0 = h^2 (d^2 / 2 + 3 n^2 / 2) and
 * c1 = -h^2 (d^2 / 4 + n^2), while the sum's variance is h^2 (d^2 / 12 + n^2) per cell. Solved for that. Smooth loads
 * (c1 above -c0 / 2) have no n. */
static double interior_variance(const struct ew_energy_series *s, size_t from, size_t to) {
    double c0 = 0, c1 = 0, last = 0;
    for (size_t k = from; k <= to; k++) {
        if (k == 0 || k + 1 >= s->n) continue;
        double change = without_reading(s, k);
        c0 += change * change;
        c1 += change * last;
        last = change;
    }
    return c1 >= -0.5 * c0 ? c0 / 6 : -4.0 / 3 * c0 - 3 * c1;
}

/* The cell that an edge cuts, of which a share g is inside: a step d at an unknown moment of the cell makes the
 * interpolated part wrong by d h sqrt(g^3 / 3 - g^4 / 4) in the mean square. */
static double edge_variance(const struct ew_energy_series *s, size_t i, double g) {
    double d = s->value[i + 1] - s->value[i], h = seconds_between(s->times_ns[i], s->times_ns[i + 1]);
    g = fmin(fmax(g, 0), 1);
    return d * d * h * h * (g * g * g / 3 - g * g * g * g / 4);
}

/* Long holes: of the power in them nothing is known but how it varies elsewhere in the window. */
static double hole_variance(const struct cut *c, size_t from, size_t to) {
    const struct ew_energy_series *s = c->s;
    double mean = c->e->energy_j / c->e->duration_s, variance = 0, sum = 0, usual = fmax(s->step_s, s->update_s);
    for (size_t i = from; i <= to; i++) variance += (s->value[i] - mean) * (s->value[i] - mean);
    variance /= (double)(to - from + 1);
    for (size_t i = from; i < to; i++) {
        double seconds = seconds_between(s->times_ns[i], s->times_ns[i + 1]);
        if (seconds > 4 * usual) sum += seconds * seconds * variance;
    }
    return sum;
}

static double power_sampling_variance(const struct cut *c) {
    const struct ew_energy_series *s = c->s;
    size_t a = ew_energy_cell_of(s, c->t0), b = ew_energy_cell_of(s, c->t1);
    double h0 = seconds_between(s->times_ns[a], s->times_ns[a + 1]);
    double h1 = seconds_between(s->times_ns[b], s->times_ns[b + 1]);
    double variance = edge_variance(s, a, seconds_between(c->t0, s->times_ns[a + 1]) / h0) +
                      edge_variance(s, b, seconds_between(s->times_ns[b], c->t1) / h1);
    if (b > a) variance += interior_variance(s, a + 1, b);
    variance += hole_variance(c, a, b + 1);
    /* Beyond the last reading its power goes on, as far as it may go. */
    double beyond = seconds_between(s->times_ns[s->n - 1], c->t1);
    if (beyond > 0) variance += pow(beyond * (c->e->peak_w - c->e->average_w), 2) / 3;
    return variance;
}

/* ---- at the edges of a counter ---- */

/* The energy e of the cell that an edge cuts at f fell at unknown moments of it: e sqrt(f (1 - f) / 3). After the last
 * update nothing is known of e but what the cell before had. The update itself came up to one sampling step before it
 * was seen. */
static double counter_sampling_variance(const struct cut *c) {
    const struct ew_energy_series *s = c->s;
    int64_t at[2] = {c->t0, c->t1};
    double variance = 0;
    for (int e = 0; e < 2; e++) {
        size_t i = ew_energy_cell_of(s, at[e]);
        double h = seconds_between(s->times_ns[i], s->times_ns[i + 1]), joules = s->value[i + 1] - s->value[i];
        double f = seconds_between(s->times_ns[i], at[e]) / h, late = fmin(s->step_s, h) / h;
        variance += joules * joules * (f <= 1 ? f * (1 - f) : 1) / 3;
        variance += joules * joules * late * late / 12;
    }
    return variance;
}

/* ---- averaging, clock ---- */

/* Lowest and highest value from `reach_s` before t to after it, and at least in the cell around t. Of a counter,
 * slopes.
 */
static void range_near(const struct cut *c, int64_t t, double reach_s, double *low, double *high) {
    const struct ew_energy_series *s = c->s;
    bool counter = c->trace->info->kind == EW_METER_COUNTER;
    int64_t reach = (int64_t)fmin(reach_s * 1e9, 1e18);
    size_t first = ew_energy_cell_of(s, t - reach), last = ew_energy_cell_of(s, t + reach) + 1;
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = first; i <= last; i++) {
        if (counter && i == first) continue;
        double v = s->value[i];
        if (counter) v = (v - s->value[i - 1]) / seconds_between(s->times_ns[i - 1], s->times_ns[i]);
        *low = fmin(*low, v);
        *high = fmax(*high, v);
    }
}

/* The readings stand for the middle of their averaging window, so that slow changes are right; a fast one carries up to
 * half the window's worth of itself across an edge. */
static double averaging_part(const struct cut *c) {
    double window = c->trace->info->averaging_s, variance = 0;
    if (c->trace->info->kind == EW_METER_COUNTER || window <= 0) return 0;
    int64_t at[2] = {c->t0, c->t1};
    for (int e = 0; e < 2; e++) {
        double low, high;
        range_near(c, at[e], window / 2, &low, &high);
        double limit = (high - low) * window / 2;
        variance += limit * limit / 3;
    }
    return sqrt(variance);
}

/* A clock that runs fast by d makes the window slip by d x (time since the trace began) at each edge; power is also
 * counted over d more time, energy is not. A stamp that is off by o moves the window as a whole. */
static double clock_part(const struct cut *c) {
    const struct ew_meter_info *info = c->trace->info;
    if (!(info->clock_drift > 0) && !(info->stamp_error_s > 0)) return 0;
    double low0, high0, low1, high1;
    double slip0 = info->clock_drift * seconds_between(c->s->first_ns, c->t0);
    double slip1 = info->clock_drift * seconds_between(c->s->first_ns, c->t1);
    range_near(c, c->t0, slip0 + info->stamp_error_s, &low0, &high0);
    range_near(c, c->t1, slip1 + info->stamp_error_s, &low1, &high1);
    double more = info->kind == EW_METER_COUNTER ? 0 : info->clock_drift * c->e->energy_j;
    double drift = fmax(fabs(more - slip1 * low1 + slip0 * high0), fabs(more - slip1 * high1 + slip0 * low0));
    double offset = info->stamp_error_s * fmax(fabs(high1 - low0), fabs(high0 - low1));
    return hypot(drift, offset) / root3;
}

/* ---- together ---- */

static double root_sum(const struct ew_energy_budget *b, unsigned parts) {
    double sum = 0;
    for (int p = 0; p < EW_ENERGY_PARTS; p++)
        if (parts & 1u << p) sum += b->standard_j[p] * b->standard_j[p];
    return sqrt(sum);
}

enum {
    GROSS_PARTS = 1 << EW_PART_SENSOR | 1 << EW_PART_QUANTIZATION | 1 << EW_PART_SAMPLING | 1 << EW_PART_AVERAGING |
                  1 << EW_PART_CLOCK,
    NET_PARTS = GROSS_PARTS | 1 << EW_PART_IDLE | 1 << EW_PART_DRIFT
};

void ew_energy_budget_of(const struct ew_energy_trace *trace, const struct ew_energy_series *series, int64_t t0_ns,
                         int64_t t1_ns, const struct ew_idle_baseline *idle, struct ew_energy *out) {
    const struct cut c = {trace, series, t0_ns, t1_ns, out};
    double *u = out->budget.standard_j;
    out->budget.coverage = EW_ENERGY_COVERAGE;
    u[EW_PART_SENSOR] = sensor_part(&c);
    u[EW_PART_QUANTIZATION] = quantization_part(&c);
    /* The caller has put there how far two ways of reading a slow sensor differ. */
    u[EW_PART_SAMPLING] =
        sqrt(u[EW_PART_SAMPLING] * u[EW_PART_SAMPLING] +
             (trace->info->kind == EW_METER_COUNTER ? counter_sampling_variance(&c) : power_sampling_variance(&c)));
    u[EW_PART_AVERAGING] = averaging_part(&c);
    u[EW_PART_CLOCK] = clock_part(&c);
    out->error_j = EW_ENERGY_COVERAGE * root_sum(&out->budget, GROSS_PARTS);
    if (!idle) return;
    u[EW_PART_IDLE] = idle->standard_w * out->duration_s;
    /* Somewhere between the two baselines: rectangular, half the drift to each side. */
    u[EW_PART_DRIFT] = isnan(idle->drift_w) ? 0 : fabs(idle->drift_w) / 2 / root3 * out->duration_s;
    out->net_j = out->energy_j - idle->power_w * out->duration_s;
    out->net_error_j = EW_ENERGY_COVERAGE * root_sum(&out->budget, NET_PARTS);
}

bool ew_energy_idle_baseline(const struct ew_energy *before, const struct ew_energy *after,
                             struct ew_idle_baseline *out) {
    const struct ew_energy *windows[2] = {before, after};
    double sum_w = 0, random = 0, sensor_w = 0;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        const struct ew_energy *e = windows[i];
        if (!e || !isfinite(e->average_w)) continue;
        sum_w += e->average_w;
        double u = root_sum(&e->budget, GROSS_PARTS & ~(1u << EW_PART_SENSOR)) / e->duration_s;
        random += u * u;
        sensor_w += e->budget.standard_j[EW_PART_SENSOR] / e->duration_s;
        n++;
    }
    if (n == 0) return false;
    /* The sensor's own error is the same in both windows, so it does not shrink by averaging. */
    double drift_w = n == 2 ? after->average_w - before->average_w : NAN, between = n == 2 ? drift_w / 2 / root3 : 0;
    *out = (struct ew_idle_baseline){.power_w = sum_w / n, .standard_w = sqrt(random) / n, .drift_w = drift_w};
    out->error_w = EW_ENERGY_COVERAGE * sqrt(pow(out->standard_w, 2) + pow(sensor_w / n, 2) + between * between);
    return true;
}

/* Student's t for 95 % (two-sided) at whole degrees of freedom: GUM table G.2. Fewer than stated are taken, so that the
 * interval is never too narrow. */
static double student_t(double freedom) {
    static const struct {
        double freedom, t;
    } table[] = {{1, 12.71}, {2, 4.30},  {3, 3.18},  {4, 2.78},  {5, 2.57},  {6, 2.45},
                 {7, 2.36},  {8, 2.31},  {9, 2.26},  {10, 2.23}, {12, 2.18}, {14, 2.14},
                 {16, 2.12}, {18, 2.10}, {20, 2.09}, {30, 2.04}, {50, 2.01}, {100, 1.98}};
    double t = table[0].t;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (freedom >= table[i].freedom - 1e-9) t = table[i].t;
    return t;
}

bool ew_energy_combine(const struct ew_energy *repeats, size_t n, bool net, struct ew_energy_repeats *out) {
    struct ew_energy_repeats r = {.n = 0};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        double joules = net ? repeats[i].net_j : repeats[i].energy_j;
        if (!isfinite(joules)) continue;
        r.n++;
        sum += joules;
        for (int p = 0; p < EW_ENERGY_PARTS; p++) r.budget.standard_j[p] += repeats[i].budget.standard_j[p];
    }
    if (r.n == 0) return false;
    double count = (double)r.n;
    r.mean_j = sum / count;
    for (int p = 0; p < EW_ENERGY_PARTS; p++) r.budget.standard_j[p] /= count;
    for (size_t i = 0; i < n; i++) {
        double joules = net ? repeats[i].net_j : repeats[i].energy_j;
        if (isfinite(joules)) squares += (joules - r.mean_j) * (joules - r.mean_j);
    }
    double *u = r.budget.standard_j;
    if (!net) u[EW_PART_IDLE] = u[EW_PART_DRIFT] = 0;
    r.systematic_j = root_sum(&r.budget, NET_PARTS & ~(1u << EW_PART_SAMPLING));
    r.budget.coverage = EW_ENERGY_COVERAGE;
    r.statistical_j = u[EW_PART_SAMPLING];
    if (r.n > 1) {
        u[EW_PART_SAMPLING] = 0; /* shows in the scatter */
        r.statistical_j = u[EW_PART_REPEATS] = sqrt(squares / (count - 1) / count);
        double combined = hypot(r.statistical_j, r.systematic_j), freedom = count - 1;
        if (r.statistical_j > 0) freedom *= pow(combined / r.statistical_j, 4); /* Welch-Satterthwaite */
        r.budget.coverage = fmax(EW_ENERGY_COVERAGE, student_t(r.statistical_j > 0 ? freedom : INFINITY));
    }
    r.error_j = r.budget.coverage * hypot(r.statistical_j, r.systematic_j);
    *out = r;
    return true;
}
