/* Logs of external meters: what is read from which dialect, and that damaged ones are refused with their line. The
 * texts are written by hand after the formats; the captures of real boards are read where they lie beside the tree. */
#include "meter/aligned_log.h"
#include "meter/log_columns.h"
#include "meter/tegrastats.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = P_tmpdir "/ew_log_XXXXXX";

static int make_file(void **state) {
    (void)state;
    setenv("TZ", "UTC", 1);
    int fd = mkstemp(path);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static int drop_file(void **state) {
    (void)state;
    return unlink(path);
}

static enum ew_status read_log(const char *text, const char *options, struct ew_power_log **log, struct ew_error *err) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    char source[1200];
    snprintf(source, sizeof source, "%s?%s", path, options);
    struct ew_log_choice choice;
    enum ew_status status = ew_log_choice_parse(source, &choice, err);
    return status == EW_OK ? ew_power_log_read(&choice, log, err) : status;
}

/* Reads text and checks two samples: watts (or joules) and the time between them. */
static void check(const char *text, const char *options, double first, double second, double apart_s) {
    struct ew_power_log *log = NULL;
    struct ew_error err = {0};
    if (read_log(text, options, &log, &err) != EW_OK) fail_msg("%s: %s", text, err.message);
    if (log->n < 2 || fabs(log->values[0] - first) > 1e-9 || fabs(log->values[1] - second) > 1e-9 ||
        llabs(log->times_ns[1] - log->times_ns[0] - (int64_t)llround(apart_s * 1e9)) > 1)
        fail_msg("%s: %zu samples, %.9g, %.9g, %.9g s", text, log->n, log->values[0], log->values[1],
                 (double)(log->times_ns[1] - log->times_ns[0]) * 1e-9);
    ew_power_log_close(&log);
}

static void test_dialects(void **state) {
    (void)state;
    check("time_s,power_w\n0.0,4.5\n0.5,5.25\n", "", 4.5, 5.25, 0.5);
    check("\xef\xbb\xbftime_s,power_w\r\n0.0,4.5\r\n0.5,5.25\r\n", "", 4.5, 5.25, 0.5);
    check("t_ms,cpu_pct,power_soc_mw,power_in_mw\n0,1,2000,5971\n100,1,2000,6011\n", "", 5.971, 6.011, 0.1);
    check("Zeit;Time;Power [W]\nx;12:00:01,5;4,75\nx;12:00:02,25;5,5\n", "", 4.75, 5.5, 0.75);
    check("timestamp;apower\n1736861292186;4,75\n1736861292286;5,5\n", "", 4.75, 5.5, 0.1);
    check("timestamp\tWatts\n2026-03-01T12:00:00.25+01:00\t4.5\n2026-03-01T11:00:00.75Z\t5\n", "", 4.5, 5, 0.5);
    check("Date,Time,Power(mW)\n2026/03/01,23:59:59.9,4500\n2026/03/02,00:00:00.1,5000\n", "", 4.5, 5, 0.2);
    check("Timestamp,\"Power, active (W)\",State\n2026-03-01 12:00:00.5,\"4.5\",on\n2026-03-01 12:00:00.6,\"5\",on\n",
          "", 4.5, 5, 0.1);
    check("time_us,power_uw\n0,4500000\n1000,5000000\n", "", 4.5, 5, 0.001);
    check("1772366400123456789,4.5\n1772366400123556789,5\n", "", 4.5, 5, 0.0001);
    check("0.1 4.5\n0.2 5\n", "", 4.5, 5, 0.1);
    check("0.1,4500\n0.2,5000\n", "unit=mW", 4.5, 5, 0.1);
    check("# a supply\n# time_s, power_w\n0.5,4.5\n0.6,5\n", "", 4.5, 5, 0.1);
    check("Device: PSU\nSerial;17\n\ntime;watts\n0.5;4.5\n0.6;5\n", "", 4.5, 5, 0.1);
    check("timestamp sample_in_packet voltage_V current_A dp_V dn_V temp_C_ema energy_Ws capacity_As\n"
          "1650000000.10 0 5.0 0.9 0.6 0.6 30 1 1\n1650000000.11 1 5.0 1.0 0.6 0.6 30 1 1\n",
          "", 4.5, 5, 0.01);
    check("time_ms,bus_voltage_mv,current_ma\n0.5,5000,900\n1.5,5000,1000\n", "", 4.5, 5, 0.001);
    check("time_s,energy_wh\n0.5,1\n3.5,1.01\n", "", 3600, 3636, 3);
    check("time_s,x,y\n0.5,4.5,7\n0.6,5,7\n", "power=x", 4.5, 5, 0.1);
    check("time_s,x,y\n0.5,4.5,7\n0.6,5,7\n", "power=2&time=1", 4.5, 5, 0.1);
    check("a,b,c\n100,4500,2\n200,5000,3\n", "time=a&time_unit=ms&power=b&unit=mW", 4.5, 5, 0.1);
    check("watts\n4.5\n5\n", "interval=0.25", 4.5, 5, 0.25);
    check("4.5\n5\n", "interval=0.25", 4.5, 5, 0.25);
    check("23:59:59.5,4.5\n00:00:00.25,5\n", "", 4.5, 5, 0.75);
    check("time_s,volts,amps,power_w\n1.5,5,1,9\n2.5,5,2,9\n", "volts=volts&amps=amps", 5, 10, 1);
    check("time_s,energy_total\n1.5,1\n2.5,2\n", "energy=energy_total&unit=mWh", 3.6, 7.2, 1);
    check("time_s,Leistung_\xc2\xb5W,power_\xc2\xb5w\n1.5,1,4500000\n2.5,1,5000000\n", "", 4.5, 5, 1);
}

static void check_refused(const char *text, const char *options, enum ew_status status, const char *words) {
    struct ew_power_log *log = NULL;
    struct ew_error err = {0};
    enum ew_status got = read_log(text, options, &log, &err);
    if (got != status || !strstr(err.message, words)) fail_msg("%s: status %d, `%s`", text, got, err.message);
    assert_null(log);
}

static void test_refusals(void **state) {
    (void)state;
    check_refused("", "", EW_ERR_FORMAT, "no readings");
    check_refused("time_s,power_w\n", "", EW_ERR_FORMAT, "no readings");
    check_refused("time_s,temperature\n1,2\n", "", EW_ERR_FORMAT, ":1: no column of power");
    check_refused("time_s,rapl_power,tapo_power\n1,2,3\n", "", EW_ERR_FORMAT, "several power columns");
    check_refused("a,power_w\n1,2\n", "", EW_ERR_FORMAT, "no time column");
    check_refused("1,2,3\n", "", EW_ERR_FORMAT, "power=NUMBER");
    check_refused("time_s,power_w\n1.0,2\n1.5,abc\n", "", EW_ERR_FORMAT, ":3: the value is not a number");
    check_refused("time_s,power_w\n1.0,2\nx,3\n", "", EW_ERR_FORMAT, ":3: the time");
    check_refused("time_s,power_w\n1.0,2\n1.5\n", "", EW_ERR_FORMAT, ":3: 1 fields");
    check_refused("time_s,power_w\n10.5,2\n1.5,3\n", "", EW_ERR_FORMAT, ":3: the stamp is more than 2 s before");
    check_refused("time,power\n1.5,2\n1772366400.5,3\n", "", EW_ERR_FORMAT, "another kind");
    check_refused("time;power\n1,5;1.234,5\n", "", EW_ERR_FORMAT, "the value is not a number");
    check_refused("time_s,power_w\n1.5,1e99\n", "", EW_ERR_FORMAT, "the value is not a number");
    check_refused("time_s,power_w\n1e300,1\n", "", EW_ERR_FORMAT, "the time");
    check_refused("time,power\n2026-13-01 12:00:00,1\n", "", EW_ERR_FORMAT, "the time");
    check_refused("time,power\n2026-02-30 12:00:00,1\n", "", EW_ERR_FORMAT, "the time");
    check_refused("time_s,power_w\n1,2\n", "power=nothere", EW_ERR_FORMAT, "no such power column (columns: time_s");
    check_refused("x", "power", EW_ERR_ARGUMENT, "`power` is none of");
    check_refused("x", "colour=red", EW_ERR_ARGUMENT, "`colour` is none of");
    check_refused("x", "unit=stone", EW_ERR_ARGUMENT, "`stone` is no value for unit");
    check_refused("x", "error=120%", EW_ERR_ARGUMENT, "no value for error");
    check_refused("x", "grade=A", EW_ERR_ARGUMENT, "needs the meter's error");
    check_refused("x", "volts=a", EW_ERR_ARGUMENT, "need each other");
    char *talk = calloc(1, 20000);
    for (int i = 0; i < 70; i++) strcat(talk, "some words\n");
    check_refused(talk, "", EW_ERR_FORMAT, ":1: no time column");
    memset(talk, '7', 19000);
    check_refused(talk, "", EW_ERR_FORMAT, ":1: a line of more than 8 KiB");
    free(talk);
    struct ew_log_choice choice;
    struct ew_power_log *log = NULL;
    assert_int_equal(ew_log_choice_parse("/nowhere/at/all.csv", &choice, NULL), EW_OK);
    assert_int_equal(ew_power_log_read(&choice, &log, NULL), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_log_choice_parse("/dev/zero", &choice, NULL), EW_OK);
    assert_int_equal(ew_power_log_read(&choice, &log, NULL), EW_ERR_ARGUMENT);
}

static void test_disorder(void **state) {
    (void)state;
    struct ew_power_log *log = NULL;
    /* Packets of a USB meter: 0.02 twice, 0.03 after 0.04; one without a value; a head in the middle; a cut line. */
    assert_int_equal(
        read_log("time_s,power_w\n0.01,1\n0.02,2\n0.02,2\n0.04,4\n0.03,3\n0.05,\ntime_s,power_w\n0.06,6\n0.0", "", &log,
                 NULL),
        EW_OK);
    assert_int_equal(log->n, 6);
    assert_true(log->duplicates == 1 && log->backwards == 1 && log->missing == 1 && log->cut == 1);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(log->times_ns[i], (int64_t)(i + 1) * 10000000);
        assert_true(i == 4 ? isnan(log->values[i]) : log->values[i] == (double)i + 1);
    }
    ew_power_log_close(&log);
    /* Stamps of whole seconds: two lines, four, two: the first second began before the log, the last goes on. */
    assert_int_equal(read_log("time,power\n10,1\n10,2\n11,3\n11,4\n11,5\n11,6\n12,7\n12,8\n", "", &log, NULL), EW_OK);
    assert_int_equal(log->n, 8);
    for (size_t i = 0; i < 8; i++) assert_int_equal(log->times_ns[i], 10625000000 + (int64_t)i * 250000000);
    ew_power_log_close(&log);
    assert_int_equal(read_log("time,power\n10,1\n11,2\n12,7\n", "", &log, NULL), EW_OK); /* one each: as written */
    assert_true(log->n == 3 && log->times_ns[0] == 10000000000 && log->times_ns[2] == 12000000000);
    assert_true(log->clock == EW_LOG_CLOCK_OWN && log->info.grade_ceiling == EW_GRADE_C && log->info.period_s == 1);
    ew_power_log_close(&log);
}

static void test_grades(void **state) {
    (void)state;
    struct ew_power_log *log = NULL;
    const char *text = "time_s,power_w\n0.5,1\n0.6,2\n";
    assert_int_equal(read_log(text, "error=0.5%", &log, NULL), EW_OK);
    assert_true(log->info.grade_ceiling == EW_GRADE_B && fabs(log->info.error_relative - 0.005) < 1e-12);
    ew_power_log_close(&log);
    assert_int_equal(read_log(text, "error=0.005&grade=A&boundary=wall&averaging=0.5", &log, NULL), EW_OK);
    assert_true(log->info.grade_ceiling == EW_GRADE_A && log->info.boundary == EW_BOUNDARY_WALL &&
                log->info.averaging_s == 0.5);
    ew_power_log_close(&log);
}

static void test_tegrastats(void **state) {
    (void)state;
    struct ew_power_log *log = NULL;
    /* JetPack 4 and 5, R39's third figure, a rail that is not connected, and the AGX Orin, whose total is a sum. */
    check("RAM 1/2MB (lfb 1x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@9] VDD_IN 3902/3611 VDD_SOC 997/941\n"
          "RAM 1/2MB (lfb 1x4MB) IRAM 0/252kB(lfb 252kB) CPU [1%@9] VDD_IN 4002/3611 VDD_SOC 997/941\n",
          "interval=0.5", 3.902, 0.997, 0.5);
    assert_int_equal(read_log("01-02-2026 10:00:00 RAM 1/2MB tj@-256C VDD_GPU_SOC 2399mW/2399mW/2500mW VDD_CPU_CV "
                              "400mW/400mW/400mW VIN_SYS_5V0 4032mW/4032mW/4032mW NC 9mW/9mW/9mW\n"
                              "01-02-2026 10:00:01 RAM 1/2MB VDD_GPU_SOC 2000mW/2399mW/2500mW VIN_SYS_5V0 "
                              "4032mW/4032mW/4032mW NC 9mW/9mW/9mW\n",
                              "", &log, NULL),
                     EW_OK);
    assert_true(log->n == 2 && log->info.n_channels == 3 && log->missing == 1);
    assert_true(fabs(log->values[0] + log->values[1] + log->values[2] - 6.831) < 1e-9 && isnan(log->values[4]));
    assert_true(log->info.boundary == EW_BOUNDARY_MODULE && log->clock == EW_LOG_CLOCK_EPOCH);
    assert_int_equal(log->times_ns[0], 1767348000000000000); /* date -d '2026-01-02 10:00:00 UTC' +%s */
    ew_power_log_close(&log);
    /* Thor: the board's input among rails of the module, which are not added to it. */
    assert_int_equal(read_log("01-02-2026 10:00:00 RAM 1/2MB VDD_GPU 0mW/0mW VDD_CPU_SOC_MSS 6516mW/6516mW VIN_SYS_5V0 "
                              "6522mW/6522mW VIN 22556mW/22556mW\n"
                              "01-02-2026 10:00:01 RAM 1/2MB VDD_GPU 0mW/0mW VDD_CPU_SOC_MSS 6516mW/6516mW VIN_SYS_5V0 "
                              "6522mW/6522mW VIN 22600mW/22578mW\n",
                              "", &log, NULL),
                     EW_OK);
    assert_true(log->info.n_channels == 4 && log->info.boundary == EW_BOUNDARY_BOARD_DC);
    for (size_t c = 0; c < 4; c++)
        assert_int_equal(log->info.channels[c].in_total, strcmp(log->info.channels[c].name, "VIN") == 0);
    assert_true(fabs(log->values[3] - 22.556) < 1e-9);
    ew_power_log_close(&log);
    check_refused("RAM 1/2MB VDD_IN 1/1\n", "", EW_ERR_FORMAT, "interval=SECONDS");
    check_refused("01-02-2026 10:00:00 RAM 1/2MB VDD_ODD 1mW/1mW\n", "", EW_ERR_FORMAT, "power=RAIL");
    check_refused("01-02-2026 10:00:00 RAM 1/2MB CPU [1%@9]\n", "", EW_ERR_FORMAT, "no power rails");
    check_refused("01-02-2026 10:00:00 RAM 1/2MB VDD_IN 1mW/1mW\nRAM 1/2MB VDD_IN 1mW/1mW\n", "", EW_ERR_FORMAT,
                  ":2: the line has no time");
    struct ew_tegra_line t;
    assert_false(ew_tegra_line_parse("VDD_IN 1mW/1mW", &t));
    assert_true(ew_tegra_line_parse("RAM 1/2MB VDD_IN -1mW/0mW VDD_B 5mW/x VDD_C 5mW/6mW/7mW/8mW", &t));
    assert_true(t.n == 1 && isnan(t.power_w[0]));
}

static bool shared(char *out, size_t capacity, const char *file, const char *options) {
    const char *dir = getenv("EW_SHARED_DIR");
    snprintf(out, capacity, "%s/data/devices/%s", dir ? dir : "", file);
    bool there = dir && access(out, R_OK) == 0;
    if (!there) printf("skipped: no %s\n", file);
    snprintf(out + strlen(out), capacity - strlen(out), "?%s", options);
    return there;
}

static struct ew_power_log *read_shared(const char *file, const char *options) {
    char source[2048];
    struct ew_log_choice choice;
    struct ew_power_log *log = NULL;
    struct ew_error err = {0};
    if (!shared(source, sizeof source, file, options)) skip();
    assert_int_equal(ew_log_choice_parse(source, &choice, NULL), EW_OK);
    if (ew_power_log_read(&choice, &log, &err) != EW_OK) fail_msg("%s", err.message);
    return log;
}

/* The same recording twice: as tegrastats wrote it, and as its author's own script read it. */
static void test_orin_capture(void **state) {
    (void)state;
    struct ew_power_log *raw = read_shared("jetson/tegrastats_orin_nano_20260419.raw", "");
    struct ew_power_log *csv = read_shared("jetson/tegrastats_orin_nano_20260419.csv", "");
    assert_int_equal(raw->n, 661);
    assert_int_equal(csv->n, 661);
    for (size_t i = 0; i < raw->n; i++) {
        double raw_s = (double)(raw->times_ns[i] - raw->times_ns[0]) * 1e-9, csv_s = (double)csv->times_ns[i] * 1e-9;
        assert_true(fabs(raw->values[i * 3] - csv->values[i]) < 1e-9); /* VDD_IN */
        assert_true(raw_s >= csv_s - 0.5); /* the CSV counts lines as 100 ms; by the stamps they took 109 */
        assert_true(i == 0 || raw->times_ns[i] > raw->times_ns[i - 1]);
    }
    assert_true(fabs((double)(raw->times_ns[660] - raw->times_ns[0]) * 1e-9 - 72.25) < 0.3); /* 01:31:10 to 01:32:22 */
    assert_true(raw->info.boundary == EW_BOUNDARY_MODULE && raw->channels[0].in_total && !raw->channels[1].in_total);
    ew_power_log_close(&raw);
    ew_power_log_close(&csv);
}

static void test_other_captures(void **state) {
    (void)state;
    struct ew_power_log *log = read_shared("jetson/tegrastats_agx_orin_l4t35.txt", "");
    assert_true(log->n == 1 && log->info.n_channels == 4);
    double sum = 0;
    for (size_t c = 0; c < 4; c++) sum += log->channels[c].in_total ? log->values[c] : 0;
    assert_true(fabs(sum - 6.831) < 1e-9); /* 2399 + 400 + 4032 mW */
    ew_power_log_close(&log);
    log = read_shared("jetson/tegrastats_orin_nano_idle_vs_jetson_clocks.txt", "");
    assert_true(log->n == 6 && log->values[0] == 4.761 && log->unread == 2);
    ew_power_log_close(&log);
    log = read_shared("rapl_vs_load/AMD_Threadripper.csv", "power=tapo_power");
    assert_true(log->n >= 10 && log->values[0] == 115 && log->values[1] == 147 && log->clock == EW_LOG_CLOCK_EPOCH);
    assert_int_equal(log->times_ns[0], 1736861292186518400);
    ew_power_log_close(&log);
}

static void test_growing(void **state) {
    (void)state;
    struct ew_log_choice choice;
    struct ew_power_log_reader *r = NULL;
    assert_int_equal(ew_log_choice_parse("grows.csv", &choice, NULL), EW_OK);
    assert_int_equal(ew_power_log_reader_open(&choice, &r, NULL), EW_OK);
    const char text[] = "time_s,power_w\n0.1,1\n0.2,2\n0.25,3\n0.22,9\n";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_int_equal(ew_power_log_reader_feed(r, text + i, 1, NULL), EW_OK);
        if (text[i] == '3') ew_power_log_reader_release(r, ew_power_log_reader_log(r)->n);
        if (ew_power_log_reader_log(r)->n == 3) ew_power_log_reader_release(r, 3);
    }
    const struct ew_power_log *log = ew_power_log_reader_log(r);
    assert_true(log->n == 3 && log->late == 1 && log->backwards == 1); /* 0.22 came when 0.25 was given out */
    ew_power_log_reader_close(&r);
}

static void test_hostile(void **state) {
    (void)state;
    static const char *const seeds[] = {"time_s,power_w\n0.5,1\n0.6,2\n", "2026-03-01T12:00:00.25+01:00\t4.5\n",
                                        "01-02-2026 10:00:00 RAM 1/2MB VDD_IN 1mW/1mW/1mW\n",
                                        "Date;Time;\"U \"\"V\"\"\";I [A]\n1;2;3;4\n"};
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 3000; round++) {
        char text[256];
        size_t n = strlen(seeds[round % 4]);
        memcpy(text, seeds[round % 4], n);
        for (int k = 0; k < 6; k++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            static const char letters[] = "0123456789.,;:\t \n\"-+/eTZWmNC_@%";
            text[random % n] = letters[(random >> 20) % (sizeof letters - 1)];
            if (random >> 60 == 0) text[(random >> 30) % n] = (char)(random >> 50);
        }
        struct ew_log_choice choice;
        struct ew_power_log_reader *r = NULL;
        assert_int_equal(ew_log_choice_parse("x", &choice, NULL), EW_OK);
        assert_int_equal(ew_power_log_reader_open(&choice, &r, NULL), EW_OK);
        if (ew_power_log_reader_feed(r, text, n, NULL) == EW_OK) ew_power_log_reader_finish(r, NULL);
        const struct ew_power_log *log = ew_power_log_reader_log(r);
        for (size_t i = 1; i < log->n; i++) assert_true(log->times_ns[i] > log->times_ns[i - 1]);
        ew_power_log_reader_close(&r);
    }
}

/* The load showed as 3 and 8 W in a log whose clock is some other; the energy of a window is known by hand. */
static void test_aligned(void **state) {
    (void)state;
    const struct ew_load_phase phases[] = {
        {1000000000000, 1005100000000}, {1008300000000, 1010000000000}, {1012200000000, 1020700000000}};
    struct ew_load_edge edges[6];
    struct ew_load_pattern pattern;
    assert_int_equal(ew_load_pattern_of_phases(phases, 3, 4000000000, edges, &pattern, NULL), EW_OK);
    assert_true(pattern.n == 6 && pattern.begin_ns == 996000000000);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("t_ms;P in mW\n", f);
    for (int i = 0; i < 600; i++) { /* every 50 ms from 995 s; its clock says 17 s */
        double t = 995 + i * 0.05;
        bool on = (t >= 1000 && t < 1005.1) || (t >= 1008.3 && t < 1010) || (t >= 1012.2 && t < 1020.7);
        fprintf(f, "%.1f;%d\n", (t - 978) * 1000, on ? 8000 : 3000);
    }
    fclose(f);
    struct ew_alignment how = {.patterns = &pattern, .n_patterns = 1};
    struct ew_aligned_log *log = NULL;
    struct ew_error err = {0};
    char source[1200];
    snprintf(source, sizeof source, "%s?power=2&error=1%%", path);
    if (ew_aligned_log_open(source, &how, &log, &err) != EW_OK) fail_msg("%s", err.message);
    assert_true(llabs(log->first.shift_ns - 978000000000) <= log->first.error_ns && log->error_ns < 60000000);
    struct ew_energy_trace trace = ew_aligned_log_trace(log);
    struct ew_energy energy;
    assert_int_equal(ew_energy_of_window(&trace, EW_ENERGY_TOTAL, 1012200000000, 1020700000000, NULL, &energy, NULL),
                     EW_OK);
    assert_true(fabs(energy.energy_j - 8 * 8.5) < energy.error_j && energy.error_j < 2.5);
    ew_aligned_log_close(&log);
    snprintf(source, sizeof source, "%s?power=2&clock=here", path);
    assert_int_equal(ew_aligned_log_open(source, &how, &log, &err), EW_ERR_ARGUMENT); /* its stamps have no day */
    how.n_patterns = 0;
    snprintf(source, sizeof source, "%s?power=2", path);
    assert_int_equal(ew_aligned_log_open(source, &how, &log, &err), EW_ERR_ARGUMENT);
    const struct ew_load_phase wrong = {5, 5};
    assert_int_equal(ew_load_pattern_of_phases(&wrong, 1, 0, edges, &pattern, NULL), EW_ERR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects),       cmocka_unit_test(test_refusals),   cmocka_unit_test(test_disorder),
        cmocka_unit_test(test_grades),         cmocka_unit_test(test_tegrastats), cmocka_unit_test(test_orin_capture),
        cmocka_unit_test(test_other_captures), cmocka_unit_test(test_growing),    cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_aligned),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
