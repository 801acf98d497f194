/* The ledger: what a plan will take, to the byte, before anything is allocated. The CPU backend allocates with the
 * very numbers of struct ew_plan_memory, so prediction and allocation cannot drift apart. */
#ifndef EW_PLAN_LEDGER_H
#define EW_PLAN_LEDGER_H

#include "edgewise/session.h"
#include "kernel/matmul.h"
#include "plan/plan.h"

/* Tensor types of keys and values in the cache. */
struct ew_kv_types {
    enum ew_type k, v;
};

/* What a session asks of a plan. */
struct ew_plan_request {
    uint32_t n_ctx;       /* positions of the KV cache */
    uint32_t n_batch;     /* most tokens in flight */
    uint32_t max_threads; /* the larger of the prefill and decode counts */
    enum ew_weights_layout layout;
    bool side_file; /* packed matrices are mapped from one */
    struct ew_kv_types kv;
};

struct ew_plan_memory {
    size_t weights_mapped_bytes; /* matrices used in place */
    size_t weights_packed_bytes; /* matrices in R16 layout, each rounded up to 64 bytes */
    size_t weights_side_bytes;   /* the same where they are mapped from a side file */
    size_t vectors_bytes;        /* copies of norm weights and biases, each rounded up to 64 bytes */
    size_t kv_bytes;
    size_t state_bytes;   /* what convolutions remember, each rounded up to 64 bytes */
    size_t routing_bytes; /* which experts the tokens in flight have chosen */
    size_t buffers_bytes; /* activations of n_batch tokens */
    size_t logits_bytes;
    size_t act_bytes[EW_ACT_KINDS];     /* prepared activations, per kind in use */
    size_t own_act_bytes[EW_ACT_KINDS]; /* per thread: the same for a single token */
    size_t own_row_bytes;               /* per thread: a single token's norm */
    size_t attention_scratch_bytes;     /* per thread */
    size_t attention_parts_bytes; /* what the chunks of a full context leave of a single token, before they are one */
    size_t matmul_scratch_bytes;  /* per thread */
    size_t row_bytes;             /* per thread: one embedding row as stored and as floats */
};

/* Whether a matrix goes into the packed layout under a request. */
bool ew_plan_packs(const struct ew_kernels *kernels, enum ew_weights_layout layout,
                   const struct ew_gguf_tensor *tensor);

/* Errors: LIMIT when a size does not fit this machine's size_t, or the context goes beyond the plan's positions;
 * UNSUPPORTED when heads do not divide into the blocks of a type of the cache. */
enum ew_status ew_plan_sum_memory(const struct ew_plan *plan, const struct ew_kernels *kernels,
                                  const struct ew_plan_request *request, struct ew_plan_memory *out,
                                  struct ew_error *err);

/* Tokens that one pass over the head's matrix serves at most, and therefore one call that is exact (backend.h). */
enum { EW_PLAN_HEAD_TOKENS = EW_FEW_TOKENS };

/* Query rows times tokens that one attention call handles: bounds its scratch. */
enum { EW_PLAN_ATTENTION_TOKENS = 64 };

/* Positions a cache of n_ctx tokens is allocated for: rounded up so that rows stay aligned. */
uint32_t ew_plan_kv_positions(uint32_t n_ctx);

/* Bytes of the K (or V) cache of a CACHE op: [n_head_kv][positions][head_dim] of a type. A multiple of 64. */
size_t ew_plan_kv_layer_bytes(const struct ew_op *cache, enum ew_type type, uint32_t n_ctx);

/* Bytes that a CONV op keeps: [taps - 1][width] f32. */
size_t ew_plan_state_bytes(const struct ew_op *conv);

/* Floats of an op's vector weight i (bias or not). */
size_t ew_plan_vector_floats(const struct ew_gguf_tensor *vector);

#endif
