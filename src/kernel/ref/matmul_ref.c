/* Owns the plain C reference of matrix products: every type, both layouts, one unpacker and one tile kernel per kind of
 * activation. Written to be checked by eye; variants are checked against it. The driver is in matmul.c. */
#include "gguf/tensor_type.h"
#include "kernel/act_q8.h"
#include "kernel/matmul_table.h"
#include "quant/blocks.h"
#include "quant/half.h"

#include <math.h>
#include <string.h>

enum { ROWS = 16, BLOCK_BYTES_MAX = 256 };

/* Weight = scale[col / 16] * q[col] - min[col / 32]. */
struct row_q8 {
    int8_t q[EW_ACT_Q8_COLS];
    float scale[EW_ACT_Q8_COLS / 16];
    float min[EW_ACT_Q8_GROUPS];
};
struct panel_q8 {
    struct row_q8 row[ROWS];
};
struct panel_f32 {
    float w[ROWS][EW_ACT_F32_COLS];
};
static_assert(sizeof(struct panel_q8) <= EW_PANEL_BYTES && sizeof(struct panel_f32) <= EW_PANEL_BYTES, "panel fits");

/* ---- activations ---- */

static void quantize_group(const float *x, struct ew_act_q8 *rec, uint32_t g) {
    float amax = 0;
    for (int i = 0; i < EW_ACT_GROUP; i++) amax = fmaxf(amax, fabsf(x[i]));
    float inverse = amax > 0 ? 127.0f / amax : 0;
    int sum[2] = {0, 0};
    for (int i = 0; i < EW_ACT_GROUP; i++) {
        float v = nearbyintf(x[i] * inverse);
        int q = v >= 127 ? 127 : v >= -127 ? (int)v : -127; /* a NaN becomes -127 */
        rec->q[g * EW_ACT_GROUP + i] = (int8_t)q;
        sum[i / 16] += q;
    }
    ew_act_q8_finish_group(rec, g, amax, sum[0], sum[1]);
}

static void act_prepare_q8_ref(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                               uint32_t token_end, void *act) {
    ew_act_q8_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group);
}

static void act_prepare_f32_ref(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                                uint32_t token_end, void *act) {
    struct ew_act_f32 *out = act;
    for (uint32_t t = token_begin; t < token_end; t++) {
        for (uint32_t i = 0; i < n_in; i += EW_ACT_F32_COLS) {
            uint32_t n = n_in - i < EW_ACT_F32_COLS ? n_in - i : EW_ACT_F32_COLS;
            memcpy(out[(size_t)(i / EW_ACT_F32_COLS) * n_tokens + t].x, x + t * x_stride + i, n * sizeof *x);
        }
    }
}

/* ---- unpacking ---- */

/* Copies block `index` of a row as the file has it, out of either layout. */
static void fetch_block(const struct ew_weight *w, uint32_t row, size_t index, void *block) {
    const struct ew_type_traits *traits = ew_type_traits(w->type);
    size_t row_bytes = ew_type_row_bytes(w->type, w->n_in);
    const uint8_t *data = w->data;
    if (w->layout == EW_LAYOUT_ROWS) {
        memcpy(block, data + row * row_bytes + index * traits->block_bytes, traits->block_bytes);
        return;
    }
    const uint8_t *src = data + row / 16 * 16 * row_bytes + index * 16 * traits->block_bytes;
    for (const struct ew_pack_field *f = ew_matmul_pack_fields(w->type); f->count; f++)
        for (size_t u = 0; u < f->count; u++, src += 16 * f->unit)
            memcpy((uint8_t *)block + f->offset + u * f->unit, src + row % 16 * f->unit, f->unit);
}

static void decode_q8_0(const void *block, int8_t *q, float *scale, float *min) {
    const struct ew_block_q8_0 *b = block;
    memcpy(q, b->qs, sizeof b->qs);
    scale[0] = scale[1] = ew_f16_to_f32(b->d);
    min[0] = 0;
}

static void decode_q4_0(const void *block, int8_t *q, float *scale, float *min) {
    const struct ew_block_q4_0 *b = block;
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)((b->qs[i] & 15) - 8);
        q[i + 16] = (int8_t)((b->qs[i] >> 4) - 8);
    }
    scale[0] = scale[1] = ew_f16_to_f32(b->d);
    min[0] = 0;
}

static void decode_scales_k(uint16_t d, uint16_t dmin, const uint8_t packed[12], float *scale, float *min) {
    uint8_t s[8], m[8];
    ew_unpack_scales_k4(packed, s, m);
    for (int i = 0; i < 8; i++) {
        scale[2 * i] = scale[2 * i + 1] = ew_f16_to_f32(d) * (float)s[i];
        min[i] = ew_f16_to_f32(dmin) * (float)m[i];
    }
}

static void decode_q4_k(const void *block, int8_t *q, float *scale, float *min) {
    const struct ew_block_q4_k *b = block;
    for (int i = 0; i < 256; i++) {
        uint8_t byte = b->qs[i / 64 * 32 + i % 32];
        q[i] = (int8_t)(i % 64 < 32 ? byte & 15 : byte >> 4);
    }
    decode_scales_k(b->d, b->dmin, b->scales, scale, min);
}

static void decode_q5_k(const void *block, int8_t *q, float *scale, float *min) {
    const struct ew_block_q5_k *b = block;
    for (int i = 0; i < 256; i++) {
        uint8_t byte = b->qs[i / 64 * 32 + i % 32];
        q[i] = (int8_t)((i % 64 < 32 ? byte & 15 : byte >> 4) | (b->qh[i % 32] >> (i / 32) & 1) << 4);
    }
    decode_scales_k(b->d, b->dmin, b->scales, scale, min);
}

static void decode_q6_k(const void *block, int8_t *q, float *scale, float *min) {
    const struct ew_block_q6_k *b = block;
    for (int i = 0; i < 256; i++) {
        int half = i / 128, k = i % 128 / 32, l = i % 32;
        int low = b->ql[64 * half + 32 * (k % 2) + l] >> (k / 2 * 4) & 15;
        q[i] = (int8_t)((low | (b->qh[32 * half + l] >> (2 * k) & 3) << 4) - 32);
    }
    for (int s = 0; s < 16; s++) scale[s] = ew_f16_to_f32(b->d) * (float)b->scales[s];
    memset(min, 0, 8 * sizeof *min);
}

static void unpack_q8_ref(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                          void *panel) {
    static void (*const decoders[EW_MATMUL_TYPES])(const void *, int8_t *, float *,
                                                   float *) = {[EW_TYPE_Q8_0] = decode_q8_0,
                                                               [EW_TYPE_Q4_0] = decode_q4_0,
                                                               [EW_TYPE_Q4_K] = decode_q4_k,
                                                               [EW_TYPE_Q5_K] = decode_q5_k,
                                                               [EW_TYPE_Q6_K] = decode_q6_k};
    struct panel_q8 *p = panel;
    uint32_t block = ew_type_traits(w->type)->block_elems;
    uint16_t bytes[BLOCK_BYTES_MAX / 2];
    for (uint32_t r = 0; r < n_rows; r++) {
        struct row_q8 *out = &p->row[r];
        for (uint32_t i = 0; i < n_cols; i += block) {
            fetch_block(w, row + r, (col + i) / block, bytes);
            decoders[w->type](bytes, out->q + i, out->scale + i / 16, out->min + i / EW_ACT_GROUP);
        }
    }
}

static void unpack_f32_ref(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                           void *panel) {
    struct panel_f32 *p = panel;
    for (uint32_t r = 0; r < n_rows; r++) {
        const char *src = (const char *)w->data + (row + r) * ew_type_row_bytes(w->type, w->n_in);
        for (uint32_t i = 0; i < n_cols; i++) {
            uint16_t half;
            if (w->type == EW_TYPE_F32) {
                memcpy(&p->w[r][i], src + 4 * (size_t)(col + i), 4);
                continue;
            }
            memcpy(&half, src + 2 * (size_t)(col + i), 2);
            p->w[r][i] = w->type == EW_TYPE_F16 ? ew_f16_to_f32(half) : ew_bf16_to_f32(half);
        }
    }
}

/* ---- products ---- */

static float dot_q8(const struct row_q8 *w, const struct ew_act_q8 *x, uint32_t n_cols) {
    float y = 0;
    for (uint32_t g = 0; g < n_cols / EW_ACT_GROUP; g++) {
        int sum[2] = {0, 0};
        for (uint32_t i = 0; i < EW_ACT_GROUP; i++)
            sum[i / 16] += w->q[g * EW_ACT_GROUP + i] * x->q[g * EW_ACT_GROUP + i];
        y += x->d[g] * (w->scale[2 * g] * (float)sum[0] + w->scale[2 * g + 1] * (float)sum[1]);
        y -= x->ds[g] * w->min[g];
    }
    return y;
}

static void tile_q8_ref(const struct ew_tile_args *a) {
    const struct panel_q8 *p = a->panel;
    const struct ew_act_q8 *x = a->act;
    for (uint32_t t = 0; t < a->n_tokens; t++)
        for (uint32_t r = 0; r < a->n_rows; r++) {
            float start = a->in ? a->in[t * a->in_stride + r] : 0;
            a->out[t * a->out_stride + r] = start + dot_q8(&p->row[r], &x[t], a->n_cols);
        }
}

static void tile_f32_ref(const struct ew_tile_args *a) {
    const struct panel_f32 *p = a->panel;
    const struct ew_act_f32 *x = a->act;
    for (uint32_t t = 0; t < a->n_tokens; t++)
        for (uint32_t r = 0; r < a->n_rows; r++) {
            float y = a->in ? a->in[t * a->in_stride + r] : 0;
            for (uint32_t i = 0; i < a->n_cols; i++) y += p->w[r][i] * x[t].x[i];
            a->out[t * a->out_stride + r] = y;
        }
}

#define ENTRY_Q8(name_)                                                                                                \
    {                                                                                                                  \
        .gemm_name = "gemm_" name_ "_ref", .act = EW_ACT_Q8, .panel_rows = ROWS, .unpack = unpack_q8_ref,              \
        .tile = tile_q8_ref                                                                                            \
    }
#define ENTRY_F32(name_)                                                                                               \
    {                                                                                                                  \
        .gemm_name = "gemm_" name_ "_ref", .act = EW_ACT_F32, .panel_rows = ROWS, .unpack = unpack_f32_ref,            \
        .tile = tile_f32_ref                                                                                           \
    }

const struct ew_matmul_kernels ew_matmul_ref = {
    .isa = "ref",
    .act_prepare = {[EW_ACT_Q8] = act_prepare_q8_ref, [EW_ACT_F32] = act_prepare_f32_ref},
    .entry = {[EW_LAYOUT_ROWS] = {[EW_TYPE_Q8_0] = ENTRY_Q8("q8_0"),
                                  [EW_TYPE_Q4_0] = ENTRY_Q8("q4_0"),
                                  [EW_TYPE_Q4_K] = ENTRY_Q8("q4_k"),
                                  [EW_TYPE_Q5_K] = ENTRY_Q8("q5_k"),
                                  [EW_TYPE_Q6_K] = ENTRY_Q8("q6_k"),
                                  [EW_TYPE_F32] = ENTRY_F32("f32"),
                                  [EW_TYPE_F16] = ENTRY_F32("f16"),
                                  [EW_TYPE_BF16] = ENTRY_F32("bf16")},
              [EW_LAYOUT_R16] = {[EW_TYPE_Q8_0] = ENTRY_Q8("q8_0_r16"),
                                 [EW_TYPE_Q4_0] = ENTRY_Q8("q4_0_r16"),
                                 [EW_TYPE_Q4_K] = ENTRY_Q8("q4_k_r16"),
                                 [EW_TYPE_Q5_K] = ENTRY_Q8("q5_k_r16"),
                                 [EW_TYPE_Q6_K] = ENTRY_Q8("q6_k_r16")}},
};
