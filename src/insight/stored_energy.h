/* Joules of stored trials, integrated again from the raw samples of the store, by src/meter/integrate.h. */
#ifndef EW_INSIGHT_STORED_ENERGY_H
#define EW_INSIGHT_STORED_ENERGY_H

#include "insight/measure.h"
#include "meter/integrate.h"
#include "store/store.h"

/* out: [study->n_trials]; trials without power samples get grade NONE. Idle baselines before and after the invocation
 * give the net figures. Errors: FORMAT (a checksum, or a meter's description, does not fit), IO, MEMORY. */
enum ew_status ew_stored_energy_read(struct ew_store *store, const struct ew_stored_study *study,
                                     struct ew_trial_energy *out, struct ew_error *err);

/* Power over one trial. watts[n] at times_ns[n]; idle_w NAN when unknown. */
struct ew_stored_power {
    const struct ew_meter_record *meter;
    int64_t *times_ns;
    double *watts;
    size_t n;
    double idle_w;
};

/* *out is empty (n = 0) when the trial has no power samples. At most `most` points, evenly thinned. The caller's:
 * ew_stored_power_free. Errors as above. */
enum ew_status ew_stored_power_read(struct ew_store *store, const struct ew_stored_study *study,
                                    const struct ew_trial_record *trial, size_t most, struct ew_stored_power *out,
                                    struct ew_error *err);
void ew_stored_power_free(struct ew_stored_power *power);

/* Joules of one phase of a trial, with what its interval is made of. */
struct ew_stored_phase {
    const struct ew_phase_record *phase;
    struct ew_energy energy; /* grade NONE or energy_j NAN: no figure, and why */
};

/* Every phase of the trial in order, up to `most`; *n = 0 when it has no power samples. Errors as above. */
enum ew_status ew_stored_phases_read(struct ew_store *store, const struct ew_stored_study *study,
                                     const struct ew_trial_record *trial, size_t most, struct ew_stored_phase *out,
                                     size_t *n, struct ew_error *err);

/* The description of a meter as the study runner wrote it, JSON; channels: [capacity]. Unknown words become the most
 * cautious value (boundary unknown, grade none). Errors: FORMAT, LIMIT (more channels than capacity). */
enum ew_status ew_stored_meter_parse(const struct ew_meter_record *record, struct ew_meter_info *info,
                                     struct ew_meter_channel *channels, size_t capacity, struct ew_error *err);

#endif
