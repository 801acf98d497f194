/* The answer in words: which model, in which quantization, with how many threads, and why.
 * The rules, and why parameters and bits stand in for quality that nobody measured, are in docs/insight.md. */
#include "insight/advice.h"

#include "base/error.h"
#include "insight/rating.h"
#include "insight/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef const struct ew_insight_config *config_ref;

static const char *const answer_keys[] = {"chat", "batch", "energy", "memory", "unfit"};
const char *ew_answer_key(enum ew_answer_kind kind) { return answer_keys[kind]; }

double ew_advice_bits_per_weight(const struct ew_model_record *model) {
    int64_t bytes = model->weights_bytes > 0 ? model->weights_bytes : model->file_bytes;
    return bytes > 0 && model->n_params > 0 ? 8.0 * (double)bytes / (double)model->n_params : NAN;
}

double ew_advice_request_s(config_ref config) {
    return (double)config->record->prompt_tokens / config->figure[EW_MEASURE_PREFILL].value +
           (double)config->record->generate_tokens / config->figure[EW_MEASURE_DECODE].value;
}

static double value_of(config_ref c, enum ew_measure m) { return c->figure[m].value; }
static const char *name_of(config_ref c) { return c->name; }
static const char *type_of(config_ref c) { return c->model->file_type ? c->model->file_type : "?"; }

static double weight_of(const struct ew_model_record *m) {
    return m->n_params > 0 ? (double)m->n_params : m->file_bytes > 0 ? (double)m->file_bytes : 0;
}

static bool same_model(config_ref a, config_ref b) {
    return a->model->synthetic == b->model->synthetic && strcmp(name_of(a), name_of(b)) == 0;
}
static bool same_type(config_ref a, config_ref b) { return same_model(a, b) && strcmp(type_of(a), type_of(b)) == 0; }

static void threads_in_words(char out[64], config_ref c) {
    long long pre = c->record->prefill_threads, dec = c->record->decode_threads;
    if (pre == dec)
        snprintf(out, 64, "%lld thread%s", dec, dec == 1 ? "" : "s");
    else
        snprintf(out, 64, "%lld threads for the prompt and %lld for the answer", pre, dec);
}

static void figure_in_words(char out[EW_NUMBER_SIZE], config_ref c, enum ew_measure m) {
    char spread[EW_NUMBER_SIZE];
    ew_words_figure(&c->figure[m], ew_measure_info(m)->scale, out, spread);
}

static enum ew_status add(struct ew_insight *insight, struct ew_answer answer, struct ew_error *err) {
    if (!answer.text) return ew_error_set(err, EW_ERR_MEMORY, "answers: out of memory");
    if (insight->n_answers < EW_INSIGHT_MOST_ANSWERS) insight->answers[insight->n_answers++] = answer;
    return EW_OK;
}

/* ---- chat ---- */

/* Measured quality where all that can be chosen have it; else more parameters, then more bits per weight. Then faster,
 * then fewer threads. */
static bool is_better_for_chat(config_ref a, config_ref b, bool rated) {
    if (rated && a->quality != b->quality) return a->quality > b->quality;
    double wa = weight_of(a->model), wb = weight_of(b->model);
    if (wa != wb) return wa > wb;
    double ba = ew_advice_bits_per_weight(a->model), bb = ew_advice_bits_per_weight(b->model);
    if (ba != bb && !isnan(ba) && !isnan(bb)) return ba > bb;
    double da = value_of(a, EW_MEASURE_DECODE), db = value_of(b, EW_MEASURE_DECODE);
    return da != db ? da > db : a->record->decode_threads < b->record->decode_threads;
}

static config_ref best_of_class(const struct ew_insight *insight, enum ew_use_class use, bool *rated) {
    config_ref best = NULL;
    *rated = true;
    for (size_t i = 0; i < insight->n_configs; i++)
        if (insight->configs[i].use[use] == 1) *rated &= isfinite(insight->configs[i].quality) != 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (c->use[use] == 1 && (!best || is_better_for_chat(c, best, *rated))) best = c;
    }
    return best;
}

/* What "best" stands on, and how surely; the words that follow "this has". */
static const char *what_is_best(struct ew_insight *insight, config_ref c, bool rated) {
    char value[EW_NUMBER_SIZE], spread[EW_NUMBER_SIZE], apart[96] = "";
    if (!rated) {
        bool some = insight->rating.basis != EW_RATING_NONE;
        return ew_words_keep(insight,
                             "the most parameters, then the most bits per weight. Quality was %s; these two "
                             "stand in for it.",
                             some ? "measured for only some of them" : "not measured");
    }
    ew_words_figure(&(struct ew_figure){c->quality, c->quality_low, c->quality_high, 1, false}, 1, value, spread);
    size_t others = ew_rating_not_told_apart(insight, c);
    if (others)
        snprintf(apart, sizeof apart, "; %zu other configuration%s not told apart from it by this", others,
                 others == 1 ? " is" : "s are");
    return ew_words_keep(insight, "the best measured quality: %s%s%s, %s%s.", value, *spread ? " " : "", spread,
                         insight->rating.words ? insight->rating.words : "", apart);
}

static config_ref fastest(const struct ew_insight *insight) {
    config_ref best = NULL;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (value_of(c, EW_MEASURE_DECODE) > 0 &&
            (!best || value_of(c, EW_MEASURE_DECODE) > value_of(best, EW_MEASURE_DECODE)))
            best = c;
    }
    return best;
}

/* The fastest type of the same model, where its interval lies wholly above; NULL otherwise. */
static config_ref faster_type(const struct ew_insight *insight, config_ref chosen) {
    config_ref best = NULL;
    const struct ew_figure *mine = &chosen->figure[EW_MEASURE_DECODE];
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        const struct ew_figure *f = &c->figure[EW_MEASURE_DECODE];
        if (!same_model(c, chosen) || same_type(c, chosen) || !(f->low > mine->high)) continue;
        if (!best || f->value > value_of(best, EW_MEASURE_DECODE)) best = c;
    }
    return best;
}

/* The best other thread count of the same model and type and work, to say what threads gain. */
static config_ref other_threads(const struct ew_insight *insight, config_ref chosen) {
    config_ref best = NULL;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (!same_type(c, chosen) || c->record->decode_threads == chosen->record->decode_threads) continue;
        if (c->record->depth != chosen->record->depth || !(value_of(c, EW_MEASURE_DECODE) > 0)) continue;
        if (!best || value_of(c, EW_MEASURE_DECODE) > value_of(best, EW_MEASURE_DECODE)) best = c;
    }
    return best;
}

static const char *chat_reason(struct ew_insight *insight, config_ref c, const char *why) {
    char threads[160] = "", faster[320] = "";
    config_ref other = other_threads(insight, c), quick = faster_type(insight, c);
    if (other) {
        char words[64], speed[EW_NUMBER_SIZE];
        threads_in_words(words, other);
        figure_in_words(speed, other, EW_MEASURE_DECODE);
        snprintf(threads, sizeof threads, " With %s it writes %s tokens/s.", words, speed);
    }
    if (quick) {
        char words[64], speed[EW_NUMBER_SIZE], size[EW_NUMBER_SIZE];
        threads_in_words(words, quick);
        figure_in_words(speed, quick, EW_MEASURE_DECODE);
        ew_words_size(size, value_of(quick, EW_MEASURE_PEAK_MEMORY));
        snprintf(faster, sizeof faster, " If speed matters more: %.40s with %s writes %s tokens/s in %s.",
                 type_of(quick), words, speed, size);
    }
    return ew_words_keep(insight, "%s%s%s", why, threads, faster);
}

static enum ew_status answer_chat(struct ew_insight *insight, struct ew_error *err) {
    bool rated;
    config_ref c = best_of_class(insight, EW_USE_CONVERSATIONAL, &rated);
    const char *lead = "Run";
    const char *of = "Of what keeps a conversation going (first token within 2 s, then 100 ms per token)";
    if (!c && (c = best_of_class(insight, EW_USE_READING, &rated))) {
        of = "Nothing here keeps a conversation going (first token within 2 s, then 100 ms per token). Of what "
             "writes as fast as one reads";
        lead = "With patience, run";
    }
    const char *best = c ? what_is_best(insight, c, rated) : "";
    const char *why = best ? ew_words_keep(insight, "%s, this has %s", of, best) : NULL;
    if (!why) return ew_error_set(err, EW_ERR_MEMORY, "answers: out of memory");
    if (!c && (c = fastest(insight))) {
        why = "Nothing here writes as fast as one reads (5.3 tokens/s). This is the fastest.";
        lead = "Nothing here is pleasant. The nearest is";
    }
    if (!c) return EW_OK;
    char threads[64], ttft[EW_NUMBER_SIZE], speed[EW_NUMBER_SIZE], size[EW_NUMBER_SIZE], times[EW_NUMBER_SIZE];
    threads_in_words(threads, c);
    figure_in_words(ttft, c, EW_MEASURE_TTFT);
    figure_in_words(speed, c, EW_MEASURE_DECODE);
    ew_words_size(size, value_of(c, EW_MEASURE_PEAK_MEMORY));
    ew_words_number(times, value_of(c, EW_MEASURE_DECODE) / ew_use_reading_tokens_per_s(), 1);
    const char *real = c->model->synthetic ? " Its weights here were random: the text of the real file was not seen."
                       : c->model->in_the_box
                           ? " It is the small model in the box, which shows that all works and knows nothing."
                           : "";
    const char *text = ew_words_keep(insight,
                                     "%s %s in %s with %s: after a prompt of %lld tokens the first token comes after "
                                     "%s s, then %s tokens/s (%s times "
                                     "reading speed), in %s of memory.%s",
                                     lead, name_of(c), type_of(c), threads, (long long)c->record->prompt_tokens, ttft,
                                     speed, times, size, real);
    return add(insight, (struct ew_answer){EW_ANSWER_CHAT, "For chat", text, chat_reason(insight, c, why), c}, err);
}

/* ---- batch and energy: the best configuration of each model, largest models first ---- */

static double batch_cost(config_ref c) { return ew_advice_request_s(c); }
static double energy_cost(config_ref c) { return value_of(c, EW_MEASURE_DECODE_ENERGY); }
static double memory_cost(config_ref c) { return value_of(c, EW_MEASURE_PEAK_MEMORY); }

static config_ref cheapest(const struct ew_insight *insight, config_ref of_model, double (*cost)(config_ref)) {
    config_ref best = NULL;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if ((of_model && !same_model(c, of_model)) || !(cost(c) > 0)) continue;
        if (!best || cost(c) < cost(best)) best = c;
    }
    return best;
}

/* The heaviest model that has a cost and is lighter than `below`; NULL at the end. */
static config_ref next_model(const struct ew_insight *insight, config_ref below, double (*cost)(config_ref)) {
    config_ref best = NULL;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (!(cost(c) > 0) || (below && weight_of(c->model) >= weight_of(below->model))) continue;
        if (!best || weight_of(c->model) > weight_of(best->model)) best = c;
    }
    return best;
}

enum { MODELS_NAMED = 3, LINE_SIZE = 320 };

static void batch_line(char out[LINE_SIZE], config_ref c) {
    char threads[64], prefill[EW_NUMBER_SIZE], decode[EW_NUMBER_SIZE];
    threads_in_words(threads, c);
    figure_in_words(prefill, c, EW_MEASURE_PREFILL);
    figure_in_words(decode, c, EW_MEASURE_DECODE);
    snprintf(out, LINE_SIZE, "%.80s%s in %.40s with %s reads %s and writes %s tokens/s.", name_of(c),
             c->model->synthetic ? " (synthetic)" : "", type_of(c), threads, prefill, decode);
}

static void energy_line(char out[LINE_SIZE], config_ref c) {
    char threads[64], joules[EW_NUMBER_SIZE];
    threads_in_words(threads, c);
    figure_in_words(joules, c, EW_MEASURE_DECODE_ENERGY);
    snprintf(out, LINE_SIZE, "%.80s%s in %.40s with %s takes %s J per token (grade %s).", name_of(c),
             c->model->synthetic ? " (synthetic)" : "", type_of(c), threads, joules, ew_trust_grade_name(c->grade));
}

static enum ew_status answer_per_model(struct ew_insight *insight, struct ew_answer answer, double (*cost)(config_ref),
                                       void (*line)(char[LINE_SIZE], config_ref), struct ew_error *err) {
    char text[MODELS_NAMED * LINE_SIZE + MODELS_NAMED] = "";
    size_t n = 0, named = 0;
    for (config_ref m = next_model(insight, NULL, cost); m && named < MODELS_NAMED;
         m = next_model(insight, m, cost), named++) {
        config_ref c = cheapest(insight, m, cost);
        char one[LINE_SIZE];
        line(one, c);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", one);
        if (!answer.config) answer.config = c;
    }
    if (!named) return EW_OK;
    answer.text = ew_words_keep(insight, "%s", text);
    return add(insight, answer, err);
}

/* ---- memory, and what does not fit ---- */

static enum ew_status answer_memory(struct ew_insight *insight, struct ew_error *err) {
    config_ref c = cheapest(insight, NULL, memory_cost);
    if (!c) return EW_OK;
    char threads[64], size[EW_NUMBER_SIZE], more[LINE_SIZE] = "";
    threads_in_words(threads, c);
    ew_words_size(size, memory_cost(c));
    config_ref heavy = next_model(insight, NULL, memory_cost);
    if (!same_model(heavy, c)) {
        char heavy_size[EW_NUMBER_SIZE];
        config_ref least = cheapest(insight, heavy, memory_cost);
        ew_words_size(heavy_size, memory_cost(least));
        snprintf(more, sizeof more, " %.80s%s needs at least %s, in %.40s.", name_of(least),
                 least->model->synthetic ? " (synthetic)" : "", heavy_size, type_of(least));
    }
    const char *text = ew_words_keep(insight, "%s%s in %s with %s takes %s.%s", name_of(c),
                                     c->model->synthetic ? " (synthetic)" : "", type_of(c), threads, size, more);
    return add(insight,
               (struct ew_answer){EW_ANSWER_MEMORY, "In the least memory", text,
                                  "The smallest measured peak of all runs that ended well.", c},
               err);
}

/* A model and type that ran out of memory in every run, the first configuration of each. */
static bool is_unfit(const struct ew_insight *insight, size_t index) {
    bool any_oom = false;
    for (size_t i = 0; i < insight->n_runs; i++) {
        config_ref c = &insight->configs[insight->runs[i].config];
        if (!same_type(c, &insight->configs[index])) continue;
        if (insight->runs[i].trial->status == EW_TRIAL_OK) return false;
        any_oom |= insight->runs[i].trial->status == EW_TRIAL_OOM;
    }
    for (size_t i = 0; i < index && any_oom; i++)
        if (same_type(&insight->configs[i], &insight->configs[index])) return false;
    return any_oom;
}

static enum ew_status answer_unfit(struct ew_insight *insight, struct ew_error *err) {
    enum { MOST = 6 };
    char text[MOST * LINE_SIZE] = "";
    size_t n = 0, named = 0, all = 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        config_ref c = &insight->configs[i];
        if (!is_unfit(insight, i) || ++all > MOST) continue;
        char need[EW_NUMBER_SIZE + 32] = "", size[EW_NUMBER_SIZE];
        if (c->ledger.present && c->ledger.total > 0) {
            ew_words_size(size, (double)c->ledger.total);
            snprintf(need, sizeof need, " (it would need %s)", size);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%.80s in %.40s%s", named++ ? ", " : "", name_of(c),
                              type_of(c), need);
    }
    if (!named) return EW_OK;
    const char *kept =
        ew_words_keep(insight, "Does not fit: %s%s.", text, all > MOST ? ", and others in the table" : "");
    return add(insight, (struct ew_answer){EW_ANSWER_UNFIT, "Not here", kept, NULL, NULL}, err);
}

enum ew_status ew_advice_answer(struct ew_insight *insight, struct ew_error *err) {
    enum ew_status status = answer_chat(insight, err);
    if (status == EW_OK)
        status = answer_per_model(
            insight,
            (struct ew_answer){EW_ANSWER_BATCH, "For batch work", NULL,
                               "Least time for one prompt and its answer, of each model's types and thread counts.",
                               NULL},
            batch_cost, batch_line, err);
    if (status == EW_OK)
        status = answer_per_model(
            insight,
            (struct ew_answer){EW_ANSWER_ENERGY, "For the fewest joules", NULL,
                               "Least gross energy per generated token, of each model's types and thread counts.",
                               NULL},
            energy_cost, energy_line, err);
    if (status == EW_OK) status = answer_memory(insight, err);
    if (status == EW_OK) status = answer_unfit(insight, err);
    return status;
}
