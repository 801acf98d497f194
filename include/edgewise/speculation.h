/* Speculation without a second model: prompt lookup drafts the tokens that followed where the last few stood before in
 * the context, and one pass evaluates them together with the newest token. A session whose parameters ask for it does
 * so inside ew_session_decode; callers go on token by token. Every token is chosen from the same logits, to the bit, as
 * without drafts, so the text is the same for greedy choice and for every sampler and seed.
 *
 * Source: speculative decoding, arXiv 2211.17192; when and how many tokens: docs/run.md. */
#ifndef EDGEWISE_SPECULATION_H
#define EDGEWISE_SPECULATION_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ew_speculation {
    uint32_t most;     /* tokens drafted at once, at most; 0 = off */
    const char *off;   /* why it is off although it was asked for; NULL otherwise */
    uint64_t drafted;  /* tokens so far */
    uint64_t accepted; /* of them, that the caller went on with */
    uint64_t passes;   /* evaluations with drafted tokens */
};

/* Of a session, since it was opened. */
struct ew_speculation ew_session_speculation(const struct ew_session *session);

/* "off", "auto" or a number, as ew_session_params.n_draft has it; cut to the capacity. */
void ew_draft_print(uint32_t n_draft, char *buf, size_t capacity);
/* false: text is no such word and no number of 1 to 15; *n_draft is as before. */
bool ew_draft_parse(const char *text, uint32_t *n_draft);

#ifdef __cplusplus
}
#endif

#endif
