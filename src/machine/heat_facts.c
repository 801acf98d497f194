/* Owns temperatures. Every sensor is listed; one is chosen to stand for the processor, by name alone,
 * and none where no name says so. */
#include "machine/facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names that stand for the processor, best first; compared without case, - and _. */
static const char *const cpu_names[] = {
    "coretemp Package id 0", "k10temp Tdie", "zenpower Tdie", "k10temp Tctl", "cpu-thermal",
    "cpu0-thermal",          "CPU-therm",    "BCPU-therm",    "MCPU-therm",   "x86_pkg_temp",
    "package-thermal",       "soc-thermal",  "tj-thermal",    "cpu",          "bigcore0-thermal",
    "soc0-thermal",          "TCPU",         "acpitz",
};

struct scan {
    struct ew_machine *m;
    const char *root;
    const char *chip; /* folder of the hwmon chip being listed */
    char chip_name[40];
    bool ok;
};

static char fold(char c) { return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

static bool same_name(const char *a, const char *b) {
    while (*a && fold(*a) == fold(*b)) a++, b++;
    return fold(*a) == fold(*b);
}

static struct ew_machine_temperature *add(struct scan *s) {
    struct ew_machine_temperature *t = ew_facts_append((void **)&s->m->temperatures, &s->m->n_temperatures, sizeof *t);
    s->ok = t != NULL;
    return t;
}

static bool visit_zone(void *context, const char *name) {
    struct scan *s = context;
    char type[sizeof s->m->temperatures->name];
    if (!ew_facts_text(s->root, type, sizeof type, "/sys/class/thermal/%s/type", name)) return true;
    struct ew_machine_temperature *t = add(s);
    if (!t) return false;
    snprintf(t->name, sizeof t->name, "%s", type);
    snprintf(t->path, sizeof t->path, "/sys/class/thermal/%.40s/temp", name);
    return true;
}

static bool visit_input(void *context, const char *name) {
    struct scan *s = context;
    size_t n = strlen(name);
    if (n < 6 || n > 24 || strcmp(name + n - 6, "_input") != 0) return true;
    char label[24];
    if (!ew_facts_text(s->root, label, sizeof label, "/sys/class/hwmon/%s/%.*s_label", s->chip, (int)n - 6, name))
        snprintf(label, sizeof label, "%.*s", (int)n - 6, name);
    struct ew_machine_temperature *t = add(s);
    if (!t) return false;
    snprintf(t->name, sizeof t->name, "%s %s", s->chip_name, label);
    snprintf(t->path, sizeof t->path, "/sys/class/hwmon/%.32s/%s", s->chip, name);
    return true;
}

/* The kernel shows thermal zones a second time as hwmon chips of the same name. */
static bool is_zone(const struct ew_machine *m, const char *chip_name) {
    for (size_t i = 0; i < m->n_temperatures; i++)
        if (same_name(m->temperatures[i].name, chip_name)) return true;
    return false;
}

static bool visit_chip(void *context, const char *name) {
    struct scan *s = context;
    if (!ew_facts_text(s->root, s->chip_name, sizeof s->chip_name, "/sys/class/hwmon/%s/name", name))
        snprintf(s->chip_name, sizeof s->chip_name, "%.39s", name);
    if (is_zone(s->m, s->chip_name)) return true;
    char folder[96];
    snprintf(folder, sizeof folder, "/sys/class/hwmon/%.64s", name);
    s->chip = name;
    ew_facts_each_entry(s->root, folder, "temp", visit_input, s);
    return s->ok;
}

static void choose_cpu(struct ew_machine *m) {
    for (size_t k = 0; k < sizeof cpu_names / sizeof *cpu_names; k++) {
        for (size_t i = 0; i < m->n_temperatures; i++) {
            struct ew_machine_temperature *t = &m->temperatures[i];
            if (!same_name(t->name, cpu_names[k]) || isnan(t->degrees_c)) continue;
            t->is_cpu = true;
            return;
        }
    }
}

/* Sensors that are switched off say -256 (Jetson) or 0 K; a processor is neither below -60 nor above 150 degrees. */
double ew_facts_degrees(const char *root, const char *path) {
    double c = ew_facts_number(root, "%s", path) / 1000;
    return c > -60 && c < 150 ? c : NAN;
}

void ew_facts_refresh_heat(struct ew_machine *m, const char *root) {
    for (size_t i = 0; i < m->n_temperatures; i++)
        m->temperatures[i].degrees_c = ew_facts_degrees(root, m->temperatures[i].path);
}

bool ew_facts_read_heat(struct ew_machine *m, const char *root) {
    struct scan s = {.m = m, .root = root, .ok = true};
    ew_facts_each_entry(root, "/sys/class/thermal", "thermal_zone", visit_zone, &s);
    if (s.ok) ew_facts_each_entry(root, "/sys/class/hwmon", "hwmon", visit_chip, &s);
    ew_facts_refresh_heat(m, root);
    choose_cpu(m);
    return s.ok;
}
