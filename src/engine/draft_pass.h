/* Decoding several tokens in one pass: a token, and after it those that prompt lookup drafts. The caller evaluates them
 * all and then goes on as ever, token by token: as long as it decodes what was drafted, its results are there already.
 * So whatever chooses tokens chooses from the same logits as without drafts, and chooses the same. */
#ifndef EW_ENGINE_DRAFT_PASS_H
#define EW_ENGINE_DRAFT_PASS_H

#include "edgewise/speculation.h"
#include "engine/draft_pace.h"

struct ew_draft_pass;

size_t ew_draft_pass_bytes(uint32_t n_ctx); /* that open takes */

/* For a context of n_ctx tokens, empty now. most: tokens drafted at once, 1 … EW_DRAFT_MOST; always: whatever it costs.
 * Errors: MEMORY. */
enum ew_status ew_draft_pass_open(uint32_t n_ctx, uint32_t most, bool always, struct ew_draft_pass **out,
                                  struct ew_error *err);
void ew_draft_pass_close(struct ew_draft_pass **pass);

/* The context got these tokens in another way, or keeps only its first n_tokens. What was drafted is forgotten. */
void ew_draft_pass_add(struct ew_draft_pass *pass, const int32_t *ids, size_t n);
void ew_draft_pass_keep(struct ew_draft_pass *pass, uint32_t n_tokens);

/* The next token of the context: where the last pass has evaluated it, its row in that pass (1 …); otherwise 0, and
 * begin and end are to follow. */
uint32_t ew_draft_pass_claim(struct ew_draft_pass *pass, int32_t id);

/* A pass that begins with the token: how many tokens to evaluate, 1 … room; *tokens lives until the next call. */
uint32_t ew_draft_pass_begin(struct ew_draft_pass *pass, int32_t id, uint32_t room, const int32_t **tokens);
/* It is done and took so long. Where it failed, ew_draft_pass_keep is called instead. */
void ew_draft_pass_end(struct ew_draft_pass *pass, int64_t ns);

/* drafted, accepted, passes. */
void ew_draft_pass_count(const struct ew_draft_pass *pass, struct ew_speculation *out);

#endif
