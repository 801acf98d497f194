/* Phi-2 (parallel residual, biases, partial rotation) and Phi-3 to Phi-4 mini (fused q/k/v and gate/up, long-context
 * factors). Phi-2's q, k, v become the one fused matrix that its GGUF files have had from the start. */
#include "convert/family.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <math.h>
#include <string.h>

static const struct ew_tensor_rule phi2[] = {
    EW_RULES_ENDS("final_layernorm", 0),
    EW_VECTOR("input_layernorm", "attn_norm", EW_EMBD, 0),
    EW_MATRIX("self_attn.q_proj|self_attn.k_proj|self_attn.v_proj", "attn_qkv", EW_QKV, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("self_attn.dense", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.fc1", "ffn_up", EW_FF, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.fc2", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0),
};

static enum ew_status check_phi2(struct ew_hf_config *c, struct ew_error *err) {
    if (!json_is_true(json_object_get(c->root, "qk_layernorm"))) return EW_OK;
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: qk_layernorm: GGUF's phi2 has no norms of q and k", c->path);
}

const struct ew_family ew_family_phi2 = {
    .arch = "phi2",
    .model_types = "phi ",
    .activations = "gelu_new gelu_pytorch_tanh ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(phi2),
    .defaults = {.n_ctx = 2048, .norm_eps = 1e-5, .rope_base = 10000, .rotary_share = 0.5},
    .layer_norm = true,
    .check = check_phi2,
};

/* ---- Phi-3 ---- */

static const struct ew_tensor_rule phi3[] = {
    EW_RULES_ENDS("norm", 0),
    EW_RULES_NORM_BEFORE,
    EW_MATRIX("self_attn.qkv_proj", "attn_qkv", EW_QKV, EW_EMBD, EW_ROWS_STORED, 0),
    EW_MATRIX("self_attn.o_proj", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, 0),
    EW_MATRIX("mlp.gate_up_proj", "ffn_up", EW_TWO_FF, EW_EMBD, EW_ROWS_STORED, 0), /* gate first, as GGUF wants it */
    EW_MATRIX("mlp.down_proj", "ffn_down", EW_EMBD, EW_FF, EW_ROWS_STORED, 0),
};

/* Attention's factor for contexts longer than the original: sqrt(1 + ln(scale) / ln(original)).
 * Source: LongRoPE as in transformers' rope initialisation (arXiv 2402.13753). */
static enum ew_status put_phi3(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    double original = c->n_ctx;
    const char *kind;
    const json_t *scaling = ew_hf_config_rope_scaling(c, &kind);
    enum ew_status status = ew_hf_config_number(c, "original_max_position_embeddings", c->n_ctx, &original, err);
    if (status != EW_OK) return status;
    const json_t *inside = json_object_get(scaling, "original_max_position_embeddings");
    if (json_is_real(inside)) original = json_real_value(inside);
    if (!(original > 1 && original <= UINT32_MAX))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: original_max_position_embeddings: %g is no context", c->path,
                            original);
    ew_family_put_u32(writer, "phi3", "rope.scaling.original_context_length", (uint32_t)original);
    if (strcmp(kind, "longrope") == 0 || strcmp(kind, "su") == 0) {
        double scale = c->n_ctx / original;
        const json_t *given = json_object_get(scaling, "attention_factor");
        double factor = scale > 1 ? sqrt(1 + log(scale) / log(original)) : 1;
        if (json_is_real(given)) factor = json_real_value(given);
        ew_family_put_f32(writer, "phi3", "rope.scaling.attn_factor", factor);
    }
    return ew_family_copy_u32(c, "sliding_window", writer, "phi3", "attention.sliding_window", err);
}

const struct ew_family ew_family_phi3 = {
    .arch = "phi3",
    .model_types = "phi3 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(phi3),
    .defaults = {.n_ctx = 4096, .norm_eps = 1e-5, .rope_base = 10000},
    .put = put_phi3,
};
