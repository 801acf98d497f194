/* Owns the x86 loops of limit_loops.h, in assembly: nothing here depends on compiler flags. Twelve independent sums per
 * turn cover the latency of two instructions per cycle. */
#include "kernel/limit_loops.h"

#include "machine/cpu_features.h"

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
LOOP(maddubs_zmm, "vpmaddubsw", "zmm")
LOOP(maddubs_ymm, "vpmaddubsw", "ymm")
LOOP(dpwssd_zmm, "vpdpwssd", "zmm")
LOOP(dpwssd_ymm, "%{vex%} vpdpwssd", "ymm")
LOOP(maddwd_zmm, "vpmaddwd", "zmm")
LOOP(maddwd_ymm, "vpmaddwd", "ymm")
LOOP(fma_zmm, "vfmadd231ps", "zmm")
LOOP(fma_ymm, "vfmadd231ps", "ymm")

/* Two-operand instructions overwrite a source. Zeros stay zeros, so that no sum slows down on odd values. */
#define SIX(op_)                                                                                                       \
    op_ " %%xmm15, %%xmm0\n" op_ " %%xmm15, %%xmm1\n" op_ " %%xmm15, %%xmm2\n" op_ " %%xmm15, %%xmm3\n" op_            \
        " %%xmm15, %%xmm4\n" op_ " %%xmm15, %%xmm5\n"
#define LOOP_SSE(name_, one_, other_)                                                                                  \
    static void name_(uint64_t turns) {                                                                                \
        __asm__ volatile("xorps %%xmm15, %%xmm15\n xorps %%xmm0, %%xmm0\n xorps %%xmm1, %%xmm1\n"                      \
                         "xorps %%xmm2, %%xmm2\n xorps %%xmm3, %%xmm3\n xorps %%xmm4, %%xmm4\n xorps %%xmm5, %%xmm5\n" \
                         ".p2align 6\n1:\n" SIX(one_) SIX(other_) "dec %0\n jnz 1b\n"                                  \
                         : "+r"(turns)::"cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm15");                \
    }
LOOP_SSE(madd_xmm, "pmaddwd", "paddd")
LOOP_SSE(mul_add_xmm, "mulps", "addps")

const struct ew_limit_loop ew_limit_loops[] = {
    {EW_PEAK_INT8, EW_CPU_AVX512 | EW_CPU_AVX512VNNI, dpbusd_zmm, 12 * 128, "vpdpbusd 512 bit"},
    {EW_PEAK_INT8, EW_CPU_AVX512, maddubs_zmm, 12 * 128, "vpmaddubsw 512 bit"},
    {EW_PEAK_INT8, EW_CPU_AVX2 | EW_CPU_AVXVNNI, dpbusd_ymm, 12 * 64, "vpdpbusd 256 bit"},
    {EW_PEAK_INT8, EW_CPU_AVX2, maddubs_ymm, 12 * 64, "vpmaddubsw 256 bit"},
    {EW_PEAK_INT8, 0, madd_xmm, 6 * 16, "pmaddwd 128 bit"},
    {EW_PEAK_INT16, EW_CPU_AVX512 | EW_CPU_AVX512VNNI, dpwssd_zmm, 12 * 64, "vpdpwssd 512 bit"},
    {EW_PEAK_INT16, EW_CPU_AVX512, maddwd_zmm, 12 * 64, "vpmaddwd 512 bit"},
    {EW_PEAK_INT16, EW_CPU_AVX2 | EW_CPU_AVXVNNI, dpwssd_ymm, 12 * 32, "vpdpwssd 256 bit"},
    {EW_PEAK_INT16, EW_CPU_AVX2, maddwd_ymm, 12 * 32, "vpmaddwd 256 bit"},
    {EW_PEAK_INT16, 0, madd_xmm, 6 * 16, "pmaddwd 128 bit"},
    {EW_PEAK_F32, EW_CPU_AVX512, fma_zmm, 12 * 32, "vfmadd231ps 512 bit"},
    {EW_PEAK_F32, EW_CPU_AVX2, fma_ymm, 12 * 16, "vfmadd231ps 256 bit"},
    {EW_PEAK_F32, 0, mul_add_xmm, 6 * 8, "mulps, addps 128 bit"},
};
const size_t ew_limit_n_loops = sizeof ew_limit_loops / sizeof *ew_limit_loops;

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

const struct ew_limit_reader ew_limit_readers[] = {{EW_CPU_AVX512, read_zmm}, {EW_CPU_AVX2, read_ymm}};
const size_t ew_limit_n_readers = sizeof ew_limit_readers / sizeof *ew_limit_readers;
