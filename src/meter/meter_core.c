/* Owns what all meters share: making, refusing, starting, reading and closing them, and the fixed words of reports.
 * Knows no sensor; drivers are in the files that driver.h lists. */
#include "base/clock.h"
#include "base/error.h"
#include "meter/driver.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t real_now_ns(void *context) {
    (void)context;
    return ew_clock_now_ns();
}

/* clock_nanosleep knows no CLOCK_MONOTONIC_RAW; the two run at nearly one rate, so the rest is slept relatively. */
static void real_sleep_until_ns(void *context, int64_t time_ns) {
    int64_t left = time_ns - real_now_ns(context);
    if (left <= 0) return;
    struct timespec t = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR) continue;
}

struct ew_meter_clock ew_meter_clock_of(const struct ew_meter_config *config) {
    if (config && config->clock) return *config->clock;
    return (struct ew_meter_clock){.now_ns = real_now_ns, .sleep_until_ns = real_sleep_until_ns};
}

struct ew_meter *ew_meter_new(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                              size_t n_channels, size_t state_size) {
    struct ew_meter *m = calloc(1, sizeof *m);
    if (!m) return NULL;
    m->channels = calloc(n_channels ? n_channels : 1, sizeof *m->channels);
    m->root = strdup(config && config->root ? config->root : "");
    m->state = calloc(1, state_size ? state_size : 1);
    if (!m->channels || !m->root || !m->state) {
        ew_meter_close(&m);
        return NULL;
    }
    m->driver = driver;
    m->clock = ew_meter_clock_of(config);
    m->info.channels = m->channels;
    m->info.n_channels = n_channels;
    m->info.error_relative = NAN;
    m->info.documented = "";
    return m;
}

void ew_meter_close(struct ew_meter **meter) {
    if (!meter || !*meter) return;
    struct ew_meter *m = *meter;
    ew_meter_stop(m);
    if (m->driver && m->driver->close) m->driver->close(m);
    free(m->channels);
    free(m->root);
    free(m->state);
    free(m);
    *meter = NULL;
}

void ew_meter_text(char *buf, size_t capacity, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(buf, capacity, format, args);
    va_end(args);
}

void ew_meter_refuse(struct ew_meter *meter, enum ew_meter_reason reason, const char *text, const char *remedy) {
    ew_meter_stop(meter);
    meter->info.reason = reason;
    ew_meter_text(meter->info.reason_text, sizeof meter->info.reason_text, "%s", text);
    ew_meter_text(meter->info.remedy, sizeof meter->info.remedy, "%s", remedy ? remedy : "");
}

void ew_meter_flag(struct ew_meter *meter, enum ew_meter_reason reason, const char *text) {
    if (meter->info.reason != EW_METER_USABLE) return;
    ew_meter_text(meter->info.reason_text, sizeof meter->info.reason_text, "%s", text);
    meter->info.reason = reason;
}

const struct ew_meter_info *ew_meter_info(const struct ew_meter *meter) { return &meter->info; }

enum ew_status ew_meter_start(struct ew_meter *meter, struct ew_error *err) {
    const struct ew_meter_info *info = &meter->info;
    if (info->reason == EW_METER_PERMISSION)
        return ew_error_set(err, EW_ERR_PERMISSION, "meter %s: %s", info->name, info->reason_text);
    if (info->reason != EW_METER_USABLE || !meter->driver)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "meter %s: %s", info->name, info->reason_text);
    if (meter->started) return EW_OK;
    enum ew_status status = meter->driver->start ? meter->driver->start(meter, err) : EW_OK;
    meter->started = status == EW_OK;
    return status;
}

void ew_meter_stop(struct ew_meter *meter) {
    if (!meter->started) return;
    if (meter->driver->stop) meter->driver->stop(meter);
    meter->started = false;
}

enum ew_status ew_meter_read(struct ew_meter *meter, int64_t *times_ns, double *values, size_t capacity, size_t *n,
                             struct ew_error *err) {
    if (!meter->started) return ew_error_set(err, EW_ERR_ARGUMENT, "meter %s: read before start", meter->info.name);
    struct ew_meter_batch batch = {.times_ns = times_ns, .values = values, .capacity = capacity};
    enum ew_status status = meter->driver->read(meter, &batch, err);
    if (status == EW_OK) *n = batch.n;
    return status;
}

double *ew_meter_batch_add(const struct ew_meter *meter, struct ew_meter_batch *batch) {
    if (batch->n >= batch->capacity) return NULL;
    size_t n_channels = meter->info.n_channels;
    double *values = batch->values + batch->n * n_channels;
    for (size_t c = 0; c < n_channels; c++) values[c] = NAN;
    batch->times_ns[batch->n++] = ew_meter_now_ns(meter);
    return values;
}

const char *ew_meter_quantity_name(enum ew_meter_quantity quantity) {
    switch (quantity) {
    case EW_METER_ENERGY: return "energy";
    case EW_METER_MEMORY: return "memory";
    case EW_METER_TEMPERATURE: return "temperature";
    case EW_METER_FREQUENCY: return "frequency";
    case EW_METER_TIME: return "time";
    case EW_METER_VOLTAGE: return "voltage";
    case EW_METER_STATE: return "state";
    case EW_METER_ROTATION: return "rotation";
    case EW_METER_EVENTS: return "events";
    case EW_METER_QUANTITIES: break;
    }
    return "unknown";
}

const char *ew_meter_kind_name(enum ew_meter_kind kind) {
    switch (kind) {
    case EW_METER_COUNTER: return "counter";
    case EW_METER_POWER: return "power";
    case EW_METER_GAUGE: return "gauge";
    }
    return "unknown";
}

const char *ew_meter_unit_name(const struct ew_meter_info *info) {
    switch (info->quantity) {
    case EW_METER_ENERGY: return info->kind == EW_METER_COUNTER ? "J" : "W";
    case EW_METER_MEMORY: return "bytes";
    case EW_METER_TEMPERATURE: return "celsius";
    case EW_METER_FREQUENCY: return "Hz";
    case EW_METER_TIME: return "s";
    case EW_METER_VOLTAGE: return "V";
    case EW_METER_STATE: return "1";
    case EW_METER_ROTATION: return "rpm";
    case EW_METER_EVENTS: return "events";
    case EW_METER_QUANTITIES: break;
    }
    return "1";
}

const char *ew_meter_boundary_name(enum ew_meter_boundary boundary) {
    switch (boundary) {
    case EW_BOUNDARY_UNKNOWN: return "unknown";
    case EW_BOUNDARY_PROCESS: return "process";
    case EW_BOUNDARY_CORE: return "core";
    case EW_BOUNDARY_DIE: return "die";
    case EW_BOUNDARY_GPU: return "gpu";
    case EW_BOUNDARY_MODULE: return "module";
    case EW_BOUNDARY_BOARD_DC: return "board";
    case EW_BOUNDARY_WALL: return "wall";
    }
    return "unknown";
}

const char *ew_meter_reason_name(enum ew_meter_reason reason) {
    switch (reason) {
    case EW_METER_USABLE: return "usable";
    case EW_METER_ABSENT: return "absent";
    case EW_METER_PERMISSION: return "permission";
    case EW_METER_IO_ERROR: return "io_error";
    case EW_METER_FROZEN: return "frozen";
    case EW_METER_IMPLAUSIBLE: return "implausible";
    case EW_METER_DUPLICATE: return "duplicate";
    case EW_METER_LIMIT: return "limit";
    case EW_METER_UNSUPPORTED: return "unsupported";
    case EW_METER_SATURATED: return "saturated";
    case EW_METER_GONE: return "gone";
    case EW_METER_NOT_NOW: return "not_now";
    }
    return "unknown";
}

const char *ew_trust_grade_name(enum ew_trust_grade grade) {
    switch (grade) {
    case EW_GRADE_A: return "A";
    case EW_GRADE_B: return "B";
    case EW_GRADE_C: return "C";
    case EW_GRADE_D: return "D";
    case EW_GRADE_E: return "E";
    case EW_GRADE_NONE: return "none";
    }
    return "none";
}
