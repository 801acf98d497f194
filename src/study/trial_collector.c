/* Owns reading the events of a trial. What they mean for the trial's status: trial_judge.c. */
#include "study/trial_collector.h"
#include "base/error.h"
#include "study/trial_spec.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PHASES = 256, MAX_STAMPS = 1 << 22, BROKEN_SIZE = 256 };

struct ew_trial_collector {
    char *line; /* bytes of the line that is not complete yet */
    size_t line_size, line_capacity;
    bool skipping; /* the current line is too long: drop it up to its end */
    json_t *kept;  /* array of events whose strings the record points to */
    struct ew_phase_record phases[MAX_PHASES];
    size_t n_phases;
    bool phase_open;
    int64_t *stamps;
    size_t n_stamps;
    struct ew_sustained_window *windows;
    size_t n_windows;
    bool hello, ttft, done;
    struct ew_trial_collected state;
    struct ew_trial_record record;
    char broken[BROKEN_SIZE];
};

static int64_t number_or_missing(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value)) return json_integer_value(value);
    return EW_MISSING;
}

__attribute__((format(printf, 2, 3))) static void break_rule(struct ew_trial_collector *c, const char *format, ...) {
    if (c->state.broken) return;
    va_list args;
    va_start(args, format);
    vsnprintf(c->broken, sizeof c->broken, format, args);
    va_end(args);
    c->state.broken = c->broken;
}

enum ew_status ew_trial_collector_open(struct ew_trial_collector **out, struct ew_error *err) {
    struct ew_trial_collector *c = calloc(1, sizeof *c);
    if (c) c->kept = json_array();
    if (!c || !c->kept) {
        free(c);
        return ew_error_set(err, EW_ERR_MEMORY, "trial: out of memory");
    }
    c->state.pid = EW_MISSING;
    c->record.ttft_ns = EW_MISSING;
    c->record.drafts = (struct ew_draft_record){EW_MISSING, EW_MISSING, EW_MISSING};
    *out = c;
    return EW_OK;
}

void ew_trial_collector_close(struct ew_trial_collector **collector) {
    if (!collector || !*collector) return;
    json_decref((*collector)->kept);
    free((*collector)->stamps);
    free((*collector)->windows);
    free((*collector)->line);
    free(*collector);
    *collector = NULL;
}

static void on_hello(struct ew_trial_collector *c, const json_t *event) {
    if (number_or_missing(event, "protocol") != EW_TRIAL_PROTOCOL)
        break_rule(c, "hello: protocol is not %d", EW_TRIAL_PROTOCOL);
    c->hello = true;
    c->state.pid = number_or_missing(event, "pid");
    c->record.engine = json_string_value(json_object_get(event, "engine"));
    c->record.engine_version = json_string_value(json_object_get(event, "version"));
    c->record.engine_build = json_string_value(json_object_get(event, "build"));
    c->record.cpu_features = json_string_value(json_object_get(event, "cpu_features"));
}

static void begin_phase(struct ew_trial_collector *c, const char *name, int64_t t) {
    if (c->phase_open) {
        break_rule(c, "phase %s begins inside phase %s", name, c->state.phase);
        return;
    }
    if (c->n_phases == MAX_PHASES) {
        break_rule(c, "more than %d phases", MAX_PHASES);
        return;
    }
    c->phases[c->n_phases] = (struct ew_phase_record){.name = name,
                                                      .begin_ns = t,
                                                      .end_ns = EW_MISSING,
                                                      .n_tokens = EW_MISSING,
                                                      .vm_hwm_bytes = EW_MISSING,
                                                      .rss_anon_bytes = EW_MISSING,
                                                      .rss_file_bytes = EW_MISSING,
                                                      .peak_rss_bytes = EW_MISSING,
                                                      .peak_pss_bytes = EW_MISSING};
    c->phase_open = true;
    c->state.phase = name;
}

static void end_phase(struct ew_trial_collector *c, const char *name, int64_t t, const json_t *event) {
    struct ew_phase_record *p = &c->phases[c->n_phases];
    if (!c->phase_open || strcmp(p->name, name) != 0 || t < p->begin_ns) {
        break_rule(c, "phase %s ends, but did not begin%s", name, c->phase_open ? " last" : "");
        return;
    }
    const json_t *memory = json_object_get(event, "memory");
    int64_t begin = number_or_missing(event, "begin"); /* without the time that writing the first event took */
    if (begin >= p->begin_ns && begin <= t) p->begin_ns = begin;
    p->end_ns = t;
    p->n_tokens = number_or_missing(event, "tokens");
    p->vm_hwm_bytes = number_or_missing(memory, "vm_hwm_bytes");
    p->rss_anon_bytes = number_or_missing(memory, "rss_anon_bytes");
    p->rss_file_bytes = number_or_missing(memory, "rss_file_bytes");
    c->n_phases++;
    c->phase_open = false;
    c->state.phase = NULL;
}

static void on_phase(struct ew_trial_collector *c, const json_t *event, int64_t t) {
    const char *name = json_string_value(json_object_get(event, "name"));
    const char *edge = json_string_value(json_object_get(event, "edge"));
    if (!name || !edge || strlen(name) > 32) {
        break_rule(c, "phase without a name or edge");
        return;
    }
    if (strcmp(edge, "begin") == 0)
        begin_phase(c, name, t);
    else if (strcmp(edge, "end") == 0)
        end_phase(c, name, t, event);
    else
        break_rule(c, "phase %s: edge `%.20s` is not begin or end", name, edge);
}

static void on_ledger(struct ew_trial_collector *c, const json_t *event) {
    struct ew_ledger_record *l = &c->record.ledger;
    *l = (struct ew_ledger_record){.weights_mapped = number_or_missing(event, "weights_mapped"),
                                   .weights_packed = number_or_missing(event, "weights_packed"),
                                   .kv_cache = number_or_missing(event, "kv_cache"),
                                   .activations = number_or_missing(event, "activations"),
                                   .scratch = number_or_missing(event, "scratch"),
                                   .tokenizer = number_or_missing(event, "tokenizer"),
                                   .runtime = number_or_missing(event, "runtime"),
                                   .total = number_or_missing(event, "total")};
    l->present = l->total != EW_MISSING;
    if (!l->present) break_rule(c, "ledger without a total");
}

static void on_speculation(struct ew_trial_collector *c, const json_t *event) {
    struct ew_draft_record d = {number_or_missing(event, "drafted"), number_or_missing(event, "accepted"),
                                number_or_missing(event, "passes")};
    if (d.accepted >= 0 && d.accepted <= d.drafted && d.passes >= 0 && d.passes <= d.drafted)
        c->record.drafts = d;
    else
        break_rule(c, "speculation: accepted and passes are not 0 to drafted");
}

static enum ew_status on_stamps(struct ew_trial_collector *c, const json_t *event, struct ew_error *err) {
    const json_t *list = json_object_get(event, "ns");
    size_t n = json_array_size(list);
    if (n < 1 || n > MAX_STAMPS || c->stamps) {
        break_rule(c, "token_stamps: %zu stamps, or a second time", n);
        return EW_OK;
    }
    int64_t *stamps = malloc(n * sizeof *stamps);
    if (!stamps) return ew_error_set(err, EW_ERR_MEMORY, "trial: no memory for %zu stamps", n);
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        stamps[i] = json_integer_value(value);
        if (json_is_integer(value) && (i == 0 || stamps[i] >= stamps[i - 1])) continue;
        break_rule(c, "token_stamps: stamp %zu is no number, or before the one before it", i);
        free(stamps);
        return EW_OK;
    }
    c->stamps = stamps;
    c->n_stamps = n;
    return EW_OK;
}

static bool is_window(const struct ew_sustained_window *w, const struct ew_sustained_window *before) {
    return w->n_tokens >= 0 && w->decode_ns >= 0 && (!before || w->end_ns >= before->end_ns);
}

static enum ew_status on_windows(struct ew_trial_collector *c, const json_t *event, struct ew_error *err) {
    const json_t *ends = json_object_get(event, "ends_ns"), *tokens = json_object_get(event, "tokens");
    const json_t *decode = json_object_get(event, "decode_ns");
    size_t n = json_array_size(ends);
    if (n != json_array_size(tokens) || n != json_array_size(decode) || n > MAX_STAMPS || c->windows) {
        break_rule(c, "windows: %zu ends, but another number of tokens or times, or a second time", n);
        return EW_OK;
    }
    struct ew_sustained_window *windows = malloc((n + 1) * sizeof *windows);
    if (!windows) return ew_error_set(err, EW_ERR_MEMORY, "trial: no memory for %zu windows", n);
    for (size_t i = 0; i < n; i++) {
        const json_t *end = json_array_get(ends, i), *count = json_array_get(tokens, i);
        const json_t *time = json_array_get(decode, i);
        windows[i] =
            (struct ew_sustained_window){json_integer_value(end), json_integer_value(count), json_integer_value(time)};
        bool numbers = json_is_integer(end) && json_is_integer(count) && json_is_integer(time);
        if (numbers && is_window(&windows[i], i ? &windows[i - 1] : NULL)) continue;
        break_rule(c, "windows: window %zu is no numbers, or ends before the one before it", i);
        free(windows);
        return EW_OK;
    }
    c->windows = windows;
    c->n_windows = n;
    return EW_OK;
}

static bool has_phase(const struct ew_trial_collector *c, const char *name) {
    for (size_t i = 0; i < c->n_phases; i++)
        if (strcmp(c->phases[i].name, name) == 0) return true;
    return false;
}

static void on_done(struct ew_trial_collector *c) {
    const char *missing = !c->hello                  ? "hello"
                          : !has_phase(c, "load")    ? "phase load"
                          : !has_phase(c, "prefill") ? "phase prefill"
                          : !c->ttft                 ? "ttft"
                          : !has_phase(c, "decode")  ? "phase decode"
                          : !c->stamps               ? "token_stamps"
                                                     : NULL;
    if (missing) break_rule(c, "done, but %s is missing", missing);
    if (c->phase_open) break_rule(c, "done inside phase %s", c->state.phase);
    c->done = !missing && !c->phase_open;
}

/* Strings of kept events stay valid as long as the collector. */
static bool keep_event(struct ew_trial_collector *c, json_t *event) {
    if (json_array_size(c->kept) >= 4 * MAX_PHASES) {
        break_rule(c, "more than %d events", 4 * MAX_PHASES);
        return false;
    }
    return json_array_append(c->kept, event) == 0;
}

static void on_kept_event(struct ew_trial_collector *c, const char *kind, const json_t *event, int64_t t) {
    if (strcmp(kind, "hello") == 0) {
        on_hello(c, event);
    } else if (strcmp(kind, "phase") == 0) {
        on_phase(c, event, t);
    } else if (strcmp(kind, "ledger") == 0) {
        on_ledger(c, event);
    } else if (strcmp(kind, "kernels") == 0) {
        c->record.kernels = json_string_value(json_object_get(event, "names"));
    } else if (strcmp(kind, "ttft") == 0) {
        c->record.ttft_ns = number_or_missing(event, "ns");
        c->ttft = c->record.ttft_ns != EW_MISSING;
    } else if (strcmp(kind, "speculation") == 0) {
        on_speculation(c, event);
    } else if (strcmp(kind, "text") == 0) {
        c->record.sample_prompt = json_string_value(json_object_get(event, "prompt"));
        c->record.sample_text = json_string_value(json_object_get(event, "text"));
    } else if (strcmp(kind, "error") == 0) {
        c->state.error_status = json_string_value(json_object_get(event, "status"));
        c->state.error_message = json_string_value(json_object_get(event, "message"));
        if (!c->state.error_status) c->state.error_status = "internal";
    } else if (strcmp(kind, "done") == 0) {
        on_done(c);
    } /* others are for newer readers */
}

static enum ew_status on_event(struct ew_trial_collector *c, json_t *event, struct ew_error *err) {
    const char *kind = json_string_value(json_object_get(event, "event"));
    int64_t t = number_or_missing(event, "t");
    if (!kind || t == EW_MISSING) {
        break_rule(c, "an event without `event` or `t`");
        return EW_OK;
    }
    if (!c->hello && strcmp(kind, "hello") != 0 && strcmp(kind, "error") != 0)
        break_rule(c, "`%.32s` came before hello", kind);
    if (c->done) break_rule(c, "`%.32s` came after done", kind);
    if (strcmp(kind, "token_stamps") == 0) return on_stamps(c, event, err); /* large, and holds no strings: not kept */
    if (strcmp(kind, "windows") == 0) return on_windows(c, event, err);
    if (keep_event(c, event)) on_kept_event(c, kind, event, t);
    return EW_OK;
}

static enum ew_status on_line(struct ew_trial_collector *c, const char *line, size_t size, struct ew_error *err) {
    if (size == 0) return EW_OK;
    json_t *event = json_loadb(line, size, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(event)) {
        break_rule(c, "a line that is no JSON object: %.*s", size < 60 ? (int)size : 60, line);
        json_decref(event);
        return EW_OK;
    }
    enum ew_status status = on_event(c, event, err);
    json_decref(event);
    return status;
}

static enum ew_status keep(struct ew_trial_collector *c, const char *bytes, size_t n, struct ew_error *err) {
    if (c->skipping) return EW_OK;
    if (c->line_size + n > EW_TRIAL_MAX_LINE) {
        break_rule(c, "a line of more than %d bytes", EW_TRIAL_MAX_LINE);
        c->skipping = true;
        c->line_size = 0;
        return EW_OK;
    }
    if (c->line_size + n > c->line_capacity) {
        size_t capacity = 2 * (c->line_size + n);
        char *larger = realloc(c->line, capacity);
        if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "trial: no memory for a line of %zu bytes", capacity);
        c->line = larger;
        c->line_capacity = capacity;
    }
    memcpy(c->line + c->line_size, bytes, n);
    c->line_size += n;
    return EW_OK;
}

enum ew_status ew_trial_collector_feed(struct ew_trial_collector *c, const char *bytes, size_t n,
                                       struct ew_error *err) {
    enum ew_status status = EW_OK;
    while (status == EW_OK && n > 0) {
        const char *newline = memchr(bytes, '\n', n);
        size_t part = newline ? (size_t)(newline - bytes) : n;
        status = keep(c, bytes, part, err);
        if (!newline || status != EW_OK) break;
        if (!c->skipping) status = on_line(c, c->line, c->line_size, err);
        c->skipping = false;
        c->line_size = 0;
        bytes += part + 1;
        n -= part + 1;
    }
    return status;
}

enum ew_status ew_trial_collector_end(struct ew_trial_collector *c, struct ew_error *err) {
    (void)err;
    if (c->line_size > 0 || c->skipping) break_rule(c, "the last line is not complete");
    c->line_size = 0;
    return EW_OK;
}

struct ew_trial_collected ew_trial_collector_state(const struct ew_trial_collector *c) {
    struct ew_trial_collected state = c->state;
    state.done = c->done;
    return state;
}

void ew_trial_collector_record(struct ew_trial_collector *c, int64_t end_ns, struct ew_trial_record *record) {
    if (c->phase_open) {
        c->phases[c->n_phases].end_ns = end_ns;
        c->n_phases++;
        c->phase_open = false;
    }
    record->engine = c->record.engine;
    record->engine_version = c->record.engine_version;
    record->engine_build = c->record.engine_build;
    record->cpu_features = c->record.cpu_features;
    record->kernels = c->record.kernels;
    record->ttft_ns = c->record.ttft_ns;
    record->ledger = c->record.ledger;
    record->drafts = c->record.drafts;
    record->sample_prompt = c->record.sample_prompt;
    record->sample_text = c->record.sample_text;
    record->phases = c->phases;
    record->n_phases = c->n_phases;
    record->stamps_ns = c->stamps;
    record->n_stamps = c->n_stamps;
    record->windows = c->windows;
    record->n_windows = c->n_windows;
    record->first_stamp_ns = c->n_stamps ? c->stamps[0] : EW_MISSING;
    record->last_stamp_ns = c->n_stamps ? c->stamps[c->n_stamps - 1] : EW_MISSING;
}
