/* Owns single readings of a meter outside a measurement, and how a value of a meter is written. */
#include "cli/meter_reading.h"
#include "base/clock.h"
#include "insight/words.h"
#include "meter/live_energy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_CHANNELS = 256, LIVE_MS = 500, LIVE_LIMIT_MS = 3000, BATCH = 32 };

double ew_meter_live_power(struct ew_meter *meter) {
    const struct ew_meter_info *info = ew_meter_info(meter);
    struct ew_live_energy *live = NULL;
    int64_t times[BATCH];
    double *values = calloc(BATCH * info->n_channels + 1, sizeof *values), watts = NAN;
    if (!values || ew_live_energy_open(info, &live, NULL) != EW_OK || ew_meter_start(meter, NULL) != EW_OK) goto done;
    int64_t begin = ew_clock_now_ns(), age_ms = 0;
    double step_s = fmin(fmax(info->period_s, 0.005), 0.5);
    while (age_ms < LIVE_MS || (isnan(watts) && age_ms < LIVE_LIMIT_MS)) {
        size_t n = 0;
        if (ew_meter_read(meter, times, values, BATCH, &n, NULL) != EW_OK) break;
        ew_live_energy_feed(live, times, values, n);
        struct ew_live_figures f = ew_live_energy_figures(live);
        double seconds = ew_clock_seconds(f.last_ns - f.first_ns);
        watts = seconds > 0 && f.energy_j > 0 ? f.energy_j / seconds : f.power_w;
        nanosleep(&(struct timespec){.tv_nsec = (long)(step_s * 1e9)}, NULL);
        age_ms = (ew_clock_now_ns() - begin) / 1000000;
    }
    ew_meter_stop(meter);
done:
    ew_live_energy_close(&live);
    free(values);
    return watts;
}

double ew_meter_live_gauge(struct ew_meter *meter) {
    const struct ew_meter_info *info = ew_meter_info(meter);
    if (info->n_channels == 0 || info->n_channels > MOST_CHANNELS) return NAN;
    double values[MOST_CHANNELS], now = NAN;
    int64_t time;
    size_t n = 0, channel = 0;
    for (size_t c = 0; c < info->n_channels; c++)
        if (strcmp(info->channels[c].name, "cpu") == 0) channel = c;
    if (ew_meter_start(meter, NULL) != EW_OK) return NAN;
    if (ew_meter_read(meter, &time, values, 1, &n, NULL) == EW_OK && n == 1) now = values[channel];
    ew_meter_stop(meter);
    return now;
}

void ew_meter_value_words(char *out, size_t size, const struct ew_meter_info *info, double value) {
    static const char *const prefixes[] = {"p", "n", "µ", "m", "", "k", "M", "G", "T"};
    if (info->quantity == EW_METER_MEMORY && value < 1048576) {
        snprintf(out, size, "%.0f bytes", value);
        return;
    }
    if (info->quantity == EW_METER_MEMORY) {
        char number[EW_NUMBER_SIZE];
        ew_words_size(number, value);
        snprintf(out, size, "%s", number);
        return;
    }
    if (info->quantity == EW_METER_STATE) {
        snprintf(out, size, "%.3g", value);
        return;
    }
    bool scaled = info->quantity != EW_METER_TEMPERATURE && value != 0;
    int p = 4;
    for (; scaled && fabs(value) < 1 && p > 0; p--) value *= 1e3;
    for (; scaled && fabs(value) >= 1e4 && p < 8; p++) value /= 1e3;
    const char *unit = info->quantity == EW_METER_TEMPERATURE ? "°C" : ew_meter_unit_name(info);
    snprintf(out, size, "%.4g %s%s", value, scaled ? prefixes[p] : "", unit);
}
