/* Swapping, zram, pressure and limits of groups. No capture has all of them before and after a run, so the trees are
 * written here by hand in the form of the kernel's documents; a capture of /proc serves where it is at hand. */
#include "machine/memory_activity.h"
#include "recorded_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put_group(const char *root) {
    tree_put(root, "/proc/self/cgroup", "0::/jobs/one\n");
    tree_put(root, "/proc/self/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n");
    tree_put(root, "/sys/fs/cgroup/jobs/one/memory.max", "max\n");
    tree_put(root, "/sys/fs/cgroup/jobs/memory.max", "536870912\n");
}

static void put_events(const char *root, const char *events, const char *current) {
    tree_put(root, "/sys/fs/cgroup/jobs/memory.events", events);
    tree_put(root, "/sys/fs/cgroup/jobs/memory.current", current);
    /* The group itself has no limit: its own counts are not those that matter. */
    tree_put(root, "/sys/fs/cgroup/jobs/one/memory.events", "low 0\nhigh 0\nmax 77\noom 77\noom_kill 77\n");
}

static void put_before(const char *root) {
    put_group(root);
    put_events(root, "low 0\nhigh 4\nmax 10\noom 1\noom_kill 1\n", "400000000\n");
    tree_put(root, "/proc/vmstat",
             "nr_free_pages 9\npgpgin 4\npswpin 1000\npswpout 2000\npgfault 900\npgmajfault 50\n"
             "workingset_refault_anon 6\nworkingset_refault_file 70\n");
    tree_put(root, "/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 3 kB\nMemAvailable:    500 kB\n");
    tree_put(root, "/proc/pressure/memory",
             "some avg10=0.00 avg60=0.03 avg300=0.05 total=339110\n"
             "full avg10=0.00 avg60=0.02 avg300=0.04 total=301593\n");
    tree_put(root, "/sys/block/zram0/mm_stat",
             "  104857600  26214400  27262976        0  30000000      12        0        0        0\n");
    tree_put(root, "/sys/block/vda/size", "1\n");
}

static void put_after(const char *root) {
    put_events(root, "low 0\nhigh 4\nmax 13\noom 1\noom_kill 1\n", "536000000\n");
    tree_put(root, "/proc/vmstat",
             "nr_free_pages 9\npgpgin 4\npswpin 1512\npswpout 5149\npgfault 990\npgmajfault 61\n"
             "workingset_refault_anon 9\nworkingset_refault_file 582\n");
    tree_put(root, "/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 3 kB\nMemAvailable:    200 kB\n");
    tree_put(root, "/proc/pressure/memory",
             "some avg10=9.00 avg60=0.03 avg300=0.05 total=1139110\n"
             "full avg10=5.00 avg60=0.02 avg300=0.04 total=801593\n");
    tree_put(root, "/sys/block/zram0/mm_stat",
             "  117440512  30408704  31457280        0  32000000      12        0        0        0\n");
}

static const int64_t ten_s = 10000000000;

static struct ew_memory_activity before_and_after(const char *root, int64_t page_bytes) {
    struct ew_memory_reading before, after;
    struct ew_memory_activity a;
    put_before(root);
    ew_memory_reading_take(root, &before);
    put_after(root);
    ew_memory_reading_take(root, &after);
    assert_int_equal(before.page_bytes, -1); /* a recorded machine does not say */
    before.page_bytes = after.page_bytes = page_bytes;
    ew_memory_activity_between(&before, &after, ten_s, &a);
    return a;
}

static void every_count_by_hand(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("nothing", root);
    struct ew_memory_activity a = before_and_after(root, 4096);
    assert_int_equal(a.swapped_in_pages, 512);
    assert_int_equal(a.swapped_out_pages, 3149);
    assert_int_equal(a.major_faults, 11);
    assert_int_equal(a.reread_pages, 512);
    assert_int_equal(a.available_before_bytes, 512000);
    assert_int_equal(a.available_after_bytes, 204800);
    assert_int_equal(a.stalled_us, 800000);
    assert_int_equal(a.stalled_all_us, 500000);
    assert_int_equal(a.limit_bytes, 536870912);
    assert_int_equal(a.used_before_bytes, 400000000);
    assert_int_equal(a.used_after_bytes, 536000000);
    assert_int_equal(a.limit_hits, 3);
    assert_int_equal(a.above_high, 0);
    assert_int_equal(a.limit_oom, 0);
    assert_int_equal(a.oom_kills, 0);
    assert_int_equal(a.n_zram, 1);
    assert_string_equal(a.zram[0].name, "zram0");
    assert_int_equal(a.zram[0].original_before_bytes, 104857600);
    assert_int_equal(a.zram[0].original_after_bytes, 117440512);
    assert_int_equal(a.zram[0].compressed_after_bytes, 30408704);
    assert_int_equal(a.zram[0].used_after_bytes, 31457280);
    tree_remove(root);
}

/* 3149 pages of 4 KiB are 12.3 MiB, 512 are 2 MiB; zram took up 12 MiB. */
static void words_and_flags(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES], words[EW_MEMORY_WORDS_BYTES], unknown[EW_MEMORY_WORDS_BYTES];
    tree_unpack("nothing", root);
    struct ew_memory_activity a = before_and_after(root, 4096);
    assert_true(ew_memory_activity_words(&a, words, sizeof words));
    assert_string_equal(words,
                        "swapped out 12.3 MiB; swapped in 2.0 MiB; zram0 took up 12.0 MiB more, now 112.0 MiB in "
                        "30.0 MiB of memory; memory pressure stalled tasks for 0.8 s, all of them at once for "
                        "0.5 s; the cgroup's memory limit was hit 3 times; 2.0 MiB of files that had been dropped "
                        "for want of memory were read again");
    assert_int_equal(ew_memory_activity_flags(&a),
                     EW_MEMORY_SWAPPED | EW_MEMORY_STALLED | EW_MEMORY_LIMIT | EW_MEMORY_REREAD);
    ew_memory_activity_unknown_words(&a, unknown, sizeof unknown);
    assert_string_equal(unknown, "");
    for (size_t n = 1; n < 80; n++) { /* cut, never beyond its end */
        memset(words, 'x', sizeof words);
        ew_memory_activity_words(&a, words, n);
        assert_true(memchr(words, 0, n) != NULL && words[n] == 'x');
    }
    tree_remove(root);
    struct ew_memory_activity recorded = {.page_bytes = -1, .swapped_out_pages = 1, .swapped_in_pages = 3149};
    assert_true(ew_memory_activity_words(&recorded, words, sizeof words));
    assert_string_equal(words, "swapped out 1 page; swapped in 3149 pages");
}

/* One page of 16 KiB less than 1 MiB, and one more; 99 and 100 ms of 10 s. */
static void thresholds(void **state) {
    (void)state;
    struct ew_memory_activity a = {.page_bytes = 16384, .window_ns = ten_s};
    assert_int_equal(ew_memory_activity_flags(&a), 0);
    a.swapped_out_pages = 63;
    a.reread_pages = 63;
    a.stalled_all_us = 99999;
    assert_int_equal(ew_memory_activity_flags(&a), 0);
    a.swapped_in_pages = 1;
    assert_int_equal(ew_memory_activity_flags(&a), EW_MEMORY_SWAPPED);
    a.reread_pages = 64;
    a.stalled_all_us = 100000;
    assert_int_equal(ew_memory_activity_flags(&a), EW_MEMORY_SWAPPED | EW_MEMORY_REREAD | EW_MEMORY_STALLED);
    a = (struct ew_memory_activity){.oom_kills = 1};
    char words[EW_MEMORY_WORDS_BYTES];
    assert_int_equal(ew_memory_activity_flags(&a), EW_MEMORY_LIMIT);
    ew_memory_activity_words(&a, words, sizeof words);
    assert_string_equal(words, "1 of the cgroup's processes was killed for want of memory");
    a = (struct ew_memory_activity){
        .n_zram = 1, .zram = {{.name = "zram0", .original_before_bytes = 5, .original_after_bytes = 5 + (1 << 20)}}};
    assert_int_equal(ew_memory_activity_flags(&a), EW_MEMORY_SWAPPED);
}

static void assert_nothing_known(const struct ew_memory_activity *a) {
    char words[EW_MEMORY_WORDS_BYTES];
    assert_false(ew_memory_activity_words(a, words, sizeof words));
    assert_string_equal(words, "");
    assert_int_equal(ew_memory_activity_flags(a), 0);
    ew_memory_activity_unknown_words(a, words, sizeof words);
    assert_string_equal(words, "swapping (/proc/vmstat does not say), stalls (no /proc/pressure/memory), files read "
                               "again (/proc/vmstat does not say)");
}

static void missing_files_are_not_zero(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_memory_reading r;
    struct ew_memory_activity a;
    tree_unpack("nothing", root);
    tree_put(root, "/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 3 kB\n");
    ew_memory_reading_take(root, &r);
    ew_memory_activity_between(&r, &r, ten_s, &a);
    const int64_t counts[] = {a.swapped_in_pages, a.swapped_out_pages, a.major_faults,         a.reread_pages,
                              a.stalled_us,       a.stalled_all_us,    a.limit_bytes,          a.limit_hits,
                              a.oom_kills,        a.used_after_bytes,  a.available_after_bytes};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) assert_int_equal(counts[i], -1);
    assert_int_equal(a.n_zram, 0);
    assert_nothing_known(&a);
    a = ew_memory_activity_unknown();
    assert_nothing_known(&a);
    tree_remove(root);
}

static void damaged_files_are_not_known(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_memory_reading r;
    tree_unpack("nothing", root);
    put_group(root);
    put_events(root, "max -3\nhigh none\noom\n", "much\n");
    tree_put(root, "/proc/vmstat", "pswpin \npswpout x\npgmajfault -1\n");
    tree_put(root, "/proc/meminfo", "MemAvailable: 99999999999999999 kB\n");
    tree_put(root, "/proc/pressure/memory", "some avg10=0.00\nfull avg10=0 avg60=0 avg300=0 total=-5\n");
    tree_put(root, "/sys/block/zram0/mm_stat", "5 6\n");
    ew_memory_reading_take(root, &r);
    const int64_t counts[] = {r.swapped_in_pages, r.swapped_out_pages, r.major_faults, r.available_bytes,
                              r.stalled_us,       r.stalled_all_us,    r.limit_hits,   r.above_high,
                              r.limit_oom,        r.used_bytes,        r.oom_kills};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) assert_int_equal(counts[i], -1);
    assert_int_equal(r.limit_bytes, 536870912);
    assert_int_equal(r.n_zram, 1);
    assert_int_equal(r.zram[0].original_bytes, -1);
    tree_remove(root);
}

/* A device that was reset, a process that moved to another group. */
static void counters_that_went_back(void **state) {
    (void)state;
    struct ew_memory_reading before = {.swapped_out_pages = 9, .group = "/a", .limit_hits = 2, .used_bytes = 7};
    struct ew_memory_reading after = {.swapped_out_pages = 8, .group = "/b", .limit_hits = 5, .used_bytes = 8};
    struct ew_memory_activity a;
    ew_memory_activity_between(&before, &after, 1, &a);
    assert_int_equal(a.swapped_out_pages, -1);
    assert_int_equal(a.limit_hits, -1);
    assert_int_equal(a.used_before_bytes, -1);
    assert_int_equal(a.used_after_bytes, 8);
    memcpy(after.group, before.group, sizeof after.group);
    ew_memory_activity_between(&before, &after, 1, &a);
    assert_int_equal(a.limit_hits, 3);
}

static void groups_of_version_1(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    struct ew_memory_reading r;
    tree_unpack("nothing", root);
    tree_put(root, "/proc/self/cgroup", "4:memory:/box\n0::/\n");
    tree_put(root, "/proc/self/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n");
    tree_put(root, "/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1048576\n");
    tree_put(root, "/sys/fs/cgroup/memory/box/memory.usage_in_bytes", "900000\n");
    tree_put(root, "/sys/fs/cgroup/memory/box/memory.failcnt", "31\n");
    tree_put(root, "/sys/fs/cgroup/memory/box/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    ew_memory_reading_take(root, &r);
    assert_string_equal(r.group, "/sys/fs/cgroup/memory/box");
    assert_int_equal(r.limit_bytes, 1048576);
    assert_int_equal(r.used_bytes, 900000);
    assert_int_equal(r.limit_hits, 31);
    assert_int_equal(r.oom_kills, 2);
    assert_int_equal(r.above_high, -1);
    tree_remove(root);
}

/* A whole file of somebody's machine, older than 5.9; the numbers are those that stand in it. */
static void put_capture(const char *root, const char *from, const char *to) {
    char path[1024], text[16384];
    snprintf(path, sizeof path, "%s/data/devices/node_exporter/proc/%s", getenv("EW_SHARED_DIR"), from);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    tree_put(root, to, text);
}

static void captured_files(void **state) {
    (void)state;
    const char *shared = getenv("EW_SHARED_DIR");
    char root[TREE_ROOT_BYTES], path[1024];
    snprintf(path, sizeof path, "%s/data/devices/node_exporter/proc/vmstat", shared ? shared : "");
    FILE *f = shared ? fopen(path, "r") : NULL;
    if (!f) {
        print_message("skipped: no captures in EW_SHARED_DIR\n");
        skip();
    }
    fclose(f);
    struct ew_memory_reading r;
    tree_unpack("nothing", root);
    put_capture(root, "vmstat", "/proc/vmstat");
    put_capture(root, "meminfo", "/proc/meminfo");
    put_capture(root, "pressure_memory", "/proc/pressure/memory");
    ew_memory_reading_take(root, &r);
    assert_int_equal(r.swapped_in_pages, 1476);
    assert_int_equal(r.swapped_out_pages, 35045);
    assert_int_equal(r.major_faults, 507162);
    assert_int_equal(r.reread_pages, 157066);
    assert_int_equal(r.stalled_us, 0); /* known, and none: not -1 */
    assert_int_equal(r.stalled_all_us, 0);
    assert_int_equal(r.available_bytes, -1); /* a kernel before MemAvailable: MemFree is no stand-in */
    tree_remove(root);
}

static void this_machine(void **state) {
    (void)state;
    struct ew_memory_reading r;
    ew_memory_reading_take(NULL, &r);
    assert_true(r.page_bytes >= 4096);
    assert_true(r.available_bytes == -1 || r.available_bytes > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_count_by_hand),
        cmocka_unit_test(words_and_flags),
        cmocka_unit_test(thresholds),
        cmocka_unit_test(missing_files_are_not_zero),
        cmocka_unit_test(damaged_files_are_not_known),
        cmocka_unit_test(counters_that_went_back),
        cmocka_unit_test(groups_of_version_1),
        cmocka_unit_test(captured_files),
        cmocka_unit_test(this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
