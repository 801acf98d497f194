/* Owns which configurations of two studies belong together, and the words better and worse. Refuses to pair runs of
 * different studies: their blocks met different weather. */
#include "insight/versus.h"

#include "base/error.h"
#include "study/comparison.h"
#include "study/multiplicity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 1 }; /* of the resampling: the same stores give the same report */

const char *ew_versus_verdict_name(enum ew_versus_verdict verdict) {
    static const char *const names[] = {"not known", "better", "worse", "no difference"};
    return names[verdict];
}

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "comparison of studies: out of memory");
}

/* ---- the runs of one configuration ---- */

struct side {
    const struct ew_insight_run **runs; /* [n] that ended well */
    double *values;                     /* [n] room for one figure */
    int64_t *blocks;
    size_t n;
};

static void close_side(struct side *s) {
    free(s->runs);
    free(s->values);
    free(s->blocks);
}

static bool open_side(struct side *s, const struct ew_insight *insight, const struct ew_insight_config *config) {
    size_t index = (size_t)(config - insight->configs), most = config->n_ok + 1;
    *s = (struct side){.runs = calloc(most, sizeof *s->runs),
                       .values = calloc(most, sizeof *s->values),
                       .blocks = calloc(most, sizeof *s->blocks)};
    if (!s->runs || !s->values || !s->blocks) return false;
    for (size_t i = 0; i < insight->n_runs; i++)
        if (insight->runs[i].config == index && insight->runs[i].trial->status == EW_TRIAL_OK)
            s->runs[s->n++] = &insight->runs[i];
    return true;
}

static struct ew_stat_sample sample_of(struct side *s, int measure) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->runs[i]->value[measure])) continue;
        s->values[n] = s->runs[i]->value[measure];
        s->blocks[n++] = s->runs[i]->trial->repeat;
    }
    return (struct ew_stat_sample){s->values, s->blocks, n};
}

/* ---- one figure ---- */

static void judge(struct ew_versus_figure *f, int measure) {
    int sense = ew_measure_info((enum ew_measure)measure)->sense;
    /* A claim needs a direction: of the shift of all runs, which decides also where medians happen to be equal. */
    double up = f->ratio != 1 && isfinite(f->ratio) ? f->ratio - 1 : f->cliff_delta;
    switch (ew_stat_verdict_of(f->different_p, f->equivalent_p)) {
    case EW_VERDICT_EQUIVALENT: f->verdict = EW_VERSUS_SAME; break;
    case EW_VERDICT_DIFFERENT: f->verdict = up * sense > 0 ? EW_VERSUS_BETTER : EW_VERSUS_WORSE; break;
    case EW_VERDICT_UNDECIDED: f->verdict = EW_VERSUS_UNKNOWN; break;
    }
}

static enum ew_status compare_figure(struct side *a, struct side *b, int measure, bool paired, double margin,
                                     struct ew_versus_figure *f, struct ew_error *err) {
    struct ew_stat_sample first = sample_of(a, measure), second = sample_of(b, measure);
    *f = (struct ew_versus_figure){.n_a = first.n,
                                   .n_b = second.n,
                                   .ratio = NAN,
                                   .low = NAN,
                                   .high = NAN,
                                   .different_p = NAN,
                                   .equivalent_p = NAN,
                                   .cliff_delta = NAN,
                                   .hedges_g = NAN};
    if (!first.n || !second.n) return EW_OK;
    struct ew_stat_comparison c;
    enum ew_status status = ew_stat_compare(&second, &first, paired, margin, SEED, &c, err);
    if (status != EW_OK) return status;
    bool resampled = c.medians.interval.method != EW_INTERVAL_NONE;
    f->ratio = c.medians.value;
    f->low = resampled ? c.medians.interval.low : c.decision.test.low;
    f->high = resampled ? c.medians.interval.high : c.decision.test.high;
    f->different_p = c.decision.different_p;
    f->equivalent_p = c.decision.equivalent_p;
    f->cliff_delta = c.cliff_delta;
    f->hedges_g = c.hedges_g;
    f->runs_wanted = c.decision.test.runs_wanted;
    f->paired = c.decision.paired;
    judge(f, measure);
    return EW_OK;
}

enum ew_status ew_versus_configs(const struct ew_insight *ia, const struct ew_insight_config *a,
                                 const struct ew_insight *ib, const struct ew_insight_config *b, double margin,
                                 struct ew_versus_figure out[EW_MEASURES], struct ew_error *err) {
    struct side first = {0}, second = {0};
    enum ew_status status = EW_OK;
    if (!open_side(&first, ia, a) || !open_side(&second, ib, b)) status = no_memory(err);
    for (int m = 0; m < EW_MEASURES && status == EW_OK; m++) {
        status = compare_figure(&first, &second, m, ia->study == ib->study, margin, &out[m], err);
        out[m].a = a->figure[m].value;
        out[m].b = b->figure[m].value;
    }
    close_side(&first);
    close_side(&second);
    return status;
}

/* ---- two studies: who belongs to whom ---- */

static bool same_text(const char *x, const char *y) { return strcmp(x ? x : "", y ? y : "") == 0; }

static bool same_key(const struct ew_insight_config *a, const struct ew_insight_config *b) {
    return a->record->key && same_text(a->record->key, b->record->key);
}

static bool alike(const struct ew_insight_config *a, const struct ew_insight_config *b) {
    const struct ew_config_record *x = a->record, *y = b->record;
    return same_text(a->name, b->name) && same_text(a->model->file_type, b->model->file_type) &&
           a->model->synthetic == b->model->synthetic && x->prefill_threads == y->prefill_threads &&
           x->decode_threads == y->decode_threads && x->prompt_tokens == y->prompt_tokens &&
           x->generate_tokens == y->generate_tokens && x->depth == y->depth;
}

static void say_what_differs(struct ew_versus_pair *pair) {
    const struct ew_config_record *x = pair->a->record, *y = pair->b->record;
    const struct {
        bool differs;
        const char *word;
    } all[] = {{!same_text(pair->a->model->key, pair->b->model->key), "model file"},
               {x->context != y->context, "context"},
               {!same_text(x->layout, y->layout), "layout"},
               {x->cpu_mask != y->cpu_mask, "CPU features"},
               {!same_text(x->engine, y->engine), "engine"},
               {x->batch != y->batch, "batch"},
               {x->spin_us != y->spin_us, "spin"},
               {!same_text(x->cores, y->cores), "cores"},
               {x->sustained_ms != y->sustained_ms, "sustained phase"},
               {!same_text(x->load, y->load), "load"},
               {!same_text(x->kv_type, y->kv_type), "KV type"},
               {!same_text(x->speculate, y->speculate), "speculation"},
               {!same_text(x->backend, y->backend), "backend"},
               {!same_text(x->governor, y->governor) || x->frequency_cap_hz != y->frequency_cap_hz ||
                    !same_text(x->power_mode, y->power_mode) || !same_text(x->epp, y->epp),
                "power settings"}};
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].differs)
            n += (size_t)snprintf(pair->differs + n, sizeof pair->differs - n, "%s%s", n ? ", " : "", all[i].word);
    if (!n) snprintf(pair->differs, sizeof pair->differs, "another setting");
}

typedef bool (*likeness)(const struct ew_insight_config *a, const struct ew_insight_config *b);

/* The one free configuration of the other study that is like it; NULL where there is none, or several. */
static const struct ew_insight_config *find_one(const struct ew_insight *in, const struct ew_insight_config *like,
                                                likeness is_like, const bool *taken) {
    const struct ew_insight_config *found = NULL;
    for (size_t i = 0; i < in->n_configs; i++) {
        if (taken[i] || !is_like(like, &in->configs[i])) continue;
        if (found) return NULL;
        found = &in->configs[i];
    }
    return found;
}

static int by_first(const void *pa, const void *pb) {
    const struct ew_versus_pair *a = pa, *b = pb;
    return (a->a > b->a) - (a->a < b->a);
}

static void match(struct ew_versus *v, bool *taken_a, bool *taken_b) {
    static const likeness passes[] = {same_key, alike};
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < v->a->n_configs; i++) {
            const struct ew_insight_config *a = &v->a->configs[i];
            const struct ew_insight_config *b = taken_a[i] ? NULL : find_one(v->b, a, passes[pass], taken_b);
            /* Also from the other side it must be the only one. */
            if (!b || find_one(v->a, b, passes[pass], taken_a) != a) continue;
            struct ew_versus_pair *pair = &v->pairs[v->n_pairs++];
            *pair = (struct ew_versus_pair){.a = a, .b = b, .alike = pass > 0};
            if (pair->alike) say_what_differs(pair);
            taken_a[i] = taken_b[b - v->b->configs] = true;
        }
    qsort(v->pairs, v->n_pairs, sizeof *v->pairs, by_first);
    for (size_t i = 0; i < v->a->n_configs; i++)
        if (!taken_a[i]) v->only_a[v->n_only_a++] = &v->a->configs[i];
    for (size_t i = 0; i < v->b->n_configs; i++)
        if (!taken_b[i]) v->only_b[v->n_only_b++] = &v->b->configs[i];
}

/* ---- two studies: the verdicts of a whole table ---- */

static enum ew_status adjust(struct ew_versus *v, int measure, double *p, struct ew_error *err) {
    for (size_t i = 0; i < v->n_pairs; i++) p[i] = v->pairs[i].figure[measure].different_p;
    enum ew_status status = ew_stat_adjust_benjamini_hochberg(p, v->n_pairs, err);
    for (size_t i = 0; i < v->n_pairs && status == EW_OK; i++) v->pairs[i].figure[measure].different_p = p[i];
    for (size_t i = 0; i < v->n_pairs; i++) p[i] = v->pairs[i].figure[measure].equivalent_p;
    if (status == EW_OK) status = ew_stat_adjust_benjamini_hochberg(p, v->n_pairs, err);
    for (size_t i = 0; i < v->n_pairs && status == EW_OK; i++) v->pairs[i].figure[measure].equivalent_p = p[i];
    return status;
}

static void count(struct ew_versus *v, int measure, double *ratios) {
    size_t n = 0;
    for (size_t i = 0; i < v->n_pairs; i++) {
        struct ew_versus_figure *f = &v->pairs[i].figure[measure];
        if (!f->n_a || !f->n_b) continue;
        judge(f, measure);
        v->count[measure][f->verdict]++;
        if (isfinite(f->ratio)) ratios[n++] = f->ratio;
    }
    ew_stat_sort(ratios, n);
    v->middle[measure] = ew_stat_median_of_sorted(ratios, n);
}

static enum ew_status fill(struct ew_versus *v, struct ew_error *err) {
    enum ew_status status = EW_OK;
    double *scratch = calloc(v->n_pairs + 1, sizeof *scratch);
    if (!scratch) return no_memory(err);
    for (size_t i = 0; i < v->n_pairs && status == EW_OK; i++)
        status = ew_versus_configs(v->a, v->pairs[i].a, v->b, v->pairs[i].b, v->margin, v->pairs[i].figure, err);
    for (int m = 0; m < EW_MEASURES && status == EW_OK; m++) {
        status = adjust(v, m, scratch, err);
        if (status == EW_OK) count(v, m, scratch);
    }
    free(scratch);
    return status;
}

static struct ew_versus *open_versus(const struct ew_insight *a, const struct ew_insight *b, double margin) {
    struct ew_versus *v = calloc(1, sizeof *v);
    if (!v) return NULL;
    *v = (struct ew_versus){.a = a, .b = b, .margin = margin};
    v->pairs = calloc(a->n_configs + 1, sizeof *v->pairs);
    v->only_a = calloc(a->n_configs + 1, sizeof(*v->only_a));
    v->only_b = calloc(b->n_configs + 1, sizeof(*v->only_b));
    if (!v->pairs || !v->only_a || !v->only_b) ew_versus_close(&v);
    return v;
}

static enum ew_status finish(struct ew_versus *v, enum ew_status status, struct ew_versus **out, struct ew_error *err) {
    if (status == EW_OK) status = fill(v, err);
    if (status == EW_OK)
        *out = v;
    else
        ew_versus_close(&v);
    return status;
}

enum ew_status ew_versus_build(const struct ew_insight *a, const struct ew_insight *b, double margin,
                               struct ew_versus **out, struct ew_error *err) {
    struct ew_versus *v = open_versus(a, b, margin);
    bool *taken_a = calloc(a->n_configs + 1, sizeof *taken_a), *taken_b = calloc(b->n_configs + 1, sizeof *taken_b);
    enum ew_status status = v && taken_a && taken_b ? EW_OK : no_memory(err);
    if (status == EW_OK) match(v, taken_a, taken_b);
    free(taken_a);
    free(taken_b);
    return finish(v, status, out, err);
}

enum ew_status ew_versus_build_two(const struct ew_insight *insight, const struct ew_insight_config *a,
                                   const struct ew_insight_config *b, double margin, struct ew_versus **out,
                                   struct ew_error *err) {
    struct ew_versus *v = open_versus(insight, insight, margin);
    if (!v) return no_memory(err);
    v->pairs[v->n_pairs++] = (struct ew_versus_pair){.a = a, .b = b};
    return finish(v, EW_OK, out, err);
}

void ew_versus_close(struct ew_versus **versus) {
    if (!*versus) return;
    free((*versus)->pairs);
    free((*versus)->only_a);
    free((*versus)->only_b);
    free(*versus);
    *versus = NULL;
}
