/* e to the power of x for loops that the compiler turns into vector instructions: libm's expf is a call per element.
 * Relative error below 2e-7 for -87 ≤ x ≤ 88; x outside is taken to the nearest end.
 *
 * x = n ln 2 + r with |r| ≤ ln 2 / 2; ln 2 in two parts, so that n ln 2 loses nothing; e^r by its series to r^7, whose
 * rest is below 0.3466^8 / 8! = 5.2e-9. */
#ifndef EW_TRAIN_FAST_EXP_H
#define EW_TRAIN_FAST_EXP_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float ew_fast_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    const float n = rintf(x * 1.44269504f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const int32_t bits = ((int32_t)n + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

#endif
