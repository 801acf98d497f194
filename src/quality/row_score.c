/* Owns the log-sum of a row, and how many rows are held at once. */
#include "quality/row_score.h"

#include "base/thread_pool.h"
#include <math.h>

enum { SLICE_BYTES = 64 << 20, SLICE_ROWS_LEAST = 16, SLICE_ROWS_MOST = 512 };

int32_t ew_row_top(const float *logits, uint32_t n_vocab) {
    int32_t top = 0;
    for (uint32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[top]) top = (int32_t)i;
    return top;
}

static struct ew_row_score score_row(const float *logits, uint32_t n_vocab, int32_t next) {
    const int32_t top = ew_row_top(logits, n_vocab);
    double sum = 0, max = (double)logits[top];
    for (uint32_t i = 0; i < n_vocab; i++) sum += (double)expf(logits[i] - logits[top]);
    double log_sum = max + log(sum);
    return (struct ew_row_score){.log_sum = log_sum, .nll = log_sum - (double)logits[next], .top = top};
}

struct row_job {
    const float *logits;
    const int32_t *next;
    struct ew_row_score *out;
    size_t n;
    uint32_t n_vocab;
};

static void score_rows(const struct ew_pool_member *me, void *context) {
    const struct row_job *job = context;
    for (size_t i = me->index; i < job->n; i += me->count)
        job->out[i] = score_row(job->logits + i * job->n_vocab, job->n_vocab, job->next[i]);
}

void ew_row_score_all(struct ew_thread_pool *pool, uint32_t threads, const float *logits, uint32_t n_vocab,
                      const int32_t *next, size_t n, struct ew_row_score *out) {
    struct row_job job = {.logits = logits, .next = next, .out = out, .n = n, .n_vocab = n_vocab};
    ew_thread_pool_run(pool, threads, score_rows, &job);
}

size_t ew_row_slice(uint32_t n_vocab) {
    size_t rows = SLICE_BYTES / (n_vocab * sizeof(float));
    return rows < SLICE_ROWS_LEAST ? SLICE_ROWS_LEAST : rows > SLICE_ROWS_MOST ? SLICE_ROWS_MOST : rows;
}
