/* Owns the power sensors of NVIDIA's boards as L4T up to release 32 (JetPack 4) shows them: its own driver ina3221x, an
 * IIO device per chip with files of milliwatts. Later releases have hwmon chips instead (hwmon_power.c). Boards whose
 * rails have no map (rail_map.c) are refused, as it is not known which rails contain others.
 * Source: NVIDIA Tegra Linux Driver Package Development Guide 32.6, "Clock Frequency and Power Management"; L4T kernel,
 * drivers/staging/iio/meter/ina3221.c. */
#include "machine/facts.h"
#include "meter/power_rails.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIVER "/sys/bus/i2c/drivers/ina3221x"
enum { CHANNELS = 3 };

struct scan {
    struct ew_power_chip *board;
    const char *root;
    char folder[64]; /* DRIVER "/1-0040" */
};

static bool visit_device(void *context, const char *name) {
    struct scan *s = context;
    for (int i = 0; i < CHANNELS; i++) {
        struct ew_power_rail r = {.power_scale = 1e-3, .shunt_ohm = NAN};
        if (!ew_facts_text(s->root, r.name, sizeof r.name, "%s/%.30s/rail_name_%d", s->folder, name, i)) continue;
        if (strcmp(r.name, "NC") == 0) continue; /* not connected */
        snprintf(r.power, sizeof r.power, "%s/%.30s/in_power%d_input", s->folder, name, i);
        snprintf(r.volts, sizeof r.volts, "%s/%.30s/in_voltage%d_input", s->folder, name, i);
        if (ew_sensor_file_exists(s->root, r.power)) ew_power_chip_add(s->board, s->root, &r);
    }
    return true;
}

/* "0-0041": bus and address. Beside them the driver has its own files. */
static bool visit_chip(void *context, const char *name) {
    struct scan *s = context;
    if (!strchr(name, '-') || strlen(name) > 16) return true;
    snprintf(s->folder, sizeof s->folder, DRIVER "/%s", name);
    size_t before = s->board->n;
    ew_facts_each_entry(s->root, s->folder, "iio:device", visit_device, s);
    if (s->board->n == before) visit_device(s, "iio_device"); /* release 28 */
    return true;
}

static enum ew_status add_unknown(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_power_chip *board, struct ew_error *err) {
    struct ew_meter *m = ew_power_meter_new(config, board, "ina3221x");
    if (m) ew_power_meter_refuse_unknown(m);
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_probe_ina3221x(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       struct ew_error *err) {
    struct ew_power_chip *board = calloc(1, sizeof *board);
    if (!board) return ew_meter_list_add(list, NULL, err);
    struct scan s = {.board = board, .root = config ? config->root : NULL};
    board->interval_s = NAN;
    snprintf(board->name, sizeof board->name, "ina3221x");
    snprintf(board->source, sizeof board->source, DRIVER);
    ew_facts_each_entry(s.root, DRIVER, "", visit_chip, &s);
    enum ew_status status = EW_OK;
    bool known = true;
    if (board->n > 0) status = ew_power_board_add(list, config, board, "ina3221x", &known, err);
    if (status == EW_OK && !known) status = add_unknown(list, config, board, err);
    free(board);
    return status;
}
