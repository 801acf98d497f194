/* Owns the words and the line of a running study. Decides nothing. */
#include "cli/study_view.h"
#include "study/memory_record.h"
#include "study/study_value.h"
#include "study/trial_conditions.h"
#include "study/trial_speed.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR_CELLS = 20, LABEL_COLUMNS = 38, DEFAULT_WIDTH = 100, WIDTH_FOR_BAR = 96 };

static size_t append(char *buf, size_t capacity, size_t used, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static size_t append(char *buf, size_t capacity, size_t used, const char *format, ...) {
    if (used >= capacity) return used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(buf + used, capacity - used, format, args);
    va_end(args);
    return n < 0 ? used : used + (size_t)n;
}

/* Characters, not bytes; every character we print is one column wide. */
static size_t columns(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void cut_to(char *text, size_t width) {
    size_t n = 0;
    for (char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) == 0x80) continue;
        if (n++ < width) continue;
        *p = 0;
        return;
    }
}

static size_t terminal_width(FILE *out) {
    struct winsize size;
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
    return DEFAULT_WIDTH;
}

void ew_study_view_label(const struct ew_study_file *study, const struct ew_model_record *model,
                         const struct ew_config_record *c, char *buf, size_t capacity) {
    size_t used = append(buf, capacity, 0, "%s", model->name);
    /* Many models carry their type in the name already. */
    if (model->file_type && *model->file_type && !strcasestr(model->name, model->file_type))
        used = append(buf, capacity, used, " %s", model->file_type);
    if (c->prefill_threads == c->decode_threads)
        used = append(buf, capacity, used, " · %lld thread%s", (long long)c->decode_threads,
                      c->decode_threads == 1 ? "" : "s");
    else
        used = append(buf, capacity, used, " · %lld/%lld threads", (long long)c->prefill_threads,
                      (long long)c->decode_threads);
    if (study->prompt_tokens.n > 1) used = append(buf, capacity, used, " · prompt %lld", (long long)c->prompt_tokens);
    if (study->generate_tokens.n > 1)
        used = append(buf, capacity, used, " · answer %lld", (long long)c->generate_tokens);
    bool single = study->n_configurations > 0; /* anything may differ */
    if (study->depth.n > 1 || (single && c->depth))
        used = append(buf, capacity, used, " · depth %lld", (long long)c->depth);
    if (study->layout.n > 1) used = append(buf, capacity, used, " · %s", c->layout);
    if (study->batch.n > 1 || (single && c->batch))
        used = append(buf, capacity, used, " · batch %lld", (long long)c->batch);
    if (c->kv_type) used = append(buf, capacity, used, " · KV %s", c->kv_type);
    if (c->speculate) used = append(buf, capacity, used, " · speculate %s", c->speculate);
    if (c->cores) used = append(buf, capacity, used, " · cores %s", c->cores);
    if (c->spin_us) used = append(buf, capacity, used, " · spin %lld µs", (long long)(c->spin_us > 0 ? c->spin_us : 0));
    if (c->load) used = append(buf, capacity, used, " · %s", c->load);
    if (c->sustained_ms) {
        char time[32];
        ew_value_print_duration((double)c->sustained_ms / 1000, time, sizeof time);
        used = append(buf, capacity, used, " · sustained %s", time);
    }
    const struct ew_study_setting setting = ew_study_setting_of(c);
    if (ew_study_setting_is_none(&setting)) return;
    char text[160];
    ew_study_setting_text(&setting, text, sizeof text);
    append(buf, capacity, used, " · %s", text);
}

void ew_study_view_open(struct ew_study_view *view, FILE *out, const struct ew_study_file *study,
                        const volatile int *stop_soon) {
    *view = (struct ew_study_view){.out = out, .live = isatty(fileno(out)), .study = study, .stop_soon = stop_soon};
    const char *term = getenv("TERM");
    if (term && strcmp(term, "dumb") == 0) view->live = false;
}

void ew_study_view_clear(struct ew_study_view *view) {
    if (view->live && *view->shown) fputs("\r\033[K", view->out);
    view->shown[0] = 0;
    fflush(view->out);
}

void ew_study_view_say(struct ew_study_view *view, const char *line) {
    if (!view->live) return;
    char cut[sizeof view->shown];
    snprintf(cut, sizeof cut, "%s", line);
    cut_to(cut, terminal_width(view->out) - 1);
    if (strcmp(cut, view->shown) == 0) return;
    fprintf(view->out, "\r\033[K%s", cut);
    fflush(view->out);
    memcpy(view->shown, cut, sizeof cut);
}

static size_t append_bar(char *buf, size_t capacity, size_t used, double fraction) {
    static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int filled = (int)(fraction * BAR_CELLS * 8 + 0.5);
    used = append(buf, capacity, used, "▕");
    int cells = 0;
    for (; cells < filled / 8; cells++) used = append(buf, capacity, used, "█");
    if (filled % 8 && cells < BAR_CELLS) {
        used = append(buf, capacity, used, "%s", eighths[filled % 8]);
        cells++;
    }
    return append(buf, capacity, used, "%*s▏", BAR_CELLS - cells, "");
}

static void draw(struct ew_study_view *view, const struct ew_study_progress *p) {
    char label[256], left[32], speed[32], line[512];
    ew_study_view_label(view->study, &p->model->record, p->config, label, sizeof label);
    ew_value_print_duration(p->seconds_left, left, sizeof left);
    size_t used = append(line, sizeof line, 0, "%3zu/%zu  %s  ", p->done + 1, p->total, label);
    if (terminal_width(view->out) >= WIDTH_FOR_BAR) {
        for (size_t n = columns(label); n < LABEL_COLUMNS; n++) used = append(line, sizeof line, used, " ");
        used = append_bar(line, sizeof line, used, p->fraction);
    }
    used = append(line, sizeof line, used, " %2.0f %%   %s left", 100 * p->fraction, left);
    if (!isnan(p->degrees_c)) used = append(line, sizeof line, used, "   %.0f °C", p->degrees_c);
    if (!isnan(p->decode_tokens_per_s)) {
        ew_value_print_speed(p->decode_tokens_per_s, speed, sizeof speed);
        used = append(line, sizeof line, used, "   %s tok/s", speed);
    }
    append(line, sizeof line, used, "   %s", p->phase ? p->phase : "");
    ew_study_view_say(view, line);
}

static void say_stopping(struct ew_study_view *view) {
    if (!view->stop_soon || !*view->stop_soon || view->said_stopping) return;
    view->said_stopping = true;
    ew_study_view_clear(view);
    fputs("finishing this run (again to stop now) …\n", view->out);
    fflush(view->out);
}

static void on_tick(void *context, const struct ew_study_progress *p) {
    struct ew_study_view *view = context;
    say_stopping(view);
    draw(view, p);
}

/* Only where it may have changed a figure; "" otherwise. */
static void memory_words(const struct ew_trial_record *t, char words[EW_MEMORY_WORDS_BYTES]) {
    struct ew_memory_activity activity;
    words[0] = 0;
    ew_memory_record_read(t->conditions.memory_json, &activity);
    if (ew_memory_activity_flags(&activity)) ew_memory_activity_words(&activity, words, EW_MEMORY_WORDS_BYTES);
}

static void on_finished(void *context, const struct ew_study_progress *p, const struct ew_trial_record *t) {
    struct ew_study_view *view = context;
    char memory[EW_MEMORY_WORDS_BYTES];
    if (view->after_run) view->after_run(view->after_run_context, t);
    if (view->omits_runs) return;
    memory_words(t, memory);
    bool crowded = ew_conditions_crowded(&t->conditions);
    bool odd = crowded || t->conditions.throttled || *memory || t->conditions.meter_lost || t->conditions.notes;
    if (view->live && t->status == EW_TRIAL_OK && !odd) return; /* the line moves on; what went wrong stays on screen */
    ew_study_view_clear(view);
    char label[256], prefill[32], decode[32];
    ew_study_view_label(view->study, &p->model->record, p->config, label, sizeof label);
    ew_value_print_speed(ew_trial_prefill_speed(t), prefill, sizeof prefill);
    ew_value_print_speed(ew_trial_decode_speed(t), decode, sizeof decode);
    fprintf(view->out, "%3zu/%zu  %s · run %lld: ", p->done, p->total, label, (long long)p->repeat + 1);
    if (t->status == EW_TRIAL_OK)
        fprintf(view->out, "prefill %s tok/s, decode %s tok/s, peak %.0f MiB", prefill, decode,
                (double)t->peak_rss_bytes / 1048576.0);
    else
        fprintf(view->out, "%s: %s", ew_trial_status_name(t->status), t->reason);
    if (crowded)
        fprintf(view->out, " · others took %.0f %% of the CPU time",
                100 * (t->conditions.others_share + t->conditions.stolen_share));
    if (t->conditions.throttled) fputs(" · throttled", view->out);
    if (*memory) fprintf(view->out, " · %s", memory);
    if (t->conditions.gate && strcmp(t->conditions.gate, "passed") != 0)
        fprintf(view->out, " · thermal gate: %s", t->conditions.gate);
    if (t->conditions.meter_lost) fprintf(view->out, " · meter lost: %s", t->conditions.meter_lost);
    if (t->conditions.notes) fprintf(view->out, " · %s", t->conditions.notes);
    fputc('\n', view->out);
    fflush(view->out);
}

static void quality_label(const struct ew_quality_progress *p, char *buf, size_t capacity) {
    size_t used = append(buf, capacity, 0, "%s", p->model->name);
    if (p->model->file_type && *p->model->file_type && !strcasestr(p->model->name, p->model->file_type))
        used = append(buf, capacity, used, " %s", p->model->file_type);
    if (p->kv_type) used = append(buf, capacity, used, " · KV %s", p->kv_type);
    append(buf, capacity, used, " · %s on %s", p->what, p->data);
}

static void on_asking(void *context, const struct ew_quality_progress *p) {
    struct ew_study_view *view = context;
    char label[256], left[32], line[400];
    say_stopping(view);
    quality_label(p, label, sizeof label);
    ew_value_print_duration(p->seconds_left, left, sizeof left);
    snprintf(line, sizeof line, "quality %zu/%zu  %s   %s left", p->done + 1, p->total, label, left);
    ew_study_view_say(view, line);
}

static void on_asked(void *context, const struct ew_quality_progress *p) {
    struct ew_study_view *view = context;
    char label[256];
    if (view->live && !p->left_out) return;
    ew_study_view_clear(view);
    quality_label(p, label, sizeof label);
    fprintf(view->out, "quality %zu/%zu  %s", p->done, p->total, label);
    if (p->left_out)
        fprintf(view->out, ": left out — %s\n", p->left_out);
    else if (isnan(p->value))
        fputs(": kept\n", view->out);
    else
        fprintf(view->out, ": %.5g\n", p->value);
    fflush(view->out);
}

static void on_said(void *context, const char *line) {
    struct ew_study_view *view = context;
    ew_study_view_clear(view);
    fprintf(view->out, "%s\n", line);
    fflush(view->out);
}

static void on_begun(void *context, size_t done, size_t total, const struct ew_study_meters *meters) {
    struct ew_study_view *view = context;
    ew_study_view_clear(view);
    if (meters->energy) {
        const struct ew_meter_info *info = ew_meter_info(meters->energy);
        fprintf(view->out, "energy  %s: %s (%s, grade %s at best)\n", info->name, info->covers,
                ew_meter_boundary_name(info->boundary), ew_trust_grade_name(info->grade_ceiling));
    } else {
        fprintf(view->out, "energy  none — %s\n", meters->energy_none);
    }
    if (done > 0) fprintf(view->out, "going on: %zu of %zu runs are done\n", done, total);
    fflush(view->out);
}

static void on_resting(void *context, const char *place, double seconds) {
    struct ew_study_view *view = context;
    char time[32], line[128];
    ew_value_print_duration(seconds, time, sizeof time);
    snprintf(line, sizeof line, "idle power %s the runs: %s …", place, time);
    if (view->live) {
        ew_study_view_say(view, line);
        return;
    }
    fprintf(view->out, "%s\n", line);
    fflush(view->out);
}

struct ew_study_watcher ew_study_view_watcher(struct ew_study_view *view) {
    return (struct ew_study_watcher){.context = view,
                                     .begun = on_begun,
                                     .resting = on_resting,
                                     .tick = on_tick,
                                     .finished = on_finished,
                                     .asking = on_asking,
                                     .asked = on_asked,
                                     .said = on_said};
}
