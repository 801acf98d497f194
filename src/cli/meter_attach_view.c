/* Owns the words, the table and the JSON of `edgewise meter attach`. */
#include "cli/energy_words.h"
#include "cli/meter_attach.h"
#include "cli/meter_json.h"
#include "cli/terminal_style.h"
#include "insight/words.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { INDENT = 10 };

/* What to add to the meter's clock: beside a time of day what is left of it. The shift that was found puts a reading in
 * the middle of what it averages over, its stamp stands at the end. */
static double offset_s(const struct ew_attached *a) {
    const struct ew_meter_info *info = a->log->info;
    bool averages = a->log->found && info->kind == EW_METER_POWER;
    int64_t shift = a->log->map.shift_ns + (averages ? (int64_t)llround(info->averaging_s * 0.5e9) : 0);
    if (a->log->log->clock == EW_LOG_CLOCK_EPOCH) shift -= a->run->epoch_ns;
    return 1e-9 * (double)shift;
}

static void clock_words(const struct ew_attached *a, char *text, size_t size) {
    const struct ew_aligned_log *log = a->log;
    double error_s = 1e-9 * (double)log->error_ns;
    if (!log->found) {
        snprintf(text, size, "this machine's time of day, as the log's source says (clock=here)");
        return;
    }
    int n =
        snprintf(text, size, "%+.6g s to the log's stamps, ± %.2g s, found by the %s (correlation %.3f, elsewhere %.3f",
                 offset_s(a), error_s, a->by, log->first.peak, log->first.second_peak);
    if (a->run->n_signatures > 1 && isfinite(log->map.drift_error_ppm) && (size_t)n < size)
        n += snprintf(text + n, size - (size_t)n, "; drift %+.3g ± %.2g ppm", log->map.drift_ppm,
                      log->map.drift_error_ppm);
    if ((size_t)n < size) snprintf(text + n, size - (size_t)n, ")");
}

static void counts_words(const struct ew_power_log *log, char *text, size_t size) {
    int n = snprintf(text, size, "%zu samples every %.3g s", log->n, log->info.period_s);
    const struct {
        size_t n;
        const char *what;
    } odd[] = {{log->missing, "without a value"},
               {log->duplicates, "dropped: the stamp of one before"},
               {log->backwards, "put in their place: stamped before the last"},
               {log->cut, "incomplete at the end"}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd && (size_t)n < size; i++)
        if (odd[i].n > 0) n += snprintf(text + n, size - (size_t)n, " · %zu %s", odd[i].n, odd[i].what);
}

static void add_figure(struct ew_text_table *table, double value, double error, bool told) {
    char number[EW_NUMBER_SIZE], half[EW_NUMBER_SIZE], tail[EW_NUMBER_SIZE + 8] = "";
    int decimals = told ? ew_words_decimals(value, error) : 0;
    ew_words_number(number, told ? value : NAN, decimals);
    ew_words_number(half, error, decimals);
    if (told && isfinite(error)) snprintf(tail, sizeof tail, "± %.30s", half);
    ew_text_table_add(table, number, *tail ? tail : NULL);
}

static void add_row(struct ew_text_table *table, const struct ew_run_window *w, const struct ew_energy *e, bool net) {
    char text[EW_RUN_NAME_SIZE + 32], number[EW_NUMBER_SIZE];
    bool told = e->grade != EW_GRADE_NONE;
    if (w->name[0])
        snprintf(text, sizeof text, "  %s", w->name);
    else
        snprintf(text, sizeof text, "%s %u", w->warm_up ? "warm-up" : "run", w->run + 1);
    ew_text_table_add(table, text, NULL);
    ew_words_number(number, 1e-9 * (double)(w->end_ns - w->begin_ns), -1);
    ew_text_table_add(table, number, NULL);
    add_figure(table, e->energy_j, e->error_j, told);
    if (net) add_figure(table, e->net_j, e->net_error_j, told && isfinite(e->net_j));
    ew_words_number(number, told ? e->average_w : NAN, -1);
    ew_text_table_add(table, number, NULL);
    ew_words_number(number, told ? e->peak_w : NAN, -1);
    ew_text_table_add(table, number, NULL);
    ew_text_table_add(table, ew_trust_grade_name(e->grade), NULL);
    ew_text_table_add(table, e->grade_reason, NULL);
}

static void print_table(const struct ew_attached *a, const struct ew_text_style *style) {
    struct ew_text_column columns[8] = {
        {"", NULL, false, true}, {"time", "s", true, false}, {"energy", "J", true, false}};
    size_t n = 3;
    if (a->has_idle) columns[n++] = (struct ew_text_column){"above idle", "J", true, false};
    columns[n++] = (struct ew_text_column){"average", "W", true, false};
    columns[n++] = (struct ew_text_column){"peak", "W", true, false};
    columns[n++] = (struct ew_text_column){"grade", NULL, false, false};
    columns[n++] = (struct ew_text_column){"why not better", NULL, false, false};
    struct ew_text_table *table = ew_text_table_open(columns, n);
    for (size_t i = 0; table && i < a->run->n; i++) add_row(table, &a->run->windows[i], &a->energies[i], a->has_idle);
    if (table) ew_text_table_print(table, stdout, style);
    ew_text_table_close(&table);
}

void ew_attach_print(const struct ew_attached *a) {
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    const struct ew_meter_info *info = a->log->info;
    char text[1024], value[2 * EW_NUMBER_SIZE + 8];
    snprintf(text, sizeof text, "%s: %s (%s, grade %s at best)", info->source, info->covers,
             info->boundary == EW_BOUNDARY_UNKNOWN ? "place on the board not said"
                                                   : ew_meter_boundary_name(info->boundary),
             ew_trust_grade_name(info->grade_ceiling));
    ew_text_paragraph(stdout, &style, INDENT, "log", text);
    counts_words(a->log->log, text, sizeof text);
    ew_text_paragraph(stdout, &style, INDENT, "", text);
    clock_words(a, text, sizeof text);
    ew_text_paragraph(stdout, &style, INDENT, "clock", text);
    if (a->has_idle) {
        ew_energy_value(value, sizeof value, a->idle.power_w, a->idle.error_w);
        snprintf(text, sizeof text, "%s W at rest", value);
        ew_text_paragraph(stdout, &style, INDENT, "idle", text);
    }
    puts("");
    print_table(a, &style);
}

/* ---- JSON ---- */

static json_t *clock_json(const struct ew_attached *a) {
    const struct ew_aligned_log *log = a->log;
    bool drift = log->found && a->run->n_signatures > 1 && strcmp(a->by, "signatures") == 0;
    json_t *o = json_object();
    json_object_set_new(o, "by", json_string(a->by));
    ew_meter_json_put(o, "offset_s", offset_s(a));
    ew_meter_json_put(o, "error_s", log->found ? 1e-9 * (double)log->error_ns : NAN);
    ew_meter_json_put(o, "drift_ppm", drift ? log->map.drift_ppm : NAN);
    ew_meter_json_put(o, "drift_error_ppm", drift ? log->map.drift_error_ppm : NAN);
    ew_meter_json_put(o, "peak", log->found ? log->first.peak : NAN);
    ew_meter_json_put(o, "second_peak", log->found ? log->first.second_peak : NAN);
    ew_meter_json_put(o, "off_w", log->found ? log->first.off_w : NAN);
    ew_meter_json_put(o, "on_w", log->found ? log->first.on_w : NAN);
    return o;
}

static json_t *window_json(const struct ew_run_window *w, const struct ew_energy *e) {
    json_t *o = json_object();
    if (w->name[0]) json_object_set_new(o, "name", ew_meter_json_text(w->name));
    if (!w->name[0]) json_object_set_new(o, "warm_up", json_boolean(w->warm_up));
    json_object_set_new(o, "begin_ns", json_integer(w->begin_ns));
    json_object_set_new(o, "end_ns", json_integer(w->end_ns));
    ew_meter_json_put(o, "wall_s", 1e-9 * (double)(w->end_ns - w->begin_ns));
    json_object_set_new(o, "energy", ew_meter_json_energy(e));
    return o;
}

static json_t *runs_json(const struct ew_attached *a) {
    json_t *runs = json_array(), *phases = NULL;
    for (size_t i = 0; i < a->run->n; i++) {
        json_t *one = window_json(&a->run->windows[i], &a->energies[i]);
        if (a->run->windows[i].name[0]) { /* the file begins with a run */
            json_array_append_new(phases, one);
            continue;
        }
        phases = json_array();
        json_object_set_new(one, "phases", phases);
        json_array_append_new(runs, one);
    }
    return runs;
}

bool ew_attach_print_json(const struct ew_attached *a) {
    const struct ew_power_log *log = a->log->log;
    json_t *o = json_object(), *idle = json_null();
    json_object_set_new(o, "format", json_string("edgewise-meter-attach-1"));
    json_object_set_new(o, "run", ew_meter_json_text(a->run_path));
    json_object_set_new(o, "meter", ew_meter_json_info(a->log->info));
    json_object_set_new(o, "clock", clock_json(a));
    json_t *counts = json_object();
    json_object_set_new(counts, "samples", json_integer((json_int_t)log->n));
    json_object_set_new(counts, "missing", json_integer((json_int_t)log->missing));
    json_object_set_new(counts, "duplicates", json_integer((json_int_t)log->duplicates));
    json_object_set_new(counts, "backwards", json_integer((json_int_t)log->backwards));
    json_object_set_new(counts, "cut", json_integer((json_int_t)log->cut));
    json_object_set_new(o, "log", counts);
    if (a->has_idle) {
        idle = json_object();
        ew_meter_json_put(idle, "power_w", a->idle.power_w);
        ew_meter_json_put(idle, "error_w", a->idle.error_w);
        ew_meter_json_put(idle, "drift_w", a->idle.drift_w);
    }
    json_object_set_new(o, "idle", idle);
    json_object_set_new(o, "runs", runs_json(a));
    return ew_meter_json_print(o, true, stdout);
}
