/* The program train-model: trains on a text, evaluates and saves now and then, and writes the model at the end. A kill
 * costs what was done since the last checkpoint; the same command goes on. In FOLDER: checkpoint.bin, log.jsonl,
 * model-f16.gguf and model-f32.gguf. */
#include "base/cache_folder.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/file_map.h"
#include "train/checkpoint_file.h"
#include "train/export_gguf.h"
#include "train/matrix_product.h"
#include "train/train_options.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct program {
    struct ew_train_options o;
    struct ew_gguf *vocabulary;
    struct ew_tokenizer *tokenizer;
    struct ew_corpus text, valid;
    uint8_t *token_bytes; /* [n_vocab] */
    struct ew_training training;
    FILE *log;
    double loss_sum; /* of the steps since the last line of the log */
    uint32_t n_losses;
};

static volatile sig_atomic_t stop_asked;
static void ask_to_stop(int signal) { stop_asked = signal; }

static void path_in(const struct program *p, const char *name, char path[4096]) {
    snprintf(path, 4096, "%s/%s", p->o.folder, name);
}

/* ---- opening ---- */

static enum ew_status read_corpus(const struct program *p, const char *path, bool documents, struct ew_corpus *out,
                                  struct ew_error *err) {
    struct ew_file_map map = {0};
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    status = (documents ? ew_corpus_of_documents : ew_corpus_of_text)(p->tokenizer, (const char *)map.data, map.size,
                                                                      out, err);
    ew_file_map_close(&map);
    return status;
}

static enum ew_status count_token_bytes(struct program *p, struct ew_error *err) {
    const uint32_t n_vocab = ew_tokenizer_n_vocab(p->tokenizer);
    p->token_bytes = calloc(n_vocab, 1);
    if (!p->token_bytes) return ew_error_set(err, EW_ERR_MEMORY, "no memory for %u tokens", n_vocab);
    for (uint32_t i = 0; i < n_vocab; i++) {
        const size_t n = ew_tokenizer_token_bytes(p->tokenizer, (int32_t)i, false, NULL, 0);
        if (n > UINT8_MAX) return ew_error_set(err, EW_ERR_LIMIT, "token %u: has %zu bytes (255 at most)", i, n);
        p->token_bytes[i] = (uint8_t)n;
    }
    return EW_OK;
}

static enum ew_status open_training(struct program *p, struct ew_error *err) {
    char path[4096];
    struct ew_training_params *params = &p->o.training;
    params->shape.n_vocab = ew_tokenizer_n_vocab(p->tokenizer);
    params->bos = ew_tokenizer_adds_bos(p->tokenizer) ? ew_tokenizer_bos(p->tokenizer) : -1;
    enum ew_status status = ew_training_open(&p->training, params, &p->text, err);
    if (status != EW_OK) return status;
    path_in(p, "checkpoint.bin", path);
    status = ew_train_resume(&p->training, path, err);
    if (status == EW_OK)
        printf("goes on after step %llu of %s\n", (unsigned long long)p->training.optimizer.step, path);
    return status == EW_ERR_NOT_FOUND ? EW_OK : status;
}

static enum ew_status open_all(struct program *p, struct ew_error *err) {
    char path[4096];
    path_in(p, "log.jsonl", path);
    enum ew_status status = ew_make_folders(p->o.folder, err);
    if (status == EW_OK) status = ew_gguf_open(p->o.vocabulary, &p->vocabulary, err);
    if (status == EW_OK) status = ew_tokenizer_open(p->vocabulary, &p->tokenizer, err);
    if (status == EW_OK) status = count_token_bytes(p, err);
    if (status == EW_OK) status = read_corpus(p, p->o.text, true, &p->text, err);
    if (status == EW_OK) status = read_corpus(p, p->o.valid, false, &p->valid, err);
    if (status == EW_OK) status = open_training(p, err);
    if (status == EW_OK && !(p->log = fopen(path, "a")))
        status = ew_error_set(err, EW_ERR_IO, "%s: cannot be written", path);
    return status;
}

static void close_all(struct program *p) {
    if (p->log) fclose(p->log);
    ew_training_close(&p->training);
    ew_corpus_close(&p->text);
    ew_corpus_close(&p->valid);
    free(p->token_bytes);
    ew_tokenizer_close(&p->tokenizer);
    ew_gguf_close(&p->vocabulary);
}

static void describe(const struct program *p) {
    const struct ew_net_shape *s = &p->o.training.shape;
    const double tokens = (double)p->o.training.n_steps * p->o.training.batch * s->n_ctx;
    printf("%zu parameters, %.1f MFLOP a token; %zu tokens of text, %zu to validate with\n", ew_net_n_params(s),
           ew_net_flops_per_token(s) * 1e-6, p->text.n, p->valid.n);
    printf("%.1f M tokens in %llu steps (%.2f passes); %.0f MB; products by %s, %u threads\n", tokens * 1e-6,
           (unsigned long long)p->o.training.n_steps, tokens / (double)p->text.n,
           (double)ew_training_bytes(&p->training) * 1e-6, ew_product_name(), p->o.training.threads);
    fflush(stdout);
}

/* ---- the walk ---- */

/* A line of the log, on the terminal, too. score may be NULL. Of two lines of a step the last counts: the first was
 * written before a kill. */
static void write_log(struct program *p, double length, const struct ew_training_score *score) {
    const struct ew_training_params *params = &p->o.training;
    const uint64_t step = p->training.optimizer.step;
    char line[512], valid[128] = "";
    if (score)
        snprintf(valid, sizeof valid, ", \"valid\": %.4f, \"bits_per_byte\": %.4f, \"valid_tokens\": %llu", score->nll,
                 score->bits_per_byte, (unsigned long long)score->n_tokens);
    snprintf(line, sizeof line,
             "{\"step\": %llu, \"seconds\": %.0f, \"tokens\": %llu, \"train\": %.4f, \"gradient\": %.3f%s}\n",
             (unsigned long long)step, p->training.seconds,
             (unsigned long long)(step * params->batch * params->shape.n_ctx),
             p->n_losses > 0 ? p->loss_sum / p->n_losses : 0.0, length, valid);
    fputs(line, p->log);
    fflush(p->log);
    fputs(line, stdout);
    fflush(stdout);
    p->loss_sum = 0;
    p->n_losses = 0;
}

static enum ew_status evaluate(struct program *p, size_t n_windows, struct ew_training_score *out,
                               struct ew_error *err) {
    const size_t all = p->valid.n / p->o.training.shape.n_ctx;
    return ew_training_evaluate(&p->training, &p->valid, p->token_bytes,
                                n_windows && all > n_windows ? all / n_windows : 1, out, err);
}

static enum ew_status make_step(struct program *p, struct ew_error *err) {
    double loss, length;
    struct ew_training_score score;
    enum ew_status status = ew_training_step(&p->training, &loss, &length, err);
    if (status != EW_OK) return status;
    const uint64_t step = p->training.optimizer.step;
    p->loss_sum += loss;
    p->n_losses++;
    if (step == p->o.training.n_steps) {
        status = evaluate(p, 0, &score, err);
        if (status == EW_OK) write_log(p, length, &score);
    } else if (step % p->o.evaluate_every == 0) {
        status = evaluate(p, p->o.evaluate_windows, &score, err);
        if (status == EW_OK) write_log(p, length, &score);
    } else if (step % p->o.log_every == 0) {
        write_log(p, length, NULL);
    }
    return status;
}

static enum ew_status train(struct program *p, struct ew_error *err) {
    char path[4096];
    const uint64_t end =
        p->o.stop_after && p->o.stop_after < p->o.training.n_steps ? p->o.stop_after : p->o.training.n_steps;
    int64_t saved_ns = ew_clock_now_ns();
    enum ew_status status = EW_OK;
    path_in(p, "checkpoint.bin", path);
    while (status == EW_OK && p->training.optimizer.step < end && !stop_asked) {
        status = make_step(p, err);
        if (status != EW_OK || ew_clock_seconds(ew_clock_now_ns() - saved_ns) < p->o.save_seconds) continue;
        status = ew_train_save(&p->training, path, err);
        saved_ns = ew_clock_now_ns();
    }
    if (status == EW_OK) status = ew_train_save(&p->training, path, err);
    if (status == EW_OK && stop_asked)
        status = ew_error_set(err, EW_ERR_CANCELLED, "stopped after step %llu; the same command goes on",
                              (unsigned long long)p->training.optimizer.step);
    return status;
}

static enum ew_status export(const struct program *p, struct ew_error *err) {
    enum ew_status status = EW_OK; for (int f16 = 0; f16 < 2 && status == EW_OK; f16++){
        char path[4096]; path_in(p, f16 ? "model-f16.gguf" : "model-f32.gguf", path);
        status = ew_train_export(&p->o.training.shape, p->training.weights, p->vocabulary, p->o.name, f16, path, err);
        if (status == EW_OK) printf("%s\n", path);}
return status;
}

int main(int argc, char **argv) {
    struct program p = {0};
    struct ew_error err = {0};
    ew_train_parse(argc, argv, &p.o);
    signal(SIGINT, ask_to_stop);
    signal(SIGTERM, ask_to_stop);
    enum ew_status status = open_all(&p, &err);
    if (status == EW_OK) {
        describe(&p);
        status = train(&p, &err);
    }
    if (status == EW_OK) status = export(&p, &err);
    close_all(&p);
    if (status != EW_OK) fprintf(stderr, "train-model: %s\n", err.message);
    return status == EW_OK ? 0 : 1;
}
