/* The load signature: a known on/off pattern that Edgewise plays, so that it can be found again in the trace of a meter
 * with a clock of its own. */
#ifndef EW_METER_LOAD_SIGNATURE_H
#define EW_METER_LOAD_SIGNATURE_H

#include "edgewise/meter.h"

/* From time_ns on the load is on or off. */
struct ew_load_edge {
    int64_t time_ns; /* the machine's clock */
    bool on;
};

/* What the load is known to have done between begin and end; off until the first edge. Edges rise, and alternate. */
struct ew_load_pattern {
    const struct ew_load_edge *edges; /* [n] */
    size_t n;
    int64_t begin_ns, end_ns;
};

enum { EW_SIGNATURE_MIN_CHIPS = 13, EW_SIGNATURE_MAX_CHIPS = 63 };

struct ew_load_signature {
    bool on[EW_SIGNATURE_MAX_CHIPS]; /* [n_chips] */
    size_t n_chips;
    int64_t chip_ns;
    double sidelobe; /* largest aperiodic autocorrelation of the +1/-1 chips, as a share of the peak */
};

/* A pseudo-random pattern with low sidelobes, the same for the same arguments: the best of many seeded candidates,
 * between 40 and 60 % on, first and last chip on. chip_ns should be at least 4 periods of the external meter.
 * Errors: ARGUMENT (chips outside 13 … 63, chip_ns outside 10 ms … 10 min). */
enum ew_status ew_load_signature_make(uint64_t seed, size_t n_chips, int64_t chip_ns, struct ew_load_signature *out,
                                      struct ew_error *err);

/* A signature that suits a meter with this period: 31 chips of 0.2 s or more, 15 chips of four periods for slow ones.
 */
enum ew_status ew_load_signature_for_period(uint64_t seed, double period_s, struct ew_load_signature *out,
                                            struct ew_error *err);

/* How long it plays, with one chip of rest before and after. */
int64_t ew_load_signature_duration_ns(const struct ew_load_signature *signature);

/* What was played, with the stamps that the clock gave. */
struct ew_played_signature {
    struct ew_load_edge edges[EW_SIGNATURE_MAX_CHIPS + 1];
    struct ew_load_pattern pattern; /* points into edges: not to be copied on its own */
    int64_t switch_ns;              /* longest time that switching took: the stamps are its middle */
};

/* Plays it: set(context, on) is called at the edges and must return when the load has changed (ew_load_maker_switch).
 * The load is off when it returns. clock NULL = the machine's. */
void ew_load_signature_play(const struct ew_load_signature *signature, const struct ew_meter_clock *clock,
                            void (*set)(void *context, bool on), void *context, struct ew_played_signature *out);

#endif
