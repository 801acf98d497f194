/* What a study measured, as plain records: the study runner fills them, the store keeps them, insight and report read
 * them. Nothing here is derived from an average: times are stamps, samples are as read.
 *
 * Times `*_ns` are CLOCK_MONOTONIC_RAW of the boot that the trial's invocation names; `*_unix_ns` are wall-clock.
 * Sizes are bytes. A missing number is EW_MISSING, a missing text NULL. Strings belong to whoever made the record. */
#ifndef EW_STUDY_STUDY_RECORD_H
#define EW_STUDY_STUDY_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EW_MISSING INT64_MIN

enum ew_trial_status {
    EW_TRIAL_PLANNED,
    EW_TRIAL_RUNNING, /* begun and not finished: the study was killed, or is running now */
    EW_TRIAL_OK,
    EW_TRIAL_FAILED,  /* the engine said so, or broke the protocol: reason */
    EW_TRIAL_CRASHED, /* died of a signal, or ended before "done" */
    EW_TRIAL_TIMEOUT,
    EW_TRIAL_OOM /* did not fit in memory: a result, with the ledger's prediction beside it */
};
enum { EW_TRIAL_STATUSES = 7 };

struct ew_machine_record {
    int64_t id;
    const char *fingerprint; /* 16 hex digits over the facts that do not change between boots */
    const char *name;        /* board, or CPU model */
    const char *arch;        /* "x86_64", "aarch64" */
    int64_t n_cores;
    int64_t memory_bytes;
    const char *cpu_features;
    const char *os;         /* "Debian GNU/Linux 12 · Linux 6.1.0" */
    const char *facts_json; /* everything that src/machine found, one object */
};

struct ew_model_record {
    int64_t id;
    const char *key; /* 16 hex digits over name, size and header bytes */
    const char *path;
    const char *name; /* for people: "Llama-3.2-1B" */
    const char *architecture;
    const char *file_type; /* "Q4_K_M" */
    const char *shape;     /* synthetic: the name of the shape ("llama-3.2-1b"); otherwise NULL */
    bool synthetic;        /* speed and memory are real, text is not */
    bool in_the_box;       /* the model that comes with Edgewise */
    int64_t file_bytes;
    int64_t mtime_unix_ns;
    int64_t n_params;
    int64_t weights_bytes;
    int64_t n_layer, n_embd, n_vocab, n_ctx_train;
};

struct ew_config_record {
    int64_t id;
    const char *key; /* 16 hex digits over everything below and the model's key */
    int64_t model_id;
    int64_t prefill_threads, decode_threads;
    int64_t prompt_tokens, generate_tokens;
    int64_t depth;      /* tokens in the context before the prompt */
    int64_t context;    /* tokens the KV cache holds */
    const char *layout; /* "auto", "mapped", "packed", "side_file" */
    int64_t cpu_mask;   /* 0 = all */
    bool sample_text;
    const char *engine; /* command of another engine, or NULL */
    /* Zero and NULL in what follows are the defaults, so that records of older stores mean the same. */
    int64_t batch;         /* most tokens in flight while reading a prompt; 0 = the engine's default */
    const char *cores;     /* CPUs it may run on: "0-3"; NULL = all */
    int64_t sustained_ms;  /* go on for so long after the measured phases; 0 = not */
    const char *load;      /* state of the page cache: "warm", "cold"; NULL = as it came */
    const char *backend;   /* NULL = "cpu" */
    const char *kv_type;   /* NULL = "f16" */
    const char *speculate; /* "auto", "4"; NULL = "off" */
    const char *governor;  /* settings of the machine; NULL and 0 = as it was found */
    int64_t frequency_cap_hz;
    const char *power_mode, *epp;
    int64_t spin_us; /* how long waiting threads spin; 0 = the engine's default, -1 = not at all */
};

/* One start of `edgewise study`: a study that was killed and resumed has several. */
struct ew_invocation_record {
    int64_t id, study_id, machine_id;
    int64_t started_unix_ns;
    int64_t started_ns;        /* same moment as started_unix_ns, so stamps convert to wall-clock */
    int64_t ended_unix_ns;     /* EW_MISSING: still running, or killed */
    const char *boot_id;       /* stamps compare only within one boot */
    const char *version;       /* of edgewise */
    const char *build;         /* compiler and flags */
    const char *state_json;    /* governor, clocks, temperatures, power mode at the start */
    const char *energy_none;   /* why there is no energy figure; NULL when there is one */
    const char *left_out_json; /* what was not run: [{"what", "why", "n"}]; NULL = nothing */
    /* Known at its end. */
    const char *stopped; /* why it ended before all was done: "interrupted", "budget: time: …"; NULL = it was done */
    int64_t own_cpu_ns;  /* processor time of the study runner itself, meters included, engines not */
    int64_t own_max_rss_bytes; /* its largest resident set */
};

/* A meter that was probed, used or not. */
struct ew_meter_record {
    int64_t id, invocation_id;
    const char *name;     /* "rapl", "process_memory" … */
    const char *quantity; /* "energy", "power", "memory", "temperature", "frequency" */
    bool used;
    const char *refused;  /* why not, when !used */
    const char *boundary; /* "die", "module", "board", "wall", "process"; NULL when it does not apply */
    int64_t period_ns;    /* update period; EW_MISSING when unknown */
    const char *describe_json;
};

/* Stamped values of one channel of one meter. */
struct ew_series_record {
    int64_t id;
    int64_t trial_id;    /* EW_MISSING for an idle baseline */
    int64_t baseline_id; /* EW_MISSING for a trial */
    int64_t meter_id;
    const char *channel; /* "pss", "package-0", "VDD_IN", "cpu" … */
    const char *unit;    /* "bytes", "J" (counter), "W", "celsius", "Hz", "1" */
    int64_t n;
    int64_t n_missing;      /* readings that failed */
    const int64_t *time_ns; /* [n]; NULL in records read without samples */
    const double *value;    /* [n] */
};

/* The machine at rest, before and after the trials of an invocation. */
struct ew_baseline_record {
    int64_t id, invocation_id;
    const char *place; /* "before", "after" */
    int64_t begin_ns, end_ns;
};

struct ew_phase_record {
    const char *name; /* "load", "warmup", "depth", "prefill", "decode", "sustained", "sample" */
    int64_t begin_ns, end_ns;
    int64_t n_tokens;                                     /* evaluated in this phase */
    int64_t vm_hwm_bytes, rss_anon_bytes, rss_file_bytes; /* as the child saw itself at the end */
    int64_t peak_rss_bytes, peak_pss_bytes;               /* largest sample the parent read during the phase */
};

/* The engine's own prediction, before it allocated anything. */
struct ew_ledger_record {
    bool present;
    int64_t weights_mapped, weights_packed, kv_cache, activations, scratch, tokenizer, runtime, total;
};

/* Tokens drafted in the decode phase, those of them that were generated, and evaluations with drafts; EW_MISSING where
 * none were asked for. */
struct ew_draft_record {
    int64_t drafted, accepted, passes;
};

/* About a second of decoding in the phase `sustained`. */
struct ew_sustained_window {
    int64_t end_ns, n_tokens, decode_ns; /* decode_ns: time spent generating them, without reading prompts */
};

/* The circumstances of a trial. */
struct ew_trial_conditions {
    const char *memory_json; /* what the machine's memory system did, memory_record.h; NULL unknown */

    const char *gate;      /* outcome of the thermal gate, thermal_gate.h; NULL = none asked for */
    double gate_waited_s;  /* NAN without a gate */
    double start_c, end_c; /* the processor just before and after; NAN unknown */
    double cached_share;   /* of the model file in the page cache when it began; NAN unknown */
    /* Counted by the machine during the trial; EW_MISSING unknown. */
    int64_t throttle_core_events, throttle_package_events;
    int64_t pi_flags_before, pi_flags_after; /* Raspberry Pi get_throttled */
    bool throttled;                          /* slowed down by whatever means: notes say by which */
    int64_t swap_in_pages, swap_out_pages;   /* of the whole machine; EW_MISSING unknown */
    const char *meter_lost;                  /* why the energy readings do not last to the end; NULL: they do */
    double spent_j;     /* gross, of the whole trial, for the budget; reports integrate the phases. NAN unknown */
    int64_t own_cpu_ns; /* processor time that the study runner took meanwhile, meters included */
    /* Of all time of all CPUs: what other programs took, and what a hypervisor gave away. NAN unknown. */
    double others_share, stolen_share;
    const char *notes; /* what slowed it down; what was asked for and could not be had; NULL = nothing */
};

struct ew_trial_record {
    int64_t id, study_id, config_id;
    int64_t invocation_id; /* EW_MISSING while planned */
    const char *key;       /* 16 hex digits over study, config and repeat */
    int64_t repeat;        /* 0 … */
    int64_t position;      /* place in the shuffled order */
    int64_t seed;
    enum ew_trial_status status;
    const char *reason; /* why not ok */
    int64_t attempts;   /* times it was begun */
    int64_t started_unix_ns, begin_ns, end_ns;
    int64_t exit_code, signal;                         /* one of them, as wait4 gave it */
    int64_t user_cpu_ns, system_cpu_ns, max_rss_bytes; /* rusage */
    int64_t major_faults;
    const char *engine, *engine_version, *engine_build, *cpu_features;
    const char *kernels;
    int64_t ttft_ns; /* duration: first prompt token handed over -> first token sampled */
    struct ew_ledger_record ledger;
    struct ew_draft_record drafts;
    int64_t peak_rss_bytes, peak_pss_bytes; /* over the whole trial, read from outside; HWM is used where larger */
    int64_t swap_peak_bytes;
    int64_t gpu_peak_bytes; /* on NVIDIA cards, with all that the engine started; EW_MISSING unknown, or none */
    const char *sample_prompt, *sample_text;
    const char *stderr_tail; /* last lines, where the trial did not end well */
    /* Phases in order. */
    const struct ew_phase_record *phases;
    size_t n_phases;
    /* Token stamps of the decode phase: [0] its start (token 1 exists already), [i] token i + 1 sampled. So
     * tok/s = (n - 1) / (last - first). n_stamps and first/last are there even where stamps is NULL. */
    const int64_t *stamps_ns;
    size_t n_stamps;
    int64_t first_stamp_ns, last_stamp_ns;
    const struct ew_sustained_window *windows; /* of the phase `sustained`, in order */
    size_t n_windows;
    struct ew_trial_conditions conditions;
    /* Samples; in records read by ew_store_read_study n_series is 0: see ew_store_read_series. */
    const struct ew_series_record *series;
    size_t n_series;
};

struct ew_study_record {
    int64_t id;
    const char *name;
    const char *file;          /* the study file's path, NULL for bench */
    const char *source;        /* its text, as first run */
    const char *settings_json; /* the study resolved: defaults filled in */
    int64_t seed;              /* of the order of the trials */
    int64_t created_unix_ns;
};

/* "ok", "oom" … Never NULL. */
const char *ew_trial_status_name(enum ew_trial_status status);
/* false when the word is not known. */
bool ew_trial_status_parse(const char *text, enum ew_trial_status *out);

#endif
