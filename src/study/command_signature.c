/* Owns playing the load pattern before and after a measured program. It stops when a signal comes. Finding it again:
 * meter/time_shift.c. */
#include "study/command_signature.h"
#include "base/clock.h"
#include "base/error.h"
#include "meter/load_maker.h"
#include "study/command_process.h"

static const double usual_period_s = 0.05;

static int64_t now_ns(void *context) {
    (void)context;
    return ew_clock_now_ns();
}

static void sleep_until_ns(void *context, int64_t time_ns) {
    (void)context;
    ew_command_wait_until(time_ns);
}

static void set(void *maker, bool on) { ew_load_maker_switch(maker, on && !ew_command_interrupted()); }

double ew_command_signature_s(double period_s) {
    struct ew_load_signature signature;
    if (ew_load_signature_for_period(0, period_s > 0 ? period_s : usual_period_s, &signature, NULL) != EW_OK) return 0;
    return 1e-9 * (double)ew_load_signature_duration_ns(&signature);
}

enum ew_status ew_command_play_signature(double period_s, struct ew_played_signature *out, struct ew_error *err) {
    const struct ew_meter_clock clock = {.now_ns = now_ns, .sleep_until_ns = sleep_until_ns};
    struct ew_load_signature signature;
    struct ew_load_maker *maker = NULL;
    /* Two of one log must not be taken for each other. */
    uint64_t seed = (uint64_t)ew_clock_now_ns();
    enum ew_status status =
        ew_load_signature_for_period(seed, period_s > 0 ? period_s : usual_period_s, &signature, err);
    if (status != EW_OK) return status;
    size_t cores = ew_load_maker_usable_cores(NULL, 0);
    status = ew_load_maker_open(NULL, cores ? cores : 1, &maker, err);
    if (status != EW_OK) return status;
    ew_load_signature_play(&signature, &clock, set, maker, out);
    ew_load_maker_close(&maker);
    return ew_command_interrupted() ? ew_error_set(err, EW_ERR_CANCELLED, "stopped while the load pattern was played")
                                    : EW_OK;
}
