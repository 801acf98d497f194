/* The power chip of a Raspberry Pi 5: the form of its answers, its meters, and every way in which it is refused.
 * Expectations: the recorded tree's own values, multiplied by hand; of the captures, sums by an independent program. */
#include "meter/driver.h"
#include "meter/fake_meter.h"
#include "meter/pi_pmic.h"
#include "meter/pmic_answer.h"
#include "recorded_tree.h"

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

#define ANSWER "/dev/vcio/pmic_read_adc"
/* 3.7*.05 + 3.3*.1 + 1.8*.2 + 1.1*.1 + 0 + 1.1*.2 + .8*.25 + .8*2.5 + 3.3*.0001 + 3.3*.0005 + .8*.005 + 5.1*.01 */
static const double tree_sum_w = 3.46198;

struct place {
    char root[TREE_ROOT_BYTES];
    struct ew_meter_config config;
    struct ew_meter_list *list;
};

static void probe(struct place *p) {
    ew_meter_list_close(&p->list);
    p->config.root = p->root;
    assert_int_equal(ew_meter_list_probe(&p->config, &p->list, NULL), EW_OK);
}

static void open_place(struct place *p, const char *tree) {
    *p = (struct place){0};
    tree_unpack(tree, p->root);
    probe(p);
}

static void close_place(struct place *p) {
    ew_meter_list_close(&p->list);
    tree_remove(p->root);
}

static const struct ew_meter_info *info_of(const struct place *p, const char *name) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    if (!m) fail_msg("meter %s is not in the list", name);
    return ew_meter_info(m);
}

static enum ew_status read_now(const struct place *p, const char *name, double *values, struct ew_error *e) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    if (!m) fail_msg("meter %s is not in the list", name);
    int64_t time_ns;
    size_t n = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    enum ew_status status = ew_meter_read(m, &time_ns, values, 1, &n, e);
    assert_int_equal(n, status == EW_OK);
    ew_meter_stop(m);
    return status;
}

static double total(const struct ew_meter_info *info, const double *values) {
    double sum = 0;
    for (size_t c = 0; c < info->n_channels; c++)
        if (info->channels[c].in_total) sum += values[c];
    return sum;
}

static void test_meters(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "pi5");
    const struct ew_meter_info *info = info_of(&p, "pi-pmic");
    double w[EW_PMIC_MAX_RAILS];
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->n_channels, 12); /* EXT5V and BATT have no current */
    assert_int_equal(info->boundary, EW_BOUNDARY_MODULE);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C);
    assert_non_null(strstr(info->leaves_out, "USB ports"));
    assert_non_null(strstr(info->leaves_out, "NVMe"));
    assert_int_equal(read_now(&p, "pi-pmic", w, NULL), EW_OK);
    assert_true(fabs(total(info, w) - tree_sum_w) < 1e-9);
    assert_string_equal(info->channels[7].name, "VDD_CORE");
    assert_true(fabs(w[7] - 2) < 1e-12);
    info = info_of(&p, "pi-pmic-corrected");
    assert_int_equal(info->boundary, EW_BOUNDARY_BOARD_DC);
    assert_int_equal(info->grade_ceiling, EW_GRADE_D);
    assert_non_null(strstr(info->covers, "estimate"));
    assert_int_equal(read_now(&p, "pi-pmic-corrected", w, NULL), EW_OK);
    assert_true(fabs(w[0] - (1.1451 * tree_sum_w + 0.5879)) < 1e-9);
    info = info_of(&p, "pi-supply");
    assert_int_equal(info->quantity, EW_METER_VOLTAGE);
    assert_string_equal(ew_meter_unit_name(info), "V");
    assert_non_null(strstr(info->covers, "4.70 V, below 4.75 V")); /* a weak supply is said aloud */
    assert_int_equal(read_now(&p, "pi-supply", w, NULL), EW_OK);
    assert_true(w[0] == 4.7 && w[1] == 3.0);
    close_place(&p);
}

static void test_supply_words(void **state) {
    (void)state;
    char text[EW_METER_TEXT_SIZE];
    assert_false(ew_pi_supply_caveat(4.75, text, sizeof text));
    assert_false(ew_pi_supply_caveat(5.07, text, sizeof text));
    assert_false(ew_pi_supply_caveat(NAN, text, sizeof text));
    assert_string_equal(text, "");
    assert_true(ew_pi_supply_caveat(4.62, text, sizeof text));
    assert_non_null(strstr(text, "4.62 V"));
}

/* A clock on which the recorded answer moves with time, as a live one would. */
struct live {
    struct ew_fake_clock clock;
    const char *root;
    int n;
};

static int64_t live_now(void *context) { return ((struct live *)context)->clock.now_ns; }

static void put_answer(const char *root, const char *path, double amps, double ext5v) {
    static const char *const names[] = {"3V7_WL_SW", "3V3_SYS",  "1V8_SYS", "DDR_VDD2", "DDR_VDDQ", "1V1_SYS",
                                        "0V8_SW",    "VDD_CORE", "3V3_DAC", "3V3_ADC",  "0V8_AON",  "HDMI"};
    char text[4096] = "";
    size_t used = 0;
    for (int i = 0; i < 12; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s_A current(%d)=%.8fA\n%s_V volt(%d)=2.00000000V\n",
                                 names[i], i, amps, names[i], i + 12);
    snprintf(text + used, sizeof text - used, "EXT5V_V volt(24)=%.8fV\n", ext5v);
    tree_put(root, path, text);
}

static void live_sleep(void *context, int64_t time_ns) {
    struct live *l = context;
    if (time_ns > l->clock.now_ns) l->clock.now_ns = time_ns;
    put_answer(l->root, ANSWER, 0.1 + 0.001 * (++l->n % 5), 5.1);
}

/* auto takes the plain sum and not the corrected one, as it has the better grade. */
static void test_choice(void **state) {
    (void)state;
    struct place p = {0};
    tree_unpack("pi5", p.root);
    struct live live = {.root = p.root};
    struct ew_meter_clock clock = {.now_ns = live_now, .sleep_until_ns = live_sleep, .context = &live};
    p.config.clock = &clock;
    probe(&p);
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    assert_int_equal(ew_meter_list_choose_energy(p.list, "auto", &m, &e), EW_OK);
    assert_string_equal(ew_meter_info(m)->name, "pi-pmic");
    assert_int_equal(ew_meter_list_choose_energy(p.list, "pi-pmic-corrected", &m, &e), EW_OK);
    close_place(&p);
}

/* A dead chip repeats its last answer: neither meter is left. */
static void test_frozen(void **state) {
    (void)state;
    struct place p = {0};
    tree_unpack("pi5", p.root);
    struct ew_fake_clock fake = {0};
    struct ew_meter_clock clock = ew_fake_clock_of(&fake);
    p.config.clock = &clock;
    probe(&p);
    struct ew_meter *m = NULL;
    assert_int_equal(ew_meter_list_choose_energy(p.list, "auto", &m, NULL), EW_ERR_NOT_FOUND);
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_FROZEN);
    assert_int_equal(info_of(&p, "pi-pmic-corrected")->reason, EW_METER_FROZEN);
    close_place(&p);
}

static void test_answers_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *answer;
        enum ew_meter_reason reason;
        const char *words, *remedy;
    } cases[] = {
        {"error=1 error_msg=\"Command not registered\"\n", EW_METER_UNSUPPORTED, "not registered", "Raspberry Pi 5"},
        {"error=2 error_msg=\"Invalid arguments\"\n", EW_METER_IO_ERROR, "Invalid arguments", "rpi-eeprom-update"},
        {"", EW_METER_IO_ERROR, "empty", "rpi-eeprom-update"},
        {"\x01\x02 what is this?\n", EW_METER_IO_ERROR, "not understood:    what is this?", ""},
        {"3V3_SYS_A current(1)=0.1A\n3V3_SYS_V volt(9)=3.3V\n", EW_METER_IO_ERROR, "VDD_CORE", ""},
    };
    struct place p;
    open_place(&p, "pi5");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tree_put(p.root, ANSWER, cases[i].answer);
        probe(&p);
        const struct ew_meter_info *info = info_of(&p, "pi-pmic");
        assert_int_equal(info->reason, cases[i].reason);
        if (!strstr(info->reason_text, cases[i].words))
            fail_msg("\"%s\" lacks \"%s\"", info->reason_text, cases[i].words);
        assert_non_null(strstr(info->remedy, cases[i].remedy));
    }
    close_place(&p);
}

static void test_no_mailbox(void **state) {
    (void)state;
    struct place p;
    char path[TREE_ROOT_BYTES + 32];
    open_place(&p, "pi5");
    snprintf(path, sizeof path, "%s" ANSWER, p.root);
    assert_int_equal(unlink(path), 0);
    probe(&p);
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_ABSENT);
    close_place(&p);
    open_place(&p, "nothing"); /* no Raspberry Pi: nothing to say */
    assert_null(ew_meter_list_find(p.list, "pi-pmic"));
    close_place(&p);
}

static void test_no_rights(void **state) {
    (void)state;
    struct place p = {0};
    char path[TREE_ROOT_BYTES + 32];
    tree_unpack("pi5", p.root);
    snprintf(path, sizeof path, "%s" ANSWER, p.root);
    assert_int_equal(chmod(path, 0), 0);
    if (!tree_drop_rights()) {
        print_message("skipped: cannot give up the rights of root here\n");
        tree_remove(p.root);
        skip();
    }
    probe(&p);
    tree_regain_rights();
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_PERMISSION);
    assert_non_null(strstr(info_of(&p, "pi-pmic")->remedy, "sudo usermod -aG video $USER"));
    close_place(&p);
}

/* A rail that is missing at first is out of the total and named; one that goes missing later is NAN; then all are. */
static void test_missing_rails(void **state) {
    (void)state;
    struct place p;
    double w[EW_PMIC_MAX_RAILS];
    struct ew_error e = {0};
    open_place(&p, "pi5");
    tree_put(p.root, ANSWER, "VDD_CORE_A current(7)=1.5A\nVDD_CORE_V volt(15)=0.8V\n");
    assert_int_equal(read_now(&p, "pi-pmic", w, NULL), EW_OK);
    assert_true(fabs(w[7] - 1.2) < 1e-12 && isnan(w[0]) && isnan(w[11]));
    assert_true(isnan(total(info_of(&p, "pi-pmic"), w)));
    assert_int_equal(read_now(&p, "pi-pmic-corrected", w, NULL), EW_OK);
    assert_true(isnan(w[0]));
    tree_put(p.root, ANSWER, "rubbish");
    assert_int_equal(read_now(&p, "pi-pmic", w, &e), EW_ERR_FORMAT);
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_USABLE); /* the next answer may be good again */

    tree_put(p.root, ANSWER,
             "VDD_CORE_A current(7)=1.5A\nVDD_CORE_V volt(15)=0.8V\nNEW_A current(30)=1A\nNEW_V volt(31)=3V\n");
    probe(&p);
    const struct ew_meter_info *info = info_of(&p, "pi-pmic");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->n_channels, 13);
    assert_non_null(strstr(info->leaves_out, "missing rails 3V7_WL_SW 3V3_SYS"));
    assert_non_null(strstr(info->leaves_out, "0V8_AON HDMI, unknown rails NEW"));
    assert_int_equal(read_now(&p, "pi-pmic", w, NULL), EW_OK);
    assert_true(fabs(total(info, w) - 1.2) < 1e-12 && w[12] == 3);
    assert_int_equal(info_of(&p, "pi-pmic-corrected")->reason, EW_METER_UNSUPPORTED);
    close_place(&p);
}

static void test_gone(void **state) {
    (void)state;
    struct place p;
    double w[EW_PMIC_MAX_RAILS];
    struct ew_error e = {0};
    char path[TREE_ROOT_BYTES + 32];
    open_place(&p, "pi5");
    snprintf(path, sizeof path, "%s" ANSWER, p.root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_now(&p, "pi-pmic", w, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_GONE);
    close_place(&p);
}

/* A regular file in the device's place answers every command. */
static void test_one_file(void **state) {
    (void)state;
    struct place p;
    double w[EW_PMIC_MAX_RAILS];
    open_place(&p, "nothing");
    put_answer(p.root, "/dev/vcio", 0.25, 5.0);
    probe(&p);
    assert_int_equal(read_now(&p, "pi-pmic", w, NULL), EW_OK);
    assert_true(fabs(total(info_of(&p, "pi-pmic"), w) - 12 * 0.5) < 1e-9);
    close_place(&p);
}

static void test_form(void **state) {
    (void)state;
    static const struct {
        const char *line;
        double volts, amps;
        size_t n_strange;
    } cases[] = {
        {"X_A current(7)=1.5A\r\n\t X_V   volt(1)=0.5V  \r\n", 0.5, 1.5, 0},
        {"X_A current(7)=1.5A", NAN, 1.5, 0},
        {"X_A current(7)=1.5A\nX_A current(7)=1.5A\nX_A current(7)=1.5A\nX_V volt(1)=0.5V\n", 0.5, NAN, 0},
        {"X_A current(7)=1e9A\nX_V volt(1)=0.5V\n", 0.5, NAN, 1},
        {"X_A current(7)=nanA\nX_V volt(1)=0x1V\nX_V volt(1)=0.5V\n", 0.5, NAN, 2},
        {"X_A current(7)=-3.0A\nX_V volt(1)=0.5V\n", 0.5, NAN, 0},    /* no such current */
        {"X_A current(7)=-0.01A\nX_V volt(1)=500V\n", NAN, -0.01, 0}, /* an offset; no such voltage */
        {"X_A current(7)=1.5V\nX_V volt(1)=0.5V\n", 0.5, NAN, 1},
        {"X_A volt(7)=1.5A\nX_V volt(1)=0.5V\n", 0.5, NAN, 1},
        {"X_A current(7)=A\nX_A current(7)\nX_A\n_A current(1)=1A\nX_V volt(1)=0.5V\nnoise\n", 0.5, NAN, 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ew_pmic_answer a;
        assert_true(ew_pmic_parse(cases[i].line, &a));
        const struct ew_pmic_rail *r = ew_pmic_find(&a, "X");
        assert_non_null(r);
        if (!(r->volts == cases[i].volts || (isnan(r->volts) && isnan(cases[i].volts))) ||
            !(r->amps == cases[i].amps || (isnan(r->amps) && isnan(cases[i].amps))) ||
            a.n_strange != cases[i].n_strange)
            fail_msg("%s: %g V, %g A, %zu strange", cases[i].line, r->volts, r->amps, a.n_strange);
    }
    struct ew_pmic_answer a;
    assert_false(ew_pmic_parse("", &a));
    assert_false(ew_pmic_parse("error=1 error_msg=\"Command not registered\"", &a));
    assert_false(ew_pmic_parse("A_NAME_THAT_IS_LONGER_THAN_ANY_RAIL_A current(7)=1.5A", &a));
    char many[EW_PMIC_MAX_RAILS * 64 * 2] = "";
    for (int i = 0; i < 2 * EW_PMIC_MAX_RAILS; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "R%d_V volt(%d)=1.0V\n", i, i);
    assert_true(ew_pmic_parse(many, &a));
    assert_int_equal(a.n, EW_PMIC_MAX_RAILS);
    assert_int_equal(a.n_strange, EW_PMIC_MAX_RAILS);
}

/* Every cut of a good answer, and every byte of it damaged in turn: never more than it holds, never a crash. */
static void test_damage(void **state) {
    (void)state;
    struct ew_pmic_answer a;
    static const char good[] = " VDD_CORE_A current(7)=5.03652000A\n VDD_CORE_V volt(15)=0.89369880V\n";
    char text[sizeof good];
    for (size_t cut = 0; cut < sizeof good; cut++) {
        snprintf(text, sizeof text, "%.*s", (int)cut, good);
        ew_pmic_parse(text, &a);
        const struct ew_pmic_rail *r = ew_pmic_find(&a, "VDD_CORE");
        double w = ew_pmic_power_w(r);
        assert_true(isnan(w) == (cut < sizeof good - 2)); /* all but the last line's end */
    }
    for (size_t at = 0; at + 1 < sizeof good; at++)
        for (int byte = 1; byte < 256; byte++) {
            memcpy(text, good, sizeof good);
            text[at] = (char)byte;
            ew_pmic_parse(text, &a);
            assert_true(a.n <= 2 && a.n_strange <= 4);
        }
}

static bool read_capture(const char *name, char *text, size_t capacity) {
    const char *shared = getenv("EW_SHARED_DIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/data/devices/raspberrypi5/%s", shared ? shared : "", name);
    FILE *f = shared ? fopen(path, "r") : NULL;
    if (!f) return false;
    text[fread(text, 1, capacity - 1, f)] = 0;
    fclose(f);
    return true;
}

static void test_captures(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double sum_w, core_w, ext5v;
    } captures[] = {
        {"pmic_read_adc_busy.txt", 5.92161222714482, 4.501131880176, 4.9245},
        {"pmic_read_adc_stress.txt", 10.799894446988575, 9.761432554356, 5.06788},
    };
    char text[8192];
    struct place p;
    if (!read_capture(captures[0].name, text, sizeof text)) {
        print_message("skipped: the captures are not here\n");
        skip();
    }
    open_place(&p, "nothing");
    for (size_t i = 0; i < sizeof captures / sizeof *captures; i++) {
        double w[EW_PMIC_MAX_RAILS];
        assert_true(read_capture(captures[i].name, text, sizeof text));
        tree_put(p.root, ANSWER, text);
        probe(&p);
        assert_int_equal(read_now(&p, "pi-pmic", w, NULL), EW_OK);
        assert_int_equal(info_of(&p, "pi-pmic")->n_channels, 12);
        assert_true(fabs(total(info_of(&p, "pi-pmic"), w) - captures[i].sum_w) < 1e-8);
        assert_true(fabs(w[7] - captures[i].core_w) < 1e-8);
        assert_int_equal(read_now(&p, "pi-supply", w, NULL), EW_OK);
        assert_true(fabs(w[0] - captures[i].ext5v) < 1e-9);
        assert_null(strstr(info_of(&p, "pi-supply")->covers, "weak"));
    }
    assert_true(read_capture("pmic_read_adc_pi4_error.txt", text, sizeof text));
    tree_put(p.root, ANSWER, text);
    probe(&p);
    assert_int_equal(info_of(&p, "pi-pmic")->reason, EW_METER_UNSUPPORTED);
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meters),
        cmocka_unit_test(test_supply_words),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_frozen),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_no_mailbox),
        cmocka_unit_test(test_no_rights),
        cmocka_unit_test(test_missing_rails),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
