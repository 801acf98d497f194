/* edgewise eval --file: how well a model predicts a text, alone or held against a reference run of another. The figures
 * are the quality room's; their words are eval_view.c's. */
#include "base/error.h"
#include "base/file_map.h"
#include "cli/eval_keep.h"
#include "cli/eval_options.h"
#include "cli/eval_view.h"
#include "cli/interrupt.h"
#include "cli/token_ids.h"
#include "edgewise/model.h"
#include "quality/sequence_score.h"
#include "study/eval_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct eval {
    const struct ew_eval_options *o;
    const struct ew_model *model;
    struct ew_perplexity_sum sum;
    struct ew_divergence_sum *divergence; /* NULL without --reference */
    struct ew_reference_reader *reference;
    struct ew_reference_writer *writer; /* NULL without --save-reference */
    struct ew_eval_keep *keep;          /* NULL without --store */
    bool terminal;
};

static enum ew_status take_rows(void *context, const struct ew_scored_rows *rows, struct ew_error *err) {
    struct eval *e = context;
    uint64_t bytes = 0;
    for (size_t i = 0; i < rows->n; i++) bytes += ew_model_token_bytes(e->model, rows->next[i], false, NULL, 0);
    ew_perplexity_add(&e->sum, rows, bytes);
    if (e->writer) return ew_reference_writer_add(e->writer, rows, err);
    return e->divergence ? ew_divergence_add(e->divergence, e->reference, rows, err) : EW_OK;
}

static bool window_done(void *context, size_t done, size_t total) {
    struct eval *e = context;
    ew_perplexity_end_window(&e->sum);
    if (e->terminal) ew_eval_show_progress(done, total, &e->sum);
    return !ew_interrupt_pending();
}

/* Opens what the walk reads or writes beside the model. */
static enum ew_status open_reference(struct eval *e, const struct ew_text_score *score, struct ew_error *err) {
    struct ew_reference_key key;
    const struct ew_model_info info = ew_model_info(e->model);
    char name[sizeof key.model];
    snprintf(name, sizeof name, "%.100s %.20s", info.name[0] ? info.name : e->o->model, info.file_type);
    ew_reference_key_of(score, name, &key);
    if (e->o->save_reference) return ew_reference_writer_open(e->o->save_reference, &key, &e->writer, err);
    if (!e->o->reference) return EW_OK;
    enum ew_status status = ew_reference_reader_open(e->o->reference, &e->reference, err);
    if (status == EW_OK) status = ew_reference_reader_matches(e->reference, &key, err);
    return status == EW_OK ? ew_divergence_open(&e->divergence, err) : status;
}

static enum ew_status walk(struct eval *e, struct ew_text_score *score, struct ew_error *err) {
    if (ew_text_score_windows(score) == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %zu tokens are less than a window of %u; see --context",
                            e->o->text, score->n_ids, score->windows.n_ctx);
    enum ew_status status = open_reference(e, score, err);
    if (status == EW_OK) status = ew_text_score_run(score, err);
    if (e->terminal) ew_eval_end_progress();
    if (status == EW_OK && e->writer) status = ew_reference_writer_finish(&e->writer, err);
    return status;
}

static enum ew_status open_session(const struct ew_eval_options *o, struct ew_model *model, struct ew_session **out,
                                   struct ew_error *err) {
    struct ew_session_params params = ew_eval_session_params(o);
    if (params.n_ctx == 0) params.n_ctx = (uint32_t)ew_eval_context(ew_model_info(model).n_ctx_train);
    if (o->stride >= params.n_ctx)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--stride: %u must be below the window's %u tokens", o->stride,
                            params.n_ctx);
    return ew_session_open(model, &params, out, err);
}

static enum ew_status conclude(struct eval *e, const struct ew_text_score *score, struct ew_error *err) {
    const struct ew_model_info info = ew_model_info(e->model);
    const struct ew_eval_result result = {
        .model = e->o->model,
        .text = e->o->text,
        .synthetic = info.synthetic,
        .windows = score->windows,
        .n_ids = score->n_ids,
        .perplexity = ew_perplexity_of(&e->sum),
        .saved = e->o->save_reference,
        .reference = e->reference ? ew_reference_reader_key(e->reference)->model : NULL,
        .divergence = e->divergence ? ew_divergence_of(e->divergence) : (struct ew_divergence){0},
    };
    if (e->o->common.json)
        ew_eval_print_json(&result);
    else
        ew_eval_print(&result);
    if (!e->keep) return EW_OK;
    char settings[EW_TEXT_SETTINGS], *json = ew_eval_json(&result);
    if (!json) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", e->o->store);
    ew_text_settings(score->windows.n_ctx, score->windows.stride, e->o->windows, settings);
    enum ew_status status = ew_eval_keep_figures(e->keep, json, e->o->text, settings, err);
    free(json);
    return status;
}

enum ew_status ew_eval_text(const struct ew_eval_options *o, struct ew_error *err) {
    struct ew_model *model = NULL;
    struct ew_session *session = NULL;
    struct ew_file_map text = {0};
    struct eval e = {.o = o, .terminal = isatty(STDERR_FILENO) && !o->common.json};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    enum ew_status status = ew_file_map_open(o->text, &text, err);
    if (status == EW_OK && o->store) status = ew_eval_keep_open(o->store, o->model, o->kv_k, o->kv_v, &e.keep, err);
    if (status == EW_OK) status = ew_model_open(o->model, &model, err);
    if (status == EW_OK)
        status =
            ew_cli_token_ids(model, (const char *)text.data, text.size, EW_TOKENIZE_ADD_SPECIAL, &ids, &n_ids, err);
    if (status == EW_OK) status = open_session(o, model, &session, err);
    if (status != EW_OK) goto done;
    e.model = model;
    const struct ew_session_params p = ew_session_params_of(session);
    struct ew_text_score score = {.session = session,
                                  .n_vocab = ew_model_info(model).n_vocab,
                                  .ids = ids,
                                  .n_ids = n_ids,
                                  .windows = {p.n_ctx, o->stride},
                                  .max_windows = o->windows,
                                  .bos = ew_sequence_bos(model),
                                  .threads = p.threads_prefill,
                                  .take = take_rows,
                                  .progress = window_done,
                                  .context = &e};
    status = walk(&e, &score, err);
    if (status == EW_OK) status = conclude(&e, &score, err);
done:
    ew_eval_keep_close(&e.keep);
    ew_divergence_close(&e.divergence);
    ew_reference_reader_close(&e.reference);
    ew_reference_writer_abandon(&e.writer);
    ew_session_close(&session);
    free(ids);
    ew_model_close(&model);
    ew_file_map_close(&text);
    return status;
}
