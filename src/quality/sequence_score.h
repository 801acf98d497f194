/* Scores what follows a beginning: log-probabilities of the last tokens of a sequence. What a sequence has in common
 * with the one before stays in the context and is not computed again (a header of examples, an item's question), and
 * logits are made only for the tokens that are scored. A model that cannot go back in its context computes all anew. */
#ifndef EW_QUALITY_SEQUENCE_SCORE_H
#define EW_QUALITY_SEQUENCE_SCORE_H

#include "edgewise/session.h"
#include "quality/row_score.h"

struct ew_sequence_scorer;

/* session: stays the caller's, and is this scorer's alone until it is closed. threads: at least 1, that work on rows of
 * logits. Errors: MEMORY. */
enum ew_status ew_sequence_open(struct ew_session *session, uint32_t n_vocab, uint32_t threads,
                                struct ew_sequence_scorer **out, struct ew_error *err);
void ew_sequence_close(struct ew_sequence_scorer **scorer);

/* out[i]: of token ids[first + i] after those before it, for the tokens first … n - 1. 1 <= first < n, and n - 1 tokens
 * fit the context. Errors: FORMAT (logits that are no numbers), those of the session. */
enum ew_status ew_sequence_score(struct ew_sequence_scorer *scorer, const int32_t *ids, size_t n, size_t first,
                                 struct ew_row_score *out, struct ew_error *err);

/* The logits after ids[0..n), n >= 1; and after one token more. Valid until the next call. */
enum ew_status ew_sequence_begin(struct ew_sequence_scorer *scorer, const int32_t *ids, size_t n, const float **logits,
                                 struct ew_error *err);
enum ew_status ew_sequence_go_on(struct ew_sequence_scorer *scorer, int32_t id, const float **logits,
                                 struct ew_error *err);

/* Tokens that went through the model so far: what shared beginnings save shows in it. */
uint64_t ew_sequence_evaluated(const struct ew_sequence_scorer *scorer);

/* The begin-of-text token that the model's file asks for, or -1: what stands before a letter only when special tokens
 * are added. */
int32_t ew_sequence_bos(const struct ew_model *model);

#endif
