/* Owns the rules about energy meters: which one works and how far it can be believed, or why there is none and what to
 * do about it. */
#include "insight/doctor.h"

#include "insight/words.h"

#include <math.h>
#include <string.h>

static const struct ew_doctor_meter *chosen(const struct ew_doctor_facts *f) {
    for (size_t i = 0; i < f->n_meters; i++)
        if (f->meters[i].is_auto) return &f->meters[i];
    return NULL;
}

/* How soon a refusal's remedy would give a meter: rights first, then another state of the machine. 0 = no remedy. */
static int promise(const struct ew_meter_info *info) {
    if (info->quantity != EW_METER_ENERGY || !info->remedy[0]) return 0;
    if (info->reason == EW_METER_PERMISSION) return 3;
    return info->reason == EW_METER_NOT_NOW ? 2 : info->reason == EW_METER_DUPLICATE ? 0 : 1;
}

static const struct ew_meter_info *most_promising(const struct ew_doctor_facts *f) {
    const struct ew_meter_info *best = NULL;
    for (size_t i = 0; i < f->n_meters; i++) {
        const struct ew_meter_info *info = f->meters[i].info;
        if (info->reason != EW_METER_USABLE && promise(info) > (best ? promise(best) : 0)) best = info;
    }
    return best;
}

static bool energy_none(const struct ew_doctor_facts *f, struct ew_doctor_finding *out) {
    static const char prefix[] = "no energy figure: ";
    const struct ew_meter_info *hope = most_promising(f);
    const char *reason = f->energy_none ? f->energy_none : "no meter that may be taken";
    if (strncmp(reason, prefix, sizeof prefix - 1) == 0) reason += sizeof prefix - 1;
    ew_doctor_say(out, EW_DOCTOR_PROBLEM, "none, runs here have no joules: %s", reason);
    if (hope)
        ew_doctor_remedy(out, "%s", hope->remedy);
    else
        ew_doctor_remedy(out, "a plug or a meter of your own: --meter-source shelly:HOST, tasmota:HOST or log:FILE");
    return true;
}

static bool energy_meter(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                         struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_doctor_meter *meter = chosen(f);
    if (!meter) return energy_none(f, out);
    const struct ew_meter_info *info = meter->info;
    bool weak = info->grade_ceiling <= EW_GRADE_D;
    ew_doctor_say(out, weak ? EW_DOCTOR_WARNING : EW_DOCTOR_OK, "%s: %.100s (%s), grade %s at best", info->name,
                  info->covers[0] ? info->covers : "not described",
                  info->boundary == EW_BOUNDARY_UNKNOWN ? "place on the board unknown"
                                                        : ew_meter_boundary_name(info->boundary),
                  ew_trust_grade_name(info->grade_ceiling));
    if (info->leaves_out[0]) ew_doctor_add(out, "; leaves out %.120s", info->leaves_out);
    char watts[EW_NUMBER_SIZE];
    ew_words_number(watts, meter->now, -1);
    if (isfinite(meter->now)) ew_doctor_add(out, " · now %s W", watts);
    if (weak) ew_doctor_remedy(out, "a meter that measures: --meter-source shelly:HOST, tasmota:HOST or log:FILE");
    return true;
}

/* Another meter is only a command away, and would see more of the machine or give a better grade. */
static bool energy_better(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    const struct ew_doctor_meter *meter = chosen(f);
    const struct ew_meter_info *hope = most_promising(f);
    if (!meter || !hope || hope->reason != EW_METER_PERMISSION) return false;
    ew_doctor_remedy(out, "%s", hope->remedy);
    return ew_doctor_say(out, EW_DOCTOR_NOTE, "%s could be read as well: %s", hope->name, hope->reason_text);
}

/* Nothing is corrected unless somebody asks; who took a calibration may have forgotten it. */
static bool energy_calibration(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                               struct ew_doctor_finding *out) {
    (void)before;
    size_t n = 0;
    for (size_t i = 0; i < f->n_meters; i++) {
        const struct ew_doctor_meter *m = &f->meters[i];
        if (!m->calibration[0]) continue;
        if (n++ == 0)
            ew_doctor_say(out, EW_DOCTOR_NOTE, "%s: %.200s", m->info->name, m->calibration);
        else
            ew_doctor_add(out, "; %s: %.200s", m->info->name, m->calibration);
    }
    if (n > 0)
        ew_doctor_remedy(out, "add --calibration auto to the command that measures, or EDGEWISE_CALIBRATION=auto");
    return n > 0;
}

/* USB allows 4.75 V at the board; the firmware itself speaks up below about 4.63 V. */
static bool power_voltage(const struct ew_doctor_facts *f, const struct ew_doctor_findings *before,
                          struct ew_doctor_finding *out) {
    (void)before;
    const double least_v = 4.75;
    for (size_t i = 0; i < f->n_meters; i++) {
        const struct ew_doctor_meter *m = &f->meters[i];
        if (m->info->quantity != EW_METER_VOLTAGE || strcmp(m->info->name, "pi-supply") != 0 || !(m->now > 0)) continue;
        bool low = m->now < least_v;
        if (low) ew_doctor_remedy(out, "use the maker's power supply (27 W for a Pi 5) and a short, thick cable");
        return ew_doctor_say(out, low ? EW_DOCTOR_WARNING : EW_DOCTOR_OK, "%.2f V at the 5 V input%s", m->now,
                             low ? ", below 4.75 V" : "");
    }
    return false;
}

static const struct ew_doctor_rule rules[] = {
    {"energy.meter", "energy",
     "without a meter there are no joules, and a meter counts only what lies inside its boundary", false, energy_meter},
    {"energy.better", "meters", "a second meter shows what the first leaves out", false, energy_better},
    {"energy.calibration", "calibration", "a correction that was taken on this board is not used by itself", false,
     energy_calibration},
    {"power.voltage", "supply voltage", "a supply that gives way makes the firmware lower the clock", true,
     power_voltage},
};
const struct ew_doctor_rules ew_doctor_energy_rules = {sizeof rules / sizeof *rules, rules};
