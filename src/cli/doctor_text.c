/* Owns the terminal form of `edgewise doctor`: the machine in one paragraph, findings, meters, and what was measured.
 */
#include "cli/doctor_view.h"
#include "insight/words.h"
#include "machine/cpu_features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 18, LINE = 1024 };

struct printer {
    FILE *out;
    const struct ew_text_style *style;
};

static void line(const struct printer *p, const char *head, const char *text) {
    ew_text_paragraph(p->out, p->style, INDENT, head, text);
}

/* ---- the machine ---- */

/* "4 × Cortex-A76 at 2.40 GHz" for each kind; several models of one kind are rare and share its first name. */
static void add_cores(const struct ew_machine *m, char text[LINE]) {
    for (int kind = 0; kind < m->kinds; kind++) {
        int n = 0;
        const struct ew_machine_cpu *first = NULL;
        for (size_t i = 0; i < m->n_cpus; i++) {
            const struct ew_machine_cpu *c = &m->cpus[i];
            if (c->kind != kind || c->smt > 0) continue;
            if (!first) first = c;
            n++;
        }
        if (!first) continue;
        double mhz = first->hardware_max_mhz > 0 ? first->hardware_max_mhz : first->max_mhz;
        const char *name = first->model[0] ? first->model : m->cpu_model;
        ew_words_add(text, LINE, "%s%d × %s", kind ? " + " : "", n, name[0] ? name : "core");
        if (mhz > 0) ew_words_add(text, LINE, " at %.2f GHz", mhz / 1000);
    }
    if (m->kinds == 0 && m->cpu_model[0]) ew_words_add(text, LINE, "%s", m->cpu_model);
    if (m->cores > 0 && m->threads > m->cores) ew_words_add(text, LINE, ", %d threads", m->threads);
    if (m->packages > 1) ew_words_add(text, LINE, ", %d sockets", m->packages);
}

static void print_machine(const struct printer *p, const struct ew_doctor_visit *v) {
    const struct ew_machine *m = v->machine;
    char text[LINE] = "", features[160], size[EW_NUMBER_SIZE];
    if (m->board[0]) ew_words_add(text, LINE, "%s · ", m->board);
    add_cores(m, text);
    ew_cpu_features_text(v->facts.features, features, sizeof features);
    if (features[0]) ew_words_add(text, LINE, " (%s)", features);
    ew_words_size(size, (double)m->memory.total_bytes);
    if (m->memory.total_bytes > 0) ew_words_add(text, LINE, " · %s", size);
    if (m->kernel[0]) ew_words_add(text, LINE, " · %s", m->kernel);
    if (m->os[0]) ew_words_add(text, LINE, " · %s", m->os);
    if (m->firmware[0]) ew_words_add(text, LINE, " · firmware %s", m->firmware);
    if (m->hypervisor[0]) ew_words_add(text, LINE, " · %s", m->hypervisor);
    if (!text[0]) ew_words_add(text, LINE, "a machine that tells nothing about itself");
    if (v->facts.recorded) ew_words_add(text, LINE, " · recorded: nothing was measured");
    ew_text_paragraph(p->out, p->style, 0, "", text);
}

/* ---- findings ---- */

/* Commands stay on one line, so that they can be copied. */
static void print_remedy(const struct printer *p, const char *remedy) {
    char *clean = ew_text_clean(remedy);
    if (clean) fprintf(p->out, "%*s→ %s\n", INDENT, "", clean);
    free(clean);
}

static void print_finding(const struct printer *p, const struct ew_doctor_finding *f) {
    static const char *const marks[] = {"✓", "·", "!", "✗"};
    char head[64];
    snprintf(head, sizeof head, "%s %s", marks[f->severity], f->topic);
    line(p, head, f->found);
    if (f->severity >= EW_DOCTOR_WARNING) {
        fputs(p->style->colour ? "\033[2m" : "", p->out);
        line(p, "", f->why);
        fputs(p->style->colour ? "\033[0m" : "", p->out);
    }
    if (f->remedy[0]) print_remedy(p, f->remedy);
}

/* ---- meters ---- */

static void print_meter(const struct printer *p, const struct ew_doctor_meter *d) {
    const struct ew_meter_info *info = d->info;
    bool energy = info->quantity == EW_METER_ENERGY;
    char text[LINE] = "";
    ew_words_add(text, LINE, "%s", d->now_words[0] ? d->now_words : "no reading");
    if (energy)
        ew_words_add(text, LINE, " · %s, grade %s at best · every %.3g s",
                     info->boundary == EW_BOUNDARY_UNKNOWN ? "place on the board unknown"
                                                           : ew_meter_boundary_name(info->boundary),
                     ew_trust_grade_name(info->grade_ceiling), info->period_s);
    if (info->covers[0]) ew_words_add(text, LINE, " · %s", info->covers);
    if (d->is_auto) ew_words_add(text, LINE, " ← auto");
    char head[EW_METER_NAME_SIZE + 8];
    snprintf(head, sizeof head, "✓ %s", info->name);
    line(p, head, text);
}

/* Refused ones that something can be done about; the others are named in one line. */
static void print_refused(const struct printer *p, const struct ew_doctor_visit *v) {
    char rest[LINE] = "";
    for (size_t i = 0; i < v->facts.n_meters; i++) {
        const struct ew_meter_info *info = v->meters[i].info;
        if (info->reason == EW_METER_USABLE) continue;
        if (info->reason == EW_METER_ABSENT && !info->remedy[0]) {
            ew_words_add(rest, LINE, "%s%s", rest[0] ? ", " : "", info->name);
            continue;
        }
        char head[EW_METER_NAME_SIZE + 8], text[LINE] = "";
        snprintf(head, sizeof head, "✗ %s", info->name);
        ew_words_add(text, LINE, "%s: %s", ew_meter_reason_name(info->reason), info->reason_text);
        line(p, head, text);
        if (info->remedy[0]) print_remedy(p, info->remedy);
    }
    if (rest[0]) line(p, "not here", rest);
}

static void print_meters(const struct printer *p, const struct ew_doctor_visit *v) {
    fputs("\nmeters\n", p->out);
    for (int quantity = 0; quantity < EW_METER_QUANTITIES; quantity++)
        for (size_t i = 0; i < v->facts.n_meters; i++)
            if ((int)v->meters[i].info->quantity == quantity && v->meters[i].info->reason == EW_METER_USABLE)
                print_meter(p, &v->meters[i]);
    print_refused(p, v);
}

/* ---- measured ---- */

static void cell(struct ew_text_table *table, double value) {
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, value, -1);
    ew_text_table_add(table, number, NULL);
}

static void print_limits(const struct printer *p, const struct ew_doctor_visit *v) {
    const struct ew_machine_limits *l = v->facts.limits;
    static const struct ew_text_column columns[] = {{"limits", NULL, false, true},
                                                    {"reads", "GB/s", true, false},
                                                    {"int8", "Gop/s", true, false},
                                                    {"f32", "Gop/s", true, false}};
    struct ew_text_table *table = l ? ew_text_table_open(columns, 4) : NULL;
    char name[96];
    if (!table) return;
    for (size_t i = 0; i < l->n_reads; i++) {
        bool all = l->reads[i].threads == l->threads;
        snprintf(name, sizeof name, "%u thread%s", l->reads[i].threads, l->reads[i].threads == 1 ? "" : "s");
        ew_text_table_add(table, name, NULL);
        cell(table, l->reads[i].bytes_per_s * 1e-9);
        cell(table, all ? l->int8_ops_per_s * 1e-9 : NAN);
        cell(table, all ? l->f32_ops_per_s * 1e-9 : NAN);
    }
    for (size_t i = 0; i < l->n_kinds; i++) {
        const struct ew_core_limit *k = &l->kinds[i];
        const char *model = v->machine->cpu_model;
        for (size_t c = 0; c < v->machine->n_cpus; c++)
            if (v->machine->cpus[c].id == k->cpu && v->machine->cpus[c].model[0]) model = v->machine->cpus[c].model;
        if (v->machine->kinds > 1)
            snprintf(name, sizeof name, "one core (CPU %d, %.40s)", k->cpu, model);
        else
            snprintf(name, sizeof name, "one core (CPU %d)", k->cpu);
        ew_text_table_add(table, name, NULL);
        cell(table, k->read_bytes_per_s * 1e-9);
        cell(table, k->int8_ops_per_s * 1e-9);
        cell(table, k->f32_ops_per_s * 1e-9);
    }
    fputc('\n', p->out);
    ew_text_table_print(table, p->out, p->style);
    ew_text_table_close(&table);
}

static void speed_cells(struct ew_text_table *table, double median, double low, double high, double limit) {
    char number[EW_NUMBER_SIZE], from[EW_NUMBER_SIZE], to[EW_NUMBER_SIZE], tail[2 * EW_NUMBER_SIZE + 8];
    ew_words_number(number, median, -1);
    ew_words_number(from, low, -1);
    ew_words_number(to, high, -1);
    snprintf(tail, sizeof tail, "%s–%s", from, to);
    ew_text_table_add(table, number, tail);
    snprintf(number, sizeof number, "%.0f %%", 100 * median / limit);
    ew_text_table_add(table, limit > 0 ? number : "–", NULL);
}

static void print_model(const struct printer *p, const struct ew_doctor_visit *v) {
    const struct ew_doctor_model *m = v->facts.model;
    if (v->model_none[0]) ew_text_paragraph(p->out, p->style, INDENT, "no model", v->model_none);
    if (!m) return;
    char size[EW_NUMBER_SIZE], text[LINE] = "", threads[32], heads[2][32];
    ew_words_size(size, (double)m->weights_bytes);
    ew_words_add(text, LINE, "%s %s, %s of weights%s", m->name[0] ? m->name : "model", m->type, size,
                 m->synthetic ? ", random: speed is real, text is not" : "");
    fputc('\n', p->out);
    line(p, "model", text);
    if (m->n_speeds == 0) return;
    snprintf(heads[0], sizeof heads[0], "prefill %u", m->prompt_tokens);
    snprintf(heads[1], sizeof heads[1], "decode %u", m->generate_tokens);
    const struct ew_text_column columns[] = {{"threads", NULL, true, true},
                                             {heads[0], "tok/s", true, false},
                                             {"of the limit", NULL, true, false},
                                             {heads[1], "tok/s", true, false},
                                             {"of the limit", NULL, true, false}};
    struct ew_text_table *table = ew_text_table_open(columns, 5);
    for (size_t i = 0; table && i < m->n_speeds; i++) {
        const struct ew_doctor_speed *s = &m->speeds[i];
        bool reads = s->threads == m->default_threads, decodes = s->threads == m->default_decode_threads;
        const char *word = reads && decodes ? " (default)" : reads ? " (reads)" : decodes ? " (decodes)" : "";
        snprintf(threads, sizeof threads, "%u%s", s->threads, word);
        ew_text_table_add(table, threads, NULL);
        speed_cells(table, s->prefill_per_s, s->prefill_low, s->prefill_high, m->prefill_limit_per_s);
        speed_cells(table, s->decode_per_s, s->decode_low, s->decode_high, m->decode_limit_per_s);
    }
    if (table) ew_text_table_print(table, p->out, p->style);
    ew_text_table_close(&table);
    snprintf(text, sizeof text, "Medians of %zu runs in turns, lowest–highest beside them.", m->speeds[0].n);
    ew_text_paragraph(p->out, p->style, 0, "", text);
}

static void print_count(const struct printer *p, const struct ew_doctor_visit *v) {
    size_t n[4] = {0};
    for (size_t i = 0; i < v->findings.n; i++) n[v->findings.at[i].severity]++;
    fprintf(p->out, "\n%zu problem%s, %zu warning%s, %zu note%s · %.1f s\n", n[EW_DOCTOR_PROBLEM],
            n[EW_DOCTOR_PROBLEM] == 1 ? "" : "s", n[EW_DOCTOR_WARNING], n[EW_DOCTOR_WARNING] == 1 ? "" : "s",
            n[EW_DOCTOR_NOTE], n[EW_DOCTOR_NOTE] == 1 ? "" : "s", v->seconds);
}

void ew_doctor_print_text(const struct ew_doctor_visit *v, FILE *out, const struct ew_text_style *style) {
    struct printer p = {out, style};
    print_machine(&p, v);
    for (size_t i = 0; i < v->findings.n; i++) print_finding(&p, &v->findings.at[i]);
    print_meters(&p, v);
    print_limits(&p, v);
    print_model(&p, v);
    print_count(&p, v);
}
