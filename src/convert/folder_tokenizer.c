/* Owns the choice between the tokenizer files of a folder. SentencePiece's own file is preferred to its likeness in
 * tokenizer.json, because it has the scores. */
#include "convert/folder_tokenizer.h"

#include "base/error.h"
#include "base/file_map.h"
#include "convert/folder_json.h"
#include "convert/sentencepiece_model.h"
#include "convert/tokenizer_json.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT_BYTES = 64 << 20 };

struct files {
    const char *folder;
    json_t *tokenizer, *tokenizer_config, *special_tokens_map, *generation_config, *added_tokens, *vocab;
    struct ew_file_map sentencepiece, merges, chat_template; /* {0}: missing or empty */
};

static enum ew_status map_optional(const char *folder, const char *file, struct ew_file_map *out,
                                   struct ew_error *err) {
    char *path = ew_folder_path(folder, file);
    if (!path) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its name", file);
    enum ew_status status = ew_file_map_open(path, out, err);
    if (status == EW_ERR_NOT_FOUND) status = EW_OK;
    if (status == EW_OK && out->size > MAX_TEXT_BYTES)
        status =
            ew_error_set(err, EW_ERR_LIMIT, "%s: %zu bytes (at most %d are read)", path, out->size, MAX_TEXT_BYTES);
    free(path);
    return status;
}

static enum ew_status open_files(struct files *f, struct ew_error *err) {
    const struct {
        const char *name;
        json_t **to;
    } texts[] = {
        {"tokenizer.json", &f->tokenizer},
        {"tokenizer_config.json", &f->tokenizer_config},
        {"special_tokens_map.json", &f->special_tokens_map},
        {"generation_config.json", &f->generation_config},
        {"added_tokens.json", &f->added_tokens},
    };
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == EW_OK; i++)
        status = ew_folder_json_load(f->folder, texts[i].name, true, texts[i].to, err);
    if (status == EW_OK) status = map_optional(f->folder, "tokenizer.model", &f->sentencepiece, err);
    if (status == EW_OK) status = map_optional(f->folder, "chat_template.jinja", &f->chat_template, err);
    if (status != EW_OK || f->tokenizer || f->sentencepiece.size > 0) return status;
    status = ew_folder_json_load(f->folder, "vocab.json", true, &f->vocab, err);
    return status == EW_OK ? map_optional(f->folder, "merges.txt", &f->merges, err) : status;
}

static void close_files(struct files *f) {
    json_t *texts[] = {f->tokenizer,         f->tokenizer_config, f->special_tokens_map,
                       f->generation_config, f->added_tokens,     f->vocab};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) json_decref(texts[i]);
    ew_file_map_close(&f->sentencepiece);
    ew_file_map_close(&f->merges);
    ew_file_map_close(&f->chat_template);
}

/* vocab.json does not say how text is cut; the class of the tokenizer does. */
static const char *pre_of_class(const json_t *tokenizer_config) {
    static const char *const known[][2] = {{"Qwen2Tokenizer", "qwen2"},
                                           {"GPT2Tokenizer", "gpt-2"},
                                           {"CodeGenTokenizer", "gpt-2"},
                                           {"GPTNeoXTokenizer", "gpt-2"}};
    const char *class = json_string_value(json_object_get(tokenizer_config, "tokenizer_class"));
    for (size_t i = 0; class && i < sizeof known / sizeof *known; i++)
        if (strncmp(class, known[i][0], strlen(known[i][0])) == 0) return known[i][1];
    return NULL;
}

/* Tokens beside SentencePiece's own: {"text": id}, in its older form without a word on what they are. */
static enum ew_status read_added(const struct files *f, struct ew_vocabulary *v, struct ew_error *err) {
    const char *text;
    json_t *value;
    json_object_foreach(f->added_tokens, text, value) {
        uint64_t id;
        if (!ew_folder_json_whole(value, 0, 0x1p31, &id))
            return ew_error_set(err, EW_ERR_FORMAT, "%s/added_tokens.json: %.40s: its id is no whole number", f->folder,
                                text);
        if (id < v->n_tokens && v->tokens[id].text) continue;
        enum ew_status status = ew_vocabulary_set(v, f->folder, id, text, strlen(text), -1000, EW_TOKEN_CONTROL, err);
        if (status != EW_OK) return status;
    }
    if (f->sentencepiece.size == 0) return EW_OK;
    return ew_tokenizer_json_read_added(f->folder, f->tokenizer, v, err);
}

static enum ew_status read_vocabulary(const struct files *f, const char *pre, struct ew_vocabulary *v,
                                      struct ew_error *err) {
    char *path = ew_folder_path(f->folder, f->sentencepiece.size > 0 ? "tokenizer.model" : "tokenizer.json");
    enum ew_status status;
    if (!path) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for a name", f->folder);
    if (f->tokenizer && (f->sentencepiece.size == 0 || ew_tokenizer_json_is_byte_level(f->tokenizer)))
        status = ew_tokenizer_json_read(path, f->tokenizer, pre, v, err);
    else if (f->sentencepiece.size > 0)
        status = ew_sentencepiece_model_read(path, f->sentencepiece.data, f->sentencepiece.size, v, err);
    else if (f->vocab && f->merges.size > 0)
        status = ew_vocab_json_read(f->folder, f->vocab, (const char *)f->merges.data, f->merges.size,
                                    pre ? pre : pre_of_class(f->tokenizer_config), v, err);
    else
        status = ew_error_set(err, EW_ERR_NOT_FOUND,
                              "%s: has no tokenizer (tokenizer.json, tokenizer.model, or vocab.json with merges.txt)",
                              f->folder);
    free(path);
    return status;
}

static enum ew_status read_chat_template(const struct files *f, struct ew_vocabulary *v, struct ew_error *err) {
    if (f->chat_template.size == 0) return EW_OK;
    if (memchr(f->chat_template.data, 0, f->chat_template.size))
        return ew_error_set(err, EW_ERR_FORMAT, "%s/chat_template.jinja: has a zero byte", f->folder);
    char *text = strndup((const char *)f->chat_template.data, f->chat_template.size);
    enum ew_status status = text ? ew_vocabulary_add_template(v, "default", text, err)
                                 : ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its template", f->folder);
    free(text);
    return status;
}

enum ew_status ew_folder_tokenizer_read(const char *folder, const json_t *config, uint32_t n_vocab, const char *pre,
                                        struct ew_vocabulary *out, struct ew_error *err) {
    struct files files = {.folder = folder};
    struct ew_vocabulary v;
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    enum ew_status status = open_files(&files, err);
    if (status == EW_OK) status = read_vocabulary(&files, pre, &v, err);
    if (status == EW_OK) status = read_added(&files, &v, err);
    const struct ew_token_role_files roles = {files.tokenizer_config, files.special_tokens_map, files.generation_config,
                                              config};
    if (status == EW_OK) status = ew_folder_token_roles_read(folder, &roles, n_vocab, &v, err);
    if (status == EW_OK) status = read_chat_template(&files, &v, err);
    close_files(&files);
    if (status == EW_OK)
        *out = v;
    else
        ew_vocabulary_free(&v);
    return status;
}
