/* Owns choosing under limits. The general answers, without limits, are in answers.c. */
#include "insight/recommend.h"

#include "base/error.h"
#include "insight/advice.h"
#include "insight/rating.h"
#include "insight/words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef const struct ew_insight_config *config_ref;

static const struct ew_limit_info limits[EW_LIMITS] = {
    {"max-memory", "peak memory", "bytes", -1},        {"max-ttft", "time to the first token", "s", -1},
    {"min-speed", "decode speed", "tokens/s", +1},     {"max-watts", "average power", "W", -1},
    {"max-joules", "energy per token", "J/token", -1}, {"min-quality", "quality", "", +1},
};
const struct ew_limit_info *ew_limit_info(enum ew_limit limit) { return &limits[limit]; }

const char *ew_preference_name(enum ew_preference prefer) {
    static const char *const names[EW_PREFERENCES] = {"quality", "speed", "energy", "memory"};
    return names[prefer];
}

static double figure(config_ref c, enum ew_measure m) { return c->figure[m].value; }

/* The higher of both phases: average watts are joules per token times tokens per second. */
static double watts(config_ref c) {
    double prefill = figure(c, EW_MEASURE_PREFILL_ENERGY) * figure(c, EW_MEASURE_PREFILL);
    double decode = figure(c, EW_MEASURE_DECODE_ENERGY) * figure(c, EW_MEASURE_DECODE);
    return isnan(prefill) ? decode : isnan(decode) ? prefill : fmax(prefill, decode);
}

double ew_recommend_value(config_ref c, enum ew_limit limit) {
    switch (limit) {
    case EW_LIMIT_MEMORY: return figure(c, EW_MEASURE_PEAK_MEMORY);
    case EW_LIMIT_TTFT: return figure(c, EW_MEASURE_TTFT);
    case EW_LIMIT_SPEED: return figure(c, EW_MEASURE_DECODE);
    case EW_LIMIT_WATTS: return watts(c);
    case EW_LIMIT_JOULES: return figure(c, EW_MEASURE_DECODE_ENERGY);
    case EW_LIMIT_QUALITY: return c->quality;
    case EW_LIMITS: break;
    }
    return NAN;
}

static bool meets(config_ref c, enum ew_limit limit, double bound) {
    double value = ew_recommend_value(c, limit);
    return limits[limit].sense < 0 ? value <= bound : value >= bound;
}

/* Which limits a configuration breaks, as bits. */
static unsigned broken_by(config_ref c, const struct ew_wishes *wishes) {
    unsigned broken = 0;
    for (int l = 0; l < EW_LIMITS; l++)
        if (!isnan(wishes->limit[l]) && !meets(c, (enum ew_limit)l, wishes->limit[l])) broken |= 1u << l;
    return broken;
}

/* More is better throughout; what is unknown comes last. */
static double merit(config_ref c, enum ew_preference prefer, bool measured_quality) {
    switch (prefer) {
    case EW_PREFER_SPEED: return figure(c, EW_MEASURE_DECODE);
    case EW_PREFER_ENERGY: return -figure(c, EW_MEASURE_DECODE_ENERGY);
    case EW_PREFER_MEMORY: return -figure(c, EW_MEASURE_PEAK_MEMORY);
    case EW_PREFER_QUALITY:
    case EW_PREFERENCES: break;
    }
    return measured_quality ? c->quality : (double)c->model->n_params;
}

static bool is_better(config_ref a, config_ref b, enum ew_preference prefer, bool measured_quality) {
    double ma = merit(a, prefer, measured_quality), mb = merit(b, prefer, measured_quality);
    if (isnan(ma) != isnan(mb)) return isnan(mb);
    if (!isnan(ma) && ma != mb) return ma > mb;
    double ba = ew_advice_bits_per_weight(a->model), bb = ew_advice_bits_per_weight(b->model);
    if (prefer == EW_PREFER_QUALITY && !measured_quality && ba != bb && !isnan(ba) && !isnan(bb)) return ba > bb;
    return figure(a, EW_MEASURE_DECODE) > figure(b, EW_MEASURE_DECODE);
}

static void value_in_words(char out[2 * EW_NUMBER_SIZE], enum ew_limit limit, double value) {
    char number[EW_NUMBER_SIZE];
    if (limit == EW_LIMIT_MEMORY) {
        ew_words_size(out, value);
        return;
    }
    ew_words_number(number, value, -1);
    snprintf(out, 2 * EW_NUMBER_SIZE, "%s%s%s", number, *limits[limit].unit ? " " : "", limits[limit].unit);
}

/* The configuration that breaks one limit only, and that by the smallest factor. */
static config_ref nearest_miss(const struct ew_insight *insight, const struct ew_wishes *wishes, enum ew_limit *limit) {
    config_ref best = NULL;
    double best_factor = INFINITY;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        unsigned broken = broken_by(c, wishes);
        if (!c->n_ok || !broken || (broken & (broken - 1))) continue;
        int l = __builtin_ctz(broken);
        double value = ew_recommend_value(c, (enum ew_limit)l);
        double factor = limits[l].sense < 0 ? value / wishes->limit[l] : wishes->limit[l] / value;
        if (!(factor < best_factor)) continue;
        best = c;
        best_factor = factor;
        *limit = (enum ew_limit)l;
    }
    return best;
}

static enum ew_status nothing_meets(struct ew_insight *insight, const struct ew_wishes *wishes,
                                    struct ew_recommendation *out, struct ew_error *err) {
    enum ew_limit limit = EW_LIMIT_MEMORY;
    config_ref c = nearest_miss(insight, wishes, &limit);
    out->text = ew_words_keep(insight, "Nothing measured here meets these limits.");
    char value[2 * EW_NUMBER_SIZE], asked[2 * EW_NUMBER_SIZE], unknown[256] = "";
    for (int l = 0; l < EW_LIMITS; l++)
        if (out->unknown[l]) {
            size_t n = strlen(unknown);
            snprintf(unknown + n, sizeof unknown - n, " %s was not measured in %zu of %zu configurations.",
                     limits[l].words, out->unknown[l], insight->n_configs);
        }
    if (c) {
        value_in_words(value, limit, ew_recommend_value(c, limit));
        value_in_words(asked, limit, wishes->limit[limit]);
        out->reason =
            ew_words_keep(insight, "The nearest is %s: its %s is %s, asked was %s %s.%s", c->label, limits[limit].words,
                          value, limits[limit].sense < 0 ? "at most" : "at least", asked, unknown);
    } else {
        out->reason = ew_words_keep(insight, "Every configuration misses more than one of them.%s", unknown);
    }
    return out->text && out->reason ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "recommendation: out of memory");
}

static const char *why_preferred(enum ew_preference prefer, bool measured_quality) {
    switch (prefer) {
    case EW_PREFER_SPEED: return "it writes fastest";
    case EW_PREFER_ENERGY: return "it takes the fewest joules per token";
    case EW_PREFER_MEMORY: return "it takes the least memory";
    case EW_PREFER_QUALITY:
    case EW_PREFERENCES: break;
    }
    return measured_quality ? "it has the best quality"
                            : "it has the most parameters, then the most bits per weight (quality was not measured)";
}

/* What the figure called quality is, where it decided: " Quality 0.61 (0.54 to 0.67): accuracy on …". "" where it did
 * not; NULL: out of memory. */
static const char *quality_in_words(struct ew_insight *insight, const struct ew_wishes *wishes, config_ref c) {
    bool decided = wishes->prefer == EW_PREFER_QUALITY || !isnan(wishes->limit[EW_LIMIT_QUALITY]);
    if (!decided || isnan(c->quality)) return "";
    char value[EW_NUMBER_SIZE], low[EW_NUMBER_SIZE], high[EW_NUMBER_SIZE], range[3 * EW_NUMBER_SIZE] = "",
                                                                                     apart[64] = "";
    int decimals = ew_words_decimals(c->quality, fmax(c->quality_high - c->quality, c->quality - c->quality_low));
    ew_words_number(value, c->quality, decimals);
    ew_words_number(low, c->quality_low, decimals);
    ew_words_number(high, c->quality_high, decimals);
    if (c->quality_low < c->quality_high) snprintf(range, sizeof range, " (%s to %s)", low, high);
    size_t others = ew_rating_not_told_apart(insight, c);
    if (others) snprintf(apart, sizeof apart, ", not told apart from %zu other%s", others, others == 1 ? "" : "s");
    return ew_words_keep(insight, " Quality %s%s%s%s%s.", value, range, insight->rating.words ? ": " : "",
                         insight->rating.words ? insight->rating.words : "", apart);
}

static enum ew_status praise(struct ew_insight *insight, const struct ew_wishes *wishes, bool measured_quality,
                             struct ew_recommendation *out, struct ew_error *err) {
    config_ref c = out->config;
    char speed[EW_NUMBER_SIZE], ttft[EW_NUMBER_SIZE], size[EW_NUMBER_SIZE], power[64] = "", fallen[384] = "";
    ew_words_number(speed, figure(c, EW_MEASURE_DECODE), -1);
    ew_words_number(ttft, figure(c, EW_MEASURE_TTFT), -1);
    ew_words_size(size, figure(c, EW_MEASURE_PEAK_MEMORY));
    if (!isnan(watts(c))) {
        char number[EW_NUMBER_SIZE];
        ew_words_number(number, watts(c), -1);
        snprintf(power, sizeof power, ", %s W", number);
    }
    const char *quality = quality_in_words(insight, wishes, c);
    out->text = ew_words_keep(insight, "Run %s: first token after %s s, then %s tokens/s, in %s%s.", c->label, ttft,
                              speed, size, power);
    for (int l = 0; l < EW_LIMITS; l++)
        if (out->broken[l]) {
            size_t n = strlen(fallen);
            snprintf(fallen + n, sizeof fallen - n, "%s%zu by %s", n ? ", " : " Others fell out: ", out->broken[l],
                     limits[l].words);
        }
    out->reason = ew_words_keep(insight, "Of %zu configuration%s within your limits %s.%s%s%s", out->n_meeting,
                                out->n_meeting == 1 ? "" : "s", why_preferred(wishes->prefer, measured_quality),
                                quality ? quality : "", fallen, *fallen ? "." : "");
    return out->text && out->reason && quality ? EW_OK
                                               : ew_error_set(err, EW_ERR_MEMORY, "recommendation: out of memory");
}

enum ew_status ew_recommend(struct ew_insight *insight, const struct ew_wishes *wishes, struct ew_recommendation *out,
                            struct ew_error *err) {
    *out = (struct ew_recommendation){0};
    bool measured_quality = false;
    for (size_t i = 0; i < insight->n_configs; i++) measured_quality |= !isnan(insight->configs[i].quality);
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (!c->n_ok) continue;
        unsigned broken = broken_by(c, wishes);
        for (int l = 0; l < EW_LIMITS; l++) {
            if (!(broken & (1u << l))) continue;
            out->broken[l]++;
            out->unknown[l] += isnan(ew_recommend_value(c, (enum ew_limit)l)) != 0;
        }
        if (broken) continue;
        out->n_meeting++;
        if (!out->config || is_better(c, out->config, wishes->prefer, measured_quality)) out->config = c;
    }
    return out->config ? praise(insight, wishes, measured_quality, out, err) : nothing_meets(insight, wishes, out, err);
}
