/* Owns the staircase of load that meters are calibrated over. */
#include "meter/calibration.h"
#include "meter/driver.h"
#include "meter/load_maker.h"

/* Equal steps of level; every other one on the way up and the rest on the way down, then rest again. */
void ew_staircase_levels(size_t n, double *levels) {
    size_t top = n - 2, at = 0;
    for (size_t k = 0; k <= top; k += 2) levels[at++] = (double)k / (double)top;
    for (size_t k = top % 2 ? top : top - 1; at + 1 < n; k -= 2) levels[at++] = (double)k / (double)top;
    levels[n - 1] = 0;
}

void ew_staircase_play(const double *levels, size_t n, int64_t step_ns, const struct ew_meter_clock *own_clock,
                       void (*set)(void *context, double level), void *context, struct ew_load_step *steps) {
    struct ew_meter_config config = {.clock = own_clock};
    struct ew_meter_clock clock = ew_meter_clock_of(&config);
    for (size_t i = 0; i < n; i++) {
        set(context, levels[i]);
        int64_t begin = clock.now_ns(clock.context);
        clock.sleep_until_ns(clock.context, begin + step_ns);
        steps[i] = (struct ew_load_step){.level = levels[i], .begin_ns = begin, .end_ns = clock.now_ns(clock.context)};
    }
    set(context, 0);
}

void ew_staircase_set_maker(void *load_maker, double level) { ew_load_maker_set(load_maker, level); }
