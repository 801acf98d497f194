/* Llama and what shares its layout: Llama 1-3, Mistral, TinyLlama, SmolLM2 and Mixtral ("llama"), Granite, SmolLM3.
 * GGUF rotates adjacent pairs in all of them, so rows of q and k are re-ordered. Refuses SmolLM3 with another pattern
 * of layers without rotation than the architecture has. */
#include "convert/family.h"

#include "base/error.h"

static const char *const ignored[] = {"*.rotary_emb.inv_freq", NULL};

static const struct ew_tensor_rule dense[] = {EW_RULES_ENDS("norm", 0), EW_RULES_NORM_BEFORE,
                                              EW_RULES_ATTENTION(EW_ROWS_PAIRED), EW_RULES_GATED_FFN};

static const struct ew_tensor_rule mixture[] = {
    EW_RULES_ENDS("norm", 0),
    EW_RULES_NORM_BEFORE,
    EW_RULES_ATTENTION(EW_ROWS_PAIRED),
    EW_MATRIX("block_sparse_moe.gate", "ffn_gate_inp", EW_EXPERT, EW_EMBD, EW_ROWS_STORED, EW_RULE_KEEP_F32),
    {"block_sparse_moe.experts.%.w1", "ffn_gate_exps", EW_FF, EW_EMBD, EW_ROWS_STORED, 0, EW_EXPERT},
    {"block_sparse_moe.experts.%.w2", "ffn_down_exps", EW_EMBD, EW_FF, EW_ROWS_STORED, 0, EW_EXPERT},
    {"block_sparse_moe.experts.%.w3", "ffn_up_exps", EW_FF, EW_EMBD, EW_ROWS_STORED, 0, EW_EXPERT},
};

const struct ew_family ew_family_llama = {
    .arch = "llama",
    .model_types = "llama mistral ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(dense),
    .ignored = ignored,
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-6, .rope_base = 10000},
};

static enum ew_status check_mixtral(struct ew_hf_config *c, struct ew_error *err) {
    if (c->n_expert > 0) return EW_OK;
    return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: num_local_experts is missing", c->path);
}

const struct ew_family ew_family_mixtral = {
    .arch = "llama",
    .model_types = "mixtral ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(mixture),
    .ignored = ignored,
    .defaults = {.n_ctx = 131072, .norm_eps = 1e-5, .rope_base = 1e6},
    .check = check_mixtral,
};

/* ---- Granite: four factors ---- */

static enum ew_status put_granite(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    static const char *const keys[][2] = {{"attention_multiplier", "attention.scale"},
                                          {"embedding_multiplier", "embedding_scale"},
                                          {"residual_multiplier", "residual_scale"},
                                          {"logits_scaling", "logit_scale"}};
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && status == EW_OK; i++)
        status = ew_family_copy_f32(c, keys[i][0], writer, "granite", keys[i][1], err);
    return status;
}

const struct ew_family ew_family_granite = {
    .arch = "granite",
    .model_types = "granite ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(dense),
    .ignored = ignored,
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-6, .rope_base = 10000},
    .put = put_granite,
};

/* ---- SmolLM3: every fourth layer goes without rotation ---- */

static enum ew_status check_smollm3(struct ew_hf_config *c, struct ew_error *err) {
    const json_t *layers = json_object_get(c->root, "no_rope_layers");
    for (uint32_t i = 0; json_is_array(layers) && i < c->n_layer; i++) {
        bool rotates = json_real_value(json_array_get(layers, i)) != 0;
        if (rotates != ((i + 1) % 4 != 0))
            return ew_error_set(err, EW_ERR_UNSUPPORTED,
                                "%s: no_rope_layers[%u]: %d; GGUF's smollm3 stands for every fourth layer without "
                                "rotation",
                                c->path, i, (int)rotates);
    }
    double interval = 4;
    enum ew_status status = ew_hf_config_number(c, "no_rope_layer_interval", 4, &interval, err);
    if (status != EW_OK || json_is_array(layers) || interval == 4) return status;
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: no_rope_layer_interval: %g (4 can be converted)", c->path,
                        interval);
}

const struct ew_family ew_family_smollm3 = {
    .arch = "smollm3",
    .model_types = "smollm3 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(dense),
    .ignored = ignored,
    .defaults = {.n_head = 16, .n_head_kv = 4, .n_ctx = 32768, .n_vocab = 128256, .norm_eps = 1e-6, .rope_base = 2e6},
    .check = check_smollm3,
};

/* ---- llama2.c: Meta's names, pairs adjacent as they are ---- */

static const struct ew_tensor_rule llama2c[] = {
    EW_MATRIX("tok_embeddings", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL),
    EW_VECTOR("norm", "output_norm", EW_EMBD, EW_RULE_MODEL),
    EW_MATRIX("output", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT),
    EW_VECTOR("attention_norm", "attn_norm", EW_EMBD, 0),
    EW_MATRIX("attention.wq", "attn_q", EW_Q, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("attention.wk", "attn_k", EW_KV, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("attention.wv", "attn_v", EW_KV, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("attention.wo", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0),
    EW_VECTOR("ffn_norm", "ffn_norm", EW_EMBD, 0),
    EW_RULES_META_FFN,
};

/* llama2.c's small models have odd widths (172), which blocks of 32 and fast kernels do not fit. */
const struct ew_family ew_family_llama2c = {
    .arch = "llama",
    .model_types = "",
    .activations = "",
    .roots = {{"", ""}},
    .layers = "layers.",
    EW_RULES(llama2c),
    .pads_ffn = true,
};
