/* Owns the keys of the section `quality` and the rules between them. Whether files are there is asked when they are
 * used: quality_jobs.c. */
#include "study/quality_keys.h"
#include "study/study_keys.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PATH_BYTES = 4096, LEAST_CONTEXT = 4, MOST_CONTEXT = 1 << 24, MOST_TOKENS = 1 << 16 };

struct ew_study_quality ew_study_quality_default(void) {
    return (struct ew_study_quality){.tokens = 64, .timeout_s = 1800};
}

void ew_study_quality_free(struct ew_study_quality *quality) {
    for (size_t i = 0; i < quality->n_texts; i++) free(quality->texts[i].path);
    for (size_t i = 0; i < quality->n_tasks; i++) free(quality->tasks[i]);
    free(quality->reference);
    free(quality->prompts);
    *quality = ew_study_quality_default();
}

/* ---- texts ---- */

static void read_text_key(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *node) {
    struct ew_study_text *text = context;
    if (strcmp(key, "text") == 0)
        ew_study_read_text(y, key, 1, MAX_PATH_BYTES, line, node, &text->path);
    else if (strcmp(key, "context") == 0)
        ew_study_read_int(y, key, LEAST_CONTEXT, MOST_CONTEXT, line, node, &text->context);
    else if (strcmp(key, "stride") == 0)
        ew_study_read_int(y, key, 1, MOST_CONTEXT, line, node, &text->stride);
    else if (strcmp(key, "windows") == 0)
        ew_study_read_int(y, key, 1, UINT32_MAX, line, node, &text->windows);
    else
        ew_yaml_complain(y, line, "%s: is not a key of an entry of texts (text, context, stride, windows)", key);
}

static void read_one_text(struct ew_yaml *y, struct ew_study_quality *quality, yaml_node_t *node) {
    int line = ew_yaml_line(node);
    if (quality->n_texts == EW_STUDY_MAX_TEXTS) {
        ew_yaml_complain(y, line, "texts: more than %d", EW_STUDY_MAX_TEXTS);
        return;
    }
    struct ew_study_text *text = &quality->texts[quality->n_texts++];
    *text = (struct ew_study_text){.line = line};
    if (node->type == YAML_SCALAR_NODE)
        ew_study_read_text(y, "texts", 1, MAX_PATH_BYTES, line, node, &text->path);
    else
        ew_yaml_each_pair(y, node, "an entry of texts", read_text_key, text);
    if (!text->path) ew_yaml_complain(y, line, "text: is missing: an entry of texts names a file");
    if (text->context > 0 && text->stride >= text->context)
        ew_yaml_complain(y, line, "stride: %lld is not below the context of %lld tokens", (long long)text->stride,
                         (long long)text->context);
}

/* ---- the section ---- */

static void read_texts(struct ew_yaml *y, struct ew_study_quality *quality, yaml_node_t *node) {
    yaml_node_t *item;
    for (size_t i = 0; y->status == EW_OK && (item = ew_yaml_item(y, node, i)) != NULL; i++)
        read_one_text(y, quality, item);
}

static void read_tasks(struct ew_yaml *y, struct ew_study_quality *quality, yaml_node_t *node) {
    yaml_node_t *item;
    for (size_t i = 0; y->status == EW_OK && (item = ew_yaml_item(y, node, i)) != NULL; i++) {
        if (quality->n_tasks == EW_STUDY_MAX_TASKS) {
            ew_yaml_complain(y, ew_yaml_line(item), "tasks: more than %d", EW_STUDY_MAX_TASKS);
            return;
        }
        char **task = &quality->tasks[quality->n_tasks];
        if (ew_study_read_text(y, "tasks", 1, MAX_PATH_BYTES, ew_yaml_line(item), item, task)) quality->n_tasks++;
    }
}

static void read_key(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *node) {
    struct ew_study_quality *quality = context;
    if (strcmp(key, "texts") == 0)
        read_texts(y, quality, node);
    else if (strcmp(key, "divergence") == 0)
        ew_study_read_flag(y, key, line, node, &quality->divergence);
    else if (strcmp(key, "reference") == 0)
        ew_study_read_text(y, key, 1, MAX_PATH_BYTES, line, node, &quality->reference);
    else if (strcmp(key, "tasks") == 0)
        read_tasks(y, quality, node);
    else if (strcmp(key, "prompts") == 0)
        ew_study_read_text(y, key, 1, MAX_PATH_BYTES, line, node, &quality->prompts);
    else if (strcmp(key, "tokens") == 0)
        ew_study_read_int(y, key, 1, MOST_TOKENS, line, node, &quality->tokens);
    else if (strcmp(key, "timeout") == 0)
        ew_study_read_duration(y, "quality: timeout", 0.1, 86400, line, node, &quality->timeout_s);
    else
        ew_yaml_complain(y, line,
                         "%s: is not a key of quality (texts, divergence, reference, tasks, prompts, tokens, timeout)",
                         key);
}

void ew_study_read_quality(struct ew_yaml *y, struct ew_study_quality *out, int line, yaml_node_t *node) {
    out->line = line;
    ew_yaml_each_pair(y, node, "quality", read_key, out);
    if (y->status != EW_OK) return;
    if (out->n_texts == 0 && out->n_tasks == 0 && !out->prompts)
        ew_yaml_complain(y, line, "quality: asks nothing; it needs texts, tasks or prompts");
    else if (out->divergence && out->n_texts == 0)
        ew_yaml_complain(y, line, "divergence: true needs texts to measure it on");
    else if (out->reference && !out->divergence)
        ew_yaml_complain(y, line, "reference: %s is for divergence: true, which is not asked for", out->reference);
}
