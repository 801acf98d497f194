/* A contest of the kernels that a machine may use: each candidate does the same work in turns with the others, on
 * weights that no cache holds, and a choice is filled with the winners. The rule: contest_rule.h. */
#ifndef EW_KERNEL_CONTEST_H
#define EW_KERNEL_CONTEST_H

#include "base/thread_pool.h"
#include "edgewise/kernels.h"
#include "kernel/kernel.h"

struct ew_kernel_figures {
    struct ew_kernel_figure *at;
    size_t n, capacity;
};

/* A copy of the figure; false: out of memory. */
bool ew_kernel_figures_add(struct ew_kernel_figures *figures, const struct ew_kernel_figure *figure);

struct ew_contest {
    uint64_t features;
    struct ew_thread_pool *pool;
    uint32_t threads;
    size_t buffer_bytes; /* memory to take weights from: more than the caches hold */
    double budget_s;
};

/* Whether a type leaves anything to decide under these features: two kernels for one purpose, or two layouts. */
bool ew_contest_has_candidates(uint64_t features, uint32_t type);
/* The same of attention and the other vector kernels, which one variant serves. */
bool ew_contest_has_vector_candidates(uint64_t features);

/* Decides types[0..n) in that order, and attention, into choice and figures. Types that were not decided are left as
 * they were: those behind the first for which the machine was too busy (LIMIT), or beyond the budget (OK). */
enum ew_status ew_contest_run(const struct ew_contest *contest, const uint32_t *types, size_t n,
                              struct ew_kernel_choice *choice, struct ew_kernel_figures *figures, struct ew_error *err);

#endif
