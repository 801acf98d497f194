/* Owns the search for the scales of super-blocks; super_search.h says how. Blocks with values that are no finite
 * numbers come out as zeros. */
#include "quant/super_search.h"

#include "quant/fit.h"
#include "quant/half.h"
#include <math.h>
#include <stdbool.h>

enum { ROUNDS = 4, MOST_SUB = 32 };

/* A round that leaves more than this of the error is the last one: what comes after would not pay for its time. */
static const float worth_going_on = 0.99f;

/* ---- scales ---- */

/* The scale among the neighbours of fit / d that leaves the least error, which is returned. */
static float choose_scale(const struct ew_quant_scaled_format *f, const float *x, const float *weight, float fit,
                          float d, int8_t *scale, int8_t *q) {
    const int nearest = d != 0.0f ? ew_quant_round(fit / d, f->least, f->most) : 0;
    float best = f->round(x, weight, f->sub, d * (float)nearest, q);
    *scale = (int8_t)nearest;
    for (int s = nearest - 1; s <= nearest + 1; s += 2) {
        int8_t tried[MOST_SUB];
        if (s < f->least || s > f->most) continue;
        float error = f->round(x, weight, f->sub, d * (float)s, tried);
        if (!(error < best)) continue;
        best = error;
        *scale = (int8_t)s;
        memcpy(q, tried, f->sub);
    }
    return best;
}

/* The least-squares d for what was chosen. */
static float refit_scaled(const struct ew_quant_scaled_format *f, const float *x, const float *weight,
                          const struct ew_quant_scaled *chosen) {
    double sum_xq = 0, sum_qq = 0;
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        double q = (double)chosen->scale[i / f->sub] * chosen->q[i], wq = (double)weight[i] * q;
        sum_xq += wq * (double)x[i];
        sum_qq += wq * q;
    }
    return sum_qq > 0 ? (float)(sum_xq / sum_qq) : 0.0f;
}

void ew_quant_search_scaled(const struct ew_quant_scaled_format *f, const float *x, const float *weight,
                            struct ew_quant_scaled *out) {
    float fit[EW_LEVEL_GROUPS], extreme = 0.0f, best = INFINITY;
    const size_t n_subs = EW_QK_SUPER / f->sub;
    for (size_t s = 0; s < n_subs; s++) {
        fit[s] = f->fit(x + f->sub * s, weight + f->sub * s, f->sub);
        if (fabsf(fit[s]) > fabsf(extreme)) extreme = fit[s];
    }
    *out = (struct ew_quant_scaled){0};
    float d = extreme / (float)f->least; /* the extreme takes the number that reaches furthest */
    for (int round = 0; round < ROUNDS; round++) {
        struct ew_quant_scaled tried = {.d = ew_f32_to_f16(d)};
        float error = 0.0f;
        d = ew_f16_to_f32(tried.d);
        for (size_t s = 0; s < n_subs; s++) {
            size_t at = f->sub * s;
            error += choose_scale(f, x + at, weight + at, fit[s], d, &tried.scale[s], tried.q + at);
        }
        if (!(error < best)) return;
        bool last = error > worth_going_on * best;
        best = error;
        *out = tried;
        if (last) return;
        d = refit_scaled(f, x, weight, &tried);
    }
}

/* ---- scales and minima ---- */

/* Error of a sub-block at a step and an offset; its levels go to q. */
static float round_affine(const struct ew_quant_affine_format *f, const float *x, const float *weight, float step,
                          float offset, uint8_t *q) {
    const float inverse = step > 0.0f ? 1.0f / step : 0.0f;
    float sum = 0.0f;
    for (size_t i = 0; i < f->sub; i++) {
        q[i] = (uint8_t)ew_quant_round((x[i] + offset) * inverse, 0, f->top);
        float e = step * (float)q[i] - offset - x[i];
        sum += weight[i] * e * e;
    }
    return sum;
}

/* What is given and found for one sub-block. */
struct affine_sub {
    const float *x, *weight;
    struct ew_quant_affine fit;
    uint8_t *scale, *min, *q;
};

/* Scale and minimum among the neighbours of what fits, with the least error, which is returned. */
static float choose_affine(const struct ew_quant_affine_format *f, struct affine_sub sub, float d, float dmin) {
    const int scale = d > 0.0f ? ew_quant_round(sub.fit.scale / d, 0, f->most) : 0;
    const int min = dmin > 0.0f ? ew_quant_round(sub.fit.min / dmin, 0, f->most) : 0;
    float best = INFINITY;
    for (int s = scale > 0 ? scale - 1 : 0; s <= scale + 1 && s <= f->most; s++) {
        for (int m = min > 0 ? min - 1 : 0; m <= min + 1 && m <= f->most; m++) {
            uint8_t tried[MOST_SUB];
            float error = round_affine(f, sub.x, sub.weight, d * (float)s, dmin * (float)m, tried);
            if (!(error < best)) continue;
            best = error;
            *sub.scale = (uint8_t)s;
            *sub.min = (uint8_t)m;
            memcpy(sub.q, tried, f->sub);
        }
    }
    return best;
}

/* d and dmin that fit best what was chosen: the least-squares solution of x ~ d * (s q) - dmin * m. */
static bool refit_affine(const struct ew_quant_affine_format *f, const float *x, const float *weight,
                         const struct ew_quant_affine_super *chosen, float *d, float *dmin) {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;
    for (size_t i = 0; i < EW_QK_SUPER; i++) {
        double w = (double)weight[i], a = chosen->scale[i / f->sub] * chosen->q[i], b = chosen->min[i / f->sub];
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ax += w * a * (double)x[i];
        bx += w * b * (double)x[i];
    }
    double determinant = aa * bb - ab * ab;
    if (!(determinant > 0)) return false;
    double fitted_d = (ax * bb - bx * ab) / determinant, fitted_dmin = (ax * ab - bx * aa) / determinant;
    if (!(fitted_d > 0) || !(fitted_dmin > 0)) return false;
    *d = (float)fitted_d;
    *dmin = (float)fitted_dmin;
    return true;
}

void ew_quant_search_affine(const struct ew_quant_affine_format *f, const float *x, const float *weight,
                            struct ew_quant_affine_super *out) {
    struct ew_quant_affine fit[EW_LEVEL_GROUPS];
    float d = 0.0f, dmin = 0.0f, best = INFINITY;
    const size_t n_subs = EW_QK_SUPER / f->sub;
    for (size_t s = 0; s < n_subs; s++) {
        fit[s] = ew_quant_fit_affine(x + f->sub * s, weight + f->sub * s, f->sub, f->top, EW_OFFSET_DOWN);
        d = fmaxf(d, fit[s].scale / (float)f->most);
        dmin = fmaxf(dmin, fit[s].min / (float)f->most);
    }
    *out = (struct ew_quant_affine_super){0};
    for (int round = 0; round < ROUNDS; round++) {
        struct ew_quant_affine_super tried = {.d = ew_f32_to_f16(d), .dmin = ew_f32_to_f16(dmin)};
        float error = 0.0f;
        d = ew_f16_to_f32(tried.d);
        dmin = ew_f16_to_f32(tried.dmin);
        for (size_t s = 0; s < n_subs; s++) {
            size_t at = f->sub * s;
            const struct affine_sub sub = {x + at, weight + at, fit[s], &tried.scale[s], &tried.min[s], tried.q + at};
            error += choose_affine(f, sub, d, dmin);
        }
        if (!(error < best)) return;
        bool last = error > worth_going_on * best;
        best = error;
        *out = tried;
        if (last || !refit_affine(f, x, weight, &tried, &d, &dmin)) return;
    }
}
