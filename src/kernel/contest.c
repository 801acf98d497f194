/* Owns what a contest asks, and what it makes of the answers. Per type of weights: which variant serves one token and
 * which serves many, in the file's layout and packed; whether packed is faster; up to how many tokens the matrix-vector
 * kernel beats panels. Candidates of both layouts take turns together, so that one measurement answers two questions.
 * How turns are timed: contest_turns.c; when a challenger wins: contest_rule.c. */
#include "kernel/contest.h"

#include "base/clock.h"
#include "base/error.h"
#include "kernel/contest_turns.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double default_budget_s = 1;

bool ew_kernel_figures_add(struct ew_kernel_figures *f, const struct ew_kernel_figure *figure) {
    if (f->n == f->capacity) {
        size_t capacity = f->capacity ? 2 * f->capacity : 64;
        struct ew_kernel_figure *grown = realloc(f->at, capacity * sizeof *grown);
        if (!grown) return false;
        f->at = grown;
        f->capacity = capacity;
    }
    f->at[f->n++] = *figure;
    return true;
}

/* ---- candidates ---- */

static const char *lane_name(const struct ew_contest_group *g, const struct ew_contest_lane *lane) {
    struct ew_weight w = {NULL, g->type, lane->layout, 256, 16};
    return ew_matmul_kernel_name(&lane->kernels, &w, g->n_tokens);
}

/* A variant that runs what another lane runs already adds nothing. */
static void add_lane(struct ew_contest_group *g, const struct ew_kernels *kernels, enum ew_layout layout,
                     uint8_t variant) {
    if (g->n == EW_CONTEST_LANES) return;
    struct ew_contest_lane *lane = &g->lanes[g->n];
    *lane = (struct ew_contest_lane){.kernels = *kernels, .layout = layout, .variant = variant};
    struct ew_matmul_choice *c = &lane->kernels.choice.matmul[g->type][layout];
    c->few = c->many = variant;
    if (!ew_matmul_serves(&lane->kernels, g->type, layout)) return;
    if (g->n_tokens > 1) c->few_tokens = 1; /* panels, however few tokens */
    const char *name = lane_name(g, lane);
    for (size_t i = 0; i < g->n; i++)
        if (g->lanes[i].layout == layout && strcmp(name, lane_name(g, &g->lanes[i])) == 0) return;
    g->n++;
}

/* The best by features is the incumbent and comes first; plain C takes part only where there is nothing else, and
 * panels for one token only where a layout has no matrix-vector kernel. */
static void add_lanes(struct ew_contest_group *g, const struct ew_kernels *k, enum ew_layout layout) {
    for (uint32_t v = ew_kernels_n_variants(); v-- > 1;) {
        size_t before = g->n;
        if (ew_kernels_may_use(k, v)) add_lane(g, k, layout, (uint8_t)(v + 1));
        bool panels = g->n_tokens == 1 && g->n > before && g->n > 1 && g->lanes[g->n - 2].layout == layout &&
                      ew_matmul_gemv_tokens(&g->lanes[g->n - 1].kernels, g->type, layout) == 0;
        if (panels || (g->n > before && strstr(lane_name(g, &g->lanes[g->n - 1]), "_ref"))) g->n = before;
    }
}

static enum ew_peak peak_of(const struct ew_kernels *k, uint32_t type, uint32_t n_tokens) {
    static const enum ew_peak peaks[EW_ACT_KINDS] = {
        [EW_ACT_F32] = EW_PEAK_F32, [EW_ACT_Q8] = EW_PEAK_INT8, [EW_ACT_Q16] = EW_PEAK_INT16};
    struct ew_weight w = {NULL, type, EW_LAYOUT_ROWS, 256, 16};
    return peaks[ew_matmul_act_kind(k, &w, n_tokens)];
}

static void start_group(struct ew_contest_group *g, const struct ew_kernels *k, uint32_t type, uint32_t n_tokens) {
    *g = (struct ew_contest_group){.type = type, .n_tokens = n_tokens};
    add_lanes(g, k, EW_LAYOUT_ROWS);
    if (ew_matmul_can_pack(k, type)) add_lanes(g, k, EW_LAYOUT_R16);
    g->peak = peak_of(k, type, n_tokens);
}

bool ew_contest_has_candidates(uint64_t features, uint32_t type) {
    struct ew_kernels k;
    struct ew_contest_group g;
    ew_kernels_init(&k, features);
    if (!ew_matmul_serves(&k, type, EW_LAYOUT_ROWS)) return false;
    start_group(&g, &k, type, 1);
    if (g.n > 1) return true;
    start_group(&g, &k, type, EW_CONTEST_MANY);
    return g.n > 1;
}

/* ---- answers ---- */

struct contest {
    const struct ew_contest *request;
    struct ew_contest_bench *bench;
    struct ew_kernels kernels; /* with what has been decided so far */
    struct ew_kernel_figures *figures;
    struct ew_contest_group group;
    bool no_memory;
};

static void add_figure(struct contest *c, const struct ew_contest_lane *lane, const char *kernel, const char *layout,
                       bool chosen) {
    const struct ew_contest_group *g = &c->group;
    double share[EW_CONTEST_ROUNDS], amount = g->n_tokens == 1 ? g->bytes : g->ops;
    for (int i = 0; i < EW_CONTEST_ROUNDS; i++) share[i] = amount / lane->seconds[i] / g->limit_per_s[i];
    double median = ew_contest_quantile(lane->seconds, EW_CONTEST_ROUNDS, 0.5);
    double low = ew_contest_quantile(lane->seconds, EW_CONTEST_ROUNDS, 0.25);
    double high = ew_contest_quantile(lane->seconds, EW_CONTEST_ROUNDS, 0.75);
    struct ew_kernel_figure f = {.tokens = g->n_tokens,
                                 .bytes_per_s = g->bytes / median,
                                 .ops_per_s = g->ops / median,
                                 .of_limit = ew_contest_quantile(share, EW_CONTEST_ROUNDS, 0.5),
                                 .spread = (high - low) / median,
                                 .chosen = chosen};
    snprintf(f.type, sizeof f.type, "%s", ew_type_traits(g->type)->name);
    snprintf(f.layout, sizeof f.layout, "%s", layout);
    snprintf(f.kernel, sizeof f.kernel, "%s", kernel);
    if (!ew_kernel_figures_add(c->figures, &f)) c->no_memory = true;
}

/* The lane that wins among those of a layout, EW_CONTEST_LANES where there is none; false: too noisy. */
static bool winner_of(const struct ew_contest_group *g, enum ew_layout layout, size_t *out) {
    const double *seconds[EW_CONTEST_LANES];
    size_t lane[EW_CONTEST_LANES], n = 0;
    for (size_t i = 0; i < g->n; i++) {
        if (g->lanes[i].layout != layout) continue;
        seconds[n] = g->lanes[i].seconds;
        lane[n++] = i;
    }
    int winner = n > 1 ? ew_contest_winner(seconds, n, EW_CONTEST_ROUNDS) : 0;
    if (winner < 0) return false;
    *out = n > 0 ? lane[winner] : EW_CONTEST_LANES;
    return true;
}

static bool ask_variants(struct contest *c, uint32_t type, uint32_t n_tokens, size_t winner[EW_CHOICE_LAYOUTS]) {
    struct ew_contest_group *g = &c->group;
    start_group(g, &c->kernels, type, n_tokens);
    ew_contest_measure(c->bench, g);
    for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++) {
        if (!winner_of(g, (enum ew_layout)layout, &winner[layout])) return false;
        if (winner[layout] == EW_CONTEST_LANES) continue;
        struct ew_matmul_choice *choice = &c->kernels.choice.matmul[type][layout];
        *(n_tokens == 1 ? &choice->few : &choice->many) = g->lanes[winner[layout]].variant;
    }
    for (size_t i = 0; i < g->n && g->n > 1; i++) {
        const struct ew_contest_lane *lane = &g->lanes[i];
        add_figure(c, lane, lane_name(g, lane), ew_matmul_layout_name(lane->layout), winner[lane->layout] == i);
    }
    return true;
}

/* What EW_WEIGHTS_AUTO does: the layout that the table lists is the incumbent. winner: of one token's group. */
static bool ask_packed(struct contest *c, uint32_t type, const size_t winner[EW_CHOICE_LAYOUTS]) {
    if (winner[EW_LAYOUT_ROWS] == EW_CONTEST_LANES || winner[EW_LAYOUT_R16] == EW_CONTEST_LANES) return true;
    bool packs = ew_matmul_prefers_packed(&c->kernels, type);
    const double *rows = c->group.lanes[winner[EW_LAYOUT_ROWS]].seconds;
    const double *packed = c->group.lanes[winner[EW_LAYOUT_R16]].seconds;
    const double *const seconds[] = {packs ? packed : rows, packs ? rows : packed};
    int won = ew_contest_winner(seconds, 2, EW_CONTEST_ROUNDS);
    if (won < 0) return false;
    c->kernels.choice.packed[type] = packs != (won == 1) ? EW_PACKED_YES : EW_PACKED_NO;
    return true;
}

/* Whether panels beat the matrix-vector kernel at so many tokens at once. */
static bool ask_panels(struct contest *c, uint32_t type, enum ew_layout layout, uint32_t n_tokens, bool *panels) {
    struct ew_contest_group *g = &c->group;
    *g = (struct ew_contest_group){.type = type, .n_tokens = n_tokens, .n = 2};
    g->peak = peak_of(&c->kernels, type, n_tokens);
    for (int i = 0; i < 2; i++) {
        g->lanes[i] = (struct ew_contest_lane){.kernels = c->kernels, .layout = layout};
        g->lanes[i].kernels.choice.matmul[type][layout].few_tokens = i == 0 ? (uint8_t)(n_tokens + 1) : 1;
    }
    ew_contest_measure(c->bench, g);
    size_t winner;
    if (!winner_of(g, layout, &winner)) return false;
    *panels = winner == 1;
    for (int i = 0; i < 2; i++)
        add_figure(c, &g->lanes[i], lane_name(g, &g->lanes[i]), ew_matmul_layout_name(layout), (int)winner == i);
    return true;
}

/* For a single token a matrix-vector kernel is there because it is faster: that is not asked. */
static bool ask_few_tokens(struct contest *c, uint32_t type, enum ew_layout layout) {
    uint32_t n = ew_matmul_gemv_tokens(&c->kernels, type, layout);
    bool panels = true;
    while (panels && n > 1) {
        if (!ask_panels(c, type, layout, n, &panels)) return false;
        if (panels) n /= 2;
    }
    c->kernels.choice.matmul[type][layout].few_tokens = (uint8_t)(n + 1);
    return true;
}

static bool decide_type(struct contest *c, uint32_t type) {
    size_t one[EW_CHOICE_LAYOUTS], many[EW_CHOICE_LAYOUTS];
    if (!ask_variants(c, type, 1, one) || !ask_packed(c, type, one)) return false;
    if (!ask_variants(c, type, EW_CONTEST_MANY, many)) return false;
    for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++)
        if (one[layout] != EW_CONTEST_LANES && !ask_few_tokens(c, type, (enum ew_layout)layout)) return false;
    c->kernels.choice.decided[type] = true;
    return true;
}

/* ---- attention ---- */

bool ew_contest_has_vector_candidates(uint64_t features) {
    struct ew_kernels k;
    uint32_t n = 0;
    ew_kernels_init(&k, features);
    for (uint32_t v = 1; v < ew_kernels_n_vector_variants(); v++) n += ew_kernels_may_use_vector(&k, v);
    return n > 1;
}

/* One variant serves all vector kernels; attention is what takes their time, of one token as of many. Its times of both
 * are added up, each as a share of the incumbent's. */
static bool decide_vector(struct contest *c) {
    static const uint32_t tokens[] = {1, EW_CONTEST_MANY};
    double sum[EW_CONTEST_LANES][EW_CONTEST_ROUNDS] = {{0}};
    const double *seconds[EW_CONTEST_LANES];
    struct ew_contest_group *g = &c->group;
    size_t first_figure = c->figures->n;
    for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++) {
        *g = (struct ew_contest_group){
            .attention = true, .type = EW_TYPE_F16, .n_tokens = tokens[t], .peak = EW_PEAK_F32};
        for (uint32_t v = ew_kernels_n_vector_variants(); v-- > 1;) {
            if (!ew_kernels_may_use_vector(&c->kernels, v)) continue;
            struct ew_contest_lane *lane = &g->lanes[g->n++];
            const struct ew_kernel_choice only = {.vector = (uint8_t)(v + 1)};
            *lane = (struct ew_contest_lane){.kernels = c->kernels, .variant = only.vector};
            ew_kernels_choose(&lane->kernels, &only);
        }
        if (g->n < 2) return true;
        ew_contest_measure(c->bench, g);
        double usual = ew_contest_quantile(g->lanes[0].seconds, EW_CONTEST_ROUNDS, 0.5);
        for (size_t i = 0; i < g->n; i++) {
            char name[40];
            for (int r = 0; r < EW_CONTEST_ROUNDS; r++) sum[i][r] += g->lanes[i].seconds[r] / usual;
            seconds[i] = sum[i];
            snprintf(name, sizeof name, "attention_%s", g->lanes[i].kernels.vector.isa);
            add_figure(c, &g->lanes[i], name, "kv", false);
        }
    }
    int winner = ew_contest_winner(seconds, g->n, EW_CONTEST_ROUNDS);
    if (winner < 0) return false;
    c->kernels.choice.vector = g->lanes[winner].variant;
    for (size_t i = first_figure; i < c->figures->n; i++)
        c->figures->at[i].chosen = (int)((i - first_figure) % g->n) == winner;
    return true;
}

/* ---- the whole ---- */

static enum ew_status too_busy(const char *what, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_LIMIT,
                        "kernels: not decided for %s: the machine was busy, times of the same kernel differ too much",
                        what);
}

/* What was measured for a question that stays open is not kept. */
static enum ew_status ask_all(struct contest *c, const uint32_t *types, size_t n, struct ew_kernel_choice *choice,
                              struct ew_error *err) {
    double budget_s = c->request->budget_s > 0 ? c->request->budget_s : default_budget_s;
    int64_t begin = ew_clock_now_ns();
    for (size_t i = 0; i < n; i++) {
        double seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
        if (i > 0 && seconds * (double)(i + 1) / (double)i > budget_s) break;
        size_t before = c->figures->n;
        if (!decide_type(c, types[i])) {
            c->figures->n = before;
            return too_busy(ew_type_traits(types[i])->name, err);
        }
        *choice = c->kernels.choice;
    }
    size_t before = c->figures->n;
    if (choice->vector == 0 && !decide_vector(c)) {
        c->figures->n = before;
        return too_busy("attention", err);
    }
    *choice = c->kernels.choice;
    return EW_OK;
}

enum ew_status ew_contest_run(const struct ew_contest *request, const uint32_t *types, size_t n,
                              struct ew_kernel_choice *choice, struct ew_kernel_figures *figures,
                              struct ew_error *err) {
    struct contest *c = calloc(1, sizeof *c);
    if (!c) return ew_error_set(err, EW_ERR_MEMORY, "contest of kernels: out of memory");
    c->request = request;
    c->figures = figures;
    ew_kernels_init(&c->kernels, request->features);
    c->kernels.choice = *choice;
    enum ew_status status = ew_contest_bench_open(request, &c->bench, err);
    if (status == EW_OK) status = ask_all(c, types, n, choice, err);
    if (status == EW_OK && c->no_memory)
        status = ew_error_set(err, EW_ERR_MEMORY, "contest of kernels: out of memory for figures");
    ew_contest_bench_close(&c->bench);
    free(c);
    return status;
}
