/* What this machine can do at most, measured in seconds: reading memory over several numbers of threads, and the peak
 * of 8-bit and float arithmetic, in all and per kind of core. And what a model could reach at most under these limits.
 */
#ifndef EW_ENGINE_MACHINE_LIMITS_H
#define EW_ENGINE_MACHINE_LIMITS_H

#include "edgewise/session.h"
#include "machine/machine.h"

enum { EW_LIMIT_KINDS = 4, EW_LIMIT_READS = 6 };

struct ew_read_limit {
    uint32_t threads;
    double bytes_per_s;
};

/* One core of a kind, working alone. */
struct ew_core_limit {
    int kind; /* as in struct ew_machine_cpu */
    int cpu;  /* on which it was measured */
    double read_bytes_per_s, int8_ops_per_s, f32_ops_per_s;
};

struct ew_machine_limits {
    double read_bytes_per_s; /* the best of reads */
    uint32_t read_threads;   /* and with how many threads */
    double int8_ops_per_s;   /* all usable cores together; a multiply and an add count as two */
    double f32_ops_per_s;
    double half_ops_per_s; /* what kernels multiply F16 and BF16 weights with many tokens by: 16-bit integers or f32 */
    uint32_t threads;      /* how many that are */
    const char *int8_with; /* instruction that reached it: "vpdpbusd 512 bit"; static */
    const char *f32_with;
    size_t n_reads;
    struct ew_read_limit reads[EW_LIMIT_READS]; /* by rising numbers of threads */
    size_t n_kinds;                             /* 0 on an even machine with one core */
    struct ew_core_limit kinds[EW_LIMIT_KINDS];
    uint64_t features;    /* what the loops were allowed to use */
    size_t buffer_bytes;  /* memory that was read */
    bool buffer_is_small; /* free memory allowed less than twice the last cache: reading may come from there */
    double seconds;       /* that it took */
};

struct ew_limits_request {
    uint64_t cpu_features;                                              /* as --cpu-mask; 0 = all */
    double budget_s;                                                    /* ends within about this time; 0 = 2 s */
    bool all_in_all_only;                                               /* leave out single kinds of cores */
    const volatile int *stop;                                           /* may be NULL: non-zero cancels */
    void (*progress)(void *context, double fraction, const char *what); /* may be NULL */
    void *context;
};

/* Best of several short rounds of everything, interleaved, so that a neighbour's turn spoils none of it for good; reads
 * memory of its own (at most an eighth of what is free, at most 1 GiB). Errors: MEMORY, CANCELLED. */
enum ew_status ew_machine_limits_measure(const struct ew_machine *machine, const struct ew_limits_request *request,
                                         struct ew_machine_limits *out, struct ew_error *err);

/* ---- what a model asks of the machine ---- */

struct ew_model_work {
    double bytes;     /* read and written: weights once, keys and values */
    double int8_ops;  /* products of quantized weights */
    double half_ops;  /* products of F16 and BF16 weights with more than EW_FEW_TOKENS tokens */
    double float_ops; /* other products of float weights, attention */
};

/* What is asked of a model, whose cache holds keys and values of these types. */
struct ew_work_request {
    uint32_t n_tokens, depth; /* so many tokens after so many positions */
    enum ew_kv_type kv_k, kv_v;
};

/* Work of evaluating all tokens at once. Source: src/plan/cost.h. */
struct ew_model_work ew_model_work_of(const struct ew_model *model, const struct ew_work_request *request);

/* The least time it can take: the larger of reading its bytes and doing its operations. NAN where limits are 0. */
double ew_machine_limits_least_s(const struct ew_machine_limits *limits, const struct ew_model_work *work);

/* Most tokens per second: of a prompt, in batches of n_batch (0 = one batch); of tokens that follow one by one. */
double ew_machine_limits_prefill_rate(const struct ew_machine_limits *limits, const struct ew_model *model,
                                      const struct ew_work_request *prompt, uint32_t n_batch);
double ew_machine_limits_decode_rate(const struct ew_machine_limits *limits, const struct ew_model *model,
                                     const struct ew_work_request *tokens);

#endif
