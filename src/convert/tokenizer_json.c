/* Owns the reading of tokenizer.json. Refuses models other than BPE, and merges that name unknown tokens. How text is
 * cut into words: pre_tokenizer_name.c; what tokens are for: folder_token_roles.c. */
#include "convert/tokenizer_json.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of tokens beside the vocabulary, which no merge gives. */
static const float ADDED_SCORE = -1000.0f;

static enum ew_status read_vocab(const char *name, const json_t *vocab, struct ew_vocabulary *v, struct ew_error *err) {
    const char *text;
    json_t *id;
    if (json_object_size(vocab) == 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: model.vocab is missing or empty", name);
    json_object_foreach((json_t *)(uintptr_t)vocab, text, id) {
        uint64_t value;
        if (!ew_folder_json_whole(id, 0, 0x1p31, &value))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: token %.40s: its id is no whole number", name, text);
        if (value < v->n_tokens && v->tokens[value].text)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: token %.40s: id %llu is another's, too", name, text,
                                (unsigned long long)value);
        enum ew_status status = ew_vocabulary_set(v, name, value, text, strlen(text), 0.0f, EW_TOKEN_NORMAL, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* A merge is "LEFT RIGHT", or in newer files a list of the two, which may then contain spaces. */
static bool merge_parts(const json_t *merge, const char *part[2], size_t size[2]) {
    if (json_is_array(merge)) {
        for (size_t i = 0; i < 2; i++) {
            part[i] = json_string_value(json_array_get(merge, i));
            if (json_array_size(merge) != 2 || !part[i]) return false;
            size[i] = strlen(part[i]);
        }
    } else {
        const char *text = json_string_value(merge), *space = text && *text ? strchr(text + 1, ' ') : NULL;
        if (!space) return false;
        part[0] = text;
        size[0] = (size_t)(space - text);
        part[1] = space + 1;
        size[1] = strlen(space + 1);
    }
    return size[0] > 0 && size[1] > 0;
}

static enum ew_status read_merges(const char *name, const json_t *merges, struct ew_vocabulary *v,
                                  struct ew_error *err) {
    if (!json_is_array(merges)) return ew_error_set(err, EW_ERR_FORMAT, "%s: model.merges is missing", name);
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const char *part[2];
        size_t size[2];
        if (!merge_parts(json_array_get(merges, i), part, size))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: model.merges[%zu] is not two tokens", name, i);
        if (memchr(part[0], ' ', size[0]) || memchr(part[1], ' ', size[1]))
            return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: model.merges[%zu]: tokens with spaces cannot be written",
                                name, i);
        enum ew_status status = ew_vocabulary_add_merge(v, part[0], size[0], part[1], size[1], err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* ---- SentencePiece-like: pairs merge by the score of what they give ---- */

/* The first merge that gives a token decides: the one of rank r among distinct results gets -r, as SentencePiece's own
 * trainer numbers its pieces. Tokens that no merge gives are single characters, or added; their score is never read. */
static enum ew_status score_by_merges(const char *name, const json_t *model, struct ew_vocabulary *v,
                                      struct ew_error *err) {
    const json_t *merges = json_object_get(model, "merges"), *vocab = json_object_get(model, "vocab");
    float rank = 0;
    bool *scored = calloc(v->n_tokens + 1, sizeof *scored);
    enum ew_status status = EW_OK;
    if (!scored) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its scores", name);
    if (!json_is_array(merges)) status = ew_error_set(err, EW_ERR_FORMAT, "%s: model.merges is missing", name);
    for (size_t i = 0; i < json_array_size(merges) && status == EW_OK; i++) {
        const char *part[2];
        size_t size[2];
        char *joined = NULL;
        uint64_t id;
        bool sound = merge_parts(json_array_get(merges, i), part, size) &&
                     asprintf(&joined, "%.*s%.*s", (int)size[0], part[0], (int)size[1], part[1]) >= 0;
        if (!sound || !ew_folder_json_whole(json_object_get(vocab, joined), 0, v->n_tokens - 1.0, &id)) {
            status = ew_error_set(err, EW_ERR_FORMAT, "%s: model.merges[%zu] does not give a token", name, i);
        } else if (!scored[id]) {
            scored[id] = true;
            v->tokens[id].score = -rank;
            rank += 1;
        }
        if (sound) free(joined);
    }
    for (uint32_t id = 0; id < v->n_tokens; id++)
        if (!scored[id]) v->tokens[id].score = -rank;
    free(scored);
    return status;
}

static void mark_bytes(struct ew_vocabulary *v) {
    for (uint32_t id = 0; id < v->n_tokens; id++) {
        struct ew_vocabulary_token *t = &v->tokens[id];
        unsigned byte;
        char end;
        if (t->text && t->size == 6 && sscanf(t->text, "<0x%2X%c", &byte, &end) == 2 && end == '>') {
            t->type = EW_TOKEN_BYTE;
            t->score = 0;
        }
    }
}

/* Whether any step of a normalizer, pre_tokenizer or list of such has this type. */
static const json_t *find_step(const json_t *step, const char *type) {
    const char *own = json_string_value(json_object_get(step, "type"));
    const json_t *list = json_object_get(step, "normalizers");
    if (own && strcmp(own, type) == 0) return step;
    if (!json_is_array(list)) list = json_object_get(step, "pretokenizers");
    for (size_t i = 0; i < json_array_size(list); i++) {
        own = json_string_value(json_object_get(json_array_get(list, i), "type"));
        if (own && strcmp(own, type) == 0) return json_array_get(list, i);
    }
    return NULL;
}

/* A space before the text: a normalizer that prepends one, or a Metaspace that does. */
static enum ew_said space_prefix(const json_t *root) {
    const json_t *meta = find_step(json_object_get(root, "pre_tokenizer"), "Metaspace");
    const char *scheme = json_string_value(json_object_get(meta, "prepend_scheme"));
    bool adds = find_step(json_object_get(root, "normalizer"), "Prepend") != NULL;
    if (meta && scheme) adds |= strcmp(scheme, "never") != 0;
    if (meta && !scheme) adds |= !json_is_false(json_object_get(meta, "add_prefix_space"));
    return adds ? EW_SAID_YES : EW_SAID_NO;
}

/* ---- what follows after the model ---- */

enum ew_status ew_tokenizer_json_read_added(const char *name, const json_t *root, struct ew_vocabulary *v,
                                            struct ew_error *err) {
    const json_t *added = json_object_get(root, "added_tokens");
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *entry = json_array_get(added, i);
        const char *text = json_string_value(json_object_get(entry, "content"));
        uint64_t id;
        if (!text || !ew_folder_json_whole(json_object_get(entry, "id"), 0, 0x1p31, &id))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: added_tokens[%zu] has no content or no id", name, i);
        bool special = json_is_true(json_object_get(entry, "special"));
        float score = id < v->n_tokens ? v->tokens[id].score : ADDED_SCORE;
        enum ew_status status = ew_vocabulary_set(v, name, id, text, strlen(text), score,
                                                  special ? EW_TOKEN_CONTROL : EW_TOKEN_USER_DEFINED, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* Whether one text gets a token before it and one after it. Only a template says: other processors leave it open. */
static void read_template(const json_t *root, struct ew_vocabulary *v) {
    const json_t *processor = json_object_get(root, "post_processor"), *list = json_object_get(processor, "processors");
    for (size_t i = 0; i < (json_is_array(list) ? json_array_size(list) : 1); i++) {
        const json_t *step = json_is_array(list) ? json_array_get(list, i) : processor;
        const json_t *single = json_object_get(step, "single");
        size_t n = json_array_size(single);
        if (n == 0) continue;
        v->add_bos = json_object_get(json_array_get(single, 0), "SpecialToken") ? EW_SAID_YES : EW_SAID_NO;
        v->add_eos = n > 1 && json_object_get(json_array_get(single, n - 1), "SpecialToken") ? EW_SAID_YES : EW_SAID_NO;
    }
}

static enum ew_status set_pre(const char *name, const char *pre, struct ew_vocabulary *v, struct ew_error *err) {
    if (!pre)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: pre_tokenizer: its patterns are not known; --pre NAME says how text is cut", name);
    snprintf(v->pre, sizeof v->pre, "%s", pre);
    return EW_OK;
}

static enum ew_status read_model(const char *name, const json_t *root, const char *pre, struct ew_vocabulary *v,
                                 struct ew_error *err) {
    const json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!type) type = json_object_get(model, "merges") ? "BPE" : "";
    if (strcmp(type, "BPE") != 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: model.type: `%.20s` cannot be converted (BPE can)", name,
                            type);
    enum ew_status status = read_vocab(name, json_object_get(model, "vocab"), v, err);
    if (status != EW_OK) return status;
    if (v->kind == EW_VOCABULARY_BPE) {
        status = read_merges(name, json_object_get(model, "merges"), v, err);
        return status == EW_OK ? set_pre(name, pre ? pre : ew_tokenizer_json_pre(root), v, err) : status;
    }
    if ((status = score_by_merges(name, model, v, err)) != EW_OK) return status;
    mark_bytes(v);
    v->add_space_prefix = space_prefix(root);
    return EW_OK;
}

bool ew_tokenizer_json_is_byte_level(const json_t *root) {
    const char *decoder = json_string_value(json_object_get(json_object_get(root, "decoder"), "type"));
    return find_step(json_object_get(root, "pre_tokenizer"), "ByteLevel") ||
           (decoder && strcmp(decoder, "ByteLevel") == 0);
}

enum ew_status ew_tokenizer_json_read(const char *name, const json_t *root, const char *pre, struct ew_vocabulary *out,
                                      struct ew_error *err) {
    struct ew_vocabulary v;
    ew_vocabulary_init(&v, ew_tokenizer_json_is_byte_level(root) ? EW_VOCABULARY_BPE : EW_VOCABULARY_SPM);
    enum ew_status status = read_model(name, root, pre, &v, err);
    if (status == EW_OK) status = ew_tokenizer_json_read_added(name, root, &v, err);
    if (status == EW_OK) {
        const char *unknown = json_string_value(json_object_get(json_object_get(root, "model"), "unk_token"));
        if (unknown) v.unknown = ew_vocabulary_find(&v, unknown);
        read_template(root, &v);
        *out = v;
    } else {
        ew_vocabulary_free(&v);
    }
    return status;
}

/* ---- vocab.json and merges.txt ---- */

static enum ew_status read_merge_lines(const char *name, const char *text, size_t size, struct ew_vocabulary *v,
                                       struct ew_error *err) {
    size_t line = 0;
    for (size_t at = 0; at < size; line++) {
        const char *begin = text + at, *end = memchr(begin, '\n', size - at);
        size_t n = end ? (size_t)(end - begin) : size - at;
        at += n + 1;
        if (n > 0 && begin[n - 1] == '\r') n--;
        if (n == 0 || (line == 0 && n > 8 && memcmp(begin, "#version", 8) == 0)) continue;
        const char *space = memchr(begin, ' ', n);
        if (!space || space == begin || space + 1 == begin + n || memchr(begin, 0, n))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: merges.txt: line %zu is not two tokens", name, line + 1);
        enum ew_status status =
            ew_vocabulary_add_merge(v, begin, (size_t)(space - begin), space + 1, n - (size_t)(space - begin) - 1, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_vocab_json_read(const char *name, const json_t *vocab, const char *merges, size_t n_merges,
                                  const char *pre, struct ew_vocabulary *out, struct ew_error *err) {
    struct ew_vocabulary v;
    ew_vocabulary_init(&v, EW_VOCABULARY_BPE);
    enum ew_status status = read_vocab(name, vocab, &v, err);
    if (status == EW_OK) status = read_merge_lines(name, merges, n_merges, &v, err);
    if (status == EW_OK) status = set_pre(name, pre, &v, err);
    if (status == EW_OK)
        *out = v;
    else
        ew_vocabulary_free(&v);
    return status;
}
