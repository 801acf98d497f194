/* The writer: what it writes reads back the same, no temporary file is left, and a full disk is an error that says so.
 */
#include "gguf/gguf_write.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[256];

static int make_folder(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/edgewise-gguf-XXXXXX", tmp ? tmp : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static size_t files_in_folder(void) {
    size_t n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Two tensors: 5 floats (20 bytes and padding), and 64 values in Q8_0. */
static struct ew_gguf_writer *prepared(void) {
    struct ew_gguf_writer *w = NULL;
    assert_int_equal(ew_gguf_writer_open(&w, NULL), EW_OK);
    ew_gguf_put_string(w, "general.architecture", "llama");
    ew_gguf_put_u32(w, "u32", 77);
    ew_gguf_put_u64(w, "u64", UINT64_MAX);
    ew_gguf_put_f32(w, "f32", 1.5f);
    ew_gguf_put_bool(w, "bool", true);
    ew_gguf_put_array(w, "numbers", EW_GGUF_I32, ((int32_t[]){-1, 2}), 2);
    ew_gguf_put_strings(w, "strings", 2);
    ew_gguf_put_element(w, "first", 5);
    ew_gguf_put_element(w, "", 0);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "a", EW_TYPE_F32, 1, (uint64_t[]){5}, NULL), EW_OK);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "b", EW_TYPE_Q8_0, 2, (uint64_t[]){32, 2}, NULL), EW_OK);
    return w;
}

static const float a_data[5] = {1, 2, 3, 4, 5};
static const uint8_t b_data[68] = {9, 8, 7, [67] = 6};

static void what_is_written_reads_back(void **state) {
    (void)state;
    struct ew_gguf_writer *w = prepared();
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0};
    uint64_t expected_bytes = ew_gguf_writer_file_bytes(w), value;
    const char *path = path_of("round.gguf");
    assert_int_equal(ew_gguf_writer_begin(w, path, &err), EW_OK);
    assert_int_not_equal(access(path, F_OK), 0); /* the name appears only at the end */
    assert_int_equal(ew_gguf_writer_write(w, a_data, sizeof a_data, &err), EW_OK);
    assert_int_equal(ew_gguf_writer_write(w, b_data, 60, &err), EW_OK); /* in two pieces */
    assert_int_equal(ew_gguf_writer_write(w, b_data + 60, 8, &err), EW_OK);
    assert_int_equal(ew_gguf_writer_finish(w, &err), EW_OK);
    ew_gguf_writer_close(&w);
    assert_null(w);

    if (ew_gguf_open(path, &gguf, &err) != EW_OK) fail_msg("%s", err.message);
    assert_true(ew_gguf_map(gguf)->size == expected_bytes);
    assert_int_equal(ew_gguf_n_kv(gguf), 7);
    assert_int_equal(ew_gguf_get_u64(gguf, "u64", &value, NULL), EW_OK);
    assert_true(value == UINT64_MAX);
    assert_int_equal(ew_gguf_find_kv(gguf, "strings")->n, 2);
    assert_memory_equal(ew_gguf_find_kv(gguf, "numbers")->data, ((int32_t[]){-1, 2}), 8);
    const struct ew_gguf_tensor *a = ew_gguf_find_tensor(gguf, "a"), *b = ew_gguf_find_tensor(gguf, "b");
    assert_memory_equal(a->data, a_data, sizeof a_data);
    assert_memory_equal(b->data, b_data, sizeof b_data);
    assert_int_equal(a->offset % 32, 0);
    assert_int_equal(b->offset, a->offset + 32);
    ew_gguf_close(&gguf);
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

static void unfinished_files_vanish(void **state) {
    (void)state;
    struct ew_gguf_writer *w = prepared();
    struct ew_error err;
    assert_int_equal(ew_gguf_writer_begin(w, path_of("half.gguf"), &err), EW_OK);
    assert_int_equal(ew_gguf_writer_write(w, a_data, sizeof a_data, &err), EW_OK);
    assert_int_equal(ew_gguf_writer_finish(w, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "data of tensor number 1 of 2 is missing"));
    ew_gguf_writer_close(&w);
    assert_int_equal(files_in_folder(), 0);
}

static void more_data_than_the_tensor_holds_is_refused(void **state) {
    (void)state;
    struct ew_gguf_writer *w = prepared();
    struct ew_error err;
    assert_int_equal(ew_gguf_writer_begin(w, path_of("long.gguf"), &err), EW_OK);
    assert_int_equal(ew_gguf_writer_write(w, b_data, 21, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "21 bytes for tensor number 0, which takes 20 more"));
    ew_gguf_writer_close(&w);
    assert_int_equal(files_in_folder(), 0);
}

/* A limit on the size of files stands in for a full disk: the same calls fail. */
static void a_full_disk_is_reported_and_leaves_nothing(void **state) {
    (void)state;
    struct ew_gguf_writer *w = prepared();
    struct ew_error err = {0};
    struct rlimit old, small;
    assert_int_equal(ew_gguf_writer_add_tensor(w, "big", EW_TYPE_F32, 1, (uint64_t[]){1 << 20}, NULL), EW_OK);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    static float zeros[1 << 20];
    enum ew_status status = ew_gguf_writer_begin(w, path_of("full.gguf"), &err);
    if (status == EW_OK) status = ew_gguf_writer_write(w, a_data, sizeof a_data, &err);
    if (status == EW_OK) status = ew_gguf_writer_write(w, b_data, sizeof b_data, &err);
    if (status == EW_OK) status = ew_gguf_writer_write(w, zeros, sizeof zeros, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, EW_ERR_IO);
    assert_non_null(strstr(err.message, "full.gguf: "));
    assert_non_null(strstr(err.message, "File too large"));
    ew_gguf_writer_close(&w);
    assert_int_equal(files_in_folder(), 0);
}

static void impossible_targets_are_refused(void **state) {
    (void)state;
    struct ew_gguf_writer *w = prepared();
    struct ew_error err;
    assert_int_equal(ew_gguf_writer_begin(w, folder, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "is not a regular file"));
    ew_gguf_writer_close(&w);
    w = prepared();
    assert_int_equal(ew_gguf_writer_begin(w, "/nonexistent/x.gguf", &err), EW_ERR_NOT_FOUND);
    ew_gguf_writer_close(&w);
    w = prepared();
    assert_int_equal(ew_gguf_writer_add_tensor(w, "t", EW_TYPE_Q4_K, 1, (uint64_t[]){250}, &err), EW_ERR_SHAPE);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "t", 47, 1, (uint64_t[]){256}, &err), EW_ERR_UNSUPPORTED);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "t", 0, 2, (uint64_t[]){1ull << 62, 1ull << 62}, &err), EW_ERR_SHAPE);
    assert_int_equal(ew_gguf_writer_add_tensor(w, "t", 0, 1, (uint64_t[]){0}, &err), EW_ERR_SHAPE);
    ew_gguf_writer_close(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(unfinished_files_vanish),
        cmocka_unit_test(more_data_than_the_tensor_holds_is_refused),
        cmocka_unit_test(a_full_disk_is_reported_and_leaves_nothing),
        cmocka_unit_test(impossible_targets_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
