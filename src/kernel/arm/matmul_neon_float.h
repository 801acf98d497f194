/* Float products and activations for NEON, defined in matmul_neon_float.c and offered by the table of matmul_neon.c. */
#ifndef EW_KERNEL_ARM_MATMUL_NEON_FLOAT_H
#define EW_KERNEL_ARM_MATMUL_NEON_FLOAT_H

#include "kernel/matmul_table.h"

enum { EW_PANEL_ROWS_F32_NEON = 16 };

ew_act_prepare_fn ew_act_prepare_q8_neon;
ew_act_prepare_fn ew_act_prepare_f32_neon;

void ew_unpack_float_neon(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                          void *panel);
void ew_tile_f32_neon(const struct ew_tile_args *args);
void ew_gemv_f32_neon(const struct ew_gemv_args *args);
void ew_gemv_f16_neon(const struct ew_gemv_args *args);
void ew_gemv_bf16_neon(const struct ew_gemv_args *args);

#define FLOAT_ENTRY(type_)                                                                                             \
    {                                                                                                                  \
        .gemm_name = "gemm_" #type_ "_neon", .gemv_name = "gemv_" #type_ "_neon", .act = EW_ACT_F32,                   \
        .gemv_tokens = EW_GEMV_TOKENS, .panel_rows = EW_PANEL_ROWS_F32_NEON, .gemv = ew_gemv_##type_##_neon,           \
        .unpack = ew_unpack_float_neon, .tile = ew_tile_f32_neon                                                       \
    }
#define FLOAT_ENTRIES                                                                                                  \
    [EW_TYPE_F32] = FLOAT_ENTRY(f32), [EW_TYPE_F16] = FLOAT_ENTRY(f16), [EW_TYPE_BF16] = FLOAT_ENTRY(bf16)

#endif
