/* Owns stand-in vocabularies. Pieces are numbered, not stored: piece k of length 2 is a start character and a letter,
 * and every longer piece is a shorter one and a letter, so that each has exactly one merge, whose parts exist. */
#include "model/synth_tokenizer.h"

#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Types of tokens in tokenizer.ggml.token_type. Source: GGUF specification. */
enum token_type { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, UNUSED = 5, BYTE = 6 };

struct special {
    uint32_t id;
    const char *text;
    enum token_type type;
};

/* id -1: the model has no such token. */
struct vocabulary {
    const char *model, *pre;
    struct special special[12]; /* sorted by id, ends with text NULL */
    uint32_t special_from;      /* ids from here are special or padding: pieces stop before */
    bool reserved;              /* unnamed tokens from there are reserved control tokens, otherwise padding */
    int bos, eos, eot, unknown;
    bool add_bos, space_prefix;
};

static const struct vocabulary vocabularies[] = {
    [EW_SHAPE_TOKENS_LLAMA2] = {"llama",
                                "default",
                                {{0, "<unk>", UNKNOWN}, {1, "<s>", CONTROL}, {2, "</s>", CONTROL}},
                                UINT32_MAX,
                                false,
                                1,
                                2,
                                -1,
                                0,
                                true,
                                true},
    [EW_SHAPE_TOKENS_MISTRAL] = {"llama",
                                 "default",
                                 {{0, "<unk>", UNKNOWN},
                                  {1, "<s>", CONTROL},
                                  {2, "</s>", CONTROL},
                                  {3, "[INST]", CONTROL},
                                  {4, "[/INST]", CONTROL}},
                                 UINT32_MAX,
                                 false,
                                 1,
                                 2,
                                 -1,
                                 0,
                                 true,
                                 true},
    [EW_SHAPE_TOKENS_PHI3] = {"llama",
                              "default",
                              {{0, "<unk>", UNKNOWN},
                               {1, "<s>", CONTROL},
                               {2, "</s>", CONTROL},
                               {32000, "<|endoftext|>", CONTROL},
                               {32001, "<|assistant|>", CONTROL},
                               {32006, "<|system|>", CONTROL},
                               {32007, "<|end|>", CONTROL},
                               {32010, "<|user|>", CONTROL}},
                              32000,
                              false,
                              1,
                              32000,
                              32007,
                              0,
                              false,
                              false},
    [EW_SHAPE_TOKENS_GEMMA] = {"llama",
                               "default",
                               {{0, "<pad>", CONTROL},
                                {1, "<eos>", CONTROL},
                                {2, "<bos>", CONTROL},
                                {3, "<unk>", UNKNOWN},
                                {106, "<start_of_turn>", CONTROL},
                                {107, "<end_of_turn>", CONTROL}},
                               UINT32_MAX,
                               false,
                               2,
                               1,
                               107,
                               3,
                               true,
                               false},
    [EW_SHAPE_TOKENS_LLAMA3] = {"gpt2",
                                "llama-bpe",
                                {{128000, "<|begin_of_text|>", CONTROL},
                                 {128001, "<|end_of_text|>", CONTROL},
                                 {128004, "<|finetune_right_pad_id|>", CONTROL},
                                 {128006, "<|start_header_id|>", CONTROL},
                                 {128007, "<|end_header_id|>", CONTROL},
                                 {128008, "<|eom_id|>", CONTROL},
                                 {128009, "<|eot_id|>", CONTROL},
                                 {128010, "<|python_tag|>", CONTROL}},
                                128000,
                                true,
                                128000,
                                128009,
                                128009,
                                -1,
                                true,
                                false},
    [EW_SHAPE_TOKENS_QWEN2] = {"gpt2",
                               "qwen2",
                               {{151643, "<|endoftext|>", CONTROL},
                                {151644, "<|im_start|>", CONTROL},
                                {151645, "<|im_end|>", CONTROL}},
                               151643,
                               false,
                               151643,
                               151645,
                               151645,
                               -1,
                               false,
                               false},
    [EW_SHAPE_TOKENS_SMOLLM2] = {"gpt2",
                                 "smollm",
                                 {{0, "<|endoftext|>", CONTROL},
                                  {1, "<|im_start|>", CONTROL},
                                  {2, "<|im_end|>", CONTROL}},
                                 UINT32_MAX,
                                 false,
                                 1,
                                 2,
                                 2,
                                 -1,
                                 false,
                                 false},
};

/* ---- pieces ---- */

static const char letters[] = "etaoinsrhldcumfpgwybvkxjqz"; /* by their frequency in English */
enum { N_LETTERS = 26, N_STARTS = 53, MIN_LENGTH = 2 };     /* a start is a space, a letter, or a capital */

struct piece {
    uint32_t length; /* characters */
    uint64_t index;  /* among those of its length */
};

static struct piece piece_at(uint64_t k) {
    struct piece piece = {.length = MIN_LENGTH, .index = k};
    uint64_t count = (uint64_t)N_STARTS * N_LETTERS;
    while (piece.index >= count) {
        piece.index -= count;
        count *= N_LETTERS;
        piece.length++;
    }
    return piece;
}

/* Text of a piece; `gap` is put before its last character. At most 16 letters fit any vocabulary below 2^63. */
static size_t piece_text(struct piece piece, const char *space, const char *gap, char buf[64]) {
    char reversed[16];
    size_t n = 0;
    for (; n + 1 < piece.length; n++, piece.index /= N_LETTERS) reversed[n] = letters[piece.index % N_LETTERS];
    char capital[2] = {0}, letter[2] = {0};
    const char *start = space;
    if (piece.index >= 27) {
        capital[0] = (char)(letters[piece.index - 27] - 'a' + 'A');
        start = capital;
    } else if (piece.index >= 1) {
        letter[0] = letters[piece.index - 1];
        start = letter;
    }
    size_t used = (size_t)snprintf(buf, 64, "%s", start);
    while (n > 1) buf[used++] = reversed[--n];
    return used + (size_t)snprintf(buf + used, 64 - used, "%s%c", gap, reversed[0]);
}

/* ---- tokens ---- */

/* The character that stands for a byte in GPT-2's alphabet: itself where printable, otherwise from U+0100 on. */
static size_t byte_character(unsigned byte, char buf[64]) {
    unsigned code = byte;
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    if (!printable) code = byte <= 32 ? 256 + byte : byte <= 160 ? 256 + 33 + (byte - 127) : 256 + 67;
    if (code < 128) return (size_t)snprintf(buf, 64, "%c", (char)code);
    return (size_t)snprintf(buf, 64, "%c%c", (char)(0xc0 | code >> 6), (char)(0x80 | (code & 63)));
}

struct token {
    char text[64];
    size_t size;
    enum token_type type;
    float score;
};

/* Goes through a vocabulary in the order of ids. */
struct walk {
    const struct vocabulary *vocabulary;
    uint32_t id, n_special, n_byte, n_char;
    uint64_t n_piece;
    bool spm;
};

enum { SPM_FIRST_CHAR = 32, SPM_LAST_CHAR = 126 };

static const char *space_of(const struct walk *w) { return w->spm ? "▁" : "Ġ"; }

static void next_regular(struct walk *w, struct token *token) {
    token->type = NORMAL;
    if (w->n_byte < 256 && w->spm) {
        token->type = BYTE;
        token->size = (size_t)snprintf(token->text, sizeof token->text, "<0x%02X>", (unsigned)w->n_byte++);
    } else if (w->n_byte < 256) {
        token->size = byte_character(w->n_byte++, token->text);
    } else if (w->spm && w->n_char <= SPM_LAST_CHAR - SPM_FIRST_CHAR) {
        unsigned c = SPM_FIRST_CHAR + w->n_char++;
        token->size = (size_t)(c == ' ' ? snprintf(token->text, sizeof token->text, "%s", space_of(w))
                                        : snprintf(token->text, sizeof token->text, "%c", (char)c));
        token->score = -1e6f;
    } else {
        token->score = -(float)w->n_piece;
        token->size = piece_text(piece_at(w->n_piece++), space_of(w), "", token->text);
    }
}

static void next_token(struct walk *w, struct token *token) {
    const struct vocabulary *v = w->vocabulary;
    const struct special *special = &v->special[w->n_special];
    *token = (struct token){0};
    if (special->text && special->id == w->id) {
        w->n_special++;
        token->type = special->type;
        token->size = (size_t)snprintf(token->text, sizeof token->text, "%s", special->text);
    } else if (w->id < v->special_from) {
        next_regular(w, token);
    } else {
        token->type = v->reserved ? CONTROL : UNUSED;
        token->size = v->reserved ? (size_t)snprintf(token->text, sizeof token->text, "<|reserved_special_token_%u|>",
                                                     (unsigned)(w->id - v->special_from))
                                  : (size_t)snprintf(token->text, sizeof token->text, "[PAD%u]", (unsigned)w->id);
    }
    w->id++;
}

static struct walk walk_start(const struct vocabulary *v) {
    return (struct walk){.vocabulary = v, .spm = strcmp(v->model, "llama") == 0};
}

static void put_merges(struct ew_gguf_writer *writer, uint64_t n_pieces, const char *space) {
    char text[64];
    ew_gguf_put_strings(writer, "tokenizer.ggml.merges", (size_t)n_pieces);
    for (uint64_t k = 0; k < n_pieces; k++) {
        size_t size = piece_text(piece_at(k), space, " ", text);
        ew_gguf_put_element(writer, text, size);
    }
}

static void put_id(struct ew_gguf_writer *writer, const char *key, int id) {
    if (id >= 0) ew_gguf_put_u32(writer, key, (uint32_t)id);
}

enum ew_status ew_synth_put_tokenizer(struct ew_gguf_writer *writer, const struct ew_shape *shape,
                                      struct ew_error *err) {
    const struct vocabulary *v = &vocabularies[shape->tokenizer];
    enum ew_status status = EW_OK;
    uint32_t n = shape->n_vocab;
    int32_t *types = malloc(n * sizeof *types);
    float *scores = malloc(n * sizeof *scores);
    if (!types || !scores) {
        status = ew_error_set(err, EW_ERR_MEMORY, "no memory for a vocabulary of %u tokens", (unsigned)n);
        goto done;
    }
    ew_gguf_put_string(writer, "tokenizer.ggml.model", v->model);
    ew_gguf_put_string(writer, "tokenizer.ggml.pre", v->pre);
    ew_gguf_put_strings(writer, "tokenizer.ggml.tokens", n);
    struct walk walk = walk_start(v);
    for (uint32_t i = 0; i < n; i++) {
        struct token token;
        next_token(&walk, &token);
        types[i] = (int32_t)token.type;
        scores[i] = token.score;
        ew_gguf_put_element(writer, token.text, token.size);
    }
    ew_gguf_put_array(writer, "tokenizer.ggml.token_type", EW_GGUF_I32, types, n);
    if (walk.spm)
        ew_gguf_put_array(writer, "tokenizer.ggml.scores", EW_GGUF_F32, scores, n);
    else
        put_merges(writer, walk.n_piece, space_of(&walk));
    put_id(writer, "tokenizer.ggml.bos_token_id", v->bos);
    put_id(writer, "tokenizer.ggml.eos_token_id", v->eos);
    put_id(writer, "tokenizer.ggml.eot_token_id", v->eot);
    put_id(writer, "tokenizer.ggml.unknown_token_id", v->unknown);
    ew_gguf_put_bool(writer, "tokenizer.ggml.add_bos_token", v->add_bos);
    ew_gguf_put_bool(writer, "tokenizer.ggml.add_eos_token", false);
    if (walk.spm) ew_gguf_put_bool(writer, "tokenizer.ggml.add_space_prefix", v->space_prefix);
done:
    free(types);
    free(scores);
    return status;
}
