/* Owns the search for block scales. A grid that just covers the extremes wastes its steps on them; so grids some
 * percent narrower and wider are tried, each is moved to its least-squares optimum, and the best of all is kept. Where
 * weights differ, the extreme may hardly count: then grids that just cover what does count are tried, too. */
#include "quant/fit.h"

#include "quant/half.h"
#include <math.h>
#include <stdbool.h>

/* Steps by which the tried grids differ, in units of one quantization level: covers one level more and one less. */
enum { TRIES_EACH_SIDE = 10, POLISH_ROUNDS = 2 };
static const float try_step = 0.1f;

int ew_quant_round(float x, int low, int high) { return (int)lrintf(fminf(fmaxf(x, (float)low), (float)high)); }

struct ew_quant_peaks ew_quant_find_peaks(const float *x, const float *weight, size_t n) {
    struct ew_quant_peaks found = {0};
    float most = 0.0f;
    for (size_t i = 0; i < n; i++) {
        if (fabsf(x[i]) > fabsf(found.plain)) found.plain = x[i];
        if (!(weight[i] * x[i] * x[i] > most)) continue;
        most = weight[i] * x[i] * x[i];
        found.weighted = x[i];
    }
    return found;
}

/* ---- a scale ---- */

struct scale_fit {
    float scale, gain;
};

/* Levels of the grid with 1 / inverse as its step, and the scale that suits them best; kept in *best if that is better.
 * With s = sum_xq / sum_qq the error is sum_xx - sum_xq^2 / sum_qq. */
static bool try_scale(const float *x, const float *weight, size_t n, int half, float inverse, struct scale_fit *best) {
    float sum_xq = 0.0f, sum_qq = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float q = (float)ew_quant_round(x[i] * inverse, -half, half - 1), wq = weight[i] * q;
        sum_xq += wq * x[i];
        sum_qq += wq * q;
    }
    if (!(sum_qq > 0.0f) || !(sum_xq * sum_xq > best->gain * sum_qq)) return false;
    *best = (struct scale_fit){sum_xq / sum_qq, sum_xq * sum_xq / sum_qq};
    return true;
}

/* Grids that give the anchor about their furthest level: -half, which is one further from zero than half - 1. */
static void try_anchor(const float *x, const float *weight, size_t n, int half, float anchor, struct scale_fit *best) {
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++)
        try_scale(x, weight, n, half, -((float)half + try_step * (float)t) / anchor, best);
}

float ew_quant_fit_scale(const float *x, const float *weight, size_t n, int half) {
    const struct ew_quant_peaks peaks = ew_quant_find_peaks(x, weight, n);
    if (!(fabsf(peaks.plain) > 0.0f)) return 0.0f;
    struct scale_fit best = {.scale = -peaks.plain / (float)half, .gain = -1.0f};
    try_anchor(x, weight, n, half, peaks.plain, &best);
    if (peaks.weighted != peaks.plain) try_anchor(x, weight, n, half, peaks.weighted, &best);
    for (int round = 0; round < POLISH_ROUNDS && best.scale != 0.0f; round++)
        if (!try_scale(x, weight, n, half, 1.0f / best.scale, &best)) break;
    return best.scale;
}

float ew_quant_round_scaled(const float *x, const float *weight, size_t n, int half, float step, int8_t *q) {
    const float inverse = step != 0.0f ? 1.0f / step : 0.0f;
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        q[i] = (int8_t)ew_quant_round(x[i] * inverse, -half, half - 1);
        float e = step * (float)q[i] - x[i];
        sum += weight[i] * e * e;
    }
    return sum;
}

/* ---- a scale and a minimum ---- */

enum { MAX_N = 32 };

/* The least-squares scale and min for given levels q; false where they do not determine both. */
static bool solve_affine(const float *x, const float *weight, const int *q, size_t n, enum ew_offset offset,
                         struct ew_quant_affine *out) {
    double sum_w = 0, sum_q = 0, sum_qq = 0, sum_x = 0, sum_xq = 0;
    for (size_t i = 0; i < n; i++) {
        double w = (double)weight[i], wq = w * q[i];
        sum_w += w;
        sum_q += wq;
        sum_qq += wq * q[i];
        sum_x += w * (double)x[i];
        sum_xq += wq * (double)x[i];
    }
    double determinant = sum_w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0) || !(sum_qq > 0)) return false;
    double scale = (sum_w * sum_xq - sum_q * sum_x) / determinant;
    double min = (sum_q * sum_xq - sum_qq * sum_x) / determinant;
    if (min < 0 && offset == EW_OFFSET_DOWN) {
        min = 0;
        scale = sum_xq / sum_qq;
    }
    *out = (struct ew_quant_affine){.scale = (float)fmax(scale, 0), .min = (float)min};
    return true;
}

static float affine_error(const float *x, const float *weight, const int *q, size_t n, struct ew_quant_affine fit) {
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float d = fit.scale * (float)q[i] - fit.min - x[i];
        sum += weight[i] * d * d;
    }
    return sum;
}

struct affine_search {
    const float *x, *weight;
    size_t n;
    int top;
    enum ew_offset offset;
    struct ew_quant_affine best;
    float best_error;
};

/* Levels of the grid that begins at low with 1 / inverse as its step, moved to their optimum. */
static bool try_affine(struct affine_search *s, float low, float inverse) {
    int q[MAX_N];
    struct ew_quant_affine fit;
    for (size_t i = 0; i < s->n; i++) q[i] = ew_quant_round((s->x[i] - low) * inverse, 0, s->top);
    if (!solve_affine(s->x, s->weight, q, s->n, s->offset, &fit)) return false;
    float error = affine_error(s->x, s->weight, q, s->n, fit);
    if (!(error < s->best_error)) return false;
    s->best_error = error;
    s->best = fit;
    return true;
}

struct range {
    float low, high;
};

/* Of the values that weigh at least `least`. */
static struct range range_of(const struct affine_search *s, float least) {
    struct range r = {INFINITY, -INFINITY};
    for (size_t i = 0; i < s->n; i++) {
        if (s->weight[i] < least) continue;
        r.low = fminf(r.low, s->x[i]);
        r.high = fmaxf(r.high, s->x[i]);
    }
    if (s->offset == EW_OFFSET_DOWN) r.low = fminf(r.low, 0.0f);
    return r;
}

static void try_range(struct affine_search *s, struct range r) {
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++)
        try_affine(s, r.low, ((float)s->top + try_step * (float)t) / (r.high - r.low));
}

struct ew_quant_affine ew_quant_fit_affine(const float *x, const float *weight, size_t n, int top,
                                           enum ew_offset offset) {
    struct affine_search s = {x, weight, n, top, offset, .best_error = INFINITY};
    const struct range all = range_of(&s, 0.0f);
    s.best = (struct ew_quant_affine){.scale = 0.0f, .min = -all.low};
    if (!(all.high > all.low) || n > MAX_N) return s.best;
    try_range(&s, all);
    float mean = 0.0f;
    for (size_t i = 0; i < n; i++) mean += weight[i] / (float)n;
    const struct range heavy = range_of(&s, 0.5f * mean);
    bool narrower = heavy.low > all.low || heavy.high < all.high;
    if (narrower && heavy.high > heavy.low) try_range(&s, heavy);
    for (int round = 0; round < POLISH_ROUNDS && s.best.scale > 0.0f; round++)
        if (!try_affine(&s, -s.best.min, 1.0f / s.best.scale)) break;
    return s.best;
}

void ew_quant_encode_offset(const float *x, const float *weight, int top, uint16_t *d, uint16_t *m, int q[32]) {
    struct ew_quant_affine fit = ew_quant_fit_affine(x, weight, 32, top, EW_OFFSET_ANY);
    *d = ew_f32_to_f16(fit.scale);
    *m = ew_f32_to_f16(-fit.min);
    float scale = ew_f16_to_f32(*d), offset = ew_f16_to_f32(*m); /* levels are chosen for what is stored */
    for (int i = 0; i < 32; i++) q[i] = scale > 0.0f ? ew_quant_round((x[i] - offset) / scale, 0, top) : 0;
}
