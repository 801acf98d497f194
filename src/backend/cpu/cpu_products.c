/* Owns matrix products on the CPU: preparing their shared input, and the queue of chunks of rows with what is done to
 * their results while these are still in the cache. Sizes of chunks: cpu_chunks.h. */
#include "backend/cpu/cpu_chunks.h"
#include "backend/cpu/cpu_worker.h"

static void prepare(const struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x,
                    size_t stride, uint32_t n_tokens, uint32_t begin, uint32_t end, void *const *act) {
    unsigned done = 0;
    for (uint32_t i = 0; i < n; i++) {
        enum ew_act_kind kind = ew_matmul_act_kind(&w->b->kernels, &matrices[i], n_tokens);
        if (done >> kind & 1) continue;
        done |= 1u << kind;
        ew_matmul_act_prepare(&w->b->kernels, kind, matrices[i].n_in, n_tokens, x, stride, begin, end, act[kind]);
    }
}

void ew_cpu_prepare_act(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x,
                        size_t stride, uint32_t n_tokens, uint32_t begin, uint32_t end) {
    prepare(w, matrices, n, x, stride, n_tokens, begin, end, w->b->act);
}

void ew_cpu_prepare_own(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x) {
    prepare(w, matrices, n, x, 0, 1, 0, 1, w->own_act);
}

uint32_t ew_cpu_chunk_rows(const struct ew_cpu_worker *w, const struct ew_weight *m, uint32_t n_tokens) {
    uint32_t step = ew_matmul_row_step(&w->b->kernels, m, n_tokens);
    uint32_t rows = m->n_out / (w->me->count * 8) / step * step;
    return rows < step ? step : rows;
}

void ew_cpu_gate(const struct ew_cpu_worker *w, const struct ew_op *op, uint32_t n, float *gate, const float *up) {
    const struct ew_vector_kernels *v = &w->b->kernels.vector;
    switch (op->activation) {
    case EW_ACTIVATION_SILU: v->silu_mul(n, gate, up, gate); break;
    case EW_ACTIVATION_GELU:
        if (up)
            v->gelu_mul(n, gate, up, gate);
        else
            v->gelu(n, gate, gate);
        break;
    case EW_ACTIVATION_GELU_ERF: v->gelu_erf(n, gate, gate); break;
    }
}

/* Bias, scale and soft cap of rows [begin, end) of product i. */
static void finish_rows(const struct ew_cpu_worker *w, const struct ew_cpu_products *p, uint32_t i, uint32_t begin,
                        uint32_t end) {
    const struct ew_vector_kernels *v = &w->b->kernels.vector;
    const float *bias = p->bias[i];
    if (!bias && p->scale == 1 && p->soft_cap == 0) return;
    for (uint32_t t = 0; t < p->n_tokens; t++) {
        float *y = p->y[i] + t * p->y_stride[i] + begin;
        if (bias) v->add(end - begin, bias + begin, y);
        if (p->scale != 1)
            for (uint32_t r = 0; r < end - begin; r++) y[r] *= p->scale;
        if (p->soft_cap > 0) v->soft_cap(end - begin, p->soft_cap, y);
    }
}

static void run_rows(const struct ew_cpu_worker *w, const struct ew_cpu_products *p, uint32_t i, uint32_t begin,
                     uint32_t end) {
    const struct ew_weight *m = &p->matrices[i];
    void *const *act = p->act ? p->act : w->b->act;
    ew_matmul_rows(&w->b->kernels, m, act[ew_matmul_act_kind(&w->b->kernels, m, p->n_tokens)], p->n_tokens, begin, end,
                   p->accumulate, p->y[i], p->y_stride[i], w->scratch);
    finish_rows(w, p, i, begin, end);
}

/* The same rows of all matrices and then their gate, a step at a time, so that the gate finds them in the cache. */
static void run_gated(const struct ew_cpu_worker *w, const struct ew_cpu_products *p, uint32_t begin, uint32_t end,
                      uint32_t step) {
    for (uint32_t next; begin < end; begin = next) {
        next = ew_cpu_min(begin + step, end);
        for (uint32_t i = 0; i < p->n; i++) run_rows(w, p, i, begin, next);
        for (uint32_t t = 0; t < p->n_tokens; t++)
            ew_cpu_gate(w, p->gate, next - begin, p->y[0] + t * p->y_stride[0] + begin,
                        p->n > 1 ? p->y[1] + t * p->y_stride[1] + begin : NULL);
    }
}

/* Units are grains of rows: of the first matrix, then the second …, or of all together where a gate joins them. */
void ew_cpu_run_products(struct ew_cpu_worker *w, const struct ew_cpu_products *p, atomic_uint *next) {
    uint32_t first[EW_OP_MAX_WEIGHTS + 1] = {0}, grain[EW_OP_MAX_WEIGHTS], step = 0, most = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t rows = ew_matmul_row_step(&w->b->kernels, &p->matrices[i], p->n_tokens);
        grain[i] = ew_matmul_row_grain(&w->b->kernels, &p->matrices[i], p->n_tokens);
        first[i + 1] = first[i] + (p->matrices[i].n_out + grain[i] - 1) / grain[i];
        if (rows > step) step = rows;
        if (grain[i] > most) most = grain[i];
    }
    const uint32_t n_out = p->matrices[0].n_out, n_units = p->gate ? (n_out + most - 1) / most : first[p->n];
    struct ew_cpu_chunks c = ew_cpu_chunks_of(n_units, step / most, w->me->count);
    while (ew_cpu_chunks_seek(&c, atomic_fetch_add_explicit(next, 1, memory_order_relaxed))) {
        if (p->gate) run_gated(w, p, c.begin * most, ew_cpu_min(c.end * most, n_out), step);
        for (uint32_t i = 0; i < p->n && !p->gate; i++) {
            if (c.end <= first[i] || c.begin >= first[i + 1]) continue;
            uint32_t begin = c.begin > first[i] ? (c.begin - first[i]) * grain[i] : 0;
            uint32_t end = ew_cpu_min((c.end - first[i]) * grain[i], p->matrices[i].n_out);
            run_rows(w, p, i, begin, end);
        }
    }
}
