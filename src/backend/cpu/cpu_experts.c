/* Owns mixtures of experts: the choice, the products of each expert with the tokens that chose it, and their mixture.
 * The tokens of one expert lie side by side in slots, so that a batch reads each expert's weights once. */
#include "backend/cpu/cpu_worker.h"

#include <math.h>

/* The n_used largest of the logits, the first of equals, with softmax over them; NaN is chosen last. */
static void choose(const float *logits, const struct ew_op *op, uint32_t *expert, float *weight) {
    float sum = 0;
    for (uint32_t i = 0; i < op->n_used; i++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t e = 0; e < op->n_expert; e++) {
            bool taken = false;
            for (uint32_t j = 0; j < i; j++) taken |= expert[j] == e;
            if (!taken && (best == UINT32_MAX || logits[e] > logits[best])) best = e;
        }
        expert[i] = best;
        weight[i] = expf(logits[best] - logits[expert[0]]);
        sum += weight[i];
    }
    for (uint32_t i = 0; i < op->n_used; i++) weight[i] /= sum;
}

/* Numbers slots expert by expert, tokens in order. */
static void sort_choices(const struct ew_cpu_routing *r, const struct ew_op *op, uint32_t n_tokens) {
    uint32_t n = n_tokens * op->n_used;
    for (uint32_t e = 0; e <= op->n_expert; e++) r->first[e] = 0;
    for (uint32_t i = 0; i < n; i++) r->first[r->expert[i] + 1]++;
    for (uint32_t e = 0; e < op->n_expert; e++) r->first[e + 1] += r->first[e];
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = r->first[r->expert[i]]++;
        r->slot[i] = slot;
        r->token[slot] = i / op->n_used;
    }
    for (uint32_t e = op->n_expert; e > 0; e--) r->first[e] = r->first[e - 1];
    r->first[0] = 0;
}

void ew_cpu_run_route(struct ew_cpu_worker *w, const struct ew_op *op) {
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    const struct ew_cpu_routing *r = &w->b->routing;
    for (uint32_t t = w->token_begin; t < w->token_end; t++)
        choose(ew_cpu_row(w, op->src, t), op, r->expert + t * op->n_used, r->weight + t * op->n_used);
    ew_cpu_wait(w);
    if (w->me->index == 0) sort_choices(r, op, w->n_tokens);
    ew_cpu_wait(w);
}

/* Memory of the prepared input of an expert's n slots from `slot` on: slots before it fill what precedes. */
static uint8_t *act_of_slots(const struct ew_cpu_worker *w, const struct ew_weight *m, uint32_t slot, uint32_t n) {
    enum ew_act_kind kind = ew_matmul_act_kind(&w->b->kernels, m, n);
    return (uint8_t *)w->b->act[kind] + ew_matmul_act_bytes(&w->b->kernels, kind, m->n_in, slot);
}

/* Prepares slots [begin, end). src has a row per slot, or per token, which is then read through the slot's token. */
static void prepare_slots(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, uint32_t begin, uint32_t end) {
    const struct ew_op *op = bound->op;
    const struct ew_cpu_routing *r = &w->b->routing;
    const float *src = ew_cpu_row(w, op->src, 0);
    const uint32_t n_in = bound->matrix[0].n_in;
    for (uint32_t e = 0, slot = begin; slot < end; slot++) {
        while (r->first[e + 1] <= slot) e++;
        const float *x = op->n_rows == 1 ? ew_cpu_row(w, op->src, r->token[slot]) : src + (size_t)slot * n_in;
        uint32_t first = r->first[e], n = r->first[e + 1] - first;
        unsigned done = 0;
        for (uint32_t i = 0; i < op->n_weights; i++) {
            enum ew_act_kind kind = ew_matmul_act_kind(&w->b->kernels, &bound->matrix[i], n);
            if (!(done >> kind & 1))
                ew_matmul_act_prepare(&w->b->kernels, kind, n_in, n, x, 0, slot - first, slot - first + 1,
                                      act_of_slots(w, &bound->matrix[i], first, n));
            done |= 1u << kind;
        }
    }
}

/* The chunks of one expert's products, numbered from chunk_begin on; returns the number behind its last. Runs those
 * that this thread has taken: *chunk is one taken and not yet run. */
static uint32_t run_expert(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, uint32_t e, uint32_t chunk_begin,
                           uint32_t *chunk, atomic_uint *next) {
    const struct ew_op *op = bound->op;
    const struct ew_cpu_routing *r = &w->b->routing;
    uint32_t first = r->first[e], n = r->first[e + 1] - first, chunk_end = chunk_begin;
    for (uint32_t i = 0; i < op->n_weights && n > 0; i++) {
        struct ew_weight m = bound->matrix[i];
        m.data = (const uint8_t *)m.data + e * bound->expert_bytes[i];
        uint32_t rows = ew_cpu_chunk_rows(w, &m, n);
        chunk_begin = chunk_end;
        chunk_end += (m.n_out + rows - 1) / rows;
        float *y = ew_cpu_row(w, op->dst[i], 0) + (size_t)first * m.n_out;
        for (; *chunk < chunk_end; *chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed)) {
            uint32_t begin = (*chunk - chunk_begin) * rows, end = ew_cpu_min(begin + rows, m.n_out);
            ew_matmul_rows(&w->b->kernels, &m, act_of_slots(w, &m, first, n), n, begin, end, false, y, m.n_out,
                           w->scratch);
        }
    }
    return chunk_end;
}

void ew_cpu_run_experts(struct ew_cpu_worker *w, const struct ew_cpu_op *bound, atomic_uint *next) {
    const struct ew_op *op = bound->op;
    ew_cpu_show_input(w, op);
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    prepare_slots(w, bound, w->token_begin * op->n_used, w->token_end * op->n_used);
    ew_cpu_enter(w, EW_CPU_BY_ROW);
    uint32_t chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed), chunk_begin = 0;
    for (uint32_t e = 0; e < op->n_expert; e++) chunk_begin = run_expert(w, bound, e, chunk_begin, &chunk, next);
}

void ew_cpu_run_mix(struct ew_cpu_worker *w, const struct ew_op *op) {
    ew_cpu_enter(w, EW_CPU_BY_TOKEN);
    const struct ew_cpu_routing *r = &w->b->routing;
    const float *outputs = ew_cpu_row(w, EW_BUF_EXPERTS, 0);
    for (uint32_t t = w->token_begin; t < w->token_end; t++) {
        float *y = ew_cpu_row(w, op->dst[0], t);
        for (uint32_t i = 0; i < op->width && !op->accumulate; i++) y[i] = 0;
        for (uint32_t c = t * op->n_used; c < (t + 1) * op->n_used; c++)
            w->b->kernels.vector.add_scaled(op->width, r->weight[c], outputs + (size_t)r->slot[c] * op->width, y);
    }
}
