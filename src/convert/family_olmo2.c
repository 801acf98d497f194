/* OLMo 2: norms after attention and feed-forward instead of before, and norms over the whole of q and of k. */
#include "convert/family.h"

static const struct ew_tensor_rule olmo2[] = {
    EW_RULES_ENDS("norm", 0),
    EW_RULES_ATTENTION(EW_ROWS_STORED),
    EW_VECTOR("self_attn.q_norm", "attn_q_norm", EW_Q, 0),
    EW_VECTOR("self_attn.k_norm", "attn_k_norm", EW_KV, 0),
    EW_VECTOR("post_attention_layernorm", "post_attention_norm", EW_EMBD, 0),
    EW_RULES_GATED_FFN,
    EW_VECTOR("post_feedforward_layernorm", "post_ffw_norm", EW_EMBD, 0),
};

const struct ew_family ew_family_olmo2 = {
    .arch = "olmo2",
    .model_types = "olmo2 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(olmo2),
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-5, .rope_base = 10000},
};
