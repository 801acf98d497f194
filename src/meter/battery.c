/* Owns the meter "battery": what the machine takes out of its batteries, from /sys/class/power_supply. One channel per
 * battery, and their sum is the whole device, as long as nothing else feeds it: with a charger it is refused, and ends
 * when one is plugged in. Refuses batteries of other devices (a mouse), gauges that tell only their charge, and
 * currents whose unit cannot be told. Source: kernel Documentation/ABI/testing/sysfs-class-power. */
#include "base/error.h"
#include "base/small_file.h"
#include "machine/facts.h"
#include "meter/driver.h"
#include "meter/sensor_number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUPPLIES "/sys/class/power_supply"
enum { MAX_SUPPLIES = 16, NAME_BYTES = 48, UEVENT_BYTES = 4096, WORD_BYTES = 32 };

/* The kernel's unit is the microampere; some phones' drivers give milliamperes. Told apart by what a computer that runs
 * this can draw: 0.1 to 150 W, and no battery is emptied in less than 6 minutes. The two units are a thousand times
 * apart, so that hardly ever both fit. */
static const double min_device_w = 0.1, max_device_w = 150, max_rate_per_hour = 10;

struct cell {
    char name[NAME_BYTES];  /* folder that has the status */
    char gauge[NAME_BYTES]; /* folder that has the readings: the same, or a fuel gauge of its own (Android "bms") */
    bool by_current;        /* volts x amperes; otherwise power_now */
    double amps_per_unit, volts_per_unit;
};

struct battery_state {
    struct cell cells[MAX_SUPPLIES]; /* [n_channels] */
    char feeders[MAX_SUPPLIES][NAME_BYTES];
    size_t n_feeders; /* chargers and the like, online or not */
};

/* ---- attributes: a file each, or a line of uevent where that file is missing ---- */

/* POWER_SUPPLY_VOLTAGE_NOW for "voltage_now". */
static bool uevent_text(const char *root, const char *supply, const char *attribute, char *buf, size_t capacity) {
    char path[EW_SENSOR_PATH_SIZE], text[UEVENT_BYTES], key[64] = "POWER_SUPPLY_";
    size_t n = strlen(key);
    for (; attribute[n - 13] && n + 2 < sizeof key; n++) key[n] = (char)toupper((unsigned char)attribute[n - 13]);
    key[n] = '=';
    key[n + 1] = 0;
    snprintf(path, sizeof path, SUPPLIES "/%s/uevent", supply);
    if (ew_small_file_read(root, path, text, sizeof text) < 0) return false;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n + 1) != 0) continue;
        snprintf(buf, capacity, "%.*s", (int)strcspn(line + n + 1, "\r\n"), line + n + 1);
        return true;
    }
    errno = ENOENT;
    return false;
}

static bool attribute_text(const char *root, const char *supply, const char *attribute, char *buf, size_t capacity) {
    char path[EW_SENSOR_PATH_SIZE];
    snprintf(path, sizeof path, SUPPLIES "/%s/%s", supply, attribute);
    if (ew_small_file_read(root, path, buf, capacity) >= 0) return true;
    buf[0] = 0;
    return errno == ENOENT && uevent_text(root, supply, attribute, buf, capacity);
}

/* NAN with errno set when there is none now. */
static double attribute_number(const char *root, const char *supply, const char *attribute) {
    char text[WORD_BYTES];
    int64_t value;
    if (!attribute_text(root, supply, attribute, text, sizeof text)) return NAN;
    if (ew_sensor_number_parse(text, &value)) return (double)value;
    errno = EINVAL;
    return NAN;
}

static bool attribute_is(const char *root, const char *supply, const char *attribute, const char *word) {
    char text[WORD_BYTES];
    return attribute_text(root, supply, attribute, text, sizeof text) && strcmp(text, word) == 0;
}

/* ---- what feeds the device now ---- */

/* Why the batteries do not carry the whole device at this moment; false = they do. */
static bool is_fed_otherwise(const struct ew_meter *m, char *why, size_t capacity) {
    const struct battery_state *state = m->state;
    bool discharging = false;
    char first[WORD_BYTES] = "";
    for (size_t i = 0; i < state->n_feeders; i++) {
        if (attribute_number(m->root, state->feeders[i], "online") != 1) continue;
        ew_meter_text(why, capacity, "the supply %s is plugged in, so the battery does not carry the whole device",
                      state->feeders[i]);
        return true;
    }
    for (size_t c = 0; c < m->info.n_channels; c++) {
        char status[WORD_BYTES];
        if (!attribute_text(m->root, state->cells[c].name, "status", status, sizeof status)) continue;
        discharging |= strcmp(status, "Discharging") == 0;
        if (c == 0 || strcmp(status, "Charging") == 0) snprintf(first, sizeof first, "%s", status);
        if (strcmp(status, "Charging") == 0) break;
    }
    if (discharging && strcmp(first, "Charging") != 0) return false;
    ew_meter_text(why, capacity,
                  "the battery is not discharging (its status is \"%s\"), so it does not carry the device",
                  first[0] ? first : "missing");
    return true;
}

/* ---- reading ---- */

/* Magnitudes: which sign means discharging differs between devices, and the status says it anyway. */
static double cell_power_w(const char *root, const struct cell *cell) {
    if (!cell->by_current) return fabs(attribute_number(root, cell->gauge, "power_now")) * 1e-6;
    double amps = attribute_number(root, cell->gauge, "current_now") * cell->amps_per_unit;
    if (isnan(amps)) return NAN;
    return fabs(amps * attribute_number(root, cell->gauge, "voltage_now") * cell->volts_per_unit);
}

static enum ew_status end(struct ew_meter *meter, enum ew_meter_reason reason, const char *why, struct ew_error *err) {
    ew_meter_flag(meter, reason, why);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, why);
}

static bool is_cell_gone(const char *root, const struct cell *cell) {
    char path[EW_SENSOR_PATH_SIZE];
    snprintf(path, sizeof path, SUPPLIES "/%s/type", cell->name);
    if (ew_sensor_file_exists(root, path)) return false;
    snprintf(path, sizeof path, SUPPLIES "/%s/uevent", cell->name);
    return !ew_sensor_file_exists(root, path);
}

/* The status is asked before the power, so that no reading of a charging battery is taken for the device's. */
static enum ew_status read_battery(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct battery_state *state = meter->state;
    char why[EW_METER_TEXT_SIZE];
    for (size_t c = 0; c < meter->info.n_channels; c++)
        if (is_cell_gone(meter->root, &state->cells[c])) {
            ew_meter_text(why, sizeof why, "the battery %s is gone", state->cells[c].name);
            return end(meter, EW_METER_GONE, why, err);
        }
    if (is_fed_otherwise(meter, why, sizeof why)) return end(meter, EW_METER_NOT_NOW, why, err);
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = cell_power_w(meter->root, &state->cells[c]);
    return EW_OK;
}

/* ---- probing ---- */

struct supplies {
    const char *root;
    char batteries[MAX_SUPPLIES][NAME_BYTES], gauges[MAX_SUPPLIES][NAME_BYTES], feeders[MAX_SUPPLIES][NAME_BYTES];
    size_t n_batteries, n_gauges, n_feeders;
};

static void keep(char list[MAX_SUPPLIES][NAME_BYTES], size_t *n, const char *name) {
    if (*n < MAX_SUPPLIES && strlen(name) < NAME_BYTES) snprintf(list[(*n)++], NAME_BYTES, "%s", name);
}

/* Supplies with scope Device feed something else: a mouse, a headset. An empty bay has present 0. */
static bool visit_supply(void *context, const char *name) {
    struct supplies *s = context;
    char type[WORD_BYTES];
    if (!attribute_text(s->root, name, "type", type, sizeof type)) return true;
    if (attribute_is(s->root, name, "scope", "Device")) return true;
    if (strcmp(type, "Battery") == 0) {
        if (!attribute_is(s->root, name, "present", "0")) keep(s->batteries, &s->n_batteries, name);
    } else if (strcmp(type, "BMS") == 0) {
        keep(s->gauges, &s->n_gauges, name);
    } else if (strcmp(type, "Mains") == 0 || strncmp(type, "USB", 3) == 0 || strcmp(type, "Wireless") == 0) {
        keep(s->feeders, &s->n_feeders, name);
    }
    return true;
}

static bool has_power(const char *root, const char *supply) {
    return attribute_number(root, supply, "power_now") != 0 && !isnan(attribute_number(root, supply, "power_now"));
}

static bool has_current(const char *root, const char *supply) {
    return !isnan(attribute_number(root, supply, "current_now")) &&
           !isnan(attribute_number(root, supply, "voltage_now"));
}

/* Whether `watts` can be the device's, at this share of the whole battery per hour (NAN unknown). */
static bool is_plausible(double watts, double rate_per_hour) {
    return watts >= min_device_w && watts <= max_device_w && !(rate_per_hour > max_rate_per_hour);
}

/* Finds amps_per_unit and volts_per_unit. false: refused, why says with which values. */
static bool find_units(const char *root, struct cell *cell, char *why, size_t capacity) {
    double current = fabs(attribute_number(root, cell->gauge, "current_now"));
    double voltage = fabs(attribute_number(root, cell->gauge, "voltage_now"));
    double charge = attribute_number(root, cell->gauge, "charge_full_design");
    if (isnan(charge)) charge = attribute_number(root, cell->name, "charge_full_design");
    cell->volts_per_unit = voltage >= 1e6 ? 1e-6 : 1e-3; /* 1 to 100 V: the two units never meet */
    double volts = voltage * cell->volts_per_unit;
    double charge_ah = charge * (charge >= 1e5 ? 1e-6 : 1e-3); /* no device of this kind has less than 0.1 Ah */
    bool micro = is_plausible(current * 1e-6 * volts, current * 1e-6 / charge_ah);
    bool milli = is_plausible(current * 1e-3 * volts, current * 1e-3 / charge_ah);
    cell->amps_per_unit = micro ? 1e-6 : 1e-3;
    if (micro != milli && volts >= 1 && volts <= 100) return true;
    ew_meter_text(why, capacity,
                  "the battery %s says current_now %.0f at voltage_now %.0f: in microamperes that is %.3g W, in "
                  "milliamperes %.3g W; %s (0.1 to 150 W is plausible)",
                  cell->gauge, current, voltage, current * 1e-6 * volts, current * 1e-3 * volts,
                  micro && milli ? "both can be" : "neither can be");
    return false;
}

/* Where the cell's readings are. A gauge of type BMS looks at the same battery, and is never a battery more. */
static bool find_readings(const struct supplies *s, struct cell *cell, char *why, size_t capacity) {
    const char *root = s->root;
    snprintf(cell->gauge, sizeof cell->gauge, "%s", cell->name);
    if (!has_power(root, cell->name) && !has_current(root, cell->name) && s->n_batteries == 1)
        for (size_t i = 0; i < s->n_gauges; i++)
            if (has_current(root, s->gauges[i])) snprintf(cell->gauge, sizeof cell->gauge, "%s", s->gauges[i]);
    if (has_power(root, cell->gauge)) return true;
    /* The second of two batteries rests while the first is emptied. */
    bool idle = !attribute_is(root, cell->name, "status", "Discharging");
    if (idle && !isnan(attribute_number(root, cell->gauge, "power_now"))) return true;
    cell->by_current = has_current(root, cell->gauge);
    if (!cell->by_current) {
        ew_meter_text(
            why, capacity,
            "the battery %s tells neither its power (power_now) nor current and voltage; its charge alone moves "
            "in steps too coarse for a run",
            cell->name);
        return false;
    }
    cell->amps_per_unit = cell->volts_per_unit = 1e-6;
    if (idle && attribute_number(root, cell->gauge, "current_now") == 0) return true;
    return find_units(root, cell, why, capacity);
}

static void describe(struct ew_meter *m, size_t n) {
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->boundary = EW_BOUNDARY_BOARD_DC;
    info->grade_ceiling = EW_GRADE_C;
    info->period_s = 1; /* gauges measure every second at most, many every half minute: repeats show it */
    info->documented = "kernel Documentation/ABI/testing/sysfs-class-power; error and averaging of the gauge are not "
                       "documented";
    ew_meter_text(info->name, sizeof info->name, "battery");
    ew_meter_text(info->covers, sizeof info->covers, "the whole device, screen included, out of its batter%s",
                  n > 1 ? "ies together" : "y");
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "what the battery itself loses inside");
}

static struct ew_meter *new_battery(const struct supplies *s, const struct ew_meter_config *config) {
    static const struct ew_meter_driver driver = {.read = read_battery};
    struct ew_meter *m = ew_meter_new(&driver, config, s->n_batteries, sizeof(struct battery_state));
    if (!m) return NULL;
    struct battery_state *state = m->state;
    char why[EW_METER_TEXT_SIZE] = "";
    bool readable = true;
    describe(m, s->n_batteries);
    memcpy(state->feeders, s->feeders, sizeof state->feeders);
    state->n_feeders = s->n_feeders;
    for (size_t c = 0; c < s->n_batteries; c++) {
        memcpy(state->cells[c].name, s->batteries[c], NAME_BYTES);
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", s->batteries[c]);
        m->channels[c].in_total = true;
    }
    /* What feeds the device comes first: with a charger the readings have another meaning. */
    if (is_fed_otherwise(m, why, sizeof why)) {
        ew_meter_refuse(m, EW_METER_NOT_NOW, why, "unplug the charger (and keep it unplugged while measuring)");
        return m;
    }
    for (size_t c = 0; c < s->n_batteries && readable; c++)
        readable = find_readings(s, &state->cells[c], why, sizeof why);
    ew_meter_text(m->info.source, sizeof m->info.source, SUPPLIES "/%s: %s", state->cells[0].gauge,
                  state->cells[0].by_current ? "current_now x voltage_now" : "power_now");
    if (!readable) ew_meter_refuse(m, EW_METER_UNSUPPORTED, why, "");
    return m;
}

enum ew_status ew_meter_probe_battery(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err) {
    struct supplies s = {.root = config ? config->root : NULL};
    ew_facts_each_entry(s.root, SUPPLIES, "", visit_supply, &s);
    if (s.n_batteries == 0) return EW_OK;
    return ew_meter_list_add(list, new_battery(&s, config), err);
}
