/* What a meter reads now, for lists and advice; measurements go through meter_sampler.h. */
#ifndef EW_CLI_METER_READING_H
#define EW_CLI_METER_READING_H

#include "edgewise/meter.h"

/* Watts over half a second; a slow sensor gets until it has spoken twice, within 3 s. NAN = it said nothing. */
double ew_meter_live_power(struct ew_meter *meter);

/* One reading of the channel that stands for the others: "cpu", "rss", or the first. words: "core heat 7 events, package
 * heat 12 events", of flags the names of those that are set; "" without a reading. */
double ew_meter_live_gauge(struct ew_meter *meter, char *words, size_t size);

/* "61 µJ", "1 mW", "0.001 °C". */
void ew_meter_value_words(char *out, size_t size, const struct ew_meter_info *info, double value);

#endif
