/* What holds a machine back: findings as pure functions over facts, so that a recorded machine, a made-up one and this
 * one are judged by the very same rules. Here and not in cli because terminal, JSON and other programs share them.
 * Thresholds stand beside their rules; docs/doctor.md lists every rule with its threshold and its source. */
#ifndef EW_INSIGHT_DOCTOR_H
#define EW_INSIGHT_DOCTOR_H

#include "edgewise/meter.h"
#include "engine/machine_limits.h"
#include "machine/tuning_facts.h"

enum { EW_DOCTOR_SPEEDS = 6, EW_DOCTOR_TEXT = 640, EW_DOCTOR_FINDINGS = 64 };

struct ew_doctor_meter {
    const struct ew_meter_info *info;
    bool is_auto;                       /* the one that other commands take for energy */
    double now;                         /* W, or the value of one channel; NAN = not read */
    char now_words[EW_METER_TEXT_SIZE]; /* "612 MHz"; "" = not read */
    char
        calibration[EW_METER_TEXT_SIZE]; /* "a calibration … is kept: …", where one is kept and not in use; "" = none */
};

/* One number of threads: medians of interleaved runs, with lowest and highest. */
struct ew_doctor_speed {
    uint32_t threads;
    size_t n; /* runs */
    double prefill_per_s, prefill_low, prefill_high;
    double decode_per_s, decode_low, decode_high;
};

struct ew_doctor_model {
    char name[128], type[32];
    bool synthetic;
    uint64_t weights_bytes, needed_bytes; /* needed: predicted for a session of this length */
    uint32_t prompt_tokens, generate_tokens;
    double prefill_limit_per_s, decode_limit_per_s;   /* the machine's limits for this model; NAN = not known */
    char kernels[256];                                /* names, separated by blanks */
    uint32_t default_threads, default_decode_threads; /* the latter 0: as the former */
    size_t n_speeds;                                  /* 0 = not measured */
    struct ew_doctor_speed speeds[EW_DOCTOR_SPEEDS];  /* by rising numbers of threads */
};

/* Everything that is known. Pointers may be NULL and numbers NAN: then the rules that need them are silent. */
struct ew_doctor_facts {
    const struct ew_machine *machine;       /* never NULL; as it was before anything was measured */
    const struct ew_machine_tuning *tuning; /* never NULL */
    bool recorded;                          /* another machine's files: nothing of it can be measured */
    uint64_t features;                      /* of the processor */
    uint64_t allowed;                       /* those that kernels may use: --cpu-mask */
    uint64_t kernel_features;               /* those that this build has kernels for; 0 = another architecture */
    double load_1min;                       /* load average */
    double others_cpus;                     /* CPUs' worth of time that other processes used while this one slept */
    char busiest[64];                       /* the process that used most of it, "ninja (123)"; "" = not known */
    double busiest_cpus;
    double steal;         /* share of wanted processor time that the hypervisor gave to others while measuring */
    int64_t throttled_by; /* slowing-down events while measuring; -1 = not known */
    double loaded_mhz[EW_LIMIT_KINDS]; /* highest clock seen right after load, by kind of core; NAN or 0 = not known */
    size_t n_meters;
    const struct ew_doctor_meter *meters;
    const char *energy_none;                /* why no energy meter works; NULL = one does */
    const struct ew_machine_limits *limits; /* NULL = not measured */
    const struct ew_doctor_model *model;    /* NULL = none looked at */
};

enum ew_doctor_severity {
    EW_DOCTOR_OK = 0,
    EW_DOCTOR_NOTE,    /* worth knowing; nothing to do, or little to gain */
    EW_DOCTOR_WARNING, /* speed or trust is lost, and something can be done */
    EW_DOCTOR_PROBLEM  /* figures taken now mislead, or most of what is possible is lost */
};

struct ew_doctor_finding {
    const char *id;    /* "clock.governor" */
    const char *topic; /* "governor" */
    enum ew_doctor_severity severity;
    char found[EW_DOCTOR_TEXT];
    const char *why;             /* why it matters; static */
    char remedy[EW_DOCTOR_TEXT]; /* an exact command or option, or what to do; "" = nothing */
};

struct ew_doctor_findings {
    size_t n;
    struct ew_doctor_finding at[EW_DOCTOR_FINDINGS]; /* in the order of the rules */
};

/* One rule: false = nothing to say. before: what was found by the rules before it. */
struct ew_doctor_rule {
    const char *id, *topic, *why;
    bool slows; /* its warnings are reasons why a model falls short of its limit */
    bool (*apply)(const struct ew_doctor_facts *facts, const struct ew_doctor_findings *before,
                  struct ew_doctor_finding *finding);
};

size_t ew_doctor_rule_count(void);
const struct ew_doctor_rule *ew_doctor_rule_at(size_t index); /* NULL beyond the end */

/* Applies all rules. */
void ew_doctor_examine(const struct ew_doctor_facts *facts, struct ew_doctor_findings *out);

const char *ew_doctor_severity_name(enum ew_doctor_severity severity); /* "warning" */

/* Bytes per second that the board's memory could give by its data sheet; NAN = not known, and then nothing is said of
 * it. *source: static text. */
double ew_doctor_memory_theory(const char *board, const char **source);

/* Features that this build's kernels use. */
uint64_t ew_doctor_kernel_features(void);

/* Whether weights of this size may be read from a cache instead of memory: decode then has no limit that is known. */
bool ew_doctor_is_in_cache(const struct ew_machine *machine, uint64_t weights_bytes);

/* ---- the inside: rules by subject, and how they speak ---- */

struct ew_doctor_rules {
    size_t n;
    const struct ew_doctor_rule *at;
};
extern const struct ew_doctor_rules ew_doctor_energy_rules; /* doctor_energy.c */
extern const struct ew_doctor_rules ew_doctor_clock_rules;  /* doctor_clocks.c: clocks, power, heat */
extern const struct ew_doctor_rules ew_doctor_share_rules;  /* doctor_shares.c: memory, containers, neighbours */
extern const struct ew_doctor_rules ew_doctor_kernel_rules; /* doctor_kernels.c */
extern const struct ew_doctor_rules ew_doctor_model_rules;  /* doctor_models.c: limits, threads, models */

/* Sets severity and text; always true. */
__attribute__((format(printf, 3, 4))) bool ew_doctor_say(struct ew_doctor_finding *finding,
                                                         enum ew_doctor_severity severity, const char *format, ...);
/* Appends to the text, or sets the remedy. */
__attribute__((format(printf, 2, 3))) void ew_doctor_add(struct ew_doctor_finding *finding, const char *format, ...);
__attribute__((format(printf, 2, 3))) void ew_doctor_remedy(struct ew_doctor_finding *finding, const char *format, ...);

#endif
