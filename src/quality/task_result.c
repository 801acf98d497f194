/* Owns the judging of an item and the sums and intervals over all. */
#include "quality/task_result.h"

#include <math.h>

static const double Z95 = 1.959963984540054; /* the normal distribution's 97.5 % quantile */

/* ---- one item ---- */

static double normalized(const struct ew_ending_score *e, enum ew_task_length by) {
    switch (by) {
    case EW_TASK_BY_TOKEN: return e->token_mean;
    case EW_TASK_BY_BYTE: return e->log_p / e->n_bytes;
    case EW_TASK_BY_CHAR: return e->log_p / e->n_chars;
    default: return e->log_p;
    }
}

uint32_t ew_task_best_ending(const struct ew_ending_score *endings, uint32_t n, enum ew_task_length by) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (normalized(&endings[i], by) > normalized(&endings[best], by)) best = i;
    return best;
}

/* MC1: the best true ending against all that are false. */
static bool best_beats_false(const struct ew_task_outcome *o) {
    const struct ew_task_item *item = o->item;
    for (uint32_t i = 0; i < item->n_endings; i++)
        if (!item->is_true[i] && o->endings[i].log_p > o->endings[item->answer].log_p) return false;
    return true;
}

/* MC2. Relative to the largest, so that no exponential is 0 / 0. */
static double true_share(const struct ew_task_outcome *o) {
    const struct ew_task_item *item = o->item;
    double most = o->endings[0].log_p, all = 0, is_true = 0;
    for (uint32_t i = 1; i < item->n_endings; i++) most = fmax(most, o->endings[i].log_p);
    for (uint32_t i = 0; i < item->n_endings; i++) {
        double p = exp(o->endings[i].log_p - most);
        all += p;
        if (item->is_true[i]) is_true += p;
    }
    return is_true / all;
}

void ew_task_judge(const struct ew_task_rules *rules, struct ew_task_outcome *o) {
    for (int by = 0; by < EW_TASK_LENGTHS; by++)
        o->chosen[by] = ew_task_best_ending(o->endings, o->item->n_endings, (enum ew_task_length)by);
    o->true_mass = NAN;
    switch (rules->kind) {
    case EW_TASK_CHOICE_MULTI:
        o->right = best_beats_false(o);
        o->true_mass = true_share(o);
        break;
    case EW_TASK_LAST_WORD: o->right = o->endings[0].greedy; break;
    default: o->right = o->chosen[rules->normalize] == o->item->answer;
    }
}

/* ---- all items ---- */

static void add_endings(struct ew_task_sums *s, const struct ew_task_rules *rules, const struct ew_task_outcome *o) {
    const struct ew_task_item *item = o->item;
    const double n = item->n_endings;
    switch (rules->kind) {
    case EW_TASK_CHOICE_MULTI: {
        uint32_t n_true = 0;
        for (uint32_t i = 0; i < item->n_endings; i++) n_true += item->is_true[i];
        s->right[0] += o->right;
        s->mass += o->true_mass;
        s->mass_squared += o->true_mass * o->true_mass;
        s->chance += 1 / (n - n_true + 1);
        s->mass_chance += n_true / n;
        break;
    }
    case EW_TASK_LAST_WORD:
        s->right[0] += o->right;
        s->nll -= o->endings[0].log_p;
        s->nll_squared += o->endings[0].log_p * o->endings[0].log_p;
        break;
    default:
        for (int by = 0; by < EW_TASK_LENGTHS; by++) s->right[by] += o->chosen[by] == item->answer;
        s->chance += 1 / n;
    }
}

void ew_task_sums_add(struct ew_task_sums *s, const struct ew_task_rules *rules, const struct ew_task_outcome *o) {
    if (o->skipped) {
        s->n_skipped++;
        return;
    }
    s->n++;
    s->groups[o->item->group].n++;
    s->groups[o->item->group].right += o->right;
    if (rules->kind == EW_TASK_GENERATE) {
        s->right[0] += o->match.strict;
        s->right[1] += o->match.flexible;
    } else
        add_endings(s, rules, o);
}

void ew_wilson_interval(uint64_t right, uint64_t n, double *low, double *high) {
    const double count = (double)n, p = (double)right / count, zz = Z95 * Z95;
    const double middle = (p + zz / (2 * count)) / (1 + zz / count);
    const double half = Z95 / (1 + zz / count) * sqrt(p * (1 - p) / count + zz / (4 * count * count));
    /* Both ends lie in 0 … 1, but for rounding. */
    *low = right == 0 ? 0 : middle - half;
    *high = right == n ? 1 : middle + half;
}

static struct ew_task_figure share(const char *name, uint64_t right, uint64_t n, double chance) {
    struct ew_task_figure f = {.name = name, .value = NAN, .low = NAN, .high = NAN, .chance = chance};
    if (n == 0) return f;
    f.value = (double)right / (double)n;
    ew_wilson_interval(right, n, &f.low, &f.high);
    return f;
}

/* A mean of values that are no yes and no: the normal interval of its standard error. */
static struct ew_task_figure mean(const char *name, double sum, double squared, uint64_t n, double chance) {
    struct ew_task_figure f = {.name = name, .value = NAN, .low = NAN, .high = NAN, .chance = chance};
    if (n == 0) return f;
    const double count = (double)n;
    f.value = sum / count;
    if (n < 2) return f;
    double variance = squared / count - f.value * f.value;
    double half = variance > 0 ? Z95 * sqrt(variance / (count - 1)) : 0;
    f.low = f.value - half;
    f.high = f.value + half;
    return f;
}

struct ew_task_result ew_task_result_of(const struct ew_task_sums *s, const struct ew_task_rules *rules) {
    static const char *const names[EW_TASK_LENGTHS] = {"accuracy", "accuracy_token", "accuracy_byte", "accuracy_char"};
    struct ew_task_result r = {.measure = "accuracy", .n = s->n, .n_skipped = s->n_skipped};
    const double chance = s->n ? s->chance / (double)s->n : NAN;
    struct ew_task_figure *f = r.figures;
    switch (rules->kind) {
    case EW_TASK_CHOICE_MULTI:
        f[r.n_figures++] = share("mc1", s->right[0], s->n, chance);
        f[r.n_figures++] = mean("mc2", s->mass, s->mass_squared, s->n, s->n ? s->mass_chance / (double)s->n : NAN);
        break;
    case EW_TASK_GENERATE:
        r.measure = "exact_match";
        f[r.n_figures++] = share("exact_match", s->right[0], s->n, NAN);
        if (rules->match == EW_TASK_MATCH_NUMBER)
            f[r.n_figures++] = share("exact_match_flexible", s->right[1], s->n, NAN);
        break;
    case EW_TASK_LAST_WORD:
        r.measure = "last_word";
        f[r.n_figures++] = share("accuracy", s->right[0], s->n, NAN);
        f[r.n_figures] = mean("perplexity", s->nll, s->nll_squared, s->n, NAN);
        f[r.n_figures].value = exp(f[r.n_figures].value);
        f[r.n_figures].low = exp(f[r.n_figures].low);
        f[r.n_figures].high = exp(f[r.n_figures].high);
        r.n_figures++;
        break;
    default:
        r.main = rules->normalize;
        for (int by = 0; by < EW_TASK_LENGTHS; by++) f[r.n_figures++] = share(names[by], s->right[by], s->n, chance);
    }
    return r;
}
