/* A reference run: what one model thought of every scored token of a text, kept in a file, so that other models (its
 * quantized forms) can be held against it one after the other without running it again.
 *
 * Each row holds the log-probability of every token of the vocabulary as a 16-bit step between the row's smallest and
 * largest (error at most 1/131070 of that span, about 2e-4), its most likely token and the exact log-probability of the
 * token that came next; rows are compressed window by window. docs/eval.md describes the file byte by byte. */
#ifndef EW_QUALITY_REFERENCE_RUN_H
#define EW_QUALITY_REFERENCE_RUN_H

#include "quality/text_score.h"

/* What a run was about. Two runs are comparable where everything but the model's name is equal. */
struct ew_reference_key {
    uint32_t n_vocab, n_ctx, stride;
    uint64_t n_windows;
    uint64_t text_hash; /* of the token ids that the windows use */
    char model[128];
};

/* The key of a walk; model: the name to keep, cut where it is too long. */
void ew_reference_key_of(const struct ew_text_score *score, const char *model, struct ew_reference_key *out);

struct ew_reference_writer;

/* Writes beside `path` and takes its name in _finish only: a run that was stopped leaves nothing behind under it.
 * Errors: IO, MEMORY. On success *out is owned by the caller: _finish or _abandon. */
enum ew_status ew_reference_writer_open(const char *path, const struct ew_reference_key *key,
                                        struct ew_reference_writer **out, struct ew_error *err);
enum ew_status ew_reference_writer_add(struct ew_reference_writer *w, const struct ew_scored_rows *rows,
                                       struct ew_error *err);
/* Closes and frees in any case. */
enum ew_status ew_reference_writer_finish(struct ew_reference_writer **w, struct ew_error *err);
void ew_reference_writer_abandon(struct ew_reference_writer **w); /* NULL and *NULL are fine */

struct ew_reference_reader;

/* Errors: NOT_FOUND, IO, FORMAT (no such file, cut short, damaged; names what). */
enum ew_status ew_reference_reader_open(const char *path, struct ew_reference_reader **out, struct ew_error *err);
void ew_reference_reader_close(struct ew_reference_reader **r);
const struct ew_reference_key *ew_reference_reader_key(const struct ew_reference_reader *r);
uint64_t ew_reference_reader_bytes(const struct ew_reference_reader *r); /* of the file */

/* ARGUMENT, naming the first difference, unless a walk with this key can be held against the run. */
enum ew_status ew_reference_reader_matches(const struct ew_reference_reader *r, const struct ew_reference_key *key,
                                           struct ew_error *err);

struct ew_reference_row {
    float low, step;      /* log-probability of token i: low + step * code[i] */
    const uint16_t *code; /* [n_vocab] */
    float log_p_next;     /* of the token that came next */
    int32_t top;          /* the most likely token */
};

/* The next row; valid until the next call. Errors: FORMAT (damaged, or no row is left), MEMORY. */
enum ew_status ew_reference_reader_next(struct ew_reference_reader *r, struct ew_reference_row *out,
                                        struct ew_error *err);

#endif
