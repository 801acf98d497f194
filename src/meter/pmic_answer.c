/* Owns the form of the answer to `pmic_read_adc`. Tolerates blanks, order, unknown rails and missing lines; a value
 * that is no number, stands twice or lies outside what the chip can see is missing, never guessed. Which rails matter:
 * pi_pmic.c. */
#include "meter/pmic_answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* VDD_CORE has been seen at 11 A and EXT5V at 5.1 V; what is far beyond is no reading. */
static const double max_amps = 100, max_volts = 30, min_value = -0.1; /* below 0: a converter's offset */

static struct ew_pmic_rail *rail_of(struct ew_pmic_answer *a, const char *name, size_t length) {
    for (size_t i = 0; i < a->n; i++)
        if (strlen(a->rails[i].name) == length && strncmp(a->rails[i].name, name, length) == 0) return &a->rails[i];
    if (a->n == EW_PMIC_MAX_RAILS) return NULL;
    struct ew_pmic_rail *r = &a->rails[a->n++];
    memcpy(r->name, name, length);
    r->name[length] = 0;
    r->volts = r->amps = NAN;
    return r;
}

/* digits[.digits] with an optional sign, then the unit, then nothing. */
static bool parse_value(const char *text, size_t length, char unit, double *out) {
    char number[32];
    if (length < 2 || length > sizeof number || text[length - 1] != unit) return false;
    memcpy(number, text, length - 1);
    number[length - 1] = 0;
    if (strspn(number, "+-.0123456789") != length - 1) return false;
    char *end;
    *out = strtod(number, &end);
    return *end == 0 && end != number;
}

static void put(double *place, unsigned *said, double value, double max) {
    bool possible = value >= min_value && value <= max;
    *place = ++*said == 1 && possible ? value : NAN;
}

/* One line without white space at its ends: NAME_A current(N)=VALUE_A, or NAME_V volt(N)=VALUE_V. */
static bool parse_line(const char *line, size_t length, struct ew_pmic_answer *out) {
    size_t name = strcspn(line, " \t");
    const char *equals = memchr(line, '=', length);
    if (name >= length || name < 3 || name - 2 >= EW_PMIC_NAME_BYTES || !equals || line[name - 2] != '_') return false;
    char unit = line[name - 1];
    const char *kind = line + name + strspn(line + name, " \t");
    if (!(unit == 'A' && strncmp(kind, "current(", 8) == 0) && !(unit == 'V' && strncmp(kind, "volt(", 5) == 0))
        return false;
    double value;
    if (!parse_value(equals + 1, length - (size_t)(equals + 1 - line), unit, &value)) return false;
    struct ew_pmic_rail *r = rail_of(out, line, name - 2);
    if (!r) return false;
    if (unit == 'A')
        put(&r->amps, &r->amps_said, value, max_amps);
    else
        put(&r->volts, &r->volts_said, value, max_volts);
    return true;
}

bool ew_pmic_parse(const char *text, struct ew_pmic_answer *out) {
    *out = (struct ew_pmic_answer){0};
    size_t good = 0;
    for (const char *line = text; *line;) {
        line += strspn(line, " \t\r\n");
        size_t length = strcspn(line, "\r\n"), next = length;
        while (length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t')) length--;
        if (length > 0) {
            bool fits = parse_line(line, length, out);
            good += fits;
            out->n_strange += !fits;
        }
        line += next;
    }
    return good > 0;
}

const struct ew_pmic_rail *ew_pmic_find(const struct ew_pmic_answer *answer, const char *name) {
    for (size_t i = 0; i < answer->n; i++)
        if (strcmp(answer->rails[i].name, name) == 0) return &answer->rails[i];
    return NULL;
}

double ew_pmic_power_w(const struct ew_pmic_rail *rail) { return rail ? rail->volts * rail->amps : NAN; }
