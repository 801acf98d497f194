/* Derives the figures of one run from its stamps. Refuses to guess: what lacks a stamp stays NAN.
 * Summaries over repeats are in insight.c. */
#include "insight/measure.h"

#include "base/error.h"
#include "study/quantiles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MIB 1048576.0

static const struct ew_measure_info measures[EW_MEASURES] = {
    [EW_MEASURE_LOAD] = {"load_s", "load", "s", 1, -1},
    [EW_MEASURE_TTFT] = {"ttft_s", "TTFT", "s", 1, -1},
    [EW_MEASURE_PREFILL] = {"prefill_tokens_per_s", "prefill", "tok/s", 1, +1},
    [EW_MEASURE_DECODE] = {"decode_tokens_per_s", "decode", "tok/s", 1, +1},
    [EW_MEASURE_GAP_P50] = {"inter_token_p50_s", "p50 gap", "ms", 1e3, -1},
    [EW_MEASURE_GAP_P90] = {"inter_token_p90_s", "p90 gap", "ms", 1e3, -1},
    [EW_MEASURE_GAP_P99] = {"inter_token_p99_s", "p99 gap", "ms", 1e3, -1},
    [EW_MEASURE_PEAK_MEMORY] = {"peak_memory_bytes", "peak memory", "MiB", 1 / MIB, -1},
    [EW_MEASURE_PREFILL_ENERGY] = {"prefill_energy_j_per_token", "prefill energy", "J/token", 1, -1},
    [EW_MEASURE_DECODE_ENERGY] = {"decode_energy_j_per_token", "energy", "J/token", 1, -1},
    [EW_MEASURE_DECODE_ENERGY_NET] = {"decode_energy_net_j_per_token", "net of idle", "J/token", 1, -1},
    [EW_MEASURE_S_T] = {"s_t", "S_t", "mJ·s/tok²", 1e3, -1},
};

const struct ew_measure_info *ew_measure_info(enum ew_measure measure) { return &measures[measure]; }

const struct ew_phase_record *ew_measure_phase(const struct ew_trial_record *trial, const char *name) {
    for (size_t i = trial->n_phases; i-- > 0;)
        if (trial->phases[i].name && strcmp(trial->phases[i].name, name) == 0) return &trial->phases[i];
    return NULL;
}

/* Differences in double: damaged stamps must not overflow. */
static double seconds(int64_t begin_ns, int64_t end_ns) {
    if (begin_ns == EW_MISSING || end_ns == EW_MISSING || end_ns <= begin_ns) return NAN;
    return ((double)end_ns - (double)begin_ns) * 1e-9;
}

static double phase_seconds(const struct ew_phase_record *phase) {
    return phase ? seconds(phase->begin_ns, phase->end_ns) : NAN;
}

static double phase_tokens(const struct ew_phase_record *phase) {
    return phase && phase->n_tokens > 0 ? (double)phase->n_tokens : NAN;
}

static enum ew_status measure_gaps(const struct ew_trial_record *trial, double value[EW_MEASURES],
                                   struct ew_error *err) {
    if (trial->n_stamps < 2) return EW_OK;
    value[EW_MEASURE_DECODE] = (double)(trial->n_stamps - 1) / seconds(trial->first_stamp_ns, trial->last_stamp_ns);
    if (!trial->stamps_ns) return EW_OK;
    size_t n = trial->n_stamps - 1;
    double *gaps = calloc(n, sizeof *gaps);
    if (!gaps) return ew_error_set(err, EW_ERR_MEMORY, "gaps of %zu tokens: out of memory", n);
    for (size_t i = 0; i < n; i++) gaps[i] = ((double)trial->stamps_ns[i + 1] - (double)trial->stamps_ns[i]) * 1e-9;
    ew_stat_sort(gaps, n);
    value[EW_MEASURE_GAP_P50] = ew_stat_quantile(gaps, n, 0.5);
    value[EW_MEASURE_GAP_P90] = ew_stat_quantile(gaps, n, 0.9);
    value[EW_MEASURE_GAP_P99] = ew_stat_quantile(gaps, n, 0.99);
    free(gaps);
    return EW_OK;
}

static void measure_energy(const struct ew_trial_record *trial, const struct ew_trial_energy *energy,
                           double value[EW_MEASURES]) {
    value[EW_MEASURE_PREFILL_ENERGY] = energy->prefill_j / phase_tokens(ew_measure_phase(trial, "prefill"));
    double n_decode = phase_tokens(ew_measure_phase(trial, "decode"));
    value[EW_MEASURE_DECODE_ENERGY] = energy->decode_j / n_decode;
    value[EW_MEASURE_DECODE_ENERGY_NET] = energy->decode_net_j / n_decode;
    value[EW_MEASURE_S_T] = value[EW_MEASURE_DECODE_ENERGY] / value[EW_MEASURE_DECODE];
}

enum ew_status ew_measure_trial(const struct ew_trial_record *trial, const struct ew_trial_energy *energy,
                                double value[EW_MEASURES], struct ew_error *err) {
    for (int m = 0; m < EW_MEASURES; m++) value[m] = NAN;
    if (trial->status != EW_TRIAL_OK) return EW_OK;
    enum ew_status status = measure_gaps(trial, value, err);
    if (status != EW_OK) return status;
    const struct ew_phase_record *prefill = ew_measure_phase(trial, "prefill");
    value[EW_MEASURE_LOAD] = phase_seconds(ew_measure_phase(trial, "load"));
    value[EW_MEASURE_PREFILL] = phase_tokens(prefill) / phase_seconds(prefill);
    if (trial->ttft_ns > 0) value[EW_MEASURE_TTFT] = (double)trial->ttft_ns * 1e-9;
    int64_t peak = trial->peak_rss_bytes > 0 ? trial->peak_rss_bytes : trial->max_rss_bytes;
    if (peak > 0) value[EW_MEASURE_PEAK_MEMORY] = (double)peak;
    if (energy && energy->grade != EW_GRADE_NONE) measure_energy(trial, energy, value);
    return EW_OK;
}
