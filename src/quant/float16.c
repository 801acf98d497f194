/* Owns the F16 and BF16 row formats. See quant/half.h for single values. */
#include "quant/formats.h"
#include "quant/half.h"

void ew_quant_encode_f16(const float *src, size_t n, void *dst) {
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t h = ew_f32_to_f16(src[i]);
        memcpy(out + 2 * i, &h, sizeof h);
    }
}

void ew_quant_decode_f16(const void *src, size_t n, float *dst) {
    const uint8_t *in = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, in + 2 * i, sizeof h);
        dst[i] = ew_f16_to_f32(h);
    }
}

void ew_quant_encode_bf16(const float *src, size_t n, void *dst) {
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i++) {
        uint16_t b = ew_f32_to_bf16(src[i]);
        memcpy(out + 2 * i, &b, sizeof b);
    }
}

void ew_quant_decode_bf16(const void *src, size_t n, float *dst) {
    const uint8_t *in = src;
    for (size_t i = 0; i < n; i++) {
        uint16_t b;
        memcpy(&b, in + 2 * i, sizeof b);
        dst[i] = ew_bf16_to_f32(b);
    }
}
