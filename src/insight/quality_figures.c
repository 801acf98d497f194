/* See quality_figures.h. The text comes out of a store and may be anything: what is no number is not said. */
#include "insight/quality_figures.h"

#include <jansson.h>
#include <math.h>

static double number(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

struct ew_quality_figures ew_quality_figures_read(const char *text) {
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    const json_t *reference = json_object_get(root, "reference");
    const json_t *kl = json_object_get(reference, "kl"), *top = json_object_get(reference, "same_top");
    const json_t *ratio = json_object_get(reference, "log_ratio");
    const struct ew_quality_figures figures = {
        .bits_per_byte = number(root, "bits_per_byte"),
        .kl = number(kl, "value"),
        .kl_error = number(kl, "error"),
        .same_top = number(top, "value"),
        .same_top_error = number(top, "error"),
        .delta_p = number(json_object_get(reference, "delta_p"), "value"),
        .delta_p_rms = number(reference, "delta_p_rms"),
        .log_ratio = number(ratio, "value"),
        .log_ratio_error = number(ratio, "error"),
    };
    json_decref(root);
    return figures;
}
