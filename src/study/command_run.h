/* A program under the meters: energy, memory of all its processes, heat, phases; once or several times. */
#ifndef EW_STUDY_COMMAND_RUN_H
#define EW_STUDY_COMMAND_RUN_H

#include "machine/memory_activity.h"
#include "meter/integrate.h"
#include "meter/load_signature.h"
#include "study/command_process.h"
#include "study/metering.h"
#include "study/throttle_span.h"

enum ew_command_stage {
    EW_STAGE_IDLE_BEFORE,
    EW_STAGE_SIGNATURE_BEFORE,
    EW_STAGE_WARM_UP,
    EW_STAGE_RUN,
    EW_STAGE_SIGNATURE_AFTER,
    EW_STAGE_IDLE_AFTER
};

struct ew_command_setup {
    const char *const *argv;        /* NULL-terminated */
    struct ew_study_meters *meters; /* which are used */
    double idle_s;                  /* rest before and after; 0 = none */
    uint32_t warm_ups, repeats;     /* repeats >= 1 */
    bool signature;                 /* play a load pattern before and after, for meters that write a log of their own */
    double signature_period_s;      /* how often such a meter writes; 0 = five times a second or more */
    void (*stage)(void *context, enum ew_command_stage stage, uint32_t number, double seconds); /* NULL = silent */
    void *context;
};

/* A figure of a gauge over a window; NAN where it gave nothing. */
struct ew_gauge_window {
    double first, last, mean, max;
};

struct ew_named_gauge {
    const char *name; /* the channel's; the meter's own */
    struct ew_gauge_window window;
};

struct ew_command_window {
    int64_t begin_ns, end_ns;
    struct ew_energy energy;                                  /* grade NONE and a reason where there is no figure */
    double peak_rss_bytes, peak_pss_bytes;                    /* of all processes together; NAN unknown */
    double peak_swap_bytes, peak_anon_bytes, peak_file_bytes; /* likewise: swapped out, heap and stacks, mapped files */
    double peak_gpu_bytes;                                    /* on NVIDIA cards; NAN unknown, or none */
};

struct ew_command_phase_result {
    char name[EW_PHASE_NAME_SIZE];
    struct ew_command_window window;
};

struct ew_command_once {
    bool warm_up;
    struct ew_command_window window;
    int wait_status;
    double user_s, system_s;          /* processor time of all processes that were waited for */
    double largest_bytes;             /* largest resident set of a single process */
    struct ew_memory_activity memory; /* of the whole machine meanwhile */
    uint32_t most_processes, left_running;
    int64_t minor_faults, major_faults;
    struct ew_gauge_window temperature_c, frequency_hz;
    struct ew_throttle_span throttle;
    struct ew_command_phase_result *phases; /* [n_phases] in order of begin */
    size_t n_phases;
    uint32_t broken_lines;
    char first_broken[EW_PHASE_LINE_SIZE];
};

struct ew_command_result {
    struct ew_command_once *runs; /* [n_runs] warm-ups first; stops after the first that fails */
    size_t n_runs;
    int interrupted; /* signal number; 0 = none */
    bool has_idle;
    struct ew_energy idle_before, idle_after; /* NAN figures where not measured */
    struct ew_idle_baseline idle;
    int64_t begin_ns, begin_unix_ns;          /* the same moment on both clocks */
    int64_t rest_ns[4];                       /* begin and end of the rest before and of that after; 0 = none */
    struct ew_played_signature signatures[2]; /* [n_signatures]: before and after */
    size_t n_signatures;
    const struct ew_meter_trace *energy_trace; /* NULL without an energy meter */
    struct ew_sampler_cost cost;
    struct ew_metering metering; /* owns energy_trace; says which meters were left out */
};

/* Errors: those of ew_command_execute; MEMORY; CANCELLED when a signal came before the first run. The exit status of
 * the command is a result, not an error. *out: ew_command_result_close. */
enum ew_status ew_command_run(const struct ew_command_setup *setup, struct ew_command_result **out,
                              struct ew_error *err);

/* The channels of a gauge over a run, meter "fan" or another: at most capacity of them into out; returns how many. */
size_t ew_command_gauges(const struct ew_command_result *result, const struct ew_command_once *once, const char *meter,
                         struct ew_named_gauge *out, size_t capacity);

void ew_command_result_close(struct ew_command_result **result);

#endif
