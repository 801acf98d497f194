/* What changes the answer: synthetic weights, no energy, unfinished, failed, few or flagged runs, mixed machines.
 * Each is said as loudly as the answer itself. */
#include "insight/advice.h"

#include "base/error.h"
#include "insight/words.h"
#include "machine/memory_activity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const keys[EW_CAVEATS] = {"synthetic", "no_energy", "energy",  "unfinished", "failed",
                                             "machines",  "few",       "flagged", "drift"};
static const char *const headings[EW_CAVEATS] = {"Synthetic weights", "No energy",    "Energy",
                                                 "Not finished",      "Failed runs",  "Mixed machines",
                                                 "Few runs",          "Flagged runs", "Drift"};
const char *ew_caveat_key(enum ew_caveat_kind kind) { return keys[kind]; }

static enum ew_status add(struct ew_insight *insight, enum ew_caveat_kind kind, const char *text,
                          struct ew_error *err) {
    if (!text) return ew_error_set(err, EW_ERR_MEMORY, "caveats: out of memory");
    insight->caveats[insight->n_caveats++] = (struct ew_caveat){kind, headings[kind], text};
    return EW_OK;
}

/* Names of the synthetic models, each once: "A, B and C". */
static enum ew_status warn_synthetic(struct ew_insight *insight, struct ew_error *err) {
    char *names = NULL;
    size_t size = 0, n = 0;
    FILE *out = open_memstream(&names, &size);
    if (!out) return ew_error_set(err, EW_ERR_MEMORY, "caveats: out of memory");
    for (size_t i = 0; i < insight->n_configs; i++) {
        const struct ew_insight_config *c = &insight->configs[i];
        bool again = !c->model->synthetic;
        for (size_t j = 0; j < i && !again; j++)
            again = insight->configs[j].model->synthetic && strcmp(insight->configs[j].name, c->name) == 0;
        if (!again) fprintf(out, "%s%s", n++ ? ", " : "", c->name);
    }
    enum ew_status status = EW_OK;
    if (fclose(out) != 0 || !names) status = ew_error_set(err, EW_ERR_MEMORY, "caveats: out of memory");
    if (status == EW_OK && n)
        status = add(
            insight, EW_CAVEAT_SYNTHETIC,
            ew_words_keep(insight,
                          "%s: random weights in the shape of the real model%s. Speed, memory and energy are "
                          "measured and do not depend on the values; the text would be noise, and nothing here says "
                          "how good the real one is.",
                          names, n > 1 ? "s" : ""),
            err);
    free(names);
    return status;
}

static enum ew_status warn_energy(struct ew_insight *insight, struct ew_error *err) {
    if (!insight->has_energy) {
        const char *why = "no run that ended well has power samples";
        for (size_t i = 0; i < insight->study->n_invocations; i++)
            if (insight->study->invocations[i].energy_none) why = insight->study->invocations[i].energy_none;
        insight->energy_none = why;
        size_t n = strlen(why);
        return add(insight, EW_CAVEAT_NO_ENERGY,
                   ew_words_keep(insight, "There is no energy figure: %s%s", why, n && why[n - 1] == '.' ? "" : "."),
                   err);
    }
    const struct ew_trial_energy *worst = NULL;
    for (size_t i = 0; i < insight->n_runs; i++) {
        const struct ew_trial_energy *e = insight->runs[i].energy;
        if (e && e->grade != EW_GRADE_NONE && (!worst || e->grade < worst->grade)) worst = e;
    }
    if (!worst || worst->grade >= EW_GRADE_A) return EW_OK;
    return add(insight, EW_CAVEAT_ENERGY,
               ew_words_keep(insight, "Energy is of grade %s%s%s.", ew_trust_grade_name(worst->grade),
                             worst->reason[0] ? ": " : "", worst->reason),
               err);
}

static enum ew_status warn_failed(struct ew_insight *insight, struct ew_error *err) {
    static const struct {
        enum ew_trial_status status;
        const char *words;
    } kinds[] = {{EW_TRIAL_OOM, "ran out of memory"},
                 {EW_TRIAL_CRASHED, "crashed"},
                 {EW_TRIAL_TIMEOUT, "took too long"},
                 {EW_TRIAL_FAILED, "ended with an error"}};
    if (!insight->n_failed) return EW_OK;
    char text[256] = "";
    size_t n = 0;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t count = 0;
        for (size_t i = 0; i < insight->n_runs; i++) count += insight->runs[i].trial->status == kinds[k].status;
        if (count) n += (size_t)snprintf(text + n, sizeof text - n, "%s%zu %s", n ? ", " : "", count, kinds[k].words);
    }
    return add(insight, EW_CAVEAT_FAILED,
               ew_words_keep(insight, "%zu of %zu runs failed: %s. They are listed with their reasons.",
                             insight->n_failed, insight->n_failed + insight->n_ok, text),
               err);
}

static enum ew_status warn_few(struct ew_insight *insight, struct ew_error *err) {
    size_t few = 0, with = 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        with += insight->configs[i].n_ok > 0;
        few += insight->configs[i].n_ok > 0 && insight->configs[i].n_ok < 5;
    }
    if (!few) return EW_OK;
    return add(insight, EW_CAVEAT_FEW,
               ew_words_keep(insight,
                             "%zu of %zu configurations have fewer than five runs: what stands after ± there is the "
                             "range of the runs, not an interval, and says less.",
                             few, with),
               err);
}

static enum ew_status warn_machines(struct ew_insight *insight, struct ew_error *err) {
    const struct ew_stored_study *study = insight->study;
    for (size_t i = 1; i < study->n_invocations; i++)
        if (study->invocations[i].machine_id != study->invocations[0].machine_id)
            return add(insight, EW_CAVEAT_MACHINES,
                       ew_words_keep(insight,
                                     "This study ran on %zu different machines. Its figures are mixed and say "
                                     "nothing about any one of them.",
                                     study->n_machines),
                       err);
    return EW_OK;
}

/* One drift flag in twenty still configurations is expected; a tenth of them is not. The block effect asks all at once.
 */
static enum ew_status warn_drift(struct ew_insight *insight, struct ew_error *err) {
    size_t drifting = 0, with = 0;
    for (size_t i = 0; i < insight->n_configs; i++) {
        const struct ew_insight_config *c = &insight->configs[i];
        bool drifts = false;
        for (size_t k = 0; k < c->n_flags; k++) drifts |= c->flags[k].kind == EW_FLAG_DRIFT;
        drifting += drifts;
        with += c->n_ok >= 5;
    }
    bool many = drifting > 1 && 10 * drifting > with;
    const struct ew_insight_block *b = &insight->block;
    if (!many && !b->differs) return EW_OK;
    const char *blocks = b->differs
                             ? ew_words_keep(insight,
                                             "All runs of repetition %zu were %.1f %% %s in %s than the others, "
                                             "whatever the configuration (p = %.2g). ",
                                             b->block + 1, fabs(100 * b->largest), b->largest < 0 ? "slower" : "faster",
                                             ew_measure_info(b->measure)->head, b->p)
                             : "";
    const char *trends =
        many ? ew_words_keep(insight, "Figures of %zu of %zu configurations rose or fell while the study ran. ",
                             drifting, with)
             : "";
    if (!blocks || !trends) return ew_error_set(err, EW_ERR_MEMORY, "caveats: out of memory");
    return add(insight, EW_CAVEAT_DRIFT,
               ew_words_keep(insight,
                             "%s%sHeat, clocks or other load may be why. The order was shuffled, so no configuration "
                             "is favoured, but intervals are wider for it.",
                             blocks, trends),
               err);
}

static enum ew_status warn_flagged(struct ew_insight *insight, struct ew_error *err) {
    enum { CROWDED, SWAPPED, STALLED, LIMIT, REREAD, THROTTLED, LOST, KINDS };
    static const char *const words[KINDS] = {
        [CROWDED] = "other programs or the hypervisor took a tenth of the CPU time or more: on a quiet machine it is "
                    "faster",
        [SWAPPED] = "memory was swapped: those speeds are of the disk or of the compressor, not of the engine",
        [STALLED] = "all tasks waited for memory (pressure): more of it would be faster",
        [LIMIT] = "the memory limit of a control group was hit: with a higher one the machine may do better",
        [REREAD] = "files that had been dropped for want of memory were read again: where the model was among "
                   "them, its speed is that of the disk",
        [THROTTLED] = "the machine slowed itself down (heat or supply): a cooler or better fed one is faster",
        [LOST] = "the energy readings did not last to the end"};
    size_t counts[KINDS] = {0}, n = 0;
    char text[1024] = "";
    for (size_t i = 0; i < insight->n_runs; i++) {
        const struct ew_insight_run *run = &insight->runs[i];
        counts[CROWDED] += run->crowded;
        counts[SWAPPED] += run->swapped;
        counts[STALLED] += (run->memory_flags & EW_MEMORY_STALLED) != 0;
        counts[LIMIT] += (run->memory_flags & EW_MEMORY_LIMIT) != 0;
        counts[REREAD] += (run->memory_flags & EW_MEMORY_REREAD) != 0;
        counts[THROTTLED] += run->throttled;
        counts[LOST] += run->meter_lost;
    }
    for (int k = 0; k < KINDS; k++)
        if (counts[k])
            n += (size_t)snprintf(text + n, sizeof text - n, "In %zu run%s %s. ", counts[k], counts[k] == 1 ? "" : "s",
                                  words[k]);
    if (!n) return EW_OK;
    return add(insight, EW_CAVEAT_FLAGGED, ew_words_keep(insight, "%sThey are marked in the list of runs.", text), err);
}

enum ew_status ew_advice_warn(struct ew_insight *insight, struct ew_error *err) {
    enum ew_status status = warn_machines(insight, err);
    if (status == EW_OK) status = warn_synthetic(insight, err);
    if (status == EW_OK) status = warn_energy(insight, err);
    if (status == EW_OK && insight->n_left)
        status = add(insight, EW_CAVEAT_UNFINISHED,
                     ew_words_keep(insight, "The study is not finished: %zu of %zu runs are still to be done.",
                                   insight->n_left, insight->n_runs),
                     err);
    if (status == EW_OK) status = warn_failed(insight, err);
    if (status == EW_OK) status = warn_few(insight, err);
    if (status == EW_OK) status = warn_drift(insight, err);
    return status == EW_OK ? warn_flagged(insight, err) : status;
}
