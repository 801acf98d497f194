/* Owns leaving configurations out: those that `exclude` names, those with more threads than their cores, and those
 * whose settings this machine or these rights do not allow. Each reason is kept with its count. */
#include "study/plan_filter.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct ew_core_set *ew_plan_core_set(const struct ew_study_plan *plan, int64_t value) {
    return value >= 0 ? &plan->core_sets[value] : NULL;
}

static bool is_model(const struct ew_located_model *model, const char *word) {
    const struct ew_study_model *from = model->from;
    if (from->kind == EW_STUDY_MODEL_BOX) return strcmp(word, "box") == 0;
    if (strcmp(from->name, word) == 0 || (model->shape && strcmp(model->shape->name, word) == 0)) return true;
    if (from->else_synth && strcmp(from->else_synth, word) == 0) return true;
    const char *base = strrchr(from->name, '/');
    return base && strcmp(base + 1, word) == 0;
}

static bool is_type(const struct ew_located_model *model, const char *word) {
    const char *type = model->from->type ? model->from->type : model->record.file_type;
    return type && strcasecmp(type, word) == 0;
}

bool ew_plan_chooses_model(const struct ew_study_file *study, const struct ew_study_grid *grid,
                           const struct ew_located_model *model) {
    const struct ew_study_values *models = &grid->axis[EW_AXIS_MODEL], *types = &grid->axis[EW_AXIS_TYPE];
    bool named = models->n == 0, typed = types->n == 0;
    for (size_t i = 0; i < models->n; i++)
        named = named || is_model(model, ew_study_file_word(study, models->value[i]));
    for (size_t i = 0; i < types->n; i++) typed = typed || is_type(model, ew_study_file_word(study, types->value[i]));
    return named && typed;
}

struct candidate {
    const struct ew_plan_limits *limits;
    const struct ew_located_model *model;
    const int64_t *value;
    const struct ew_config_record *config;
    const struct ew_core_set *cores;
};

static bool has_threads(const struct candidate *c, enum ew_study_axis axis, int64_t wanted) {
    if (wanted == EW_STUDY_ALL) wanted = c->cores ? c->cores->n_cores : c->limits->all_cores;
    bool prefill = c->config->prefill_threads == wanted, decode = c->config->decode_threads == wanted;
    return axis == EW_AXIS_THREADS ? prefill && decode : axis == EW_AXIS_PREFILL_THREADS ? prefill : decode;
}

static bool matches(const struct ew_study_file *study, const struct ew_study_grid *grid, const struct candidate *c) {
    if (!ew_plan_chooses_model(study, grid, c->model)) return false;
    for (int a = 0; a < EW_SWEEP_AXES; a++) {
        const struct ew_study_values *values = &grid->axis[a];
        bool any = values->n == 0;
        for (size_t i = 0; i < values->n && !any; i++)
            any = a <= EW_AXIS_DECODE_THREADS ? has_threads(c, (enum ew_study_axis)a, values->value[i])
                                              : c->value[a] == values->value[i];
        if (!any) return false;
    }
    return true;
}

enum ew_status ew_study_plan_leave_out(struct ew_study_plan *plan, const struct ew_plan_left_out *one,
                                       struct ew_error *err) {
    for (size_t i = 0; i < plan->n_left_out; i++) {
        if (strcmp(plan->left_out[i].what, one->what) != 0) continue;
        plan->left_out[i].n++;
        return EW_OK;
    }
    struct ew_plan_left_out *larger = realloc(plan->left_out, (plan->n_left_out + 1) * sizeof *larger);
    if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "study: out of memory");
    plan->left_out = larger;
    larger[plan->n_left_out] = *one;
    larger[plan->n_left_out++].n = 1;
    return EW_OK;
}

/* A setting that was refused before is not asked for again. */
static const struct ew_plan_left_out *find(const struct ew_study_plan *plan, const char *what) {
    for (size_t i = 0; i < plan->n_left_out; i++)
        if (strcmp(plan->left_out[i].what, what) == 0) return &plan->left_out[i];
    return NULL;
}

static bool device_refuses(const struct candidate *c, const struct ew_study_plan *plan, struct ew_plan_left_out *one) {
    const struct ew_study_setting setting = ew_study_setting_of(c->config);
    const struct ew_study_device *device = c->limits->device;
    if (ew_study_setting_is_none(&setting)) return false;
    ew_study_setting_text(&setting, one->what, sizeof one->what);
    if (find(plan, one->what)) return true;
    struct ew_error why = {0};
    if (!device)
        snprintf(one->why, sizeof one->why, "this build sets nothing on the machine");
    else if (device->check(device->context, &setting, &why) != EW_OK)
        snprintf(one->why, sizeof one->why, "%.250s", why.message);
    else
        return false;
    return true;
}

enum ew_status ew_plan_filter(const struct ew_study_file *study, const struct ew_plan_limits *limits,
                              const struct ew_located_model *model, const int64_t *value,
                              const struct ew_config_record *config, const struct ew_core_set *cores,
                              struct ew_study_plan *plan, bool *out, struct ew_error *err) {
    const struct candidate c = {limits, model, value, config, cores};
    struct ew_plan_left_out one = {0};
    int64_t threads =
        config->prefill_threads > config->decode_threads ? config->prefill_threads : config->decode_threads;
    *out = true;
    for (size_t i = 0; i < study->n_exclude; i++) {
        if (!matches(study, &study->exclude[i], &c)) continue;
        snprintf(one.what, sizeof one.what, "exclude, line %d", study->exclude[i].line);
        one.asked = true;
        return ew_study_plan_leave_out(plan, &one, err);
    }
    if (cores && threads > cores->n_cpus) {
        snprintf(one.what, sizeof one.what, "%lld threads on cores %.50s", (long long)threads, cores->text);
        snprintf(one.why, sizeof one.why, "that is more threads than cores");
        return ew_study_plan_leave_out(plan, &one, err);
    }
    if (device_refuses(&c, plan, &one)) return ew_study_plan_leave_out(plan, &one, err);
    *out = false;
    return EW_OK;
}
