/* Owns what the context of a session holds, token by token, and the row of logits after a beginning that several
 * endings share: the first token of each is scored from it without another evaluation. */
#include "quality/sequence_score.h"

#include "base/error.h"
#include "base/thread_pool.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ew_sequence_scorer {
    struct ew_session *session;
    struct ew_thread_pool *pool;
    uint32_t n_vocab, n_ctx, threads;
    int32_t *held; /* [n_ctx] what the context holds */
    size_t n_held;
    float *row; /* [n_vocab] the logits after the first row_at of held; row_at 0: none */
    size_t row_at;
    float *rows; /* [slice][n_vocab] */
    size_t slice;
    uint64_t n_evaluated;
};

enum ew_status ew_sequence_open(struct ew_session *session, uint32_t n_vocab, uint32_t threads,
                                struct ew_sequence_scorer **out, struct ew_error *err) {
    struct ew_sequence_scorer *s = calloc(1, sizeof *s);
    if (!s) return ew_error_set(err, EW_ERR_MEMORY, "scorer: out of memory");
    *s = (struct ew_sequence_scorer){.session = session,
                                     .n_vocab = n_vocab,
                                     .n_ctx = ew_session_params_of(session).n_ctx,
                                     .threads = threads,
                                     .slice = ew_row_slice(n_vocab)};
    s->held = calloc(s->n_ctx, sizeof *s->held);
    s->row = calloc(n_vocab, sizeof *s->row);
    s->rows = calloc(s->slice, n_vocab * sizeof *s->rows);
    enum ew_status status = EW_OK;
    if (!s->held || !s->row || !s->rows)
        status = ew_error_set(err, EW_ERR_MEMORY, "%zu rows of %u logits: out of memory", s->slice, n_vocab);
    if (status == EW_OK) status = ew_thread_pool_open(threads, NULL, 0, &s->pool, err);
    ew_session_reset(session);
    if (status == EW_OK)
        *out = s;
    else
        ew_sequence_close(&s);
    return status;
}

void ew_sequence_close(struct ew_sequence_scorer **scorer) {
    if (!scorer || !*scorer) return;
    ew_thread_pool_close(&(*scorer)->pool);
    free((*scorer)->rows);
    free((*scorer)->row);
    free((*scorer)->held);
    free(*scorer);
    *scorer = NULL;
}

uint64_t ew_sequence_evaluated(const struct ew_sequence_scorer *s) { return s->n_evaluated; }

/* The context holds n tokens at most from now on: none where the model cannot go back. */
static enum ew_status go_back(struct ew_sequence_scorer *s, size_t n, struct ew_error *err) {
    if (s->n_held <= n) return EW_OK;
    enum ew_status status = ew_session_rewind(s->session, (uint32_t)n, err);
    if (status == EW_ERR_UNSUPPORTED) {
        ew_session_reset(s->session);
        n = 0;
        status = EW_OK;
    }
    if (status == EW_OK) s->n_held = n;
    return status;
}

static void note_held(struct ew_sequence_scorer *s, const int32_t *ids, size_t n) {
    memcpy(s->held + s->n_held, ids, n * sizeof *ids);
    s->n_held += n;
    s->n_evaluated += n;
}

/* What is held of ids[0..n) grows to all of it. */
static enum ew_status feed(struct ew_sequence_scorer *s, const int32_t *ids, size_t n, struct ew_error *err) {
    if (s->n_held >= n) return EW_OK;
    enum ew_status status = ew_session_prefill(s->session, ids + s->n_held, n - s->n_held, err);
    if (status == EW_OK) note_held(s, ids + s->n_held, n - s->n_held);
    return status;
}

static size_t common_length(const struct ew_sequence_scorer *s, const int32_t *ids, size_t n) {
    size_t most = n < s->n_held ? n : s->n_held, i = 0;
    while (i < most && s->held[i] == ids[i]) i++;
    return i;
}

enum ew_status ew_sequence_begin(struct ew_sequence_scorer *s, const int32_t *ids, size_t n, const float **logits,
                                 struct ew_error *err) {
    size_t common = common_length(s, ids, n);
    if (common < s->row_at) s->row_at = 0;
    /* Its last token is evaluated in any case: after going back there are no logits. */
    enum ew_status status = go_back(s, common < n ? common : n - 1, err);
    if (status == EW_OK) status = feed(s, ids, n, err);
    if (status == EW_OK) *logits = ew_session_logits(s->session);
    return status;
}

enum ew_status ew_sequence_go_on(struct ew_sequence_scorer *s, int32_t id, const float **logits, struct ew_error *err) {
    enum ew_status status = ew_session_decode(s->session, id, err);
    if (status != EW_OK) return status;
    note_held(s, &id, 1);
    *logits = ew_session_logits(s->session);
    return EW_OK;
}

static enum ew_status check_scores(const struct ew_row_score *score, size_t n, struct ew_error *err) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(score[i].log_sum))
            return ew_error_set(err, EW_ERR_FORMAT, "the model's logits are not finite numbers; is the file damaged?");
    return EW_OK;
}

enum ew_status ew_sequence_score(struct ew_sequence_scorer *s, const int32_t *ids, size_t n, size_t first,
                                 struct ew_row_score *out, struct ew_error *err) {
    assert(first >= 1 && first < n);
    enum ew_status status = EW_OK;
    if (s->row_at != first || common_length(s, ids, first) < first) {
        const float *logits;
        status = ew_sequence_begin(s, ids, first, &logits, err);
        if (status != EW_OK) return status;
        memcpy(s->row, logits, s->n_vocab * sizeof *logits);
        s->row_at = first;
    }
    ew_row_score_all(s->pool, 1, s->row, s->n_vocab, ids + first, 1, out);
    for (size_t at = first; at + 1 < n && status == EW_OK;) {
        size_t left = n - 1 - at, count = left < s->slice ? left : s->slice;
        status = go_back(s, at, err);
        if (status == EW_OK) status = feed(s, ids, at, err);
        if (status == EW_OK) status = ew_session_prefill_logits(s->session, ids + at, count, s->rows, err);
        if (status != EW_OK) break;
        note_held(s, ids + at, count);
        ew_row_score_all(s->pool, s->threads, s->rows, s->n_vocab, ids + at + 1, count, out + 1 + at - first);
        at += count;
    }
    return status == EW_OK ? check_scores(out, n - first, err) : status;
}

int32_t ew_sequence_bos(const struct ew_model *model) {
    int32_t with[16], without[16];
    size_t n_with, n_without;
    if (ew_model_tokenize(model, "a", 1, EW_TOKENIZE_ADD_SPECIAL, with, 16, &n_with, NULL) != EW_OK ||
        ew_model_tokenize(model, "a", 1, 0, without, 16, &n_without, NULL) != EW_OK)
        return -1;
    return n_with > n_without && with[0] != without[0] ? with[0] : -1;
}
