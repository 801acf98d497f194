/* Owns the CPU backend's memory and life. All of it is taken, and touched, in open; running allocates nothing. */
#include "backend/cpu/cpu_backend.h"

#include "base/bytes.h"
#include "base/error.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static enum ew_status arena_open(struct ew_cpu_arena *a, size_t size, const char *what, struct ew_error *err) {
    if (size == 0) return EW_OK;
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return ew_error_errno(err, EW_ERR_MEMORY, errno, "%s: cannot allocate %zu bytes", what, size);
    madvise(p, size, MADV_HUGEPAGE);
    *a = (struct ew_cpu_arena){.base = p, .size = size};
    return EW_OK;
}

static void arena_close(struct ew_cpu_arena *a) {
    if (a->base) munmap(a->base, a->size);
    *a = (struct ew_cpu_arena){0};
}

void *ew_cpu_arena_take(struct ew_cpu_arena *a, size_t size) {
    assert(size <= a->size - a->used);
    void *p = a->base + a->used;
    a->used += size;
    return p;
}

/* Sums of the two arenas, from the ledger's terms: the one place where terms become allocations. */
static size_t weights_size(const struct ew_plan_memory *m) { return m->weights_packed_bytes + m->vectors_bytes; }

static size_t kernel_scratch_size(const struct ew_plan_memory *m) {
    size_t n = m->matmul_scratch_bytes;
    if (m->attention_scratch_bytes > n) n = m->attention_scratch_bytes;
    if (m->row_bytes > n) n = m->row_bytes;
    return ew_cpu_align(n);
}

static size_t scratch_size(const struct ew_plan_memory *m) {
    size_t n = kernel_scratch_size(m) + m->own_row_bytes;
    for (int k = 0; k < EW_ACT_KINDS; k++) n += m->own_act_bytes[k];
    return n;
}

static size_t session_size(const struct ew_plan_memory *m, uint32_t threads) {
    size_t size = m->kv_bytes + m->state_bytes + m->routing_bytes + m->attention_parts_bytes +
                  ew_cpu_align(m->buffers_bytes) + scratch_size(m) * threads;
    for (int k = 0; k < EW_ACT_KINDS; k++) size += ew_cpu_align(m->act_bytes[k]);
    return size;
}

void ew_cpu_choose_kernels(const struct ew_backend_params *params, struct ew_kernels *kernels) {
    ew_kernels_init(kernels, params->cpu_features);
    if (params->kernels) ew_kernels_choose(kernels, params->kernels);
}

static enum ew_status cpu_predict(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                  const struct ew_backend_params *params, struct ew_memory_ledger *out,
                                  struct ew_error *err) {
    struct ew_kernels kernels;
    struct ew_plan_memory m;
    struct ew_weights_choice choice;
    struct ew_plan_request request = params->request;
    ew_cpu_choose_kernels(params, &kernels);
    enum ew_status status = ew_cpu_foresee_layout(plan, gguf, params, &choice, err);
    if (status != EW_OK) return status;
    request.side_file = strcmp(choice.where, "side_file") == 0;
    status = ew_plan_sum_memory(plan, &kernels, &request, &m, err);
    if (status != EW_OK) return status;
    out->weights_mapped = m.weights_mapped_bytes + m.weights_side_bytes;
    out->weights_packed = weights_size(&m);
    out->kv_cache = m.kv_bytes + m.state_bytes;
    out->scratch = scratch_size(&m) * params->request.max_threads;
    out->activations = session_size(&m, params->request.max_threads) - out->kv_cache - out->scratch;
    return EW_OK;
}

/* The smallest count that any matrix allows; experts meet some of the tokens, never more. */
static uint32_t cpu_exact_tokens(const struct ew_plan *plan, const struct ew_backend_params *params) {
    struct ew_kernels kernels;
    uint32_t most = params->request.n_batch < EW_PLAN_HEAD_TOKENS ? params->request.n_batch : EW_PLAN_HEAD_TOKENS;
    ew_cpu_choose_kernels(params, &kernels);
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_gguf_tensor *t[EW_OP_MAX_WEIGHTS];
        for (uint32_t w = ew_plan_op_matrices(&plan->ops[i], t); w-- > 0;) {
            bool packed = ew_plan_packs(&kernels, params->request.layout, t[w]);
            uint32_t n = ew_matmul_exact_tokens(
                &kernels, &(struct ew_weight){.type = t[w]->type, .layout = packed ? EW_LAYOUT_R16 : EW_LAYOUT_ROWS});
            if (n < most) most = n;
        }
    }
    return most;
}

/* What ops remember from call to call. */
static void place_memories(struct ew_backend *b) {
    const struct ew_plan *plan = b->plan;
    for (size_t i = 0; i < plan->n_ops; i++) {
        if (plan->ops[i].kind == EW_OP_CACHE) {
            const struct ew_plan_request *r = &b->params.request;
            b->ops[i].k_cache =
                ew_cpu_arena_take(&b->session, ew_plan_kv_layer_bytes(&plan->ops[i], r->kv.k, r->n_ctx));
            b->ops[i].v_cache =
                ew_cpu_arena_take(&b->session, ew_plan_kv_layer_bytes(&plan->ops[i], r->kv.v, r->n_ctx));
        } else if (plan->ops[i].kind == EW_OP_CONV) {
            b->ops[i].state = ew_cpu_arena_take(&b->session, ew_cpu_align(ew_plan_state_bytes(&plan->ops[i])));
        } else if (plan->ops[i].kind == EW_OP_ATTENTION) {
            assert(i > 0 && plan->ops[i - 1].kind == EW_OP_CACHE); /* a layer reads the cache it has just written */
            b->ops[i].k_cache = b->ops[i - 1].k_cache;
            b->ops[i].v_cache = b->ops[i - 1].v_cache;
        }
    }
}

/* One piece of memory, cut for as many choices as any ROUTE of the plan makes. */
static void place_routing(struct ew_backend *b) {
    size_t choices = 0;
    for (size_t i = 0; i < b->plan->n_ops; i++) {
        const struct ew_op *op = &b->plan->ops[i];
        size_t n = (size_t)b->params.request.n_batch * op->n_used;
        if (op->kind == EW_OP_ROUTE && n > choices) choices = n;
    }
    if (choices == 0) return;
    uint32_t *at = ew_cpu_arena_take(&b->session, b->memory.routing_bytes);
    struct ew_cpu_routing *r = &b->routing;
    r->expert = at;
    r->weight = (float *)(at + choices);
    r->slot = at + 2 * choices;
    r->token = at + 3 * choices;
    r->first = at + 4 * choices;
}

static void place_session(struct ew_backend *b) {
    const struct ew_plan_memory *m = &b->memory;
    place_memories(b);
    place_routing(b);
    b->attention_parts = ew_cpu_arena_take(&b->session, m->attention_parts_bytes);
    b->buffers = ew_cpu_arena_take(&b->session, ew_cpu_align(m->buffers_bytes));
    for (int k = 0; k < EW_ACT_KINDS; k++)
        b->act[k] = m->act_bytes[k] ? ew_cpu_arena_take(&b->session, ew_cpu_align(m->act_bytes[k])) : NULL;
    b->scratch_stride = scratch_size(m);
    b->own_offset = kernel_scratch_size(m);
    b->scratch = ew_cpu_arena_take(&b->session, b->scratch_stride * b->params.request.max_threads);
    const struct ew_cpu_span all = {b->session.base, b->session.size};
    ew_cpu_touch(b, &all, 1, true); /* no page faults while measuring */
}

/* Adds a kernel name once. */
static void note_kernel(struct ew_backend *b, const char *name) {
    size_t used = strlen(b->kernel_names), n = strlen(name);
    for (const char *p = b->kernel_names; (p = strstr(p, name)); p += n)
        if ((p == b->kernel_names || p[-1] == ' ') && (p[n] == ' ' || p[n] == 0)) return;
    if (used + n + 2 > sizeof b->kernel_names) return;
    snprintf(b->kernel_names + used, sizeof b->kernel_names - used, "%s%s", used ? " " : "", name);
}

static void note_kernels(struct ew_backend *b) {
    for (size_t i = 0; i < b->plan->n_ops; i++) {
        const struct ew_cpu_op *o = &b->ops[i];
        bool head = o->op->kind == EW_OP_HEAD;
        if (o->op->kind != EW_OP_MATMUL && o->op->kind != EW_OP_EXPERTS && !head) continue;
        for (uint32_t w = head ? 1 : 0; w < o->op->n_weights; w++) {
            if (!head && b->params.request.n_batch > 1)
                note_kernel(b, ew_matmul_kernel_name(&b->kernels, &o->matrix[w], b->params.request.n_batch));
            note_kernel(b, ew_matmul_kernel_name(&b->kernels, &o->matrix[w], 1));
        }
    }
    char attention[64];
    snprintf(attention, sizeof attention, "attention_%s", b->kernels.vector.isa);
    note_kernel(b, attention);
}

static void cpu_close(struct ew_backend **backend) {
    if (!backend || !*backend) return;
    struct ew_backend *b = *backend;
    ew_thread_pool_close(&b->pool);
    arena_close(&b->weights);
    arena_close(&b->session);
    ew_side_file_close(&b->side);
    ew_packing_free(&b->packing);
    if (b->file >= 0) close(b->file);
    free(b->ops);
    free(b->next_chunk);
    free(b->times);
    free(b);
    *backend = NULL;
}

static enum ew_status open_file(struct ew_backend *b, struct ew_error *err) {
    if (!ew_gguf_map(b->gguf)->data) return EW_OK; /* a file in memory */
    b->file = open(ew_gguf_path(b->gguf), O_RDONLY | O_CLOEXEC);
    if (b->file < 0) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot open again", ew_gguf_path(b->gguf));
    return EW_OK;
}

static enum ew_status cpu_open(const struct ew_plan *plan, const struct ew_gguf *gguf,
                               const struct ew_backend_params *params, struct ew_backend **out, struct ew_error *err) {
    struct ew_backend *b = calloc(1, sizeof *b);
    if (!b) return ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory");
    b->plan = plan;
    b->gguf = gguf;
    b->params = *params;
    b->params.cores = NULL; /* the pool keeps what it needs */
    b->params.kernels = NULL;
    b->file = -1;
    ew_cpu_choose_kernels(params, &b->kernels);
    ew_plan_place_buffers(plan, b->buffer_offset);
    b->ops = calloc(plan->n_ops, sizeof *b->ops);
    b->next_chunk = calloc(plan->n_ops, sizeof *b->next_chunk);
    enum ew_status status = EW_OK;
    if (!b->ops || !b->next_chunk) status = ew_error_set(err, EW_ERR_MEMORY, "backend cpu: out of memory");
    if (status == EW_OK) status = ew_packing_list(plan, &b->kernels, params->request.layout, &b->packing, err);
    if (status == EW_OK) status = open_file(b, err);
    if (status == EW_OK)
        status = ew_thread_pool_open(params->request.max_threads, params->cores, params->spin_us, &b->pool, err);
    if (status == EW_OK) status = ew_cpu_choose_layout(b, err);
    if (status == EW_OK) status = ew_plan_sum_memory(plan, &b->kernels, &b->params.request, &b->memory, err);
    if (status == EW_OK) status = arena_open(&b->weights, weights_size(&b->memory), "weights", err);
    if (status == EW_OK)
        status = arena_open(&b->session, session_size(&b->memory, params->request.max_threads),
                            "KV cache and activations", err);
    if (status == EW_OK) status = ew_cpu_bind_weights(b, err);
    if (status != EW_OK) {
        cpu_close(&b);
        return status;
    }
    place_session(b);
    ew_cpu_join_ops(b);
    note_kernels(b);
    *out = b;
    return EW_OK;
}

static const char *cpu_kernels(const struct ew_backend *b) { return b->kernel_names; }

static const struct ew_weights_choice *cpu_weights(const struct ew_backend *b) { return &b->weights_choice; }

const struct ew_backend_interface ew_backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .run = ew_cpu_run,
    .exact_tokens = cpu_exact_tokens,
    .kernels = cpu_kernels,
    .time_ops = ew_cpu_time_ops,
    .op_times = ew_cpu_op_times,
    .observe = ew_cpu_observe,
    .predict = cpu_predict,
    .weights = cpu_weights,
    .choose_weights = ew_cpu_foresee_layout,
    .verify_side_file = ew_cpu_verify_side_file,
};
