/* Owns what lies between a draft and its end: which of its tokens the caller has taken, and what that says to the index
 * (draft_lookup.h) and to the pace (draft_pace.h). */
#include "engine/draft_pass.h"

#include "base/error.h"
#include <stdlib.h>

struct ew_draft_pass {
    struct ew_draft_lookup *lookup;
    struct ew_draft_pace pace;
    int32_t tokens[1 + EW_DRAFT_MOST]; /* [n_begun] of the latest pass; the first is no draft */
    uint32_t n_begun;
    uint32_t n;       /* of them, while drafts may still be taken; 0: none may */
    uint32_t n_taken; /* of n, the first included */
    uint32_t matched;
    int64_t ns;
    uint64_t drafted, accepted, passes;
};

size_t ew_draft_pass_bytes(uint32_t n_ctx) { return sizeof(struct ew_draft_pass) + ew_draft_lookup_bytes(n_ctx); }

enum ew_status ew_draft_pass_open(uint32_t n_ctx, uint32_t most, bool always, struct ew_draft_pass **out,
                                  struct ew_error *err) {
    struct ew_draft_pass *p = calloc(1, sizeof *p);
    if (!p) return ew_error_set(err, EW_ERR_MEMORY, "speculation: out of memory");
    ew_draft_pace_begin(&p->pace, most, always);
    enum ew_status status = ew_draft_lookup_open(n_ctx, &p->lookup, err);
    if (status != EW_OK) {
        ew_draft_pass_close(&p);
        return status;
    }
    *out = p;
    return EW_OK;
}

void ew_draft_pass_close(struct ew_draft_pass **pass) {
    if (!pass || !*pass) return;
    ew_draft_lookup_close(&(*pass)->lookup);
    free(*pass);
    *pass = NULL;
}

/* No more of the drafts will be taken. failed: because another token came in the place of one. */
static void settle(struct ew_draft_pass *p, bool failed) {
    if (p->n > 1) ew_draft_pace_note_pass(&p->pace, p->matched, p->n - 1, p->n_taken - 1, failed, p->ns);
    p->n = 0;
}

void ew_draft_pass_add(struct ew_draft_pass *p, const int32_t *ids, size_t n) {
    settle(p, false);
    for (size_t i = 0; i < n; i++) ew_draft_lookup_add(p->lookup, ids[i]);
}

void ew_draft_pass_keep(struct ew_draft_pass *p, uint32_t n_tokens) {
    settle(p, false);
    ew_draft_lookup_keep(p->lookup, n_tokens);
    if (n_tokens == 0) ew_draft_pace_renew(&p->pace);
}

uint32_t ew_draft_pass_claim(struct ew_draft_pass *p, int32_t id) {
    if (p->n == 0) return 0;
    if (p->tokens[p->n_taken] != id) {
        settle(p, true);
        return 0;
    }
    uint32_t row = p->n_taken++;
    p->accepted++;
    ew_draft_lookup_add(p->lookup, id);
    if (p->n_taken == p->n) settle(p, false);
    return row;
}

uint32_t ew_draft_pass_begin(struct ew_draft_pass *p, int32_t id, uint32_t room, const int32_t **tokens) {
    uint32_t most = room - 1 < p->pace.most ? room - 1 : p->pace.most;
    ew_draft_lookup_add(p->lookup, id);
    p->tokens[0] = id;
    p->n_begun = 1;
    uint32_t found = ew_draft_lookup_find(p->lookup, most, p->tokens + 1, &p->matched);
    if (found > 0) p->n_begun += ew_draft_pace_choose(&p->pace, p->matched, found);
    *tokens = p->tokens;
    return p->n_begun;
}

void ew_draft_pass_end(struct ew_draft_pass *p, int64_t ns) {
    if (p->n_begun == 1) {
        ew_draft_pace_note_step(&p->pace, ns);
        return;
    }
    p->n = p->n_begun;
    p->n_taken = 1;
    p->ns = ns;
    p->passes++;
    p->drafted += p->n - 1;
}

void ew_draft_pass_count(const struct ew_draft_pass *p, struct ew_speculation *out) {
    out->drafted = p->drafted;
    out->accepted = p->accepted;
    out->passes = p->passes;
}
