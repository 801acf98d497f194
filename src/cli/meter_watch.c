/* edgewise meter watch: power, joules, heat, clocks, throttling and memory, live. Looks: meter_watch_view.c; counting:
 * meter/live_energy.c. */
#include "cli/meter_watch.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/meter_commands.h"
#include "cli/meter_options.h"
#include "machine/machine.h"
#include "meter/live_energy.h"
#include "meter/meter_sampler.h"
#include "study/study_value.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, MOST_WIDTH = 256, NAP_NS = 20000000 };
enum { KEY_CSV = 2001, KEY_INTERVAL, KEY_DURATION };

struct options {
    struct ew_cli_common common;
    struct ew_meter_options meters;
    const char *names[EW_WATCH_ENERGY];
    size_t n_names;
    bool csv;
    double interval_s, duration_s; /* 0: the default; without end */
};

static const struct argp_option options[] = {
    {"interval", KEY_INTERVAL, "TIME", 0, "Time between pictures or lines (0.5s on a terminal, 1s elsewhere)", 1},
    {"duration", KEY_DURATION, "TIME", 0, "End after this time (on Ctrl-C)", 1},
    {"csv", KEY_CSV, 0, 0, "Print CSV: a trace file that --meter-source replay:FILE plays", 1},
    {0},
};

static double parse_time(struct argp_state *state, const char *option, const char *arg, double least) {
    double seconds;
    if (!ew_value_parse_duration(arg, &seconds) || seconds < least || seconds > 1e8)
        argp_error(state, "%s: `%s` is not a time of at least %g s (such as 0.5s, 10s, 5min)", option, arg, least);
    return seconds;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case KEY_CSV: o->csv = true; return 0;
    case KEY_INTERVAL: o->interval_s = parse_time(state, "--interval", arg, 0.1); return 0;
    case KEY_DURATION: o->duration_s = parse_time(state, "--duration", arg, 0.1); return 0;
    case ARGP_KEY_ARG:
        if (o->n_names == EW_WATCH_ENERGY) argp_error(state, "%s: at most %d meters at once", arg, EW_WATCH_ENERGY);
        o->names[o->n_names++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->csv && o->common.json) argp_error(state, "--csv and --json: choose one");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- signals ---- */

static volatile sig_atomic_t ended, suspended;

static void on_end(int number) { ended = number; }
static void on_suspend(int number) { suspended = number; }

static void catch_signals(bool live) {
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct sigaction before;
        sigaction(ends[i], NULL, &before);
        if (before.sa_handler != SIG_IGN) sigaction(ends[i], &(struct sigaction){.sa_handler = on_end}, NULL);
    }
    if (live) sigaction(SIGTSTP, &(struct sigaction){.sa_handler = on_suspend}, NULL);
}

/* ---- watching ---- */

struct watch {
    const struct options *o;
    struct ew_meter_config config;
    struct ew_meter_list *list;
    struct ew_meter **meters; /* [n_meters] energy first; owned */
    size_t n_meters, n_energy;
    char energy_none[EW_ERROR_MESSAGE_SIZE];
    struct ew_meter_sampler *sampler;
    struct ew_live_energy *live[EW_WATCH_ENERGY];
    struct ew_live_figures before[EW_WATCH_ENERGY];
    size_t taken[EW_WATCH_ENERGY]; /* samples that have been counted */
    struct ew_machine *machine;
    int64_t begin_ns;
    struct ew_machine_throttle throttle_before;
    struct ew_watch_moment moment;
    int64_t times[BATCH];
    double values[BATCH * MOST_WIDTH];
};

/* EW_WATCH_KINDS = it is not shown. */
static enum ew_watch_kind kind_of(const struct ew_meter_info *info) {
    switch (info->quantity) {
    case EW_METER_TEMPERATURE: return EW_WATCH_HEAT;
    case EW_METER_FREQUENCY: return EW_WATCH_CLOCKS;
    case EW_METER_ROTATION: return EW_WATCH_FANS;
    case EW_METER_STATE: return strcmp(info->name, "fan-drive") == 0 ? EW_WATCH_FAN_DRIVES : EW_WATCH_KINDS;
    default: return EW_WATCH_KINDS;
    }
}

static enum ew_status choose(struct watch *w, const char *name, struct ew_error *err) {
    struct ew_meter *meter = NULL;
    enum ew_status status = ew_meter_list_choose_energy(w->list, name, &meter, err);
    if (status != EW_OK) return status;
    for (size_t i = 0; i < w->n_energy; i++)
        if (w->meters[i] == meter) return EW_OK;
    if (ew_meter_info(meter)->n_channels > MOST_WIDTH)
        return ew_error_set(err, EW_ERR_LIMIT, "meter %s: more than %d channels", ew_meter_info(meter)->name,
                            MOST_WIDTH);
    w->meters[w->n_meters++] = meter;
    w->n_energy = w->n_meters;
    return EW_OK;
}

static enum ew_status choose_meters(struct watch *w, struct ew_error *err) {
    enum ew_status status = EW_OK;
    w->meters = calloc(ew_meter_list_count(w->list) + 1, sizeof(struct ew_meter *));
    if (!w->meters) return ew_error_set(err, EW_ERR_MEMORY, "watch: out of memory");
    for (size_t i = 0; i < w->o->n_names && status == EW_OK; i++) {
        if (strcmp(w->o->names[i], "none") == 0)
            snprintf(w->energy_none, sizeof w->energy_none, "not asked for");
        else
            status = choose(w, w->o->names[i], err);
    }
    if (status != EW_OK) return status;
    struct ew_error why = {0};
    static const char said[] = "no energy figure: ";
    if (w->o->n_names == 0 && choose(w, NULL, &why) != EW_OK)
        snprintf(w->energy_none, sizeof w->energy_none, "%s",
                 why.message + (strncmp(why.message, said, sizeof said - 1) == 0 ? sizeof said - 1 : 0));
    for (size_t i = 0; i < ew_meter_list_count(w->list); i++) {
        struct ew_meter *m = ew_meter_list_at(w->list, i);
        const struct ew_meter_info *info = ew_meter_info(m);
        bool gauge = kind_of(info) != EW_WATCH_KINDS;
        if (gauge && info->reason == EW_METER_USABLE && info->n_channels <= MOST_WIDTH) w->meters[w->n_meters++] = m;
    }
    return EW_OK;
}

static enum ew_status open_watch(struct watch *w, struct ew_error *err) {
    w->config = ew_meter_options_config(&w->o->meters, w->o->common.root);
    enum ew_status status = ew_meter_list_probe(&w->config, &w->list, err);
    if (status == EW_OK) status = choose_meters(w, err);
    if (status == EW_OK) status = ew_machine_open(w->o->common.root, &w->machine, err);
    for (size_t i = 0; i < w->n_energy && status == EW_OK; i++)
        status = ew_live_energy_open(ew_meter_info(w->meters[i]), &w->live[i], err);
    if (status != EW_OK) return status;
    w->throttle_before = w->machine->throttle;
    w->begin_ns = ew_clock_now_ns();
    if (w->n_meters == 0) return EW_OK; /* memory is always there */
    status = ew_meter_sampler_open(w->meters, w->n_meters, &w->config, &w->sampler, err);
    if (status == EW_OK) status = ew_meter_sampler_start(w->sampler, err);
    return status;
}

static void close_watch(struct watch *w) {
    ew_meter_sampler_close(&w->sampler);
    for (size_t i = 0; i < EW_WATCH_ENERGY; i++) ew_live_energy_close(&w->live[i]);
    ew_machine_close(&w->machine);
    ew_meter_list_close(&w->list);
    free(w->meters);
}

static void remember(struct ew_watch_energy *e) {
    if (e->n_history == EW_WATCH_HISTORY)
        memmove(e->history_w, e->history_w + 1, --e->n_history * sizeof *e->history_w);
    e->history_w[e->n_history++] = e->now_w;
}

static void look_at_energy(struct watch *w, size_t i, int64_t now_ns) {
    size_t n;
    do {
        n = ew_meter_sampler_copy(w->sampler, i, w->taken[i], w->times, w->values, BATCH);
        ew_live_energy_feed(w->live[i], w->times, w->values, n);
        w->taken[i] += n;
    } while (n == BATCH);
    struct ew_live_figures f = ew_live_energy_figures(w->live[i]), *b = &w->before[i];
    struct ew_watch_energy *e = &w->moment.energy[i];
    double passed = ew_clock_seconds(f.last_ns - b->last_ns), all = ew_clock_seconds(f.last_ns - f.first_ns);
    e->info = ew_meter_info(w->meters[i]);
    e->fresh = f.last_ns > b->last_ns;
    e->energy_j = f.energy_j;
    e->average_w = all > 0 ? f.energy_j / all : f.power_w;
    e->peak_w = f.peak_w;
    /* A counter that has not moved yet says nothing about now. */
    bool moved = f.energy_j > b->energy_j || e->info->kind == EW_METER_POWER;
    if (b->last_ns == 0)
        e->now_w = f.power_w;
    else if (e->fresh && moved)
        e->now_w = (f.energy_j - b->energy_j) / passed;
    e->silent_s = f.last_ns ? ew_clock_seconds(now_ns - f.last_ns) : ew_clock_seconds(now_ns - w->begin_ns);
    if (!e->fresh || moved || b->last_ns == 0) *b = f;
    remember(e);
}

static void look_at_gauges(struct watch *w, size_t i) {
    const struct ew_meter_info *info = ew_meter_info(w->meters[i]);
    struct ew_watch_gauges *g = &w->moment.gauges[kind_of(info)];
    int64_t time;
    if (!ew_meter_sampler_latest(w->sampler, i, &time, w->values)) return;
    for (size_t c = 0; c < info->n_channels && g->n < EW_WATCH_GAUGES; c++)
        g->list[g->n++] = (struct ew_watch_gauge){.name = info->channels[c].name, .value = w->values[c]};
}

static void look_at_throttling(struct watch *w) {
    struct ew_watch_throttle *t = &w->moment.throttle;
    const struct ew_machine_throttle *before = &w->throttle_before, *now = &w->machine->throttle;
    t->known = ew_machine_throttle_is_known(now);
    t->looks++;
    t->slowed += ew_machine_throttle_now(now, t->now, sizeof t->now);
    ew_machine_throttle_words(before, now, t->since, sizeof t->since);
    t->events = ew_machine_throttle_events(before, now);
}

static void look(struct watch *w) {
    struct ew_watch_moment *m = &w->moment;
    int64_t now_ns = ew_clock_now_ns();
    m->time_s = ew_clock_seconds(now_ns - w->begin_ns);
    m->n_energy = w->n_energy;
    m->energy_none = w->n_energy ? NULL : w->energy_none;
    for (size_t k = 0; k < EW_WATCH_KINDS; k++) m->gauges[k].n = 0;
    for (size_t i = 0; i < w->n_meters; i++) {
        if (i < w->n_energy)
            look_at_energy(w, i, now_ns);
        else
            look_at_gauges(w, i);
    }
    /* Time and joules of a trace belong together. */
    if (w->n_energy > 0 && m->energy[0].fresh)
        m->time_s = fmax(0, ew_clock_seconds(ew_live_energy_figures(w->live[0]).last_ns - w->begin_ns));
    ew_machine_refresh(w->machine, w->o->common.root);
    const struct ew_machine_memory *memory = &w->machine->memory;
    m->memory_available_bytes = ew_machine_free_bytes(w->machine);
    m->memory_total_bytes = memory->total_bytes;
    bool swap = memory->swap_total_bytes > 0 && memory->swap_free_bytes >= 0;
    m->swap_used_bytes = swap ? memory->swap_total_bytes - memory->swap_free_bytes : -1;
    look_at_throttling(w);
}

static void nap_until(int64_t time_ns) {
    while (!ended && !suspended) {
        int64_t left = time_ns - ew_clock_now_ns();
        if (left <= 0) return;
        nanosleep(&(struct timespec){.tv_nsec = left < NAP_NS ? (long)left : NAP_NS}, NULL);
    }
}

/* Ctrl-Z: the terminal is left as it was found. */
static void suspend(struct ew_watch_view *view) {
    ew_watch_view_close(view);
    raise(SIGSTOP);
    suspended = 0;
    ew_watch_view_open(view, stdout);
}

static void show(struct watch *w, struct ew_watch_view *view, bool live) {
    if (live)
        ew_watch_view_draw(view, &w->moment);
    else if (w->o->csv)
        ew_watch_print_csv(view, &w->moment);
    else if (w->o->common.json)
        ew_watch_print_json(stdout, &w->moment);
    else
        ew_watch_print_line(stdout, &w->moment);
}

static void follow(struct watch *w, bool live) {
    struct ew_watch_view view = {.out = stdout, .last_time_s = -1};
    double interval_s = w->o->interval_s > 0 ? w->o->interval_s : live ? 0.5 : 1;
    int64_t step = (int64_t)(interval_s * 1e9), next = w->begin_ns;
    int64_t end = w->o->duration_s > 0 ? w->begin_ns + (int64_t)(w->o->duration_s * 1e9) : INT64_MAX;
    if (live) ew_watch_view_open(&view, stdout);
    look(w);
    if (w->o->csv) ew_watch_print_csv_head(stdout, &w->moment);
    for (;;) {
        show(w, &view, live);
        if (ended || ew_clock_now_ns() >= end || ferror(stdout)) break;
        while (next <= ew_clock_now_ns()) next += step;
        nap_until(next < end ? next : end);
        if (suspended) suspend(&view);
        look(w);
    }
    if (live) ew_watch_view_close(&view);
}

static enum ew_status summarise(struct watch *w, struct ew_energy energies[EW_WATCH_ENERGY], struct ew_error *err) {
    if (w->sampler) ew_meter_sampler_stop(w->sampler);
    for (size_t i = 0; i < w->n_energy; i++) {
        const struct ew_meter_trace *t = ew_meter_sampler_trace(w->sampler, i);
        struct ew_live_figures f = ew_live_energy_figures(w->live[i]);
        const struct ew_energy_trace trace = {.info = t->info, .times_ns = t->times_ns, .values = t->values, .n = t->n};
        energies[i] = (struct ew_energy){.energy_j = NAN, .net_j = NAN, .duration_s = 0};
        snprintf(energies[i].grade_reason, sizeof energies[i].grade_reason, "%.*s",
                 (int)sizeof energies[i].grade_reason - 1,
                 t->error[0] ? t->error : "the meter gave fewer than two readings");
        if (f.last_ns <= f.first_ns) continue;
        enum ew_status status =
            ew_energy_of_window(&trace, EW_ENERGY_TOTAL, f.first_ns, f.last_ns, NULL, &energies[i], err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status watch(const struct options *o, struct ew_error *err) {
    struct watch *w = calloc(1, sizeof *w);
    if (!w) return ew_error_set(err, EW_ERR_MEMORY, "watch: out of memory");
    w->o = o;
    const char *term = getenv("TERM");
    bool live = isatty(STDOUT_FILENO) && !o->csv && !o->common.json && !(term && strcmp(term, "dumb") == 0);
    catch_signals(live);
    enum ew_status status = open_watch(w, err);
    if (status == EW_OK) {
        struct ew_energy energies[EW_WATCH_ENERGY];
        follow(w, live);
        status = summarise(w, energies, err);
        if (status == EW_OK && o->common.json)
            ew_watch_print_summary_json(stdout, &w->moment, energies);
        else if (status == EW_OK) /* a file of CSV or lines stays one */
            ew_watch_print_summary(live ? stdout : stderr, &w->moment, energies);
        if (status == EW_OK && (fflush(stdout) != 0 || ferror(stdout)))
            status = ew_error_errno(err, EW_ERR_IO, errno, "standard output: cannot be written");
    }
    close_watch(w);
    free(w);
    return status;
}

int ew_meter_command_watch(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[METER…]",
        .doc =
            "Shows power, joules counted since the start, temperatures, clocks, fans, throttling and available memory, "
            "live on a terminal, a line per interval elsewhere. METER: names of energy meters from `edgewise meter "
            "list`; the best one by "
            "itself, or none. Ctrl-C ends with the energy, its interval and grade.\v"
            "Example:\n  edgewise meter watch\n  edgewise meter watch rapl rapl-psys --interval 2s\n"
            "  edgewise meter watch --csv --duration 60s > trace.csv\n",
        .children = children};
    struct options o = {0};
    struct ew_error err = {0};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    enum ew_status status = watch(&o, &err);
    ew_meter_options_close(&o.meters);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
