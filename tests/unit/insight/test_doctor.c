/* Every rule of the doctor on made-up facts just below and above its threshold, and on recorded machines. What is
 * expected of the recorded ones stands in their files: governors, limits, modes, flags, swap. */
#include "insight/doctor.h"
#include "machine/cpu_features.h"
#include "recorded_tree.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* -1 = unknown. */
static struct ew_machine_throttle counts(int64_t core, int64_t package, int64_t pi_flags) {
    struct ew_machine_throttle t = ew_machine_throttle_unknown();
    t.core_events = core;
    t.package_events = package;
    t.pi_flags = pi_flags;
    return t;
}

enum { CPUS = 8, METERS = 4 };
static const int64_t gib = INT64_C(1) << 30;

/* A machine with nothing to complain about, except where a test changes it. */
struct made {
    struct ew_machine machine;
    struct ew_machine_cpu cpus[CPUS];
    struct ew_machine_cache cache;
    struct ew_machine_temperature heat;
    struct ew_machine_tuning tuning;
    struct ew_meter_info infos[METERS];
    struct ew_doctor_meter meters[METERS];
    struct ew_machine_limits limits;
    struct ew_doctor_model model;
    struct ew_doctor_facts facts;
    struct ew_doctor_findings found;
};

static void make_machine(struct made *m) {
    for (int i = 0; i < CPUS; i++) {
        m->cpus[i] = (struct ew_machine_cpu){.id = i,
                                             .core = i,
                                             .usable = true,
                                             .governor = "performance",
                                             .min_mhz = 1000,
                                             .max_mhz = 2400,
                                             .hardware_max_mhz = 2400,
                                             .now_mhz = 2400};
    }
    m->cache = (struct ew_machine_cache){.level = 3, .type = "Unified", .size_bytes = 8 << 20, .instances = 1};
    m->heat = (struct ew_machine_temperature){.name = "cpu", .degrees_c = 50, .is_cpu = true};
    m->machine = (struct ew_machine){.architecture = "aarch64",
                                     .cores = CPUS,
                                     .threads = CPUS,
                                     .kinds = 1,
                                     .usable = CPUS,
                                     .quota = NAN,
                                     .n_cpus = CPUS,
                                     .cpus = m->cpus,
                                     .n_caches = 1,
                                     .caches = &m->cache,
                                     .n_temperatures = 1,
                                     .temperatures = &m->heat,
                                     .memory = {.total_bytes = 8 * gib,
                                                .available_bytes = 6 * gib,
                                                .cgroup_limit_bytes = -1,
                                                .cgroup_used_bytes = -1},
                                     .throttle = counts(-1, -1, -1)};
    m->tuning = (struct ew_machine_tuning){.driver = "cppc_cpufreq",
                                           .boost = 1,
                                           .mode = -1,
                                           .on_battery = 0,
                                           .slows_at_c = 80,
                                           .slows_source = "passive trip point"};
}

static void make_measured(struct made *m) {
    m->limits = (struct ew_machine_limits){.read_bytes_per_s = 15e9,
                                           .read_threads = 4,
                                           .int8_ops_per_s = 600e9,
                                           .f32_ops_per_s = 150e9,
                                           .threads = CPUS,
                                           .int8_with = "sdot",
                                           .f32_with = "fmla",
                                           .n_reads = 2,
                                           .reads = {{1, 9e9}, {4, 15e9}}};
    m->model =
        (struct ew_doctor_model){.name = "made",
                                 .type = "Q4_0",
                                 .weights_bytes = 200 << 20,
                                 .needed_bytes = 300 << 20,
                                 .prompt_tokens = 256,
                                 .generate_tokens = 32,
                                 .prefill_limit_per_s = 1000,
                                 .decode_limit_per_s = 70,
                                 .kernels = "gemm_q4_0_dotprod gemv_q4_0_dotprod",
                                 .default_threads = CPUS,
                                 .n_speeds = 2,
                                 .speeds = {{7, 3, 600, 590, 610, 50, 49, 51}, {8, 3, 650, 640, 660, 52, 51, 53}}};
}

static void make(struct made *m) {
    memset(m, 0, sizeof *m);
    make_machine(m);
    make_measured(m);
    m->infos[0] = (struct ew_meter_info){.name = "hwmon:ina226",
                                         .quantity = EW_METER_ENERGY,
                                         .boundary = EW_BOUNDARY_BOARD_DC,
                                         .covers = "the board's input",
                                         .grade_ceiling = EW_GRADE_B};
    m->meters[0] = (struct ew_doctor_meter){.info = &m->infos[0], .is_auto = true, .now = 5.25};
    m->facts = (struct ew_doctor_facts){.machine = &m->machine,
                                        .tuning = &m->tuning,
                                        .features = EW_CPU_NEON | EW_CPU_DOTPROD,
                                        .allowed = EW_CPU_NEON | EW_CPU_DOTPROD,
                                        .kernel_features = EW_CPU_NEON | EW_CPU_DOTPROD,
                                        .load_1min = 0.1,
                                        .others_cpus = 0.1,
                                        .busiest_cpus = NAN,
                                        .steal = NAN,
                                        .throttled_by = -1,
                                        .n_meters = 1,
                                        .meters = m->meters,
                                        .limits = &m->limits,
                                        .model = &m->model};
}

static const struct ew_doctor_finding *find(const struct made *m, const char *id) {
    for (size_t i = 0; i < m->found.n; i++)
        if (strcmp(m->found.at[i].id, id) == 0) return &m->found.at[i];
    return NULL;
}

enum { SILENT = -1 };

/* severity SILENT: the rule says nothing. found, remedy: parts of the texts; NULL = not looked at, "" = empty. */
static void expect_of(struct made *m, const char *id, int severity, const char *found, const char *remedy) {
    ew_doctor_examine(&m->facts, &m->found);
    const struct ew_doctor_finding *f = find(m, id);
    int got = f ? (int)f->severity : SILENT;
    if (got != severity) fail_msg("%s: severity %d instead of %d: %s", id, got, severity, f ? f->found : "");
    if (!f) return;
    if (found && !strstr(f->found, found)) fail_msg("%s: no `%s` in `%s`", id, found, f->found);
    bool right = !remedy || (*remedy ? strstr(f->remedy, remedy) != NULL : f->remedy[0] == 0);
    if (!right) fail_msg("%s: remedy `%s`, not `%s`", id, f->remedy, remedy);
    assert_true(strlen(f->why) > 0);
}

static void nothing_to_complain_about(void **state) {
    (void)state;
    struct made m;
    make(&m);
    ew_doctor_examine(&m.facts, &m.found);
    for (size_t i = 0; i < m.found.n; i++)
        if (m.found.at[i].severity != EW_DOCTOR_OK) fail_msg("%s: %s", m.found.at[i].id, m.found.at[i].found);
    assert_true(m.found.n > 10);
}

/* A machine about which nothing at all is known: no rule may invent anything, and only energy is missing. */
static void nothing_known(void **state) {
    (void)state;
    struct made m;
    make(&m);
    m.machine =
        (struct ew_machine){.quota = NAN, .throttle = counts(-1, -1, -1), .memory = {-1, -1, -1, -1, -1, -1, -1, -1}};
    m.tuning = (struct ew_machine_tuning){.boost = -1, .mode = -1, .on_battery = -1, .slows_at_c = NAN};
    m.facts = (struct ew_doctor_facts){.machine = &m.machine,
                                       .tuning = &m.tuning,
                                       .recorded = true,
                                       .load_1min = NAN,
                                       .others_cpus = NAN,
                                       .steal = NAN,
                                       .throttled_by = -1};
    ew_doctor_examine(&m.facts, &m.found);
    assert_int_equal(m.found.n, 1);
    expect_of(&m, "energy.meter", EW_DOCTOR_PROBLEM, "none", "shelly:HOST");
}

static void energy(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "energy.meter", EW_DOCTOR_OK, "hwmon:ina226: the board's input (board), grade B at best · now 5.25 W",
              "");
    m.infos[0].grade_ceiling = EW_GRADE_D;
    expect_of(&m, "energy.meter", EW_DOCTOR_WARNING, "grade D", "shelly:HOST");
    m.infos[0].grade_ceiling = EW_GRADE_B;
    expect_of(&m, "energy.calibration", SILENT, NULL, NULL);
    strcpy(m.meters[0].calibration, "a calibration of 2026-11-25 14:03 UTC against log is kept: --calibration auto");
    expect_of(&m, "energy.calibration", EW_DOCTOR_NOTE, "hwmon:ina226: a calibration of 2026-11-25",
              "--calibration auto");
    m.infos[1] = (struct ew_meter_info){.name = "rapl",
                                        .quantity = EW_METER_ENERGY,
                                        .reason = EW_METER_PERMISSION,
                                        .reason_text = "only root may read it",
                                        .remedy = "sudo chmod a+r it"};
    m.meters[1] = (struct ew_doctor_meter){.info = &m.infos[1], .now = NAN};
    expect_of(&m, "energy.better", SILENT, NULL, NULL);
    m.facts.n_meters = 2;
    expect_of(&m, "energy.better", EW_DOCTOR_NOTE, "rapl could be read as well: only root may read it", "sudo chmod");
    m.meters[0].is_auto = false;
    m.infos[0] = (struct ew_meter_info){
        .name = "nvml", .quantity = EW_METER_ENERGY, .reason = EW_METER_ABSENT, .remedy = "install the driver"};
    m.facts.energy_none = "no energy figure: rapl may not be read";
    expect_of(&m, "energy.better", SILENT, NULL, NULL);
    expect_of(&m, "energy.meter", EW_DOCTOR_PROBLEM, "no joules: rapl may not be read", "sudo chmod a+r it");
    m.infos[1].remedy[0] = 0;
    expect_of(&m, "energy.meter", EW_DOCTOR_PROBLEM, NULL, "install the driver");
}

static void supply_voltage(void **state) {
    (void)state;
    struct made m;
    make(&m);
    m.infos[1] = (struct ew_meter_info){.name = "pi-supply", .quantity = EW_METER_VOLTAGE};
    m.meters[1] = (struct ew_doctor_meter){.info = &m.infos[1], .now = 4.75};
    m.facts.n_meters = 2;
    expect_of(&m, "power.voltage", EW_DOCTOR_OK, "4.75 V", "");
    m.meters[1].now = 4.74;
    expect_of(&m, "power.voltage", EW_DOCTOR_WARNING, "below 4.75 V", "power supply");
    m.meters[1].now = NAN;
    expect_of(&m, "power.voltage", SILENT, NULL, NULL);
}

static void set_governor(struct made *m, const char *governor, const char *preference) {
    for (int i = 0; i < CPUS; i++) {
        snprintf(m->cpus[i].governor, sizeof m->cpus[i].governor, "%s", governor);
        snprintf(m->cpus[i].preference, sizeof m->cpus[i].preference, "%s", preference);
    }
}

static void governors(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "clock.governor", EW_DOCTOR_OK, "performance on 8 of 8", "");
    static const struct {
        const char *name, *driver, *preference;
        int severity;
    } cases[] = {{"ondemand", "cpufreq-dt", "", EW_DOCTOR_WARNING},
                 {"schedutil", "", "", EW_DOCTOR_WARNING},
                 {"conservative", "cpufreq-dt", "", EW_DOCTOR_WARNING},
                 {"userspace", "cpufreq-dt", "", EW_DOCTOR_WARNING},
                 {"powersave", "acpi-cpufreq", "", EW_DOCTOR_PROBLEM},
                 {"powersave", "", "", EW_DOCTOR_WARNING}, /* which driver it is decides what powersave means */
                 {"powersave", "intel_pstate", "", EW_DOCTOR_OK},
                 {"powersave", "amd-pstate-epp", "balance_power", EW_DOCTOR_OK},
                 {"powersave", "", "balance_performance", EW_DOCTOR_OK},
                 {"walt", "", "", EW_DOCTOR_NOTE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_governor(&m, cases[i].name, cases[i].preference);
        snprintf(m.tuning.driver, sizeof m.tuning.driver, "%s", cases[i].driver);
        expect_of(&m, "clock.governor", cases[i].severity, cases[i].name,
                  cases[i].severity >= EW_DOCTOR_WARNING ? "scaling_governor" : "");
    }
    make(&m);
    strcpy(m.cpus[3].governor, "ondemand"); /* one core is enough to slow all threads */
    expect_of(&m, "clock.governor", EW_DOCTOR_WARNING, "ondemand on 1 of 8", NULL);
    set_governor(&m, "", "");
    expect_of(&m, "clock.governor", SILENT, NULL, NULL);
}

static void preferences(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "clock.preference", SILENT, NULL, NULL);
    set_governor(&m, "powersave", "performance");
    expect_of(&m, "clock.preference", EW_DOCTOR_OK, "performance", "");
    set_governor(&m, "powersave", "balance_performance");
    expect_of(&m, "clock.preference", EW_DOCTOR_NOTE, "balance_performance", "energy_performance_preference");
    set_governor(&m, "powersave", "balance_power");
    expect_of(&m, "clock.preference", EW_DOCTOR_WARNING, "balance_power", "energy_performance_preference");
    set_governor(&m, "powersave", "power");
    expect_of(&m, "clock.preference", EW_DOCTOR_WARNING, "power", NULL);
}

static void clocks(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "clock.limit", EW_DOCTOR_OK, "2.40 GHz", "");
    m.cpus[0].max_mhz = 2380; /* 0.8 % */
    expect_of(&m, "clock.limit", EW_DOCTOR_OK, NULL, NULL);
    m.cpus[5].max_mhz = 1800;
    expect_of(&m, "clock.limit", EW_DOCTOR_WARNING, "1.80 of 2.40 GHz", "scaling_max_freq");
    m.tuning.n_modes = 1;
    expect_of(&m, "clock.limit", EW_DOCTOR_WARNING, NULL, "power mode");
    for (int i = 0; i < CPUS; i++) m.cpus[i].hardware_max_mhz = NAN;
    expect_of(&m, "clock.limit", SILENT, NULL, NULL);

    make(&m);
    expect_of(&m, "clock.boost", EW_DOCTOR_OK, "on", "");
    m.tuning.boost = 0;
    strcpy(m.tuning.boost_command, "echo 1 | sudo tee boost");
    expect_of(&m, "clock.boost", EW_DOCTOR_WARNING, "off", "echo 1 | sudo tee boost");

    expect_of(&m, "clock.loaded", SILENT, NULL, NULL);
    m.facts.loaded_mhz[0] = 2161; /* 90.04 % */
    expect_of(&m, "clock.loaded", SILENT, NULL, NULL);
    m.facts.loaded_mhz[0] = 1500;
    expect_of(&m, "clock.loaded", EW_DOCTOR_WARNING, "1.50 GHz at most right after load, the limit is 2.40", "heat");
    strcpy(m.machine.architecture, "x86_64");
    expect_of(&m, "clock.loaded", EW_DOCTOR_NOTE, "power budget", "");
}

static void power(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "power.mode", SILENT, NULL, NULL);
    m.tuning.n_modes = 3;
    m.tuning.modes[0] = (struct ew_power_mode){0, "15W"};
    m.tuning.modes[1] = (struct ew_power_mode){1, "25W"};
    m.tuning.modes[2] = (struct ew_power_mode){2, "MAXN_SUPER"};
    m.tuning.mode = 1;
    strcpy(m.machine.power_mode, "1 25W");
    expect_of(&m, "power.mode", EW_DOCTOR_WARNING, "nvpmodel 1 25W, the largest is 2 MAXN_SUPER", "sudo nvpmodel -m 2");
    m.tuning.mode = 2;
    expect_of(&m, "power.mode", EW_DOCTOR_OK, "the largest", "");
    m.tuning.n_modes = 2;
    m.tuning.mode = 0;
    expect_of(&m, "power.mode", EW_DOCTOR_WARNING, "the largest is 1 25W", "sudo nvpmodel -m 1");
    strcpy(m.tuning.modes[1].name, "CUSTOM"); /* may be larger or smaller: not guessed */
    expect_of(&m, "power.mode", EW_DOCTOR_NOTE, NULL, "");

    make(&m);
    strcpy(m.machine.power_mode, "performance");
    expect_of(&m, "power.mode", EW_DOCTOR_OK, NULL, "");
    strcpy(m.machine.power_mode, "balanced");
    expect_of(&m, "power.mode", EW_DOCTOR_NOTE, "balanced", "platform_profile");
    strcpy(m.machine.power_mode, "low-power");
    expect_of(&m, "power.mode", EW_DOCTOR_WARNING, "low-power", "echo performance");
    strcpy(m.tuning.profiles, "low-power balanced");
    expect_of(&m, "power.mode", EW_DOCTOR_WARNING, NULL, ""); /* performance is not offered */

    expect_of(&m, "power.battery", SILENT, NULL, NULL);
    m.tuning.on_battery = 1;
    expect_of(&m, "power.battery", EW_DOCTOR_WARNING, "battery", "power supply");
}

static void heat(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "heat.temperature", EW_DOCTOR_OK, "50 °C, slows down from 80 °C (passive trip point)", "");
    m.heat.degrees_c = 75;
    expect_of(&m, "heat.temperature", EW_DOCTOR_WARNING, "75 °C", "cool");
    m.heat.degrees_c = 80;
    expect_of(&m, "heat.temperature", EW_DOCTOR_PROBLEM, NULL, "cool");
    m.tuning.slows_at_c = NAN;
    expect_of(&m, "heat.temperature", EW_DOCTOR_OK, "80 °C", "");
    m.heat.degrees_c = NAN;
    expect_of(&m, "heat.temperature", SILENT, NULL, NULL);

    expect_of(&m, "heat.throttled", SILENT, NULL, NULL);
    static const struct {
        int64_t flags;
        int severity;
        const char *found, *remedy;
    } cases[] = {{0, EW_DOCTOR_OK, "never", ""},
                 {0x80000, EW_DOCTOR_WARNING, "since boot", "cool"},
                 {0x50000, EW_DOCTOR_PROBLEM, "under-voltage since boot", "power supply"},
                 {0x10000, EW_DOCTOR_PROBLEM, "0x10000", "power supply"},
                 {0x00008, EW_DOCTOR_PROBLEM, "now", "cool"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        m.machine.throttle.pi_flags = cases[i].flags;
        expect_of(&m, "heat.throttled", cases[i].severity, cases[i].found, cases[i].remedy);
    }
    m.machine.throttle = counts(0, 0, -1);
    expect_of(&m, "heat.throttled", EW_DOCTOR_OK, "never", "");
    m.machine.throttle = counts(7, 12, -1);
    expect_of(&m, "heat.throttled", EW_DOCTOR_NOTE, "cores 7 times, packages 12", "");
    m.facts.throttled_by = 3;
    expect_of(&m, "heat.throttled", EW_DOCTOR_PROBLEM, "3 times while", "cool");
}

static void memory(void **state) {
    (void)state;
    struct made m;
    make(&m);
    struct ew_machine_memory *mem = &m.machine.memory;
    expect_of(&m, "memory.free", EW_DOCTOR_OK, "6.0 GiB of 8.0 GiB", "");
    mem->available_bytes = 8 * gib / 10 - 1;
    expect_of(&m, "memory.free", EW_DOCTOR_WARNING, NULL, "ps -eo");
    mem->available_bytes = 6 * gib;

    expect_of(&m, "memory.swap", EW_DOCTOR_OK, "none", "");
    mem->swap_total_bytes = mem->swap_free_bytes = gib;
    expect_of(&m, "memory.swap", EW_DOCTOR_OK, "none in use", "");
    mem->swap_free_bytes = gib - 80 * (1 << 20); /* 0.98 % of memory */
    expect_of(&m, "memory.swap", EW_DOCTOR_NOTE, "80 MiB of 1.0 GiB", "");
    mem->swap_free_bytes = gib / 2;
    expect_of(&m, "memory.swap", EW_DOCTOR_WARNING, "512 MiB of 1.0 GiB", "sudo swapoff -a");
    mem->available_bytes = gib / 4; /* what is swapped out does not fit back */
    expect_of(&m, "memory.swap", EW_DOCTOR_WARNING, NULL, "free memory first");

    expect_of(&m, "memory.zram", SILENT, NULL, NULL);
    mem->zram_bytes = gib;
    expect_of(&m, "memory.zram", EW_DOCTOR_NOTE, "1.0 GiB", NULL);

    expect_of(&m, "memory.cgroup", SILENT, NULL, NULL);
    mem->cgroup_limit_bytes = 16 * gib; /* above all memory: no limit */
    expect_of(&m, "memory.cgroup", SILENT, NULL, NULL);
    mem->cgroup_limit_bytes = 2 * gib;
    mem->cgroup_used_bytes = gib;
    expect_of(&m, "memory.cgroup", EW_DOCTOR_WARNING, "allows 2.0 GiB, 1.0 GiB of it used", "docker run --memory");
}

static void processors(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "cores.quota", SILENT, NULL, NULL);
    m.machine.quota = 8;
    expect_of(&m, "cores.quota", SILENT, NULL, NULL);
    m.machine.quota = 1.5;
    expect_of(&m, "cores.quota", EW_DOCTOR_WARNING, "1.5 CPUs' worth of time of 8", "--cpus 8");

    expect_of(&m, "cores.set", SILENT, NULL, NULL);
    m.cpus[7].usable = false;
    expect_of(&m, "cores.set", EW_DOCTOR_WARNING, "7 of 8", "taskset -c 0-7");

    m.facts.others_cpus = 0.79; /* just below a tenth of 8 */
    expect_of(&m, "cores.others", EW_DOCTOR_OK, "0.79 of 8", "");
    m.facts.others_cpus = 0.81;
    strcpy(m.facts.busiest, "ninja (12)");
    m.facts.busiest_cpus = 0.7;
    expect_of(&m, "cores.others", EW_DOCTOR_WARNING, "most of all ninja (12) with 0.70; load average 0.10", "top");
    m.facts.others_cpus = NAN;
    expect_of(&m, "cores.others", SILENT, NULL, NULL);

    expect_of(&m, "machine.virtual", SILENT, NULL, NULL);
    m.facts.steal = 0.009;
    expect_of(&m, "machine.virtual", SILENT, NULL, NULL);
    strcpy(m.machine.hypervisor, "kvm");
    expect_of(&m, "machine.virtual", EW_DOCTOR_NOTE, "kvm; 0.9 %", "");
    m.facts.steal = 0.01;
    expect_of(&m, "machine.virtual", EW_DOCTOR_WARNING, "1.0 %", "quieter");
    m.facts.steal = 0.05;
    expect_of(&m, "machine.virtual", EW_DOCTOR_PROBLEM, "5.0 %", "quieter");
}

static void kernels(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "kernel.features", EW_DOCTOR_OK, "neon dotprod", "");
    m.facts.features = EW_CPU_NEON;
    expect_of(&m, "kernel.features", EW_DOCTOR_NOTE, "no 8-bit dot product (dotprod", "");
    m.facts.features = EW_CPU_AVX2;
    expect_of(&m, "kernel.features", EW_DOCTOR_NOTE, "no 8-bit dot product (VNNI)", "");
    m.facts.features = 0;
    expect_of(&m, "kernel.features", EW_DOCTOR_WARNING, "plain C", "");

    make(&m);
    expect_of(&m, "kernel.mask", SILENT, NULL, NULL);
    m.facts.allowed = EW_CPU_NEON;
    expect_of(&m, "kernel.mask", EW_DOCTOR_WARNING, "hides dotprod", "leave out --cpu-mask");
    expect_of(&m, "kernel.missing", SILENT, NULL, NULL);
    m.facts.features |= EW_CPU_I8MM;
    expect_of(&m, "kernel.missing", EW_DOCTOR_NOTE, "i8mm", "");
    m.facts.kernel_features = 0; /* a recorded machine of another kind */
    expect_of(&m, "kernel.missing", SILENT, NULL, NULL);

    make(&m);
    expect_of(&m, "kernel.reference", EW_DOCTOR_OK, "gemm_q4_0_dotprod", "");
    strcpy(m.model.kernels, "gemm_q5_k_ref gemv_q4_0_dotprod gemv_q5_k_ref");
    expect_of(&m, "kernel.reference", EW_DOCTOR_WARNING, "plain C at work: gemm_q5_k_ref gemv_q5_k_ref",
              "another type");
}

static void limits(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "limit.memory", EW_DOCTOR_OK, "reads 15.0 GB/s with 4 threads (9.0 with one)", "");
    expect_of(&m, "limit.compute", EW_DOCTOR_OK, "int8 600 Gop/s (sdot), f32 150 Gop/s (fmla), 8 threads", "");
    strcpy(m.machine.board, "Raspberry Pi 5 Model B Rev 1.0");
    expect_of(&m, "limit.memory", EW_DOCTOR_OK, "of 17.1 in theory", ""); /* 4267e6 transfers of 4 bytes */
    m.limits.read_bytes_per_s = 8.4e9;
    expect_of(&m, "limit.memory", EW_DOCTOR_NOTE, NULL, "");
    strcpy(m.machine.board, "A board that nobody knows");
    expect_of(&m, "limit.memory", EW_DOCTOR_OK, NULL, "");
    assert_null(strstr(find(&m, "limit.memory")->found, "theory"));
    m.facts.limits = NULL;
    expect_of(&m, "limit.memory", SILENT, NULL, NULL);
    expect_of(&m, "limit.compute", SILENT, NULL, NULL);
}

static void threads(void **state) {
    (void)state;
    struct made m;
    make(&m);
    struct ew_doctor_speed *fewer = &m.model.speeds[0];
    expect_of(&m, "threads.decode", EW_DOCTOR_OK, "decode with 8 threads", "");
    *fewer = (struct ew_doctor_speed){7, 3, 600, 590, 610, 57, 54, 60};
    expect_of(&m, "threads.decode", EW_DOCTOR_WARNING, "with 7 threads is faster than with 8: 52.0 → 57.0 tok/s",
              "--decode-threads 7");
    expect_of(&m, "threads.prefill", EW_DOCTOR_OK, NULL, "");
    m.model.default_decode_threads = 7; /* then nothing is to be changed */
    expect_of(&m, "threads.decode", EW_DOCTOR_OK, "decode with 7 threads", "");
    m.model.default_decode_threads = 0;
    fewer->decode_low = 52.9; /* one of its runs was slower than one of the default's */
    expect_of(&m, "threads.decode", EW_DOCTOR_OK, NULL, "");
    *fewer = (struct ew_doctor_speed){7, 3, 600, 590, 610, 54, 53.5, 55}; /* 4 % */
    expect_of(&m, "threads.decode", EW_DOCTOR_OK, NULL, "");
    *fewer = (struct ew_doctor_speed){7, 3, 900, 890, 910, 50, 49, 51};
    expect_of(&m, "threads.prefill", EW_DOCTOR_WARNING, "650 → 900 tok/s", "--prefill-threads 7");
    m.model.n_speeds = 1;
    expect_of(&m, "threads.prefill", SILENT, NULL, NULL);

    make(&m);
    expect_of(&m, "threads.kinds", SILENT, NULL, NULL);
    m.machine.kinds = 2;
    m.cpus[7].kind = 1;
    m.limits.n_kinds = 2;
    m.limits.kinds[0] = (struct ew_core_limit){0, 0, 9e9, 100e9, 20e9};
    m.limits.kinds[1] = (struct ew_core_limit){1, 7, 4e9, 40e9, 10e9};
    expect_of(&m, "threads.kinds", EW_DOCTOR_NOTE, "2 kinds of core; the fastest does 2.5 times", "");
    m.model.speeds[0] = (struct ew_doctor_speed){7, 3, 900, 890, 910, 50, 49, 51};
    expect_of(&m, "threads.prefill", EW_DOCTOR_WARNING, "the fast cores alone", "--prefill-threads 7");

    make(&m);
    expect_of(&m, "threads.siblings", SILENT, NULL, NULL);
    m.machine.cores = 4;
    expect_of(&m, "threads.siblings", EW_DOCTOR_NOTE, "8 CPUs are two threads each of 4 cores", "");
}

static void models(void **state) {
    (void)state;
    struct made m;
    make(&m);
    expect_of(&m, "model.memory", EW_DOCTOR_OK, "needs 300 MiB, 6.0 GiB are free", "");
    expect_of(&m, "model.cache", SILENT, NULL, NULL);
    expect_of(&m, "model.decode", EW_DOCTOR_OK, "52.0 tok/s, 74 % of the 70.0", "");
    expect_of(&m, "model.prefill", EW_DOCTOR_OK, "650 tok/s, 65 % of the 1,000", "");
    m.model.decode_limit_per_s = 100; /* 52 % */
    expect_of(&m, "model.decode", EW_DOCTOR_NOTE, "Nothing found", "");
    m.model.decode_limit_per_s = 130; /* 40 % */
    expect_of(&m, "model.decode", EW_DOCTOR_WARNING, "40 %", "");
    m.model.prefill_limit_per_s = 1500; /* 43 % */
    expect_of(&m, "model.prefill", EW_DOCTOR_NOTE, NULL, "");
    m.model.prefill_limit_per_s = 2500; /* 26 % */
    expect_of(&m, "model.prefill", EW_DOCTOR_WARNING, "26 %", "");

    m.model.decode_limit_per_s = 52 / 1.004; /* still shown as 100 % */
    expect_of(&m, "model.decode", EW_DOCTOR_OK, "100 %", "");
    m.model.decode_limit_per_s = 52 / 1.04;
    expect_of(&m, "model.decode", EW_DOCTOR_NOTE, "104 % of the 50.0", "run it again");
    assert_non_null(strstr(find(&m, "model.decode")->found, "slower moment, or part of the weights stays in a cache"));
    m.model.prefill_limit_per_s = 520;
    expect_of(&m, "model.prefill", EW_DOCTOR_NOTE, "125 % of the 520", "run it again");
    assert_null(strstr(find(&m, "model.prefill")->found, "cache"));
    m.model.prefill_limit_per_s = 2500;
    m.model.decode_limit_per_s = 130;

    set_governor(&m, "ondemand", "");
    m.tuning.on_battery = 1;
    m.machine.memory.cgroup_limit_bytes = 4 * gib; /* a warning, but no reason for speed */
    expect_of(&m, "model.decode", EW_DOCTOR_WARNING, "What stands in the way: governor, supply", "");
    assert_null(strstr(find(&m, "model.decode")->found, "memory limit"));
    assert_null(strstr(find(&m, "model.decode")->found, "Nothing found"));

    make(&m);
    m.cache.size_bytes = 101 << 20; /* weights are less than twice that */
    m.model.decode_limit_per_s = NAN;
    expect_of(&m, "model.cache", EW_DOCTOR_NOTE, "200 MiB of weights beside 101 MiB", "larger MODEL");
    expect_of(&m, "model.decode", EW_DOCTOR_NOTE, "memory is not its limit", "");
    m.model.needed_bytes = (uint64_t)(7 * gib);
    m.model.n_speeds = 0;
    expect_of(&m, "model.memory", EW_DOCTOR_PROBLEM, "needs 7.0 GiB, 6.0 GiB are free: not measured", "smaller");
    expect_of(&m, "model.decode", SILENT, NULL, NULL);
    expect_of(&m, "model.prefill", SILENT, NULL, NULL);
    expect_of(&m, "model.cache", SILENT, NULL, NULL);
}

/* ---- recorded machines ---- */

struct expectation {
    const char *id;
    int severity;
    const char *found, *remedy;
};

static void expect_tree(const char *root, const struct expectation *expected, size_t n) {
    struct made m;
    memset(&m, 0, sizeof m);
    struct ew_machine *machine = NULL;
    assert_int_equal(ew_machine_open(root, &machine, NULL), EW_OK);
    ew_machine_tuning_read(machine, root, &m.tuning);
    m.facts = (struct ew_doctor_facts){.machine = machine,
                                       .tuning = &m.tuning,
                                       .recorded = true,
                                       .features = ew_cpu_features_recorded(root),
                                       .load_1min = NAN,
                                       .others_cpus = NAN,
                                       .steal = NAN,
                                       .throttled_by = -1};
    m.facts.allowed = m.facts.features;
    for (size_t i = 0; i < n; i++)
        expect_of(&m, expected[i].id, expected[i].severity, expected[i].found, expected[i].remedy);
    ew_machine_close(&machine);
    tree_remove(root);
}
#define EXPECT(root, ...)                                                                                              \
    do {                                                                                                               \
        const struct expectation list_[] = {__VA_ARGS__};                                                              \
        expect_tree(root, list_, sizeof list_ / sizeof *list_);                                                        \
    } while (0)

static void recorded_machines(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    tree_unpack("pi5", root);
    EXPECT(root, {"heat.throttled", EW_DOCTOR_PROBLEM, "under-voltage since boot", "power supply"},
           {"clock.governor", EW_DOCTOR_WARNING, "ondemand", "scaling_governor"},
           {"clock.limit", EW_DOCTOR_OK, "2.40", ""},
           {"heat.temperature", EW_DOCTOR_OK, "51 °C, slows down from 80", ""},
           {"memory.cgroup", EW_DOCTOR_WARNING, "4.0 GiB", NULL}, {"cores.quota", EW_DOCTOR_WARNING, "1.5", NULL},
           {"kernel.features", EW_DOCTOR_OK, "neon dotprod", ""}, {"power.mode", SILENT, NULL, NULL});
    tree_unpack("orin-nano", root);
    EXPECT(root, {"power.mode", EW_DOCTOR_WARNING, "1 25W, the largest is 2 MAXN_SUPER", "sudo nvpmodel -m 2"},
           {"clock.limit", EW_DOCTOR_WARNING, "Cortex-A78AE at 1.34 of 1.73 GHz", "power mode"},
           {"clock.governor", EW_DOCTOR_WARNING, "schedutil on 2 of 2", NULL},
           {"memory.swap", EW_DOCTOR_NOTE, "1.3 MiB of 3.7 GiB", ""}, {"memory.zram", EW_DOCTOR_NOTE, "3.7 GiB", ""},
           {"heat.throttled", SILENT, NULL, NULL});
    tree_unpack("xavier-nx", root); /* three modes of 15 W, the one with six cores in force */
    EXPECT(root, {"power.mode", EW_DOCTOR_OK, "2 MODE_15W_6CORE, the largest", ""});
    tree_unpack("tx2", root);
    EXPECT(root, {"power.mode", EW_DOCTOR_WARNING, "3 MAXP_CORE_ARM, the largest is 0 MAXN", "sudo nvpmodel -m 0"},
           {"heat.temperature", EW_DOCTOR_OK, "39 °C", ""}); /* its sensors are called BCPU and MCPU */
    tree_unpack("xavier-agx", root);
    EXPECT(root, {"power.mode", EW_DOCTOR_WARNING, "3 MODE_30W_ALL, the largest is 0 MAXN", NULL});
    tree_unpack("jetson-nano", root);
    EXPECT(root, {"power.mode", EW_DOCTOR_OK, "0 MAXN, the largest", ""});
    tree_unpack("agx-thor", root);
    EXPECT(root, {"power.mode", EW_DOCTOR_WARNING, "1 120W, the largest is 0 MAXN", NULL},
           {"heat.temperature", EW_DOCTOR_OK, "54 °C", ""});
    tree_unpack("intel-laptop", root);
    EXPECT(root, {"clock.governor", EW_DOCTOR_OK, "powersave", ""},
           {"clock.preference", EW_DOCTOR_NOTE, "balance_performance", "energy_performance_preference"},
           {"power.mode", EW_DOCTOR_NOTE, "balanced", "platform_profile"},
           {"heat.throttled", EW_DOCTOR_NOTE, "cores 7 times, packages 12", ""},
           {"memory.swap", EW_DOCTOR_OK, "none", ""}, {"threads.siblings", EW_DOCTOR_NOTE, "of 1 core", ""});
    tree_unpack("nothing", root);
    EXPECT(root, {"machine.virtual", EW_DOCTOR_NOTE, "virtual machine", ""}, {"clock.governor", SILENT, NULL, NULL},
           {"heat.temperature", SILENT, NULL, NULL}, {"memory.swap", SILENT, NULL, NULL},
           {"energy.meter", EW_DOCTOR_PROBLEM, "none", NULL});
    tree_unpack("xeon-2s", root);
    EXPECT(root, {"clock.governor", SILENT, NULL, NULL}, {"cores.quota", SILENT, NULL, NULL});
    tree_unpack("amd-desktop", root);
    EXPECT(root, {"heat.temperature", EW_DOCTOR_OK, "61 °C", ""}, {"clock.limit", SILENT, NULL, NULL});
}

/* A phone whose clocks are capped, a laptop told to save power, an old laptop with ondemand. */
static void captures(void **state) {
    (void)state;
    char root[TREE_ROOT_BYTES];
    if (!tree_untar("lscpu/arm-A510-A710-A715-X3.tar.gz", "arm-A510-A710-A715-X3", root)) {
        print_message("skipped: the captures are not here\n");
        skip();
    }
    EXPECT(root, {"clock.limit", EW_DOCTOR_WARNING, "Cortex-X3 at 1.00 of 3.19 GHz", "scaling_max_freq"},
           {"kernel.features", EW_DOCTOR_OK, "i8mm", ""}, {"threads.kinds", EW_DOCTOR_NOTE, "3 kinds", ""});
    assert_true(tree_untar("lscpu/x86_64-64cpu-linux6.2.tar.gz", "x86_64-64cpu-linux6.2", root));
    EXPECT(root, {"clock.governor", EW_DOCTOR_OK, "intel_pstate", ""},
           {"clock.preference", EW_DOCTOR_WARNING, "balance_power", NULL}, {"clock.boost", EW_DOCTOR_OK, "on", ""},
           {"kernel.features", EW_DOCTOR_OK, "avx512vnni", ""}, {"heat.throttled", EW_DOCTOR_NOTE, "156", ""});
    assert_true(tree_untar("lscpu/x86_64-dell_e4310.tar.gz", "x86_64-dell_e4310", root));
    EXPECT(root, {"clock.governor", EW_DOCTOR_WARNING, "ondemand on 4 of 4", NULL},
           {"threads.siblings", EW_DOCTOR_NOTE, "of 2 cores", ""});
    assert_true(tree_untar("hwloc/32amd64-4s2n4c-cgroup2.tar.bz2", "32amd64-4s2n4c-cgroup", root));
    EXPECT(root, {"cores.set", EW_DOCTOR_WARNING, "6 of 32 CPUs", "taskset"});
}

/* ---- the list ---- */

static char *read_page(void) {
    char path[1024];
    static char text[200000];
    snprintf(path, sizeof path, "%s/docs/doctor.md", getenv("EW_SOURCE_DIR"));
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    return text;
}

static void every_rule_is_documented(void **state) {
    (void)state;
    const char *page = read_page();
    size_t n = ew_doctor_rule_count();
    assert_true(n > 30 && n <= EW_DOCTOR_FINDINGS);
    assert_null(ew_doctor_rule_at(n));
    for (size_t i = 0; i < n; i++) {
        const struct ew_doctor_rule *rule = ew_doctor_rule_at(i);
        char row[80];
        snprintf(row, sizeof row, "| `%s` |", rule->id);
        if (!strstr(page, row)) fail_msg("docs/doctor.md has no row for %s", rule->id);
        for (size_t k = 0; k < i; k++) assert_string_not_equal(ew_doctor_rule_at(k)->id, rule->id);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_to_complain_about),
        cmocka_unit_test(nothing_known),
        cmocka_unit_test(energy),
        cmocka_unit_test(supply_voltage),
        cmocka_unit_test(governors),
        cmocka_unit_test(preferences),
        cmocka_unit_test(clocks),
        cmocka_unit_test(power),
        cmocka_unit_test(heat),
        cmocka_unit_test(memory),
        cmocka_unit_test(processors),
        cmocka_unit_test(kernels),
        cmocka_unit_test(limits),
        cmocka_unit_test(threads),
        cmocka_unit_test(models),
        cmocka_unit_test(recorded_machines),
        cmocka_unit_test(captures),
        cmocka_unit_test(every_rule_is_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
