/* Owns the analytic loads of the energy tests. */
#include "synthetic_load.h"

#include <math.h>
#include <string.h>

void load_add(struct load *load, double at_s, double step_w, double slope_w_per_s) {
    if (load->n == LOAD_MAX_KNOTS) return;
    load->knots[load->n].at_s = at_s;
    load->knots[load->n].step_w = step_w;
    load->knots[load->n++].slope_w_per_s = slope_w_per_s;
}

double load_power(const struct load *load, double t) {
    double p = load->base_w + load->amplitude_w * sin(load->omega * t + load->phase);
    for (size_t i = 0; i < load->n; i++) {
        double x = t - load->knots[i].at_s;
        if (x >= 0) p += load->knots[i].step_w + load->knots[i].slope_w_per_s * x;
    }
    return p;
}

double load_energy(const struct load *load, double t) {
    double e = load->base_w * t;
    if (load->omega > 0) e += load->amplitude_w / load->omega * (cos(load->phase) - cos(load->omega * t + load->phase));
    for (size_t i = 0; i < load->n; i++) {
        double x = t - load->knots[i].at_s;
        if (x > 0) e += load->knots[i].step_w * x + load->knots[i].slope_w_per_s * x * x / 2;
    }
    return e;
}

double load_average(const struct load *load, double t, double window) {
    return (load_energy(load, t) - load_energy(load, t - window)) / window;
}

double load_smoothed(const struct load *load, double t, double tau) {
    double lag = load->omega * tau;
    double p = load->base_w + load->amplitude_w / sqrt(1 + lag * lag) * sin(load->omega * t + load->phase - atan(lag));
    for (size_t i = 0; i < load->n; i++) {
        double x = t - load->knots[i].at_s;
        if (x <= 0) continue;
        double rest = 1 - exp(-x / tau);
        p += load->knots[i].step_w * rest + load->knots[i].slope_w_per_s * (x - tau * rest);
    }
    return p;
}

static uint64_t next_random(struct random *r) {
    uint64_t z = r->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

double random_uniform(struct random *r, double low, double high) {
    return low + (high - low) * (double)(next_random(r) >> 11) * 0x1p-53;
}

double random_normal(struct random *r) {
    double u = random_uniform(r, 1e-12, 1), v = random_uniform(r, 0, 6.283185307179586);
    return sqrt(-2 * log(u)) * cos(v);
}

static void add_steps(struct load *load, double seconds, struct random *r) {
    double mean_s = random_uniform(r, 0.1, 2), power = load->base_w;
    for (double t = -2; t < seconds; t += mean_s * -log(random_uniform(r, 1e-9, 1))) {
        double next = random_uniform(r, 2, 15);
        load_add(load, t, next - power, 0);
        power = next;
    }
}

static void add_ramps(struct load *load, double seconds, struct random *r) {
    double power = load->base_w, slope = 0;
    for (double t = -2; t < seconds;) {
        double length = random_uniform(r, 0.5, 3), target = random_uniform(r, 2, 15);
        double next = (target - power) / length;
        load_add(load, t, 0, next - slope);
        slope = next;
        power = target;
        t += length;
    }
}

/* Bursts of one height: regular, as tokens are, or not. */
static void add_bursts(struct load *load, double seconds, struct random *r) {
    double height = random_uniform(r, 3, 12), on = random_uniform(r, 0.01, 0.3), off = random_uniform(r, 0.02, 0.5);
    double looseness = random_uniform(r, 0, 1) < 0.5 ? 0.02 : 0.8;
    for (double t = -2; t < seconds;) {
        double on_s = on * random_uniform(r, 1 - looseness, 1 + looseness);
        load_add(load, t, height, 0);
        load_add(load, t + on_s, -height, 0);
        t += on_s + off * random_uniform(r, 1 - looseness, 1 + looseness);
    }
}

void load_random(struct load *load, enum load_kind kind, double seconds, struct random *r) {
    memset(load, 0, sizeof *load);
    load->base_w = random_uniform(r, 2, 6);
    switch (kind) {
    case LOAD_STEPS: add_steps(load, seconds, r); break;
    case LOAD_RAMPS: add_ramps(load, seconds, r); break;
    case LOAD_SINE:
        load->base_w = random_uniform(r, 6, 12);
        load->amplitude_w = random_uniform(r, 1, 5);
        load->omega = 6.283185307179586 / random_uniform(r, 0.3, 5);
        load->phase = random_uniform(r, 0, 6.283185307179586);
        break;
    case LOAD_BURSTS: add_bursts(load, seconds, r); break;
    case LOAD_CONSTANT:
    case LOAD_KINDS: break;
    }
}
