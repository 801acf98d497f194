/* Owns run-time CPU detection: CPUID with the state the operating system saves (XCR0) on x86, the kernel's hwcaps on
 * ARM. A feature counts only when both the processor and the operating system have it. */
#include "machine/cpu_features.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const struct {
    uint64_t bit;
    const char *name;
} feature_names[] = {
    {EW_CPU_AVX2, "avx2"},
    {EW_CPU_AVXVNNI, "avxvnni"},
    {EW_CPU_AVX512, "avx512"},
    {EW_CPU_AVX512VNNI, "avx512vnni"},
    {EW_CPU_AVX512BF16, "avx512bf16"},
    {EW_CPU_AVX512VBMI, "avx512vbmi"},
    {EW_CPU_NEON, "neon"},
    {EW_CPU_DOTPROD, "dotprod"},
    {EW_CPU_I8MM, "i8mm"},
    {EW_CPU_FP16, "fp16"},
    {EW_CPU_SVE, "sve"},
    {EW_CPU_BF16, "bf16"},
};
enum { N_FEATURES = sizeof feature_names / sizeof *feature_names };

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t read_xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

static uint64_t detect(void) {
    enum { OSXSAVE = 1 << 27, FMA = 1 << 12, F16C = 1 << 29, AVX = 1 << 28 };
    enum { XCR0_YMM = 0x6, XCR0_ZMM = 0xe6 };
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !(c & AVX)) return 0;
    uint64_t xcr0 = read_xcr0();
    if ((xcr0 & XCR0_YMM) != XCR0_YMM) return 0;
    bool fma_f16c = (c & FMA) && (c & F16C);

    unsigned b7, c7, d7, a71 = 0, unused;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
    if (a >= 1) __get_cpuid_count(7, 1, &a71, &unused, &unused, &unused);

    uint64_t f = 0;
    bool avx2 = (b7 >> 5 & 1) && (b7 >> 8 & 1) && fma_f16c;
    if (!avx2) return 0;
    f |= EW_CPU_AVX2;
    if (a71 >> 4 & 1) f |= EW_CPU_AVXVNNI;
    bool avx512 = (b7 >> 16 & 1) && (b7 >> 17 & 1) && (b7 >> 28 & 1) && (b7 >> 30 & 1) && (b7 >> 31 & 1);
    if (!avx512 || (xcr0 & XCR0_ZMM) != XCR0_ZMM) return f;
    f |= EW_CPU_AVX512;
    if (c7 >> 11 & 1) f |= EW_CPU_AVX512VNNI;
    if (c7 >> 1 & 1) f |= EW_CPU_AVX512VBMI;
    if (a71 >> 5 & 1) f |= EW_CPU_AVX512BF16;
    return f;
}

#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

static uint64_t detect(void) {
    unsigned long h = getauxval(AT_HWCAP), h2 = getauxval(AT_HWCAP2);
    uint64_t f = 0;
    if (h & HWCAP_ASIMD) f |= EW_CPU_NEON;
    if (h & HWCAP_ASIMDDP) f |= EW_CPU_DOTPROD;
    if (h & HWCAP_ASIMDHP) f |= EW_CPU_FP16;
    if (h & HWCAP_SVE) f |= EW_CPU_SVE;
    if (h2 & HWCAP2_I8MM) f |= EW_CPU_I8MM;
    if (h2 & HWCAP2_BF16) f |= EW_CPU_BF16;
    return f;
}

#else
static uint64_t detect(void) { return 0; }
#endif

uint64_t ew_cpu_features(void) { return detect(); }

size_t ew_cpu_features_text(uint64_t features, char *buf, size_t capacity) {
    size_t used = 0;
    if (capacity > 0) buf[0] = 0;
    for (int i = 0; i < N_FEATURES; i++) {
        if (!(features & feature_names[i].bit)) continue;
        size_t left = used < capacity ? capacity - used : 0;
        used += (size_t)snprintf(left ? buf + used : NULL, left, "%s%s", used ? " " : "", feature_names[i].name);
    }
    return used;
}

static uint64_t bit_of_word(const char *word, size_t n) {
    for (int i = 0; i < N_FEATURES; i++)
        if (strlen(feature_names[i].name) == n && memcmp(feature_names[i].name, word, n) == 0)
            return feature_names[i].bit;
    return 0;
}

uint64_t ew_cpu_features_parse(const char *text, const char **bad) {
    uint64_t have = ew_cpu_features(), mask = 0;
    bool first = true;
    *bad = NULL;
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, ",");
        bool without = n > 3 && memcmp(p, "no-", 3) == 0;
        uint64_t bit = without ? bit_of_word(p + 3, n - 3) : bit_of_word(p, n);
        if (n == 3 && memcmp(p, "all", 3) == 0) {
            mask = have;
        } else if (n == 4 && memcmp(p, "none", 4) == 0) {
            mask = 0;
        } else if (!bit) {
            *bad = p;
            return 0;
        } else if (without) {
            mask = (first ? have : mask) & ~bit;
        } else {
            mask |= bit & have;
        }
        first = false;
        p += n;
        if (*p == ',') p++;
    }
    return mask ? mask : EW_CPU_MASK_NONE;
}
