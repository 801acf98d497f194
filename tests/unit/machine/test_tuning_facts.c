/* What may be changed about a machine, from files written here in the form of the kernel's documents. */
#include "machine/cpu_features.h"
#include "machine/processor_time.h"
#include "machine/tuning_facts.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct ew_machine_tuning read_tuning(const char *root) {
    struct ew_machine *machine = NULL;
    struct ew_machine_tuning tuning;
    assert_int_equal(ew_machine_open(root, &machine, NULL), EW_OK);
    ew_machine_tuning_read(machine, root, &tuning);
    ew_machine_close(&machine);
    return tuning;
}

static void nothing_is_assumed(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    struct ew_machine_tuning t = read_tuning(root);
    assert_string_equal(t.driver, "");
    assert_int_equal(t.boost, -1);
    assert_int_equal(t.mode, -1);
    assert_int_equal(t.on_battery, -1);
    assert_int_equal(t.n_modes, 0);
    assert_true(isnan(t.slows_at_c));
    assert_null(ew_machine_largest_mode(&t));
    tree_remove(root);
}

static void boost_and_supply(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    tree_put(root, "/sys/devices/system/cpu/cpufreq/boost", "0\n");
    tree_put(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver", "acpi-cpufreq\n");
    tree_put(root, "/sys/class/power_supply/BAT0/type", "Battery\n");
    tree_put(root, "/sys/class/power_supply/BAT0/status", "Discharging\n");
    tree_put(root, "/sys/class/power_supply/AC/type", "Mains\n");
    tree_put(root, "/sys/class/power_supply/AC/online", "0\n");
    struct ew_machine_tuning t = read_tuning(root);
    assert_string_equal(t.driver, "acpi-cpufreq");
    assert_int_equal(t.boost, 0);
    assert_string_equal(t.boost_command, "echo 1 | sudo tee /sys/devices/system/cpu/cpufreq/boost");
    assert_int_equal(t.on_battery, 1);

    tree_put(root, "/sys/devices/system/cpu/intel_pstate/no_turbo",
             "1\n"); /* goes before boost, and says it backwards */
    tree_put(root, "/sys/class/power_supply/AC/online", "1\n");
    t = read_tuning(root);
    assert_int_equal(t.boost, 0);
    assert_string_equal(t.boost_command, "echo 0 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo");
    assert_int_equal(t.on_battery, 0);
    tree_put(root, "/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
    assert_int_equal(read_tuning(root).boost, 1);
    tree_remove(root);

    tree_unpack("nothing", root); /* the battery of a mouse says nothing about the computer */
    tree_put(root, "/sys/class/power_supply/hid-1/type", "Battery\n");
    tree_put(root, "/sys/class/power_supply/hid-1/scope", "Device\n");
    tree_put(root, "/sys/class/power_supply/hid-1/status", "Discharging\n");
    assert_int_equal(read_tuning(root).on_battery, -1);
    tree_remove(root);
}

static void temperatures_where_it_slows_down(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("pi5", root);
    assert_true(read_tuning(root).slows_at_c == 80);
    tree_remove(root);

    tree_unpack("orin-nano", root);
    assert_true(isnan(read_tuning(root).slows_at_c)); /* its tree records no trip points */
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_0_type", "active\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_0_temp", "50000\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_1_type", "passive\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_1_temp", "99000\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_2_type", "passive\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_2_temp", "95500\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_3_type", "critical\n");
    tree_put(root, "/sys/class/thermal/thermal_zone0/trip_point_3_temp", "104500\n");
    assert_true(read_tuning(root).slows_at_c == 95.5);
    tree_remove(root);

    tree_unpack("intel-laptop", root);
    assert_true(isnan(read_tuning(root).slows_at_c));
    tree_put(root, "/sys/class/hwmon/hwmon0/temp1_crit", "100000\n");
    struct ew_machine_tuning t = read_tuning(root);
    assert_true(t.slows_at_c == 100);
    assert_string_equal(t.slows_source, "Tjmax");
    tree_remove(root);
}

static void jetson_modes(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("orin-nano", root);
    struct ew_machine_tuning t = read_tuning(root);
    assert_int_equal(t.mode, 1);
    assert_int_equal(t.n_modes, 3);
    assert_string_equal(t.modes[1].name, "25W");
    assert_int_equal(ew_machine_largest_mode(&t)->id, 2);
    tree_put(
        root, "/etc/nvpmodel.conf",
        "# comment\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=MODE_15W_6CORE >\n"
        "< POWER_MODEL ID=x NAME=bad >\n< POWER_MODEL ID=3 NAME=MODE_30W_ALL >\n< POWER_MODEL ID=4 NAME=");
    t = read_tuning(root);
    assert_int_equal(ew_machine_largest_mode(&t) ? ew_machine_largest_mode(&t)->id : -1, -1); /* the last has no name */
    t.n_modes = 3;
    assert_int_equal(ew_machine_largest_mode(&t)->id, 0);
    t.modes[0] = t.modes[--t.n_modes];
    assert_int_equal(ew_machine_largest_mode(&t)->id, 3); /* 30 W; "6CORE" is no power */
    tree_remove(root);
}

static void recorded_features(void **state) {
    (void)state;
    static const struct {
        const char *cpuinfo;
        uint64_t features;
    } cases[] = {
        {"flags\t\t: fpu avx2 avx512f avx512dq avx512bw avx512vl avx512cd avx512_vnni\n",
         EW_CPU_AVX2 | EW_CPU_AVX512 | EW_CPU_AVX512VNNI},
        {"flags\t\t: fpu avx2 avx512f\n", EW_CPU_AVX2}, /* kernels need all five parts */
        {"flags\t\t: fpu avx2x xavx2 noavx2\n", 0},
        {"flags\t\t: fpu avx2 avx_vnni\n", EW_CPU_AVX2 | EW_CPU_AVXVNNI},
        {"Features\t: fp asimd asimdhp asimddp\n", EW_CPU_NEON | EW_CPU_FP16 | EW_CPU_DOTPROD},
        {"Features\t: asimd i8mm sve bf16 svei8mm\n", EW_CPU_NEON | EW_CPU_I8MM | EW_CPU_SVE | EW_CPU_BF16},
        {"Features\t: asimd svei8mm svebf16\n", EW_CPU_NEON},
        {"", 0},
    };
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tree_put(root, "/proc/cpuinfo", cases[i].cpuinfo);
        assert_int_equal(ew_cpu_features_recorded(root), cases[i].features);
    }
    tree_remove(root);
    assert_int_equal(ew_cpu_features_recorded("/nonexistent"), 0);
}

static void processor_time(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_processor_time t;
    tree_unpack("nothing", root);
    assert_false(ew_processor_time_read(root, &t));
    /* proc(5): user nice system idle iowait irq softirq steal guest guest_nice; guest is part of user already */
    tree_put(root, "/proc/stat", "cpu  100 20 30 4000 500 6 7 800 90 10\ncpu0 1 2 3 4\n");
    assert_true(ew_processor_time_read(root, &t));
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    assert_true(fabs(t.busy_s - 163 * tick) < 1e-9);
    assert_true(fabs(t.steal_s - 800 * tick) < 1e-9);
    assert_true(t.own_s == 0);
    tree_put(root, "/proc/stat", "cpu  100 20 30\n");
    assert_false(ew_processor_time_read(root, &t));
    tree_remove(root);
}

static void busiest_process(void **state) {
    (void)state;
    struct ew_process_time was[] = {{.pid = 1, .name = "init", .cpu_s = 500}, {.pid = 7, .name = "old", .cpu_s = 3}};
    struct ew_process_time is[] = {{.pid = 1, .name = "init", .cpu_s = 500.1},
                                   {.pid = 7, .name = "old", .cpu_s = 3.4},
                                   {.pid = 9, .name = "new", .cpu_s = 0.2},
                                   {.pid = getpid(), .name = "self", .cpu_s = 50}};
    struct ew_process_times before = {2, was}, after = {4, is}, none = {0, NULL};
    struct ew_process_time busiest = ew_process_times_busiest(&before, &after);
    assert_string_equal(busiest.name, "old");
    assert_true(fabs(busiest.cpu_s - 0.4) < 1e-9);
    assert_string_equal(ew_process_times_busiest(&after, &none).name, "");

    struct ew_process_times here; /* this process is among those of this machine, under its own name */
    ew_process_times_read(&here);
    bool found = false;
    for (size_t i = 0; i < here.n; i++)
        found |= here.at[i].pid == getpid() && strstr("test_tuning_facts", here.at[i].name);
    assert_true(found);
    ew_process_times_free(&here);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_assumed),
        cmocka_unit_test(boost_and_supply),
        cmocka_unit_test(temperatures_where_it_slows_down),
        cmocka_unit_test(jetson_modes),
        cmocka_unit_test(recorded_features),
        cmocka_unit_test(processor_time),
        cmocka_unit_test(busiest_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
