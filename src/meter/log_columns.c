/* Owns recognising columns by their heads: power_w, power_in_mw, Watts, apower, Power [W], t_ms, Timestamp, voltage_V
 * and current_A … Refuses to choose between two power columns of equal standing: the user says which. */
#include "meter/log_columns.h"
#include "meter/driver.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_WORDS = 8, WORD_SIZE = 24 };

/* A head in words: "Power (mW)" is power mW; `unit` is what the last word would be as a unit. */
struct head {
    char word[MAX_WORDS][WORD_SIZE]; /* lower case; the micro sign is u */
    size_t n;
};

struct unit {
    const char *word;
    double scale;
};
static const struct unit power_units[] = {{"w", 1},     {"watt", 1}, {"watts", 1}, {"mw", 1e-3}, {"milliwatts", 1e-3},
                                          {"uw", 1e-6}, {"kw", 1e3}, {0}};
static const struct unit energy_units[] = {{"j", 1},     {"ws", 1},    {"joule", 1}, {"joules", 1},  {"mj", 1e-3},
                                           {"uj", 1e-6}, {"wh", 3600}, {"mwh", 3.6}, {"kwh", 3.6e6}, {0}};
static const struct unit volt_units[] = {{"v", 1}, {"volt", 1}, {"volts", 1}, {"mv", 1e-3}, {"uv", 1e-6}, {0}};
static const struct unit amp_units[] = {{"a", 1},       {"amp", 1},   {"amps", 1},  {"ampere", 1},
                                        {"amperes", 1}, {"ma", 1e-3}, {"ua", 1e-6}, {0}};
static const struct unit time_units[] = {
    {"s", 1},      {"sec", 1},          {"secs", 1},   {"second", 1},       {"seconds", 1},
    {"ms", 2},     {"msec", 2},         {"millis", 2}, {"milliseconds", 2}, {"us", 3},
    {"micros", 3}, {"microseconds", 3}, {"ns", 4},     {"nanoseconds", 4},  {0}};

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1])) text[--n] = 0;
    return text;
}

/* The end of one field; a quoted one loses its quotes (two inside stand for one). */
static char *cut_field(char *at, char delimiter, char **field) {
    char *write = *field = at;
    if (*at != '"') {
        while (*at && (delimiter == ' ' ? *at != ' ' && *at != '\t' : *at != delimiter)) at++;
        return at;
    }
    for (at++; *at && !(*at == '"' && at[1] != '"'); at++) {
        if (*at == '"') at++;
        *write++ = *at;
    }
    char *end = *at ? at + 1 : at;
    while (*end && *end != delimiter && !(delimiter == ' ' && *end == '\t')) end++;
    if (write < end) *write = 0;
    return end;
}

void ew_log_fields_split(char *line, char delimiter, struct ew_log_fields *out) {
    out->n = 0;
    for (char *at = line; out->n < EW_LOG_MAX_COLUMNS; at++) {
        at += strspn(at, delimiter == '\t' ? " " : " \t");
        if (delimiter == ' ' && !*at) return;
        char *field, *end = cut_field(at, delimiter, &field);
        bool last = !*end;
        *end = 0;
        out->at[out->n++] = trim(field);
        if (last) return;
        at = end;
    }
}

char ew_log_delimiter_of(const char *line) {
    return strchr(line, '\t') ? '\t' : strchr(line, ';') ? ';' : strchr(line, ',') ? ',' : ' ';
}

static void read_head(const char *text, struct head *h) {
    *h = (struct head){0};
    size_t n = 0;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        char letter = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        bool micro = (*c == 0xc2 && c[1] == 0xb5) || (*c == 0xce && c[1] == 0xbc);
        if (micro) {
            letter = 'u';
            c++;
        }
        bool part_of_word = (letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9');
        if (part_of_word && h->n < MAX_WORDS && n + 1 < WORD_SIZE) h->word[h->n][n++] = letter;
        if (!part_of_word && n > 0) {
            h->n++;
            n = 0;
        }
    }
    h->n += n > 0;
}

static bool has_word(const struct head *h, const char *words) {
    for (size_t i = 0; i < h->n; i++) {
        const char *at = strstr(words, h->word[i]);
        size_t n = strlen(h->word[i]);
        for (; at; at = strstr(at + 1, h->word[i]))
            if ((at == words || at[-1] == ' ') && (at[n] == ' ' || !at[n])) return true;
    }
    return false;
}

static bool all_words(const struct head *h, size_t n, const char *words) {
    for (size_t i = 0; i < n; i++) {
        struct head one = {.n = 1};
        memcpy(one.word[0], h->word[i], WORD_SIZE);
        if (!has_word(&one, words)) return false;
    }
    return n > 0;
}

/* The unit that the last word of a head is; 0 = it is none of these. */
static double unit_of(const struct head *h, const struct unit *units) {
    for (; h->n > 0 && units->word; units++)
        if (strcmp(h->word[h->n - 1], units->word) == 0) return units->scale;
    return 0;
}

static bool is_time(const struct head *h, enum ew_log_time_unit *unit) {
    static const char words[] = "time t timestamp ts stamp datetime date elapsed epoch unix unixtime local utc system "
                                "clock since start seconds";
    double u = unit_of(h, time_units);
    *unit = (enum ew_log_time_unit)(int)u;
    size_t n = h->n - (u > 0 && h->n > 1);
    return h->n > 0 && (all_words(h, n, words) || (u > 0 && h->n == 1));
}

/* 0 = no power column; larger = more likely the whole. */
static int power_rank(const struct head *h) {
    if (has_word(h, "factor limit cap max min maximum minimum reactive apparent state status on off source mode "
                    "avg average time va var"))
        return 0;
    if (!has_word(h, "power pwr watt watts apower")) {
        bool letter = h->n == 1 && has_word(h, "p w mw uw kw");
        return letter || (h->n == 2 && strcmp(h->word[0], "p") == 0 && unit_of(h, power_units) > 0) ? 2 : 0;
    }
    if (has_word(h, "total in sum wall input")) return 3;
    size_t n = h->n - (unit_of(h, power_units) > 0 && h->n > 1);
    return all_words(h, n, "power pwr watt watts apower active w mw") ? 2 : 1;
}

static bool is_volts(const struct head *h) {
    size_t n = h->n - (unit_of(h, volt_units) > 0 && h->n > 1);
    return all_words(h, n, "voltage volt volts vbus u v bus dc in");
}

static bool is_amps(const struct head *h) {
    size_t n = h->n - (unit_of(h, amp_units) > 0 && h->n > 1);
    return all_words(h, n, "current amp amps ampere amperes ibus i a bus dc in");
}

static bool is_energy(const struct head *h) {
    return has_word(h, "energy aenergy total consumption wh mwh kwh joules ws") && unit_of(h, energy_units) > 0;
}

/* A column that the user chose: its head, in any case, or its number. */
static bool find_chosen(const char *chosen, const struct ew_log_fields *fields, bool is_head, size_t *out) {
    for (size_t i = 0; is_head && i < fields->n; i++)
        if (strcasecmp(fields->at[i], chosen) == 0) {
            *out = i;
            return true;
        }
    size_t digits = strspn(chosen, "0123456789");
    if (digits == 0 || digits > 3 || chosen[digits]) return false;
    size_t number = (size_t)strtoul(chosen, NULL, 10);
    if (number < 1 || number > fields->n) return false;
    *out = number - 1;
    return true;
}

struct search {
    const struct ew_log_choice *choice;
    const struct ew_log_fields *fields;
    bool is_head;
    struct ew_log_columns *out;
    char *why;
};

static bool fail(const struct search *s, const char *what) {
    ew_meter_text(s->why, EW_METER_TEXT_SIZE, "%s", what);
    size_t used = strlen(s->why);
    for (size_t i = 0; s->is_head && i < s->fields->n && used < EW_METER_TEXT_SIZE; i++) {
        ew_meter_text(s->why + used, EW_METER_TEXT_SIZE - used, "%s%s", i ? ", " : " (columns: ", s->fields->at[i]);
        used = strlen(s->why);
    }
    if (s->is_head) ew_meter_text(s->why + used, EW_METER_TEXT_SIZE - used, ")");
    return false;
}

static double chosen_scale(const struct search *s, const struct unit *units, size_t column, double otherwise) {
    struct head h;
    read_head(s->choice->unit[0] ? s->choice->unit : s->is_head ? s->fields->at[column] : "", &h);
    double scale = unit_of(&h, units);
    return scale > 0 ? scale : otherwise;
}

static void add_value(const struct search *s, size_t column, double scale) {
    struct ew_log_columns *o = s->out;
    o->value[o->n] = column;
    o->scale[o->n] = scale;
    ew_meter_text(o->name[o->n], sizeof o->name[0], "%.60s", s->is_head ? s->fields->at[column] : "power");
    o->n++;
}

static bool find_time(const struct search *s) {
    struct ew_log_columns *o = s->out;
    static const char *const units[] = {"", "s", "ms", "us", "ns"};
    struct ew_log_stamp stamp;
    o->has_time = true;
    if (s->choice->time[0]) {
        if (!find_chosen(s->choice->time, s->fields, s->is_head, &o->time)) return fail(s, "no such time column");
        struct head h;
        read_head(s->fields->at[o->time], &h);
        if (s->is_head) is_time(&h, &o->time_unit);
    } else if (s->is_head) {
        size_t i = 0;
        struct head h;
        for (; i < s->fields->n; i++) {
            read_head(s->fields->at[i], &h);
            if (is_time(&h, &o->time_unit)) break;
        }
        o->has_time = i < s->fields->n;
        o->time = i;
    } else {
        o->has_time = ew_log_time_parse(s->fields->at[0], EW_LOG_TIME_BY_SIZE, &stamp) && s->fields->n > 1;
        o->time = 0;
    }
    for (int u = 1; u < 5; u++)
        if (strcmp(s->choice->time_unit, units[u]) == 0) o->time_unit = (enum ew_log_time_unit)u;
    return o->has_time || s->choice->interval_s > 0 || fail(s, "no time column");
}

/* A day in one column and the time of day in the next. */
static void find_date(const struct search *s) {
    struct ew_log_columns *o = s->out;
    if (!o->has_time || o->time + 1 >= s->fields->n || s->choice->time[0]) return;
    const char *first = s->fields->at[o->time], *second = s->fields->at[o->time + 1];
    bool split = s->is_head ? strcasecmp(first, "date") == 0 && strncasecmp(second, "time", 4) == 0
                            : !strchr(first, ':') && strspn(first, "0123456789") < strlen(first) &&
                                  strpbrk(first + 1, "-/") && strchr(second, ':');
    if (!split) return;
    o->has_date = true;
    o->date = o->time++;
}

static bool find_power_by_head(const struct search *s, bool *any) {
    int best = 0, equals = 0;
    size_t column = 0;
    for (size_t i = 0; i < s->fields->n; i++) {
        struct head h;
        read_head(s->fields->at[i], &h);
        int rank = power_rank(&h);
        if (rank == 0 || rank < best) continue;
        equals = rank == best ? equals + 1 : 1;
        if (rank > best) column = i;
        best = rank;
    }
    *any = best > 0;
    if (!*any) return true;
    if (equals > 1) return fail(s, "several power columns: say which, power=NAME");
    add_value(s, column, chosen_scale(s, power_units, column, 1));
    return true;
}

static bool find_one_by_head(const struct search *s, bool (*is)(const struct head *), size_t *column) {
    for (size_t i = 0; i < s->fields->n; i++) {
        struct head h;
        read_head(s->fields->at[i], &h);
        if (!is(&h) || (s->out->has_time && i == s->out->time)) continue;
        *column = i;
        return true;
    }
    return false;
}

static double own_scale(const struct search *s, const struct unit *units, size_t column) {
    struct head h;
    read_head(s->is_head ? s->fields->at[column] : "", &h);
    double scale = unit_of(&h, units);
    return scale > 0 ? scale : 1;
}

static void set_product(const struct search *s, size_t volts, size_t amps) {
    add_value(s, volts, own_scale(s, volt_units, volts) * own_scale(s, amp_units, amps));
    ew_meter_text(s->out->name[0], sizeof s->out->name[0], "volts x amps");
    s->out->is_product = true;
    s->out->amps = amps;
}

static bool take_chosen_values(const struct search *s) {
    const struct ew_log_choice *c = s->choice;
    size_t column, amps;
    for (size_t i = 0; i < c->n_power; i++) {
        if (!find_chosen(c->power[i], s->fields, s->is_head, &column)) return fail(s, "no such power column");
        add_value(s, column, chosen_scale(s, power_units, column, 1));
    }
    if (c->n_power > 0) return true;
    if (c->volts[0]) {
        if (!find_chosen(c->volts, s->fields, s->is_head, &column) ||
            !find_chosen(c->amps, s->fields, s->is_head, &amps))
            return fail(s, "no such column of volts or amps");
        set_product(s, column, amps);
        return true;
    }
    if (!find_chosen(c->energy, s->fields, s->is_head, &column)) return fail(s, "no such energy column");
    double scale = chosen_scale(s, energy_units, column, 0);
    if (scale <= 0) return fail(s, "the energy column names no unit: say unit=Wh or the like");
    add_value(s, column, scale);
    s->out->kind = EW_METER_COUNTER;
    return true;
}

static bool find_values(const struct search *s) {
    const struct ew_log_choice *c = s->choice;
    if (c->n_power > 0 || c->volts[0] || c->energy[0]) return take_chosen_values(s);
    if (!s->is_head) {
        size_t column = s->out->has_time ? s->out->time + 1 : 0;
        if (s->fields->n != column + 1) return fail(s, "no head, and not just a time and a power: say power=NUMBER");
        add_value(s, column, chosen_scale(s, power_units, column, 1));
        return true;
    }
    bool any;
    size_t column, amps;
    if (!find_power_by_head(s, &any)) return false;
    if (any) return true;
    if (find_one_by_head(s, is_volts, &column) && find_one_by_head(s, is_amps, &amps)) {
        set_product(s, column, amps);
        return true;
    }
    if (!find_one_by_head(s, is_energy, &column)) return fail(s, "no column of power, volts and amps, or energy");
    add_value(s, column, chosen_scale(s, energy_units, column, 1));
    s->out->kind = EW_METER_COUNTER;
    return true;
}

/* A line of data holds only numbers, stamps and the words for nothing; a head holds none of the former. */
static bool looks_like_data(const struct ew_log_fields *f) {
    struct ew_log_stamp stamp;
    double number;
    for (size_t i = 0; i < f->n; i++)
        if (ew_log_number_parse(f->at[i], &number) ||
            (strchr(f->at[i], ':') && ew_log_time_parse(f->at[i], EW_LOG_TIME_BY_SIZE, &stamp)))
            return true;
    return false;
}

enum ew_columns_found ew_log_columns_find(const struct ew_log_choice *choice, char delimiter,
                                          const struct ew_log_fields *fields, struct ew_log_columns *out, char *why) {
    struct ew_log_columns found = {.delimiter = delimiter, .kind = EW_METER_POWER};
    bool data = looks_like_data(fields);
    struct search s = {.choice = choice, .fields = fields, .is_head = !data, .out = &found, .why = why};
    enum ew_columns_found poor = data || fields->n < 2 ? EW_COLUMNS_NONE : EW_COLUMNS_POOR;
    if (!find_time(&s)) return poor;
    find_date(&s);
    if (!find_values(&s)) return poor;
    found.last = found.has_time ? found.time : 0;
    for (size_t i = 0; i < found.n; i++)
        if (found.value[i] > found.last) found.last = found.value[i];
    if (found.is_product && found.amps > found.last) found.last = found.amps;
    *out = found;
    return data ? EW_COLUMNS_DATA : EW_COLUMNS_HEAD;
}
