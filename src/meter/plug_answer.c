/* Owns the forms in which Shelly and Tasmota plugs tell their power. Takes the power and never the energy counter,
 * whose steps are 0.1 Wh and more (360 J); a zero of a relay that has no meter, or is off, is no reading. Sources:
 * Shelly API documentation (Gen2: Switch, PM1, EM1; Gen1: /status), Tasmota documentation (Status 10). */
#include "meter/plug_answer.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* No plug's contacts carry more; an offset may push nothing a little below zero. */
static const double max_power_w = 2e4, min_power_w = -1;
enum { MOST_DECIMALS = 6 };

void ew_plug_path(enum ew_plug_form form, int channel, char *buf, size_t capacity) {
    static const char *const components[] = {"Switch", "PM1", "EM1"};
    int id = channel == EW_PLUG_NO_CHANNEL ? 0 : channel;
    if (form == EW_PLUG_FORM_TASMOTA)
        snprintf(buf, capacity, "/cm?cmnd=Status%%2010");
    else if (form == EW_PLUG_FORM_STATUS)
        snprintf(buf, capacity, "/status");
    else
        snprintf(buf, capacity, "/rpc/%s.GetStatus?id=%d", components[form], id);
}

__attribute__((format(printf, 3, 4))) static enum ew_meter_reason
refuse(struct ew_plug_refusal *why, enum ew_meter_reason reason, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    why->remedy[0] = 0;
    return reason;
}

/* The decimals that stand behind `"key":` in the text, the most of all places: of [12, 3.5] one. */
static int decimals_of(const char *text, size_t n, const char *key) {
    size_t k = strlen(key);
    int most = 0;
    for (size_t i = 0; i + k + 2 < n; i++) {
        if (text[i] != '"' || strncmp(text + i + 1, key, k) != 0 || text[i + k + 1] != '"') continue;
        int decimals = -1; /* before the point */
        for (size_t p = i + k + 2; p < n && (isdigit((unsigned char)text[p]) || strchr(" \t\r\n:[,.+-", text[p]));
             p++) {
            if (text[p] == '.')
                decimals = 0;
            else if (!isdigit((unsigned char)text[p]))
                decimals = -1;
            else if (decimals >= 0 && decimals < MOST_DECIMALS)
                most = ++decimals > most ? decimals : most;
        }
    }
    return most;
}

static enum ew_meter_reason take_power(const json_t *value, const char *key, const char *text, size_t n,
                                       struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    if (json_is_null(value)) return refuse(why, EW_METER_IO_ERROR, "its meter gives no value now (%s is null)", key);
    if (!json_is_number(value)) return refuse(why, EW_METER_IO_ERROR, "%s is not a number", key);
    double watts = json_number_value(value);
    if (!isfinite(watts) || watts > max_power_w)
        return refuse(why, EW_METER_IMPLAUSIBLE, "%s is %.4g W, which no plug can carry", key, watts);
    if (watts < min_power_w)
        return refuse(why, EW_METER_IMPLAUSIBLE,
                      "%s is %.4g W: less than nothing; is it a feed-in, or a clamp the wrong way round?", key, watts);
    out->power_w = watts;
    out->resolution_w = pow(10, -decimals_of(text, n, key));
    return EW_METER_USABLE;
}

static enum ew_meter_reason relay_off(struct ew_plug_refusal *why) {
    refuse(why, EW_METER_NOT_NOW, "its relay is off: whatever runs now is not fed through it");
    snprintf(why->remedy, sizeof why->remedy, "plug this computer in there, and switch the relay on");
    return EW_METER_NOT_NOW;
}

/* "errors": ["power_meter_failure", "out_of_range:active_power"] */
static const char *meter_error(const json_t *root) {
    const json_t *errors = json_object_get(root, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *one = json_string_value(json_array_get(errors, i));
        if (one && (strncmp(one, "power_meter", 11) == 0 || strncmp(one, "out_of_range", 12) == 0)) return one;
    }
    return NULL;
}

static enum ew_meter_reason parse_component(enum ew_plug_form form, const json_t *root, const char *text, size_t n,
                                            struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    const char *key = form == EW_PLUG_FORM_EM1 ? "act_power" : "apower", *error = meter_error(root);
    const json_t *power = json_object_get(root, key);
    const char *message = json_string_value(json_object_get(root, "message"));
    if (!power && message) return refuse(why, EW_METER_ABSENT, "it says: %.80s", message);
    if (!power) return refuse(why, EW_METER_UNSUPPORTED, "this relay has no meter (its answer has no %s)", key);
    if (error) return refuse(why, EW_METER_IO_ERROR, "its meter reports %.80s", error);
    if (json_is_false(json_object_get(root, "output"))) return relay_off(why);
    return take_power(power, key, text, n, out, why);
}

/* First generation: "meters" of relays, "emeters" of clamps. A Shelly 1 has no meter and shows there what its owner
 * typed; it is told by the missing total. */
static enum ew_meter_reason parse_status(int channel, const json_t *root, const char *text, size_t n,
                                         struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    size_t id = channel == EW_PLUG_NO_CHANNEL ? 0 : (size_t)channel;
    const json_t *clamps = json_object_get(root, "emeters"), *meters = json_object_get(root, "meters");
    const json_t *list = json_array_size(clamps) ? clamps : meters, *meter = json_array_get(list, id);
    if (!json_array_size(list))
        return refuse(why, EW_METER_UNSUPPORTED, "it has no meter (neither meters nor emeters in its status)");
    if (!meter)
        return refuse(why, EW_METER_ABSENT, "it has no channel %zu; its channels are 0 to %zu", id,
                      json_array_size(list) - 1);
    if (!json_object_get(meter, "total"))
        return refuse(why, EW_METER_UNSUPPORTED, "this relay has no meter: its power is a constant that its owner set");
    if (json_is_false(json_object_get(meter, "is_valid")))
        return refuse(why, EW_METER_IO_ERROR, "it says that its reading is not valid");
    const json_t *relay = json_array_get(json_object_get(root, "relays"), id);
    if (list == meters && json_is_false(json_object_get(relay, "ison"))) return relay_off(why);
    return take_power(json_object_get(meter, "power"), "power", text, n, out, why);
}

/* Several channels give an array; which of them feeds this computer only the user knows. */
static enum ew_meter_reason parse_tasmota(int channel, const json_t *root, const char *text, size_t n,
                                          struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    const json_t *sensors = json_object_get(root, "StatusSNS"), *energy = json_object_get(sensors, "ENERGY");
    if (!sensors) {
        const char *warning = json_string_value(json_object_get(root, "WARNING"));
        if (warning) return refuse(why, EW_METER_PERMISSION, "it asks for a password (%.80s)", warning);
        return refuse(why, EW_METER_IO_ERROR, "its answer has no StatusSNS");
    }
    const json_t *power = json_object_get(energy, "Power");
    if (!power) return refuse(why, EW_METER_UNSUPPORTED, "this module has no meter (no ENERGY in its status)");
    size_t several = json_is_array(power) ? json_array_size(power) : 1, id = channel > 0 ? (size_t)channel : 1;
    if (channel == 0 || id > several)
        return refuse(why, EW_METER_ABSENT, "it has no channel %d; Tasmota counts them from 1, here to %zu", channel,
                      several);
    if (channel == EW_PLUG_NO_CHANNEL && several > 1)
        return refuse(why, EW_METER_ABSENT, "it has %zu meters: say which one, as in tasmota:HOST/1", several);
    return take_power(json_is_array(power) ? json_array_get(power, id - 1) : power, "Power", text, n, out, why);
}

enum ew_meter_reason ew_plug_parse(enum ew_plug_form form, int channel, const char *text, size_t n,
                                   struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    json_error_t where;
    json_t *root = json_loadb(text, n, 0, &where);
    if (!json_is_object(root)) {
        char begin[41];
        size_t k = 0;
        for (; k < n && k < sizeof begin - 1; k++) begin[k] = text[k] >= ' ' && text[k] <= '~' ? text[k] : ' ';
        begin[k] = 0;
        json_decref(root);
        return refuse(why, EW_METER_IO_ERROR, "its answer is not the JSON that is expected: %s", begin);
    }
    enum ew_meter_reason reason;
    if (form == EW_PLUG_FORM_TASMOTA)
        reason = parse_tasmota(channel, root, text, n, out, why);
    else if (form == EW_PLUG_FORM_STATUS)
        reason = parse_status(channel, root, text, n, out, why);
    else
        reason = parse_component(form, root, text, n, out, why);
    json_decref(root);
    return reason;
}
