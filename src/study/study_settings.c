/* Owns a study's settings as a value: defaults, models added by hand (bench), its JSON form, and its end. */
#include "base/error.h"
#include "study/study_file.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct ew_study_values one(int64_t value) { return (struct ew_study_values){.n = 1, .value = {value}}; }

struct ew_study_file *ew_study_file_new(const char *path) {
    struct ew_study_file *file = calloc(1, sizeof *file);
    if (!file) return NULL;
    file->path = strdup(path);
    file->sample_prompt = strdup("Once upon a time");
    file->energy = strdup("auto");
    if (!file->path || !file->sample_prompt || !file->energy) {
        ew_study_file_close(&file);
        return NULL;
    }
    for (int i = 0; i < EW_SWEEP_AXES; i++)
        if (i != EW_AXIS_THREADS) file->axis[i] = one(ew_study_axis_table[i].standard);
    file->cool_to = (struct ew_thermal_gate){.at_c = NAN, .within_c = 2, .timeout_s = 300};
    file->budget = (struct ew_study_budget){INFINITY, INFINITY, INFINITY};
    file->quality = ew_study_quality_default();
    file->repeats_min = file->repeats_max = 5;
    file->idle_s = 30;
    file->idle_max_s = 120;
    file->timeout_s = 1800;
    file->warmup_s = 2;
    file->gap_s = 0.25;
    file->sample_tokens = 96;
    return file;
}

void ew_study_file_close(struct ew_study_file **file) {
    if (!file || !*file) return;
    struct ew_study_file *f = *file;
    for (size_t i = 0; i < f->n_models; i++) {
        free(f->models[i].name);
        free(f->models[i].type);
        free(f->models[i].else_synth);
    }
    free(f->models);
    for (size_t i = 0; i < f->n_words; i++) free(f->words[i]);
    free(f->words);
    free(f->configurations);
    free(f->exclude);
    ew_study_quality_free(&f->quality);
    char *const texts[] = {f->path, f->source, f->name, f->sample_prompt, f->energy, f->store, f->cache};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free(texts[i]);
    free(f);
    *file = NULL;
}

enum ew_status ew_study_file_add_model(struct ew_study_file *file, const struct ew_study_model *model,
                                       struct ew_error *err) {
    struct ew_study_model *larger = realloc(file->models, (file->n_models + 1) * sizeof *larger);
    if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", file->path);
    file->models = larger;
    struct ew_study_model copy = *model;
    copy.name = model->name ? strdup(model->name) : NULL;
    copy.type = model->type ? strdup(model->type) : NULL;
    copy.else_synth = model->else_synth ? strdup(model->else_synth) : NULL;
    if ((model->name && !copy.name) || (model->type && !copy.type) || (model->else_synth && !copy.else_synth)) {
        free(copy.name);
        free(copy.type);
        free(copy.else_synth);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", file->path);
    }
    file->models[file->n_models++] = copy;
    return EW_OK;
}

const char *ew_study_file_word(const struct ew_study_file *file, int64_t value) {
    return value >= 0 && (size_t)value < file->n_words ? file->words[value] : NULL;
}

bool ew_study_file_add_word(struct ew_study_file *file, const char *word, int64_t *value) {
    for (size_t i = 0; i < file->n_words; i++) {
        if (strcmp(file->words[i], word) != 0) continue;
        *value = (int64_t)i;
        return true;
    }
    char **larger = realloc(file->words, (file->n_words + 1) * sizeof *larger);
    if (!larger) return false;
    file->words = larger;
    larger[file->n_words] = strdup(word);
    if (!larger[file->n_words]) return false;
    *value = (int64_t)file->n_words++;
    return true;
}

/* Numbers as numbers, everything else as it is written in a study file; sustained in seconds. */
static json_t *value_json(const struct ew_study_file *f, enum ew_study_axis axis, int64_t value) {
    enum ew_axis_kind kind = ew_study_axis_table[axis].kind;
    if (value >= 0 && (kind == EW_KIND_THREADS || kind == EW_KIND_COUNT || kind == EW_KIND_HERTZ))
        return json_integer(value);
    if (kind == EW_KIND_DURATION) return json_real((double)value / 1000);
    char text[96];
    ew_study_axis_print(axis, value, ew_study_file_word(f, value), text, sizeof text);
    return json_string(text);
}

static json_t *values_json(const struct ew_study_file *f, enum ew_study_axis axis,
                           const struct ew_study_values *values) {
    json_t *list = json_array();
    for (size_t i = 0; i < values->n; i++) json_array_append_new(list, value_json(f, axis, values->value[i]));
    return list;
}

static json_t *grids_json(const struct ew_study_file *f, const struct ew_study_grid *grids, size_t n) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *entry = json_object();
        for (int a = 0; a < EW_AXES; a++)
            if (grids[i].axis[a].n > 0)
                json_object_set_new(entry, ew_study_axis_table[a].name,
                                    values_json(f, (enum ew_study_axis)a, &grids[i].axis[a]));
        json_array_append_new(list, entry);
    }
    return list;
}

static json_t *models_json(const struct ew_study_file *f) {
    json_t *list = json_array();
    for (size_t i = 0; i < f->n_models; i++) {
        static const char *const kinds[] = {"file", "synth", "box"};
        const struct ew_study_model *m = &f->models[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:s*, s:s*, s:s*, s:b}", "kind", kinds[m->kind], "name", m->name, "type",
                                        m->type, "else_synth", m->else_synth, "sample_text", m->has_sample_text));
    }
    return list;
}

static json_t *limit_json(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static void add_sweep(const struct ew_study_file *f, json_t *root) {
    for (int a = EW_AXIS_PREFILL_THREADS; a < EW_SWEEP_AXES; a++) {
        bool threads = a == EW_AXIS_PREFILL_THREADS || a == EW_AXIS_DECODE_THREADS;
        const struct ew_study_values *values = threads && f->threads.n ? &f->threads : &f->axis[a];
        json_object_set_new(root, ew_study_axis_table[a].name, values_json(f, (enum ew_study_axis)a, values));
    }
    json_object_set_new(root, "configurations", grids_json(f, f->configurations, f->n_configurations));
    json_object_set_new(root, "exclude", grids_json(f, f->exclude, f->n_exclude));
}

/* null without the section. */
static json_t *quality_json(const struct ew_study_quality *q) {
    if (q->line == 0) return json_null();
    json_t *texts = json_array(), *tasks = json_array();
    for (size_t i = 0; i < q->n_texts; i++)
        json_array_append_new(texts,
                              json_pack("{s:s, s:I, s:I, s:I}", "text", q->texts[i].path, "context",
                                        (json_int_t)q->texts[i].context, "stride", (json_int_t)q->texts[i].stride,
                                        "windows", (json_int_t)q->texts[i].windows));
    for (size_t i = 0; i < q->n_tasks; i++) json_array_append_new(tasks, json_string(q->tasks[i]));
    return json_pack("{s:o, s:b, s:s*, s:o, s:s*, s:I, s:f}", "texts", texts, "divergence", q->divergence, "reference",
                     q->reference, "tasks", tasks, "prompts", q->prompts, "tokens", (json_int_t)q->tokens, "timeout_s",
                     q->timeout_s);
}

char *ew_study_file_json(const struct ew_study_file *f) {
    json_t *root =
        json_pack("{s:s*, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:I, s:s}", "study", f->name, "models",
                  models_json(f), "repeats_min", (json_int_t)f->repeats_min, "repeats_max", (json_int_t)f->repeats_max,
                  "until_interval", f->until_interval, "idle_s", f->idle_s, "idle_max_s", f->idle_max_s, "idle_until",
                  f->idle_until, "timeout_s", f->timeout_s, "warmup_s", f->warmup_s, "gap_s", f->gap_s, "sample_prompt",
                  f->sample_prompt, "sample_tokens", (json_int_t)f->sample_tokens, "energy", f->energy);
    if (!root) return NULL;
    add_sweep(f, root);
    json_object_set_new(root, "cool_to",
                        isnan(f->cool_to.at_c) ? json_null()
                                               : json_pack("{s:f, s:f, s:f}", "at_c", f->cool_to.at_c, "within_c",
                                                           f->cool_to.within_c, "timeout_s", f->cool_to.timeout_s));
    json_object_set_new(root, "budget",
                        json_pack("{s:o, s:o, s:o}", "time_s", limit_json(f->budget.time_s), "energy_j",
                                  limit_json(f->budget.energy_j), "disk_bytes", limit_json(f->budget.disk_bytes)));
    json_object_set_new(root, "quality", quality_json(&f->quality));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
