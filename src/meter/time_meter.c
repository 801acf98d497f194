/* Owns the description of the clock that everything is stamped with: its step, and what asking it costs. */
#include "base/clock.h"
#include "meter/driver.h"

static enum ew_status read_time(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    double *values = ew_meter_batch_add(meter, batch);
    if (values) values[0] = ew_clock_seconds(batch->times_ns[batch->n - 1]);
    return EW_OK;
}

enum ew_status ew_meter_probe_time(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    static const struct ew_meter_driver driver = {.read = read_time};
    struct ew_meter *m = ew_meter_new(&driver, config, 1, 0);
    if (m) {
        struct timespec step = {0};
        clock_getres(CLOCK_MONOTONIC_RAW, &step);
        m->info.quantity = EW_METER_TIME;
        m->info.kind = EW_METER_GAUGE;
        m->info.period_s = 1;
        m->info.resolution = (double)step.tv_sec + (double)step.tv_nsec * 1e-9;
        m->info.documented = "clock_gettime(2), CLOCK_MONOTONIC_RAW";
        ew_meter_text(m->info.name, sizeof m->info.name, "time");
        ew_meter_text(m->info.source, sizeof m->info.source, "CLOCK_MONOTONIC_RAW");
        ew_meter_text(m->info.covers, sizeof m->info.covers, "time since boot, not slewed by network time");
        ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "time");
    }
    return ew_meter_list_add(list, m, err);
}
