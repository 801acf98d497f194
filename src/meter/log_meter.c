/* Owns the meter that reads a log which another program is writing: following the file, finding the offset between its
 * clock and this machine's by a load pattern, and noticing when the file is cut, replaced or no longer written. Refuses
 * a log that does not show the pattern. Lines: power_log.c; the search: time_shift.c; logs after the fact:
 * aligned_log.c. */
#include "base/error.h"
#include "meter/aligned_log.h"
#include "meter/driver.h"
#include "meter/load_maker.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 65536, LOOK_MS = 100 };
/* A backlog of more than this is passed over at the first start: only its end says anything about now. */
static const int64_t long_backlog = 8 << 20, kept_backlog = 1 << 20;
static const double first_line_s = 15, most_late_s = 60, silent_s = 60;
static const double usual_drift = 50e-6; /* of a quartz that nobody has compared, as time_shift.c has it */
static const double least_w = 1e-3, most_w = 5e3;

struct log_state {
    struct ew_log_choice choice;
    struct ew_power_log_reader *reader;
    const struct ew_power_log *log; /* the reader's */
    int fd;
    int64_t taken;   /* bytes of the file */
    int64_t grew_ns; /* when it was last seen to grow */
    dev_t device;
    ino_t inode;
    bool pass_line; /* after a leap into the middle of a line */
    bool proving, aligned;
    size_t next; /* first sample that was not given out */
    struct ew_clock_map map;
    int64_t half_ns;  /* the shift finds the middle of what a reading averages over; a stamp stands at its end */
    double arrival_s; /* how late the pattern's end arrived */
};

/* ---- following the file ---- */

static enum ew_status feed(struct log_state *s, const char *bytes, size_t n, struct ew_error *err) {
    if (s->pass_line) {
        const char *end = memchr(bytes, '\n', n);
        if (!end) return EW_OK;
        n -= (size_t)(end + 1 - bytes);
        bytes = end + 1;
        s->pass_line = false;
    }
    return ew_power_log_reader_feed(s->reader, bytes, n, err);
}

/* At most `most` further bytes. */
static enum ew_status take_more(struct ew_meter *meter, int64_t most, struct ew_error *err) {
    struct log_state *s = meter->state;
    static const size_t block = BLOCK;
    char bytes[BLOCK];
    while (most > 0) {
        ssize_t n = pread(s->fd, bytes, most < BLOCK ? (size_t)most : block, s->taken);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ew_error_errno(err, EW_ERR_IO, errno, "meter %s: %s", meter->info.name, s->choice.path);
        if (n == 0) return EW_OK;
        s->taken += n;
        most -= n;
        s->grew_ns = ew_meter_now_ns(meter);
        enum ew_status status = feed(s, bytes, (size_t)n, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* What may have happened to a file that gives no more: "" = nothing. */
static const char *what_happened(const struct ew_meter *meter) {
    const struct log_state *s = meter->state;
    struct stat own, there;
    if (fstat(s->fd, &own) != 0 || own.st_size < s->taken) return "the file was cut short: its logger began anew";
    if (stat(s->choice.path, &there) != 0) return "the file was moved away or deleted";
    if (there.st_ino != s->inode || there.st_dev != s->device) return "another file has taken its place";
    double silent = (double)(ew_meter_now_ns(meter) - s->grew_ns) * 1e-9;
    if (silent > fmax(silent_s, 20 * meter->info.period_s)) return "its logger writes no more lines";
    return "";
}

/* Takes what is new. A log that ends is a meter that is gone. */
static enum ew_status follow(struct ew_meter *meter, struct ew_error *err) {
    struct log_state *s = meter->state;
    struct ew_error why = {0};
    int64_t before = s->taken;
    enum ew_status status = take_more(meter, INT64_MAX, &why);
    const char *text = status == EW_OK ? "" : why.message;
    if (status == EW_OK && s->taken == before) text = what_happened(meter);
    if (!*text) return EW_OK;
    if (status == EW_ERR_MEMORY) return ew_error_set(err, status, "%s", why.message);
    ew_meter_flag(meter, EW_METER_GONE, text);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s", meter->info.name, text);
}

/* The head stays read, so that the columns are known; lines are only counted where they are the clock. */
static void leap_over_backlog(struct log_state *s) {
    struct stat st;
    if (s->aligned || fstat(s->fd, &st) != 0 || st.st_size - s->taken < long_backlog) return;
    s->taken = st.st_size - kept_backlog;
    s->pass_line = true;
    /* What is left of a line that was begun must not be joined to another. */
    ew_power_log_reader_feed(s->reader, "\n", 1, NULL);
}

/* ---- the meter ---- */

/* The clock that nobody compares since runs away. */
static void describe_clock(struct ew_meter *meter) {
    const struct log_state *s = meter->state;
    int64_t error_ns = 0;
    ew_clock_map_time(&s->map, ew_meter_now_ns(meter) - s->map.shift_ns, &error_ns);
    meter->info.stamp_error_s = 1e-9 * (double)error_ns;
    meter->info.clock_drift = usual_drift;
    meter->info.period_s = ew_power_log_reader_log(s->reader)->info.period_s;
}

static enum ew_status start_log(struct ew_meter *meter, struct ew_error *err) {
    struct log_state *s = meter->state;
    if (!s->aligned && !s->proving)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "meter %s: the offset of its clock is not known before it has proved itself",
                            meter->info.name);
    leap_over_backlog(s);
    s->grew_ns = ew_meter_now_ns(meter);
    enum ew_status status = follow(meter, err);
    if (status != EW_OK) return status;
    s->next = s->log->n > 0 ? s->log->n - 1 : 0;
    if (s->aligned && s->choice.clock_is_here) s->map.shift_ns = ew_clock_epoch_ns(); /* the time of day is steered */
    if (s->aligned) describe_clock(meter);
    return EW_OK;
}

static enum ew_status read_log(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct log_state *s = meter->state;
    const struct ew_power_log *log = s->log;
    enum ew_status status = EW_OK;
    if (s->next >= log->n) status = follow(meter, err);
    size_t width = meter->info.n_channels;
    for (; status == EW_OK && s->next < log->n && batch->n < batch->capacity; s->next++) {
        double *values = ew_meter_batch_add(meter, batch);
        batch->times_ns[batch->n - 1] = ew_clock_map_time(&s->map, log->times_ns[s->next], NULL) + s->half_ns;
        memcpy(values, log->values + s->next * width, width * sizeof *values);
    }
    ew_power_log_reader_release(s->reader, s->next);
    return status;
}

static void close_log(struct ew_meter *meter) {
    struct log_state *s = meter->state;
    if (!s) return;
    ew_power_log_reader_close(&s->reader);
    if (s->fd >= 0) close(s->fd);
}

static double late_log(struct ew_meter *meter) {
    const struct log_state *s = meter->state;
    return fmin(most_late_s, 2 + 5 * meter->info.period_s + 2 * s->arrival_s);
}

/* ---- the proof ---- */

static enum ew_status refuse(struct ew_meter *meter, enum ew_meter_reason reason, const char *text, const char *remedy,
                             struct ew_error *err) {
    if (meter->info.reason == EW_METER_USABLE) ew_meter_refuse(meter, reason, text, remedy);
    return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: %s%s%s", meter->info.name, meter->info.reason_text,
                        meter->info.remedy[0] ? "; " : "", meter->info.remedy);
}

static const char ask_logger[] = "see that the meter's logger runs and writes each line at once (stdbuf -oL)";

/* Two new lines, before a load is played to nobody. */
static enum ew_status wait_for_lines(struct ew_meter *meter, struct ew_error *err) {
    struct log_state *s = meter->state;
    size_t before = s->log->n;
    double wait_s = fmax(first_line_s, 5 * meter->info.period_s);
    int64_t limit = ew_meter_now_ns(meter) + (int64_t)(wait_s * 1e9);
    while (s->log->n < before + 2) {
        if (ew_meter_now_ns(meter) >= limit) {
            char text[EW_METER_TEXT_SIZE];
            ew_meter_text(text, sizeof text, "the log does not grow: fewer than two new lines in %.3g s", wait_s);
            return refuse(meter, EW_METER_FROZEN, text, ask_logger, err);
        }
        meter->clock.sleep_until_ns(meter->clock.context, ew_meter_now_ns(meter) + LOOK_MS * 1000000LL);
        enum ew_status status = follow(meter, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status search(const struct log_state *s, size_t first, const struct ew_played_signature *played,
                             struct ew_time_shift *out, struct ew_error *err) {
    struct ew_power_log part = *s->log;
    part.times_ns += first;
    part.values += first * part.info.n_channels;
    part.n -= first;
    int64_t *times = malloc((part.n + 1) * sizeof *times);
    double *watts = malloc((part.n + 1) * sizeof *watts);
    enum ew_status status = EW_ERR_MEMORY;
    if (times && watts) {
        struct ew_power_series series = {.times_ns = times, .watts = watts};
        series.n = ew_power_log_watts(&part, times, watts);
        status = ew_time_shift_find(&played->pattern, &series, EW_SHIFT_ANY, EW_SHIFT_ANY, out, err);
    } else {
        ew_error_set(err, status, "log %s: out of memory", s->choice.path);
    }
    free(times);
    free(watts);
    return status;
}

/* Looks for the pattern until the log shows all of it and what comes after, or does not within reason. */
static enum ew_status find_pattern(struct ew_meter *meter, size_t first, int64_t stamp_before,
                                   const struct ew_played_signature *played, struct ew_time_shift *out,
                                   struct ew_error *err) {
    struct log_state *s = meter->state;
    const struct ew_power_log *log = s->log;
    int64_t begin = played->pattern.begin_ns, end = played->pattern.end_ns;
    int64_t limit = end + (int64_t)(fmin(most_late_s, fmax(first_line_s, 5 * meter->info.period_s)) * 1e9);
    for (size_t seen = 0;;) {
        enum ew_status status = follow(meter, err);
        if (status != EW_OK) return status;
        bool over = ew_meter_now_ns(meter) >= limit, grew = log->n > seen;
        bool long_enough = log->n > first && log->times_ns[log->n - 1] - stamp_before >= end - begin;
        if (over || (grew && long_enough)) {
            status = search(s, first, played, out, err);
            if (status == EW_OK && (over || log->times_ns[log->n - 1] + out->shift_ns >= end)) return EW_OK;
            if (over || (status != EW_OK && status != EW_ERR_NOT_FOUND)) return status;
            seen = log->n;
        }
        meter->clock.sleep_until_ns(meter->clock.context, ew_meter_now_ns(meter) + LOOK_MS * 1000000LL);
    }
}

/* The user's word that both clocks are one is held against what was found. */
static enum ew_status take_own_clock(struct ew_meter *meter, const struct ew_time_shift *found, struct ew_error *err) {
    struct log_state *s = meter->state;
    char text[EW_METER_TEXT_SIZE];
    int64_t epoch = ew_clock_epoch_ns();
    double apart = 1e-9 * (double)(found->shift_ns + s->half_ns - epoch), error = 1e-9 * (double)found->error_ns;
    if (s->log->clock != EW_LOG_CLOCK_EPOCH)
        return refuse(meter, EW_METER_UNSUPPORTED, "clock=here needs stamps with the day (ISO 8601, or s since 1970)",
                      "leave clock=here out: the offset is then found by the load", err);
    if (fabs(apart) > fmax(1, 2 * meter->info.period_s) + error) {
        ew_meter_text(text, sizeof text, "clock=here, but its stamps are %.1f s %s", fabs(apart),
                      apart > 0 ? "early" : "late");
        return refuse(meter, EW_METER_IMPLAUSIBLE, text, "leave clock=here out, or set the logger's clock", err);
    }
    s->map.shift_ns = epoch;
    s->map.error_ns = found->error_ns + (int64_t)(fabs(apart) * 1e9);
    s->half_ns = 0;
    return EW_OK;
}

static enum ew_status judge(struct ew_meter *meter, const struct ew_time_shift *found,
                            const struct ew_played_signature *played, struct ew_error *err) {
    struct log_state *s = meter->state;
    char text[EW_METER_TEXT_SIZE];
    if (!(found->off_w >= 0 && found->on_w >= least_w && found->on_w <= most_w)) {
        ew_meter_text(text, sizeof text, "%.4g W at rest and %.4g W under load cannot be (1 mW to 5 kW is plausible)",
                      found->off_w, found->on_w);
        return refuse(meter, EW_METER_IMPLAUSIBLE, text, "say the unit of its column: unit=mW", err);
    }
    enum ew_status status = ew_clock_map_make(found, NULL, &s->map, err);
    if (status != EW_OK) return status;
    /* How well it is known when the load itself changed. */
    s->map.error_ns += played->switch_ns / 2;
    bool averages = meter->info.kind == EW_METER_POWER;
    s->half_ns = averages ? (int64_t)llround(s->log->info.averaging_s * 0.5e9) : 0;
    if (s->choice.clock_is_here && (status = take_own_clock(meter, found, err)) != EW_OK) return status;
    s->arrival_s = fmax(0, 1e-9 * (double)(ew_meter_now_ns(meter) - played->pattern.end_ns));
    s->aligned = true;
    describe_clock(meter);
    return EW_OK;
}

static enum ew_status play_and_find(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err) {
    struct log_state *s = meter->state;
    struct ew_load_signature signature;
    struct ew_played_signature played;
    struct ew_time_shift found;
    struct ew_error why = {0};
    size_t first = s->log->n;
    enum ew_status status = wait_for_lines(meter, err);
    if (status != EW_OK) return status;
    meter->info.period_s = ew_power_log_reader_log(s->reader)->info.period_s;
    /* Another pattern each time: a log that is late may still hold the last one. */
    uint64_t seed = (uint64_t)ew_meter_now_ns(meter);
    status = ew_load_signature_for_period(seed, meter->info.period_s, &signature, err);
    if (status != EW_OK) return status;
    int64_t stamp = s->log->times_ns[s->log->n - 1];
    ew_load_signature_play(&signature, &meter->clock, load->set, load->context, &played);
    status = find_pattern(meter, first, stamp, &played, &found, &why);
    if (status == EW_OK) return judge(meter, &found, &played, err);
    if (status != EW_ERR_NOT_FOUND) return ew_error_set(err, status, "meter %s: %s", meter->info.name, why.message);
    char text[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "does not show the load that was played: %s", why.message);
    return refuse(meter, EW_METER_FROZEN, text,
                  "see that it measures this machine, that nothing else loads it, and that its logger writes at once",
                  err);
}

static enum ew_status prove_log(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err) {
    struct log_state *s = meter->state;
    int cores[EW_LOAD_MAX_THREADS];
    struct ew_load_maker *maker = NULL;
    s->proving = true;
    s->aligned = false;
    enum ew_status status = ew_meter_start(meter, err);
    /* All cores: what a meter of the whole board must show among everything else that runs. */
    size_t n = ew_load_maker_usable_cores(cores, EW_LOAD_MAX_THREADS);
    if (status == EW_OK && !load) status = ew_load_maker_open(NULL, n ? n : 1, &maker, err);
    struct ew_prove_load own = {.set = ew_load_maker_switch, .context = maker};
    if (status == EW_OK) status = play_and_find(meter, load ? load : &own, err);
    ew_load_maker_close(&maker);
    ew_meter_stop(meter);
    s->proving = false;
    return status;
}

/* ---- finding it ---- */

static enum ew_meter_reason reason_of(enum ew_status status) {
    switch (status) {
    case EW_ERR_NOT_FOUND: return EW_METER_ABSENT;
    case EW_ERR_PERMISSION: return EW_METER_PERMISSION;
    case EW_ERR_FORMAT:
    case EW_ERR_ARGUMENT: return EW_METER_UNSUPPORTED;
    default: return EW_METER_IO_ERROR;
    }
}

static const char *remedy_of(enum ew_status status) {
    switch (status) {
    case EW_ERR_NOT_FOUND: return "start the meter's logger first";
    case EW_ERR_FORMAT: return "name its columns: log:FILE?time=COLUMN&power=COLUMN; docs/meters.md has all keys";
    case EW_ERR_PERMISSION: return "make the log readable for this user";
    default: return "";
    }
}

static void name_of(const struct ew_meter_list *list, const struct ew_log_choice *choice, char *name, size_t size) {
    ew_meter_text(name, size, choice->name[0] ? "log:%s" : "log", choice->name);
    for (int k = 2; ew_meter_list_find(list, name) && k < 100; k++)
        ew_meter_text(name, size, choice->name[0] ? "log:%s-%d" : "log%s-%d", choice->name, k);
}

/* Reads the head and the first lines: they tell the columns. */
static enum ew_status look_at_head(struct ew_meter *meter, struct ew_error *err) {
    struct log_state *s = meter->state;
    struct stat st;
    enum ew_status status = ew_power_log_open_file(s->choice.path, &s->fd, err);
    if (status != EW_OK) return status;
    if (fstat(s->fd, &st) != 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", s->choice.path);
    s->device = st.st_dev;
    s->inode = st.st_ino;
    status = ew_power_log_reader_open(&s->choice, &s->reader, err);
    if (status != EW_OK) return status;
    if ((status = take_more(meter, BLOCK, err)) != EW_OK) return status;
    s->log = ew_power_log_reader_log(s->reader);
    if (s->log->info.n_channels > 0) return EW_OK;
    /* The reader knows why, where there were lines at all. */
    status = ew_power_log_reader_finish(s->reader, err);
    return status == EW_OK ? ew_error_set(err, EW_ERR_FORMAT, "%s: holds no readings", s->choice.path) : status;
}

static enum ew_status describe(struct ew_meter *meter, struct ew_error *err) {
    const struct log_state *s = meter->state;
    const struct ew_meter_info *from = &s->log->info;
    char name[EW_METER_NAME_SIZE];
    struct ew_meter_channel *channels = reallocarray(meter->channels, from->n_channels, sizeof *channels);
    if (!channels) return ew_error_set(err, EW_ERR_MEMORY, "meter %s: out of memory", meter->info.name);
    memcpy(channels, s->log->channels, from->n_channels * sizeof *channels);
    memcpy(name, meter->info.name, sizeof name);
    meter->info = *from;
    memcpy(meter->info.name, name, sizeof name);
    meter->info.channels = meter->channels = channels;
    return EW_OK;
}

enum ew_status ew_meter_source_log(struct ew_meter_list *list, const struct ew_meter_config *config, const char *text,
                                   struct ew_error *err) {
    static const struct ew_meter_driver driver = {
        .start = start_log, .read = read_log, .close = close_log, .prove = prove_log, .late_s = late_log};
    struct ew_log_choice choice;
    struct ew_error why = {0};
    enum ew_status status = ew_log_choice_parse(text, &choice, err);
    if (status != EW_OK) return status;
    struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct log_state));
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "log %s: out of memory", choice.path);
    struct log_state *s = m->state;
    s->choice = choice;
    s->fd = -1;
    m->info.quantity = EW_METER_ENERGY;
    ew_meter_text(m->info.source, sizeof m->info.source, "%.250s", choice.path);
    name_of(list, &choice, m->info.name, sizeof m->info.name);
    status = look_at_head(m, &why);
    if (status == EW_OK) status = describe(m, &why);
    if (status == EW_ERR_MEMORY) {
        ew_meter_close(&m);
        return ew_error_set(err, status, "%s", why.message);
    }
    if (status != EW_OK) {
        ew_meter_refuse(m, reason_of(status), why.message, remedy_of(status));
        m->info.n_channels = 0;
    }
    return ew_meter_list_add(list, m, err);
}
