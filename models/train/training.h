/* One training under way: parameters, moments, and the threads that make steps and evaluate. Each thread takes its own
 * sequences of a batch and sums gradients of its own; these are added in a fixed order, so that the same seed and
 * number of threads give the same model. */
#ifndef EW_TRAIN_TRAINING_H
#define EW_TRAIN_TRAINING_H

#include "train/network.h"
#include "train/optimizer.h"
#include "train/token_corpus.h"

struct ew_training_params {
    struct ew_net_shape shape;
    struct ew_optimizer_params optimizer;
    uint32_t batch;   /* sequences of n_ctx tokens a step */
    uint32_t at_once; /* of them, those that a thread computes together: memory against speed */
    uint32_t threads;
    uint64_t n_steps, warmup;
    double decay; /* share of the steps, see ew_schedule_at */
    float clip;   /* the gradients' length is at most this */
    uint64_t seed;
    int32_t bos; /* at the start of every window, instead of what stands there, as `edgewise eval` has it */
};

struct ew_training {
    struct ew_training_params params;
    float *weights;    /* [n_params] */
    float **gradients; /* [threads][n_params] */
    struct ew_optimizer optimizer;
    double seconds;             /* spent in steps, those before a kill included */
    struct ew_net_work **works; /* [threads] */
    uint16_t *windows;          /* [threads][2][at_once · n_ctx] */
    float *loss_rows;           /* [threads][at_once · n_ctx] */
    double *sums;               /* [threads] */
    struct ew_window_order order;
    const struct ew_corpus *corpus;
    struct ew_thread_pool *pool;
};

/* Weights are new ones of the seed. corpus outlives the training. Errors: ARGUMENT (shape, numbers, too short a text),
 * MEMORY, those of the thread pool. On failure nothing is left to close. */
enum ew_status ew_training_open(struct ew_training *training, const struct ew_training_params *params,
                                const struct ew_corpus *corpus, struct ew_error *err);
void ew_training_close(struct ew_training *training);

uint64_t ew_training_bytes(const struct ew_training *training); /* without the text */

/* Makes the next step; *loss: the batch's mean in nats per token, before it; *length: of its gradients, before
 * clipping. Errors: FORMAT (the loss is no number any more: the rate is too high). */
enum ew_status ew_training_step(struct ew_training *training, double *loss, double *length, struct ew_error *err);

struct ew_training_score {
    uint64_t n_tokens, n_bytes;
    double nll, bits_per_byte; /* means: nats per token, bits per byte */
};

/* The text in windows of n_ctx side by side, the second half of each scored, as quality/text_windows.h has it. Of the
 * windows each `every`th (1: all). token_bytes: [n_vocab]. Errors: ARGUMENT (no window), MEMORY. */
enum ew_status ew_training_evaluate(struct ew_training *training, const struct ew_corpus *text,
                                    const uint8_t *token_bytes, size_t every, struct ew_training_score *out,
                                    struct ew_error *err);

#endif
