/* What slowed a recorded machine down in a stretch: counts of x86, flags of a Raspberry Pi, alarms and cooling devices
 * of a Jetson, before and after, and what only the meters saw. Expectations: what is written into the files, by hand.
 */
#include "machine/machine.h"
#include "recorded_tree.h"
#include "study/throttle_span.h"
#include "study/trial_conditions.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define X86 "/sys/devices/system/cpu/cpu0/thermal_throttle/"
#define FLAGS "/sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
#define COOLING "/sys/class/thermal/cooling_device"
#define ALARMS "/sys/class/hwmon/hwmon5/"

struct bench {
    char root[TREE_ROOT_BYTES];
    struct ew_machine *machine;
    struct ew_machine_throttle before;
};

static void begin(struct bench *b, const char *tree) {
    tree_unpack(tree, b->root);
    assert_int_equal(ew_machine_open(b->root, &b->machine, NULL), EW_OK);
    b->before = b->machine->throttle;
}

/* From the beginning, or the last call, until now. */
static struct ew_throttle_span until_now(struct bench *b) {
    ew_machine_refresh(b->machine, b->root);
    const struct ew_throttle_span span = ew_throttle_span_of(&b->before, &b->machine->throttle);
    b->before = b->machine->throttle;
    return span;
}

static void expect(struct bench *b, int64_t events, const char *words) {
    const struct ew_throttle_span span = until_now(b);
    assert_true(span.known);
    assert_string_equal(span.words, words);
    assert_int_equal(span.throttled, *words != 0);
    assert_int_equal(span.events, events);
}

static void end(struct bench *b) {
    ew_machine_close(&b->machine);
    tree_remove(b->root);
}

/* Two threads of one core repeat its count: 7 to 9 are two events, not four. */
static void counts_of_x86(void **state) {
    (void)state;
    struct bench b;
    begin(&b, "intel-laptop");
    expect(&b, 0, "");
    for (int cpu = 0; cpu < 2; cpu++) {
        char path[128];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count", cpu);
        tree_put(b.root, path, "9\n");
    }
    expect(&b, 2, "cores slowed by heat 2 times");
    tree_put(b.root, X86 "package_throttle_count", "15\n");
    expect(&b, 3, "package slowed by heat 3 times");
    tree_put(b.root, X86 "package_power_limit_count", "40\n"); /* was not there: no difference is known */
    expect(&b, 0, "");
    tree_put(b.root, X86 "package_power_limit_count", "41\n");
    expect(&b, 1, "package held at its power limit 1 time");
    end(&b);
}

/* The tree begins with under-voltage and throttling since boot (0x50000), which is old news. */
static void flags_of_a_pi(void **state) {
    (void)state;
    static const struct {
        const char *flags, *words;
    } steps[] = {
        {"50000\n", ""},
        {"50004\n", "throttled at the end"},
        {"50004\n", "throttled at start and end"},
        {"d0000\n", "throttled at the start; soft temperature limit in between"},
        {"d0000\n", ""},
        {"d0001\n", "under-voltage at the end"},
    };
    struct bench b;
    begin(&b, "pi5");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        tree_put(b.root, FLAGS, steps[i].flags);
        expect(&b, EW_MISSING, steps[i].words); /* flags are no events */
    }
    const struct ew_throttle_span span = until_now(&b);
    assert_string_equal(span.earlier,
                        "under-voltage since boot, throttled since boot, soft temperature limit since boot");
    end(&b);
}

static void put_jetson(const char *root) {
    static const char *const files[][2] = {
        {COOLING "0/type", "pwm-fan\n"},      {COOLING "0/cur_state", "2\n"},  {COOLING "0/max_state", "10\n"},
        {COOLING "1/type", "cpufreq-cpu0\n"}, {COOLING "1/cur_state", "0\n"},  {COOLING "1/max_state", "20\n"},
        {ALARMS "name", "soctherm_oc\n"},     {ALARMS "oc1_event_cnt", "4\n"}, {ALARMS "oc3_event_cnt", "0\n"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) tree_put(root, files[i][0], files[i][1]);
}

static void alarms_and_cooling_of_a_jetson(void **state) {
    (void)state;
    struct bench b;
    begin(&b, "orin-nano");
    assert_false(until_now(&b).known); /* without these files it tells nothing */
    put_jetson(b.root);
    ew_machine_close(&b.machine);
    assert_int_equal(ew_machine_open(b.root, &b.machine, NULL), EW_OK);
    b.before = b.machine->throttle;
    expect(&b, 0, "");
    tree_put(b.root, COOLING "0/cur_state", "9\n"); /* a fan is no brake */
    expect(&b, 0, "");
    tree_put(b.root, ALARMS "oc1_event_cnt", "6\n");
    tree_put(b.root, ALARMS "oc3_event_cnt", "1\n");
    expect(&b, 3, "3 alarms of over-current or under-voltage");
    tree_put(b.root, COOLING "1/cur_state", "5\n");
    expect(&b, 0, "the kernel held the clocks down at the end (cpufreq-cpu0 at 5 of 20)");
    tree_put(b.root, COOLING "1/cur_state", "0\n");
    expect(&b, 0, "the kernel held the clocks down at the start (cpufreq-cpu0 at 5 of 20)");
    end(&b);
}

static void wait_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* What came and went between two readings, and is in no count: only the meters have seen it. */
static void seen_meanwhile(struct bench *b, const char *path, const char *slow, const char *calm, const char *words) {
    struct ew_study_meters meters = {0};
    struct ew_metering metering;
    char text[EW_THROTTLE_WORDS];
    const struct ew_meter_config config = {.root = b->root};
    assert_int_equal(ew_study_meters_open(&config, "none", &meters, NULL), EW_OK);
    assert_int_equal(ew_metering_start(&meters, &metering, NULL), EW_OK);
    tree_put(b->root, path, slow);
    wait_ms(800); /* both are read every half second */
    tree_put(b->root, path, calm);
    wait_ms(600);
    ew_meter_sampler_stop(metering.sampler);
    struct ew_throttle_span span = until_now(b);
    assert_string_equal(span.words, "");
    assert_true(ew_throttle_seen(&metering, 0, INT64_MAX, text, sizeof text));
    if (strncmp(text, words, strlen(words)) != 0) fail_msg("%s", text);
    ew_throttle_span_add(&span, &metering, 0, INT64_MAX);
    assert_true(span.throttled && strncmp(span.words, "while it ran: ", 14) == 0);
    assert_string_equal(span.words + 14, text);
    assert_false(ew_throttle_seen(&metering, 0, 1, text, sizeof text)); /* not in that time */
    assert_string_equal(text, "");
    ew_metering_close(&metering);
    ew_study_meters_close(&meters);
}

static void what_only_the_meters_saw(void **state) {
    (void)state;
    struct bench b;
    begin(&b, "pi5");
    seen_meanwhile(&b, FLAGS, "50004\n", "50000\n", "throttled in ");
    end(&b);
    begin(&b, "orin-nano");
    put_jetson(b.root);
    ew_machine_close(&b.machine);
    assert_int_equal(ew_machine_open(b.root, &b.machine, NULL), EW_OK);
    b.before = b.machine->throttle;
    seen_meanwhile(&b, COOLING "1/cur_state", "5\n", "0\n", "cpufreq-cpu0 in ");
    end(&b);
}

static void a_machine_that_tells_nothing(void **state) {
    (void)state;
    struct bench b;
    begin(&b, "nothing");
    const struct ew_throttle_span span = until_now(&b);
    assert_false(span.known || span.throttled);
    assert_int_equal(span.events, EW_MISSING);
    end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_x86),
        cmocka_unit_test(flags_of_a_pi),
        cmocka_unit_test(alarms_and_cooling_of_a_jetson),
        cmocka_unit_test(what_only_the_meters_saw),
        cmocka_unit_test(a_machine_that_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
