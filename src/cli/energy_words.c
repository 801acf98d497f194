/* Owns the sentence about an energy figure that the commands of `edgewise meter` print. */
#include "cli/energy_words.h"
#include "insight/words.h"

#include <math.h>
#include <stdio.h>

void ew_energy_value(char *buf, size_t capacity, double value, double error) {
    char number[EW_NUMBER_SIZE], half[EW_NUMBER_SIZE];
    int decimals = ew_words_decimals(value, error);
    ew_words_number(number, value, decimals);
    if (!isfinite(value) || !isfinite(error) || error <= 0) {
        snprintf(buf, capacity, "%s", number);
        return;
    }
    double step = pow(10, -decimals);
    ew_words_number(half, error < step / 2 ? step : error, decimals);
    snprintf(buf, capacity, "%s ± %s%s", number, error < step / 2 ? "<" : "", half);
}

void ew_energy_words(char *buf, size_t capacity, const struct ew_energy *e, const struct ew_meter_info *info) {
    char value[2 * EW_NUMBER_SIZE + 8];
    if (e->grade == EW_GRADE_NONE) {
        snprintf(buf, capacity, "no figure: %s", e->grade_reason[0] ? e->grade_reason : "not measured");
    } else {
        ew_energy_value(value, sizeof value, e->energy_j, e->error_j);
        snprintf(buf, capacity, "%s J", value);
        ew_energy_value(value, sizeof value, e->net_j, e->net_error_j);
        if (isfinite(e->net_j)) ew_words_add(buf, capacity, " · %s J above idle", value);
        ew_energy_value(value, sizeof value, e->average_w, NAN);
        ew_words_add(buf, capacity, " · average %s W", value);
        ew_energy_value(value, sizeof value, e->peak_w, NAN);
        ew_words_add(buf, capacity, " · peak %s W · grade %s", value, ew_trust_grade_name(e->grade));
        if (e->grade_reason[0]) ew_words_add(buf, capacity, " (%s)", e->grade_reason);
    }
    if (!info) return;
    ew_words_add(buf, capacity, " · %s", info->name);
    if (info->covers[0]) ew_words_add(buf, capacity, ": %s", info->covers);
    if (info->boundary != EW_BOUNDARY_UNKNOWN)
        ew_words_add(buf, capacity, " (%s)", ew_meter_boundary_name(info->boundary));
    if (e->missing > 0) ew_words_add(buf, capacity, " · %u samples missing", e->missing);
}
