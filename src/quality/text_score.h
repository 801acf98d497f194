/* Walks over a text window by window and hands out the model's logits before each scored token. What is made of them is
 * the matter of whoever listens: perplexity.h, divergence.h, reference_run.h. */
#ifndef EW_QUALITY_TEXT_SCORE_H
#define EW_QUALITY_TEXT_SCORE_H

#include "edgewise/session.h"
#include "quality/row_score.h"
#include "quality/text_windows.h"

/* A piece of a window. Valid during the call. */
struct ew_scored_rows {
    const float *logits;              /* [n][n_vocab] */
    const int32_t *next;              /* [n] which token really came next */
    const struct ew_row_score *score; /* [n] */
    size_t n;
    uint32_t n_vocab;
};

struct ew_text_score {
    struct ew_session *session; /* its context holds a window; emptied for each */
    uint32_t n_vocab;
    const int32_t *ids; /* [n_ids] the text, special tokens as the model's file asks for them */
    size_t n_ids;
    struct ew_text_windows windows;
    size_t max_windows; /* 0 = all */
    /* The token at the start of every window, instead of what stands there: the first of ids where the model's file
     * asks for a begin-of-text token; -1 = none. */
    int32_t bos;
    bool whole;       /* the last token of a window, which has nothing to predict, passes through the model, too */
    uint32_t threads; /* that work on rows of logits; at least 1 */
    /* Takes rows in the order of the text; anything but EW_OK ends the walk with that status. */
    enum ew_status (*take)(void *context, const struct ew_scored_rows *rows, struct ew_error *err);
    /* Called after each window; false ends the walk with EW_ERR_CANCELLED. May be NULL. */
    bool (*progress)(void *context, size_t done, size_t total);
    void *context; /* of both */
};

/* Windows that ew_text_score_run walks over. */
size_t ew_text_score_windows(const struct ew_text_score *score);

/* There is a window at least. Errors: MEMORY, CANCELLED, FORMAT (logits that are no numbers), those of the session and
 * of take. */
enum ew_status ew_text_score_run(const struct ew_text_score *score, struct ew_error *err);

#endif
