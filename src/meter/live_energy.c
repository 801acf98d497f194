/* Owns counting joules sample by sample: trapezoids of a power meter, unwrapped differences of a counter. It gives no
 * interval and no grade, which need the whole trace: integrate.c. */
#include "meter/live_energy.h"
#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ew_live_energy {
    const struct ew_meter_info *info;
    struct ew_live_figures figures;
    int64_t update_ns; /* counter: when the reading changed last */
    double last_w;
    bool any;
    double last[]; /* [n_channels] */
};

enum ew_status ew_live_energy_open(const struct ew_meter_info *info, struct ew_live_energy **out,
                                   struct ew_error *err) {
    bool any = false;
    for (size_t c = 0; c < info->n_channels; c++) any |= info->channels[c].in_total;
    if (info->quantity != EW_METER_ENERGY || !any)
        return ew_error_set(err, EW_ERR_ARGUMENT, "meter %s: it has no energy to count", info->name);
    struct ew_live_energy *live = calloc(1, sizeof *live + info->n_channels * sizeof *live->last);
    if (!live) return ew_error_set(err, EW_ERR_MEMORY, "meter %s: out of memory", info->name);
    live->info = info;
    live->figures.power_w = live->figures.peak_w = NAN;
    *out = live;
    return EW_OK;
}

void ew_live_energy_close(struct ew_live_energy **live) {
    if (!live) return;
    free(*live);
    *live = NULL;
}

static double total(const struct ew_meter_info *info, const double *values) {
    double sum = 0;
    for (size_t c = 0; c < info->n_channels; c++)
        if (info->channels[c].in_total) sum += values[c];
    return sum;
}

static void see_power(struct ew_live_energy *live, int64_t time_ns, double watts) {
    struct ew_live_figures *f = &live->figures;
    if (live->any) f->energy_j += 0.5 * (live->last_w + watts) * (double)(time_ns - f->last_ns) * 1e-9;
    live->last_w = f->power_w = watts;
    f->peak_w = fmax(f->peak_w, watts);
}

static void see_counter(struct ew_live_energy *live, int64_t time_ns, const double *values) {
    const struct ew_meter_info *info = live->info;
    struct ew_live_figures *f = &live->figures;
    double joules = 0;
    for (size_t c = 0; live->any && c < info->n_channels; c++) {
        if (!info->channels[c].in_total) continue;
        double step = values[c] - live->last[c];
        joules += step < 0 ? fmax(step + info->channels[c].wrap, 0) : step; /* a reset without range adds nothing */
    }
    memcpy(live->last, values, info->n_channels * sizeof *values);
    if (!live->any) live->update_ns = time_ns;
    if (joules <= 0) return;
    f->energy_j += joules;
    f->power_w = joules / ((double)(time_ns - live->update_ns) * 1e-9);
    f->peak_w = fmax(f->peak_w, f->power_w);
    live->update_ns = time_ns;
}

void ew_live_energy_feed(struct ew_live_energy *live, const int64_t *times_ns, const double *values, size_t n) {
    struct ew_live_figures *f = &live->figures;
    for (size_t i = 0; i < n; i++) {
        const double *v = values + i * live->info->n_channels;
        double sum = total(live->info, v);
        if (isnan(sum) || (live->any && times_ns[i] <= f->last_ns)) continue;
        if (live->info->kind == EW_METER_COUNTER)
            see_counter(live, times_ns[i], v);
        else
            see_power(live, times_ns[i], sum);
        if (!live->any) f->first_ns = times_ns[i];
        live->any = true;
        f->last_ns = times_ns[i];
    }
}

struct ew_live_figures ew_live_energy_figures(const struct ew_live_energy *live) {
    return live->figures;
}
