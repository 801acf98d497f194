/* Load signatures and the search for them, on synthetic traces whose clock is known: the error must lie inside the
 * stated interval in 95 % of random cases, and what is not distinct must be refused. */
#include "meter/fake_meter.h"
#include "meter/time_shift.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_SAMPLES = 60000 };
static int64_t times[MAX_SAMPLES];
static double watts[MAX_SAMPLES];

static uint64_t seed = 20260301;
static double uniform(void) { /* xorshift64*, 0 … 1 */
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (double)((seed * 0x2545f4914f6cdd1dULL) >> 11) / 9007199254740992.0;
}
static double normal(void) { return sqrt(-2 * log(1 - uniform())) * cos(6.283185307179586 * uniform()); }

/* An external meter: what it shows, and what its clock says. */
struct meter {
    double period_s, averaging_s, jitter_s, noise_w, drop, resolution_w;
    double off_w, on_w;
    double shift_s, drift; /* machine = meter + shift + drift * (machine - middle) */
    double lead_s, tail_s; /* of the trace before and after the pattern */
};

static void switch_nothing(void *context, bool on) {
    (void)context;
    (void)on;
}

static void play(uint64_t pattern_seed, double period_s, int64_t begin_ns, struct ew_played_signature *played) {
    struct ew_fake_clock clock = {.now_ns = begin_ns};
    struct ew_meter_clock view = ew_fake_clock_of(&clock);
    struct ew_load_signature s;
    assert_int_equal(ew_load_signature_for_period(pattern_seed, period_s, &s, NULL), EW_OK);
    ew_load_signature_play(&s, &view, switch_nothing, NULL, played);
    played->pattern.edges = played->edges;
}

/* Share of [from, to] under load, in the plainest way there is. */
static double share_on(const struct ew_load_pattern *p, double from, double to) {
    double on = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!p->edges[i].on) continue;
        double a = (double)(p->edges[i].time_ns - p->begin_ns) * 1e-9;
        double b = (double)((i + 1 < p->n ? p->edges[i + 1].time_ns : p->end_ns) - p->begin_ns) * 1e-9;
        if (to <= from) return from >= a && from < b ? 1 : on;
        on += fmax(0, fmin(b, to) - fmax(a, from));
    }
    return to > from ? on / (to - from) : 0;
}

static double instant(const struct ew_load_pattern *p, double t) {
    for (size_t i = p->n; i-- > 0;)
        if ((double)(p->edges[i].time_ns - p->begin_ns) * 1e-9 <= t) return p->edges[i].on;
    return 0;
}

static struct ew_power_series record(const struct ew_load_pattern *p, const struct meter *m) {
    double length = (double)(p->end_ns - p->begin_ns) * 1e-9, middle = length / 2, slow = 0;
    size_t n = 0;
    double phase = uniform() * m->period_s;
    for (double t = -m->lead_s + phase; t < length + m->tail_s && n < MAX_SAMPLES; t += m->period_s) {
        slow += 0.002 * (m->on_w - m->off_w) * sqrt(m->period_s) * normal();
        double at = t + m->jitter_s * (uniform() - 0.5); /* when it was truly read */
        if (uniform() < m->drop) continue;
        double on = m->averaging_s > 0 ? share_on(p, at - m->averaging_s, at) : instant(p, at);
        double w = m->off_w + (m->on_w - m->off_w) * on + slow + m->noise_w * normal();
        if (m->resolution_w > 0) w = round(w / m->resolution_w) * m->resolution_w;
        /* its clock stamps the regular moment */
        double shift = m->shift_s + m->drift * (t - middle);
        times[n] = p->begin_ns + (int64_t)llround((t - shift) * 1e9);
        watts[n++] = w;
    }
    return (struct ew_power_series){.times_ns = times, .watts = watts, .n = n};
}

static struct meter random_meter(int kind) {
    struct meter m = {
        .off_w = 2 + 3 * uniform(), .shift_s = 600 * (uniform() - 0.5), .drift = 2e-4 * (uniform() - 0.5)};
    m.on_w = m.off_w + 1.5 + 6 * uniform();
    m.lead_s = 3 + 30 * uniform();
    m.tail_s = 3 + 30 * uniform();
    double swing = m.on_w - m.off_w;
    if (kind % 4 == 0) { /* a plug asked once a second over Wi-Fi */
        m.period_s = 1;
        m.jitter_s = 0.3 * uniform();
        m.averaging_s = uniform() < 0.5 ? 0 : 1;
        m.resolution_w = 0.1;
        m.noise_w = 0.03 * swing;
        m.drop = 0.05 * uniform();
    } else if (kind % 4 == 1) { /* 10 Hz with averaging, as tegrastats */
        m.period_s = 0.1;
        m.averaging_s = 0.2 * uniform();
        m.noise_w = 0.1 * swing * uniform();
        m.drop = 0.1 * uniform();
    } else if (kind % 4 == 2) { /* 100 Hz with packet jitter, as FNIRSI's */
        m.period_s = 0.01;
        m.jitter_s = 0.008 * uniform();
        m.noise_w = 0.2 * swing * uniform();
    } else { /* 1000 Hz */
        m.period_s = 0.001;
        m.noise_w = 0.3 * swing * uniform();
        m.lead_s = 1 + uniform();
        m.tail_s = 1 + uniform();
    }
    return m;
}

static void test_offsets(void **state) {
    (void)state;
    enum { CASES = 200 };
    int inside[4] = {0}, cases[4] = {0};
    double ratio = 0, widest[4] = {0};
    for (int i = 0; i < CASES; i++) {
        int kind = i % 4;
        struct meter m = random_meter(kind);
        struct ew_played_signature played;
        play((uint64_t)i, m.period_s, 1000000000000 + i, &played);
        struct ew_power_series series = record(&played.pattern, &m);
        struct ew_time_shift found;
        struct ew_error err = {0};
        if (ew_time_shift_find(&played.pattern, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &found, &err) != EW_OK)
            fail_msg("case %d: %s", i, err.message);
        double expected = m.shift_s - m.averaging_s / 2; /* averaged power belongs to the middle of its window */
        double error = fabs((double)found.shift_ns * 1e-9 - expected), width = (double)found.error_ns * 1e-9;
        cases[kind]++;
        inside[kind] += error <= width;
        ratio += error / width / CASES;
        widest[kind] = fmax(widest[kind], width / m.period_s);
        assert_true(found.peak > 0.6 && found.peak > found.second_peak);
    }
    int all = 0;
    for (int k = 0; k < 4; k++) {
        printf("kind %d: %d of %d inside the interval, widest %.2f periods\n", k, inside[k], cases[k], widest[k]);
        assert_true(inside[k] >= 0.9 * cases[k]);
        all += inside[k];
        /* An interval that is always right because it is wide would say nothing. */
        assert_true(widest[k] < (k < 2 ? 1.0 : 5.0));
    }
    printf("%d of %d inside; error is %.2f of the half-width on average\n", all, CASES, ratio);
    assert_true(all >= 0.95 * CASES);
}

static void test_drift(void **state) {
    (void)state;
    int inside = 0;
    enum { CASES = 40 };
    for (int i = 0; i < CASES; i++) {
        struct meter m = random_meter(1);
        struct ew_played_signature played[2];
        struct ew_time_shift found[2];
        double drift = 4e-4 * (uniform() - 0.5), apart = 300 + 600 * uniform();
        m.drift = drift;
        for (int k = 0; k < 2; k++) {
            play(7, m.period_s, (int64_t)((5000 + k * apart) * 1e9), &played[k]);
            played[k].pattern.edges = played[k].edges;
            struct meter now = m;
            now.shift_s += k * drift * apart;
            struct ew_power_series series = record(&played[k].pattern, &now);
            assert_int_equal(
                ew_time_shift_find(&played[k].pattern, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &found[k], NULL), EW_OK);
        }
        struct ew_clock_map map;
        assert_int_equal(ew_clock_map_make(&found[0], &found[1], &map, NULL), EW_OK);
        inside += fabs(map.drift_ppm - drift * 1e6) <= map.drift_error_ppm;
        /* A stamp half-way between the two patterns, by hand. */
        double truth = 5000 + apart / 2 + m.averaging_s / 2;
        double middle = (double)(played[0].pattern.end_ns - played[0].pattern.begin_ns) * 0.5e-9;
        double shift = m.shift_s + drift * (truth - 5000 - middle);
        int64_t error_ns, at = ew_clock_map_time(&map, (int64_t)((truth - shift) * 1e9), &error_ns);
        assert_true(fabs((double)at * 1e-9 - (truth - m.averaging_s / 2)) < 3 * (double)error_ns * 1e-9);
    }
    printf("drift: %d of %d inside\n", inside, CASES);
    assert_true(inside >= 0.95 * CASES);
}

static void test_refusals(void **state) {
    (void)state;
    struct ew_played_signature played;
    play(3, 0.1, 0, &played);
    struct meter m = {.period_s = 0.1, .off_w = 3, .on_w = 3, .noise_w = 0.2, .lead_s = 20, .tail_s = 20};
    struct ew_time_shift found;
    struct ew_error err = {0};
    struct ew_power_series series = record(&played.pattern, &m); /* the load does not show */
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "not distinct"));
    for (size_t i = 0; i < series.n; i++) watts[i] = 4; /* stands still */
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
    m.on_w = 8;
    m.noise_w = 0.1;
    series = record(&played.pattern, &m);
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 0, 0, &found, &err), EW_OK);
    assert_true(fabs(found.on_w - found.off_w - 5) < 0.5);
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 2000000000, 4000000000, &found, &err),
                     EW_ERR_NOT_FOUND); /* not where the caller looks */
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, INT64_MAX - 1, INT64_MAX, &found, &err),
                     EW_ERR_NOT_FOUND);
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 2, 1, &found, &err), EW_ERR_ARGUMENT);
    m.period_s = 2; /* too coarse for pulses of 0.4 s */
    series = record(&played.pattern, &m);
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "cannot show"));
    series.n = 4;
    assert_int_equal(ew_time_shift_find(&played.pattern, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
    struct ew_load_pattern wrong = played.pattern;
    wrong.n = 1;
    assert_int_equal(ew_time_shift_find(&wrong, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
}

/* A load that goes on and off regularly fits at many places. */
static void test_periodic_load(void **state) {
    (void)state;
    struct ew_load_edge edges[40];
    for (int i = 0; i < 40; i++) edges[i] = (struct ew_load_edge){.time_ns = (i + 1) * 1000000000LL, .on = i % 2 == 0};
    struct ew_load_pattern whole = {.edges = edges, .n = 40, .begin_ns = 0, .end_ns = 41000000000};
    struct ew_load_pattern part = {.edges = edges, .n = 10, .begin_ns = 0, .end_ns = 10500000000};
    struct meter m = {.period_s = 0.1, .off_w = 3, .on_w = 6, .noise_w = 0.1, .lead_s = 2, .tail_s = 2};
    struct ew_power_series series = record(&whole, &m);
    struct ew_time_shift found;
    struct ew_error err = {0};
    assert_int_equal(ew_time_shift_find(&part, &series, 0, 0, &found, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "elsewhere"));
}

/* Runs of a program as the pattern, with rests around them. */
static struct ew_load_pattern runs_between_rests(struct ew_load_edge *edges, int n, double run_s, double rest_s) {
    double t = rest_s;
    for (int i = 0; i < n; i++) {
        edges[2 * i] = (struct ew_load_edge){.time_ns = (int64_t)(t * 1e9), .on = true};
        t += run_s * (1 + 0.02 * normal());
        edges[2 * i + 1] = (struct ew_load_edge){.time_ns = (int64_t)(t * 1e9)};
        t += i + 1 < n ? 3 : rest_s;
    }
    return (struct ew_load_pattern){.edges = edges, .n = 2 * (size_t)n, .begin_ns = 0, .end_ns = (int64_t)(t * 1e9)};
}

/* A run that loads the processor evenly is found by that alone. It never was: the grid of the coarse search, an eighth
 * of a run, cut so much off the edges that the odds stayed at 5.5 of 6. */
static void test_a_run_is_found_without_signature(void **state) {
    (void)state;
    enum { CASES = 60 };
    int inside = 0;
    for (int i = 0; i < CASES; i++) {
        struct ew_load_edge edges[2];
        struct ew_load_pattern run = runs_between_rests(edges, 1, i % 2 ? 20 : 60, i % 3 ? 30 : 10);
        struct meter m = random_meter(1 + 4 * i);
        m.noise_w = 0.02 * (m.on_w - m.off_w);
        struct ew_power_series series = record(&run, &m);
        struct ew_time_shift found;
        struct ew_error err = {0};
        if (ew_time_shift_find(&run, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &found, &err) != EW_OK)
            fail_msg("case %d: %s", i, err.message);
        inside +=
            fabs((double)found.shift_ns * 1e-9 - (m.shift_s - m.averaging_s / 2)) <= (double)found.error_ns * 1e-9;
    }
    printf("one run: %d of %d inside\n", inside, CASES);
    assert_true(inside >= 0.95 * CASES);
}

/* Traces that do not hold the load: noise, a drifting power, and the worst, other programs that come and go and run as
 * long as ours in the mean. How often is one of them taken for our load? */
static int false_accepts(const struct ew_load_pattern *p, int kind, double run_s, int cases) {
    struct ew_time_shift found;
    int taken = 0;
    for (int i = 0; i < cases; i++) {
        double length = (double)p->end_ns * 1e-9 + 10 + 100 * uniform(), walk = 0, until = 0;
        bool busy = false;
        size_t n = 0;
        for (double t = 0; t < length; t += 0.1) {
            walk += 0.1 * normal();
            if (t >= until) {
                busy = !busy;
                until = t - log(1 - uniform()) * run_s;
            }
            times[n] = (int64_t)(t * 1e9);
            watts[n++] = 5 + (kind == 0 ? normal() : kind == 1 ? walk : 3 * busy + 0.1 * normal());
        }
        struct ew_power_series series = {.times_ns = times, .watts = watts, .n = n};
        taken += ew_time_shift_find(p, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &found, NULL) == EW_OK;
    }
    return taken;
}

static void test_false_accepts(void **state) {
    (void)state;
    enum { CASES = 200, FEWER = 100 };
    static const char *const kinds[] = {"noise", "drift", "other programs"};
    struct ew_load_edge edges[6];
    struct ew_played_signature played;
    play(11, 0.1, 0, &played);
    for (int kind = 0; kind < 3; kind++) {
        struct ew_load_pattern one = runs_between_rests(edges, 1, 20, 10);
        int taken[3] = {false_accepts(&one, kind, 20, CASES)};
        struct ew_load_pattern three = runs_between_rests(edges, 3, 10, 10);
        taken[1] = false_accepts(&three, kind, 10, FEWER);
        taken[2] = false_accepts(&played.pattern, kind, 0.4, FEWER);
        printf("%s: one run is found in %d of %d traces, three in %d and a signature in %d of %d\n", kinds[kind],
               taken[0], CASES, taken[1], taken[2], FEWER);
        /* e^-6 of the odds is 0.25 %; only another program that runs just as long may be taken for a single run. */
        assert_true(taken[0] <= (kind == 2 ? 0.02 : 0.01) * CASES && taken[1] <= 0.01 * FEWER &&
                    taken[2] <= 0.01 * FEWER);
    }
}

/* A single run whose power wanders is not told from others by one rise and one fall; several with pauses are. */
static void test_an_uneven_run_is_refused(void **state) {
    (void)state;
    struct ew_load_edge edges[6];
    struct ew_time_shift found;
    struct ew_error err = {0};
    for (int runs = 1; runs <= 3; runs += 2) {
        struct ew_load_pattern p = runs_between_rests(edges, runs, 20, 10);
        size_t n = 0;
        for (double t = -10; t < (double)p.end_ns * 1e-9 + 10; t += 0.1) {
            double second =
                instant(&p, t) * (1 + 0.3 * sin(2.1 * t)); /* a load that swings by 30 % every three seconds */
            times[n] = (int64_t)(t * 1e9);
            watts[n++] = 3 + 5 * second + 0.1 * normal();
        }
        struct ew_power_series series = {.times_ns = times, .watts = watts, .n = n};
        enum ew_status status = ew_time_shift_find(&p, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, &found, &err);
        if (runs == 1) assert_non_null(strstr(err.message, "not distinct"));
        assert_int_equal(status, runs == 1 ? EW_ERR_NOT_FOUND : EW_OK);
    }
    assert_true(fabs((double)found.shift_ns * 1e-9) <= (double)found.error_ns * 1e-9);
}

static void test_signatures(void **state) {
    (void)state;
    for (size_t n = EW_SIGNATURE_MIN_CHIPS; n <= 31; n++) {
        struct ew_load_signature a, b;
        assert_int_equal(ew_load_signature_make(n, n, 100000000, &a, NULL), EW_OK);
        assert_int_equal(ew_load_signature_make(n, n, 100000000, &b, NULL), EW_OK);
        assert_memory_equal(&a, &b, sizeof a);
        int worst = 0;
        for (size_t lag = 1; lag < n; lag++) { /* by the definition */
            int sum = 0;
            for (size_t i = 0; i + lag < n; i++) sum += a.on[i] == a.on[i + lag] ? 1 : -1;
            worst = abs(sum) > worst ? abs(sum) : worst;
        }
        assert_true(fabs(a.sidelobe - (double)worst / (double)n) < 1e-12);
        assert_true(a.sidelobe <= 0.31 && a.on[0] && a.on[n - 1]);
    }
    struct ew_load_signature s;
    assert_int_equal(ew_load_signature_make(1, 12, 100000000, &s, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_signature_make(1, 64, 100000000, &s, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_signature_make(1, 20, 1000, &s, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_signature_for_period(1, 1e9, &s, NULL), EW_ERR_ARGUMENT);
    assert_int_equal(ew_load_signature_for_period(1, NAN, &s, NULL), EW_OK); /* unknown: as a fast one */
    struct ew_played_signature played;
    play(1, 1, 500, &played);
    double chip_s = (double)(played.pattern.end_ns - played.pattern.begin_ns) * 1e-9 / 17;
    assert_true(chip_s > 4.3 && chip_s < 4.5); /* four periods, and not a whole number of them */
    assert_true(played.pattern.edges[0].on && fabs((double)played.pattern.edges[0].time_ns * 1e-9 - chip_s) < 1e-6);
    assert_true(played.pattern.n % 2 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signatures),    cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_drift),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_periodic_load), cmocka_unit_test(test_a_run_is_found_without_signature),
        cmocka_unit_test(test_false_accepts), cmocka_unit_test(test_an_uneven_run_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
