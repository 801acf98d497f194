/* Owns the ARM loops of limit_loops.h. The file's flags only let the assembler know the instructions: its functions
 * hold nothing but assembly, and run where their feature is. Twenty-four independent sums per turn cover the latency of
 * four instructions per cycle. */
#include "kernel/limit_loops.h"

#include "machine/cpu_features.h"

#define EIGHT(op_, d_, s_, a_, b_, c_, e_, f_, g_, h_, i_)                                                             \
    op_ " v" #a_ "." d_ ", v30." s_ ", v31." s_ "\n" op_ " v" #b_ "." d_ ", v30." s_ ", v31." s_ "\n" op_ " v" #c_     \
        "." d_ ", v30." s_ ", v31." s_ "\n" op_ " v" #e_ "." d_ ", v30." s_ ", v31." s_ "\n" op_ " v" #f_ "." d_       \
        ", v30." s_ ", v31." s_ "\n" op_ " v" #g_ "." d_ ", v30." s_ ", v31." s_ "\n" op_ " v" #h_ "." d_ ", v30." s_  \
        ", v31." s_ "\n" op_ " v" #i_ "." d_ ", v30." s_ ", v31." s_ "\n"

#define LOOP(name_, op_, d_, s_)                                                                                       \
    static void name_(uint64_t turns) {                                                                                \
        __asm__ volatile(                                                                                              \
            "movi v30.16b, #0\n movi v31.16b, #0\n .p2align 6\n1:\n" EIGHT(op_, d_, s_, 0, 1, 2, 3, 4, 5, 6, 7)        \
                EIGHT(op_, d_, s_, 8, 9, 10, 11, 12, 13, 14, 15)                                                       \
                    EIGHT(op_, d_, s_, 16, 17, 18, 19, 20, 21, 22, 23) "subs %0, %0, #1\n b.ne 1b\n"                   \
            : "+r"(turns)::"cc", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12",      \
              "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v30", "v31");              \
    }
LOOP(smmla, "smmla", "4s", "16b")
LOOP(sdot, "sdot", "4s", "16b")
LOOP(smlal, "smlal", "8h", "8b")
LOOP(fmla, "fmla", "4s", "4s")

const struct ew_limit_loop ew_limit_loops[] = {
    {EW_PEAK_INT8, EW_CPU_NEON | EW_CPU_I8MM, smmla, 24 * 64, "smmla 128 bit"},
    {EW_PEAK_INT8, EW_CPU_NEON | EW_CPU_DOTPROD, sdot, 24 * 32, "sdot 128 bit"},
    {EW_PEAK_INT8, EW_CPU_NEON, smlal, 24 * 16, "smlal 128 bit"},
    {EW_PEAK_F32, EW_CPU_NEON, fmla, 24 * 8, "fmla 128 bit"},
};
const size_t ew_limit_n_loops = sizeof ew_limit_loops / sizeof *ew_limit_loops;

/* Pairs of the widest registers, prefetched a KiB ahead: in-order cores have no prefetcher worth the name. */
static void read_neon(const char *p, const char *end) {
    __asm__ volatile(".p2align 6\n1:\n"
                     "prfm pldl1strm, [%0, #1024]\n prfm pldl1strm, [%0, #1088]\n"
                     "prfm pldl1strm, [%0, #1152]\n prfm pldl1strm, [%0, #1216]\n"
                     "ldp q0, q1, [%0]\n ldp q2, q3, [%0, #32]\n ldp q4, q5, [%0, #64]\n ldp q6, q7, [%0, #96]\n"
                     "ldp q0, q1, [%0, #128]\n ldp q2, q3, [%0, #160]\n ldp q4, q5, [%0, #192]\n"
                     "ldp q6, q7, [%0, #224]\n"
                     "add %0, %0, #256\n cmp %0, %1\n b.lo 1b\n"
                     : "+r"(p)
                     : "r"(end)
                     : "cc", "memory", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7");
}

const struct ew_limit_reader ew_limit_readers[] = {{EW_CPU_NEON, read_neon}};
const size_t ew_limit_n_readers = sizeof ew_limit_readers / sizeof *ew_limit_readers;
