/* Owns the sums over operations of one kind, and what the kinds are called. The clock is the backend's. */
#include "engine/step_profile.h"

#include "base/error.h"
#include "base/text_parts.h"
#include "engine/session_inside.h"
#include "plan/cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "attn_q" of "blk.3.attn_q.weight" behind what is there already, once; parts of a fused weight share its name. */
static void add_name(char name[EW_STEP_NAME], const struct ew_gguf_tensor *t) {
    char full[96], *part = full;
    ew_gguf_print_string(t->name, full, sizeof full);
    if (strncmp(full, "blk.", 4) == 0 && strchr(full + 4, '.')) part = strchr(full + 4, '.') + 1;
    char *suffix = strstr(part, ".weight");
    if (suffix) *suffix = 0;
    size_t used = strlen(name);
    if (used >= strlen(part) && strcmp(name + used - strlen(part), part) == 0) return;
    ew_text_add_part(name, EW_STEP_NAME, " + ", "%s", part);
}

static void name_op(const struct ew_op *op, char name[EW_STEP_NAME]) {
    name[0] = 0;
    bool products = op->kind == EW_OP_MATMUL || op->kind == EW_OP_EXPERTS;
    for (uint32_t w = 0; w < op->n_weights && products; w++) add_name(name, op->weights[w]);
    if (!products) snprintf(name, EW_STEP_NAME, "%s", ew_op_name(op->kind));
}

static struct ew_step_row *row_of(struct ew_step_profile *p, const struct ew_op *op) {
    char name[EW_STEP_NAME];
    name_op(op, name);
    for (size_t i = 0; i < p->n_rows; i++)
        if (strcmp(p->row[i].name, name) == 0) return &p->row[i];
    if (p->n_rows == EW_STEP_ROWS) return &p->row[EW_STEP_ROWS - 1];
    memcpy(p->row[p->n_rows].name, name, sizeof name);
    return &p->row[p->n_rows++];
}

enum ew_status ew_step_profile_begin(struct ew_session *session, struct ew_error *err) {
    return ew_session_time_ops(session, err);
}

enum ew_status ew_step_profile_read(const struct ew_session *session, uint32_t n_tokens, uint32_t depth,
                                    struct ew_step_profile *out, struct ew_error *err) {
    const struct ew_plan *plan = ew_session_plan(session);
    struct ew_backend_time *times = calloc(plan->n_ops, sizeof *times);
    if (!times) return ew_error_set(err, EW_ERR_MEMORY, "profile: out of memory for %zu ops", plan->n_ops);
    ew_session_op_times(session, times);
    *out = (struct ew_step_profile){0};
    for (size_t i = 0; i < plan->n_ops; i++) {
        struct ew_step_row *row = row_of(out, &plan->ops[i]);
        struct ew_plan_cost cost = ew_plan_op_cost(&plan->ops[i], ew_session_kv_types(session), n_tokens, depth);
        row->n_ops++;
        row->busy_s += times[i].busy_s;
        row->wait_s += times[i].wait_s;
        row->bytes += cost.weight_bytes + cost.kv_bytes;
        out->busy_s += times[i].busy_s;
        out->wait_s += times[i].wait_s;
    }
    free(times);
    return EW_OK;
}
