/* Qwen2 and Qwen2.5 (biases on q, k, v), Qwen3 (norms of q and k per head) and its mixture of experts. GGUF rotates
 * halves, as the files do. Refuses mixtures with dense layers between, or whose router's weights are not normalised:
 * GGUF's qwen3moe stands for neither. */
#include "convert/family.h"

#include "base/error.h"
#include "convert/folder_json.h"

static const struct ew_tensor_rule qwen2[] = {EW_RULES_ENDS("norm", 0), EW_RULES_NORM_BEFORE,
                                              EW_RULES_ATTENTION(EW_ROWS_STORED), EW_RULES_GATED_FFN};

static const struct ew_tensor_rule qwen3[] = {EW_RULES_ENDS("norm", 0),
                                              EW_RULES_NORM_BEFORE,
                                              EW_RULES_ATTENTION(EW_ROWS_STORED),
                                              EW_VECTOR("self_attn.q_norm", "attn_q_norm", EW_HEAD_DIM, 0),
                                              EW_VECTOR("self_attn.k_norm", "attn_k_norm", EW_HEAD_DIM, 0),
                                              EW_RULES_GATED_FFN};

static const struct ew_tensor_rule qwen3moe[] = {
    EW_RULES_ENDS("norm", 0),
    EW_RULES_NORM_BEFORE,
    EW_RULES_ATTENTION(EW_ROWS_STORED),
    EW_VECTOR("self_attn.q_norm", "attn_q_norm", EW_HEAD_DIM, 0),
    EW_VECTOR("self_attn.k_norm", "attn_k_norm", EW_HEAD_DIM, 0),
    EW_MATRIX("mlp.gate", "ffn_gate_inp", EW_EXPERT, EW_EMBD, EW_ROWS_STORED, EW_RULE_KEEP_F32),
    {"mlp.experts.%.gate_proj", "ffn_gate_exps", EW_FF_EXPERT, EW_EMBD, EW_ROWS_STORED, 0, EW_EXPERT},
    {"mlp.experts.%.down_proj", "ffn_down_exps", EW_EMBD, EW_FF_EXPERT, EW_ROWS_STORED, 0, EW_EXPERT},
    {"mlp.experts.%.up_proj", "ffn_up_exps", EW_FF_EXPERT, EW_EMBD, EW_ROWS_STORED, 0, EW_EXPERT},
};

const struct ew_family ew_family_qwen2 = {
    .arch = "qwen2",
    .model_types = "qwen2 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(qwen2),
    .defaults = {.n_ctx = 32768, .norm_eps = 1e-6, .rope_base = 10000},
};

const struct ew_family ew_family_qwen3 = {
    .arch = "qwen3",
    .model_types = "qwen3 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(qwen3),
    .defaults = {.head_dim = 128, .n_ctx = 32768, .norm_eps = 1e-6, .rope_base = 10000},
};

static enum ew_status check_moe(struct ew_hf_config *c, struct ew_error *err) {
    double step = 1;
    if (c->n_expert == 0) return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: num_experts is missing", c->path);
    enum ew_status status = ew_hf_config_number(c, "decoder_sparse_step", 1, &step, err);
    if (status != EW_OK) return status;
    if (step != 1 || json_array_size(json_object_get(c->root, "mlp_only_layers")) > 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: some layers have no experts, which GGUF's qwen3moe cannot say", c->path);
    if (!json_is_true(json_object_get(c->root, "norm_topk_prob")))
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: norm_topk_prob is not true, which GGUF's qwen3moe stands for",
                            c->path);
    return EW_OK;
}

static enum ew_status put_moe(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    (void)err;
    ew_family_put_u32(writer, "qwen3moe", "expert_feed_forward_length", c->n_ff_expert);
    return EW_OK;
}

const struct ew_family ew_family_qwen3moe = {
    .arch = "qwen3moe",
    .model_types = "qwen3_moe ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(qwen3moe),
    .defaults = {.head_dim = 128, .n_ctx = 32768, .norm_eps = 1e-6, .rope_base = 10000},
    .check = check_moe,
    .put = put_moe,
};
