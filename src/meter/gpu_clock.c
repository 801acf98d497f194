/* Owns the meters "gpu-frequency" and "gpu-load" of a graphics processor on the CPU's own chip (Jetson and others with
 * a devfreq clock). Where it is found: machine/gpu_facts.c. Cards on a bus: nvml_gauges.c. */
#include "machine/facts.h"
#include "meter/driver.h"

#include <math.h>

static enum ew_status read_frequency(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    double *values = ew_meter_batch_add(meter, batch);
    if (values) values[0] = ew_facts_number(meter->root, "%s", meter->info.source);
    return EW_OK;
}

static enum ew_status read_load(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const double *scale = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    if (!values) return EW_OK;
    double load = ew_facts_number(meter->root, "%s", meter->info.source) * *scale;
    values[0] = load >= 0 && load <= 1 ? load : NAN;
    return EW_OK;
}

static struct ew_meter *new_gauge(const struct ew_meter_driver *driver, const struct ew_meter_config *config,
                                  enum ew_meter_quantity quantity, const char *name) {
    struct ew_meter *m = ew_meter_new(driver, config, 1, sizeof(double));
    if (!m) return NULL;
    m->info.quantity = quantity;
    m->info.kind = EW_METER_GAUGE;
    m->info.period_s = 0.2;
    ew_meter_text(m->info.name, sizeof m->info.name, "%s", name);
    ew_meter_text(m->channels[0].name, sizeof m->channels[0].name, "gpu");
    return m;
}

enum ew_status ew_meter_probe_gpu_clock(struct ew_meter_list *list, const struct ew_meter_config *config,
                                        struct ew_error *err) {
    static const struct ew_meter_driver frequency = {.read = read_frequency}, load = {.read = read_load};
    struct ew_machine machine = {0};
    ew_facts_read_gpu(&machine, config ? config->root : NULL);
    const struct ew_machine_gpu *gpu = &machine.gpu;
    if (!gpu->name[0]) return EW_OK;
    struct ew_meter *m = new_gauge(&frequency, config, EW_METER_FREQUENCY, "gpu-frequency");
    if (m) {
        m->info.documented = "kernel Documentation/ABI/testing/sysfs-class-devfreq: cur_freq";
        ew_meter_text(m->info.source, sizeof m->info.source, "/sys/class/devfreq/%s/cur_freq", gpu->name);
        ew_meter_text(m->info.covers, sizeof m->info.covers, "the clock of the graphics processor on the CPU's chip");
    }
    enum ew_status status = ew_meter_list_add(list, m, err);
    if (status != EW_OK || !gpu->load_path[0]) return status;
    m = new_gauge(&load, config, EW_METER_STATE, "gpu-load");
    if (m) {
        *(double *)m->state = gpu->load_scale;
        m->info.resolution = gpu->load_scale;
        m->info.documented = "NVIDIA Jetson Linux Developer Guide (thousandths); Rockchip kernels (per cent)";
        ew_meter_text(m->info.source, sizeof m->info.source, "%s", gpu->load_path);
        ew_meter_text(m->info.covers, sizeof m->info.covers,
                      "share of the time that the graphics processor was busy, as its driver last saw it");
    }
    return ew_meter_list_add(list, m, err);
}
