/* Owns reading of hyper-parameters. Knows key names, not what an architecture does with the values. */
#include "model/config.h"

#include "base/error.h"
#include <stdio.h>
#include <string.h>

/* Fallback of an optional count that is absent: reads as 0. */
#define ABSENT UINT64_MAX

enum {
    MAX_WIDTH = 1 << 20,
    MAX_HEADS = 4096,
    MAX_HEAD_DIM = 256,
    MAX_VOCAB = 1 << 24,
    MAX_CONTEXT = 1 << 30,
    MAX_EXPERTS = 1024,
    MAX_TAPS = 16
};

struct reader {
    const struct ew_gguf *gguf;
    const char *arch;
    enum ew_status status;
    struct ew_error *err;
};

static void key_name(const struct reader *r, const char *suffix, char *buf, size_t n) {
    snprintf(buf, n, "%s.%s", r->arch, suffix);
}

/* Reads an integer in [min, max]; a missing key gives `fallback`, or an error when that is 0. */
static uint32_t read_u32(struct reader *r, const char *suffix, uint64_t fallback, uint64_t min, uint64_t max) {
    char key[128];
    key_name(r, suffix, key, sizeof key);
    uint64_t v = fallback;
    if (r->status != EW_OK) return 0;
    if (fallback == 0 || ew_gguf_find_kv(r->gguf, key)) {
        r->status = ew_gguf_get_u64(r->gguf, key, &v, r->err);
        if (r->status != EW_OK) return 0;
    }
    if (v < min || v > max) {
        r->status = ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: %llu is outside %llu–%llu", ew_gguf_path(r->gguf), key,
                                 (unsigned long long)v, (unsigned long long)min, (unsigned long long)max);
        return 0;
    }
    return v == ABSENT ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static double read_f64(struct reader *r, const char *suffix, double fallback, double min, double max) {
    char key[128];
    key_name(r, suffix, key, sizeof key);
    double v = fallback;
    if (r->status != EW_OK) return 0;
    if (ew_gguf_find_kv(r->gguf, key)) {
        r->status = ew_gguf_get_f64(r->gguf, key, &v, r->err);
        if (r->status != EW_OK) return 0;
    }
    if (!(v >= min && v <= max)) {
        r->status =
            ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: %g is outside %g–%g", ew_gguf_path(r->gguf), key, v, min, max);
        return 0;
    }
    return v;
}

/* A number for all layers or a list with one for each; returns the largest. The list is written stride bytes apart. A
 * missing key gives fallback, or an error when that is 0. Lists may hold 0 where min is more: a layer without. */
static uint32_t read_layers(struct reader *r, const char *suffix, uint32_t n_layer, uint64_t fallback, uint64_t max,
                            uint32_t *first, size_t stride) {
    char key[128];
    key_name(r, suffix, key, sizeof key);
    if (r->status != EW_OK) return 0;
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(r->gguf, key);
    bool list = kv && kv->type == EW_GGUF_ARRAY;
    if (list && ((kv->element_type != EW_GGUF_I32 && kv->element_type != EW_GGUF_U32) || kv->n < n_layer)) {
        r->status = ew_error_set(
            r->err, EW_ERR_FORMAT, "%s: %s: %llu of %s, expected integers of 32 bits for %u layers",
            ew_gguf_path(r->gguf), key, (unsigned long long)kv->n, ew_gguf_value_type_name(kv->element_type), n_layer);
        return 0;
    }
    uint32_t one = list ? 0 : read_u32(r, suffix, fallback, 1, max), most = one;
    for (uint32_t i = 0; i < n_layer; i++) {
        uint32_t value = one;
        if (list) memcpy(&value, kv->data + 4 * (size_t)i, 4);
        if (value > max)
            r->status = ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: layer %u: %u is outside 0–%llu",
                                     ew_gguf_path(r->gguf), key, i, value, (unsigned long long)max);
        memcpy((char *)first + i * stride, &value, sizeof value);
        if (value > most) most = value;
    }
    if (r->status == EW_OK && most == 0)
        r->status = ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: 0 in all layers", ew_gguf_path(r->gguf), key);
    return most;
}

/* A number, or a list of flags with one for each layer. */
static void read_window_pattern(struct reader *r, struct ew_config *c) {
    char key[128];
    key_name(r, "attention.sliding_window_pattern", key, sizeof key);
    if (r->status != EW_OK) return;
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(r->gguf, key);
    if (!kv || kv->type != EW_GGUF_ARRAY) {
        c->window_pattern = read_u32(r, "attention.sliding_window_pattern", ABSENT, 0, ABSENT);
        return;
    }
    if (kv->element_type != EW_GGUF_BOOL || kv->n < c->n_layer) {
        r->status = ew_error_set(r->err, EW_ERR_FORMAT, "%s: %s: %llu of %s, expected a flag for each of %u layers",
                                 ew_gguf_path(r->gguf), key, (unsigned long long)kv->n,
                                 ew_gguf_value_type_name(kv->element_type), c->n_layer);
        return;
    }
    c->lists_local = true;
    for (uint32_t i = 0; i < c->n_layer; i++) c->layers[i].local = kv->data[i] != 0;
}

static void read_rope_scaling(struct reader *r, struct ew_config *c) {
    static const char *const names[] = {"none", "linear", "yarn", "longrope"};
    char key[128];
    key_name(r, "rope.scaling.type", key, sizeof key);
    if (r->status != EW_OK) return;
    struct ew_gguf_string type = {"none", 4};
    if (ew_gguf_find_kv(r->gguf, key)) r->status = ew_gguf_get_string(r->gguf, key, &type, r->err);
    if (r->status != EW_OK) return;
    uint32_t i = 0;
    while (i < 4 && !(strlen(names[i]) == type.size && memcmp(names[i], type.data, type.size) == 0)) i++;
    if (i == 4) {
        char name[64];
        r->status = ew_error_set(r->err, EW_ERR_UNSUPPORTED,
                                 "%s: %s: `%s` is not known (none, linear, yarn, longrope; Llama 3 scaling comes as "
                                 "tensor rope_freqs.weight)",
                                 ew_gguf_path(r->gguf), key, ew_gguf_print_string(type, name, sizeof name));
        return;
    }
    c->rope_scaling = (enum ew_rope_scaling)i;
    /* scale_linear is the older name. */
    double older = read_f64(r, "rope.scale_linear", 1, 1e-3, 1e6);
    if (older != 1 && c->rope_scaling == EW_ROPE_SCALING_NONE) c->rope_scaling = EW_ROPE_SCALING_LINEAR;
    c->rope_factor = read_f64(r, "rope.scaling.factor", older, 1e-3, 1e6);
    c->rope_original = read_u32(r, "rope.scaling.original_context_length", c->n_ctx_train, 1, MAX_CONTEXT);
    c->rope_attention = read_f64(r, "rope.scaling.attn_factor", 0, 0, 1e3);
    c->rope_fast = read_f64(r, "rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6);
    c->rope_slow = read_f64(r, "rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6);
}

static void read_scales(struct reader *r, struct ew_config *c) {
    c->attention_scale = read_f64(r, "attention.scale", 0, 0, 1e6);
    c->attention_soft_cap = read_f64(r, "attn_logit_softcapping", 0, 0, 1e6);
    c->final_soft_cap = read_f64(r, "final_logit_softcapping", 0, 0, 1e6);
    c->embedding_scale = read_f64(r, "embedding_scale", 0, 0, 1e6);
    c->residual_scale = read_f64(r, "residual_scale", 0, 0, 1e6);
    c->logit_scale = read_f64(r, "logit_scale", 0, 0, 1e6);
}

static void read_experts(struct reader *r, struct ew_config *c) {
    c->n_expert = read_u32(r, "expert_count", ABSENT, 0, ABSENT);
    if (c->n_expert == 0 || r->status != EW_OK) return;
    c->n_expert = read_u32(r, "expert_count", 0, 1, MAX_EXPERTS);
    c->n_expert_used = read_u32(r, "expert_used_count", 0, 1, c->n_expert ? c->n_expert : 1);
    c->n_ff_expert = read_u32(r, "expert_feed_forward_length", c->n_ff ? c->n_ff : 1, 1, MAX_WIDTH);
}

static void read_flag(struct reader *r, const char *suffix, bool *out) {
    char key[128];
    key_name(r, suffix, key, sizeof key);
    if (r->status == EW_OK && ew_gguf_find_kv(r->gguf, key)) r->status = ew_gguf_get_bool(r->gguf, key, out, r->err);
}

static void read_vocabulary(struct reader *r, struct ew_config *c) {
    if (r->status != EW_OK) return;
    const struct ew_gguf_kv *tokens;
    if (ew_gguf_get_array(r->gguf, "tokenizer.ggml.tokens", EW_GGUF_STRING, &tokens, NULL) == EW_OK && tokens->n > 0 &&
        tokens->n <= MAX_VOCAB)
        c->n_vocab = (uint32_t)tokens->n;
    else
        c->n_vocab = read_u32(r, "vocab_size", 0, 1, MAX_VOCAB);
}

static void read_attention(struct reader *r, struct ew_config *c) {
    const size_t stride = sizeof *c->layers;
    c->n_head = read_layers(r, "attention.head_count", c->n_layer, 0, MAX_HEADS, &c->layers[0].n_head, stride);
    c->n_head_kv = read_layers(r, "attention.head_count_kv", c->n_layer, c->n_head ? c->n_head : 1, MAX_HEADS,
                               &c->layers[0].n_head_kv, stride);
    uint32_t usual = c->n_head ? c->n_embd / c->n_head : 0;
    c->head_dim = read_u32(r, "attention.key_length", usual ? usual : 1, 2, MAX_HEAD_DIM);
    uint32_t value_dim = read_u32(r, "attention.value_length", c->head_dim ? c->head_dim : 1, 2, MAX_HEAD_DIM);
    if (r->status == EW_OK && value_dim != c->head_dim)
        r->status = ew_error_set(r->err, EW_ERR_UNSUPPORTED,
                                 "%s: %s.attention.value_length: %u; only that of keys, %u, can be "
                                 "run",
                                 ew_gguf_path(r->gguf), c->arch, value_dim, c->head_dim);
    c->n_rot = read_u32(r, "rope.dimension_count", c->head_dim ? c->head_dim : 2, 2, MAX_HEAD_DIM);
    c->window = read_u32(r, "attention.sliding_window", ABSENT, 0, ABSENT);
    read_window_pattern(r, c);
}

static void check_heads(struct reader *r, const struct ew_config *c) {
    for (uint32_t i = 0; i < c->n_layer && r->status == EW_OK; i++) {
        const struct ew_layer_config *l = &c->layers[i];
        if (l->n_head_kv > 0 && (l->n_head == 0 || l->n_head % l->n_head_kv != 0))
            r->status =
                ew_error_set(r->err, EW_ERR_FORMAT, "%s: layer %u: %u attention heads do not divide among %u KV heads",
                             ew_gguf_path(r->gguf), i, l->n_head, l->n_head_kv);
    }
    if (r->status == EW_OK && (c->n_rot > c->head_dim || c->n_rot % 2 != 0))
        r->status = ew_error_set(r->err, EW_ERR_FORMAT,
                                 "%s: %s.rope.dimension_count: %u is not an even number up to the "
                                 "head's %u",
                                 ew_gguf_path(r->gguf), c->arch, c->n_rot, c->head_dim);
}

enum ew_status ew_config_read(const struct ew_gguf *gguf, struct ew_config *out, struct ew_error *err) {
    struct ew_gguf_string arch;
    enum ew_status status = ew_gguf_get_string(gguf, "general.architecture", &arch, err);
    if (status != EW_OK) return status;
    struct ew_config config = {0}, *c = &config;
    if (arch.size == 0 || arch.size >= sizeof c->arch)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: general.architecture: name of %zu bytes (1–%zu are allowed)",
                            ew_gguf_path(gguf), arch.size, sizeof c->arch - 1);
    memcpy(c->arch, arch.data, arch.size);

    struct reader r = {.gguf = gguf, .arch = c->arch, .status = EW_OK, .err = err};
    c->n_layer = read_u32(&r, "block_count", 0, 1, EW_MAX_LAYERS);
    c->n_embd = read_u32(&r, "embedding_length", 0, 1, MAX_WIDTH);
    c->n_ff = read_layers(&r, "feed_forward_length", c->n_layer, 0, MAX_WIDTH, &c->layers[0].n_ff, sizeof *c->layers);
    read_attention(&r, c);
    c->n_ctx_train = read_u32(&r, "context_length", 0, 1, MAX_CONTEXT);
    read_experts(&r, c);
    double layer_eps = read_f64(&r, "attention.layer_norm_epsilon", 1e-5, 0, 1);
    c->norm_eps = read_f64(&r, "attention.layer_norm_rms_epsilon", layer_eps, 0, 1);
    c->rope_base = read_f64(&r, "rope.freq_base", 10000, 1, 1e12);
    c->n_taps = read_u32(&r, "shortconv.l_cache", ABSENT, 0, ABSENT);
    read_flag(&r, "use_parallel_residual", &c->parallel_residual);
    read_rope_scaling(&r, c);
    read_scales(&r, c);
    read_vocabulary(&r, c);
    check_heads(&r, c);
    if (r.status == EW_OK && c->n_taps > MAX_TAPS)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %s.shortconv.l_cache: %u is outside 1–%d", ew_gguf_path(gguf),
                            c->arch, c->n_taps, MAX_TAPS);
    if (r.status == EW_OK) *out = config;
    return r.status;
}

bool ew_config_is_local(const struct ew_config *c, uint32_t layer, uint32_t pattern) {
    if (c->lists_local) return c->layers[layer].local;
    if (c->window_pattern) pattern = c->window_pattern;
    return layer % pattern + 1 < pattern;
}
