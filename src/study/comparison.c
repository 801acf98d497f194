/* Owns the pairing of runs by block and the verdict; the tests themselves are its neighbours'. */
#include "study/comparison.h"
#include "base/error.h"
#include "study/bootstrap.h"
#include "study/effect_size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *ew_stat_verdict_name(enum ew_stat_verdict verdict) {
    static const char *const names[] = {"not enough data", "different", "equivalent"};
    return names[verdict];
}

enum ew_stat_verdict ew_stat_verdict_of(double different_p, double equivalent_p) {
    if (equivalent_p <= 0.05) return EW_VERDICT_EQUIVALENT;
    return different_p <= 0.05 ? EW_VERDICT_DIFFERENT : EW_VERDICT_UNDECIDED;
}

struct work {
    double *a, *b;         /* paired values, or all of them */
    double *log_a, *log_b; /* for g */
    size_t na, nb;
};

static void close_work(struct work *w) {
    free(w->a);
    free(w->b);
    free(w->log_a);
    free(w->log_b);
}

static bool open_work(struct work *w, size_t na, size_t nb) {
    *w = (struct work){.a = calloc(na + 1, sizeof(double)),
                       .b = calloc(nb + 1, sizeof(double)),
                       .log_a = calloc(na + 1, sizeof(double)),
                       .log_b = calloc(nb + 1, sizeof(double))};
    return w->a && w->b && w->log_a && w->log_b;
}

struct placed {
    int64_t block;
    double value;
};

static int compare_placed(const void *a, const void *b) {
    int64_t x = ((const struct placed *)a)->block, y = ((const struct placed *)b)->block;
    return (x > y) - (x < y);
}

static struct placed *place(const struct ew_stat_sample *s) {
    struct placed *placed = calloc(s->n + 1, sizeof *placed);
    for (size_t i = 0; placed && i < s->n; i++) placed[i] = (struct placed){s->blocks[i], s->values[i]};
    if (placed) qsort(placed, s->n, sizeof *placed, compare_placed);
    return placed;
}

/* Puts the values of shared blocks side by side into w. */
static enum ew_status find_pairs(const struct ew_stat_sample *a, const struct ew_stat_sample *b, struct work *w,
                                 size_t *n, struct ew_error *err) {
    struct placed *pa = place(a), *pb = place(b);
    enum ew_status status = pa && pb ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "comparison: out of memory");
    *n = 0;
    for (size_t i = 0, j = 0; status == EW_OK && i < a->n && j < b->n;) {
        if (pa[i].block == pb[j].block) {
            w->a[*n] = pa[i++].value;
            w->b[(*n)++] = pb[j++].value;
        } else if (pa[i].block < pb[j].block)
            i++;
        else
            j++;
    }
    free(pa);
    free(pb);
    return status;
}

/* Opens w with pairs, or with all runs where pairs are not wanted or too few. */
static enum ew_status gather(const struct ew_stat_sample *a, const struct ew_stat_sample *b, bool paired,
                             struct work *w, struct ew_stat_decision *d, struct ew_error *err) {
    *d = (struct ew_stat_decision){.n_a = a->n, .n_b = b->n, .rank_different_p = NAN, .rank_equivalent_p = NAN};
    if (!open_work(w, a->n, b->n)) return ew_error_set(err, EW_ERR_MEMORY, "comparison: out of memory");
    enum ew_status status = EW_OK;
    if (a->blocks && b->blocks) status = find_pairs(a, b, w, &d->n_pairs, err);
    d->paired = paired && d->n_pairs >= EW_STAT_FEWEST_PAIRS;
    w->na = d->paired ? d->n_pairs : a->n;
    w->nb = d->paired ? d->n_pairs : b->n;
    if (!d->paired && a->n) memcpy(w->a, a->values, a->n * sizeof *w->a);
    if (!d->paired && b->n) memcpy(w->b, b->values, b->n * sizeof *w->b);
    return status;
}

/* ---- the verdict ---- */

/* Two looks at the same data: Bonferroni. */
static double combine(double p, double q) {
    if (isnan(p) || isnan(q)) return isnan(p) ? q : p;
    return fmin(1, 2 * fmin(p, q));
}

static enum ew_status test_ranks(const struct ew_stat_sample *a, const struct ew_stat_sample *b, double margin,
                                 struct ew_stat_decision *d, struct ew_error *err) {
    double above, below, above_low = NAN, below_high = NAN, unused;
    enum ew_status status = ew_stat_rank_tails(a->values, a->n, b->values, b->n, 1, &above, &below, err);
    if (status == EW_OK && margin > 0)
        status = ew_stat_rank_tails(a->values, a->n, b->values, b->n, 1 / (1 + margin), &above_low, &unused, err);
    if (status == EW_OK && margin > 0)
        status = ew_stat_rank_tails(a->values, a->n, b->values, b->n, 1 + margin, &unused, &below_high, err);
    if (status != EW_OK) return status;
    d->rank_different_p = isnan(above) ? NAN : fmin(1, 2 * fmin(above, below));
    if (margin > 0 && !isnan(above)) d->rank_equivalent_p = fmax(above_low, below_high);
    return EW_OK;
}

static enum ew_status decide(const struct ew_stat_sample *a, const struct ew_stat_sample *b, const struct work *w,
                             double margin, struct ew_stat_decision *d, struct ew_error *err) {
    d->test = d->paired ? ew_stat_compare_pairs(w->a, w->b, w->na, margin)
                        : ew_stat_compare_groups(w->a, w->na, w->b, w->nb, margin);
    enum ew_status status = test_ranks(a, b, margin, d, err);
    if (status != EW_OK) return status;
    d->different_p = combine(d->test.different_p, d->rank_different_p);
    d->equivalent_p = combine(d->test.equivalent_p, d->rank_equivalent_p);
    d->verdict = ew_stat_verdict_of(d->different_p, d->equivalent_p);
    return EW_OK;
}

enum ew_status ew_stat_decide(const struct ew_stat_sample *a, const struct ew_stat_sample *b, bool paired,
                              double margin, struct ew_stat_decision *out, struct ew_error *err) {
    struct ew_stat_decision d;
    struct work w;
    enum ew_status status = gather(a, b, paired, &w, &d, err);
    if (status == EW_OK) status = decide(a, b, &w, margin, &d, err);
    if (status == EW_OK) *out = d;
    close_work(&w);
    return status;
}

/* ---- everything else ---- */

static bool take_logs(const double *from, double *to, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (!(from[i] > 0)) return false;
        to[i] = log(from[i]);
    }
    return true;
}

static void fill_effect(const struct ew_stat_sample *a, const struct ew_stat_sample *b, struct work *w,
                        struct ew_stat_comparison *c) {
    bool logs = take_logs(a->values, w->log_a, a->n) && take_logs(b->values, w->log_b, b->n);
    c->hedges_g = ew_stat_hedges_g(logs ? w->log_a : a->values, a->n, logs ? w->log_b : b->values, b->n);
}

/* value = of a / of b where both are positive; medians are taken from copies. */
static void fill_ratios(struct work *w, struct ew_stat_comparison *c) {
    memcpy(w->log_a, w->a, w->na * sizeof *w->a);
    memcpy(w->log_b, w->b, w->nb * sizeof *w->b);
    ew_stat_sort(w->log_a, w->na);
    ew_stat_sort(w->log_b, w->nb);
    bool positive = w->na && w->nb && w->log_a[0] > 0 && w->log_b[0] > 0;
    c->medians.value =
        positive ? ew_stat_median_of_sorted(w->log_a, w->na) / ew_stat_median_of_sorted(w->log_b, w->nb) : NAN;
    c->means.value = positive ? ew_stat_mean(w->a, w->na) / ew_stat_mean(w->b, w->nb) : NAN;
}

static enum ew_status fill_intervals(struct work *w, uint64_t seed, struct ew_stat_comparison *c,
                                     struct ew_error *err) {
    bool paired = c->decision.paired;
    enum ew_status status =
        ew_stat_median_ratio_interval(w->a, w->na, w->b, w->nb, paired, seed, &c->medians.interval, err);
    if (status == EW_OK)
        status = ew_stat_mean_ratio_interval(w->a, w->na, w->b, w->nb, paired, seed, &c->means.interval, err);
    if (status == EW_OK && paired) status = ew_stat_signed_rank(w->a, w->b, w->na, &c->rank, err);
    return status;
}

enum ew_status ew_stat_compare(const struct ew_stat_sample *a, const struct ew_stat_sample *b, bool paired,
                               double margin, uint64_t seed, struct ew_stat_comparison *out, struct ew_error *err) {
    struct ew_stat_comparison c = {0};
    struct work w;
    enum ew_status status = gather(a, b, paired, &w, &c.decision, err);
    if (status == EW_OK) status = decide(a, b, &w, margin, &c.decision, err);
    if (status == EW_OK) status = ew_stat_mann_whitney(a->values, a->n, b->values, b->n, &c.rank, err);
    if (status == EW_OK) {
        c.cliff_delta = c.rank.delta;
        fill_effect(a, b, &w, &c);
        fill_ratios(&w, &c);
        status = fill_intervals(&w, seed, &c, err);
    }
    if (status == EW_OK) *out = c;
    close_work(&w);
    return status;
}
