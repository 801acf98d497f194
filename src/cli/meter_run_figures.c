/* Owns which figures of a run are summarised over repeats, and a run's exit status. */
#include "cli/meter_run_view.h"

#include <math.h>
#include <sys/wait.h>

const struct ew_run_figure_name ew_run_figure_names[EW_RUN_FIGURES] = {
    [EW_RUN_TIME] = {"wall_s", "time", "s", 1},     [EW_RUN_ENERGY] = {"energy_j", "energy", "J", 1},
    [EW_RUN_NET] = {"net_j", "above idle", "J", 1}, [EW_RUN_AVERAGE] = {"average_w", "power", "W", 1},
    [EW_RUN_CPU] = {"cpu_s", "processor", "s", 1},  [EW_RUN_MEMORY] = {"peak_bytes", "memory", "MiB", 1.0 / 1048576},
};

int ew_meter_run_exit_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static double figure_of(const struct ew_command_once *once, enum ew_run_figure figure) {
    const struct ew_command_window *w = &once->window;
    bool energy = w->energy.grade != EW_GRADE_NONE;
    switch (figure) {
    case EW_RUN_TIME: return (double)(w->end_ns - w->begin_ns) * 1e-9;
    case EW_RUN_ENERGY: return energy ? w->energy.energy_j : NAN;
    case EW_RUN_NET: return energy ? w->energy.net_j : NAN;
    case EW_RUN_AVERAGE: return energy ? w->energy.average_w : NAN;
    case EW_RUN_CPU: return once->user_s + once->system_s;
    case EW_RUN_MEMORY: return isnan(w->peak_pss_bytes) ? w->peak_rss_bytes : w->peak_pss_bytes;
    case EW_RUN_FIGURES: break;
    }
    return NAN;
}

size_t ew_meter_run_figures(const struct ew_command_result *result, enum ew_run_figure figure, double *values) {
    size_t n = 0;
    for (size_t i = 0; i < result->n_runs; i++) {
        const struct ew_command_once *once = &result->runs[i];
        if (once->warm_up || !WIFEXITED(once->wait_status) || WEXITSTATUS(once->wait_status) != 0) continue;
        double value = figure_of(once, figure);
        if (isnan(value)) return 0; /* a median over some of the runs would hide the others */
        values[n++] = value;
    }
    return n;
}
