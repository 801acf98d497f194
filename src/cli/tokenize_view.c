/* Owns the looks of tokens. Whatever bytes a token has, a terminal gets printable characters only. */
#include "cli/tokenize_view.h"
#include "base/error.h"
#include "base/utf8.h"

#include <jansson.h>
#include <stdlib.h>

struct piece {
    char *data;
    size_t size, capacity;
};

static enum ew_status get_piece(const struct ew_tokens_view *view, size_t i, struct piece *piece,
                                struct ew_error *err) {
    piece->size = ew_tokenizer_token_bytes(view->tokenizer, view->ids[i], true, piece->data, piece->capacity);
    if (piece->size <= piece->capacity) return EW_OK;
    char *grown = realloc(piece->data, piece->size);
    if (!grown) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for a piece of %zu bytes", piece->size);
    piece->data = grown;
    piece->capacity = piece->size;
    ew_tokenizer_token_bytes(view->tokenizer, view->ids[i], true, piece->data, piece->capacity);
    return EW_OK;
}

static void print_escaped(const struct piece *piece) {
    const uint8_t *text = (const uint8_t *)piece->data;
    for (size_t i = 0, size; i < piece->size; i += size ? size : 1) {
        size = ew_utf8_char_bytes(text + i, piece->size - i);
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

static const char *kind_of(const struct ew_tokens_view *view, int32_t id) {
    static const char *const kinds[] = {
        [EW_TOKEN_UNDEFINED] = "",         [EW_TOKEN_NORMAL] = "",
        [EW_TOKEN_UNKNOWN] = "unknown",    [EW_TOKEN_CONTROL] = "control",
        [EW_TOKEN_USER_DEFINED] = "added", [EW_TOKEN_UNUSED] = "unused",
        [EW_TOKEN_BYTE] = "byte",
    };
    return ew_tokenizer_is_end(view->tokenizer, id) ? "end" : kinds[ew_tokenizer_token_type(view->tokenizer, id)];
}

static bool is_special(const struct ew_tokens_view *view, int32_t id) {
    const enum ew_token_type type = ew_tokenizer_token_type(view->tokenizer, id);
    return type == EW_TOKEN_CONTROL || type == EW_TOKEN_UNKNOWN || type == EW_TOKEN_USER_DEFINED;
}

/* Lines of the text stay lines; a token that is none of the text's is set in brackets. */
static enum ew_status print_boundaries(const struct ew_tokens_view *view, const struct ew_text_style *style,
                                       struct piece *piece, struct ew_error *err) {
    const char *const dim = style->colour ? "\033[2m" : "", *const mark = style->colour ? "\033[33m" : "",
                      *const plain = style->colour ? "\033[0m" : "";
    bool line_begins = true;
    for (size_t i = 0; i < view->n; i++) {
        enum ew_status status = get_piece(view, i, piece, err);
        if (status) return status;
        const bool special = is_special(view, view->ids[i]);
        if (!line_begins) printf("%s│%s", dim, plain);
        if (special) printf("%s[", mark);
        print_escaped(piece);
        if (special) printf("]%s", plain);
        line_begins = piece->size && piece->data[piece->size - 1] == '\n';
        if (line_begins) putchar('\n');
    }
    if (!line_begins) putchar('\n');
    return EW_OK;
}

static enum ew_status print_rows(const struct ew_tokens_view *view, struct piece *piece, struct ew_error *err) {
    printf("%8s  %-8s piece\n", "id", "kind");
    for (size_t i = 0; i < view->n; i++) {
        enum ew_status status = get_piece(view, i, piece, err);
        if (status) return status;
        printf("%8d  %-8s `", view->ids[i], kind_of(view, view->ids[i]));
        print_escaped(piece);
        fputs("`\n", stdout);
    }
    return EW_OK;
}

enum ew_status ew_tokens_print(const struct ew_tokens_view *view, const struct ew_text_style *style,
                               struct ew_error *err) {
    struct piece piece = {0};
    enum ew_status status = EW_OK;
    if (view->n) {
        status = print_boundaries(view, style, &piece, err);
        if (!status) putchar('\n');
        if (!status) status = print_rows(view, &piece, err);
    }
    if (!status) ew_tokens_print_counts(view);
    free(piece.data);
    return status;
}

/* What one U+FFFD would stand for counts as one character. */
static size_t count_characters(const struct ew_tokens_view *view) {
    size_t n = 0;
    bool whole;
    for (size_t at = 0; at < view->n_bytes; n++)
        at += ew_utf8_next((const uint8_t *)view->text + at, view->n_bytes - at, &whole);
    return n;
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

void ew_tokens_print_counts(const struct ew_tokens_view *view) {
    const size_t n_characters = count_characters(view);
    printf("%zu token%s, %zu character%s, %zu byte%s", view->n, plural(view->n), n_characters, plural(n_characters),
           view->n_bytes, plural(view->n_bytes));
    if (view->n) printf(", %.2f bytes per token", (double)view->n_bytes / (double)view->n);
    putchar('\n');
}

/* ---- JSON ---- */

/* Takes the reference. */
static enum ew_status print_object(json_t *object, struct ew_error *err) {
    const bool ok = object && json_dumpf(object, stdout, JSON_COMPACT) == 0;
    json_decref(object);
    if (!ok) return ew_error_set(err, EW_ERR_MEMORY, "tokenize: cannot write JSON");
    putchar('\n');
    return EW_OK;
}

enum ew_status ew_tokens_print_json(const struct ew_tokens_view *view, struct ew_error *err) {
    json_t *list = json_array();
    for (size_t i = 0; i < view->n; i++)
        if (json_array_append_new(list, json_integer(view->ids[i])) != 0) {
            json_decref(list);
            return ew_error_set(err, EW_ERR_MEMORY, "tokenize: no memory for %zu ids as JSON", view->n);
        }
    return print_object(json_pack("{s:o}", "ids", list), err);
}

enum ew_status ew_tokens_print_counts_json(const struct ew_tokens_view *view, struct ew_error *err) {
    return print_object(json_pack("{s:I, s:I, s:I}", "tokens", (json_int_t)view->n, "characters",
                                  (json_int_t)count_characters(view), "bytes", (json_int_t)view->n_bytes),
                        err);
}

enum ew_status ew_tokens_print_text_json(const char *text, size_t n, struct ew_error *err) {
    return print_object(json_pack("{s:o}", "text", json_stringn(n ? text : "", n)), err);
}
