/* The plausibility test that an energy meter must pass before it is trusted. */
#ifndef EW_METER_PROVE_H
#define EW_METER_PROVE_H

#include "edgewise/meter.h"

/* Starts and stops a load on the machine while the meter is watched; on = false must return only when it is off. */
struct ew_prove_load {
    void (*set)(void *context, bool on);
    void *context;
};

/* Reads the meter at rest and under load until it has shown a live, changing, plausible reading: usually half a second;
 * three seconds, or four periods of a slow sensor (20 s at most), before it is refused. load NULL = one spinning
 * thread. Marks the meter as refused when it fails: frozen, implausible (power outside 1 mW … 5 kW, falling counter),
 * I/O error. A meter on a clock of its own is proved by a load pattern that its readings must hold
 * (log_meter.c). Returns EW_OK or NOT_FOUND, IO. */
enum ew_status ew_meter_prove(struct ew_meter *meter, const struct ew_prove_load *load, struct ew_error *err);

#endif
