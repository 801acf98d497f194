/* Owns alignment, folding and cleaning of terminal text. What goes into the tables: terminal_report.c. */
#include "report/text_table.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

/* Decodes one code point at *text and moves on; U+FFFD for a broken sequence, which is one byte long then. */
static uint32_t next_point(const char **text) {
    const unsigned char *s = (const unsigned char *)*text;
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    int n = s[0] < 0x80 ? 1 : (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;
    uint32_t point = n == 1 ? s[0] : n ? s[0] & (0x7fu >> n) : 0xfffd;
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            n = 0;
            break;
        }
        point = point << 6 | (s[i] & 0x3f);
    }
    if (!n || point < least[n] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) {
        *text += 1;
        return 0xfffd;
    }
    *text += n;
    return point;
}

/* Control characters, and those that turn the direction of text around. */
static bool is_unsafe(uint32_t p) {
    return p < 0x20 || (p >= 0x7f && p < 0xa0) || (p >= 0x200b && p <= 0x200f) || (p >= 0x2028 && p <= 0x202e) ||
           (p >= 0x2066 && p <= 0x2069) || p == 0xfffd || p == 0xfeff;
}

char *ew_text_clean(const char *text) {
    size_t n = strlen(text);
    char *out = malloc(3 * n + 1), *o = out;
    if (!out) return NULL;
    while (*text) {
        const char *start = text;
        uint32_t p = next_point(&text);
        if (p == '\n' || p == '\t') {
            *o++ = ' ';
        } else if (is_unsafe(p)) {
            memcpy(o, "\xef\xbf\xbd", 3);
            o += 3;
        } else {
            memcpy(o, start, (size_t)(text - start));
            o += text - start;
        }
    }
    *o = 0;
    return out;
}

/* Wide: Hangul, CJK, full-width forms, emoji. Zero: combining marks. Source: UAX #11, the common ranges. */
static size_t point_width(uint32_t p) {
    if ((p >= 0x300 && p <= 0x36f) || (p >= 0xfe00 && p <= 0xfe0f)) return 0;
    if ((p >= 0x1100 && p <= 0x115f) || (p >= 0x2e80 && p <= 0xa4cf) || (p >= 0xac00 && p <= 0xd7a3) ||
        (p >= 0xf900 && p <= 0xfaff) || (p >= 0xff00 && p <= 0xff60) || (p >= 0x1f300 && p <= 0x1faff) ||
        (p >= 0x20000 && p <= 0x3fffd))
        return 2;
    return 1;
}

size_t ew_text_width(const char *text) {
    size_t width = 0;
    while (*text) width += point_width(next_point(&text));
    return width;
}

static void spaces(FILE *out, size_t n) { fprintf(out, "%*s", (int)n, ""); }

void ew_text_paragraph(FILE *out, const struct ew_text_style *style, size_t indent, const char *head,
                       const char *text) {
    char *clean = ew_text_clean(text);
    if (!clean) return;
    size_t used = ew_text_width(head), limit = style->width > indent + 20 ? style->width : SIZE_MAX;
    fprintf(out, style->colour && *head ? "\033[1m%s\033[0m" : "%s", head);
    if (used + 1 > indent && *head) {
        fputc('\n', out);
        used = 0;
    }
    spaces(out, indent - (used < indent ? used : indent));
    size_t column = indent;
    bool first = true;
    for (char *word = strtok(clean, " "); word; word = strtok(NULL, " ")) {
        size_t width = ew_text_width(word);
        if (!first && column + 1 + width > limit) {
            fputc('\n', out);
            spaces(out, indent);
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fputs(word, out);
        column += width;
        first = false;
    }
    fputc('\n', out);
    free(clean);
}

/* ---- tables ---- */

struct cell {
    char *value, *tail; /* tail NULL: none */
};

struct ew_text_table {
    struct ew_text_column *columns;
    size_t n_columns;
    struct cell *cells; /* row by row */
    size_t n_cells, capacity;
    bool broken; /* out of memory on the way */
};

struct ew_text_table *ew_text_table_open(const struct ew_text_column *columns, size_t n) {
    struct ew_text_table *table = calloc(1, sizeof *table);
    if (table) table->columns = calloc(n, sizeof *columns);
    if (!table || !table->columns) {
        free(table);
        return NULL;
    }
    memcpy(table->columns, columns, n * sizeof *columns);
    table->n_columns = n;
    return table;
}

void ew_text_table_close(struct ew_text_table **table) {
    if (!*table) return;
    for (size_t i = 0; i < (*table)->n_cells; i++) {
        free((*table)->cells[i].value);
        free((*table)->cells[i].tail);
    }
    free((*table)->cells);
    free((*table)->columns);
    free(*table);
    *table = NULL;
}

void ew_text_table_add(struct ew_text_table *table, const char *value, const char *tail) {
    if (table->n_cells == table->capacity) {
        size_t capacity = 2 * table->capacity + 64;
        struct cell *cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->broken = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    struct cell cell = {ew_text_clean(value ? value : "–"), tail && *tail ? ew_text_clean(tail) : NULL};
    table->broken |= !cell.value || (tail && *tail && !cell.tail);
    table->cells[table->n_cells++] = cell;
}

struct widths {
    size_t value, tail, head;
};

static size_t n_rows(const struct ew_text_table *table) { return table->n_cells / table->n_columns; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t total(const struct widths *w) { return larger(w->head, w->value + (w->tail ? w->tail + 1 : 0)); }

static struct widths measure(const struct ew_text_table *table, size_t column) {
    const struct ew_text_column *c = &table->columns[column];
    struct widths w = {.head = larger(ew_text_width(c->head), c->unit ? ew_text_width(c->unit) : 0)};
    for (size_t r = 0; r < n_rows(table); r++) {
        const struct cell *cell = &table->cells[r * table->n_columns + column];
        w.value = larger(w.value, ew_text_width(cell->value));
        if (cell->tail) w.tail = larger(w.tail, ew_text_width(cell->tail));
    }
    return w;
}

static void print_text(FILE *out, const struct ew_text_style *style, const char *text, size_t width, bool right,
                       const char *escape) {
    size_t used = ew_text_width(text), pad = width > used ? width - used : 0;
    if (right) spaces(out, pad);
    fprintf(out, style->colour && *escape && *text ? "%s%s\033[0m" : "%.0s%s", escape, text);
    if (!right) spaces(out, pad);
}

static void print_cell(FILE *out, const struct ew_text_style *style, const struct ew_text_column *column,
                       const struct cell *cell, const struct widths *w, bool is_last) {
    size_t all = total(w);
    if (!column->is_number) {
        print_text(out, style, cell->value, is_last ? 0 : all, false, "");
        return;
    }
    size_t tail = w->tail ? w->tail + 1 : 0;
    print_text(out, style, cell->value, all - tail, true, "");
    if (!tail) return;
    fputc(' ', out);
    print_text(out, style, cell->tail ? cell->tail : "", w->tail, false, "\033[2m");
}

/* One part of a folded table: the columns whose flag is set. Nothing is padded at the end of a line. */
static void print_part(const struct ew_text_table *table, FILE *out, const struct ew_text_style *style,
                       const bool *shown, const struct widths *widths) {
    bool units = false;
    size_t last = 0;
    for (size_t c = 0; c < table->n_columns; c++) {
        units |= shown[c] && table->columns[c].unit;
        if (shown[c]) last = c;
    }
    for (size_t line = 0; line < (units ? 2u : 1u); line++) {
        const char *gap = "";
        for (size_t c = 0; c < table->n_columns; c++) {
            const struct ew_text_column *column = &table->columns[c];
            if (!shown[c]) continue;
            const char *text = line == 0 ? column->head : column->unit ? column->unit : "";
            fputs(gap, out);
            print_text(out, style, text, c == last && !column->is_number ? 0 : total(&widths[c]), column->is_number,
                       line ? "\033[2m" : "\033[1m");
            gap = "  ";
        }
        fputc('\n', out);
    }
    for (size_t r = 0; r < n_rows(table); r++) {
        const char *gap = "";
        for (size_t c = 0; c < table->n_columns; c++) {
            if (!shown[c]) continue;
            fputs(gap, out);
            print_cell(out, style, &table->columns[c], &table->cells[r * table->n_columns + c], &widths[c], c == last);
            gap = "  ";
        }
        fputc('\n', out);
    }
}

bool ew_text_table_print(const struct ew_text_table *table, FILE *out, const struct ew_text_style *style) {
    bool *shown = calloc(table->n_columns, sizeof *shown);
    struct widths *widths = calloc(table->n_columns, sizeof *widths);
    bool ok = shown && widths && !table->broken;
    size_t keys = 0;
    for (size_t c = 0; c < table->n_columns && ok; c++) {
        widths[c] = measure(table, c);
        if (table->columns[c].is_key) keys += total(&widths[c]) + 2;
    }
    for (size_t c = 0; c < table->n_columns && ok;) {
        size_t used = keys, taken = 0;
        for (size_t k = 0; k < table->n_columns; k++) shown[k] = table->columns[k].is_key;
        for (; c < table->n_columns; c++) {
            if (table->columns[c].is_key) continue;
            size_t need = total(&widths[c]) + 2;
            if (taken && style->width && used + need > style->width + 2) break;
            used += need;
            shown[c] = true;
            taken++;
        }
        if (taken || c < table->n_columns || keys) print_part(table, out, style, shown, widths);
        if (c < table->n_columns) fputc('\n', out);
    }
    free(shown);
    free(widths);
    return ok;
}

static void print_escaped(FILE *out, const char *text) {
    for (; *text; text++) {
        if (*text == '<') {
            fputs("&lt;", out);
            continue;
        }
        if (strchr("\\|`*_[]", *text)) fputc('\\', out);
        fputc(*text, out);
    }
}

bool ew_text_table_print_markdown(const struct ew_text_table *table, FILE *out) {
    if (table->broken) return false;
    for (size_t c = 0; c < table->n_columns; c++) {
        fputs(c ? " " : "| ", out);
        print_escaped(out, table->columns[c].head);
        if (table->columns[c].unit) fprintf(out, ", %s", table->columns[c].unit);
        fputs(" |", out);
    }
    fputs("\n|", out);
    for (size_t c = 0; c < table->n_columns; c++) fputs(table->columns[c].is_number ? "--:|" : "---|", out);
    fputc('\n', out);
    for (size_t r = 0; r < n_rows(table); r++) {
        for (size_t c = 0; c < table->n_columns; c++) {
            const struct cell *cell = &table->cells[r * table->n_columns + c];
            fputs(c ? " " : "| ", out);
            print_escaped(out, cell->value);
            if (cell->tail) {
                fputc(' ', out);
                print_escaped(out, cell->tail);
            }
            fputs(" |", out);
        }
        fputc('\n', out);
    }
    return true;
}
