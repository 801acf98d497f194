/* The machine's facts from recorded trees (expectations: the trees' own text), from hostile trees, and from the machine
 * that runs the test, against what the operating system says by other means. */
#include "machine/facts.h"
#include "recorded_tree.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

static struct ew_machine *open_tree(const char *name, char root[TREE_ROOT_BYTES]) {
    tree_unpack(name, root);
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    return m;
}

static void close_tree(struct ew_machine *m, const char *root) {
    ew_machine_close(&m);
    tree_remove(root);
}

static void test_orin_nano(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_machine *m = open_tree("orin-nano", root);
    assert_string_equal(m->board, "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super");
    assert_string_equal(m->cpu_model, "Cortex-A78AE");
    assert_string_equal(m->vendor, "ARM");
    assert_string_equal(m->architecture, "aarch64");
    assert_string_equal(m->kernel, "Linux 5.15.148-tegra");
    assert_string_equal(m->os, "Ubuntu 22.04.5 LTS");
    assert_string_equal(m->power_mode, "1 25W");
    assert_int_equal(m->threads, 2);
    assert_int_equal(m->cores, 2);
    assert_string_equal(m->cpus[1].governor, "schedutil"); /* by the policy that names it */
    assert_true(m->cpus[1].max_mhz == 1344.0 && m->cpus[1].hardware_max_mhz == 1728.0);
    assert_true(m->cpus[0].min_mhz == 729.6 && m->cpus[0].now_mhz == 1190.4);
    assert_int_equal(m->memory.available_bytes, 6310020LL * 1024);
    assert_int_equal(m->memory.zram_bytes, 2 * 1950688LL * 1024);
    assert_int_equal(m->n_temperatures, 3); /* cpu_thermal is not listed twice */
    assert_true(ew_machine_cpu_temperature_c(m) == 48.468);
    assert_true(isnan(m->temperatures[2].degrees_c)); /* switched off */
    assert_int_equal(m->throttle.core_events, -1);
    assert_int_equal(m->throttle.pi_flags, -1);
    close_tree(m, root);
}

static void test_pi5(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_machine *m = open_tree("pi5", root);
    assert_string_equal(m->board, "Raspberry Pi 5 Model B Rev 1.0");
    assert_string_equal(m->cpu_model, "Cortex-A76");
    assert_int_equal(m->throttle.pi_flags, 0x50000);
    assert_true(ew_machine_cpu_temperature_c(m) == 51.25);
    /* The limit is on the parent group; 1 GiB in use, of which 256 MiB is cache that it gives back. */
    assert_int_equal(m->memory.cgroup_limit_bytes, 4LL << 30);
    assert_int_equal(m->memory.cgroup_used_bytes, 768LL << 20);
    assert_int_equal(ew_machine_free_bytes(m), (4LL << 30) - (768LL << 20));
    assert_true(m->quota == 1.5);
    assert_int_equal(m->usable, 1);
    assert_int_equal(ew_machine_usable_cores(m), 1);
    assert_true(isnan(m->cpus[1].max_mhz)); /* this tree says it of CPU 0 alone */
    tree_put(root, "/sys/class/thermal/thermal_zone0/temp", "83400\n");
    tree_put(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2400000\n");
    ew_machine_refresh(m, root);
    assert_true(ew_machine_cpu_temperature_c(m) == 83.4 && m->cpus[0].now_mhz == 2400.0);
    close_tree(m, root);
}

static void test_laptop(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_machine *m = open_tree("intel-laptop", root);
    assert_string_equal(m->board, "LENOVO 20XW004AGE");
    assert_string_equal(m->vendor, "GenuineIntel");
    assert_string_equal(m->cpu_model, "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz");
    assert_string_equal(m->power_mode, "balanced");
    assert_string_equal(m->cpus[0].preference, "balance_performance");
    assert_int_equal(m->threads, 2);
    assert_int_equal(m->cores, 1);
    assert_int_equal(ew_machine_usable_cores(m), 1);
    assert_int_equal(m->throttle.core_events, 7);
    assert_int_equal(m->throttle.package_events, 12);
    assert_true(ew_machine_cpu_temperature_c(m) == 53.0);
    assert_int_equal(m->n_caches, 1);
    assert_int_equal(m->caches[0].size_bytes, 48 * 1024);
    assert_int_equal(m->caches[0].shared_by, 2);
    assert_int_equal(m->caches[0].instances, 1);
    assert_true(isnan(m->quota) && m->memory.cgroup_limit_bytes == -1);
    close_tree(m, root);
}

static void test_desktop_and_nothing(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_machine *m = open_tree("amd-desktop", root);
    assert_string_equal(m->board, "ASRock X570 Taichi"); /* not what its maker left to be filled */
    assert_true(ew_machine_cpu_temperature_c(m) == 61.25);
    assert_int_equal(m->memory.swap_total_bytes, -1);
    close_tree(m, root);
    m = open_tree("nothing", root);
    assert_string_equal(m->hypervisor, "virtual machine");
    assert_string_equal(m->cpu_model, "AMD EPYC");
    assert_string_equal(m->board, "");
    assert_int_equal(m->threads, 1);
    assert_int_equal(m->cores, -1);
    assert_int_equal(m->packages, -1);
    assert_true(isnan(ew_machine_cpu_temperature_c(m)) && isnan(m->cpus[0].now_mhz));
    assert_int_equal(ew_machine_usable_cores(m), 1);
    close_tree(m, root);
}

/* An empty root knows nothing and says so. */
static void test_empty(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    char inside[TREE_ROOT_BYTES + 8];
    snprintf(inside, sizeof inside, "%s/etc", root);
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(inside, &m, NULL), EW_OK);
    assert_int_equal(m->n_cpus, 0);
    assert_int_equal(m->threads, -1);
    assert_int_equal(m->memory.total_bytes, -1);
    assert_int_equal(ew_machine_free_bytes(m), -1);
    assert_int_equal(ew_machine_core_order(m, NULL, 0), 0);
    assert_int_equal(ew_machine_usable_cores(m), 1);
    close_tree(m, root);
}

static void test_hostile(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES], blob[6000];
    tree_unpack("intel-laptop", root);
    memset(blob, 'A', sizeof blob - 1);
    blob[sizeof blob - 1] = 0;
    static const char *const paths[] = {"/sys/class/dmi/id/product_name",
                                        "/sys/devices/system/cpu/cpu0/cache/index0/size",
                                        "/etc/os-release",
                                        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
                                        "/sys/class/hwmon/hwmon0/name",
                                        "/proc/meminfo",
                                        "/sys/devices/system/cpu/cpu0/topology/thread_siblings_list",
                                        "/proc/self/cgroup",
                                        "/proc/cpuinfo"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        tree_put(root, paths[i], blob);
        struct ew_machine *m = NULL;
        assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
        assert_true(m->n_cpus <= 2);
        ew_machine_close(&m);
    }
    tree_put(root, "/sys/devices/system/cpu/online", "0-99999999999999999999,-1,7-3");
    tree_put(root, "/sys/devices/system/cpu/cpu0/cache/index0/size", "99999999999999999999999G");
    tree_put(root, "/proc/meminfo", "MemTotal: 99999999999999999999 kB\nMemAvailable: -5 kB\n");
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    assert_int_equal(m->memory.total_bytes, -1);
    assert_int_equal(m->memory.available_bytes, -1);
    close_tree(m, root);
}

static void test_lists(void **state) {
    (void)state;
    bool set[8] = {false};
    assert_true(ew_facts_parse_list("0-1,5,7-900\n", set, 8));
    const bool expected[8] = {true, true, false, false, false, true, false, true};
    assert_memory_equal(set, expected, sizeof set);
    assert_true(ew_facts_parse_list("", set, 8));
    static const char *const bad[] = {"a", "3-1", "1-", "1;2", "-4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(ew_facts_parse_list(bad[i], set, 8));
    assert_memory_equal(set, expected, sizeof set);
}

static void test_this_machine(void **state) {
    (void)state;
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(NULL, &m, NULL), EW_OK);
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    assert_int_equal(m->threads, get_nprocs());
    int ids[1024];
    size_t n = ew_machine_core_order(m, ids, 1024);
    assert_int_equal(n, CPU_COUNT(&set));
    for (size_t i = 0; i < n; i++) {
        assert_true(CPU_ISSET(ids[i], &set));
        for (size_t k = 0; k < i; k++) assert_true(ids[k] != ids[i]);
    }
    assert_true(m->usable >= 1 && m->usable <= (int)n);
    struct sysinfo info;
    assert_int_equal(sysinfo(&info), 0);
    assert_int_equal(m->memory.total_bytes, (int64_t)info.totalram * info.mem_unit);
    assert_true(m->memory.available_bytes > 0 && m->memory.available_bytes < m->memory.total_bytes);
    struct utsname u;
    assert_int_equal(uname(&u), 0);
    assert_string_equal(m->architecture, u.machine);
    ew_machine_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orin_nano), cmocka_unit_test(test_pi5),
        cmocka_unit_test(test_laptop),    cmocka_unit_test(test_empty),
        cmocka_unit_test(test_hostile),   cmocka_unit_test(test_desktop_and_nothing),
        cmocka_unit_test(test_lists),     cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
