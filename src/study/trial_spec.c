/* Owns both directions of the trial's spec. Numbers are range-checked here, so that the trial need not. */
#include "study/trial_spec.h"
#include "base/error.h"
#include "edgewise/speculation.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const layouts[] = {[EW_WEIGHTS_AUTO] = "auto",
                                      [EW_WEIGHTS_MAPPED] = "mapped",
                                      [EW_WEIGHTS_PACKED] = "packed",
                                      [EW_WEIGHTS_SIDE_FILE] = "side_file"};

const char *ew_layout_name(enum ew_weights_layout layout) { return layouts[layout]; }

bool ew_layout_by_name(const char *name, enum ew_weights_layout *out) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        if (strcmp(name, layouts[i]) != 0) continue;
        *out = (enum ew_weights_layout)i;
        return true;
    }
    return false;
}

enum ew_status ew_trial_spec_write(const struct ew_trial_spec *spec, char **out, struct ew_error *err) {
    char speculate[16];
    ew_draft_print(spec->n_draft, speculate, sizeof speculate);
    json_t *root = json_pack(
        "{s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:s?, s:I, s:I, s:I, s:s, s:s*}",
        "protocol", EW_TRIAL_PROTOCOL, "model", spec->model, "context", (json_int_t)spec->context, "depth",
        (json_int_t)spec->depth, "prompt_tokens", (json_int_t)spec->prompt_tokens, "generate_tokens",
        (json_int_t)spec->generate_tokens, "threads_prefill", (json_int_t)spec->threads_prefill, "threads_decode",
        (json_int_t)spec->threads_decode, "layout", ew_layout_name(spec->layout), "kv",
        ew_kv_name(spec->kv_k, spec->kv_v), "cpu_mask", (json_int_t)spec->cpu_mask, "seed", (json_int_t)spec->seed,
        "warmup_limit_ms", (json_int_t)spec->warmup_limit_ms, "idle_gap_ms", (json_int_t)spec->idle_gap_ms,
        "sample_prompt", spec->sample_prompt, "sample_tokens", (json_int_t)spec->sample_tokens, "batch",
        (json_int_t)spec->batch, "sustained_ms", (json_int_t)spec->sustained_ms, "speculate", speculate, "side_folder",
        spec->side_folder);
    if (!root) return ew_error_set(err, EW_ERR_ARGUMENT, "%s: the path or prompt is not UTF-8", spec->model);
    if (spec->spin_us)
        json_object_set_new(root, "spin_us", json_integer(spec->spin_us == EW_SPIN_NONE ? 0 : spec->spin_us));
    if (spec->kernels) json_object_set_new(root, "kernels", json_string(spec->kernels));
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text) return ew_error_set(err, EW_ERR_MEMORY, "trial: out of memory");
    *out = text;
    return EW_OK;
}

/* A member in [low, high]; `fallback` where it is missing, or an error when fallback < low. */
static enum ew_status get_number(const json_t *root, const char *name, int64_t low, int64_t high, int64_t fallback,
                                 int64_t *out, struct ew_error *err) {
    const json_t *value = json_object_get(root, name);
    if (!value && fallback >= low) {
        *out = fallback;
        return EW_OK;
    }
    if (!json_is_integer(value))
        return ew_error_set(err, EW_ERR_FORMAT, "spec: %s: %s", name, value ? "is not a whole number" : "is missing");
    int64_t number = json_integer_value(value);
    if (number < low || number > high)
        return ew_error_set(err, EW_ERR_FORMAT, "spec: %s: %lld is outside %lld…%lld", name, (long long)number,
                            (long long)low, (long long)high);
    *out = number;
    return EW_OK;
}

struct number_field {
    const char *name;
    int64_t low, high, fallback;
    uint32_t *to;
};

static enum ew_status get_numbers(const json_t *root, struct ew_trial_spec *s, struct ew_error *err) {
    enum { MAX_TOKENS = 1 << 24, MAX_THREADS = 4096, MAX_SPIN_US = 1000000 };
    const struct number_field fields[] = {
        {"context", 0, 2 * MAX_TOKENS, 0, &s->context},
        {"depth", 0, MAX_TOKENS, 0, &s->depth},
        {"prompt_tokens", 1, MAX_TOKENS, 0, &s->prompt_tokens},
        {"generate_tokens", 1, MAX_TOKENS, 0, &s->generate_tokens},
        {"threads_prefill", 0, MAX_THREADS, 0, &s->threads_prefill},
        {"threads_decode", 0, MAX_THREADS, 0, &s->threads_decode},
        {"warmup_limit_ms", 0, 3600000, 0, &s->warmup_limit_ms},
        {"idle_gap_ms", 0, 3600000, 0, &s->idle_gap_ms},
        {"sample_tokens", 0, MAX_TOKENS, 0, &s->sample_tokens},
        {"batch", 0, MAX_TOKENS, 0, &s->batch},
        {"sustained_ms", 0, 24 * 3600000, 0, &s->sustained_ms},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        int64_t number = 0;
        enum ew_status status =
            get_number(root, fields[i].name, fields[i].low, fields[i].high, fields[i].fallback, &number, err);
        if (status != EW_OK) return status;
        *fields[i].to = (uint32_t)number;
    }
    int64_t mask = 0, seed = 0, spin = 0;
    enum ew_status status = get_number(root, "cpu_mask", INT64_MIN + 1, INT64_MAX, 0, &mask, err);
    if (status == EW_OK && json_object_get(root, "spin_us")) {
        status = get_number(root, "spin_us", 0, MAX_SPIN_US, 0, &spin, err);
        s->spin_us = spin == 0 ? EW_SPIN_NONE : (uint32_t)spin;
    }
    if (status == EW_OK) status = get_number(root, "seed", INT64_MIN + 1, INT64_MAX, 0, &seed, err);
    s->cpu_mask = (uint64_t)mask;
    s->seed = (uint64_t)seed;
    return status;
}

static enum ew_status get_texts(const json_t *root, struct ew_trial_spec *s, struct ew_error *err) {
    s->model = json_string_value(json_object_get(root, "model"));
    if (!s->model) return ew_error_set(err, EW_ERR_FORMAT, "spec: model: is missing or no text");
    s->sample_prompt = json_string_value(json_object_get(root, "sample_prompt"));
    s->kernels = json_string_value(json_object_get(root, "kernels"));
    const char *layout = json_string_value(json_object_get(root, "layout"));
    if (layout && !ew_layout_by_name(layout, &s->layout))
        return ew_error_set(err, EW_ERR_FORMAT, "spec: layout: `%s` is not auto, mapped, packed or side_file", layout);
    s->side_folder = json_string_value(json_object_get(root, "side_folder"));
    if (s->layout == EW_WEIGHTS_SIDE_FILE && !s->side_folder)
        return ew_error_set(err, EW_ERR_FORMAT, "spec: side_folder: is missing; layout side_file needs it");
    const char *kv = json_string_value(json_object_get(root, "kv"));
    if (kv && !ew_kv_by_name(kv, &s->kv_k, &s->kv_v))
        return ew_error_set(err, EW_ERR_FORMAT, "spec: kv: `%s` is not f16, q8_0, f32 or two of them", kv);
    const char *speculate = json_string_value(json_object_get(root, "speculate"));
    if (speculate && !ew_draft_parse(speculate, &s->n_draft))
        return ew_error_set(err, EW_ERR_FORMAT, "spec: speculate: `%s` is not off, auto or 1 to 15", speculate);
    return EW_OK;
}

enum ew_status ew_trial_spec_read(const char *text, size_t size, struct ew_trial_spec *out, void **owner,
                                  struct ew_error *err) {
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    if (!root) return ew_error_set(err, EW_ERR_FORMAT, "spec: line %d: %s", where.line, where.text);
    struct ew_trial_spec spec = {0};
    int64_t protocol = 0;
    enum ew_status status = EW_OK;
    if (!json_is_object(root)) status = ew_error_set(err, EW_ERR_FORMAT, "spec: is not a JSON object");
    if (status == EW_OK) status = get_number(root, "protocol", 1, INT64_MAX, 0, &protocol, err);
    if (status == EW_OK && protocol != EW_TRIAL_PROTOCOL)
        status = ew_error_set(err, EW_ERR_UNSUPPORTED, "spec: protocol %lld is not known (%d is)", (long long)protocol,
                              EW_TRIAL_PROTOCOL);
    if (status == EW_OK) status = get_numbers(root, &spec, err);
    if (status == EW_OK) status = get_texts(root, &spec, err);
    if (status == EW_OK) {
        uint64_t needed = (uint64_t)spec.depth + spec.prompt_tokens + spec.generate_tokens;
        if (spec.context == 0) spec.context = (uint32_t)needed;
        if (spec.context < needed)
            status = ew_error_set(err, EW_ERR_FORMAT, "spec: context: %u is less than depth + prompt + generate = %llu",
                                  spec.context, (unsigned long long)needed);
    }
    if (status != EW_OK) {
        json_decref(root);
        return status;
    }
    *out = spec;
    *owner = root;
    return EW_OK;
}

void ew_trial_spec_free(void **owner) {
    if (!owner || !*owner) return;
    json_decref(*owner);
    *owner = NULL;
}
