/* Owns the plain C reference of matrix products: every type, both layouts, one unpacker and one tile kernel per kind of
 * activation. Written to be checked by eye; variants are checked against it. The driver is in matmul.c. */
#include "gguf/tensor_type.h"
#include "kernel/act_q16.h"
#include "kernel/act_q8.h"
#include "kernel/matmul_table.h"
#include "quant/half.h"
#include "quant/levels.h"

#include <math.h>
#include <string.h>

enum { ROWS = 16 };

/* Weight = scale[col / 16] * q[col] - min[col / 16]: levels of blocks side by side. */
struct row_q8 {
    int8_t q[EW_ACT_Q8_COLS];
    float scale[EW_ACT_Q8_COLS / EW_LEVEL_GROUP];
    float min[EW_ACT_Q8_COLS / EW_LEVEL_GROUP];
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

static void quantize_group_16(const float *x, struct ew_act_q16 *rec, uint32_t g) {
    float amax = 0, total = 0;
    for (int i = 0; i < EW_ACT_GROUP; i++) {
        amax = fmaxf(amax, fabsf(x[i]));
        total += fabsf(x[i]);
    }
    float inverse = ew_act_q16_scale_group(rec, g, total, amax);
    for (int i = 0; i < EW_ACT_GROUP; i++) {
        float v = nearbyintf(x[i] * inverse);
        rec->q[g * EW_ACT_GROUP + i] = (int16_t)(fabsf(v) <= EW_Q16_LARGEST ? v : -EW_Q16_LARGEST);
    }
}

static void act_prepare_q16_ref(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                                uint32_t token_end, void *act) {
    ew_act_q16_prepare(n_in, n_tokens, x, x_stride, token_begin, token_end, act, quantize_group_16);
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

static void unpack_q8_ref(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                          void *panel) {
    struct panel_q8 *p = panel;
    uint32_t block = ew_type_traits(w->type)->block_elems;
    ew_levels_fn *unpack = ew_quant_levels(w->type);
    for (uint32_t r = 0; r < n_rows; r++) {
        struct row_q8 *out = &p->row[r];
        for (uint32_t i = 0; i < n_cols; i += block) {
            uint8_t bytes[EW_BLOCK_BYTES_MAX];
            struct ew_levels levels;
            ew_matmul_fetch_block(w, row + r, (col + i) / block, bytes);
            unpack(bytes, &levels);
            memcpy(out->q + i, levels.q, block);
            memcpy(out->scale + i / EW_LEVEL_GROUP, levels.scale, block / EW_LEVEL_GROUP * sizeof(float));
            memcpy(out->min + i / EW_LEVEL_GROUP, levels.min, block / EW_LEVEL_GROUP * sizeof(float));
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
        for (uint32_t h = 2 * g; h < 2 * g + 2; h++) {
            int sum = 0, sum_x = 0;
            for (uint32_t i = h * EW_LEVEL_GROUP; i < (h + 1) * EW_LEVEL_GROUP; i++) {
                sum += w->q[i] * x->q[i];
                sum_x += x->q[i];
            }
            y += x->d[g] * (w->scale[h] * (float)sum - w->min[h] * (float)sum_x);
        }
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
    .act_prepare =
        {[EW_ACT_Q8] = act_prepare_q8_ref, [EW_ACT_Q16] = act_prepare_q16_ref, [EW_ACT_F32] = act_prepare_f32_ref},
    .pack_strip = ew_pack_strip_ref,
    .entry = {[EW_LAYOUT_ROWS] = {[EW_TYPE_Q4_0] = ENTRY_Q8("q4_0"),       [EW_TYPE_Q4_1] = ENTRY_Q8("q4_1"),
                                  [EW_TYPE_Q5_0] = ENTRY_Q8("q5_0"),       [EW_TYPE_Q5_1] = ENTRY_Q8("q5_1"),
                                  [EW_TYPE_Q8_0] = ENTRY_Q8("q8_0"),       [EW_TYPE_Q2_K] = ENTRY_Q8("q2_k"),
                                  [EW_TYPE_Q3_K] = ENTRY_Q8("q3_k"),       [EW_TYPE_Q4_K] = ENTRY_Q8("q4_k"),
                                  [EW_TYPE_Q5_K] = ENTRY_Q8("q5_k"),       [EW_TYPE_Q6_K] = ENTRY_Q8("q6_k"),
                                  [EW_TYPE_IQ4_NL] = ENTRY_Q8("iq4_nl"),   [EW_TYPE_IQ4_XS] = ENTRY_Q8("iq4_xs"),
                                  [EW_TYPE_IQ2_XXS] = ENTRY_Q8("iq2_xxs"), [EW_TYPE_IQ2_XS] = ENTRY_Q8("iq2_xs"),
                                  [EW_TYPE_IQ2_S] = ENTRY_Q8("iq2_s"),     [EW_TYPE_IQ3_XXS] = ENTRY_Q8("iq3_xxs"),
                                  [EW_TYPE_IQ3_S] = ENTRY_Q8("iq3_s"),     [EW_TYPE_IQ1_S] = ENTRY_Q8("iq1_s"),
                                  [EW_TYPE_IQ1_M] = ENTRY_Q8("iq1_m"),     [EW_TYPE_TQ1_0] = ENTRY_Q8("tq1_0"),
                                  [EW_TYPE_TQ2_0] = ENTRY_Q8("tq2_0"),     [EW_TYPE_MXFP4] = ENTRY_Q8("mxfp4"),
                                  [EW_TYPE_F32] = ENTRY_F32("f32"),        [EW_TYPE_F16] = ENTRY_F32("f16"),
                                  [EW_TYPE_BF16] = ENTRY_F32("bf16")},
              [EW_LAYOUT_R16] = {[EW_TYPE_Q8_0] = ENTRY_Q8("q8_0_r16"),
                                 [EW_TYPE_Q4_0] = ENTRY_Q8("q4_0_r16"),
                                 [EW_TYPE_Q4_K] = ENTRY_Q8("q4_k_r16"),
                                 [EW_TYPE_Q5_K] = ENTRY_Q8("q5_k_r16"),
                                 [EW_TYPE_Q6_K] = ENTRY_Q8("q6_k_r16")}},
};
