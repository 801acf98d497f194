/* Owns the search for block scales. A grid that just covers the extremes wastes its steps on them; so grids some
 * percent narrower and wider are tried, each is moved to its least-squares optimum, and the best of all is kept. */
#include "quant/fit.h"

#include "quant/half.h"
#include <math.h>

/* Steps by which the tried grids differ, in units of one quantization level: covers one level more and one less. */
enum { TRIES_EACH_SIDE = 10 };
static const float try_step = 0.1f;

int ew_quant_round(float x, int low, int high) { return (int)lrintf(fminf(fmaxf(x, (float)low), (float)high)); }

/* The value of largest magnitude, with its sign. */
static float extreme(const float *x, size_t n) {
    float found = 0.0f;
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(found)) found = x[i];
    return found;
}

float ew_quant_fit_scale(const float *x, size_t n, int half) {
    float peak = extreme(x, n);
    if (!(fabsf(peak) > 0.0f)) return 0.0f;
    float best_scale = -peak / (float)half;
    float best_gain = -1.0f;
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++) {
        /* -half is one level further from zero than half - 1, so the extreme takes it. */
        float inverse = -((float)half + try_step * (float)t) / peak;
        float sum_xq = 0.0f, sum_qq = 0.0f;
        for (size_t i = 0; i < n; i++) {
            float q = (float)ew_quant_round(x[i] * inverse, -half, half - 1);
            sum_xq += x[i] * q;
            sum_qq += q * q;
        }
        /* With s = sum_xq / sum_qq the squared error is sum_xx - sum_xq^2 / sum_qq. */
        if (sum_qq <= 0.0f || sum_xq * sum_xq <= best_gain * sum_qq) continue;
        best_gain = sum_xq * sum_xq / sum_qq;
        best_scale = sum_xq / sum_qq;
    }
    return best_scale;
}

/* The least-squares scale and min for given levels q. */
static struct ew_quant_affine solve_affine(const float *x, const int *q, size_t n, enum ew_offset offset) {
    double sum_q = 0, sum_qq = 0, sum_x = 0, sum_xq = 0;
    for (size_t i = 0; i < n; i++) {
        sum_q += q[i];
        sum_qq += (double)q[i] * q[i];
        sum_x += (double)x[i];
        sum_xq += (double)x[i] * q[i];
    }
    double determinant = (double)n * sum_qq - sum_q * sum_q;
    if (determinant <= 0 || sum_qq <= 0) return (struct ew_quant_affine){0};
    double scale = ((double)n * sum_xq - sum_q * sum_x) / determinant;
    double min = (sum_q * sum_xq - sum_qq * sum_x) / determinant;
    if (min < 0 && offset == EW_OFFSET_DOWN) {
        min = 0;
        scale = sum_xq / sum_qq;
    }
    return (struct ew_quant_affine){.scale = (float)fmax(scale, 0), .min = (float)min};
}

static float affine_error(const float *x, const int *q, size_t n, struct ew_quant_affine fit) {
    float sum = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float d = fit.scale * (float)q[i] - fit.min - x[i];
        sum += d * d;
    }
    return sum;
}

struct ew_quant_affine ew_quant_fit_affine(const float *x, size_t n, int top, enum ew_offset offset) {
    enum { MAX_N = 32 };
    float low = offset == EW_OFFSET_DOWN ? 0.0f : x[0], high = x[0];
    for (size_t i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    struct ew_quant_affine best = {.scale = 0.0f, .min = -low};
    if (!(high > low) || n > MAX_N) return best;
    float best_error = INFINITY;
    for (int t = -TRIES_EACH_SIDE; t <= TRIES_EACH_SIDE; t++) {
        float inverse = ((float)top + try_step * (float)t) / (high - low);
        int q[MAX_N];
        for (size_t i = 0; i < n; i++) q[i] = ew_quant_round((x[i] - low) * inverse, 0, top);
        struct ew_quant_affine fit = solve_affine(x, q, n, offset);
        float error = affine_error(x, q, n, fit);
        if (!(error < best_error)) continue;
        best_error = error;
        best = fit;
    }
    return best;
}

void ew_quant_encode_offset(const float *x, int top, uint16_t *d, uint16_t *m, int q[32]) {
    struct ew_quant_affine fit = ew_quant_fit_affine(x, 32, top, EW_OFFSET_ANY);
    *d = ew_f32_to_f16(fit.scale);
    *m = ew_f32_to_f16(-fit.min);
    float scale = ew_f16_to_f32(*d), offset = ew_f16_to_f32(*m); /* levels are chosen for what is stored */
    for (int i = 0; i < 32; i++) q[i] = scale > 0.0f ? ew_quant_round((x[i] - offset) / scale, 0, top) : 0;
}
