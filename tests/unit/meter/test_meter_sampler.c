/* The sampler on a scripted clock: which stamps it takes, what it counts as missed, failed and ended; and the
 * plausibility test on scripted sensors. Expectations are counted by hand from the scripts. */
#include "base/clock.h"
#include "meter/fake_meter.h"
#include "meter/meter_sampler.h"
#include "meter/prove.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MS = 1000000 };

struct bench {
    struct ew_fake_clock clock;
    struct ew_meter_clock view;
    struct ew_meter_config config;
    double load_w; /* added while the load is on */
    bool load_on;
};

static void bench_init(struct bench *b) {
    *b = (struct bench){.clock = {.now_ns = 1000 * MS}};
    b->view = ew_fake_clock_of(&b->clock);
    b->config.clock = &b->view;
}

static const struct ew_meter_channel power_channel = {.name = "rail", .in_total = true};

static struct ew_fake_script power_script(double (*value)(void *, int64_t, size_t), void *context) {
    struct ew_fake_script script = {.value = value, .context = context};
    strcpy(script.info.name, "fake");
    script.info.kind = EW_METER_POWER;
    script.info.boundary = EW_BOUNDARY_BOARD_DC;
    script.info.period_s = 0.010;
    script.info.n_channels = 1;
    script.info.channels = &power_channel;
    return script;
}

static double ramp(void *context, int64_t time_ns, size_t channel) {
    (void)context;
    (void)channel;
    return (double)time_ns * 1e-9;
}

static struct ew_meter *open_fake(struct bench *b, struct ew_fake_script script) {
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_fake(&b->config, &script, &m, NULL), EW_OK);
    return m;
}

static void test_stamps(void **state) {
    (void)state;
    struct bench b;
    bench_init(&b);
    struct ew_meter *m = open_fake(&b, power_script(ramp, NULL));
    struct ew_meter_sampler *s = NULL;
    assert_int_equal(ew_meter_sampler_open(&m, 1, &b.config, &s, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_run(s, 1100 * MS, NULL), EW_OK);
    const struct ew_meter_trace *t = ew_meter_sampler_trace(s, 0);
    assert_int_equal(t->n, 11); /* 1.00, 1.01 … 1.10 s */
    for (size_t i = 0; i < t->n; i++) {
        assert_int_equal(t->times_ns[i], 1000 * MS + (int64_t)i * 10 * MS);
        assert_true(fabs(t->values[i] - (1.0 + 0.01 * (double)i)) < 1e-12);
    }
    assert_int_equal(t->missed, 0);
    assert_false(t->ended);
    ew_meter_sampler_close(&s);
    ew_meter_close(&m);
}

/* A sensor whose every reading takes 25 ms at a period of 10 ms loses two of three periods. */
static double slow(void *context, int64_t time_ns, size_t channel) {
    (void)channel;
    ((struct bench *)context)->clock.now_ns += 25 * MS;
    return (double)time_ns;
}

static void test_missed(void **state) {
    (void)state;
    struct bench b;
    bench_init(&b);
    struct ew_meter *m = open_fake(&b, power_script(slow, &b));
    struct ew_meter_sampler *s = NULL;
    assert_int_equal(ew_meter_sampler_open(&m, 1, &b.config, &s, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_run(s, 1295 * MS, NULL), EW_OK);
    const struct ew_meter_trace *t = ew_meter_sampler_trace(s, 0);
    /* Due every 30 ms from 1.000 to 1.270: ten readings, each missing two periods; and the last one at the end. */
    assert_int_equal(t->n, 11);
    assert_int_equal(t->missed, 20);
    ew_meter_sampler_close(&s);
    ew_meter_close(&m);
}

static void test_gone(void **state) {
    (void)state;
    struct bench b;
    bench_init(&b);
    struct ew_fake_script script = power_script(ramp, NULL);
    script.fail_at_ns = 1050 * MS;
    struct ew_meter *meters[2] = {open_fake(&b, script), open_fake(&b, power_script(ramp, NULL))};
    struct ew_meter_sampler *s = NULL;
    assert_int_equal(ew_meter_sampler_open(meters, 2, &b.config, &s, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_run(s, 1100 * MS, NULL), EW_OK);
    const struct ew_meter_trace *gone = ew_meter_sampler_trace(s, 0), *fine = ew_meter_sampler_trace(s, 1);
    assert_int_equal(gone->n, 5); /* 1.00 … 1.04 */
    assert_true(gone->ended);
    assert_int_equal(gone->failed, 1);
    assert_non_null(strstr(gone->error, "gone"));
    assert_int_equal(fine->n, 11);
    ew_meter_sampler_close(&s);
    ew_meter_close(&meters[0]);
    ew_meter_close(&meters[1]);
}

static void test_thread(void **state) {
    (void)state;
    struct ew_fake_script script = power_script(ramp, NULL);
    script.info.period_s = 0.002;
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_fake(NULL, &script, &m, NULL), EW_OK);
    struct ew_meter_sampler *s = NULL;
    assert_int_equal(ew_meter_sampler_open(&m, 1, NULL, &s, NULL), EW_OK);
    for (int round = 0; round < 2; round++) {
        int64_t begin = ew_clock_now_ns();
        assert_int_equal(ew_meter_sampler_start(s, NULL), EW_OK);
        struct timespec pause = {.tv_nsec = 60 * MS};
        nanosleep(&pause, NULL);
        int64_t latest_ns = 0;
        double latest = 0;
        assert_true(ew_meter_sampler_latest(s, 0, &latest_ns, &latest));
        assert_true(latest_ns >= begin);
        ew_meter_sampler_stop(s);
        int64_t end = ew_clock_now_ns();
        const struct ew_meter_trace *t = ew_meter_sampler_trace(s, 0);
        assert_true(t->n >= 2);
        assert_true(t->times_ns[0] >= begin && t->times_ns[t->n - 1] <= end);
        for (size_t i = 1; i < t->n; i++) assert_true(t->times_ns[i] > t->times_ns[i - 1]);
        /* Every period was either sampled or counted as missed, however late the thread was woken. The last sample is
         * taken at the stop, outside the periods. */
        double n_periods = (double)(t->n - 1 + t->missed);
        assert_true(n_periods > (double)(t->times_ns[t->n - 2] - t->times_ns[0]) / (2.0 * MS));
        assert_true(n_periods <= (double)(end - begin) / (2.0 * MS) + 1);
        struct ew_sampler_cost cost = ew_meter_sampler_cost(s);
        assert_true(cost.cpu_ns > 0 && cost.cpu_ns < cost.wall_ns && cost.reads >= t->n);
    }
    ew_meter_sampler_close(&s);
    ew_meter_close(&m);
}

/* ---- the end of a measurement ---- */

/* A scripted clock that two threads may ask: it moves only when somebody sleeps on it. */
static int64_t shared_now(void *context) { return atomic_load((_Atomic int64_t *)context); }
static void shared_sleep(void *context, int64_t time_ns) {
    _Atomic int64_t *now = context;
    int64_t was = atomic_load(now);
    while (was < time_ns && !atomic_compare_exchange_weak(now, &was, time_ns)) continue;
}

/* What ew_meter_sampler_finish takes, in scripted seconds, for energy meters of such periods, averages and lateness.
 * The end of the window is elapsed_s before the call. */
struct last_words {
    double period_s, averaging_s, late_s;
};
static double finishing_s(const struct last_words *meters, size_t n, double elapsed_s, double *reached_s) {
    _Atomic int64_t now = 1000LL * MS;
    const struct ew_meter_clock clock = {.now_ns = shared_now, .sleep_until_ns = shared_sleep, .context = &now};
    const struct ew_meter_config config = {.clock = &clock};
    struct ew_meter *opened[4] = {0};
    struct ew_meter_sampler *s = NULL;
    for (size_t i = 0; i < n; i++) {
        struct ew_fake_script script = power_script(ramp, NULL);
        script.info.period_s = meters[i].period_s;
        script.info.averaging_s = meters[i].averaging_s;
        script.late_ns = (int64_t)(meters[i].late_s * 1e9);
        assert_int_equal(ew_meter_open_fake(&config, &script, &opened[i], NULL), EW_OK);
    }
    assert_int_equal(ew_meter_sampler_open(opened, n, &config, &s, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_start(s, NULL), EW_OK);
    int64_t end_ns = 20000LL * MS;
    shared_sleep(&now, end_ns + (int64_t)(elapsed_s * 1e9));
    ew_meter_sampler_finish(s, end_ns);
    double took_s = (double)(atomic_load(&now) - end_ns) * 1e-9;
    *reached_s = INFINITY;
    for (size_t i = 0; i < n; i++) {
        const struct ew_meter_trace *t = ew_meter_sampler_trace(s, i);
        assert_string_equal(t->error, "");
        *reached_s = fmin(*reached_s, (double)(t->times_ns[t->n - 1] - end_ns) * 1e-9);
    }
    ew_meter_sampler_close(&s);
    for (size_t i = 0; i < n; i++) ew_meter_close(&opened[i]);
    return took_s;
}

/* Regression: the command's own wait of 2.5 periods came before the sampler's wait for late readings, so that a log
 * which is 3 s late was waited for 2.5 s and then 3 s more. A nap of the sampler, 50 ms, may come on top. */
static void test_slow_meters_are_waited_for_once(void **state) {
    (void)state;
    static const struct {
        struct last_words meters[2];
        size_t n;
        double elapsed_s, least_s, most_s, reached_s;
    } cases[] = {
        {{{1, 0, 3}}, 1, 0, 3, 3.05, 0},               /* late alone */
        {{{1, 0, 0}}, 1, 0, 2.5, 2.5, 2.5},            /* slow alone: 2.5 periods */
        {{{1, 0, 3}, {1, 0, 0}}, 2, 0, 3, 3.05, 0},    /* both: the longer of the two */
        {{{0.1, 2, 0}}, 1, 0, 5, 5, 5},                /* 2.5 averages */
        {{{30, 0, 0}}, 1, 0, 6, 6, 6},                 /* within reason */
        {{{1, 0.5, 3}}, 1, 0, 3.5, 3.55, 0.5},         /* late, and a mean of half a second after the end too */
        {{{1, 0, 3}, {1, 0, 0}}, 2, 2, 3, 3.05, 0},    /* what has passed already counts */
        {{{1, 0, 3}, {1, 0, 0}}, 2, 10, 10, 10.05, 0}, /* all of it has */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double reached_s, took_s = finishing_s(cases[i].meters, cases[i].n, cases[i].elapsed_s, &reached_s);
        if (took_s < cases[i].least_s - 1e-6 || took_s > cases[i].most_s + 1e-6 ||
            reached_s < cases[i].reached_s - 1e-6)
            fail_msg("case %zu: took %g s, reached %g s", i, took_s, reached_s);
    }
}

static void set_load(void *context, bool on) { ((struct bench *)context)->load_on = on; }

static double loaded(void *context, int64_t time_ns, size_t channel) {
    (void)time_ns;
    (void)channel;
    const struct bench *b = context;
    return 5.0 + (b->load_on ? b->load_w : 0.0);
}

static double nonsense(void *context, int64_t time_ns, size_t channel) {
    (void)context;
    (void)channel;
    return -40.0 + (double)(time_ns % 7);
}

static double silent(void *context, int64_t time_ns, size_t channel) {
    (void)context;
    (void)time_ns;
    (void)channel;
    return NAN;
}

static double falling(void *context, int64_t time_ns, size_t channel) {
    (void)context;
    (void)channel;
    return 1e6 - (double)time_ns * 1e-9;
}

static void expect_proof(struct bench *b, struct ew_fake_script script, enum ew_meter_reason reason) {
    struct ew_meter *m = open_fake(b, script);
    struct ew_prove_load load = {.set = set_load, .context = b};
    struct ew_error e = {0};
    enum ew_status status = ew_meter_prove(m, &load, &e);
    assert_int_equal(ew_meter_info(m)->reason, reason);
    assert_int_equal(status == EW_OK, reason == EW_METER_USABLE);
    if (reason != EW_METER_USABLE) assert_non_null(strstr(e.message, "fake"));
    assert_false(b->load_on);
    ew_meter_close(&m);
}

static void test_prove(void **state) {
    (void)state;
    struct bench b;
    bench_init(&b);
    b.load_w = 3.0; /* still at rest, moves under load: an honest coarse sensor */
    expect_proof(&b, power_script(loaded, &b), EW_METER_USABLE);
    b.load_w = 0.0;
    expect_proof(&b, power_script(loaded, &b), EW_METER_FROZEN);
    expect_proof(&b, power_script(nonsense, NULL), EW_METER_IMPLAUSIBLE);
    expect_proof(&b, power_script(silent, NULL), EW_METER_IO_ERROR);
    struct ew_fake_script counter = power_script(falling, NULL);
    counter.info.kind = EW_METER_COUNTER;
    expect_proof(&b, counter, EW_METER_IMPLAUSIBLE);
    counter.value = ramp; /* 1 J per second: 1 W */
    expect_proof(&b, counter, EW_METER_USABLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stamps), cmocka_unit_test(test_missed),
        cmocka_unit_test(test_gone),   cmocka_unit_test(test_thread),
        cmocka_unit_test(test_prove),  cmocka_unit_test(test_slow_meters_are_waited_for_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
