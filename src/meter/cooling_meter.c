/* Owns the meters "fan" (speed), "fan-drive" (how hard fans are driven) and "cooling" (how far the kernel slows clocks
 * down against heat), from the fans and cooling devices that the machine room found. */
#include "machine/facts.h"
#include "meter/driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct source {
    char path[96];
    double scale; /* to the unit of the values */
};

static enum ew_status read_sources(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const struct source *sources = *(struct source *const *)meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = ew_facts_number(meter->root, "%s", sources[c].path) * sources[c].scale;
    return EW_OK;
}

static void close_sources(struct ew_meter *meter) {
    if (meter->state) free(*(struct source **)meter->state);
}

static struct ew_meter *new_meter(const struct ew_meter_config *config, size_t n, const char *name,
                                  enum ew_meter_quantity quantity) {
    static const struct ew_meter_driver driver = {.read = read_sources, .close = close_sources};
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct source *));
    if (!m) return NULL;
    struct source **sources = m->state;
    *sources = calloc(n, sizeof **sources);
    if (!*sources) {
        ew_meter_close(&m);
        return NULL;
    }
    m->info.kind = EW_METER_GAUGE;
    m->info.quantity = quantity;
    m->info.period_s = 0.5;
    ew_meter_text(m->info.name, sizeof m->info.name, "%s", name);
    return m;
}

static struct source *source_at(struct ew_meter *m, size_t channel, const char *name) {
    ew_meter_text(m->channels[channel].name, sizeof m->channels[channel].name, "%s", name);
    return *(struct source **)m->state + channel;
}

/* ---- fans ---- */

static size_t count_fans(const struct ew_machine *machine, bool drive) {
    size_t n = 0;
    for (size_t i = 0; i < machine->n_fans; i++) n += machine->fans[i].is_drive == drive;
    return n;
}

static size_t count_coolers(const struct ew_machine *machine, bool fans) {
    size_t n = 0;
    for (size_t i = 0; i < machine->n_coolers; i++) {
        const struct ew_machine_cooler *c = &machine->coolers[i];
        bool is_fan = c->kind == EW_COOLING_FAN, is_brake = c->kind == EW_COOLING_CPU || c->kind == EW_COOLING_GPU;
        n += c->most > 0 && (fans ? is_fan : is_brake);
    }
    return n;
}

static void put_fans(struct ew_meter *m, const struct ew_machine *machine, bool drive) {
    size_t n = 0;
    for (size_t i = 0; i < machine->n_fans; i++) {
        const struct ew_machine_fan *fan = &machine->fans[i];
        if (fan->is_drive != drive) continue;
        struct source *s = source_at(m, n++, fan->name);
        ew_meter_text(s->path, sizeof s->path, "%s", fan->path);
        s->scale = drive ? 1.0 / 255 : 1;
    }
}

static void put_coolers(struct ew_meter *m, size_t n, const struct ew_machine *machine, bool fans) {
    for (size_t i = 0; i < machine->n_coolers; i++) {
        const struct ew_machine_cooler *c = &machine->coolers[i];
        bool is_fan = c->kind == EW_COOLING_FAN, is_brake = c->kind == EW_COOLING_CPU || c->kind == EW_COOLING_GPU;
        if (c->most <= 0 || !(fans ? is_fan : is_brake)) continue;
        struct source *s = source_at(m, n++, c->name);
        ew_meter_text(s->path, sizeof s->path, "%s/cur_state", c->folder);
        s->scale = 1.0 / (double)c->most;
    }
}

static enum ew_status add_speed(struct ew_meter_list *list, const struct ew_meter_config *config,
                                const struct ew_machine *machine, struct ew_error *err) {
    size_t n = count_fans(machine, false);
    if (n == 0) return EW_OK;
    struct ew_meter *m = new_meter(config, n, "fan", EW_METER_ROTATION);
    if (!m) return ew_meter_list_add(list, NULL, err);
    m->info.documented = "kernel Documentation/hwmon/sysfs-interface.rst: fanN_input";
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/class/hwmon");
    ew_meter_text(m->info.covers, sizeof m->info.covers, "speed of the fans");
    put_fans(m, machine, false);
    return ew_meter_list_add(list, m, err);
}

static enum ew_status add_drive(struct ew_meter_list *list, const struct ew_meter_config *config,
                                const struct ew_machine *machine, struct ew_error *err) {
    size_t n_pwm = count_fans(machine, true), n = n_pwm + count_coolers(machine, true);
    if (n == 0) return EW_OK;
    struct ew_meter *m = new_meter(config, n, "fan-drive", EW_METER_STATE);
    if (!m) return ew_meter_list_add(list, NULL, err);
    m->info.documented = "kernel Documentation/hwmon/sysfs-interface.rst: pwmN; driver-api/thermal/sysfs-api.rst";
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/class/hwmon, /sys/class/thermal");
    ew_meter_text(m->info.covers, sizeof m->info.covers, "how hard the fans are driven, as a share of the most");
    put_fans(m, machine, true);
    put_coolers(m, n_pwm, machine, true);
    return ew_meter_list_add(list, m, err);
}

static enum ew_status add_cooling(struct ew_meter_list *list, const struct ew_meter_config *config,
                                  const struct ew_machine *machine, struct ew_error *err) {
    size_t n = count_coolers(machine, false);
    if (n == 0) return EW_OK;
    struct ew_meter *m = new_meter(config, n, "cooling", EW_METER_STATE);
    if (!m) return ew_meter_list_add(list, NULL, err);
    m->info.documented = "kernel Documentation/driver-api/thermal/sysfs-api.rst: cur_state";
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/class/thermal");
    ew_meter_text(m->info.covers, sizeof m->info.covers,
                  "how far the kernel holds clocks down against heat: 0 = not, 1 = as far as it can");
    put_coolers(m, 0, machine, false);
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_probe_cooling(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err) {
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open(config ? config->root : NULL, &machine, err);
    if (status != EW_OK) return status;
    status = add_speed(list, config, machine, err);
    if (status == EW_OK) status = add_drive(list, config, machine, err);
    if (status == EW_OK) status = add_cooling(list, config, machine, err);
    ew_machine_close(&machine);
    return status;
}
