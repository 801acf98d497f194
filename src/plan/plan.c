/* Owns plans as data: appending, printing names, placing buffers. Knows no architecture and runs nothing. */
#include "plan/plan.h"

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

void ew_plan_free(struct ew_plan *plan) {
    free(plan->ops);
    free(plan->rope_frequency);
    *plan = (struct ew_plan){0};
}

const char *ew_op_name(enum ew_op_kind kind) {
    static const char *const names[] = {"embed", "norm", "matmul", "rope", "cache", "attention", "gate", "head"};
    return names[kind];
}

const char *ew_buffer_name(enum ew_buffer buffer) {
    static const char *const names[] = {"x", "normed", "q", "k", "v", "attn", "gate", "up", "rope", "logits"};
    return names[buffer];
}

/* Buffers that an op reads and writes, as bit sets. Ops with fixed operands name them here once. */
static void op_operands(const struct ew_op *op, unsigned *reads, unsigned *writes) {
    *reads = *writes = 0;
    switch (op->kind) {
    case EW_OP_EMBED: *writes = 1u << EW_BUF_X | 1u << EW_BUF_ROPE; break;
    case EW_OP_NORM:
        *reads = 1u << op->src;
        *writes = 1u << op->dst[0];
        break;
    case EW_OP_MATMUL:
        *reads = 1u << op->src;
        for (uint32_t i = 0; i < op->n_weights; i++) *writes |= 1u << op->dst[i];
        if (op->accumulate) *reads |= *writes;
        break;
    case EW_OP_ROPE:
        *reads = 1u << EW_BUF_Q | 1u << EW_BUF_K | 1u << EW_BUF_ROPE;
        *writes = 1u << EW_BUF_Q | 1u << EW_BUF_K;
        break;
    case EW_OP_CACHE: *reads = 1u << EW_BUF_K | 1u << EW_BUF_V; break;
    case EW_OP_ATTENTION:
        *reads = 1u << EW_BUF_Q;
        *writes = 1u << EW_BUF_ATTN;
        break;
    case EW_OP_GATE:
        *reads = 1u << EW_BUF_GATE | 1u << EW_BUF_UP;
        *writes = 1u << EW_BUF_GATE;
        break;
    case EW_OP_HEAD: *reads = 1u << EW_BUF_X; break;
    }
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
