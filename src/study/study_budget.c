/* Owns the comparison of what is spent with what may be. What a trial will take is estimated in study_slots.c. */
#include "study/study_budget.h"

#include "study/study_value.h"

#include <math.h>
#include <stdio.h>

bool ew_study_budget_allows(const struct ew_study_budget *budget, const struct ew_spent *spent,
                            const struct ew_next_trial *next, char *why, size_t capacity) {
    char used[48], more[48], all[48];
    *why = 0;
    if (spent->time_s + next->time_s > budget->time_s) {
        ew_value_print_duration(spent->time_s, used, sizeof used);
        ew_value_print_duration(next->time_s, more, sizeof more);
        ew_value_print_duration(budget->time_s, all, sizeof all);
        snprintf(why, capacity, "time: %s are spent and the next run takes about %s; the budget is %s", used, more,
                 all);
        return false;
    }
    if (spent->energy_j + next->energy_j > budget->energy_j) {
        snprintf(why, capacity, "energy: %.3g J are spent and the next run takes about %.3g J; the budget is %.3g J",
                 spent->energy_j, next->energy_j, budget->energy_j);
        return false;
    }
    return true;
}

bool ew_study_budget_allows_disk(const struct ew_study_budget *budget, double write_bytes, char *why, size_t capacity) {
    char more[48], all[48];
    *why = 0;
    if (write_bytes <= budget->disk_bytes) return true;
    ew_value_print_bytes(write_bytes, more, sizeof more);
    ew_value_print_bytes(budget->disk_bytes, all, sizeof all);
    snprintf(why, capacity, "disk: model files of %s are to be written; the budget is %s", more, all);
    return false;
}
