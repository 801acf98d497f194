/* Owns the list of architectures and the binding of tensors. */
#include "model/architecture.h"

#include "base/error.h"
#include <stdio.h>
#include <string.h>

const struct ew_architecture *ew_architecture_find(const char *name) {
    static const struct ew_architecture *const all[] = {&ew_architecture_llama};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

static void tensor_name(int32_t layer, const char *name, char *buf, size_t n) {
    if (layer < 0)
        snprintf(buf, n, "%s", name);
    else
        snprintf(buf, n, "blk.%d.%s", layer, name);
}

bool ew_bind_has(const struct ew_binder *b, int32_t layer, const char *name) {
    char full[128];
    tensor_name(layer, name, full, sizeof full);
    return ew_gguf_find_tensor(b->gguf, full) != NULL;
}

const struct ew_gguf_tensor *ew_bind(struct ew_binder *b, int32_t layer, const char *name, uint64_t n_in,
                                     uint64_t n_out) {
    static const struct ew_gguf_tensor none;
    char full[128];
    tensor_name(layer, name, full, sizeof full);
    if (b->status != EW_OK) return &none;
    const char *path = ew_gguf_path(b->gguf);
    const struct ew_gguf_tensor *t = ew_gguf_find_tensor(b->gguf, full);
    if (!t) {
        b->status = ew_error_set(b->err, EW_ERR_NOT_FOUND, "%s: tensor %s is missing", path, full);
        return &none;
    }
    const struct ew_type_traits *traits = ew_type_traits(t->type);
    if (!traits || !traits->decodable) {
        b->status = ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor %s: type %s is not one that weights have",
                                 path, full, traits ? traits->name : "?");
        return &none;
    }
    uint64_t rows = n_out ? n_out : 1;
    if (t->ne[0] != n_in || t->ne[1] != rows || t->ne[2] != 1 || t->ne[3] != 1) {
        b->status = ew_error_set(b->err, EW_ERR_SHAPE, "%s: tensor %s: %llu × %llu, expected %llu × %llu", path, full,
                                 (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], (unsigned long long)n_in,
                                 (unsigned long long)rows);
        return &none;
    }
    return t;
}

struct ew_op *ew_bind_op(struct ew_binder *b, enum ew_op_kind kind, int32_t layer) {
    static _Thread_local struct ew_op dummy;
    struct ew_op *op = b->status == EW_OK ? ew_plan_append(b->plan, kind, layer) : &dummy;
    if (op) return op;
    b->status = ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory while planning", ew_gguf_path(b->gguf));
    return &dummy;
}
