/* Owns what `edgewise meter watch` looks like: a picture redrawn in place on a terminal, lines anywhere else. Plain
 * ANSI sequences: cursor up, clear to the end of the line. */
#include "cli/energy_words.h"
#include "cli/meter_json.h"
#include "cli/meter_watch.h"
#include "cli/terminal_style.h"
#include "insight/words.h"
#include "study/study_value.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LINES = 48, LINE_SIZE = 512, LEAST_WIDTH = 20, SINCE_SIZE = 640 };

struct picture {
    char line[MOST_LINES][LINE_SIZE];
    size_t n;
};

__attribute__((format(printf, 3, 4))) static void say(struct picture *p, bool new_line, const char *format, ...) {
    if (new_line && p->n < MOST_LINES) p->line[p->n++][0] = 0;
    if (p->n == 0) return;
    char *line = p->line[p->n - 1];
    size_t used = strlen(line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, LINE_SIZE - used, format, args);
    va_end(args);
}

/* Every character that gets here is one column wide. */
static void cut_to(char *text, size_t width) {
    size_t n = 0;
    for (char *p = text; *p; p++) {
        if (((unsigned char)*p & 0xc0) == 0x80) continue;
        if (n++ < width) continue;
        *p = 0;
        return;
    }
}

static const char *watts(char buf[EW_NUMBER_SIZE], double value) {
    ew_words_number(buf, value, value < 100 ? 2 : 1);
    return buf;
}

static const char *joules(char buf[EW_NUMBER_SIZE], double value) {
    ew_words_number(buf, value, value < 1000 ? 1 : 0);
    return buf;
}

/* Power of the last refreshes, between the lowest and the highest of them. */
static void say_history(struct picture *p, const struct ew_watch_energy *e) {
    static const char *const eighths[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < e->n_history; i++) {
        low = fmin(low, e->history_w[i]);
        high = fmax(high, e->history_w[i]);
    }
    if (e->n_history < 2 || !(high > low)) return;
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE];
    say(p, true, "%10s ", "");
    for (size_t i = 0; i < e->n_history; i++) {
        double part = (e->history_w[i] - low) / (high - low);
        say(p, false, "%s", isnan(part) ? " " : eighths[(int)fmin(7, part * 8)]);
    }
    say(p, false, "  %s–%s W", watts(a, low), watts(b, high));
}

static void say_energy(struct picture *p, const struct ew_watch_energy *e) {
    char now[EW_NUMBER_SIZE], mean[EW_NUMBER_SIZE], peak[EW_NUMBER_SIZE], sum[EW_NUMBER_SIZE];
    char *name = ew_text_clean(e->info->name), *covers = ew_text_clean(e->info->covers);
    say(p, true, "%-10s %s · %s (%s, grade %s at best)", "energy", name ? name : "", covers ? covers : "",
        ew_meter_boundary_name(e->info->boundary), ew_trust_grade_name(e->info->grade_ceiling));
    say(p, true, "%10s now %8s W   average %8s W   peak %8s W", "", watts(now, e->now_w), watts(mean, e->average_w),
        watts(peak, e->peak_w));
    say(p, true, "%10s %s J counted", "", joules(sum, e->energy_j));
    if (e->energy_j >= 3600) say(p, false, " = %.4g Wh", e->energy_j / 3600);
    if (e->silent_s > fmax(2, 5 * e->info->period_s)) say(p, false, " · no reading for %.0f s", e->silent_s);
    say_history(p, e);
    free(name);
    free(covers);
}

static void say_gauges(struct picture *p, const char *head, const struct ew_watch_gauges *gauges, double scale,
                       const char *unit) {
    for (size_t i = 0; i < gauges->n; i++) {
        const struct ew_watch_gauge *g = &gauges->list[i];
        char *name = ew_text_clean(g->name);
        say(p, i == 0 && *head, "%s", i == 0 && *head ? "" : " · ");
        if (i == 0 && *head) say(p, false, "%-10s ", head);
        say(p, false, isnan(g->value) ? "%s –" : "%s %.*f %s", name ? name : "", strcmp(unit, "°C") == 0 ? 1 : 0,
            g->value * scale, unit);
        free(name);
    }
}

/* All that slowed it down since the start. false and "" = nothing did. */
static bool since_words(const struct ew_watch_throttle *t, char buf[SINCE_SIZE]) {
    snprintf(buf, SINCE_SIZE, "%s", t->since);
    if (t->slowed > 0) {
        size_t used = strlen(buf);
        snprintf(buf + used, SINCE_SIZE - used, "%sin %zu of %zu looks", used ? "; " : "", t->slowed, t->looks);
    }
    return buf[0] != 0;
}

/* What slows the processor down, and what did since the start. */
static void throttle_words(const struct ew_watch_throttle *t, char buf[SINCE_SIZE]) {
    char since[96] = "";
    if (t->events > 0)
        snprintf(since, sizeof since, "%lld %s since the start", (long long)t->events,
                 t->events == 1 ? "time" : "times");
    else if (t->slowed > 0)
        snprintf(since, sizeof since, "in %zu of %zu looks since the start", t->slowed, t->looks);
    if (*t->now)
        snprintf(buf, SINCE_SIZE, "now: %s · %s", t->now, since);
    else if (*since)
        snprintf(buf, SINCE_SIZE, "not now · %s", since);
    else if (*t->since) /* came and went between two looks */
        snprintf(buf, SINCE_SIZE, "not now · %s", t->since);
    else
        snprintf(buf, SINCE_SIZE, "no");
}

static void say_memory(struct picture *p, const struct ew_watch_moment *m) {
    char available[EW_NUMBER_SIZE], total[EW_NUMBER_SIZE], swap[EW_NUMBER_SIZE];
    if (m->memory_available_bytes < 0) return;
    ew_words_size(available, (double)m->memory_available_bytes);
    say(p, true, "%-10s %s available", "memory", available);
    ew_words_size(total, (double)m->memory_total_bytes);
    if (m->memory_total_bytes > 0) say(p, false, " of %s", total);
    ew_words_size(swap, (double)m->swap_used_bytes);
    if (m->swap_used_bytes > 0) say(p, false, " · %s swapped out", swap);
}

static void paint(struct picture *p, const struct ew_watch_moment *m) {
    char time[32];
    ew_value_print_duration(m->time_s, time, sizeof time);
    say(p, true, "edgewise meter watch · %s · Ctrl-C ends with a summary", time);
    if (m->energy_none) {
        char *why = ew_text_clean(m->energy_none);
        say(p, true, "%-10s none: %s", "energy", why ? why : "");
        free(why);
    }
    for (size_t i = 0; i < m->n_energy; i++) say_energy(p, &m->energy[i]);
    bool turns = m->gauges[EW_WATCH_FANS].n > 0;
    say_gauges(p, "heat", &m->gauges[EW_WATCH_HEAT], 1, "°C");
    say_gauges(p, "fans", &m->gauges[EW_WATCH_FANS], 1, "rpm");
    say_gauges(p, turns ? "" : "fans", &m->gauges[EW_WATCH_FAN_DRIVES], 100, "%");
    say_gauges(p, "clocks", &m->gauges[EW_WATCH_CLOCKS], 1e-6, "MHz");
    if (m->throttle.known) {
        char words[SINCE_SIZE];
        throttle_words(&m->throttle, words);
        say(p, true, "%-10s %s", "throttled", words);
    }
    say_memory(p, m);
}

void ew_watch_view_open(struct ew_watch_view *view, FILE *out) {
    *view = (struct ew_watch_view){.out = out, .last_time_s = -1};
    fputs("\033[?25l", out);
    fflush(out);
}

void ew_watch_view_close(struct ew_watch_view *view) {
    fputs("\r\033[K\033[?25h", view->out);
    fflush(view->out);
    view->shown = 0;
}

/* A long reason folds onto more lines; everything else is cut. */
static void fold_reason(struct picture *p, size_t width) {
    for (size_t i = 1; i < p->n && i < 6 && p->n < MOST_LINES; i++) {
        char *line = p->line[i];
        if (strncmp(line, i == 1 ? "energy     none" : "           ", 11) != 0 || ew_text_width(line) <= width) return;
        char first[LINE_SIZE];
        memcpy(first, line, sizeof first);
        cut_to(first, width);
        char *space = strrchr(first, ' ');
        size_t at = space && space - first > 12 ? (size_t)(space - first) : strlen(first);
        memmove(p->line[i + 2], p->line[i + 1], (p->n - i - 1) * sizeof *p->line);
        snprintf(p->line[i + 1], LINE_SIZE, "%11s%.*s", "", LINE_SIZE - 12, line + at + (line[at] == ' '));
        line[at] = 0;
        p->n++;
    }
}

void ew_watch_view_draw(struct ew_watch_view *view, const struct ew_watch_moment *moment) {
    struct picture *p = calloc(1, sizeof *p);
    if (!p) return;
    int fd = fileno(view->out);
    struct ew_text_style style = ew_terminal_style(fd, false);
    size_t width = style.width > LEAST_WIDTH ? style.width - 1 : LEAST_WIDTH, rows = ew_terminal_rows(fd);
    paint(p, moment);
    fold_reason(p, width);
    if (rows > 1 && p->n > rows - 1) p->n = rows - 1;
    /* A terminal of another width has folded what was there: begin anew. */
    if (view->shown && view->width != width) {
        fputs("\033[2J\033[H", view->out);
        view->shown = 0;
    }
    if (view->shown) fprintf(view->out, "\033[%zuA", view->shown);
    for (size_t i = 0; i < p->n; i++) {
        cut_to(p->line[i], width);
        fprintf(view->out, "\r%s\033[K\n", p->line[i]);
    }
    fputs("\033[J", view->out);
    fflush(view->out);
    view->shown = p->n;
    view->width = width;
    free(p);
}

/* ---- lines ---- */

static double largest(const struct ew_watch_gauges *gauges) {
    double value = NAN;
    for (size_t i = 0; i < gauges->n; i++) value = fmax(value, gauges->list[i].value);
    return value;
}

static double hottest(const struct ew_watch_moment *m) {
    const struct ew_watch_gauges *heat = &m->gauges[EW_WATCH_HEAT];
    for (size_t i = 0; i < heat->n; i++)
        if (strcmp(heat->list[i].name, "cpu") == 0) return heat->list[i].value;
    return largest(heat);
}

static double fastest(const struct ew_watch_moment *m) { return largest(&m->gauges[EW_WATCH_CLOCKS]); }

void ew_watch_print_line(FILE *out, const struct ew_watch_moment *m) {
    char a[EW_NUMBER_SIZE], b[EW_NUMBER_SIZE], c[EW_NUMBER_SIZE], d[EW_NUMBER_SIZE];
    fprintf(out, "%8.1f s", m->time_s);
    for (size_t i = 0; i < m->n_energy; i++) {
        const struct ew_watch_energy *e = &m->energy[i];
        char *name = ew_text_clean(e->info->name);
        fprintf(out, "   %s %s W, average %s W, peak %s W, %s J", name ? name : "", watts(a, e->now_w),
                watts(b, e->average_w), watts(c, e->peak_w), joules(d, e->energy_j));
        free(name);
    }
    if (m->energy_none) fputs("   no energy", out);
    if (!isnan(hottest(m))) fprintf(out, "   %.1f °C", hottest(m));
    if (!isnan(fastest(m))) fprintf(out, "   %.0f MHz", fastest(m) * 1e-6);
    if (!isnan(largest(&m->gauges[EW_WATCH_FANS]))) fprintf(out, "   %.0f rpm", largest(&m->gauges[EW_WATCH_FANS]));
    ew_words_size(a, (double)m->memory_available_bytes);
    if (m->memory_available_bytes >= 0) fprintf(out, "   %s available", a);
    if (*m->throttle.now) fprintf(out, "   throttled: %s", m->throttle.now);
    if (m->throttle.events > 0)
        fprintf(out, "   throttled %lld %s", (long long)m->throttle.events, m->throttle.events == 1 ? "time" : "times");
    fputc('\n', out);
    fflush(out);
}

/* One line of a comment or one cell: nothing in it may end it. */
static void print_cell(FILE *out, const char *text) {
    char *clean = ew_text_clean(text);
    for (char *p = clean; p && *p; p++) fputc(*p == ',' ? ';' : *p, out);
    free(clean);
}

static void print_key(FILE *out, const char *key, const char *text) {
    if (!*text) return;
    fprintf(out, "# %s: ", key);
    print_cell(out, text);
    fputc('\n', out);
}

static bool is_known_boundary(enum ew_meter_boundary boundary) {
    return boundary != EW_BOUNDARY_UNKNOWN && boundary != EW_BOUNDARY_PROCESS;
}

void ew_watch_print_csv_head(FILE *out, const struct ew_watch_moment *m) {
    fputs("# recorded by edgewise meter watch\n", out);
    if (m->energy_none) print_key(out, "no energy", m->energy_none);
    if (m->n_energy > 0) {
        const struct ew_meter_info *info = m->energy[0].info;
        print_key(out, "meter", info->name);
        if (is_known_boundary(info->boundary)) print_key(out, "boundary", ew_meter_boundary_name(info->boundary));
        print_key(out, "covers", info->covers);
        print_key(out, "leaves_out", info->leaves_out);
        if (!isnan(info->error_relative)) fprintf(out, "# error_relative: %.9g\n", info->error_relative);
        if (info->averaging_s > 0) fprintf(out, "# averaging_s: %.9g\n", info->averaging_s);
        fprintf(out, "# best grade when recorded: %s\n", ew_trust_grade_name(info->grade_ceiling));
    }
    fputs(m->n_energy ? "time_s,energy_j,power_w,peak_w" : "time_s", out);
    fputs(",temperature_c,frequency_mhz,memory_available_bytes,throttled", out);
    for (size_t i = 1; i < m->n_energy; i++) {
        fputs(",energy_j ", out);
        print_cell(out, m->energy[i].info->name);
        fputs(",power_w ", out);
        print_cell(out, m->energy[i].info->name);
    }
    fputc('\n', out);
}

static void print_number(FILE *out, int decimals, double value) {
    fputc(',', out);
    if (isfinite(value)) fprintf(out, "%.*f", decimals, value);
}

void ew_watch_print_csv(struct ew_watch_view *view, const struct ew_watch_moment *m) {
    FILE *out = view->out;
    double time_s = fmax(m->time_s, view->last_time_s + 1e-6);
    view->last_time_s = time_s;
    fprintf(out, "%.6f", time_s);
    if (m->n_energy > 0) {
        print_number(out, 6, m->energy[0].fresh ? m->energy[0].energy_j : NAN);
        print_number(out, 4, m->energy[0].now_w);
        print_number(out, 4, m->energy[0].peak_w);
    }
    print_number(out, 1, hottest(m));
    print_number(out, 1, fastest(m) * 1e-6);
    print_number(out, 0, m->memory_available_bytes < 0 ? NAN : (double)m->memory_available_bytes);
    print_number(out, 0, m->throttle.known ? (double)(*m->throttle.now != 0) : NAN);
    for (size_t i = 1; i < m->n_energy; i++) {
        print_number(out, 6, m->energy[i].fresh ? m->energy[i].energy_j : NAN);
        print_number(out, 4, m->energy[i].now_w);
    }
    fputc('\n', out);
    fflush(out);
}

/* ---- JSON ---- */

static json_t *gauges_json(const struct ew_watch_gauges *gauges) {
    json_t *o = json_object();
    for (size_t i = 0; i < gauges->n; i++) {
        char *name = ew_text_clean(gauges->list[i].name);
        if (name) json_object_set_new(o, name, ew_meter_json_number(gauges->list[i].value));
        free(name);
    }
    return o;
}

/* Whether it was slowed down, by what, and how often since the start. */
static void put_throttle(json_t *o, const struct ew_watch_throttle *t, bool throttled, const char *words) {
    json_object_set_new(o, "throttled", t->known ? json_boolean(throttled) : json_null());
    json_object_set_new(o, "throttle_text", t->known ? ew_meter_json_text(words) : json_null());
    json_object_set_new(o, "throttle_events", t->events < 0 ? json_null() : json_integer(t->events));
}

static json_t *moment_json(const struct ew_watch_moment *m) {
    json_t *o = json_object(), *list = json_array();
    json_object_set_new(o, "time_s", ew_meter_json_number(m->time_s));
    for (size_t i = 0; i < m->n_energy; i++) {
        const struct ew_watch_energy *e = &m->energy[i];
        json_t *one = json_object();
        json_object_set_new(one, "meter", ew_meter_json_text(e->info->name));
        json_object_set_new(one, "energy_j", ew_meter_json_number(e->energy_j));
        json_object_set_new(one, "power_w", ew_meter_json_number(e->now_w));
        json_object_set_new(one, "average_w", ew_meter_json_number(e->average_w));
        json_object_set_new(one, "peak_w", ew_meter_json_number(e->peak_w));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "energy", list);
    static const char *const keys[EW_WATCH_KINDS] = {"temperature_c", "frequency_hz", "fan_rpm", "fan_drive"};
    for (size_t k = 0; k < EW_WATCH_KINDS; k++) json_object_set_new(o, keys[k], gauges_json(&m->gauges[k]));
    put_throttle(o, &m->throttle, *m->throttle.now != 0, m->throttle.now);
    json_object_set_new(o, "memory_available_bytes",
                        m->memory_available_bytes < 0 ? json_null() : json_integer(m->memory_available_bytes));
    return o;
}

void ew_watch_print_json(FILE *out, const struct ew_watch_moment *m) {
    ew_meter_json_print(moment_json(m), false, out);
    fflush(out);
}

void ew_watch_print_summary_json(FILE *out, const struct ew_watch_moment *m, const struct ew_energy *energies) {
    json_t *o = json_object(), *list = json_array();
    json_object_set_new(o, "summary", json_true());
    json_object_set_new(o, "time_s", ew_meter_json_number(m->time_s));
    for (size_t i = 0; i < m->n_energy; i++) {
        json_t *one = ew_meter_json_energy(&energies[i]);
        json_object_set_new(one, "meter", ew_meter_json_info(m->energy[i].info));
        json_array_append_new(list, one);
    }
    json_object_set_new(o, "energy", list);
    json_object_set_new(o, "energy_none", ew_meter_json_text(m->energy_none));
    char words[SINCE_SIZE];
    put_throttle(o, &m->throttle, since_words(&m->throttle, words), words);
    ew_meter_json_print(o, false, out);
}

void ew_watch_print_summary(FILE *out, const struct ew_watch_moment *m, const struct ew_energy *energies) {
    struct ew_text_style style = ew_terminal_style(fileno(out), false);
    char text[1024];
    if (m->energy_none) {
        snprintf(text, sizeof text, "none: %s", m->energy_none);
        ew_text_paragraph(out, &style, 11, "energy", text);
    }
    for (size_t i = 0; i < m->n_energy; i++) {
        ew_energy_words(text, sizeof text, &energies[i], m->energy[i].info);
        ew_text_paragraph(out, &style, 11, "energy", text);
    }
    ew_value_print_duration(m->time_s, text, sizeof text);
    ew_text_paragraph(out, &style, 11, "time", text);
    if (!m->throttle.known) return;
    bool slowed = since_words(&m->throttle, text);
    ew_text_paragraph(out, &style, 11, "throttled", slowed ? text : "no");
}
