/* NVIDIA cards, played by a stand-in for their library: which meters there are, what they read, and every way in which
 * they are refused. Expectations: the stand-in's formula, integrated by hand. */
#include "fake_nvml.h"
#include "meter/driver.h"
#include "meter/fake_meter.h"
#include "meter/integrate.h"
#include "meter/meter_sampler.h"
#include "meter/nvml_processes.h"
#include "recorded_tree.h"

#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A card of some kind, below an empty root, on a clock that stands still until the test moves it. */
struct place {
    char root[TREE_ROOT_BYTES], path[1024];
    struct ew_fake_clock clock;
    struct ew_meter_clock functions;
    struct ew_meter_config config;
    struct ew_meter_list *list;
    void *library;
    struct fake_nvml *card;
};

static void make_place(struct place *p, const char *library, const char *script) {
    *p = (struct place){0};
    tree_unpack("nothing", p->root);
    const char *folder = getenv("EW_FAKE_NVML_DIR");
    assert_non_null(folder);
    snprintf(p->path, sizeof p->path, "%s/%s.so", folder, library);
    setenv("EW_FAKE_NVML", script, 1);
    p->functions = ew_fake_clock_of(&p->clock);
    p->config = (struct ew_meter_config){.root = p->root, .clock = &p->functions, .nvml_path = p->path};
    p->library = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
    if (!p->library) fail_msg("%s", dlerror());
    p->card = dlsym(p->library, "fake_nvml");
    assert_non_null(p->card);
    p->card->now_ns = p->functions.now_ns;
    p->card->context = p->functions.context;
}

static void open_place(struct place *p, const char *library, const char *script) {
    make_place(p, library, script);
    assert_int_equal(ew_meter_list_probe(&p->config, &p->list, NULL), EW_OK);
}

/* Closing the list closes the library as often as it was opened. */
static void close_place(struct place *p) {
    ew_meter_list_close(&p->list);
    assert_int_equal(p->card->open_now, 0);
    dlclose(p->library);
    tree_remove(p->root);
}

static const struct ew_meter_info *info_of(const struct place *p, const char *name) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    if (!m) fail_msg("meter %s is not in the list", name);
    return ew_meter_info(m);
}

static enum ew_status read_once(struct ew_meter *m, double *values, struct ew_error *e) {
    int64_t time_ns;
    size_t n = 0;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    enum ew_status status = ew_meter_read(m, &time_ns, values, 1, &n, e);
    assert_int_equal(n, status == EW_OK);
    ew_meter_stop(m);
    return status;
}

static void read_now(const struct place *p, const char *name, double *values) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    if (!m) fail_msg("meter %s is not in the list", name);
    assert_int_equal(read_once(m, values, NULL), EW_OK);
}

static void test_what_a_card_has(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "ada");
    const struct ew_meter_info *counter = info_of(&p, "nvml:0"), *power = info_of(&p, "nvml-power:0");
    assert_int_equal(counter->kind, EW_METER_COUNTER);
    assert_int_equal(power->kind, EW_METER_POWER);
    assert_int_equal(counter->boundary, EW_BOUNDARY_GPU);
    assert_int_equal(power->boundary, EW_BOUNDARY_GPU);
    assert_int_equal(counter->grade_ceiling, EW_GRADE_B); /* "A30" is no word of its name */
    assert_true(counter->error_relative == 0.05 && power->averaging_s == 0);
    assert_non_null(strstr(power->covers, "never add"));
    assert_non_null(strstr(counter->source, "550.54.15"));
    double v[16];
    p.clock.now_ns = fake_half_ns + 5000000; /* 2 s at 60 W, and the counter's last update was at 2 s */
    read_now(&p, "nvml:0", v);
    assert_true(fabs(v[0] - (FAKE_START_MJ * 1e-3 + 120)) < 1.5e-3);
    read_now(&p, "nvml-power:0", v);
    assert_true(fabs(v[0] - 300) < 0.01);
    read_now(&p, "nvml-memory:0", v);
    assert_true(v[0] == 1700.0 * 1048576 && v[1] == 8.0 * 1073741824);
    read_now(&p, "nvml-temperature:0", v);
    assert_true(v[0] == 61 && isnan(v[1]));
    read_now(&p, "nvml-clocks:0", v);
    assert_true(v[0] == 1740e6 && v[1] == 7001e6);
    p.card->reasons = 0x44; /* power cap, hardware thermal slowdown */
    read_now(&p, "nvml-throttle:0", v);
    const struct ew_meter_info *reasons = info_of(&p, "nvml-throttle:0");
    assert_int_equal(reasons->quantity, EW_METER_STATE);
    for (size_t c = 0; c < reasons->n_channels; c++) {
        const char *name = reasons->channels[c].name;
        bool held = strcmp(name, "power-cap") == 0 || strcmp(name, "hardware-thermal") == 0;
        assert_true(v[c] == (held ? 1 : 0));
    }
    close_place(&p);
}

/* auto never takes a card: it is not the whole run, and counter and power are the same joules. */
static void test_never_chosen_by_itself(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "ada");
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    assert_int_equal(ew_meter_list_choose_energy(p.list, "auto", &m, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "nvml:0: usable, but"));
    assert_int_equal(ew_meter_list_choose_energy(p.list, "nvml:0", &m, &e), EW_OK);
    assert_string_equal(ew_meter_info(m)->name, "nvml:0");
    close_place(&p);
}

static struct ew_energy sample(struct place *p, const char *name, double from_s, double to_s) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    struct ew_meter_sampler *sampler = NULL;
    struct ew_energy e = {0};
    assert_non_null(m);
    p->clock.now_ns = 0;
    assert_int_equal(ew_meter_sampler_open(&m, 1, &p->config, &sampler, NULL), EW_OK);
    assert_int_equal(ew_meter_sampler_run(sampler, (int64_t)((to_s + 1.5) * 1e9), NULL), EW_OK);
    const struct ew_meter_trace *t = ew_meter_sampler_trace(sampler, 0);
    const struct ew_energy_trace trace = {.info = t->info, .times_ns = t->times_ns, .values = t->values, .n = t->n};
    assert_int_equal(
        ew_energy_of_window(&trace, EW_ENERGY_TOTAL, (int64_t)(from_s * 1e9), (int64_t)(to_s * 1e9), NULL, &e, NULL),
        EW_OK);
    ew_meter_sampler_close(&sampler);
    return e;
}

/* 4 s to 20 s: four times 2 s at 60 W and 2 s at 300 W are 2880 J, by the counter and by the power. */
static void test_energy_of_a_known_load(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "ada");
    struct ew_energy counter = sample(&p, "nvml:0", 4, 20), power = sample(&p, "nvml-power:0", 4, 20);
    print_message("2880 J by the counter: %.2f +- %.2f J, by the power: %.2f +- %.2f J\n", counter.energy_j,
                  counter.error_j, power.energy_j, power.error_j);
    assert_true(fabs(counter.energy_j - 2880) < 0.001 * 2880 && fabs(counter.energy_j - 2880) <= counter.error_j);
    assert_true(fabs(power.energy_j - 2880) < 0.02 * 2880 && fabs(power.energy_j - 2880) <= power.error_j);
    assert_int_equal(counter.grade, EW_GRADE_B);
    assert_int_equal(power.grade, EW_GRADE_B);
    /* Polled every 50 ms and updated every 100 ms: every second reading repeats the one before. */
    assert_true(power.duplicates * 2 >= power.samples - 4 && fabs(power.update_period_s - 0.1) < 0.051);
    assert_true(fabs(info_of(&p, "nvml-power:0")->averaging_s - 0.1) < 0.026);
    close_place(&p);
}

/* A card of the Ampere generation without counter and without instant power: its power is a mean over one second, and
 * the edges of a phase are smeared. Of a whole number of periods that cancels out. */
static void test_averaging_card(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "averaging");
    assert_int_equal(info_of(&p, "nvml:0")->kind, EW_METER_POWER);
    assert_null(ew_meter_list_find(p.list, "nvml-power:0"));
    assert_true(info_of(&p, "nvml:0")->averaging_s == 1);
    struct ew_energy e = sample(&p, "nvml:0", 4, 20), part = sample(&p, "nvml:0", 6, 18);
    assert_true(fabs(e.energy_j - 2880) < 0.02 * 2880);
    assert_true(info_of(&p, "nvml:0")->averaging_s == 1); /* updates every 0.1 s do not make it finer */
    /* 6 s to 18 s are 3 x 300 W x 2 s + 3 x 60 W x 2 s = 2160 J; the interval holds that in spite of the smear. */
    assert_true(fabs(part.energy_j - 2160) <= part.error_j);
    close_place(&p);
}

static void test_power_only(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "power-only");
    assert_int_equal(info_of(&p, "nvml:0")->kind, EW_METER_POWER);
    assert_true(info_of(&p, "nvml:0")->averaging_s == 0); /* it gives instant power */
    assert_null(ew_meter_list_find(p.list, "nvml-power:0"));
    close_place(&p);
}

static void test_a100_sees_a_quarter(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "a100");
    assert_int_equal(info_of(&p, "nvml:0")->grade_ceiling, EW_GRADE_C);
    assert_non_null(strstr(info_of(&p, "nvml:0")->leaves_out, "25 of every 100 ms"));
    assert_non_null(strstr(info_of(&p, "nvml:0")->documented, "2312.02741"));
    close_place(&p);
}

/* The library starts on a Jetson, finds a GPU, and supports nothing. */
static void test_tegra(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "tegra");
    const struct ew_meter_info *info = info_of(&p, "nvml:0");
    assert_int_equal(info->reason, EW_METER_UNSUPPORTED);
    assert_non_null(strstr(info->reason_text, "Jetson"));
    assert_non_null(strstr(info->remedy, "hwmon:ina3221"));
    info = info_of(&p, "nvml-memory:0");
    assert_int_equal(info->quantity, EW_METER_MEMORY);
    assert_int_equal(info->reason, EW_METER_UNSUPPORTED);
    assert_null(ew_meter_list_find(p.list, "nvml-clocks:0"));
    close_place(&p);
}

static void check_refused(const char *library, const char *script, enum ew_meter_reason reason, const char *words,
                          const char *remedy) {
    struct place p;
    open_place(&p, library, script);
    const struct ew_meter_info *info = info_of(&p, "nvml");
    assert_int_equal(info->reason, reason);
    if (!strstr(info->reason_text, words)) fail_msg("\"%s\" lacks \"%s\"", info->reason_text, words);
    if (!strstr(info->remedy, remedy)) fail_msg("\"%s\" lacks \"%s\"", info->remedy, remedy);
    close_place(&p);
}

static void test_refusals(void **state) {
    (void)state;
    check_refused("fake_nvml", "unloaded", EW_METER_ABSENT, "Driver Not Loaded", "modprobe");
    check_refused("fake_nvml", "mismatch", EW_METER_IO_ERROR, "version mismatch", "restart");
    check_refused("fake_nvml", "forbidden", EW_METER_PERMISSION, "Insufficient Permissions", "/dev/nvidia");
    check_refused("fake_nvml", "none", EW_METER_ABSENT, "no GPU", "");
    check_refused("fake_nvml_broken", "ada", EW_METER_UNSUPPORTED, "lacks nvmlDeviceGetCount_v2", "newer");
}

static void test_library_that_does_not_load(void **state) {
    (void)state;
    struct place p;
    make_place(&p, "fake_nvml", "ada");
    p.config.nvml_path = "/nowhere/libnvidia-ml.so.1";
    assert_int_equal(ew_meter_list_probe(&p.config, &p.list, NULL), EW_OK);
    assert_int_equal(info_of(&p, "nvml")->reason, EW_METER_ABSENT);
    ew_meter_list_close(&p.list);
    char text[TREE_ROOT_BYTES + 32];
    snprintf(text, sizeof text, "%s/damaged.so", p.root);
    tree_put(p.root, "/damaged.so", "this is no library, whatever its name says");
    p.config.nvml_path = text;
    assert_int_equal(ew_meter_list_probe(&p.config, &p.list, NULL), EW_OK);
    assert_int_equal(info_of(&p, "nvml")->reason, EW_METER_IO_ERROR);
    ew_meter_list_close(&p.list);
    /* A recorded machine without a library of its own never reaches the one of this machine. */
    p.config.nvml_path = NULL;
    assert_int_equal(ew_meter_list_probe(&p.config, &p.list, NULL), EW_OK);
    for (size_t i = 0; i < ew_meter_list_count(p.list); i++)
        assert_null(strstr(ew_meter_info(ew_meter_list_at(p.list, i))->name, "nvml"));
    close_place(&p);
}

/* A driver of 2013: no counter, no fields, no architecture, short elements in the list of processes. */
static void test_old_driver(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml_old", "ada");
    double v[16];
    assert_int_equal(info_of(&p, "nvml:0")->kind, EW_METER_POWER);
    assert_true(info_of(&p, "nvml:0")->averaging_s == 1); /* of unknown generation: the worse is taken */
    read_now(&p, "nvml:0", v);
    assert_true(fabs(v[0] - FAKE_LOW_W) < 0.01);
    read_now(&p, "nvml-memory:0", v);
    assert_true(v[0] == 1073741824.0 && v[1] == 8.0 * 1073741824);
    close_place(&p);
}

static void test_lost_while_reading(void **state) {
    (void)state;
    static const char *const names[] = {"nvml:0", "nvml-power:0", "nvml-memory:0", "nvml-throttle:0"};
    struct place p;
    open_place(&p, "fake_nvml", "ada");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double v[16];
        struct ew_error e = {0};
        p.card->lost_at_ns = 0;
        struct ew_meter *m = ew_meter_list_find(p.list, names[i]);
        assert_non_null(m);
        assert_int_equal(read_once(m, v, NULL), EW_OK);
        p.clock.now_ns = 1000;
        p.card->lost_at_ns = 1000;
        assert_int_equal(read_once(m, v, &e), EW_ERR_NOT_FOUND);
        assert_non_null(strstr(e.message, "GPU is lost"));
        assert_int_equal(ew_meter_info(m)->reason, EW_METER_GONE);
        assert_non_null(strstr(ew_meter_info(m)->remedy, "Xid"));
    }
    ew_meter_list_close(&p.list); /* lost before it was looked at */
    assert_int_equal(ew_meter_list_probe(&p.config, &p.list, NULL), EW_OK);
    assert_int_equal(info_of(&p, "nvml:0")->reason, EW_METER_GONE);
    close_place(&p);
}

static void test_frozen_counter(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "fake_nvml", "ada");
    p.card->counter_step_ns = 1000000000000000;
    struct ew_meter *m = NULL;
    struct ew_error e = {0};
    assert_int_equal(ew_meter_list_choose_energy(p.list, "nvml:0", &m, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(info_of(&p, "nvml:0")->reason, EW_METER_FROZEN);
    close_place(&p);
}

static void check_process(const char *library, const char *script, unsigned n_others) {
    struct place p;
    make_place(&p, library, script);
    struct fake_nvml *card = p.card;
    card->n_compute = n_others;
    for (unsigned i = 0; i < n_others; i++) {
        card->compute[i].pid = 1000 + i;
        card->compute[i].bytes = (i + 1) * 1048576ull;
    }
    struct ew_meter *m = NULL;
    double v[1];
    assert_int_equal(ew_meter_open_gpu_memory(&p.config, 1000 + (int)n_others - 1, &m, NULL), EW_OK);
    assert_int_equal(read_once(m, v, NULL), EW_OK);
    assert_true(v[0] == n_others * 1048576.0);
    card->compute[n_others - 1].bytes = ~0ull; /* NVML_VALUE_NOT_AVAILABLE */
    assert_int_equal(read_once(m, v, NULL), EW_OK);
    assert_true(isnan(v[0]));
    card->n_compute = 0;
    assert_int_equal(read_once(m, v, NULL), EW_OK);
    assert_true(v[0] == 0);
    card->n_graphics = 1; /* as programs that use Vulkan are listed */
    card->graphics[0].pid = 1000 + n_others - 1;
    card->graphics[0].bytes = 77;
    assert_int_equal(read_once(m, v, NULL), EW_OK);
    assert_true(v[0] == (strcmp(library, "fake_nvml_old") == 0 ? 0 : 77));
    ew_meter_close(&m);
    close_place(&p);
}

/* Elements of 16, 24, and the 32 bytes that some drivers wrote into lists of 24; lists longer than the first room. */
static void test_memory_of_a_process(void **state) {
    (void)state;
    static const unsigned lengths[] = {1, 2, 5, 64, 100};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        check_process("fake_nvml", "ada", lengths[i]);
        check_process("fake_nvml", "wide", lengths[i]);
        check_process("fake_nvml_old", "ada", lengths[i]);
    }
}

/* 70 is a child of 60, 80 of 70; 90 belongs to somebody else. Names may hold brackets. 80 is in both lists. */
static void test_memory_of_descendants(void **state) {
    (void)state;
    struct place p;
    make_place(&p, "fake_nvml", "ada");
    struct fake_nvml *card = p.card;
    static const struct { unsigned pid, mib; } listed[] = {{60, 1}, {70, 10}, {80, 100}, {90, 1000}};
    card->n_compute = 4;
    for (unsigned i = 0; i < 4; i++) {
        card->compute[i].pid = listed[i].pid;
        card->compute[i].bytes = listed[i].mib * 1048576ull;
    }
    card->n_graphics = 1;
    card->graphics[0] = card->compute[2];
    tree_put(p.root, "/proc/60/stat", "60 (sh) S 1 60 60 0 -1");
    tree_put(p.root, "/proc/70/stat", "70 (a) S 9 ( b) S 60 60 60 0 -1");
    tree_put(p.root, "/proc/80/stat", "80 (engine) R 70 60 60 0 -1");
    tree_put(p.root, "/proc/90/stat", "90 (other) R 1 90 90 0 -1");
    static const struct {
        int pid;
        double mib;
    } held[] = {{60, 111}, {70, 110}, {80, 100}, {90, 1000}, {91, 0}};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        struct ew_meter *m = NULL;
        double v[1];
        assert_int_equal(ew_meter_open_gpu_memory(&p.config, held[i].pid, &m, NULL), EW_OK);
        assert_int_equal(read_once(m, v, NULL), EW_OK);
        assert_float_equal(v[0], held[i].mib * 1048576, 0);
        ew_meter_close(&m);
    }
    close_place(&p);
}

static void test_memory_of_a_process_refused(void **state) {
    (void)state;
    static const struct {
        const char *script;
        enum ew_status status;
    } cases[] = {{"unloaded", EW_ERR_NOT_FOUND},
                 {"mismatch", EW_ERR_IO},
                 {"forbidden", EW_ERR_PERMISSION},
                 {"none", EW_ERR_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct place p;
        make_place(&p, "fake_nvml", cases[i].script);
        struct ew_meter *m = NULL;
        assert_int_equal(ew_meter_open_gpu_memory(&p.config, 1, &m, NULL), cases[i].status);
        assert_null(m);
        close_place(&p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_card_has),
        cmocka_unit_test(test_never_chosen_by_itself),
        cmocka_unit_test(test_energy_of_a_known_load),
        cmocka_unit_test(test_averaging_card),
        cmocka_unit_test(test_power_only),
        cmocka_unit_test(test_a100_sees_a_quarter),
        cmocka_unit_test(test_tegra),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_library_that_does_not_load),
        cmocka_unit_test(test_old_driver),
        cmocka_unit_test(test_lost_while_reading),
        cmocka_unit_test(test_frozen_counter),
        cmocka_unit_test(test_memory_of_a_process),
        cmocka_unit_test(test_memory_of_descendants),
        cmocka_unit_test(test_memory_of_a_process_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
