/* Prompt lookup: the tokens of a context, indexed so that the place where its last few stood before is found at once.
 * What followed there is a guess at what follows now: often right in code, quotations, lists and repetitions.
 *
 * Sources: lossless copying from a reference text, arXiv 2304.04487; prompt lookup decoding, A. Saxena 2023. */
#ifndef EW_ENGINE_DRAFT_LOOKUP_H
#define EW_ENGINE_DRAFT_LOOKUP_H

#include "edgewise/status.h"
#include <stddef.h>
#include <stdint.h>

/* How many tokens must agree with the context's last ones, and how many are looked at. */
enum { EW_DRAFT_SHORTEST_MATCH = 2, EW_DRAFT_LONGEST_MATCH = 4 };

struct ew_draft_lookup;

/* What open takes for a context of n_ctx tokens: 8 bytes a token and 4 for each slot of the index. */
size_t ew_draft_lookup_bytes(uint32_t n_ctx);

/* An empty context. Everything is allocated here. Errors: MEMORY. */
enum ew_status ew_draft_lookup_open(uint32_t n_ctx, struct ew_draft_lookup **out, struct ew_error *err);
void ew_draft_lookup_close(struct ew_draft_lookup **lookup);

/* Appends a token; there is room for it. */
void ew_draft_lookup_add(struct ew_draft_lookup *lookup, int32_t id);
/* Keeps the first n_tokens, at most as many as there are, as if the others had never been added. */
void ew_draft_lookup_keep(struct ew_draft_lookup *lookup, uint32_t n_tokens);
uint32_t ew_draft_lookup_n_tokens(const struct ew_draft_lookup *lookup);

/* What followed the latest of the longest matches: `most` tokens into draft, or 0 where there is no match. A match that
 * reaches up to the end goes on with what it has drafted, so a repetition is repeated. *matched: how many tokens agree,
 * EW_DRAFT_SHORTEST_MATCH … EW_DRAFT_LONGEST_MATCH. */
uint32_t ew_draft_lookup_find(const struct ew_draft_lookup *lookup, uint32_t most, int32_t *draft, uint32_t *matched);

#endif
