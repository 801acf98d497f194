/* Owns plans as data: appending, printing names, placing buffers. Knows no architecture and runs nothing. */
#include "plan/plan.h"

#include <assert.h>
#include <stdlib.h>

struct ew_op *ew_plan_append(struct ew_plan *plan, enum ew_op_kind kind, int32_t layer) {
    if (plan->n_ops == plan->capacity) {
        size_t capacity = plan->capacity ? plan->capacity * 2 : 64;
        struct ew_op *ops = realloc(plan->ops, capacity * sizeof *ops);
        if (!ops) return NULL;
        plan->ops = ops;
        plan->capacity = capacity;
    }
    struct ew_op *op = &plan->ops[plan->n_ops++];
    *op = (struct ew_op){.kind = kind, .layer = layer};
    return op;
}

const struct ew_gguf_tensor *ew_plan_view_rows(struct ew_plan *plan, const struct ew_gguf_tensor *tensor, uint64_t row,
                                               uint64_t n_rows) {
    struct ew_gguf_tensor **views = realloc(plan->views, (plan->n_views + 1) * sizeof *views);
    if (!views) return NULL;
    plan->views = views;
    struct ew_gguf_tensor *view = malloc(sizeof *view);
    if (!view) return NULL;
    plan->views[plan->n_views++] = view;
    *view = *tensor;
    int dimension = tensor->n_dims > 1 ? 1 : 0;
    size_t row_bytes = tensor->size_bytes / tensor->ne[dimension];
    assert(row <= tensor->ne[dimension] && n_rows <= tensor->ne[dimension] - row);
    view->ne[dimension] = n_rows;
    view->offset += row * row_bytes;
    view->data += row * row_bytes;
    view->size_bytes = n_rows * row_bytes;
    return view;
}

uint32_t ew_plan_op_matrices(const struct ew_op *op, const struct ew_gguf_tensor *out[EW_OP_MAX_WEIGHTS]) {
    uint32_t n = 0;
    if (op->kind == EW_OP_HEAD) out[n++] = op->weights[1];
    if (op->kind == EW_OP_MATMUL || op->kind == EW_OP_EXPERTS)
        for (; n < op->n_weights; n++) out[n] = op->weights[n];
    return n;
}

bool ew_plan_keeps_state(const struct ew_plan *plan) {
    for (size_t i = 0; i < plan->n_ops; i++)
        if (plan->ops[i].kind == EW_OP_CONV) return true;
    return false;
}

void ew_plan_free(struct ew_plan *plan) {
    free(plan->ops);
    for (size_t i = 0; i < plan->n_views; i++) free(plan->views[i]);
    free(plan->views);
    for (int i = 0; i < EW_PLAN_MAX_ROPES; i++) {
        free(plan->ropes[i].frequency);
        free(plan->ropes[i].long_frequency);
    }
    *plan = (struct ew_plan){0};
}

const char *ew_op_name(enum ew_op_kind kind) {
    static const char *const names[] = {"embed", "norm", "matmul", "rope",    "cache", "attention", "gate",
                                        "add",   "conv", "route",  "experts", "mix",   "head"};
    return names[kind];
}

const char *ew_buffer_name(enum ew_buffer buffer) {
    static const char *const names[] = {"x",      "normed", "q",     "k",       "v",    "attn",       "gate",  "up",
                                        "branch", "conv",   "route", "experts", "rope", "rope_local", "logits"};
    return names[buffer];
}

static unsigned bit(enum ew_buffer buffer) { return 1u << buffer; }

/* Buffers that an op reads and writes, as bit sets. Ops with fixed operands name them here once. */
static void op_operands(const struct ew_op *op, unsigned *reads, unsigned *writes) {
    *reads = bit(op->src);
    *writes = bit(op->dst[0]);
    switch (op->kind) {
    case EW_OP_EMBED:
        *reads = 0;
        *writes = bit(EW_BUF_X) | bit(EW_BUF_ROPE) | bit(EW_BUF_ROPE_LOCAL);
        break;
    case EW_OP_MATMUL:
    case EW_OP_EXPERTS:
        for (uint32_t i = 1; i < op->n_weights; i++) *writes |= bit(op->dst[i]);
        break;
    case EW_OP_ROPE:
        *reads |= bit(EW_BUF_Q) | bit(EW_BUF_K);
        *writes = bit(EW_BUF_Q) | bit(EW_BUF_K);
        break;
    case EW_OP_CACHE:
        *reads = bit(EW_BUF_K) | bit(EW_BUF_V);
        *writes = 0;
        break;
    case EW_OP_ATTENTION: *reads = bit(EW_BUF_Q); break;
    case EW_OP_GATE: *reads |= bit(EW_BUF_GATE); break;
    case EW_OP_ADD:
        *reads |= bit(EW_BUF_X);
        *writes = bit(EW_BUF_X);
        break;
    case EW_OP_ROUTE: *writes = 0; break;
    case EW_OP_HEAD: *writes = bit(EW_BUF_NORMED); break; /* the chosen token's row before the product */
    case EW_OP_NORM:
    case EW_OP_CONV:
    case EW_OP_MIX: break;
    }
    if (op->accumulate) *reads |= *writes;
}

/* Bit b of conflicts[a]: a and b hold values at the same time. Walks backwards keeping the set of live buffers. */
static void find_conflicts(const struct ew_plan *plan, unsigned conflicts[EW_BUF_COUNT]) {
    for (int b = 0; b < EW_BUF_COUNT; b++) conflicts[b] = 0;
    unsigned live = 0;
    for (size_t i = plan->n_ops; i-- > 0;) {
        unsigned reads, writes;
        op_operands(&plan->ops[i], &reads, &writes);
        unsigned together = live | reads | writes; /* an op's outputs never alias its inputs */
        for (int b = 0; b < EW_BUF_COUNT; b++)
            if (together >> b & 1) conflicts[b] |= together;
        live = (live & ~writes) | reads;
    }
}

size_t ew_plan_place_buffers(const struct ew_plan *plan, size_t offset_floats[EW_BUF_COUNT]) {
    unsigned conflicts[EW_BUF_COUNT], placed = 0;
    find_conflicts(plan, conflicts);
    size_t total = 0;
    for (int b = 0; b < EW_BUF_COUNT; b++) {
        if (b == EW_BUF_LOGITS || plan->width[b] == 0) continue;
        size_t offset = 0;
        /* First fit: move past every conflicting neighbour until nothing overlaps. */
        for (bool moved = true; moved;) {
            moved = false;
            for (int o = 0; o < EW_BUF_COUNT; o++) {
                if (!(placed >> o & 1) || !(conflicts[b] >> o & 1)) continue;
                size_t end = offset_floats[o] + plan->width[o];
                if (offset < end && offset + plan->width[b] > offset_floats[o]) {
                    offset = end;
                    moved = true;
                }
            }
        }
        offset_floats[b] = offset;
        placed |= 1u << b;
        if (offset + plan->width[b] > total) total = offset + plan->width[b];
    }
    return total;
}
