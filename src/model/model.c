/* Owns opened models: file, configuration, plan and tokenizer under one handle. Refuses architectures without a
 * builder; see architecture.h for what is run. */
#include "model/model_inside.h"

#include "base/error.h"
#include "gguf/file_type.h"
#include "model/architecture.h"
#include "plan/explain.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void read_description(struct ew_model *m) {
    struct ew_gguf_string name = {"", 0};
    ew_gguf_get_string(m->gguf, "general.name", &name, NULL);
    m->name = strndup(name.data, name.size);
    uint64_t file_type;
    if (ew_gguf_get_u64(m->gguf, "general.file_type", &file_type, NULL) == EW_OK && file_type <= UINT32_MAX) {
        const char *word = ew_file_type_name((uint32_t)file_type);
        snprintf(m->file_type, sizeof m->file_type, "%s", word ? word : "");
    }
    ew_gguf_get_bool(m->gguf, "edgewise.synthetic", &m->synthetic, NULL);
    for (size_t i = 0; i < ew_gguf_n_tensors(m->gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(m->gguf, i);
        m->n_params += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        m->weights_bytes += t->size_bytes;
    }
}

static enum ew_status build_plan(struct ew_model *m, struct ew_error *err) {
    const struct ew_architecture *arch = ew_architecture_find(m->config.arch);
    if (!arch)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: general.architecture: `%s` cannot be run yet (%s can)",
                            ew_gguf_path(m->gguf), m->config.arch, ew_architecture_names());
    return ew_architecture_build(arch, m->gguf, &m->config, &m->plan, err);
}

enum ew_status ew_model_open(const char *path, struct ew_model **out, struct ew_error *err) {
    if (!path || !out) return ew_error_set(err, EW_ERR_ARGUMENT, "ew_model_open: path and out must be given");
    struct ew_model *m = calloc(1, sizeof *m);
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = ew_gguf_open(path, &m->gguf, err);
    if (status == EW_OK) status = ew_config_read(m->gguf, &m->config, err);
    if (status == EW_OK) status = build_plan(m, err);
    if (status == EW_OK) {
        status = ew_tokenizer_open(m->gguf, &m->tokenizer, err);
        if (status == EW_ERR_NOT_FOUND) status = EW_OK;
    }
    if (status == EW_OK) {
        read_description(m);
        if (!m->name) status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    if (status != EW_OK) {
        ew_model_close(&m);
        return status;
    }
    if (err) *err = (struct ew_error){0};
    *out = m;
    return EW_OK;
}

void ew_model_close(struct ew_model **model) {
    if (!model || !*model) return;
    struct ew_model *m = *model;
    ew_tokenizer_close(&m->tokenizer);
    ew_plan_free(&m->plan);
    ew_gguf_close(&m->gguf);
    free(m->name);
    free(m);
    *model = NULL;
}

struct ew_model_info ew_model_info(const struct ew_model *m) {
    const struct ew_config *c = &m->config;
    return (struct ew_model_info){
        .name = m->name,
        .architecture = c->arch,
        .file_type = m->file_type,
        .tokenizer_note = m->tokenizer ? ew_tokenizer_note(m->tokenizer) : "",
        .synthetic = m->synthetic,
        .n_params = m->n_params,
        .weights_bytes = m->weights_bytes,
        .n_layer = c->n_layer,
        .n_embd = c->n_embd,
        .n_head = c->n_head,
        .n_head_kv = c->n_head_kv,
        .head_dim = c->head_dim,
        .n_ff = c->n_ff,
        .n_vocab = c->n_vocab,
        .n_ctx_train = c->n_ctx_train,
    };
}

char *ew_model_explain(const struct ew_model *m) { return ew_plan_explain(&m->plan); }

uint64_t ew_model_overhead_bytes(const struct ew_model *m) {
    return ew_gguf_header_bytes(m->gguf) + ew_tokenizer_predict_bytes(m->gguf);
}

enum ew_status ew_model_tokenize(const struct ew_model *m, const char *text, size_t n_bytes, unsigned flags,
                                 int32_t *ids, size_t capacity, size_t *n_ids, struct ew_error *err) {
    if (!m->tokenizer)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: the file has no tokenizer", ew_gguf_path(m->gguf));
    return ew_tokenizer_encode(m->tokenizer, text, n_bytes, flags, ids, capacity, n_ids, err);
}

size_t ew_model_token_bytes(const struct ew_model *m, int32_t id, bool special, char *buf, size_t capacity) {
    return m->tokenizer ? ew_tokenizer_token_bytes(m->tokenizer, id, special, buf, capacity) : 0;
}

bool ew_model_token_is_end(const struct ew_model *m, int32_t id) {
    return m->tokenizer && ew_tokenizer_is_end(m->tokenizer, id);
}
