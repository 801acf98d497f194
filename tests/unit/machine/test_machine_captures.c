/* The topology of real machines, from the captures of hwloc and lscpu. Expectations: the archives' own names (packages,
 * cores and threads are part of them) and lscpu's expected output beside them. */
#include "machine/machine.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct expected {
    const char *archive, *inside;
    int packages, cores, threads, kinds;
    const char *model; /* part of the processor's name */
    void (*more)(const struct ew_machine *m);
};

static void check(const struct expected *e) {
    char root[TREE_ROOT_BYTES];
    if (!tree_untar(e->archive, e->inside, root)) {
        print_message("skipped: %s is not here\n", e->archive);
        skip();
    }
    struct ew_machine *m = NULL;
    assert_int_equal(ew_machine_open(root, &m, NULL), EW_OK);
    tree_remove(root);
    if (m->packages != e->packages || m->cores != e->cores || m->threads != e->threads || m->kinds != e->kinds ||
        !strstr(m->cpu_model, e->model))
        fail_msg("%s: %d packages, %d cores, %d threads, %d kinds, `%s`", e->inside, m->packages, m->cores, m->threads,
                 m->kinds, m->cpu_model);
    if (e->more) e->more(m);
    ew_machine_close(&m);
}

/* Twelve threads of six fast cores are CPUs 0-11, two by two; 12-19 are the small cores. CPUs 4 and 8 are of two
 * favoured cores (5.2 instead of 5.0 GHz). */
static void check_hybrid(const struct ew_machine *m) {
    static const int expected[20] = {4, 8, 0, 2, 6, 10, 12, 13, 14, 15, 16, 17, 18, 19, 5, 9, 1, 3, 7, 11};
    int ids[20];
    assert_int_equal(ew_machine_core_order(m, ids, 20), 20);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_int_equal(ew_machine_usable_cores(m), 14);
    assert_string_equal(m->board, "HP EliteBook 840 14 inch G10 Notebook PC");
}

/* One X3 (CPU 7) first, then the four of 2.8 GHz, the three small ones last. */
static void check_phone(const struct ew_machine *m) {
    static const int expected[8] = {7, 3, 4, 5, 6, 0, 1, 2};
    int ids[8];
    assert_int_equal(ew_machine_core_order(m, ids, 8), 8);
    assert_memory_equal(ids, expected, sizeof expected);
    assert_true(m->cpus[7].hardware_max_mhz == 3187.2 && m->cpus[0].hardware_max_mhz == 2016.0);
}

/* A batch job in a control group with CPUs 0-5 of 32. */
static void check_job(const struct ew_machine *m) {
    int ids[32];
    assert_int_equal(ew_machine_core_order(m, ids, 32), 6);
    for (int i = 0; i < 6; i++) assert_true(ids[i] < 6);
    assert_int_equal(m->usable, 6);
}

/* lscpu says of the i7-1165G7: L1d 192 KiB (4 instances), L1i 128 (4), L2 5 MiB (4), L3 12 MiB (1). */
static void check_caches(const struct ew_machine *m) {
    static const struct ew_machine_cache expected[] = {{1, "Data", 192 * 256, 4, 2},
                                                       {1, "Instruction", 128 * 256, 4, 2},
                                                       {2, "Unified", 5 << 18, 4, 2},
                                                       {3, "Unified", 12 << 20, 1, 8}};
    assert_int_equal(m->n_caches, 4);
    for (size_t i = 0; i < 4; i++) {
        size_t k = 0;
        while (k < 4 && (m->caches[k].level != expected[i].level || strcmp(m->caches[k].type, expected[i].type))) k++;
        assert_true(k < 4);
        assert_int_equal(m->caches[k].size_bytes, expected[i].size_bytes);
        assert_int_equal(m->caches[k].instances, expected[i].instances);
        assert_int_equal(m->caches[k].shared_by, expected[i].shared_by);
    }
    assert_true(m->cpus[0].hardware_max_mhz == 4700.0);
}

static void test_hwloc(void **state) {
    (void)state;
    static const struct expected machines[] = {
        {"hwloc/128arm-2pa2n8cluster4co.tar.bz2", "128arm-2pa2n8cluster4co", 2, 128, 128, 1, "TaiShan-v110", NULL},
        {"hwloc/20em64t-hybrid-1p6c2t+2ca4co1t.tar.bz2", "20em64t-hybrid-1p6c2t+2ca4co1t", 1, 14, 20, 2, "i7-13",
         check_hybrid},
        {"hwloc/2arm-2c.tar.bz2", "2arm-2c", 1, 2, 2, 1, "Cortex-A9", NULL},
        {"hwloc/32amd64-4s2n4c-cgroup2.tar.bz2", "32amd64-4s2n4c-cgroup", 4, 32, 32, 1, "Opteron", check_job},
        {"hwloc/8em64t-2s4c-asymcaches.tar.bz2", "8em64t-2s4c-heterogeneous", 2, 8, 8, 1, "E5345", NULL},
        {"hwloc/nvidia-dgx-gb10.tar.bz2", "nvidia-dgx-gb10", 1, 20, 20, 2, "Cortex-X925 + Cortex-A725", NULL},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) check(&machines[i]);
}

static void test_lscpu(void **state) {
    (void)state;
    static const struct expected machines[] = {
        {"lscpu/arm-A510-A710-A715-X3.tar.gz", "arm-A510-A710-A715-X3", 1, 8, 8, 3, "Cortex-X3 + ", check_phone},
        {"lscpu/armv7.tar.gz", "armv7", 1, 2, 2, 1, "Cortex-A15", NULL},
        {"lscpu/rv64-visionfive2.tar.gz", "rv64-visionfive2", 1, 4, 4, 1, "sifive,u74-mc", NULL},
        {"lscpu/x86_64-64cpu-linux6.2.tar.gz", "x86_64-64cpu-linux6.2", 1, 4, 8, 1, "i7-1165G7", check_caches},
        {"lscpu/x86_64-dell_e4310.tar.gz", "x86_64-dell_e4310", 1, 2, 4, 1, "M 560", NULL},
    };
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++) check(&machines[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hwloc), cmocka_unit_test(test_lscpu)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
