/* Owns the reading of stamps and numbers from log files. Digits are read exactly: a double cannot hold nanoseconds
 * since 1970. Refuses what no clock writes (month 13, second 61). */
#include "meter/log_time.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t second_ns = 1000000000;
static const int64_t lowest_ns = -1000000000000000000, highest_ns = 4000000000000000000;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* Between min and max digits at *text, which moves past them; -1 = not there. */
static int64_t take_digits(const char **text, int min, int max) {
    int64_t value = 0;
    int n = 0;
    for (; n < max && is_digit((*text)[n]); n++) value = value * 10 + ((*text)[n] - '0');
    if (n < min || is_digit((*text)[n])) return -1;
    *text += n;
    return value;
}

/* The digits after point or comma as a share of `one`; digits beyond its size are cut. */
static int64_t take_fraction(const char **text, int64_t one, bool *any) {
    *any = (**text == '.' || **text == ',') && is_digit((*text)[1]);
    if (!*any) return 0;
    int64_t value = 0;
    for (++*text; is_digit(**text); ++*text) {
        one /= 10;
        value += (**text - '0') * one;
    }
    return value;
}

static bool in_range(int64_t ns) { return ns >= lowest_ns && ns <= highest_ns; }

/* How many ns the unit has, and whether a stamp of this size counts from 1970: 1e8 s is March 1973, and nobody logs for
 * three years. */
static int64_t unit_ns(enum ew_log_time_unit unit, int64_t size, bool *epoch) {
    static const int64_t ns[] = {0, 1000000000, 1000000, 1000, 1};
    int64_t oldest = 100000000;
    *epoch = false;
    if (unit != EW_LOG_TIME_BY_SIZE) {
        *epoch = size >= oldest * (second_ns / ns[unit]);
        return ns[unit];
    }
    for (int u = EW_LOG_TIME_NS; u >= EW_LOG_TIME_S && !*epoch; u--) {
        unit = (enum ew_log_time_unit)u;
        *epoch = size >= oldest * (second_ns / ns[unit]);
    }
    return ns[unit];
}

static bool parse_number_stamp(const char *text, enum ew_log_time_unit unit, struct ew_log_stamp *out) {
    bool negative = *text == '-', fraction;
    if (*text == '-' || *text == '+') text++;
    int64_t whole = take_digits(&text, 1, 19), ns;
    if (whole < 0) return false;
    int64_t one = unit_ns(unit, whole, &out->epoch);
    if (__builtin_mul_overflow(whole, one, &ns)) return false;
    int64_t part = take_fraction(&text, one, &fraction);
    if (*text || __builtin_add_overflow(ns, part, &ns)) return false;
    out->time_ns = negative ? -ns : ns;
    out->whole = one == second_ns && !fraction;
    out->time_of_day = false;
    return in_range(out->time_ns);
}

/* HH:MM:SS[.fff]; seconds may be missing (HH:MM). */
static bool take_time_of_day(const char **text, int64_t *ns, bool *whole) {
    int64_t hour = take_digits(text, 1, 2);
    if (hour < 0 || hour > 23 || **text != ':') return false;
    ++*text;
    int64_t minute = take_digits(text, 2, 2), second = 0, part = 0;
    if (minute < 0 || minute > 59) return false;
    bool fraction = false;
    if (**text == ':') {
        ++*text;
        second = take_digits(text, 2, 2);
        if (second < 0 || second > 60) return false; /* 60: a leap second */
        part = take_fraction(text, second_ns, &fraction);
    }
    *ns = ((hour * 60 + minute) * 60 + second) * second_ns + part;
    *whole = !fraction;
    return true;
}

/* Seconds east of Greenwich. *local = no zone was written. */
static bool take_zone(const char **text, int64_t *east_s, bool *local) {
    while (**text == ' ') ++*text;
    *local = !**text;
    *east_s = 0;
    if (*local) return true;
    if (strcmp(*text, "Z") == 0 || strcmp(*text, "z") == 0 || strcmp(*text, "UTC") == 0) return true;
    int sign = **text == '+' ? 1 : **text == '-' ? -1 : 0;
    if (!sign) return false;
    ++*text;
    const char *at = *text;
    size_t digits = strspn(at, "0123456789");
    int64_t hours, minutes = 0;
    if (digits == 4 && !at[4]) {
        int64_t both = take_digits(&at, 4, 4);
        hours = both / 100;
        minutes = both % 100;
    } else {
        hours = take_digits(&at, 2, 2);
        if (*at == ':') {
            at++;
            minutes = take_digits(&at, 2, 2);
        }
    }
    if (*at || hours < 0 || hours > 15 || minutes < 0 || minutes > 59) return false;
    *east_s = sign * (hours * 3600 + minutes * 60);
    return true;
}

static bool take_date(const char **text, struct tm *tm) {
    int64_t first = take_digits(text, 2, 4);
    char mark = **text;
    if (first < 0 || (mark != '-' && mark != '/')) return false;
    ++*text;
    int64_t second = take_digits(text, 1, 2);
    if (second < 0 || **text != mark) return false;
    ++*text;
    bool year_first = first > 99;
    int64_t third = take_digits(text, year_first ? 1 : 4, year_first ? 2 : 4);
    int64_t year = year_first ? first : third, month = year_first ? second : first, day = year_first ? third : second;
    if (third < 0 || year < 1970 || year > 2096 || month < 1 || month > 12 || day < 1 || day > 31) return false;
    *tm = (struct tm){.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day, .tm_isdst = -1};
    return true;
}

static bool parse_date_stamp(const char *text, struct ew_log_stamp *out) {
    struct tm tm;
    int64_t day_ns, east_s;
    bool local;
    if (!take_date(&text, &tm) || (*text != 'T' && *text != 't' && *text != ' ')) return false;
    while (*text == ' ' || *text == 'T' || *text == 't') text++;
    if (!take_time_of_day(&text, &day_ns, &out->whole) || !take_zone(&text, &east_s, &local)) return false;
    int day = tm.tm_mday;
    tm.tm_hour = (int)(day_ns / second_ns / 3600);
    tm.tm_min = (int)(day_ns / second_ns / 60 % 60);
    tm.tm_sec = (int)(day_ns / second_ns % 60);
    int64_t seconds = local ? (int64_t)mktime(&tm) : (int64_t)timegm(&tm);
    if (tm.tm_mday != day && day > 28 && tm.tm_mday < 4) return false; /* 30 February */
    out->time_ns = (seconds - east_s) * second_ns + day_ns % second_ns;
    out->epoch = true;
    out->time_of_day = false;
    return in_range(out->time_ns);
}

bool ew_log_time_parse(const char *text, enum ew_log_time_unit unit, struct ew_log_stamp *out) {
    struct ew_log_stamp stamp = {0};
    const char *at = text;
    bool good;
    if (text[0] && strchr(text + 1, ':') && !strchr(text + 1, '-') && !strchr(text, '/')) {
        stamp.time_of_day = true;
        good = take_time_of_day(&at, &stamp.time_ns, &stamp.whole) && !*at;
    } else if (text[0] && (strchr(text + 1, '-') || strchr(text, '/'))) {
        good = strchr(text, ':') && parse_date_stamp(text, &stamp);
    } else {
        good = parse_number_stamp(text, unit, &stamp);
    }
    if (good) *out = stamp;
    return good;
}

bool ew_log_number_parse(const char *text, double *out) {
    char plain[48];
    size_t n = strlen(text), marks = 0;
    if (n == 0 || n >= sizeof plain) return false;
    for (size_t i = 0; i < n; i++) {
        bool mark = text[i] == '.' || text[i] == ',';
        if (!mark && !strchr("0123456789+-eE", text[i])) return false;
        marks += mark;
        plain[i] = mark ? '.' : text[i];
    }
    plain[n] = 0;
    char *end;
    double value = strtod(plain, &end);
    if (marks > 1 || *end || end == plain || !(fabs(value) < 1e15)) return false;
    *out = value;
    return true;
}
