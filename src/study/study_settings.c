/* Owns a study's settings as a value: defaults, models added by hand (bench), its JSON form, and its end. */
#include "base/error.h"
#include "study/study_file.h"
#include "study/trial_spec.h"

#include <jansson.h>
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
    file->prefill_threads = file->decode_threads = one(EW_STUDY_ALL);
    file->prompt_tokens = one(512);
    file->generate_tokens = one(128);
    file->depth = one(0);
    file->layout = one(EW_WEIGHTS_AUTO);
    file->repeats_min = file->repeats_max = 5;
    file->idle_s = 30;
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
    }
    free(f->models);
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
    if ((model->name && !copy.name) || (model->type && !copy.type)) {
        free(copy.name);
        free(copy.type);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", file->path);
    }
    file->models[file->n_models++] = copy;
    return EW_OK;
}

static json_t *values_json(const struct ew_study_values *values, bool threads) {
    json_t *list = json_array();
    for (size_t i = 0; i < values->n; i++)
        json_array_append_new(list, threads && values->value[i] == EW_STUDY_ALL ? json_string("all")
                                                                                : json_integer(values->value[i]));
    return list;
}

static json_t *models_json(const struct ew_study_file *f) {
    json_t *list = json_array();
    for (size_t i = 0; i < f->n_models; i++) {
        static const char *const kinds[] = {"file", "synth", "box"};
        const struct ew_study_model *m = &f->models[i];
        json_array_append_new(list, json_pack("{s:s, s:s*, s:s*, s:b}", "kind", kinds[m->kind], "name", m->name, "type",
                                              m->type, "sample_text", m->has_sample_text));
    }
    return list;
}

char *ew_study_file_json(const struct ew_study_file *f) {
    json_t *layouts = json_array();
    for (size_t i = 0; i < f->layout.n; i++)
        json_array_append_new(layouts, json_string(ew_layout_name((enum ew_weights_layout)f->layout.value[i])));
    json_t *root =
        json_pack("{s:s*, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:s, s:I, s:s}",
                  "study", f->name, "models", models_json(f), "prefill_threads",
                  values_json(f->threads.n ? &f->threads : &f->prefill_threads, true), "decode_threads",
                  values_json(f->threads.n ? &f->threads : &f->decode_threads, true), "prompt_tokens",
                  values_json(&f->prompt_tokens, false), "generate_tokens", values_json(&f->generate_tokens, false),
                  "depth", values_json(&f->depth, false), "layout", layouts, "repeats_min", (json_int_t)f->repeats_min,
                  "repeats_max", (json_int_t)f->repeats_max, "until_interval", f->until_interval, "idle_s", f->idle_s,
                  "timeout_s", f->timeout_s, "warmup_s", f->warmup_s, "gap_s", f->gap_s, "sample_prompt",
                  f->sample_prompt, "sample_tokens", (json_int_t)f->sample_tokens, "energy", f->energy);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}
