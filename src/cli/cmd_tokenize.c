/* edgewise tokenize: token ids of a text, or the text of token ids. Needs the tokenizer's metadata only, so files
 * without weights will do. */
#include "base/error.h"
#include "base/file_map.h"
#include "cli/command.h"
#include "token/tokenizer.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct ew_cli_common common;
    const char *model, *text, *file, *decode;
    bool no_bos, parse_special;
};

struct bytes {
    char *data;
    size_t size, capacity;
};

static const struct argp_option option_table[] = {
    {"file", 'f', "FILE", 0, "Take the text from FILE, byte by byte (default: TEXT, or standard input)", 0},
    {"no-bos", 1, 0, 0, "Add no BOS and EOS, whatever the file asks for", 0},
    {"parse-special", 2, 0, 0, "Let text such as <|eot_id|> name control tokens", 0},
    {"decode", 'd', "IDS", 0, "Turn ids such as 1,2,3 into text instead", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *options = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &options->common; return 0;
    case 'f': options->file = arg; return 0;
    case 1: options->no_bos = true; return 0;
    case 2: options->parse_special = true; return 0;
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

static enum ew_status append_piece(struct bytes *bytes, const struct ew_tokenizer *tokenizer, int32_t id, bool special,
                                   struct ew_error *err) {
    const size_t n = ew_tokenizer_token_bytes(tokenizer, id, special, NULL, 0);
    char small[256], *piece = n > sizeof small ? malloc(n) : small;
    if (!piece) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for a piece of %zu bytes", n);
    ew_tokenizer_token_bytes(tokenizer, id, special, piece, n);
    enum ew_status status = append(bytes, piece, n, err);
    if (piece != small) free(piece);
    return status;
}

/* ---- printing ---- */

/* Bytes of the UTF-8 character at text; 0 where none starts. jansson takes no broken text, terminals show none. */
static size_t char_bytes(const unsigned char *text, size_t n) {
    const unsigned char c = text[0];
    const size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (size == 0 || size > n) return 0;
    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if ((c == 0xe0 && text[1] < 0xa0) || (c == 0xed && text[1] > 0x9f) || (c == 0xf0 && text[1] < 0x90) ||
        (c == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

static void print_escaped(const struct bytes *bytes) {
    const unsigned char *text = (const unsigned char *)bytes->data;
    for (size_t i = 0, size; i < bytes->size; i += size ? size : 1) {
        size = char_bytes(text + i, bytes->size - i);
        const bool c1 = size == 2 && text[i] == 0xc2 && text[i + 1] < 0xa0; /* control characters U+0080-U+009F */
        if (text[i] == '\n')
            fputs("\\n", stdout);
        else if (text[i] == '\t')
            fputs("\\t", stdout);
        else if (text[i] == '\r')
            fputs("\\r", stdout);
        else if (text[i] == '\\')
            fputs("\\\\", stdout);
        else if (size == 0 || text[i] < 0x20 || text[i] == 0x7f)
            printf("\\x%02x", text[i]);
        else if (c1)
            printf("\\u%04x", text[i + 1]);
        else
            fwrite(text + i, 1, size, stdout);
    }
}

static enum ew_status print_table(const struct ew_tokenizer *tokenizer, const int32_t *ids, size_t n,
                                  struct ew_error *err) {
    struct bytes piece = {0};
    enum ew_status status = EW_OK;
    printf("%8s  piece\n", "id");
    for (size_t i = 0; i < n && !status; i++) {
        piece.size = 0;
        status = append_piece(&piece, tokenizer, ids[i], true, err);
        if (status) break;
        printf("%8d  `", ids[i]);
        print_escaped(&piece);
        fputs("`\n", stdout);
    }
    if (!status) printf("%zu tokens\n", n);
    free(piece.data);
    return status;
}

/* Takes the reference. */
static enum ew_status print_json(const char *key, json_t *value, struct ew_error *err) {
    json_t *object = json_pack("{s:o}", key, value);
    const bool ok = object && json_dumpf(object, stdout, JSON_COMPACT) == 0;
    json_decref(object);
    if (!ok) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: cannot write JSON");
    putchar('\n');
    return EW_OK;
}

static enum ew_status print_json_ids(const int32_t *ids, size_t n, struct ew_error *err) {
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(list, json_integer(ids[i])) != 0) {
            json_decref(list);
            return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for %zu ids as JSON", n);
        }
    return print_json("ids", list, err);
}

static enum ew_status print_json_text(const struct bytes *text, struct ew_error *err) {
    struct bytes clean = {0};
    enum ew_status status = EW_OK;
    for (size_t i = 0, size; i < text->size && !status; i += size ? size : 1) {
        size = char_bytes((const unsigned char *)text->data + i, text->size - i);
        status = size ? append(&clean, text->data + i, size, err) : append(&clean, "\xef\xbf\xbd", 3, err);
    }
    if (!status) status = print_json("text", json_stringn(clean.data ? clean.data : "", clean.size), err);
    free(clean.data);
    return status;
}

/* ---- the two directions ---- */

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
    if (!status) status = options->common.json ? print_json_ids(ids, n, err) : print_table(tokenizer, ids, n, err);
    free(ids);
    return status;
}

static enum ew_status decode(const struct options *options, const struct ew_tokenizer *tokenizer,
                             struct ew_error *err) {
    struct bytes text = {0};
    enum ew_status status = EW_OK;
    for (const char *at = options->decode; *at && !status;) {
        char *end;
        errno = 0;
        const long id = strtol(at, &end, 10);
        if (end == at || errno || (*end && *end != ','))
            status = ew_error_set(err, EW_ERR_ARGUMENT, "--decode: `%.40s` is not a list of ids such as 1,2,3", at);
        else if (id < 0 || id >= (long)ew_tokenizer_n_vocab(tokenizer))
            status = ew_error_set(err, EW_ERR_ARGUMENT, "--decode: id %ld is outside the vocabulary (0-%u)", id,
                                  ew_tokenizer_n_vocab(tokenizer) - 1);
        else
            status = append_piece(&text, tokenizer, (int32_t)id, options->parse_special, err);
        at = *end ? end + 1 : end;
    }
    if (!status && text.size && text.data[0] == ' ' && ew_tokenizer_strips_first_space(tokenizer))
        memmove(text.data, text.data + 1, --text.size);
    if (!status && options->common.json)
        status = print_json_text(&text, err);
    else if (!status && text.size)
        fwrite(text.data, 1, text.size, stdout);
    if (!status && !options->common.json) putchar('\n');
    free(text.data);
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
    if (options.decode) {
        status = decode(&options, tokenizer, &err);
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
