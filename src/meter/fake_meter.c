/* Owns the scripted meter and clock that tests use instead of hardware and waiting. */
#include "meter/fake_meter.h"
#include "base/error.h"
#include "meter/driver.h"

#include <string.h>

static int64_t fake_now_ns(void *context) { return ((struct ew_fake_clock *)context)->now_ns; }

static void fake_sleep_until_ns(void *context, int64_t time_ns) {
    struct ew_fake_clock *clock = context;
    if (time_ns > clock->now_ns) clock->now_ns = time_ns;
}

struct ew_meter_clock ew_fake_clock_of(struct ew_fake_clock *clock) {
    return (struct ew_meter_clock){.now_ns = fake_now_ns, .sleep_until_ns = fake_sleep_until_ns, .context = clock};
}

static enum ew_status read_fake(struct ew_meter *meter, struct ew_meter_batch *batch, struct ew_error *err) {
    const struct ew_fake_script *script = meter->state;
    int64_t now = ew_meter_now_ns(meter);
    if (script->fail_at_ns > 0 && now >= script->fail_at_ns)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "meter %s: the device is gone", meter->info.name);
    double *values = ew_meter_batch_add(meter, batch);
    if (values) batch->times_ns[batch->n - 1] -= script->late_ns;
    for (size_t c = 0; values && c < meter->info.n_channels; c++)
        values[c] = script->value(script->context, now - script->late_ns, c);
    return EW_OK;
}

static double late_fake(struct ew_meter *meter) {
    return (double)((const struct ew_fake_script *)meter->state)->late_ns * 1e-9;
}

enum ew_status ew_meter_open_fake(const struct ew_meter_config *config, const struct ew_fake_script *script,
                                  struct ew_meter **out, struct ew_error *err) {
    static const struct ew_meter_driver driver = {.read = read_fake, .late_s = late_fake};
    size_t n = script->info.n_channels;
    if (n == 0 || !script->value)
        return ew_error_set(err, EW_ERR_ARGUMENT, "fake meter: needs a channel and a value function");
    struct ew_meter *m = ew_meter_new(&driver, config, n, sizeof *script);
    if (!m) return ew_error_set(err, EW_ERR_MEMORY, "fake meter: out of memory");
    memcpy(m->channels, script->info.channels, n * sizeof *m->channels);
    m->info = script->info;
    m->info.channels = m->channels;
    if (!m->info.documented) m->info.documented = "";
    *(struct ew_fake_script *)m->state = *script;
    *out = m;
    return EW_OK;
}
