/* Backends: run plans on a device. One folder each; this is all that the engine knows of them. */
#ifndef EW_BACKEND_BACKEND_H
#define EW_BACKEND_BACKEND_H

#include "plan/ledger.h"

struct ew_backend_params {
    struct ew_plan_request request;
    uint32_t threads_prefill, threads_decode; /* 1 … request.max_threads */
    uint64_t cpu_features;                    /* bits that kernels may use */
    uint32_t spin_us;
    const char *side_folder;                /* of side files; NULL: none is looked for */
    const struct ew_kernel_choice *kernels; /* what overrides features, or NULL; read while opening and predicting */
    const int *cores; /* [request.max_threads] cores in order of preference, or NULL: the system places threads */
};

/* One call: tokens at positions pos0 … pos0 + n_tokens - 1. */
struct ew_backend_call {
    const int32_t *tokens;
    uint32_t n_tokens; /* 1 … request.n_batch */
    uint32_t pos0;
    float *logits;        /* out: rows of n_vocab; NULL when not wanted */
    bool logits_for_each; /* one row per token, otherwise one row for the last */
    bool exact; /* steps of decoding taken at once: by the decode threads, and each token's results are to the bit those
                   of a call of its own; n_tokens is at most exact_tokens then */
};

/* Time of one op, the mean over the threads of the latest call: at work, and waiting for other threads before it could
 * begin or go on. */
struct ew_backend_time {
    double busy_s, wait_s;
};

/* Float rows that a product is about to meet. Valid during the call. */
struct ew_product_input {
    const struct ew_gguf_tensor *weight; /* a view of rows bears the name of the whole */
    uint32_t expert;                     /* which matrix of weight; 0 where it is one */
    const float *rows;                   /* n_rows of weight->ne[0], `stride` floats apart */
    size_t stride;
    uint32_t n_rows;
};

/* Whoever wants to see them; called by one thread at a time, in the order of the plan, and must not change anything.
 * Views of one tensor that share their input are told once; the head's input only where logits are wanted. */
struct ew_product_observer {
    void (*take)(void *context, const struct ew_product_input *input);
    void *context;
};

struct ew_backend;

struct ew_backend_interface {
    const char *name; /* "cpu" */
    /* The plan and its file outlive the backend. Allocates everything that running needs and touches it once. */
    enum ew_status (*open)(const struct ew_plan *plan, const struct ew_gguf *gguf,
                           const struct ew_backend_params *params, struct ew_backend **out, struct ew_error *err);
    void (*close)(struct ew_backend **backend);
    enum ew_status (*run)(struct ew_backend *backend, const struct ew_backend_call *call, struct ew_error *err);
    /* How many tokens an exact call may have, 1 … request.n_batch: 1 where kernels for one token take no more. */
    uint32_t (*exact_tokens)(const struct ew_plan *plan, const struct ew_backend_params *params);
    /* Begins to time ops, all figures at 0. Until then it costs nothing. Errors: MEMORY. */
    enum ew_status (*time_ops)(struct ew_backend *backend, struct ew_error *err);
    /* out: [plan->n_ops] since time_ops. */
    void (*op_times)(const struct ew_backend *backend, struct ew_backend_time *out);
    /* From now on the observer sees the input of every product; one without `take` ends that. Until then it costs
     * nothing. NULL: the backend has no floats to show. */
    void (*observe)(struct ew_backend *backend, struct ew_product_observer observer);
    /* Names of the kernels in use, separated by spaces; lives as long as the backend. */
    const char *(*kernels)(const struct ew_backend *backend);
    /* The terms of the memory ledger that this backend adds; exactly what open would take. */
    enum ew_status (*predict)(const struct ew_plan *plan, const struct ew_gguf *gguf,
                              const struct ew_backend_params *params, struct ew_memory_ledger *out,
                              struct ew_error *err);
    /* Where the matrices are; lives as long as the backend. */
    const struct ew_weights_choice *(*weights)(const struct ew_backend *backend);
    /* Where open would put them. */
    enum ew_status (*choose_weights)(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                     const struct ew_backend_params *params, struct ew_weights_choice *out,
                                     struct ew_error *err);
    /* Compares the side file that open would use with its checksums. */
    enum ew_status (*verify_side_file)(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                       const struct ew_backend_params *params, struct ew_error *err);
};

extern const struct ew_backend_interface ew_backend_cpu;

#endif
