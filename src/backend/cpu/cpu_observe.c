/* Owns the showing of products' inputs to an observer: the last thread does it while the others wait. Observing is for
 * learning what a model's activations are like, not for speed; without an observer none of this happens. */
#include "backend/cpu/cpu_worker.h"

#include <string.h>

void ew_cpu_observe(struct ew_backend *b, struct ew_product_observer observer) { b->observer = observer; }

/* Whether weight i is a view of a tensor that an earlier weight of the op is a view of, too. */
static bool is_told(const struct ew_op *op, uint32_t i) {
    const struct ew_gguf_string name = op->weights[i]->name;
    for (uint32_t k = 0; k < i; k++) {
        const struct ew_gguf_string other = op->weights[k]->name;
        if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0) return true;
    }
    return false;
}

static void show(const struct ew_cpu_worker *w, const struct ew_op *op, struct ew_product_input input) {
    const struct ew_product_observer *observer = &w->b->observer;
    for (uint32_t i = 0; i < op->n_weights; i++) {
        if (is_told(op, i)) continue;
        input.weight = op->weights[i];
        observer->take(observer->context, &input);
    }
}

/* Slots of an expert are rows of their own, or point at the rows of their tokens. */
static void show_experts(const struct ew_cpu_worker *w, const struct ew_op *op) {
    const struct ew_cpu_routing *r = &w->b->routing;
    const size_t n_in = op->weights[0]->ne[0];
    const float *src = ew_cpu_row(w, op->src, 0);
    for (uint32_t e = 0; e < op->n_expert; e++) {
        struct ew_product_input input = {.expert = e, .stride = n_in, .n_rows = 1};
        for (uint32_t slot = r->first[e]; slot < r->first[e + 1]; slot += input.n_rows) {
            if (op->n_rows > 1) input.n_rows = r->first[e + 1] - slot;
            input.rows = op->n_rows > 1 ? src + slot * n_in : ew_cpu_row(w, op->src, r->token[slot]);
            show(w, op, input);
        }
    }
}

/* Of a single token's head the last thread alone has the input: it prepares the last share of the tokens. */
static bool shows(const struct ew_cpu_worker *w) { return w->me->index == w->me->count - 1; }

void ew_cpu_show_input(struct ew_cpu_worker *w, const struct ew_op *op) {
    if (!w->b->observer.take) return;
    ew_cpu_wait(w); /* every thread has written its part of the input */
    if (shows(w) && op->kind == EW_OP_EXPERTS)
        show_experts(w, op);
    else if (shows(w))
        show(w, op,
             (struct ew_product_input){
                 .rows = ew_cpu_row(w, op->src, 0), .stride = w->b->plan->width[op->src], .n_rows = w->n_tokens});
    ew_cpu_wait(w); /* nobody overwrites it before it was seen */
}

void ew_cpu_show_head(struct ew_cpu_worker *w, const struct ew_op *op, uint32_t n) {
    const struct ew_product_observer *observer = &w->b->observer;
    if (!observer->take || !shows(w)) return;
    observer->take(observer->context, &(struct ew_product_input){.weight = op->weights[1],
                                                                 .rows = ew_cpu_row(w, EW_BUF_NORMED, 0),
                                                                 .stride = w->b->plan->width[EW_BUF_NORMED],
                                                                 .n_rows = n});
}
