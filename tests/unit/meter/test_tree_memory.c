/* The tree of a recorded /proc, with and without the kernel's list of children, written by hand from proc(5). */
#include "meter/tree_memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static void put(const char *root, const char *path, const char *format, ...) {
    char full[512], part[512];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - full), full);
        mkdir(part, 0777);
    }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    va_list args;
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
}

static void put_process(const char *root, int pid, int parent, int rss_mib, const char *children) {
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    put(root, path, "%d (a (b) c) S %d 1 1 0 -1 0 0\n", pid, parent);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (rss_mib > 0)
        put(root, path,
            "Name:\tx\nVmHWM:\t%d kB\nVmRSS:\t%d kB\nRssAnon:\t%d kB\nRssFile:\t1024 kB\nRssShmem:\t0 kB\nVmSwap:\t8 "
            "kB\n",
            2048 * rss_mib, 1024 * rss_mib, 1024 * rss_mib - 1024);
    else
        put(root, path, "Name:\tzombie\nState:\tZ (zombie)\n");
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    put(root, path, "00-ff ---p 0 00:00 0 [rollup]\nRss: %d kB\nPss: %d kB\n", 1024 * rss_mib, 512 * rss_mib);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    if (children) put(root, path, "%s", children);
}

/* 100 is the measuring process; below it 110 and its child 120, and a zombie 130; 200 is a stranger. Those below are
 * started after the meter. */
static void check_tree(bool children) {
    char root[] = "/tmp/edgewise-tree-XXXXXX", command[64];
    assert_non_null(mkdtemp(root));
    put_process(root, 1, 0, 5, children ? "100 200 " : NULL);
    put_process(root, 100, 1, 500, children ? "" : NULL);
    put_process(root, 200, 1, 900, children ? "" : NULL);
    struct ew_meter *meter = NULL;
    struct ew_meter_config config = {.root = root};
    assert_int_equal(ew_meter_open_tree_memory(&config, 100, &meter, NULL), EW_OK);
    assert_int_equal(ew_meter_start(meter, NULL), EW_OK);
    int64_t time;
    double v[EW_TREE_N_CHANNELS];
    size_t n = 9;
    assert_int_equal(ew_meter_read(meter, &time, v, 1, &n, NULL), EW_OK);
    assert_int_equal(n, 0); /* nothing runs yet */
    put_process(root, 100, 1, 500, children ? "110 130 " : NULL);
    put_process(root, 110, 100, 10, children ? "120 " : NULL);
    put_process(root, 120, 110, 40, children ? "" : NULL);
    put_process(root, 130, 100, 0, children ? "" : NULL);
    put_process(root, 210, 200, 700, children ? "" : NULL);
    for (int i = 0; i < 2000 && n == 0; i++) {
        usleep(5000);
        assert_int_equal(ew_meter_read(meter, &time, v, 1, &n, NULL), EW_OK);
    }
    assert_int_equal(n, 1);
    assert_true(v[EW_TREE_RSS] == 50.0 * MIB);
    assert_true(v[EW_TREE_PSS] == 25.0 * MIB);
    assert_true(v[EW_TREE_LARGEST] == 80.0 * MIB);
    assert_true(v[EW_TREE_RSS_FILE] == 2.0 * MIB && v[EW_TREE_RSS_ANON] == 48.0 * MIB);
    assert_true(v[EW_TREE_SWAP] == 16384);
    assert_int_equal(ew_tree_memory_most(meter), 2);
    ew_meter_stop(meter);
    assert_int_equal(ew_tree_memory_now(meter), 2);
    ew_meter_close(&meter);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

static void test_by_children(void **state) {
    (void)state;
    check_tree(true);
}

static void test_by_parents(void **state) {
    (void)state;
    check_tree(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_by_children), cmocka_unit_test(test_by_parents)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
