/* Owns how meters and figures look in JSON. Texts of sensors come from files of the machine and are cleaned here. */
#include "cli/meter_json.h"
#include "report/text_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

json_t *ew_meter_json_number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

void ew_meter_json_put(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, ew_meter_json_number(value));
}

json_t *ew_meter_json_text(const char *text) {
    char *clean = text ? ew_text_clean(text) : NULL;
    json_t *out = clean ? json_string(clean) : json_null();
    free(clean);
    return out;
}

static json_t *positive(double value) { return value > 0 ? ew_meter_json_number(value) : json_null(); }

json_t *ew_meter_json_info(const struct ew_meter_info *info) {
    bool energy = info->quantity == EW_METER_ENERGY;
    json_t *o = json_object(), *channels = json_array();
    json_object_set_new(o, "name", ew_meter_json_text(info->name));
    json_object_set_new(o, "quantity", json_string(ew_meter_quantity_name(info->quantity)));
    json_object_set_new(o, "usable", json_boolean(info->reason == EW_METER_USABLE));
    json_object_set_new(o, "reason", json_string(ew_meter_reason_name(info->reason)));
    json_object_set_new(o, "reason_text", ew_meter_json_text(info->reason_text));
    json_object_set_new(o, "remedy", ew_meter_json_text(info->remedy));
    json_object_set_new(o, "kind", json_string(ew_meter_kind_name(info->kind)));
    json_object_set_new(o, "unit", json_string(ew_meter_unit_name(info)));
    json_object_set_new(o, "boundary", json_string(ew_meter_boundary_name(info->boundary)));
    json_object_set_new(o, "covers", ew_meter_json_text(info->covers));
    json_object_set_new(o, "leaves_out", ew_meter_json_text(info->leaves_out));
    json_object_set_new(o, "period_s", positive(info->period_s));
    json_object_set_new(o, "resolution", positive(info->resolution));
    json_object_set_new(o, "range_max", positive(info->range_max));
    json_object_set_new(o, "averaging_s", positive(info->averaging_s));
    json_object_set_new(o, "error_relative", ew_meter_json_number(info->error_relative));
    json_object_set_new(o, "stamp_error_s", positive(info->stamp_error_s));
    json_object_set_new(o, "clock_drift", positive(info->clock_drift));
    json_object_set_new(o, "documented", ew_meter_json_text(info->documented));
    json_object_set_new(o, "grade_ceiling",
                        energy ? json_string(ew_trust_grade_name(info->grade_ceiling)) : json_null());
    if (energy) json_object_set_new(o, "assumed", json_boolean(info->assumed));
    json_object_set_new(o, "source", ew_meter_json_text(info->source));
    for (size_t i = 0; i < info->n_channels; i++) {
        const struct ew_meter_channel *c = &info->channels[i];
        json_t *channel = json_object();
        json_object_set_new(channel, "name", ew_meter_json_text(c->name));
        if (energy) json_object_set_new(channel, "in_total", json_boolean(c->in_total));
        if (energy) json_object_set_new(channel, "wrap", positive(c->wrap));
        json_array_append_new(channels, channel);
    }
    json_object_set_new(o, "channels", channels);
    return o;
}

json_t *ew_meter_json_energy(const struct ew_energy *e) {
    bool told = e->grade != EW_GRADE_NONE;
    json_t *o = json_object();
    json_object_set_new(o, "energy_j", ew_meter_json_number(told ? e->energy_j : NAN));
    json_object_set_new(o, "error_j", ew_meter_json_number(told ? e->error_j : NAN));
    json_object_set_new(o, "net_j", ew_meter_json_number(told ? e->net_j : NAN));
    json_object_set_new(o, "net_error_j", ew_meter_json_number(told ? e->net_error_j : NAN));
    json_object_set_new(o, "average_w", ew_meter_json_number(told ? e->average_w : NAN));
    json_object_set_new(o, "peak_w", ew_meter_json_number(told ? e->peak_w : NAN));
    json_object_set_new(o, "duration_s", ew_meter_json_number(e->duration_s));
    json_object_set_new(o, "grade", json_string(ew_trust_grade_name(e->grade)));
    json_object_set_new(o, "grade_reason", ew_meter_json_text(e->grade_reason));
    json_object_set_new(o, "update_period_s", ew_meter_json_number(e->update_period_s));
    json_object_set_new(o, "samples", json_integer(e->samples));
    json_object_set_new(o, "updates", json_integer(e->updates));
    json_object_set_new(o, "duplicates", json_integer(e->duplicates));
    json_object_set_new(o, "missing", json_integer(e->missing));
    return o;
}

bool ew_meter_json_print(json_t *object, bool indented, FILE *out) {
    size_t flags = (indented ? JSON_INDENT(2) : JSON_COMPACT) | JSON_REAL_PRECISION(9);
    bool ok = object && json_dumpf(object, out, flags) == 0 && fputc('\n', out) != EOF;
    json_decref(object);
    return ok;
}
