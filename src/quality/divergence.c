/* Owns the comparison of a model's rows with a reference run's; divergence.h has the definitions. Every row's KL is
 * kept (8 bytes), because quantiles need them all. */
#include "quality/divergence.h"

#include "base/error.h"
#include <math.h>
#include <stdlib.h>

struct moments {
    double sum, squared;
};

struct ew_divergence_sum {
    double *kl; /* [n] */
    size_t n, capacity, n_same;
    struct moments kl_moments, delta, ratio;
    double reference_nll;
};

enum ew_status ew_divergence_open(struct ew_divergence_sum **out, struct ew_error *err) {
    *out = calloc(1, sizeof **out);
    return *out ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "divergence: out of memory");
}

void ew_divergence_close(struct ew_divergence_sum **sum) {
    if (!sum || !*sum) return;
    free((*sum)->kl);
    free(*sum);
    *sum = NULL;
}

static void note(struct moments *m, double value) {
    m->sum += value;
    m->squared += value * value;
}

/* Rounding in the stored codes leaves Σ p a little beside 1 and a KL of equals a little beside 0. Dividing by the sum
 * takes the first out; what remains is below 1e-7 nats and may be negative, so it is cut there. */
static double kl_of_row(const struct ew_reference_row *p, const float *logits, double log_sum, uint32_t n_vocab) {
    double mass = 0, sum = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        double log_p = (double)p->low + (double)p->step * p->code[i], weight = exp(log_p);
        mass += weight;
        sum += weight * (log_p - ((double)logits[i] - log_sum));
    }
    double kl = sum / mass - log(mass);
    return kl > 0 ? kl : 0;
}

static bool grow(struct ew_divergence_sum *s, size_t more) {
    if (s->n + more <= s->capacity) return true;
    size_t capacity = (s->n + more) * 2;
    double *kl = realloc(s->kl, capacity * sizeof *kl);
    if (!kl) return false;
    s->kl = kl;
    s->capacity = capacity;
    return true;
}

enum ew_status ew_divergence_add(struct ew_divergence_sum *s, struct ew_reference_reader *reference,
                                 const struct ew_scored_rows *rows, struct ew_error *err) {
    if (!grow(s, rows->n)) return ew_error_set(err, EW_ERR_MEMORY, "divergence: out of memory");
    for (size_t r = 0; r < rows->n; r++) {
        struct ew_reference_row p;
        enum ew_status status = ew_reference_reader_next(reference, &p, err);
        if (status != EW_OK) return status;
        const struct ew_row_score *score = &rows->score[r];
        double kl = kl_of_row(&p, rows->logits + r * rows->n_vocab, score->log_sum, rows->n_vocab);
        s->kl[s->n++] = kl;
        s->n_same += p.top == score->top;
        s->reference_nll -= (double)p.log_p_next;
        note(&s->kl_moments, kl);
        note(&s->delta, 100 * (exp(-score->nll) - exp((double)p.log_p_next)));
        note(&s->ratio, score->nll + (double)p.log_p_next);
    }
    return EW_OK;
}

static struct ew_divergence_mean mean_of(struct moments m, size_t n) {
    double count = (double)n, mean = m.sum / count, variance = m.squared / count - mean * mean;
    double error = n < 2 ? NAN : variance > 0 ? sqrt(variance / (count - 1)) : 0;
    return (struct ew_divergence_mean){mean, error};
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest order statistics, weighted by distance (type 7). */
static double quantile(const double *sorted, size_t n, double share) {
    double at = share * (double)(n - 1);
    size_t below = (size_t)at;
    if (below + 1 >= n) return sorted[n - 1];
    return sorted[below] + (at - (double)below) * (sorted[below + 1] - sorted[below]);
}

struct ew_divergence ew_divergence_of(struct ew_divergence_sum *s) {
    struct ew_divergence d = {.n = s->n};
    if (s->n == 0) {
        const struct ew_divergence_mean none = {NAN, NAN};
        return (struct ew_divergence){0, none, NAN, NAN, NAN, NAN, none, none, NAN, NAN, none};
    }
    const double n = (double)s->n;
    qsort(s->kl, s->n, sizeof *s->kl, by_value);
    d.kl = mean_of(s->kl_moments, s->n);
    d.kl_median = quantile(s->kl, s->n, 0.5);
    d.kl_p90 = quantile(s->kl, s->n, 0.9);
    d.kl_p99 = quantile(s->kl, s->n, 0.99);
    d.kl_max = s->kl[s->n - 1];
    d.same_top = mean_of((struct moments){(double)s->n_same, (double)s->n_same}, s->n);
    d.delta_p = mean_of(s->delta, s->n);
    d.delta_p_rms = sqrt(s->delta.squared / n);
    d.reference_perplexity = exp(s->reference_nll / n);
    d.log_ratio = mean_of(s->ratio, s->n);
    return d;
}
