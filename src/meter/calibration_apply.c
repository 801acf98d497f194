/* Owns a meter whose readings are corrected by a calibration: a driver around the meter's own. Each channel is scaled,
 * and the offset is a channel of its own, so that the parts still add up to the whole. */
#include "base/error.h"
#include "meter/calibration.h"
#include "meter/driver.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct calibrated {
    const struct ew_meter_driver *driver; /* the meter's own */
    struct ew_meter_driver outside;       /* this one: what the meter's own has, around it */
    void *state;                          /* its own state */
    size_t n;                             /* its own channels; ours are one more */
    double gain, offset_w;
    double *values; /* [capacity][n]: a batch of its own */
    size_t capacity;
    double *last; /* [n]: a counter's readings before, NAN = none */
    int64_t last_ns;
    double offset_j; /* of a counter, since the start */
};

/* The meter as its own driver knows it, and back. */
static struct calibrated *put_inside(struct ew_meter *meter) {
    struct calibrated *c = meter->state;
    meter->driver = c->driver;
    meter->state = c->state;
    meter->info.n_channels = c->n;
    return c;
}

static void put_outside(struct ew_meter *meter, struct calibrated *c, const struct ew_meter_driver *driver) {
    c->state = meter->state;
    meter->state = c;
    meter->driver = driver;
    meter->info.n_channels = c->n + 1;
}

static enum ew_status start_calibrated(struct ew_meter *meter, struct ew_error *err) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    enum ew_status status = c->driver->start ? c->driver->start(meter, err) : EW_OK;
    put_outside(meter, c, outside);
    for (size_t i = 0; i < c->n; i++) c->last[i] = NAN;
    c->offset_j = 0;
    return status;
}

static void stop_calibrated(struct ew_meter *meter) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    if (c->driver->stop) c->driver->stop(meter);
    put_outside(meter, c, outside);
}

static void close_calibrated(struct ew_meter *meter) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    if (c->driver->close) c->driver->close(meter);
    put_outside(meter, c, outside);
    free(c->state);
    free(c->values);
    free(c->last);
}

/* A counter's offset grows only when the counter itself was updated: otherwise every reading would look like an update,
 * and the sensor faster than it is. */
static double offset_of(const struct ew_meter *meter, struct calibrated *c, const double *v, int64_t time_ns) {
    if (meter->info.kind != EW_METER_COUNTER) return c->offset_w;
    bool first = false, updated = false;
    for (size_t i = 0; i < c->n; i++) {
        if (!meter->channels[i].in_total || isnan(v[i])) continue;
        first |= isnan(c->last[i]);
        updated |= v[i] != c->last[i];
        c->last[i] = v[i];
    }
    if (first) c->last_ns = time_ns;
    if (!updated) return c->offset_j;
    c->offset_j += c->offset_w * (double)(time_ns - c->last_ns) * 1e-9;
    c->last_ns = time_ns;
    return c->offset_j;
}

static enum ew_status read_calibrated(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    enum ew_status status = EW_OK;
    if (batch->capacity > c->capacity) {
        double *grown = reallocarray(c->values, batch->capacity, c->n * sizeof *grown);
        if (!grown) {
            put_outside(meter, c, outside);
            return ew_error_set(err, EW_ERR_MEMORY, "meter %s: out of memory", meter->info.name);
        }
        c->values = grown;
        c->capacity = batch->capacity;
    }
    struct ew_meter_batch own = {.times_ns = batch->times_ns, .values = c->values, .capacity = batch->capacity};
    status = c->driver->read(meter, &own, err);
    put_outside(meter, c, outside);
    for (size_t s = 0; s < own.n; s++) {
        const double *v = c->values + s * c->n;
        double *to = batch->values + s * (c->n + 1);
        for (size_t i = 0; i < c->n; i++) to[i] = c->gain * v[i];
        to[c->n] = offset_of(meter, c, v, own.times_ns[s]);
    }
    batch->n = own.n;
    return status;
}

static enum ew_status prove_calibrated(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    enum ew_status status = c->driver->prove(meter, load, err);
    put_outside(meter, c, outside);
    return status;
}

static double late_calibrated(struct ew_meter *meter) {
    const struct ew_meter_driver *outside = meter->driver;
    struct calibrated *c = put_inside(meter);
    double late_s = c->driver->late_s(meter);
    put_outside(meter, c, outside);
    return late_s;
}

static struct ew_meter_driver around(const struct ew_meter_driver *own) {
    return (struct ew_meter_driver){.start = start_calibrated,
                                    .read = read_calibrated,
                                    .stop = stop_calibrated,
                                    .close = close_calibrated,
                                    .prove = own->prove ? prove_calibrated : NULL,
                                    .late_s = own->late_s ? late_calibrated : NULL};
}

/* "2026-11-25" */
static void day_of(int64_t taken_at_s, char *out, size_t size) {
    time_t at = (time_t)taken_at_s;
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(out, size, "%Y-%m-%d", &tm)) ew_meter_text(out, size, "an unknown day");
}

static void describe(const struct ew_calibration *from, const char *board, struct ew_meter *meter, size_t n) {
    struct ew_meter_info *info = &meter->info;
    for (size_t i = 0; i < n; i++) meter->channels[i].wrap *= from->gain;
    ew_meter_text(meter->channels[n].name, EW_METER_NAME_SIZE, "calibration");
    meter->channels[n].in_total = true;
    info->channels = meter->channels;
    info->n_channels = n + 1;
    info->boundary = from->reference_boundary;
    info->error_relative = from->error_relative;
    info->grade_ceiling = ew_calibration_grade(from, board);
    info->resolution *= from->gain;
    info->range_max *= from->gain;
    info->documented = "a calibration against another meter, taken with Edgewise";
    char day[32];
    day_of(from->taken_at_s, day, sizeof day);
    ew_meter_text(info->covers, sizeof info->covers, "calibrated by %s on %s: %.150s", from->reference, day,
                  from->reference_covers);
    bool other = strcmp(from->board, board) != 0;
    ew_meter_text(info->leaves_out, sizeof info->leaves_out, "%s",
                  other ? "that the calibration is of another board" : "");
}

enum ew_status ew_calibration_apply(const struct ew_calibration *from, const char *board, struct ew_meter *meter,
                                    struct ew_error *err) {
    const struct ew_meter_info *info = &meter->info;
    size_t n = info->n_channels;
    if (strcmp(from->target, info->name) != 0)
        return ew_error_set(err, EW_ERR_ARGUMENT, "meter %s: this calibration is of meter %s", info->name,
                            from->target);
    if (meter->started || !meter->driver || info->quantity != EW_METER_ENERGY || !(from->gain > 0) ||
        !isfinite(from->offset_w))
        return ew_error_set(err, EW_ERR_ARGUMENT, "meter %s: only an energy meter that stands still can be calibrated",
                            info->name);
    if (meter->driver->read == read_calibrated)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "meter %s: is calibrated already", info->name);
    if (info->kind == EW_METER_COUNTER && from->offset_w < 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "meter %s: an offset of %.3g W would let its counter run backwards", info->name,
                            from->offset_w);
    struct calibrated *c = calloc(1, sizeof *c);
    double *last = calloc(n + 1, sizeof *last);
    struct ew_meter_channel *channels = reallocarray(meter->channels, n + 1, sizeof *channels);
    if (channels) meter->info.channels = meter->channels = channels;
    if (!c || !last || !channels) {
        free(c);
        free(last);
        return ew_error_set(err, EW_ERR_MEMORY, "meter %s: out of memory", info->name);
    }
    channels[n] = (struct ew_meter_channel){0};
    *c = (struct calibrated){.driver = meter->driver,
                             .outside = around(meter->driver),
                             .state = meter->state,
                             .n = n,
                             .gain = from->gain,
                             .offset_w = from->offset_w,
                             .last = last};
    meter->driver = &c->outside;
    meter->state = c;
    describe(from, board, meter, n);
    return EW_OK;
}
