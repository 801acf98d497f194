/* Owns power sensors that the kernel shows as hwmon chips. Boards whose rails are known (rail_map.c) give one meter
 * over all their INA3221 chips; any other chip is a meter of its own, whose place on the board is not known unless the
 * table below says so. Refuses what is no measurement: negotiated limits of USB-C supplies. A channel that cannot be
 * read is missing, and the others go on. Source: kernel Documentation/hwmon/sysfs-interface.rst, ina3221.rst. */
#include "base/small_file.h"
#include "machine/facts.h"
#include "meter/driver.h"
#include "meter/rail_map.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HWMON "/sys/class/hwmon"
enum { MAX_RAILS = 32, FILE_BYTES = 80 };

/* A rail is either one file in microwatts, or millivolts times milliamperes. */
struct rail {
    char name[EW_METER_NAME_SIZE];
    char power[FILE_BYTES]; /* "" = product of the two below */
    char volts[FILE_BYTES];
    char amps[FILE_BYTES];
    int read_errno;
};

struct hwmon_state {
    struct rail rails[MAX_RAILS];
};

struct chip {
    char folder[24]; /* "hwmon3" */
    char name[40];
    struct rail rails[MAX_RAILS];
    size_t n;
    double interval_s; /* update_interval; NAN unknown */
};

struct probe {
    struct ew_meter_list *list;
    const struct ew_meter_config *config;
    const char *root;
    struct chip *board; /* all rails of the INA3221 chips together */
    struct chip *chip;  /* the one being looked at */
    size_t n_power;     /* chips with power so far */
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

static double read_rail_w(const char *root, const struct rail *r) {
    if (r->power[0]) return ew_facts_number(root, "%s", r->power) * 1e-6;
    return ew_facts_number(root, "%s", r->volts) * ew_facts_number(root, "%s", r->amps) * 1e-6;
}

static enum ew_status read_hwmon(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const struct hwmon_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = read_rail_w(meter->root, &state->rails[c]);
    return EW_OK;
}

/* errno of a rail's files; 0 = both can be read. */
static int why_unreadable(const char *root, const struct rail *r) {
    const char *files[] = {r->power, r->volts, r->amps};
    for (int i = 0; i < 3; i++) {
        int64_t v;
        errno = 0;
        if (files[i][0] && !ew_small_file_read_i64(root, files[i], &v)) return errno ? errno : EINVAL;
    }
    return 0;
}

static bool exists(const char *root, const char *path) {
    char unused[8];
    return ew_small_file_read(root, path, unused, sizeof unused) >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* The rail of number i in the chip's folder, if it has one. */
static bool find_rail(const char *root, const struct chip *chip, int i, struct rail *r) {
    *r = (struct rail){0};
    bool triple = strcmp(chip->name, "ina3221") == 0, usb = strcmp(chip->name, "powerz") == 0;
    snprintf(r->power, sizeof r->power, HWMON "/%s/power%d_input", chip->folder, i);
    if (!exists(root, r->power)) snprintf(r->power, sizeof r->power, HWMON "/%s/power%d_average", chip->folder, i);
    if (exists(root, r->power)) {
        if (!ew_facts_text(root, r->name, sizeof r->name, HWMON "/%s/power%d_label", chip->folder, i))
            snprintf(r->name, sizeof r->name, "power%d", i);
        return true;
    }
    r->power[0] = 0;
    /* in4 … in6 of an INA3221 are shunt voltages and curr4 is a sum; a POWER-Z counts its voltages from 0. */
    if (!(triple && i <= 3) && !(usb && i == 1)) return false;
    snprintf(r->volts, sizeof r->volts, HWMON "/%s/in%d_input", chip->folder, usb ? 0 : i);
    snprintf(r->amps, sizeof r->amps, HWMON "/%s/curr%d_input", chip->folder, i);
    if (!exists(root, r->volts) || !exists(root, r->amps)) return false;
    if (!ew_facts_text(root, r->name, sizeof r->name, HWMON "/%s/in%d_label", chip->folder, usb ? 0 : i))
        snprintf(r->name, sizeof r->name, "rail%d", i);
    return strcmp(r->name, "NC") != 0; /* not connected */
}

static void find_rails(const char *root, struct chip *chip) {
    chip->n = 0;
    for (int i = 1; i <= 16 && chip->n < MAX_RAILS; i++) {
        struct rail r;
        if (!find_rail(root, chip, i, &r)) continue;
        r.read_errno = why_unreadable(root, &r);
        chip->rails[chip->n++] = r;
    }
    chip->interval_s = ew_facts_number(root, HWMON "/%s/update_interval", chip->folder) * 1e-3;
}

static const struct ew_meter_driver driver = {.read = read_hwmon};

static struct ew_meter *new_meter(const struct probe *p, const struct chip *chip, const char *name) {
    struct ew_meter *m = ew_meter_new(&driver, p->config, chip->n, sizeof(struct hwmon_state));
    if (!m) return NULL;
    struct hwmon_state *state = m->state;
    memcpy(state->rails, chip->rails, chip->n * sizeof *chip->rails);
    for (size_t c = 0; c < chip->n; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", chip->rails[c].name);
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->period_s = 0.05; /* each reading is a transfer on a slow bus */
    info->averaging_s = chip->interval_s > 0 ? chip->interval_s : 0;
    ew_meter_text(info->name, sizeof info->name, "hwmon:%s", name);
    ew_meter_text(info->source, sizeof info->source, HWMON "/%s (%s)", chip->folder, chip->name);
    return m;
}

static void refuse_unreadable(struct ew_meter *m, const struct rail *r) {
    bool rights = r->read_errno == EACCES || r->read_errno == EPERM;
    const char *file = r->power[0] ? r->power : r->volts;
    char text[EW_METER_TEXT_SIZE], remedy[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "rail %s (%s): %s", r->name, file, strerror(r->read_errno));
    ew_meter_text(remedy, sizeof remedy, "until the next start: sudo chmod a+r %s", file);
    ew_meter_refuse(m, rights ? EW_METER_PERMISSION : EW_METER_IO_ERROR, text, rights ? remedy : "");
}

/* A rail that says of itself that it is the whole. */
static bool is_whole(const char *name) {
    static const char *const words[] = {"VIN", "PPT", "total", "power total", "Total Power"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(name, words[i]) == 0) return true;
    return false;
}

/* Which rails are the total of a chip without map: the one it has, or the one that says so. */
static bool mark_total(struct ew_meter *m, const struct chip *chip) {
    for (size_t c = 0; c < chip->n; c++) {
        if (chip->n > 1 && !is_whole(chip->rails[c].name)) continue;
        m->channels[c].in_total = true;
        if (chip->rails[c].read_errno) refuse_unreadable(m, &chip->rails[c]);
        return true;
    }
    return false;
}

static void describe_chip(struct ew_meter *m, const struct chip *chip) {
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
    /* Jetson Thor's carrier board has its input on an INA238 whose rail is called VIN. */
    if (strcmp(chip->name, "ina238") == 0 && strcmp(chip->rails[0].name, "VIN") == 0) {
        info->boundary = EW_BOUNDARY_BOARD_DC;
        info->grade_ceiling = EW_GRADE_B;
        info->error_relative = 0.05;
        info->documented = "TI INA238 datasheet; 5 % allow for the shunt; rbonghi/jetson_stats pull 900";
        ew_meter_text(info->covers, sizeof info->covers, "the board's DC input VIN");
    }
}

static enum ew_status add_chip(struct probe *p, const struct chip *chip) {
    struct ew_meter *m = NULL;
    char name[EW_METER_NAME_SIZE];
    snprintf(name, sizeof name, "hwmon:%s", chip->name);
    if (ew_meter_list_find(p->list, name))
        snprintf(name, sizeof name, "%.30s:%.20s", chip->name, chip->folder);
    else
        snprintf(name, sizeof name, "%s", chip->name);
    m = new_meter(p, chip, name);
    if (m) {
        describe_chip(m, chip);
        if (!mark_total(m, chip))
            ew_meter_refuse(m, EW_METER_UNSUPPORTED,
                            "has several rails and it is not known which of them contain others", "");
    }
    return ew_meter_list_add(p->list, m, p->err);
}

/* The INA3221 chips of a board: with a map they are one meter, without one each is on its own. */
static enum ew_status add_board(struct probe *p) {
    const struct chip *board = p->board;
    const char *names[MAX_RAILS];
    for (size_t i = 0; i < board->n; i++) names[i] = board->rails[i].name;
    const struct ew_rail_map *map = ew_rail_map_find(names, board->n);
    if (!map) return add_chip(p, board);
    struct ew_meter *m = new_meter(p, board, "ina3221");
    if (m) {
        struct ew_meter_info *info = &m->info;
        info->boundary = map->boundary;
        info->grade_ceiling = map->ceiling;
        info->resolution = 0.04; /* 40 uV across 5 mOhm are 8 mA, at 5 V */
        info->error_relative = 0.05;
        info->documented = map->source;
        ew_meter_text(info->covers, sizeof info->covers, "%s", map->covers);
        ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s", map->leaves_out);
        for (size_t c = 0; c < board->n; c++) {
            m->channels[c].in_total = ew_rail_map_in_total(map, names[c]);
            if (m->channels[c].in_total && board->rails[c].read_errno && info->reason == EW_METER_USABLE)
                refuse_unreadable(m, &board->rails[c]);
        }
    }
    return ew_meter_list_add(p->list, m, p->err);
}

/* Chips that the power_supply class makes: limits of a charger, or a battery. true = it was one. */
static bool refuse_supply(struct probe *p, const struct chip *chip) {
    char type[32];
    bool usb = strncmp(chip->name, "ucsi", 4) == 0;
    if (!ew_facts_text(p->root, type, sizeof type, HWMON "/%s/device/type", chip->folder) && !usb) return false;
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

static void join_board(struct chip *board, const struct chip *chip) {
    if (board->n == 0)
        *board = *chip;
    else
        for (size_t i = 0; i < chip->n && board->n < MAX_RAILS; i++) board->rails[board->n++] = chip->rails[i];
}

static bool visit_chip(void *context, const char *folder) {
    struct probe *p = context;
    struct chip *chip = p->chip;
    if (strlen(folder) >= sizeof chip->folder) return true;
    snprintf(chip->folder, sizeof chip->folder, "%s", folder);
    if (!ew_facts_text(p->root, chip->name, sizeof chip->name, HWMON "/%s/name", folder)) return true;
    if (refuse_supply(p, chip)) return p->status == EW_OK;
    find_rails(p->root, chip);
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
