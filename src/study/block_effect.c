/* Owns the two-way model behind ew_stat_find_block_effect (drift.h). */
#include "base/error.h"
#include "study/distributions.h"
#include "study/drift.h"

#include <math.h>
#include <stdlib.h>

struct fit {
    double *config, *block; /* effects */
    double *sum, *count;    /* scratch, as long as the longer of both */
    size_t n_configs, n_blocks;
};

/* Effects of one factor = means of what the other leaves. Returns the largest change. */
static double sweep(const struct ew_stat_block_run *runs, size_t n, struct fit *f, bool blocks) {
    double *effects = blocks ? f->block : f->config, changed = 0;
    size_t levels = blocks ? f->n_blocks : f->n_configs;
    for (size_t k = 0; k < levels; k++) f->sum[k] = f->count[k] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t k = blocks ? runs[i].block : runs[i].config;
        f->sum[k] += log(runs[i].value) - (blocks ? f->config[runs[i].config] : f->block[runs[i].block]);
        f->count[k]++;
    }
    for (size_t k = 0; k < levels; k++) {
        double effect = f->count[k] > 0 ? f->sum[k] / f->count[k] : 0;
        changed = fmax(changed, fabs(effect - effects[k]));
        effects[k] = effect;
    }
    return changed;
}

static double squares_left(const struct ew_stat_block_run *runs, size_t n, const struct fit *f) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double d = log(runs[i].value) - f->config[runs[i].config] - f->block[runs[i].block];
        sum += d * d;
    }
    return sum;
}

/* Leaves in count the runs of each level; returns how many levels have any. */
static size_t count_levels(const struct ew_stat_block_run *runs, size_t n, struct fit *f, bool blocks) {
    size_t levels = blocks ? f->n_blocks : f->n_configs, used = 0;
    for (size_t k = 0; k < levels; k++) f->count[k] = 0;
    for (size_t i = 0; i < n; i++) f->count[blocks ? runs[i].block : runs[i].config]++;
    for (size_t k = 0; k < levels; k++) used += f->count[k] > 0;
    return used;
}

static void find_largest(struct fit *f, size_t used, struct ew_stat_block_effect *out) {
    double sum = 0, farthest = -1;
    for (size_t k = 0; k < f->n_blocks; k++)
        if (f->count[k] > 0) sum += f->block[k];
    for (size_t k = 0; k < f->n_blocks; k++) {
        if (!(f->count[k] > 0)) continue;
        double others = (sum - f->block[k]) / (double)(used - 1), off = f->block[k] - others;
        if (fabs(off) <= farthest) continue;
        farthest = fabs(off);
        out->largest = expm1(off);
        out->largest_block = k;
    }
}

static void estimate(const struct ew_stat_block_run *runs, size_t n, struct fit *f, struct ew_stat_block_effect *out) {
    size_t configs = count_levels(runs, n, f, false), blocks = count_levels(runs, n, f, true);
    if (blocks < 2 || n + 1 <= configs + blocks) return;
    sweep(runs, n, f, false);
    double without = squares_left(runs, n, f);
    for (int i = 0; i < 200; i++)
        if (fmax(sweep(runs, n, f, true), sweep(runs, n, f, false)) < 1e-12) break;
    double with = squares_left(runs, n, f);
    out->df1 = (double)(blocks - 1);
    out->df2 = (double)(n + 1 - configs - blocks);
    /* Equal values leave rounding only: no spread, and nothing to tell. */
    bool spread = with > 1e-24 * (double)n;
    out->f = spread ? fmax(0, without - with) / out->df1 / (with / out->df2) : without > 1e-20 ? INFINITY : 0;
    out->p = ew_stat_fisher_above(out->f, out->df1, out->df2);
    count_levels(runs, n, f, true);
    find_largest(f, blocks, out);
    out->differs = out->p <= 0.05 && fabs(out->largest) >= EW_STAT_LEAST_DRIFT;
}

static enum ew_status check(const struct ew_stat_block_run *runs, size_t n, size_t n_configs, size_t n_blocks,
                            struct ew_error *err) {
    for (size_t i = 0; i < n; i++) {
        if (runs[i].config >= n_configs || runs[i].block >= n_blocks)
            return ew_error_set(err, EW_ERR_ARGUMENT, "blocks: run %zu: configuration %zu of %zu, block %zu of %zu", i,
                                runs[i].config, n_configs, runs[i].block, n_blocks);
        if (!(runs[i].value > 0) || !isfinite(runs[i].value))
            return ew_error_set(err, EW_ERR_ARGUMENT, "blocks: run %zu: value %g is not positive", i, runs[i].value);
    }
    return EW_OK;
}

enum ew_status ew_stat_find_block_effect(const struct ew_stat_block_run *runs, size_t n, size_t n_configs,
                                         size_t n_blocks, struct ew_stat_block_effect *out, struct ew_error *err) {
    enum ew_status status = check(runs, n, n_configs, n_blocks, err);
    if (status != EW_OK) return status;
    size_t longer = n_configs > n_blocks ? n_configs : n_blocks;
    struct fit f = {.config = calloc(n_configs + 1, sizeof(double)),
                    .block = calloc(n_blocks + 1, sizeof(double)),
                    .sum = calloc(longer + 1, sizeof(double)),
                    .count = calloc(longer + 1, sizeof(double)),
                    .n_configs = n_configs,
                    .n_blocks = n_blocks};
    struct ew_stat_block_effect effect = {NAN, NAN, NAN, NAN, NAN, 0, false};
    if (!f.config || !f.block || !f.sum || !f.count)
        status = ew_error_set(err, EW_ERR_MEMORY, "blocks: no memory for %zu runs", n);
    if (status == EW_OK) {
        estimate(runs, n, &f, &effect);
        *out = effect;
    }
    free(f.config);
    free(f.block);
    free(f.sum);
    free(f.count);
    return status;
}
