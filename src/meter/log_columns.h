/* Which columns of a CSV log hold the time and the power: from its head, its first line, or the user's choice. */
#ifndef EW_METER_LOG_COLUMNS_H
#define EW_METER_LOG_COLUMNS_H

#include "meter/log_time.h"
#include "meter/power_log.h"

struct ew_log_fields {
    char *at[EW_LOG_MAX_COLUMNS]; /* [n], into the line, white space and quotes cut */
    size_t n;
};

/* Splits a line in place. delimiter: ',', ';', '\t' or ' ' (any run of blanks). Fields may be quoted. Further fields
 * than EW_LOG_MAX_COLUMNS are left out. */
void ew_log_fields_split(char *line, char delimiter, struct ew_log_fields *out);

/* The delimiter that a line seems to use: tab, else semicolon, else comma, else blanks. */
char ew_log_delimiter_of(const char *line);

struct ew_log_columns {
    char delimiter;
    size_t time;   /* index of a column, from 0 */
    bool has_time; /* false: the line's number counts (interval) */
    bool has_date; /* the time of day is in `time`, the day in `date` */
    size_t date;
    enum ew_log_time_unit time_unit;
    enum ew_meter_kind kind; /* POWER or COUNTER */
    size_t value[EW_LOG_MAX_CHANNELS];
    double scale[EW_LOG_MAX_CHANNELS]; /* to W or J */
    char name[EW_LOG_MAX_CHANNELS][EW_METER_NAME_SIZE];
    size_t n; /* value columns; with is_product one, and `amps` beside it */
    bool is_product;
    size_t amps;
    size_t last; /* highest index that is needed */
};

enum ew_columns_found {
    EW_COLUMNS_NONE = 0, /* this line is neither a head nor data */
    EW_COLUMNS_POOR,     /* no data, so perhaps a head, but one without what is needed */
    EW_COLUMNS_HEAD,     /* it is a head */
    EW_COLUMNS_DATA      /* there is no head: it is a line of data */
};

/* Looks at one line that may be the head or the first line of data. why (EW_METER_TEXT_SIZE) says what was missing when
 * NONE or POOR, and names the columns that were seen. */
enum ew_columns_found ew_log_columns_find(const struct ew_log_choice *choice, char delimiter,
                                          const struct ew_log_fields *fields, struct ew_log_columns *out, char *why);

#endif
