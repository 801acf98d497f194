/* Owns the bookkeeping of a running study. Knows nothing of processes or stores. */
#include "study/study_slots.h"
#include "base/error.h"
#include "study/stopping.h"
#include "study/trial_speed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_states(const void *a, const void *b) {
    return strcmp(((const struct ew_trial_state *)a)->key, ((const struct ew_trial_state *)b)->key);
}

enum ew_status ew_study_slots_open(const struct ew_study_plan *plan, const struct ew_study_sink *sink, int64_t study_id,
                                   struct ew_study_slots *out, struct ew_error *err) {
    struct ew_trial_state *states = NULL;
    size_t n = 0;
    enum ew_status status = sink->trial_states(sink->context, study_id, &states, &n, err);
    if (status != EW_OK) return status;
    struct ew_study_slot *slots = calloc(plan->n_trials + 1, sizeof *slots);
    if (!slots) {
        free(states);
        return ew_error_set(err, EW_ERR_MEMORY, "study: out of memory");
    }
    if (n > 1) qsort(states, n, sizeof *states, compare_states);
    for (size_t i = 0; i < plan->n_trials; i++) {
        struct ew_trial_state wanted;
        memcpy(wanted.key, plan->trials[i].key, sizeof wanted.key);
        const struct ew_trial_state *s = n ? bsearch(&wanted, states, n, sizeof *states, compare_states) : NULL;
        slots[i] = (struct ew_study_slot){
            .status = EW_TRIAL_PLANNED, .prefill_tokens_per_s = NAN, .decode_tokens_per_s = NAN, .spent_j = NAN};
        if (!s || s->status <= EW_TRIAL_RUNNING) continue;
        slots[i] = (struct ew_study_slot){.status = s->status,
                                          .prefill_tokens_per_s = s->prefill_tokens_per_s,
                                          .decode_tokens_per_s = s->decode_tokens_per_s,
                                          .seconds = (double)s->duration_ns * 1e-9,
                                          .spent_j = s->spent_j};
    }
    free(states);
    *out = (struct ew_study_slots){.plan = plan, .slots = slots};
    return EW_OK;
}

void ew_study_slots_close(struct ew_study_slots *slots) {
    free(slots->slots);
    *slots = (struct ew_study_slots){0};
}

void ew_study_slots_note(struct ew_study_slots *slots, size_t index, const struct ew_trial_record *record) {
    slots->slots[index] = (struct ew_study_slot){.status = record->status,
                                                 .prefill_tokens_per_s = ew_trial_prefill_speed(record),
                                                 .decode_tokens_per_s = ew_trial_decode_speed(record),
                                                 .seconds = (double)(record->end_ns - record->begin_ns) * 1e-9,
                                                 .spent_j = record->conditions.spent_j};
}

static bool is_enough(const struct ew_study_slots *s, const struct ew_study_file *study, size_t config) {
    double prefill[1000], decode[1000]; /* repeats are at most 1000 */
    size_t n = 0;
    for (size_t i = 0; i < s->plan->n_trials && n < 1000; i++) {
        if (s->plan->trials[i].config != config || s->slots[i].status != EW_TRIAL_OK) continue;
        prefill[n] = s->slots[i].prefill_tokens_per_s;
        decode[n++] = s->slots[i].decode_tokens_per_s;
    }
    return n >= (size_t)study->repeats_min && ew_stat_is_settled(prefill, n, study->until_interval) &&
           ew_stat_is_settled(decode, n, study->until_interval);
}

static bool is_hopeless(const struct ew_study_slots *s, size_t config) {
    for (size_t i = 0; i < s->plan->n_trials; i++)
        if (s->plan->trials[i].config == config &&
            (s->slots[i].status == EW_TRIAL_OOM || s->slots[i].status == EW_TRIAL_TIMEOUT))
            return true;
    return false;
}

bool ew_study_slots_wants(struct ew_study_slots *s, const struct ew_study_file *study, size_t index) {
    struct ew_study_slot *slot = &s->slots[index];
    if (slot->dropped || slot->status > EW_TRIAL_RUNNING) return false;
    const struct ew_plan_trial *t = &s->plan->trials[index];
    bool precise = study->until_interval > 0 && t->repeat >= study->repeats_min && is_enough(s, study, t->config);
    if (!precise && !is_hopeless(s, t->config)) return true;
    slot->dropped = true;
    s->n_dropped++;
    return false;
}

struct seen_time {
    double seconds;
    size_t n;
};

/* Time left: the mean time of a configuration's finished trials; where there are none, its rough cost, scaled by how
 * wrong costs were so far. seen: [n_configs]. */
static void add_left(const struct ew_study_slots *s, const struct seen_time *seen, double scale,
                     struct ew_slots_estimate *out) {
    for (size_t i = 0; i < s->plan->n_trials; i++) {
        if (s->slots[i].dropped || s->slots[i].status > EW_TRIAL_RUNNING) continue;
        const struct seen_time *t = &seen[s->plan->trials[i].config];
        out->seconds_left +=
            t->n ? t->seconds / (double)t->n : s->plan->configs[s->plan->trials[i].config].cost * scale;
    }
}

struct ew_slots_estimate ew_study_slots_estimate(const struct ew_study_slots *s) {
    struct ew_slots_estimate out = {0};
    struct seen_time *seen = calloc(s->plan->n_configs + 1, sizeof *seen);
    double spent = 0, cost = 0;
    for (size_t i = 0; i < s->plan->n_trials; i++) {
        if (s->slots[i].dropped) continue;
        out.total++;
        if (s->slots[i].status <= EW_TRIAL_RUNNING) continue;
        out.done++;
        spent += s->slots[i].seconds;
        cost += s->plan->configs[s->plan->trials[i].config].cost;
        if (!seen) continue;
        seen[s->plan->trials[i].config].seconds += s->slots[i].seconds;
        seen[s->plan->trials[i].config].n++;
    }
    if (seen) add_left(s, seen, cost > 0 ? spent / cost : 1, &out);
    free(seen);
    out.fraction = spent + out.seconds_left > 0 ? spent / (spent + out.seconds_left) : 1;
    return out;
}

double ew_study_slots_spent_j(const struct ew_study_slots *s) {
    double sum = 0;
    for (size_t i = 0; i < s->plan->n_trials; i++)
        if (s->slots[i].status > EW_TRIAL_RUNNING && !isnan(s->slots[i].spent_j)) sum += s->slots[i].spent_j;
    return sum;
}

struct sums {
    double seconds, energy_s, energy_j, cost; /* energy_s: time of those whose energy is known */
    size_t n, n_energy;
};

static void add_slot(struct sums *sums, const struct ew_study_slot *slot, double cost) {
    sums->seconds += slot->seconds;
    sums->cost += cost;
    sums->n++;
    if (isnan(slot->spent_j)) return;
    sums->energy_j += slot->spent_j;
    sums->energy_s += slot->seconds;
    sums->n_energy++;
}

struct ew_next_trial ew_study_slots_next(const struct ew_study_slots *s, size_t index) {
    size_t config = s->plan->trials[index].config;
    struct sums own = {0}, all = {0};
    for (size_t i = 0; i < s->plan->n_trials; i++) {
        if (s->slots[i].status <= EW_TRIAL_RUNNING) continue;
        double cost = s->plan->configs[s->plan->trials[i].config].cost;
        add_slot(&all, &s->slots[i], cost);
        if (s->plan->trials[i].config == config) add_slot(&own, &s->slots[i], cost);
    }
    struct ew_next_trial next = {.time_s = s->plan->configs[config].cost};
    if (own.n > 0)
        next.time_s = own.seconds / (double)own.n;
    else if (all.cost > 0)
        next.time_s *= all.seconds / all.cost;
    if (own.n_energy > 0)
        next.energy_j = own.energy_j / (double)own.n_energy;
    else if (all.energy_s > 0)
        next.energy_j = all.energy_j / all.energy_s * next.time_s;
    return next;
}
