/* Owns Intel and AMD RAPL through /sys/class/powercap: counters of a processor's energy. Two meters at most: "rapl"
 * (the packages, or their dies, plus DRAM where it has its own domain) and "rapl-psys" (the platform). They are never
 * added to each other, as the platform contains the package; cores and graphics are shown but not summed, as the
 * package contains them. A package that a second interface shows too (MSR, TPMI, MMIO) is refused as a duplicate there.
 * The same counters by perf events: rapl_perf.c. Who may read them: rights.h. */
#include "base/error.h"
#include "base/small_file.h"
#include "machine/facts.h"
#include "meter/driver.h"
#include "meter/rights.h"
#include "meter/sensor_number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POWERCAP "/sys/class/powercap"
/* A counter moves every millisecond or so; one that shows its last value this often in a row has stopped there. */
enum { MAX_DOMAINS = 64, FOLDER_BYTES = 112, STUCK_READINGS = 3 };

struct domain {
    char folder[FOLDER_BYTES]; /* "/sys/class/powercap/intel-rapl:0:1" */
    char zone[40];             /* "intel-rapl:0:1" */
    char name[40];             /* "package-0", "package-1-die-0", "core", "dram", "psys" */
    double range_j;
    int interface; /* index into interfaces below; the smaller is preferred */
    bool child;
    int read_errno; /* why energy_uj cannot be read; 0 = it can */
};

struct scan {
    const char *root;
    const char *folder; /* being visited */
    struct domain domains[MAX_DOMAINS];
    size_t n;
    char vendor[32];
    bool virtual;
};

struct rapl_state {
    char paths[MAX_DOMAINS][FOLDER_BYTES + 16]; /* energy_uj, by channel */
    int at_end[MAX_DOMAINS];                    /* readings in a row that stood at the end of the range */
};

/* Prefixes of zones, the preferred interface first. The longer prefixes are tried before "intel-rapl". */
static const struct {
    const char *prefix, *word;
} interfaces[] = {{"intel-rapl:", "MSR"}, {"intel-rapl-tpmi:", "TPMI"}, {"intel-rapl-mmio:", "MMIO"}};
enum { N_INTERFACES = sizeof interfaces / sizeof *interfaces };

static bool has_zone(const struct scan *s, const char *zone) {
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->domains[i].zone, zone) == 0) return true;
    return false;
}

static bool fill_domain(const struct scan *s, const char *zone, struct domain *d) {
    int64_t uj;
    char path[FOLDER_BYTES + 24];
    *d = (struct domain){.interface = -1};
    for (int i = 0; i < N_INTERFACES; i++)
        if (strncmp(zone, interfaces[i].prefix, strlen(interfaces[i].prefix)) == 0) d->interface = i;
    if (d->interface < 0 || strlen(zone) >= sizeof d->zone) return false;
    int length = snprintf(d->folder, sizeof d->folder, "%s/%s", s->folder, zone);
    if (length < 0 || (size_t)length >= sizeof d->folder) return false;
    if (!ew_facts_text(s->root, d->name, sizeof d->name, "%s/name", d->folder)) return false;
    snprintf(d->zone, sizeof d->zone, "%s", zone);
    d->child = strchr(strchr(zone, ':') + 1, ':') != NULL;
    snprintf(path, sizeof path, "%s/max_energy_range_uj", d->folder);
    if (ew_sensor_number_read(s->root, path, &uj) && uj > 0) d->range_j = (double)uj * 1e-6;
    snprintf(path, sizeof path, "%s/energy_uj", d->folder);
    if (!ew_sensor_number_read(s->root, path, &uj)) d->read_errno = errno;
    if (!d->read_errno && uj < 0) d->read_errno = EINVAL;
    return true;
}

/* The class folder links to every zone; a copied tree may have them only where they live, inside their parents. */
static bool visit_zone(void *context, const char *zone) {
    struct scan *s = context;
    struct domain d;
    if (s->n == MAX_DOMAINS) return false;
    if (strchr(zone, ':')) {
        if (has_zone(s, zone) || !fill_domain(s, zone, &d)) return true;
        s->domains[s->n++] = d;
    }
    char inside[FOLDER_BYTES];
    const char *folder = s->folder;
    int length = snprintf(inside, sizeof inside, "%s/%s", folder, zone);
    if (length < 0 || (size_t)length >= sizeof inside) return true;
    s->folder = inside;
    ew_facts_each_entry(s->root, inside, "intel-rapl", visit_zone, s);
    s->folder = folder;
    return true;
}

static bool is_package(const struct domain *d) { return !d->child && strncmp(d->name, "package", 7) == 0; }

/* The preferred interface's domain of the same name, where this one only repeats it. */
static const struct domain *original_of(const struct scan *s, const struct domain *d) {
    for (size_t i = 0; i < s->n; i++) {
        const struct domain *other = &s->domains[i];
        if (other->interface < d->interface && other->child == d->child && strcmp(other->name, d->name) == 0)
            return other;
    }
    return NULL;
}

/* The package that a child belongs to: "intel-rapl:0" of "intel-rapl:0:1". */
static const struct domain *parent_of(const struct scan *s, const struct domain *d) {
    size_t n = (size_t)(strrchr(d->zone, ':') - d->zone);
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->domains[i].zone) == n && strncmp(s->domains[i].zone, d->zone, n) == 0) return &s->domains[i];
    return NULL;
}

/* One channel's joules; NAN where it gave none. Returns the errno of a failed reading. */
static int read_channel(struct ew_meter *meter, size_t c, double *joules) {
    struct rapl_state *state = meter->state;
    double range_j = meter->channels[c].wrap;
    int64_t uj;
    if (!ew_sensor_number_read(meter->root, state->paths[c], &uj)) return errno;
    double value = (double)uj * 1e-6;
    bool at_end = range_j > 0 && value >= range_j;
    state->at_end[c] = at_end ? state->at_end[c] + 1 : 0;
    /* Behind its own range a counter cannot be; such a value would also be taken for a wrap-around at the next. */
    if (uj >= 0 && !(range_j > 0 && value > range_j)) *joules = value;
    return 0;
}

static enum ew_status flag_saturated(struct ew_meter *meter, size_t c, struct ew_error *err) {
    char text[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "the counter of %s stands at the end of its range, %.6g J",
                  meter->channels[c].name, meter->channels[c].wrap);
    ew_meter_flag(meter, EW_METER_SATURATED, text);
    return ew_error_set(err, EW_ERR_IO, "meter %s: %s", meter->info.name, text);
}

static enum ew_status flag_gone(struct ew_meter *meter, size_t c, int failure, struct ew_error *err) {
    char text[EW_METER_TEXT_SIZE];
    const struct rapl_state *state = meter->state;
    ew_meter_text(text, sizeof text, "domain %s disappeared (%s: %s)", meter->channels[c].name, state->paths[c],
                  strerror(failure));
    ew_meter_flag(meter, EW_METER_GONE, text);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, text);
}

static enum ew_status read_rapl(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct rapl_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) {
        int failure = read_channel(meter, c, &values[c]);
        if (!meter->channels[c].in_total) continue;
        if (ew_sensor_errno_is_gone(failure)) return flag_gone(meter, c, failure, err);
        if (state->at_end[c] >= STUCK_READINGS) return flag_saturated(meter, c, err);
    }
    return EW_OK;
}

static enum ew_status start_rapl(struct ew_meter *meter, struct ew_error *err) {
    (void)err;
    struct rapl_state *state = meter->state;
    memset(state->at_end, 0, sizeof state->at_end);
    return EW_OK;
}

static void describe(struct ew_meter *m, const struct scan *s, bool psys) {
    bool intel = strcmp(s->vendor, "GenuineIntel") == 0;
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_COUNTER;
    info->boundary = psys ? EW_BOUNDARY_BOARD_DC : EW_BOUNDARY_DIE;
    info->period_s = 0.02;
    info->resolution = 61.04e-6; /* 2^-14 J, the usual energy unit */
    ew_meter_text(info->name, sizeof info->name, psys ? "rapl-psys" : "rapl");
    ew_meter_text(info->source, sizeof info->source, POWERCAP);
    if (psys) {
        /* What it covers is up to the maker of the board, and no error is stated: so never better than C. */
        info->grade_ceiling = EW_GRADE_C;
        info->documented = "Intel SDM vol. 3B 15.10 (platform domain); contents and error are not documented";
        ew_meter_text(info->covers, sizeof info->covers, "the platform as its maker wired it; contains the package");
        ew_meter_text(info->leaves_out, sizeof info->leaves_out, "the power supply, and what the maker left out");
        return;
    }
    ew_meter_text(info->covers, sizeof info->covers, "processor packages, and memory where it has a domain of its own");
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "board, disks, power supply, and memory without a domain");
    info->error_relative = intel ? 0.05 : 0.1;
    info->grade_ceiling = intel ? EW_GRADE_B : EW_GRADE_C;
    info->documented =
        intel ? "Intel SDM vol. 3B 15.10; error: Khan et al. 2018, RAPL in Action (doi 10.1145/3177754)"
              : "AMD PPR (MSR C001_029B); a model, not a measurement: Schoene et al. 2021 (arXiv 2108.00808)";
}

static void fill_channel(struct ew_meter *m, size_t c, const struct scan *s, const struct domain *d, bool in_total) {
    struct rapl_state *state = m->state;
    struct ew_meter_channel *channel = &m->channels[c];
    const struct domain *parent = d->child ? parent_of(s, d) : NULL;
    if (parent)
        ew_meter_text(channel->name, sizeof channel->name, "%s/%s", parent->name, d->name);
    else
        ew_meter_text(channel->name, sizeof channel->name, "%s", d->name);
    channel->in_total = in_total;
    channel->wrap = d->range_j;
    snprintf(state->paths[c], sizeof state->paths[c], "%s/energy_uj", d->folder);
    if (in_total) m->info.range_max += d->range_j;
}

/* Refuses the meter when one of the domains that make up its total cannot be read. */
static void refuse_unreadable(struct ew_meter *m, const struct domain *d) {
    char text[EW_METER_TEXT_SIZE];
    if (d->read_errno == EACCES || d->read_errno == EPERM) {
        ew_meter_text(text, sizeof text, "RAPL is here, but %s/energy_uj is readable by root only", d->folder);
        ew_meter_refuse(m, EW_METER_PERMISSION, text, EW_RIGHTS_POWERCAP);
    } else {
        ew_meter_text(text, sizeof text, "RAPL is here, but %s/energy_uj cannot be read: %s", d->folder,
                      d->read_errno == EINVAL ? "it holds no number of microjoules" : strerror(d->read_errno));
        ew_meter_refuse(m, EW_METER_IO_ERROR, text, "");
    }
}

static const struct ew_meter_driver driver = {.start = start_rapl, .read = read_rapl};

/* The package meter: every package once, DRAM beside it, the other children for show. NULL when there is no package. */
static enum ew_status add_packages(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   const struct scan *s, bool *any, struct ew_error *err) {
    const struct domain *chosen[MAX_DOMAINS], *unreadable = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct domain *d = &s->domains[i], *parent = d->child ? parent_of(s, d) : d;
        if (!parent || !is_package(parent) || original_of(s, d) || original_of(s, parent)) continue;
        bool in_total = !d->child || strcmp(d->name, "dram") == 0;
        if (d->read_errno && in_total && !unreadable) unreadable = d;
        chosen[n++] = d;
    }
    *any = n > 0;
    if (n == 0) return EW_OK;
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct rapl_state));
    if (m) {
        describe(m, s, false);
        for (size_t c = 0; c < n; c++)
            fill_channel(m, c, s, chosen[c], !chosen[c]->child || strcmp(chosen[c]->name, "dram") == 0);
        if (unreadable) refuse_unreadable(m, unreadable);
    }
    return ew_meter_list_add(list, m, err);
}

static enum ew_status add_psys(struct ew_meter_list *list, const struct ew_meter_config *config, const struct scan *s,
                               struct ew_error *err) {
    for (size_t i = 0; i < s->n; i++) {
        const struct domain *d = &s->domains[i];
        if (d->child || strcmp(d->name, "psys") != 0 || original_of(s, d)) continue;
        struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct rapl_state));
        if (m) {
            describe(m, s, true);
            fill_channel(m, 0, s, d, true);
            if (d->read_errno) refuse_unreadable(m, d);
        }
        return ew_meter_list_add(list, m, err);
    }
    return EW_OK;
}

static enum ew_status add_duplicates(struct ew_meter_list *list, const struct ew_meter_config *config,
                                     const struct scan *s, struct ew_error *err) {
    for (size_t i = 0; i < s->n; i++) {
        const struct domain *d = &s->domains[i], *original = original_of(s, d);
        if (d->child || !original) continue;
        char name[EW_METER_NAME_SIZE], text[EW_METER_TEXT_SIZE];
        const char *interface = d->interface == 1 ? "tpmi" : "mmio";
        ew_meter_text(name, sizeof name, "rapl-%s:%s", interface, d->name);
        ew_meter_text(text, sizeof text, "%s shows %s a second time; it is counted once, through %s (%s)", d->zone,
                      d->name, interfaces[original->interface].word, original->zone);
        enum ew_status status = ew_meter_list_add_refused(list, config, name, EW_METER_DUPLICATE, text, "", err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* Where a processor has RAPL and the kernel shows none, its driver is not loaded; a virtual machine has none. */
static enum ew_status add_absent(struct ew_meter_list *list, const struct ew_meter_config *config, const struct scan *s,
                                 struct ew_error *err) {
    char unused[8];
    bool folder = ew_small_file_read(s->root, POWERCAP, unused, sizeof unused) >= 0 || errno == EISDIR;
    bool x86 = strcmp(s->vendor, "GenuineIntel") == 0 || strcmp(s->vendor, "AuthenticAMD") == 0;
    const char *remedy = !x86         ? ""
                         : s->virtual ? "measure on the machine itself: a virtual machine is shown no RAPL"
                                      : "sudo modprobe intel_rapl_msr (AMD's processors too)";
    return ew_meter_list_add_refused(
        list, config, "rapl", EW_METER_ABSENT,
        folder ? "no RAPL (" POWERCAP " has no intel-rapl package)" : "no RAPL (" POWERCAP " is missing)", remedy, err);
}

static void read_processor(struct scan *s) {
    char *cpuinfo = ew_facts_read_file(s->root, "/proc/cpuinfo");
    if (!cpuinfo) return;
    char flags[4096];
    ew_facts_field(cpuinfo, "vendor_id", s->vendor, sizeof s->vendor);
    s->virtual = ew_facts_field(cpuinfo, "flags", flags, sizeof flags) && strstr(flags, "hypervisor");
    free(cpuinfo);
}

enum ew_status ew_meter_probe_rapl(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    struct scan *s = calloc(1, sizeof *s);
    if (!s) return ew_meter_list_add(list, NULL, err);
    s->root = config ? config->root : NULL;
    s->folder = POWERCAP;
    read_processor(s);
    ew_facts_each_entry(s->root, POWERCAP, "intel-rapl", visit_zone, s);
    bool any = false;
    enum ew_status status = add_packages(list, config, s, &any, err);
    if (status == EW_OK) status = add_psys(list, config, s, err);
    if (status == EW_OK) status = add_duplicates(list, config, s, err);
    if (status == EW_OK && !any) status = add_absent(list, config, s, err);
    free(s);
    return status;
}
