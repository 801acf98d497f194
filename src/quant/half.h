/* 16-bit floats to and from f32 in portable integer arithmetic, for the references and for single values; kernels use
 * their instruction set's conversions. Rounding is to nearest, ties to even; NaN stays NaN.
 * Source: IEEE 754 binary16; bfloat16 is the upper half of binary32. */
#ifndef EW_QUANT_HALF_H
#define EW_QUANT_HALF_H

#include <stdint.h>
#include <string.h>

static inline float ew_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t ew_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float ew_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 31;
    uint32_t mantissa = h & 0x3ff;
    if (exponent == 31) return ew_float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 is exact in f32 */
        float value = (float)mantissa * 0x1p-24f;
        return ew_float_of_bits(sign | ew_bits_of_float(value));
    }
    return ew_float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static inline uint16_t ew_f32_to_f16(float value) {
    uint32_t bits = ew_bits_of_float(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* rounds beyond 65504 */
    if (magnitude < 0x38800000) { /* subnormal: adding 0.5 leaves round(value * 2^24) in the low mantissa bits */
        float shifted = ew_float_of_bits(magnitude) + 0.5f;
        return (uint16_t)(sign | (ew_bits_of_float(shifted) - 0x3f000000));
    }
    uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
    return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}

static inline float ew_bf16_to_f32(uint16_t b) { return ew_float_of_bits((uint32_t)b << 16); }

static inline uint16_t ew_f32_to_bf16(float value) {
    uint32_t bits = ew_bits_of_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
