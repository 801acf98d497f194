/* Owns the choice between the model file's layout, packing in memory and a side file, and the words for it. The rule:
 * `auto` packs the types that this processor's kernels read faster so, from a side file where one fits, and never
 * writes one; docs/memory.md says it to people. */
#include "backend/cpu/cpu_backend.h"

#include "base/error.h"
#include "base/text_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wants_side_file(const struct ew_backend_params *p, const struct ew_packing *packing) {
    bool layout = p->request.layout == EW_WEIGHTS_AUTO || p->request.layout == EW_WEIGHTS_SIDE_FILE;
    return layout && p->side_folder && packing->n > 0;
}

/* ---- words ---- */

/* "q4_0, q6_k" of the matrices that are packed, or that are not; sums their bytes. */
static uint64_t name_types(const struct ew_plan *plan, const struct ew_kernels *kernels, enum ew_weights_layout layout,
                           bool packed, char *names, size_t capacity) {
    bool seen[EW_TYPE_ID_END] = {false};
    uint64_t bytes = 0;
    names[0] = 0;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_gguf_tensor *t[EW_OP_MAX_WEIGHTS];
        uint32_t n = ew_plan_op_matrices(&plan->ops[i], t);
        for (uint32_t w = 0; w < n; w++) {
            if (ew_plan_packs(kernels, layout, t[w]) != packed) continue;
            bytes += t[w]->size_bytes;
            if (!seen[t[w]->type]) ew_text_add_part(names, capacity, ", ", "%s", ew_type_traits(t[w]->type)->name);
            seen[t[w]->type] = true;
        }
    }
    return bytes;
}

/* where is set; path: of the side file, or NULL. */
static void say_why(const struct ew_plan *plan, const struct ew_kernels *kernels, enum ew_weights_layout layout,
                    const char *path, struct ew_weights_choice *c) {
    char packed[120], mapped[120];
    c->packed_bytes = name_types(plan, kernels, layout, true, packed, sizeof packed);
    c->mapped_bytes = name_types(plan, kernels, layout, false, mapped, sizeof mapped);
    if (path) snprintf(c->side_file, sizeof c->side_file, "%s", path);
    c->why[0] = 0;
    if (layout == EW_WEIGHTS_MAPPED)
        snprintf(c->why, sizeof c->why, "used as the model file has them, as asked for");
    else if (c->packed_bytes == 0)
        snprintf(c->why, sizeof c->why, "this processor's kernels read %s from the model file as fast as packed",
                 mapped);
    else if (path)
        snprintf(c->why, sizeof c->why, "%s packed before, mapped from %.300s", packed, path);
    else if (layout == EW_WEIGHTS_PACKED)
        snprintf(c->why, sizeof c->why, "%s packed while loading, as asked for", packed);
    else
        snprintf(c->why, sizeof c->why, "this processor's kernels read packed %s faster; packed while loading", packed);
    if (c->packed_bytes > 0 && c->mapped_bytes > 0)
        ew_text_add_part(c->why, sizeof c->why, "; ", "%s as the model file has them", mapped);
}

/* ---- before anything is opened ---- */

/* What a look-up needs, made of params alone. */
struct foresight {
    struct ew_kernels kernels;
    struct ew_packing packing;
    char *path; /* NULL: no side file is wanted */
};

static void forget(struct foresight *f) {
    ew_packing_free(&f->packing);
    free(f->path);
}

static enum ew_status foresee(const struct ew_plan *plan, const struct ew_gguf *gguf,
                              const struct ew_backend_params *params, struct foresight *f, struct ew_error *err) {
    ew_cpu_choose_kernels(params, &f->kernels);
    enum ew_status status = ew_packing_list(plan, &f->kernels, params->request.layout, &f->packing, err);
    if (status == EW_OK && wants_side_file(params, &f->packing))
        status = ew_side_file_path(params->side_folder, ew_gguf_path(gguf), &f->path, err);
    return status;
}

/* Notes why a side file that is there is not used. */
static void note_refusal(struct ew_weights_choice *c, enum ew_status status, const struct ew_error *why) {
    if (status != EW_OK && status != EW_ERR_NOT_FOUND)
        snprintf(c->note, sizeof c->note, "%.440s; packed in memory instead", why->message);
}

enum ew_status ew_cpu_foresee_layout(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                     const struct ew_backend_params *params, struct ew_weights_choice *out,
                                     struct ew_error *err) {
    struct foresight f = {0};
    struct ew_weights_choice c = {0};
    struct ew_side_file side = {0};
    struct ew_error why = {0};
    enum ew_weights_layout layout = params->request.layout;
    enum ew_status status = foresee(plan, gguf, params, &f, err);
    if (status == EW_OK) {
        enum ew_status found = f.path ? ew_side_file_open(f.path, gguf, &f.packing, &side, &why) : EW_ERR_NOT_FOUND;
        bool from_side = found == EW_OK || (f.path && layout == EW_WEIGHTS_SIDE_FILE);
        c.where = f.packing.n == 0 ? "mapped" : from_side ? "side_file" : "packed";
        say_why(plan, &f.kernels, layout, from_side ? f.path : NULL, &c);
        if (layout == EW_WEIGHTS_AUTO) note_refusal(&c, found, &why);
        if (from_side && found != EW_OK) ew_text_add_part(c.why, sizeof c.why, "; ", "to be written");
        ew_side_file_close(&side);
        *out = c;
    }
    forget(&f);
    return status;
}

enum ew_status ew_cpu_verify_side_file(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                       const struct ew_backend_params *params, struct ew_error *err) {
    struct foresight f = {0};
    struct ew_side_file side = {0};
    struct ew_thread_pool *pool = NULL;
    uint32_t threads = params->request.max_threads;
    enum ew_status status = foresee(plan, gguf, params, &f, err);
    if (status == EW_OK && !f.path)
        status = ew_error_set(err, EW_ERR_NOT_FOUND, "%s: with these weights no side file is used", ew_gguf_path(gguf));
    if (status == EW_OK) status = ew_side_file_open(f.path, gguf, &f.packing, &side, err);
    if (status == EW_OK) status = ew_thread_pool_open(threads, params->cores, params->spin_us, &pool, err);
    if (status == EW_OK) status = ew_side_file_verify(&side, f.path, &f.packing, pool, threads, err);
    ew_thread_pool_close(&pool);
    ew_side_file_close(&side);
    forget(&f);
    return status;
}

/* ---- while opening ---- */

/* Finds the side file, or writes it where that is asked for; why there is none is noted and the session goes on. */
static void find_side_file(struct ew_backend *b, const char *path) {
    struct ew_error why = {0};
    enum ew_status status = ew_side_file_open(path, b->gguf, &b->packing, &b->side, &why);
    if (status != EW_OK && b->params.request.layout == EW_WEIGHTS_SIDE_FILE) {
        status = ew_side_file_write(path, b->gguf, b->file, &b->packing, &b->kernels, b->pool,
                                    b->params.request.max_threads, &why);
        if (status == EW_OK) status = ew_side_file_open(path, b->gguf, &b->packing, &b->side, &why);
    }
    note_refusal(&b->weights_choice, status, &why);
}

enum ew_status ew_cpu_choose_layout(struct ew_backend *b, struct ew_error *err) {
    struct ew_weights_choice *c = &b->weights_choice;
    char *path = NULL;
    if (wants_side_file(&b->params, &b->packing)) {
        enum ew_status status = ew_side_file_path(b->params.side_folder, ew_gguf_path(b->gguf), &path, err);
        if (status != EW_OK) return status;
        find_side_file(b, path);
    }
    b->params.request.side_file = b->side.weights != NULL;
    c->where = b->packing.n == 0 ? "mapped" : b->side.weights ? "side_file" : "packed";
    say_why(b->plan, &b->kernels, b->params.request.layout, b->side.weights ? path : NULL, c);
    b->params.side_folder = NULL; /* the caller's */
    free(path);
    return EW_OK;
}
