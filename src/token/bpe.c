/* Owns the merge table and the GPT-2 byte alphabet, in which the texts of tokens are written: a printable Latin-1
 * byte stands for itself, the other 68 are U+0100 on, in order. Cutting into words: pretokenize.c. */
#include "token/bpe.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/utf8.h"
#include "edgewise/text_stream.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PROBES = 4096 };

/* ---- byte alphabet ---- */

static bool stands_for_itself(unsigned byte) {
    return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

/* The code point of a byte. The others in order: 0x00-0x20, 0x7f-0xa0, 0xad. */
static unsigned letter_of_byte(unsigned byte) {
    if (stands_for_itself(byte)) return byte;
    return 0x100 + (byte <= 0x20 ? byte : byte == 0xad ? 67 : byte - 0x7f + 33);
}

static bool byte_of_letter(unsigned letter, uint8_t *byte) {
    if (letter < 0x100) {
        *byte = (uint8_t)letter;
        return stands_for_itself(letter);
    }
    const unsigned place = letter - 0x100;
    if (place > 67) return false;
    *byte = (uint8_t)(place <= 0x20 ? place : place == 67 ? 0xad : place - 33 + 0x7f);
    return true;
}

static size_t write_letter(unsigned byte, uint8_t out[2]) {
    const unsigned letter = letter_of_byte(byte);
    if (letter < 0x80) {
        out[0] = (uint8_t)letter;
        return 1;
    }
    out[0] = (uint8_t)(0xc0 | letter >> 6);
    out[1] = (uint8_t)(0x80 | (letter & 0x3f));
    return 2;
}

/* ---- merge table ---- */

static uint32_t first_merge_slot(const struct ew_bpe *bpe, uint32_t left, uint32_t right) {
    const uint64_t hash = ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
    return (uint32_t)((hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u >> (64 - bpe->slot_bits));
}

static uint32_t *find_merge_slot(const struct ew_bpe *bpe, uint32_t left, uint32_t right) {
    const uint32_t mask = ((uint32_t)1 << bpe->slot_bits) - 1;
    uint32_t at = first_merge_slot(bpe, left, right);
    for (unsigned probe = 0; probe < MAX_PROBES; probe++, at = (at + 1) & mask) {
        const uint32_t slot = bpe->slots[at];
        if (slot == 0) return &bpe->slots[at];
        const struct ew_bpe_merge *merge = &bpe->merges[slot - 1];
        if (merge->left == left && merge->right == right) return &bpe->slots[at];
    }
    return NULL;
}

static uint32_t find_text(const struct ew_vocab *vocab, uint64_t hash, const uint8_t *a, size_t n_a, const uint8_t *b,
                          size_t n_b) {
    uint32_t id = ew_vocab_find_joined(vocab, hash, a, n_a, b, n_b);
    return id != EW_TOKEN_NONE && ew_vocab_is_text(vocab, id) ? id : EW_TOKEN_NONE;
}

/* A line "left right" of the list, and what it becomes. Some lines are worked on together, because each look-up waits
 * for memory that can be asked for beforehand. */
struct merge_line {
    const uint8_t *left, *right;
    size_t n_left, n_right;
    uint64_t hash_left, hash_right, hash_joined;
    struct ew_bpe_merge merge;
    bool known; /* all three tokens are in the vocabulary */
};
enum { LINES_TOGETHER = 32 };

/* false: the line is not two tokens with a space. */
static bool cut_line(const struct ew_vocab *vocab, struct ew_gguf_string line, struct merge_line *out) {
    const uint8_t *text = (const uint8_t *)line.data;
    const uint8_t *space = line.size > 2 ? memchr(text + 1, ' ', line.size - 2) : NULL;
    if (!space) return false;
    *out = (struct merge_line){.left = text, .right = space + 1, .n_left = (size_t)(space - text)};
    out->n_right = line.size - out->n_left - 1;
    out->hash_left = ew_vocab_hash(EW_VOCAB_HASH_SEED, out->left, out->n_left);
    out->hash_right = ew_vocab_hash(EW_VOCAB_HASH_SEED, out->right, out->n_right);
    out->hash_joined = ew_vocab_hash(out->hash_left, out->right, out->n_right);
    ew_vocab_ask_slot(vocab, out->hash_left);
    ew_vocab_ask_slot(vocab, out->hash_right);
    ew_vocab_ask_slot(vocab, out->hash_joined);
    return true;
}

static void look_up(const struct ew_bpe *bpe, struct merge_line *l) {
    struct ew_bpe_merge *m = &l->merge;
    m->left = find_text(bpe->vocab, l->hash_left, l->left, l->n_left, NULL, 0);
    m->right = find_text(bpe->vocab, l->hash_right, l->right, l->n_right, NULL, 0);
    l->known = m->left != EW_TOKEN_NONE && m->right != EW_TOKEN_NONE;
    if (!l->known) return;
    m->result = find_text(bpe->vocab, l->hash_joined, l->left, l->n_left, l->right, l->n_right);
    l->known = m->result != EW_TOKEN_NONE;
    if (l->known) __builtin_prefetch(&bpe->slots[first_merge_slot(bpe, m->left, m->right)]);
}

/* Of pairs that come twice the first counts. false: no slot is near for the line at *at. */
static bool add_lines(struct ew_bpe *bpe, struct merge_line *lines, size_t n, size_t *at) {
    for (size_t i = 0; i < n; i++) {
        ew_vocab_ask_text(bpe->vocab, lines[i].hash_left);
        ew_vocab_ask_text(bpe->vocab, lines[i].hash_right);
        ew_vocab_ask_text(bpe->vocab, lines[i].hash_joined);
    }
    for (size_t i = 0; i < n; i++) look_up(bpe, &lines[i]);
    for (*at = 0; *at < n; ++*at) {
        const struct ew_bpe_merge *m = &lines[*at].merge;
        if (!lines[*at].known) continue;
        uint32_t *slot = find_merge_slot(bpe, m->left, m->right);
        if (!slot) return false;
        if (*slot != 0) continue;
        bpe->merges[bpe->n_merges] = *m;
        *slot = ++bpe->n_merges;
    }
    return true;
}

enum ew_status ew_bpe_fill(struct ew_bpe *bpe, const struct ew_gguf_kv *merges, const char *path,
                           struct ew_error *err) {
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t letter[2];
        bpe->byte_ids[byte] = ew_vocab_find(bpe->vocab, letter, write_letter(byte, letter));
    }
    bpe->n_merges = 0;
    const uint8_t *cursor = merges->data;
    struct ew_gguf_string line;
    struct merge_line lines[LINES_TOGETHER];
    for (uint64_t done = 0; done < merges->n;) {
        size_t n = 0, at;
        for (; n < LINES_TOGETHER && done + n < merges->n && ew_gguf_next_string(merges, &cursor, &line); n++)
            if (!cut_line(bpe->vocab, line, &lines[n]))
                return ew_error_set(err, EW_ERR_FORMAT,
                                    "%s: tokenizer.ggml.merges[%llu]: is not two tokens with a space", path,
                                    (unsigned long long)(done + n));
        if (!add_lines(bpe, lines, n, &at))
            return ew_error_set(err, EW_ERR_FORMAT,
                                "%s: tokenizer.ggml.merges[%llu]: too many merges with equal hashes", path,
                                (unsigned long long)(done + at));
        if (n == 0) break;
        done += n;
    }
    return EW_OK;
}

/* ---- encoding ---- */

static bool merge_pair(const void *context, const uint8_t *text, const struct ew_merge_symbol *left,
                       const struct ew_merge_symbol *right, uint32_t *rank, uint32_t *merged_id) {
    (void)text;
    const struct ew_bpe *bpe = context;
    const uint32_t *slot = find_merge_slot(bpe, left->id, right->id);
    if (!slot || *slot == 0) return false;
    *rank = *slot - 1;
    *merged_id = bpe->merges[*rank].result;
    return true;
}

struct encoding {
    const struct ew_bpe *bpe;
    struct ew_merge_work work;
    struct ew_token_sink *sink;
};

/* The token that is the whole word, written in the byte alphabet. */
static uint32_t find_word(const struct ew_vocab *vocab, const uint8_t *word, size_t n) {
    uint8_t letters[512];
    size_t size = 0;
    if (n > vocab->max_bytes || n > sizeof letters / 2) return EW_TOKEN_NONE;
    for (size_t i = 0; i < n; i++) size += write_letter(word[i], letters + size);
    uint32_t id = ew_vocab_find(vocab, letters, size);
    return id != EW_TOKEN_NONE && ew_vocab_is_text(vocab, id) ? id : EW_TOKEN_NONE;
}

static enum ew_status encode_word(void *context, const uint8_t *word, size_t n, struct ew_error *err);

/* A byte that is no text, in a vocabulary that has tokens for the bytes of text alone, is the character that stands for
 * broken text. */
static enum ew_status encode_without_byte(struct encoding *encoding, const uint8_t *word, size_t n, size_t at,
                                          struct ew_error *err) {
    if (ew_utf8_char_bytes(word, n) > 0) /* pretokenize.c keeps what is text and what is none in words apart */
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "text: byte 0x%02x has no token in this vocabulary", word[at]);
    size_t room;
    char *replaced = ew_mul_size(n + 3, 3, &room) ? malloc(room) : NULL;
    if (!replaced) return ew_error_set(err, EW_ERR_MEMORY, "text: no memory for %zu bytes that are not UTF-8", n);
    struct ew_text_stream stream = {0};
    size_t size = ew_text_stream_add(&stream, (const char *)word, n, replaced);
    size += ew_text_stream_end(&stream, replaced + size);
    enum ew_status status = encode_word(encoding, (const uint8_t *)replaced, size, err);
    free(replaced);
    return status;
}

static enum ew_status encode_word(void *context, const uint8_t *word, size_t n, struct ew_error *err) {
    struct encoding *encoding = context;
    const struct ew_bpe *bpe = encoding->bpe;
    struct ew_merge_work *work = &encoding->work;
    if (bpe->ignore_merges) {
        uint32_t id = find_word(bpe->vocab, word, n);
        if (id != EW_TOKEN_NONE) {
            ew_token_push(encoding->sink, id);
            return EW_OK;
        }
    }
    enum ew_status status = ew_merge_work_reserve(work, n, err);
    if (status) return status;
    for (size_t i = 0; i < n; i++) {
        const uint32_t id = bpe->byte_ids[word[i]];
        if (id == EW_TOKEN_NONE) return encode_without_byte(encoding, word, n, i, err);
        work->symbols[i] = (struct ew_merge_symbol){.start = (uint32_t)i, .size = 1, .id = id};
    }
    ew_merge_work_run(work, (uint32_t)n, merge_pair, bpe);
    for (uint32_t i = 0; i != EW_TOKEN_NONE; i = work->symbols[i].next)
        ew_token_push(encoding->sink, work->symbols[i].id);
    return EW_OK;
}

enum ew_status ew_bpe_encode(const struct ew_bpe *bpe, const uint8_t *text, size_t n, struct ew_token_sink *sink,
                             struct ew_error *err) {
    struct encoding encoding = {.bpe = bpe, .sink = sink};
    enum ew_status status = ew_pretokenizer_run(&bpe->pretokenizer, text, n, encode_word, &encoding, err);
    ew_merge_work_free(&encoding.work);
    return status;
}

size_t ew_bpe_token_bytes(const struct ew_bpe *bpe, uint32_t id, char *buf, size_t capacity) {
    size_t n, out = 0;
    const uint8_t *text = ew_vocab_text(bpe->vocab, id, &n);
    for (size_t i = 0; i < n; out++) {
        unsigned letter = text[i];
        size_t size = 1;
        if ((text[i] & 0xe0) == 0xc0 && i + 1 < n && (text[i + 1] & 0xc0) == 0x80) {
            letter = (text[i] & 0x1fu) << 6 | (text[i + 1] & 0x3fu);
            size = 2;
        }
        uint8_t byte;
        if ((size == 1 && text[i] >= 0x80) || !byte_of_letter(letter, &byte)) {
            byte = text[i]; /* not of the alphabet: passed through as it stands */
            size = 1;
        }
        if (out < capacity) buf[out] = (char)byte;
        i += size;
    }
    return out;
}
