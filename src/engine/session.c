/* Owns sessions: the public face of a plan on a backend. Checks what callers pass, splits prompts into batches and
 * keeps the position; how ops run is the backend's matter. */
#include "edgewise/session.h"

#include "backend/backend.h"
#include "base/error.h"
#include "engine/kernel_choices.h"
#include "engine/thread_choice.h"
#include "machine/cpu_features.h"
#include "model/model_inside.h"
#include <stdlib.h>

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BATCH = 512, MAX_CONTEXT = 1 << 24, MAX_BATCH = 4096, DEFAULT_SPIN_US = 200 };

/* Program text, C library, thread stacks and heap as seen before a model is opened. An estimate: measured on x86-64
 * Debian 12, see docs/memory.md. */
static const uint64_t RUNTIME_BYTES = 4 << 20;

struct ew_session {
    struct ew_model *model;
    const struct ew_backend_interface *interface;
    struct ew_backend *backend;
    struct ew_session_params params;
    float *logits;
    uint32_t n_past;
    bool has_logits;
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
    if (p.threads_decode == 0) p.threads_decode = threads->n_default;
    if (p.cpu_mask == 0) p.cpu_mask = ew_cpu_features();
    if (p.spin_us == 0) p.spin_us = DEFAULT_SPIN_US;
    if (p.n_ctx > MAX_CONTEXT)
        return ew_error_set(err, EW_ERR_ARGUMENT, "context: %u is more than %d", p.n_ctx, MAX_CONTEXT);
    if (p.n_batch > MAX_BATCH)
        return ew_error_set(err, EW_ERR_ARGUMENT, "batch: %u is more than %d", p.n_batch, MAX_BATCH);
    if (p.threads_prefill > EW_MAX_THREADS || p.threads_decode > EW_MAX_THREADS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "threads: %u/%u is more than %d", p.threads_prefill, p.threads_decode,
                            EW_MAX_THREADS);
    if (p.layout > EW_WEIGHTS_PACKED)
        return ew_error_set(err, EW_ERR_ARGUMENT, "layout: %d is not known", (int)p.layout);
    if (p.kv_k > EW_KV_F32 || p.kv_v > EW_KV_F32)
        return ew_error_set(err, EW_ERR_ARGUMENT, "KV types: %d/%d are not known", (int)p.kv_k, (int)p.kv_v);
    if (p.kernels && ew_kernel_choices_features(p.kernels) != (p.cpu_mask & ew_cpu_features()))
        return ew_error_set(err, EW_ERR_ARGUMENT, "kernels: chosen for features %#llx, the session may use %#llx",
                            (unsigned long long)ew_kernel_choices_features(p.kernels),
                            (unsigned long long)(p.cpu_mask & ew_cpu_features()));
    if (p.n_batch > p.n_ctx) p.n_batch = p.n_ctx;
    *out = p;
    return EW_OK;
}

static const enum ew_type kv_types[] = {
    [EW_KV_F16] = EW_TYPE_F16, [EW_KV_Q8_0] = EW_TYPE_Q8_0, [EW_KV_F32] = EW_TYPE_F32};

static struct ew_backend_params backend_params(const struct ew_session_params *p) {
    return (struct ew_backend_params){
        .request = {.n_ctx = p->n_ctx,
                    .n_batch = p->n_batch,
                    .max_threads = p->threads_prefill > p->threads_decode ? p->threads_prefill : p->threads_decode,
                    .layout = p->layout,
                    .kv = {.k = kv_types[p->kv_k], .v = kv_types[p->kv_v]}},
        .threads_prefill = p->threads_prefill,
        .threads_decode = p->threads_decode,
        .cpu_features = p->cpu_mask & ~EW_CPU_MASK_NONE,
        .spin_us = p->spin_us,
        .kernels = p->kernels ? ew_kernel_choices_inside(p->kernels) : NULL,
    };
}

enum ew_status ew_session_predict_memory(const struct ew_model *model, const struct ew_session_params *params,
                                         struct ew_memory_ledger *out, struct ew_error *err) {
    struct ew_session_params p = {0};
    struct ew_thread_choice threads;
    enum ew_status status = resolve(model, params, &threads, &p, err);
    if (status != EW_OK) return status;
    struct ew_backend_params b = backend_params(&p);
    struct ew_memory_ledger l = {0};
    status = ew_backend_cpu.predict(&model->plan, &b, &l, err);
    if (status != EW_OK) return status;
    l.activations += model->config.n_vocab * sizeof(float);
    l.tokenizer = ew_model_overhead_bytes(model);
    l.runtime = RUNTIME_BYTES;
    l.total = l.weights_mapped + l.weights_packed + l.kv_cache + l.activations + l.scratch + l.tokenizer + l.runtime;
    *out = l;
    return EW_OK;
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
    s->params.kernels = NULL; /* the caller may close them */
    s->interface = &ew_backend_cpu;
    s->logits = calloc(model->config.n_vocab, sizeof(float));
    struct ew_backend_params b = backend_params(&p);
    if (threads.n_cores >= b.request.max_threads) b.cores = threads.cores;
    status = s->logits
                 ? s->interface->open(&model->plan, model->gguf, &b, &s->backend, err)
                 : ew_error_set(err, EW_ERR_MEMORY, "session: out of memory for %u logits", model->config.n_vocab);
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
    s->has_logits = false;
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
        s->n_past += count;
        at += count;
    }
    s->has_logits = rows == NULL;
    return EW_OK;
}

enum ew_status ew_session_prefill(struct ew_session *s, const int32_t *ids, size_t n, struct ew_error *err) {
    enum ew_status status = check_tokens(s, ids, n, err);
    return status == EW_OK ? evaluate(s, ids, n, NULL, err) : status;
}

enum ew_status ew_session_decode(struct ew_session *s, int32_t id, struct ew_error *err) {
    return ew_session_prefill(s, &id, 1, err);
}

enum ew_status ew_session_prefill_logits(struct ew_session *s, const int32_t *ids, size_t n, float *logits,
                                         struct ew_error *err) {
    enum ew_status status = check_tokens(s, ids, n, err);
    return status == EW_OK ? evaluate(s, ids, n, logits, err) : status;
}

const float *ew_session_logits(const struct ew_session *s) { return s->has_logits ? s->logits : NULL; }

uint32_t ew_session_n_past(const struct ew_session *s) { return s->n_past; }

void ew_session_reset(struct ew_session *s) {
    s->n_past = 0;
    s->has_logits = false;
}

enum ew_status ew_session_rewind(struct ew_session *s, uint32_t n_tokens, struct ew_error *err) {
    if (n_tokens > s->n_past)
        return ew_error_set(err, EW_ERR_ARGUMENT, "context: cannot keep %u tokens of %u", n_tokens, s->n_past);
    if (n_tokens > 0 && n_tokens < s->n_past && ew_plan_keeps_state(&s->model->plan))
        return ew_error_set(
            err, EW_ERR_UNSUPPORTED,
            "context: cannot go back to %u tokens of %u; the state of the model's convolutions has moved on", n_tokens,
            s->n_past);
    s->n_past = n_tokens;
    s->has_logits = false;
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
    s->n_past = from;
    if (n_keep > from) status = ew_session_prefill(s, ids, n_keep, err);
    return status == EW_OK ? ew_session_prefill(s, rest, n - n_keep - n_discard, err) : status;
}

const char *ew_session_kernels(const struct ew_session *s) { return s->interface->kernels(s->backend); }

struct ew_session_params ew_session_params_of(const struct ew_session *s) {
    return s->params;
}
