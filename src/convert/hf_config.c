/* Owns the reading of config.json. Which of it a family needs, and what it adds: family_*.c. */
#include "convert/hf_config.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WIDTH = 1 << 20, MAX_VOCAB = 1 << 24, MAX_HEADS = 4096, MAX_CONTEXT = 1 << 30, MAX_EXPERTS = 4096 };

/* Keeps the first error, so that a list of numbers reads as one. */
struct reader {
    const char *path;
    const json_t *root;
    enum ew_status status;
    struct ew_error *err;
};

/* fallback 0: the number must be there. */
static uint32_t read_u32(struct reader *r, const char *names, uint32_t fallback, uint32_t high) {
    uint64_t value = 0;
    const json_t *found = ew_folder_json_find(r->root, names);
    if (r->status != EW_OK) return 1;
    if (!found && fallback > 0) return fallback;
    if (!found)
        r->status = ew_error_set(r->err, EW_ERR_NOT_FOUND, "%s: %s is missing", r->path, names);
    else if (!ew_folder_json_whole(found, 1, high, &value))
        r->status = ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: is no whole number from 1 to %u", r->path, names,
                                 (unsigned)high);
    return r->status == EW_OK ? (uint32_t)value : 1;
}

/* fallback 0: the number must be there. */
static double read_f64(struct reader *r, const json_t *from, const char *names, double fallback, double high) {
    const json_t *found = ew_folder_json_find(from, names);
    if (r->status != EW_OK) return 1;
    if (!found && fallback > 0) return fallback;
    double value = found && json_is_real(found) ? json_real_value(found) : 0;
    if (!found)
        r->status = ew_error_set(r->err, EW_ERR_NOT_FOUND, "%s: %s is missing", r->path, names);
    else if (!(value > 0 && value <= high))
        r->status =
            ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: is no number above 0 and up to %g", r->path, names, high);
    return value;
}

enum ew_status ew_hf_config_number(const struct ew_hf_config *config, const char *names, double fallback, double *out,
                                   struct ew_error *err) {
    const json_t *found = ew_folder_json_find(config->root, names);
    double value = found ? json_real_value(found) : fallback;
    if (found && (!json_is_real(found) || !isfinite(value)))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s: is no number", config->path, names);
    *out = value;
    return EW_OK;
}

/* Where rope_theta and its kin are: newer files have an object for them, with one object per kind of layer where those
 * differ. */
static const json_t *rope_parameters(const json_t *root) {
    const json_t *parameters = json_object_get(root, "rope_parameters");
    const json_t *full = json_object_get(parameters, "full_attention");
    return json_is_object(full) ? full : json_is_object(parameters) ? parameters : NULL;
}

const json_t *ew_hf_config_rope_scaling(const struct ew_hf_config *config, const char **kind) {
    const json_t *scaling = json_object_get(config->root, "rope_scaling");
    if (!json_is_object(scaling)) scaling = rope_parameters(config->root);
    const json_t *name = ew_folder_json_find(scaling, "rope_type|type");
    *kind = json_is_string(name) ? json_string_value(name) : "default";
    return scaling;
}

enum ew_status ew_hf_config_scaling_number(const struct ew_hf_config *config, const json_t *scaling, const char *name,
                                           double *out, struct ew_error *err) {
    const json_t *value = json_object_get(scaling, name);
    *out = json_real_value(value);
    if (json_is_real(value) && *out > 0 && isfinite(*out)) return EW_OK;
    return ew_error_set(err, EW_ERR_FORMAT, "%s: rope_scaling: %s is missing or no number above 0", config->path, name);
}

static void read_rope(struct reader *r, const struct ew_hf_defaults *d, struct ew_hf_config *c) {
    const json_t *parameters = rope_parameters(r->root);
    bool inside = ew_folder_json_find(parameters, "rope_theta") != NULL;
    c->rope_base = read_f64(r, inside ? parameters : r->root, "rope_theta|rotary_emb_base", d->rope_base, 1e12);
    inside = ew_folder_json_find(parameters, "partial_rotary_factor") != NULL;
    double share = read_f64(r, inside ? parameters : r->root, "partial_rotary_factor|rotary_pct|rope_pct",
                            d->rotary_share > 0 ? d->rotary_share : 1, 1);
    c->n_rot = (uint32_t)(share * c->head_dim);
}

static void read_experts(struct reader *r, struct ew_hf_config *c) {
    if (!ew_folder_json_find(r->root, "num_local_experts|num_experts")) return;
    c->n_expert = read_u32(r, "num_local_experts|num_experts", 0, MAX_EXPERTS);
    c->n_expert_used = read_u32(r, "num_experts_per_tok", 0, c->n_expert);
    c->n_ff_expert = read_u32(r, "moe_intermediate_size", c->n_ff, MAX_WIDTH);
}

static enum ew_status check_heads(const struct ew_hf_config *c, struct ew_error *err) {
    if (c->n_head % c->n_head_kv != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %u attention heads do not divide among %u KV heads", c->path,
                            c->n_head, c->n_head_kv);
    if (c->head_dim % 2 != 0 || c->n_rot % 2 != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: heads of %u with %u rotated: both must be even", c->path,
                            c->head_dim, c->n_rot);
    return EW_OK;
}

enum ew_status ew_hf_config_read(const char *path, const json_t *root, const struct ew_hf_defaults *defaults,
                                 struct ew_hf_config *out, struct ew_error *err) {
    struct ew_hf_config c = {.envelope = root};
    const json_t *text = json_object_get(root, "text_config"), *tied;
    c.root = json_is_object(text) ? text : root;
    snprintf(c.path, sizeof c.path, "%s", path);
    struct reader r = {.path = c.path, .root = c.root, .status = EW_OK, .err = err};
    c.n_layer = read_u32(&r, "num_hidden_layers|n_layer", 0, EW_CONVERT_MAX_LAYERS);
    c.n_embd = read_u32(&r, "hidden_size|n_embd", 0, MAX_WIDTH);
    c.n_head = read_u32(&r, "num_attention_heads|n_head", defaults->n_head, MAX_HEADS);
    c.n_head_kv = read_u32(&r, "num_key_value_heads", defaults->n_head_kv ? defaults->n_head_kv : c.n_head, MAX_HEADS);
    uint32_t usual = c.n_embd / c.n_head;
    c.head_dim = read_u32(&r, "head_dim", defaults->head_dim ? defaults->head_dim : usual ? usual : 1, MAX_WIDTH);
    c.n_ff = read_u32(&r, "block_ff_dim|intermediate_size|n_inner", 4 * c.n_embd, MAX_WIDTH);
    c.n_vocab = read_u32(&r, "vocab_size", defaults->n_vocab, MAX_VOCAB);
    c.n_ctx = read_u32(&r, "max_position_embeddings|n_positions", defaults->n_ctx, MAX_CONTEXT);
    c.norm_eps =
        read_f64(&r, c.root, "rms_norm_eps|layer_norm_eps|layer_norm_epsilon|norm_epsilon|norm_eps|block_norm_eps",
                 defaults->norm_eps, 1);
    read_rope(&r, defaults, &c);
    read_experts(&r, &c);
    if (r.status != EW_OK) return r.status;
    if ((tied = ew_folder_json_find(c.root, "tie_word_embeddings|tie_embedding")) ||
        (tied = ew_folder_json_find(root, "tie_word_embeddings"))) {
        c.tied_said = json_is_boolean(tied);
        c.tied = json_is_true(tied);
    }
    enum ew_status status = check_heads(&c, err);
    if (status == EW_OK) *out = c;
    return status;
}
