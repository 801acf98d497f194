/* Owns the text of `edgewise meter run`: a few lines per run, a table of phases, a table of repeats. */
#include "base/error.h"
#include "cli/energy_words.h"
#include "cli/meter_run_view.h"
#include "cli/terminal_style.h"
#include "insight/words.h"
#include "study/statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { INDENT = 10, TEXT_SIZE = 1536 };

static double wall_s(const struct ew_command_window *w) { return (double)(w->end_ns - w->begin_ns) * 1e-9; }

static void say(FILE *out, const struct ew_text_style *style, const char *head, const char *text) {
    ew_text_paragraph(out, style, INDENT, head, text);
}

static void number_of(char out[EW_NUMBER_SIZE], double value) { ew_words_number(out, value, -1); }

static void say_end(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run) {
    const struct ew_command_result *result = run->result;
    const struct ew_command_once *last = &result->runs[result->n_runs - 1];
    char text[TEXT_SIZE] = "";
    for (const char *const *word = run->argv; *word && strlen(text) < 200; word++)
        ew_words_add(text, sizeof text, "%s%.200s", word == run->argv ? "" : " ", *word);
    if (WIFSIGNALED(last->wait_status))
        ew_words_add(text, sizeof text, " · killed by signal %d (%s)%s", WTERMSIG(last->wait_status),
                     strsignal(WTERMSIG(last->wait_status)), WCOREDUMP(last->wait_status) ? ", core dumped" : "");
    else
        ew_words_add(text, sizeof text, " · exit status %d", WEXITSTATUS(last->wait_status));
    if (result->interrupted) ew_words_add(text, sizeof text, " · stopped by %s", strsignal(result->interrupted));
    if (last->warm_up) ew_words_add(text, sizeof text, " · in the warm-up");
    say(out, style, "command", text);
}

static void say_settings(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run) {
    char text[TEXT_SIZE] = "";
    for (size_t i = 0; i < run->n_settings; i++)
        ew_words_add(text, sizeof text, "%s%s %s", i ? " · " : "", ew_setting_kind_name(run->settings[i].kind),
                     run->settings[i].value);
    if (*text) say(out, style, "set", text);
}

static void say_time(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run,
                     const struct ew_command_once *once) {
    char text[TEXT_SIZE], wall[EW_NUMBER_SIZE], user[EW_NUMBER_SIZE], kernel[EW_NUMBER_SIZE];
    double seconds = wall_s(&once->window), busy = once->user_s + once->system_s;
    number_of(wall, seconds);
    ew_words_number(user, once->user_s, 2);
    ew_words_number(kernel, once->system_s, 2);
    snprintf(text, sizeof text, "%s s · processor %s s user, %s s system", wall, user, kernel);
    if (seconds > 0) ew_words_add(text, sizeof text, " = %.2f cores busy", busy / seconds);
    if (run->cores > 0 && seconds > 0) ew_words_add(text, sizeof text, " of %d", run->cores);
    say(out, style, "time", text);
}

static void say_energy(FILE *out, const struct ew_text_style *style, const struct ew_meter_run *run,
                       const struct ew_command_once *once) {
    char text[TEXT_SIZE];
    if (!run->meters->energy)
        snprintf(text, sizeof text, "none: %s", run->meters->energy_none);
    else
        ew_energy_words(text, sizeof text, &once->window.energy, ew_meter_info(run->meters->energy));
    say(out, style, "energy", text);
}

static void say_idle(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result) {
    if (!result->has_idle) return;
    char text[TEXT_SIZE], value[2 * EW_NUMBER_SIZE + 8];
    ew_energy_value(value, sizeof value, result->idle.power_w, result->idle.error_w);
    snprintf(text, sizeof text, "%s W at rest", value);
    if (isfinite(result->idle.drift_w))
        ew_words_add(text, sizeof text, " (after minus before: %+.2g W)", result->idle.drift_w);
    say(out, style, "idle", text);
}

static void say_heat(FILE *out, const struct ew_text_style *style, const struct ew_command_once *once) {
    const struct ew_gauge_window *t = &once->temperature_c, *f = &once->frequency_hz;
    char text[TEXT_SIZE] = "";
    if (!isnan(t->mean)) ew_words_add(text, sizeof text, "%.1f → %.1f °C, highest %.1f", t->first, t->last, t->max);
    if (!isnan(f->mean))
        ew_words_add(text, sizeof text, "%sclock %.0f MHz on average", *text ? " · " : "", f->mean * 1e-6);
    if (*text) say(out, style, "heat", text);
}

struct gauge_list {
    char text[TEXT_SIZE];
    size_t n, shown, hidden; /* that gave anything, that are named, that could be */
};

/* Adds those that were not at zero all the time, with what they showed at begin and end. */
static void list_gauges(struct gauge_list *list, const struct ew_command_result *result,
                        const struct ew_command_once *once, const char *meter, double scale, const char *unit) {
    enum { MOST_SHOWN = 8 };
    struct ew_named_gauge gauges[EW_RUN_GAUGES];
    size_t n = ew_command_gauges(result, once, meter, gauges, EW_RUN_GAUGES);
    for (size_t i = 0; i < n; i++) {
        const struct ew_gauge_window *w = &gauges[i].window;
        list->n += !isnan(w->max);
        if (!(w->max > 0)) continue;
        if (list->shown == MOST_SHOWN) {
            list->hidden++;
            continue;
        }
        char *name = ew_text_clean(gauges[i].name);
        ew_words_add(list->text, sizeof list->text, "%s%.60s %.0f → %.0f %s", list->shown++ ? " · " : "",
                     name ? name : "", w->first * scale, w->last * scale, unit);
        if (w->max > fmax(w->first, w->last))
            ew_words_add(list->text, sizeof list->text, ", highest %.0f", w->max * scale);
        free(name);
    }
}

static void say_list(FILE *out, const struct ew_text_style *style, const char *head, struct gauge_list *list,
                     const char *all_zero) {
    if (list->hidden > 0) ew_words_add(list->text, sizeof list->text, " · and %zu more", list->hidden);
    if (list->n > 0) say(out, style, head, list->shown ? list->text : all_zero);
}

static void say_cooling(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result,
                        const struct ew_command_once *once) {
    struct gauge_list fans = {0}, brakes = {0};
    list_gauges(&fans, result, once, "fan", 1, "rpm");
    list_gauges(&fans, result, once, "fan-drive", 100, "%");
    list_gauges(&brakes, result, once, "cooling", 100, "% of its most");
    say_list(out, style, "fans", &fans, "stand still");
    say_list(out, style, "cooling", &brakes, "the kernel held no clocks down");
}

/* Of one run what slowed it down; of several in how many, and what slowed the first of those. */
static void say_throttling(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result) {
    char text[TEXT_SIZE] = "";
    size_t throttled = 0, known = 0;
    const struct ew_throttle_span *first = NULL;
    const char *earlier = result->runs[0].throttle.earlier;
    for (size_t i = 0; i < result->n_runs; i++) {
        const struct ew_throttle_span *span = &result->runs[i].throttle;
        known += span->known || span->throttled;
        throttled += span->throttled;
        if (span->throttled && !first) first = span;
    }
    if (known == 0)
        ew_words_add(text, sizeof text, "not known: nothing counts it here");
    else if (!first && *earlier)
        ew_words_add(text, sizeof text, "no (earlier: %s)", earlier);
    else if (!first)
        ew_words_add(text, sizeof text, "no");
    else if (result->n_runs == 1)
        ew_words_add(text, sizeof text, "%s", first->words);
    else
        ew_words_add(text, sizeof text, "in %zu of %zu runs; in the first of them: %s", throttled, result->n_runs,
                     first->words);
    say(out, style, "throttled", text);
}

static void say_left_out(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result) {
    if (*result->metering.left_out) say(out, style, "without", result->metering.left_out);
}

/* ---- tables ---- */

static void add_energy(struct ew_text_table *table, const struct ew_energy *e) {
    char value[EW_NUMBER_SIZE], tail[EW_NUMBER_SIZE + 8];
    bool told = e->grade != EW_GRADE_NONE;
    int decimals = told ? ew_words_decimals(e->energy_j, e->error_j) : 0;
    ew_words_number(value, told ? e->energy_j : NAN, decimals);
    char half[EW_NUMBER_SIZE];
    ew_words_number(half, e->error_j, decimals);
    snprintf(tail, sizeof tail, "± %.30s", half);
    ew_text_table_add(table, value, told ? tail : NULL);
    ew_words_number(value, told ? e->average_w : NAN, -1);
    ew_text_table_add(table, value, NULL);
    ew_words_number(value, told ? e->peak_w : NAN, -1);
    ew_text_table_add(table, value, NULL);
    ew_text_table_add(table, ew_trust_grade_name(e->grade), NULL);
}

static void add_size(struct ew_text_table *table, const struct ew_command_window *w) {
    char value[EW_NUMBER_SIZE];
    double bytes = isnan(w->peak_pss_bytes) ? w->peak_rss_bytes : w->peak_pss_bytes;
    ew_words_number(value, bytes / 1048576, -1);
    ew_text_table_add(table, value, NULL);
}

/* heads: what stands in the first column. n rows from get. */
static struct ew_text_table *open_table(const char *first, bool energy) {
    const struct ew_text_column columns[] = {{first, NULL, false, true},     {"time", "s", true, false},
                                             {"memory", "MiB", true, false}, {"energy", "J", true, false},
                                             {"average", "W", true, false},  {"peak", "W", true, false},
                                             {"grade", NULL, false, false}};
    return ew_text_table_open(columns, energy ? 7 : 3);
}

static void add_row(struct ew_text_table *table, const char *name, const struct ew_command_window *w, bool energy) {
    char value[EW_NUMBER_SIZE];
    ew_text_table_add(table, name, NULL);
    ew_words_number(value, wall_s(w), -1);
    ew_text_table_add(table, value, NULL);
    add_size(table, w);
    if (energy) add_energy(table, &w->energy);
}

static bool finish_table(struct ew_text_table *table, FILE *out, const struct ew_text_style *style) {
    bool ok = table && fputc('\n', out) != EOF && ew_text_table_print(table, out, style);
    ew_text_table_close(&table);
    return ok;
}

static bool print_phases(FILE *out, const struct ew_text_style *style, const struct ew_command_once *once,
                         bool energy) {
    if (once->n_phases == 0) return true;
    struct ew_text_table *table = open_table("phase", energy);
    for (size_t i = 0; table && i < once->n_phases; i++)
        add_row(table, once->phases[i].name, &once->phases[i].window, energy);
    return finish_table(table, out, style);
}

static bool print_repeats(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result,
                          bool energy) {
    struct ew_text_table *table = open_table("run", energy);
    size_t counted = 0;
    for (size_t i = 0; table && i < result->n_runs; i++) {
        const struct ew_command_once *once = &result->runs[i];
        char name[64];
        int status = ew_meter_run_exit_status(once->wait_status);
        snprintf(name, sizeof name, once->warm_up ? "warm-up" : "%zu", once->warm_up ? 0 : ++counted);
        if (status != 0) ew_words_add(name, sizeof name, " (status %d)", status);
        add_row(table, name, &once->window, energy);
    }
    return finish_table(table, out, style);
}

static bool print_medians(FILE *out, const struct ew_text_style *style, const struct ew_command_result *result) {
    double *values = calloc(result->n_runs + 1, sizeof *values);
    if (!values) return false;
    char text[TEXT_SIZE] = "";
    size_t n_runs = 0;
    bool is_range = false;
    for (int f = 0; f < EW_RUN_FIGURES; f++) {
        struct ew_stat_summary s;
        char value[EW_NUMBER_SIZE], low[EW_NUMBER_SIZE], high[EW_NUMBER_SIZE];
        const struct ew_run_figure_name *name = &ew_run_figure_names[f];
        size_t n = ew_meter_run_figures(result, (enum ew_run_figure)f, values);
        if (n == 0 || ew_stat_summarise(values, n, &s, NULL) != EW_OK) continue;
        int decimals = ew_words_decimals(s.median * name->scale, n > 1 ? (s.high - s.low) / 2 * name->scale : NAN);
        ew_words_number(value, s.median * name->scale, decimals);
        ew_words_number(low, s.low * name->scale, decimals);
        ew_words_number(high, s.high * name->scale, decimals);
        ew_words_add(text, sizeof text, "%s%s %s %s", *text ? " · " : "", name->words, value, name->unit);
        if (n > 1) ew_words_add(text, sizeof text, " (%s–%s)", low, high);
        is_range = s.is_range;
        n_runs = n;
    }
    free(values);
    if (!*text) return true;
    ew_words_add(text, sizeof text, " · median of %zu, in brackets %s", n_runs,
                 is_range ? "smallest and largest" : "its 95 % interval");
    say(out, style, "\nmedian", text);
    return true;
}

enum ew_status ew_meter_run_print(const struct ew_meter_run *run, FILE *out, struct ew_error *err) {
    const struct ew_command_result *result = run->result;
    struct ew_text_style style = ew_terminal_style(fileno(out), false);
    const struct ew_command_once *last = &result->runs[result->n_runs - 1];
    bool energy = run->meters->energy != NULL, ok = true;
    fputc('\n', out);
    say_end(out, &style, run);
    say_settings(out, &style, run);
    if (result->n_runs == 1) {
        say_time(out, &style, run, last);
        say_energy(out, &style, run, last);
        say_idle(out, &style, result);
        ew_meter_run_print_memory(out, &style, run, last);
        say_heat(out, &style, last);
        say_cooling(out, &style, result, last);
        say_throttling(out, &style, result);
        ok = print_phases(out, &style, last, energy);
    } else {
        if (!energy) say_energy(out, &style, run, last);
        say_idle(out, &style, result);
        ok = print_repeats(out, &style, result, energy);
        ok = ok && print_medians(out, &style, result);
        ew_meter_run_print_repeats_memory(out, &style, result);
        if (energy) say_energy(out, &style, run, last);
        say_throttling(out, &style, result);
    }
    say_left_out(out, &style, result);
    if (last->broken_lines > 0) {
        char text[TEXT_SIZE];
        snprintf(text, sizeof text, "%u lines on $EDGEWISE_PHASE_FD were not understood, the first: %s",
                 last->broken_lines, last->first_broken);
        say(out, &style, "phases", text);
    }
    return ok ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "summary: out of memory");
}
