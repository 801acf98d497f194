/* Owns the meter of the GPU memory of a process and of what it started. The driver lists all processes of a card; the
 * elements of that list are of different sizes in different versions, and in a few drivers not of the size that their
 * name promises. */
#include "meter/nvml_processes.h"
#include "base/error.h"
#include "meter/nvml_gpu.h"
#include "meter/tree_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_GPUS = 16, MAX_ELEMENT = 32, FILL = 0xa5, MOST_OURS = 64, MOST_GENERATIONS = 64 };

/* One process of ours on a card. */
struct holder {
    uint32_t pid;
    double bytes;
};

struct processes_state {
    struct ew_nvml_gpu gpu; /* the first; holds the share of the library */
    ew_nvml_device devices[MAX_GPUS];
    uint32_t pid;
    unsigned char *list; /* [capacity][MAX_ELEMENT] */
    unsigned capacity;
};

/* Drivers 535.43 to 535.86 wrote 32 bytes per element of a list of 24: what lies behind n elements of 24 tells. */
static size_t element_bytes(const unsigned char *list, size_t n, size_t promised) {
    if (promised != 24) return promised;
    for (size_t i = n * 24; i < n * MAX_ELEMENT; i++)
        if (list[i] != FILL) return MAX_ELEMENT;
    return 24;
}

static bool grow(struct processes_state *s, unsigned needed) {
    if (needed > 1u << 16) return false;
    unsigned char *larger = realloc(s->list, (size_t)needed * MAX_ELEMENT);
    if (!larger) return false;
    s->list = larger;
    s->capacity = needed;
    return true;
}

/* Fetches the list of one kind; *n of its elements are in s->list. */
static int fetch(struct processes_state *s, ew_nvml_device device, size_t kind, unsigned *n) {
    for (int attempt = 0; attempt < 4; attempt++) {
        memset(s->list, FILL, (size_t)s->capacity * MAX_ELEMENT);
        *n = s->capacity;
        int code = s->gpu.library->processes[kind](device, n, s->list);
        if (code != EW_NVML_INSUFFICIENT_SIZE) {
            if (code == EW_NVML_SUCCESS && *n > s->capacity) return EW_NVML_UNKNOWN;
            return code;
        }
        if (!grow(s, (*n > s->capacity ? *n : s->capacity) + 8)) return EW_NVML_UNKNOWN;
    }
    return EW_NVML_INSUFFICIENT_SIZE;
}

/* Whether a process is ours, or was started by ours: its parents, one by one. */
static bool is_ours(const struct ew_meter *meter, uint32_t pid) {
    const struct processes_state *s = meter->state;
    for (int i = 0; i < MOST_GENERATIONS && pid > 1 && pid != s->pid; i++) {
        int32_t parent;
        if (pid > INT32_MAX || !ew_process_parent(meter->root, (int32_t)pid, &parent)) return false;
        pid = (uint32_t)parent;
    }
    return pid == s->pid;
}

/* A process is in the compute list, the graphics list, or both, and then with the same number. */
static void note_holder(struct holder *holders, size_t *n, uint32_t pid, double bytes) {
    size_t i = 0;
    while (i < *n && holders[i].pid != pid) i++;
    if (i == MOST_OURS) return;
    if (i == *n) holders[(*n)++] = (struct holder){pid, bytes};
    holders[i].bytes = isnan(bytes) ? NAN : fmax(holders[i].bytes, bytes);
}

/* Finds what our processes hold by one kind of list. */
static int find_holders(const struct ew_meter *meter, ew_nvml_device device, size_t kind, struct holder *holders,
                        size_t *n_holders) {
    struct processes_state *s = meter->state;
    unsigned n = 0;
    if (!s->gpu.library->processes[kind]) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = fetch(s, device, kind, &n);
    if (code != EW_NVML_SUCCESS) return code;
    size_t step = element_bytes(s->list, n, s->gpu.library->process_bytes[kind]);
    for (size_t i = 0; i < n; i++) {
        uint32_t pid;
        uint64_t used;
        memcpy(&pid, s->list + i * step, sizeof pid);
        memcpy(&used, s->list + i * step + 8, sizeof used);
        if (is_ours(meter, pid)) note_holder(holders, n_holders, pid, used == UINT64_MAX ? NAN : (double)used);
    }
    return code;
}

static enum ew_status read_processes(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct processes_state *s = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++) {
        struct holder holders[MOST_OURS];
        size_t n = 0;
        int code = find_holders(meter, s->devices[c], 0, holders, &n);
        int graphics = find_holders(meter, s->devices[c], 1, holders, &n);
        if (code == EW_NVML_SUCCESS || graphics == EW_NVML_SUCCESS) {
            values[c] = 0;
            for (size_t i = 0; i < n; i++) values[c] += holders[i].bytes;
        } else if (c == 0) {
            batch->n--;
            return ew_nvml_fail_reading(meter, code, err);
        }
    }
    return EW_OK;
}

static void close_processes(struct ew_meter *meter) {
    struct processes_state *s = meter->state;
    free(s->list);
    ew_nvml_close_meter(meter);
}

static enum ew_status fail_open(const struct ew_nvml_problem *p, struct ew_error *err) {
    static const enum ew_status by_reason[] = {[EW_METER_ABSENT] = EW_ERR_NOT_FOUND,
                                               [EW_METER_GONE] = EW_ERR_NOT_FOUND,
                                               [EW_METER_PERMISSION] = EW_ERR_PERMISSION,
                                               [EW_METER_UNSUPPORTED] = EW_ERR_UNSUPPORTED};
    enum ew_status status = (size_t)p->reason < sizeof by_reason / sizeof *by_reason ? by_reason[p->reason] : EW_OK;
    return ew_error_set(err, status == EW_OK ? EW_ERR_IO : status, "meter gpu-memory: %s", p->text);
}

/* All cards that have a handle; a list that cannot be read at all is found out here. */
static int find_devices(struct ew_nvml_library *library, ew_nvml_device devices[MAX_GPUS], unsigned *n) {
    unsigned count = 0;
    int code = library->count(&count);
    *n = 0;
    for (unsigned i = 0; code == EW_NVML_SUCCESS && i < count && *n < MAX_GPUS; i++) {
        code = library->device(i, &devices[*n]);
        if (code == EW_NVML_SUCCESS) ++*n;
    }
    if (code == EW_NVML_SUCCESS && *n == 0) code = EW_NVML_NOT_FOUND;
    return code;
}

static struct ew_meter *new_meter(const struct ew_meter_config *config, struct ew_nvml_library *library,
                                  const ew_nvml_device *devices, unsigned n, int32_t pid) {
    static const struct ew_meter_driver driver = {.read = read_processes, .close = close_processes};
    struct ew_nvml_gpu gpu = {.library = library, .device = devices[0], .name = "of this machine"};
    struct ew_meter *m = ew_nvml_new_meter(&driver, config, &gpu, "process", n, sizeof(struct processes_state));
    if (!m) return NULL;
    struct processes_state *s = m->state;
    memcpy(s->devices, devices, n * sizeof *devices);
    s->pid = (uint32_t)pid;
    if (!grow(s, 64)) {
        ew_meter_close(&m);
        return NULL;
    }
    m->info.quantity = EW_METER_MEMORY;
    m->info.kind = EW_METER_GAUGE;
    m->info.boundary = EW_BOUNDARY_PROCESS;
    m->info.period_s = 0.1;
    m->info.documented = "NVIDIA NVML API reference, nvmlDeviceGetComputeRunningProcesses";
    ew_meter_text(m->info.name, sizeof m->info.name, "gpu-memory");
    ew_meter_text(m->info.covers, sizeof m->info.covers,
                  "memory of NVIDIA cards that process %d and what it started hold", (int)pid);
    for (unsigned i = 0; i < n; i++) ew_meter_text(m->channels[i].name, sizeof m->channels[i].name, "gpu%u", i);
    return m;
}

enum ew_status ew_meter_open_gpu_memory(const struct ew_meter_config *config, int32_t pid, struct ew_meter **out,
                                        struct ew_error *err) {
    const char *path = config ? config->nvml_path : NULL;
    if (!path && config && config->root && *config->root)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "meter gpu-memory: a recorded machine has no cards to ask");
    struct ew_nvml_problem problem = {0};
    struct ew_nvml_library *library = ew_nvml_open(path, &problem);
    if (!library) return fail_open(&problem, err);
    ew_nvml_device devices[MAX_GPUS];
    unsigned n = 0;
    enum ew_status status = EW_OK;
    int code = find_devices(library, devices, &n);
    if (code == EW_NVML_SUCCESS && !library->processes[0] && !library->processes[1]) code = EW_NVML_FUNCTION_NOT_FOUND;
    struct ew_meter *m = NULL;
    if (code != EW_NVML_SUCCESS) {
        ew_nvml_explain(library, code, "processes on NVIDIA cards", &problem);
        status = fail_open(&problem, err);
    } else if (!(m = new_meter(config, library, devices, n, pid))) {
        status = ew_error_set(err, EW_ERR_MEMORY, "meter gpu-memory: out of memory");
    }
    ew_nvml_close(&library);
    if (m) *out = m;
    return status;
}

double ew_gpu_memory_peak(const struct ew_meter_trace *trace, int64_t begin_ns, int64_t end_ns) {
    double most = NAN;
    for (size_t i = 0; i < trace->n; i++) {
        double sum = 0;
        for (size_t c = 0; c < trace->n_channels; c++) sum += trace->values[i * trace->n_channels + c];
        if (trace->times_ns[i] >= begin_ns && trace->times_ns[i] <= end_ns && sum > 0) most = fmax(most, sum);
    }
    return most;
}
