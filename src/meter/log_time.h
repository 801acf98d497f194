/* Stamps of log files: numbers of many units, ISO 8601, other dates. */
#ifndef EW_METER_LOG_TIME_H
#define EW_METER_LOG_TIME_H

#include <stdbool.h>
#include <stdint.h>

enum ew_log_time_unit {
    EW_LOG_TIME_BY_SIZE =
        0, /* a number from 1e8 on is an epoch in s, from 1e11 in ms, 1e14 us, 1e17 ns; else seconds */
    EW_LOG_TIME_S,
    EW_LOG_TIME_MS,
    EW_LOG_TIME_US,
    EW_LOG_TIME_NS
};

struct ew_log_stamp {
    int64_t time_ns;  /* -1e18 … 4e18 */
    bool epoch;       /* since 1970-01-01 00:00 UTC; otherwise since some start */
    bool whole;       /* written as a whole second: the line belongs somewhere in it */
    bool time_of_day; /* hours, minutes and seconds alone: starts again at midnight */
};

/* Takes the whole text: a number; YYYY-MM-DD (or with slashes, or MM-DD-YYYY as tegrastats writes), T or space, a time
 * of day with up to 9 decimals after point or comma, and Z or a zone (+02:00, +0200, +02), local time without one; or a
 * time of day alone. false = none of these. */
bool ew_log_time_parse(const char *text, enum ew_log_time_unit unit, struct ew_log_stamp *out);

/* A decimal number with point or comma, nothing after it, finite and below 1e15. */
bool ew_log_number_parse(const char *text, double *out);

#endif
