/* Owns the public row functions: finds the format, checks the shape. The formats are in their own files. */
#include "edgewise/quantize.h"

#include "base/error.h"
#include "gguf/tensor_type.h"
#include "quant/formats.h"
#include <string.h>

static void encode_f32(const float *src, size_t n, void *dst) { memcpy(dst, src, n * sizeof *src); }
static void decode_f32(const void *src, size_t n, float *dst) { memcpy(dst, src, n * sizeof *dst); }

struct format {
    void (*encode)(const float *src, size_t n, void *dst);
    void (*decode)(const void *src, size_t n, float *dst);
};

static const struct format formats[EW_TYPE_ID_END] = {
    [EW_TYPE_F32] = {encode_f32, decode_f32},
    [EW_TYPE_F16] = {ew_quant_encode_f16, ew_quant_decode_f16},
    [EW_TYPE_BF16] = {ew_quant_encode_bf16, ew_quant_decode_bf16},
    [EW_TYPE_Q8_0] = {ew_quant_encode_q8_0, ew_quant_decode_q8_0},
    [EW_TYPE_Q4_0] = {ew_quant_encode_q4_0, ew_quant_decode_q4_0},
    [EW_TYPE_Q4_K] = {ew_quant_encode_q4_k, ew_quant_decode_q4_k},
    [EW_TYPE_Q5_K] = {ew_quant_encode_q5_k, ew_quant_decode_q5_k},
    [EW_TYPE_Q6_K] = {ew_quant_encode_q6_k, ew_quant_decode_q6_k},
};

static enum ew_status find_format(enum ew_type type, size_t n, const struct format **out, struct ew_error *err) {
    const struct ew_type_traits *traits = ew_type_traits((uint32_t)type);
    if (!traits) return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %d is not known", (int)type);
    if (!formats[type].decode)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %s: this build cannot encode or decode it", traits->name);
    if (n % traits->block_elems != 0)
        return ew_error_set(err, EW_ERR_SHAPE, "row length %zu is not a multiple of %u (%s)", n,
                            (unsigned)traits->block_elems, traits->name);
    *out = &formats[type];
    return EW_OK;
}

enum ew_status ew_quantize_row(enum ew_type type, const float *src, size_t n, void *dst, struct ew_error *err) {
    const struct format *format = NULL;
    enum ew_status status = find_format(type, n, &format, err);
    if (status == EW_OK && n > 0) format->encode(src, n, dst);
    return status;
}

enum ew_status ew_dequantize_row(enum ew_type type, const void *src, size_t n, float *dst, struct ew_error *err) {
    const struct format *format = NULL;
    enum ew_status status = find_format(type, n, &format, err);
    if (status == EW_OK && n > 0) format->decode(src, n, dst);
    return status;
}
