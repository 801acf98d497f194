/* Fuzz target of a folder's tokenizer files: SentencePiece models, tokenizer.json, merges.txt. Any bytes are either
 * refused with a message or give a vocabulary whose every token, merge and role can be used. */
#include "convert/folder_json.h"
#include "convert/folder_tokenizer.h"
#include "convert/sentencepiece_model.h"
#include "convert/tokenizer_json.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void must(bool promise) {
    if (!promise) abort();
}

static bool is_token(const struct ew_vocabulary *v, int64_t id) { return id >= -1 && id < (int64_t)v->n_tokens; }

/* What follows a reader in a conversion. */
static void use(struct ew_vocabulary *v, const json_t *root) {
    struct ew_gguf_writer *writer = NULL;
    const struct ew_token_role_files files = {root, root, root, root};
    if (v->n_tokens <= 4096 && ew_folder_token_roles_read("fuzz", &files, v->n_tokens + 2, v, NULL) == EW_OK &&
        ew_gguf_writer_open(&writer, NULL) == EW_OK) {
        must(is_token(v, v->bos) && is_token(v, v->eos) && is_token(v, v->unknown) && is_token(v, v->pad));
        must(is_token(v, v->eot) && is_token(v, v->eom));
        for (uint32_t i = 0; i < v->n_tokens; i++) must(v->tokens[i].text && v->tokens[i].size > 0);
        for (uint32_t i = 0; i < v->n_merges; i++) must(strchr(v->merges[i], ' ') != NULL);
        must(ew_vocabulary_put(v, writer, NULL) == EW_OK);
    }
    ew_gguf_writer_close(&writer);
    ew_vocabulary_free(v);
}

static void check_refusal(const struct ew_error *err) { must(err->status != EW_OK && err->message[0] != 0); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ew_vocabulary v;
    struct ew_error err = {0};
    json_t *root = NULL;
    /* A copy on the heap, so that the sanitizer sees a read beyond the end. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy) return 0;
    if (size > 0) memcpy(copy, data, size);
    if (ew_sentencepiece_model_read("fuzz", copy, size, &v, &err) == EW_OK)
        use(&v, NULL);
    else
        check_refusal(&err);
    if (ew_folder_json_parse("fuzz", copy, size, &root, &err) == EW_OK) {
        if (ew_tokenizer_json_read("fuzz", root, NULL, &v, &err) == EW_OK)
            use(&v, root);
        else
            check_refusal(&err);
        if (ew_vocab_json_read("fuzz", root, (const char *)copy, size, "gpt-2", &v, &err) == EW_OK) use(&v, root);
        json_decref(root);
    } else {
        check_refusal(&err);
    }
    root = json_pack("{s:f, s:f}", "a", 0.0, "b", 1.0);
    if (root && ew_vocab_json_read("fuzz", root, (const char *)copy, size, "gpt-2", &v, &err) == EW_OK) use(&v, root);
    json_decref(root);
    free(copy);
    return 0;
}
