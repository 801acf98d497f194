/* The program train-vocabulary: learns pieces from a text and writes them as a GGUF file without tensors, which holds a
 * tokenizer and nothing else; `edgewise tokenize` reads it. */
#include "base/error.h"
#include "base/file_map.h"
#include "train/piece_learner.h"
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

struct options {
    const char *text, *out;
    struct ew_piece_params pieces;
};

static const struct argp_option option_table[] = {
    {"tokens", 'n', "N", 0, "Tokens of the vocabulary, 256 bytes and 3 special ones included (4096)", 0},
    {"rare", 'r', "N", 0, "Spell characters in bytes that the text has fewer than N times (20)", 0},
    {0},
};

static uint32_t number(struct argp_state *state, const char *what, const char *text, uint32_t most) {
    char *end;
    const unsigned long value = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value < 1 || value > most)
        argp_error(state, "%s: `%s` is not a number from 1 to %u", what, text, most);
    return (uint32_t)value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case 'n': o->pieces.n_vocab = number(state, "--tokens", arg, 65536); return 0;
    case 'r': o->pieces.rare = number(state, "--rare", arg, 1u << 30); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1) argp_error(state, "`%s` is one argument too many", arg);
        *(state->arg_num == 0 ? &o->text : &o->out) = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->out) argp_error(state, "which TEXT, and which GGUF file?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    option_table,
    parse_option,
    "TEXT VOCABULARY.gguf",
    "Learns a vocabulary (byte-pair encoding) from a text whose documents are separated by lines <|doc|>.",
    NULL,
    NULL,
    NULL};

static enum ew_status write_vocabulary(const struct ew_vocabulary *v, const char *path, struct ew_error *err) {
    struct ew_gguf_writer *w = NULL;
    enum ew_status status = ew_gguf_writer_open(&w, err);
    if (status != EW_OK) return status;
    ew_gguf_put_string(w, "general.architecture", "llama");
    ew_gguf_put_string(w, "general.type", "vocab");
    status = ew_vocabulary_put(v, w, err);
    if (status == EW_OK) status = ew_gguf_writer_begin(w, path, err);
    if (status == EW_OK) status = ew_gguf_writer_finish(w, err);
    ew_gguf_writer_close(&w);
    return status;
}

int main(int argc, char **argv) {
    struct options o = {.pieces = {.n_vocab = 4096, .rare = 20}};
    struct ew_error err = {0};
    struct ew_file_map text = {0};
    struct ew_vocabulary v;
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    enum ew_status status = ew_file_map_open(o.text, &text, &err);
    if (status == EW_OK) status = ew_pieces_learn((const char *)text.data, text.size, &o.pieces, &v, &err);
    if (status == EW_OK) status = write_vocabulary(&v, o.out, &err);
    if (status == EW_OK)
        printf("%s: %u tokens from %zu bytes\n", o.out, v.n_tokens, text.size);
    else
        fprintf(stderr, "train-vocabulary: %s\n", err.message);
    ew_vocabulary_free(&v);
    ew_file_map_close(&text);
    return status == EW_OK ? 0 : 1;
}
