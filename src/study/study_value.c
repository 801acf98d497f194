/* Owns reading and printing quantities with their units. Refuses a duration without one: 30 what? */
#include "study/study_value.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ew_value_parse_int(const char *text, int64_t *out) {
    char digits[32];
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '_' && n > 0 && p[1] >= '0' && p[1] <= '9') continue;
        bool sign = *p == '-' && n == 0;
        if ((!sign && (*p < '0' || *p > '9')) || n + 1 >= sizeof digits) return false;
        digits[n++] = *p;
    }
    digits[n] = 0;
    if (n == 0 || (n == 1 && *digits == '-')) return false;
    errno = 0;
    long long value = strtoll(digits, NULL, 10);
    if (errno) return false;
    *out = value;
    return true;
}

/* The number before the unit; *rest is the unit. strtod alone would take "inf", "nan" and "0x1p3". */
static bool split(const char *text, double *number, const char **rest) {
    size_t n = strspn(text, "0123456789.");
    char digits[32];
    if (n == 0 || n >= sizeof digits || *text == '.') return false;
    memcpy(digits, text, n);
    digits[n] = 0;
    char *end;
    *number = strtod(digits, &end);
    if (*end) return false;
    while (text[n] == ' ') n++;
    *rest = text + n;
    return true;
}

struct unit {
    const char *name;
    double size;
};

static bool parse_unit(const char *text, const struct unit *units, size_t n, double *value) {
    double number;
    const char *unit;
    if (!split(text, &number, &unit)) return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(unit, units[i].name) != 0) continue;
        *value = number * units[i].size;
        return true;
    }
    return false;
}
#define PARSE_UNIT(text, units, value) parse_unit(text, units, sizeof(units) / sizeof *(units), value)

bool ew_value_parse_duration(const char *text, double *seconds) {
    static const struct unit units[] = {{"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}};
    double number;
    const char *unit;
    if (split(text, &number, &unit) && *unit == 0 && number == 0) {
        *seconds = 0;
        return true;
    }
    return PARSE_UNIT(text, units, seconds);
}

bool ew_value_parse_size(const char *text, double *bytes) {
    static const struct unit units[] = {
        {"B", 1},    {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776},
        {"KB", 1e3}, {"MB", 1e6},   {"GB", 1e9},      {"TB", 1e12}};
    return PARSE_UNIT(text, units, bytes);
}

bool ew_value_parse_energy(const char *text, double *joules) {
    static const struct unit units[] = {{"J", 1}, {"kJ", 1e3}, {"MJ", 1e6}, {"mWh", 3.6}, {"Wh", 3600}, {"kWh", 3.6e6}};
    return PARSE_UNIT(text, units, joules);
}

bool ew_value_parse_frequency(const char *text, int64_t *hertz) {
    static const struct unit units[] = {{"kHz", 1e3}, {"MHz", 1e6}, {"GHz", 1e9}};
    double value;
    if (!PARSE_UNIT(text, units, &value) || value < 1 || value > 1e12) return false;
    *hertz = llround(value);
    return true;
}

bool ew_value_parse_celsius(const char *text, double *degrees) {
    static const struct unit units[] = {{"°C", 1}, {"C", 1}};
    return PARSE_UNIT(text, units, degrees);
}

bool ew_value_parse_percent(const char *text, double *fraction) {
    double number;
    const char *unit;
    if (!split(text, &number, &unit) || strcmp(unit, "%") != 0) return false;
    *fraction = number / 100;
    return true;
}

void ew_value_print_duration(double seconds, char *buf, int capacity) {
    long long s = llround(seconds);
    if (s >= 3600)
        snprintf(buf, (size_t)capacity, "%lld h %lld min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        snprintf(buf, (size_t)capacity, "%lld min %lld s", s / 60, s % 60);
    else if (seconds >= 9.95)
        snprintf(buf, (size_t)capacity, "%lld s", s);
    else
        snprintf(buf, (size_t)capacity, "%.1f s", seconds);
}

void ew_value_print_bytes(double bytes, char *buf, int capacity) {
    if (bytes >= 999.5e6)
        snprintf(buf, (size_t)capacity, "%.1f GB", bytes / 1e9);
    else
        snprintf(buf, (size_t)capacity, "%.0f MB", bytes / 1e6);
}

void ew_value_print_speed(double per_second, char *buf, int capacity) {
    if (isnan(per_second))
        snprintf(buf, (size_t)capacity, "–");
    else if (per_second >= 99.95)
        snprintf(buf, (size_t)capacity, "%.0f", per_second);
    else
        snprintf(buf, (size_t)capacity, "%.*f", per_second >= 9.995 ? 1 : per_second >= 0.9995 ? 2 : 3, per_second);
}
