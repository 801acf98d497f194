/* How many tokens to draft: as many as pay, and none where drafting loses. Knows no clock and no tokens, only how long
 * passes took and how many drafted tokens came true; docs/run.md has the rule for users.
 *
 *   t        running mean of the time of a step of one token
 *   c(w)     running mean of the time of a pass over w tokens, in steps; c(1) = 1
 *   a        share of drafted tokens that came true, of those whose turn came; apart for each length of match
 *   E(k)     = 1 + a + a² + … + a^k: tokens that a pass with k drafted ones is expected to give
 *
 * k is the one with the largest E(k) / c(1 + k). It is drafted where that is above 1.02 steps' worth. Where it is not,
 * matches of this length pause for 32 tokens, then try again; each try that does not lead above doubles the pause, up
 * to 4096. What came true before a pause counts little after it. Besides, nothing is drafted while what drafting has
 * lost so far (time of passes minus t for each token that they gave) is more than 1 % of all time and two steps. Source
 * of E(k): speculative decoding, arXiv 2211.17192. */
#ifndef EW_ENGINE_DRAFT_PACE_H
#define EW_ENGINE_DRAFT_PACE_H

#include "engine/draft_lookup.h"
#include <stdbool.h>

/* Most tokens that are drafted at once. */
enum { EW_DRAFT_MOST = 15, EW_DRAFT_MATCHES = EW_DRAFT_LONGEST_MATCH - EW_DRAFT_SHORTEST_MATCH + 1 };

/* A running mean: of all values at first, later with a memory of a few. */
struct ew_draft_mean {
    double value;
    uint32_t n; /* 0: nothing yet */
};

/* What is known of matches of one length. */
struct ew_draft_match {
    double came_true, judged; /* drafted tokens, older ones counting less */
    uint64_t resume_at;       /* pauses until so many tokens are there */
    uint32_t pause;           /* tokens; 0: no pause since drafting last paid */
};

struct ew_draft_pace {
    bool always; /* draft `most` whatever it costs */
    uint32_t most;
    struct ew_draft_mean step_ns;
    struct ew_draft_mean cost[EW_DRAFT_MOST + 2]; /* [tokens of a pass], in steps; from 2 on */
    struct ew_draft_match match[EW_DRAFT_MATCHES];
    uint64_t n_tokens;
    double spent_ns, lost_ns;
};

/* most: 1 … EW_DRAFT_MOST. */
void ew_draft_pace_begin(struct ew_draft_pace *pace, uint32_t most, bool always);

/* Another text: what came true in the last one says nothing of it. What passes cost stays known. */
void ew_draft_pace_renew(struct ew_draft_pace *pace);

/* How many of n_found tokens to draft after a match of so many tokens: 0 … n_found. */
uint32_t ew_draft_pace_choose(struct ew_draft_pace *pace, uint32_t matched, uint32_t n_found);

/* A step of one token took so long. */
void ew_draft_pace_note_step(struct ew_draft_pace *pace, int64_t ns);

/* A pass over one token and n_drafted more took so long; of these n_true came true. failed: the next one did not;
 * otherwise its turn never came. */
void ew_draft_pace_note_pass(struct ew_draft_pace *pace, uint32_t matched, uint32_t n_drafted, uint32_t n_true,
                             bool failed, int64_t ns);

#endif
