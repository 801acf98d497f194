/* Owns RAPL through the perf event source `power`: which events it has, on which CPUs they are counted (one per package
 * or die), and their reading. The kernel extends the counters to 64 bits, so they do not wrap. Only one way to read a
 * package is ever usable: powercap (rapl.c) goes first, as it needs no descriptor per event. Refuses events without
 * scale or in other units than joules. */
#include "meter/rapl_perf.h"
#include "base/error.h"
#include "base/small_file.h"
#include "machine/facts.h"
#include "meter/driver.h"
#include "meter/rights.h"
#include "meter/sensor_number.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SOURCE "/sys/bus/event_source/devices/power"
enum { MAX_COUNTERS = 64, MAX_CPUS = 4096, MAX_SOCKETS = 16 };

/* Powercap's word for each event, and whether it is a part of the package. */
static const struct {
    const char *event, *domain;
    bool in_total;
} kinds[] = {
    {"energy-pkg", "", true},
    {"energy-ram", "dram", true},
    {"energy-cores", "core", false},
    {"energy-gpu", "uncore", false},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct event {
    uint64_t config;
    double joules; /* of one count */
    bool found;
};

struct counter {
    uint64_t config;
    double joules;
    int cpu;
    int fd; /* -1 = not open */
    int failures;
};

struct perf_state {
    const struct ew_rapl_perf_calls *calls;
    uint32_t type;
    struct counter counters[MAX_COUNTERS]; /* by channel */
};

struct source {
    const char *root;
    const struct ew_rapl_perf_calls *calls;
    uint32_t type;
    int cpus[MAX_SOCKETS]; /* one of each package or die */
    int packages[MAX_SOCKETS];
    int dies[MAX_SOCKETS]; /* -1 = its package has one die */
    size_t n_cpus;
    bool intel;
};

/* "event=0x02" or "event=0x02,umask=0x00": the power source has the event in the low byte of config. */
static bool parse_event(const char *text, uint64_t *config) {
    const char *p = strstr(text, "event=");
    if (!p || (p != text && p[-1] != ',')) return false;
    char *end;
    errno = 0;
    unsigned long value = strtoul(p + 6, &end, 0);
    if (end == p + 6 || errno || value > 255 || (*end && *end != ',')) return false;
    *config = value;
    return true;
}

static struct event find_event(const char *root, const char *name) {
    struct event e = {0};
    char text[128], unit[32];
    if (!ew_facts_text(root, text, sizeof text, SOURCE "/events/%s", name) || !parse_event(text, &e.config)) return e;
    e.joules = ew_facts_number(root, SOURCE "/events/%s.scale", name);
    bool joules = ew_facts_text(root, unit, sizeof unit, SOURCE "/events/%s.unit", name) && strcmp(unit, "Joules") == 0;
    e.found = joules && e.joules > 0 && e.joules < 1;
    return e;
}

static int topology_id(const char *root, int cpu, const char *file) {
    double id = ew_facts_number(root, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, file);
    return id >= 0 && id < 1 << 20 ? (int)id : -1;
}

/* The CPUs of cpumask, by package. Two of one package are its dies (or, without die_id, numbered as such). */
static void find_cpus(struct source *s) {
    static const char file[] = SOURCE "/cpumask";
    char text[1024];
    bool set[MAX_CPUS] = {false};
    if (!ew_facts_text(s->root, text, sizeof text, file) || !ew_facts_parse_list(text, set, MAX_CPUS)) return;
    for (int cpu = 0; cpu < MAX_CPUS && s->n_cpus < MAX_SOCKETS; cpu++) {
        if (!set[cpu]) continue;
        int package = topology_id(s->root, cpu, "physical_package_id");
        s->cpus[s->n_cpus] = cpu;
        s->dies[s->n_cpus] = -1;
        s->packages[s->n_cpus] = package >= 0 ? package : (int)s->n_cpus;
        s->n_cpus++;
    }
    for (size_t i = 0; i < s->n_cpus; i++) {
        int before = 0, others = 0;
        for (size_t k = 0; k < s->n_cpus; k++) {
            others += k != i && s->packages[k] == s->packages[i];
            before += k < i && s->packages[k] == s->packages[i];
        }
        int die = topology_id(s->root, s->cpus[i], "die_id");
        if (others > 0) s->dies[i] = die >= 0 ? die : before;
    }
}

static bool find_source(struct source *s) {
    int64_t type;
    if (!ew_sensor_number_read(s->root, SOURCE "/type", &type) || type < 0 || type > UINT32_MAX) return false;
    s->type = (uint32_t)type;
    find_cpus(s);
    char *cpuinfo = ew_facts_read_file(s->root, "/proc/cpuinfo"), vendor[32] = "";
    if (cpuinfo) ew_facts_field(cpuinfo, "vendor_id", vendor, sizeof vendor);
    free(cpuinfo);
    s->intel = strcmp(vendor, "GenuineIntel") == 0;
    return s->n_cpus > 0;
}

static void stop_perf(struct ew_meter *meter) {
    struct perf_state *state = meter->state;
    for (size_t c = 0; c < meter->info.n_channels; c++) {
        struct counter *k = &state->counters[c];
        if (k->fd >= 0) state->calls->close(state->calls->context, k->fd);
        k->fd = -1;
    }
}

static enum ew_status start_perf(struct ew_meter *meter, struct ew_error *err) {
    struct perf_state *state = meter->state;
    for (size_t c = 0; c < meter->info.n_channels; c++) {
        struct counter *k = &state->counters[c];
        k->failures = 0;
        k->fd = state->calls->open(state->calls->context, state->type, k->config, k->cpu);
        if (k->fd >= 0 || !meter->channels[c].in_total) continue;
        int e = errno;
        stop_perf(meter);
        return ew_error_errno(err, e == EACCES || e == EPERM ? EW_ERR_PERMISSION : EW_ERR_IO, e,
                              "meter %s: event of %s on CPU %d", meter->info.name, meter->channels[c].name, k->cpu);
    }
    return EW_OK;
}

/* The kernel moves an event when its CPU goes offline; one that stays silent three times in a row has nowhere to go. */
static enum ew_status note_failure(struct ew_meter *meter, size_t c, struct ew_error *err) {
    struct perf_state *state = meter->state;
    struct counter *k = &state->counters[c];
    if (++k->failures < 3) return EW_OK;
    char text[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "the event of %s disappeared (CPU %d offline?)", meter->channels[c].name, k->cpu);
    ew_meter_flag(meter, EW_METER_GONE, text);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, text);
}

static enum ew_status read_perf(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct perf_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) {
        struct counter *k = &state->counters[c];
        uint64_t count;
        if (k->fd < 0) continue;
        if (state->calls->read(state->calls->context, k->fd, &count)) {
            values[c] = (double)count * k->joules;
            k->failures = 0;
            continue;
        }
        enum ew_status status = meter->channels[c].in_total ? note_failure(meter, c, err) : EW_OK;
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static const struct ew_meter_driver driver = {.start = start_perf, .read = read_perf, .stop = stop_perf};

static void describe(struct ew_meter *m, const struct source *s, bool psys) {
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_COUNTER;
    info->boundary = psys ? EW_BOUNDARY_BOARD_DC : EW_BOUNDARY_DIE;
    info->period_s = 0.02;
    info->resolution = 61.04e-6; /* of the register behind it: 2^-14 J */
    ew_meter_text(info->name, sizeof info->name, psys ? "rapl-perf-psys" : "rapl-perf");
    ew_meter_text(info->source, sizeof info->source, "perf_event_open, " SOURCE);
    if (psys) {
        info->grade_ceiling = EW_GRADE_C;
        info->documented = "Intel SDM vol. 3B 15.10 (platform domain); contents and error are not documented";
        ew_meter_text(info->covers, sizeof info->covers, "the platform as its maker wired it; contains the package");
        ew_meter_text(info->leaves_out, sizeof info->leaves_out, "the power supply, and what the maker left out");
        return;
    }
    bool dram = false;
    for (size_t c = 0; c < info->n_channels; c++) dram |= strstr(m->channels[c].name, "/dram") != NULL;
    ew_meter_text(info->covers, sizeof info->covers,
                  dram ? "processor packages, and their memory" : "processor packages");
    ew_meter_text(info->leaves_out, sizeof info->leaves_out,
                  dram ? "board, disks, power supply" : "memory, board, disks, power supply");
    info->error_relative = s->intel ? 0.05 : 0.1;
    info->grade_ceiling = s->intel ? EW_GRADE_B : EW_GRADE_C;
    info->documented =
        s->intel ? "Intel SDM vol. 3B 15.10; error: Khan et al. 2018, RAPL in Action (doi 10.1145/3177754)"
                 : "AMD PPR (MSR C001_029B); a model, not a measurement: Schoene et al. 2021 (arXiv 2108.00808)";
}

static void refuse_permission(struct ew_meter *m, const struct source *s, int failure) {
    char text[EW_METER_TEXT_SIZE];
    int64_t paranoid;
    if (failure == EACCES || failure == EPERM) {
        if (ew_sensor_number_read(s->root, "/proc/sys/kernel/perf_event_paranoid", &paranoid))
            ew_meter_text(text, sizeof text,
                          "RAPL events are here, but system-wide ones need CAP_PERFMON or "
                          "kernel.perf_event_paranoid at 0 or less (it is %lld)",
                          (long long)paranoid);
        else
            ew_meter_text(text, sizeof text, "RAPL events are here, but system-wide ones need CAP_PERFMON");
        ew_meter_refuse(m, EW_METER_PERMISSION, text, EW_RIGHTS_PERF);
        return;
    }
    ew_meter_text(text, sizeof text, "RAPL events are here, but cannot be opened: %s", strerror(failure));
    ew_meter_refuse(m, EW_METER_IO_ERROR, text, "");
}

/* Opens the meter's events once, as nothing short of that tells whether the kernel allows it. */
static void try_open(struct ew_meter *m, const struct source *s) {
    struct perf_state *state = m->state;
    if (!s->calls) {
        ew_meter_refuse(m, EW_METER_UNSUPPORTED, "the events of a recorded machine cannot be opened", "");
        return;
    }
    for (size_t c = 0; c < m->info.n_channels; c++) {
        if (!m->channels[c].in_total) continue;
        int fd = s->calls->open(s->calls->context, s->type, state->counters[c].config, state->counters[c].cpu);
        if (fd >= 0)
            s->calls->close(s->calls->context, fd);
        else
            refuse_permission(m, s, errno);
        if (fd < 0) return;
    }
}

/* Refuses the meter when powercap's twin works, and otherwise tries it. */
static enum ew_status add_tried(struct ew_meter_list *list, struct ew_meter *m, const struct source *s,
                                const char *twin, struct ew_error *err) {
    const struct ew_meter *other = ew_meter_list_find(list, twin);
    char text[EW_METER_TEXT_SIZE];
    if (m && other && other->info.reason == EW_METER_USABLE) {
        ew_meter_text(text, sizeof text, "the same counters are read through powercap, as meter %s", twin);
        ew_meter_refuse(m, EW_METER_DUPLICATE, text, "");
    } else if (m) {
        try_open(m, s);
    }
    return ew_meter_list_add(list, m, err);
}

static void fill_counter(struct ew_meter *m, size_t c, const struct source *s, const struct event *e, size_t socket) {
    struct perf_state *state = m->state;
    state->calls = s->calls;
    state->type = s->type;
    state->counters[c] = (struct counter){.config = e->config, .joules = e->joules, .cpu = s->cpus[socket], .fd = -1};
}

static enum ew_status add_packages(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   const struct source *s, struct ew_error *err) {
    struct event events[N_KINDS];
    size_t n = 0;
    for (int k = 0; k < N_KINDS; k++) {
        events[k] = find_event(s->root, kinds[k].event);
        /* AMD: only the package is there; another event of that name would be of another kind. */
        if (k > 0 && !s->intel) events[k].found = false;
        n += events[k].found ? s->n_cpus : 0;
    }
    if (!events[0].found || n > MAX_COUNTERS) return EW_OK;
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct perf_state));
    if (!m) return ew_meter_list_add(list, NULL, err);
    size_t c = 0;
    for (size_t socket = 0; socket < s->n_cpus; socket++) {
        char package[40];
        int length = snprintf(package, sizeof package, "package-%d", s->packages[socket]);
        if (s->dies[socket] >= 0)
            snprintf(package + length, sizeof package - (size_t)length, "-die-%d", s->dies[socket]);
        for (int k = 0; k < N_KINDS; k++) {
            if (!events[k].found) continue;
            struct ew_meter_channel *channel = &m->channels[c];
            ew_meter_text(channel->name, sizeof channel->name, "%s%s%s", package, kinds[k].domain[0] ? "/" : "",
                          kinds[k].domain);
            channel->in_total = kinds[k].in_total;
            fill_counter(m, c++, s, &events[k], socket);
        }
    }
    describe(m, s, false);
    return add_tried(list, m, s, "rapl", err);
}

/* The platform is one: every package's CPU would show the same register. */
static enum ew_status add_psys(struct ew_meter_list *list, const struct ew_meter_config *config, const struct source *s,
                               struct ew_error *err) {
    struct event e = find_event(s->root, "energy-psys");
    if (!e.found) return EW_OK;
    struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct perf_state));
    if (!m) return ew_meter_list_add(list, NULL, err);
    ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "psys");
    m->channels[0].in_total = true;
    fill_counter(m, 0, s, &e, 0);
    describe(m, s, true);
    return add_tried(list, m, s, "rapl-psys", err);
}

enum ew_status ew_rapl_perf_probe(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_rapl_perf_calls *calls, struct ew_error *err) {
    struct source s = {.root = config ? config->root : NULL, .calls = calls};
    if (!find_source(&s)) return EW_OK;
    enum ew_status status = add_packages(list, config, &s, err);
    return status == EW_OK ? add_psys(list, config, &s, err) : status;
}

static int open_event(void *context, uint32_t type, uint64_t config, int cpu) {
    (void)context;
    struct perf_event_attr attr = {.type = type, .size = sizeof attr, .config = config};
    return (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static bool read_event(void *context, int fd, uint64_t *value) {
    (void)context;
    errno = 0;
    return read(fd, value, sizeof *value) == (ssize_t)sizeof *value;
}

static void close_event(void *context, int fd) {
    (void)context;
    close(fd);
}

enum ew_status ew_meter_probe_rapl_perf(struct ew_meter_list *list, const struct ew_meter_config *config,
                                        struct ew_error *err) {
    static const struct ew_rapl_perf_calls kernel = {.open = open_event, .read = read_event, .close = close_event};
    bool recorded = config && config->root && config->root[0] && strcmp(config->root, "/") != 0;
    return ew_rapl_perf_probe(list, config, recorded ? NULL : &kernel, err);
}
