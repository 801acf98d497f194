/* Owns the energy meters of NVIDIA cards: "nvml:N", the card's own counter or else its power, and "nvml-power:N", the
 * power beside a counter, so that the two can be held against each other and never added. Refuses chips on which the
 * library starts and then supports nothing (Tegra). How the library is opened: nvml_library.c; memory, temperature,
 * clocks: nvml_gauges.c. */
#include "base/error.h"
#include "machine/facts.h"
#include "meter/nvml_gpu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_GAPS = 64, MIN_GAPS = 5 };

struct energy_state {
    struct ew_nvml_gpu gpu; /* first: see nvml_gpu.h */
    bool instant;           /* power by the field of that name, otherwise by nvmlDeviceGetPowerUsage */
    double documented_averaging_s;
    double last; /* reading, and when it came: the gaps between changes are the sensor's update period */
    int64_t changed_ns;
    int64_t gaps_ns[KEPT_GAPS];
    size_t n_gaps;
};

struct ew_meter *ew_nvml_new_meter(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                                   const struct ew_nvml_gpu *gpu, const char *kind, size_t n_channels,
                                   size_t state_size) {
    struct ew_meter *m = ew_meter_new(driver, config, n_channels, state_size);
    if (!m) return NULL;
    struct ew_nvml_gpu *own = m->state;
    *own = *gpu;
    ew_nvml_share(own->library);
    ew_meter_text(m->info.name, sizeof m->info.name, "nvml%s%s:%u", kind[0] ? "-" : "", kind, gpu->index);
    ew_meter_text(m->info.source, sizeof m->info.source, "%.120s, driver %s", gpu->library->path,
                  gpu->library->driver_version[0] ? gpu->library->driver_version : "unknown");
    if (n_channels > 0) ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "gpu");
    return m;
}

void ew_nvml_close_meter(struct ew_meter *meter) {
    struct ew_nvml_gpu *gpu = meter->state;
    ew_nvml_close(&gpu->library);
}

enum ew_status ew_nvml_fail_reading(struct ew_meter *meter, int code, struct ew_error *err) {
    const struct ew_nvml_gpu *gpu = meter->state;
    char what[EW_NVML_NAME_BYTES + 16];
    struct ew_nvml_problem problem;
    snprintf(what, sizeof what, "GPU %u (%s)", gpu->index, gpu->name);
    ew_nvml_explain(gpu->library, code, what, &problem);
    if (problem.reason == EW_METER_GONE) {
        meter->info.reason = EW_METER_GONE;
        ew_meter_text(meter->info.reason_text, sizeof meter->info.reason_text, "%s", problem.text);
        ew_meter_text(meter->info.remedy, sizeof meter->info.remedy, "%s", problem.remedy);
    }
    return ew_error_set(err, problem.reason == EW_METER_GONE ? EW_ERR_NOT_FOUND : EW_ERR_IO, "meter %s: %s",
                        meter->info.name, problem.text);
}

/* ---- reading ---- */

static int read_joules(const struct ew_nvml_gpu *gpu, double *out) {
    unsigned long long mj;
    if (!gpu->library->energy) return EW_NVML_FUNCTION_NOT_FOUND;
    int code = gpu->library->energy(gpu->device, &mj);
    if (code == EW_NVML_SUCCESS) *out = (double)mj * 1e-3;
    return code;
}

static int read_watts(const struct ew_nvml_gpu *gpu, bool instant, double *out) {
    double mw = 0;
    unsigned usage;
    int code = EW_NVML_FUNCTION_NOT_FOUND;
    if (instant) {
        code = ew_nvml_field_value(gpu->library, gpu->device, EW_NVML_FIELD_POWER_INSTANT, &mw);
    } else if (gpu->library->power) {
        code = gpu->library->power(gpu->device, &usage);
        if (code == EW_NVML_SUCCESS) mw = usage;
    }
    if (code == EW_NVML_SUCCESS) *out = mw * 1e-3;
    return code;
}

static enum ew_status read_counter(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct energy_state *state = meter->state;
    double joules;
    if (batch->n == batch->capacity) return EW_OK;
    int code = read_joules(&state->gpu, &joules);
    if (code != EW_NVML_SUCCESS) return ew_nvml_fail_reading(meter, code, err);
    *ew_meter_batch_add(meter, batch) = joules;
    return EW_OK;
}

static void watch_updates(struct energy_state *s, double watts, int64_t now_ns) {
    if (watts == s->last) return;
    if (!isnan(s->last) && s->changed_ns >= 0) s->gaps_ns[s->n_gaps++ % KEPT_GAPS] = now_ns - s->changed_ns;
    /* The first change ends a gap whose beginning nobody saw. */
    s->changed_ns = isnan(s->last) ? -1 : now_ns;
    s->last = watts;
}

static enum ew_status read_power(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    struct energy_state *state = meter->state;
    double watts;
    if (batch->n == batch->capacity) return EW_OK;
    int code = read_watts(&state->gpu, state->instant, &watts);
    if (code != EW_NVML_SUCCESS) return ew_nvml_fail_reading(meter, code, err);
    *ew_meter_batch_add(meter, batch) = watts;
    watch_updates(state, watts, batch->times_ns[batch->n - 1]);
    return EW_OK;
}

static enum ew_status start_power(struct ew_meter *meter, struct ew_error *err) {
    (void)err;
    struct energy_state *state = meter->state;
    state->last = NAN;
    state->changed_ns = -1;
    state->n_gaps = 0;
    return EW_OK;
}

static int compare_gaps(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* A reading repeats until the sensor's next update; what happened between two updates is averaged or lost, so the
 * window is at least as long as the median gap between changes. */
static void stop_power(struct ew_meter *meter) {
    struct energy_state *state = meter->state;
    size_t n = state->n_gaps < KEPT_GAPS ? state->n_gaps : KEPT_GAPS;
    if (n < MIN_GAPS) return;
    qsort(state->gaps_ns, n, sizeof *state->gaps_ns, compare_gaps);
    meter->info.averaging_s = fmax(state->documented_averaging_s, (double)state->gaps_ns[n / 2] * 1e-9);
    state->n_gaps = 0;
}

/* ---- description ---- */

/* Whether one of the words is in the name, between blanks and dashes: "A30" is not in "RTX A3000". */
static bool has_word(const char *name, const char *const *words) {
    for (; *name; name += strspn(name, " -")) {
        size_t n = strcspn(name, " -");
        for (size_t i = 0; words[i]; i++)
            if (strlen(words[i]) == n && strncmp(words[i], name, n) == 0) return true;
        name += n;
    }
    return false;
}

static bool is_ga100(const struct ew_nvml_gpu *gpu) {
    static const char *const words[] = {"A100", "A100X", "A800", "A30", "A30X", "PG506", "PG199", "170HX", NULL};
    return has_word(gpu->name, words);
}

static void describe(struct ew_meter *m, const struct ew_nvml_gpu *gpu, enum ew_meter_kind kind) {
    struct ew_meter_info *info = &m->info;
    info->quantity = EW_METER_ENERGY;
    info->kind = kind;
    info->boundary = EW_BOUNDARY_GPU;
    info->period_s = 0.05;
    info->resolution = 1e-3; /* one mJ or mW; the sensor's own step is coarser and not documented */
    info->error_relative = 0.05;
    info->grade_ceiling = EW_GRADE_B;
    info->documented =
        "NVIDIA NVML API reference: 5 % of the power draw, stated for Fermi and Kepler and taken for later "
        "cards too";
    m->channels[0].in_total = true;
    ew_meter_text(info->covers, sizeof info->covers, "GPU %u (%s) with its memory and converters", gpu->index,
                  gpu->name);
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "the computer around the card");
    if (is_ga100(gpu) || gpu->architecture == EW_NVML_HOPPER) {
        info->grade_ceiling = EW_GRADE_C;
        info->documented =
            "NVIDIA NVML API reference; A100 and H100 measure 25 of every 100 ms: Yang et al. 2023 (arXiv "
            "2312.02741)";
        ew_meter_text(info->leaves_out, sizeof info->leaves_out,
                      "three quarters of the time, as this chip measures 25 of every 100 ms; the computer around it");
    }
}

static struct ew_meter *new_counter(const struct ew_meter_config *config, const struct ew_nvml_gpu *gpu) {
    static const struct ew_meter_driver driver = {.read = read_counter, .close = ew_nvml_close_meter};
    struct ew_meter *m = ew_nvml_new_meter(&driver, config, gpu, "", 1, sizeof(struct energy_state));
    if (m) describe(m, gpu, EW_METER_COUNTER);
    return m;
}

static struct ew_meter *new_power(const struct ew_meter_config *config, const struct ew_nvml_gpu *gpu, const char *kind,
                                  bool instant) {
    static const struct ew_meter_driver driver = {
        .start = start_power, .read = read_power, .stop = stop_power, .close = ew_nvml_close_meter};
    struct ew_meter *m = ew_nvml_new_meter(&driver, config, gpu, kind, 1, sizeof(struct energy_state));
    if (!m) return NULL;
    struct energy_state *state = m->state;
    describe(m, gpu, EW_METER_POWER);
    state->instant = instant;
    bool averaged = gpu->architecture == 0 || gpu->architecture >= EW_NVML_AMPERE;
    if (!instant && averaged && !is_ga100(gpu)) state->documented_averaging_s = 1;
    m->info.averaging_s = state->documented_averaging_s;
    if (kind[0])
        ew_meter_text(m->info.covers, sizeof m->info.covers,
                      "GPU %u (%s): the same energy as nvml:%u, for comparison; never add the two", gpu->index,
                      gpu->name, gpu->index);
    return m;
}

/* ---- probing ---- */

static enum ew_status add_refused(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_nvml_gpu *gpu, int code, struct ew_error *err) {
    char name[32], what[EW_NVML_NAME_BYTES + 64];
    struct ew_nvml_problem p;
    snprintf(name, sizeof name, "nvml:%u", gpu->index);
    snprintf(what, sizeof what, "GPU %u (%s) gives neither energy nor power", gpu->index, gpu->name);
    ew_nvml_explain(gpu->library, code, what, &p);
    if (gpu->shares_memory && p.reason == EW_METER_UNSUPPORTED) {
        snprintf(what, sizeof what, "NVIDIA's library starts on this Jetson (%s) and gives no power", gpu->name);
        ew_nvml_explain(gpu->library, code, what, &p);
        ew_meter_text(p.remedy, sizeof p.remedy, "take the board's own rails: the meter hwmon:ina3221, on Thor hwmon:ina238");
    }
    return ew_meter_list_add_refused(list, config, name, p.reason, p.text, p.remedy, err);
}

static bool is_unsupported(int code) { return code == EW_NVML_NOT_SUPPORTED || code == EW_NVML_FUNCTION_NOT_FOUND; }

static enum ew_status add_energy(struct ew_meter_list *list, const struct ew_meter_config *config,
                                 const struct ew_nvml_gpu *gpu, struct ew_error *err) {
    double unused;
    int counter = read_joules(gpu, &unused);
    bool instant = read_watts(gpu, true, &unused) == EW_NVML_SUCCESS;
    int power = instant ? EW_NVML_SUCCESS : read_watts(gpu, false, &unused);
    if (counter == EW_NVML_SUCCESS) {
        enum ew_status status = ew_meter_list_add(list, new_counter(config, gpu), err);
        if (status != EW_OK || power != EW_NVML_SUCCESS) return status;
        return ew_meter_list_add(list, new_power(config, gpu, "power", instant), err);
    }
    if (power == EW_NVML_SUCCESS) return ew_meter_list_add(list, new_power(config, gpu, "", instant), err);
    return add_refused(list, config, gpu, is_unsupported(counter) ? power : counter, err);
}

static enum ew_status add_gpu(struct ew_meter_list *list, const struct ew_meter_config *config,
                              struct ew_nvml_library *library, unsigned index, struct ew_error *err) {
    struct ew_nvml_gpu gpu = {.library = library, .index = index};
    snprintf(gpu.name, sizeof gpu.name, "unknown model");
    int code = library->device(index, &gpu.device);
    if (code != EW_NVML_SUCCESS) return add_refused(list, config, &gpu, code, err);
    char name[EW_NVML_NAME_BYTES] = "";
    if (library->name && library->name(gpu.device, name, sizeof name - 1) == EW_NVML_SUCCESS && name[0])
        memcpy(gpu.name, name, sizeof name);
    if (!library->architecture || library->architecture(gpu.device, &gpu.architecture) != EW_NVML_SUCCESS)
        gpu.architecture = 0;
    if (gpu.architecture > 1000) gpu.architecture = 0; /* NVML_DEVICE_ARCH_UNKNOWN */
    gpu.shares_memory =
        strstr(gpu.name, "nvgpu") || ew_facts_is_compatible(config ? config->root : NULL, "nvidia,tegra");
    enum ew_status status = add_energy(list, config, &gpu, err);
    return status == EW_OK ? ew_nvml_add_gauges(list, config, &gpu, err) : status;
}

struct card_search {
    const char *root;
    bool found;
};

static bool visit_pci(void *context, const char *address) {
    struct card_search *s = context;
    char vendor[16], kind[16];
    s->found = ew_facts_text(s->root, vendor, sizeof vendor, "/sys/bus/pci/devices/%s/vendor", address) &&
               ew_facts_text(s->root, kind, sizeof kind, "/sys/bus/pci/devices/%s/class", address) &&
               strcmp(vendor, "0x10de") == 0 && strncmp(kind, "0x03", 4) == 0; /* NVIDIA; display controllers */
    return !s->found;
}

static bool has_card(const char *root) {
    struct card_search s = {.root = root};
    ew_facts_each_entry(root, "/sys/bus/pci/devices", "", visit_pci, &s);
    return s.found;
}

enum ew_status ew_meter_probe_nvml(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    const char *path = config ? config->nvml_path : NULL, *root = config ? config->root : NULL;
    if (!path && root && *root) return EW_OK; /* a recorded machine's card is not in this machine */
    struct ew_nvml_problem problem = {0};
    struct ew_nvml_library *library = ew_nvml_open(path, &problem);
    if (!library) {
        bool absent = problem.reason == EW_METER_ABSENT && !path;
        if (absent && !has_card(root)) return EW_OK;
        if (absent && !problem.remedy[0])
            ew_meter_text(problem.remedy, sizeof problem.remedy,
                          "an NVIDIA card is here: install its driver (Debian: sudo apt install nvidia-driver)");
        return ew_meter_list_add_refused(list, config, "nvml", problem.reason, problem.text, problem.remedy, err);
    }
    unsigned n = 0;
    int code = library->count(&n);
    enum ew_status status = EW_OK;
    if (code != EW_NVML_SUCCESS || n == 0) {
        ew_nvml_explain(library, code, "NVIDIA's library names no GPU", &problem);
        if (code == EW_NVML_SUCCESS) problem.reason = EW_METER_ABSENT;
        status = ew_meter_list_add_refused(list, config, "nvml", problem.reason, problem.text, problem.remedy, err);
        n = 0;
    }
    for (unsigned i = 0; status == EW_OK && i < n; i++) status = add_gpu(list, config, library, i, err);
    ew_nvml_close(&library);
    return status;
}
