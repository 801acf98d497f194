/* Timing kernels in turns: memory that no cache holds, the same work for every lane, and the machine's own limit beside
 * them in every round. What is asked and decided: contest.c. */
#ifndef EW_KERNEL_CONTEST_TURNS_H
#define EW_KERNEL_CONTEST_TURNS_H

#include "kernel/contest.h"
#include "kernel/contest_rule.h"
#include "kernel/limit_loops.h"
#include "kernel/matmul.h"

#include <stdatomic.h>

enum { EW_CONTEST_LANES = 16, EW_CONTEST_ROUNDS = 7, EW_CONTEST_MANY = 128 };

/* Attention of the contest: heads of one layer, a group of queries over one head of keys and values each. */
enum { EW_CONTEST_HEAD_DIM = 64, EW_CONTEST_GROUP = 4, EW_CONTEST_POSITIONS = 1024 };

struct ew_contest_lane {
    struct ew_kernels kernels; /* with the choice that makes this kernel run */
    enum ew_layout layout;
    uint8_t variant; /* as a choice names it */
    double seconds[EW_CONTEST_ROUNDS];
};

/* Lanes that do the same work. */
struct ew_contest_group {
    bool attention;    /* otherwise a matrix product */
    uint32_t type;     /* of the weights; F16 for attention */
    uint32_t n_tokens; /* at once */
    uint32_t n_units;  /* set by measuring: rows of weights, or heads */
    struct ew_contest_lane lanes[EW_CONTEST_LANES];
    size_t n;
    enum ew_peak peak;                     /* what many tokens are held against; one token against reading */
    double limit_per_s[EW_CONTEST_ROUNDS]; /* bytes or operations, measured in the same rounds */
    double bytes, ops;                     /* of one turn */
};

struct ew_contest_bench;

/* Takes memory for all groups and fills it. Errors: MEMORY. */
enum ew_status ew_contest_bench_open(const struct ew_contest *contest, struct ew_contest_bench **out,
                                     struct ew_error *err);
void ew_contest_bench_close(struct ew_contest_bench **bench);

/* Fills seconds, limit_per_s, n_units, bytes and ops. Where there is one lane only, nothing is done. */
void ew_contest_measure(struct ew_contest_bench *bench, struct ew_contest_group *group);

#endif
