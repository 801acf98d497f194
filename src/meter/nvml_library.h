/* NVIDIA's management library, opened at run time. The prototypes are our own, from its documented interface; a binary
 * with them runs where there is no such library. Source: NVIDIA, NVML API reference guide (docs.nvidia.com/deploy/
 * nvml-api). */
#ifndef EW_METER_NVML_LIBRARY_H
#define EW_METER_NVML_LIBRARY_H

#include "edgewise/meter.h"

/* nvmlReturn_t, as far as it is told apart here. */
enum ew_nvml_return {
    EW_NVML_SUCCESS = 0,
    EW_NVML_UNINITIALIZED = 1,
    EW_NVML_NOT_SUPPORTED = 3,
    EW_NVML_NO_PERMISSION = 4,
    EW_NVML_NOT_FOUND = 6,
    EW_NVML_INSUFFICIENT_SIZE = 7,
    EW_NVML_DRIVER_NOT_LOADED = 9,
    EW_NVML_FUNCTION_NOT_FOUND = 13,
    EW_NVML_GPU_IS_LOST = 15,
    EW_NVML_RESET_REQUIRED = 16,
    EW_NVML_VERSION_MISMATCH = 18,
    EW_NVML_GPU_NOT_FOUND = 28,
    EW_NVML_UNKNOWN = 999
};

enum {
    EW_NVML_NAME_BYTES = 96,
    EW_NVML_VERSION_BYTES = 80,
    EW_NVML_FIELD_MEMORY_TEMPERATURE = 82,
    EW_NVML_FIELD_POWER_INSTANT = 186,
    EW_NVML_AMPERE = 7, /* nvmlDeviceArchitecture_t */
    EW_NVML_HOPPER = 9,
    EW_NVML_CLOCK_SM = 1, /* nvmlClockType_t */
    EW_NVML_CLOCK_MEMORY = 2
};

typedef struct ew_nvml_handle *ew_nvml_device; /* nvmlDevice_t */

struct ew_nvml_memory { /* nvmlMemory_t */
    unsigned long long total, free, used;
};

struct ew_nvml_memory_v2 { /* nvmlMemory_v2_t; version = size | 2 << 24 */
    unsigned version;
    unsigned long long total, reserved, free, used;
};

struct ew_nvml_field { /* nvmlFieldValue_t */
    unsigned id, scope;
    long long timestamp_us, latency_us;
    int type; /* 0 double, 1 unsigned int, 2 unsigned long, 3 unsigned long long, 4 long long, 5 int, 6 unsigned short
               */
    int status;
    union {
        double f64;
        int i32;
        unsigned u32;
        unsigned long ulong;
        unsigned long long u64;
        long long i64;
        unsigned short u16;
    } value;
};

/* Functions that a library may lack are NULL. */
struct ew_nvml_library {
    void *handle;
    int users;
    char path[EW_METER_TEXT_SIZE];
    char driver_version[EW_NVML_VERSION_BYTES]; /* "" unknown */
    int (*init)(void);
    int (*shutdown)(void);
    const char *(*error_string)(int);
    int (*driver_version_get)(char *, unsigned);
    int (*count)(unsigned *);
    int (*device)(unsigned, ew_nvml_device *);
    int (*name)(ew_nvml_device, char *, unsigned);
    int (*architecture)(ew_nvml_device, unsigned *);
    int (*energy)(ew_nvml_device, unsigned long long *); /* mJ since the driver was loaded */
    int (*power)(ew_nvml_device, unsigned *);            /* mW */
    int (*fields)(ew_nvml_device, int, struct ew_nvml_field *);
    int (*memory)(ew_nvml_device, struct ew_nvml_memory *);
    int (*memory_v2)(ew_nvml_device, struct ew_nvml_memory_v2 *);
    int (*temperature)(ew_nvml_device, int, unsigned *);
    int (*clock)(ew_nvml_device, int, unsigned *);                 /* MHz */
    int (*throttle_reasons)(ew_nvml_device, unsigned long long *); /* bits */
    int (*processes[2])(ew_nvml_device, unsigned *, void *);       /* compute, graphics */
    size_t process_bytes[2]; /* of one element of that list: 16 or 24; see nvml_processes.h */
};

/* Why NVIDIA's library is of no use, for a refusal. */
struct ew_nvml_problem {
    enum ew_meter_reason reason;
    char text[EW_METER_TEXT_SIZE];
    char remedy[EW_METER_TEXT_SIZE];
};

/* Opens and initialises the library of that path; NULL = the system's. NULL on failure, with *problem set. */
struct ew_nvml_library *ew_nvml_open(const char *path, struct ew_nvml_problem *problem);

/* One more user of the library, who calls ew_nvml_close too. Not thread-safe: meters are made and closed by one thread.
 */
struct ew_nvml_library *ew_nvml_share(struct ew_nvml_library *library);
void ew_nvml_close(struct ew_nvml_library **library);

/* The library's own words for a return code. */
const char *ew_nvml_words(const struct ew_nvml_library *library, int code);

/* Reason, "what: words (code)", and remedy of a failed call. */
void ew_nvml_explain(const struct ew_nvml_library *library, int code, const char *what, struct ew_nvml_problem *out);

/* A card that will not come back during this run. */
bool ew_nvml_is_gone(int code);

/* One value by its field id, as a double. Returns the library's code; FUNCTION_NOT_FOUND without that function. */
int ew_nvml_field_value(const struct ew_nvml_library *library, ew_nvml_device device, unsigned id, double *out);

#endif
