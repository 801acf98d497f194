/* Owns the plausibility test: a meter that does not move under load, or that says what cannot be, is refused with its
 * reason. Why a load: an honest power sensor may well stand still on an idle board. */
#include "meter/prove.h"
#include "base/error.h"
#include "meter/driver.h"
#include "meter/load_maker.h"

#include <math.h>
#include <stdlib.h>

/* Rest, then load, a few rounds; slow sensors get more. A power of 1 mW to 5 kW holds every machine this can run on. */
enum { REST_MS = 150, LOAD_MS = 350, MIN_ROUNDS = 6, MAX_ROUNDS = 40, BATCH = 16 };
static const double min_power_w = 1e-3, max_power_w = 5e3, slow_period_s = 1;

struct watch {
    double *values; /* [BATCH][n_channels] */
    double *first;  /* [n_channels], NAN until seen */
    double *last;
    int64_t *first_ns;
    uint32_t good, failed;
    bool changed, fell;
    double lowest_w, highest_w; /* of the total */
    char error[EW_METER_TEXT_SIZE];
};

static void see_power(struct watch *w, const struct ew_meter_info *info, const double *values) {
    double sum = 0;
    for (size_t c = 0; c < info->n_channels; c++)
        if (info->channels[c].in_total) sum += values[c];
    if (isnan(sum)) return;
    w->lowest_w = fmin(w->lowest_w, sum);
    w->highest_w = fmax(w->highest_w, sum);
    w->good++;
}

static void see(struct watch *w, const struct ew_meter_info *info, int64_t time_ns, const double *values) {
    bool any = false;
    for (size_t c = 0; c < info->n_channels; c++) {
        double v = values[c];
        if (isnan(v) || !info->channels[c].in_total) continue;
        any = true;
        if (isnan(w->first[c])) {
            w->first[c] = v;
            w->first_ns[c] = time_ns;
        } else if (v != w->last[c]) {
            w->changed = true;
            if (info->kind == EW_METER_COUNTER && v < w->last[c] && info->channels[c].wrap <= 0) w->fell = true;
        }
        w->last[c] = v;
    }
    if (info->kind == EW_METER_POWER)
        see_power(w, info, values);
    else if (any)
        w->good++;
}

static void watch_until(struct ew_meter *meter, struct watch *w, int64_t end_ns) {
    int64_t step = (int64_t)(meter->info.period_s * 1e9);
    if (step < 1000000) step = 1000000;
    if (step > 50000000) step = 50000000;
    for (int64_t now = ew_meter_now_ns(meter); now < end_ns; now = ew_meter_now_ns(meter)) {
        int64_t times[BATCH];
        size_t n = 0;
        struct ew_error e = {0};
        if (ew_meter_read(meter, times, w->values, BATCH, &n, &e) != EW_OK) {
            w->failed++;
            ew_meter_text(w->error, sizeof w->error, "%s", e.message);
            if (e.status == EW_ERR_NOT_FOUND) return;
        }
        for (size_t i = 0; i < n; i++) see(w, &meter->info, times[i], w->values + i * meter->info.n_channels);
        meter->clock.sleep_until_ns(meter->clock.context, now + step);
    }
}

/* A counter's mean power over the whole watch, wrapped at most once. */
static double counter_power_w(const struct ew_meter *meter, const struct watch *w, int64_t now) {
    double energy = 0, seconds = 0;
    for (size_t c = 0; c < meter->info.n_channels; c++) {
        const struct ew_meter_channel *channel = &meter->info.channels[c];
        if (!channel->in_total || isnan(w->first[c])) continue;
        double used = w->last[c] - w->first[c];
        if (used < 0 && channel->wrap > 0) used += channel->wrap;
        energy += used;
        seconds = fmax(seconds, (double)(now - w->first_ns[c]) * 1e-9);
    }
    return seconds > 0 ? energy / seconds : NAN;
}

static enum ew_status refuse(struct ew_meter *meter, enum ew_meter_reason reason, const char *text,
                             struct ew_error *err) {
    if (meter->info.reason == EW_METER_USABLE)
        ew_meter_refuse(meter, reason, text, "");
    else
        text = meter->info.reason_text; /* its driver knows better what happened */
    enum ew_status status = reason == EW_METER_IO_ERROR ? EW_ERR_IO : EW_ERR_NOT_FOUND;
    return ew_error_set(err, status, "meter %s: %s", meter->info.name, text);
}

static enum ew_status judge(struct ew_meter *meter, const struct watch *w, struct ew_error *err) {
    char text[EW_METER_TEXT_SIZE];
    if (meter->info.reason != EW_METER_USABLE) return refuse(meter, meter->info.reason, "", err);
    if (w->good == 0) {
        ew_meter_text(text, sizeof text, "%s", w->error[0] ? w->error : "gave no reading while it was watched");
        return refuse(meter, EW_METER_IO_ERROR, text, err);
    }
    if (!w->changed) return refuse(meter, EW_METER_FROZEN, "the reading stands still, even under load", err);
    if (w->fell) return refuse(meter, EW_METER_IMPLAUSIBLE, "the energy counter runs backwards", err);
    double low = w->lowest_w, high = w->highest_w;
    if (meter->info.kind == EW_METER_COUNTER) low = high = counter_power_w(meter, w, ew_meter_now_ns(meter));
    if (!(high >= min_power_w && high <= max_power_w && low >= 0)) {
        ew_meter_text(text, sizeof text, "%.4g to %.4g W cannot be (1 mW to 5 kW is plausible)", low, high);
        return refuse(meter, EW_METER_IMPLAUSIBLE, text, err);
    }
    return EW_OK;
}

static void watch_rounds(struct ew_meter *meter, struct watch *w, const struct ew_prove_load *load) {
    /* What is asked once a second may have news for us even less often. */
    double four_periods = 4 * meter->info.period_s * 1000 / (REST_MS + LOAD_MS);
    int rounds = meter->info.period_s >= slow_period_s ? MAX_ROUNDS : (int)fmax(four_periods, MIN_ROUNDS);
    for (int round = 0; round < rounds && !(w->changed && w->good >= 3); round++) {
        watch_until(meter, w, ew_meter_now_ns(meter) + REST_MS * 1000000LL);
        load->set(load->context, true);
        watch_until(meter, w, ew_meter_now_ns(meter) + LOAD_MS * 1000000LL);
        load->set(load->context, false);
    }
}

enum ew_status ew_meter_prove(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err) {
    if (meter->info.assumed && meter->info.reason == EW_METER_USABLE) return EW_OK; /* there is nothing to see */
    if (meter->driver && meter->driver->prove && meter->info.reason == EW_METER_USABLE)
        return meter->driver->prove(meter, load, err);
    enum ew_status status = ew_meter_start(meter, err);
    if (status != EW_OK) return status;
    size_t n = meter->info.n_channels;
    struct ew_load_maker *maker = NULL;
    struct watch w = {.lowest_w = INFINITY, .highest_w = -INFINITY};
    w.values = calloc(BATCH * n, sizeof *w.values);
    w.first = calloc(n, sizeof *w.first);
    w.last = calloc(n, sizeof *w.last);
    w.first_ns = calloc(n, sizeof *w.first_ns);
    if (!w.values || !w.first || !w.last || !w.first_ns) {
        status = ew_error_set(err, EW_ERR_MEMORY, "meter %s: out of memory", meter->info.name);
        goto done;
    }
    for (size_t c = 0; c < n; c++) w.first[c] = w.last[c] = NAN;
    if (!load && (status = ew_load_maker_open(NULL, 1, &maker, err)) != EW_OK) goto done;
    struct ew_prove_load own = {.set = ew_load_maker_switch, .context = maker};
    watch_rounds(meter, &w, load ? load : &own);
    status = judge(meter, &w, err);
done:
    ew_load_maker_close(&maker);
    ew_meter_stop(meter);
    free(w.values);
    free(w.first);
    free(w.last);
    free(w.first_ns);
    return status;
}
