/* InternLM2: Llama with q, k, v of each KV head stored together. GGUF has them apart, with adjacent pairs rotated. */
#include "convert/family.h"

static const struct ew_tensor_rule internlm2[] = {
    EW_MATRIX("tok_embeddings", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_EMBEDDING),
    EW_VECTOR("norm", "output_norm", EW_EMBD, EW_RULE_MODEL),
    EW_MATRIX("output", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT),
    EW_VECTOR("attention_norm", "attn_norm", EW_EMBD, 0),
    EW_MATRIX("attention.wqkv", "attn_q", EW_Q, EW_EMBD, EW_ROWS_GROUPED_Q, 0),
    EW_MATRIX("attention.wqkv", "attn_k", EW_KV, EW_EMBD, EW_ROWS_GROUPED_K, 0),
    EW_MATRIX("attention.wqkv", "attn_v", EW_KV, EW_EMBD, EW_ROWS_GROUPED_V, 0),
    EW_MATRIX("attention.wo", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0),
    EW_VECTOR("ffn_norm", "ffn_norm", EW_EMBD, 0),
    EW_RULES_META_FFN,
};

static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};

const struct ew_family ew_family_internlm2 = {
    .arch = "internlm2",
    .model_types = "internlm2 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(internlm2),
    .ignored = ignored,
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-6, .rope_base = 10000},
};
