/* Owns fans and cooling devices. Every fan that tells its speed or how hard it is driven is listed; of cooling devices
 * the type says what they act on, and one of an unknown type is taken for neither fan nor brake. */
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HWMON "/sys/class/hwmon"
#define THERMAL "/sys/class/thermal"

struct scan {
    struct ew_machine *m;
    const char *root;
    const char *chip;
    char chip_name[40];
    bool ok;
};

/* ---- fans ---- */

/* "fan12_input" has stem 5, "pwm1" 4, and "rpm" of NVIDIA's pwm_tach 3; 0 = none of them. */
static size_t stem_of(const char *name) {
    if (strcmp(name, "rpm") == 0) return 3;
    if (strlen(name) <= 3) return 0;
    size_t n = 3 + strspn(name + 3, "0123456789");
    if (n == 3 || n > 16) return 0;
    bool speed = strncmp(name, "fan", 3) == 0 && strcmp(name + n, "_input") == 0;
    bool drive = strncmp(name, "pwm", 3) == 0 && name[n] == 0;
    return speed || drive ? n : 0;
}

static bool visit_fan(void *context, const char *name) {
    struct scan *s = context;
    size_t stem = stem_of(name);
    char label[24];
    if (stem == 0 || isnan(ew_facts_number(s->root, HWMON "/%s/%s", s->chip, name))) return true;
    if (!ew_facts_text(s->root, label, sizeof label, HWMON "/%s/%.*s_label", s->chip, (int)stem, name))
        snprintf(label, sizeof label, "%.*s", (int)stem, name);
    struct ew_machine_fan *fan = ew_facts_append((void **)&s->m->fans, &s->m->n_fans, sizeof *fan);
    s->ok = fan != NULL;
    if (!fan) return false;
    fan->is_drive = name[0] == 'p';
    snprintf(fan->name, sizeof fan->name, "%s %s", s->chip_name, label);
    snprintf(fan->path, sizeof fan->path, HWMON "/%.32s/%.32s", s->chip, name);
    return true;
}

static bool visit_chip(void *context, const char *name) {
    struct scan *s = context;
    char folder[96];
    if (!ew_facts_text(s->root, s->chip_name, sizeof s->chip_name, HWMON "/%s/name", name))
        snprintf(s->chip_name, sizeof s->chip_name, "%.39s", name);
    snprintf(folder, sizeof folder, HWMON "/%.64s", name);
    s->chip = name;
    static const char *const prefixes[] = {"fan", "pwm", "rpm"};
    for (size_t i = 0; s->ok && i < sizeof prefixes / sizeof *prefixes; i++)
        ew_facts_each_entry(s->root, folder, prefixes[i], visit_fan, s);
    return s->ok;
}

/* ---- cooling devices ---- */

/* Names that the kernel's drivers give: cpufreq_cooling.c, cpuidle_cooling.c, devfreq_cooling.c, processor_thermal.c,
 * intel_powerclamp.c, those of fans; older kernels put "thermal-" before the first three. */
static enum ew_cooling_kind kind_of(const char *type) {
    static const char *const slows_cpu[] = {"cpufreq-", "thermal-cpufreq-", "idle-",           "thermal-idle-",
                                            "cpuidle-", "Processor",        "intel_powerclamp"};
    for (size_t i = 0; i < sizeof slows_cpu / sizeof *slows_cpu; i++)
        if (strncmp(type, slows_cpu[i], strlen(slows_cpu[i])) == 0) return EW_COOLING_CPU;
    if (strncmp(type, "devfreq-", 8) == 0 || strncmp(type, "thermal-devfreq-", 16) == 0) return EW_COOLING_GPU;
    return strcasestr(type, "fan") ? EW_COOLING_FAN : EW_COOLING_OTHER;
}

static int64_t state_of(const char *root, const struct ew_machine_cooler *c, const char *file) {
    double v = ew_facts_number(root, "%s/%s", c->folder, file);
    return v >= 0 && v < 1e9 ? (int64_t)v : -1; /* intel_powerclamp says -1 while it does nothing */
}

static bool visit_cooler(void *context, const char *name) {
    struct scan *s = context;
    char type[32];
    if (!ew_facts_text(s->root, type, sizeof type, THERMAL "/%s/type", name)) return true;
    int same = 0;
    for (size_t i = 0; i < s->m->n_coolers; i++) {
        const char *other = s->m->coolers[i].name;
        same += strncmp(other, type, strlen(type)) == 0 && (other[strlen(type)] == 0 || other[strlen(type)] == ' ');
    }
    struct ew_machine_cooler *c = ew_facts_append((void **)&s->m->coolers, &s->m->n_coolers, sizeof *c);
    s->ok = c != NULL;
    if (!c) return false;
    c->kind = kind_of(type);
    if (same)
        snprintf(c->name, sizeof c->name, "%s %d", type, same + 1);
    else
        snprintf(c->name, sizeof c->name, "%s", type);
    snprintf(c->folder, sizeof c->folder, THERMAL "/%.40s", name);
    return true;
}

void ew_facts_refresh_cooling(struct ew_machine *m, const char *root) {
    for (size_t i = 0; i < m->n_fans; i++) {
        struct ew_machine_fan *fan = &m->fans[i];
        fan->now = ew_facts_number(root, "%s", fan->path);
        if (fan->is_drive) fan->now /= 255;
    }
    for (size_t i = 0; i < m->n_coolers; i++) {
        m->coolers[i].state = state_of(root, &m->coolers[i], "cur_state");
        m->coolers[i].most = state_of(root, &m->coolers[i], "max_state");
    }
}

bool ew_facts_read_cooling(struct ew_machine *m, const char *root) {
    struct scan s = {.m = m, .root = root, .ok = true};
    ew_facts_each_entry(root, HWMON, "hwmon", visit_chip, &s);
    if (s.ok) ew_facts_each_entry(root, THERMAL, "cooling_device", visit_cooler, &s);
    ew_facts_refresh_cooling(m, root);
    return s.ok;
}
