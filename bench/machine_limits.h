/* What this processor can do at most, measured beside the kernels that are judged by it: reading memory, and the peak
 * of the arithmetic instructions that kernels use. */
#ifndef EW_BENCH_MACHINE_LIMITS_H
#define EW_BENCH_MACHINE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

/* Reads every byte once as fast as these features can; data is 256-byte aligned, a tail below 256 bytes is left. */
void ew_limit_read(const void *data, size_t size_bytes, uint64_t features);

enum ew_peak { EW_PEAK_INT8, EW_PEAK_F32, EW_PEAKS };

/* Runs turns of the widest instruction of that kind under these features, in registers, and returns the operations done
 * (a multiply and an add count as two); 0 where it is not known how. */
double ew_limit_peak(enum ew_peak peak, uint64_t features, uint64_t turns);

#endif
