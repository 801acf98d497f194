/* Owns the list of families and the keys that all of them have. */
#include "convert/family.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct ew_family *const families[] = {
    &ew_family_llama,     &ew_family_mixtral,  &ew_family_granite, &ew_family_smollm3, &ew_family_qwen2,
    &ew_family_qwen3,     &ew_family_qwen3moe, &ew_family_gemma,   &ew_family_gemma2,  &ew_family_gemma3,
    &ew_family_phi2,      &ew_family_phi3,     &ew_family_gptneox, &ew_family_gpt2,    &ew_family_starcoder2,
    &ew_family_internlm2, &ew_family_stablelm, &ew_family_olmo2,   &ew_family_lfm2,
};

const struct ew_family *ew_family_at(size_t i) { return i < sizeof families / sizeof *families ? families[i] : NULL; }

const struct ew_family *ew_family_find(const char *model_type) {
    size_t n = strlen(model_type);
    if (n == 0 || strchr(model_type, ' ')) return NULL;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        for (const char *at = families[i]->model_types; *at; at = strchr(at, ' ') + 1)
            if (strncmp(at, model_type, n) == 0 && at[n] == ' ') return families[i];
    return NULL;
}

/* ---- keys ---- */

static const char *full_key(char buf[96], const char *arch, const char *key) {
    snprintf(buf, 96, "%s.%s", arch, key);
    return buf;
}

void ew_family_put_u32(struct ew_gguf_writer *writer, const char *arch, const char *key, uint32_t value) {
    char buf[96];
    ew_gguf_put_u32(writer, full_key(buf, arch, key), value);
}

void ew_family_put_f32(struct ew_gguf_writer *writer, const char *arch, const char *key, double value) {
    char buf[96];
    ew_gguf_put_f32(writer, full_key(buf, arch, key), (float)value);
}

void ew_family_put_bool(struct ew_gguf_writer *writer, const char *arch, const char *key, bool value) {
    char buf[96];
    ew_gguf_put_bool(writer, full_key(buf, arch, key), value);
}

enum ew_status ew_family_copy_u32(const struct ew_hf_config *config, const char *names, struct ew_gguf_writer *writer,
                                  const char *arch, const char *key, struct ew_error *err) {
    double value = 0;
    enum ew_status status = ew_hf_config_number(config, names, 0, &value, err);
    if (status != EW_OK || value == 0) return status;
    if (value < 0 || value > UINT32_MAX || floor(value) != value)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: %g is no whole number from 0 to 2^32", config->path, names,
                            value);
    ew_family_put_u32(writer, arch, key, (uint32_t)value);
    return EW_OK;
}

enum ew_status ew_family_copy_f32(const struct ew_hf_config *config, const char *names, struct ew_gguf_writer *writer,
                                  const char *arch, const char *key, struct ew_error *err) {
    double value = 0;
    enum ew_status status = ew_hf_config_number(config, names, 0, &value, err);
    if (status == EW_OK && value != 0) ew_family_put_f32(writer, arch, key, value);
    return status;
}

/* ---- scaling of positions ---- */

static enum ew_status put_yarn(const struct ew_hf_config *c, const json_t *scaling, const char *arch,
                               struct ew_gguf_writer *writer, struct ew_error *err) {
    static const char *const optional[][2] = {{"attention_factor", "rope.scaling.attn_factor"},
                                              {"beta_fast", "rope.scaling.yarn_beta_fast"},
                                              {"beta_slow", "rope.scaling.yarn_beta_slow"}};
    double factor = 1, original = c->n_ctx;
    enum ew_status status = ew_hf_config_scaling_number(c, scaling, "factor", &factor, err);
    if (status == EW_OK && json_object_get(scaling, "original_max_position_embeddings"))
        status = ew_hf_config_scaling_number(c, scaling, "original_max_position_embeddings", &original, err);
    if (status != EW_OK) return status;
    char buf[96];
    ew_gguf_put_string(writer, full_key(buf, arch, "rope.scaling.type"), "yarn");
    ew_family_put_f32(writer, arch, "rope.scaling.factor", factor);
    ew_family_put_u32(writer, arch, "rope.scaling.original_context_length",
                      original < UINT32_MAX ? (uint32_t)original : UINT32_MAX);
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        const json_t *value = json_object_get(scaling, optional[i][0]);
        if (json_is_real(value)) ew_family_put_f32(writer, arch, optional[i][1], json_real_value(value));
    }
    return EW_OK;
}

/* llama3 and longrope are tensors (rope_divisors.c); dynamic scaling begins beyond the context that the file states. */
static enum ew_status put_rope_scaling(const struct ew_family *family, const struct ew_hf_config *c,
                                       struct ew_gguf_writer *writer, struct ew_error *err) {
    const char *kind;
    const json_t *scaling = ew_hf_config_rope_scaling(c, &kind);
    if (strcmp(kind, "default") == 0 || strcmp(kind, "dynamic") == 0 || strcmp(kind, "llama3") == 0) return EW_OK;
    if (strcmp(kind, "longrope") == 0 || strcmp(kind, "su") == 0) {
        if (family == &ew_family_phi3) return EW_OK;
    } else if (strcmp(kind, "yarn") == 0) {
        return put_yarn(c, scaling, family->arch, writer, err);
    } else if (strcmp(kind, "linear") == 0) {
        double factor = 1;
        char buf[96];
        enum ew_status status = ew_hf_config_scaling_number(c, scaling, "factor", &factor, err);
        if (status != EW_OK) return status;
        ew_gguf_put_string(writer, full_key(buf, family->arch, "rope.scaling.type"), "linear");
        ew_family_put_f32(writer, family->arch, "rope.scaling.factor", factor);
        return EW_OK;
    }
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: rope_scaling of kind `%.40s` cannot be converted for %s", c->path,
                        kind, family->arch);
}

static void put_kv_heads(const struct ew_family *family, const struct ew_hf_config *c, struct ew_gguf_writer *writer) {
    uint32_t heads[EW_CONVERT_MAX_LAYERS];
    bool differ = false;
    for (uint32_t i = 0; i < c->n_layer; i++) {
        heads[i] = c->is_conv[i] ? 0 : c->n_head_kv;
        differ |= c->is_conv[i];
    }
    char buf[96];
    if (differ)
        ew_gguf_put_array(writer, full_key(buf, family->arch, "attention.head_count_kv"), EW_GGUF_I32, heads,
                          c->n_layer);
    else
        ew_family_put_u32(writer, family->arch, "attention.head_count_kv", c->n_head_kv);
}

uint32_t ew_family_ffn_width(const struct ew_family *family, const struct ew_hf_config *config) {
    return family->pads_ffn ? (config->n_ff + 31) / 32 * 32 : config->n_ff;
}

enum ew_status ew_family_put_common(const struct ew_family *family, const struct ew_hf_config *c,
                                    struct ew_gguf_writer *writer, struct ew_error *err) {
    const char *arch = family->arch;
    ew_family_put_u32(writer, arch, "vocab_size", c->n_vocab);
    ew_family_put_u32(writer, arch, "context_length", c->n_ctx);
    ew_family_put_u32(writer, arch, "embedding_length", c->n_embd);
    ew_family_put_u32(writer, arch, "block_count", c->n_layer);
    ew_family_put_u32(writer, arch, "feed_forward_length", ew_family_ffn_width(family, c));
    ew_family_put_u32(writer, arch, "attention.head_count", c->n_head);
    put_kv_heads(family, c, writer);
    ew_family_put_u32(writer, arch, "attention.key_length", c->head_dim);
    ew_family_put_u32(writer, arch, "attention.value_length", c->head_dim);
    ew_family_put_f32(writer, arch,
                      family->layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
                      c->norm_eps);
    if (c->n_expert > 0) {
        ew_family_put_u32(writer, arch, "expert_count", c->n_expert);
        ew_family_put_u32(writer, arch, "expert_used_count", c->n_expert_used);
    }
    if (family->no_rope) return EW_OK;
    ew_family_put_u32(writer, arch, "rope.dimension_count", c->n_rot);
    ew_family_put_f32(writer, arch, "rope.freq_base", c->rope_base);
    return c->root ? put_rope_scaling(family, c, writer, err) : EW_OK;
}
