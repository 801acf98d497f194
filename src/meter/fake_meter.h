/* A meter and a clock that follow a script: for tests, without hardware and without waiting. */
#ifndef EW_METER_FAKE_METER_H
#define EW_METER_FAKE_METER_H

#include "edgewise/meter.h"

/* A clock that stands still until somebody sleeps or it is moved. */
struct ew_fake_clock {
    int64_t now_ns;
};
struct ew_meter_clock ew_fake_clock_of(struct ew_fake_clock *clock);

/* value(context, time_ns, channel) is asked at every read; NAN = failed this time. fail_at_ns > 0: from then on the
 * device is gone. late_ns > 0: readings arrive so long after their moment, which is their stamp and time_ns. The description is copied; its channels too. */
struct ew_fake_script {
    struct ew_meter_info info;
    double (*value)(void *context, int64_t time_ns, size_t channel);
    void *context;
    int64_t fail_at_ns, late_ns;
};

/* Errors: ARGUMENT (no channels or no value function), MEMORY. */
enum ew_status ew_meter_open_fake(const struct ew_meter_config *config, const struct ew_fake_script *script,
                                  struct ew_meter **out, struct ew_error *err);

#endif
