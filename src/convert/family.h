/* Families: one small file each says how the tensors and numbers of an architecture in a Hugging Face folder become
 * those of a GGUF file. A family is data where it can be: a list of rules for tensors, defaults, and a function for
 * what else its metadata needs.
 * Sources: the modelling code of transformers (names and layouts there), GGUF files of each architecture (names and
 * layouts here). */
#ifndef EW_CONVERT_FAMILY_H
#define EW_CONVERT_FAMILY_H

#include "convert/hf_config.h"
#include "gguf/gguf_write.h"

/* A number of the configuration, as the extent of a tensor. */
enum ew_extent {
    EW_NONE, /* no such dimension */
    EW_EMBD,
    EW_VOCAB,
    EW_CONTEXT,
    EW_FF,
    EW_TWO_FF,
    EW_FF_EXPERT,
    EW_HEAD,
    EW_HEAD_KV,
    EW_HEAD_DIM,
    EW_Q,   /* heads times head */
    EW_KV,  /* KV heads times head */
    EW_QKV, /* EW_Q + 2 EW_KV */
    EW_EXPERT,
    EW_THREE_EMBD,
    EW_CONV_TAPS
};

/* Which stored row becomes which row of the output. */
enum ew_row_order {
    EW_ROWS_STORED,
    /* Files store each head's first half, then its second; GGUF's "normal" rotation takes adjacent pairs. */
    EW_ROWS_PAIRED,
    EW_ROWS_COLUMNS,   /* stored [in][out]: rows of the output are columns */
    EW_ROWS_NEOX_QKV,  /* stored head by head, q k v in each: all q first, then k, then v */
    EW_ROWS_GROUPED_Q, /* stored KV head by KV head: its query heads, k, v; this takes q, and pairs */
    EW_ROWS_GROUPED_K, /* … k, and pairs */
    EW_ROWS_GROUPED_V  /* … v */
};

enum ew_rule_flags {
    EW_RULE_MODEL = 1,    /* once in a model, not once a layer */
    EW_RULE_SERIAL = 2,   /* not where the feed-forward runs beside attention */
    EW_RULE_ADD_ONE = 4,  /* stored less 1 */
    EW_RULE_KEEP_F32 = 8, /* small and sensitive: F32 whatever is asked for */
    EW_RULE_OUTPUT = 16,  /* the output matrix: stands outside the model's prefix, left out where it is the embedding */
    EW_RULE_EMBEDDING = 32, /* where tied, the file may hold it under the output matrix's name alone */
    EW_RULE_ATTENTION = 64, /* in layers with attention only */
    EW_RULE_CONV = 128,     /* in layers without */
    EW_RULE_QK_NORM = 256   /* where q and k are normed */
};

/* "NAME.weight", and "NAME.bias" where the file has it: in all layers or in none. */
struct ew_tensor_rule {
    const char *from; /* within the model or a layer; several separated by '|' are put one after the other */
    const char *to;
    enum ew_extent out, in; /* [out][in]; in EW_NONE: a vector */
    enum ew_row_order order;
    unsigned flags;
    enum ew_extent many; /* not EW_NONE: so many, numbered in place of '%' in from; stacked */
};

/* Where a checkpoint keeps the model's tensors: several layouts of one family. */
struct ew_name_root {
    const char *model; /* before rules with EW_RULE_MODEL and before layers */
    const char *outer; /* before the output matrix */
};

struct ew_family {
    const char *arch;        /* general.architecture */
    const char *model_types; /* values of config.json's model_type, each followed by a space */
    const char *activations; /* values of hidden_act that the architecture stands for, each followed by a space */
    struct ew_name_root roots[4];
    const char *layers; /* "layers." */
    const struct ew_tensor_rule *rules;
    size_t n_rules;
    const char *const *ignored; /* name patterns of what carries no weights, '*' at one end; NULL at the end */
    struct ew_hf_defaults defaults;
    bool layer_norm; /* norms with mean and bias; otherwise RMS */
    bool no_rope;    /* positions are embedded */
    bool pads_ffn;   /* the feed-forward grows to a multiple of 32 by zeros, which change nothing behind its gate */
    /* May be NULL. Checks what the architecture cannot express, and completes the numbers. Errors: UNSUPPORTED, … */
    enum ew_status (*check)(struct ew_hf_config *config, struct ew_error *err);
    /* May be NULL. Adds keys beyond the common ones; `key` is "ARCH." for ew_family_put_*. */
    enum ew_status (*put)(const struct ew_hf_config *config, struct ew_gguf_writer *writer, struct ew_error *err);
};

/* The family of a model_type, NULL when none knows it; the i-th family, NULL at the end. */
const struct ew_family *ew_family_find(const char *model_type);
const struct ew_family *ew_family_at(size_t i);

/* Width of the feed-forward in the output. */
uint32_t ew_family_ffn_width(const struct ew_family *family, const struct ew_hf_config *config);

/* Keys that every architecture has. Errors: UNSUPPORTED (scaling of positions). */
enum ew_status ew_family_put_common(const struct ew_family *family, const struct ew_hf_config *config,
                                    struct ew_gguf_writer *writer, struct ew_error *err);

/* A key below the architecture, as in "gemma2." "attention.sliding_window". */
void ew_family_put_u32(struct ew_gguf_writer *writer, const char *arch, const char *key, uint32_t value);
void ew_family_put_f32(struct ew_gguf_writer *writer, const char *arch, const char *key, double value);
void ew_family_put_bool(struct ew_gguf_writer *writer, const char *arch, const char *key, bool value);

/* Puts config.json's number, where it is there and not 0, under the key. FORMAT as ew_hf_config_number. */
enum ew_status ew_family_copy_u32(const struct ew_hf_config *config, const char *names, struct ew_gguf_writer *writer,
                                  const char *arch, const char *key, struct ew_error *err);
enum ew_status ew_family_copy_f32(const struct ew_hf_config *config, const char *names, struct ew_gguf_writer *writer,
                                  const char *arch, const char *key, struct ew_error *err);

extern const struct ew_family ew_family_llama, ew_family_mixtral, ew_family_granite, ew_family_smollm3, ew_family_qwen2,
    ew_family_qwen3, ew_family_qwen3moe, ew_family_gemma, ew_family_gemma2, ew_family_gemma3, ew_family_phi2,
    ew_family_phi3, ew_family_gptneox, ew_family_gpt2, ew_family_starcoder2, ew_family_internlm2, ew_family_stablelm,
    ew_family_olmo2, ew_family_lfm2;
/* llama2.c's own files: the numbers of a header instead of a config.json. */
extern const struct ew_family ew_family_llama2c;

/* Rules in short, and those that several families share: attention's four matrices, a gated feed-forward (under Meta's
 * own names, too), the two ends of a model. */
#define EW_MATRIX(from_name, to_name, rows, columns, row_order, rule_flags)                                            \
    {                                                                                                                  \
        .from = (from_name), .to = (to_name), .out = (rows), .in = (columns), .order = (row_order),                    \
        .flags = (rule_flags)                                                                                          \
    }
#define EW_VECTOR(from_name, to_name, rows, rule_flags)                                                                \
    { .from = (from_name), .to = (to_name), .out = (rows), .flags = (rule_flags) }
#define EW_RULES_GATED_FFN                                                                                             \
    EW_MATRIX("mlp.gate_proj", "ffn_gate", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),                                         \
        EW_MATRIX("mlp.up_proj", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),                                         \
        EW_MATRIX("mlp.down_proj", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0)
#define EW_RULES_META_FFN                                                                                              \
    EW_MATRIX("feed_forward.w1", "ffn_gate", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),                                       \
        EW_MATRIX("feed_forward.w3", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),                                     \
        EW_MATRIX("feed_forward.w2", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0)
#define EW_RULES_ATTENTION(row_order)                                                                                  \
    EW_MATRIX("self_attn.q_proj", "attn_q", EW_Q, EW_EMBD, row_order, 0),                                              \
        EW_MATRIX("self_attn.k_proj", "attn_k", EW_KV, EW_EMBD, row_order, 0),                                         \
        EW_MATRIX("self_attn.v_proj", "attn_v", EW_KV, EW_EMBD, EW_ROWS_STORED, 0),                                    \
        EW_MATRIX("self_attn.o_proj", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0)
#define EW_RULES_NORM_BEFORE                                                                                           \
    EW_VECTOR("input_layernorm", "attn_norm", EW_EMBD, 0), EW_VECTOR("post_attention_layernorm", "ffn_norm", EW_EMBD, 0)
#define EW_RULES_ENDS(norm, norm_flags)                                                                                \
    EW_MATRIX("embed_tokens", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_EMBEDDING),     \
        EW_VECTOR(norm, "output_norm", EW_EMBD, EW_RULE_MODEL | (norm_flags)),                                         \
        EW_MATRIX("lm_head", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT)
#define EW_RULES(list) .rules = (list), .n_rules = sizeof(list) / sizeof *(list)

#endif
