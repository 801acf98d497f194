/* What is found, and what is refused and why, on recorded machines; and which energy meter is chosen. Expectations: the
 * recorded trees' own values, multiplied by hand. */
#include "meter/driver.h"
#include "meter/fake_meter.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char root[TREE_ROOT_BYTES];
    struct ew_meter_config config;
    struct ew_meter_list *list;
};

static void probe(struct place *p) {
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

static void read_now(const struct place *p, const char *name, double *values) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    assert_non_null(m);
    int64_t time_ns;
    size_t n = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(ew_meter_read(m, &time_ns, values, 1, &n, NULL), EW_OK);
    assert_int_equal(n, 1);
    ew_meter_stop(m);
}

static void test_orin_nano(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "orin-nano");
    const struct ew_meter_info *info = info_of(&p, "hwmon:ina3221");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->boundary, EW_BOUNDARY_MODULE);
    assert_int_equal(info->kind, EW_METER_POWER);
    assert_int_equal(info->n_channels, 3); /* neither shunt voltages nor the sum */
    assert_string_equal(info->channels[0].name, "VDD_IN");
    assert_true(info->channels[0].in_total && !info->channels[1].in_total && !info->channels[2].in_total);
    double w[3];
    read_now(&p, "hwmon:ina3221", w);
    assert_true(fabs(w[0] - 4.772864) < 1e-9 && fabs(w[1] - 0.524992) < 1e-9 && fabs(w[2] - 1.41344) < 1e-9);
    assert_int_equal(info_of(&p, "hwmon:ucsi_source_psy_2_00081")->reason, EW_METER_LIMIT);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_ABSENT);
    double t[3];
    read_now(&p, "temperature", t);
    assert_string_equal(info_of(&p, "temperature")->channels[0].name, "cpu");
    assert_true(fabs(t[0] - 48.468) < 1e-9);
    double hz[1];
    assert_int_equal(info_of(&p, "frequency")->n_channels, 1);
    read_now(&p, "gpu-frequency", hz);
    assert_true(hz[0] == 612e6);
    read_now(&p, "gpu-load", hz);
    assert_true(fabs(hz[0] - 0.415) < 1e-12);
    assert_string_equal(ew_meter_unit_name(info_of(&p, "gpu-load")), "1");
    read_now(&p, "frequency", hz);
    assert_true(hz[0] == 1190400e3);
    close_place(&p);
}

/* A channel whose chip fails is missing; the others go on. When the total fails at the start, the meter is refused. */
static void test_broken_channel(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "orin-nano");
    tree_put(p.root, "/sys/class/hwmon/hwmon1/curr3_input", "");
    double w[3];
    read_now(&p, "hwmon:ina3221", w);
    assert_true(w[0] > 0 && w[1] > 0 && isnan(w[2]));
    tree_put(p.root, "/sys/class/hwmon/hwmon1/curr1_input", "");
    ew_meter_list_close(&p.list);
    probe(&p);
    assert_int_equal(info_of(&p, "hwmon:ina3221")->reason, EW_METER_IO_ERROR);
    close_place(&p);
}

/* AGX Orin: two chips, the total is a sum over both; unconnected channels are left out. */
static void test_agx_orin(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
    static const struct {
        const char *label, *mv, *ma;
    } rails[2][3] = {{{"VDD_GPU_SOC", "19896", "120"}, {"VDD_CPU_CV", "19896", "20"}, {"VIN_SYS_5V0", "5040", "800"}},
                     {{"NC", "0", "0"}, {"VDDQ_VDD2_1V8AO", "5040", "60"}, {"NC", "0", "0"}}};
    for (int chip = 0; chip < 2; chip++) {
        char path[96];
        snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/name", chip);
        tree_put(p.root, path, "ina3221\n");
        for (int i = 0; i < 3; i++) {
            snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/in%d_label", chip, i + 1);
            tree_put(p.root, path, rails[chip][i].label);
            snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/in%d_input", chip, i + 1);
            tree_put(p.root, path, rails[chip][i].mv);
            snprintf(path, sizeof path, "/sys/class/hwmon/hwmon%d/curr%d_input", chip, i + 1);
            tree_put(p.root, path, rails[chip][i].ma);
        }
    }
    ew_meter_list_close(&p.list);
    probe(&p);
    const struct ew_meter_info *info = info_of(&p, "hwmon:ina3221");
    assert_int_equal(info->n_channels, 4);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C);
    double w[4], total = 0;
    read_now(&p, "hwmon:ina3221", w);
    for (int c = 0; c < 4; c++) total += info->channels[c].in_total ? w[c] : 0;
    assert_true(fabs(total - (2.38752 + 0.39792 + 4.032)) < 1e-9);
    close_place(&p);
}

/* A Jetson whose sensors L4T 32 shows as IIO devices: the total of its meter, in watts, of the rails that are named. */
static void expect_total(const char *tree, const char *meter, enum ew_meter_boundary boundary,
                         enum ew_trust_grade grade, const char *const *total, size_t n_total, size_t n_channels,
                         double watts) {
    struct place p;
    double w[16], sum = 0;
    size_t found = 0;
    open_place(&p, tree);
    const struct ew_meter_info *info = info_of(&p, meter);
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->boundary, boundary);
    assert_int_equal(info->grade_ceiling, grade);
    assert_int_equal(info->n_channels, n_channels);
    read_now(&p, meter, w);
    for (size_t c = 0; c < n_channels; c++) {
        bool named = false;
        for (size_t i = 0; i < n_total; i++) named |= strcmp(info->channels[c].name, total[i]) == 0;
        assert_int_equal(info->channels[c].in_total, named);
        found += named;
        sum += named ? w[c] : 0;
    }
    assert_int_equal(found, n_total);
    assert_true(fabs(sum - watts) < 1e-9);
    const struct ew_meter *best = ew_meter_list_best(p.list);
    assert_int_equal(best == ew_meter_list_find(p.list, meter), boundary == EW_BOUNDARY_MODULE);
    close_place(&p);
}
#define TOTAL(tree, meter, boundary, grade, n_channels, watts, ...)                                                    \
    do {                                                                                                               \
        static const char *const total_[] = {__VA_ARGS__};                                                             \
        expect_total(tree, meter, boundary, grade, total_, sizeof total_ / sizeof *total_, n_channels, watts);         \
    } while (0)

/* Which rails are the whole: L4T 32.6 development guide and device trees, as energymon's JetsonPowerRails.md lists
 * them. The watts: the trees' milliwatts, added by hand. */
static void test_older_jetsons(void **state) {
    (void)state;
    TOTAL("jetson-nano", "ina3221x", EW_BOUNDARY_MODULE, EW_GRADE_B, 3, 3.189, "POM_5V_IN");
    TOTAL("xavier-nx", "ina3221x", EW_BOUNDARY_MODULE, EW_GRADE_B, 3, 3.9, "VDD_IN");
    TOTAL("xavier-agx", "ina3221x", EW_BOUNDARY_MODULE, EW_GRADE_C, 6, 0.456 + 0.608 + 2.926 + 0 + 0.304 + 3.309, "GPU",
          "CPU", "SOC", "CV", "VDDRQ", "SYS5V");
    /* The carrier board's rails are no parts of the module; with them, both inputs and nothing twice. */
    TOTAL("tx2", "ina3221x", EW_BOUNDARY_MODULE, EW_GRADE_B, 6, 3.061, "VDD_IN");
    TOTAL("tx2", "ina3221x-board", EW_BOUNDARY_BOARD_DC, EW_GRADE_C, 12, 3.061 + 1.53, "VDD_IN", "VDD_MUX");
}

/* Rails without a map are refused by name; release 28 has one folder instead of numbered devices. */
static void test_unknown_rails(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
#define CHIP "/sys/bus/i2c/drivers/ina3221x/6-0040/iio_device"
    tree_put(p.root, CHIP "/rail_name_0", "POM_5V_IN\n");
    tree_put(p.root, CHIP "/in_power0_input", "2363\n");
    ew_meter_list_close(&p.list);
    probe(&p);
    double w[1];
    read_now(&p, "ina3221x", w);
    assert_true(fabs(w[0] - 2.363) < 1e-12);
    tree_put(p.root, CHIP "/rail_name_0", "VDD_ANY\n");
    tree_put(p.root, CHIP "/rail_name_1", "VDD_OTHER\n");
    tree_put(p.root, CHIP "/in_power1_input", "100\n");
    tree_put(p.root, CHIP "/rail_name_2", "NC\n");
    tree_put(p.root, CHIP "/in_power2_input", "0\n");
    ew_meter_list_close(&p.list);
    probe(&p);
    const struct ew_meter_info *info = info_of(&p, "ina3221x");
    assert_int_equal(info->reason, EW_METER_UNSUPPORTED);
    assert_non_null(strstr(info->reason_text, "which of them contain others: VDD_ANY, VDD_OTHER"));
    close_place(&p);
}

/* AGX Thor: the board's input is a chip of its own, whose rail is named by the file `label`; the module's rails are not
 * counted beside it. */
static void test_thor(void **state) {
    (void)state;
    struct place p;
    double w[1];
    open_place(&p, "agx-thor");
    const struct ew_meter_info *info = info_of(&p, "hwmon:ina238");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->boundary, EW_BOUNDARY_BOARD_DC);
    assert_int_equal(info->n_channels, 1);
    assert_string_equal(info->channels[0].name, "VIN");
    read_now(&p, "hwmon:ina238", w);
    assert_true(fabs(w[0] - 22.5568) < 1e-9);
    assert_ptr_equal(ew_meter_list_best(p.list), ew_meter_list_find(p.list, "hwmon:ina238"));
    info = info_of(&p, "hwmon:ina3221");
    assert_int_equal(info->reason, EW_METER_UNSUPPORTED);
    assert_non_null(strstr(info->reason_text, "VDD_GPU, VDD_CPU_SOC_MSS, VIN_SYS_5V0"));
    assert_int_equal(info_of(&p, "fan")->n_channels, 1);
    read_now(&p, "fan", w);
    assert_true(w[0] == 1786);
    /* The same chip on a board that is no Jetson measures whatever it is wired to. */
    tree_put(p.root, "/sys/firmware/devicetree/base/compatible", "someone,board");
    ew_meter_list_close(&p.list);
    probe(&p);
    assert_int_equal(info_of(&p, "hwmon:ina238")->boundary, EW_BOUNDARY_UNKNOWN);
    close_place(&p);
}

/* A rail of the total that disappears, as when a chip's driver is unloaded, ends the meter; nonsense is a missing
 * reading, and rights are asked for by name. */
static void test_rails_that_fail(void **state) {
    (void)state;
    struct place p;
    struct ew_error e = {0};
    int64_t time_ns;
    size_t n = 0;
    double w[3];
    char path[TREE_ROOT_BYTES + 96];
    static const char power[] = "/sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input";
    open_place(&p, "jetson-nano");
    struct ew_meter *m = ew_meter_list_find(p.list, "ina3221x");
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    tree_put(p.root, power, "3x189\n");
    assert_int_equal(ew_meter_read(m, &time_ns, w, 1, &n, NULL), EW_OK);
    assert_true(n == 1 && isnan(w[0]) && w[1] > 0);
    tree_put(p.root, power, "3189 mW\n"); /* older kernels write units */
    assert_int_equal(ew_meter_read(m, &time_ns, w, 1, &n, NULL), EW_OK);
    assert_true(fabs(w[0] - 3.189) < 1e-12);
    snprintf(path, sizeof path, "%s%s", p.root, power);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ew_meter_read(m, &time_ns, w, 1, &n, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "rail POM_5V_IN disappeared"));
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_GONE);

    ew_meter_list_close(&p.list);
    tree_put(p.root, power, "3x189\n");
    probe(&p);
    assert_int_equal(info_of(&p, "ina3221x")->reason, EW_METER_IO_ERROR);
    assert_non_null(strstr(info_of(&p, "ina3221x")->reason_text, "it holds no number"));
    if (tree_drop_rights()) {
        tree_regain_rights();
        assert_int_equal(chmod(path, 0), 0);
        ew_meter_list_close(&p.list);
        assert_true(tree_drop_rights());
        probe(&p);
        tree_regain_rights();
        assert_int_equal(info_of(&p, "ina3221x")->reason, EW_METER_PERMISSION);
        assert_non_null(strstr(info_of(&p, "ina3221x")->remedy, "sudo chmod a+r /sys/bus/i2c"));
    }
    close_place(&p);
}

/* The step is 40 uV across the shunt: 8 mA of 5 mOhm, at the voltage that the rail has. */
static void test_steps_of_rails(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "orin-nano");
    assert_true(fabs(info_of(&p, "hwmon:ina3221")->resolution - 0.008 * 5.056) < 1e-12);
    tree_put(p.root, "/sys/class/hwmon/hwmon1/shunt1_resistor", "10000\n"); /* microohms */
    ew_meter_list_close(&p.list);
    probe(&p);
    assert_true(fabs(info_of(&p, "hwmon:ina3221")->resolution - 0.004 * 5.056) < 1e-12);
    close_place(&p);
    open_place(&p, "tx2");
    assert_true(fabs(info_of(&p, "ina3221x")->resolution - 0.008 * 19.136) < 1e-12);
    close_place(&p);
}

static void test_laptop(void **state) {
    (void)state;
    struct place p = {0};
    tree_unpack("intel-laptop", p.root);
    if (!tree_drop_rights()) {
        print_message("skipped: cannot give up the rights of root here\n");
        tree_remove(p.root);
        skip();
    }
    probe(&p);
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    enum ew_status status = ew_meter_list_choose_energy(p.list, "auto", &m, &e);
    tree_regain_rights();
    const struct ew_meter_info *info = info_of(&p, "rapl");
    assert_int_equal(info->reason, EW_METER_PERMISSION);
    assert_non_null(strstr(info->remedy, "chmod a+r"));
    assert_non_null(strstr(info->remedy, "SUBSYSTEM==\"powercap\""));
    assert_int_equal(info->n_channels, 3);
    assert_string_equal(info->channels[1].name, "package-0/core");
    assert_true(info->channels[0].in_total && !info->channels[1].in_total && !info->channels[2].in_total);
    assert_true(fabs(info->channels[0].wrap - 262143.32885) < 1e-6);
    assert_int_equal(info_of(&p, "rapl-psys")->reason, EW_METER_PERMISSION);
    assert_int_equal(info_of(&p, "rapl-mmio:package-0")->reason, EW_METER_DUPLICATE);
    assert_int_equal(info_of(&p, "hwmon:BAT0")->reason, EW_METER_DUPLICATE);
    assert_int_equal(info_of(&p, "hwmon:ucsi_source_psy_USBC000:001")->reason, EW_METER_LIMIT);
    assert_int_equal(status, EW_ERR_PERMISSION);
    assert_null(m);
    assert_non_null(strstr(e.message, "readable by root only"));
    close_place(&p);
}

static void test_desktop(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "amd-desktop");
    const struct ew_meter_info *info = info_of(&p, "rapl");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->boundary, EW_BOUNDARY_DIE);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C); /* AMD's figure is a model */
    double j[2];
    read_now(&p, "rapl", j);
    assert_true(fabs(j[0] - 64999.9) < 1e-6 && fabs(j[1] - 12340.0) < 1e-6);
    info = info_of(&p, "hwmon:amdgpu");
    assert_int_equal(info->boundary, EW_BOUNDARY_GPU);
    double w[1];
    read_now(&p, "hwmon:amdgpu", w);
    assert_true(fabs(w[0] - 34.0) < 1e-9);
    assert_null(ew_meter_list_find(p.list, "hwmon:nct6798")); /* voltages alone are no power */
    close_place(&p);
}

static void test_no_energy_is_loud(void **state) {
    (void)state;
    struct place p;
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    open_place(&p, "nothing");
    assert_int_equal(ew_meter_list_choose_energy(p.list, NULL, &m, &e), EW_ERR_NOT_FOUND);
    assert_string_equal(e.message, "no energy figure: no RAPL (/sys/class/powercap is missing); no power sensor "
                                   "(/sys/class/hwmon has no chip with power or current)");
    assert_null(m);
    assert_int_equal(ew_meter_list_choose_energy(p.list, "rapl", &m, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_meter_list_choose_energy(p.list, "temperature", &m, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_meter_list_choose_energy(p.list, "watt-o-meter", &m, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "watt-o-meter"));
    assert_int_equal(ew_meter_list_choose_energy(p.list, "none", &m, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "switched off"));
    close_place(&p);
}

/* A clock on which the recorded counter moves with time, as a live one would. */
struct live {
    struct ew_fake_clock clock;
    const char *root;
    double watts;
};

static int64_t live_now(void *context) { return ((struct live *)context)->clock.now_ns; }

static void live_sleep(void *context, int64_t time_ns) {
    struct live *l = context;
    if (time_ns > l->clock.now_ns) l->clock.now_ns = time_ns;
    char text[32];
    double uj = fmod(64999900000.0 + l->watts * (double)l->clock.now_ns * 1e-3, 65532610987.0);
    snprintf(text, sizeof text, "%.0f\n", uj);
    tree_put(l->root, "/sys/class/powercap/intel-rapl:0/energy_uj", text);
}

static void choose_live(double watts, enum ew_meter_reason reason) {
    struct place p = {0};
    tree_unpack("amd-desktop", p.root);
    struct live live = {.root = p.root, .watts = watts};
    struct ew_meter_clock clock = {.now_ns = live_now, .sleep_until_ns = live_sleep, .context = &live};
    p.config.clock = &clock;
    probe(&p);
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    enum ew_status status = ew_meter_list_choose_energy(p.list, "auto", &m, &e);
    assert_int_equal(info_of(&p, "rapl")->reason, reason);
    assert_int_equal(status == EW_OK, reason == EW_METER_USABLE);
    if (status == EW_OK)
        assert_string_equal(ew_meter_info(m)->name, "rapl");
    else
        assert_non_null(strstr(e.message, "rapl: "));
    close_place(&p);
}

static void test_choice_needs_proof(void **state) {
    (void)state;
    choose_live(35, EW_METER_USABLE);
    choose_live(3000, EW_METER_USABLE); /* wraps while it is watched */
    choose_live(0, EW_METER_FROZEN);
    choose_live(20000, EW_METER_IMPLAUSIBLE);
}

/* psys holds the package: two meters, never one sum. Two packages with DRAM: one meter, all four in the total. */
static void test_levels(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
    static const char *const zones[][2] = {{"intel-rapl:0", "package-0"},     {"intel-rapl:0:0", "dram"},
                                           {"intel-rapl:1", "package-1"},     {"intel-rapl:1:0", "dram"},
                                           {"intel-rapl:1:1", "core"},        {"intel-rapl:2", "psys"},
                                           {"intel-rapl-mmio:0", "package-0"}};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        char path[96];
        snprintf(path, sizeof path, "/sys/class/powercap/%s/name", zones[i][0]);
        tree_put(p.root, path, zones[i][1]);
        snprintf(path, sizeof path, "/sys/class/powercap/%s/energy_uj", zones[i][0]);
        tree_put(p.root, path, "1000000");
    }
    ew_meter_list_close(&p.list);
    probe(&p);
    const struct ew_meter_info *info = info_of(&p, "rapl");
    assert_int_equal(info->n_channels, 5);
    int in_total = 0;
    for (size_t c = 0; c < info->n_channels; c++) {
        in_total += info->channels[c].in_total;
        if (strstr(info->channels[c].name, "core")) assert_false(info->channels[c].in_total);
    }
    assert_int_equal(in_total, 4);
    assert_int_equal(info_of(&p, "rapl-psys")->n_channels, 1);
    assert_int_equal(info_of(&p, "rapl-mmio:package-0")->reason, EW_METER_DUPLICATE);
    close_place(&p);
}

/* node_exporter's capture: package and core, temperatures and voltages without power. */
static void test_capture(void **state) {
    (void)state;
    struct place p = {0};
    if (!tree_untar("node_exporter/sys-power-thermal.tar.gz", "", p.root)) {
        print_message("skipped: the captures are not here\n");
        skip();
    }
    probe(&p);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_USABLE);
    double j[2];
    assert_int_equal(info_of(&p, "rapl")->n_channels, 2);
    read_now(&p, "rapl", j);
    assert_true(fabs(j[0] - 240422.366267) < 1e-6 && fabs(j[1] - 118821.284256) < 1e-6);
    assert_int_equal(info_of(&p, "hwmon")->reason, EW_METER_ABSENT);
    assert_int_equal(info_of(&p, "temperature")->reason, EW_METER_USABLE);
    close_place(&p);
}

/* Whatever this machine has, probing works and every meter describes itself. */
static void test_this_machine(void **state) {
    (void)state;
    struct ew_meter_list *list = NULL;
    assert_int_equal(ew_meter_list_probe(NULL, &list, NULL), EW_OK);
    for (size_t i = 0; i < ew_meter_list_count(list); i++) {
        const struct ew_meter_info *info = ew_meter_info(ew_meter_list_at(list, i));
        assert_true(info->name[0] != 0 && info->documented != NULL);
        if (info->reason == EW_METER_USABLE)
            assert_true(info->covers[0] != 0 && info->n_channels > 0);
        else
            assert_true(info->reason_text[0] != 0);
    }
    assert_int_equal(info_of(&(struct place){.list = list}, "time")->reason, EW_METER_USABLE);
    ew_meter_list_close(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orin_nano),
        cmocka_unit_test(test_broken_channel),
        cmocka_unit_test(test_older_jetsons),
        cmocka_unit_test(test_unknown_rails),
        cmocka_unit_test(test_thor),
        cmocka_unit_test(test_rails_that_fail),
        cmocka_unit_test(test_steps_of_rails),
        cmocka_unit_test(test_agx_orin),
        cmocka_unit_test(test_laptop),
        cmocka_unit_test(test_desktop),
        cmocka_unit_test(test_no_energy_is_loud),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_choice_needs_proof),
        cmocka_unit_test(test_capture),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
