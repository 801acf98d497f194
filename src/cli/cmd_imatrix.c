/* edgewise imatrix: which columns of a model's matrices matter, learned from a text; edgewise quantize --imatrix spends
 * the precision there. Sums and files are the quality room's. */
#include "base/error.h"
#include "base/file_map.h"
#include "cli/command.h"
#include "cli/eval_view.h"
#include "cli/interrupt.h"
#include "cli/token_ids.h"
#include "cli/write_progress.h"
#include "quality/importance_collect.h"
#include "quality/importance_file.h"
#include "quality/sequence_score.h"

#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_WINDOWS = 2601, KEY_IN, KEY_FORCE, MOST_INPUTS = 64, DEFAULT_WINDOW = 512, LEAST_WINDOW = 4 };

struct options {
    struct ew_cli_common common;
    const char *model, *text, *output, *inputs[MOST_INPUTS];
    size_t n_inputs;
    uint32_t n_ctx, windows, threads;
    bool force;
};

static const struct argp_option option_table[] = {
    {"file", 'f', "TEXT", 0, "The text, as it is, byte by byte", 0},
    {"output", 'o', "FILE", 0, "Where the importance matrix goes", 0},
    {"context", 'c', "N", 0, "Tokens of a window (512, or as many as the model was trained for where that is less)", 0},
    {"windows", KEY_WINDOWS, "N", 0, "Only the first N windows (all)", 0},
    {"threads", 't', "N", 0, "Threads (all cores)", 0},
    {"in", KEY_IN, "FILE", 0, "Add what this importance matrix has seen; repeatable, also without MODEL and text", 0},
    {"force", KEY_FORCE, 0, 0, "Replace a file of that name", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'f': o->text = arg; return 0;
    case 'o': o->output = arg; return 0;
    case 'c': o->n_ctx = ew_cli_u32(state, "--context", arg, LEAST_WINDOW, 1 << 24); return 0;
    case 't': o->threads = ew_cli_u32(state, "--threads", arg, 1, 1024); return 0;
    case KEY_WINDOWS: o->windows = ew_cli_u32(state, "--windows", arg, 1, UINT32_MAX); return 0;
    case KEY_FORCE: o->force = true; return 0;
    case KEY_IN:
        if (o->n_inputs == MOST_INPUTS) argp_error(state, "--in: more than %d of them", MOST_INPUTS);
        o->inputs[o->n_inputs++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time, please: `%s` is a second one", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->output) argp_error(state, "where to? --output FILE");
        if (!o->model && o->n_inputs == 0) argp_error(state, "which MODEL?");
        if (o->model && !o->text) argp_error(state, "which text? --file TEXT");
        if (!o->model && o->text) argp_error(state, "which MODEL reads %s?", o->text);
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
static const struct argp imatrix_argp = {
    option_table,
    parse_option,
    "MODEL --file TEXT --output FILE\n--in FILE [--in FILE…] --output FILE",
    "Learn from a text which columns of a model's matrices matter: an importance matrix, for quantize --imatrix.\v"
    "Example:  edgewise imatrix model-f16.gguf -f calibration.txt -o model.imatrix.gguf\n"
    "          edgewise quantize model-f16.gguf model-q2_k.gguf q2_k --imatrix model.imatrix.gguf\n\n"
    "The file is of the form that llama.cpp's tools read and write; --in takes their older form, too. "
    "docs/imatrix.md says what is in it and what it is good for.",
    children,
    NULL,
    NULL,
};

/* ---- the walk ---- */

struct run {
    const struct options *o;
    struct ew_importance *importance;
    struct ew_perplexity_sum sum;
    struct ew_text_windows windows;
    bool terminal;
};

static enum ew_status take_rows(void *context, const struct ew_scored_rows *rows, struct ew_error *err) {
    struct run *r = context;
    (void)err;
    ew_perplexity_add(&r->sum, rows, 0);
    return EW_OK;
}

static bool window_done(void *context, size_t done, size_t total) {
    struct run *r = context;
    ew_perplexity_end_window(&r->sum);
    if (r->terminal) ew_eval_show_progress(done, total, &r->sum);
    return !ew_interrupt_pending();
}

static enum ew_status walk(struct run *r, const struct ew_text_score *score, struct ew_error *err) {
    size_t n = ew_text_score_windows(score);
    if (n == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %zu tokens are less than a window of %u; see --context",
                            r->o->text, score->n_ids, score->windows.n_ctx);
    if (r->importance->chunk_size == 0) r->importance->chunk_size = score->windows.n_ctx;
    if (n > UINT32_MAX - r->importance->chunk_count)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: %zu windows are more than can be counted", r->o->text, n);
    r->importance->chunk_count += (uint32_t)n;
    enum ew_status status = ew_importance_observe(score->session, r->importance, err);
    if (status == EW_OK) status = ew_importance_add_dataset(r->importance, r->o->text, strlen(r->o->text), err);
    if (status == EW_OK) status = ew_text_score_run(score, err);
    if (r->terminal) ew_eval_end_progress();
    return status;
}

static enum ew_status open_session(const struct options *o, struct ew_model *model, struct ew_session **out,
                                   struct ew_error *err) {
    const uint32_t trained = ew_model_info(model).n_ctx_train;
    const bool is_short = trained >= LEAST_WINDOW && trained < DEFAULT_WINDOW;
    const struct ew_session_params params = {.n_ctx = o->n_ctx   ? o->n_ctx
                                                      : is_short ? trained
                                                                 : DEFAULT_WINDOW,
                                             .threads_prefill = o->threads,
                                             .threads_decode = o->threads,
                                             .cpu_mask = o->common.cpu_mask};
    return ew_session_open(model, &params, out, err);
}

static enum ew_status read_text(struct run *r, struct ew_error *err) {
    const struct options *o = r->o;
    struct ew_model *model = NULL;
    struct ew_session *session = NULL;
    struct ew_file_map text = {0};
    int32_t *ids = NULL;
    size_t n_ids = 0;
    enum ew_status status = ew_file_map_open(o->text, &text, err);
    if (status == EW_OK) status = ew_model_open(o->model, &model, err);
    if (status == EW_OK)
        status =
            ew_cli_token_ids(model, (const char *)text.data, text.size, EW_TOKENIZE_ADD_SPECIAL, &ids, &n_ids, err);
    if (status == EW_OK) status = open_session(o, model, &session, err);
    if (status == EW_OK) {
        const struct ew_session_params p = ew_session_params_of(session);
        r->windows.n_ctx = p.n_ctx;
        status = walk(r,
                      &(struct ew_text_score){.session = session,
                                              .n_vocab = ew_model_info(model).n_vocab,
                                              .ids = ids,
                                              .n_ids = n_ids,
                                              .windows = r->windows,
                                              .max_windows = o->windows,
                                              .bos = ew_sequence_bos(model),
                                              .whole = true,
                                              .threads = p.threads_prefill,
                                              .take = take_rows,
                                              .progress = window_done,
                                              .context = r},
                      err);
    }
    ew_session_close(&session);
    free(ids);
    ew_model_close(&model);
    ew_file_map_close(&text);
    return status;
}

static enum ew_status add_inputs(struct run *r, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < r->o->n_inputs && status == EW_OK; i++) {
        struct ew_importance *input = NULL;
        status = ew_importance_read(r->o->inputs[i], &input, err);
        if (status != EW_OK) break;
        status = ew_importance_merge(r->importance, input, err);
        if (status != EW_OK) status = ew_error_prefix(err, status, "%s", r->o->inputs[i]);
        ew_importance_close(&input);
    }
    return status;
}

/* Before the walk, which may take an hour. */
static enum ew_status check_output(const struct options *o, struct ew_error *err) {
    if (!o->force && access(o->output, F_OK) == 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: exists; --force replaces it", o->output);
    char *copy = strdup(o->output);
    if (!copy) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", o->output);
    bool fits = access(dirname(copy), W_OK) == 0;
    free(copy);
    return fits ? EW_OK : ew_error_set(err, EW_ERR_PERMISSION, "%s: nothing can be written in its folder", o->output);
}

/* ---- the outcome ---- */

/* Matrices that met no token: experts that none has chosen. */
static size_t count_unseen(const struct ew_importance *m) {
    size_t n = 0;
    for (size_t i = 0; i < m->n_entries; i++)
        for (size_t k = 0; k < m->entries[i].n_matrices; k++) n += !(m->entries[i].count[k] > 0);
    return n;
}

static void print_json(const struct run *r) {
    const struct ew_importance *m = r->importance;
    const struct ew_perplexity p = ew_perplexity_of(&r->sum);
    json_t *datasets = json_array();
    for (size_t i = 0; i < m->n_datasets; i++) json_array_append_new(datasets, json_string(m->datasets[i]));
    json_t *object = json_pack("{s:s, s:I, s:I, s:o, s:I, s:I}", "path", r->o->output, "entries",
                               (json_int_t)m->n_entries, "unseen", (json_int_t)count_unseen(m), "datasets", datasets,
                               "chunk_count", (json_int_t)m->chunk_count, "chunk_size", (json_int_t)m->chunk_size);
    if (r->o->model)
        json_object_set_new(object, "run",
                            json_pack("{s:s, s:s, s:I, s:I, s:f, s:o}", "model", r->o->model, "text", r->o->text,
                                      "context", (json_int_t)r->windows.n_ctx, "windows", (json_int_t)p.n_windows,
                                      "perplexity", p.perplexity, "error",
                                      isnan(p.error) ? json_null() : json_real(p.error)));
    json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

static void print_text(const struct run *r) {
    const struct ew_importance *m = r->importance;
    const struct ew_perplexity p = ew_perplexity_of(&r->sum);
    size_t unseen = count_unseen(m);
    if (r->o->model)
        printf("%s · %" PRIu64 " windows of %" PRIu32 " tokens · perplexity %.4f\n", r->o->text, p.n_windows,
               r->windows.n_ctx, p.perplexity);
    printf("%s  %zu matrices, %" PRIu32 " windows in all\n", r->o->output, m->n_entries, m->chunk_count);
    if (unseen > 0) printf("  %zu experts met no token: a longer text would know more of them\n", unseen);
}

int ew_cmd_imatrix(int argc, char **argv) {
    struct options o = {0};
    struct ew_error err = {0};
    ew_cli_parse(&imatrix_argp, argc, argv, &o.common, &o);
    struct run r = {.o = &o, .terminal = isatty(STDERR_FILENO) && !o.common.json};
    ew_cli_write_begin();
    enum ew_status status = check_output(&o, &err);
    if (status == EW_OK) status = ew_importance_open(&r.importance, &err);
    if (status == EW_OK) status = add_inputs(&r, &err);
    if (status == EW_OK && o.model) status = read_text(&r, &err);
    if (status == EW_OK) status = ew_importance_write(r.importance, o.output, &err);
    if (status == EW_OK && o.common.json) print_json(&r);
    if (status == EW_OK && !o.common.json) print_text(&r);
    ew_importance_close(&r.importance);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
