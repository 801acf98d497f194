/* Sessions: one context (KV cache, scratch, threads) over a model.
 *
 * A session is used by one thread at a time. It allocates everything in ew_session_open and nothing while decoding. */
#ifndef EDGEWISE_SESSION_H
#define EDGEWISE_SESSION_H

#include "kernels.h"
#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum ew_weights_layout {
    EW_WEIGHTS_AUTO = 0, /* packed where that is faster, from a side file where one fits; mapped otherwise */
    EW_WEIGHTS_MAPPED,   /* use the file's bytes in place */
    EW_WEIGHTS_PACKED,   /* re-order into the kernels' layout while loading; no second copy */
    EW_WEIGHTS_SIDE_FILE /* as auto, but where no side file fits, one is written for this session and later ones */
};

/* How keys and values are kept. Q8_0 takes 8.5 bits instead of 16 and needs heads of a multiple of 32 values. */
enum ew_kv_type { EW_KV_F16 = 0, EW_KV_Q8_0, EW_KV_F32 };

struct ew_session_params {
    uint32_t n_ctx;           /* tokens the KV cache holds; 0 = the smaller of the trained context and 4096 */
    uint32_t n_batch;         /* most tokens evaluated at once while prefilling; 0 = 512 */
    uint32_t threads_prefill; /* 0 = all usable cores */
    uint32_t threads_decode;  /* 0 = those of all usable cores that are at least half as fast as the fastest */
    enum ew_weights_layout layout;
    const char *side_folder; /* where side files are; NULL: none is looked for. Read in ew_session_open alone */
    uint64_t cpu_mask;       /* CPU features that kernels may use, see --cpu-mask; 0 = all, bit 62 alone = plain C */
    uint32_t spin_us;        /* how long a waiting thread spins before it sleeps; 0 = default (200), or EW_SPIN_NONE */
    enum ew_kv_type kv_k, kv_v;
    uint32_t n_draft; /* most tokens to speculate on at once (edgewise/speculation.h): 1 … 15, always as many where the
                         context repeats itself; EW_DRAFT_AUTO: as many as pay, none where that loses; 0 = none */
    const struct ew_kernel_choices *kernels; /* kernels.h, for this cpu_mask; NULL: features decide. Read while
                                              * opening and predicting */
};

#define EW_SPIN_NONE UINT32_MAX /* sleep at once */
#define EW_DRAFT_AUTO UINT32_MAX

/* Memory in bytes, predicted before anything is allocated. Every field is part of total. */
struct ew_memory_ledger {
    uint64_t weights_mapped; /* file pages that a run touches: of the model file, and of a side file */
    uint64_t weights_packed; /* anonymous copies in the kernels' layout (their file pages are given back) */
    uint64_t kv_cache;
    uint64_t activations; /* plan buffers and logits */
    uint64_t scratch;     /* per-thread work space of the kernels */
    uint64_t tokenizer;
    uint64_t runtime; /* program, libraries, thread stacks: an estimate */
    uint64_t total;
};

/* Where the matrices of a session are, and why. */
struct ew_weights_choice {
    const char *where;     /* "mapped", "packed" or "side_file": a static string */
    uint64_t packed_bytes; /* matrices in the kernels' layout */
    uint64_t mapped_bytes; /* matrices used as the model file has them */
    char side_file[512];   /* its path; "" where none is used */
    char why[512];         /* one line for people */
    char note[512];        /* what stood in the way of a side file, one line; "" = nothing */
};

/* Types of the cache by name: "f16", "q8_0", "f32", or keys and values apart, "q8_0/f16". */
const char *ew_kv_name(enum ew_kv_type k, enum ew_kv_type v);
/* false: text is no such name, *k and *v are as before. */
bool ew_kv_by_name(const char *text, enum ew_kv_type *k, enum ew_kv_type *v);

struct ew_session;

/* Default parameters: all zero. */
struct ew_session_params ew_session_default_params(void);

/* What a session with these parameters will take. Allocates nothing that outlives the call. */
enum ew_status ew_session_predict_memory(const struct ew_model *model, const struct ew_session_params *params,
                                         struct ew_memory_ledger *out, struct ew_error *err);

/* What a session with these parameters would do with its matrices. Writes nothing. */
enum ew_status ew_session_choose_weights(const struct ew_model *model, const struct ew_session_params *params,
                                         struct ew_weights_choice *out, struct ew_error *err);

/* Compares the weights of the side file that such a session would use with their checksums; all threads, all bytes.
 * Errors: NOT_FOUND (none is there, or none is wanted), FORMAT (damaged), UNSUPPORTED (it does not fit). */
enum ew_status ew_session_verify_side_file(const struct ew_model *model, const struct ew_session_params *params,
                                           struct ew_error *err);

/* How long a context this machine has memory for now. */
struct ew_context_choice {
    uint32_t n_ctx, n_ctx_train;
    bool by_memory;        /* false: n_ctx is what the model was trained for */
    uint64_t needed_bytes; /* the ledger's total at n_ctx */
    uint64_t free_bytes;   /* what the system can give without swapping, the cgroup's limits respected */
    uint64_t spared_bytes; /* left to others: an eighth of free_bytes, 64 MiB at least and 1 GiB at most */
};

/* The longest context, at most the trained one, whose ledger fits into free_bytes - spared_bytes; in steps of 256
 * tokens. params: what else the session is opened with; n_ctx is not read. root: where /proc and /sys are looked for,
 * "" by default. Errors: LIMIT (not even one step fits), UNSUPPORTED (the system does not say what is free), and those
 * of ew_session_predict_memory. */
enum ew_status ew_session_choose_context(const struct ew_model *model, const struct ew_session_params *params,
                                         const char *root, struct ew_context_choice *out, struct ew_error *err);

/* params may be NULL (defaults). *out is owned by the caller: ew_session_close. Errors: ARGUMENT, MEMORY; UNSUPPORTED
 * where the model's heads do not fit the type of the KV cache, or n_draft is a number and it cannot speculate. */
enum ew_status ew_session_open(struct ew_model *model, const struct ew_session_params *params, struct ew_session **out,
                               struct ew_error *err);
void ew_session_close(struct ew_session **session);

/* Evaluates ids[0..n) after what the context already holds, in batches; afterwards ew_session_logits gives the row
 * after the last of them. n >= 1. Errors: ARGUMENT (id outside the vocabulary), LIMIT (context full; nothing done). */
enum ew_status ew_session_prefill(struct ew_session *session, const int32_t *ids, size_t n, struct ew_error *err);

/* Evaluates one token with the decode threads; where the session speculates, perhaps more tokens than that, which the
 * context does not hold until they are decoded, too. */
enum ew_status ew_session_decode(struct ew_session *session, int32_t id, struct ew_error *err);

/* As prefill, and writes the logits after every token: rows [n][n_vocab] f32, the caller's memory. */
enum ew_status ew_session_prefill_logits(struct ew_session *session, const int32_t *ids, size_t n, float *logits,
                                         struct ew_error *err);

/* n_vocab logits after the last evaluated token; NULL before the first. Valid until the next evaluation. */
const float *ew_session_logits(const struct ew_session *session);

uint32_t ew_session_n_past(const struct ew_session *session);
void ew_session_reset(struct ew_session *session); /* empties the context */

/* Keeps the first n_tokens of the context and forgets the rest, so that a prompt that begins as the last one did need
 * not be evaluated again. No logits until the next evaluation. Errors: ARGUMENT (more than there are),
 * UNSUPPORTED (a model with convolutions can only keep all or nothing); nothing done then. */
enum ew_status ew_session_rewind(struct ew_session *session, uint32_t n_tokens, struct ew_error *err);

/* Makes room: forgets n_discard tokens behind the first n_keep. ids: the n_past tokens that the context holds. What
 * stays behind the gap is evaluated again at its new positions, so the context is then what it were if it had never
 * held more, whatever the model. Needs n_keep + n_discard < n_past. Errors: ARGUMENT, and those of prefill. */
enum ew_status ew_session_shift(struct ew_session *session, const int32_t *ids, uint32_t n_keep, uint32_t n_discard,
                                struct ew_error *err);

/* Names of the kernels in use, e.g. "gemm_q4_0_avx512vnni gemv_q4_0_avx512vnni"; lives as long as the session. */
const char *ew_session_kernels(const struct ew_session *session);

/* Where the session's matrices are; lives as long as the session. */
const struct ew_weights_choice *ew_session_weights(const struct ew_session *session);

/* What the session was opened with, defaults resolved; without its kernels, which the caller has. */
struct ew_session_params ew_session_params_of(const struct ew_session *session);

struct ew_sampler_params {
    float temperature;    /* 0 = greedy */
    uint32_t top_k;       /* 0 = off */
    float top_p;          /* 1 = off */
    float min_p;          /* 0 = off */
    float repeat_penalty; /* 1 = off; applied to the last repeat_last tokens */
    uint32_t repeat_last;
    uint64_t seed;
};

struct ew_sampler;

struct ew_sampler_params ew_sampler_default_params(void); /* greedy */
enum ew_status ew_sampler_open(const struct ew_sampler_params *params, uint32_t n_vocab, struct ew_sampler **out,
                               struct ew_error *err);
void ew_sampler_close(struct ew_sampler **sampler);

/* Tells the sampler about a token in the context (prompt tokens; sampled ones are added by ew_sampler_sample). */
void ew_sampler_accept(struct ew_sampler *sampler, int32_t id);

/* Chooses the next token from n_vocab logits. The same seed, logits and history give the same token. */
int32_t ew_sampler_sample(struct ew_sampler *sampler, const float *logits);

#ifdef __cplusplus
}
#endif

#endif
