/* Owns finding a load pattern in a power trace with a clock of its own. First coarsely, everywhere, on a grid of an
 * eighth of the shortest pulse (of a single long one less, as its rests are to be seen too); then finely around the two
 * best places, on the samples themselves. Refuses to choose between two places that fit about equally well. */
#include "meter/time_shift.h"
#include "base/error.h"
#include "meter/student_t.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_STEPS = 256 /* of a pattern */, BLOCKS = 10, FINE_POINTS = 13, FINE_LEVELS = 4, MAX_BINS = 40000000 };
static const double max_work = 6e9, min_cover = 0.8, min_peak = 0.6, min_evidence = 6, max_drift = 2e-3;

/* The pattern in seconds from its begin, with the integral of the level up to each edge. */
struct pattern {
    double *edge_s; /* [n] */
    double *area;   /* [n]: level x seconds before edge i */
    double *level;  /* [n]: after edge i; 0 before the first */
    size_t n;
    double length_s;
    double pulse_s; /* shortest time between edges */
    double run_s;   /* mean time between edges */
};

/* The trace on the coarse grid: bin i is [i, i + 1) * step after its first sample. */
struct bins {
    double *watts; /* [n], 0 where not valid */
    bool *valid;
    size_t n;
    double step_s;
    int64_t begin_ns;
};

/* Samples inside the pattern, for the fine search; times in seconds on the pattern's clock by the coarse shift. */
struct samples {
    double *time_s, *watts; /* [n] */
    size_t n;
    double step_s; /* median */
};

struct work {
    struct pattern pattern;
    struct bins bins;
    struct samples samples;
    double *u; /* the pattern on the grid [n_u] */
    size_t n_u;
    double *r;         /* correlation at each candidate [n_r]; NAN = not enough of the pattern in the trace */
    int64_t first_lag; /* bins: r[i] is for the pattern beginning at bin first_lag + i */
    size_t n_r;
    double *scratch;
};

struct sums {
    double n, x, y, xx, yy, xy;
};

static void add(struct sums *s, double x, double y) {
    s->n++;
    s->x += x;
    s->y += y;
    s->xx += x * x;
    s->yy += y * y;
    s->xy += x * y;
}

static double correlation(const struct sums *s) {
    double xx = s->xx - s->x * s->x / s->n, yy = s->yy - s->y * s->y / s->n;
    if (!(xx > 1e-12 * fabs(s->xx)) || !(yy > 1e-12 * fabs(s->yy))) return NAN;
    return (s->xy - s->x * s->y / s->n) / sqrt(xx * yy);
}

static void free_work(struct work *w) {
    free(w->pattern.edge_s);
    free(w->pattern.area);
    free(w->pattern.level);
    free(w->bins.watts);
    free(w->bins.valid);
    free(w->samples.time_s);
    free(w->samples.watts);
    free(w->u);
    free(w->r);
    free(w->scratch);
}

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "time shift: out of memory");
}

static enum ew_status take_pattern(const struct ew_level_pattern *from, struct pattern *p, struct ew_error *err) {
    if (from->n < 2 || from->end_ns <= from->begin_ns)
        return ew_error_set(err, EW_ERR_ARGUMENT, "time shift: a pattern needs a load that changed twice");
    p->edge_s = calloc(from->n, sizeof *p->edge_s);
    p->area = calloc(from->n, sizeof *p->area);
    p->level = calloc(from->n, sizeof *p->level);
    if (!p->edge_s || !p->area || !p->level) return no_memory(err);
    p->n = from->n;
    p->length_s = (double)(from->end_ns - from->begin_ns) * 1e-9;
    p->pulse_s = INFINITY;
    int64_t before = from->begin_ns - 1;
    for (size_t i = 0; i < p->n; i++) {
        int64_t edge_ns = from->times_ns[i];
        if (edge_ns <= before || edge_ns > from->end_ns || !isfinite(from->levels[i]))
            return ew_error_set(err, EW_ERR_ARGUMENT, "time shift: edge %zu of the pattern does not follow the last",
                                i);
        before = edge_ns;
        p->edge_s[i] = (double)(edge_ns - from->begin_ns) * 1e-9;
        p->level[i] = from->levels[i];
        if (i == 0) continue;
        double run = p->edge_s[i] - p->edge_s[i - 1];
        p->pulse_s = fmin(p->pulse_s, run);
        p->area[i] = p->area[i - 1] + p->level[i - 1] * run;
    }
    p->run_s = (p->edge_s[p->n - 1] - p->edge_s[0]) / (double)(p->n - 1);
    return EW_OK;
}

/* The integral of the level from the pattern's begin to t. *at is a cursor: the number of edges up to some t before. */
static double area_until(const struct pattern *p, double t, size_t *at) {
    while (*at < p->n && p->edge_s[*at] <= t) ++*at;
    while (*at > 0 && p->edge_s[*at - 1] > t) --*at;
    if (*at == 0) return 0;
    return p->area[*at - 1] + p->level[*at - 1] * (t - p->edge_s[*at - 1]);
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_step(const struct ew_power_series *series, double *scratch) {
    for (size_t i = 1; i < series->n; i++)
        scratch[i - 1] = (double)(series->times_ns[i] - series->times_ns[i - 1]) * 1e-9;
    qsort(scratch, series->n - 1, sizeof *scratch, compare_double);
    return scratch[(series->n - 1) / 2];
}

/* Grid values between samples that are not too far apart; the mean of the samples where a bin holds any. */
static void fill_bins(const struct ew_power_series *series, double gap_s, struct bins *b, double *count) {
    double last_t = NAN, last_w = NAN;
    for (size_t i = 0; i < series->n; i++) {
        double t = (double)(series->times_ns[i] - b->begin_ns) * 1e-9, w = series->watts[i];
        if (isnan(w)) continue;
        size_t bin = (size_t)(t / b->step_s);
        if (bin >= b->n) bin = b->n - 1;
        b->watts[bin] += w;
        count[bin]++;
        size_t from = isnan(last_t) ? bin : (size_t)(last_t / b->step_s) + 1;
        for (size_t k = from; k < bin && t - last_t <= gap_s; k++) {
            double f = (((double)k + 0.5) * b->step_s - last_t) / (t - last_t);
            b->watts[k] = last_w + fmin(fmax(f, 0), 1) * (w - last_w);
            b->valid[k] = true;
        }
        last_t = t;
        last_w = w;
    }
    for (size_t k = 0; k < b->n; k++) {
        if (count[k] <= 0) continue;
        b->watts[k] /= count[k];
        b->valid[k] = true;
    }
}

/* Correlation is blind to a constant: taking it off first keeps the sums exact. */
static void take_mean_off(struct bins *b) {
    double sum = 0, n = 0;
    for (size_t k = 0; k < b->n; k++)
        if (b->valid[k]) sum += b->watts[k], n++;
    for (size_t k = 0; k < b->n; k++)
        if (b->valid[k]) b->watts[k] -= sum / n;
}

static enum ew_status make_bins(struct work *w, const struct ew_power_series *series, struct ew_error *err) {
    const struct pattern *p = &w->pattern;
    struct bins *b = &w->bins;
    double step = w->samples.step_s;
    b->begin_ns = series->times_ns[0];
    b->step_s = fmax(fmin(p->pulse_s / 8, p->length_s / LEAST_STEPS), step / 2);
    double span = (double)(series->times_ns[series->n - 1] - b->begin_ns) * 1e-9 / b->step_s + 1;
    double length = p->length_s / b->step_s;
    if (span > MAX_BINS || length > MAX_BINS)
        return ew_error_set(err, EW_ERR_LIMIT,
                            "time shift: a trace of %.4g s is too long to search by pulses of %.4g s", span * b->step_s,
                            p->pulse_s);
    b->n = (size_t)span;
    w->n_u = (size_t)fmax(length, 1);
    b->watts = calloc(b->n, sizeof *b->watts);
    b->valid = calloc(b->n, sizeof *b->valid);
    w->u = calloc(w->n_u, sizeof *w->u);
    double *count = calloc(b->n, sizeof *count);
    if (!b->watts || !b->valid || !w->u || !count) {
        free(count);
        return no_memory(err);
    }
    fill_bins(series, fmax(p->run_s, 3 * step), b, count);
    free(count);
    take_mean_off(b);
    size_t at = 0;
    for (size_t i = 0; i < w->n_u; i++) {
        double t = (double)i * b->step_s, before = area_until(p, t, &at);
        w->u[i] = (area_until(p, t + b->step_s, &at) - before) / b->step_s;
    }
    return EW_OK;
}

static double correlate_at(const struct work *w, int64_t lag) {
    struct sums s = {0};
    int64_t from = lag < 0 ? -lag : 0, to = (int64_t)w->bins.n - lag;
    if (to > (int64_t)w->n_u) to = (int64_t)w->n_u;
    for (int64_t i = from; i < to; i++)
        if (w->bins.valid[lag + i]) add(&s, w->u[i], w->bins.watts[lag + i]);
    return s.n < min_cover * (double)w->n_u ? NAN : correlation(&s);
}

/* Every place where the trace holds enough of the pattern and that the caller's limits allow. */
static enum ew_status search_coarsely(struct work *w, const struct ew_level_pattern *pattern, int64_t min_ns,
                                      int64_t max_ns, struct ew_error *err) {
    int64_t spare = (int64_t)((1 - min_cover) * (double)w->n_u);
    int64_t low = -spare, high = (int64_t)w->bins.n - (int64_t)w->n_u + spare;
    if (min_ns != EW_SHIFT_ANY || max_ns != EW_SHIFT_ANY) {
        /* shift = pattern's begin - meter's time of it: the larger the shift, the earlier in the trace. */
        double base = (double)(pattern->begin_ns - w->bins.begin_ns) * 1e-9;
        double first = (base - (double)max_ns * 1e-9) / w->bins.step_s;
        double last = (base - (double)min_ns * 1e-9) / w->bins.step_s;
        if (first > (double)low) low = first > (double)high ? high + 1 : (int64_t)floor(first);
        if (last < (double)high) high = last < (double)low ? low - 1 : (int64_t)ceil(last);
    }
    if (high < low)
        return ew_error_set(err, EW_ERR_NOT_FOUND,
                            "time shift: the trace of %.4g s does not hold the pattern of %.4g s",
                            (double)w->bins.n * w->bins.step_s, w->pattern.length_s);
    w->n_r = (size_t)(high - low + 1);
    if ((double)w->n_r * (double)w->n_u > max_work)
        return ew_error_set(err, EW_ERR_LIMIT, "time shift: %zu places for a pattern of %zu steps are too many to try",
                            w->n_r, w->n_u);
    w->first_lag = low;
    w->r = calloc(w->n_r, sizeof *w->r);
    if (!w->r) return no_memory(err);
    for (size_t i = 0; i < w->n_r; i++) w->r[i] = correlate_at(w, low + (int64_t)i);
    return EW_OK;
}

/* Where the hill around the peak ends in one direction: at the lowest point before the correlation rises again by a
 * tenth of the peak. */
static int64_t end_of_hill(const struct work *w, int64_t peak, int64_t direction) {
    double lowest = w->r[peak], rise = 0.1 * w->r[peak];
    int64_t end = peak;
    for (int64_t i = peak + direction; i >= 0 && i < (int64_t)w->n_r && !isnan(w->r[i]); i += direction) {
        if (w->r[i] > lowest + rise) break;
        if (w->r[i] < lowest) {
            lowest = w->r[i];
            end = i;
        }
    }
    return end;
}

static double highest(const struct work *w, int64_t from, int64_t to, int64_t *where) {
    double best = -2;
    for (int64_t i = from; i < to; i++)
        if (w->r[i] > best) {
            best = w->r[i];
            *where = i;
        }
    return best;
}

/* The best place, and the best outside its hill: second < 0 where nothing is outside. */
static enum ew_status find_peaks(const struct work *w, int64_t *peak, int64_t *second, struct ew_time_shift *out,
                                 struct ew_error *err) {
    int64_t left_at = -1, right_at = -1;
    out->peak = highest(w, 0, (int64_t)w->n_r, peak);
    if (out->peak < -1)
        return ew_error_set(err, EW_ERR_NOT_FOUND,
                            "time shift: nowhere does the trace hold %.0f %% of the pattern and change in it",
                            100 * min_cover);
    double left = highest(w, 0, end_of_hill(w, *peak, -1), &left_at);
    double right = highest(w, end_of_hill(w, *peak, 1) + 1, (int64_t)w->n_r, &right_at);
    *second = left > right ? left_at : right_at;
    out->second_peak = fmax(fmax(left, right), 0);
    return EW_OK;
}

static enum ew_status judge_peaks(const struct work *w, struct ew_time_shift *out, struct ew_error *err) {
    double r1 = out->peak, r2 = fmin(out->second_peak, r1);
    /* Runs between edges are about as many independent observations: many samples of one level say it once. */
    double runs = (double)w->pattern.n + 1;
    out->evidence = runs / 2 * log((1 - r2 * r2 + 1e-4) / (1 - r1 * r1 + 1e-4));
    if (r1 >= min_peak && out->evidence >= min_evidence) return EW_OK;
    return ew_error_set(err, EW_ERR_NOT_FOUND,
                        "time shift: the load pattern is not distinct in the trace: correlation %.3f, elsewhere %.3f, "
                        "evidence %.1f (needs %.1f, and %.1f)",
                        out->peak, out->second_peak, out->evidence, min_peak, min_evidence);
}

static enum ew_status take_samples(struct work *w, const struct ew_power_series *series, int64_t lag,
                                   struct ew_error *err) {
    struct samples *s = &w->samples;
    if (!s->time_s) s->time_s = calloc(series->n, sizeof *s->time_s);
    if (!s->watts) s->watts = calloc(series->n, sizeof *s->watts);
    if (!s->time_s || !s->watts) return no_memory(err);
    s->n = 0;
    double begin = (double)lag * w->bins.step_s;
    for (size_t i = 0; i < series->n; i++) {
        double t = (double)(series->times_ns[i] - w->bins.begin_ns) * 1e-9 - begin;
        if (isnan(series->watts[i]) || t < w->bins.step_s || t > w->pattern.length_s - w->bins.step_s) continue;
        s->time_s[s->n] = t;
        s->watts[s->n++] = series->watts[i];
    }
    double mean = 0;
    for (size_t i = 0; i < s->n; i++) mean += s->watts[i] / (double)s->n;
    for (size_t i = 0; i < s->n; i++) s->watts[i] -= mean;
    return EW_OK;
}

/* Correlation of the samples outside [skip_from, skip_to) with the pattern, when their clock is `moved` later. The
 * pattern is smoothed over width, a sampling step at least, so that a step of the load between two samples counts by
 * its place. */
static double correlate_finely(const struct work *w, double moved, double width, double skip_from, double skip_to) {
    const struct samples *s = &w->samples;
    struct sums sums = {0};
    size_t low = 0, high = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->time_s[i] >= skip_from && s->time_s[i] < skip_to) continue;
        double t = s->time_s[i] + moved;
        double before = area_until(&w->pattern, t - width / 2, &low);
        add(&sums, (area_until(&w->pattern, t + width / 2, &high) - before) / width, s->watts[i]);
    }
    return correlation(&sums);
}

/* The best shift within radius of `center`: grids that narrow, and a parabola through the last three points. */
static double refine(const struct work *w, double center, double radius, double skip_from, double skip_to) {
    double width = fmax(w->samples.step_s, w->pattern.pulse_s / 16);
    for (int level = 0; level < FINE_LEVELS; level++) {
        double step = 2 * radius / (FINE_POINTS - 1), r[FINE_POINTS];
        int best = FINE_POINTS / 2;
        for (int i = 0; i < FINE_POINTS; i++) {
            r[i] = correlate_finely(w, center - radius + i * step, width, skip_from, skip_to);
            if (r[i] > r[best]) best = i;
        }
        double place = best;
        if (level == FINE_LEVELS - 1 && best > 0 && best < FINE_POINTS - 1) {
            double curve = r[best - 1] - 2 * r[best] + r[best + 1];
            if (curve < 0) place += 0.5 * (r[best - 1] - r[best + 1]) / curve;
        }
        center += -radius + place * step;
        radius = 1.5 * step;
    }
    return center;
}

/* Where the pattern lies best around a place of the grid, and how well. The grid blurs the edges of the pattern: of one
 * long pulse that alone may be what the odds are about. */
static enum ew_status sharpen(struct work *w, const struct ew_power_series *series, int64_t place, double *moved,
                              double *peak, struct ew_error *err) {
    enum ew_status status = take_samples(w, series, w->first_lag + place, err);
    if (status != EW_OK) return status;
    *moved = refine(w, 0, 1.5 * w->bins.step_s, INFINITY, INFINITY);
    *peak = fmax(*peak, correlate_finely(w, *moved, w->samples.step_s, INFINITY, INFINITY));
    return EW_OK;
}

/* How far the trace could be moved without any sample passing an edge: a meter that does not average would show exactly
 * the same. All of a step where the load changes in time with the samples. */
static double blind_range(const struct work *w, double moved) {
    const struct samples *s = &w->samples;
    double back = s->step_s, forth = s->step_s;
    for (size_t i = 0, e = 0; i < s->n; i++) {
        double t = s->time_s[i] + moved;
        while (e < w->pattern.n && w->pattern.edge_s[e] <= t) e++;
        if (e > 0) back = fmin(back, t - w->pattern.edge_s[e - 1]);
        if (e < w->pattern.n) forth = fmin(forth, w->pattern.edge_s[e] - t);
    }
    return back + forth;
}

/* Leaves out one group of edges after the other. Whatever makes the edges disagree - noise, jitter, lost samples, a
 * clock that runs differently - makes the estimates differ. */
static double half_width(const struct work *w, double best, double radius) {
    const struct pattern *p = &w->pattern;
    size_t blocks = p->n < BLOCKS ? p->n : BLOCKS;
    double estimate[BLOCKS], mean = 0, squares = 0;
    for (size_t k = 0; k < blocks; k++) {
        size_t from = k * p->n / blocks, to = (k + 1) * p->n / blocks;
        double begin = from == 0 ? -INFINITY : 0.5 * (p->edge_s[from - 1] + p->edge_s[from]);
        double end = to == p->n ? INFINITY : 0.5 * (p->edge_s[to - 1] + p->edge_s[to]);
        estimate[k] = refine(w, best, radius, begin - best, end - best);
        mean += estimate[k] / (double)blocks;
    }
    for (size_t k = 0; k < blocks; k++) squares += (estimate[k] - mean) * (estimate[k] - mean);
    double jackknife = sqrt((double)(blocks - 1) / (double)blocks * squares);
    /* An edge between two samples is known to a step at best (rectangular), also where the jackknife saw no spread. */
    double step = 2 * w->samples.step_s / sqrt(12.0 * (double)p->n);
    return hypot(ew_student_t95(blocks - 1) * jackknife, fmax(step, blind_range(w, best)));
}

static void describe_levels(const struct work *w, double moved, const struct ew_power_series *series,
                            struct ew_time_shift *out) {
    double sum[2] = {0}, n[2] = {0};
    size_t at = 0;
    for (size_t i = 0; i < series->n; i++) {
        double t = (double)(series->times_ns[i] - w->bins.begin_ns) * 1e-9 + moved;
        if (isnan(series->watts[i]) || t < 0 || t > w->pattern.length_s) continue;
        area_until(&w->pattern, t, &at);
        bool on = at > 0 && w->pattern.level[at - 1] >= 0.5;
        sum[on] += series->watts[i];
        n[on]++;
    }
    out->off_w = n[0] > 0 ? sum[0] / n[0] : NAN;
    out->on_w = n[1] > 0 ? sum[1] / n[1] : NAN;
}

static enum ew_status find(struct work *w, const struct ew_level_pattern *pattern, const struct ew_power_series *series,
                           int64_t min_ns, int64_t max_ns, struct ew_time_shift *out, struct ew_error *err) {
    enum ew_status status = take_pattern(pattern, &w->pattern, err);
    if (status != EW_OK) return status;
    w->scratch = calloc(series->n, sizeof *w->scratch);
    if (!w->scratch) return no_memory(err);
    double step = w->samples.step_s = median_step(series, w->scratch);
    if (!(step > 0) || 2 * step > w->pattern.run_s)
        return ew_error_set(
            err, EW_ERR_NOT_FOUND,
            "time shift: a trace with a sample every %.4g s cannot show a load that changes every %.4g s", step,
            w->pattern.run_s);
    int64_t peak = 0, second = -1;
    double moved = 0;
    if ((status = make_bins(w, series, err)) != EW_OK) return status;
    if ((status = search_coarsely(w, pattern, min_ns, max_ns, err)) != EW_OK) return status;
    if ((status = find_peaks(w, &peak, &second, out, err)) != EW_OK) return status;
    if (second >= 0) status = sharpen(w, series, second, &moved, &out->second_peak, err);
    if (status == EW_OK) status = sharpen(w, series, peak, &moved, &out->peak, err);
    if (status == EW_OK) status = judge_peaks(w, out, err);
    if (status != EW_OK) return status;
    double radius = 1.5 * w->bins.step_s;
    int64_t lag = w->first_lag + peak;
    out->error_ns = (int64_t)ceil(half_width(w, moved, radius) * 1e9);
    out->samples = w->samples.n;
    out->middle_ns = pattern->begin_ns + (pattern->end_ns - pattern->begin_ns) / 2;
    double from_bins = moved - (double)lag * w->bins.step_s; /* pattern's time of the trace's first sample */
    out->shift_ns = pattern->begin_ns - w->bins.begin_ns + (int64_t)llround(from_bins * 1e9);
    describe_levels(w, from_bins, series, out);
    return EW_OK;
}

enum ew_status ew_time_shift_find_levels(const struct ew_level_pattern *pattern, const struct ew_power_series *series,
                                         int64_t min_ns, int64_t max_ns, struct ew_time_shift *out,
                                         struct ew_error *err) {
    if (min_ns > max_ns) return ew_error_set(err, EW_ERR_ARGUMENT, "time shift: the lowest is above the highest");
    if (series->n < 8)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "time shift: %zu samples are too few to find a pattern in",
                            series->n);
    struct work work = {0};
    struct ew_time_shift found = {0};
    enum ew_status status = find(&work, pattern, series, min_ns, max_ns, &found, err);
    free_work(&work);
    if (status == EW_OK) *out = found;
    return status;
}

enum ew_status ew_time_shift_find(const struct ew_load_pattern *pattern, const struct ew_power_series *series,
                                  int64_t min_ns, int64_t max_ns, struct ew_time_shift *out, struct ew_error *err) {
    int64_t *times = malloc((pattern->n + 1) * sizeof *times);
    double *levels = malloc((pattern->n + 1) * sizeof *levels);
    enum ew_status status = times && levels ? EW_OK : no_memory(err);
    for (size_t i = 0; status == EW_OK && i < pattern->n; i++) {
        times[i] = pattern->edges[i].time_ns;
        levels[i] = pattern->edges[i].on;
        if (pattern->edges[i].on != (i % 2 == 0))
            status = ew_error_set(err, EW_ERR_ARGUMENT, "time shift: edge %zu of the pattern changes nothing", i);
    }
    struct ew_level_pattern same = {
        .times_ns = times, .levels = levels, .n = pattern->n, .begin_ns = pattern->begin_ns, .end_ns = pattern->end_ns};
    if (status == EW_OK) status = ew_time_shift_find_levels(&same, series, min_ns, max_ns, out, err);
    free(times);
    free(levels);
    return status;
}

enum ew_status ew_clock_map_make(const struct ew_time_shift *first, const struct ew_time_shift *last,
                                 struct ew_clock_map *out, struct ew_error *err) {
    struct ew_clock_map map = {.shift_ns = first->shift_ns,
                               .error_ns = first->error_ns,
                               .middle_ns = first->middle_ns,
                               .drift_error_ppm = NAN};
    if (last) {
        double apart = (double)(last->middle_ns - first->middle_ns);
        if (apart <= 0) return ew_error_set(err, EW_ERR_ARGUMENT, "clock map: the last pattern is not after the first");
        double drift = (double)(last->shift_ns - first->shift_ns) / apart;
        double error = hypot((double)first->error_ns, (double)last->error_ns) / apart;
        if (fabs(drift) > max_drift + error)
            return ew_error_set(err, EW_ERR_FORMAT,
                                "clock map: a drift of %.0f ppm between the patterns cannot be (%.0f at most)",
                                drift * 1e6, max_drift * 1e6);
        map.drift_ppm = drift * 1e6;
        map.drift_error_ppm = error * 1e6;
    }
    *out = map;
    return EW_OK;
}

int64_t ew_clock_map_time(const struct ew_clock_map *map, int64_t meter_ns, int64_t *error_ns) {
    static const double usual_drift = 50e-6;
    int64_t time, away;
    if (__builtin_add_overflow(meter_ns, map->shift_ns, &time)) time = meter_ns < 0 ? INT64_MIN / 2 : INT64_MAX / 2;
    if (__builtin_sub_overflow(time, map->middle_ns, &away)) away = INT64_MAX / 2;
    bool measured = !isnan(map->drift_error_ppm);
    double unsure = (measured ? map->drift_error_ppm * 1e-6 : usual_drift) * (double)away;
    if (error_ns) *error_ns = (int64_t)fmin(hypot((double)map->error_ns, unsure), 9e18);
    int64_t moved = measured ? (int64_t)llround(map->drift_ppm * 1e-6 * (double)away) : 0;
    return __builtin_add_overflow(time, moved, &time) ? INT64_MAX / 2 : time;
}
