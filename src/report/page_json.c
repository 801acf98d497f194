/* Writes the document that the page shows and `report --json` prints. Form: docs/report-data.md. */
#include "report/report.h"

#include "base/error.h"
#include "insight/words.h"
#include "report/conditions_json.h"
#include "report/money_json.h"
#include "report/power_json.h"
#include "report/quality_json.h"
#include "report/run_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Long traces are for looking at: the store has the rest. */
enum { TRACED_RUNS = 3, TRACED_TOKENS = 4096, MOST_FACTS = 80 };

/* ---- configurations ---- */

static json_t *figure_json(const struct ew_figure *f) {
    if (!f->n) return json_null();
    return json_pack("{s:o, s:o, s:o, s:I, s:b}", "value", ew_json_number(f->value), "low", ew_json_number(f->low),
                     "high", ew_json_number(f->high), "n", (json_int_t)f->n, "range", f->is_range);
}

static json_t *ledger_json(const struct ew_ledger_record *l) {
    if (!l->present) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "weights_mapped", ew_json_integer(l->weights_mapped),
                     "weights_packed", ew_json_integer(l->weights_packed), "kv_cache", ew_json_integer(l->kv_cache),
                     "activations", ew_json_integer(l->activations), "scratch", ew_json_integer(l->scratch),
                     "tokenizer", ew_json_integer(l->tokenizer), "runtime", ew_json_integer(l->runtime), "total",
                     ew_json_integer(l->total));
}

/* Keys of the reader's own classes cannot meet those of the list. */
static void own_key(const struct ew_own_use *use, char out[48]) { snprintf(out, 48, "own:%s", use->name); }

static json_t *classes_json(const struct ew_report *report, const struct ew_insight_config *c) {
    if (!c->n_ok) return json_null();
    json_t *classes = json_object();
    for (int u = 0; u < EW_USE_CLASSES; u++)
        json_object_set_new(classes, ew_use_threshold((enum ew_use_class)u)->key,
                            c->use[u] < 0 ? json_null() : json_boolean(c->use[u]));
    for (size_t i = 0; i < report->n_uses; i++) {
        char key[48];
        own_key(&report->uses[i], key);
        int met =
            ew_use_meets_own(&report->uses[i], c->figure[EW_MEASURE_TTFT].value, c->figure[EW_MEASURE_DECODE].value);
        json_object_set_new(classes, key, met < 0 ? json_null() : json_boolean(met));
    }
    return classes;
}

static json_t *flags_json(const struct ew_insight_config *c) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->n_flags; i++) {
        const struct ew_insight_flag *f = &c->flags[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:s}", "kind", ew_flag_key(f->kind), "figure",
                                              ew_measure_info(f->measure)->key, "size", ew_json_number(f->size), "text",
                                              f->text));
    }
    return list;
}

static json_t *config_json(const struct ew_report *report, const struct ew_insight_config *c) {
    const struct ew_config_record *r = c->record;
    json_t *figures = json_object();
    for (int m = 0; m < EW_MEASURES; m++)
        json_object_set_new(figures, ew_measure_info((enum ew_measure)m)->key, figure_json(&c->figure[m]));
    json_t *out = json_pack(
        "{s:I, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "id", (json_int_t)r->id,
        "label", ew_json_text(c->label), "model", ew_json_text(c->name), "synthetic", c->model->synthetic, "in_the_box",
        c->model->in_the_box, "type", ew_json_text(c->model->file_type), "parameters",
        ew_json_integer(c->model->n_params), "file_size_bytes", ew_json_integer(c->model->file_bytes),
        "threads_prefill", (json_int_t)r->prefill_threads, "threads_decode", (json_int_t)r->decode_threads,
        "prompt_tokens", (json_int_t)r->prompt_tokens, "generate_tokens", (json_int_t)r->generate_tokens,
        "depth_tokens", (json_int_t)r->depth, "context_tokens", (json_int_t)r->context, "layout",
        ew_json_text(r->layout), "kernels", ew_json_text(c->kernels));
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "runs_ok", (json_int_t)c->n_ok,
        "runs_failed", (json_int_t)c->n_failed, "runs_left", (json_int_t)c->n_left, "runs_flagged",
        (json_int_t)c->n_flagged, "figures", figures, "energy_grade",
        c->grade == EW_GRADE_NONE ? json_null() : json_string(ew_trust_grade_name(c->grade)), "predicted_memory",
        ledger_json(&c->ledger), "memory_error_percent", ew_json_number(c->memory_error_percent), "measured_memory",
        c->rss_file_bytes == EW_MISSING ? json_null()
                                        : json_pack("{s:I, s:I}", "file_mapped", (json_int_t)c->rss_file_bytes,
                                                    "anonymous", (json_int_t)c->rss_anon_bytes),
        "classes", classes_json(report, c), "front", c->front, "front_of_model", c->front_of_model, "context",
        ew_context_json(c), "flags", flags_json(c));
    json_t *parts[] = {more, ew_knobs_json(r), ew_config_quality_json(c)};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (out && parts[i]) json_object_update(out, parts[i]);
        json_decref(parts[i]);
    }
    return out;
}

/* ---- words ---- */

static json_t *answers_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    for (size_t i = 0; i < insight->n_answers; i++) {
        const struct ew_answer *a = &insight->answers[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o, s:o}", "use", ew_answer_key(a->kind), "heading",
                                              a->heading, "text", ew_json_text(a->text), "reason",
                                              ew_json_text(a->reason), "configuration",
                                              a->config ? json_integer(a->config->record->id) : json_null()));
    }
    return list;
}

static json_t *caveats_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    for (size_t i = 0; i < insight->n_caveats; i++) {
        const struct ew_caveat *c = &insight->caveats[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "kind", ew_caveat_key(c->kind), "heading", c->heading,
                                              "text", ew_json_text(c->text)));
    }
    return list;
}

static json_t *thresholds_json(const struct ew_report *report) {
    json_t *list = json_array();
    for (int u = 0; u < EW_USE_CLASSES; u++) {
        const struct ew_use_threshold *t = ew_use_threshold((enum ew_use_class)u);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "key", t->key, "name", t->name, "rule", t->rule,
                                              "source", t->source));
    }
    for (size_t i = 0; i < report->n_uses; i++) {
        char key[48];
        own_key(&report->uses[i], key);
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:s, s:s}", "key", key, "name", ew_json_text(report->uses[i].name),
                                        "rule", report->uses[i].rule, "source", "yours"));
    }
    return list;
}

static json_t *method_json(const struct ew_report *report) {
    json_t *list = json_array();
    static const char *const always[] = {
        "Each run is a process of its own, watched from outside: a crash, a lack of memory or a time-out is a result.",
        "Values are medians over the runs, with the 95 % bootstrap interval of the median: ± is its larger half, + and "
        "− "
        "where it is lopsided. With fewer than five runs it is the range of the runs.",
        "Prefill: prompt tokens over the time from handing over the first one to the logits of the last. Time to first "
        "token: request to first sampled token. Decode: tokens 2 to n over the time between their stamps.",
        "Peak memory: the largest resident set of the whole run. The prediction was made before anything was "
        "allocated.",
        "A configuration is on the front when no other is at least as good in both figures and better in one."};
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) json_array_append_new(list, json_string(always[i]));
    json_array_append_new(list,
                          json_sprintf("The order of the runs was shuffled with seed %lld, so that heat and drift hit "
                                       "every configuration alike.",
                                       (long long)report->study->study.seed));
    if (report->insight->has_energy)
        json_array_append_new(
            list, json_string("Energy: power integrated over the phase by the trapezoid rule, from the same "
                              "runs as the speed; net is gross less idle power times the duration."));
    return list;
}

/* ---- machine ---- */

static void add_fact(json_t *facts, const char *name, json_t *value) {
    if (value && !json_is_null(value) && json_array_size(facts) < MOST_FACTS)
        json_array_append_new(facts, json_pack("[o, O]", ew_json_text(name), value));
    json_decref(value);
}

static void add_value(json_t *facts, const char *name, const json_t *value) {
    if (json_is_string(value))
        add_fact(facts, name, json_string(json_string_value(value)));
    else if (json_is_integer(value))
        add_fact(facts, name, json_sprintf("%lld", (long long)json_integer_value(value)));
    else if (json_is_real(value))
        add_fact(facts, name, json_sprintf("%g", json_real_value(value)));
    else if (json_is_boolean(value))
        add_fact(facts, name, json_string(json_is_true(value) ? "yes" : "no"));
}

/* Scalars of an object that came as text, one level of nesting as "outer inner". Underscores become spaces. */
static void add_object(json_t *facts, const char *text) {
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    const char *key, *inner;
    json_t *value, *part;
    json_object_foreach(root, key, value) {
        char name[128];
        snprintf(name, sizeof name, "%.120s", key);
        if (json_is_object(value)) {
            json_object_foreach(value, inner, part) {
                snprintf(name, sizeof name, "%.60s %.60s", key, inner);
                for (char *c = name; *c; c++) *c = *c == '_' ? ' ' : *c;
                add_value(facts, name, part);
            }
            continue;
        }
        for (char *c = name; *c; c++) *c = *c == '_' ? ' ' : *c;
        add_value(facts, name, value);
    }
    json_decref(root);
}

json_t *ew_report_machine_json(const struct ew_report *report) {
    const struct ew_stored_study *study = report->study;
    const struct ew_machine_record *m = study->n_machines ? &study->machines[study->n_machines - 1] : NULL;
    const struct ew_invocation_record *v = study->n_invocations ? &study->invocations[study->n_invocations - 1] : NULL;
    json_t *facts = json_array();
    char size[EW_NUMBER_SIZE] = "";
    if (m && m->memory_bytes > 0) ew_words_size(size, (double)m->memory_bytes);
    if (m) {
        add_fact(facts, "Machine", ew_json_text(m->name));
        if (m->n_cores > 0) add_fact(facts, "Cores", json_sprintf("%lld", (long long)m->n_cores));
        if (*size) add_fact(facts, "Memory", json_string(size));
        add_fact(facts, "Architecture", ew_json_text(m->arch));
        add_fact(facts, "CPU features", ew_json_text(m->cpu_features));
        add_fact(facts, "System", ew_json_text(m->os));
    }
    if (v) {
        add_fact(facts, "Edgewise", ew_json_text(v->version));
        add_fact(facts, "Build", ew_json_text(v->build));
        add_object(facts, v->state_json);
    }
    if (m) add_object(facts, m->facts_json);
    char *name = ew_text_clean(m && m->name ? m->name : "unknown machine");
    char cores[32] = "";
    if (m && m->n_cores > 0) snprintf(cores, sizeof cores, ", %lld cores", (long long)m->n_cores);
    json_t *summary = json_sprintf("%.200s%s%s%s", name ? name : "", cores, *size ? " · " : "", size);
    free(name);
    return json_pack("{s:o, s:o, s:o}", "summary", summary ? summary : json_string("unknown machine"), "memory_bytes",
                     m ? ew_json_integer(m->memory_bytes) : json_null(), "facts", facts);
}

/* ---- energy ---- */

static json_t *meters_json(const struct ew_report *report) {
    json_t *list = json_array();
    for (size_t i = 0; i < report->study->n_meters; i++) {
        const struct ew_meter_record *m = &report->study->meters[i];
        if (!m->quantity || strcmp(m->quantity, "energy") != 0) continue;
        json_t *describe = m->describe_json ? json_loads(m->describe_json, 0, NULL) : NULL;
        const char *leaves_out = json_string_value(json_object_get(describe, "leaves_out"));
        const char *remedy = json_string_value(json_object_get(describe, "remedy"));
        json_array_append_new(
            list,
            json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "name", ew_json_text(m->name), "used", m->used, "refused",
                      ew_json_text(m->refused), "boundary", ew_json_text(m->boundary), "period_s",
                      m->period_ns == EW_MISSING ? json_null() : json_real((double)m->period_ns * 1e-9), "note",
                      leaves_out && *leaves_out ? json_sprintf("outside the figure: %s", leaves_out) : json_null(),
                      "remedy", remedy && *remedy ? json_string(remedy) : json_null()));
        json_decref(describe);
    }
    return list;
}

static json_t *energy_json(const struct ew_report *report) {
    const struct ew_insight *insight = report->insight;
    static const char remedy[] =
        "A readable RAPL counter, a board with a power sensor, or a recorded trace fills this section.";
    return json_pack("{s:b, s:o, s:o, s:o}", "present", insight->has_energy, "reason",
                     ew_json_text(insight->energy_none), "remedy",
                     insight->has_energy ? json_null() : json_string(remedy), "meters", meters_json(report));
}

/* ---- traces ---- */

static json_t *gaps_json(const struct ew_trial_record *trial) {
    json_t *gaps = json_array();
    for (size_t i = 1; i < trial->n_stamps && i <= TRACED_TOKENS; i++) {
        double ms = ((double)trial->stamps_ns[i] - (double)trial->stamps_ns[i - 1]) * 1e-6;
        json_array_append_new(gaps, json_real(round(ms * 1e4) / 1e4));
    }
    return gaps;
}

static json_t *traces_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    size_t *taken = calloc(insight->n_configs + 1, sizeof *taken);
    for (size_t i = 0; taken && i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        const struct ew_trial_record *t = run->trial;
        if (t->status != EW_TRIAL_OK || t->n_stamps < 2 || !t->stamps_ns || taken[run->config] == TRACED_RUNS) continue;
        taken[run->config]++;
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:o}", "trial", (json_int_t)t->id, "configuration",
                                              (json_int_t)t->config_id, "repetition", (json_int_t)t->repeat + 1,
                                              "gaps_ms", gaps_json(t)));
    }
    free(taken);
    return list;
}

/* Text of real models only: what random weights write is noise. One per model and type. */
static json_t *samples_json(const struct ew_insight *insight) {
    json_t *list = json_array();
    for (size_t c = 0; c < insight->n_configs; c++) {
        const struct ew_model_record *model = insight->configs[c].model;
        bool again = c > 0 && insight->configs[c - 1].model == model && json_array_size(list);
        if (model->synthetic || again) continue;
        for (size_t i = 0; i < insight->n_runs; i++) {
            const struct ew_trial_record *t = insight->runs[i].trial;
            if (insight->configs[insight->runs[i].config].model != model || !t->sample_text || !*t->sample_text)
                continue;
            json_array_append_new(list,
                                  json_pack("{s:o, s:o, s:o, s:o}", "model", ew_json_text(model->name), "type",
                                            ew_json_text(model->file_type), "prompt", ew_json_text(t->sample_prompt),
                                            "text", ew_json_text(t->sample_text)));
            break;
        }
    }
    return list;
}

/* ---- the whole ---- */

json_t *ew_report_study_json(const struct ew_report *report) {
    const struct ew_study_record *s = &report->study->study;
    const struct ew_insight *insight = report->insight;
    int64_t ended = EW_MISSING;
    for (size_t i = 0; i < report->study->n_invocations; i++)
        if (report->study->invocations[i].ended_unix_ns > ended) ended = report->study->invocations[i].ended_unix_ns;
    return json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:I, s:I, s:I, s:I}", "name", ew_json_text(s->name), "file",
                     ew_json_text(s->file), "store", ew_json_text(ew_store_path(report->store)), "seed",
                     (json_int_t)s->seed, "started", ew_json_time(s->created_unix_ns), "ended", ew_json_time(ended),
                     "planned", (json_int_t)insight->n_runs, "done", (json_int_t)insight->n_ok, "failed",
                     (json_int_t)insight->n_failed, "left", (json_int_t)insight->n_left);
}

void ew_json_put_quoted(FILE *out, const char *text) {
    if (*text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")]) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text; text++) *text == '\'' ? (void)fputs("'\\''", out) : (void)fputc(*text, out);
    fputc('\'', out);
}

static json_t *command_json(const char *before, const char *file, const char *middle, const char *store,
                            const char *after) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fputs(before, out);
    if (file) ew_json_put_quoted(out, file);
    fputs(middle, out);
    ew_json_put_quoted(out, store);
    fputs(after, out);
    fclose(out);
    json_t *value = ew_json_text(text);
    free(text);
    return value;
}

static json_t *repeat_json(const struct ew_report *report) {
    const char *store = ew_store_path(report->store), *file = report->study->study.file;
    json_t *list = json_array();
    if (file) json_array_append_new(list, command_json("edgewise study ", file, " --store ", store, ""));
    json_array_append_new(list, command_json("edgewise report ", NULL, "", store, " --html report.html"));
    return list;
}

enum ew_status ew_report_make_json(const struct ew_report *report, struct json_t **out, struct ew_error *err) {
    const struct ew_insight *insight = report->insight;
    json_t *power = NULL;
    enum ew_status status = ew_power_json(report, &power, err);
    if (status != EW_OK) return status;
    json_t *configurations = json_array(), *trials = json_array();
    for (size_t i = 0; i < insight->n_configs; i++)
        json_array_append_new(configurations, config_json(report, &insight->configs[i]));
    for (size_t i = 0; i < insight->n_runs; i++) json_array_append_new(trials, ew_run_json(insight, i));
    json_t *document = json_pack(
        "{s:s, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
        "s:o, "
        "s:o, s:o, s:o}",
        "format", "edgewise-report", "version", 1, "made_up", 0, "title", ew_json_text(report->study->study.name),
        "study", ew_report_study_json(report), "repeat_commands", repeat_json(report), "answers", answers_json(insight),
        "caveats", caveats_json(insight), "energy", energy_json(report), "machine", ew_report_machine_json(report),
        "method", method_json(report), "thresholds", thresholds_json(report), "samples", samples_json(insight),
        "configurations", configurations, "sustained", ew_sustained_json(insight), "left_out", ew_left_out_json(report),
        "trials", trials, "traces", traces_json(insight), "power", power, "money", ew_money_json(report), "recommended",
        ew_recommended_json(report), "quality", ew_quality_json(insight), "qualities", ew_qualities_json(insight),
        "quality_steps", ew_quality_steps_json(insight), "answers_to_prompts", ew_prompt_answers_json(insight));
    if (!document) return ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    *out = document;
    return EW_OK;
}

enum ew_status ew_report_write_json(const struct ew_report *report, FILE *out, struct ew_error *err) {
    json_t *document = NULL;
    enum ew_status status = ew_report_make_json(report, &document, err);
    if (status != EW_OK) return status;
    json_dumpf(document, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(document);
    fputc('\n', out);
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}
