/* Owns what the tokens of a folder are for. tokenizer_config.json is asked first, then special_tokens_map.json by text,
 * then config.json and generation_config.json by id. */
#include "convert/folder_tokenizer.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include "token/token_roles.h"
#include <stdlib.h>
#include <string.h>

/* A token is its text, or an object with the text. */
static const char *token_text(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static int64_t id_of(const struct ew_vocabulary *v, const json_t *value) {
    uint64_t id;
    if (json_is_array(value)) value = json_array_get(value, 0);
    return v->n_tokens > 0 && ew_folder_json_whole(value, 0, v->n_tokens - 1.0, &id) ? (int64_t)id : -1;
}

/* name: as in "bos"; text names are NAME_token, ids NAME_token_id. */
static void find_role(const struct ew_token_role_files *files, const struct ew_vocabulary *v, const char *text_key,
                      const char *id_key, int64_t *out) {
    const json_t *by_text[] = {files->tokenizer_config, files->special_tokens_map};
    const json_t *by_id[] = {files->config, files->generation_config};
    for (size_t i = 0; i < 2; i++) {
        const char *text = token_text(json_object_get(by_text[i], text_key));
        int64_t id = text ? ew_vocabulary_find(v, text) : -1;
        if (id < 0) continue;
        *out = id;
        return;
    }
    for (size_t i = 0; i < 2 && *out < 0; i++) *out = id_of(v, json_object_get(by_id[i], id_key));
}

/* 0: nothing but the list says that it ends a text; 1: GGUF has a key for it; 2: its name says so. */
static int end_rank(const struct ew_vocabulary *v, int64_t id) {
    if (strcmp(v->tokens[id].text, "<|eom_id|>") == 0) return 1;
    return ew_token_name_ends_text(v->tokens[id].text) ? 2 : 0;
}

static void take_end(struct ew_vocabulary *v, int64_t id) {
    if (id < 0 || id == v->eos || id == v->eot || id == v->eom || !v->tokens[id].text) return;
    if (strcmp(v->tokens[id].text, "<|eom_id|>") == 0 && v->eom < 0)
        v->eom = id;
    else if (v->eot < 0)
        v->eot = id;
    else if (v->eom < 0)
        v->eom = id;
}

/* GGUF has room for two more tokens that end a text. Those whose name tells readers so anyway come last. */
static void find_ends(const struct ew_token_role_files *files, struct ew_vocabulary *v) {
    const json_t *lists[] = {json_object_get(files->generation_config, "eos_token_id"),
                             json_object_get(files->config, "eos_token_id")};
    for (int rank = 0; rank <= 2; rank++)
        for (size_t k = 0; k < 2; k++)
            for (size_t i = 0; i < (json_is_array(lists[k]) ? json_array_size(lists[k]) : 1); i++) {
                int64_t id = id_of(v, json_is_array(lists[k]) ? json_array_get(lists[k], i) : lists[k]);
                if (id >= 0 && v->tokens[id].text && end_rank(v, id) == rank) take_end(v, id);
            }
}

static void read_flag(const json_t *config, const char *name, enum ew_said missing, enum ew_said *out) {
    const json_t *value = json_object_get(config, name);
    if (json_is_boolean(value)) *out = json_is_true(value) ? EW_SAID_YES : EW_SAID_NO;
    if (*out == EW_UNSAID) *out = missing;
}

static enum ew_status read_added(const char *folder, const json_t *config, uint32_t n_vocab, struct ew_vocabulary *v,
                                 struct ew_error *err) {
    const json_t *added = json_object_get(config, "added_tokens_decoder");
    const char *key;
    json_t *entry;
    json_object_foreach((json_t *)(uintptr_t)added, key, entry) {
        char *end;
        const char *text = json_string_value(json_object_get(entry, "content"));
        unsigned long long id = strtoull(key, &end, 10);
        if (!text || end == key || *end || *key == '-')
            return ew_error_set(err, EW_ERR_FORMAT, "%s/tokenizer_config.json: added_tokens_decoder: %.40s: no token",
                                folder, key);
        /* Some folders list tokens that neither the tokenizer nor the embedding knows. */
        if (id >= n_vocab) continue;
        float score = id < v->n_tokens ? v->tokens[id].score : -1000.0f;
        enum ew_token_type type =
            json_is_true(json_object_get(entry, "special")) ? EW_TOKEN_CONTROL : EW_TOKEN_USER_DEFINED;
        enum ew_status status = ew_vocabulary_set(v, folder, id, text, strlen(text), score, type, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status read_templates(const json_t *config, struct ew_vocabulary *v, struct ew_error *err) {
    const json_t *value = json_object_get(config, "chat_template");
    enum ew_status status = EW_OK;
    if (json_is_string(value)) return ew_vocabulary_add_template(v, "default", json_string_value(value), err);
    for (size_t i = 0; i < json_array_size(value) && status == EW_OK; i++) {
        const char *name = json_string_value(json_object_get(json_array_get(value, i), "name"));
        const char *text = json_string_value(json_object_get(json_array_get(value, i), "template"));
        if (name && text) status = ew_vocabulary_add_template(v, name, text, err);
    }
    return status;
}

enum ew_status ew_folder_token_roles_read(const char *folder, const struct ew_token_role_files *files, uint32_t n_vocab,
                                   struct ew_vocabulary *v, struct ew_error *err) {
    enum ew_status status = read_added(folder, files->tokenizer_config, n_vocab, v, err);
    if (status == EW_OK) status = ew_vocabulary_fit(v, folder, n_vocab, err);
    if (status == EW_OK) status = read_templates(files->tokenizer_config, v, err);
    if (status != EW_OK) return status;
    bool spm = v->kind == EW_VOCABULARY_SPM;
    find_role(files, v, "bos_token", "bos_token_id", &v->bos);
    find_role(files, v, "eos_token", "eos_token_id", &v->eos);
    find_role(files, v, "unk_token", "unk_token_id", &v->unknown);
    find_role(files, v, "pad_token", "pad_token_id", &v->pad);
    find_ends(files, v);
    read_flag(files->tokenizer_config, "add_bos_token", spm ? EW_SAID_YES : EW_SAID_NO, &v->add_bos);
    read_flag(files->tokenizer_config, "add_eos_token", EW_SAID_NO, &v->add_eos);
    if (spm) read_flag(files->tokenizer_config, "add_prefix_space", EW_SAID_YES, &v->add_space_prefix);
    if (spm && v->unknown >= 0) v->tokens[v->unknown].type = EW_TOKEN_UNKNOWN;
    return EW_OK;
}
