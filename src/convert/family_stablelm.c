/* StableLM: layer norms with biases, partial rotation of halves; the 12B has a norm for each head of q and k, and no
 * norm before the feed-forward, which then runs beside attention. */
#include "convert/family.h"

static const struct ew_tensor_rule stablelm[] = {
    EW_RULES_ENDS("norm", 0),
    EW_VECTOR("input_layernorm", "attn_norm", EW_EMBD, 0),
    EW_VECTOR("post_attention_layernorm", "ffn_norm", EW_EMBD, EW_RULE_SERIAL),
    EW_RULES_ATTENTION(EW_ROWS_STORED),
    {"self_attn.q_layernorm.norms.%", "attn_q_norm", EW_HEAD_DIM, EW_NONE, EW_ROWS_STORED,
     EW_RULE_QK_NORM | EW_RULE_KEEP_F32, EW_HEAD},
    {"self_attn.k_layernorm.norms.%", "attn_k_norm", EW_HEAD_DIM, EW_NONE, EW_ROWS_STORED,
     EW_RULE_QK_NORM | EW_RULE_KEEP_F32, EW_HEAD_KV},
    EW_RULES_GATED_FFN,
};

static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};

static enum ew_status check(struct ew_hf_config *c, struct ew_error *err) {
    (void)err;
    c->is_parallel = json_is_true(json_object_get(c->root, "use_parallel_residual"));
    c->has_qk_norm = json_is_true(json_object_get(c->root, "qk_layernorm"));
    return EW_OK;
}

static enum ew_status put(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    (void)err;
    ew_family_put_bool(writer, "stablelm", "use_parallel_residual", c->is_parallel);
    return EW_OK;
}

const struct ew_family ew_family_stablelm = {
    .arch = "stablelm",
    .model_types = "stablelm stablelm_epoch ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(stablelm),
    .ignored = ignored,
    .defaults = {.n_ctx = 4096, .norm_eps = 1e-5, .rope_base = 10000, .rotary_share = 0.25},
    .layer_norm = true,
    .check = check,
    .put = put,
};
