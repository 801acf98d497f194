/* Owns the rule that draft_pace.h states, and its constants. */
#include "engine/draft_pace.h"

enum {
    LEAST_STEPS = 4, /* before the first draft: the first steps after a prompt are slower than others */
    MEMORY = 8,      /* values that a running mean remembers */
    FIRST_PAUSE = 32,
    LONGEST_PAUSE = 4096
};
static const double GAIN = 1.02;         /* less is noise */
static const double LOSS_SHARE = 0.01;   /* of all time */
static const double LOSS_STEPS = 2;      /* lets a short text try as well */
static const double OUTLIER = 2;         /* times the mean: what lost its processor meanwhile says nothing */
static const double FORGETTING = 0.9;    /* per pass: what came true ten passes ago counts a third */
static const double GUESSED_COST = 0.25; /* of one more token, in steps, before any pass was timed */
/* What is assumed of a match of 2, 3 and 4 tokens, and the weight of that in tokens. */
static const double guessed_share[EW_DRAFT_MATCHES] = {0.4, 0.6, 0.75};
static const double GUESS_WEIGHT = 2;
/* What came true before a pause weighs no more than this many tokens after it: the try is to decide. */
static const double KEPT_WEIGHT = 1;

static double without_outlier(const struct ew_draft_mean *mean, double x) {
    return mean->n >= LEAST_STEPS && x > OUTLIER * mean->value ? OUTLIER * mean->value : x;
}

static void add_to_mean(struct ew_draft_mean *mean, double x) {
    if (mean->n < MEMORY) mean->n++;
    mean->value += (x - mean->value) / mean->n;
}

void ew_draft_pace_begin(struct ew_draft_pace *p, uint32_t most, bool always) {
    *p = (struct ew_draft_pace){.always = always, .most = most};
}

void ew_draft_pace_renew(struct ew_draft_pace *p) {
    for (int i = 0; i < EW_DRAFT_MATCHES; i++) p->match[i] = (struct ew_draft_match){0};
}

/* c(w). Widths that were never timed lie on a line through their timed neighbours, of which c(1) = 1 is always one;
 * beyond the last, on the line from there through the last, or at the guessed slope. */
static double cost_of(const struct ew_draft_pace *p, uint32_t width) {
    uint32_t below = width, above = width;
    while (below > 1 && p->cost[below].n == 0) below--;
    while (above <= p->most && p->cost[above].n == 0) above++;
    double low = below == 1 ? 1 : p->cost[below].value;
    if (below == width) return low;
    if (above > p->most + 1 || p->cost[above].n == 0)
        return low + (width - below) * (below > 1 ? (low - 1) / (below - 1) : GUESSED_COST);
    return low + (p->cost[above].value - low) * (width - below) / (above - below);
}

static double share_of(const struct ew_draft_pace *p, uint32_t i) {
    const struct ew_draft_match *m = &p->match[i];
    return (m->came_true + GUESS_WEIGHT * guessed_share[i]) / (m->judged + GUESS_WEIGHT);
}

/* The best k of 1 … n; *gain: tokens per step's time. */
static uint32_t best_width(const struct ew_draft_pace *p, uint32_t i, uint32_t n, double *gain) {
    double a = share_of(p, i), tokens = 1, power = 1;
    uint32_t best = 0;
    *gain = 0;
    for (uint32_t k = 1; k <= n; k++) {
        power *= a;
        tokens += power;
        double g = tokens / cost_of(p, 1 + k);
        if (g <= *gain) continue;
        *gain = g;
        best = k;
    }
    return best;
}

static void pause_match(const struct ew_draft_pace *p, struct ew_draft_match *m) {
    m->pause = m->pause == 0 ? FIRST_PAUSE : m->pause < LONGEST_PAUSE ? 2 * m->pause : LONGEST_PAUSE;
    m->resume_at = p->n_tokens + m->pause;
    if (m->judged <= KEPT_WEIGHT) return;
    m->came_true *= KEPT_WEIGHT / m->judged;
    m->judged = KEPT_WEIGHT;
}

static bool can_afford(const struct ew_draft_pace *p) {
    return p->lost_ns <= LOSS_SHARE * p->spent_ns + LOSS_STEPS * p->step_ns.value;
}

uint32_t ew_draft_pace_choose(struct ew_draft_pace *p, uint32_t matched, uint32_t n_found) {
    uint32_t n = n_found < p->most ? n_found : p->most, i = matched - EW_DRAFT_SHORTEST_MATCH;
    struct ew_draft_match *m = &p->match[i];
    if (p->always || n == 0) return n;
    if (p->step_ns.n < LEAST_STEPS || p->n_tokens < m->resume_at || !can_afford(p)) return 0;
    double gain;
    uint32_t k = best_width(p, i, n, &gain);
    if (gain > GAIN || m->pause > 0) return k;
    pause_match(p, m);
    return 0;
}

void ew_draft_pace_note_step(struct ew_draft_pace *p, int64_t ns) {
    add_to_mean(&p->step_ns, without_outlier(&p->step_ns, (double)ns));
    p->spent_ns += (double)ns;
    p->n_tokens++;
}

void ew_draft_pace_note_pass(struct ew_draft_pace *p, uint32_t matched, uint32_t n_drafted, uint32_t n_true,
                             bool failed, int64_t ns) {
    const uint32_t i = matched - EW_DRAFT_SHORTEST_MATCH;
    struct ew_draft_match *m = &p->match[i];
    m->came_true = FORGETTING * m->came_true + n_true;
    m->judged = FORGETTING * m->judged + n_true + (failed ? 1 : 0);
    p->n_tokens += 1 + n_true;
    p->spent_ns += (double)ns;
    if (p->step_ns.n == 0) return; /* nothing to compare with */
    double steps = without_outlier(&p->cost[1 + n_drafted], (double)ns / p->step_ns.value);
    add_to_mean(&p->cost[1 + n_drafted], steps);
    p->lost_ns += (steps - (1 + n_true)) * p->step_ns.value;
    double gain;
    best_width(p, i, p->most, &gain);
    if (gain > GAIN)
        m->pause = 0;
    else
        pause_match(p, m);
}
