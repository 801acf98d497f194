/* Owns the choice of the next token: repetition penalty, then top-k, top-p, min-p over a temperature-scaled softmax,
 * then a seeded draw. Temperature 0 is greedy and ignores the rest but the penalty.
 * Sources: top-p, arXiv 1904.09751; min-p, arXiv 2407.01082; repetition penalty, arXiv 1909.05858; PCG32,
 * pcg-random.org. */
#include "edgewise/session.h"

#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPEAT_LAST = 1 << 16 };

struct candidate {
    float logit;
    float p;
    int32_t id;
};

struct ew_sampler {
    struct ew_sampler_params params;
    uint32_t n_vocab;
    uint64_t random_state;
    struct candidate *candidates; /* [n_vocab] */
    float *penalised;             /* [n_vocab] */
    int32_t *recent;              /* ring of repeat_last ids */
    uint32_t n_recent, next_recent;
};

struct ew_sampler_params ew_sampler_default_params(void) {
    return (struct ew_sampler_params){.temperature = 0, .top_p = 1, .repeat_penalty = 1, .repeat_last = 64};
}

static uint32_t next_random(struct ew_sampler *s) {
    uint64_t old = s->random_state;
    s->random_state = old * 6364136223846793005u + 1442695040888963407u;
    uint32_t x = (uint32_t)(((old >> 18) ^ old) >> 27), rotate = (uint32_t)(old >> 59);
    return x >> rotate | x << (-rotate & 31);
}

static enum ew_status check(const struct ew_sampler_params *p, struct ew_error *err) {
    if (!(p->temperature >= 0 && p->temperature <= 100))
        return ew_error_set(err, EW_ERR_ARGUMENT, "temperature: %g is outside 0–100", (double)p->temperature);
    if (!(p->top_p > 0 && p->top_p <= 1))
        return ew_error_set(err, EW_ERR_ARGUMENT, "top-p: %g is outside 0 (exclusive)–1", (double)p->top_p);
    if (!(p->min_p >= 0 && p->min_p <= 1))
        return ew_error_set(err, EW_ERR_ARGUMENT, "min-p: %g is outside 0–1", (double)p->min_p);
    if (!(p->repeat_penalty > 0 && p->repeat_penalty <= 100))
        return ew_error_set(err, EW_ERR_ARGUMENT, "repeat-penalty: %g is outside 0 (exclusive)–100",
                            (double)p->repeat_penalty);
    if (p->repeat_last > MAX_REPEAT_LAST)
        return ew_error_set(err, EW_ERR_ARGUMENT, "repeat-last: %u is more than %d", p->repeat_last, MAX_REPEAT_LAST);
    return EW_OK;
}

enum ew_status ew_sampler_open(const struct ew_sampler_params *params, uint32_t n_vocab, struct ew_sampler **out,
                               struct ew_error *err) {
    enum ew_status status = check(params, err);
    if (status != EW_OK) return status;
    if (n_vocab == 0) return ew_error_set(err, EW_ERR_ARGUMENT, "sampler: a vocabulary of 0 tokens");
    struct ew_sampler *s = calloc(1, sizeof *s);
    if (!s) return ew_error_set(err, EW_ERR_MEMORY, "sampler: out of memory");
    s->params = *params;
    s->n_vocab = n_vocab;
    s->random_state = params->seed + 1442695040888963407u;
    next_random(s);
    s->candidates = malloc(n_vocab * sizeof *s->candidates);
    s->penalised = malloc(n_vocab * sizeof *s->penalised);
    s->recent = malloc((params->repeat_last ? params->repeat_last : 1) * sizeof *s->recent);
    if (!s->candidates || !s->penalised || !s->recent) {
        ew_sampler_close(&s);
        return ew_error_set(err, EW_ERR_MEMORY, "sampler: out of memory for %u candidates", n_vocab);
    }
    *out = s;
    return EW_OK;
}

void ew_sampler_close(struct ew_sampler **sampler) {
    if (!sampler || !*sampler) return;
    free((*sampler)->candidates);
    free((*sampler)->penalised);
    free((*sampler)->recent);
    free(*sampler);
    *sampler = NULL;
}

void ew_sampler_accept(struct ew_sampler *s, int32_t id) {
    if (s->params.repeat_last == 0) return;
    s->recent[s->next_recent] = id;
    s->next_recent = (s->next_recent + 1) % s->params.repeat_last;
    if (s->n_recent < s->params.repeat_last) s->n_recent++;
}

/* Divides positive and multiplies negative logits of recent tokens, each token once. */
static const float *apply_penalty(struct ew_sampler *s, const float *logits) {
    if (s->params.repeat_penalty == 1 || s->n_recent == 0) return logits;
    memcpy(s->penalised, logits, s->n_vocab * sizeof *logits);
    for (uint32_t i = 0; i < s->n_recent; i++) {
        int32_t id = s->recent[i];
        if (id < 0 || (uint32_t)id >= s->n_vocab) continue;
        float x = logits[id];
        s->penalised[id] = x > 0 ? x / s->params.repeat_penalty : x * s->params.repeat_penalty;
    }
    return s->penalised;
}

static int32_t greedy(const float *logits, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

/* Larger logit first; equal ones by id, so that results do not depend on the sort. */
static int by_logit(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Moves the k largest of n to the front, in no order: Hoare's selection. 1 <= k <= n. */
static void select_largest(struct candidate *c, size_t n, size_t k) {
    ptrdiff_t lo = 0, hi = (ptrdiff_t)n - 1, last = (ptrdiff_t)k - 1;
    while (lo < hi) {
        struct candidate pivot = c[lo + (hi - lo) / 2];
        ptrdiff_t i = lo, j = hi;
        while (i <= j) {
            while (by_logit(&c[i], &pivot) < 0) i++;
            while (by_logit(&c[j], &pivot) > 0) j--;
            if (i > j) break;
            struct candidate t = c[i];
            c[i++] = c[j];
            c[j--] = t;
        }
        if (last <= j)
            hi = j;
        else if (last >= i)
            lo = i;
        else
            break;
    }
}

static size_t apply_top_k(struct ew_sampler *s, size_t n) {
    size_t k = s->params.top_k;
    if (k == 0 || k >= n)
        k = n;
    else
        select_largest(s->candidates, n, k);
    qsort(s->candidates, k, sizeof *s->candidates, by_logit);
    return k;
}

/* Softmax at the temperature over sorted candidates; then the shortest head whose mass reaches top_p, cut where
 * probabilities fall below min_p times the largest. Returns how many stay, at least 1. */
static size_t apply_top_p_min_p(struct ew_sampler *s, size_t n) {
    double sum = 0;
    struct candidate *c = s->candidates;
    for (size_t i = 0; i < n; i++) {
        c[i].p = expf((c[i].logit - c[0].logit) / s->params.temperature);
        sum += c[i].p;
    }
    double mass = 0;
    size_t keep = 0;
    while (keep < n) {
        if (keep > 0 && c[keep].p < s->params.min_p * c[0].p) break;
        mass += c[keep].p;
        keep++;
        if (mass >= s->params.top_p * sum) break;
    }
    return keep;
}

int32_t ew_sampler_sample(struct ew_sampler *s, const float *logits) {
    const float *l = apply_penalty(s, logits);
    int32_t id;
    if (s->params.temperature == 0) {
        id = greedy(l, s->n_vocab);
    } else {
        for (uint32_t i = 0; i < s->n_vocab; i++)
            s->candidates[i] = (struct candidate){.logit = l[i], .id = (int32_t)i};
        size_t n = apply_top_p_min_p(s, apply_top_k(s, s->n_vocab));
        double sum = 0;
        for (size_t i = 0; i < n; i++) sum += s->candidates[i].p;
        double target = next_random(s) * 0x1p-32 * sum;
        size_t chosen = 0;
        while (chosen + 1 < n && (target -= s->candidates[chosen].p) >= 0) chosen++;
        id = s->candidates[chosen].id;
    }
    ew_sampler_accept(s, id);
    return id;
}
