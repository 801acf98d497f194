/* Log files of external meters: CSV of many dialects, tegrastats. A reader that is fed bytes, so that whole files and
 * files that still grow take the same way. */
#ifndef EW_METER_POWER_LOG_H
#define EW_METER_POWER_LOG_H

#include "edgewise/meter.h"

enum { EW_LOG_MAX_COLUMNS = 64, EW_LOG_MAX_CHANNELS = 16, EW_LOG_MAX_LINE = 8192 };

/* What a user says about a log, `FILE?key=value&key=value`; "" and NAN = not said. */
struct ew_log_choice {
    char path[1024];
    char name[32];                                       /* name=WORD: the meter is then called log:WORD */
    char time[EW_METER_NAME_SIZE];                       /* time=COL: name or number (from 1) */
    char power[EW_LOG_MAX_CHANNELS][EW_METER_NAME_SIZE]; /* power=COL, may be repeated: their sum is the total */
    size_t n_power;
    char energy[EW_METER_NAME_SIZE]; /* energy=COL: a counter */
    char volts[EW_METER_NAME_SIZE], amps[EW_METER_NAME_SIZE];
    char unit[8];                    /* unit=W|mW|uW|kW|J|mJ|Wh|mWh|kWh of the power or energy column */
    char time_unit[4];               /* time_unit=s|ms|us|ns */
    double interval_s;               /* interval=SECONDS between lines without a time */
    bool clock_is_here;              /* clock=here: stamps are this machine's time of day */
    enum ew_meter_boundary boundary; /* boundary=board|wall|module|die|gpu|core; UNKNOWN = not said */
    enum ew_trust_grade grade;       /* grade=A … E, the ceiling; NONE = not said */
    double error_relative;           /* error=0.5% or 0.005 */
    double averaging_s;              /* averaging=SECONDS of the meter */
};

/* Errors: ARGUMENT: an unknown key, a value that is none, a grade A or B without an error. */
enum ew_status ew_log_choice_parse(const char *source, struct ew_log_choice *out, struct ew_error *err);

enum ew_log_clock {
    EW_LOG_CLOCK_UNKNOWN = 0, /* no line was read yet */
    EW_LOG_CLOCK_EPOCH,       /* ns since 1970-01-01 00:00 UTC; stamps without a zone are local time */
    EW_LOG_CLOCK_OWN,         /* ns since some start of the meter's */
    EW_LOG_CLOCK_LINES        /* no stamps: the line's number times interval_s */
};

/* What was read. times_ns rise. Owned by the reader or, after ew_power_log_read, by the caller. */
struct ew_power_log {
    struct ew_meter_info info; /* kind, channels, boundary, error, grade ceiling; period_s = median step */
    struct ew_meter_channel channels[EW_LOG_MAX_CHANNELS];
    enum ew_log_clock clock;
    int64_t *times_ns; /* [n], the meter's own clock */
    double *values;    /* [n][info.n_channels], W or J; NAN = the log had none */
    size_t n, capacity;
    size_t lines;      /* lines of the file */
    size_t duplicates; /* lines with the stamp of one before: dropped */
    size_t backwards;  /* lines with a stamp before that of the line before: put in their place */
    size_t late;       /* such lines that came after their place was given out: dropped */
    size_t unread;     /* lines before the head that say nothing, comments, repeated heads */
    size_t missing;    /* lines without a value */
    size_t cut;        /* 1 = the last line is incomplete: dropped */
};

/* Opens it for reading: regular files only. Errors: NOT_FOUND, PERMISSION, IO, ARGUMENT. */
enum ew_status ew_power_log_open_file(const char *path, int *fd, struct ew_error *err);

/* Reads a whole file. Errors: NOT_FOUND, PERMISSION, IO, FORMAT (FILE:LINE and the rule), LIMIT, MEMORY. */
enum ew_status ew_power_log_read(const struct ew_log_choice *choice, struct ew_power_log **out, struct ew_error *err);
void ew_power_log_close(struct ew_power_log **log);

/* The total of its channels as watts, for the search of a pattern: of a counter the slope. times_ns and watts [n]. */
size_t ew_power_log_watts(const struct ew_power_log *log, int64_t *times_ns, double *watts);

struct ew_power_log_reader;
enum ew_status ew_power_log_reader_open(const struct ew_log_choice *choice, struct ew_power_log_reader **out,
                                        struct ew_error *err);
void ew_power_log_reader_close(struct ew_power_log_reader **reader);

/* Takes the next bytes of the file; an incomplete line waits for its rest. */
enum ew_status ew_power_log_reader_feed(struct ew_power_log_reader *reader, const char *bytes, size_t n,
                                        struct ew_error *err);
/* No more bytes will come: takes the last line, and the lines that wait for their second to be over. */
enum ew_status ew_power_log_reader_finish(struct ew_power_log_reader *reader, struct ew_error *err);

/* What was read so far; info is complete once a line with data was read (log->clock is not UNKNOWN). */
const struct ew_power_log *ew_power_log_reader_log(struct ew_power_log_reader *reader);

/* Samples before index `first` are given out: late lines no longer change them. */
void ew_power_log_reader_release(struct ew_power_log_reader *reader, size_t first);

#endif
