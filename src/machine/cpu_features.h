/* What the processor and the operating system let kernels use. */
#ifndef EW_MACHINE_CPU_FEATURES_H
#define EW_MACHINE_CPU_FEATURES_H

#include <stddef.h>
#include <stdint.h>

/* Bits of a feature mask. x86 and ARM share one space so that a mask is a plain number in results. */
enum ew_cpu_feature {
    EW_CPU_AVX2 = 1 << 0,    /* AVX2 + FMA + F16C + BMI2, and the OS saves ymm */
    EW_CPU_AVXVNNI = 1 << 1, /* VEX-encoded vpdpbusd */
    EW_CPU_AVX512 = 1 << 2,  /* F + BW + DQ + VL + CD, and the OS saves zmm and masks */
    EW_CPU_AVX512VNNI = 1 << 3,
    EW_CPU_AVX512BF16 = 1 << 4,
    EW_CPU_AVX512VBMI = 1 << 5,
    EW_CPU_NEON = 1 << 16,
    EW_CPU_DOTPROD = 1 << 17,
    EW_CPU_I8MM = 1 << 18,
    EW_CPU_FP16 = 1 << 19, /* half-precision arithmetic (FEAT_FP16) */
    EW_CPU_SVE = 1 << 20,
    EW_CPU_BF16 = 1 << 21
};

/* A mask that allows nothing (plain C), told apart from 0 = "not given". */
#define EW_CPU_MASK_NONE (UINT64_C(1) << 62)

/* Features of this processor, usable under this operating system. Thread-safe. */
uint64_t ew_cpu_features(void);

/* What the first processor of a recorded machine lists in root/proc/cpuinfo; 0 = nothing of it, or not told. */
uint64_t ew_cpu_features_recorded(const char *root);

/* "avx2 avx512 avx512vnni" into buf; returns the length it wants, as snprintf does. */
size_t ew_cpu_features_text(uint64_t features, char *buf, size_t capacity);

/* Parses a --cpu-mask: "all", "none" (plain C), a comma list of names, or "no-NAME" items taken away from all.
 * An empty result is EW_CPU_MASK_NONE. Returns 0 and sets *bad to an unknown word's start; otherwise *bad = NULL. */
uint64_t ew_cpu_features_parse(const char *text, const char **bad);

#endif
