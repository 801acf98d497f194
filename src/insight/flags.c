/* Looks over the runs of each configuration, and over all blocks of the study. Only figures that a machine's state
 * moves are looked at: loading depends on the page cache (which is named by itself), memory on the model. */
#include "insight/flags.h"

#include "base/error.h"
#include "insight/insight.h"
#include "insight/words.h"
#include "machine/memory_activity.h"
#include "study/drift.h"
#include "study/outliers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const enum ew_measure looked_at[] = {EW_MEASURE_TTFT, EW_MEASURE_PREFILL, EW_MEASURE_DECODE,
                                            EW_MEASURE_DECODE_ENERGY};
enum { LOOKED_AT = sizeof looked_at / sizeof *looked_at, MOST_TREND = 4000 };

const char *ew_flag_key(enum ew_flag_kind kind) {
    static const char *const keys[EW_FLAGS] = {"outlier",   "drift",      "neighbours", "swapped",
                                               "throttled", "meter_lost", "stalled",    "limit_hit",
                                               "reread",    "crowded",    "page_cache"};
    return keys[kind];
}

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "flags of runs: out of memory");
}

/* Room for the runs of one configuration, in the order in which they ran. */
struct view {
    size_t *runs; /* indices into insight->runs */
    size_t n;
    size_t *picked;
    double *values;
    bool *flags;
};

static void close_view(struct view *v) {
    free(v->runs);
    free(v->picked);
    free(v->values);
    free(v->flags);
}

static bool open_view(struct view *v, size_t most) {
    *v = (struct view){.runs = calloc(most, sizeof *v->runs),
                       .picked = calloc(most, sizeof *v->picked),
                       .values = calloc(most, sizeof *v->values),
                       .flags = calloc(most, sizeof *v->flags)};
    return v->runs && v->picked && v->values && v->flags;
}

/* Runs with that figure. */
static size_t pick(const struct ew_insight *insight, struct view *v, enum ew_measure measure) {
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const struct ew_insight_run *run = &insight->runs[v->runs[i]];
        if (!isfinite(run->value[measure])) continue;
        v->picked[n] = v->runs[i];
        v->values[n++] = run->value[measure];
    }
    return n;
}

static bool add(struct ew_insight_config *config, enum ew_flag_kind kind, enum ew_measure measure, double size,
                const char *text) {
    if (!text) return false;
    if (config->n_flags < EW_FLAGS_MOST)
        config->flags[config->n_flags++] = (struct ew_insight_flag){kind, measure, size, text};
    return true;
}

static enum ew_status find_outliers(struct ew_insight *insight, struct ew_insight_config *config, struct view *v,
                                    enum ew_measure measure, size_t n, struct ew_error *err) {
    struct ew_stat_outliers found;
    enum ew_status status = ew_stat_flag_outliers(v->values, n, v->flags, &found, err);
    if (status != EW_OK || !found.n_flagged) return status;
    for (size_t i = 0; i < n; i++)
        if (v->flags[i]) insight->runs[v->picked[i]].outlier |= 1u << measure;
    const char *text =
        ew_words_keep(insight, "%s: %zu of %zu runs %s apart from the others; kept in every figure",
                      ew_measure_info(measure)->head, found.n_flagged, n, found.n_flagged == 1 ? "stands" : "stand");
    return add(config, EW_FLAG_OUTLIER, measure, (double)found.n_flagged, text) ? EW_OK : no_memory(err);
}

static enum ew_status find_drift(struct ew_insight *insight, struct ew_insight_config *config, struct view *v,
                                 enum ew_measure measure, size_t n, struct ew_error *err) {
    struct ew_stat_trend trend;
    if (n < 5 || n > MOST_TREND) return EW_OK;
    enum ew_status status = ew_stat_find_trend(NULL, v->values, n, &trend, err);
    if (status != EW_OK) return status;
    const char *head = ew_measure_info(measure)->head;
    if (trend.drifts && !add(config, EW_FLAG_DRIFT, measure, trend.change,
                             ew_words_keep(insight, "%s %s by %.1f %% while the study ran (p = %.2g)", head,
                                           trend.change > 0 ? "rose" : "fell", fabs(100 * trend.change), trend.p)))
        return no_memory(err);
    struct ew_stat_neighbours near = ew_stat_find_neighbours(v->values, n);
    if (near.resemble && near.r1 > 0 &&
        !add(config, EW_FLAG_NEIGHBOURS, measure, near.r1,
             ew_words_keep(insight, "%s: a run resembles the one before (r = %.2f), so the interval is too narrow",
                           head, near.r1)))
        return no_memory(err);
    return EW_OK;
}

static bool says(const struct ew_insight_run *run, enum ew_flag_kind kind) {
    switch (kind) {
    case EW_FLAG_SWAPPED: return run->swapped;
    case EW_FLAG_THROTTLED: return run->throttled;
    case EW_FLAG_METER_LOST: return run->meter_lost;
    case EW_FLAG_STALLED: return run->memory_flags & EW_MEMORY_STALLED;
    case EW_FLAG_LIMIT_HIT: return run->memory_flags & EW_MEMORY_LIMIT;
    case EW_FLAG_CROWDED: return run->crowded;
    case EW_FLAG_REREAD: return run->memory_flags & EW_MEMORY_REREAD;
    default: return false;
    }
}

/* What the run itself or the machine said, counted. */
static enum ew_status count_said(struct ew_insight *insight, struct ew_insight_config *config, const struct view *v,
                                 struct ew_error *err) {
    static const struct {
        enum ew_flag_kind kind;
        enum ew_measure measure;
        const char *words;
    } said[] = {
        {EW_FLAG_SWAPPED, EW_MEASURE_PEAK_MEMORY, "memory was swapped (to a disk or to zram)"},
        {EW_FLAG_STALLED, EW_MEASURE_DECODE, "all tasks waited for memory 1 % of the time or more (memory pressure)"},
        {EW_FLAG_LIMIT_HIT, EW_MEASURE_PEAK_MEMORY, "the memory limit of a control group was hit"},
        {EW_FLAG_REREAD, EW_MEASURE_DECODE, "files that had been dropped for want of memory were read again"},
        {EW_FLAG_CROWDED, EW_MEASURE_DECODE, "other programs or the hypervisor took a tenth of the CPU time or more"},
        {EW_FLAG_THROTTLED, EW_MEASURE_DECODE, "the machine slowed itself down (throttled)"},
        {EW_FLAG_METER_LOST, EW_MEASURE_DECODE_ENERGY, "the energy readings did not last to the end"}};
    for (size_t k = 0; k < sizeof said / sizeof *said; k++) {
        size_t n = 0;
        for (size_t i = 0; i < v->n; i++) n += says(&insight->runs[v->runs[i]], said[k].kind);
        if (n && !add(config, said[k].kind, said[k].measure, (double)n,
                      ew_words_keep(insight, "%s in %zu of %zu runs", said[k].words, n, v->n)))
            return no_memory(err);
    }
    return EW_OK;
}

/* Where warm and cold starts mix, the median of the load times is of neither. */
static enum ew_status compare_cache(struct ew_insight *insight, struct ew_insight_config *config, const struct view *v,
                                    struct ew_error *err) {
    size_t warm = 0, not_warm = 0;
    for (size_t i = 0; i < v->n; i++) {
        enum ew_cache_state state = insight->runs[v->runs[i]].cache;
        warm += state == EW_CACHE_WARM;
        not_warm += state == EW_CACHE_COLD || state == EW_CACHE_PARTLY;
    }
    if (!warm || !not_warm) return EW_OK;
    const char *text =
        ew_words_keep(insight,
                      "load: the model was in the page cache (warm) before %zu of %zu runs, the others read "
                      "it from the disk",
                      warm, warm + not_warm);
    return add(config, EW_FLAG_PAGE_CACHE, EW_MEASURE_LOAD, (double)not_warm, text) ? EW_OK : no_memory(err);
}

static enum ew_status look_at(struct ew_insight *insight, size_t index, struct view *v, struct ew_error *err) {
    struct ew_insight_config *config = &insight->configs[index];
    enum ew_status status = count_said(insight, config, v, err);
    if (status == EW_OK) status = compare_cache(insight, config, v, err);
    for (int k = 0; k < LOOKED_AT && status == EW_OK; k++) {
        size_t n = pick(insight, v, looked_at[k]);
        status = find_outliers(insight, config, v, looked_at[k], n, err);
        if (status == EW_OK) status = find_drift(insight, config, v, looked_at[k], n, err);
    }
    return status;
}

/* ---- blocks ---- */

static enum ew_status find_block(struct ew_insight *insight, enum ew_measure measure, struct ew_stat_block_run *runs,
                                 struct ew_error *err) {
    size_t n = 0, n_blocks = 0;
    struct ew_stat_block_effect effect;
    for (size_t i = 0; i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        if (!(run->value[measure] > 0) || !isfinite(run->value[measure]) || run->trial->repeat < 0) continue;
        runs[n] = (struct ew_stat_block_run){run->value[measure], run->config, (size_t)run->trial->repeat};
        if (runs[n].block >= insight->n_runs) continue; /* a store says more repeats than it has runs */
        if (runs[n].block + 1 > n_blocks) n_blocks = runs[n].block + 1;
        n++;
    }
    if (n < 4 || n_blocks < 2) return EW_OK;
    enum ew_status status = ew_stat_find_block_effect(runs, n, insight->n_configs, n_blocks, &effect, err);
    if (status == EW_OK && effect.differs && (!insight->block.differs || effect.p < insight->block.p))
        insight->block = (struct ew_insight_block){true, measure, effect.p, effect.largest, effect.largest_block};
    return status;
}

static int by_position(const void *pa, const void *pb) {
    const struct ew_insight_run *a = *(const struct ew_insight_run *const *)pa;
    const struct ew_insight_run *b = *(const struct ew_insight_run *const *)pb;
    int64_t x = a->trial->position, y = b->trial->position;
    return x != y ? (x > y) - (x < y) : (a > b) - (a < b);
}

/* Runs grouped by configuration, each group in the order in which it ran: one pass, however many there are. */
static enum ew_status look_at_all(struct ew_insight *insight, const struct ew_insight_run **order, struct view *v,
                                  struct ew_error *err) {
    size_t *begin = calloc(insight->n_configs + 2, sizeof *begin), *place = calloc(insight->n_runs + 1, sizeof *place);
    enum ew_status status = begin && place ? EW_OK : no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < insight->n_runs; i++)
        if (insight->runs[i].trial->status == EW_TRIAL_OK) order[n++] = &insight->runs[i];
    qsort(order, n, sizeof *order, by_position);
    for (size_t i = 0; status == EW_OK && i < n; i++) begin[order[i]->config + 1]++;
    for (size_t c = 0; status == EW_OK && c < insight->n_configs; c++) begin[c + 1] += begin[c];
    for (size_t i = 0; status == EW_OK && i < n; i++)
        place[begin[order[i]->config]++] = (size_t)(order[i] - insight->runs);
    for (size_t c = 0; status == EW_OK && c < insight->n_configs; c++) {
        size_t from = c ? begin[c - 1] : 0; /* begin[c] has moved to the end of its group */
        v->n = begin[c] - from;
        for (size_t i = 0; i < v->n; i++) v->runs[i] = place[from + i];
        status = look_at(insight, c, v, err);
    }
    free(begin);
    free(place);
    return status;
}

enum ew_status ew_flags_find(struct ew_insight *insight, struct ew_error *err) {
    struct view v = {0};
    const struct ew_insight_run **order = calloc(insight->n_runs + 1, sizeof(*order));
    struct ew_stat_block_run *runs = calloc(insight->n_runs + 1, sizeof *runs);
    enum ew_status status = EW_OK;
    if (!open_view(&v, insight->n_runs + 1) || !order || !runs) status = no_memory(err);
    if (status == EW_OK) status = look_at_all(insight, order, &v, err);
    if (status == EW_OK) status = find_block(insight, EW_MEASURE_PREFILL, runs, err);
    if (status == EW_OK) status = find_block(insight, EW_MEASURE_DECODE, runs, err);
    close_view(&v);
    free(order);
    free(runs);
    return status;
}
