/* Backends: run plans on a device. One folder each; this is all that the engine knows of them. */
#ifndef EW_BACKEND_BACKEND_H
#define EW_BACKEND_BACKEND_H

#include "plan/ledger.h"

struct ew_backend_params {
    struct ew_plan_request request;
    uint32_t threads_prefill, threads_decode; /* 1 … request.max_threads */
    uint64_t cpu_features;                    /* bits that kernels may use */
    uint32_t spin_us;
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
};

struct ew_backend;

struct ew_backend_interface {
    const char *name; /* "cpu" */
    /* The plan and its file outlive the backend. Allocates everything that running needs and touches it once. */
    enum ew_status (*open)(const struct ew_plan *plan, const struct ew_gguf *gguf,
                           const struct ew_backend_params *params, struct ew_backend **out, struct ew_error *err);
    void (*close)(struct ew_backend **backend);
    enum ew_status (*run)(struct ew_backend *backend, const struct ew_backend_call *call, struct ew_error *err);
    /* Names of the kernels in use, separated by spaces; lives as long as the backend. */
    const char *(*kernels)(const struct ew_backend *backend);
    /* The terms of the memory ledger that this backend adds; exactly what open would take. */
    enum ew_status (*predict)(const struct ew_plan *plan, const struct ew_backend_params *params,
                              struct ew_memory_ledger *out, struct ew_error *err);
};

extern const struct ew_backend_interface ew_backend_cpu;

#endif
