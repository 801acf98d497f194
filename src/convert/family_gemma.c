/* Gemma 1 to 3 (text). Norms are stored less 1; the embedding is the output matrix. Gemma 2 adds norms after each part
 * and soft caps, Gemma 3 norms of q and k and layers that look at a window. Vision towers are left out. */
#include "convert/family.h"

#include "base/error.h"
#include <math.h>

#define NORMS_AROUND                                                                                                   \
    EW_VECTOR("input_layernorm", "attn_norm", EW_EMBD, EW_RULE_ADD_ONE),                                               \
        EW_VECTOR("post_attention_layernorm", "post_attention_norm", EW_EMBD, EW_RULE_ADD_ONE),                        \
        EW_VECTOR("pre_feedforward_layernorm", "ffn_norm", EW_EMBD, EW_RULE_ADD_ONE),                                  \
        EW_VECTOR("post_feedforward_layernorm", "post_ffw_norm", EW_EMBD, EW_RULE_ADD_ONE)

static const struct ew_tensor_rule gemma[] = {
    EW_RULES_ENDS("norm", EW_RULE_ADD_ONE), EW_VECTOR("input_layernorm", "attn_norm", EW_EMBD, EW_RULE_ADD_ONE),
    EW_VECTOR("post_attention_layernorm", "ffn_norm", EW_EMBD, EW_RULE_ADD_ONE), EW_RULES_ATTENTION(EW_ROWS_STORED),
    EW_RULES_GATED_FFN};

static const struct ew_tensor_rule gemma2[] = {EW_RULES_ENDS("norm", EW_RULE_ADD_ONE), NORMS_AROUND,
                                               EW_RULES_ATTENTION(EW_ROWS_STORED), EW_RULES_GATED_FFN};

static const struct ew_tensor_rule gemma3[] = {
    EW_RULES_ENDS("norm", EW_RULE_ADD_ONE),
    NORMS_AROUND,
    EW_RULES_ATTENTION(EW_ROWS_STORED),
    EW_VECTOR("self_attn.q_norm", "attn_q_norm", EW_HEAD_DIM, EW_RULE_ADD_ONE),
    EW_VECTOR("self_attn.k_norm", "attn_k_norm", EW_HEAD_DIM, EW_RULE_ADD_ONE),
    EW_RULES_GATED_FFN};

const struct ew_family ew_family_gemma = {
    .arch = "gemma",
    .model_types = "gemma ",
    .activations = "gelu gelu_pytorch_tanh ", /* files say gelu; the model was trained with the tanh form */
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(gemma),
    .defaults = {.head_dim = 256, .n_ctx = 8192, .n_vocab = 256000, .norm_eps = 1e-6, .rope_base = 10000},
};

/* Readers take 1/sqrt(head) unless told otherwise. */
static enum ew_status put_scale(const struct ew_hf_config *c, const char *arch, struct ew_gguf_writer *writer,
                                struct ew_error *err) {
    double scalar = c->head_dim;
    enum ew_status status = ew_hf_config_number(c, "query_pre_attn_scalar", c->head_dim, &scalar, err);
    if (status == EW_OK && scalar <= 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: query_pre_attn_scalar: %g is not above 0", c->path, scalar);
    if (status == EW_OK && scalar != c->head_dim) ew_family_put_f32(writer, arch, "attention.scale", 1 / sqrt(scalar));
    return status;
}

static enum ew_status put_gemma2(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    static const char *const caps[] = {"attn_logit_softcapping", "final_logit_softcapping"};
    double attention = 50, final = 30, window = 4096;
    for (size_t i = 0; i < 2; i++) /* null takes the cap away; missing is the default */
        if (json_is_null(json_object_get(c->root, caps[i])))
            return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: %s: null; GGUF's gemma2 has that cap", c->path, caps[i]);
    enum ew_status status = ew_hf_config_number(c, caps[0], attention, &attention, err);
    if (status == EW_OK) status = ew_hf_config_number(c, caps[1], final, &final, err);
    if (status == EW_OK) status = ew_hf_config_number(c, "sliding_window", window, &window, err);
    if (status != EW_OK) return status;
    if (!(window >= 1 && window <= UINT32_MAX))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: sliding_window: %g is no number of tokens", c->path, window);
    ew_family_put_f32(writer, "gemma2", "attn_logit_softcapping", attention);
    ew_family_put_f32(writer, "gemma2", "final_logit_softcapping", final);
    ew_family_put_u32(writer, "gemma2", "attention.sliding_window", (uint32_t)window);
    return put_scale(c, "gemma2", writer, err);
}

const struct ew_family ew_family_gemma2 = {
    .arch = "gemma2",
    .model_types = "gemma2 ",
    .activations = "gelu gelu_pytorch_tanh ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(gemma2),
    .defaults = {.head_dim = 256, .n_ctx = 8192, .n_vocab = 256000, .norm_eps = 1e-6, .rope_base = 10000},
    .put = put_gemma2,
};

/* ---- Gemma 3 ---- */

/* GGUF's gemma3 stands for five layers with a window, then one without, whose window layers rotate with base 10000. */
static enum ew_status check_gemma3(struct ew_hf_config *c, struct ew_error *err) {
    double pattern = 6, base = 10000;
    if (json_is_true(json_object_get(c->root, "use_bidirectional_attention")))
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: use_bidirectional_attention: GGUF's gemma3 looks back only",
                            c->path);
    const json_t *parameters = json_object_get(c->root, "rope_parameters");
    const json_t *sliding = json_object_get(json_object_get(parameters, "sliding_attention"), "rope_theta");
    enum ew_status status = ew_hf_config_number(c, "sliding_window_pattern|_sliding_window_pattern", 6, &pattern, err);
    if (status == EW_OK) status = ew_hf_config_number(c, "rope_local_base_freq", 10000, &base, err);
    if (status != EW_OK) return status;
    if (json_is_real(sliding)) base = json_real_value(sliding);
    if (pattern != 6 || base != 10000)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: a window in all but every %gth layer, rotated with base %g (GGUF's gemma3 stands for "
                            "6 and 10000)",
                            c->path, pattern, base);
    return EW_OK;
}

static enum ew_status put_gemma3(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    enum ew_status status = ew_family_copy_u32(c, "sliding_window", writer, "gemma3", "attention.sliding_window", err);
    if (status == EW_OK)
        status = ew_family_copy_f32(c, "final_logit_softcapping", writer, "gemma3", "final_logit_softcapping", err);
    return status == EW_OK ? put_scale(c, "gemma3", writer, err) : status;
}

static const char *const ignored3[] = {"vision_tower.*", "model.vision_tower.*", "multi_modal_projector.*",
                                       "model.multi_modal_projector.*", NULL};

const struct ew_family ew_family_gemma3 = {
    .arch = "gemma3",
    .model_types = "gemma3_text gemma3 ",
    .activations = "gelu gelu_pytorch_tanh ",
    .roots = {{"model.", ""}, {"language_model.model.", "language_model."}, {"model.language_model.", ""}},
    .layers = "layers.",
    EW_RULES(gemma3),
    .ignored = ignored3,
    .defaults = {.n_head = 8,
                 .n_head_kv = 4,
                 .head_dim = 256,
                 .n_ctx = 131072,
                 .n_vocab = 262208,
                 .norm_eps = 1e-6,
                 .rope_base = 1e6},
    .check = check_gemma3,
    .put = put_gemma3,
};
