/* The CPU backend's insides, shared by its files only. */
#ifndef EW_BACKEND_CPU_BACKEND_H
#define EW_BACKEND_CPU_BACKEND_H

#include "backend/backend.h"
#include "backend/cpu/side_file.h"
#include "base/thread_pool.h"
#include <stdatomic.h>

/* One mapped region of memory, handed out in 64-byte aligned pieces. */
struct ew_cpu_arena {
    uint8_t *base;
    size_t size;
    size_t used;
};

/* An op bound to memory: which matrices, which vectors. */
struct ew_cpu_op {
    const struct ew_op *op;
    struct ew_weight matrix[EW_OP_MAX_WEIGHTS]; /* EXPERTS: of the first expert, the others follow at expert_bytes */
    size_t expert_bytes[EW_OP_MAX_WEIGHTS];
    const float *vector; /* NORM, HEAD: norm weights; CONV: taps */
    const float *bias[EW_OP_MAX_WEIGHTS];
    uint8_t *k_cache, *v_cache;    /* CACHE, ATTENTION: [n_head_kv][positions][head_dim] of their types */
    float *state;                  /* CONV: [taps - 1][width], the oldest position first */
    uint32_t n_parts;              /* NORM, ROPE, CACHE: of a single token, parts that threads can share; at least 1 */
    const struct ew_op *gate;      /* MATMUL: the GATE that follows and is done with its rows; or NULL */
    bool done_before;              /* GATE: with the MATMUL before it, where ew_cpu_gates_rows says so */
    bool overwrites_input;         /* MATMUL: what the norms right before it read; others may be reading still */
    const struct ew_cpu_op *feeds; /* NORM, GATE: the MATMUL behind it, whose input it prepares row by row; or NULL */
    bool fed;                      /* MATMUL: by the op before it, unless there is a single token */
};

/* What one thread took for an op, over all calls since timing began. */
struct ew_cpu_op_time {
    int64_t busy_ns, wait_ns;
};

/* Which experts the tokens of a call have chosen: choices are numbered token by token, slots expert by expert, so that
 * the tokens of one expert lie side by side. Overwritten by each ROUTE. */
struct ew_cpu_routing {
    uint32_t *expert; /* [n_tokens * n_used] of a choice */
    float *weight;    /* [n_tokens * n_used] of a choice; they add up to 1 per token */
    uint32_t *slot;   /* [n_tokens * n_used] of a choice */
    uint32_t *token;  /* [n_tokens * n_used] of a slot */
    uint32_t *first;  /* [n_expert + 1] slot of an expert */
};

struct ew_backend {
    const struct ew_plan *plan;
    const struct ew_gguf *gguf;
    struct ew_backend_params params;
    struct ew_kernels kernels;
    struct ew_plan_memory memory;
    struct ew_thread_pool *pool;
    struct ew_packing packing; /* which matrices are packed, and where */
    struct ew_side_file side;  /* what they are mapped from; closed: they are packed into the arena of weights */
    struct ew_weights_choice weights_choice;
    struct ew_cpu_arena weights; /* packed matrices and vectors */
    struct ew_cpu_arena session; /* KV, buffers, scratch */
    struct ew_cpu_op *ops;       /* [plan->n_ops] */
    atomic_uint *next_chunk;     /* [plan->n_ops]: dynamic work distribution within a call */
    size_t buffer_offset[EW_BUF_COUNT];
    float *buffers;
    float *logits;
    void *act[EW_ACT_KINDS];
    struct ew_cpu_routing routing;
    float *attention_parts; /* of a single token: [n_head_kv][chunks][query heads][ew_attention_part_floats] */
    uint8_t *scratch;       /* per thread, scratch_stride apart: work space of kernels, then what is a thread's own */
    size_t scratch_stride, own_offset;
    struct ew_cpu_op_time *times; /* [request.max_threads][plan->n_ops]; NULL: not timed */
    uint32_t timed_threads;       /* of the latest timed call */
    struct ew_product_observer observer;
    int file; /* descriptor for embedding rows; -1 when the file is memory */
    char kernel_names[512];
};

/* A buffer's block for the tokens of a call. */
static inline float *ew_cpu_buffer(const struct ew_backend *b, enum ew_buffer id, uint32_t n_tokens) {
    return b->buffers + b->buffer_offset[id] * n_tokens;
}

/* cpu_backend.c: the kernels that params allow. */
void ew_cpu_choose_kernels(const struct ew_backend_params *params, struct ew_kernels *out);

/* cpu_layout.c: whether packed matrices come from a side file, which is written where params ask for it, and the words
 * for that. b has its packing, pool and file; sets params.request.side_file, side and weights_choice. */
enum ew_status ew_cpu_choose_layout(struct ew_backend *b, struct ew_error *err);
/* The same before anything is opened, and without writing. */
enum ew_status ew_cpu_foresee_layout(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                     const struct ew_backend_params *params, struct ew_weights_choice *out,
                                     struct ew_error *err);
enum ew_status ew_cpu_verify_side_file(const struct ew_plan *plan, const struct ew_gguf *gguf,
                                       const struct ew_backend_params *params, struct ew_error *err);

/* cpu_weights.c: binds every op's weights, and packs with all threads what no side file has. */
enum ew_status ew_cpu_bind_weights(struct ew_backend *b, struct ew_error *err);

/* cpu_join.c: what ops can do together or without waiting; after ew_cpu_bind_weights. */
void ew_cpu_join_ops(struct ew_backend *b);

/* cpu_timing.c: what struct ew_backend_interface says of time_ops and op_times. */
enum ew_status ew_cpu_time_ops(struct ew_backend *b, struct ew_error *err);
void ew_cpu_op_times(const struct ew_backend *b, struct ew_backend_time *out);

/* cpu_observe.c: what struct ew_backend_interface says of observe. */
void ew_cpu_observe(struct ew_backend *b, struct ew_product_observer observer);

/* cpu_touch.c: makes pages resident with all threads. write: for anonymous memory, which is zero before and after. */
struct ew_cpu_span {
    const uint8_t *data;
    size_t size;
};
void ew_cpu_touch(struct ew_backend *b, const struct ew_cpu_span *spans, size_t n, bool write);

/* cpu_ops.c: runs one call on the pool. */
enum ew_status ew_cpu_run(struct ew_backend *b, const struct ew_backend_call *call, struct ew_error *err);

/* A piece of an arena; the sizes were summed beforehand, so it always fits (asserted). */
void *ew_cpu_arena_take(struct ew_cpu_arena *arena, size_t size);
static inline size_t ew_cpu_align(size_t size) { return (size + 63) & ~(size_t)63; }

#endif
