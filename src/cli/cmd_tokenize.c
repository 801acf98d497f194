/* edgewise tokenize: token ids of a text, or the text of token ids. Needs the tokenizer's metadata only, so files
 * without weights will do. */
#include "base/error.h"
#include "base/file_map.h"
#include "cli/command.h"
#include "cli/terminal_style.h"
#include "cli/tokenize_view.h"
#include "edgewise/text_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *model, *text, *file, *decode;
    bool no_bos, parse_special, count;
};

struct bytes {
    char *data;
    size_t size, capacity;
};

static const struct argp_option option_table[] = {
    {"file", 'f', "FILE", 0, "Take the text from FILE, byte by byte (default: TEXT, or standard input)", 0},
    {"no-bos", 1, 0, 0, "Add no BOS and EOS, whatever the file asks for", 0},
    {"parse-special", 2, 0, 0, "Let text such as <|eot_id|> name control tokens; show them with --decode", 0},
    {"count", 'c', 0, 0, "Print how many tokens, characters and bytes, not the tokens", 0},
    {"decode", 'd', "IDS", 0, "Turn ids such as 1,2,3 into text instead (- for standard input)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case 'f': options->file = arg; return 0;
    case 1: options->no_bos = true; return 0;
    case 2: options->parse_special = true; return 0;
    case 'c': options->count = true; return 0;
    case 'd': options->decode = arg; return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            options->model = arg;
        else if (state->arg_num == 1)
            options->text = arg;
        else
            argp_error(state, "`%s` is one argument too many; put the text in quotes", arg);
        return 0;
    case ARGP_KEY_END:
        if (!options->model) argp_error(state, "which MODEL?");
        if (!!options->text + !!options->file + !!options->decode > 1)
            argp_error(state, "give only one of TEXT, --file and --decode");
        if (options->decode && options->count) argp_error(state, "--count counts tokens of a text, not of --decode");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
static const struct argp argp = {
    option_table,
    parse_option,
    "MODEL [TEXT]",
    "Token ids of a text as a model's file asks for them.\v"
    "Example:  edgewise tokenize model.gguf 'Hello, world!'\n"
    "          edgewise tokenize model.gguf --file book.txt --no-bos --json\n"
    "          edgewise tokenize model.gguf --count <book.txt\n"
    "          edgewise tokenize model.gguf --decode 1,15043,29892",
    children,
    NULL,
    NULL,
};

static enum ew_status append(struct bytes *bytes, const char *data, size_t n, struct ew_error *err) {
    if (n > bytes->capacity - bytes->size) {
        const size_t capacity = (bytes->capacity + n) * 2 + 64;
        char *grown = realloc(bytes->data, capacity);
        if (!grown) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for %zu bytes", capacity);
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    if (n) memcpy(bytes->data + bytes->size, data, n);
    bytes->size += n;
    return EW_OK;
}

static enum ew_status read_stdin(struct bytes *bytes, struct ew_error *err) {
    char block[65536];
    enum ew_status status = EW_OK;
    for (size_t n; !status && (n = fread(block, 1, sizeof block, stdin)) > 0;) status = append(bytes, block, n, err);
    if (!status && ferror(stdin)) status = ew_error_errno(err, EW_ERR_IO, errno, "standard input: cannot read");
    return status;
}

/* ---- text to ids ---- */

static enum ew_status print_tokens(const struct options *options, const struct ew_tokens_view *view,
                                   struct ew_error *err) {
    if (options->common.json)
        return options->count ? ew_tokens_print_counts_json(view, err) : ew_tokens_print_json(view, err);
    if (options->count) {
        ew_tokens_print_counts(view);
        return EW_OK;
    }
    const struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    return ew_tokens_print(view, &style, err);
}

static enum ew_status encode(const struct options *options, const struct ew_tokenizer *tokenizer, const char *text,
                             size_t size, struct ew_error *err) {
    const unsigned flags = (options->no_bos ? 0u : (unsigned)EW_TOKENIZE_ADD_SPECIAL) |
                           (options->parse_special ? (unsigned)EW_TOKENIZE_PARSE_SPECIAL : 0u);
    size_t n, capacity = size + 8; /* a token holds a byte at least, but for the prefix space, BOS and EOS */
    int32_t *ids = malloc(capacity * sizeof *ids);
    if (!ids) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for %zu ids", capacity);
    enum ew_status status = ew_tokenizer_encode(tokenizer, text, size, flags, ids, capacity, &n, err);
    if (status == EW_ERR_LIMIT && n > capacity) {
        int32_t *grown = realloc(ids, n * sizeof *ids);
        if (grown) ids = grown;
        capacity = grown ? n : capacity;
        status = ew_tokenizer_encode(tokenizer, text, size, flags, ids, capacity, &n, err);
    }
    const int32_t bos = ew_tokenizer_bos(tokenizer);
    if (!status && n > 1 && bos >= 0 && ids[0] == bos && ids[1] == bos && !options->no_bos)
        fputs("edgewise: note: the text begins with the BOS token, and the file asks for one more (--no-bos: none)\n",
              stderr);
    if (!status) status = print_tokens(options, &(struct ew_tokens_view){tokenizer, ids, n, text, size}, err);
    free(ids);
    return status;
}

/* ---- ids to text ---- */

/* Adds a token's text, in whole characters. *drop_space: a space that begins the text is the tokenizer's own. */
static enum ew_status append_token(struct bytes *text, struct ew_text_stream *stream,
                                   const struct ew_tokenizer *tokenizer, int32_t id, bool special, bool *drop_space,
                                   struct ew_error *err) {
    const size_t n = ew_tokenizer_token_bytes(tokenizer, id, special, NULL, 0);
    if (n == 0) return EW_OK;
    char *piece = malloc(n), *whole = malloc(EW_TEXT_STREAM_ROOM(n));
    enum ew_status status = EW_OK;
    if (piece && whole) {
        ew_tokenizer_token_bytes(tokenizer, id, special, piece, n);
        const size_t skip = *drop_space && piece[0] == ' ';
        *drop_space = false;
        status = append(text, whole, ew_text_stream_add(stream, piece + skip, n - skip, whole), err);
    } else {
        status = ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for a piece of %zu bytes", n);
    }
    free(piece);
    free(whole);
    return status;
}

static enum ew_status parse_id(const char **at, uint32_t n_vocab, long *id, struct ew_error *err) {
    char *end;
    errno = 0;
    *id = strtol(*at, &end, 10);
    if (end == *at || errno || !strchr(", \t\n]", *end)) /* the NUL counts too */
        return ew_error_set(err, EW_ERR_ARGUMENT, "--decode: `%.40s` is not a list of ids such as 1,2,3", *at);
    if (*id < 0 || *id >= (long)n_vocab)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--decode: id %ld is outside the vocabulary (0-%u)", *id,
                            n_vocab - 1);
    *at = end + strspn(end, ", \t\n]");
    return EW_OK;
}

static enum ew_status decode(const struct options *options, const struct ew_tokenizer *tokenizer, const char *list,
                             struct ew_error *err) {
    struct bytes text = {0};
    struct ew_text_stream stream = {0};
    enum ew_status status = EW_OK;
    bool drop_space = ew_tokenizer_strips_first_space(tokenizer);
    for (list += strspn(list, "[ \t\n"); *list && !status;) {
        long id;
        status = parse_id(&list, ew_tokenizer_n_vocab(tokenizer), &id, err);
        if (!status)
            status = append_token(&text, &stream, tokenizer, (int32_t)id, options->parse_special, &drop_space, err);
    }
    char last[3];
    if (!status) status = append(&text, last, ew_text_stream_end(&stream, last), err);
    if (!status && options->common.json)
        status = ew_tokens_print_text_json(text.data, text.size, err);
    else if (!status && text.size)
        fwrite(text.data, 1, text.size, stdout);
    if (!status && !options->common.json) putchar('\n');
    free(text.data);
    return status;
}

static enum ew_status decode_stdin(const struct options *options, const struct ew_tokenizer *tokenizer,
                                   struct ew_error *err) {
    struct bytes list = {0};
    enum ew_status status = read_stdin(&list, err);
    if (!status) status = append(&list, "", 1, err); /* the NUL */
    if (!status) status = decode(options, tokenizer, list.data, err);
    free(list.data);
    return status;
}

int ew_cmd_tokenize(int argc, char **argv) {
    struct options options = {0};
    ew_cli_parse(&argp, argc, argv, &options.common, &options);
    struct ew_error err = {0};
    struct ew_gguf *gguf = NULL;
    struct ew_tokenizer *tokenizer = NULL;
    struct ew_file_map map = {0};
    struct bytes input = {0};
    enum ew_status status = ew_gguf_open(options.model, &gguf, &err);
    if (!status) status = ew_tokenizer_open(gguf, &tokenizer, &err);
    if (status) goto done;
    if (*ew_tokenizer_note(tokenizer))
        fprintf(stderr, "edgewise: note: %s: %s\n", options.model, ew_tokenizer_note(tokenizer));
    if (options.decode && strcmp(options.decode, "-") == 0) {
        status = decode_stdin(&options, tokenizer, &err);
    } else if (options.decode) {
        status = decode(&options, tokenizer, options.decode, &err);
    } else if (options.text) {
        status = encode(&options, tokenizer, options.text, strlen(options.text), &err);
    } else if (options.file) {
        status = ew_file_map_open(options.file, &map, &err);
        if (!status) status = encode(&options, tokenizer, (const char *)map.data, map.size, &err);
    } else {
        status = read_stdin(&input, &err);
        if (!status) status = encode(&options, tokenizer, input.data, input.size, &err);
    }
    if (!status && fflush(stdout) != 0)
        status = ew_error_errno(&err, EW_ERR_IO, errno, "standard output: cannot write");
done:
    free(input.data);
    ew_file_map_close(&map);
    ew_tokenizer_close(&tokenizer);
    ew_gguf_close(&gguf);
    return status ? ew_cli_fail(&err) : EW_EXIT_OK;
}
