/* Fuzz target of the tokenizers. The input is a text and a GGUF file: the text's size in two bytes, little-endian, the
 * text, the file. Any file is refused with a message or gives a tokenizer; any text is refused with a message or gives
 * ids of the vocabulary, of which byte-level BPE gives the text back, and which decode to whole characters.
 * Under libFuzzer see docs/tokenize.md; in the test run replay_corpus.c feeds it the corpus. */
#include "base/utf8.h"
#include "edgewise/text_stream.h"
#include "token/tokenizer.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static void must(bool promise) {
    if (!promise) abort();
}

/* A block of exactly this size, so that the sanitizer sees a byte touched behind it. */
static void *block(size_t n) {
    void *data = malloc(n ? n : 1);
    if (!data) abort();
    return data;
}

static bool is_utf8(const char *text, size_t n) {
    for (size_t at = 0, size; at < n; at += size)
        if ((size = ew_utf8_char_bytes((const uint8_t *)text + at, n - at)) == 0) return false;
    return true;
}

/* Returns the piece's size; the piece is written to a block of its own. */
static size_t get_piece(const struct ew_tokenizer *tokenizer, int32_t id, bool special, char **piece) {
    const size_t n = ew_tokenizer_token_bytes(tokenizer, id, special, NULL, 0);
    *piece = block(n);
    must(ew_tokenizer_token_bytes(tokenizer, id, special, *piece, n) == n);
    char *less = block(n / 2);
    must(ew_tokenizer_token_bytes(tokenizer, id, special, less, n / 2) == n);
    free(less);
    return n;
}

static void check_decoding(const struct ew_tokenizer *tokenizer, const int32_t *ids, size_t n_ids, const char *text,
                           size_t n_text, bool must_return) {
    struct ew_text_stream stream = {0};
    size_t at = 0;
    for (size_t i = 0; i < n_ids; i++) {
        must(ids[i] >= 0 && (uint32_t)ids[i] < ew_tokenizer_n_vocab(tokenizer));
        char *piece;
        const size_t n = get_piece(tokenizer, ids[i], true, &piece);
        char *whole = block(EW_TEXT_STREAM_ROOM(n));
        must(is_utf8(whole, ew_text_stream_add(&stream, piece, n, whole)));
        if (must_return) must(n <= n_text - at && memcmp(text + at, piece, n) == 0);
        at += n;
        free(whole);
        free(piece);
    }
    if (must_return) must(at == n_text);
    char last[3];
    must(is_utf8(last, ew_text_stream_end(&stream, last)));
}

static bool all_normal(const struct ew_tokenizer *tokenizer, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (ew_tokenizer_token_type(tokenizer, ids[i]) != EW_TOKEN_NORMAL) return false;
    return true;
}

static void check_text(const struct ew_tokenizer *tokenizer, bool is_bpe, const char *text, size_t n_text,
                       unsigned flags) {
    struct ew_error err = {0};
    size_t n_ids = SIZE_MAX, n_again = SIZE_MAX, capacity = n_text + 8;
    int32_t *ids = block(capacity * sizeof *ids);
    enum ew_status status = ew_tokenizer_encode(tokenizer, text, n_text, flags, ids, capacity, &n_ids, &err);
    if (status == EW_ERR_LIMIT && n_ids != SIZE_MAX) {
        must(n_ids > capacity);
        ids = realloc(ids, n_ids * sizeof *ids);
        if (!ids) abort();
        status = ew_tokenizer_encode(tokenizer, text, n_text, flags, ids, n_ids, &n_again, &err);
        must(status == EW_OK && n_again == n_ids);
    }
    if (status == EW_OK) {
        const enum ew_status counted = ew_tokenizer_encode(tokenizer, text, n_text, flags, NULL, 0, &n_again, NULL);
        must(counted == (n_ids ? EW_ERR_LIMIT : EW_OK) && n_again == n_ids);
        const bool returns =
            is_bpe && !(flags & EW_TOKENIZE_ADD_SPECIAL) && is_utf8(text, n_text) && all_normal(tokenizer, ids, n_ids);
        check_decoding(tokenizer, ids, n_ids, text, n_text, returns);
    } else {
        must(err.status == status && err.message[0] != 0);
    }
    free(ids);
}

static void check_tokenizer(const struct ew_gguf *gguf, const char *text, size_t n_text) {
    struct ew_tokenizer *tokenizer = NULL;
    struct ew_error err = {0};
    enum ew_status status = ew_tokenizer_open(gguf, &tokenizer, &err);
    if (status != EW_OK) {
        must(tokenizer == NULL && err.status == status && strncmp(err.message, "fuzz: ", 6) == 0);
        return;
    }
    must(ew_tokenizer_predict_bytes(gguf) > 0);
    must(is_utf8(ew_tokenizer_note(tokenizer), strlen(ew_tokenizer_note(tokenizer))));
    const int32_t n_vocab = (int32_t)ew_tokenizer_n_vocab(tokenizer);
    for (int32_t id = -1; id <= n_vocab; id++) {
        char *piece;
        const size_t n = get_piece(tokenizer, id, false, &piece);
        must((id >= 0 && id < n_vocab) || (n == 0 && !ew_tokenizer_is_end(tokenizer, id)));
        free(piece);
    }
    for (enum ew_fim_token which = 0; which < EW_N_FIM; which++) must(ew_tokenizer_fim(tokenizer, which) < n_vocab);
    must(ew_tokenizer_bos(tokenizer) < n_vocab && ew_tokenizer_eos(tokenizer) < n_vocab);
    struct ew_gguf_string model = {0};
    must(ew_gguf_get_string(gguf, "tokenizer.ggml.model", &model, NULL) == EW_OK);
    const bool is_bpe = model.size == 4 && memcmp(model.data, "gpt2", 4) == 0;
    for (unsigned flags = 0; flags < 4; flags++) check_text(tokenizer, is_bpe, text, n_text, flags);
    ew_tokenizer_close(&tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t n_text = data[0] | (size_t)data[1] << 8;
    if (n_text > size - 2) n_text = size - 2;
    const size_t n_file = size - 2 - n_text;
    char *text = block(n_text);
    uint8_t *file = block(n_file);
    memcpy(text, data + 2, n_text);
    memcpy(file, data + 2 + n_text, n_file);
    struct ew_gguf *gguf = NULL;
    if (ew_gguf_open_memory("fuzz", file, n_file, &gguf, NULL) == EW_OK) check_tokenizer(gguf, text, n_text);
    ew_gguf_close(&gguf);
    free(file);
    free(text);
    return 0;
}
