/* Fans, cooling devices and throttle counts below a recorded tree: what becomes a meter, and what a difference says.
 * Expectations: the files' own text, divided by hand. */
#include "edgewise/meter.h"
#include "machine/machine.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COOLING "/sys/class/thermal/cooling_device"
#define X86 "/sys/devices/system/cpu/cpu0/thermal_throttle/"

static void put_machine(char root[TREE_ROOT_BYTES]) {
    tree_unpack("nothing", root);
    tree_put(root, "/sys/class/hwmon/hwmon3/name", "nct6775\n");
    tree_put(root, "/sys/class/hwmon/hwmon3/fan1_input", "1098\n");
    tree_put(root, "/sys/class/hwmon/hwmon3/fan1_min", "0\n");
    tree_put(root, "/sys/class/hwmon/hwmon3/pwm1", "51\n");
    tree_put(root, "/sys/class/hwmon/hwmon3/pwm1_enable", "5\n");
    tree_put(root, COOLING "0/type", "pwm-fan\n");
    tree_put(root, COOLING "0/cur_state", "1\n");
    tree_put(root, COOLING "0/max_state", "4\n");
    tree_put(root, COOLING "1/type", "cpufreq-cpu0\n");
    tree_put(root, COOLING "1/cur_state", "3\n");
    tree_put(root, COOLING "1/max_state", "10\n");
    tree_put(root, COOLING "2/type", "LCD\n");
    tree_put(root, COOLING "2/cur_state", "5\n");
    tree_put(root, COOLING "2/max_state", "10\n");
    tree_put(root, "/sys/class/hwmon/hwmon4/oc1_event_cnt", "2\n");
    tree_put(root, "/sys/class/hwmon/hwmon4/oc3_event_cnt", "5\n");
    tree_put(root, "/sys/devices/system/cpu/online", "0\n");
    tree_put(root, X86 "core_throttle_count", "7\n");
    tree_put(root, X86 "core_throttle_total_time_ms", "1500\n");
    tree_put(root, "/dev/vcio/get_throttled", "throttled=0x50001");
}

/* The channel's reading; fails the test where there is no such meter or channel. */
static double reading(const struct ew_meter_list *list, const char *meter, const char *channel, const char *unit) {
    struct ew_meter *m = ew_meter_list_find(list, meter);
    assert_non_null(m);
    const struct ew_meter_info *info = ew_meter_info(m);
    double values[32], value = NAN;
    int64_t time;
    size_t n = 0;
    assert_in_range(info->n_channels, 1, 32);
    assert_string_equal(ew_meter_unit_name(info), unit);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(ew_meter_read(m, &time, values, 1, &n, NULL), EW_OK);
    ew_meter_stop(m);
    assert_int_equal(n, 1);
    for (size_t c = 0; c < info->n_channels; c++)
        if (strcmp(info->channels[c].name, channel) == 0) value = values[c];
    assert_false(isnan(value));
    return value;
}

static void test_meters(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_meter_list *list = NULL;
    put_machine(root);
    const struct ew_meter_config config = {.root = root};
    assert_int_equal(ew_meter_list_probe(&config, &list, NULL), EW_OK);
    assert_true(reading(list, "fan", "nct6775 fan1", "rpm") == 1098);
    assert_true(fabs(reading(list, "fan-drive", "nct6775 pwm1", "1") - 0.2) < 1e-12);
    assert_true(reading(list, "fan-drive", "pwm-fan", "1") == 0.25);
    assert_true(fabs(reading(list, "cooling", "cpufreq-cpu0", "1") - 0.3) < 1e-12);
    assert_int_equal(ew_meter_info(ew_meter_list_find(list, "cooling"))->n_channels, 1); /* the display is no brake */
    assert_true(reading(list, "throttle", "core heat", "events") == 7);
    assert_true(reading(list, "throttle", "over-current", "events") == 7);
    assert_int_equal(ew_meter_info(ew_meter_list_find(list, "throttle"))->n_channels, 2);
    assert_true(reading(list, "throttle-time", "core heat", "s") == 1.5);
    assert_true(reading(list, "pi-throttle", "under-voltage now", "1") == 1);
    assert_true(reading(list, "pi-throttle", "throttled now", "1") == 0);
    assert_true(reading(list, "pi-throttle", "throttled since boot", "1") == 1);
    ew_meter_list_close(&list);
    tree_remove(root);
}

static void test_a_machine_that_tells_nothing(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    static const char *const names[] = {"fan", "fan-drive", "cooling", "throttle", "throttle-time", "pi-throttle"};
    struct ew_meter_list *list = NULL;
    struct ew_machine *m = NULL;
    tree_unpack("nothing", root);
    const struct ew_meter_config config = {.root = root};
    assert_int_equal(ew_meter_list_probe(&config, &list, NULL), EW_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) assert_null(ew_meter_list_find(list, names[i]));
    ew_meter_list_close(&list);
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    assert_false(ew_machine_throttle_is_known(&m->throttle));
    assert_int_equal(ew_machine_throttle_events(&m->throttle, &m->throttle), -1);
    ew_machine_close(&m);
    tree_remove(root);
}

static void test_differences_in_words(void **state) {
    (void)state;
    char text[512];
    const struct ew_machine_throttle calm = {.package_events = -1, .package_ms = -1, .pi_flags = 0x10000};
    struct ew_machine_throttle after = calm;
    assert_false(ew_machine_throttle_words(&calm, &after, text, sizeof text));
    assert_string_equal(text, "");
    after.core_events = 12;
    after.core_ms = 340;
    after.over_current_events = 2;
    after.pi_flags = 0x50000; /* under-voltage was there before; throttled is new */
    after.cooling_state = 3;
    after.cooling_most = 10;
    memcpy(after.cooling_name, "cpufreq-cpu0", sizeof "cpufreq-cpu0");
    assert_true(ew_machine_throttle_words(&calm, &after, text, sizeof text));
    assert_string_equal(text,
                        "cores slowed by heat 12 times, 340 ms in all; 2 alarms of over-current or under-voltage; "
                        "throttled in between; the kernel held the clocks down at the end (cpufreq-cpu0 at 3 of "
                        "10)");
    assert_int_equal(ew_machine_throttle_events(&calm, &after), 14);
    assert_true(ew_machine_throttle_now(&after, text, sizeof text));
    assert_string_equal(text, "the kernel holds the clocks down (cpufreq-cpu0 at 3 of 10)"); /* since boot is not now */
    after.pi_flags = 0x5000a;
    assert_true(ew_machine_throttle_now(&after, text, sizeof text));
    assert_string_equal(text,
                        "frequency capped; soft temperature limit; the kernel holds the clocks down (cpufreq-cpu0 "
                        "at 3 of 10)");
    assert_false(ew_machine_throttle_now(&calm, text, sizeof text));
    char small[16];
    after.pi_flags = 0x50000;
    assert_true(ew_machine_throttle_words(&calm, &after, small, sizeof small));
    assert_string_equal(small, "cores slowed by");
}

/* At both ends it is said once, with what changed. */
static void test_cooling_at_both_ends(void **state) {
    (void)state;
    struct ew_machine_throttle before = ew_machine_throttle_unknown(), after;
    before.cooling_state = 3;
    before.cooling_most = 10;
    memcpy(before.cooling_name, "cpufreq-cpu0", sizeof "cpufreq-cpu0");
    static const struct {
        int64_t state, most;
        const char *name, *words;
    } cases[] = {
        {3, 10, "cpufreq-cpu0", "at start and end (cpufreq-cpu0 at 3 of 10)"},
        {7, 10, "cpufreq-cpu0", "at start and end (cpufreq-cpu0 at 3 and 7 of 10)"},
        {2, 4, "cpufreq-cpu4", "at start and end (cpufreq-cpu0 at 3 of 10, cpufreq-cpu4 at 2 of 4)"},
        {0, 0, "", "at the start (cpufreq-cpu0 at 3 of 10)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256], expected[256] = "the kernel held the clocks down ";
        after = before;
        after.cooling_state = cases[i].state;
        after.cooling_most = cases[i].most;
        snprintf(after.cooling_name, sizeof after.cooling_name, "%s", cases[i].name);
        assert_true(ew_machine_throttle_words(&before, &after, text, sizeof text));
        assert_string_equal(text, strcat(expected, cases[i].words));
        for (size_t size = 1; size < 90; size++) { /* cut anywhere, and no further */
            char cut[96];
            memset(cut, 'x', sizeof cut);
            ew_machine_throttle_words(&before, &after, cut, size);
            assert_true(strlen(cut) < size && strncmp(cut, text, strlen(cut)) == 0 && cut[size] == 'x');
        }
    }
}

/* Regression: a zone of a Jetson that is switched off says -256 degrees, which was shown and stored as a temperature.
 */
static void test_a_sensor_that_is_off(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_meter_list *list = NULL;
    tree_unpack("orin-nano", root);
    const struct ew_meter_config config = {.root = root};
    assert_int_equal(ew_meter_list_probe(&config, &list, NULL), EW_OK);
    struct ew_meter *m = ew_meter_list_find(list, "temperature");
    double values[3];
    int64_t time;
    size_t n;
    assert_int_equal(ew_meter_info(m)->n_channels, 3);
    assert_string_equal(ew_meter_info(m)->channels[2].name, "cv0-thermal");
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(ew_meter_read(m, &time, values, 1, &n, NULL), EW_OK);
    assert_true(fabs(values[0] - 48.468) < 1e-9 && isnan(values[2]));
    ew_meter_list_close(&list);
    tree_remove(root);
}

/* One event is not "1 times", and a machine that tells of its power limit alone tells something. */
static void test_single_events(void **state) {
    (void)state;
    char text[256];
    struct ew_machine_throttle before = ew_machine_throttle_unknown(), after;
    assert_false(ew_machine_throttle_is_known(&before));
    before.power_limit_events = 0;
    assert_true(ew_machine_throttle_is_known(&before));
    before.package_events = before.over_current_events = 4;
    after = before;
    after.package_events = after.over_current_events = 5;
    after.power_limit_events = 1;
    assert_true(ew_machine_throttle_words(&before, &after, text, sizeof text));
    assert_string_equal(text, "package slowed by heat 1 time; package held at its power limit 1 time; 1 alarm of "
                              "over-current or under-voltage");
    assert_int_equal(ew_machine_throttle_events(&before, &after), 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meters),
        cmocka_unit_test(test_a_machine_that_tells_nothing),
        cmocka_unit_test(test_differences_in_words),
        cmocka_unit_test(test_single_events),
        cmocka_unit_test(test_cooling_at_both_ends),
        cmocka_unit_test(test_a_sensor_that_is_off),
    };
    return cmocka_run_group_tests_name("cooling_meter", tests, NULL, NULL);
}
