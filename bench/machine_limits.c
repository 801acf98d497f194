/* Owns the limits of the machine for benches; see machine_limits.h. Twelve independent sums per turn cover the latency
 * of two instructions per cycle. */
#include "machine_limits.h"

#include "machine/cpu_features.h"

#include <string.h>

static volatile uint64_t sink;

static void read_plain(const char *p, size_t size_bytes) {
    uint64_t sum[16] = {0};
    for (size_t i = 0; i + sizeof sum <= size_bytes; i += sizeof sum) {
        uint64_t v[16];
        memcpy(v, p + i, sizeof v);
        for (int j = 0; j < 16; j++) sum[j] ^= v[j];
    }
    for (int j = 1; j < 16; j++) sum[0] ^= sum[j];
    sink = sum[0];
}

#if defined(__x86_64__)

#define TWELVE(op_, r_)                                                                                                \
    op_ " %%" r_ "15, %%" r_ "15, %%" r_ "0\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "1\n" op_ " %%" r_ "15, %%" r_     \
        "15, %%" r_ "2\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "3\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "4\n" op_    \
        " %%" r_ "15, %%" r_ "15, %%" r_ "5\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "6\n" op_ " %%" r_ "15, %%" r_     \
        "15, %%" r_ "7\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "8\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "9\n" op_    \
        " %%" r_ "15, %%" r_ "15, %%" r_ "10\n" op_ " %%" r_ "15, %%" r_ "15, %%" r_ "11\n"

#define LOOP(name_, op_, r_)                                                                                           \
    static void name_(uint64_t turns) {                                                                                \
        __asm__ volatile("vxorps %%xmm15, %%xmm15, %%xmm15\n"                                                          \
                         ".p2align 6\n1:\n" TWELVE(op_, r_) "dec %0\n jnz 1b\n vzeroupper\n"                           \
                         : "+r"(turns)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",  \
                           "xmm9", "xmm10", "xmm11", "xmm15");                                                         \
    }
LOOP(dpbusd_zmm, "vpdpbusd", "zmm")
LOOP(dpbusd_ymm, "%{vex%} vpdpbusd", "ymm")
LOOP(maddubs_ymm, "vpmaddubsw", "ymm")
LOOP(fma_zmm, "vfmadd231ps", "zmm")
LOOP(fma_ymm, "vfmadd231ps", "ymm")

static const struct {
    enum ew_peak peak;
    uint64_t needs;
    void (*run)(uint64_t turns);
    double ops; /* per instruction */
} peaks[] = {
    {EW_PEAK_INT8, EW_CPU_AVX512VNNI, dpbusd_zmm, 128},
    {EW_PEAK_INT8, EW_CPU_AVXVNNI, dpbusd_ymm, 64},
    {EW_PEAK_INT8, EW_CPU_AVX2, maddubs_ymm, 64},
    {EW_PEAK_F32, EW_CPU_AVX512, fma_zmm, 32},
    {EW_PEAK_F32, EW_CPU_AVX2, fma_ymm, 16},
};

double ew_limit_peak(enum ew_peak peak, uint64_t features, uint64_t turns) {
    for (size_t i = 0; i < sizeof peaks / sizeof *peaks; i++) {
        if (peaks[i].peak != peak || !(features & peaks[i].needs)) continue;
        peaks[i].run(turns);
        return 12 * peaks[i].ops * (double)turns;
    }
    return 0;
}

/* Widest loads, with prefetching across the ends of pages: plain loops of compilers do not reach the memory's speed. */
#define READ(name_, r_, bytes_)                                                                                        \
    static void name_(const char *p, const char *end) {                                                                \
        __asm__ volatile(".p2align 6\n1:\n"                                                                            \
                         "prefetcht0 4096(%0)\n prefetcht0 4160(%0)\n prefetcht0 4224(%0)\n prefetcht0 4288(%0)\n"     \
                         "2:\n vmovups (%0), %%" r_ "0\n vmovups " #bytes_ "(%0), %%" r_ "1\n"                         \
                         "add $(2 * " #bytes_ "), %0\n test $255, %0\n jnz 2b\n"                                       \
                         "cmp %1, %0\n jb 1b\n vzeroupper\n"                                                           \
                         : "+r"(p)                                                                                     \
                         : "r"(end)                                                                                    \
                         : "cc", "memory", "xmm0", "xmm1");                                                            \
    }
READ(read_zmm, "zmm", 64)
READ(read_ymm, "ymm", 32)

void ew_limit_read(const void *data, size_t size_bytes, uint64_t features) {
    const char *p = data;
    if (features & EW_CPU_AVX512)
        read_zmm(p, p + size_bytes / 256 * 256);
    else if (features & EW_CPU_AVX2)
        read_ymm(p, p + size_bytes / 256 * 256);
    else
        read_plain(p, size_bytes);
}

#else

void ew_limit_read(const void *data, size_t size_bytes, uint64_t features) {
    (void)features;
    read_plain(data, size_bytes);
}

double ew_limit_peak(enum ew_peak peak, uint64_t features, uint64_t turns) {
    (void)peak;
    (void)features;
    (void)turns;
    return 0;
}

#endif
