/* One NVIDIA card as its meters share it. */
#ifndef EW_METER_NVML_GPU_H
#define EW_METER_NVML_GPU_H

#include "meter/driver.h"
#include "meter/nvml_library.h"

struct ew_nvml_gpu {
    struct ew_nvml_library *library; /* each meter holds a share */
    ew_nvml_device device;
    unsigned index;
    char name[EW_NVML_NAME_BYTES];
    unsigned architecture; /* 0 = unknown */
    bool shares_memory;    /* part of a Tegra chip */
};

/* A meter "nvml-KIND:INDEX" (kind "" = "nvml:INDEX"); its state, of at least a gpu's size, begins with *gpu and holds a
 * share of the library, which ew_nvml_close_meter gives back. NULL = out of memory. */
struct ew_meter *ew_nvml_new_meter(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                                   const struct ew_nvml_gpu *gpu, const char *kind, size_t n_channels,
                                   size_t state_size);
void ew_nvml_close_meter(struct ew_meter *meter);

/* The error of a failed reading; a card that is gone for good marks the meter as GONE and gives NOT_FOUND. */
enum ew_status ew_nvml_fail_reading(struct ew_meter *meter, int code, struct ew_error *err);

/* Adds the meters of memory, temperature, clocks and throttle reasons that the card supports (nvml_gauges.c). */
enum ew_status ew_nvml_add_gauges(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_nvml_gpu *gpu, struct ew_error *err);

#endif
