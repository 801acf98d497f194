/* Owns one answer: reuse of the context, prefill in steps that Ctrl-C can come between, and generation. */
#include "cli/reply.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "edgewise/speculation.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PIECE = 512 };

const char *ew_reply_end_name(enum ew_reply_end end) {
    static const char *const names[] = {"stop", "length", "context", "interrupted"};
    return names[end];
}

/* ---- prompt ---- */

/* Keeps the tokens that context and prompt begin with, all but one of the prompt at most: the last must be evaluated
 * for its logits. A context that cannot go back begins anew. */
static enum ew_status reuse(struct ew_replier *a, const int32_t *ids, size_t n, size_t *n_reused,
                            struct ew_error *err) {
    size_t same = 0;
    while (same < a->n_held && same + 1 < n && a->held[same] == ids[same]) same++;
    if (same < a->n_held) {
        enum ew_status status = ew_session_rewind(a->session, (uint32_t)same, err);
        if (status == EW_ERR_UNSUPPORTED) {
            ew_session_reset(a->session);
            same = 0;
        } else if (status != EW_OK) {
            return status;
        }
    }
    a->n_held = *n_reused = same;
    return EW_OK;
}

/* Evaluates tokens and notes that the context holds them. */
static enum ew_status evaluate(struct ew_replier *a, const int32_t *ids, size_t n, struct ew_error *err) {
    enum ew_status status =
        n == 1 ? ew_session_decode(a->session, ids[0], err) : ew_session_prefill(a->session, ids, n, err);
    if (status != EW_OK) return status;
    memcpy(a->held + a->n_held, ids, n * sizeof *ids);
    a->n_held += n;
    return EW_OK;
}

static enum ew_status prefill(struct ew_replier *a, const int32_t *ids, size_t n, struct ew_reply *answer,
                              struct ew_error *err) {
    const size_t step = ew_session_params_of(a->session).n_batch;
    enum ew_status status = reuse(a, ids, n, &answer->n_reused, err);
    for (size_t at = answer->n_reused; at < n && status == EW_OK && !ew_interrupt_pending();) {
        size_t count = n - at < step ? n - at : step;
        status = evaluate(a, ids + at, count, err);
        for (size_t i = 0; i < count; i++) ew_sampler_accept(a->sampler, ids[at + i]);
        at += count;
    }
    answer->prefill_ns = ew_clock_now_ns() - answer->begin_ns;
    return status;
}

/* ---- text ---- */

/* How much of the text's end may be the beginning of the stop text; all of it when it is there: then *stopped. */
static size_t withheld(const struct ew_reply *answer, const char *stop, bool *stopped) {
    size_t n_stop = stop ? strlen(stop) : 0;
    for (size_t n = n_stop < answer->n_text ? n_stop : answer->n_text; n > 0; n--)
        if (memcmp(answer->text + answer->n_text - n, stop, n) == 0) {
            *stopped = n == n_stop;
            return n;
        }
    return 0;
}

static bool append(struct ew_reply *answer, const char *piece, size_t n) {
    if (answer->n_text + n >= answer->text_capacity) {
        size_t capacity = (answer->text_capacity + n) * 2 + 256;
        char *text = realloc(answer->text, capacity);
        if (!text) return false;
        answer->text = text;
        answer->text_capacity = capacity;
    }
    memcpy(answer->text + answer->n_text, piece, n);
    answer->n_text += n;
    answer->text[answer->n_text] = 0;
    return true;
}

/* Adds a token's bytes, one by one as far as a stop text allows, and shows what is certain. */
static bool add_token(struct ew_replier *a, struct ew_reply *answer, int32_t id, size_t *shown, bool *stopped) {
    char piece[MOST_PIECE];
    const char *stop = ew_conversation_stop(a->conversation);
    size_t n = ew_model_token_bytes(a->model, id, false, piece, sizeof piece), held_back = 0;
    if (n > sizeof piece) n = sizeof piece;
    for (size_t i = 0; i < n && !*stopped; i++) {
        if (!append(answer, piece + i, 1)) return false;
        held_back = withheld(answer, stop, stopped);
    }
    if (n == 0) held_back = withheld(answer, stop, stopped);
    if (*stopped) answer->text[answer->n_text -= held_back] = 0;
    size_t certain = *stopped ? answer->n_text : answer->n_text - held_back;
    if (a->show && certain > *shown) a->show(answer->text + *shown, certain - *shown, a->context);
    *shown = certain > *shown ? certain : *shown;
    return true;
}

/* ---- generation ---- */

static enum ew_status generate(struct ew_replier *a, struct ew_reply *answer, struct ew_error *err) {
    const uint32_t n_ctx = ew_session_params_of(a->session).n_ctx;
    size_t shown = 0;
    int64_t first = 0;
    bool stopped = false;
    enum ew_status status = EW_OK;
    while (status == EW_OK) {
        answer->end = EW_REPLY_INTERRUPTED;
        if (ew_interrupt_pending()) break;
        int32_t id = ew_sampler_sample(a->sampler, ew_session_logits(a->session));
        int64_t now = ew_clock_now_ns();
        if (answer->n_tokens++ == 0) {
            first = now;
            answer->first_token_ns = now - answer->begin_ns;
        }
        answer->decode_ns = now - first;
        answer->end = EW_REPLY_ENDED;
        if (ew_conversation_ends(a->conversation, id) && !a->ignore_end) break;
        if (!add_token(a, answer, id, &shown, &stopped))
            return ew_error_set(err, EW_ERR_MEMORY, "answer: out of memory");
        if (stopped) break;
        answer->end = EW_REPLY_LENGTH;
        if (answer->n_tokens == a->n_most) break;
        answer->end = EW_REPLY_CONTEXT;
        if (a->n_held == n_ctx) break;
        status = evaluate(a, &id, 1, err);
    }
    if (a->show && answer->n_text > shown) a->show(answer->text + shown, answer->n_text - shown, a->context);
    return status;
}

enum ew_status ew_reply_prompt(struct ew_replier *a, const int32_t *ids, size_t n, struct ew_reply *answer,
                               struct ew_error *err) {
    *answer = (struct ew_reply){.text = answer->text, .text_capacity = answer->text_capacity};
    if (!append(answer, "", 0)) return ew_error_set(err, EW_ERR_MEMORY, "answer: out of memory");
    answer->n_prompt = n;
    answer->begin_ns = ew_clock_now_ns();
    answer->end = EW_REPLY_INTERRUPTED;
    struct ew_speculation before = ew_session_speculation(a->session);
    enum ew_status status = prefill(a, ids, n, answer, err);
    if (status == EW_OK && a->n_held == n) status = generate(a, answer, err);
    answer->end_ns = ew_clock_now_ns();
    struct ew_speculation after = ew_session_speculation(a->session);
    answer->n_drafted = after.drafted - before.drafted;
    answer->n_accepted = after.accepted - before.accepted;
    return status;
}
