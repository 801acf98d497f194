/* Owns the reading of a log, line by line, into samples in order of time. Refuses a file without a known time and power
 * column, a line of data that breaks the form of the others, and a clock that was set back. Lines: log_columns.c,
 * log_time.c, tegrastats.c. */
#include "meter/power_log.h"
#include "base/error.h"
#include "meter/driver.h"
#include "meter/log_columns.h"
#include "meter/rail_map.h"
#include "meter/tegrastats.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SAMPLES = 50000000, MAX_PREAMBLE = 64, MAX_MOVE = 8192, STEPS = 255 };
static const int64_t second_ns = 1000000000, most_back_ns = 2000000000, day_ns = 86400 * 1000000000LL;

enum format { FORMAT_UNKNOWN = 0, FORMAT_CSV, FORMAT_TEGRA };

struct ew_power_log_reader {
    struct ew_log_choice choice;
    struct ew_power_log log; /* n: settled samples; those of a second that is not over follow them */
    size_t n_all;
    size_t released;
    enum format format;
    struct ew_log_columns columns;
    char head[512]; /* the head's line, to know it again */
    char why[EW_METER_TEXT_SIZE];
    size_t talk;        /* lines before the head that are no comments */
    size_t head_fields; /* of a line that looked like a head without what is needed */
    size_t why_line;    /* line that `why` is about */
    char line[EW_LOG_MAX_LINE];
    size_t line_n;
    size_t data_lines;
    bool whole; /* stamps are whole seconds */
    int64_t first_second;
    int64_t second;      /* of the group of lines that is being read */
    size_t group;        /* index of its first sample */
    size_t group_before; /* samples in the group before; 0 = it is the first */
    int64_t day;         /* added to times of day */
    int64_t last_raw;    /* stamp of the line before, as written */
    bool finished;
};

static enum ew_status bad_line(const struct ew_power_log_reader *r, struct ew_error *err, const char *rule) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s:%zu: %s", r->choice.path, r->log.lines, rule);
}

static enum ew_status grow(struct ew_power_log_reader *r, struct ew_error *err) {
    struct ew_power_log *log = &r->log;
    if (r->n_all < log->capacity) return EW_OK;
    if (r->n_all >= MAX_SAMPLES)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: more than %d samples", r->choice.path, MAX_SAMPLES);
    size_t capacity = log->capacity ? 2 * log->capacity : 1024;
    int64_t *times = realloc(log->times_ns, capacity * sizeof *times);
    if (times) log->times_ns = times;
    double *values = realloc(log->values, capacity * log->info.n_channels * sizeof *values);
    if (values) log->values = values;
    if (!times || !values)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for %zu samples", r->choice.path, capacity);
    log->capacity = capacity;
    return EW_OK;
}

static void put_at(struct ew_power_log_reader *r, size_t index, int64_t time_ns, const double *values) {
    struct ew_power_log *log = &r->log;
    size_t width = log->info.n_channels, behind = r->n_all - index;
    memmove(log->times_ns + index + 1, log->times_ns + index, behind * sizeof *log->times_ns);
    memmove(log->values + (index + 1) * width, log->values + index * width, behind * width * sizeof *log->values);
    log->times_ns[index] = time_ns;
    memcpy(log->values + index * width, values, width * sizeof *values);
    r->n_all++;
}

/* A stamp with parts of a second: in its place among those before. */
static enum ew_status add_in_order(struct ew_power_log_reader *r, int64_t time_ns, const double *values,
                                   struct ew_error *err) {
    struct ew_power_log *log = &r->log;
    size_t at = r->n_all;
    while (at > 0 && log->times_ns[at - 1] > time_ns) {
        if (r->n_all - at == MAX_MOVE) return bad_line(r, err, "stamps are in no order");
        at--;
    }
    if (at > 0 && log->times_ns[at - 1] == time_ns) {
        log->duplicates++;
        return EW_OK;
    }
    if (at < r->n_all) log->backwards++;
    if (at < r->released) {
        log->late++;
        return EW_OK;
    }
    put_at(r, at, time_ns, values);
    log->n = r->n_all;
    return EW_OK;
}

/* Spreads the lines of one second evenly over it. One alone keeps its stamp. The first and the last second may have
 * begun before or end after the log: there the neighbour's number of lines tells the step. */
static void spread_second(struct ew_power_log_reader *r, size_t from, size_t to, int64_t second, size_t neighbour,
                          bool at_end) {
    size_t n = to - from, slots = neighbour > n ? neighbour : n;
    for (size_t i = from; i < to && slots > 1; i++) {
        size_t slot = i - from + (at_end ? slots - n : 0);
        r->log.times_ns[i] = second + (int64_t)(((double)slot + 0.5) / (double)slots * (double)second_ns);
    }
}

static void end_group(struct ew_power_log_reader *r, bool last) {
    size_t n = r->n_all - r->group;
    if (r->group > 0 && r->log.n == 0) /* the first second waited for this one */
        spread_second(r, 0, r->group, r->first_second, n, true);
    spread_second(r, r->group, r->n_all, r->second, last ? r->group_before : 0, false);
    if (r->group > 0 || last) r->log.n = r->n_all;
    r->group_before = n;
    r->group = r->n_all;
}

static enum ew_status add_to_second(struct ew_power_log_reader *r, int64_t time_ns, const double *values) {
    if (r->n_all > 0 && time_ns < r->second) { /* set back by a second or two: it counts for the one that is read */
        r->log.backwards++;
        time_ns = r->second;
    }
    if (r->n_all == 0) r->first_second = time_ns;
    if (r->n_all > 0 && time_ns != r->second) end_group(r, false);
    r->second = time_ns;
    put_at(r, r->n_all, time_ns, values);
    return EW_OK;
}

static enum ew_status add_sample(struct ew_power_log_reader *r, const struct ew_log_stamp *stamp, const double *values,
                                 struct ew_error *err) {
    enum ew_status status = grow(r, err);
    if (status != EW_OK) return status;
    int64_t t = stamp->time_ns + (stamp->time_of_day ? r->day : 0);
    enum ew_log_clock clock = stamp->epoch ? EW_LOG_CLOCK_EPOCH : EW_LOG_CLOCK_OWN;
    if (r->data_lines++ == 0) {
        if (r->log.clock == EW_LOG_CLOCK_UNKNOWN) r->log.clock = clock;
        r->whole = stamp->whole;
    } else {
        if (stamp->time_of_day && t < r->last_raw - day_ns / 2) {
            r->day += day_ns;
            t += day_ns;
        }
        if (r->log.clock != EW_LOG_CLOCK_LINES && clock != r->log.clock)
            return bad_line(r, err, "the stamp is of another kind than those before");
        if (t < r->last_raw - most_back_ns)
            return bad_line(r, err,
                            "the stamp is more than 2 s before the last: the clock was set, or two logs joined");
    }
    r->last_raw = t;
    if (r->whole && !stamp->whole) { /* a writer that drops ".000" */
        end_group(r, true);
        r->whole = false;
    }
    return r->whole ? add_to_second(r, t, values) : add_in_order(r, t, values, err);
}

static bool is_nothing(const char *text) {
    static const char *const words[] = {"", "-", "--", "nan", "NaN", "NAN", "na", "NA", "N/A", "n/a", "null", "None"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) return true;
    return false;
}

static bool take_value(const char *text, double *out) {
    *out = NAN;
    return is_nothing(text) || ew_log_number_parse(text, out);
}

static struct ew_log_stamp stamp_by_line(struct ew_power_log_reader *r) {
    return (struct ew_log_stamp){.time_ns = (int64_t)llround((double)r->data_lines * r->choice.interval_s * 1e9)};
}

static bool take_stamp(struct ew_power_log_reader *r, const struct ew_log_fields *f, struct ew_log_stamp *out) {
    const struct ew_log_columns *c = &r->columns;
    if (!c->has_time) {
        *out = stamp_by_line(r);
        return true;
    }
    if (!c->has_date) return ew_log_time_parse(f->at[c->time], c->time_unit, out);
    char both[96];
    ew_meter_text(both, sizeof both, "%.40s %.40s", f->at[c->date], f->at[c->time]);
    return ew_log_time_parse(both, c->time_unit, out);
}

static enum ew_status read_fields(struct ew_power_log_reader *r, const struct ew_log_fields *f, struct ew_error *err) {
    const struct ew_log_columns *c = &r->columns;
    struct ew_log_stamp stamp;
    double values[EW_LOG_MAX_CHANNELS], amps = 1;
    if (f->n <= c->last) {
        char rule[96];
        ew_meter_text(rule, sizeof rule, "%zu fields, and the power or time is in number %zu", f->n, c->last + 1);
        return bad_line(r, err, rule);
    }
    if (!take_stamp(r, f, &stamp)) return bad_line(r, err, "the time is none that is known");
    if (c->is_product && !take_value(f->at[c->amps], &amps)) return bad_line(r, err, "the current is not a number");
    bool missing = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!take_value(f->at[c->value[i]], &values[i])) return bad_line(r, err, "the value is not a number");
        values[i] *= c->scale[i] * amps;
        missing |= isnan(values[i]);
    }
    r->log.missing += missing;
    return add_sample(r, &stamp, values, err);
}

static void set_channels(struct ew_power_log_reader *r, size_t n) {
    r->log.info.n_channels = n;
    r->log.info.channels = r->log.channels;
}

static void start_csv(struct ew_power_log_reader *r, const char *head) {
    r->format = FORMAT_CSV;
    r->log.clock = r->columns.has_time ? EW_LOG_CLOCK_UNKNOWN : EW_LOG_CLOCK_LINES;
    r->log.info.kind = r->columns.kind;
    set_channels(r, r->columns.n);
    for (size_t i = 0; i < r->columns.n; i++) {
        memcpy(r->log.channels[i].name, r->columns.name[i], EW_METER_NAME_SIZE);
        r->log.channels[i].in_total = true;
    }
    ew_meter_text(r->head, sizeof r->head, "%.500s", head);
}

/* Which rails make up the whole: the user's choice, or the map of boards. */
static bool choose_rails(struct ew_power_log_reader *r, const struct ew_tegra_line *t) {
    const char *rails[EW_TEGRA_MAX_RAILS];
    for (size_t i = 0; i < t->n; i++) rails[i] = t->rail[i];
    const struct ew_rail_map *map = ew_rail_map_find(rails, t->n);
    size_t in_total = 0;
    for (size_t i = 0; i < t->n; i++) {
        ew_meter_text(r->log.channels[i].name, EW_METER_NAME_SIZE, "%s", t->rail[i]);
        bool in = map && r->choice.n_power == 0 && ew_rail_map_in_total(map, t->rail[i]);
        for (size_t k = 0; k < r->choice.n_power; k++) in |= strcmp(r->choice.power[k], t->rail[i]) == 0;
        r->log.channels[i].in_total = in;
        in_total += in;
    }
    struct ew_meter_info *info = &r->log.info;
    if (map && r->choice.n_power == 0) {
        info->boundary = map->boundary;
        if (map->ceiling < info->grade_ceiling) info->grade_ceiling = map->ceiling;
        ew_meter_text(info->covers, sizeof info->covers, "%s, from a log of tegrastats", map->covers);
        ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s", map->leaves_out);
    }
    set_channels(r, t->n);
    info->resolution = 1e-3;
    return r->choice.n_power > 0 ? in_total == r->choice.n_power : in_total > 0;
}

static enum ew_status start_tegra(struct ew_power_log_reader *r, const struct ew_tegra_line *t, struct ew_error *err) {
    r->format = FORMAT_TEGRA;
    if (t->n == 0) return bad_line(r, err, "tegrastats shows no power rails here");
    if (!choose_rails(r, t))
        return bad_line(r, err, "it is not known which rails make up this board's power: say power=RAIL");
    if (!t->stamp[0] && isnan(r->choice.interval_s))
        return bad_line(r, err, "lines carry no time: say interval=SECONDS, as given to tegrastats --interval");
    r->log.clock = t->stamp[0] ? EW_LOG_CLOCK_EPOCH : EW_LOG_CLOCK_LINES;
    return EW_OK;
}

static enum ew_status read_tegra(struct ew_power_log_reader *r, const struct ew_tegra_line *t, struct ew_error *err) {
    if (r->format == FORMAT_UNKNOWN) {
        enum ew_status status = start_tegra(r, t, err);
        if (status != EW_OK) return status;
    }
    struct ew_log_stamp stamp = stamp_by_line(r);
    bool stamped = r->log.clock != EW_LOG_CLOCK_LINES;
    if (stamped && !ew_log_time_parse(t->stamp, EW_LOG_TIME_BY_SIZE, &stamp))
        return bad_line(r, err, "the line has no time, or one that cannot be");
    double values[EW_LOG_MAX_CHANNELS];
    bool missing = false;
    for (size_t c = 0; c < r->log.info.n_channels; c++) {
        values[c] = NAN;
        for (size_t i = 0; i < t->n; i++)
            if (strcmp(t->rail[i], r->log.channels[c].name) == 0) values[c] = t->power_w[i];
        missing |= r->log.channels[c].in_total && isnan(values[c]);
    }
    r->log.missing += missing;
    return add_sample(r, &stamp, values, err);
}

/* Before the format is known: a line may be the head (also one that is a comment), the first data, or talk. */
static enum ew_status find_format(struct ew_power_log_reader *r, char *line, struct ew_error *err) {
    char copy[EW_LOG_MAX_LINE];
    char *text = line + strspn(line, "#/ \t");
    bool comment = text > line && (*line == '#' || *line == '/');
    struct ew_log_fields fields;
    char why[EW_METER_TEXT_SIZE];
    memcpy(copy, text, strlen(text) + 1);
    ew_log_fields_split(copy, ew_log_delimiter_of(text), &fields);
    enum ew_columns_found found = ew_log_columns_find(&r->choice, ew_log_delimiter_of(text), &fields, &r->columns, why);
    if (found == EW_COLUMNS_DATA && comment) found = EW_COLUMNS_NONE;
    if (found == EW_COLUMNS_DATA && r->head_fields == fields.n) /* its columns have names, and none was what we need */
        return ew_error_set(err, EW_ERR_FORMAT, "%s:%zu: %s", r->choice.path, r->why_line, r->why);
    if (found >= EW_COLUMNS_HEAD) start_csv(r, found == EW_COLUMNS_HEAD ? line : "");
    if (found == EW_COLUMNS_DATA) return read_fields(r, &fields, err);
    r->log.unread++;
    if (found == EW_COLUMNS_HEAD) return EW_OK;
    if (!r->why_line || (found == EW_COLUMNS_POOR && fields.n > r->head_fields)) {
        r->why_line = r->log.lines;
        r->head_fields = found == EW_COLUMNS_POOR ? fields.n : 0;
        memcpy(r->why, why, sizeof why);
    }
    r->talk += !comment;
    if (r->talk < MAX_PREAMBLE) return EW_OK;
    return ew_error_set(err, EW_ERR_FORMAT, "%s:%zu: %s", r->choice.path, r->why_line, r->why);
}

static enum ew_status read_line(struct ew_power_log_reader *r, char *line, size_t n, struct ew_error *err) {
    r->log.lines++;
    if (memchr(line, 0, n)) return bad_line(r, err, "holds a zero byte: this is no text");
    if (r->log.lines == 1 && n >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) line += 3;
    struct ew_tegra_line tegra;
    size_t blank = strspn(line, " \t\r,;");
    if (!line[blank]) return EW_OK;
    if (r->format != FORMAT_CSV && ew_tegra_line_parse(line + strspn(line, " "), &tegra))
        return read_tegra(r, &tegra, err);
    if (r->format == FORMAT_UNKNOWN) return find_format(r, line, err);
    if (*line == '#' || strncmp(line, "//", 2) == 0 || strncmp(line, r->head, sizeof r->head - 12) == 0) {
        r->log.unread++;
        return EW_OK;
    }
    if (r->format == FORMAT_TEGRA) return bad_line(r, err, "no line of tegrastats, as those before are");
    struct ew_log_fields fields;
    ew_log_fields_split(line, r->columns.delimiter, &fields);
    return read_fields(r, &fields, err);
}

enum ew_status ew_power_log_reader_feed(struct ew_power_log_reader *r, const char *bytes, size_t n,
                                        struct ew_error *err) {
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t part = end ? (size_t)(end - bytes) : n;
        if (part >= sizeof r->line - r->line_n) {
            r->log.lines++;
            return bad_line(r, err, "a line of more than 8 KiB is no line of a log");
        }
        memcpy(r->line + r->line_n, bytes, part);
        r->line_n += part;
        bytes += part + (end != NULL);
        n -= part + (end != NULL);
        if (!end) break;
        size_t length = r->line_n;
        r->line[length] = 0;
        r->line_n = 0;
        enum ew_status status = read_line(r, r->line, length, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static int compare_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The median step of the newest samples. */
static double period_of(const struct ew_power_log *log) {
    int64_t steps[STEPS];
    size_t n = 0;
    for (size_t i = log->n; i > 1 && n < STEPS; i--) steps[n++] = log->times_ns[i - 1] - log->times_ns[i - 2];
    if (n == 0) return 1;
    qsort(steps, n, sizeof *steps, compare_i64);
    return fmax((double)steps[n / 2] * 1e-9, 1e-6);
}

enum ew_status ew_power_log_reader_finish(struct ew_power_log_reader *r, struct ew_error *err) {
    r->log.cut = r->line_n > 0;
    if (r->whole && r->n_all > r->log.n) end_group(r, true);
    if (r->log.n >= 1) return EW_OK;
    if (r->format == FORMAT_UNKNOWN && r->why_line)
        return ew_error_set(err, EW_ERR_FORMAT, "%s:%zu: %s", r->choice.path, r->why_line, r->why);
    return ew_error_set(err, EW_ERR_FORMAT, "%s: holds no readings", r->choice.path);
}

const struct ew_power_log *ew_power_log_reader_log(struct ew_power_log_reader *r) {
    /* The period is worked out when somebody looks, not with every line. */
    r->log.info.period_s = period_of(&r->log);
    return &r->log;
}

void ew_power_log_reader_release(struct ew_power_log_reader *r, size_t first) {
    if (first > r->released) r->released = first;
}

static void describe(struct ew_power_log_reader *r) {
    struct ew_meter_info *info = &r->log.info;
    const struct ew_log_choice *c = &r->choice;
    info->quantity = EW_METER_ENERGY;
    info->kind = EW_METER_POWER;
    info->boundary = c->boundary;
    info->error_relative = c->error_relative;
    info->averaging_s = isnan(c->averaging_s) ? 0 : c->averaging_s;
    info->documented = isnan(c->error_relative) ? "nothing: the user states no error of this meter"
                                                : "the user, for this meter (error=)";
    info->grade_ceiling = c->grade != EW_GRADE_NONE ? c->grade : isnan(c->error_relative) ? EW_GRADE_C : EW_GRADE_B;
    ew_meter_text(info->name, sizeof info->name, "log");
    ew_meter_text(info->source, sizeof info->source, "%.250s", c->path);
    ew_meter_text(info->covers, sizeof info->covers, "what the external meter behind this log is connected to");
}

enum ew_status ew_power_log_reader_open(const struct ew_log_choice *choice, struct ew_power_log_reader **out,
                                        struct ew_error *err) {
    struct ew_power_log_reader *r = calloc(1, sizeof *r);
    if (!r) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", choice->path);
    r->choice = *choice;
    describe(r);
    *out = r;
    return EW_OK;
}

void ew_power_log_reader_close(struct ew_power_log_reader **reader) {
    if (!reader || !*reader) return;
    free((*reader)->log.times_ns);
    free((*reader)->log.values);
    free(*reader);
    *reader = NULL;
}

static enum ew_status read_file(int fd, struct ew_power_log_reader *r, struct ew_error *err) {
    char bytes[65536];
    for (;;) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", r->choice.path);
        if (n == 0) return ew_power_log_reader_finish(r, err);
        enum ew_status status = ew_power_log_reader_feed(r, bytes, (size_t)n, err);
        if (status != EW_OK) return status;
    }
}

enum ew_status ew_power_log_open_file(const char *path, int *fd, struct ew_error *err) {
    struct stat st;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without a writer must not hang us */
    if (*fd < 0) {
        enum ew_status status = errno == ENOENT ? EW_ERR_NOT_FOUND : errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO;
        return ew_error_errno(err, status, errno, "%s: cannot open", path);
    }
    if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode)) return EW_OK;
    close(*fd);
    return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is no regular file", path);
}

enum ew_status ew_power_log_read(const struct ew_log_choice *choice, struct ew_power_log **out, struct ew_error *err) {
    struct ew_power_log_reader *r = NULL;
    struct ew_power_log *log = NULL;
    int fd;
    enum ew_status status = ew_power_log_open_file(choice->path, &fd, err);
    if (status != EW_OK) return status;
    if ((status = ew_power_log_reader_open(choice, &r, err)) != EW_OK) goto done;
    if ((status = read_file(fd, r, err)) != EW_OK) goto done;
    if (!(log = malloc(sizeof *log))) {
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", choice->path);
        goto done;
    }
    *log = *ew_power_log_reader_log(r);
    log->info.channels = log->channels;
    r->log.times_ns = NULL;
    r->log.values = NULL;
    *out = log;
done:
    ew_power_log_reader_close(&r);
    close(fd);
    return status;
}

void ew_power_log_close(struct ew_power_log **log) {
    if (!log || !*log) return;
    free((*log)->times_ns);
    free((*log)->values);
    free(*log);
    *log = NULL;
}

size_t ew_power_log_watts(const struct ew_power_log *log, int64_t *times_ns, double *watts) {
    double last = NAN;
    int64_t last_ns = 0;
    size_t n = 0;
    for (size_t i = 0; i < log->n; i++) {
        double sum = 0;
        for (size_t c = 0; c < log->info.n_channels; c++)
            if (log->channels[c].in_total) sum += log->values[i * log->info.n_channels + c];
        if (isnan(sum)) continue;
        int64_t t = log->times_ns[i];
        if (log->info.kind == EW_METER_COUNTER) {
            /* Mean power of the time since the reading before, so at its middle. */
            if (!isnan(last) && sum >= last) {
                times_ns[n] = last_ns + (t - last_ns) / 2;
                watts[n++] = (sum - last) / ((double)(t - last_ns) * 1e-9);
            }
            last = sum;
            last_ns = t;
        } else {
            times_ns[n] = t;
            watts[n++] = sum;
        }
    }
    return n;
}
