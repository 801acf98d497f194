/* Owns the names of the KV cache's types, which options, study files and stores say, and the tensor types they stand
 * for. */
#include "engine/session_inside.h"

#include <string.h>

enum { N_TYPES = 3 };

static const char *const names[N_TYPES][N_TYPES] = {
    [EW_KV_F16] = {[EW_KV_F16] = "f16", [EW_KV_Q8_0] = "f16/q8_0", [EW_KV_F32] = "f16/f32"},
    [EW_KV_Q8_0] = {[EW_KV_F16] = "q8_0/f16", [EW_KV_Q8_0] = "q8_0", [EW_KV_F32] = "q8_0/f32"},
    [EW_KV_F32] = {[EW_KV_F16] = "f32/f16", [EW_KV_Q8_0] = "f32/q8_0", [EW_KV_F32] = "f32"},
};

const char *ew_kv_name(enum ew_kv_type k, enum ew_kv_type v) { return names[k][v]; }

struct ew_kv_types ew_kv_types_of(enum ew_kv_type k, enum ew_kv_type v) {
    static const enum ew_type types[N_TYPES] = {
        [EW_KV_F16] = EW_TYPE_F16, [EW_KV_Q8_0] = EW_TYPE_Q8_0, [EW_KV_F32] = EW_TYPE_F32};
    return (struct ew_kv_types){.k = types[k], .v = types[v]};
}

bool ew_kv_by_name(const char *text, enum ew_kv_type *k, enum ew_kv_type *v) {
    for (int i = 0; i < N_TYPES * N_TYPES; i++) {
        if (strcmp(text, names[i / N_TYPES][i % N_TYPES]) != 0) continue;
        *k = (enum ew_kv_type)(i / N_TYPES);
        *v = (enum ew_kv_type)(i % N_TYPES);
        return true;
    }
    return false;
}
