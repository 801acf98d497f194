/* LFM2: short convolutions in most layers, attention in some; which are which becomes a list of KV heads per layer. */
#include "convert/family.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <math.h>
#include <string.h>

static const struct ew_tensor_rule lfm2[] = {
    EW_MATRIX("embed_tokens", "token_embd", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_MODEL | EW_RULE_EMBEDDING),
    EW_VECTOR("embedding_norm", "token_embd_norm", EW_EMBD, EW_RULE_MODEL),
    EW_MATRIX("lm_head", "output", EW_VOCAB, EW_EMBD, EW_ROWS_STORED, EW_RULE_OUTPUT),
    EW_VECTOR("operator_norm", "attn_norm", EW_EMBD, 0),
    EW_VECTOR("ffn_norm", "ffn_norm", EW_EMBD, 0),
    EW_RULES_META_FFN,
    EW_MATRIX("conv.conv", "shortconv.conv", EW_EMBD, EW_CONV_TAPS, EW_ROWS_STORED, EW_RULE_CONV | EW_RULE_KEEP_F32),
    EW_MATRIX("conv.in_proj", "shortconv.in_proj", EW_THREE_EMBD, EW_EMBD, EW_ROWS_STORED, EW_RULE_CONV),
    EW_MATRIX("conv.out_proj", "shortconv.out_proj", EW_EMBD, EW_EMBD, EW_ROWS_STORED, EW_RULE_CONV),
    EW_MATRIX("self_attn.q_proj", "attn_q", EW_Q, EW_EMBD, EW_ROWS_STORED, EW_RULE_ATTENTION),
    EW_MATRIX("self_attn.k_proj", "attn_k", EW_KV, EW_EMBD, EW_ROWS_STORED, EW_RULE_ATTENTION),
    EW_MATRIX("self_attn.v_proj", "attn_v", EW_KV, EW_EMBD, EW_ROWS_STORED, EW_RULE_ATTENTION),
    EW_VECTOR("self_attn.q_layernorm", "attn_q_norm", EW_HEAD_DIM, EW_RULE_ATTENTION),
    EW_VECTOR("self_attn.k_layernorm", "attn_k_norm", EW_HEAD_DIM, EW_RULE_ATTENTION),
    EW_MATRIX("self_attn.out_proj", "attn_output", EW_EMBD, EW_Q, EW_ROWS_STORED, EW_RULE_ATTENTION),
};

/* Which layers have attention: a list of kinds, or in older files a list of numbers; without either, all have. */
static enum ew_status read_layers(struct ew_hf_config *c, struct ew_error *err) {
    const json_t *kinds = json_object_get(c->root, "layer_types"), *full = json_object_get(c->root, "full_attn_idxs");
    if (json_is_array(kinds)) {
        if (json_array_size(kinds) != c->n_layer)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: layer_types: %zu for %u layers", c->path,
                                json_array_size(kinds), c->n_layer);
        for (uint32_t i = 0; i < c->n_layer; i++) {
            const char *kind = json_string_value(json_array_get(kinds, i));
            c->is_conv[i] = kind && strcmp(kind, "conv") == 0;
            if (!kind || (!c->is_conv[i] && strcmp(kind, "full_attention") != 0))
                return ew_error_set(err, EW_ERR_FORMAT,
                                    "%s: layer_types[%u]: `%.40s` is neither conv nor "
                                    "full_attention",
                                    c->path, i, kind ? kind : "");
        }
    } else if (json_is_array(full)) {
        for (uint32_t i = 0; i < c->n_layer; i++) c->is_conv[i] = true;
        for (size_t i = 0; i < json_array_size(full); i++) {
            uint64_t layer;
            if (!ew_folder_json_whole(json_array_get(full, i), 0, c->n_layer - 1, &layer))
                return ew_error_set(err, EW_ERR_FORMAT, "%s: full_attn_idxs[%zu] is none of %u layers", c->path, i,
                                    c->n_layer);
            c->is_conv[layer] = false;
        }
    }
    return EW_OK;
}

/* The stated width is adjusted: two thirds of it, times a factor, rounded up to a multiple.
 * Source: transformers, Lfm2MLP. */
static enum ew_status check(struct ew_hf_config *c, struct ew_error *err) {
    double taps = 3, multiple = 256, factor = 1;
    enum ew_status status = read_layers(c, err);
    if (status == EW_OK) status = ew_hf_config_number(c, "conv_L_cache", 3, &taps, err);
    if (status == EW_OK) status = ew_hf_config_number(c, "block_multiple_of", 256, &multiple, err);
    if (status == EW_OK) status = ew_hf_config_number(c, "block_ffn_dim_multiplier", 1, &factor, err);
    if (status != EW_OK) return status;
    if (!(taps >= 1 && taps <= 64 && multiple >= 1 && multiple <= 65536 && factor > 0 && factor <= 64))
        return ew_error_set(err, EW_ERR_FORMAT,
                            "%s: conv_L_cache %g, block_multiple_of %g, block_ffn_dim_multiplier %g make no sense",
                            c->path, taps, multiple, factor);
    if (json_is_true(json_object_get(c->root, "conv_bias")))
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: conv_bias: GGUF's lfm2 has convolutions without", c->path);
    c->n_conv_taps = (uint32_t)taps;
    if (json_is_false(json_object_get(c->root, "block_auto_adjust_ff_dim"))) return EW_OK;
    double width = floor(factor * floor(2.0 * c->n_ff / 3.0));
    c->n_ff = (uint32_t)(floor(multiple) * ceil(width / floor(multiple)));
    return EW_OK;
}

static enum ew_status put(const struct ew_hf_config *c, struct ew_gguf_writer *writer, struct ew_error *err) {
    (void)err;
    ew_family_put_u32(writer, "lfm2", "shortconv.l_cache", c->n_conv_taps);
    return EW_OK;
}

const struct ew_family ew_family_lfm2 = {
    .arch = "lfm2",
    .model_types = "lfm2 ",
    .activations = "silu ",
    .roots = {{"model.", ""}},
    .layers = "layers.",
    EW_RULES(lfm2),
    .defaults = {.n_ctx = 128000, .n_vocab = 65536, .norm_eps = 1e-5, .rope_base = 1e6},
    .check = check,
    .put = put,
};
