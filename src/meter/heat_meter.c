/* Owns the meters "temperature" and "frequency": the sensors and clocks that the machine room found, sampled. */
#include "machine/facts.h"
#include "meter/driver.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gauge_state {
    char (*paths)[96]; /* [n_channels] */
    double scale;      /* of clocks: to Hz */
};

static enum ew_status read_gauges(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    const struct gauge_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    bool heat = meter->info.quantity == EW_METER_TEMPERATURE;
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = heat ? ew_facts_degrees(meter->root, state->paths[c])
                         : ew_facts_number(meter->root, "%s", state->paths[c]) * state->scale;
    return EW_OK;
}

static void close_gauges(struct ew_meter *meter) {
    const struct gauge_state *state = meter->state;
    if (state) free(state->paths);
}

static struct ew_meter *new_gauges(const struct ew_meter_config *config, size_t n, double scale) {
    static const struct ew_meter_driver driver = {.read = read_gauges, .close = close_gauges};
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct gauge_state));
    if (!m) return NULL;
    struct gauge_state *state = m->state;
    state->scale = scale;
    state->paths = calloc(n, sizeof *state->paths);
    if (!state->paths)
        ew_meter_close(&m);
    else
        m->info.kind = EW_METER_GAUGE;
    return m;
}

static enum ew_status add_temperatures(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       const struct ew_machine *machine, struct ew_error *err) {
    size_t n = machine->n_temperatures;
    if (n == 0) return EW_OK;
    struct ew_meter *m = new_gauges(config, n, 1e-3);
    if (!m) return ew_meter_list_add(list, NULL, err);
    struct gauge_state *state = m->state;
    m->info.quantity = EW_METER_TEMPERATURE;
    m->info.period_s = 0.5;
    m->info.documented = "kernel Documentation/driver-api/thermal/sysfs-api.rst, hwmon/sysfs-interface.rst";
    ew_meter_text(m->info.name, sizeof m->info.name, "temperature");
    ew_meter_text(m->info.covers, sizeof m->info.covers, "which sensor is the processor's is not known");
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/class/thermal, /sys/class/hwmon");
    for (size_t c = 0; c < n; c++) {
        const struct ew_machine_temperature *t = &machine->temperatures[c];
        /* The processor's own is called so, that others find it. */
        if (t->is_cpu)
            ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "cpu");
        else
            ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", t->name);
        if (t->is_cpu) ew_meter_text(m->info.covers, sizeof m->info.covers, "cpu is sensor %s", t->name);
        ew_meter_text(state->paths[c], sizeof state->paths[c], "%s", t->path);
    }
    return ew_meter_list_add(list, m, err);
}

/* The clock of a CPU, in the folder of its policy or in its own. false = it cannot be read. */
static bool clock_path(const char *root, int cpu, bool policy, char path[96]) {
    if (policy)
        snprintf(path, 96, "/sys/devices/system/cpu/cpufreq/policy%d/scaling_cur_freq", cpu);
    else
        snprintf(path, 96, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
    return !isnan(ew_facts_number(root, "%s", path));
}

/* Counts the clocks; with meter, at most its n_channels are put into it. */
static size_t find_clocks(const struct ew_machine *machine, const char *root, bool policy, struct ew_meter *meter) {
    size_t n = 0;
    for (size_t i = 0; i < machine->n_cpus; i++) {
        char path[96];
        if (!clock_path(root, machine->cpus[i].id, policy, path)) continue;
        if (meter && n < meter->info.n_channels) {
            struct gauge_state *state = meter->state;
            memcpy(state->paths[n], path, sizeof path);
            ew_meter_text(meter->channels[n].name, sizeof meter->channels[n].name, "cpu%d", machine->cpus[i].id);
        }
        n++;
    }
    return n;
}

static enum ew_status add_clocks(struct ew_meter_list *list, const struct ew_meter_config *config,
                                 const struct ew_machine *machine, struct ew_error *err) {
    /* One clock per policy where there are policies, otherwise one per CPU. */
    const char *root = config ? config->root : NULL;
    bool policy = true;
    size_t n = find_clocks(machine, root, policy, NULL);
    if (n == 0) n = find_clocks(machine, root, policy = false, NULL);
    if (n == 0) return EW_OK;
    struct ew_meter *m = new_gauges(config, n, 1e3);
    if (!m) return ew_meter_list_add(list, NULL, err);
    m->info.quantity = EW_METER_FREQUENCY;
    m->info.period_s = 0.2;
    m->info.documented = "kernel Documentation/admin-guide/pm/cpufreq.rst: scaling_cur_freq";
    ew_meter_text(m->info.name, sizeof m->info.name, "frequency");
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/devices/system/cpu");
    ew_meter_text(m->info.covers, sizeof m->info.covers, "what the driver set or measured last, per clock domain");
    find_clocks(machine, root, policy, m);
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_probe_heat(struct ew_meter_list *list, const struct ew_meter_config *config,
                                   struct ew_error *err) {
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open(config ? config->root : NULL, &machine, err);
    if (status != EW_OK) return status;
    status = add_temperatures(list, config, machine, err);
    if (status == EW_OK) status = add_clocks(list, config, machine, err);
    ew_machine_close(&machine);
    return status;
}
