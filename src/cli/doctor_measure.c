/* Owns gathering the facts of `edgewise doctor`: the machine, its meters, who else is busy, its limits. Judges nothing:
 * insight/doctor.h does. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/calibration_choice.h"
#include "cli/doctor_view.h"
#include "cli/meter_reading.h"
#include "edgewise/model.h"
#include "machine/cpu_features.h"
#include "machine/facts.h"
#include "machine/processor_time.h"
#include "meter/prove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const double idle_s = 0.5; /* /proc/stat counts in hundredths: 2 % of one CPU */

void ew_doctor_say_progress(const struct ew_doctor_request *request, const char *what) {
    if (!request->progress) return;
    fprintf(request->progress, "\r\033[K%s", what);
    fflush(request->progress);
}

/* ---- who else is here ---- */

static void watch_others(struct ew_doctor_visit *v) {
    struct ew_processor_time before, after;
    struct ew_process_times was, is;
    if (!ew_processor_time_read("", &before)) return;
    ew_process_times_read(&was);
    int64_t begin = ew_clock_now_ns();
    nanosleep(&(struct timespec){.tv_nsec = (long)(idle_s * 1e9)}, NULL);
    double seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
    if (ew_processor_time_read("", &after)) {
        double others = ew_processor_time_others_s(&before, &after);
        v->facts.others_cpus = fmax(others, 0) / seconds;
    }
    ew_process_times_read(&is);
    struct ew_process_time busiest = ew_process_times_busiest(&was, &is);
    if (busiest.cpu_s > 0) {
        snprintf(v->facts.busiest, sizeof v->facts.busiest, "%s (%d)", busiest.name, (int)busiest.pid);
        v->facts.busiest_cpus = busiest.cpu_s / seconds;
    }
    ew_process_times_free(&was);
    ew_process_times_free(&is);
}

/* ---- meters ---- */

static void look_at(struct ew_doctor_meter *d, struct ew_meter *m, const char *board, bool recorded) {
    if (d->info->reason != EW_METER_USABLE) return;
    ew_calibration_note(d->info, board, d->calibration, sizeof d->calibration);
    if (d->info->quantity != EW_METER_ENERGY)
        d->now = ew_meter_live_gauge(m, d->now_words, sizeof d->now_words);
    else if (!recorded && isfinite(d->now = ew_meter_live_power(m)))
        snprintf(d->now_words, sizeof d->now_words, "%.3g W", d->now);
}

/* Energy meters prove themselves under a short load, which a recorded machine cannot. */
static enum ew_status find_meters(const struct ew_doctor_request *r, struct ew_doctor_visit *v, struct ew_error *err) {
    ew_doctor_say_progress(r, "trying the meters …");
    enum ew_status status = ew_meter_list_probe(r->meters, &v->meter_list, err);
    if (status != EW_OK) return status;
    struct ew_error none = {0};
    struct ew_meter *unused = NULL;
    char board[EW_METER_TEXT_SIZE];
    ew_calibration_board(r->root, board, sizeof board);
    bool prove = !r->quick && !v->facts.recorded;
    for (size_t i = 0; prove && i < ew_meter_list_count(v->meter_list); i++) {
        struct ew_meter *m = ew_meter_list_at(v->meter_list, i);
        const struct ew_meter_info *info = ew_meter_info(m);
        if (info->quantity == EW_METER_ENERGY && info->reason == EW_METER_USABLE) ew_meter_prove(m, NULL, NULL);
    }
    const struct ew_meter *best = ew_meter_list_best(v->meter_list);
    size_t n = ew_meter_list_count(v->meter_list);
    v->meters = calloc(n + 1, sizeof *v->meters);
    if (!v->meters) return ew_error_set(err, EW_ERR_MEMORY, "doctor: out of memory");
    for (size_t i = 0; i < n; i++) {
        struct ew_meter *m = ew_meter_list_at(v->meter_list, i);
        const struct ew_meter_info *info = ew_meter_info(m);
        struct ew_doctor_meter *d = &v->meters[v->facts.n_meters++];
        *d = (struct ew_doctor_meter){.info = info, .is_auto = m == best, .now = NAN};
        look_at(d, m, board, v->facts.recorded);
    }
    v->facts.meters = v->meters;
    if (!best && ew_meter_list_choose_energy(v->meter_list, NULL, &unused, &none) != EW_OK) {
        memcpy(v->energy_none, none.message, sizeof v->energy_none);
        v->facts.energy_none = v->energy_none;
    }
    return EW_OK;
}

/* ---- limits ---- */

struct limits_progress {
    const struct ew_doctor_request *request;
    struct ew_doctor_visit *visit;
};

/* After each round the clocks still are what they were under load. */
static void note_clocks(void *context, double fraction, const char *what) {
    struct limits_progress *p = context;
    struct ew_doctor_visit *v = p->visit;
    char text[96];
    (void)what;
    snprintf(text, sizeof text, "measuring memory and arithmetic … %.0f %%", 100 * fraction);
    ew_doctor_say_progress(p->request, text);
    ew_machine_refresh(v->now, "");
    for (size_t i = 0; i < v->now->n_cpus; i++) {
        const struct ew_machine_cpu *c = &v->now->cpus[i];
        if (!c->usable || c->kind < 0 || c->kind >= EW_LIMIT_KINDS || !(c->now_mhz > v->facts.loaded_mhz[c->kind]))
            continue;
        v->facts.loaded_mhz[c->kind] = c->now_mhz;
    }
}

static int64_t throttle_events(const struct ew_machine *m) {
    const struct ew_machine_throttle *t = &m->throttle;
    if (t->core_events < 0 && t->package_events < 0) return -1;
    return (t->core_events > 0 ? t->core_events : 0) + (t->package_events > 0 ? t->package_events : 0);
}

static enum ew_status measure_limits(const struct ew_doctor_request *r, struct ew_doctor_visit *v,
                                     struct ew_error *err) {
    struct limits_progress progress = {r, v};
    struct ew_limits_request request = {.stop = r->stop, .progress = note_clocks, .context = &progress};
    enum ew_status status = ew_machine_limits_measure(v->machine, &request, &v->limits, err);
    if (status == EW_OK) v->facts.limits = &v->limits;
    return status;
}

/* A made-up model that cannot be written (no room in the folder for temporary files) leaves the rest as it is. */
static enum ew_status measure_model(const struct ew_doctor_request *r, struct ew_doctor_visit *v,
                                    struct ew_error *err) {
    struct ew_error own = {0};
    ew_doctor_say_progress(r, "measuring a model …");
    enum ew_status status = ew_doctor_measure_model(r, v->machine, v->facts.limits, &v->model, &own);
    if (status == EW_OK) v->facts.model = &v->model;
    if (status == EW_OK || (!r->model_path && status != EW_ERR_CANCELLED)) {
        memcpy(v->model_none, own.message, sizeof v->model_none);
        return EW_OK;
    }
    if (err) *err = own;
    return status;
}

static enum ew_status measure_all(const struct ew_doctor_request *r, struct ew_doctor_visit *v, struct ew_error *err) {
    struct ew_processor_time before = {0}, after = {0};
    bool known = ew_processor_time_read("", &before);
    enum ew_status status = measure_limits(r, v, err);
    if (status == EW_OK && !r->no_model) status = measure_model(r, v, err);
    double wanted = 0;
    if (known && ew_processor_time_read("", &after))
        wanted = after.busy_s + after.steal_s - before.busy_s - before.steal_s;
    if (wanted > 0) v->facts.steal = (after.steal_s - before.steal_s) / wanted;
    ew_machine_refresh(v->now, "");
    int64_t was = throttle_events(v->machine), is = throttle_events(v->now);
    if (was >= 0 && is >= was) v->facts.throttled_by = is - was;
    return status;
}

/* A file that is no model is said before anybody waits for measurements. */
static enum ew_status check_model(const struct ew_doctor_request *r, struct ew_error *err) {
    struct ew_model *model = NULL;
    enum ew_status status = r->model_path ? ew_model_open(r->model_path, &model, err) : EW_OK;
    ew_model_close(&model);
    return status;
}

static enum ew_status open_machine(const struct ew_doctor_request *r, struct ew_doctor_visit *v, struct ew_error *err) {
    enum ew_status status = ew_machine_open(r->root, &v->machine, err);
    if (status == EW_OK) status = ew_machine_open(r->root, &v->now, err);
    if (status != EW_OK) return status;
    ew_machine_tuning_read(v->machine, r->root, &v->tuning);
    bool recorded = *r->root != 0;
    uint64_t features = recorded ? ew_cpu_features_recorded(r->root) : ew_cpu_features();
    uint64_t known = ew_doctor_kernel_features(), arm = EW_CPU_NEON;
    bool same = ((features & arm) != 0) == ((known & arm) != 0);
    v->facts = (struct ew_doctor_facts){.machine = v->machine,
                                        .tuning = &v->tuning,
                                        .recorded = recorded,
                                        .features = features,
                                        .allowed = recorded ? features : r->cpu_mask & features,
                                        .kernel_features = same ? known : 0,
                                        .load_1min = ew_facts_number(r->root, "/proc/loadavg"),
                                        .others_cpus = NAN,
                                        .busiest_cpus = NAN,
                                        .steal = NAN,
                                        .throttled_by = -1};
    return EW_OK;
}

enum ew_status ew_doctor_visit_machine(const struct ew_doctor_request *r, struct ew_doctor_visit *v,
                                       struct ew_error *err) {
    int64_t begin = ew_clock_now_ns();
    enum ew_status status = check_model(r, err);
    if (status == EW_OK) status = open_machine(r, v, err);
    if (status != EW_OK) return status;
    bool measures = !r->quick && !v->facts.recorded;
    if (measures) ew_doctor_say_progress(r, "looking at who else is busy …");
    if (measures) watch_others(v);
    status = find_meters(r, v, err);
    if (status == EW_OK && measures) status = measure_all(r, v, err);
    if (status == EW_OK && !measures && r->model_path) status = measure_model(r, v, err); /* what it needs */
    if (status == EW_OK) ew_doctor_examine(&v->facts, &v->findings);
    v->seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
    ew_doctor_say_progress(r, "");
    return status;
}

void ew_doctor_visit_close(struct ew_doctor_visit *v) {
    free(v->meters);
    ew_meter_list_close(&v->meter_list);
    ew_machine_close(&v->machine);
    ew_machine_close(&v->now);
}
