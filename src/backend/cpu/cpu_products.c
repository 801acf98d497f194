/* Owns matrix products on the CPU: preparing their shared input, and the queue of chunks of rows with what is added to
 * their results while these are still in the cache. */
#include "backend/cpu/cpu_worker.h"

void ew_cpu_prepare_act(struct ew_cpu_worker *w, const struct ew_weight *matrices, uint32_t n, const float *x,
                        size_t stride, uint32_t n_tokens, uint32_t begin, uint32_t end) {
    unsigned done = 0;
    for (uint32_t i = 0; i < n; i++) {
        enum ew_act_kind kind = ew_matmul_act_kind(&w->b->kernels, &matrices[i], n_tokens);
        if (done >> kind & 1) continue;
        done |= 1u << kind;
        ew_matmul_act_prepare(&w->b->kernels, kind, matrices[i].n_in, n_tokens, x, stride, begin, end, w->b->act[kind]);
    }
}

uint32_t ew_cpu_chunk_rows(const struct ew_cpu_worker *w, const struct ew_weight *m, uint32_t n_tokens) {
    uint32_t step = ew_matmul_row_step(&w->b->kernels, m, n_tokens);
    uint32_t rows = m->n_out / (w->me->count * 8) / step * step;
    return rows < step ? step : rows;
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

/* Rows of several matrices as one queue: chunk numbers run through the first matrix, then the second … */
void ew_cpu_run_products(struct ew_cpu_worker *w, const struct ew_cpu_products *p, atomic_uint *next) {
    uint32_t first[EW_OP_MAX_WEIGHTS + 1] = {0}, rows[EW_OP_MAX_WEIGHTS];
    for (uint32_t i = 0; i < p->n; i++) {
        rows[i] = ew_cpu_chunk_rows(w, &p->matrices[i], p->n_tokens);
        first[i + 1] = first[i] + (p->matrices[i].n_out + rows[i] - 1) / rows[i];
    }
    for (;;) {
        uint32_t chunk = atomic_fetch_add_explicit(next, 1, memory_order_relaxed), i = 0;
        if (chunk >= first[p->n]) return;
        while (chunk >= first[i + 1]) i++;
        const struct ew_weight *m = &p->matrices[i];
        uint32_t begin = (chunk - first[i]) * rows[i], end = ew_cpu_min(begin + rows[i], m->n_out);
        void *act = w->b->act[ew_matmul_act_kind(&w->b->kernels, m, p->n_tokens)];
        ew_matmul_rows(&w->b->kernels, m, act, p->n_tokens, begin, end, p->accumulate, p->y[i], p->y_stride[i],
                       w->scratch);
        finish_rows(w, p, i, begin, end);
    }
}
