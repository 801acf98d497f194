/* Owns the arithmetic of rotary frequencies. The formulas and their sources are in the header. */
#include "model/rope_table.h"

#include "base/error.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

static double plain(double base, uint32_t i, uint32_t n_rot) { return pow(base, -2.0 * i / n_rot); }

/* The pair, as a real number, that turns `turns` times within the original context. */
static double pair_of_turns(const struct ew_config *c, double turns) {
    return c->n_rot * log(c->rope_original / (turns * 2 * pi)) / (2 * log(c->rope_base));
}

double ew_rope_yarn(const struct ew_config *c, uint32_t i) {
    double low = fmax(floor(pair_of_turns(c, c->rope_fast)), 0);
    double high = fmin(ceil(pair_of_turns(c, c->rope_slow)), c->n_rot - 1.0);
    double slow = fmin(fmax((i - low) / fmax(high - low, 1e-3), 0), 1);
    double frequency = plain(c->rope_base, i, c->n_rot);
    return frequency * (1 - slow) + frequency / c->rope_factor * slow;
}

double ew_rope_magnitude(const struct ew_config *c) {
    double said = c->rope_attention > 0 ? c->rope_attention : 1;
    if (c->rope_scaling == EW_ROPE_SCALING_YARN && c->rope_factor > 1) return said * (1 + 0.1 * log(c->rope_factor));
    return said;
}

/* Long contexts: what the file says, or what follows from how far it was stretched. */
static double long_magnitude(const struct ew_config *c) {
    double factor = (double)c->n_ctx_train / c->rope_original;
    if (c->rope_attention > 0) return c->rope_attention;
    return factor > 1 ? sqrt(1 + log(factor) / log(c->rope_original)) : 1;
}

static double scaled(const struct ew_config *c, uint32_t i) {
    if (c->rope_scaling == EW_ROPE_SCALING_YARN) return ew_rope_yarn(c, i);
    double factor = c->rope_scaling == EW_ROPE_SCALING_LINEAR ? c->rope_factor : 1;
    return plain(c->rope_base, i, c->n_rot) / factor;
}

static double *new_frequencies(struct ew_binder *b, uint32_t n_rot) {
    double *f = calloc(n_rot / 2, sizeof *f);
    if (!f && b->status == EW_OK)
        b->status = ew_error_set(b->err, EW_ERR_MEMORY, "%s: out of memory while planning", ew_gguf_path(b->gguf));
    return f;
}

/* The file's frequencies, divided by a tensor where name is not NULL; owned by the caller, NULL after failure. */
static double *frequencies(struct ew_binder *b, const char *name) {
    const struct ew_config *c = b->config;
    const struct ew_gguf_tensor *t = name ? ew_bind_vector(b, name, c->n_rot / 2) : NULL;
    if (b->status == EW_OK && t && t->type != EW_TYPE_F32)
        b->status = ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor %s: type %s, expected F32",
                                 ew_gguf_path(b->gguf), name, ew_type_traits(t->type)->name);
    double *f = b->status == EW_OK ? new_frequencies(b, c->n_rot) : NULL;
    for (uint32_t i = 0; f && i < c->n_rot / 2; i++) {
        float divisor = 1;
        if (t) memcpy(&divisor, t->data + i * sizeof divisor, sizeof divisor);
        f[i] = scaled(c, i) / (double)divisor;
    }
    return f;
}

void ew_rope_bind(struct ew_binder *b, enum ew_rope_pairs pairs) {
    const struct ew_config *c = b->config;
    struct ew_rope *rope = &b->plan->ropes[0];
    *rope = (struct ew_rope){.n_rot = c->n_rot, .pairs = pairs, .magnitude = ew_rope_magnitude(c)};
    ew_bind_buffer(b, EW_BUF_ROPE, c->n_rot);
    if (ew_bind_has(b, "rope_factors_short.weight") || c->rope_scaling == EW_ROPE_SCALING_LONG) {
        rope->frequency = frequencies(b, "rope_factors_short.weight");
        rope->long_frequency = frequencies(b, "rope_factors_long.weight");
        rope->n_ctx_short = c->rope_original;
        rope->magnitude = long_magnitude(c);
    } else {
        rope->frequency = frequencies(b, ew_bind_has(b, "rope_freqs.weight") ? "rope_freqs.weight" : NULL);
    }
}

void ew_rope_bind_local(struct ew_binder *b, enum ew_rope_pairs pairs, double base) {
    struct ew_rope *rope = &b->plan->ropes[EW_BUF_ROPE_LOCAL - EW_BUF_ROPE];
    uint32_t n_rot = b->config->n_rot;
    *rope = (struct ew_rope){.n_rot = n_rot, .pairs = pairs, .magnitude = 1};
    ew_bind_buffer(b, EW_BUF_ROPE_LOCAL, n_rot);
    rope->frequency = new_frequencies(b, n_rot);
    for (uint32_t i = 0; rope->frequency && i < n_rot / 2; i++) rope->frequency[i] = plain(base, i, n_rot);
}
