/* Norm, gate, rotation and conversion kernels in terms of one instruction set's vector primitives.
 *
 * Included once per variant, after its translation unit has defined the primitives (see vector_body.h for the list):
 * every function here is static, so code of one instruction set cannot leak into another's objects. */
#ifndef EW_KERNEL_VECTOR_ELEMENTWISE_H
#define EW_KERNEL_VECTOR_ELEMENTWISE_H

/* 2^(n + f), n whole, |f| <= 0.5: minimax polynomial of degree 5 for 2^f, relative error 7.5e-8 before rounding. */
static inline vf exp2_split(vf n, vf f) {
    vf y = vf_fma(vf_set1(0x1.5c08e6p-10f), f, vf_set1(0x1.3d0c52p-7f));
    y = vf_fma(y, f, vf_set1(0x1.c6b6e4p-5f));
    y = vf_fma(y, f, vf_set1(0x1.ebf918p-3f));
    y = vf_fma(y, f, vf_set1(0x1.62e428p-1f));
    y = vf_fma(y, f, vf_set1(0x1.000002p+0f));
    return vf_scale(y, n);
}

/* 2^x for x <= 126; below 2^-126 the result stays at about 2^-126. */
static inline vf exp2_lanes(vf x) {
    x = vf_max(vf_set1(-126.0f), x);
    vf n = vf_round(x);
    return exp2_split(n, vf_sub(x, n));
}

/* e^x, x cut to 2^±126. ln 2 is split in two so that the reduced argument keeps full precision for large |x|. */
static inline vf exp_lanes(vf x) {
    x = vf_max(vf_set1(-87.336544f), vf_min(vf_set1(87.336544f), x));
    vf n = vf_round(vf_mul(x, vf_set1(0x1.715476p+0f)));
    vf f = vf_fma(n, vf_set1(-0x1.63p-1f), x);
    f = vf_fma(n, vf_set1(0x1.bd0106p-13f), f);
    return exp2_split(n, vf_mul(f, vf_set1(0x1.715476p+0f)));
}

static void rms_norm(size_t n, const float *x, const float *weight, float eps, float *y) {
    vf s0 = vf_set1(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * VF_N <= n; i += 4 * VF_N) {
        vf a = vf_load(x + i), b = vf_load(x + i + VF_N), c = vf_load(x + i + 2 * VF_N), d = vf_load(x + i + 3 * VF_N);
        s0 = vf_fma(a, a, s0);
        s1 = vf_fma(b, b, s1);
        s2 = vf_fma(c, c, s2);
        s3 = vf_fma(d, d, s3);
    }
    for (; i < n; i += VF_N) {
        vf a = n - i < VF_N ? vf_load_some(x + i, n - i) : vf_load(x + i);
        s0 = vf_fma(a, a, s0);
    }
    float sum = vf_sum(vf_add(vf_add(s0, s1), vf_add(s2, s3)));
    vf scale = vf_set1(n ? 1.0f / sqrtf(sum / (float)n + eps) : 0);
    for (i = 0; i + VF_N <= n; i += VF_N) vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), scale), vf_load(weight + i)));
    if (i < n) {
        vf a = vf_mul(vf_load_some(x + i, n - i), scale);
        vf_store_some(y + i, vf_mul(a, vf_load_some(weight + i, n - i)), n - i);
    }
}

/* Sum of x - shift, or of its squares, in four chains. */
static inline __attribute__((always_inline)) float sum_shifted(size_t n, const float *x, float shift, bool squares) {
    vf sum[4] = {vf_set1(0), vf_set1(0), vf_set1(0), vf_set1(0)}, s = vf_set1(shift);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) {
        vf d = vf_sub(vf_load(x + i), s);
        vf *to = &sum[i / VF_N % 4];
        *to = squares ? vf_fma(d, d, *to) : vf_add(d, *to);
    }
    float total = vf_sum(vf_add(vf_add(sum[0], sum[1]), vf_add(sum[2], sum[3])));
    for (; i < n; i++) total += squares ? (x[i] - shift) * (x[i] - shift) : x[i] - shift;
    return total;
}

/* The mean in two passes: the second adds what the first rounded away, which a large common offset makes visible. */
static void layer_norm(size_t n, const float *x, const float *weight, const float *bias, float eps, float *y) {
    if (n == 0) return;
    float mean = sum_shifted(n, x, 0, false) / (float)n;
    mean += sum_shifted(n, x, mean, false) / (float)n;
    float factor = 1.0f / sqrtf(sum_shifted(n, x, mean, true) / (float)n + eps);
    vf shift = vf_set1(mean), scale = vf_set1(factor);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) {
        vf v = vf_mul(vf_sub(vf_load(x + i), shift), scale);
        vf_store(y + i, vf_fma(v, vf_load(weight + i), bias ? vf_load(bias + i) : vf_set1(0)));
    }
    if (i < n) {
        vf v = vf_mul(vf_sub(vf_load_some(x + i, n - i), shift), scale);
        vf b = bias ? vf_load_some(bias + i, n - i) : vf_set1(0);
        vf_store_some(y + i, vf_fma(v, vf_load_some(weight + i, n - i), b), n - i);
    }
}

/* z / (1 + exp(-t)) */
static inline vf sigmoid_times(vf z, vf t) { return vf_div(z, vf_add(vf_set1(1), exp_lanes(vf_sub(vf_set1(0), t)))); }

static inline vf silu_mul_lanes(vf gate, vf up) { return vf_mul(sigmoid_times(gate, gate), up); }

/* 2 sqrt(2/π) (z + 0.044715 z³) */
static inline vf gelu_lanes(vf z) {
    vf t = vf_mul(z, vf_fma(vf_mul(z, z), vf_set1(0x1.2444f2p-4f), vf_set1(0x1.988454p+0f)));
    return sigmoid_times(z, t);
}

/* tanh(x) = 1 - 2 / (exp(2x) + 1) */
static inline vf tanh_of_double(vf twice_x) {
    vf one = vf_set1(1);
    return vf_sub(one, vf_div(vf_set1(2), vf_add(exp_lanes(twice_x), one)));
}

/* z Φ(z), Φ(z) = 1 - erfc(z / sqrt 2) / 2 for z >= 0, by formula 7.1.26 of Abramowitz & Stegun. */
static inline vf gelu_erf_lanes(vf z) {
    vf zero = vf_set1(0), one = vf_set1(1), size = vf_max(z, vf_sub(zero, z));
    vf x = vf_mul(size, vf_set1(0.70710678f));
    vf t = vf_div(one, vf_fma(x, vf_set1(0.3275911f), one));
    vf p = vf_fma(t, vf_set1(1.061405429f), vf_set1(-1.453152027f));
    p = vf_fma(p, t, vf_set1(1.421413741f));
    p = vf_fma(p, t, vf_set1(-0.284496736f));
    p = vf_fma(p, t, vf_set1(0.254829592f));
    vf half_erfc = vf_mul(vf_mul(vf_mul(p, t), exp_lanes(vf_sub(zero, vf_mul(x, x)))), vf_set1(0.5f));
    /* z >= 0: z - z · erfc / 2;  z < 0: z · erfc / 2 = 0 - |z| · erfc / 2 */
    return vf_sub(vf_max(z, zero), vf_mul(size, half_erfc));
}

static void gelu_mul(size_t n, const float *gate, const float *up, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, vf_mul(gelu_lanes(vf_load(gate + i)), vf_load(up + i)));
    if (i < n) {
        vf z = gelu_lanes(vf_load_some(gate + i, n - i));
        vf_store_some(y + i, vf_mul(z, vf_load_some(up + i, n - i)), n - i);
    }
}

static void gelu(size_t n, const float *x, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, gelu_lanes(vf_load(x + i)));
    if (i < n) vf_store_some(y + i, gelu_lanes(vf_load_some(x + i, n - i)), n - i);
}

static void gelu_erf(size_t n, const float *x, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, gelu_erf_lanes(vf_load(x + i)));
    if (i < n) vf_store_some(y + i, gelu_erf_lanes(vf_load_some(x + i, n - i)), n - i);
}

static void soft_cap(size_t n, float cap, float *x) {
    vf times = vf_set1(cap), twice = vf_set1(2 / cap);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(x + i, vf_mul(times, tanh_of_double(vf_mul(vf_load(x + i), twice))));
    if (i < n) {
        vf v = tanh_of_double(vf_mul(vf_load_some(x + i, n - i), twice));
        vf_store_some(x + i, vf_mul(times, v), n - i);
    }
}

static void silu_mul(size_t n, const float *gate, const float *up, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, silu_mul_lanes(vf_load(gate + i), vf_load(up + i)));
    if (i < n) vf_store_some(y + i, silu_mul_lanes(vf_load_some(gate + i, n - i), vf_load_some(up + i, n - i)), n - i);
}

static void add(size_t n, const float *x, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, vf_add(vf_load(y + i), vf_load(x + i)));
    if (i < n) vf_store_some(y + i, vf_add(vf_load_some(y + i, n - i), vf_load_some(x + i, n - i)), n - i);
}

static void add_scaled(size_t n, float scale, const float *x, float *y) {
    vf s = vf_set1(scale);
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, vf_fma(s, vf_load(x + i), vf_load(y + i)));
    if (i < n) vf_store_some(y + i, vf_fma(s, vf_load_some(x + i, n - i), vf_load_some(y + i, n - i)), n - i);
}

static void rope_adjacent(size_t n_rot, const float *cos_sin, float *x) {
    size_t i = 0;
    for (; i + 2 * VF_N <= n_rot; i += 2 * VF_N) {
        vf c, s, a, b;
        vf_load_pairs(cos_sin + i, &c, &s);
        vf_load_pairs(x + i, &a, &b);
        vf_store_pairs(x + i, vf_sub(vf_mul(a, c), vf_mul(b, s)), vf_fma(a, s, vf_mul(b, c)));
    }
    for (; i + 1 < n_rot; i += 2) {
        float c = cos_sin[i], s = cos_sin[i + 1], a = x[i], b = x[i + 1];
        x[i] = a * c - b * s;
        x[i + 1] = a * s + b * c;
    }
}

static void rope_halves(size_t n_rot, const float *cos_sin, float *x) {
    size_t half = n_rot / 2, i = 0;
    for (; i + VF_N <= half; i += VF_N) {
        vf c, s, a = vf_load(x + i), b = vf_load(x + half + i);
        vf_load_pairs(cos_sin + 2 * i, &c, &s);
        vf_store(x + i, vf_sub(vf_mul(a, c), vf_mul(b, s)));
        vf_store(x + half + i, vf_fma(a, s, vf_mul(b, c)));
    }
    for (; i < half; i++) {
        float c = cos_sin[2 * i], s = cos_sin[2 * i + 1], a = x[i], b = x[i + half];
        x[i] = a * c - b * s;
        x[i + half] = a * s + b * c;
    }
}

static void f32_to_f16(size_t n, const float *x, ew_f16 *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store_half(y + i, vf_load(x + i));
    if (i < n) {
        ew_f16 tail[VF_N];
        vf_store_half(tail, vf_load_some(x + i, n - i));
        memcpy(y + i, tail, (n - i) * sizeof *y);
    }
}

static void f16_to_f32(size_t n, const ew_f16 *x, float *y) {
    size_t i = 0;
    for (; i + VF_N <= n; i += VF_N) vf_store(y + i, vf_load_half(x + i));
    if (i < n) vf_store_some(y + i, vf_load_half_some(x + i, n - i), n - i);
}

#endif
