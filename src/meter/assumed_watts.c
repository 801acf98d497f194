/* Owns the meter that measures nothing: watts that the user states, "assumed:15", played as a constant. It stands in no
 * list unless it was named, is graded E, and says "assumed" wherever a figure of it is shown. */
#include "base/error.h"
#include "meter/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The same limit as for readings: above this nothing that the program runs on draws. */
static const double max_power_w = 5e3;

struct assumed_state {
    double watts;
};

static enum ew_status read_assumed(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const struct assumed_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    if (values) values[0] = state->watts;
    return EW_OK;
}

/* Digits with at most one point: neither "nan" nor "1e3" nor a sign is something that one types for watts. */
static bool parse_watts(const char *text, double *out) {
    size_t n = strspn(text, "0123456789.");
    char *end;
    if (n == 0 || text[n]) return false;
    *out = strtod(text, &end);
    return *end == 0 && *out > 0 && *out <= max_power_w;
}

enum ew_status ew_meter_source_assumed(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       const char *watts, struct ew_error *err) {
    static const struct ew_meter_driver driver = {.read = read_assumed};
    double value;
    if (!parse_watts(watts, &value))
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "meter source `assumed:%.40s`: must be a number of watts above 0 and at most %g, such as "
                            "assumed:15",
                            watts, max_power_w);
    if (ew_meter_list_find(list, "assumed"))
        return ew_error_set(err, EW_ERR_ARGUMENT, "meter source `assumed:%.40s`: only one assumption can hold", watts);
    struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct assumed_state));
    if (!m) return ew_meter_list_add(list, NULL, err);
    ((struct assumed_state *)m->state)->watts = value;
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->boundary = EW_BOUNDARY_UNKNOWN;
    info->grade_ceiling = EW_GRADE_E;
    info->assumed = true;
    info->period_s = 0.1;
    info->documented = "the user's assumption; nothing was measured, so nothing can be proved";
    ew_meter_text(info->name, sizeof info->name, "assumed");
    ew_meter_text(info->source, sizeof info->source, "the user");
    ew_meter_text(info->covers, sizeof info->covers, "an assumption, not a measurement: a constant %.6g W", value);
    ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "assumed");
    m->channels[0].in_total = true;
    return ew_meter_list_add(list, m, err);
}
