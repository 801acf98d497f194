/* edgewise logits: float32 logits after each given token, so that anyone can check the engine against another. */
#include "base/error.h"
#include "cli/context_options.h"
#include "cli/kernel_memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct ew_cli_common common;
    const char *model, *tokens, *out;
    uint32_t threads, batch;
    bool one_by_one;
    enum ew_kv_type kv_k, kv_v;
};

enum { KEY_ONE_BY_ONE = 2001, KEY_BATCH, KEY_KV };

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'o': o->out = arg; return 0;
    case 'T': o->tokens = arg; return 0;
    case 't': o->threads = ew_cli_u32(state, "--threads", arg, 1, 1024); return 0;
    case KEY_BATCH: o->batch = ew_cli_u32(state, "--batch", arg, 1, 4096); return 0;
    case KEY_KV: ew_cli_kv(state, arg, &o->kv_k, &o->kv_v); return 0;
    case KEY_ONE_BY_ONE: o->one_by_one = true; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "%s: one model file is enough", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->model) argp_error(state, "MODEL is missing");
        if (!o->tokens) argp_error(state, "--tokens is missing");
        if (!o->out) argp_error(state, "-o FILE is missing");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"tokens", 'T', "IDS", 0, "Token ids separated by commas; nothing is added to them", 0},
    {"output", 'o', "FILE", 0, "Where the logits go: float32, one row of the vocabulary's size per token", 0},
    {"threads", 't', "N", 0, "Threads (all cores by default)", 0},
    {"batch", KEY_BATCH, "N", 0, "Most tokens evaluated at once (512)", 0},
    {"kv", KEY_KV, "TYPE", 0, "Type of the KV cache: f16, q8_0, f32, or keys and values apart, as q8_0/f16 (f16)", 0},
    {"one-by-one", KEY_ONE_BY_ONE, 0, 0, "Evaluate token after token, as decoding does", 0},
    {0},
};

/* Comma-separated ids into a new array. */
static enum ew_status parse_ids(const char *text, int32_t **out, size_t *n, struct ew_error *err) {
    size_t count = 1;
    for (const char *p = text; *p; p++) count += *p == ',';
    int32_t *ids = malloc(count * sizeof *ids);
    if (!ids) return ew_error_set(err, EW_ERR_MEMORY, "--tokens: out of memory");
    const char *p = text;
    for (size_t i = 0; i < count; i++) {
        char *end;
        errno = 0;
        long v = strtol(p, &end, 10);
        if (end == p || errno || v < 0 || v > INT32_MAX || (*end != ',' && *end != 0)) {
            free(ids);
            return ew_error_set(err, EW_ERR_ARGUMENT,
                                "--tokens: `%.20s` is not a token id (numbers separated by commas)", p);
        }
        ids[i] = (int32_t)v;
        p = end + 1;
    }
    *out = ids;
    *n = count;
    return EW_OK;
}

static enum ew_status write_rows(const char *path, const float *rows, size_t n, struct ew_error *err) {
    FILE *f = fopen(path, "wb");
    if (!f) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot create", path);
    bool written = fwrite(rows, sizeof *rows, n, f) == n;
    if (fclose(f) != 0 || !written) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", path);
    return EW_OK;
}

static enum ew_status evaluate(struct ew_session *s, const struct options *o, const int32_t *ids, size_t n,
                               uint32_t n_vocab, float *rows, struct ew_error *err) {
    if (!o->one_by_one) return ew_session_prefill_logits(s, ids, n, rows, err);
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < n && status == EW_OK; i++)
        status = ew_session_prefill_logits(s, ids + i, 1, rows + i * n_vocab, err);
    return status;
}

static enum ew_status compute(const struct options *o, struct ew_error *err) {
    struct ew_model *model = NULL;
    struct ew_session *session = NULL;
    struct ew_kernel_choices *kernels = NULL;
    int32_t *ids = NULL;
    float *rows = NULL;
    size_t n = 0;
    enum ew_status status = parse_ids(o->tokens, &ids, &n, err);
    if (status == EW_OK) status = ew_model_open(o->model, &model, err);
    if (status != EW_OK) goto done;
    kernels = ew_cli_remembered_kernels(o->common.cpu_mask);
    struct ew_session_params p = {.n_ctx = (uint32_t)n,
                                  .n_batch = o->batch,
                                  .threads_prefill = o->threads,
                                  .threads_decode = o->threads,
                                  .cpu_mask = o->common.cpu_mask,
                                  .kv_k = o->kv_k,
                                  .kv_v = o->kv_v,
                                  .kernels = kernels};
    status = ew_session_open(model, &p, &session, err);
    if (status != EW_OK) goto done;
    uint32_t n_vocab = ew_model_info(model).n_vocab;
    rows = calloc(n, n_vocab * sizeof *rows);
    if (!rows) {
        status = ew_error_set(err, EW_ERR_MEMORY, "%zu rows of %u logits: out of memory", n, n_vocab);
        goto done;
    }
    status = evaluate(session, o, ids, n, n_vocab, rows, err);
    if (status == EW_OK) status = write_rows(o->out, rows, n * n_vocab, err);
    if (status == EW_OK && o->common.json)
        printf("{\"rows\": %zu, \"n_vocab\": %u, \"kernels\": \"%s\"}\n", n, n_vocab, ew_session_kernels(session));
done:
    free(rows);
    free(ids);
    ew_session_close(&session);
    ew_kernel_choices_close(&kernels);
    ew_model_close(&model);
    return status;
}

int ew_cmd_logits(int argc, char **argv) {
    const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "MODEL",
        .doc = "Writes the float32 logits after each given token.\v"
               "Example:\n  edgewise logits model.gguf --tokens 1,306,626 -o logits.f32\n",
        .children = children,
    };
    struct options o = {0};
    struct ew_error err = {0};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    return compute(&o, &err) == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
