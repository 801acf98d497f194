/* A stand-in for NVIDIA's management library, with its symbol names and the layouts that its documentation states. What
 * kind of card it plays is in the environment, EW_FAKE_NVML: ada (the default), averaging, power-only, a100, tegra,
 * unloaded, mismatch, forbidden, none, wide. Built thrice: FAKE_OLD lacks what drivers of 2013 lacked, FAKE_BROKEN
 * lacks what nothing works without. Its power is a formula, so that tests have their expectations by hand. */
#include "fake_nvml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))
#define FUNCTION(name, ...)                                                                                            \
    API int name(__VA_ARGS__);                                                                                         \
    API int name(__VA_ARGS__)

enum { OK, INVALID = 2, UNSUPPORTED, FORBIDDEN, SMALL = 7, UNLOADED = 9, LOST = 15, MISMATCH = 18 };

API struct fake_nvml fake_nvml = {.power_step_ns = 100000000, .counter_step_ns = 20000000};

struct memory {
    unsigned long long total, free, used;
};

static bool plays(const char *script) {
    const char *set = getenv("EW_FAKE_NVML");
    return strcmp(set ? set : "ada", script) == 0;
}

static int64_t now_ns(void) { return fake_nvml.now_ns ? fake_nvml.now_ns(fake_nvml.context) : 0; }
static bool is_lost(void) { return fake_nvml.lost_at_ns && now_ns() >= fake_nvml.lost_at_ns; }

/* What every question about a device begins with. */
static int answers(void) { return is_lost() ? LOST : plays("tegra") ? UNSUPPORTED : OK; }

static double power_w(int64_t t) { return t / fake_half_ns % 2 == 0 ? FAKE_LOW_W : FAKE_HIGH_W; }

static double energy_mj(int64_t t) {
    int64_t whole = t / (2 * fake_half_ns), rest = t % (2 * fake_half_ns);
    int64_t low = whole * fake_half_ns + (rest < fake_half_ns ? rest : fake_half_ns);
    return ((double)low * FAKE_LOW_W + (double)(t - low) * FAKE_HIGH_W) * 1e-6;
}

static unsigned instant_mw(void) {
    int64_t t = now_ns();
    int64_t updated = t - t % fake_nvml.power_step_ns;
    /* A thousandth of noise: no two updates are alike, as on a real card. */
    return (unsigned)(power_w(updated) * 1000) + (unsigned)(updated / fake_nvml.power_step_ns % 7);
}

static unsigned average_mw(void) {
    int64_t t = now_ns(), second = 1000000000;
    int64_t updated = t - t % fake_nvml.power_step_ns;
    int64_t from = updated > second ? updated - second : 0;
    return updated > from ? (unsigned)((energy_mj(updated) - energy_mj(from)) / ((double)(updated - from) * 1e-9)) : 0;
}

static int start(void) {
    if (plays("unloaded")) return UNLOADED;
    if (plays("mismatch")) return MISMATCH;
    if (plays("forbidden")) return FORBIDDEN;
    fake_nvml.open_now++;
    return OK;
}

FUNCTION(nvmlShutdown, void) {
    fake_nvml.open_now--;
    return OK;
}

static int count_devices(unsigned *n) {
    *n = plays("none") ? 0 : 1;
    return OK;
}

static int find_device(unsigned index, void **device) {
    *device = &fake_nvml;
    return index == 0 ? OK : INVALID;
}

#ifdef FAKE_OLD
FUNCTION(nvmlInit, void) { return start(); }
FUNCTION(nvmlDeviceGetCount, unsigned *n) { return count_devices(n); }
FUNCTION(nvmlDeviceGetHandleByIndex, unsigned index, void **device) { return find_device(index, device); }
#else
FUNCTION(nvmlInit_v2, void) { return start(); }
#ifdef FAKE_BROKEN
FUNCTION(nvmlDeviceGetCount_v1, unsigned *n) { return count_devices(n); } /* no such name */
#else
FUNCTION(nvmlDeviceGetCount_v2, unsigned *n) { return count_devices(n); }
#endif
FUNCTION(nvmlDeviceGetHandleByIndex_v2, unsigned index, void **device) { return find_device(index, device); }
#endif

API const char *nvmlErrorString(int code);
API const char *nvmlErrorString(int code) {
    static const char *const words[] = {[OK] = "Success",
                                        [UNSUPPORTED] = "Not Supported",
                                        [FORBIDDEN] = "Insufficient Permissions",
                                        [UNLOADED] = "Driver Not Loaded",
                                        [LOST] = "GPU is lost",
                                        [MISMATCH] = "Driver/library version mismatch"};
    return code >= 0 && code <= MISMATCH && words[code] ? words[code] : "Unknown Error";
}

FUNCTION(nvmlSystemGetDriverVersion, char *buf, unsigned capacity) {
    strncpy(buf, "550.54.15", capacity);
    return OK;
}

FUNCTION(nvmlDeviceGetName, void *device, char *buf, unsigned capacity) {
    (void)device;
    const char *name = plays("a100")    ? "NVIDIA A100-SXM4-40GB"
                       : plays("tegra") ? "Orin (nvgpu)"
                                        : "NVIDIA RTX A3000 Laptop GPU";
    strncpy(buf, name, capacity);
    return OK;
}

FUNCTION(nvmlDeviceGetPowerUsage, void *device, unsigned *mw) {
    (void)device;
    *mw = plays("averaging") ? average_mw() : instant_mw();
    return answers();
}

FUNCTION(nvmlDeviceGetMemoryInfo, void *device, struct memory *m) {
    (void)device;
    *m = (struct memory){8ull << 30, 7ull << 30, 1ull << 30};
    return answers();
}

FUNCTION(nvmlDeviceGetTemperature, void *device, int sensor, unsigned *degrees) {
    (void)device;
    *degrees = 61;
    return sensor == 0 ? answers() : INVALID;
}

FUNCTION(nvmlDeviceGetClockInfo, void *device, int type, unsigned *mhz) {
    (void)device;
    *mhz = type == 1 ? 1740 : 7001;
    return type == 1 || type == 2 ? answers() : INVALID;
}

FUNCTION(nvmlDeviceGetCurrentClocksThrottleReasons, void *device, unsigned long long *bits) {
    (void)device;
    *bits = fake_nvml.reasons;
    return answers();
}

/* The list of processes in elements of `bytes`, of which the first 16 are the same in all versions. */
static int list_processes(bool compute, size_t bytes, unsigned *n, void *list) {
    unsigned have = compute ? fake_nvml.n_compute : fake_nvml.n_graphics;
    bool fits = have <= *n;
    *n = have;
    if (answers() != OK) return answers();
    if (!fits) return SMALL;
    for (unsigned i = 0; i < have; i++) {
        unsigned char *element = (unsigned char *)list + i * bytes;
        memset(element, 0, bytes);
        memcpy(element, compute ? &fake_nvml.compute[i].pid : &fake_nvml.graphics[i].pid, 4);
        memcpy(element + 8, compute ? &fake_nvml.compute[i].bytes : &fake_nvml.graphics[i].bytes, 8);
        if (bytes > 16) memset(element + 16, 0xff, 8); /* no instances of a split card */
    }
    return OK;
}

#ifdef FAKE_OLD
FUNCTION(nvmlDeviceGetComputeRunningProcesses, void *device, unsigned *n, void *list) {
    (void)device;
    return list_processes(true, 16, n, list);
}
#else
FUNCTION(nvmlDeviceGetComputeRunningProcesses_v3, void *device, unsigned *n, void *list) {
    (void)device;
    return list_processes(true, plays("wide") ? 32 : 24, n, list);
}

FUNCTION(nvmlDeviceGetGraphicsRunningProcesses_v3, void *device, unsigned *n, void *list) {
    (void)device;
    return list_processes(false, plays("wide") ? 32 : 24, n, list);
}

FUNCTION(nvmlDeviceGetArchitecture, void *device, unsigned *out) {
    (void)device;
    *out = 7; /* Ampere */
    return OK;
}

FUNCTION(nvmlDeviceGetTotalEnergyConsumption, void *device, unsigned long long *mj) {
    (void)device;
    int64_t t = now_ns();
    *mj = FAKE_START_MJ + (unsigned long long)energy_mj(t - t % fake_nvml.counter_step_ns);
    return plays("averaging") || plays("power-only") ? UNSUPPORTED : answers();
}

struct field {
    unsigned id, scope;
    long long timestamp, latency;
    int type, status;
    unsigned long long value;
};

FUNCTION(nvmlDeviceGetFieldValues, void *device, int n, struct field *fields) {
    (void)device;
    for (int i = 0; i < n; i++) {
        fields[i].status = UNSUPPORTED;
        if (fields[i].id != 186 || plays("averaging")) continue;
        unsigned mw = instant_mw();
        fields[i].type = 1;
        fields[i].value = ~0ull; /* only its four bytes count */
        memcpy(&fields[i].value, &mw, sizeof mw);
        fields[i].status = answers();
    }
    return answers() == LOST ? LOST : OK;
}

struct memory_v2 {
    unsigned version;
    unsigned long long total, reserved, free, used;
};

FUNCTION(nvmlDeviceGetMemoryInfo_v2, void *device, struct memory_v2 *m) {
    (void)device;
    if (m->version != (sizeof *m | 2u << 24)) return 25;
    *m = (struct memory_v2){m->version, 8ull << 30, 300ull << 20, 6ull << 30, 1700ull << 20};
    return answers();
}
#endif
