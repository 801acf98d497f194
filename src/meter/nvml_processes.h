/* Memory that a process, and all that it started, holds on NVIDIA cards. */
#ifndef EW_METER_NVML_PROCESSES_H
#define EW_METER_NVML_PROCESSES_H

#include "meter/meter_sampler.h"

/* Opens the meter "gpu-memory" of process pid and its descendants: one channel per card, "gpu0", "gpu1" …, in bytes.
 * 0 = they hold nothing there (or have ended); NAN = the driver does not say. In a container with process numbers of
 * its own the driver names other numbers, and the meter reads 0. config may be NULL; its root and nvml_path decide as
 * for the list.
 * Errors: NOT_FOUND (no library, no card), PERMISSION, IO, UNSUPPORTED, MEMORY.
 * Source: NVML API reference, nvmlDeviceGetComputeRunningProcesses. */
enum ew_status ew_meter_open_gpu_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                        struct ew_error *err);

/* The most that all cards together held between two moments, in a trace of that meter; NAN where they never held
 * anything, as then the driver may only know the processes by other numbers. */
double ew_gpu_memory_peak(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns);

#endif
