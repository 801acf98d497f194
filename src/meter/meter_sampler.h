/* A thread that reads several meters at their periods into growing buffers, and measures what it costs itself. */
#ifndef EW_METER_METER_SAMPLER_H
#define EW_METER_METER_SAMPLER_H

#include "edgewise/meter.h"

struct ew_meter_sampler;

/* What one meter gave. Owned by the sampler; valid and still until the next start or the close. */
struct ew_meter_trace {
    const struct ew_meter_info *info;
    size_t n_channels;
    size_t n;                       /* samples */
    const int64_t *times_ns;        /* [n], rising */
    const double *values;           /* [n][n_channels]; NAN = the sensor gave nothing */
    uint64_t missed;                /* periods that passed without a reading because the sampler came late */
    uint64_t failed;                /* readings that ended in an error */
    bool ended;                     /* the source is gone (process ended, trace over); no reading after that */
    char error[EW_METER_TEXT_SIZE]; /* the last error; "" = none */
};

struct ew_sampler_cost {
    int64_t cpu_ns;  /* processor time of the sampling thread */
    int64_t wall_ns; /* how long it ran */
    uint64_t reads;
};

/* meters [n] must outlive the sampler and are started and stopped by it. config may be NULL (only its clock is used).
 * Errors: ARGUMENT (no meters, a refused meter), MEMORY. */
enum ew_status ew_meter_sampler_open(struct ew_meter *const *meters, size_t n, const struct ew_meter_config *config,
                                     struct ew_meter_sampler **out, struct ew_error *err);
void ew_meter_sampler_close(struct ew_meter_sampler **sampler);

/* Drops earlier samples, starts the meters, takes a first sample of each, and starts the thread. Only for meters on the
 * machine's clock: with a scripted one use ew_meter_sampler_run. */
enum ew_status ew_meter_sampler_start(struct ew_meter_sampler *sampler, struct ew_error *err);

/* Takes a last sample of each, ends the thread and stops the meters. The traces may be read afterwards. A meter whose
 * readings arrive late is waited for until they have reached the moment of this call, as long as its driver says. */
void ew_meter_sampler_stop(struct ew_meter_sampler *sampler);

/* Stop, for those who want the energy of windows up to end_ns, which has passed: an energy meter that is read at the
 * moment is heard for 2.5 more periods (6 s at most), so that it has spoken after the end; one whose readings arrive
 * late is waited for until they have reached the end and what they average over. Both waits begin at end_ns and
 * overlap; nobody needs to wait before this call. */
void ew_meter_sampler_finish(struct ew_meter_sampler *sampler, int64_t end_ns);

/* Instead of start/stop, in the caller's own thread: starts the meters, samples until the clock reaches end_ns, stops.
 * With a scripted clock this takes no time. */
enum ew_status ew_meter_sampler_run(struct ew_meter_sampler *sampler, int64_t end_ns, struct ew_error *err);

/* The newest sample of meter i while the thread runs: values [n_channels], the caller's. false = none yet. Thread-safe.
 */
bool ew_meter_sampler_latest(struct ew_meter_sampler *sampler, size_t i, int64_t *time_ns, double *values);

/* Samples [first, …) of meter i so far, while the thread runs: at most capacity of them into times_ns and values
 * [capacity][n_channels]. Returns how many. Thread-safe. */
size_t ew_meter_sampler_copy(struct ew_meter_sampler *sampler, size_t i, size_t first, int64_t *times_ns,
                             double *values, size_t capacity);

/* After stop or run. */
const struct ew_meter_trace *ew_meter_sampler_trace(const struct ew_meter_sampler *sampler, size_t i);
struct ew_sampler_cost ew_meter_sampler_cost(const struct ew_meter_sampler *sampler);

#endif
