/* Owns the reading of power rails, and the meters of boards whose rails are known. A rail that cannot be read is
 * missing and the others go on; one of the total that disappears ends the meter. Refuses nothing by its value: what
 * cannot be is judged where energy is made of it. */
#include "meter/power_rails.h"
#include "base/error.h"
#include "meter/rail_map.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Source: TI INA3221 datasheet: steps of 40 uV across the shunt, which is 5 mOhm on NVIDIA's boards. */
static const double shunt_step_v = 40e-6, usual_shunt_ohm = 0.005;

struct rails_state {
    struct ew_power_rail rails[EW_POWER_RAILS];
};

/* errno of the file that failed; 0 = *watts is set. */
static int read_rail(const char *root, const struct ew_power_rail *r, double *watts) {
    int64_t power, mv, ma;
    if (r->power[0]) {
        if (!ew_sensor_number_read(root, r->power, &power)) return errno;
        *watts = (double)power * r->power_scale;
        return 0;
    }
    if (!ew_sensor_number_read(root, r->volts, &mv) || !ew_sensor_number_read(root, r->amps, &ma)) return errno;
    *watts = (double)mv * (double)ma * 1e-6;
    return 0;
}

static enum ew_status read_rails(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct rails_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) {
        const struct ew_power_rail *r = &state->rails[c];
        int failure = read_rail(meter->root, r, &values[c]);
        if (!meter->channels[c].in_total || !ew_sensor_errno_is_gone(failure)) continue;
        char text[EW_METER_TEXT_SIZE];
        ew_meter_text(text, sizeof text, "rail %s disappeared (%s: %s)", r->name, r->power[0] ? r->power : r->volts,
                      strerror(failure));
        ew_meter_flag(meter, EW_METER_GONE, text);
        return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, text);
    }
    return EW_OK;
}

void ew_power_chip_add(struct ew_power_chip *chip, const char *root, const struct ew_power_rail *rail) {
    double watts;
    if (chip->n == EW_POWER_RAILS) return;
    struct ew_power_rail *r = &chip->rails[chip->n++];
    *r = *rail;
    r->read_errno = read_rail(root, r, &watts);
}

struct ew_meter *ew_power_meter_new(const struct ew_meter_config *config, const struct ew_power_chip *chip,
                                    const char *name) {
    static const struct ew_meter_driver driver = {.read = read_rails};
    struct ew_meter *m = ew_meter_new(&driver, config, chip->n, sizeof(struct rails_state));
    if (!m) return NULL;
    struct rails_state *state = m->state;
    memcpy(state->rails, chip->rails, chip->n * sizeof *chip->rails);
    for (size_t c = 0; c < chip->n; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", chip->rails[c].name);
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->period_s = 0.05; /* each reading is a transfer on a slow bus */
    info->averaging_s = chip->interval_s > 0 ? chip->interval_s : 0;
    ew_meter_text(info->name, sizeof info->name, "%s", name);
    ew_meter_text(info->source, sizeof info->source, "%s (%s)", chip->source, chip->name);
    return m;
}

void ew_power_meter_count(struct ew_meter *m, const struct ew_power_chip *chip, size_t channel) {
    const struct ew_power_rail *r = &chip->rails[channel];
    m->channels[channel].in_total = true;
    if (!r->read_errno || m->info.reason != EW_METER_USABLE) return;
    bool rights = r->read_errno == EACCES || r->read_errno == EPERM;
    const char *file = r->power[0] ? r->power : r->volts;
    char text[EW_METER_TEXT_SIZE], remedy[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "rail %s (%s): %s", r->name, file,
                  r->read_errno == EINVAL ? "it holds no number" : strerror(r->read_errno));
    ew_meter_text(remedy, sizeof remedy, "until the next start: sudo chmod a+r %s", file);
    ew_meter_refuse(m, rights ? EW_METER_PERMISSION : EW_METER_IO_ERROR, text, rights ? remedy : "");
}

void ew_power_meter_refuse_unknown(struct ew_meter *m) {
    char text[EW_METER_TEXT_SIZE], names[EW_METER_TEXT_SIZE - 96] = "";
    for (size_t c = 0; c < m->info.n_channels; c++) {
        size_t used = strlen(names);
        ew_meter_text(names + used, sizeof names - used, "%s%s", c ? ", " : "", m->channels[c].name);
    }
    ew_meter_text(text, sizeof text, "has several rails and it is not known which of them contain others: %s", names);
    ew_meter_refuse(m, EW_METER_UNSUPPORTED, text, "");
}

/* The step of the current at the voltage that is there: 8 mA are 0.04 W at 5 V, and 0.15 W at 19 V. */
static double step_w(const char *root, const struct ew_power_rail *r) {
    int64_t mv;
    if (!r->volts[0] || !ew_sensor_number_read(root, r->volts, &mv) || mv <= 0) mv = 5000;
    return shunt_step_v / (r->shunt_ohm > 0 ? r->shunt_ohm : usual_shunt_ohm) * (double)mv * 1e-3;
}

static struct ew_meter *new_board_meter(const struct ew_meter_config *config, const struct ew_power_chip *board,
                                        const struct ew_rail_map *map, const char *name) {
    struct ew_power_chip inside = *board;
    inside.n = 0;
    for (size_t i = 0; i < board->n; i++)
        if (ew_rail_map_holds(map, board->rails[i].name)) inside.rails[inside.n++] = board->rails[i];
    struct ew_meter *m = ew_power_meter_new(config, &inside, name);
    if (!m) return NULL;
    struct ew_meter_info *info = &m->info;
    info->boundary = map->boundary;
    info->grade_ceiling = map->ceiling;
    info->error_relative = 0.05;
    info->documented = map->source;
    ew_meter_text(info->covers, sizeof info->covers, "%s", map->covers);
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s", map->leaves_out);
    for (size_t c = 0; c < inside.n; c++) {
        if (!ew_rail_map_in_total(map, inside.rails[c].name)) continue;
        ew_power_meter_count(m, &inside, c);
        info->resolution = fmax(info->resolution, step_w(m->root, &inside.rails[c]));
    }
    return m;
}

enum ew_status ew_power_board_add(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_power_chip *board, const char *name, bool *known,
                                  struct ew_error *err) {
    const char *names[EW_POWER_RAILS];
    char wider[EW_METER_NAME_SIZE];
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < board->n; i++) names[i] = board->rails[i].name;
    const struct ew_rail_map *map = ew_rail_map_find(names, board->n);
    *known = map != NULL;
    if (map) status = ew_meter_list_add(list, new_board_meter(config, board, map, name), err);
    const struct ew_rail_map *around = map ? ew_rail_map_around(map, names, board->n) : NULL;
    if (status != EW_OK || !around) return status;
    ew_meter_text(wider, sizeof wider, "%.50s-board", name);
    return ew_meter_list_add(list, new_board_meter(config, board, around, wider), err);
}
