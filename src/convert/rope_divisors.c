/* Owns the divisors of rotary frequencies: Llama 3's, computed from four numbers, and Phi-3's two learned lists.
 * Source: transformers, modeling_rope_utils (llama3; longrope); arXiv 2407.21783 and 2402.13753. */
#include "convert/recipe.h"

#include "base/error.h"
#include "convert/folder_json.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Waves longer than original/low are stretched by the whole factor, shorter than original/high not at all, and those
 * between by a blend of the two. */
static enum ew_status llama3(const struct ew_hf_config *c, const json_t *scaling, float *out, struct ew_error *err) {
    double factor = 1, low = 1, high = 4, original = 8192;
    enum ew_status status = ew_hf_config_scaling_number(c, scaling, "factor", &factor, err);
    if (status == EW_OK) status = ew_hf_config_scaling_number(c, scaling, "low_freq_factor", &low, err);
    if (status == EW_OK) status = ew_hf_config_scaling_number(c, scaling, "high_freq_factor", &high, err);
    if (status == EW_OK)
        status = ew_hf_config_scaling_number(c, scaling, "original_max_position_embeddings", &original, err);
    if (status != EW_OK) return status;
    if (low >= high)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: rope_scaling: low_freq_factor %g is not below high_freq_factor %g",
                            c->path, low, high);
    for (uint32_t i = 0; i < c->n_rot / 2; i++) {
        double wave = 2 * 3.14159265358979323846 * pow(c->rope_base, 2.0 * i / c->n_rot);
        double smooth = (original / wave - low) / (high - low);
        double divisor = wave < original / high  ? 1
                         : wave > original / low ? factor
                                                 : 1 / ((1 - smooth) / factor + smooth);
        out[i] = (float)divisor;
    }
    return EW_OK;
}

static enum ew_status learned(const struct ew_hf_config *c, const json_t *scaling, const char *name, float *out,
                              struct ew_error *err) {
    const json_t *list = json_object_get(scaling, name);
    if (json_array_size(list) != c->n_rot / 2)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: rope_scaling: %s: %zu numbers for %u rotated pairs", c->path, name,
                            json_array_size(list), c->n_rot / 2);
    for (uint32_t i = 0; i < c->n_rot / 2; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_real(value) || !(json_real_value(value) > 0))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: rope_scaling: %s[%u] is no number above 0", c->path, name, i);
        out[i] = (float)json_real_value(value);
    }
    return EW_OK;
}

enum ew_status ew_rope_divisors(const struct ew_family *family, const struct ew_hf_config *config,
                                struct ew_rope_divisors out[2], struct ew_error *err) {
    const char *kind = "default";
    const json_t *scaling = config->root ? ew_hf_config_rope_scaling(config, &kind) : NULL;
    bool is_llama3 = strcmp(kind, "llama3") == 0;
    bool is_long = family == &ew_family_phi3 && (strcmp(kind, "longrope") == 0 || strcmp(kind, "su") == 0);
    out[0] = out[1] = (struct ew_rope_divisors){0};
    enum ew_status status = EW_OK;
    for (int i = 0; i < (is_long ? 2 : is_llama3 ? 1 : 0) && status == EW_OK; i++) {
        out[i].name = is_llama3 ? "rope_freqs.weight"
                      : i == 0  ? "rope_factors_long.weight"
                                : "rope_factors_short.weight";
        out[i].values = calloc(config->n_rot / 2 + 1, sizeof *out[i].values);
        if (!out[i].values)
            status = ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for %s", config->path, out[i].name);
        else if (is_llama3)
            status = llama3(config, scaling, out[i].values, err);
        else
            status = learned(config, scaling, i == 0 ? "long_factor" : "short_factor", out[i].values, err);
    }
    if (status == EW_OK) return EW_OK;
    free(out[0].values);
    free(out[1].values);
    out[0] = out[1] = (struct ew_rope_divisors){0};
    return status;
}
