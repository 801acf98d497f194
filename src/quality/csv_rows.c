/* Owns the cutting of a CSV text into fields; csv_rows.h has the rules. */
#include "quality/csv_rows.h"

#include "base/error.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum ew_status ew_csv_open(const char *text, size_t n_bytes, struct ew_csv_rows *out, struct ew_error *err) {
    *out = (struct ew_csv_rows){.text = text, .n_bytes = n_bytes, .next_line = 1};
    out->room = malloc(n_bytes + EW_CSV_MOST_FIELDS);
    return out->room ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "rows of %zu bytes: out of memory", n_bytes);
}

void ew_csv_close(struct ew_csv_rows *rows) {
    free(rows->room);
    rows->room = NULL;
}

static enum ew_status refuse(const struct ew_csv_rows *c, const char *name, const char *rule, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s: line %u: field %u: %s", name, c->next_line, c->n_fields + 1, rule);
}

static bool at_line_end(const struct ew_csv_rows *c) {
    if (c->at == c->n_bytes || c->text[c->at] == '\n') return true;
    return c->text[c->at] == '\r' && c->at + 1 < c->n_bytes && c->text[c->at + 1] == '\n';
}

/* Behind the opening quote, up to behind the closing one. */
static enum ew_status quoted_field(struct ew_csv_rows *c, char **to, const char *name, struct ew_error *err) {
    for (c->at++;; c->at++) {
        if (c->at == c->n_bytes) return refuse(c, name, "the quote is not closed", err);
        char byte = c->text[c->at];
        if (byte == '"') {
            if (c->at + 1 == c->n_bytes || c->text[c->at + 1] != '"') break;
            c->at++;
        }
        c->next_line += byte == '\n';
        *(*to)++ = byte;
    }
    c->at++;
    if (at_line_end(c) || c->text[c->at] == ',') return EW_OK;
    return refuse(c, name, "text behind the closing quote", err);
}

static enum ew_status plain_field(struct ew_csv_rows *c, char **to, const char *name, struct ew_error *err) {
    for (; !at_line_end(c) && c->text[c->at] != ','; c->at++) {
        if (c->text[c->at] == '"') return refuse(c, name, "a quote inside a field that does not begin with one", err);
        *(*to)++ = c->text[c->at];
    }
    return EW_OK;
}

enum ew_status ew_csv_next(struct ew_csv_rows *c, const char *name, struct ew_error *err) {
    char *to = c->room;
    c->n_fields = 0;
    c->line = c->next_line;
    if (c->at == c->n_bytes) return EW_OK;
    for (bool more = true; more;) {
        if (c->n_fields == EW_CSV_MOST_FIELDS) return refuse(c, name, "more fields than 64 in a row", err);
        char *field = to;
        bool quoted = c->at < c->n_bytes && c->text[c->at] == '"';
        enum ew_status status = quoted ? quoted_field(c, &to, name, err) : plain_field(c, &to, name, err);
        if (status != EW_OK) return status;
        if (memchr(field, 0, (size_t)(to - field))) return refuse(c, name, "a NUL byte", err);
        *to++ = 0;
        c->field[c->n_fields++] = field;
        more = !at_line_end(c);
        if (more) c->at++;
    }
    if (c->at < c->n_bytes) {
        c->at += c->text[c->at] == '\r' ? 2 : 1;
        c->next_line++;
    }
    return EW_OK;
}
