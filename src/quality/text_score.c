/* Owns the walk over a text: windows through a session, a slice of logits at a time. */
#include "quality/text_score.h"

#include "base/error.h"
#include "base/thread_pool.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>

struct walk {
    const struct ew_text_score *score;
    struct ew_thread_pool *pool;
    int32_t *window;           /* [n_ctx] */
    float *logits;             /* [slice][n_vocab] */
    struct ew_row_score *rows; /* [slice] */
    size_t slice;
};

/* Tokens [from, from + n) of the window through the model, their rows to the listener. */
static enum ew_status take_slice(struct walk *w, size_t from, size_t n, struct ew_error *err) {
    const struct ew_text_score *s = w->score;
    enum ew_status status = ew_session_prefill_logits(s->session, w->window + from, n, w->logits, err);
    if (status != EW_OK) return status;
    const int32_t *next = w->window + from + 1;
    ew_row_score_all(w->pool, s->threads, w->logits, s->n_vocab, next, n, w->rows);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(w->rows[i].log_sum))
            return ew_error_set(err, EW_ERR_FORMAT, "the model's logits are not finite numbers; is the file damaged?");
    return s->take(
        s->context,
        &(struct ew_scored_rows){.logits = w->logits, .next = next, .score = w->rows, .n = n, .n_vocab = s->n_vocab},
        err);
}

static enum ew_status walk_window(struct walk *w, struct ew_text_window at, struct ew_error *err) {
    const struct ew_text_score *s = w->score;
    uint32_t n_ctx = s->windows.n_ctx;
    for (uint32_t i = 0; i < n_ctx; i++) w->window[i] = s->ids[at.begin + i];
    if (s->bos >= 0) w->window[0] = s->bos;
    ew_session_reset(s->session);
    enum ew_status status = EW_OK;
    if (at.first > 0) status = ew_session_prefill(s->session, w->window, at.first, err);
    /* The last token of a window has nothing to predict. */
    for (size_t from = at.first; from + 1 < n_ctx && status == EW_OK; from += w->slice) {
        size_t left = n_ctx - 1 - from;
        status = take_slice(w, from, left < w->slice ? left : w->slice, err);
    }
    if (status == EW_OK && s->whole) status = ew_session_prefill(s->session, w->window + n_ctx - 1, 1, err);
    return status;
}

size_t ew_text_score_windows(const struct ew_text_score *s) {
    size_t n = ew_text_windows_count(&s->windows, s->n_ids);
    return s->max_windows > 0 && s->max_windows < n ? s->max_windows : n;
}

static enum ew_status walk_open(struct walk *w, const struct ew_text_score *score, struct ew_error *err) {
    size_t rows = ew_row_slice(score->n_vocab);
    *w = (struct walk){.score = score, .slice = rows};
    w->window = calloc(score->windows.n_ctx, sizeof *w->window);
    w->logits = calloc(rows, score->n_vocab * sizeof *w->logits);
    w->rows = calloc(rows, sizeof *w->rows);
    if (!w->window || !w->logits || !w->rows)
        return ew_error_set(err, EW_ERR_MEMORY, "%zu rows of %u logits: out of memory", rows, score->n_vocab);
    return ew_thread_pool_open(score->threads, NULL, 0, &w->pool, err);
}

static void walk_close(struct walk *w) {
    ew_thread_pool_close(&w->pool);
    free(w->rows);
    free(w->logits);
    free(w->window);
}

enum ew_status ew_text_score_run(const struct ew_text_score *s, struct ew_error *err) {
    size_t n = ew_text_score_windows(s);
    assert(n > 0);
    struct walk w;
    enum ew_status status = walk_open(&w, s, err);
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        status = walk_window(&w, ew_text_windows_at(&s->windows, i), err);
        if (status == EW_OK && s->progress && !s->progress(s->context, i + 1, n))
            status = ew_error_set(err, EW_ERR_CANCELLED, "stopped after %zu of %zu windows", i + 1, n);
    }
    walk_close(&w);
    return status;
}
