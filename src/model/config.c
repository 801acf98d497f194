/* Owns reading of hyper-parameters. Knows key names, not what an architecture does with the values. */
#include "model/config.h"

#include "base/error.h"
#include <stdio.h>
#include <string.h>

/* Fallback of an optional count that is absent: reads as 0. */
#define ABSENT UINT64_MAX

enum { MAX_LAYERS = 1024, MAX_WIDTH = 1 << 20, MAX_HEADS = 4096, MAX_HEAD_DIM = 256, MAX_VOCAB = 1 << 24 };

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

static void read_rope_scaling(struct reader *r, struct ew_config *c) {
    char key[128];
    key_name(r, "rope.scaling.type", key, sizeof key);
    c->rope_linear_factor = 1;
    if (r->status != EW_OK) return;
    struct ew_gguf_string type = {"none", 4};
    if (ew_gguf_find_kv(r->gguf, key)) r->status = ew_gguf_get_string(r->gguf, key, &type, r->err);
    if (r->status != EW_OK) return;
    if (type.size == 6 && memcmp(type.data, "linear", 6) == 0)
        c->rope_linear_factor = read_f64(r, "rope.scaling.factor", 1, 1e-3, 1e6);
    else if (!(type.size == 4 && memcmp(type.data, "none", 4) == 0))
        r->status = ew_error_set(r->err, EW_ERR_UNSUPPORTED,
                                 "%s: %s: `%.*s` is not known (none, linear; Llama 3 "
                                 "scaling comes as tensor rope_freqs.weight)",
                                 ew_gguf_path(r->gguf), key, (int)(type.size < 64 ? type.size : 64), type.data);
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

enum ew_status ew_config_read(const struct ew_gguf *gguf, struct ew_config *out, struct ew_error *err) {
    struct ew_gguf_string arch;
    enum ew_status status = ew_gguf_get_string(gguf, "general.architecture", &arch, err);
    if (status != EW_OK) return status;
    struct ew_config c = {0};
    if (arch.size == 0 || arch.size >= sizeof c.arch)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: general.architecture: name of %zu bytes (1–%zu are allowed)",
                            ew_gguf_path(gguf), arch.size, sizeof c.arch - 1);
    memcpy(c.arch, arch.data, arch.size);

    struct reader r = {.gguf = gguf, .arch = c.arch, .status = EW_OK, .err = err};
    c.n_layer = read_u32(&r, "block_count", 0, 1, MAX_LAYERS);
    c.n_embd = read_u32(&r, "embedding_length", 0, 1, MAX_WIDTH);
    c.n_ff = read_u32(&r, "feed_forward_length", 0, 1, MAX_WIDTH);
    c.n_head = read_u32(&r, "attention.head_count", 0, 1, MAX_HEADS);
    c.n_head_kv = read_u32(&r, "attention.head_count_kv", c.n_head ? c.n_head : 1, 1, MAX_HEADS);
    uint32_t usual = c.n_head ? c.n_embd / c.n_head : 0;
    c.head_dim = read_u32(&r, "attention.key_length", usual ? usual : 1, 2, MAX_HEAD_DIM);
    c.n_rot = read_u32(&r, "rope.dimension_count", c.head_dim ? c.head_dim : 2, 2, MAX_HEAD_DIM);
    c.n_ctx_train = read_u32(&r, "context_length", 0, 1, 1u << 30);
    c.n_expert = read_u32(&r, "expert_count", ABSENT, 0, ABSENT);
    c.norm_eps = read_f64(&r, "attention.layer_norm_rms_epsilon", 1e-5, 0, 1);
    c.rope_base = read_f64(&r, "rope.freq_base", 10000, 1, 1e12);
    read_rope_scaling(&r, &c);
    read_vocabulary(&r, &c);
    if (r.status != EW_OK) return r.status;
    if (c.n_head % c.n_head_kv != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %u attention heads do not divide among %u KV heads",
                            ew_gguf_path(gguf), c.n_head, c.n_head_kv);
    if (c.n_rot > c.head_dim || c.n_rot % 2 != 0)
        return ew_error_set(err, EW_ERR_FORMAT,
                            "%s: %s.rope.dimension_count: %u is not an even number up to the "
                            "head's %u",
                            ew_gguf_path(gguf), c.arch, c.n_rot, c.head_dim);
    *out = c;
    return EW_OK;
}
