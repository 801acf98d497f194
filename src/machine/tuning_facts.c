/* Owns the facts behind advice. Temperatures at which a machine slows down are taken from its own files, or from the
 * makers' documentation where firmware does it unseen (Raspberry Pi); nothing is assumed for other machines.
 * Sources: the kernel's admin-guide/pm/{intel_pstate,cpufreq},
 * ABI/testing/sysfs-{class-thermal,class-hwmon,class-power, platform_profile}; raspberrypi.com, "Frequency management
 * and thermal control". */
#include "machine/tuning_facts.h"
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double pi_slows_at_c = 80;

static void read_boost(const char *root, struct ew_machine_tuning *t) {
    static const struct {
        const char *path;
        double on;
    } switches[] = {{"/sys/devices/system/cpu/intel_pstate/no_turbo", 0}, {"/sys/devices/system/cpu/cpufreq/boost", 1}};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
        double value = ew_facts_number(root, "%s", switches[i].path);
        if (isnan(value)) continue;
        t->boost = (value != 0) == (switches[i].on != 0);
        snprintf(t->boost_command, sizeof t->boost_command, "echo %.0f | sudo tee %s", switches[i].on,
                 switches[i].path);
        return;
    }
}

static void read_modes(const char *root, struct ew_machine_tuning *t) {
    char status[64];
    int id;
    if (!ew_facts_text(root, status, sizeof status, "/var/lib/nvpmodel/status")) return;
    if (sscanf(status, "pmode:%d", &id) == 1) t->mode = id;
    char *text = ew_facts_read_file(root, "/etc/nvpmodel.conf");
    for (const char *p = text; p && (p = strstr(p, "POWER_MODEL ID=")) && t->n_modes < EW_POWER_MODES; p++) {
        char *end;
        long found = strtol(p + strlen("POWER_MODEL ID="), &end, 10);
        if (found < 0 || found > 1000 || strncmp(end, " NAME=", 6) != 0) continue;
        struct ew_power_mode *mode = &t->modes[t->n_modes++];
        mode->id = (int)found;
        snprintf(mode->name, sizeof mode->name, "%.*s", (int)strcspn(end + 6, " >\n"), end + 6);
    }
    free(text);
}

struct supplies {
    const char *root;
    bool mains, discharging, battery;
};

static bool visit_supply(void *context, const char *name) {
    struct supplies *s = context;
    char type[24], scope[24], status[24];
    if (!ew_facts_text(s->root, type, sizeof type, "/sys/class/power_supply/%s/type", name)) return true;
    ew_facts_text(s->root, scope, sizeof scope, "/sys/class/power_supply/%s/scope", name);
    if (strcmp(scope, "Device") == 0) return true; /* of a mouse */
    if (strcmp(type, "Battery") != 0) {
        s->mains |= ew_facts_number(s->root, "/sys/class/power_supply/%s/online", name) > 0;
        return true;
    }
    s->battery = true;
    if (ew_facts_text(s->root, status, sizeof status, "/sys/class/power_supply/%s/status", name))
        s->discharging |= strcmp(status, "Discharging") == 0;
    return true;
}

static void read_supply(const char *root, struct ew_machine_tuning *t) {
    struct supplies s = {.root = root};
    ew_facts_each_entry(root, "/sys/class/power_supply", "", visit_supply, &s);
    if (s.battery) t->on_battery = s.discharging && !s.mains;
}

/* The lowest trip point of type passive: from there on the kernel lowers the clock. */
static double passive_trip(const char *root, const char *zone, int length) {
    double lowest = NAN;
    for (int i = 0; i < 16; i++) {
        char type[24];
        if (!ew_facts_text(root, type, sizeof type, "%.*s/trip_point_%d_type", length, zone, i)) break;
        double c = ew_facts_number(root, "%.*s/trip_point_%d_temp", length, zone, i) / 1000;
        if (strcmp(type, "passive") == 0 && c > 0 && !(c >= lowest)) lowest = c;
    }
    return lowest;
}

static void read_slow_temperature(const struct ew_machine *m, const char *root, struct ew_machine_tuning *t) {
    const struct ew_machine_temperature *cpu = NULL;
    for (size_t i = 0; i < m->n_temperatures; i++)
        if (m->temperatures[i].is_cpu) cpu = &m->temperatures[i];
    if (strncmp(m->board, "Raspberry Pi", 12) == 0) {
        t->slows_at_c = pi_slows_at_c;
        snprintf(t->slows_source, sizeof t->slows_source, "Raspberry Pi documentation");
        return;
    }
    const char *slash = cpu ? strrchr(cpu->path, '/') : NULL;
    if (!slash) return;
    int folder = (int)(slash - cpu->path);
    size_t name = strlen(slash);
    if (strcmp(slash, "/temp") == 0) {
        t->slows_at_c = passive_trip(root, cpu->path, folder);
        snprintf(t->slows_source, sizeof t->slows_source, "passive trip point");
    } else if (strncmp(cpu->name, "coretemp", 8) == 0 && name > 6) { /* crit is Tjmax, where Intel's own limit acts */
        t->slows_at_c = ew_facts_number(root, "%.*s%.*s_crit", folder, cpu->path, (int)name - 6, slash) / 1000;
        snprintf(t->slows_source, sizeof t->slows_source, "Tjmax");
    }
    if (!(t->slows_at_c > 0 && t->slows_at_c < 150)) t->slows_at_c = NAN;
}

void ew_machine_tuning_read(const struct ew_machine *m, const char *root, struct ew_machine_tuning *t) {
    *t = (struct ew_machine_tuning){.boost = -1, .mode = -1, .on_battery = -1, .slows_at_c = NAN};
    int cpu = m->n_cpus ? m->cpus[0].id : 0;
    if (!ew_facts_text(root, t->driver, sizeof t->driver, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_driver", cpu))
        ew_facts_text(root, t->driver, sizeof t->driver, "/sys/devices/system/cpu/cpufreq/policy%d/scaling_driver",
                      cpu);
    read_boost(root, t);
    ew_facts_text(root, t->profiles, sizeof t->profiles, "/sys/firmware/acpi/platform_profile_choices");
    read_modes(root, t);
    read_supply(root, t);
    read_slow_temperature(m, root, t);
}

/* Watts of a name such as "25W" or "MODE_15W_6CORE"; MAXN is beyond all of them. MAXQ and MAXP_CORE_… are the TX2's, of
 * 7.5 and 15 W (NVIDIA DRIVE Linux SDK Development Guide 5.0.10, "MaxQ/MaxP Power Profiles", of the same chip). */
static double power_of(const char *name) {
    if (strcmp(name, "MAXN_SUPER") == 0) return 1e9;
    if (strncmp(name, "MAXN", 4) == 0) return 1e8;
    if (strcmp(name, "MAXQ") == 0) return 7.5;
    if (strncmp(name, "MAXP_", 5) == 0) return 15;
    for (const char *p = name; *p; p++) {
        char *end;
        double watts = *p >= '0' && *p <= '9' ? strtod(p, &end) : NAN;
        if (!isnan(watts) && *end == 'W') return watts;
        if (!isnan(watts)) p = end - 1;
    }
    return NAN;
}

const struct ew_power_mode *ew_machine_largest_mode(const struct ew_machine_tuning *t) {
    const struct ew_power_mode *best = NULL;
    for (size_t i = 0; i < t->n_modes; i++) {
        const struct ew_power_mode *mode = &t->modes[i];
        double power = power_of(mode->name), most = best ? power_of(best->name) : -INFINITY;
        if (isnan(power)) return NULL; /* a name that does not say may be the largest */
        /* Modes of the same watts differ in the cores they use: whoever chose one of them has what can be had. */
        if (power > most || (power == most && mode->id == t->mode)) best = mode;
    }
    return best;
}
