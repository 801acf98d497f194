/* Owns what NVIDIA cards say of themselves besides energy: memory in use, temperature, clocks, and why the clocks are
 * held down. A gauge that a card does not support is not there; only memory that is the system's own is refused aloud.
 * Source: NVIDIA, NVML API reference guide. */
#include "base/error.h"
#include "meter/nvml_gpu.h"

#include <math.h>
#include <string.h>

/* Bits of nvmlClocksEventReasons; those that mean "slower than it could be" come first. */
static const struct {
    unsigned long long bit;
    const char *name;
} reasons[] = {
    {0x004, "power-cap"},        {0x008, "hardware-slowdown"}, {0x020, "software-thermal"},
    {0x040, "hardware-thermal"}, {0x080, "power-brake"},       {0x010, "sync-boost"},
    {0x002, "fixed-clocks"},     {0x100, "display-clocks"},    {0x001, "idle"},
};
enum { REASONS = sizeof reasons / sizeof *reasons };

static int read_memory_bytes(const struct ew_nvml_gpu *gpu, double *used, double *total) {
    struct ew_nvml_memory_v2 v2 = {.version = sizeof v2 | 2u << 24};
    /* The second form tells the driver's own reserve apart from what programs use. */
    if (gpu->library->memory_v2 && gpu->library->memory_v2(gpu->device, &v2) == EW_NVML_SUCCESS) {
        *used = (double)v2.used;
        *total = (double)v2.total;
        return EW_NVML_SUCCESS;
    }
    struct ew_nvml_memory v1;
    if (!gpu->library->memory) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = gpu->library->memory(gpu->device, &v1);
    if (code != EW_NVML_SUCCESS) return code;
    *used = (double)v1.used;
    *total = (double)v1.total;
    return code;
}

static int read_temperatures(const struct ew_nvml_gpu *gpu, double *chip, double *memory) {
    unsigned degrees;
    if (!gpu->library->temperature) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = gpu->library->temperature(gpu->device, 0, &degrees);
    if (code != EW_NVML_SUCCESS) return code;
    *chip = degrees;
    double value;
    bool has =
        ew_nvml_field_value(gpu->library, gpu->device, EW_NVML_FIELD_MEMORY_TEMPERATURE, &value) == EW_NVML_SUCCESS;
    *memory = has && value > 0 ? value : NAN; /* cards without that sensor say 0 */
    return code;
}

static int read_clock_hz(const struct ew_nvml_gpu *gpu, int type, double *out) {
    unsigned mhz;
    if (!gpu->library->clock) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = gpu->library->clock(gpu->device, type, &mhz);
    if (code == EW_NVML_SUCCESS) *out = mhz * 1e6;
    return code;
}

static int read_reasons(const struct ew_nvml_gpu *gpu, unsigned long long *bits) {
    if (!gpu->library->throttle_reasons) return EW_NVML_FUNCTION_NOT_FOUND;
    return gpu->library->throttle_reasons(gpu->device, bits);
}

/* Each reads the values of its channels; they are all of one shape, so that one function samples them. */
typedef int (*gauge_reader)(const struct ew_nvml_gpu *gpu, double *values);

static int memory_values(const struct ew_nvml_gpu *gpu, double *v) { return read_memory_bytes(gpu, &v[0], &v[1]); }
static int heat_values(const struct ew_nvml_gpu *gpu, double *v) { return read_temperatures(gpu, &v[0], &v[1]); }

static int clock_values(const struct ew_nvml_gpu *gpu, double *v) {
    int code = read_clock_hz(gpu, EW_NVML_CLOCK_SM, &v[0]);
    int memory = read_clock_hz(gpu, EW_NVML_CLOCK_MEMORY, &v[1]);
    return code == EW_NVML_SUCCESS || ew_nvml_is_gone(code) ? code : memory;
}

static int reason_values(const struct ew_nvml_gpu *gpu, double *v) {
    unsigned long long bits = 0;
    int code = read_reasons(gpu, &bits);
    for (size_t i = 0; code == EW_NVML_SUCCESS && i < REASONS; i++) v[i] = (bits & reasons[i].bit) != 0;
    return code;
}

struct gauge_state {
    struct ew_nvml_gpu gpu; /* first: see nvml_gpu.h */
    gauge_reader read;
};

static enum ew_status read_gauge(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct gauge_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    if (!values) return EW_OK;
    int code = state->read(&state->gpu, values);
    if (code == EW_NVML_SUCCESS) return EW_OK;
    batch->n--;
    return ew_nvml_fail_reading(meter, code, err);
}

struct gauge {
    const char *kind;
    enum ew_meter_quantity quantity;
    gauge_reader read;
    double period_s;
    const char *channels[2];
    const char *covers;
};

static const struct gauge gauges[] = {
    {"memory", EW_METER_MEMORY, memory_values, 0.1, {"used", "total"}, "memory of the card, of all programs together"},
    {"temperature", EW_METER_TEMPERATURE, heat_values, 0.5, {"gpu", "memory"}, "the card's chip, and its memory"},
    {"clocks", EW_METER_FREQUENCY, clock_values, 0.2, {"sm", "memory"}, "the card's processors and its memory, now"},
    {"throttle",
     EW_METER_STATE,
     reason_values,
     0.2,
     {NULL},
     "why the card's clocks are not higher: 1 = this holds now"},
};
enum { MAX_VALUES = REASONS };

static struct ew_meter *new_gauge(const struct ew_meter_config *config, const struct ew_nvml_gpu *gpu,
                                  const struct gauge *g) {
    static const struct ew_meter_driver driver = {.read = read_gauge, .close = ew_nvml_close_meter};
    bool flags = g->quantity == EW_METER_STATE;
    struct ew_meter *m =
        ew_nvml_new_meter(&driver, config, gpu, g->kind, flags ? REASONS : 2, sizeof(struct gauge_state));
    if (!m) return NULL;
    struct gauge_state *state = m->state;
    state->read = g->read;
    m->info.quantity = g->quantity;
    m->info.kind = EW_METER_GAUGE;
    m->info.boundary = EW_BOUNDARY_GPU;
    m->info.period_s = g->period_s;
    m->info.resolution = flags ? 1 : 0;
    m->info.documented = "NVIDIA NVML API reference";
    ew_meter_text(m->info.covers, sizeof m->info.covers, "GPU %u (%s): %s", gpu->index, gpu->name, g->covers);
    for (size_t c = 0; c < m->info.n_channels; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", flags ? reasons[c].name : g->channels[c]);
    return m;
}

static struct ew_meter *refuse_memory(const struct ew_meter_config *config, const struct ew_nvml_gpu *gpu) {
    struct ew_meter *m = new_gauge(config, gpu, &gauges[0]);
    if (m)
        ew_meter_refuse(m, EW_METER_UNSUPPORTED,
                        "this GPU has no memory of its own: what it uses is part of the system's memory", "");
    return m;
}

enum ew_status ew_nvml_add_gauges(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_nvml_gpu *gpu, struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < sizeof gauges / sizeof *gauges; i++) {
        double values[MAX_VALUES];
        if (gauges[i].read(gpu, values) == EW_NVML_SUCCESS)
            status = ew_meter_list_add(list, new_gauge(config, gpu, &gauges[i]), err);
        else if (gauges[i].quantity == EW_METER_MEMORY && gpu->shares_memory)
            status = ew_meter_list_add(list, refuse_memory(config, gpu), err);
    }
    return status;
}
