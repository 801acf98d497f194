/* The memory meter on a child process that maps and touches known amounts, and on recorded status files. */
#include "meter/process_memory.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20, HEAP = 48 * MIB, SHARED = 16 * MIB };

/* Touches HEAP anonymous and SHARED shared bytes, says so, gives 32 MiB of the heap back, says so, waits. */
static void child_main(int out, int in) {
    char go;
    char *heap = mmap(NULL, HEAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (heap == MAP_FAILED || shared == MAP_FAILED) _exit(1);
    memset(heap, 1, HEAP);
    memset(shared, 1, SHARED);
    if (write(out, "a", 1) != 1 || read(in, &go, 1) != 1) _exit(1);
    madvise(heap, 32 * MIB, MADV_DONTNEED);
    if (write(out, "b", 1) != 1 || read(in, &go, 1) != 1) _exit(1);
    _exit(0);
}

static void read_one(struct ew_meter *m, double *values) {
    int64_t time_ns;
    size_t n = 0;
    assert_int_equal(ew_meter_read(m, &time_ns, values, 1, &n, NULL), EW_OK);
    assert_int_equal(n, 1);
}

static void await(int fd) {
    char c;
    assert_int_equal(read(fd, &c, 1), 1);
}

static void test_child(void **state) {
    (void)state;
    int from[2], to[2];
    assert_int_equal(pipe(from), 0);
    assert_int_equal(pipe(to), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) child_main(from[1], to[0]);
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_process_memory(NULL, pid, &m, NULL), EW_OK);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    await(from[0]);
    double first[EW_MEM_N_CHANNELS], second[EW_MEM_N_CHANNELS];
    read_one(m, first);
    assert_true(first[EW_MEM_RSS_ANON] >= HEAP);
    assert_true(first[EW_MEM_RSS_SHMEM] >= SHARED);
    double parts = first[EW_MEM_RSS_ANON] + first[EW_MEM_RSS_FILE] + first[EW_MEM_RSS_SHMEM];
    assert_true(fabs(parts - first[EW_MEM_RSS]) <= MIB);
    assert_true(first[EW_MEM_PSS] >= HEAP && first[EW_MEM_PSS] <= first[EW_MEM_RSS] + MIB);
    assert_int_equal(write(to[1], "x", 1), 1);
    await(from[0]);
    read_one(m, second);
    assert_true(isnan(second[EW_MEM_PSS])); /* the slower reading is not yet due */
    assert_true(first[EW_MEM_RSS] - second[EW_MEM_RSS] >= 31.0 * MIB);
    ew_process_memory_want_pss(m);
    read_one(m, second);
    assert_true(first[EW_MEM_PSS] - second[EW_MEM_PSS] >= 31.0 * MIB);
    assert_true(second[EW_MEM_PEAK] >= first[EW_MEM_RSS] - MIB); /* the peak stays */
    assert_int_equal(write(to[1], "x", 1), 1);
    siginfo_t ended;
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT), 0); /* a zombie now */
    int64_t time_ns;
    size_t n = 7;
    struct ew_error e = {0};
    assert_int_equal(ew_meter_read(m, &time_ns, second, 1, &n, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "ended"));
    assert_int_equal(n, 7);
    waitpid(pid, NULL, 0);
    assert_int_equal(ew_meter_read(m, &time_ns, second, 1, &n, &e), EW_ERR_NOT_FOUND);
    struct ew_meter *none = NULL;
    assert_int_equal(ew_meter_open_process_memory(NULL, pid, &none, &e), EW_ERR_NOT_FOUND);
    assert_null(none);
    ew_meter_close(&m);
}

static void put(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Before Linux 4.5 status had no Rss split, before 4.14 there was no smaps_rollup: those are unknown, not zero. */
static void test_old_kernel(void **state) {
    (void)state;
    char root[] = P_tmpdir "/ew_memory_XXXXXX", folder[64], path[96];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/proc", root);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(folder, sizeof folder, "%s/proc/42", root);
    assert_int_equal(mkdir(folder, 0700), 0);
    put(folder, "status",
        "Name:\tx\nVmPeak:\t 9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nVmSwap:\t       4 kB\n");
    struct ew_meter_config config = {.root = root};
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_open_process_memory(&config, 42, &m, NULL), EW_OK);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    double v[EW_MEM_N_CHANNELS];
    read_one(m, v);
    assert_true(v[EW_MEM_RSS] == 1048576.0 && v[EW_MEM_PEAK] == 2097152.0 && v[EW_MEM_SWAP] == 4096.0);
    assert_true(isnan(v[EW_MEM_PSS]) && isnan(v[EW_MEM_RSS_ANON]) && isnan(v[EW_MEM_RSS_FILE]));
    ew_meter_close(&m);
    snprintf(path, sizeof path, "%s/status", folder);
    unlink(path);
    rmdir(folder);
    snprintf(path, sizeof path, "%s/proc", root);
    rmdir(path);
    rmdir(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_child), cmocka_unit_test(test_old_kernel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
