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

enum { MOST_CHANNELS = 256, SHOWN_CHANNELS = 4, LIVE_MS = 500, LIVE_LIMIT_MS = 3000, BATCH = 32 };

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

/* A state that knows whole steps only is a flag, not a share. */
static bool is_flags(const struct ew_meter_info *info) {
    return info->quantity == EW_METER_STATE && info->resolution == 1;
}

static void flags_words(char *out, size_t size, const struct ew_meter_info *info, const double *values) {
    size_t n = 0;
    for (size_t c = 0; c < info->n_channels; c++)
        if (values[c] > 0) ew_words_add(out, size, "%s%s", n++ ? ", " : "", info->channels[c].name);
    if (n == 0) ew_words_add(out, size, "none of them");
}

static void channels_words(char *out, size_t size, const struct ew_meter_info *info, const double *values, size_t from,
                           size_t n) {
    char value[64];
    for (size_t c = from; c < from + n && c < info->n_channels; c++) {
        ew_meter_value_words(value, sizeof value, info, values[c]);
        ew_words_add(out, size, "%s", c > from ? ", " : "");
        if (info->n_channels > 1) ew_words_add(out, size, "%s ", info->channels[c].name);
        ew_words_add(out, size, "%s", isnan(values[c]) ? "–" : value);
    }
    if (from + n < info->n_channels && n > 1) ew_words_add(out, size, ", …");
}

double ew_meter_live_gauge(struct ew_meter *meter, char *words, size_t size) {
    const struct ew_meter_info *info = ew_meter_info(meter);
    words[0] = 0;
    if (info->n_channels == 0 || info->n_channels > MOST_CHANNELS) return NAN;
    double values[MOST_CHANNELS];
    int64_t time;
    size_t n = 0, channel = 0;
    bool stands_for_all = false, known = false;
    for (size_t c = 0; c < info->n_channels; c++) {
        if (strcmp(info->channels[c].name, "cpu") != 0 && strcmp(info->channels[c].name, "rss") != 0) continue;
        channel = c;
        stands_for_all = true;
    }
    if (ew_meter_start(meter, NULL) != EW_OK) return NAN;
    enum ew_status status = ew_meter_read(meter, &time, values, 1, &n, NULL);
    ew_meter_stop(meter);
    if (status != EW_OK || n != 1) return NAN;
    for (size_t c = 0; c < info->n_channels; c++) known |= !isnan(values[c]);
    if (known && is_flags(info))
        flags_words(words, size, info, values);
    else if (known)
        channels_words(words, size, info, values, channel, stands_for_all ? 1 : SHOWN_CHANNELS);
    return values[channel];
}

/* "612 MHz", "1 ns". Time has no prefix upwards: nobody counts in kiloseconds. */
static void scaled_words(char *out, size_t size, double value, const char *unit, bool upwards) {
    static const char *const prefixes[] = {"p", "n", "µ", "m", "", "k", "M", "G", "T"};
    int p = 4;
    for (; value != 0 && fabs(value) < 1 && p > 0; p--) value *= 1e3;
    for (; upwards && fabs(value) >= 1e4 && p < 8; p++) value /= 1e3;
    if (fabs(value) >= 1e4)
        snprintf(out, size, "%.0f %s%s", value, prefixes[p], unit);
    else
        snprintf(out, size, "%.4g %s%s", value, prefixes[p], unit);
}

void ew_meter_value_words(char *out, size_t size, const struct ew_meter_info *info, double value) {
    char number[EW_NUMBER_SIZE];
    switch (info->quantity) {
    case EW_METER_MEMORY:
        ew_words_size(number, value);
        if (value < 1048576) snprintf(number, sizeof number, "%.0f bytes", value);
        snprintf(out, size, "%s", number);
        return;
    case EW_METER_STATE: snprintf(out, size, "%.3g", value); return;
    case EW_METER_EVENTS: snprintf(out, size, "%.0f event%s", value, value == 1 ? "" : "s"); return;
    case EW_METER_ROTATION: snprintf(out, size, "%.0f rpm", value); return;
    case EW_METER_TEMPERATURE: snprintf(out, size, "%.4g °C", value); return;
    default: scaled_words(out, size, value, ew_meter_unit_name(info), info->quantity != EW_METER_TIME); return;
    }
}
