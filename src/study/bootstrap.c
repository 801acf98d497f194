/* Owns resampling. A resample is a count per value of the original, so that medians and means of it need no sorting and
 * no copy. Refuses to resample fewer than five values: there are too few different resamples for a 95 % interval. */
#include "study/bootstrap.h"
#include "base/error.h"
#include "base/seeded_random.h"
#include "study/distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1999, MOST_ENUMERATED = 7, FEWEST = 5 };

static const struct ew_stat_interval none = {NAN, NAN, NAN, EW_INTERVAL_NONE};

/* ---- a weighted sample of a statistic ---- */

struct outcome {
    double value, weight;
};

static int compare_outcomes(const void *a, const void *b) {
    double x = ((const struct outcome *)a)->value, y = ((const struct outcome *)b)->value;
    return (x > y) - (x < y);
}

/* Smallest value with at least share of the weight at or below it; from the top it is the mirror image. */
static double from_bottom(const struct outcome *sorted, size_t n, double share) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += sorted[i].weight;
        if (sum >= share - 1e-12) return sorted[i].value;
    }
    return sorted[n - 1].value;
}

static double from_top(const struct outcome *sorted, size_t n, double share) {
    double sum = 0;
    for (size_t i = n; i-- > 0;) {
        sum += sorted[i].weight;
        if (sum >= share - 1e-12) return sorted[i].value;
    }
    return sorted[0].value;
}

static void tails(struct outcome *outcomes, size_t n, double *low, double *high) {
    qsort(outcomes, n, sizeof *outcomes, compare_outcomes);
    *low = from_bottom(outcomes, n, 0.025);
    *high = from_top(outcomes, n, 0.025);
}

/* ---- the mean ---- */

/* t of a resample of centred values: its mean over its own standard error. A resample of one repeated value has none;
 * it counts as beyond every bound, on its side. */
static double t_of(const double *centred, const uint32_t *counts, size_t n, double scale) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) mean += counts[i] * centred[i];
    mean /= (double)n;
    for (size_t i = 0; i < n; i++) squares += counts[i] * (centred[i] - mean) * (centred[i] - mean);
    double error = sqrt(squares / (double)(n - 1) / (double)n);
    if (error > 1e-9 * scale) return mean / error;
    return fabs(mean) <= 1e-9 * scale ? 0 : copysign(INFINITY, mean);
}

struct enumeration {
    const double *centred;
    double scale;
    uint32_t counts[MOST_ENUMERATED];
    struct outcome *outcomes;
    size_t n, n_outcomes;
};

/* All ways to split what is left of n draws over values at and after `at`; weight: multinomial. */
static void enumerate(struct enumeration *e, size_t at, size_t left, double weight) {
    if (at + 1 == e->n) {
        e->counts[at] = (uint32_t)left;
        for (size_t k = 2; k <= left; k++) weight /= (double)k;
        e->outcomes[e->n_outcomes++] = (struct outcome){t_of(e->centred, e->counts, e->n, e->scale), weight};
        return;
    }
    for (size_t count = 0; count <= left; count++) {
        if (count > 1) weight /= (double)count;
        e->counts[at] = (uint32_t)count;
        enumerate(e, at + 1, left - count, weight);
    }
}

static void draw(uint64_t *seed, uint32_t *counts, size_t n) {
    memset(counts, 0, n * sizeof *counts);
    for (size_t i = 0; i < n; i++) counts[ew_random_below(seed, n)]++;
}

static size_t resample_means(const double *centred, size_t n, double scale, uint64_t seed, uint32_t *counts,
                             struct outcome *outcomes) {
    if (n <= MOST_ENUMERATED) {
        double weight = 1; /* n! / n^n */
        for (size_t i = 1; i <= n; i++) weight *= (double)i / (double)n;
        struct enumeration e = {.centred = centred, .scale = scale, .outcomes = outcomes, .n = n};
        enumerate(&e, 0, n, weight);
        return e.n_outcomes;
    }
    for (size_t r = 0; r < RESAMPLES; r++) {
        draw(&seed, counts, n);
        outcomes[r] = (struct outcome){t_of(centred, counts, n, scale), 1.0 / (RESAMPLES + 1)};
    }
    return RESAMPLES;
}

static struct ew_stat_interval student(double mean, double error, size_t n) {
    double reach = ew_stat_student_quantile(0.975, (double)(n - 1)) * error;
    return (struct ew_stat_interval){mean - reach, mean + reach, 0.95, EW_INTERVAL_STUDENT};
}

enum ew_status ew_stat_mean_interval(const double *values, size_t n, uint64_t seed, struct ew_stat_interval *out,
                                     struct ew_error *err) {
    if (n < 2) {
        *out = none;
        return EW_OK;
    }
    double mean = ew_stat_mean(values, n), error = ew_stat_stddev(values, n) / sqrt((double)n);
    struct ew_stat_interval interval = student(mean, error, n);
    if (n >= FEWEST && error > 0) {
        double *centred = calloc(n, sizeof *centred);
        uint32_t *counts = calloc(n, sizeof *counts);
        struct outcome *outcomes = calloc(RESAMPLES, sizeof *outcomes);
        if (!centred || !counts || !outcomes) {
            free(centred), free(counts), free(outcomes);
            return ew_error_set(err, EW_ERR_MEMORY, "bootstrap: no memory for %zu values", n);
        }
        for (size_t i = 0; i < n; i++) centred[i] = values[i] - mean;
        size_t n_outcomes = resample_means(centred, n, error, seed, counts, outcomes);
        double low, high;
        tails(outcomes, n_outcomes, &low, &high);
        if (isfinite(low) && isfinite(high))
            interval = (struct ew_stat_interval){mean - high * error, mean - low * error, 0.95, EW_INTERVAL_BOOTSTRAP};
        free(centred), free(counts), free(outcomes);
    }
    *out = interval;
    return EW_OK;
}

/* ---- ratios ---- */

struct side {
    const double *values; /* as given */
    double *sorted;
    uint32_t *counts;
    size_t *order; /* sorted[i] is values[order[i]] */
    size_t n;
};

struct pair_of_sides {
    struct side a, b;
    bool paired;
};

static bool all_positive(const double *values, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!(values[i] > 0) || !isfinite(values[i])) return false;
    return true;
}

struct indexed {
    double value;
    size_t index;
};

static int compare_indexed(const void *a, const void *b) {
    double x = ((const struct indexed *)a)->value, y = ((const struct indexed *)b)->value;
    return (x > y) - (x < y);
}

static bool open_side(struct side *side, const double *values, size_t n) {
    struct indexed *indexed = calloc(n, sizeof *indexed);
    *side = (struct side){.values = values,
                          .sorted = calloc(n, sizeof(double)),
                          .counts = calloc(n, sizeof(uint32_t)),
                          .order = calloc(n, sizeof(size_t)),
                          .n = n};
    bool ok = indexed && side->sorted && side->counts && side->order;
    for (size_t i = 0; ok && i < n; i++) indexed[i] = (struct indexed){values[i], i};
    if (ok) qsort(indexed, n, sizeof *indexed, compare_indexed);
    for (size_t i = 0; ok && i < n; i++) {
        side->sorted[i] = indexed[i].value;
        side->order[i] = indexed[i].index;
    }
    free(indexed);
    return ok;
}

static void close_side(struct side *side) {
    free(side->sorted);
    free(side->counts);
    free(side->order);
}

static double resampled_median(const struct side *side) {
    size_t seen = 0, i = 0;
    while ((seen += side->counts[side->order[i]]) <= (side->n - 1) / 2) i++;
    double below = side->sorted[i];
    while (seen <= side->n / 2) seen += side->counts[side->order[++i]];
    return (below + side->sorted[i]) / 2;
}

static double weighted_mean(const double *values, const uint32_t *counts, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += counts ? counts[i] * values[i] : values[i];
    return sum / (double)n;
}

/* log(mean a / mean b), and its standard error by the delta method. counts NULL: the sample itself. */
static void log_mean_ratio(const struct pair_of_sides *p, bool resampled, double *estimate, double *error) {
    const uint32_t *ca = resampled ? p->a.counts : NULL, *cb = resampled ? p->b.counts : NULL;
    double ma = weighted_mean(p->a.values, ca, p->a.n), mb = weighted_mean(p->b.values, cb, p->b.n), va = 0, vb = 0;
    for (size_t i = 0; i < p->a.n; i++) {
        double d = p->a.values[i] / ma - (p->paired ? p->b.values[i] / mb : 1);
        va += (ca ? ca[i] : 1) * d * d;
    }
    for (size_t i = 0; !p->paired && i < p->b.n; i++) {
        double d = p->b.values[i] / mb - 1;
        vb += (cb ? cb[i] : 1) * d * d;
    }
    double na = (double)p->a.n, nb = (double)p->b.n;
    *estimate = log(ma / mb);
    *error = sqrt(va / (na * (na - 1)) + vb / (nb * (nb - 1)));
}

static void draw_both(struct pair_of_sides *p, uint64_t *seed) {
    draw(seed, p->a.counts, p->a.n);
    if (p->paired)
        memcpy(p->b.counts, p->a.counts, p->a.n * sizeof *p->a.counts);
    else
        draw(seed, p->b.counts, p->b.n);
}

static struct ew_stat_interval median_ratio(struct pair_of_sides *p, uint64_t seed, struct outcome *outcomes) {
    for (size_t r = 0; r < RESAMPLES; r++) {
        draw_both(p, &seed);
        outcomes[r] = (struct outcome){resampled_median(&p->a) / resampled_median(&p->b), 1.0 / (RESAMPLES + 1)};
    }
    struct ew_stat_interval out = {.coverage = 0.95, .method = EW_INTERVAL_BOOTSTRAP};
    tails(outcomes, RESAMPLES, &out.low, &out.high);
    return out;
}

static struct ew_stat_interval mean_ratio(struct pair_of_sides *p, uint64_t seed, struct outcome *outcomes) {
    double estimate, error, at, spread;
    log_mean_ratio(p, false, &estimate, &error);
    for (size_t r = 0; r < RESAMPLES; r++) {
        draw_both(p, &seed);
        log_mean_ratio(p, true, &at, &spread);
        double t = spread > 1e-9 * error ? (at - estimate) / spread : copysign(INFINITY, at - estimate);
        outcomes[r] = (struct outcome){error > 0 ? t : 0, 1.0 / (RESAMPLES + 1)};
    }
    double low, high;
    tails(outcomes, RESAMPLES, &low, &high);
    if (!isfinite(low) || !isfinite(high)) return none;
    return (struct ew_stat_interval){exp(estimate - high * error), exp(estimate - low * error), 0.95,
                                     EW_INTERVAL_BOOTSTRAP};
}

static enum ew_status ratio_interval(struct ew_stat_interval (*method)(struct pair_of_sides *, uint64_t,
                                                                       struct outcome *),
                                     const double *a, size_t na, const double *b, size_t nb, bool paired, uint64_t seed,
                                     struct ew_stat_interval *out, struct ew_error *err) {
    if (paired && na != nb)
        return ew_error_set(err, EW_ERR_ARGUMENT, "bootstrap: %zu and %zu values are not pairs", na, nb);
    if (na < FEWEST || nb < FEWEST || !all_positive(a, na) || !all_positive(b, nb)) {
        *out = none;
        return EW_OK;
    }
    struct pair_of_sides p = {.paired = paired};
    struct outcome *outcomes = calloc(RESAMPLES, sizeof *outcomes);
    bool a_open = open_side(&p.a, a, na), b_open = open_side(&p.b, b, nb);
    bool ok = outcomes && a_open && b_open;
    if (ok) *out = method(&p, seed, outcomes);
    close_side(&p.a);
    close_side(&p.b);
    free(outcomes);
    return ok ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "bootstrap: no memory for %zu values", na + nb);
}

enum ew_status ew_stat_median_ratio_interval(const double *a, size_t na, const double *b, size_t nb, bool paired,
                                             uint64_t seed, struct ew_stat_interval *out, struct ew_error *err) {
    return ratio_interval(median_ratio, a, na, b, nb, paired, seed, out, err);
}

enum ew_status ew_stat_mean_ratio_interval(const double *a, size_t na, const double *b, size_t nb, bool paired,
                                           uint64_t seed, struct ew_stat_interval *out, struct ew_error *err) {
    return ratio_interval(mean_ratio, a, na, b, nb, paired, seed, out, err);
}
