/* Owns a conversion from beginning to end: what the source is, the metadata, then one tensor after the other. */
#include "convert/convert.h"

#include "base/clock.h"
#include "base/error.h"
#include "convert/folder_json.h"
#include "convert/folder_tokenizer.h"
#include "convert/llama2c.h"
#include "convert/tensor_stream.h"
#include "gguf/file_type.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { PROGRESS_NS = 100000000 };

struct conversion {
    const struct ew_convert_params *params;
    enum ew_convert_type type;
    const struct ew_family *family;
    struct ew_hf_config config;
    struct ew_checkpoint checkpoint;
    struct ew_vocabulary vocabulary;
    struct ew_recipe recipe;
    struct ew_gguf_writer *writer;
    json_t *json; /* config.json, for config */
    char name[128];
    uint32_t file_type;
    uint64_t done, total;
    int64_t next_progress_ns;
    struct ew_error *err;
};

static bool find_type(const char *name, enum ew_convert_type *out) {
    static const char *const names[] = {[EW_CONVERT_AUTO] = "auto",
                                        [EW_CONVERT_F32] = "f32",
                                        [EW_CONVERT_F16] = "f16",
                                        [EW_CONVERT_BF16] = "bf16",
                                        [EW_CONVERT_Q8_0] = "q8_0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(names[i], name) != 0) continue;
        *out = (enum ew_convert_type)i;
        return true;
    }
    return false;
}

bool ew_convert_knows_type(const char *type) {
    enum ew_convert_type ignored;
    return find_type(type, &ignored);
}

/* ---- sources ---- */

/* The last part of a path, without slashes after it and without a suffix. */
static void name_of_path(const char *path, const char *suffix, char *buf, size_t capacity) {
    size_t n = strlen(path), cut = strlen(suffix);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    if (cut > 0 && n - begin > cut && strncasecmp(path + n - cut, suffix, cut) == 0) n -= cut;
    snprintf(buf, capacity, "%.*s", (int)(n - begin), path + begin);
}

static enum ew_status fail_architecture(const char *path, const char *model_type, struct ew_error *err) {
    char known[320] = "";
    for (size_t i = 0; ew_family_at(i); i++) {
        size_t used = strlen(known), last = strlen(ew_family_at(i)->model_types);
        snprintf(known + used, sizeof known - used, "%.*s, ", (int)last - 1, ew_family_at(i)->model_types);
    }
    if (strlen(known) > 2) known[strlen(known) - 2] = 0;
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: model_type `%.40s` cannot be converted (%s can)", path,
                        model_type ? model_type : "", known);
}

static enum ew_status check_activation(const struct ew_family *family, const struct ew_hf_config *config,
                                       struct ew_error *err) {
    const json_t *found = ew_folder_json_find(config->root, "hidden_activation|hidden_act|activation_function");
    const char *name = json_string_value(found);
    size_t n = name ? strlen(name) : 0;
    if (!found) return EW_OK;
    for (const char *at = family->activations; n > 0 && *at; at = strchr(at, ' ') + 1)
        if (strncmp(at, name, n) == 0 && at[n] == ' ') return EW_OK;
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: activation `%.40s`: architecture %s stands for %s", config->path,
                        name ? name : "", family->arch, family->activations);
}

static enum ew_status read_config(struct conversion *c, const char *folder) {
    char path[256];
    snprintf(path, sizeof path, "%s/config.json", folder);
    enum ew_status status = ew_folder_json_load(folder, "config.json", false, &c->json, c->err);
    if (status != EW_OK) return status;
    const json_t *text = json_object_get(c->json, "text_config");
    const char *model_type = json_string_value(json_object_get(text, "model_type"));
    if (!model_type) model_type = json_string_value(json_object_get(c->json, "model_type"));
    c->family = model_type ? ew_family_find(model_type) : NULL;
    if (!c->family) return fail_architecture(path, model_type, c->err);
    if (json_object_get(c->json, "quantization_config"))
        return ew_error_set(c->err, EW_ERR_UNSUPPORTED,
                            "%s: quantization_config: weights that are quantized already cannot be converted", path);
    status = ew_hf_config_read(path, c->json, &c->family->defaults, &c->config, c->err);
    if (status == EW_OK) status = check_activation(c->family, &c->config, c->err);
    if (status == EW_OK && c->family->check) status = c->family->check(&c->config, c->err);
    return status;
}

static enum ew_status open_folder(struct conversion *c) {
    const char *folder = c->params->source;
    enum ew_status status = read_config(c, folder);
    name_of_path(folder, "", c->name, sizeof c->name);
    if (status == EW_OK) status = ew_checkpoint_open_folder(folder, &c->checkpoint, c->err);
    if (status != EW_OK) return status;
    return ew_folder_tokenizer_read(folder, c->json, c->config.n_vocab, c->params->pre, &c->vocabulary, c->err);
}

static enum ew_status read_llama2c_tokenizer(struct conversion *c) {
    char *path = NULL;
    struct ew_file_map map = {0};
    const char *slash = strrchr(c->params->source, '/');
    if (c->params->tokenizer)
        path = strdup(c->params->tokenizer);
    else if (asprintf(&path, "%.*stokenizer.bin", slash ? (int)(slash + 1 - c->params->source) : 0, c->params->source) <
             0)
        path = NULL;
    if (!path) return ew_error_set(c->err, EW_ERR_MEMORY, "%s: no memory for a name", c->params->source);
    enum ew_status status = ew_file_map_open(path, &map, c->err);
    if (status == EW_ERR_NOT_FOUND && !c->params->tokenizer)
        ew_error_prefix(c->err, status, "%s: no tokenizer (--tokenizer FILE says where it is)", c->params->source);
    if (status == EW_OK)
        status = ew_llama2c_tokenizer_read(path, map.data, map.size, c->config.n_vocab, &c->vocabulary, c->err);
    ew_file_map_close(&map);
    free(path);
    return status;
}

static enum ew_status open_llama2c(struct conversion *c) {
    const char *path = c->params->source;
    uint32_t file;
    enum ew_status status = ew_checkpoint_add_file(&c->checkpoint, path, &file, c->err);
    if (status != EW_OK) return status;
    const struct ew_file_map map = c->checkpoint.files[file].map;
    c->family = &ew_family_llama2c;
    name_of_path(path, ".bin", c->name, sizeof c->name);
    if (map.size >= 4 && memcmp(map.data, "GGUF", 4) == 0)
        return ew_error_set(c->err, EW_ERR_ARGUMENT, "%s: is a GGUF file already", path);
    status = ew_llama2c_read(path, map.data, map.size, file, &c->checkpoint, &c->config, c->err);
    if (status == EW_OK) status = ew_checkpoint_sort(&c->checkpoint, path, c->err);
    return status == EW_OK ? read_llama2c_tokenizer(c) : status;
}

static enum ew_status open_source(struct conversion *c) {
    struct stat st;
    bool is_folder = stat(c->params->source, &st) == 0 && S_ISDIR(st.st_mode);
    size_t n = strlen(c->params->source);
    if (!is_folder && n > 12 && strcmp(c->params->source + n - 12, ".safetensors") == 0)
        return ew_error_set(c->err, EW_ERR_ARGUMENT, "%s: name the folder it lies in, which has config.json, too",
                            c->params->source);
    enum ew_status status = is_folder ? open_folder(c) : open_llama2c(c);
    if (status == EW_OK && c->params->name) snprintf(c->name, sizeof c->name, "%s", c->params->name);
    return status;
}

/* ---- metadata ---- */

/* The type of most of the file; AUTO takes it from the largest matrix. */
static uint32_t file_type(const struct conversion *c) {
    enum ew_type type = EW_TYPE_F32;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < c->recipe.n_tensors; i++) {
        const struct ew_recipe_tensor *t = &c->recipe.tensors[i];
        if (t->n_dims < 2 || t->n_rows * t->row_len <= largest) continue;
        largest = t->n_rows * t->row_len;
        type = t->type;
    }
    if (c->type == EW_CONVERT_Q8_0 || type == EW_TYPE_Q8_0) return EW_FILE_Q8_0;
    return type == EW_TYPE_F16 ? EW_FILE_F16 : type == EW_TYPE_BF16 ? EW_FILE_BF16 : EW_FILE_F32;
}

static enum ew_status put_metadata(struct conversion *c) {
    ew_gguf_put_string(c->writer, "general.architecture", c->family->arch);
    ew_gguf_put_string(c->writer, "general.type", "model");
    ew_gguf_put_string(c->writer, "general.name", c->name);
    ew_gguf_put_u32(c->writer, "general.file_type", c->file_type);
    ew_gguf_put_u32(c->writer, "general.quantization_version", 2);
    enum ew_status status = ew_family_put_common(c->family, &c->config, c->writer, c->err);
    if (status == EW_OK && c->family->put) status = c->family->put(&c->config, c->writer, c->err);
    return status == EW_OK ? ew_vocabulary_put(&c->vocabulary, c->writer, c->err) : status;
}

static enum ew_status prepare(struct conversion *c) {
    if (!find_type(c->params->type, &c->type))
        return ew_error_set(c->err, EW_ERR_ARGUMENT, "type `%s` cannot be written (auto, f32, f16, bf16, q8_0 can)",
                            c->params->type);
    enum ew_status status = open_source(c);
    if (status != EW_OK) return status;
    status = ew_recipe_build(c->params->source, c->family, &c->config, &c->checkpoint, c->type, &c->recipe, c->err);
    if (status == EW_OK) status = ew_gguf_writer_open(&c->writer, c->err);
    if (status != EW_OK) return status;
    c->file_type = file_type(c);
    status = put_metadata(c);
    for (uint32_t i = 0; i < c->recipe.n_tensors && status == EW_OK; i++) {
        const struct ew_recipe_tensor *t = &c->recipe.tensors[i];
        status = ew_gguf_writer_add_tensor(c->writer, t->name, (uint32_t)t->type, t->n_dims, t->ne, c->err);
    }
    c->total = ew_gguf_writer_file_bytes(c->writer);
    return status;
}

static void summarise(const struct conversion *c, struct ew_convert_summary *out) {
    *out = (struct ew_convert_summary){.file_bytes = c->total,
                                       .n_tensors = c->recipe.n_tensors,
                                       .n_vocab = c->vocabulary.n_tokens,
                                       .n_fallback = c->recipe.n_fallback,
                                       .n_ignored = c->recipe.n_ignored,
                                       .n_padded = c->vocabulary.n_padded,
                                       .n_dropped = c->vocabulary.n_dropped};
    for (uint32_t i = 0; i < c->recipe.n_tensors; i++)
        if (!c->recipe.tensors[i].values)
            out->n_params += c->recipe.tensors[i].n_stored * c->recipe.tensors[i].stored_len;
    snprintf(out->architecture, sizeof out->architecture, "%s", c->family->arch);
    snprintf(out->name, sizeof out->name, "%s", c->name);
    snprintf(out->file_type, sizeof out->file_type, "%s", ew_file_type_name(c->file_type));
    snprintf(out->pre, sizeof out->pre, "%s", c->vocabulary.pre);
}

static void close_all(struct conversion *c) {
    ew_gguf_writer_close(&c->writer);
    ew_recipe_free(&c->recipe);
    ew_vocabulary_free(&c->vocabulary);
    ew_checkpoint_close(&c->checkpoint);
    json_decref(c->json);
}

/* ---- the whole ---- */

static enum ew_status emit(void *context, const void *data, size_t n, struct ew_error *err) {
    struct conversion *c = context;
    enum ew_status status = ew_gguf_writer_write(c->writer, data, n, err);
    if (status != EW_OK) return status;
    c->done += n;
    int64_t now = ew_clock_now_ns();
    if (!c->params->progress || now < c->next_progress_ns) return EW_OK;
    c->next_progress_ns = now + PROGRESS_NS;
    if (c->params->progress(c->params->context, c->done, c->total)) return EW_OK;
    return ew_error_set(err, EW_ERR_CANCELLED, "%s: the conversion was stopped", c->params->source);
}

enum ew_status ew_convert_measure(const struct ew_convert_params *params, struct ew_convert_summary *out,
                                  struct ew_error *err) {
    struct conversion c = {.params = params, .err = err};
    enum ew_status status = prepare(&c);
    if (status == EW_OK) summarise(&c, out);
    close_all(&c);
    return status;
}

enum ew_status ew_convert_write(const struct ew_convert_params *params, const char *path,
                                struct ew_convert_summary *summary, struct ew_error *err) {
    struct conversion c = {.params = params, .err = err};
    enum ew_status status = prepare(&c);
    if (status == EW_OK) status = ew_gguf_writer_begin(c.writer, path, err);
    for (uint32_t i = 0; i < c.recipe.n_tensors && status == EW_OK; i++)
        status =
            ew_tensor_stream(params->source, &c.recipe, &c.recipe.tensors[i], &c.config, &c.checkpoint, emit, &c, err);
    if (status == EW_OK) status = ew_gguf_writer_finish(c.writer, err);
    if (status == EW_OK && summary) summarise(&c, summary);
    close_all(&c);
    return status;
}
