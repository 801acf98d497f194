/* edgewise eval: how well a model predicts a text, alone or held against a reference run of another. The figures are
 * the quality room's; their words are eval_view.c's. */
#include "base/error.h"
#include "base/file_map.h"
#include "cli/context_options.h"
#include "cli/eval_answers.h"
#include "cli/eval_keep.h"
#include "cli/eval_view.h"
#include "cli/interrupt.h"
#include "cli/token_ids.h"
#include "cli/write_progress.h"
#include "edgewise/model.h"
#include "study/eval_figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *model, *text, *reference, *save_reference, *store, *prompts;
    uint32_t n_ctx, stride, windows, threads, tokens;
    enum ew_kv_type kv_k, kv_v;
};

enum {
    KEY_STRIDE = 2201,
    KEY_WINDOWS,
    KEY_KV,
    KEY_REFERENCE,
    KEY_SAVE,
    KEY_STORE,
    KEY_PROMPTS,
    KEY_TOKENS,
    LEAST_WINDOW = 4
};

static const struct argp_option option_table[] = {
    {"file", 'f', "FILE", 0, "The text, as it is, byte by byte", 0},
    {"context", 'c', "N", 0, "Tokens of a window (512, or as many as the model was trained for where that is less)", 0},
    {"stride", KEY_STRIDE, "N", 0,
     "Begin a window every N tokens and score its last N (by default windows lie side by side and the second half of "
     "each is scored, as llama.cpp does)",
     0},
    {"windows", KEY_WINDOWS, "N", 0, "Only the first N windows (all)", 0},
    {"threads", 't', "N", 0, "Threads (all cores)", 0},
    {"kv", KEY_KV, "TYPE", 0, "Type of the KV cache: f16, q8_0, f32, or keys and values apart, as q8_0/f16 (f16)", 0},
    {"save-reference", KEY_SAVE, "RUN", 0, "Keep what the model predicted in file RUN, for --reference", 0},
    {"reference", KEY_REFERENCE, "RUN", 0, "Hold the model against what another one predicted, from file RUN", 0},
    {"prompts", KEY_PROMPTS, "FILE", 0,
     "Answer the prompts of FILE ({\"prompt\": \"…\"} a line), always the likeliest token", 0},
    {"tokens", KEY_TOKENS, "N", 0, "With --prompts: at most N tokens an answer (64)", 0},
    {"store", KEY_STORE, "DB", 0, "Keep the figures, or the answers, in this store, beside what studies measured", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'f': o->text = arg; return 0;
    case 'c': o->n_ctx = ew_cli_u32(state, "--context", arg, LEAST_WINDOW, 1 << 24); return 0;
    case 't': o->threads = ew_cli_u32(state, "--threads", arg, 1, 1024); return 0;
    case KEY_STRIDE: o->stride = ew_cli_u32(state, "--stride", arg, 1, 1 << 24); return 0;
    case KEY_WINDOWS: o->windows = ew_cli_u32(state, "--windows", arg, 1, UINT32_MAX); return 0;
    case KEY_KV: ew_cli_kv(state, arg, &o->kv_k, &o->kv_v); return 0;
    case KEY_SAVE: o->save_reference = arg; return 0;
    case KEY_REFERENCE: o->reference = arg; return 0;
    case KEY_STORE: o->store = arg; return 0;
    case KEY_PROMPTS: o->prompts = arg; return 0;
    case KEY_TOKENS: o->tokens = ew_cli_u32(state, "--tokens", arg, 1, 1 << 16); return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time, please: `%s` is a second one", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "which MODEL?");
        if (!o->text && !o->prompts) argp_error(state, "which text? --file FILE");
        if (o->text && o->prompts) argp_error(state, "--file is scored, --prompts are answered: choose one");
        if (o->tokens && !o->prompts) argp_error(state, "--tokens goes with --prompts");
        if (o->reference && o->save_reference)
            argp_error(state, "--reference compares with a run, --save-reference writes one: choose one");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
static const struct argp eval_argp = {
    option_table,
    parse_option,
    "MODEL --file FILE\nMODEL --prompts FILE",
    "How well a model predicts a text: perplexity, and what quantization costs.\v"
    "Example:  edgewise eval model-f16.gguf -f wiki.test.raw --save-reference wiki.ref\n"
    "          edgewise eval model-q4_0.gguf -f wiki.test.raw --reference wiki.ref\n"
    "          edgewise eval model-q4_0.gguf --prompts prompts.jsonl --json\n\n"
    "docs/eval.md defines every figure.",
    children,
    NULL,
    NULL,
};

/* ---- the walk ---- */

struct eval {
    const struct options *o;
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

static enum ew_status open_session(const struct options *o, struct ew_model *model, struct ew_session **out,
                                   struct ew_error *err) {
    uint32_t n_ctx = o->n_ctx ? o->n_ctx : (uint32_t)ew_eval_context(ew_model_info(model).n_ctx_train);
    if (o->stride >= n_ctx)
        return ew_error_set(err, EW_ERR_ARGUMENT, "--stride: %u must be below the window's %u tokens", o->stride,
                            n_ctx);
    const struct ew_session_params params = {.n_ctx = n_ctx,
                                             .threads_prefill = o->threads,
                                             .threads_decode = o->threads,
                                             .cpu_mask = o->common.cpu_mask,
                                             .kv_k = o->kv_k,
                                             .kv_v = o->kv_v};
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

static enum ew_status evaluate(const struct options *o, struct ew_error *err) {
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
                                  .bos = ew_cli_begin_token(model),
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

int ew_cmd_eval(int argc, char **argv) {
    struct options o = {0};
    struct ew_error err = {0};
    ew_cli_parse(&eval_argp, argc, argv, &o.common, &o);
    ew_cli_write_begin();
    const struct ew_eval_answers answers = {.model = o.model,
                                            .prompts = o.prompts,
                                            .store = o.store,
                                            .tokens = o.tokens,
                                            .json = o.common.json,
                                            .session = {.threads_prefill = o.threads,
                                                        .threads_decode = o.threads,
                                                        .cpu_mask = o.common.cpu_mask,
                                                        .kv_k = o.kv_k,
                                                        .kv_v = o.kv_v}};
    enum ew_status status = o.prompts ? ew_eval_answer(&answers, &err) : evaluate(&o, &err);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
