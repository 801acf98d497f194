/* InternLM2: Llama with q, k, v of each KV head stored together. GGUF has them apart, with adjacent pairs rotated. */
#include "convert/family.h"

static const struct ew_tensor_rule internlm2[] = {
    {"tok_embeddings", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_EMBEDDING, EW_NONE},
    {"norm", "output_norm", EW_EMBD, EW_NONE, EW_ROWS_STORED, EW_RULE_MODEL, EW_NONE},
    {"output", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT, EW_NONE},
    {"attention_norm", "attn_norm", EW_EMBD, EW_NONE, EW_ROWS_STORED, 0, EW_NONE},
    {"attention.wqkv", "attn_q", EW_Q, EW_EMBD, EW_ROWS_GROUPED_Q, 0, EW_NONE},
    {"attention.wqkv", "attn_k", EW_KV, EW_EMBD, EW_ROWS_GROUPED_K, 0, EW_NONE},
    {"attention.wqkv", "attn_v", EW_KV, EW_EMBD, EW_ROWS_GROUPED_V, 0, EW_NONE},
    {"attention.wo", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0, EW_NONE},
    {"ffn_norm", "ffn_norm", EW_EMBD, EW_NONE, EW_ROWS_STORED, 0, EW_NONE},
    EW_RULES_META_FFN,
};

static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};

const struct ew_family ew_family_internlm2 = {
    .arch = "internlm2",
    .model_types = "internlm2 ",
    .activations = "silu ",
    .roots = EW_ROOTS_HF,
    .layers = "layers.",
    EW_RULES(internlm2),
    .ignored = ignored,
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-6, .rope_base = 10000},
};
