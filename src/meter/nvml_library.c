/* Owns opening NVIDIA's management library and what its return codes mean to a person. Refuses a library that lacks the
 * few functions nothing works without, and names them. What is made of it: nvml_meter.c, nvml_gauges.c,
 * nvml_processes.c. */
#include "meter/nvml_library.h"
#include "meter/driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where distributions put it when the loader does not find it by its name. */
static const char *const system_paths[] = {"libnvidia-ml.so.1", "/usr/lib/wsl/lib/libnvidia-ml.so.1",
                                           "/run/opengl-driver/lib/libnvidia-ml.so.1"};

/* A function under its names, newest first: later versions take the same arguments here. */
struct symbol {
    void (**place)(void);
    const char *names[3];
    bool needed;
};

static void find(void *handle, const struct symbol *s) {
    *s->place = NULL;
    for (size_t i = 0; i < 3 && s->names[i] && !*s->place; i++) {
        void *found = dlsym(handle, s->names[i]);
        memcpy(s->place, &found, sizeof found); /* POSIX lets a function pointer be kept in a void * */
    }
}

/* Lists of processes come in elements of 16 bytes (no suffix) or 24 (_v2, _v3). */
static void find_processes(struct ew_nvml_library *l) {
    static const char *const kinds[] = {"Compute", "Graphics"};
    static const struct {
        const char *suffix;
        size_t bytes;
    } versions[] = {{"_v3", 24}, {"_v2", 24}, {"", 16}};
    for (size_t k = 0; k < 2; k++)
        for (size_t v = 0; v < 3 && !l->processes[k]; v++) {
            char name[64];
            snprintf(name, sizeof name, "nvmlDeviceGet%sRunningProcesses%s", kinds[k], versions[v].suffix);
            void *found = dlsym(l->handle, name);
            memcpy(&l->processes[k], &found, sizeof found);
            l->process_bytes[k] = versions[v].bytes;
        }
}

#define AT(member) ((void (**)(void))(void *)&l->member)

/* The name of a needed function that is missing; NULL = all are there. */
static const char *find_all(struct ew_nvml_library *l) {
    const struct symbol symbols[] = {
        {AT(init), {"nvmlInit_v2", "nvmlInit"}, true},
        {AT(shutdown), {"nvmlShutdown"}, true},
        {AT(count), {"nvmlDeviceGetCount_v2", "nvmlDeviceGetCount"}, true},
        {AT(device), {"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}, true},
        {AT(error_string), {"nvmlErrorString"}, false},
        {AT(driver_version_get), {"nvmlSystemGetDriverVersion"}, false},
        {AT(name), {"nvmlDeviceGetName"}, false},
        {AT(architecture), {"nvmlDeviceGetArchitecture"}, false},
        {AT(energy), {"nvmlDeviceGetTotalEnergyConsumption"}, false},
        {AT(power), {"nvmlDeviceGetPowerUsage"}, false},
        {AT(fields), {"nvmlDeviceGetFieldValues"}, false},
        {AT(memory), {"nvmlDeviceGetMemoryInfo"}, false},
        {AT(memory_v2), {"nvmlDeviceGetMemoryInfo_v2"}, false},
        {AT(temperature), {"nvmlDeviceGetTemperature"}, false},
        {AT(clock), {"nvmlDeviceGetClockInfo"}, false},
        {AT(throttle_reasons),
         {"nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"},
         false},
    };
    const char *missing = NULL;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        find(l->handle, &symbols[i]);
        if (symbols[i].needed && !*symbols[i].place && !missing) missing = symbols[i].names[0];
    }
    find_processes(l);
    return missing;
}

static void set_problem(struct ew_nvml_problem *p, enum ew_meter_reason reason, const char *text, const char *remedy) {
    p->reason = reason;
    ew_meter_text(p->text, sizeof p->text, "%s", text);
    ew_meter_text(p->remedy, sizeof p->remedy, "%s", remedy);
}

/* A library that is there and does not load (wrong processor, damaged) is another matter than none. */
static bool open_library(struct ew_nvml_library *l, const char *path, struct ew_nvml_problem *problem) {
    size_t n = path ? 1 : sizeof system_paths / sizeof *system_paths;
    set_problem(problem, EW_METER_ABSENT, "NVIDIA's library libnvidia-ml.so.1 is not installed", "");
    for (size_t i = 0; i < n && !l->handle; i++) {
        const char *name = path ? path : system_paths[i];
        l->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        ew_meter_text(l->path, sizeof l->path, "%s", name);
        const char *why = l->handle ? NULL : dlerror();
        if (!why || problem->reason != EW_METER_ABSENT) continue;
        bool is_there = !strstr(why, "No such file");
        char text[EW_METER_TEXT_SIZE];
        ew_meter_text(text, sizeof text, "NVIDIA's library cannot be loaded: %s", why);
        if (path || is_there) set_problem(problem, is_there ? EW_METER_IO_ERROR : EW_METER_ABSENT, text, "");
    }
    return l->handle != NULL;
}

static void discard(struct ew_nvml_library *l) {
    if (l->handle) dlclose(l->handle);
    free(l);
}

struct ew_nvml_library *ew_nvml_open(const char *path, struct ew_nvml_problem *problem) {
    struct ew_nvml_library *l = calloc(1, sizeof *l);
    char text[EW_METER_TEXT_SIZE];
    if (!l) {
        set_problem(problem, EW_METER_IO_ERROR, "NVIDIA's library: out of memory", "");
        return NULL;
    }
    if (!open_library(l, path, problem)) {
        discard(l);
        return NULL;
    }
    const char *missing = find_all(l);
    if (missing) {
        ew_meter_text(text, sizeof text, "NVIDIA's library %s lacks %s", l->path, missing);
        set_problem(problem, EW_METER_UNSUPPORTED, text, "install a newer NVIDIA driver");
        discard(l);
        return NULL;
    }
    int code = l->init();
    if (code != EW_NVML_SUCCESS) {
        ew_nvml_explain(l, code, "NVIDIA's library does not start", problem);
        discard(l);
        return NULL;
    }
    if (!l->driver_version_get || l->driver_version_get(l->driver_version, sizeof l->driver_version) != EW_NVML_SUCCESS)
        l->driver_version[0] = 0;
    l->driver_version[sizeof l->driver_version - 1] = 0;
    l->users = 1;
    return l;
}

struct ew_nvml_library *ew_nvml_share(struct ew_nvml_library *library) {
    library->users++;
    return library;
}

void ew_nvml_close(struct ew_nvml_library **library) {
    if (!library || !*library) return;
    struct ew_nvml_library *l = *library;
    *library = NULL;
    if (--l->users > 0) return;
    l->shutdown();
    discard(l);
}

const char *ew_nvml_words(const struct ew_nvml_library *library, int code) {
    static const struct {
        int code;
        const char *words;
    } own[] = {{EW_NVML_NOT_SUPPORTED, "not supported"},
               {EW_NVML_NO_PERMISSION, "no permission"},
               {EW_NVML_DRIVER_NOT_LOADED, "driver not loaded"},
               {EW_NVML_FUNCTION_NOT_FOUND, "the library has no such function"},
               {EW_NVML_GPU_IS_LOST, "the GPU is lost"},
               {EW_NVML_VERSION_MISMATCH, "driver and library are of different versions"}};
    const char *words = library->error_string ? library->error_string(code) : NULL;
    for (size_t i = 0; !words && i < sizeof own / sizeof *own; i++)
        if (own[i].code == code) words = own[i].words;
    return words ? words : "unknown error";
}

bool ew_nvml_is_gone(int code) {
    return code == EW_NVML_GPU_IS_LOST || code == EW_NVML_RESET_REQUIRED || code == EW_NVML_NOT_FOUND ||
           code == EW_NVML_GPU_NOT_FOUND || code == EW_NVML_UNINITIALIZED;
}

void ew_nvml_explain(const struct ew_nvml_library *library, int code, const char *what, struct ew_nvml_problem *out) {
    static const struct {
        int code;
        enum ew_meter_reason reason;
        const char *remedy;
    } cases[] = {
        {EW_NVML_NOT_SUPPORTED, EW_METER_UNSUPPORTED, ""},
        {EW_NVML_FUNCTION_NOT_FOUND, EW_METER_UNSUPPORTED, "a newer NVIDIA driver may have it"},
        {EW_NVML_NO_PERMISSION, EW_METER_PERMISSION,
         "the user must be allowed to open /dev/nvidiactl and /dev/nvidia0 (ls -l /dev/nvidia*); in a container: "
         "--gpus "
         "all"},
        {EW_NVML_DRIVER_NOT_LOADED, EW_METER_ABSENT, "sudo modprobe nvidia; in a container: --gpus all"},
        {EW_NVML_VERSION_MISMATCH, EW_METER_IO_ERROR,
         "the driver was updated and the old one still runs: restart the machine"},
        {EW_NVML_GPU_IS_LOST, EW_METER_GONE, "sudo dmesg | grep Xid tells why; restart the machine"},
        {EW_NVML_RESET_REQUIRED, EW_METER_GONE, "sudo nvidia-smi --gpu-reset, or restart the machine"},
        {EW_NVML_NOT_FOUND, EW_METER_GONE, ""},
        {EW_NVML_GPU_NOT_FOUND, EW_METER_GONE, ""},
        {EW_NVML_UNINITIALIZED, EW_METER_GONE, ""},
    };
    char text[EW_METER_TEXT_SIZE];
    ew_meter_text(text, sizeof text, "%s: %s (NVML %d)", what, ew_nvml_words(library, code), code);
    set_problem(out, EW_METER_IO_ERROR, text, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cases[i].code == code) set_problem(out, cases[i].reason, text, cases[i].remedy);
}

int ew_nvml_field_value(const struct ew_nvml_library *library, ew_nvml_device device, unsigned id, double *out) {
    struct ew_nvml_field field = {.id = id};
    if (!library->fields) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = library->fields(device, 1, &field);
    if (code != EW_NVML_SUCCESS) return code;
    if (field.status != EW_NVML_SUCCESS) return field.status;
    switch (field.type) {
    case 0: *out = field.value.f64; return EW_NVML_SUCCESS;
    case 1: *out = field.value.u32; return EW_NVML_SUCCESS;
    case 2: *out = (double)field.value.ulong; return EW_NVML_SUCCESS;
    case 3: *out = (double)field.value.u64; return EW_NVML_SUCCESS;
    case 4: *out = (double)field.value.i64; return EW_NVML_SUCCESS;
    case 5: *out = field.value.i32; return EW_NVML_SUCCESS;
    case 6: *out = field.value.u16; return EW_NVML_SUCCESS;
    default: return EW_NVML_UNKNOWN;
    }
}
