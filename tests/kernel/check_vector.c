/* Checks every variant of the vector kernels, the reference included: lengths around the vector widths, misaligned
 * pointers, aliased outputs, guard bytes; conversions against the definition of the format for every half and for every
 * midpoint between halves, the rest against doubles. Attention has its own file, check_attention.c. */
#include "check_kernel.h"
#include "kernel/vector_variants.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double EPSILON = 0x1p-24;
static const size_t lengths[] = {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 576, 2048, 2053};
enum { N_LENGTHS = sizeof lengths / sizeof *lengths };

static struct ew_check_buffer random_floats(struct ew_check_rng *rng, size_t n, float low, float high) {
    struct ew_check_buffer b = ew_check_alloc(n * sizeof(float), 4);
    ew_check_fill_uniform(rng, b.data, n, low, high);
    return b;
}

static void check_rms_norm(const struct ew_vector_kernels *v, size_t n, float size, bool alias) {
    struct ew_check_rng rng = {n};
    char what[96];
    snprintf(what, sizeof what, "rms_norm %s n=%zu size=%g%s", v->isa, n, (double)size, alias ? " aliased" : "");
    struct ew_check_buffer x = random_floats(&rng, n, -size, size), w = random_floats(&rng, n, -2, 2);
    struct ew_check_buffer y = ew_check_alloc(n * sizeof(float), 12);
    if (alias) memcpy(y.data, x.data, n * sizeof(float));
    const float *xs = x.data, *ws = w.data, *ys = y.data;
    v->rms_norm(n, alias ? ys : xs, ws, 1e-5f, y.data);
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)xs[i] * (double)xs[i];
    double scale = 1 / sqrt(sum / (double)n + (double)1e-5f);
    for (size_t i = 0; i < n; i++) {
        double want = (double)xs[i] * scale * (double)ws[i];
        ew_check_near(ys[i], want, 16 * EPSILON * fabs(want), what, i);
    }
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&w);
    ew_check_free(&y);
}

static void check_silu_mul(const struct ew_vector_kernels *v, size_t n, float range, bool alias) {
    struct ew_check_rng rng = {n + 1};
    char what[96];
    snprintf(what, sizeof what, "silu_mul %s n=%zu range=%g%s", v->isa, n, (double)range, alias ? " aliased" : "");
    struct ew_check_buffer gate = random_floats(&rng, n, -range, range), up = random_floats(&rng, n, -3, 3);
    struct ew_check_buffer y = ew_check_alloc(n * sizeof(float), 4);
    if (alias) memcpy(y.data, up.data, n * sizeof(float));
    const float *gates = gate.data, *ups = up.data, *ys = y.data;
    v->silu_mul(n, gates, alias ? ys : ups, y.data);
    for (size_t i = 0; i < n; i++) {
        double z = (double)gates[i], want = z / (1 + exp(-z)) * (double)ups[i];
        ew_check_near(ys[i], want, 2e-6 * fabs(want) + (z < -87 ? 1e-35 : 0), what, i);
    }
    ew_check_guards(&y, what);
    ew_check_free(&gate);
    ew_check_free(&up);
    ew_check_free(&y);
}

static void check_layer_norm(const struct ew_vector_kernels *v, size_t n, float offset, bool with_bias) {
    struct ew_check_rng rng = {n + 7};
    char what[96];
    snprintf(what, sizeof what, "layer_norm %s n=%zu offset=%g%s", v->isa, n, (double)offset, with_bias ? " bias" : "");
    struct ew_check_buffer x = random_floats(&rng, n, offset - 1, offset + 1), w = random_floats(&rng, n, -2, 2);
    struct ew_check_buffer bias = random_floats(&rng, n, -3, 3), y = ew_check_alloc(n * sizeof(float), 12);
    const float *xs = x.data, *ws = w.data, *bs = bias.data, *ys = y.data;
    memcpy(y.data, x.data, n * sizeof(float));
    v->layer_norm(n, ys, ws, with_bias ? bs : NULL, 1e-5f, y.data);
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) mean += (double)xs[i] / (double)n;
    for (size_t i = 0; i < n; i++) square += ((double)xs[i] - mean) * ((double)xs[i] - mean);
    double scale = 1 / sqrt(square / (double)n + (double)1e-5f);
    for (size_t i = 0; i < n; i++) {
        double b = with_bias ? (double)bs[i] : 0, want = ((double)xs[i] - mean) * scale * (double)ws[i] + b;
        /* The mean is off by up to ε |mean|, which the scale and the weight magnify. */
        double bound = 16 * EPSILON * (fabs(want) + fabs(b)) + 2 * EPSILON * (fabs(mean) + 1) * scale * 2;
        ew_check_near(ys[i], want, bound, what, i);
    }
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&w);
    ew_check_free(&bias);
    ew_check_free(&y);
}

static double gelu_tanh(double z) { return 0.5 * z * (1 + tanh(0.79788456080286535588 * (z + 0.044715 * z * z * z))); }

static void check_gelu(const struct ew_vector_kernels *v, size_t n, float range) {
    struct ew_check_rng rng = {n + 8};
    char what[96];
    snprintf(what, sizeof what, "gelu %s n=%zu range=%g", v->isa, n, (double)range);
    struct ew_check_buffer x = random_floats(&rng, n, -range, range), up = random_floats(&rng, n, -3, 3);
    struct ew_check_buffer y = ew_check_alloc(n * sizeof(float), 4);
    const float *xs = x.data, *ups = up.data, *ys = y.data;
    v->gelu_mul(n, xs, ups, y.data);
    for (size_t i = 0; i < n; i++) {
        /* 1 + tanh loses what lies below 2^-53 in doubles. z³ puts the rounding of u into the exponent. */
        double z = (double)xs[i], u = fabs(z) + 0.044715 * fabs(z * z * z);
        double want = gelu_tanh(z) * (double)ups[i], bound = (4e-6 + 4 * EPSILON * u) * fabs(want) + 1e-15 * fabs(z);
        ew_check_near(ys[i], want, bound, what, i);
    }
    v->gelu(n, xs, y.data);
    for (size_t i = 0; i < n; i++) {
        double z = (double)xs[i], u = fabs(z) + 0.044715 * fabs(z * z * z), want = gelu_tanh(z);
        ew_check_near(ys[i], want, (4e-6 + 4 * EPSILON * u) * fabs(want) + 1e-15 * fabs(z), what, i);
    }
    v->gelu_erf(n, xs, y.data);
    for (size_t i = 0; i < n; i++) {
        double z = (double)xs[i], want = 0.5 * z * erfc(-z * 0.70710678118654752440);
        ew_check_near(ys[i], want, 5e-7 * (1 + fabs(z)), what, i);
    }
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&up);
    ew_check_free(&y);
}

static void check_soft_cap(const struct ew_vector_kernels *v, size_t n, float cap, float range) {
    struct ew_check_rng rng = {n + 9};
    char what[96];
    snprintf(what, sizeof what, "soft_cap %s n=%zu cap=%g range=%g", v->isa, n, (double)cap, (double)range);
    struct ew_check_buffer x = random_floats(&rng, n, -range, range), before = ew_check_alloc(n * sizeof(float), 0);
    memcpy(before.data, x.data, n * sizeof(float));
    v->soft_cap(n, cap, x.data);
    const float *xs = x.data, *old = before.data;
    for (size_t i = 0; i < n; i++)
        ew_check_near(xs[i], (double)cap * tanh((double)old[i] / (double)cap), 4e-7 * (double)cap, what, i);
    ew_check_guards(&x, what);
    ew_check_free(&x);
    ew_check_free(&before);
}

static void check_add_scaled(const struct ew_vector_kernels *v, size_t n) {
    struct ew_check_rng rng = {n + 10};
    char what[64];
    snprintf(what, sizeof what, "add_scaled %s n=%zu", v->isa, n);
    struct ew_check_buffer x = ew_check_alloc(n * sizeof(float), 4), y = ew_check_alloc(n * sizeof(float), 8);
    struct ew_check_buffer before = ew_check_alloc(n * sizeof(float), 0);
    ew_check_fill_integers(&rng, x.data, n, -100, 100); /* exact, whether fused or not */
    ew_check_fill_integers(&rng, y.data, n, -100, 100);
    memcpy(before.data, y.data, n * sizeof(float));
    v->add_scaled(n, 0.25f, x.data, y.data);
    const float *xs = x.data, *ys = y.data, *old = before.data;
    for (size_t i = 0; i < n; i++) ew_check_equal(ys[i], old[i] + 0.25f * xs[i], what, i);
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&y);
    ew_check_free(&before);
}

static void check_add(const struct ew_vector_kernels *v, size_t n) {
    struct ew_check_rng rng = {n + 2};
    char what[64];
    snprintf(what, sizeof what, "add %s n=%zu", v->isa, n);
    struct ew_check_buffer x = random_floats(&rng, n, -1, 1), y = random_floats(&rng, n, -1, 1);
    struct ew_check_buffer before = ew_check_alloc(n * sizeof(float), 0);
    memcpy(before.data, y.data, n * sizeof(float));
    v->add(n, x.data, y.data);
    const float *xs = x.data, *ys = y.data, *old = before.data;
    for (size_t i = 0; i < n; i++) ew_check_equal(ys[i], old[i] + xs[i], what, i);
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&y);
    ew_check_free(&before);
}

static void check_rope(const struct ew_vector_kernels *v, size_t n_rot, bool adjacent) {
    struct ew_check_rng rng = {n_rot + 3};
    char what[64];
    snprintf(what, sizeof what, "rope_%s %s n_rot=%zu", adjacent ? "adjacent" : "halves", v->isa, n_rot);
    struct ew_check_buffer x = random_floats(&rng, n_rot, -4, 4), before = ew_check_alloc(n_rot * sizeof(float), 0);
    struct ew_check_buffer cs = ew_check_alloc(n_rot * sizeof(float), 4);
    float *turn = cs.data;
    for (size_t i = 0; i + 1 < n_rot; i += 2) {
        double angle = (double)ew_check_uniform(&rng, -4, 4);
        turn[i] = (float)cos(angle);
        turn[i + 1] = (float)sin(angle);
    }
    memcpy(before.data, x.data, n_rot * sizeof(float));
    (adjacent ? v->rope_adjacent : v->rope_halves)(n_rot, turn, x.data);
    const float *xs = x.data, *old = before.data;
    for (size_t i = 0; i < n_rot / 2; i++) {
        size_t ia = adjacent ? 2 * i : i, ib = adjacent ? 2 * i + 1 : i + n_rot / 2;
        double a = (double)old[ia], b = (double)old[ib], c = (double)turn[2 * i], s = (double)turn[2 * i + 1];
        double bound = 2 * EPSILON * (fabs(a) + fabs(b));
        ew_check_near(xs[ia], a * c - b * s, bound, what, ia);
        ew_check_near(xs[ib], a * s + b * c, bound, what, ib);
    }
    ew_check_guards(&x, what);
    ew_check_free(&x);
    ew_check_free(&before);
    ew_check_free(&cs);
}

/* The value of a half by the definition of binary16. */
static double half_value(uint16_t h) {
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double magnitude = exponent == 31  ? (mantissa ? (double)NAN : (double)INFINITY)
                       : exponent == 0 ? ldexp(mantissa, -24)
                                       : ldexp(1024 + mantissa, exponent - 25);
    return h >> 15 ? -magnitude : magnitude;
}

static void check_f16_to_f32(const struct ew_vector_kernels *v) {
    enum { N = 65536 + 13 };
    char what[64];
    snprintf(what, sizeof what, "f16_to_f32 %s", v->isa);
    struct ew_check_buffer x = ew_check_alloc(N * sizeof(ew_f16), 2), y = ew_check_alloc(N * sizeof(float), 4);
    ew_f16 *xs = x.data;
    const float *ys = y.data;
    for (size_t i = 0; i < N; i++) xs[i] = (ew_f16)i;
    v->f16_to_f32(N, xs, y.data);
    for (size_t i = 0; i < N; i++) {
        double want = half_value(xs[i]);
        if (isfinite(want))
            ew_check_equal(ys[i], (float)want, what, i);
        else
            ew_check_true(isnan(want) ? isnan(ys[i]) : (double)ys[i] == want, what);
    }
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&y);
}

/* Every finite half, the midpoint to the next one (ties to even) and both neighbours of the midpoint. */
static void check_f32_to_f16(const struct ew_vector_kernels *v) {
    enum { N = 2 * 0x7c00 * 4 };
    char what[64];
    snprintf(what, sizeof what, "f32_to_f16 %s", v->isa);
    struct ew_check_buffer x = ew_check_alloc(N * sizeof(float), 4), y = ew_check_alloc(N * sizeof(ew_f16), 2);
    float *xs = x.data;
    const ew_f16 *ys = y.data;
    ew_f16 *want = malloc(N * sizeof *want);
    if (!want) abort();
    for (uint32_t i = 0; i < N; i++) {
        uint16_t h = (uint16_t)(i / 4 % 0x7c00), sign = i >= N / 2 ? 0x8000 : 0;
        double low = half_value(h), high = h == 0x7bff ? 65536 : half_value(h + 1);
        float middle = (float)((low + high) / 2);
        float value = i % 4 == 0 ? (float)low : i % 4 == 1 ? nextafterf(middle, 0) : middle;
        if (i % 4 == 3) value = nextafterf(middle, INFINITY);
        xs[i] = sign ? -value : value;
        bool up = i % 4 == 3 || (i % 4 == 2 && (h & 1));
        want[i] = sign | (up ? h + 1 : h);
    }
    v->f32_to_f16(N, xs, y.data);
    for (size_t i = 0; i < N; i++) ew_check_equal(ys[i], want[i], what, i);
    float special[5] = {INFINITY, -INFINITY, 1e30f, -1e-30f, NAN};
    ew_f16 got[5];
    v->f32_to_f16(5, special, got);
    ew_check_true(got[0] == 0x7c00 && got[1] == 0xfc00 && got[2] == 0x7c00 && got[3] == 0x8000, what);
    ew_check_true((got[4] & 0x7c00) == 0x7c00 && (got[4] & 0x3ff) != 0, what);
    ew_check_guards(&y, what);
    free(want);
    ew_check_free(&x);
    ew_check_free(&y);
}

static void check_conversion_lengths(const struct ew_vector_kernels *v, size_t n) {
    char what[64];
    snprintf(what, sizeof what, "f16 conversions %s n=%zu", v->isa, n);
    struct ew_check_buffer x = ew_check_alloc(n * sizeof(float), 4), h = ew_check_alloc(n * sizeof(ew_f16), 2);
    struct ew_check_buffer y = ew_check_alloc(n * sizeof(float), 4);
    for (size_t i = 0; i < n; i++) ((float *)x.data)[i] = (float)i - 7;
    v->f32_to_f16(n, x.data, h.data);
    v->f16_to_f32(n, h.data, y.data);
    for (size_t i = 0; i < n && i < 2048; i++) ew_check_equal(((float *)y.data)[i], (float)i - 7, what, i);
    ew_check_guards(&h, what);
    ew_check_guards(&y, what);
    ew_check_free(&x);
    ew_check_free(&h);
    ew_check_free(&y);
}

static void check_variant(const char *isa, uint64_t needs) {
    if (!ew_check_wants(isa)) return;
    if ((ew_cpu_features() & needs) != needs) {
        printf("skipped: this processor lacks what %s needs\n", isa);
        return;
    }
    struct ew_vector_kernels v;
    ew_vector_kernels_init(&v, needs);
    ew_check_true(!strcmp(v.isa, isa), isa);
    for (int i = 0; i < N_LENGTHS; i++) {
        size_t n = lengths[i];
        check_rms_norm(&v, n, 1, i % 2);
        check_rms_norm(&v, n, 1e-3f, false);
        check_rms_norm(&v, n, 1e15f, true);
        check_silu_mul(&v, n, 8, i % 2);
        check_silu_mul(&v, n, 110, false);
        check_layer_norm(&v, n, 0, i % 2);
        check_layer_norm(&v, n, 1000, !(i % 2));
        check_gelu(&v, n, 3);
        check_gelu(&v, n, 12);
        check_gelu(&v, n, 1e4f);
        check_soft_cap(&v, n, 30, 30);
        check_soft_cap(&v, n, 5, 1e6f);
        check_soft_cap(&v, n, 50, 1e-3f);
        check_add(&v, n);
        check_add_scaled(&v, n);
        check_rope(&v, n & ~(size_t)1, true);
        check_rope(&v, n & ~(size_t)1, false);
        check_conversion_lengths(&v, n);
    }
    check_f16_to_f32(&v);
    check_f32_to_f16(&v);
}

int main(void) {
    check_variant("ref", 0);
#define CHECK(isa_, needs_) check_variant(#isa_, needs_);
    EW_VECTOR_VARIANTS(CHECK)
    return ew_check_finish();
}
