/* Owns the public row functions: finds the format, checks the shape. The formats are in their own files. */
#include "edgewise/quantize.h"

#include "base/error.h"
#include "gguf/tensor_type.h"
#include "quant/formats.h"
#include <string.h>

typedef void encode_fn(const float *src, size_t n, void *dst);
typedef void decode_fn(const void *src, size_t n, float *dst);

static void encode_f32(const float *src, size_t n, void *dst) { memcpy(dst, src, n * sizeof *src); }
static void decode_f32(const void *src, size_t n, float *dst) { memcpy(dst, src, n * sizeof *dst); }

/* A format encodes rows by itself or searches block by block, and decodes by itself or through the levels of its
 * blocks. Neither encoder nor search: read only. */
struct format {
    encode_fn *encode;
    ew_search_fn *search;
    ew_levels_fn *levels;
    decode_fn *decode;
};

static const struct format formats[EW_TYPE_ID_END] = {
    [EW_TYPE_F32] = {encode_f32, NULL, NULL, decode_f32},
    [EW_TYPE_F16] = {ew_quant_encode_f16, NULL, NULL, ew_quant_decode_f16},
    [EW_TYPE_BF16] = {ew_quant_encode_bf16, NULL, NULL, ew_quant_decode_bf16},
    [EW_TYPE_Q4_0] = {NULL, ew_quant_search_q4_0, ew_quant_unpack_q4_0, NULL},
    [EW_TYPE_Q4_1] = {NULL, ew_quant_search_q4_1, ew_quant_unpack_q4_1, NULL},
    [EW_TYPE_Q5_0] = {NULL, ew_quant_search_q5_0, ew_quant_unpack_q5_0, NULL},
    [EW_TYPE_Q5_1] = {NULL, ew_quant_search_q5_1, ew_quant_unpack_q5_1, NULL},
    [EW_TYPE_Q8_0] = {ew_quant_encode_q8_0, NULL, ew_quant_unpack_q8_0, NULL},
    [EW_TYPE_Q2_K] = {NULL, ew_quant_search_q2_k, ew_quant_unpack_q2_k, NULL},
    [EW_TYPE_Q3_K] = {NULL, ew_quant_search_q3_k, ew_quant_unpack_q3_k, NULL},
    [EW_TYPE_Q4_K] = {NULL, ew_quant_search_q4_k, ew_quant_unpack_q4_k, NULL},
    [EW_TYPE_Q5_K] = {NULL, ew_quant_search_q5_k, ew_quant_unpack_q5_k, NULL},
    [EW_TYPE_Q6_K] = {NULL, ew_quant_search_q6_k, ew_quant_unpack_q6_k, NULL},
    [EW_TYPE_IQ4_NL] = {NULL, ew_quant_search_iq4_nl, ew_quant_unpack_iq4_nl, NULL},
    [EW_TYPE_IQ4_XS] = {NULL, ew_quant_search_iq4_xs, ew_quant_unpack_iq4_xs, NULL},
    [EW_TYPE_IQ2_XXS] = {NULL, NULL, ew_quant_unpack_iq2_xxs, NULL},
    [EW_TYPE_IQ2_XS] = {NULL, NULL, ew_quant_unpack_iq2_xs, NULL},
    [EW_TYPE_IQ2_S] = {NULL, NULL, ew_quant_unpack_iq2_s, NULL},
    [EW_TYPE_IQ3_XXS] = {NULL, NULL, ew_quant_unpack_iq3_xxs, NULL},
    [EW_TYPE_IQ3_S] = {NULL, NULL, ew_quant_unpack_iq3_s, NULL},
    [EW_TYPE_IQ1_S] = {NULL, NULL, ew_quant_unpack_iq1_s, NULL},
    [EW_TYPE_IQ1_M] = {NULL, NULL, ew_quant_unpack_iq1_m, NULL},
    [EW_TYPE_TQ1_0] = {ew_quant_encode_tq1_0, NULL, ew_quant_unpack_tq1_0, NULL},
    [EW_TYPE_TQ2_0] = {ew_quant_encode_tq2_0, NULL, ew_quant_unpack_tq2_0, NULL},
    [EW_TYPE_MXFP4] = {ew_quant_encode_mxfp4, NULL, ew_quant_unpack_mxfp4, NULL},
};

ew_levels_fn *ew_quant_levels(uint32_t type) { return type < EW_TYPE_ID_END ? formats[type].levels : NULL; }

static void decode_levels(const struct ew_type_traits *traits, ew_levels_fn *levels, const void *src, size_t n,
                          float *dst) {
    const uint8_t *block = src;
    for (; n > 0; n -= traits->block_elems, block += traits->block_bytes) {
        struct ew_levels l;
        levels(block, &l);
        for (size_t i = 0; i < traits->block_elems; i++)
            *dst++ = l.scale[i / EW_LEVEL_GROUP] * (float)l.q[i] - l.min[i / EW_LEVEL_GROUP];
    }
}

static enum ew_status find_format(enum ew_type type, size_t n, const struct format **out, struct ew_error *err) {
    const struct ew_type_traits *traits = ew_type_traits((uint32_t)type);
    if (!traits) return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %d is not known", (int)type);
    if (!traits->decodable)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %s: this build cannot encode or decode it", traits->name);
    if (n % traits->block_elems != 0)
        return ew_error_set(err, EW_ERR_SHAPE, "row length %zu is not a multiple of %u (%s)", n,
                            (unsigned)traits->block_elems, traits->name);
    *out = &formats[type];
    return EW_OK;
}

/* A block's weights so that their mean is 1: only their ratios count, and sums of squares stay far from the ends of a
 * float's range. What hardly matters still matters a little, so that it does not come out as anything at all. */
static void level_weights(const float *weight, size_t n, float *out) {
    static const float least = 1e-6f;
    float mean = 0.0f;
    for (size_t i = 0; i < n; i++) mean += weight[i] / (float)n;
    for (size_t i = 0; i < n; i++) out[i] = mean > 0.0f ? weight[i] / mean + least : 1.0f;
}

static void search_blocks(const struct ew_type_traits *traits, ew_search_fn *search, const float *src,
                          const float *weight, size_t n, void *dst) {
    float block_weight[EW_QK_SUPER];
    uint8_t *block = dst;
    for (size_t i = 0; i < EW_QK_SUPER; i++) block_weight[i] = 1.0f;
    for (; n > 0; n -= traits->block_elems, src += traits->block_elems, block += traits->block_bytes) {
        if (weight) {
            level_weights(weight, traits->block_elems, block_weight);
            weight += traits->block_elems;
        }
        search(src, block_weight, block);
    }
}

bool ew_quantize_takes_weights(enum ew_type type) {
    return (uint32_t)type < EW_TYPE_ID_END && formats[type].search != NULL;
}

enum ew_status ew_quantize_row_weighted(enum ew_type type, const float *src, const float *weight, size_t n, void *dst,
                                        struct ew_error *err) {
    const struct format *format = NULL;
    const struct ew_type_traits *traits = ew_type_traits((uint32_t)type);
    enum ew_status status = find_format(type, n, &format, err);
    if (status == EW_OK && !format->encode && !format->search)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %s is read, but not written", traits->name);
    if (status != EW_OK || n == 0) return status;
    if (format->search)
        search_blocks(traits, format->search, src, weight, n, dst);
    else
        format->encode(src, n, dst);
    return EW_OK;
}

enum ew_status ew_quantize_row(enum ew_type type, const float *src, size_t n, void *dst, struct ew_error *err) {
    return ew_quantize_row_weighted(type, src, NULL, n, dst, err);
}

enum ew_status ew_dequantize_row(enum ew_type type, const void *src, size_t n, float *dst, struct ew_error *err) {
    const struct format *format = NULL;
    enum ew_status status = find_format(type, n, &format, err);
    if (status != EW_OK || n == 0) return status;
    if (format->decode)
        format->decode(src, n, dst);
    else
        decode_levels(ew_type_traits((uint32_t)type), format->levels, src, n, dst);
    return EW_OK;
}
