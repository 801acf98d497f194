/* How edgewise tokenize shows tokens: as text with visible boundaries, as a table, as counts, as JSON. */
#ifndef EW_CLI_TOKENIZE_VIEW_H
#define EW_CLI_TOKENIZE_VIEW_H

#include "report/text_table.h"
#include "token/tokenizer.h"

struct ew_tokens_view {
    const struct ew_tokenizer *tokenizer;
    const int32_t *ids; /* [n] */
    size_t n;
    const char *text; /* what was tokenized, for the counts */
    size_t n_bytes;
};

/* The text with a line between tokens, then one row per token, then the counts. Errors: MEMORY. */
enum ew_status ew_tokens_print(const struct ew_tokens_view *view, const struct ew_text_style *style,
                               struct ew_error *err);
void ew_tokens_print_counts(const struct ew_tokens_view *view);
enum ew_status ew_tokens_print_json(const struct ew_tokens_view *view, struct ew_error *err);
enum ew_status ew_tokens_print_counts_json(const struct ew_tokens_view *view, struct ew_error *err);

/* {"text": …}; text is UTF-8. */
enum ew_status ew_tokens_print_text_json(const char *text, size_t n, struct ew_error *err);

#endif
