/* Mapped files and one-value files: what is there, what is missing, empty, a directory, cut or not a number. */
#include "base/file_map.h"
#include "base/kept_file.h"
#include "base/small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "test_files.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const void *data, size_t size) {
    const char *path = path_of(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
    return path;
}

static void a_file_is_mapped_and_closed(void **state) {
    (void)state;
    const char *path = write_file("model", "GGUF rest", 9);
    struct ew_file_map map = {0};
    assert_int_equal(ew_file_map_open(path, &map, NULL), EW_OK);
    unlink(path); /* the mapping outlives the name */
    assert_int_equal(map.size, 9);
    assert_memory_equal(map.data, "GGUF rest", 9);
    ew_file_map_close(&map);
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    ew_file_map_close(&map);
}

static void an_empty_file_is_an_empty_map(void **state) {
    (void)state;
    const char *path = write_file("empty", "", 0);
    struct ew_file_map map = {.size = 99};
    assert_int_equal(ew_file_map_open(path, &map, NULL), EW_OK);
    unlink(path);
    assert_null(map.data);
    assert_int_equal(map.size, 0);
    ew_file_map_close(&map);
}

static void what_is_no_file_is_refused_by_name(void **state) {
    (void)state;
    struct ew_file_map map = {.size = 99};
    struct ew_error err;
    assert_int_equal(ew_file_map_open(path_of("absent"), &map, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, path_of("absent")));
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(ew_file_map_open(folder, &map, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "not a regular file"));
    assert_int_equal(ew_file_map_open("/dev/null", &map, &err), EW_ERR_ARGUMENT);
    const char *path = write_file("file", "x", 1);
    char below[160];
    snprintf(below, sizeof below, "%s/below", path);
    assert_int_equal(ew_file_map_open(below, &map, &err), EW_ERR_NOT_FOUND);
    unlink(path);
    assert_int_equal(map.size, 99); /* out-parameters stay unset on failure */
    assert_null(map.data);
}

/* Root may read everything, so it steps aside for the moment of opening. */
static void a_file_without_rights_says_so(void **state) {
    (void)state;
    const char *path = write_file("locked", "x", 1);
    assert_int_equal(chmod(path, 0), 0);
    bool root = geteuid() == 0;
    if (root && seteuid(65534) != 0) {
        unlink(path);
        print_message("skipped: root without the right to step aside\n");
        skip();
    }
    struct ew_file_map map;
    enum ew_status status = ew_file_map_open(path, &map, NULL);
    if (root) assert_int_equal(seteuid(0), 0);
    unlink(path);
    assert_int_equal(status, EW_ERR_PERMISSION);
}

/* Pages given back are read from the file again; parts of pages at the ends are left alone. */
static void released_pages_come_back(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = 5 * page;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)(i * 31 >> 3);
    const char *path = write_file("pages", data, size);
    struct ew_file_map map;
    assert_int_equal(ew_file_map_open(path, &map, NULL), EW_OK);
    assert_memory_equal(map.data, data, size);
    ew_file_map_release(&map, page / 2, 3 * page);
    ew_file_map_release(&map, 1, 1);
    ew_file_map_release(&map, 0, 0);
    assert_memory_equal(map.data, data, size);
    ew_file_map_close(&map);
    unlink(path);
    free(data);
}

static void numbers_of_named_lines(void **state) {
    (void)state;
    const char *text = "VmRSSX: 1 kB\nVmRSS:\t  20 kB\npswpin 7\nnone:\nlow: -3\nVmRSS: 99 kB\n";
    int64_t value = 5;
    assert_true(ew_small_file_number(text, "VmRSS", &value)); /* not the longer name, and the first of two */
    assert_int_equal(value, 20);
    assert_true(ew_small_file_number(text, "pswpin", &value));
    assert_int_equal(value, 7);
    assert_true(ew_small_file_number(text, "low", &value));
    assert_int_equal(value, -3);
    assert_false(ew_small_file_number(text, "RSS", &value)); /* only at a line's beginning */
    assert_false(ew_small_file_number("none: kB", "none", &value));
    assert_false(ew_small_file_number("", "none", &value));
    assert_int_equal(value, -3);
}

static void small_files_are_read_below_a_root(void **state) {
    (void)state;
    write_file("value", "  performance \n\n", 16);
    char text[64];
    assert_int_equal(ew_small_file_read(folder, "/value", text, sizeof text), 13);
    assert_string_equal(text, "  performance");
    assert_int_equal(ew_small_file_read(folder, "/value", text, 6), 5);
    assert_string_equal(text, "  per");
    assert_int_equal(ew_small_file_read(folder, "/absent", text, sizeof text), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(ew_small_file_read(folder, "/", text, sizeof text), -1);
    assert_int_equal(errno, EISDIR);
    assert_true(ew_small_file_read(NULL, "/proc/self/comm", text, sizeof text) > 0);
    unlink(path_of("value"));

    char *far = calloc(1, PATH_MAX + 2);
    assert_non_null(far);
    memset(far, '/', PATH_MAX + 1);
    assert_int_equal(ew_small_file_read("", far, text, sizeof text), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    free(far);
}

static void numbers_are_whole_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"42\n", true, 42},
        {"-7", true, -7},
        {"9223372036854775807\n", true, INT64_MAX},
        {"9223372036854775808\n", false, 0},
        {"-9223372036854775809\n", false, 0},
        {"", false, 0},
        {"\n", false, 0},
        {"auto\n", false, 0},
        {"N/A", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file("number", cases[i].text, strlen(cases[i].text));
        int64_t value = 1234;
        errno = 0;
        assert_int_equal(ew_small_file_read_i64(folder, "/number", &value), cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 1234);
        if (!cases[i].ok) assert_int_equal(errno, EINVAL);
    }
    unlink(path_of("number"));
    int64_t value;
    assert_false(ew_small_file_read_i64(folder, "/number", &value));
    assert_int_equal(errno, ENOENT);
}

/* How many descriptors this process has open. */
static int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_kept_file_stays_open_and_reads_anew(void **state) {
    (void)state;
    char cwd[1024], path[1200], text[8];
    assert_non_null(getcwd(cwd, sizeof cwd));
    write_file("energy_uj", "123\n", 4);
    snprintf(path, sizeof path, "%s/%s", cwd, path_of("energy_uj"));
    int before = open_files();
    struct ew_kept_file f;
    int64_t value = 0;
    assert_true(ew_kept_file_set(&f, NULL, path));
    assert_int_equal(open_files(), before);
    assert_true(ew_kept_file_read_i64(&f, &value) && value == 123);
    assert_int_equal(open_files(), before + 1);
    write_file("energy_uj", "-4567890\n", 9);
    assert_true(ew_kept_file_read_i64(&f, &value) && value == -4567890);
    assert_int_equal(ew_kept_file_read(&f, text, sizeof text), 7); /* cut to what fits */
    assert_string_equal(text, "-456789");
    assert_int_equal(open_files(), before + 1);
    write_file("energy_uj", "watts\n", 6);
    assert_false(ew_kept_file_read_i64(&f, &value));
    assert_int_equal(errno, EINVAL);
    unlink(path);
    ew_kept_file_close(&f);
    ew_kept_file_close(&f);
    assert_int_equal(open_files(), before);
    assert_int_equal(ew_kept_file_read(&f, text, sizeof text), -1);
    assert_int_equal(errno, EBADF);
}

/* Recorded trees are plain files, which tests and recorders replace by rename: those are not kept. */
static void a_recorded_file_is_opened_each_time(void **state) {
    (void)state;
    struct ew_kept_file f, none = {0};
    int64_t value = 0;
    int before = open_files();
    assert_true(ew_kept_file_set(&f, folder, "/late"));
    assert_false(ew_kept_file_read_i64(&f, &value));
    assert_int_equal(errno, ENOENT);
    write_file("late", "7", 1);
    assert_true(ew_kept_file_read_i64(&f, &value) && value == 7);
    unlink(path_of("late"));
    write_file("late", "8", 1);
    assert_true(ew_kept_file_read_i64(&f, &value) && value == 8);
    unlink(path_of("late"));
    assert_false(ew_kept_file_read_i64(&f, &value));
    assert_int_equal(open_files(), before);
    ew_kept_file_close(&f);
    ew_kept_file_close(&none);
    char path[2 * PATH_MAX];
    memset(path, '/', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_false(ew_kept_file_set(&f, NULL, path));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_null(f.path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_mapped_and_closed),
        cmocka_unit_test(an_empty_file_is_an_empty_map),
        cmocka_unit_test(what_is_no_file_is_refused_by_name),
        cmocka_unit_test(a_file_without_rights_says_so),
        cmocka_unit_test(released_pages_come_back),
        cmocka_unit_test(numbers_of_named_lines),
        cmocka_unit_test(small_files_are_read_below_a_root),
        cmocka_unit_test(numbers_are_whole_numbers),
        cmocka_unit_test(a_kept_file_stays_open_and_reads_anew),
        cmocka_unit_test(a_recorded_file_is_opened_each_time),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
