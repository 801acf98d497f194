/* Loops that do nothing but reach a limit of this processor: reading memory, and the peak of the arithmetic that
 * kernels use. Kernels are judged by them, beside them; engine/machine_limits.h measures whole machines with them. */
#ifndef EW_KERNEL_LIMIT_LOOPS_H
#define EW_KERNEL_LIMIT_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* Reads every byte once as fast as these features can; data is 256-byte aligned, a tail below 256 bytes is left. */
void ew_limit_read(const void *data, size_t size_bytes, uint64_t features);

enum ew_peak { EW_PEAK_INT8, EW_PEAK_INT16, EW_PEAK_F32, EW_PEAKS };

/* Runs turns of the widest instruction of that kind under these features, in registers, and returns the operations done
 * (a multiply and an add count as two). Features that this processor lacks are ignored. */
double ew_limit_peak(enum ew_peak peak, uint64_t features, uint64_t turns);

/* What ew_limit_peak runs: "vpdpbusd 512 bit", "smmla 128 bit"; "plain C" where it knows no instruction. */
const char *ew_limit_peak_name(enum ew_peak peak, uint64_t features);

/* ---- for the files of the instruction sets ---- */

struct ew_limit_loop {
    enum ew_peak peak;
    uint64_t needs; /* enum ew_cpu_feature bits */
    void (*run)(uint64_t turns);
    double ops; /* per turn */
    const char *name;
};

struct ew_limit_reader {
    uint64_t needs;
    void (*read)(const char *begin, const char *end); /* end - begin is a multiple of 256, not 0 */
};

/* Fastest first; the first whose needs are met is taken. */
extern const struct ew_limit_loop ew_limit_loops[];
extern const struct ew_limit_reader ew_limit_readers[];
extern const size_t ew_limit_n_loops, ew_limit_n_readers;

#endif
