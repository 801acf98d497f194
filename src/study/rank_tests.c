/* Owns the exact and the approximate distribution of rank sums. Ranks are doubled, so that midranks of ties are whole
 * numbers and sums can be counted. Effect sizes that need more than ranks: effect_size.c. */
#include "study/rank_tests.h"
#include "base/error.h"
#include "study/distributions.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_EXACT_GROUPS = 40, MOST_EXACT_PAIRS = 50, MOST_PAIRS = 4000 };
static const double most_differences = 1e7;

static enum ew_status no_memory(struct ew_error *err, size_t n) {
    return ew_error_set(err, EW_ERR_MEMORY, "rank test: no memory for %zu values", n);
}

/* ---- ranks ---- */

struct ranked {
    double value;
    size_t index;
};

static int compare_ranked(const void *a, const void *b) {
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return (x > y) - (x < y);
}

/* ranks[i] = twice the midrank of values[i]. Returns the sum of t^3 - t over groups of t ties; -1: no memory. */
static double rank(const double *values, size_t n, size_t *ranks) {
    struct ranked *order = calloc(n + 1, sizeof *order);
    if (!order) return -1;
    for (size_t i = 0; i < n; i++) order[i] = (struct ranked){values[i], i};
    qsort(order, n, sizeof *order, compare_ranked);
    double ties = 0;
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && order[j].value == order[i].value;) j++;
        for (size_t k = i; k < j; k++) ranks[order[k].index] = i + j + 1;
        double t = (double)(j - i);
        ties += t * t * t - t;
    }
    free(order);
    return ties;
}

/* ---- how often each sum comes about ---- */

/* counts[s], s <= total: in how many ways `take` of the n ranks (any number of them: take > n) sum to s. The caller
 * frees it. NULL: no memory. */
static double *count_sums(const size_t *ranks, size_t n, size_t take, size_t total) {
    bool any = take > n;
    size_t rows = any ? 1 : take + 1, width = total + 1;
    double *counts = calloc(rows * width, sizeof *counts);
    if (!counts) return NULL;
    counts[0] = 1;
    size_t reach = 0; /* no sum is larger yet */
    for (size_t i = 0; i < n; i++) {
        reach += ranks[i];
        size_t top = any || i + 1 > take ? rows : i + 2, bottom = any ? 0 : 1;
        for (size_t row = top; row-- > bottom;) {
            double *to = counts + row * width, *from = any ? to : to - width;
            for (size_t s = reach + 1; s-- > ranks[i];) to[s] += from[s - ranks[i]];
        }
    }
    if (!any) memmove(counts, counts + take * width, width * sizeof *counts);
    return counts;
}

struct tails {
    double below, above; /* P(sum <= seen), P(sum >= seen) */
};

static struct tails tails_of_counts(const double *counts, size_t total, size_t seen) {
    struct tails t = {0, 0};
    double all = 0;
    for (size_t s = 0; s <= total; s++) {
        all += counts[s];
        if (s <= seen) t.below += counts[s];
        if (s >= seen) t.above += counts[s];
    }
    return (struct tails){t.below / all, t.above / all};
}

/* With continuity correction. */
static struct tails tails_of_normal(double seen, double mean, double variance) {
    if (!(variance > 0)) return (struct tails){1, 1};
    double deviation = sqrt(variance);
    return (struct tails){ew_stat_normal_below((seen - mean + 0.5) / deviation),
                          ew_stat_normal_below((mean - seen + 0.5) / deviation)};
}

static double two_sided(struct tails t) { return fmin(1, 2 * fmin(t.below, t.above)); }

/* Largest k with P(fewer than k steps above the smallest sum) <= 0.025, from untied counts whose sums lie two apart,
 * and what both tails leave. k = 0 when even the extreme sum is too likely. */
static size_t depth_of(const double *counts, size_t smallest, size_t total, double *coverage) {
    double all = 0, below = 0;
    for (size_t s = 0; s <= total; s++) all += counts[s];
    size_t k = 0;
    for (size_t s = smallest; s <= total; s += 2, k++) {
        if ((below + counts[s]) / all > 0.025 + 1e-12) break;
        below += counts[s];
    }
    *coverage = 1 - 2 * below / all;
    if (k == 0) *coverage = 1 - 2 * counts[smallest] / all;
    return k;
}

static struct ew_stat_interval pick(const double *sorted, size_t n, size_t depth, double coverage) {
    if (depth == 0) return (struct ew_stat_interval){sorted[0], sorted[n - 1], coverage, EW_INTERVAL_RANGE};
    return (struct ew_stat_interval){sorted[depth - 1], sorted[n - depth], coverage, EW_INTERVAL_ORDER};
}

/* Depth for large n: the normal quantile below the mean. */
static size_t normal_depth(double mean, double variance) {
    double at = mean - 1.959963984540054 * sqrt(variance);
    return at < 1 ? 1 : (size_t)at;
}

/* Counts of untied ranks 1 to n, doubled, for intervals; take as for count_sums. */
static double *untied_counts(size_t n, size_t take) {
    size_t ranks[MOST_EXACT_PAIRS] = {0};
    for (size_t i = 0; i < n; i++) ranks[i] = 2 * (i + 1);
    return count_sums(ranks, n, take, n * (n + 1));
}

/* ---- two groups ---- */

static enum ew_status group_shift(const double *a, size_t na, const double *b, size_t nb, struct ew_stat_rank_test *out,
                                  struct ew_error *err) {
    size_t n = na * nb, wins = 0, losses = 0;
    double *differences = calloc(n, sizeof *differences);
    if (!differences) return no_memory(err, n);
    for (size_t i = 0; i < na; i++)
        for (size_t j = 0; j < nb; j++) {
            differences[i * nb + j] = a[i] - b[j];
            wins += a[i] > b[j];
            losses += a[i] < b[j];
        }
    ew_stat_sort(differences, n);
    out->delta = ((double)wins - (double)losses) / (double)n;
    out->shift = ew_stat_median_of_sorted(differences, n);
    double coverage = 0.95;
    size_t depth = normal_depth((double)n / 2, (double)n * (double)(na + nb + 1) / 12);
    if (na + nb <= MOST_EXACT_GROUPS) {
        double *counts = untied_counts(na + nb, na);
        if (!counts) {
            free(differences);
            return no_memory(err, n);
        }
        depth = depth_of(counts, na * (na + 1), (na + nb) * (na + nb + 1), &coverage);
        free(counts);
    }
    out->shift_interval = pick(differences, n, depth, coverage);
    free(differences);
    return EW_OK;
}

/* ranks: [na + nb] doubled midranks, a first. */
static enum ew_status group_tails(const size_t *ranks, double ties, size_t na, size_t nb, struct tails *out,
                                  struct ew_error *err) {
    size_t n = na + nb, sum = 0;
    for (size_t i = 0; i < na; i++) sum += ranks[i];
    if (n <= MOST_EXACT_GROUPS) {
        double *counts = count_sums(ranks, n, na, n * (n + 1));
        if (!counts) return no_memory(err, n);
        *out = tails_of_counts(counts, n * (n + 1), sum);
        free(counts);
        return EW_OK;
    }
    double product = (double)na * (double)nb, all = (double)n;
    double u = (double)sum / 2 - (double)na * (double)(na + 1) / 2;
    *out = tails_of_normal(u, product / 2, product / 12 * (all + 1 - ties / (all * (all - 1))));
    return EW_OK;
}

static enum ew_status find_tails(const double *a, size_t na, const double *b, size_t nb, double factor,
                                 struct tails *out, struct ew_error *err) {
    size_t n = na + nb, *ranks = calloc(n, sizeof *ranks);
    double *all = calloc(n, sizeof *all), ties = -1;
    if (ranks && all) {
        memcpy(all, a, na * sizeof *a);
        for (size_t i = 0; i < nb; i++) all[na + i] = factor * b[i];
        ties = rank(all, n, ranks);
    }
    enum ew_status status = ties < 0 ? no_memory(err, n) : group_tails(ranks, ties, na, nb, out, err);
    free(ranks);
    free(all);
    return status;
}

enum ew_status ew_stat_rank_tails(const double *a, size_t na, const double *b, size_t nb, double factor, double *above,
                                  double *below, struct ew_error *err) {
    struct tails tails = {NAN, NAN};
    enum ew_status status = na && nb ? find_tails(a, na, b, nb, factor, &tails, err) : EW_OK;
    if (status != EW_OK) return status;
    *above = tails.above;
    *below = tails.below;
    return EW_OK;
}

enum ew_status ew_stat_mann_whitney(const double *a, size_t na, const double *b, size_t nb,
                                    struct ew_stat_rank_test *out, struct ew_error *err) {
    struct ew_stat_rank_test test = {NAN, false, NAN, NAN, {NAN, NAN, NAN, EW_INTERVAL_NONE}};
    if (na == 0 || nb == 0) {
        *out = test;
        return EW_OK;
    }
    if ((double)na * (double)nb > most_differences)
        return ew_error_set(err, EW_ERR_LIMIT, "rank test: %zu x %zu differences are more than 10^7", na, nb);
    struct tails tails;
    enum ew_status status = find_tails(a, na, b, nb, 1, &tails, err);
    if (status == EW_OK) status = group_shift(a, na, b, nb, &test, err);
    if (status != EW_OK) return status;
    test.p = two_sided(tails);
    test.exact = na + nb <= MOST_EXACT_GROUPS;
    *out = test;
    return EW_OK;
}

/* ---- pairs ---- */

static enum ew_status pair_p(const double *differences, size_t n, struct ew_stat_rank_test *out, struct ew_error *err) {
    double *sizes = calloc(n + 1, sizeof *sizes), ties = -1;
    size_t *ranks = calloc(n + 1, sizeof *ranks), m = 0, sum = 0, squares = 0;
    bool *up = calloc(n + 1, sizeof *up);
    for (size_t i = 0; sizes && up && i < n; i++) {
        if (differences[i] == 0) continue;
        up[m] = differences[i] > 0;
        sizes[m++] = fabs(differences[i]);
    }
    if (sizes && up && ranks) ties = rank(sizes, m, ranks);
    enum ew_status status = ties < 0 ? no_memory(err, n) : EW_OK;
    for (size_t i = 0; status == EW_OK && i < m; i++) {
        sum += up[i] ? ranks[i] : 0;
        squares += ranks[i] * ranks[i];
    }
    out->exact = m <= MOST_EXACT_PAIRS;
    if (status == EW_OK && out->exact) {
        double *counts = count_sums(ranks, m, m + 1, m * (m + 1));
        if (counts)
            out->p = two_sided(tails_of_counts(counts, m * (m + 1), sum));
        else
            status = no_memory(err, n);
        free(counts);
    } else if (status == EW_OK) {
        out->p = two_sided(tails_of_normal((double)sum / 2, (double)m * (double)(m + 1) / 4, (double)squares / 16));
    }
    free(sizes);
    free(ranks);
    free(up);
    return status;
}

static enum ew_status pair_shift(const double *differences, size_t n, struct ew_stat_rank_test *out,
                                 struct ew_error *err) {
    size_t m = n * (n + 1) / 2, k = 0;
    double *walsh = calloc(m, sizeof *walsh), *counts = NULL, coverage = 0.95;
    bool exact = n <= MOST_EXACT_PAIRS;
    if (walsh && exact) counts = untied_counts(n, n + 1);
    if (!walsh || (exact && !counts)) {
        free(walsh);
        return no_memory(err, m);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) walsh[k++] = (differences[i] + differences[j]) / 2;
    ew_stat_sort(walsh, m);
    out->shift = ew_stat_median_of_sorted(walsh, m);
    double all = (double)n;
    size_t depth = exact ? depth_of(counts, 0, n * (n + 1), &coverage)
                         : normal_depth(all * (all + 1) / 4, all * (all + 1) * (2 * all + 1) / 24);
    out->shift_interval = pick(walsh, m, depth, coverage);
    free(walsh);
    free(counts);
    return EW_OK;
}

enum ew_status ew_stat_signed_rank(const double *a, const double *b, size_t n, struct ew_stat_rank_test *out,
                                   struct ew_error *err) {
    struct ew_stat_rank_test test = {NAN, false, NAN, NAN, {NAN, NAN, NAN, EW_INTERVAL_NONE}};
    if (n == 0) {
        *out = test;
        return EW_OK;
    }
    if (n > MOST_PAIRS) return ew_error_set(err, EW_ERR_LIMIT, "rank test: %zu pairs are more than %d", n, MOST_PAIRS);
    double *differences = calloc(n, sizeof *differences);
    if (!differences) return no_memory(err, n);
    for (size_t i = 0; i < n; i++) differences[i] = a[i] - b[i];
    enum ew_status status = pair_p(differences, n, &test, err);
    if (status == EW_OK) status = pair_shift(differences, n, &test, err);
    if (status == EW_OK) *out = test;
    free(differences);
    return status;
}
