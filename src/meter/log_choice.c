/* Owns the grammar of what a user says about a log: `FILE?key=value&key=value`. */
#include "base/error.h"
#include "meter/driver.h"
#include "meter/log_time.h"
#include "meter/power_log.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool take_word(const char *value, char *out, size_t capacity) {
    if (!*value || strlen(value) >= capacity) return false;
    ew_meter_text(out, capacity, "%s", value);
    return true;
}

static bool take_one_of(const char *value, const char *const *words, size_t n, size_t *out) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(value, words[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static bool take_boundary(const char *value, enum ew_meter_boundary *out) {
    for (int b = EW_BOUNDARY_CORE; b <= EW_BOUNDARY_WALL; b++)
        if (strcmp(value, ew_meter_boundary_name((enum ew_meter_boundary)b)) == 0) {
            *out = (enum ew_meter_boundary)b;
            return true;
        }
    return false;
}

static bool take_grade(const char *value, enum ew_trust_grade *out) {
    for (int g = EW_GRADE_E; g <= EW_GRADE_A; g++)
        if (strcmp(value, ew_trust_grade_name((enum ew_trust_grade)g)) == 0) {
            *out = (enum ew_trust_grade)g;
            return true;
        }
    return false;
}

/* 0.5% or 0.005 */
static bool take_share(const char *value, double *out) {
    char text[32];
    size_t n = strlen(value);
    bool percent = n > 0 && value[n - 1] == '%';
    ew_meter_text(text, sizeof text, "%.*s", (int)(n - percent), value);
    if (n > 16 || !ew_log_number_parse(text, out)) return false;
    if (percent) *out /= 100;
    return *out >= 0 && *out < 1;
}

static bool take_seconds(const char *value, double *out) {
    return ew_log_number_parse(value, out) && *out > 0 && *out <= 3600;
}

static bool take_power(const char *value, struct ew_log_choice *c) {
    return c->n_power < EW_LOG_MAX_CHANNELS && take_word(value, c->power[c->n_power], sizeof c->power[0]) &&
           ++c->n_power;
}

static bool take_key(const char *key, const char *value, struct ew_log_choice *c, bool *known) {
    static const char *const units[] = {"W", "mW", "uW", "kW", "J", "mJ", "Wh", "mWh", "kWh"};
    static const char *const time_units[] = {"s", "ms", "us", "ns"};
    size_t i;
    *known = true;
    if (strcmp(key, "name") == 0) return take_word(value, c->name, sizeof c->name);
    if (strcmp(key, "time") == 0) return take_word(value, c->time, sizeof c->time);
    if (strcmp(key, "power") == 0) return take_power(value, c);
    if (strcmp(key, "energy") == 0) return take_word(value, c->energy, sizeof c->energy);
    if (strcmp(key, "volts") == 0) return take_word(value, c->volts, sizeof c->volts);
    if (strcmp(key, "amps") == 0) return take_word(value, c->amps, sizeof c->amps);
    if (strcmp(key, "unit") == 0) return take_one_of(value, units, 9, &i) && take_word(value, c->unit, sizeof c->unit);
    if (strcmp(key, "time_unit") == 0)
        return take_one_of(value, time_units, 4, &i) && take_word(value, c->time_unit, sizeof c->time_unit);
    if (strcmp(key, "interval") == 0) return take_seconds(value, &c->interval_s);
    if (strcmp(key, "averaging") == 0) return take_seconds(value, &c->averaging_s);
    if (strcmp(key, "clock") == 0) return c->clock_is_here = strcmp(value, "here") == 0;
    if (strcmp(key, "boundary") == 0) return take_boundary(value, &c->boundary);
    if (strcmp(key, "grade") == 0) return take_grade(value, &c->grade);
    if (strcmp(key, "error") == 0) return take_share(value, &c->error_relative);
    *known = false;
    return false;
}

static enum ew_status take_option(const char *source, char *option, struct ew_log_choice *c, struct ew_error *err) {
    char *value = strchr(option, '=');
    bool known = false;
    if (value) *value++ = 0;
    if (value && take_key(option, value, c, &known)) return EW_OK;
    if (value && known)
        return ew_error_set(err, EW_ERR_ARGUMENT, "log `%s`: `%s` is no value for %s (docs/meters.md lists them)",
                            source, value, option);
    return ew_error_set(err, EW_ERR_ARGUMENT,
                        "log `%s`: `%s` is none of name, time, power, energy, volts, amps, unit, time_unit, interval, "
                        "averaging, clock, boundary, grade, error, each with =value",
                        source, option);
}

enum ew_status ew_log_choice_parse(const char *source, struct ew_log_choice *out, struct ew_error *err) {
    struct ew_log_choice c = {.interval_s = NAN, .averaging_s = NAN, .error_relative = NAN};
    const char *mark = strrchr(source, '?');
    size_t path = mark ? (size_t)(mark - source) : strlen(source);
    if (path == 0 || path >= sizeof c.path)
        return ew_error_set(err, EW_ERR_ARGUMENT, "log `%.200s`: needs a file name of 1 to %zu bytes", source,
                            sizeof c.path - 1);
    memcpy(c.path, source, path);
    char *options = strdup(mark ? mark + 1 : ""), *rest = options, *option;
    if (!options) return ew_error_set(err, EW_ERR_MEMORY, "log `%s`: out of memory", source);
    enum ew_status status = EW_OK;
    while (status == EW_OK && (option = strsep(&rest, "&")))
        if (*option) status = take_option(source, option, &c, err);
    free(options);
    if (status != EW_OK) return status;
    if (c.grade >= EW_GRADE_B && isnan(c.error_relative))
        return ew_error_set(err, EW_ERR_ARGUMENT, "log `%s`: grade %s needs the meter's error: error=0.5%%", source,
                            ew_trust_grade_name(c.grade));
    if (!c.volts[0] != !c.amps[0])
        return ew_error_set(err, EW_ERR_ARGUMENT, "log `%s`: volts and amps need each other", source);
    *out = c;
    return EW_OK;
}
