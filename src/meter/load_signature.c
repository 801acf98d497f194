/* Owns the choice of the on/off pattern and its playing. Why a random-like one: its correlation with itself has one
 * peak, so that it cannot be found one pulse too early or too late. Found again by time_shift.c. */
#include "meter/load_signature.h"
#include "base/error.h"
#include "meter/driver.h"

#include <math.h>
#include <stdlib.h>

enum { CANDIDATES = 3000 };
static const int64_t shortest_chip_ns = 10000000, longest_chip_ns = 600000000000;

/* splitmix64: Steele, Lea, Flood 2014. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The largest |sum| of the +1/-1 chips times themselves moved by 1 … n - 1, without wrapping around. */
static int largest_sidelobe(uint64_t bits, size_t n) {
    int largest = 0;
    for (size_t lag = 1; lag < n; lag++) {
        uint64_t differs = (bits ^ (bits >> lag)) & ((1ULL << (n - lag)) - 1);
        int sum = abs((int)(n - lag) - 2 * __builtin_popcountll(differs));
        if (sum > largest) largest = sum;
    }
    return largest;
}

enum ew_status ew_load_signature_make(uint64_t seed, size_t n, int64_t chip_ns, struct ew_load_signature *out,
                                      struct ew_error *err) {
    if (n < EW_SIGNATURE_MIN_CHIPS || n > EW_SIGNATURE_MAX_CHIPS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "load signature: %zu chips: %d to %d are possible", n,
                            EW_SIGNATURE_MIN_CHIPS, EW_SIGNATURE_MAX_CHIPS);
    if (chip_ns < shortest_chip_ns || chip_ns > longest_chip_ns)
        return ew_error_set(err, EW_ERR_ARGUMENT, "load signature: chips of %.4g s: 0.01 to 600 s are possible",
                            (double)chip_ns * 1e-9);
    uint64_t mask = (1ULL << n) - 1, ends = 1 | 1ULL << (n - 1), best = 0;
    int lowest = (int)n + 1;
    for (int i = 0; i < CANDIDATES; i++) {
        uint64_t bits = (next_random(&seed) & mask) | ends;
        double share = (double)__builtin_popcountll(bits) / (double)n;
        int sidelobe = largest_sidelobe(bits, n);
        if (share < 0.4 || share > 0.6 || sidelobe >= lowest) continue;
        lowest = sidelobe;
        best = bits;
    }
    *out = (struct ew_load_signature){.n_chips = n, .chip_ns = chip_ns, .sidelobe = (double)lowest / (double)n};
    for (size_t i = 0; i < n; i++) out->on[i] = best >> i & 1;
    return EW_OK;
}

enum ew_status ew_load_signature_for_period(uint64_t seed, double period_s, struct ew_load_signature *out,
                                            struct ew_error *err) {
    /* Never a whole number of periods: then all edges would fall at the same place between two samples, and a meter that
     * does not average could not tell where in that gap. The golden section spreads them as evenly as can be. */
    double periods = period_s > 0 ? fmax(4, ceil(0.2 / period_s)) : 0;
    double chip_s = periods > 0 ? (periods + 0.381966) * period_s : 0.2;
    if (!(chip_s < (double)longest_chip_ns * 1e-9))
        return ew_error_set(err, EW_ERR_ARGUMENT, "load signature: no pattern suits a meter with a period of %.4g s",
                            period_s);
    return ew_load_signature_make(seed, chip_s > 1 ? 15 : 31, (int64_t)llround(chip_s * 1e9), out, err);
}

int64_t ew_load_signature_duration_ns(const struct ew_load_signature *s) {
    return (int64_t)(s->n_chips + 2) * s->chip_ns;
}

void ew_load_signature_play(const struct ew_load_signature *s, const struct ew_meter_clock *own_clock,
                            void (*set)(void *context, bool on), void *context, struct ew_played_signature *out) {
    struct ew_meter_config config = {.clock = own_clock};
    struct ew_meter_clock clock = ew_meter_clock_of(&config);
    *out = (struct ew_played_signature){0};
    set(context, false);
    int64_t begin = clock.now_ns(clock.context);
    bool now_on = false;
    size_t n = 0;
    for (size_t i = 0; i <= s->n_chips; i++) {
        bool on = i < s->n_chips && s->on[i];
        if (on == now_on) continue;
        clock.sleep_until_ns(clock.context, begin + (int64_t)(i + 1) * s->chip_ns);
        int64_t before = clock.now_ns(clock.context);
        set(context, on);
        int64_t took = clock.now_ns(clock.context) - before;
        if (took > out->switch_ns) out->switch_ns = took;
        out->edges[n++] = (struct ew_load_edge){.time_ns = before + took / 2, .on = on};
        now_on = on;
    }
    clock.sleep_until_ns(clock.context, begin + ew_load_signature_duration_ns(s));
    out->pattern =
        (struct ew_load_pattern){.edges = out->edges, .n = n, .begin_ns = begin, .end_ns = clock.now_ns(clock.context)};
}
