/* Batteries: when they carry the whole device, which readings are taken, and in which unit. Expectations: the trees'
 * own values, multiplied by hand. */
#include "meter/driver.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SUPPLIES "/sys/class/power_supply/"

struct place {
    char root[TREE_ROOT_BYTES];
    struct ew_meter_config config;
    struct ew_meter_list *list;
};

static void put(const struct place *p, const char *supply, const char *attribute, const char *text) {
    char path[128];
    snprintf(path, sizeof path, SUPPLIES "%s/%s", supply, attribute);
    tree_put(p->root, path, text);
}

static const struct ew_meter_info *probe(struct place *p) {
    ew_meter_list_close(&p->list);
    p->config.root = p->root;
    p->list = ew_meter_list_new();
    assert_int_equal(ew_meter_probe_battery(p->list, &p->config, NULL), EW_OK);
    return ew_meter_list_count(p->list) ? ew_meter_info(ew_meter_list_at(p->list, 0)) : NULL;
}

static void open_place(struct place *p) {
    *p = (struct place){0};
    tree_unpack("nothing", p->root);
}

static void open_laptop(struct place *p) {
    open_place(p);
    put(p, "AC", "type", "Mains\n");
    put(p, "AC", "online", "0\n");
    put(p, "BAT0", "type", "Battery\n");
    put(p, "BAT0", "status", "Discharging\n");
    put(p, "BAT0", "power_now", "7250000\n");
    put(p, "hidpp_battery_0", "type", "Battery\n"); /* a mouse */
    put(p, "hidpp_battery_0", "scope", "Device\n");
    put(p, "hidpp_battery_0", "status", "Discharging\n");
}

static void open_phone(struct place *p, const char *current) {
    open_place(p);
    put(p, "battery", "type", "Battery\n");
    put(p, "battery", "status", "Discharging\n");
    put(p, "battery", "current_now", current);
    put(p, "battery", "voltage_now", "4000000\n");
    put(p, "battery", "charge_full_design", "3000000\n");
}

static void close_place(struct place *p) {
    ew_meter_list_close(&p->list);
    tree_remove(p->root);
}

static enum ew_status read_now(const struct place *p, double *values) {
    struct ew_meter *m = ew_meter_list_at(p->list, 0);
    int64_t time_ns;
    size_t n = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    enum ew_status status = ew_meter_read(m, &time_ns, values, 1, &n, NULL);
    ew_meter_stop(m);
    return status;
}

static void expect_w(struct place *p, double watts) {
    const struct ew_meter_info *info = probe(p);
    assert_non_null(info);
    if (info->reason != EW_METER_USABLE) fail_msg("%s", info->reason_text);
    double v[16], sum = 0;
    assert_int_equal(read_now(p, v), EW_OK);
    for (size_t c = 0; c < info->n_channels; c++) sum += info->channels[c].in_total ? v[c] : 0;
    if (!(fabs(sum - watts) < 1e-9)) fail_msg("%.12g W, expected %.12g", sum, watts);
}

static void expect_refused(struct place *p, enum ew_meter_reason reason, const char *words) {
    const struct ew_meter_info *info = probe(p);
    assert_non_null(info);
    if (info->reason != reason || !strstr(info->reason_text, words))
        fail_msg("%s: %s", ew_meter_reason_name(info->reason), info->reason_text);
}

static void test_laptop(void **state) {
    (void)state;
    struct place p;
    open_laptop(&p);
    expect_w(&p, 7.25);
    const struct ew_meter_info *info = ew_meter_info(ew_meter_list_at(p.list, 0));
    assert_int_equal(info->n_channels, 1);
    assert_int_equal(info->boundary, EW_BOUNDARY_BOARD_DC);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C);
    put(&p, "BAT1", "type", "Battery\n"); /* the second one rests */
    put(&p, "BAT1", "status", "Not charging\n");
    put(&p, "BAT1", "power_now", "0\n");
    expect_w(&p, 7.25);
    put(&p, "BAT1", "status", "Discharging\n");
    put(&p, "BAT1", "power_now", "1500000\n");
    expect_w(&p, 8.75);
    close_place(&p);
}

static void test_charger(void **state) {
    (void)state;
    struct place p;
    double v[1];
    open_laptop(&p);
    put(&p, "AC", "online", "1\n");
    expect_refused(&p, EW_METER_NOT_NOW, "AC is plugged in");
    assert_non_null(strstr(ew_meter_info(ew_meter_list_at(p.list, 0))->remedy, "unplug the charger"));
    put(&p, "AC", "online", "0\n");
    put(&p, "BAT0", "status", "Full\n");
    expect_refused(&p, EW_METER_NOT_NOW, "\"Full\"");
    put(&p, "BAT0", "status", "Discharging\n");
    expect_w(&p, 7.25);
    put(&p, "BAT0", "status", "Charging\n"); /* while it is read */
    assert_int_equal(read_now(&p, v), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_meter_info(ew_meter_list_at(p.list, 0))->reason, EW_METER_NOT_NOW);
    close_place(&p);
}

static void test_gone(void **state) {
    (void)state;
    struct place p;
    double v[1];
    char path[TREE_ROOT_BYTES + 64];
    open_laptop(&p);
    expect_w(&p, 7.25);
    snprintf(path, sizeof path, "%s" SUPPLIES "BAT0/type", p.root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_now(&p, v), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_meter_info(ew_meter_list_at(p.list, 0))->reason, EW_METER_GONE);
    close_place(&p);
}

static void test_units_and_signs(void **state) {
    (void)state;
    static const char *const same[] = {"500000\n", "-500000\n", "500\n", "-500\n"}; /* 0.5 A at 4 V */
    for (size_t i = 0; i < 4; i++) {
        struct place p;
        open_phone(&p, same[i]);
        expect_w(&p, 2.0);
        close_place(&p);
    }
    static const char *const wrong[] = {"0\n", "10\n", "90000000\n"}; /* 0.04 W at most, 360 W at least */
    for (size_t i = 0; i < 3; i++) {
        struct place p;
        open_phone(&p, wrong[i]);
        expect_refused(&p, EW_METER_UNSUPPORTED, "neither can be");
        close_place(&p);
    }
}

static void test_charge_alone(void **state) {
    (void)state;
    struct place p;
    open_place(&p);
    assert_null(probe(&p));
    put(&p, "BAT0", "type", "Battery\n");
    put(&p, "BAT0", "status", "Discharging\n");
    put(&p, "BAT0", "energy_now", "36580000\n");
    expect_refused(&p, EW_METER_UNSUPPORTED, "charge alone");
    close_place(&p);
}

/* The phone's own gauge tells all in one file: 1.202147 A at 4.13744 V. Which way, only the battery says. */
static void test_captured_gauge(void **state) {
    (void)state;
    const char *shared = getenv("EW_SHARED_DIR");
    char path[1024], text[4096];
    snprintf(path, sizeof path, "%s/data/devices/android/bms_uevent_xiaomi_mi6_discharging.txt", shared ? shared : "");
    FILE *f = fopen(path, "r");
    if (!f) skip();
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n] = 0;
    fclose(f);
    struct place p;
    open_place(&p);
    put(&p, "battery", "uevent", "POWER_SUPPLY_TYPE=Battery\nPOWER_SUPPLY_STATUS=Discharging\n");
    put(&p, "bms", "type", "BMS\n");
    put(&p, "bms", "uevent", text);
    expect_w(&p, 1.202147 * 4.13744);
    put(&p, "battery", "uevent", "POWER_SUPPLY_TYPE=Battery\n");
    expect_refused(&p, EW_METER_NOT_NOW, "missing");
    close_place(&p);
}

static void test_captured_laptop(void **state) {
    (void)state;
    struct place p = {0};
    if (!tree_untar("node_exporter/sys-power-thermal.tar.gz", "", p.root)) skip();
    expect_w(&p, 5.002);
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laptop),
        cmocka_unit_test(test_charger),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_units_and_signs),
        cmocka_unit_test(test_charge_alone),
        cmocka_unit_test(test_captured_gauge),
        cmocka_unit_test(test_captured_laptop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
