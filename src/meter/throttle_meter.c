/* Owns the meters "throttle" (how often the processor was slowed down, as kernel and chip count it), "throttle-time"
 * (how long) and "pi-throttle" (the flags of a Raspberry Pi's firmware). Reading and meaning: machine/throttle_facts.c;
 * a graphics card's reasons: nvml_gauges.c. */
#include "machine/facts.h"
#include "meter/driver.h"

#include <math.h>
#include <stddef.h>

static const int pi_bits[] = {0, 1, 2, 3, 16, 17, 18, 19};
enum { PI_BITS = sizeof pi_bits / sizeof *pi_bits };

struct count {
    size_t offset; /* in struct ew_machine_throttle */
    const char *name;
};

static const struct count events[] = {
    {offsetof(struct ew_machine_throttle, core_events), "core heat"},
    {offsetof(struct ew_machine_throttle, package_events), "package heat"},
    {offsetof(struct ew_machine_throttle, power_limit_events), "package power limit"},
    {offsetof(struct ew_machine_throttle, over_current_events), "over-current"},
};
static const struct count times[] = {
    {offsetof(struct ew_machine_throttle, core_ms), "core heat"},
    {offsetof(struct ew_machine_throttle, package_ms), "package heat"},
};
enum { EVENTS = sizeof events / sizeof *events, TIMES = sizeof times / sizeof *times };

struct throttle_state {
    struct ew_machine *machine;         /* whose counts are read again; owned */
    const struct count *counts[EVENTS]; /* by channel */
    double scale;
};

static int64_t count_of(const struct ew_machine_throttle *t, const struct count *count) {
    return *(const int64_t *)(const void *)((const char *)t + count->offset);
}

static enum ew_status read_counts(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    struct throttle_state *state = meter->state;
    double *values = ew_meter_batch_add(meter, batch);
    if (!values) return EW_OK;
    ew_facts_refresh_throttle(state->machine, meter->root);
    for (size_t c = 0; c < meter->info.n_channels; c++) {
        int64_t count = count_of(&state->machine->throttle, state->counts[c]);
        values[c] = count < 0 ? NAN : (double)count * state->scale;
    }
    return EW_OK;
}

static void close_counts(struct ew_meter *meter) {
    struct throttle_state *state = meter->state;
    if (state) ew_machine_close(&state->machine);
}

static enum ew_status add_counts(struct ew_meter_list *list, const struct ew_meter_config *config,
                                 const struct ew_machine_throttle *now, const struct count *counts, size_t most,
                                 struct ew_error *err) {
    static const struct ew_meter_driver driver = {.read = read_counts, .close = close_counts};
    const struct count *known[EVENTS];
    size_t n = 0;
    for (size_t i = 0; i < most; i++)
        if (count_of(now, &counts[i]) >= 0) known[n++] = &counts[i];
    if (n == 0) return EW_OK;
    bool is_time = counts == times;
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof(struct throttle_state));
    if (!m) return ew_meter_list_add(list, NULL, err);
    struct throttle_state *state = m->state;
    state->scale = is_time ? 1e-3 : 1;
    m->info.kind = EW_METER_GAUGE;
    m->info.quantity = is_time ? EW_METER_TIME : EW_METER_EVENTS;
    m->info.period_s = 1;
    m->info.resolution = state->scale;
    m->info.documented = "kernel arch/x86/kernel/cpu/mce/therm_throt.c; Jetson Linux Developer Guide: ocN_event_cnt";
    ew_meter_text(m->info.name, sizeof m->info.name, is_time ? "throttle-time" : "throttle");
    ew_meter_text(m->info.source, sizeof m->info.source, "/sys/devices/system/cpu/cpu*/thermal_throttle%s",
                  is_time ? "" : ", /sys/class/hwmon");
    ew_meter_text(m->info.covers, sizeof m->info.covers,
                  "how %s since the system's start the processor was slowed down", is_time ? "long" : "often");
    for (size_t c = 0; c < n; c++) {
        state->counts[c] = known[c];
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", known[c]->name);
    }
    enum ew_status status = ew_machine_open(config ? config->root : NULL, &state->machine, err);
    if (status != EW_OK) {
        ew_meter_close(&m);
        return status;
    }
    return ew_meter_list_add(list, m, err);
}

/* ---- Raspberry Pi ---- */

static enum ew_status read_flags(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    (void)err;
    double *values = ew_meter_batch_add(meter, batch);
    if (!values) return EW_OK;
    int64_t flags = ew_facts_pi_flags(meter->root);
    for (size_t c = 0; c < PI_BITS; c++) values[c] = flags < 0 ? NAN : (double)(flags >> pi_bits[c] & 1);
    return EW_OK;
}

static enum ew_status add_flags(struct ew_meter_list *list, const struct ew_meter_config *config,
                                struct ew_error *err) {
    static const struct ew_meter_driver driver = {.read = read_flags};
    struct ew_meter *m = ew_meter_new(&driver, config, PI_BITS, 0);
    if (!m) return ew_meter_list_add(list, NULL, err);
    m->info.kind = EW_METER_GAUGE;
    m->info.quantity = EW_METER_STATE;
    m->info.period_s = 0.5;
    m->info.resolution = 1;
    m->info.documented = "Raspberry Pi documentation: vcgencmd get_throttled";
    ew_meter_text(m->info.name, sizeof m->info.name, "pi-throttle");
    ew_meter_text(m->info.source, sizeof m->info.source, "get_throttled, from the kernel's file or the firmware");
    ew_meter_text(m->info.covers, sizeof m->info.covers, "why the firmware slows the processor down: 1 = it does");
    for (size_t c = 0; c < PI_BITS; c++)
        ew_meter_text(m->channels[c].name, sizeof m->channels[c].name, "%s", ew_machine_pi_flag_name(pi_bits[c]));
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_probe_throttle(struct ew_meter_list *list, const struct ew_meter_config *config,
                                       struct ew_error *err) {
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open(config ? config->root : NULL, &machine, err);
    if (status != EW_OK) return status;
    const struct ew_machine_throttle now = machine->throttle;
    ew_machine_close(&machine);
    status = add_counts(list, config, &now, events, EVENTS, err);
    if (status == EW_OK) status = add_counts(list, config, &now, times, TIMES, err);
    if (status == EW_OK && now.pi_flags >= 0) status = add_flags(list, config, err);
    return status;
}
