/* Hyper-parameters of a model as its file states them, checked for sense. */
#ifndef EW_MODEL_CONFIG_H
#define EW_MODEL_CONFIG_H

#include "gguf/gguf_read.h"

enum { EW_ARCH_NAME_SIZE = 32, EW_MAX_LAYERS = 1024 };

/* What may differ from layer to layer. */
struct ew_layer_config {
    uint32_t n_head, n_head_kv, n_ff; /* n_head_kv 0: no attention here */
    bool local;                       /* attends within the window; only where the file lists it */
};

enum ew_rope_scaling { EW_ROPE_SCALING_NONE, EW_ROPE_SCALING_LINEAR, EW_ROPE_SCALING_YARN, EW_ROPE_SCALING_LONG };

struct ew_config {
    char arch[EW_ARCH_NAME_SIZE];
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train; /* heads, n_ff: the most */
    uint32_t n_rot;
    double norm_eps;
    bool parallel_residual;

    uint32_t n_expert; /* 0 = dense */
    uint32_t n_expert_used, n_ff_expert;

    uint32_t window;         /* positions that local layers see; 0 = all */
    uint32_t window_pattern; /* every so many layers one sees all; 0 = not said */
    bool lists_local;        /* layers[].local is said */
    uint32_t n_taps;         /* of short convolutions; 0 = none */

    /* 0 = not said */
    double attention_scale, attention_soft_cap, final_soft_cap, embedding_scale, residual_scale, logit_scale;

    double rope_base;
    enum ew_rope_scaling rope_scaling;
    double rope_factor;          /* by which contexts grow; 1 = no scaling */
    uint32_t rope_original;      /* context before scaling */
    double rope_attention;       /* YaRN, long: what cos and sin are multiplied with; 0 = not said */
    double rope_fast, rope_slow; /* YaRN: turns within the original context that bound the blend */

    struct ew_layer_config layers[EW_MAX_LAYERS];
};

/* Reads <arch>.* keys. Optional keys get the defaults of the GGUF specification (head_count_kv = head_count,
 * rope.freq_base = 10000, …). Every value is bounded so that later products cannot overflow 64 bits.
 * Errors: NOT_FOUND (key), FORMAT (value out of range), UNSUPPORTED (rope scaling, values of another width). */
enum ew_status ew_config_read(const struct ew_gguf *gguf, struct ew_config *out, struct ew_error *err);

/* Whether a layer attends within the window: as the file lists it, or all but the last of every `pattern` layers, the
 * file's pattern or else the one given. */
bool ew_config_is_local(const struct ew_config *config, uint32_t layer, uint32_t pattern);

#endif
