/* Owns how figures become records: which interval, which names. The figures themselves are the quality room's. */
#include "study/eval_figures.h"
#include "base/error.h"
#include "base/file_map.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { DEFAULT_CONTEXT = 512, LEAST_CONTEXT = 4 };

/* From so many windows on, their means give the interval; below, tokens as if they were independent. */
enum { MANY_WINDOWS = 20 };
static const double z95 = 1.959964; /* of the normal distribution, two-sided */

enum ew_status ew_data_hash(const char *path, char hash[EW_DATA_HASH], struct ew_error *err) {
    struct ew_file_map map;
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    snprintf(hash, EW_DATA_HASH, "%016" PRIx64,
             (uint64_t)XXH3_64bits(map.data ? map.data : (const void *)"", map.size));
    ew_file_map_close(&map);
    return EW_OK;
}

void ew_data_name(const char *path, char name[EW_DATA_NAME]) {
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
    int n = dot && dot > base ? (int)(dot - base) : (int)strlen(base);
    snprintf(name, EW_DATA_NAME, "%.*s", n, base);
}

void ew_text_settings(int64_t context, int64_t stride, int64_t windows, char settings[EW_TEXT_SETTINGS]) {
    int n = snprintf(settings, EW_TEXT_SETTINGS, "context %" PRId64 ", stride %" PRId64, context, stride);
    if (windows > 0) snprintf(settings + n, EW_TEXT_SETTINGS - (size_t)n, ", %" PRId64 " windows", windows);
}

int64_t ew_eval_context(int64_t trained) {
    return trained >= LEAST_CONTEXT && trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
}

/* ---- members ---- */

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static int64_t count(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : EW_MISSING;
}

static const char *text_or(const json_t *object, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

/* ---- figures ---- */

static struct ew_quality_record *add(struct ew_eval_figures *f, const struct ew_quality_record *like) {
    struct ew_quality_record *r = &f->records[f->n++];
    *r = *like;
    r->figures_json = f->json;
    r->reference = NULL;
    r->chance = NAN;
    return r;
}

/* The logarithm is what errors are symmetric about: exp(mean ± 1.96 · its error). */
static void add_perplexity(struct ew_eval_figures *f, const json_t *object, const struct ew_quality_record *like) {
    struct ew_quality_record *r = add(f, like);
    int64_t windows = count(object, "windows");
    double by_windows = number(object, "error_windows"), perplexity = number(object, "perplexity");
    double error = windows >= MANY_WINDOWS && isfinite(by_windows) ? by_windows : number(object, "error");
    double mean = number(object, "mean_nll"), half = z95 * error / perplexity;
    r->measure = "perplexity";
    r->n = count(object, "tokens");
    r->value = perplexity;
    r->low = exp(mean - half);
    r->high = exp(mean + half);
}

static void add_divergence(struct ew_eval_figures *f, const json_t *reference, const struct ew_quality_record *like) {
    struct ew_quality_record *r = add(f, like);
    const json_t *kl = json_object_get(reference, "kl");
    double error = number(kl, "error");
    r->measure = "kl_divergence";
    r->reference = text_or(reference, "model", NULL);
    r->n = count(reference, "tokens");
    r->value = number(kl, "value");
    r->low = r->value - z95 * error;
    r->high = r->value + z95 * error;
}

/* A task says its own measure, interval and what guessing gives. */
static void add_task(struct ew_eval_figures *f, const json_t *task, const struct ew_quality_record *like) {
    struct ew_quality_record *r = add(f, like);
    r->measure = text_or(task, "measure", "accuracy");
    r->data = text_or(task, "task", like->data);
    r->data_hash = text_or(task, "data_hash", like->data_hash);
    r->settings = text_or(task, "settings", like->settings);
    r->n = count(task, "items");
    r->value = number(task, "value");
    r->low = number(task, "low");
    r->high = number(task, "high");
    r->chance = number(task, "chance");
}

static void add_all(struct ew_eval_figures *f, const json_t *root, const struct ew_quality_record *like) {
    const json_t *reference = json_object_get(root, "reference"), *tasks = json_object_get(root, "tasks");
    if (isfinite(number(root, "perplexity"))) add_perplexity(f, root, like);
    if (isfinite(number(json_object_get(reference, "kl"), "value"))) add_divergence(f, reference, like);
    for (size_t i = 0; i < json_array_size(tasks) && f->n < EW_EVAL_MOST_FIGURES; i++)
        if (isfinite(number(json_array_get(tasks, i), "value"))) add_task(f, json_array_get(tasks, i), like);
}

enum ew_status ew_eval_figures_read(const char *text, size_t size, const struct ew_quality_record *like,
                                    struct ew_eval_figures *out, struct ew_error *err) {
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(root)) {
        ew_error_set(err, EW_ERR_FORMAT, "figures: are no JSON object: %s", root ? "another value" : why.text);
        json_decref(root);
        return EW_ERR_FORMAT;
    }
    *out = (struct ew_eval_figures){.root = root, .json = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(9))};
    if (!out->json) {
        ew_eval_figures_close(out);
        return ew_error_set(err, EW_ERR_MEMORY, "figures: out of memory");
    }
    add_all(out, root, like);
    if (out->n > 0) return EW_OK;
    ew_eval_figures_close(out);
    return ew_error_set(err, EW_ERR_FORMAT, "figures: neither a perplexity nor a task is among them");
}

void ew_eval_figures_close(struct ew_eval_figures *figures) {
    json_decref(figures->root);
    free(figures->json);
    *figures = (struct ew_eval_figures){0};
}
