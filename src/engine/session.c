/* Owns sessions: the public face of a plan on a backend. Checks what callers pass, splits prompts into batches and
 * keeps the position; how ops run is the backend's matter. */
#include "edgewise/session.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/draft_pass.h"
#include "engine/kernel_choices.h"
#include "engine/session_inside.h"
#include "engine/thread_choice.h"
#include "machine/cpu_features.h"
#include "model/model_inside.h"
#include <stdlib.h>

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BATCH = 512, MAX_CONTEXT = 1 << 24, MAX_BATCH = 4096 };

/* Program text, C library, thread stacks and heap as seen before a model is opened. An estimate: measured on x86-64
 * Debian 12, see docs/memory.md. */
static const uint64_t RUNTIME_BYTES = 4 << 20;

struct ew_session {
    struct ew_model *model;
    const struct ew_backend_interface *interface;
    struct ew_backend *backend;
    struct ew_session_params params;
    struct ew_draft_pass *drafts; /* NULL: does not speculate */
    struct ew_speculation speculation;
    float *logits;    /* [1 + speculation.most][n_vocab] */
    const float *now; /* the row after the last token; NULL before the first */
    uint32_t n_past;
};

struct ew_session_params ew_session_default_params(void) {
    return (struct ew_session_params){0};
}

/* Fills in defaults and checks ranges. threads: out, what the machine suggests. */
static enum ew_status resolve(const struct ew_model *model, const struct ew_session_params *given,
                              struct ew_thread_choice *threads, struct ew_session_params *out, struct ew_error *err) {
    struct ew_session_params p = given ? *given : ew_session_default_params();
    uint32_t trained = model->config.n_ctx_train;
    ew_thread_choose(threads);
    if (p.n_ctx == 0) p.n_ctx = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
    if (p.n_batch == 0) p.n_batch = DEFAULT_BATCH;
    if (p.threads_prefill == 0) p.threads_prefill = threads->n_default;
    if (p.threads_decode == 0) p.threads_decode = threads->n_decode;
    if (p.cpu_mask == 0) p.cpu_mask = ew_cpu_features();
    if (p.spin_us == 0) p.spin_us = EW_POOL_SPIN_US;
    if (p.n_ctx > MAX_CONTEXT)
        return ew_error_set(err, EW_ERR_ARGUMENT, "context: %u is more than %d", p.n_ctx, MAX_CONTEXT);
    if (p.n_batch > MAX_BATCH)
        return ew_error_set(err, EW_ERR_ARGUMENT, "batch: %u is more than %d", p.n_batch, MAX_BATCH);
    if (p.threads_prefill > EW_MAX_THREADS || p.threads_decode > EW_MAX_THREADS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "threads: %u/%u is more than %d", p.threads_prefill, p.threads_decode,
                            EW_MAX_THREADS);
    if (p.layout > EW_WEIGHTS_SIDE_FILE)
        return ew_error_set(err, EW_ERR_ARGUMENT, "layout: %d is not known", (int)p.layout);
    if (p.layout == EW_WEIGHTS_SIDE_FILE && !p.side_folder)
        return ew_error_set(err, EW_ERR_ARGUMENT, "layout: a side file needs side_folder");
    if (p.kv_k > EW_KV_F32 || p.kv_v > EW_KV_F32)
        return ew_error_set(err, EW_ERR_ARGUMENT, "KV types: %d/%d are not known", (int)p.kv_k, (int)p.kv_v);
    if (p.n_draft > EW_DRAFT_MOST && p.n_draft != EW_DRAFT_AUTO)
        return ew_error_set(err, EW_ERR_ARGUMENT, "drafted tokens: %u are more than %d", p.n_draft, EW_DRAFT_MOST);
    if (p.kernels && ew_kernel_choices_features(p.kernels) != (p.cpu_mask & ew_cpu_features()))
        return ew_error_set(err, EW_ERR_ARGUMENT, "kernels: chosen for features %#llx, the session may use %#llx",
                            (unsigned long long)ew_kernel_choices_features(p.kernels),
                            (unsigned long long)(p.cpu_mask & ew_cpu_features()));
    if (p.n_batch > p.n_ctx) p.n_batch = p.n_ctx;
    *out = p;
    return EW_OK;
}

static struct ew_backend_params backend_params(const struct ew_session_params *p) {
    return (struct ew_backend_params){
        .request = {.n_ctx = p->n_ctx,
                    .n_batch = p->n_batch,
                    .max_threads = p->threads_prefill > p->threads_decode ? p->threads_prefill : p->threads_decode,
                    .layout = p->layout,
                    .kv = ew_kv_types_of(p->kv_k, p->kv_v)},
        .threads_prefill = p->threads_prefill,
        .threads_decode = p->threads_decode,
        .cpu_features = p->cpu_mask & ~EW_CPU_MASK_NONE,
        .spin_us = p->spin_us == EW_SPIN_NONE ? EW_POOL_NO_SPIN : p->spin_us,
        .side_folder = p->side_folder,
        .kernels = p->kernels ? ew_kernel_choices_inside(p->kernels) : NULL,
    };
}

/* How many tokens can be drafted at once: one pass must give the very logits that steps would, and what came of drafts
 * that were wrong must be forgotten again. */
static struct ew_speculation speculation_of(const struct ew_model *model, const struct ew_backend_params *b,
                                            uint32_t n_draft) {
    struct ew_speculation s = {0};
    if (n_draft == 0) return s;
    if (ew_plan_keeps_state(&model->plan)) {
        s.off = "the state of the model's convolutions cannot go back";
        return s;
    }
    uint32_t most = ew_backend_cpu.exact_tokens(&model->plan, b) - 1;
    if (b->request.n_batch == 1)
        s.off = "a batch of one token leaves no room for drafts";
    else if (most == 0)
        s.off = "no kernel for the model's types gives several tokens what each of them gets alone";
    s.most = n_draft < most ? n_draft : most;
    return s;
}

/* Rows of logits, and what drafting takes. */
static uint64_t decoding_bytes(const struct ew_model *model, const struct ew_session_params *p, uint32_t most) {
    uint64_t rows = (1 + (uint64_t)most) * model->config.n_vocab * sizeof(float);
    return rows + (most > 0 ? ew_draft_pass_bytes(p->n_ctx) : 0);
}

/* What a backend would be asked for; names no cores. resolved: out, the parameters without gaps. */
static enum ew_status prepare(const struct ew_model *model, const struct ew_session_params *given,
                              struct ew_session_params *resolved, struct ew_backend_params *out, struct ew_error *err) {
    struct ew_thread_choice threads;
    enum ew_status status = resolve(model, given, &threads, resolved, err);
    if (status == EW_OK) *out = backend_params(resolved);
    return status;
}

enum ew_status ew_session_predict_memory(const struct ew_model *model, const struct ew_session_params *params,
                                         struct ew_memory_ledger *out, struct ew_error *err) {
    struct ew_session_params p = {0};
    struct ew_backend_params b;
    struct ew_memory_ledger l = {0};
    enum ew_status status = prepare(model, params, &p, &b, err);
    if (status == EW_OK) status = ew_backend_cpu.predict(&model->plan, model->gguf, &b, &l, err);
    if (status != EW_OK) return status;
    l.activations += decoding_bytes(model, &p, speculation_of(model, &b, p.n_draft).most);
    l.tokenizer = ew_model_overhead_bytes(model);
    l.runtime = RUNTIME_BYTES;
    l.total = l.weights_mapped + l.weights_packed + l.kv_cache + l.activations + l.scratch + l.tokenizer + l.runtime;
    *out = l;
    return EW_OK;
}

static enum ew_status open_decoding(struct ew_session *s, const struct ew_backend_params *b, struct ew_error *err) {
    const uint32_t n_draft = s->params.n_draft, n_vocab = s->model->config.n_vocab;
    s->speculation = speculation_of(s->model, b, n_draft);
    if (s->speculation.off && n_draft != EW_DRAFT_AUTO)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "speculation: %s", s->speculation.off);
    s->logits = calloc((1 + (size_t)s->speculation.most) * n_vocab, sizeof(float));
    if (!s->logits) return ew_error_set(err, EW_ERR_MEMORY, "session: out of memory for %u logits", n_vocab);
    if (s->speculation.most == 0) return EW_OK;
    return ew_draft_pass_open(s->params.n_ctx, s->speculation.most, n_draft != EW_DRAFT_AUTO, &s->drafts, err);
}

enum ew_status ew_session_choose_weights(const struct ew_model *model, const struct ew_session_params *params,
                                         struct ew_weights_choice *out, struct ew_error *err) {
    struct ew_session_params p = {0};
    struct ew_backend_params b;
    enum ew_status status = prepare(model, params, &p, &b, err);
    return status == EW_OK ? ew_backend_cpu.choose_weights(&model->plan, model->gguf, &b, out, err) : status;
}

enum ew_status ew_session_verify_side_file(const struct ew_model *model, const struct ew_session_params *params,
                                           struct ew_error *err) {
    struct ew_session_params p = {0};
    struct ew_backend_params b;
    enum ew_status status = prepare(model, params, &p, &b, err);
    return status == EW_OK ? ew_backend_cpu.verify_side_file(&model->plan, model->gguf, &b, err) : status;
}

enum ew_status ew_session_open(struct ew_model *model, const struct ew_session_params *params, struct ew_session **out,
                               struct ew_error *err) {
    struct ew_session_params p = {0};
    struct ew_thread_choice threads;
    enum ew_status status = resolve(model, params, &threads, &p, err);
    if (status != EW_OK) return status;
    struct ew_session *s = calloc(1, sizeof *s);
    if (!s) return ew_error_set(err, EW_ERR_MEMORY, "session: out of memory");
    s->model = model;
    s->params = p;
    s->params.side_folder = NULL; /* the caller's */
    s->params.kernels = NULL;     /* the caller may close them */
    s->interface = &ew_backend_cpu;
    struct ew_backend_params b = backend_params(&p);
    if (threads.n_cores >= b.request.max_threads) b.cores = threads.cores;
    status = open_decoding(s, &b, err);
    if (status == EW_OK) status = s->interface->open(&model->plan, model->gguf, &b, &s->backend, err);
    if (status != EW_OK) {
        ew_session_close(&s);
        return status;
    }
    *out = s;
    return EW_OK;
}

void ew_session_close(struct ew_session **session) {
    if (!session || !*session) return;
    struct ew_session *s = *session;
    if (s->backend) s->interface->close(&s->backend);
    ew_draft_pass_close(&s->drafts);
    free(s->logits);
    free(s);
    *session = NULL;
}

static enum ew_status check_tokens(const struct ew_session *s, const int32_t *ids, size_t n, struct ew_error *err) {
    if (n == 0) return ew_error_set(err, EW_ERR_ARGUMENT, "tokens: none given (at least 1)");
    if (n > s->params.n_ctx - s->n_past)
        return ew_error_set(err, EW_ERR_LIMIT, "context: %zu tokens after %u do not fit its %u", n, s->n_past,
                            s->params.n_ctx);
    uint32_t n_vocab = s->model->config.n_vocab;
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
            return ew_error_set(err, EW_ERR_ARGUMENT, "token %zu: id %d is outside the vocabulary (0–%u)", i, ids[i],
                                n_vocab - 1);
    return EW_OK;
}

/* Evaluates checked tokens in batches. rows: where each token's logits go, or NULL for the last token's only. */
static enum ew_status evaluate(struct ew_session *s, const int32_t *ids, size_t n, float *rows, struct ew_error *err) {
    s->now = NULL;
    for (size_t at = 0; at < n;) {
        size_t left = n - at;
        uint32_t count = left < s->params.n_batch ? (uint32_t)left : s->params.n_batch;
        bool last = at + count == n;
        struct ew_backend_call call = {
            .tokens = ids + at,
            .n_tokens = count,
            .pos0 = s->n_past,
            .logits = rows   ? rows + at * s->model->config.n_vocab
                      : last ? s->logits
                             : NULL,
            .logits_for_each = rows != NULL,
        };
        enum ew_status status = s->interface->run(s->backend, &call, err);
        if (status != EW_OK) return status;
        if (s->drafts) ew_draft_pass_add(s->drafts, ids + at, count);
        s->n_past += count;
        at += count;
    }
    s->now = rows ? NULL : s->logits;
    return EW_OK;
}

enum ew_status ew_session_prefill(struct ew_session *s, const int32_t *ids, size_t n, struct ew_error *err) {
    enum ew_status status = check_tokens(s, ids, n, err);
    return status == EW_OK ? evaluate(s, ids, n, NULL, err) : status;
}

/* One pass over a checked token and those that are drafted after it. */
static enum ew_status evaluate_drafts(struct ew_session *s, int32_t id, struct ew_error *err) {
    struct ew_backend_call call = {.pos0 = s->n_past, .logits = s->logits, .logits_for_each = true, .exact = true};
    s->now = NULL;
    call.n_tokens = ew_draft_pass_begin(s->drafts, id, s->params.n_ctx - s->n_past, &call.tokens);
    int64_t begin = ew_clock_now_ns();
    enum ew_status status = s->interface->run(s->backend, &call, err);
    if (status != EW_OK) {
        ew_draft_pass_keep(s->drafts, s->n_past);
        return status;
    }
    ew_draft_pass_end(s->drafts, ew_clock_now_ns() - begin);
    s->now = s->logits;
    s->n_past++;
    return EW_OK;
}

enum ew_status ew_session_decode(struct ew_session *s, int32_t id, struct ew_error *err) {
    if (!s->drafts) return ew_session_prefill(s, &id, 1, err);
    enum ew_status status = check_tokens(s, &id, 1, err);
    if (status != EW_OK) return status;
    uint32_t row = ew_draft_pass_claim(s->drafts, id);
    if (row == 0) return evaluate_drafts(s, id, err);
    s->now = s->logits + (size_t)row * s->model->config.n_vocab;
    s->n_past++;
    return EW_OK;
}

struct ew_speculation ew_session_speculation(const struct ew_session *s) {
    struct ew_speculation figures = s->speculation;
    if (s->drafts) ew_draft_pass_count(s->drafts, &figures);
    return figures;
}

enum ew_status ew_session_prefill_logits(struct ew_session *s, const int32_t *ids, size_t n, float *logits,
                                         struct ew_error *err) {
    enum ew_status status = check_tokens(s, ids, n, err);
    return status == EW_OK ? evaluate(s, ids, n, logits, err) : status;
}

const float *ew_session_logits(const struct ew_session *s) { return s->now; }

uint32_t ew_session_n_past(const struct ew_session *s) { return s->n_past; }

/* The context holds its first n_tokens from now on. */
static void keep(struct ew_session *s, uint32_t n_tokens) {
    s->n_past = n_tokens;
    s->now = NULL;
    if (s->drafts) ew_draft_pass_keep(s->drafts, n_tokens);
}

void ew_session_reset(struct ew_session *s) { keep(s, 0); }

enum ew_status ew_session_rewind(struct ew_session *s, uint32_t n_tokens, struct ew_error *err) {
    if (n_tokens > s->n_past)
        return ew_error_set(err, EW_ERR_ARGUMENT, "context: cannot keep %u tokens of %u", n_tokens, s->n_past);
    if (n_tokens > 0 && n_tokens < s->n_past && ew_plan_keeps_state(&s->model->plan))
        return ew_error_set(
            err, EW_ERR_UNSUPPORTED,
            "context: cannot go back to %u tokens of %u; the state of the model's convolutions has moved on", n_tokens,
            s->n_past);
    keep(s, n_tokens);
    return EW_OK;
}

enum ew_status ew_session_shift(struct ew_session *s, const int32_t *ids, uint32_t n_keep, uint32_t n_discard,
                                struct ew_error *err) {
    uint32_t n = s->n_past;
    if (n_discard == 0 || n_keep >= n || n_discard >= n - n_keep)
        return ew_error_set(err, EW_ERR_ARGUMENT, "context: cannot forget %u tokens behind %u of %u", n_discard, n_keep,
                            n);
    /* Keys and values of the first tokens do not depend on what follows, but the state of a convolution has moved on.
     */
    uint32_t from = ew_plan_keeps_state(&s->model->plan) ? 0 : n_keep;
    const int32_t *rest = ids + n_keep + n_discard;
    enum ew_status status = EW_OK;
    keep(s, from);
    if (n_keep > from) status = ew_session_prefill(s, ids, n_keep, err);
    return status == EW_OK ? ew_session_prefill(s, rest, n - n_keep - n_discard, err) : status;
}

const char *ew_session_kernels(const struct ew_session *s) { return s->interface->kernels(s->backend); }

const struct ew_weights_choice *ew_session_weights(const struct ew_session *s) {
    return s->interface->weights(s->backend);
}

struct ew_session_params ew_session_params_of(const struct ew_session *s) {
    return s->params;
}

const struct ew_plan *ew_session_plan(const struct ew_session *s) { return &s->model->plan; }

struct ew_kv_types ew_session_kv_types(const struct ew_session *s) {
    return ew_kv_types_of(s->params.kv_k, s->params.kv_v);
}

enum ew_status ew_session_time_ops(struct ew_session *s, struct ew_error *err) {
    return s->interface->time_ops(s->backend, err);
}

void ew_session_op_times(const struct ew_session *s, struct ew_backend_time *out) {
    s->interface->op_times(s->backend, out);
}

enum ew_status ew_session_observe(struct ew_session *s, struct ew_product_observer observer, struct ew_error *err) {
    if (!s->interface->observe)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "backend %s: cannot show the inputs of products",
                            s->interface->name);
    s->interface->observe(s->backend, observer);
    return EW_OK;
}
