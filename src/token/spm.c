/* Owns SentencePiece merging and its escapes: a space is U+2581 inside tokens; <0xNN> stands for a byte.
 * Special tokens, BOS and EOS are tokenizer.c's. */
#include "token/spm.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t space_mark[3] = {0xe2, 0x96, 0x81}; /* U+2581 */

static bool is_space_mark(const uint8_t *text, size_t n) { return n >= 3 && memcmp(text, space_mark, 3) == 0; }

static bool has_space_inside(const uint8_t *text, size_t n) {
    for (size_t i = 1; i + 3 <= n; i++)
        if (is_space_mark(text + i, n - i) && !(i >= 3 && is_space_mark(text + i - 3, 3))) return true;
    return false;
}

void ew_spm_fill(struct ew_spm *spm, const struct ew_vocab *vocab, const uint8_t *scores, uint32_t unknown_id) {
    *spm = (struct ew_spm){.vocab = vocab, .scores = scores, .unknown_id = unknown_id};
    for (unsigned byte = 0; byte < 256; byte++) {
        char name[8];
        int n = snprintf(name, sizeof name, "<0x%02X>", byte);
        spm->byte_ids[byte] = ew_vocab_find(vocab, name, (size_t)n);
    }
    for (uint32_t id = 0; id < vocab->n && !spm->spaces_inside; id++) {
        size_t n;
        const uint8_t *text = ew_vocab_text(vocab, id, &n);
        spm->spaces_inside = ew_vocab_is_text(vocab, id) && has_space_inside(text, n);
    }
}

/* Order of scores as integers, best first; never EW_TOKEN_NONE. */
static uint32_t rank_of_score(const struct ew_spm *spm, uint32_t id) {
    uint32_t bits = 0;
    if (spm->scores) memcpy(&bits, spm->scores + (size_t)id * sizeof bits, sizeof bits);
    if (bits == 0x80000000u) bits = 0; /* -0 */
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    return ascending ? ~ascending : EW_TOKEN_NONE - 1;
}

static uint32_t find_piece(const struct ew_spm *spm, const uint8_t *text, size_t n) {
    uint32_t id = ew_vocab_find(spm->vocab, text, n);
    return id != EW_TOKEN_NONE && ew_vocab_is_text(spm->vocab, id) ? id : EW_TOKEN_NONE;
}

static bool merge_pair(const void *context, const uint8_t *text, const struct ew_merge_symbol *left,
                       const struct ew_merge_symbol *right, uint32_t *rank, uint32_t *merged_id) {
    const struct ew_spm *spm = context;
    uint32_t id = find_piece(spm, text + left->start, (size_t)left->size + right->size);
    if (id == EW_TOKEN_NONE) return false;
    *rank = rank_of_score(spm, id);
    *merged_id = id;
    return true;
}

/* Bytes that form one symbol: a whole character, or one byte where there is no character. */
static uint32_t char_bytes(const uint8_t *text, size_t n) {
    const size_t size = ew_utf8_char_bytes(text, n);
    return size ? (uint32_t)size : 1;
}

struct encoding {
    const struct ew_spm *spm;
    struct ew_merge_work work;
    struct ew_token_sink *sink;
    bool after_unknown; /* characters without a token that follow each other are one unknown token, as SentencePiece has
                           it */
};

static enum ew_status spell(struct encoding *encoding, const uint8_t *text, size_t n, struct ew_error *err) {
    const struct ew_spm *spm = encoding->spm;
    for (size_t i = 0; i < n; i++) {
        uint32_t id = spm->byte_ids[text[i]];
        if (id == EW_TOKEN_NONE) {
            if (spm->unknown_id == EW_TOKEN_NONE)
                return ew_error_set(err, EW_ERR_UNSUPPORTED,
                                    "text: byte 0x%02x has no token: the vocabulary has neither a byte token nor an "
                                    "unknown token",
                                    text[i]);
            if (!encoding->after_unknown) ew_token_push(encoding->sink, spm->unknown_id);
            encoding->after_unknown = true;
            return EW_OK;
        }
        encoding->after_unknown = false;
        ew_token_push(encoding->sink, id);
    }
    return EW_OK;
}

static enum ew_status encode_word(struct encoding *encoding, size_t n, struct ew_error *err) {
    const struct ew_spm *spm = encoding->spm;
    struct ew_merge_work *work = &encoding->work;
    enum ew_status status = ew_merge_work_reserve(work, n, err);
    if (status) return status;
    uint32_t n_symbols = 0;
    for (uint32_t at = 0; at < n; n_symbols++) {
        uint32_t size = char_bytes(work->text + at, n - at);
        work->symbols[n_symbols] =
            (struct ew_merge_symbol){.start = at, .size = size, .id = find_piece(spm, work->text + at, size)};
        at += size;
    }
    ew_merge_work_run(work, n_symbols, merge_pair, spm);
    for (uint32_t i = 0; i != EW_TOKEN_NONE && !status; i = work->symbols[i].next) {
        const struct ew_merge_symbol *symbol = &work->symbols[i];
        if (symbol->id == EW_TOKEN_NONE) {
            status = spell(encoding, work->text + symbol->start, symbol->size, err);
            continue;
        }
        encoding->after_unknown = false;
        ew_token_push(encoding->sink, symbol->id);
    }
    return status;
}

/* Bytes up to the next place where no token can reach across. */
static size_t word_bytes(const struct ew_spm *spm, const uint8_t *text, size_t n) {
    if (spm->spaces_inside) return n;
    size_t at = 0;
    while (is_space_mark(text + at, n - at)) at += 3;
    while (at < n && !is_space_mark(text + at, n - at)) at++;
    return at;
}

/* Writes text with U+2581 for its spaces; out has room for every one of them and a prefix. Returns the size. */
static size_t escape_spaces(const uint8_t *text, size_t n, struct ew_spm_spacing spacing, uint8_t *out) {
    size_t size = 0;
    bool after_space = spacing.strip_left;
    if (spacing.prefix) {
        memcpy(out, space_mark, 3);
        size = 3;
        after_space = true;
    }
    for (size_t i = 0; i < n; i++) {
        if (text[i] != ' ') {
            out[size++] = text[i];
        } else if (!spacing.collapse || !after_space) {
            memcpy(out + size, space_mark, 3);
            size += 3;
        }
        after_space = text[i] == ' ';
    }
    if (spacing.collapse && spacing.strip_right)
        while (size >= 3 && is_space_mark(out + size - 3, 3)) size -= 3;
    return size;
}

enum ew_status ew_spm_encode(const struct ew_spm *spm, const uint8_t *text, size_t n, struct ew_spm_spacing spacing,
                             struct ew_token_sink *sink, struct ew_error *err) {
    if (n > UINT32_MAX / 4) return ew_error_set(err, EW_ERR_LIMIT, "text: %zu bytes are more than 1 GiB", n);
    size_t n_spaces = spacing.prefix;
    for (size_t i = 0; i < n; i++) n_spaces += text[i] == ' ';
    uint8_t *escaped = malloc(n + 3 * n_spaces + 1);
    if (!escaped) return ew_error_set(err, EW_ERR_MEMORY, "text: no memory for %zu bytes", n);
    const size_t size = escape_spaces(text, n, spacing, escaped);
    struct encoding encoding = {.spm = spm, .sink = sink};
    enum ew_status status = EW_OK;
    for (size_t at = 0, length; at < size && !status; at += length) {
        length = word_bytes(spm, escaped + at, size - at);
        encoding.work.text = escaped + at;
        status = encode_word(&encoding, length, err);
    }
    ew_merge_work_free(&encoding.work);
    free(escaped);
    return status;
}

static unsigned hex_digit(uint8_t c) { return c <= '9' ? c - (unsigned)'0' : (c | 0x20u) - 'a' + 10u; }

size_t ew_spm_token_bytes(const struct ew_spm *spm, uint32_t id, char *buf, size_t capacity) {
    size_t n, out = 0;
    const uint8_t *text = ew_vocab_text(spm->vocab, id, &n);
    if (ew_vocab_type(spm->vocab, id) == EW_TOKEN_BYTE && n == 6 && memcmp(text, "<0x", 3) == 0) {
        if (capacity) buf[0] = (char)(hex_digit(text[3]) << 4 | hex_digit(text[4]));
        return 1;
    }
    for (size_t i = 0; i < n; out++) {
        const bool space = is_space_mark(text + i, n - i);
        if (out < capacity) buf[out] = space ? ' ' : (char)text[i];
        i += space ? 3 : 1;
    }
    return out;
}
