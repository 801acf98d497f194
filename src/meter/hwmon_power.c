/* Owns power sensors that the kernel shows as hwmon chips. Boards whose rails are known (rail_map.c) give their meters
 * over all INA3221 chips together; any other chip is a meter of its own, whose place on the board is not known unless
 * the table below says so. Refuses what is no measurement: negotiated limits of USB-C supplies. How rails are read:
 * power_rails.c. Source: kernel Documentation/hwmon/sysfs-interface.rst, ina3221.rst. */
#include "machine/facts.h"
#include "meter/power_rails.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HWMON "/sys/class/hwmon"

struct probe {
    struct ew_meter_list *list;
    const struct ew_meter_config *config;
    const char *root;
    const char *folder;          /* "hwmon3": of the chip being looked at */
    struct ew_power_chip *board; /* all rails of the INA3221 chips together */
    struct ew_power_chip *chip;  /* the one being looked at */
    size_t n_power;              /* chips with power so far */
    enum ew_status status;
    struct ew_error *err;
};

static const struct known_chip {
    const char *name;
    enum ew_meter_boundary boundary;
    const char *covers, *leaves_out, *documented;
} known_chips[] = {
    {"amdgpu", EW_BOUNDARY_GPU, "the graphics chip as its firmware sees it (PPT)", "memory and converters of the card",
     "kernel Documentation/gpu/amdgpu/thermal.rst; error not documented"},
    {"powerz", EW_BOUNDARY_UNKNOWN, "the USB-C line that the POWER-Z meter sits in", "",
     "kernel Documentation/hwmon/powerz.rst; volts and amperes are two separate samples"},
    {"corsairpsu", EW_BOUNDARY_UNKNOWN, "outputs of the Corsair power supply", "its own loss",
     "kernel Documentation/hwmon/corsair-psu.rst"},
    {"power_meter", EW_BOUNDARY_UNKNOWN, "what the server's firmware calls its power meter", "",
     "ACPI specification 10.4, power meters"},
};

/* What the chip calls a channel: by its own label, or by the one that the board's maker gave the whole chip, where it
 * has one rail only (kernel Documentation/ABI/testing/sysfs-class-hwmon: label). */
static void name_rail(const struct probe *p, const char *prefix, int i, struct ew_power_rail *r) {
    bool one = strcmp(p->chip->name, "ina3221") != 0;
    if (ew_facts_text(p->root, r->name, sizeof r->name, HWMON "/%s/%s%d_label", p->folder, prefix, i)) return;
    if (one && i == 1 && ew_facts_text(p->root, r->name, sizeof r->name, HWMON "/%s/label", p->folder)) return;
    snprintf(r->name, sizeof r->name, "%s%d", strcmp(prefix, "power") == 0 ? prefix : "rail", i);
}

/* The rail of number i of the chip, if it has one. */
static bool find_rail(const struct probe *p, int i, struct ew_power_rail *r) {
    *r = (struct ew_power_rail){.power_scale = 1e-6};
    bool triple = strcmp(p->chip->name, "ina3221") == 0, usb = strcmp(p->chip->name, "powerz") == 0;
    snprintf(r->power, sizeof r->power, HWMON "/%s/power%d_input", p->folder, i);
    if (!ew_sensor_file_exists(p->root, r->power))
        snprintf(r->power, sizeof r->power, HWMON "/%s/power%d_average", p->folder, i);
    if (ew_sensor_file_exists(p->root, r->power)) {
        name_rail(p, "power", i, r);
        return true;
    }
    r->power[0] = 0;
    /* in4 … in6 of an INA3221 are shunt voltages and curr4 is a sum; a POWER-Z counts its voltages from 0. */
    if (!(triple && i <= 3) && !(usb && i == 1)) return false;
    snprintf(r->volts, sizeof r->volts, HWMON "/%s/in%d_input", p->folder, usb ? 0 : i);
    snprintf(r->amps, sizeof r->amps, HWMON "/%s/curr%d_input", p->folder, i);
    if (!ew_sensor_file_exists(p->root, r->volts) || !ew_sensor_file_exists(p->root, r->amps)) return false;
    r->shunt_ohm = ew_facts_number(p->root, HWMON "/%s/shunt%d_resistor", p->folder, i) * 1e-6;
    name_rail(p, "in", usb ? 0 : i, r);
    return strcmp(r->name, "NC") != 0; /* not connected */
}

static void find_rails(const struct probe *p) {
    struct ew_power_chip *chip = p->chip;
    chip->n = 0;
    for (int i = 1; i <= 16; i++) {
        struct ew_power_rail r;
        if (find_rail(p, i, &r)) ew_power_chip_add(chip, p->root, &r);
    }
    chip->interval_s = ew_facts_number(p->root, HWMON "/%s/update_interval", p->folder) * 1e-3;
    snprintf(chip->source, sizeof chip->source, HWMON "/%s", p->folder);
}

/* A rail that says of itself that it is the whole. */
static bool is_whole(const char *name) {
    static const char *const words[] = {"VIN", "PPT", "total", "power total", "Total Power"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i]) == 0) return true;
    return false;
}

/* Which rails are the total of a chip without map: the one it has, or the one that says so. */
static bool mark_total(struct ew_meter *m, const struct ew_power_chip *chip) {
    for (size_t c = 0; c < chip->n; c++) {
        if (chip->n > 1 && !is_whole(chip->rails[c].name)) continue;
        ew_power_meter_count(m, chip, c);
        return true;
    }
    return false;
}

static void describe_chip(struct ew_meter *m, const struct ew_power_chip *chip, const char *root) {
    struct ew_meter_info *info = &m->info;
    info->boundary = EW_BOUNDARY_UNKNOWN;
    info->grade_ceiling = EW_GRADE_C;
    info->documented = "kernel Documentation/hwmon; place on the board and error are not documented";
    ew_meter_text(info->covers, sizeof info->covers, "whatever sensor %s is wired to", chip->name);
    for (size_t i = 0; i < sizeof known_chips / sizeof *known_chips; i++) {
        const struct known_chip *k = &known_chips[i];
        if (strcmp(chip->name, k->name) != 0) continue;
        info->boundary = k->boundary;
        info->documented = k->documented;
        ew_meter_text(info->covers, sizeof info->covers, "%s", k->covers);
        ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s", k->leaves_out);
    }
    bool vin = strcmp(chip->name, "ina238") == 0 && strcmp(chip->rails[0].name, "VIN") == 0;
    if (!vin || !ew_facts_is_compatible(root, "nvidia,tegra")) return;
    info->boundary = EW_BOUNDARY_BOARD_DC;
    info->grade_ceiling = EW_GRADE_B;
    info->error_relative = 0.05;
    info->documented =
        "TI INA238 datasheet; 5 % allow for the shunt. NVIDIA forum 366461: VIN holds module and carrier "
        "board; rbonghi/jetson_stats pull 900";
    ew_meter_text(info->covers, sizeof info->covers, "Jetson Thor's DC input VIN: module and carrier board");
}

static enum ew_status add_chip(struct probe *p, const struct ew_power_chip *chip) {
    char name[EW_METER_NAME_SIZE];
    snprintf(name, sizeof name, "hwmon:%s", chip->name);
    if (ew_meter_list_find(p->list, name)) snprintf(name, sizeof name, "hwmon:%.30s:%.20s", chip->name, p->folder);
    struct ew_meter *m = ew_power_meter_new(p->config, chip, name);
    if (m) {
        describe_chip(m, chip, p->root);
        if (!mark_total(m, chip)) ew_power_meter_refuse_unknown(m);
    }
    return ew_meter_list_add(p->list, m, p->err);
}

/* The INA3221 chips of a board: with a map they are one meter for each boundary, without one a meter that is refused.
 */
static enum ew_status add_board(struct probe *p) {
    bool known;
    enum ew_status status = ew_power_board_add(p->list, p->config, p->board, "hwmon:ina3221", &known, p->err);
    return status == EW_OK && !known ? add_chip(p, p->board) : status;
}

/* Chips that the power_supply class makes: limits of a charger, or a battery. true = it was one. */
static bool refuse_supply(struct probe *p, const struct ew_power_chip *chip) {
    char type[32];
    bool usb = strncmp(chip->name, "ucsi", 4) == 0;
    if (!ew_facts_text(p->root, type, sizeof type, HWMON "/%s/device/type", p->folder) && !usb) return false;
    bool battery = !usb && (strcmp(type, "Battery") == 0 || strcmp(type, "BMS") == 0);
    char name[EW_METER_NAME_SIZE], text[EW_METER_TEXT_SIZE];
    ew_meter_text(name, sizeof name, "hwmon:%s", chip->name);
    if (battery)
        ew_meter_text(text, sizeof text,
                      "the battery %s: see the meter battery, which reads it from the power supplies", chip->name);
    else
        ew_meter_text(text, sizeof text, "%s tells what the supply may give, not what it gives", chip->name);
    p->status = ew_meter_list_add_refused(p->list, p->config, name, battery ? EW_METER_DUPLICATE : EW_METER_LIMIT, text,
                                          "", p->err);
    return true;
}

static void join_board(struct ew_power_chip *board, const struct ew_power_chip *chip) {
    if (board->n == 0)
        *board = *chip;
    else
        for (size_t i = 0; i < chip->n && board->n < EW_POWER_RAILS; i++) board->rails[board->n++] = chip->rails[i];
}

static bool visit_chip(void *context, const char *folder) {
    struct probe *p = context;
    struct ew_power_chip *chip = p->chip;
    if (strlen(folder) > 20) return true;
    p->folder = folder;
    if (!ew_facts_text(p->root, chip->name, sizeof chip->name, HWMON "/%s/name", folder)) return true;
    if (refuse_supply(p, chip)) return p->status == EW_OK;
    find_rails(p);
    if (chip->n == 0) return true;
    p->n_power++;
    if (strcmp(chip->name, "ina3221") == 0)
        join_board(p->board, chip);
    else
        p->status = add_chip(p, chip);
    return p->status == EW_OK;
}

enum ew_status ew_meter_probe_hwmon(struct ew_meter_list *list, const struct ew_meter_config *config,
                                    struct ew_error *err) {
    struct probe p = {.list = list, .config = config, .root = config ? config->root : NULL, .err = err};
    p.board = calloc(1, sizeof *p.board);
    p.chip = calloc(1, sizeof *p.chip);
    if (!p.board || !p.chip) {
        p.status = ew_meter_list_add(list, NULL, err);
        goto done;
    }
    ew_facts_each_entry(p.root, HWMON, "hwmon", visit_chip, &p);
    if (p.status == EW_OK && p.board->n > 0) p.status = add_board(&p);
    if (p.status == EW_OK && p.n_power == 0)
        p.status = ew_meter_list_add_refused(list, config, "hwmon", EW_METER_ABSENT,
                                             "no power sensor (" HWMON " has no chip with power or current)", "", err);
done:
    free(p.board);
    free(p.chip);
    return p.status;
}
