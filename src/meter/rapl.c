/* Owns Intel and AMD RAPL through /sys/class/powercap: counters of a processor's energy. Two meters at most: "rapl"
 * (the packages, plus DRAM where it has its own domain) and "rapl-psys" (the platform). They are never added to each
 * other, as the platform contains the package; cores and graphics are shown but not summed, as the package contains
 * them. The MMIO view of a package that the MSR view already shows is refused as a duplicate. */
#include "base/small_file.h"
#include "machine/facts.h"
#include "meter/driver.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POWERCAP "/sys/class/powercap"
enum { MAX_DOMAINS = 64 };

struct domain {
    char zone[40]; /* "intel-rapl:0:1" */
    char name[40]; /* "package-0", "core", "dram", "psys" */
    double range_j;
    bool mmio;
    bool child;
    int read_errno; /* why energy_uj cannot be read; 0 = it can */
    double first_j; /* NAN when not read */
};

struct scan {
    const char *root;
    struct domain domains[MAX_DOMAINS];
    size_t n;
    bool intel;
};

struct rapl_state {
    char paths[MAX_DOMAINS][sizeof POWERCAP + 56]; /* energy_uj, by channel */
};

static bool read_joules(const char *root, const char *path, double *out) {
    int64_t uj;
    if (!ew_small_file_read_i64(root, path, &uj) || uj < 0) return false;
    *out = (double)uj * 1e-6;
    return true;
}

static bool visit_zone(void *context, const char *zone) {
    struct scan *s = context;
    struct domain d = {.first_j = NAN};
    char path[sizeof POWERCAP + 56];
    if (!strchr(zone, ':') || strlen(zone) >= sizeof d.zone) return true;
    if (!ew_facts_text(s->root, d.name, sizeof d.name, POWERCAP "/%s/name", zone)) return true;
    snprintf(d.zone, sizeof d.zone, "%s", zone);
    d.mmio = strncmp(zone, "intel-rapl-mmio", 15) == 0;
    d.child = strchr(strchr(zone, ':') + 1, ':') != NULL;
    double range = ew_facts_number(s->root, POWERCAP "/%s/max_energy_range_uj", zone);
    d.range_j = range > 0 ? range * 1e-6 : 0;
    snprintf(path, sizeof path, POWERCAP "/%s/energy_uj", zone);
    errno = 0;
    if (!read_joules(s->root, path, &d.first_j)) d.read_errno = errno ? errno : EINVAL;
    if (s->n < MAX_DOMAINS) s->domains[s->n++] = d;
    return s->n < MAX_DOMAINS;
}

static bool is_package(const struct domain *d) { return !d->child && strncmp(d->name, "package", 7) == 0; }

/* An MMIO domain whose name the MSR interface shows too. */
static bool is_duplicate(const struct scan *s, const struct domain *d) {
    if (!d->mmio) return false;
    for (size_t i = 0; i < s->n; i++)
        if (!s->domains[i].mmio && strcmp(s->domains[i].name, d->name) == 0) return true;
    return false;
}

/* The package that a child belongs to: "intel-rapl:0" of "intel-rapl:0:1". */
static const struct domain *parent_of(const struct scan *s, const struct domain *d) {
    size_t n = (size_t)(strrchr(d->zone, ':') - d->zone);
    for (size_t i = 0; i < s->n; i++)
        if (strlen(s->domains[i].zone) == n && strncmp(s->domains[i].zone, d->zone, n) == 0) return &s->domains[i];
    return NULL;
}

static enum ew_status read_rapl(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const struct rapl_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) read_joules(meter->root, state->paths[c], &values[c]);
    return EW_OK;
}

static void describe(struct ew_meter *m, bool intel, bool psys) {
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
    snprintf(state->paths[c], sizeof state->paths[c], POWERCAP "/%s/energy_uj", d->zone);
}

/* Refuses the meter when one of the domains that make up its total cannot be read. */
static void refuse_unreadable(struct ew_meter *m, const struct domain *d) {
    char text[EW_METER_TEXT_SIZE];
    if (d->read_errno == EACCES || d->read_errno == EPERM) {
        ew_meter_text(text, sizeof text, "RAPL is here, but " POWERCAP "/%s/energy_uj is readable by root only",
                      d->zone);
        ew_meter_refuse(m, EW_METER_PERMISSION, text,
                        "until the next start: sudo chmod a+r " POWERCAP "/*/energy_uj · for good: in "
                        "/etc/udev/rules.d/70-edgewise-rapl.rules the line SUBSYSTEM==\"powercap\", ACTION==\"add\", "
                        "RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"");
    } else {
        ew_meter_text(text, sizeof text, "RAPL is here, but " POWERCAP "/%s/energy_uj cannot be read: %s", d->zone,
                      strerror(d->read_errno));
        ew_meter_refuse(m, EW_METER_IO_ERROR, text, "");
    }
}

static const struct ew_meter_driver driver = {.read = read_rapl};

/* The package meter: every package once, DRAM beside it, the other children for show. NULL when there is no package. */
static enum ew_status add_packages(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   const struct scan *s, bool *any, struct ew_error *err) {
    const struct domain *chosen[MAX_DOMAINS], *unreadable = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct domain *d = &s->domains[i], *parent = d->child ? parent_of(s, d) : d;
        if (!parent || !is_package(parent) || is_duplicate(s, d) || is_duplicate(s, parent)) continue;
        bool in_total = !d->child || strcmp(d->name, "dram") == 0;
        if (d->read_errno && in_total && !unreadable) unreadable = d;
        chosen[n++] = d;
    }
    *any = n > 0;
    if (n == 0) return EW_OK;
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct rapl_state));
    if (m) {
        describe(m, s->intel, false);
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
        if (d->child || strcmp(d->name, "psys") != 0 || is_duplicate(s, d)) continue;
        struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct rapl_state));
        if (m) {
            describe(m, s->intel, true);
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
        const struct domain *d = &s->domains[i];
        if (d->child || !is_duplicate(s, d)) continue;
        char name[EW_METER_NAME_SIZE], text[EW_METER_TEXT_SIZE];
        ew_meter_text(name, sizeof name, "rapl-mmio:%s", d->name);
        ew_meter_text(text, sizeof text, "%s shows %s a second time; it is counted once, through MSR", d->zone,
                      d->name);
        enum ew_status status = ew_meter_list_add_refused(list, config, name, EW_METER_DUPLICATE, text, "", err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_meter_probe_rapl(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    struct scan *s = calloc(1, sizeof *s);
    if (!s) return ew_meter_list_add(list, NULL, err);
    s->root = config ? config->root : NULL;
    char *cpuinfo = ew_facts_read_file(s->root, "/proc/cpuinfo"), vendor[32] = "";
    if (cpuinfo) ew_facts_field(cpuinfo, "vendor_id", vendor, sizeof vendor);
    free(cpuinfo);
    s->intel = strcmp(vendor, "GenuineIntel") == 0;
    ew_facts_each_entry(s->root, POWERCAP, "intel-rapl", visit_zone, s);
    bool any = false;
    enum ew_status status = add_packages(list, config, s, &any, err);
    if (status == EW_OK) status = add_psys(list, config, s, err);
    if (status == EW_OK) status = add_duplicates(list, config, s, err);
    if (status == EW_OK && !any) {
        char unused[8];
        bool folder = ew_small_file_read(s->root, POWERCAP, unused, sizeof unused) >= 0 || errno == EISDIR;
        status = ew_meter_list_add_refused(
            list, config, "rapl", EW_METER_ABSENT,
            folder ? "no RAPL (" POWERCAP " has no intel-rapl package)" : "no RAPL (" POWERCAP " is missing)", "", err);
    }
    free(s);
    return status;
}
