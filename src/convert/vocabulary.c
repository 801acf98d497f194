/* Owns the table of tokens and its keys. Source of the keys: GGUF specification, tokenizer.ggml.*. */
#include "convert/vocabulary.h"

#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TOKENS = 1 << 24, MAX_TOKEN_BYTES = 1 << 16 };

void ew_vocabulary_init(struct ew_vocabulary *v, enum ew_vocabulary_kind kind) {
    *v = (struct ew_vocabulary){
        .kind = kind, .pre = "default", .bos = -1, .eos = -1, .unknown = -1, .pad = -1, .eot = -1, .eom = -1};
}

void ew_vocabulary_free(struct ew_vocabulary *v) {
    for (uint32_t i = 0; i < v->n_tokens; i++) free(v->tokens[i].text);
    for (uint32_t i = 0; i < v->n_merges; i++) free(v->merges[i]);
    for (uint32_t i = 0; i < v->n_templates; i++) {
        free(v->templates[i].name);
        free(v->templates[i].text);
    }
    free(v->tokens);
    free(v->merges);
    free(v->templates);
    *v = (struct ew_vocabulary){0};
}

static bool reserve(struct ew_vocabulary *v, uint32_t n) {
    if (n > v->capacity) {
        uint32_t capacity = v->capacity ? v->capacity : 1024;
        while (capacity < n) capacity *= 2;
        struct ew_vocabulary_token *grown = realloc(v->tokens, capacity * sizeof *grown);
        if (!grown) return false;
        v->tokens = grown;
        v->capacity = capacity;
    }
    for (; v->n_tokens < n; v->n_tokens++) v->tokens[v->n_tokens] = (struct ew_vocabulary_token){0};
    return true;
}

enum ew_status ew_vocabulary_set(struct ew_vocabulary *v, const char *source, uint64_t id, const char *text,
                                 size_t size, float score, enum ew_token_type type, struct ew_error *err) {
    if (id >= MAX_TOKENS)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: token %llu: ids are below %d", source, (unsigned long long)id,
                            MAX_TOKENS);
    if (size == 0 || size > MAX_TOKEN_BYTES)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: token %llu: a text of %zu bytes (1 to %d are allowed)", source,
                            (unsigned long long)id, size, MAX_TOKEN_BYTES);
    char *copy = malloc(size + 1);
    if (!copy || !reserve(v, (uint32_t)id + 1)) {
        free(copy);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its tokens", source);
    }
    memcpy(copy, text, size);
    copy[size] = 0;
    free(v->tokens[id].text);
    v->tokens[id] = (struct ew_vocabulary_token){.text = copy, .size = size, .score = score, .type = type};
    return EW_OK;
}

enum ew_status ew_vocabulary_add_merge(struct ew_vocabulary *v, const char *left, size_t n_left, const char *right,
                                       size_t n_right, struct ew_error *err) {
    char *text = malloc(n_left + n_right + 2);
    if (text && v->n_merges == v->merge_capacity) {
        uint32_t capacity = v->merge_capacity ? v->merge_capacity * 2 : 1024;
        char **grown = realloc(v->merges, capacity * sizeof *grown);
        if (grown) {
            v->merges = grown;
            v->merge_capacity = capacity;
        }
    }
    if (!text || v->n_merges == v->merge_capacity) {
        free(text);
        return ew_error_set(err, EW_ERR_MEMORY, "tokenizer: no memory for its merges");
    }
    memcpy(text, left, n_left);
    text[n_left] = ' ';
    memcpy(text + n_left + 1, right, n_right);
    text[n_left + n_right + 1] = 0;
    v->merges[v->n_merges++] = text;
    return EW_OK;
}

enum ew_status ew_vocabulary_add_template(struct ew_vocabulary *v, const char *name, const char *text,
                                          struct ew_error *err) {
    struct ew_chat_template added = {strdup(name), strdup(text)};
    struct ew_chat_template *place = NULL;
    for (uint32_t i = 0; i < v->n_templates; i++)
        if (strcmp(v->templates[i].name, name) == 0) place = &v->templates[i];
    if (added.name && added.text && place) {
        free(place->name);
        free(place->text);
    } else if (added.name && added.text) {
        struct ew_chat_template *grown = realloc(v->templates, (v->n_templates + 1) * sizeof *grown);
        if (grown) {
            v->templates = grown;
            place = &v->templates[v->n_templates++];
        }
    }
    if (place && added.name && added.text) {
        *place = added;
        return EW_OK;
    }
    free(added.name);
    free(added.text);
    return ew_error_set(err, EW_ERR_MEMORY, "chat template %.40s: no memory for it", name);
}

int64_t ew_vocabulary_find(const struct ew_vocabulary *v, const char *text) {
    int64_t found = -1;
    size_t size = strlen(text);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        const struct ew_vocabulary_token *t = &v->tokens[i];
        if (!t->text || t->size != size || memcmp(t->text, text, size) != 0) continue;
        if (t->type == EW_TOKEN_CONTROL || t->type == EW_TOKEN_USER_DEFINED) return i;
        if (found < 0) found = i;
    }
    return found;
}

enum ew_status ew_vocabulary_fit(struct ew_vocabulary *v, const char *source, uint32_t n_vocab, struct ew_error *err) {
    for (; v->n_tokens > n_vocab; v->n_tokens--) {
        struct ew_vocabulary_token *last = &v->tokens[v->n_tokens - 1];
        if (last->text && last->type != EW_TOKEN_CONTROL && last->type != EW_TOKEN_USER_DEFINED)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: token ids up to %u, but the model has an embedding for %u",
                                source, v->n_tokens - 1, n_vocab);
        v->n_dropped += last->text != NULL;
        free(last->text);
    }
    for (uint32_t id = 0; id < n_vocab; id++) {
        char text[24];
        if (id < v->n_tokens && v->tokens[id].text) continue;
        snprintf(text, sizeof text, "[PAD%u]", id);
        enum ew_status status = ew_vocabulary_set(v, source, id, text, strlen(text), -10000.0f, EW_TOKEN_UNUSED, err);
        if (status != EW_OK) return status;
        v->n_padded++;
    }
    return EW_OK;
}

/* ---- keys ---- */

static void put_id(struct ew_gguf_writer *writer, const char *key, int64_t id) {
    if (id >= 0) ew_gguf_put_u32(writer, key, (uint32_t)id);
}

static void put_flag(struct ew_gguf_writer *writer, const char *key, enum ew_said said) {
    if (said != EW_UNSAID) ew_gguf_put_bool(writer, key, said == EW_SAID_YES);
}

static void put_templates(const struct ew_vocabulary *v, struct ew_gguf_writer *writer) {
    uint32_t n_named = 0;
    for (uint32_t i = 0; i < v->n_templates; i++) {
        char key[128];
        bool is_default = strcmp(v->templates[i].name, "default") == 0;
        snprintf(key, sizeof key, "tokenizer.chat_template%s%.64s", is_default ? "" : ".",
                 is_default ? "" : v->templates[i].name);
        ew_gguf_put_string(writer, key, v->templates[i].text);
        n_named += !is_default;
    }
    if (n_named == 0) return;
    ew_gguf_put_strings(writer, "tokenizer.chat_templates", n_named);
    for (uint32_t i = 0; i < v->n_templates; i++)
        if (strcmp(v->templates[i].name, "default") != 0)
            ew_gguf_put_element(writer, v->templates[i].name, strnlen(v->templates[i].name, 64));
}

enum ew_status ew_vocabulary_put(const struct ew_vocabulary *v, struct ew_gguf_writer *writer, struct ew_error *err) {
    bool spm = v->kind == EW_VOCABULARY_SPM;
    int32_t *types = malloc((v->n_tokens + 1) * sizeof *types);
    float *scores = malloc((v->n_tokens + 1) * sizeof *scores);
    enum ew_status status = EW_OK;
    if (!types || !scores) {
        status = ew_error_set(err, EW_ERR_MEMORY, "no memory for a vocabulary of %u tokens", v->n_tokens);
        goto done;
    }
    ew_gguf_put_string(writer, "tokenizer.ggml.model", spm ? "llama" : "gpt2");
    ew_gguf_put_string(writer, "tokenizer.ggml.pre", v->pre);
    ew_gguf_put_strings(writer, "tokenizer.ggml.tokens", v->n_tokens);
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        types[i] = (int32_t)v->tokens[i].type;
        scores[i] = v->tokens[i].score;
        ew_gguf_put_element(writer, v->tokens[i].text, v->tokens[i].size);
    }
    ew_gguf_put_array(writer, "tokenizer.ggml.token_type", EW_GGUF_I32, types, v->n_tokens);
    if (spm) ew_gguf_put_array(writer, "tokenizer.ggml.scores", EW_GGUF_F32, scores, v->n_tokens);
    if (!spm) ew_gguf_put_strings(writer, "tokenizer.ggml.merges", v->n_merges);
    for (uint32_t i = 0; !spm && i < v->n_merges; i++) ew_gguf_put_element(writer, v->merges[i], strlen(v->merges[i]));
    put_id(writer, "tokenizer.ggml.bos_token_id", v->bos);
    put_id(writer, "tokenizer.ggml.eos_token_id", v->eos);
    put_id(writer, "tokenizer.ggml.eot_token_id", v->eot);
    put_id(writer, "tokenizer.ggml.eom_token_id", v->eom);
    put_id(writer, "tokenizer.ggml.unknown_token_id", v->unknown);
    put_id(writer, "tokenizer.ggml.padding_token_id", v->pad);
    put_flag(writer, "tokenizer.ggml.add_bos_token", v->add_bos);
    put_flag(writer, "tokenizer.ggml.add_eos_token", v->add_eos);
    put_flag(writer, "tokenizer.ggml.add_space_prefix", v->add_space_prefix);
    put_templates(v, writer);
done:
    free(types);
    free(scores);
    return status;
}
