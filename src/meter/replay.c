/* Owns reading recorded traces and playing them as a meter. Trace files are untrusted: every line is checked, and a
 * file without increasing times, or with a value that is not a number, is refused with its line. */
#include "meter/replay.h"
#include "base/error.h"
#include "base/file_map.h"
#include "meter/driver.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 512, MAX_SAMPLES = 50000000 };

struct replay_state {
    int64_t *times_ns; /* [n], from the file, rising */
    double *values;    /* [n] */
    size_t n, capacity;
    bool loop;
    int64_t start_ns;
    size_t next;         /* next sample of this pass */
    int64_t pass_ns;     /* when this pass began, from start */
    int64_t one_pass_ns; /* length of a pass when looping */
};

static char *trim(char *text) {
    while (*text == ' ' || *text == '\t') text++;
    size_t n = strlen(text);
    while (n > 0 && strchr(" \t\r", text[n - 1])) text[--n] = 0;
    return text;
}

static bool parse_number(const char *text, double *out) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    while (*end == ' ' || *end == '\t' || *end == '\r') end++;
    if (end == text || *end || !isfinite(value)) return false;
    *out = value;
    return true;
}

static bool parse_boundary(const char *text, enum ew_meter_boundary *out) {
    static const struct {
        const char *word;
        enum ew_meter_boundary boundary;
    } words[] = {{"core", EW_BOUNDARY_CORE},     {"die", EW_BOUNDARY_DIE},        {"gpu", EW_BOUNDARY_GPU},
                 {"module", EW_BOUNDARY_MODULE}, {"board", EW_BOUNDARY_BOARD_DC}, {"wall", EW_BOUNDARY_WALL}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].word) == 0) {
            *out = words[i].boundary;
            return true;
        }
    return false;
}

static bool parse_grade(const char *text, enum ew_trust_grade *out) {
    static const char letters[] = "EDCBA";
    const char *at = strlen(text) == 1 ? strchr(letters, text[0]) : NULL;
    if (!at) return false;
    *out = (enum ew_trust_grade)(EW_GRADE_E + (at - letters));
    return true;
}

/* One `# key: value`. Unknown keys are comments; a known key with a bad value is an error (false). */
static bool read_key(struct ew_meter *m, struct replay_state *state, const char *key, const char *value) {
    struct ew_meter_info *info = &m->info;
    if (strcmp(key, "boundary") == 0) return parse_boundary(value, &info->boundary);
    if (strcmp(key, "grade") == 0) return parse_grade(value, &info->grade_ceiling);
    if (strcmp(key, "covers") == 0) ew_meter_text(info->covers, sizeof info->covers, "%s", value);
    if (strcmp(key, "leaves_out") == 0) ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s", value);
    if (strcmp(key, "resolution") == 0) return parse_number(value, &info->resolution) && info->resolution >= 0;
    if (strcmp(key, "averaging_s") == 0) return parse_number(value, &info->averaging_s) && info->averaging_s >= 0;
    if (strcmp(key, "error_relative") == 0)
        return parse_number(value, &info->error_relative) && info->error_relative >= 0;
    if (strcmp(key, "wrap_j") == 0) return parse_number(value, &m->channels[0].wrap) && m->channels[0].wrap > 0;
    if (strcmp(key, "loop") == 0) {
        state->loop = strcmp(value, "yes") == 0;
        return state->loop || strcmp(value, "no") == 0;
    }
    return true;
}

static bool read_comment(struct ew_meter *m, struct replay_state *state, char *line) {
    char *text = trim(line + 1);
    char *colon = strchr(text, ':');
    if (!colon) return true;
    *colon = 0;
    return read_key(m, state, trim(text), trim(colon + 1));
}

/* Further columns, as `edgewise meter watch --csv` writes them, are not read. */
static bool read_head(struct ew_meter *m, const char *line) {
    static const char power[] = "time_s,power_w", energy[] = "time_s,energy_j";
    bool is_power = strncmp(line, power, sizeof power - 1) == 0;
    if (!is_power && strncmp(line, energy, sizeof energy - 1) != 0) return false;
    m->info.kind = is_power ? EW_METER_POWER : EW_METER_COUNTER;
    char after = line[is_power ? sizeof power - 1 : sizeof energy - 1];
    return !after || after == ',';
}

/* NULL = fine, otherwise the rule that the line breaks. An empty value is a sample that the recorder missed. */
static const char *read_sample(struct replay_state *state, char *line) {
    char *comma = strchr(line, ',');
    if (!comma) return "needs time_s,value";
    *comma = 0;
    double time_s, value = NAN;
    if (!parse_number(line, &time_s) || time_s < 0 || time_s > 1e9)
        return "time is not a number of seconds from 0 to 1e9";
    char *further = strchr(comma + 1, ',');
    if (further) *further = 0;
    char *text = trim(comma + 1);
    if (*text && (!parse_number(text, &value) || fabs(value) > 1e15)) return "value is not a number";
    int64_t time_ns = (int64_t)llround(time_s * 1e9);
    if (state->n > 0 && time_ns <= state->times_ns[state->n - 1]) return "times must rise";
    if (state->n == MAX_SAMPLES) return "more samples than 50 million";
    if (state->n == state->capacity) {
        size_t capacity = state->capacity ? 2 * state->capacity : 1024;
        int64_t *times = realloc(state->times_ns, capacity * sizeof *times);
        if (times) state->times_ns = times;
        double *values = realloc(state->values, capacity * sizeof *values);
        if (values) state->values = values;
        if (!times || !values) return "out of memory";
        state->capacity = capacity;
    }
    state->times_ns[state->n] = time_ns;
    state->values[state->n++] = value;
    return NULL;
}

static enum ew_status read_line(struct ew_meter *m, char *line, size_t number, bool *head_seen, const char *path,
                                struct ew_error *err) {
    const char *rule = NULL;
    if (*line == '#') {
        if (!read_comment(m, m->state, line)) rule = "value of this key is not one of those documented";
    } else if (*line && !*head_seen) {
        *head_seen = read_head(m, line);
        if (!*head_seen) rule = "the head must begin with time_s,power_w or time_s,energy_j";
    } else if (*line) {
        rule = read_sample(m->state, line);
    }
    if (!rule) return EW_OK;
    enum ew_status status = strcmp(rule, "out of memory") == 0 ? EW_ERR_MEMORY : EW_ERR_FORMAT;
    return ew_error_set(err, status, "%s:%zu: %s", path, number, rule);
}

static enum ew_status parse(struct ew_meter *m, const struct ew_file_map *map, const char *path, struct ew_error *err) {
    bool head_seen = false;
    size_t number = 1;
    for (size_t at = 0; at < map->size; number++) {
        const uint8_t *end = memchr(map->data + at, '\n', map->size - at);
        size_t n = end ? (size_t)(end - (map->data + at)) : map->size - at;
        char line[MAX_LINE];
        if (n >= sizeof line || memchr(map->data + at, 0, n))
            return ew_error_set(err, EW_ERR_FORMAT, "%s:%zu: line of %zu bytes is no line of a trace", path, number, n);
        memcpy(line, map->data + at, n);
        line[n] = 0;
        enum ew_status status = read_line(m, trim(line), number, &head_seen, path, err);
        if (status != EW_OK) return status;
        at += n + 1;
    }
    const struct replay_state *state = m->state;
    if (state->n < 2) return ew_error_set(err, EW_ERR_FORMAT, "%s: a trace needs at least 2 samples", path);
    return EW_OK;
}

static int64_t median_step(const struct replay_state *state) {
    /* The step of a recorder is regular; that of the middle of the file stands for it. */
    size_t mid = state->n / 2;
    return state->times_ns[mid] - state->times_ns[mid - 1];
}

static enum ew_status start_replay(struct ew_meter *meter, struct ew_error *err) {
    (void)err;
    struct replay_state *state = meter->state;
    state->start_ns = ew_meter_now_ns(meter);
    state->next = 0;
    state->pass_ns = 0;
    return EW_OK;
}

static enum ew_status read_replay(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct replay_state *state = meter->state;
    int64_t played = ew_meter_now_ns(meter) - state->start_ns;
    while (batch->n < batch->capacity) {
        if (state->next == state->n && state->loop) {
            state->next = 0;
            state->pass_ns += state->one_pass_ns;
        }
        if (state->next == state->n) {
            if (batch->n > 0) return EW_OK;
            return ew_error_set(err, EW_ERR_NOT_FOUND, "meter replay: the trace is over (%.3f s)",
                                (double)state->times_ns[state->n - 1] * 1e-9);
        }
        int64_t at = state->pass_ns + state->times_ns[state->next] - state->times_ns[0];
        if (at > played) return EW_OK;
        double *values = ew_meter_batch_add(meter, batch);
        batch->times_ns[batch->n - 1] = state->start_ns + at;
        values[0] = state->values[state->next++];
    }
    return EW_OK;
}

static void close_replay(struct ew_meter *meter) {
    struct replay_state *state = meter->state;
    if (!state) return;
    free(state->times_ns);
    free(state->values);
}

enum ew_status ew_meter_open_replay(const struct ew_meter_config *config, const char *path, struct ew_meter **out,
                                    struct ew_error *err) {
    static const struct ew_meter_driver driver = {.start = start_replay, .read = read_replay, .close = close_replay};
    struct ew_file_map map = {0};
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    struct ew_meter *m = ew_meter_new(&driver, config, 1, sizeof(struct replay_state));
    if (!m) {
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
        goto done;
    }
    m->info.quantity = EW_METER_ENERGY;
    m->info.grade_ceiling = EW_GRADE_E;
    m->info.documented = "the trace file's own comments";
    ew_meter_text(m->info.name, sizeof m->info.name, "replay");
    ew_meter_text(m->info.source, sizeof m->info.source, "%s", path);
    ew_meter_text(m->info.covers, sizeof m->info.covers, "a recorded trace, not this run");
    ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "trace");
    m->channels[0].in_total = true;
    status = parse(m, &map, path, err);
    if (status != EW_OK) goto done;
    struct replay_state *state = m->state;
    if (m->info.kind == EW_METER_COUNTER && state->loop) {
        status = ew_error_set(err, EW_ERR_FORMAT, "%s: a counter cannot loop", path);
        goto done;
    }
    int64_t step = median_step(state);
    m->info.period_s = (double)step * 1e-9;
    state->one_pass_ns = state->times_ns[state->n - 1] - state->times_ns[0] + step;
    *out = m;
    m = NULL;
done:
    ew_meter_close(&m);
    ew_file_map_close(&map);
    return status;
}

enum ew_status ew_meter_source_replay(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      const char *path, struct ew_error *err) {
    struct ew_meter *m = NULL;
    enum ew_status status = ew_meter_open_replay(config, path, &m, err);
    return status == EW_OK ? ew_meter_list_add(list, m, err) : status;
}
