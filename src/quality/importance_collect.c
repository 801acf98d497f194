/* Owns the listener that adds up squares of products' inputs. Entries are made beforehand, so that nothing is allocated
 * while the model runs. */
#include "quality/importance_collect.h"

#include "engine/session_inside.h"

/* Each thread of a session waits for the listener, so the inner loop is one that vectorises. */
static void add_squares(double *sums, const float *row, size_t n) {
    for (size_t i = 0; i < n; i++) sums[i] += (double)row[i] * (double)row[i];
}

static void take_input(void *context, const struct ew_product_input *input) {
    const struct ew_gguf_string name = input->weight->name;
    const struct ew_importance_entry *e = ew_importance_find(context, name.data, name.size);
    for (uint32_t r = 0; r < input->n_rows; r++)
        add_squares(e->sum_squares + input->expert * e->n_in, input->rows + r * input->stride, e->n_in);
    e->count[input->expert] += input->n_rows;
}

enum ew_status ew_importance_observe(struct ew_session *session, struct ew_importance *importance,
                                     struct ew_error *err) {
    const struct ew_plan *plan = ew_session_plan(session);
    enum ew_status status = EW_OK;
    for (size_t i = 0; importance && i < plan->n_ops; i++) {
        const struct ew_gguf_tensor *matrices[EW_OP_MAX_WEIGHTS];
        struct ew_importance_entry *e;
        for (uint32_t n = ew_plan_op_matrices(&plan->ops[i], matrices), w = 0; w < n && status == EW_OK; w++)
            status = ew_importance_add(importance, matrices[w]->name.data, matrices[w]->name.size, matrices[w]->ne[0],
                                       matrices[w]->ne[2], &e, err);
    }
    if (status != EW_OK) return status;
    const struct ew_product_observer observer = {.take = importance ? take_input : NULL, .context = importance};
    return ew_session_observe(session, observer, err);
}
