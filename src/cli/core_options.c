/* Owns --cores and --spin. Which cores a name means: study/core_set.h, so that a run and a study agree. */
#include "cli/core_options.h"
#include "base/error.h"
#include "edgewise/session.h"
#include "study/core_set.h"

#include <errno.h>
#include <string.h>

enum { KEY_CORES = 2201, KEY_SPIN, SECOND_US = 1000000 };

static const struct argp_option options[] = {
    {"cores", KEY_CORES, "SET", 0, "Cores to run on: big, little, or a list such as 0-3,6 (all)", 2},
    {"spin", KEY_SPIN, "MICROSECONDS", 0, "How long a waiting thread spins before it sleeps; 0 = not at all (200)", 2},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_core_options *o = state->input;
    switch (key) {
    case KEY_CORES:
        o->cores = strcmp(arg, "all") == 0 ? NULL : arg;
        if (o->cores && !ew_core_set_is_name(arg) && !ew_core_set_parse(arg, NULL))
            argp_error(state, "--cores: `%s` is not a set of cores (all, big, little, or a list such as 0-3,6)", arg);
        return 0;
    case KEY_SPIN:
        o->spin_us = ew_cli_u32(state, "--spin", arg, 0, SECOND_US);
        if (o->spin_us == 0) o->spin_us = EW_SPIN_NONE;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ew_core_options_argp = {.options = options, .parser = parse};

enum ew_status ew_cores_take(const char *cores, struct ew_error *err) {
    struct ew_machine *machine = NULL;
    struct ew_core_set set;
    if (!cores) return EW_OK;
    enum ew_status status = ew_machine_open("", &machine, err);
    if (status == EW_OK) status = ew_core_set_find(machine, cores, &set, err);
    ew_machine_close(&machine);
    if (status == EW_OK && sched_setaffinity(0, sizeof set.cpus, &set.cpus) != 0)
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot keep to these cores", cores);
    return status;
}
