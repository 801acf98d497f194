/* Calibrations as files: what is written is read again, the right one is found, and broken ones are refused. */
#include "meter/calibration_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = P_tmpdir "/ew_calibrations_XXXXXX";
static char inner[256];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(inner, sizeof inner, "%s/a/b", folder);
    return 0;
}

static int drop_folder(void **state) {
    (void)state;
    char command[320];
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command);
}

static struct ew_calibration sample(const char *board, int64_t taken_at_s, double gain) {
    struct ew_calibration c = {.target = "hwmon:ina3221",
                               .reference = "log",
                               .reference_boundary = EW_BOUNDARY_BOARD_DC,
                               .reference_covers = "the board's 5 V, with \"quotes\"",
                               .reference_grade = EW_GRADE_A,
                               .reference_error_relative = 0.001,
                               .taken_at_s = taken_at_s,
                               .gain = gain,
                               .gain_error = 0.01,
                               .offset_w = -0.25,
                               .offset_error_w = 0.02,
                               .lag_error_s = NAN,
                               .rms_w = 0.03,
                               .largest_w = 0.06,
                               .r_squared = 0.9995,
                               .low_w = 3,
                               .high_w = 9,
                               .n_steps = 2,
                               .steps = {{0, 3, 3.1, 0.01}, {1, 9, 9.2, -0.01}},
                               .error_relative = 0.012};
    snprintf(c.board, sizeof c.board, "%s", board);
    return c;
}

static void test_round_trip(void **state) {
    (void)state;
    char path[512];
    struct ew_error err = {0};
    struct ew_calibration first = sample("one", 1772366400, 1.25), other = sample("two", 1772366500, 1.5), got;
    assert_int_equal(ew_calibration_find(inner, "hwmon:ina3221", "one", &got, &err), EW_ERR_NOT_FOUND);
    if (ew_calibration_save(&first, inner, path, sizeof path, &err) != EW_OK) fail_msg("%s", err.message);
    /* date -u -d @1772366400 */
    assert_non_null(strstr(path, "/a/b/hwmon_ina3221-by-log-20260301T120000Z.json"));
    assert_int_equal(ew_calibration_load(path, &got, NULL), EW_OK);
    assert_true(isnan(got.lag_error_s) && got.gain == 1.25 && got.offset_w == -0.25 && got.n_steps == 2);
    assert_true(got.steps[1].reference_w == 9.2 && got.taken_at_s == 1772366400 && got.high_w == 9);
    assert_true(got.reference_boundary == EW_BOUNDARY_BOARD_DC && got.reference_grade == EW_GRADE_A);
    assert_string_equal(got.reference_covers, first.reference_covers);
    assert_int_equal(ew_calibration_save(&other, inner, NULL, 0, NULL), EW_OK);
    assert_int_equal(ew_calibration_find(inner, "hwmon:ina3221", "one", &got, NULL), EW_OK);
    assert_true(got.gain == 1.25 && ew_calibration_grade(&got, "one") == EW_GRADE_B); /* own, though older */
    assert_int_equal(ew_calibration_find(inner, "hwmon:ina3221", "three", &got, NULL), EW_OK);
    assert_true(got.gain == 1.5 && ew_calibration_grade(&got, "three") == EW_GRADE_D); /* none own: the newest */
    assert_int_equal(ew_calibration_find(inner, "rapl", "one", &got, NULL), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_calibration_save(&first, "/proc/nowhere", NULL, 0, NULL), EW_ERR_IO);
    assert_int_equal(ew_calibration_save(&first, inner, path, 10, NULL), EW_ERR_LIMIT);
}

static void test_broken(void **state) {
    (void)state;
    char path[512], file[4096];
    struct ew_calibration c = sample("one", 1772366400, 1.25), got;
    assert_int_equal(ew_calibration_save(&c, inner, path, sizeof path, NULL), EW_OK);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    for (size_t cut = 0; cut < n - 2; cut += 7) { /* torn at any place */
        f = fopen(path, "w");
        assert_int_equal(fwrite(file, 1, cut, f), cut);
        fclose(f);
        assert_int_equal(ew_calibration_load(path, &got, NULL), EW_ERR_FORMAT);
    }
    char *gain = memmem(file, n, "\"gain\": 1.25", 12);
    assert_non_null(gain);
    gain[8] = '-'; /* "gain":-1.25: a number still, and none that a meter can have */
    gain[7] = ':';
    memcpy(gain + 6, ":-1.25", 6);
    f = fopen(path, "w");
    fwrite(file, 1, n, f);
    fclose(f);
    assert_int_equal(ew_calibration_load(path, &got, NULL), EW_ERR_FORMAT);
    assert_int_equal(ew_calibration_load(inner, &got, NULL), EW_ERR_FORMAT);
    assert_int_equal(ew_calibration_load("/nowhere.json", &got, NULL), EW_ERR_NOT_FOUND);
}

static void test_folder(void **state) {
    (void)state;
    char text[256];
    setenv("XDG_STATE_HOME", "/x/state", 1);
    assert_int_equal(ew_calibration_folder(text, sizeof text, NULL), EW_OK);
    assert_string_equal(text, "/x/state/edgewise/calibrations");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/her/home", 1);
    assert_int_equal(ew_calibration_folder(text, sizeof text, NULL), EW_OK);
    assert_string_equal(text, "/her/home/.local/state/edgewise/calibrations");
    assert_int_equal(ew_calibration_folder(text, 8, NULL), EW_ERR_LIMIT);
    unsetenv("HOME");
    assert_int_equal(ew_calibration_folder(text, sizeof text, NULL), EW_ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
