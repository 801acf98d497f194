/* What a study may spend: time, energy, disk. Held against before each trial; a trial that would go over is not begun,
 * and stays planned, so that the same command goes on later. Pure. */
#ifndef EW_STUDY_STUDY_BUDGET_H
#define EW_STUDY_STUDY_BUDGET_H

#include <stdbool.h>
#include <stddef.h>

struct ew_study_budget {
    double time_s;     /* of one `edgewise study`; INFINITY = no limit */
    double energy_j;   /* gross joules of the trials of the whole study; INFINITY = no limit */
    double disk_bytes; /* of model files it may write; INFINITY = no limit */
};

struct ew_spent {
    double time_s, energy_j;
};

struct ew_next_trial {
    double time_s;   /* as estimated */
    double energy_j; /* likewise; 0 = not known */
};

/* An empty text: the next trial may begin. Otherwise what would be exceeded, in words of at most capacity bytes:
 * "time: 1 h 58 min are spent and the next run takes about 4 min; the budget is 2 h". Returns whether it may begin. */
bool ew_study_budget_allows(const struct ew_study_budget *budget, const struct ew_spent *spent,
                            const struct ew_next_trial *next, char *why, size_t capacity);

/* Likewise for files that are to be written, before the first of them. */
bool ew_study_budget_allows_disk(const struct ew_study_budget *budget, double write_bytes, char *why, size_t capacity);

#endif
