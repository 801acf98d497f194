/* A load whose power, energy and filtered power are known in closed form, and a generator of random ones: what the
 * integration is held against. Nothing here integrates numerically. */
#ifndef EW_TEST_SYNTHETIC_LOAD_H
#define EW_TEST_SYNTHETIC_LOAD_H

#include <stddef.h>
#include <stdint.h>

enum { LOAD_MAX_KNOTS = 4096 };

/* P(t) = base + sum of steps and of slopes that begin at their knots + amplitude sin(omega t + phase), in watts. */
struct load {
    double base_w;
    size_t n;
    struct {
        double at_s, step_w, slope_w_per_s;
    } knots[LOAD_MAX_KNOTS];
    double amplitude_w, omega, phase;
};

void load_add(struct load *load, double at_s, double step_w, double slope_w_per_s);
double load_power(const struct load *load, double t);
double load_energy(const struct load *load, double t);                 /* from 0 to t */
double load_average(const struct load *load, double t, double window); /* mean of the window before t */
double load_smoothed(const struct load *load, double t, double tau);   /* first-order low pass */

/* Seeded, the same everywhere: splitmix64. */
struct random {
    uint64_t state;
};
double random_uniform(struct random *r, double low, double high);
double random_normal(struct random *r);

enum load_kind { LOAD_CONSTANT = 0, LOAD_STEPS, LOAD_RAMPS, LOAD_SINE, LOAD_BURSTS, LOAD_KINDS };
void load_random(struct load *load, enum load_kind kind, double seconds, struct random *r);

#endif
