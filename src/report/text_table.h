/* Tables and paragraphs for a terminal, and the same tables as Markdown. Text from a store is cleaned of control
 * characters here, so that a model's name cannot drive the terminal. */
#ifndef EW_REPORT_TEXT_TABLE_H
#define EW_REPORT_TEXT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ew_text_style {
    size_t width; /* columns of the terminal; 0 = do not fold */
    bool colour;  /* bold heads, dim intervals */
};

struct ew_text_column {
    const char *head, *unit; /* unit may be NULL */
    bool is_number;          /* right-aligned */
    bool is_key;             /* repeated on the left of every part of a folded table */
};

struct ew_text_table;

/* columns [n] is copied, its strings are not. NULL when out of memory. */
struct ew_text_table *ew_text_table_open(const struct ew_text_column *columns, size_t n);
void ew_text_table_close(struct ew_text_table **table);

/* Cells are added from left to right, row by row. tail (NULL: none) is what follows a number, "± 0.4"; numbers align
 * before it. Both are copied. Out of memory is remembered and reported by the print functions. */
void ew_text_table_add(struct ew_text_table *table, const char *value, const char *tail);

/* Wide tables are folded into parts that each begin with the key columns. false: out of memory, nothing printed. */
bool ew_text_table_print(const struct ew_text_table *table, FILE *out, const struct ew_text_style *style);
bool ew_text_table_print_markdown(const struct ew_text_table *table, FILE *out);

/* "head" in a column of indent characters, then text, wrapped at the style's width with a hanging indent. head may be
 * "". */
void ew_text_paragraph(FILE *out, const struct ew_text_style *style, size_t indent, const char *head, const char *text);

/* A copy without control characters and broken UTF-8 (each becomes U+FFFD). The caller's: free(). */
char *ew_text_clean(const char *text);

/* Columns that a terminal needs for cleaned text. */
size_t ew_text_width(const char *text);

#endif
