/* What counts as throttled; the page cache of one file; when idle power is known. */
#include "base/text_parts.h"
#include "study/idle_settled.h"
#include "study/page_cache.h"
#include "study/trial_conditions.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* -1 = unknown. */
static struct ew_machine_throttle counts(int64_t core, int64_t package, int64_t pi_flags) {
    struct ew_machine_throttle t = ew_machine_throttle_unknown();
    t.core_events = core;
    t.package_events = package;
    t.pi_flags = pi_flags;
    return t;
}

static char notes[256];

static struct ew_trial_conditions compare(struct ew_machine_throttle a, struct ew_machine_throttle b) {
    const struct ew_conditions_snapshot before = {
        .throttle = a, .cpu_c = 40, .swap_in_pages = 5, .swap_out_pages = EW_MISSING, .own_cpu_ns = 100};
    const struct ew_conditions_snapshot after = {
        .throttle = b, .cpu_c = NAN, .swap_in_pages = 9, .swap_out_pages = 3, .own_cpu_ns = 350};
    struct ew_trial_conditions out = {0};
    notes[0] = 0;
    ew_conditions_compare(&before, &after, 0, &out, notes, sizeof notes);
    assert_int_equal(out.throttled, notes[0] != 0); /* never without a reason */
    return out;
}

static void throttled_or_not(void **state) {
    (void)state;
    struct ew_trial_conditions c = compare(counts(-1, -1, -1), counts(-1, -1, -1));
    assert_false(c.throttled);
    assert_int_equal(c.throttle_core_events, EW_MISSING);
    assert_int_equal(c.pi_flags_after, EW_MISSING);
    assert_int_equal(c.swap_in_pages, 4);
    assert_int_equal(c.swap_out_pages, EW_MISSING);
    assert_int_equal(c.own_cpu_ns, 250);
    assert_true(c.start_c == 40 && isnan(c.end_c));
    c = compare(counts(7, 2, -1), counts(7, 2, -1));
    assert_false(c.throttled);
    assert_int_equal(c.throttle_core_events, 0);
    assert_true(compare(counts(7, 2, -1), counts(7, 3, -1)).throttled);
    assert_string_equal(notes, "package slowed by heat 1 time");
    assert_int_equal(compare(counts(7, 2, -1), counts(3, 2, -1)).throttle_core_events, EW_MISSING); /* began anew */
    /* Raspberry Pi: throttled some time since boot is old news; newly so, or just now, is not. */
    assert_false(compare(counts(-1, -1, 0x50000), counts(-1, -1, 0x50000)).throttled);
    assert_true(compare(counts(-1, -1, 0x50000), counts(-1, -1, 0x70000)).throttled);
    assert_true(compare(counts(-1, -1, 0), counts(-1, -1, 0x40004)).throttled);
    assert_true(compare(counts(-1, -1, 0x50005), counts(-1, -1, 0x50000)).throttled);
}

/* Power limit, over-current and cooling devices have no columns of their own: they are flagged, and the notes say so.
 */
static void other_ways_to_be_throttled(void **state) {
    (void)state;
    const struct ew_machine_throttle calm = {.core_events = 7,
                                             .package_events = 2,
                                             .power_limit_events = 5,
                                             .over_current_events = 1,
                                             .pi_flags = -1,
                                             .cooling_most = 10,
                                             .cooling_name = "cpufreq-cpu0"};
    struct ew_machine_throttle after = calm;
    assert_false(compare(calm, after).throttled);
    after.power_limit_events = 8;
    struct ew_trial_conditions c = compare(calm, after);
    assert_true(c.throttled && c.throttle_core_events == 0 && c.throttle_package_events == 0);
    assert_string_equal(notes, "package held at its power limit 3 times");
    after = calm;
    after.over_current_events = 3;
    assert_true(compare(calm, after).throttled);
    assert_string_equal(notes, "2 alarms of over-current or under-voltage");
    after = calm;
    after.cooling_state = 4;
    assert_true(compare(calm, after).throttled);
    assert_string_equal(notes, "the kernel held the clocks down at the end (cpufreq-cpu0 at 4 of 10)");
    assert_true(compare(after, calm).throttled);
    assert_string_equal(notes, "the kernel held the clocks down at the start (cpufreq-cpu0 at 4 of 10)");
    /* What the meters saw meanwhile stays. */
    const struct ew_conditions_snapshot same = {.throttle = calm};
    struct ew_trial_conditions seen = {.throttled = true};
    ew_conditions_compare(&same, &same, 0, &seen, notes, sizeof notes);
    assert_true(seen.throttled);
}

/* Two CPUs for ten seconds: the engine took 8 s, the runner 1 s, others 3 s, the hypervisor 1 s. */
static void what_others_took(void **state) {
    (void)state;
    struct ew_conditions_snapshot before = {.processors = {.busy_s = 100, .steal_s = 5, .own_s = 2, .total_s = 400}};
    struct ew_conditions_snapshot after = {.processors = {.busy_s = 112, .steal_s = 6, .own_s = 3, .total_s = 420}};
    struct ew_trial_conditions c = {0};
    ew_conditions_compare(&before, &after, 8000000000, &c, notes, sizeof notes);
    assert_true(fabs(c.others_share - 0.15) < 1e-12 && fabs(c.stolen_share - 0.05) < 1e-12);
    assert_true(ew_conditions_crowded(&c));
    after.processors.busy_s = 109; /* none but those two */
    ew_conditions_compare(&before, &after, 8000000000, &c, notes, sizeof notes);
    assert_true(c.others_share == 0 && !ew_conditions_crowded(&c));
    after.processors.busy_s = 108.9; /* the engine's ticks were counted earlier than its time */
    ew_conditions_compare(&before, &after, 8000000000, &c, notes, sizeof notes);
    assert_true(c.others_share == 0);
    after.processors.total_s = 400.4; /* too short to say */
    ew_conditions_compare(&before, &after, 0, &c, notes, sizeof notes);
    assert_true(isnan(c.others_share) && isnan(c.stolen_share) && !ew_conditions_crowded(&c));
}

static void notes_are_joined_and_cut(void **state) {
    (void)state;
    char text[16] = "";
    ew_text_add_part(text, sizeof text, "; ", "%s", "one");
    ew_text_add_part(text, sizeof text, "; ", "%d", 22);
    assert_string_equal(text, "one; 22");
    ew_text_add_part(text, sizeof text, "; ", "%s", "thirty-three");
    assert_string_equal(text, "one; 22; thirty");
    ew_text_add_part(text, sizeof text, "; ", "%s", "four");
    assert_string_equal(text, "one; 22; thirty");
}

static void cache_of_one_file(void **state) {
    (void)state;
    char path[] = "/tmp/edgewise-cache-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static char bytes[300000];
    memset(bytes, 7, sizeof bytes);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    struct ew_error err = {0};
    if (ew_page_cache_drop(path, &err) != EW_OK) fail_msg("%s", err.message);
    double dropped = ew_page_cache_share(path);
    assert_true(dropped >= 0 && dropped <= 1);
    assert_int_equal(ew_page_cache_fill(path, NULL, &err), EW_OK);
    assert_true(ew_page_cache_share(path) >= dropped);
    const volatile int stop = 1;
    assert_int_equal(ew_page_cache_fill(path, &stop, &err), EW_ERR_CANCELLED);
    unlink(path);
    assert_int_equal(ew_page_cache_drop(path, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(ew_page_cache_fill(path, NULL, &err), EW_ERR_NOT_FOUND);
    assert_true(isnan(ew_page_cache_share(path)));
}

/* Ten parts of one second, each at a constant power: their means are known, and so is the interval. With p = 10 ± 1 W
 * in turn: standard deviation sqrt(10 / 9), over sqrt(10), times t(0.975, 9) = 2.26216, over 10 W. */
static void idle_interval_of_ten_parts(void **state) {
    (void)state;
    const struct ew_meter_channel channel = {.name = "all", .in_total = true, .wrap = NAN};
    const struct ew_meter_info info = {.quantity = EW_METER_ENERGY,
                                       .kind = EW_METER_COUNTER,
                                       .n_channels = 1,
                                       .channels = &channel,
                                       .power_max_w = 100,
                                       .period_s = 0.1};
    int64_t times[101];
    double joules[101] = {0};
    for (int i = 0; i <= 100; i++) {
        times[i] = 1000000000LL + i * 100000000LL;
        if (i > 0) joules[i] = joules[i - 1] + ((i - 1) / 10 % 2 ? 1.1 : 0.9);
    }
    double interval = ew_idle_interval(&info, times, joules, 101);
    double expected = 2.262157 * sqrt(10.0 / 9) / sqrt(10) / 10;
    if (fabs(interval - expected) > 1e-4) fail_msg("%g, expected %g", interval, expected);
    assert_true(isinf(ew_idle_interval(&info, times, joules, 10)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(throttled_or_not),  cmocka_unit_test(other_ways_to_be_throttled),
        cmocka_unit_test(what_others_took),  cmocka_unit_test(notes_are_joined_and_cut),
        cmocka_unit_test(cache_of_one_file), cmocka_unit_test(idle_interval_of_ten_parts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
