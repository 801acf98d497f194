/* Owns the rules that grade an energy figure: each rule caps the grade, the lowest cap holds, and its words are the
 * reason. A figure that cannot be believed gets no grade, which means that it must not be printed. */
#include "meter/trust.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

static const double max_power_w = 5e3;
/* More than this share of the readings or of the time lost is too much. */
static const double lost_share = 0.1;

__attribute__((format(printf, 3, 4))) static void cap(struct ew_energy *e, enum ew_trust_grade grade,
                                                      const char *format, ...) {
    if (grade >= e->grade) return;
    e->grade = grade;
    va_list args;
    va_start(args, format);
    vsnprintf(e->grade_reason, sizeof e->grade_reason, format, args);
    va_end(args);
}

static void cap_by_meter(const struct ew_meter_info *info, struct ew_energy *e) {
    cap(e, info->grade_ceiling, "meter %s%s%s", info->name, info->leaves_out[0] ? " leaves out " : " allows no better",
        info->leaves_out);
    if (isnan(info->error_relative) && info->grade_ceiling >= EW_GRADE_C)
        cap(e, EW_GRADE_C, "the error of meter %s is not documented", info->name);
}

static void cap_by_window(const struct ew_meter_info *info, struct ew_energy *e) {
    double slowest = fmax(info->averaging_s, isnan(e->update_period_s) ? 0 : e->update_period_s);
    if (e->updates == 0) {
        e->below_resolution = e->samples < EW_TRUST_MIN_UPDATES;
        cap(e, EW_GRADE_NONE, "the reading stood still over the whole window (%u samples)", e->samples);
    } else if (e->updates < EW_TRUST_MIN_UPDATES || e->duration_s < EW_TRUST_MIN_UPDATES * slowest) {
        e->below_resolution = true;
        cap(e, EW_GRADE_NONE, "below sensor resolution: %.3g s hold %u updates; the sensor needs %d, or %.3g s",
            e->duration_s, e->updates, EW_TRUST_MIN_UPDATES, EW_TRUST_MIN_UPDATES * slowest);
    } else if (e->updates < EW_TRUST_GOOD_UPDATES) {
        cap(e, EW_GRADE_C, "only %u updates of the sensor in the window (%d are good)", e->updates,
            EW_TRUST_GOOD_UPDATES);
    }
}

static void cap_by_nonsense(const struct ew_meter_info *info, double absurd_value, struct ew_energy *e) {
    if (!(e->energy_j >= 0) || e->peak_w > max_power_w)
        cap(e, EW_GRADE_NONE, "the readings imply %.4g J and up to %.4g W, which cannot be", e->energy_j, e->peak_w);
    uint32_t read = e->samples + e->implausible;
    if (e->implausible > 0)
        cap(e, e->implausible > lost_share * read ? EW_GRADE_NONE : EW_GRADE_C,
            "%u of %u readings cannot be (%.4g, for one) and were left out", e->implausible, read, absurd_value);
    if (e->saturated > 0)
        cap(e, EW_GRADE_D,
            "saturated: %u of %u readings stand at the end of the sensor's range (%.4g W); a lower bound", e->saturated,
            e->samples, info->range_max);
}

/* A sensor that stops for much longer than its habit and goes on was not measuring. A counter may still have counted:
 * then the cell holds as much as its neighbours. */
static void cap_by_freeze(const struct ew_meter_info *info, const struct ew_energy_series *s, struct ew_energy *e) {
    if (e->updates == 0 || e->still_s <= s->still_limit_s) return;
    bool caught_up = info->kind == EW_METER_COUNTER && s->still_w >= 0.5 * e->average_w;
    bool much = e->still_s > lost_share * e->duration_s;
    cap(e, much && !caught_up ? EW_GRADE_NONE : EW_GRADE_C, "the meter stood still for %.3g of %.3g s%s", e->still_s,
        e->duration_s, caught_up ? " and then caught up" : "");
}

static void cap_by_data(struct ew_energy *e) {
    if (e->missing > lost_share * ((double)e->samples + e->missing))
        cap(e, EW_GRADE_C, "%u of %u samples are missing", e->missing, e->samples + e->missing);
    bool precise = e->samples >= EW_TRUST_A_SAMPLES && e->error_j <= 0.02 * e->energy_j;
    if (!precise)
        cap(e, EW_GRADE_B, "%u samples, interval ± %.2g %% (A needs %d and 2 %%)", e->samples,
            100 * e->error_j / e->energy_j, EW_TRUST_A_SAMPLES);
}

/* No rule about readings applies, as there are none. */
static void grade_assumption(struct ew_energy *e) {
    cap(e, EW_GRADE_E, "assumed: %.6g W stated by the user, not measured", e->average_w);
    if (!(e->energy_j >= 0)) cap(e, EW_GRADE_NONE, "assumed: %.4g J cannot be", e->energy_j);
}

void ew_trust_grade_of(const struct ew_meter_info *info, const struct ew_energy_series *s, struct ew_energy *e) {
    e->grade = EW_GRADE_A;
    e->below_resolution = false;
    e->grade_reason[0] = 0;
    if (info->assumed) {
        grade_assumption(e);
        return;
    }
    cap_by_meter(info, e);
    cap_by_window(info, e);
    cap_by_nonsense(info, s->absurd_value, e);
    cap_by_freeze(info, s, e);
    cap_by_data(e);
}
