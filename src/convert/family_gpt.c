/* The GPT line: GPT-2 (embedded positions, matrices stored transposed), GPT-NeoX and Pythia (q, k, v head by head),
 * StarCoder2. All have layer norms with biases and a feed-forward without gate. */
#include "convert/family.h"

#include "base/error.h"

static const struct ew_tensor_rule gpt2[] = {
    EW_MATRIX("wte", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_EMBEDDING),
    EW_MATRIX("wpe", "position_embd", EW_CONTEXT, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_KEEP_F32),
    EW_VECTOR("ln_f", "output_norm", EW_EMBD, EW_RULE_MODEL),
    EW_MATRIX("lm_head", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT),
    EW_VECTOR("ln_1", "attn_norm", EW_EMBD, 0),
    EW_MATRIX("attn.c_attn", "attn_qkv", EW_QKV, EW_EMBD, EW_ROWS_COLUMNS, 0),
    EW_MATRIX("attn.c_proj", "attn_output", EW_EMBD, EW_Q, EW_ROWS_COLUMNS, 0),
    EW_VECTOR("ln_2", "ffn_norm", EW_EMBD, 0),
    EW_MATRIX("mlp.c_fc", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_COLUMNS, 0),
    EW_MATRIX("mlp.c_proj", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_COLUMNS, 0),
};

static const char *const masks[] = {
    "*.attn.bias", "*.attn.masked_bias", "*.attention.bias", "*.attention.masked_bias", "*.rotary_emb.inv_freq", NULL};

static enum ew_status check_gpt2(struct ew_hf_config *c, struct ew_error *err) {
    if (json_is_true(json_object_get(c->root, "scale_attn_by_inverse_layer_idx")))
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: scale_attn_by_inverse_layer_idx: GGUF's gpt2 has no such scaling", c->path);
    return EW_OK;
}

const struct ew_family ew_family_gpt2 = {
    .arch = "gpt2",
    .model_types = "gpt2 ",
    .activations = "gelu_new gelu_pytorch_tanh ",
    .roots = {{"transformer.", ""}, {"", ""}},
    .layers = "h.",
    EW_RULES(gpt2),
    .ignored = masks,
    .defaults = {.n_ctx = 1024, .n_vocab = 50257, .norm_eps = 1e-5, .rope_base = 10000},
    .layer_norm = true,
    .no_rope = true,
    .check = check_gpt2,
};

/* ---- GPT-NeoX ---- */

static const struct ew_tensor_rule gptneox[] = {
    EW_MATRIX("embed_in", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL),
    EW_VECTOR("final_layer_norm", "output_norm", EW_EMBD, EW_RULE_MODEL),
    EW_MATRIX("embed_out", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT),
    EW_RULES_NORM_BEFORE,
    EW_MATRIX("attention.query_key_value", "attn_qkv", EW_QKV, EW_EMBD, EW_ROWS_NEOX_QKV, 0),
    EW_MATRIX("attention.dense", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.dense_h_to_4h", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.dense_4h_to_h", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0),
};

static enum ew_status put_gptneox(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    (void)err;
    ew_family_put_bool(writer, "gptneox", "use_parallel_residual",
                       !json_is_false(json_object_get(c->root, "use_parallel_residual")));
    return EW_OK;
}

const struct ew_family ew_family_gptneox = {
    .arch = "gptneox",
    .model_types = "gpt_neox ",
    .activations = "gelu gelu_new gelu_fast gelu_pytorch_tanh ",
    .roots = {{"gpt_neox.", ""}},
    .layers = "layers.",
    EW_RULES(gptneox),
    .ignored = masks,
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-5, .rope_base = 10000, .rotary_share = 0.25},
    .layer_norm = true,
    .put = put_gptneox,
};

/* ---- StarCoder2 ---- */

static const struct ew_tensor_rule starcoder2[] = {
    EW_RULES_ENDS("norm", 0),
    EW_RULES_NORM_BEFORE,
    EW_RULES_ATTENTION(EW_ROWS_STORED),
    EW_MATRIX("mlp.c_fc", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.c_proj", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0),
};

const struct ew_family ew_family_starcoder2 = {
    .arch = "starcoder2",
    .model_types = "starcoder2 ",
    .activations = "gelu_new gelu_pytorch_tanh ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(starcoder2),
    .defaults = {.n_head_kv = 2, .n_ctx = 4096, .norm_eps = 1e-5, .rope_base = 10000},
    .layer_norm = true,
};
