/* Owns the sharing of a batch among threads, and the walk over a validation text. */
#include "train/training.h"

#include "base/clock.h"
#include "base/error.h"
#include "quality/text_windows.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 64, MOST_AT_ONCE = 1024, MOST_BATCH = 1 << 16 };

static enum ew_status check(const struct ew_training_params *p, struct ew_error *err) {
    const struct {
        const char *what;
        uint64_t value, high;
    } checks[] = {{"threads", p->threads, MOST_THREADS},
                  {"sequences at once", p->at_once, MOST_AT_ONCE},
                  {"batch", p->batch, MOST_BATCH},
                  {"steps", p->n_steps, UINT32_MAX}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].value < 1 || checks[i].value > checks[i].high)
            return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %llu is not from 1 to %llu", checks[i].what,
                                (unsigned long long)checks[i].value, (unsigned long long)checks[i].high);
    if (!(p->clip > 0)) return ew_error_set(err, EW_ERR_ARGUMENT, "clip: %g is not above 0", (double)p->clip);
    return ew_net_shape_check(&p->shape, err);
}

static enum ew_status open_threads(struct ew_training *t, struct ew_error *err) {
    const struct ew_training_params *p = &t->params;
    const size_t n = ew_net_n_params(&p->shape), rows = (size_t)p->at_once * p->shape.n_ctx;
    t->weights = malloc(n * sizeof(float));
    t->gradients = calloc(p->threads, sizeof *t->gradients);
    t->works = calloc(p->threads, sizeof *t->works);
    t->windows = calloc(p->threads, 2 * rows * sizeof *t->windows);
    t->loss_rows = calloc(p->threads, rows * sizeof *t->loss_rows);
    t->sums = calloc(p->threads, sizeof *t->sums);
    bool good = t->weights && t->gradients && t->works && t->windows && t->loss_rows && t->sums;
    for (uint32_t i = 0; good && i < p->threads; i++) good = (t->gradients[i] = calloc(n, sizeof(float))) != NULL;
    if (!good) return ew_error_set(err, EW_ERR_MEMORY, "no memory for the gradients of %zu parameters", n);
    enum ew_status status = EW_OK;
    for (uint32_t i = 0; status == EW_OK && i < p->threads; i++)
        status = ew_net_work_open(&p->shape, p->at_once, true, &t->works[i], err);
    return status == EW_OK ? ew_thread_pool_open(p->threads, NULL, 0, &t->pool, err) : status;
}

enum ew_status ew_training_open(struct ew_training *t, const struct ew_training_params *params,
                                const struct ew_corpus *corpus, struct ew_error *err) {
    enum ew_status status = check(params, err);
    if (status != EW_OK) return status;
    *t = (struct ew_training){.params = *params, .corpus = corpus};
    status = ew_window_order_open(&t->order, params->seed, corpus->n, params->shape.n_ctx, err);
    if (status == EW_OK)
        status = ew_optimizer_open(&t->optimizer, &params->shape, &params->optimizer, params->threads, err);
    if (status == EW_OK) status = open_threads(t, err);
    if (status == EW_OK)
        ew_net_init(&params->shape, params->seed, t->weights);
    else
        ew_training_close(t);
    return status;
}

void ew_training_close(struct ew_training *t) {
    ew_thread_pool_close(&t->pool);
    for (uint32_t i = 0; i < t->params.threads; i++) {
        if (t->works) ew_net_work_close(&t->works[i]);
        if (t->gradients) free(t->gradients[i]);
    }
    free(t->works);
    free(t->gradients);
    free(t->weights);
    free(t->windows);
    free(t->loss_rows);
    free(t->sums);
    ew_optimizer_close(&t->optimizer);
    ew_window_order_close(&t->order);
    *t = (struct ew_training){0};
}

uint64_t ew_training_bytes(const struct ew_training *t) {
    const uint64_t n = ew_net_n_params(&t->params.shape) * sizeof(float);
    return n * (3 + t->params.threads) +
           t->params.threads * (ew_net_work_bytes(t->works[0]) + t->optimizer.scratch_stride * sizeof(float));
}

/* ---- a step ---- */

struct step_job {
    struct ew_training *t;
    const size_t *starts; /* [batch] */
    float schedule;
    double *lengths; /* [threads] squares of the gradients' parts */
    double loss, length;
};

/* A member's part of [0, n). */
static size_t share(size_t n, uint32_t index, uint32_t count) { return n * index / count; }

static void fill_window(const struct ew_training *t, size_t start, uint16_t *ids, uint16_t *next) {
    const size_t n_ctx = t->params.shape.n_ctx;
    memcpy(ids, t->corpus->ids + start, n_ctx * sizeof *ids);
    memcpy(next, t->corpus->ids + start + 1, n_ctx * sizeof *next);
    if (t->params.bos >= 0) ids[0] = (uint16_t)t->params.bos;
}

static void take_sequences(struct step_job *job, const struct ew_pool_member *me) {
    struct ew_training *t = job->t;
    const struct ew_training_params *p = &t->params;
    const size_t n_ctx = p->shape.n_ctx, rows = p->at_once * n_ctx, end = share(p->batch, me->index + 1, me->count);
    uint16_t *ids = t->windows + me->index * 2 * rows, *next = ids + rows;
    const float dscale = 1 / ((float)p->batch * (float)n_ctx);
    float *gradients = t->gradients[me->index];
    memset(gradients, 0, ew_net_n_params(&p->shape) * sizeof *gradients);
    t->sums[me->index] = 0;
    for (size_t from = share(p->batch, me->index, me->count), n; from < end; from += n) {
        n = end - from < p->at_once ? end - from : p->at_once;
        for (size_t i = 0; i < n; i++) fill_window(t, job->starts[from + i], ids + i * n_ctx, next + i * n_ctx);
        t->sums[me->index] += ew_net_gradients(t->works[me->index], t->weights, ids, next, n, dscale, gradients);
    }
}

/* Adds all members' gradients into the first's, each member a part; returns the square of the part's length. */
static double add_gradients(struct ew_training *t, const struct ew_pool_member *me) {
    const size_t n = ew_net_n_params(&t->params.shape), end = share(n, me->index + 1, me->count);
    float *sum = t->gradients[0];
    double square = 0;
    for (size_t i = share(n, me->index, me->count); i < end; i++) {
        float g = sum[i];
        for (uint32_t other = 1; other < me->count; other++) g += t->gradients[other][i];
        sum[i] = g;
        square += (double)g * (double)g;
    }
    return square;
}

static void step_member(const struct ew_pool_member *me, void *context) {
    struct step_job *job = context;
    struct ew_training *t = job->t;
    take_sequences(job, me);
    ew_pool_barrier(me);
    job->lengths[me->index] = add_gradients(t, me);
    ew_pool_barrier(me);
    double square = 0, loss = 0;
    for (uint32_t i = 0; i < me->count; i++) {
        square += job->lengths[i];
        loss += t->sums[i];
    }
    const double length = sqrt(square), clip = (double)t->params.clip;
    if (me->index == 0) {
        job->length = length;
        job->loss = loss / ((double)t->params.batch * t->params.shape.n_ctx);
    }
    if (!isfinite(length)) return; /* every member finds the same; the weights stay as they are */
    ew_optimizer_step(&t->optimizer, me, t->weights, t->gradients[0], length > clip ? (float)(clip / length) : 1,
                      job->schedule);
}

enum ew_status ew_training_step(struct ew_training *t, double *loss, double *length, struct ew_error *err) {
    const struct ew_training_params *p = &t->params;
    const uint64_t step = t->optimizer.step;
    const int64_t begin_ns = ew_clock_now_ns();
    size_t *starts = malloc(p->batch * sizeof *starts);
    double lengths[MOST_THREADS];
    if (!starts) return ew_error_set(err, EW_ERR_MEMORY, "no memory for a batch of %u", p->batch);
    for (uint32_t i = 0; i < p->batch; i++) starts[i] = ew_window_order_at(&t->order, step * p->batch + i);
    struct step_job job = {.t = t,
                           .starts = starts,
                           .schedule = ew_schedule_at(step, p->n_steps, p->warmup, p->decay),
                           .lengths = lengths};
    ew_thread_pool_run(t->pool, p->threads, step_member, &job);
    free(starts);
    t->seconds += ew_clock_seconds(ew_clock_now_ns() - begin_ns);
    if (!isfinite(job.length) || !isfinite(job.loss))
        return ew_error_set(err, EW_ERR_FORMAT, "step %llu: the loss is no number any more: the rate is too high",
                            (unsigned long long)step);
    *loss = job.loss;
    *length = job.length;
    return EW_OK;
}

/* ---- evaluation ---- */

struct window_score {
    double nll;
    uint64_t n_bytes;
};

struct score_job {
    struct ew_training *t;
    const struct ew_corpus *text;
    const uint8_t *token_bytes;
    size_t n_windows, every;
    struct window_score *scores; /* [n_windows] */
};

static void score_window(const struct score_job *job, const float *loss, const uint16_t *next, size_t first,
                         struct window_score *out) {
    const size_t n_ctx = job->t->params.shape.n_ctx;
    *out = (struct window_score){0};
    for (size_t i = first; i + 1 < n_ctx; i++) { /* the last token of a window has nothing to predict */
        out->nll += (double)loss[i];
        out->n_bytes += job->token_bytes[next[i]];
    }
}

static void score_member(const struct ew_pool_member *me, void *context) {
    const struct score_job *job = context;
    struct ew_training *t = job->t;
    const size_t n_ctx = t->params.shape.n_ctx, rows = t->params.at_once * n_ctx;
    const struct ew_text_windows windows = {.n_ctx = (uint32_t)n_ctx};
    uint16_t *ids = t->windows + me->index * 2 * rows, *next = ids + rows;
    float *loss = t->loss_rows + me->index * rows;
    const size_t end = share(job->n_windows, me->index + 1, me->count);
    for (size_t from = share(job->n_windows, me->index, me->count), n; from < end; from += n) {
        n = end - from < t->params.at_once ? end - from : t->params.at_once;
        for (size_t i = 0; i < n; i++) {
            const uint16_t *text = job->text->ids + ew_text_windows_at(&windows, (from + i) * job->every).begin;
            memcpy(ids + i * n_ctx, text, n_ctx * sizeof *ids);
            memcpy(next + i * n_ctx, text + 1, (n_ctx - 1) * sizeof *next);
            next[(i + 1) * n_ctx - 1] = 0; /* not scored */
            if (t->params.bos >= 0) ids[i * n_ctx] = (uint16_t)t->params.bos;
        }
        ew_net_losses(t->works[me->index], t->weights, ids, next, n, loss);
        for (size_t i = 0; i < n; i++)
            score_window(job, loss + i * n_ctx, next + i * n_ctx, ew_text_windows_at(&windows, 0).first,
                         &job->scores[from + i]);
    }
}

enum ew_status ew_training_evaluate(struct ew_training *t, const struct ew_corpus *text, const uint8_t *token_bytes,
                                    size_t every, struct ew_training_score *out, struct ew_error *err) {
    const struct ew_text_windows windows = {.n_ctx = t->params.shape.n_ctx};
    const size_t all = windows.n_ctx < 4 ? 0 : ew_text_windows_count(&windows, text->n), n = (all + every - 1) / every;
    if (n == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%zu tokens to validate with are less than a window of %u", text->n,
                            windows.n_ctx);
    struct score_job job = {.t = t, .text = text, .token_bytes = token_bytes, .n_windows = n, .every = every};
    job.scores = calloc(n, sizeof *job.scores);
    if (!job.scores) return ew_error_set(err, EW_ERR_MEMORY, "no memory for the scores of %zu windows", n);
    ew_thread_pool_run(t->pool, t->params.threads, score_member, &job);
    struct ew_training_score sum = {0};
    for (size_t i = 0; i < n; i++) {
        sum.nll += job.scores[i].nll;
        sum.n_bytes += job.scores[i].n_bytes;
    }
    free(job.scores);
    sum.n_tokens = n * (windows.n_ctx - 1 - ew_text_windows_at(&windows, 0).first);
    sum.bits_per_byte = sum.nll / (log(2) * (double)sum.n_bytes);
    sum.nll /= (double)sum.n_tokens;
    *out = sum;
    return EW_OK;
}
