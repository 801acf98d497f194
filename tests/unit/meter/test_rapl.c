/* RAPL by powercap and by perf events on recorded machines: which domains are summed, which way is used when both are
 * there, what is said when neither may be used, and what happens when a counter stops, lies or goes away. Expectations:
 * the trees' own values, multiplied by hand. */
#include "meter/driver.h"
#include "meter/fake_meter.h"
#include "meter/prove.h"
#include "meter/rapl_perf.h"
#include "meter/rights.h"
#include "recorded_tree.h"

#include <errno.h>
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

#define ZONES "/sys/class/powercap/"
#define PMU "/sys/bus/event_source/devices/power/"

struct place {
    char root[TREE_ROOT_BYTES];
    struct ew_meter_config config;
    struct ew_meter_list *list;
};

static void open_place(struct place *p, const char *tree) {
    *p = (struct place){0};
    tree_unpack(tree, p->root);
    p->config.root = p->root;
}

/* The two RAPL probes alone, with scripted events. */
static void probe(struct place *p, const struct ew_rapl_perf_calls *calls) {
    ew_meter_list_close(&p->list);
    p->list = ew_meter_list_new();
    assert_non_null(p->list);
    assert_int_equal(ew_meter_probe_rapl(p->list, &p->config, NULL), EW_OK);
    assert_int_equal(ew_rapl_perf_probe(p->list, &p->config, calls, NULL), EW_OK);
}

static void close_place(struct place *p) {
    ew_meter_list_close(&p->list);
    tree_remove(p->root);
}

static struct ew_meter *meter_of(const struct place *p, const char *name) {
    struct ew_meter *m = ew_meter_list_find(p->list, name);
    if (!m) fail_msg("meter %s is not in the list", name);
    return m;
}

static const struct ew_meter_info *info_of(const struct place *p, const char *name) {
    return ew_meter_info(meter_of(p, name));
}

static enum ew_status read_once(struct ew_meter *m, double *values, struct ew_error *err) {
    int64_t time_ns;
    size_t n = 0;
    enum ew_status status = ew_meter_read(m, &time_ns, values, 1, &n, err);
    if (status == EW_OK) assert_int_equal(n, 1);
    return status;
}

static void put_zone(const struct place *p, const char *zone, const char *name, const char *uj, const char *range) {
    char path[160];
    snprintf(path, sizeof path, ZONES "%s/name", zone);
    tree_put(p->root, path, name);
    snprintf(path, sizeof path, ZONES "%s/energy_uj", zone);
    tree_put(p->root, path, uj);
    snprintf(path, sizeof path, ZONES "%s/max_energy_range_uj", zone);
    if (range) tree_put(p->root, path, range);
}

/* Events on a scripted machine. */
struct script {
    int failure;         /* errno of every open; 0 = they open */
    int offline_cpu;     /* events of this CPU give nothing; -1 = none */
    int n_open, n_opens; /* now, and ever */
    struct {
        uint32_t type;
        uint64_t config;
        int cpu;
    } fds[64];
};

static int script_open(void *context, uint32_t type, uint64_t config, int cpu) {
    struct script *s = context;
    if (s->failure) {
        errno = s->failure;
        return -1;
    }
    assert_true(s->n_opens < 64);
    s->fds[s->n_opens].type = type;
    s->fds[s->n_opens].config = config;
    s->fds[s->n_opens].cpu = cpu;
    s->n_open++;
    return s->n_opens++;
}

/* 2^32 counts per unit of event number, plus the CPU's number in 2^28 counts. */
static bool script_read(void *context, int fd, uint64_t *value) {
    const struct script *s = context;
    if (s->fds[fd].cpu == s->offline_cpu) return false;
    *value = (s->fds[fd].config << 32) + ((uint64_t)s->fds[fd].cpu << 28);
    return true;
}

static void script_close(void *context, int fd) {
    (void)fd;
    ((struct script *)context)->n_open--;
}

static struct ew_rapl_perf_calls calls_of(struct script *s) {
    return (struct ew_rapl_perf_calls){script_open, script_read, script_close, s};
}

/* Without rights powercap is refused with the rule that is shipped, and perf takes its place. */
static void test_perf_takes_over(void **state) {
    (void)state;
    struct place p;
    struct script script = {.offline_cpu = -1};
    struct ew_rapl_perf_calls calls = calls_of(&script);
    open_place(&p, "xeon-2s");
    if (!tree_drop_rights()) {
        print_message("skipped: cannot give up the rights of root here\n");
        tree_remove(p.root);
        skip();
    }
    probe(&p, &calls);
    tree_regain_rights();
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_PERMISSION);
    assert_int_equal(info_of(&p, "rapl-psys")->reason, EW_METER_PERMISSION);
    const struct ew_meter_info *info = info_of(&p, "rapl-perf");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->boundary, EW_BOUNDARY_DIE);
    assert_int_equal(info->grade_ceiling, EW_GRADE_B);
    static const char *const names[] = {"package-0", "package-0/dram", "package-1", "package-1/dram"};
    assert_int_equal(info->n_channels, 4);
    for (size_t c = 0; c < 4; c++) {
        assert_string_equal(info->channels[c].name, names[c]);
        assert_true(info->channels[c].in_total && info->channels[c].wrap == 0);
    }
    struct ew_meter *m = meter_of(&p, "rapl-perf");
    double j[4];
    assert_int_equal(script.n_open, 0);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(script.n_open, 4);
    assert_int_equal(read_once(m, j, NULL), EW_OK);
    /* scales 2^-32 (packages) and 2^-16 (memory); events 2 and 3; CPUs 0 and 2 */
    assert_true(j[0] == 2.0 && j[1] == 3.0 * 65536 && j[2] == 2.125 && j[3] == (3.0 + 0.125) * 65536);
    ew_meter_stop(m);
    assert_int_equal(script.n_open, 0);
    for (int i = 0; i < script.n_opens; i++) assert_int_equal(script.fds[i].type, 21);
    /* the platform is one, also with two sockets */
    assert_int_equal(info_of(&p, "rapl-perf-psys")->n_channels, 1);
    assert_int_equal(info_of(&p, "rapl-perf-psys")->reason, EW_METER_USABLE);
    assert_int_equal(info_of(&p, "rapl-perf-psys")->boundary, EW_BOUNDARY_BOARD_DC);
    close_place(&p);
}

/* Where powercap is readable it is used, and perf is its duplicate; no event is ever opened. */
static void test_perf_is_the_duplicate(void **state) {
    (void)state;
    struct place p;
    struct script script = {.offline_cpu = -1};
    struct ew_rapl_perf_calls calls = calls_of(&script);
    open_place(&p, "xeon-2s");
    put_zone(&p, "intel-rapl:0", "package-0", "1000000", "262143328850");
    put_zone(&p, "intel-rapl:0:0", "dram", "2000000", "65712999613");
    put_zone(&p, "intel-rapl:1", "package-1", "3000000", "262143328850");
    put_zone(&p, "intel-rapl:1:0", "dram", "4000000", "65712999613");
    put_zone(&p, "intel-rapl:2", "psys", "5000000", "262143328850");
    probe(&p, &calls);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_USABLE);
    assert_int_equal(info_of(&p, "rapl-psys")->reason, EW_METER_USABLE);
    assert_int_equal(info_of(&p, "rapl-perf")->reason, EW_METER_DUPLICATE);
    assert_non_null(strstr(info_of(&p, "rapl-perf")->reason_text, "meter rapl"));
    assert_int_equal(info_of(&p, "rapl-perf-psys")->reason, EW_METER_DUPLICATE);
    assert_non_null(strstr(info_of(&p, "rapl-perf-psys")->reason_text, "meter rapl-psys"));
    assert_int_equal(script.n_opens, 0);
    close_place(&p);
}

static void test_perf_permission(void **state) {
    (void)state;
    struct place p;
    struct script script = {.failure = EACCES, .offline_cpu = -1};
    struct ew_rapl_perf_calls calls = calls_of(&script);
    open_place(&p, "xeon-2s");
    for (const char *const *zone = (const char *const[]){"0", "0:0", "1", "1:0", "2", NULL}; *zone; zone++) {
        char path[96];
        snprintf(path, sizeof path, ZONES "intel-rapl:%s/energy_uj", *zone);
        tree_put(p.root, path, "no number");
    }
    probe(&p, &calls);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_IO_ERROR);
    const struct ew_meter_info *info = info_of(&p, "rapl-perf");
    assert_int_equal(info->reason, EW_METER_PERMISSION);
    assert_non_null(strstr(info->reason_text, "it is 2"));
    assert_non_null(strstr(info->remedy, "sudo setcap cap_perfmon+ep $(which edgewise)"));
    assert_non_null(strstr(info->remedy, "sudo sysctl kernel.perf_event_paranoid=0"));
    assert_int_equal(ew_meter_start(meter_of(&p, "rapl-perf"), NULL), EW_ERR_PERMISSION);
    script.failure = ENODEV;
    probe(&p, &calls);
    assert_int_equal(info_of(&p, "rapl-perf")->reason, EW_METER_IO_ERROR);
    probe(&p, NULL);
    assert_int_equal(info_of(&p, "rapl-perf")->reason, EW_METER_UNSUPPORTED);
    close_place(&p);
}

/* A socket's CPU that goes offline for good: missing at first, then gone, and the meter's reason says so. */
static void test_perf_goes_away(void **state) {
    (void)state;
    struct place p;
    struct script script = {.offline_cpu = -1};
    struct ew_rapl_perf_calls calls = calls_of(&script);
    open_place(&p, "xeon-2s");
    p.list = ew_meter_list_new();
    assert_int_equal(ew_rapl_perf_probe(p.list, &p.config, &calls, NULL), EW_OK);
    struct ew_meter *m = meter_of(&p, "rapl-perf");
    double j[4];
    struct ew_error e = {0};
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    script.offline_cpu = 2;
    assert_int_equal(read_once(m, j, NULL), EW_OK);
    assert_true(j[0] == 2.0 && isnan(j[2]));
    script.offline_cpu = -1;
    assert_int_equal(read_once(m, j, NULL), EW_OK);
    assert_true(j[2] == 2.125);
    script.offline_cpu = 2;
    for (int i = 0; i < 2; i++) assert_int_equal(read_once(m, j, NULL), EW_OK);
    assert_int_equal(read_once(m, j, &e), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "CPU 2"));
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_GONE);
    ew_meter_stop(m);
    assert_int_equal(script.n_open, 0);
    close_place(&p);
}

/* AMD shows its package only, and its figure is a model. Two dies of one package are two channels. */
static void test_perf_amd_and_dies(void **state) {
    (void)state;
    struct place p;
    struct script script = {.offline_cpu = -1};
    struct ew_rapl_perf_calls calls = calls_of(&script);
    open_place(&p, "xeon-2s");
    tree_put(p.root, "/proc/cpuinfo", "vendor_id\t: AuthenticAMD\n");
    tree_put(p.root, "/sys/devices/system/cpu/cpu2/topology/physical_package_id", "0\n");
    tree_put(p.root, "/sys/devices/system/cpu/cpu2/topology/die_id", "1\n");
    p.list = ew_meter_list_new();
    assert_int_equal(ew_rapl_perf_probe(p.list, &p.config, &calls, NULL), EW_OK);
    const struct ew_meter_info *info = info_of(&p, "rapl-perf");
    assert_int_equal(info->reason, EW_METER_USABLE);
    assert_int_equal(info->grade_ceiling, EW_GRADE_C);
    assert_int_equal(info->n_channels, 2);
    assert_string_equal(info->channels[0].name, "package-0-die-0");
    assert_string_equal(info->channels[1].name, "package-0-die-1");
    close_place(&p);
}

/* What the tree says is checked before anything is opened. */
static void test_perf_hostile(void **state) {
    (void)state;
    static const struct {
        const char *path, *text;
    } broken[] = {
        {PMU "type", ""},
        {PMU "type", "-3"},
        {PMU "type", "99999999999999999999"},
        {PMU "cpumask", ""},
        {PMU "cpumask", "garbage"},
        {PMU "cpumask", "99999"},
        {PMU "events/energy-pkg", "config=0x02"},
        {PMU "events/energy-pkg", "event=0x1002"},
        {PMU "events/energy-pkg", "event="},
        {PMU "events/energy-pkg.scale", "nan"},
        {PMU "events/energy-pkg.scale", "-1"},
        {PMU "events/energy-pkg.scale", "1e300"},
        {PMU "events/energy-pkg.scale", ""},
        {PMU "events/energy-pkg.unit", "Furlongs"},
    };
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct place p;
        struct script script = {.offline_cpu = -1};
        struct ew_rapl_perf_calls calls = calls_of(&script);
        open_place(&p, "xeon-2s");
        tree_put(p.root, broken[i].path, broken[i].text);
        p.list = ew_meter_list_new();
        assert_int_equal(ew_rapl_perf_probe(p.list, &p.config, &calls, NULL), EW_OK);
        if (ew_meter_list_find(p.list, "rapl-perf"))
            fail_msg("%s holding `%s` gave a meter", broken[i].path, broken[i].text);
        close_place(&p);
    }
}

/* Dies, two interfaces more, and zones that live inside each other as below /sys/devices. */
static void test_zones(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
    put_zone(&p, "intel-rapl:0", "package-0-die-0", "1000000", "262143328850");
    put_zone(&p, "intel-rapl:0:0", "dram", "100000", NULL);
    put_zone(&p, "intel-rapl:1", "package-0-die-1", "2000000", "262143328850");
    put_zone(&p, "intel-rapl/intel-rapl:2", "package-1-die-0", "4000000", "262143328850");
    put_zone(&p, "intel-rapl/intel-rapl:2/intel-rapl:2:0", "core", "300000", "262143328850");
    put_zone(&p, "intel-rapl-tpmi:0", "package-0-die-0", "1000000", "262143328850");
    put_zone(&p, "intel-rapl-mmio:0", "package-1-die-0", "1000000", "262143328850");
    put_zone(&p, "intel-rapl-mmio:0:0", "dram", "1000000", "262143328850");
    probe(&p, NULL);
    const struct ew_meter_info *info = info_of(&p, "rapl");
    assert_int_equal(info->reason, EW_METER_USABLE);
    static const struct {
        const char *name;
        bool in_total;
        double j;
    } expected[] = {{"package-1-die-0", true, 4},
                    {"package-1-die-0/core", false, 0.3},
                    {"package-0-die-0", true, 1},
                    {"package-0-die-0/dram", true, 0.1},
                    {"package-0-die-1", true, 2}};
    assert_int_equal(info->n_channels, 5);
    double j[5];
    assert_int_equal(ew_meter_start(meter_of(&p, "rapl"), NULL), EW_OK);
    assert_int_equal(read_once(meter_of(&p, "rapl"), j, NULL), EW_OK);
    for (size_t c = 0; c < 5; c++) {
        assert_string_equal(info->channels[c].name, expected[c].name);
        assert_int_equal(info->channels[c].in_total, expected[c].in_total);
        assert_true(fabs(j[c] - expected[c].j) < 1e-9);
    }
    assert_int_equal(info_of(&p, "rapl-tpmi:package-0-die-0")->reason, EW_METER_DUPLICATE);
    assert_int_equal(info_of(&p, "rapl-mmio:package-1-die-0")->reason, EW_METER_DUPLICATE);
    close_place(&p);
}

/* MMIO alone is not a duplicate of anything. */
static void test_mmio_alone(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
    put_zone(&p, "intel-rapl-mmio:0", "package-0", "1000000", "262143328850");
    probe(&p, NULL);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_USABLE);
    assert_null(ew_meter_list_find(p.list, "rapl-mmio:package-0"));
    close_place(&p);
}

/* A zone that disappears while it is read, a counter behind its own range, one that stopped at its end. */
static void test_counter_ends(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "amd-desktop");
    probe(&p, NULL);
    struct ew_meter *m = meter_of(&p, "rapl");
    assert_true(fabs(ew_meter_info(m)->range_max - 65532.610987) < 1e-6);
    double j[2];
    struct ew_error e = {0};
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    tree_put(p.root, ZONES "intel-rapl:0/energy_uj", "65532610988"); /* one microjoule too many */
    assert_int_equal(read_once(m, j, NULL), EW_OK);
    assert_true(isnan(j[0]) && j[1] > 0);
    for (const char *const *bad = (const char *const[]){"", "-5", "nan", "12x", "1e9", "99999999999999999999", NULL};
         *bad; bad++) {
        tree_put(p.root, ZONES "intel-rapl:0/energy_uj", *bad);
        assert_int_equal(read_once(m, j, NULL), EW_OK);
        assert_true(isnan(j[0]));
    }
    tree_put(p.root, ZONES "intel-rapl:0/energy_uj", "65532610987"); /* the very end may be seen in passing */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_once(m, j, NULL), EW_OK);
        assert_true(fabs(j[0] - 65532.610987) < 1e-6);
    }
    assert_int_equal(read_once(m, j, &e), EW_ERR_IO);
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_SATURATED);
    assert_non_null(strstr(e.message, "end of its range"));
    ew_meter_stop(m);
    tree_put(p.root, ZONES "intel-rapl:0/energy_uj", "100");
    probe(&p, NULL);
    m = meter_of(&p, "rapl");
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    char path[TREE_ROOT_BYTES + 96];
    snprintf(path, sizeof path, "%s" ZONES "intel-rapl:0:0/energy_uj", p.root);
    assert_int_equal(unlink(path), 0); /* a part that is shown only */
    assert_int_equal(read_once(m, j, NULL), EW_OK);
    assert_true(isnan(j[1]));
    snprintf(path, sizeof path, "%s" ZONES "intel-rapl:0/energy_uj", p.root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(read_once(m, j, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_GONE);
    ew_meter_stop(m);
    close_place(&p);
}

static void switch_nothing(void *context, bool on) {
    (void)context;
    (void)on;
}

/* The proof keeps the driver's own reason. */
static void test_proof_names_saturation(void **state) {
    (void)state;
    struct place p;
    struct ew_fake_clock fake = {0};
    struct ew_meter_clock clock = ew_fake_clock_of(&fake);
    struct ew_prove_load load = {.set = switch_nothing};
    open_place(&p, "amd-desktop");
    p.config.clock = &clock;
    tree_put(p.root, ZONES "intel-rapl:0/energy_uj", "65532610987");
    probe(&p, NULL);
    struct ew_error e = {0};
    assert_int_equal(ew_meter_prove(meter_of(&p, "rapl"), &load, &e), EW_ERR_NOT_FOUND);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_SATURATED);
    assert_non_null(strstr(e.message, "end of its range"));
    close_place(&p);
}

static void test_absent_remedies(void **state) {
    (void)state;
    struct place p;
    open_place(&p, "nothing");
    probe(&p, NULL);
    assert_int_equal(info_of(&p, "rapl")->reason, EW_METER_ABSENT);
    assert_non_null(strstr(info_of(&p, "rapl")->remedy, "virtual machine"));
    tree_put(p.root, "/proc/cpuinfo", "vendor_id\t: GenuineIntel\nflags\t\t: fpu vme\n");
    probe(&p, NULL);
    assert_non_null(strstr(info_of(&p, "rapl")->remedy, "sudo modprobe intel_rapl_msr"));
    tree_put(p.root, "/proc/cpuinfo", "CPU part\t: 0xd0b\n");
    probe(&p, NULL);
    assert_string_equal(info_of(&p, "rapl")->remedy, "");
    close_place(&p);
}

/* A capture made by grep over the control type's folder: a closed counter of a desktop. */
static void test_grep_capture(void **state) {
    (void)state;
    const char *shared = getenv("EW_SHARED_DIR");
    char path[1024], line[512];
    snprintf(path, sizeof path, "%s/data/devices/rapl/grep_powercap_desktop_125w.txt", shared ? shared : "");
    FILE *f = fopen(path, "r");
    if (!f) {
        print_message("skipped: the captures are not here\n");
        skip();
    }
    struct place p;
    open_place(&p, "nothing");
    char denied[256] = "";
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (strstr(line, ": Permission denied")) {
            assert_int_equal(sscanf(line, "grep: %255[^ ]", denied), 1);
            denied[strlen(denied) - 1] = 0;
            tree_put(p.root, denied, "");
            char full[TREE_ROOT_BYTES + 256];
            snprintf(full, sizeof full, "%s%s", p.root, denied);
            assert_int_equal(chmod(full, 0), 0);
            continue;
        }
        char *colon = strrchr(line, ':');
        if (line[0] != '/' || !colon) continue;
        *colon = 0;
        tree_put(p.root, line, colon + 1);
    }
    fclose(f);
    assert_string_equal(denied + strlen(denied) - 9, "energy_uj");
    bool dropped = tree_drop_rights();
    probe(&p, NULL);
    tree_regain_rights();
    const struct ew_meter_info *info = info_of(&p, "rapl");
    assert_int_equal(info->reason, dropped ? EW_METER_PERMISSION : EW_METER_IO_ERROR);
    assert_int_equal(info->n_channels, 1);
    assert_string_equal(info->channels[0].name, "package-0");
    assert_true(fabs(info->channels[0].wrap - 262143.32885) < 1e-6);
    close_place(&p);
}

static char *read_source(const char *name, char *text, size_t capacity) {
    char path[1024];
    const char *source = getenv("EW_SOURCE_DIR");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/%s", source, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, capacity - 1, f);
    text[n] = 0;
    fclose(f);
    return text;
}

/* What is shipped, what is printed and what is documented are one. */
static void test_rights_agree(void **state) {
    (void)state;
    char text[65536], line[512];
    read_source("packaging/" EW_RIGHTS_RULES_FILE, text, sizeof text);
    snprintf(line, sizeof line, "\n%s\n", EW_RIGHTS_POWERCAP_RULE);
    assert_non_null(strstr(text, line));
    assert_non_null(strstr(text, "KERNEL==\"vcio\", GROUP=\"video\""));
    read_source("packaging/edgewise.sysusers", text, sizeof text);
    assert_non_null(strstr(text, "\ng " EW_RIGHTS_GROUP " -"));
    read_source("packaging/edgewise.tmpfiles", text, sizeof text);
    assert_non_null(strstr(text, "/energy_uj 0440 root " EW_RIGHTS_GROUP " -"));
    read_source("docs/meters.md", text, sizeof text);
    assert_non_null(strstr(text, EW_RIGHTS_POWERCAP_RULE));
    assert_non_null(strstr(text, "sudo setcap cap_perfmon+ep $(which edgewise)"));
    assert_non_null(strstr(EW_RIGHTS_POWERCAP, EW_RIGHTS_POWERCAP_RULE));
    assert_true(sizeof EW_RIGHTS_POWERCAP <= sizeof((struct ew_meter_info *)0)->remedy);
    assert_true(sizeof EW_RIGHTS_PERF <= sizeof((struct ew_meter_info *)0)->remedy);
    assert_null(strstr(EW_RIGHTS_POWERCAP, "sudo edgewise"));
    assert_null(strstr(EW_RIGHTS_PERF, "sudo edgewise"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_perf_takes_over),
        cmocka_unit_test(test_perf_is_the_duplicate),
        cmocka_unit_test(test_perf_permission),
        cmocka_unit_test(test_perf_goes_away),
        cmocka_unit_test(test_perf_amd_and_dies),
        cmocka_unit_test(test_perf_hostile),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_mmio_alone),
        cmocka_unit_test(test_counter_ends),
        cmocka_unit_test(test_proof_names_saturation),
        cmocka_unit_test(test_absent_remedies),
        cmocka_unit_test(test_grep_capture),
        cmocka_unit_test(test_rights_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
