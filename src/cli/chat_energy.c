/* Owns the meter of a chat. It is read only while an answer is made: between the turns nothing wakes the processor. */
#include "cli/chat_energy.h"
#include "base/error.h"
#include "meter/meter_sampler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const double MOST_WAIT_S = 0.3;

struct ew_chat_energy {
    struct ew_meter_config config;
    struct ew_meter_list *list;
    struct ew_meter *meter;
    struct ew_meter_sampler *sampler;
    bool running;
};

enum ew_status ew_chat_energy_open(const struct ew_run_options *options, struct ew_chat_energy **out,
                                   struct ew_error *err) {
    const char *name = options->energy;
    bool automatic = !name || strcmp(name, "auto") == 0;
    *out = NULL;
    if (name && strcmp(name, "none") == 0) return EW_OK;
    struct ew_chat_energy *e = calloc(1, sizeof *e);
    if (!e) return ew_error_set(err, EW_ERR_MEMORY, "meters: out of memory");
    e->config = ew_meter_options_config(&options->meters, options->common.root);
    enum ew_status status = ew_meter_list_probe(&e->config, &e->list, err);
    if (status == EW_OK) {
        status = ew_meter_list_choose_energy(e->list, name, &e->meter, err);
        if (status != EW_OK && automatic) {
            ew_chat_energy_close(&e);
            return EW_OK;
        }
    }
    if (status == EW_OK) status = ew_meter_sampler_open(&e->meter, 1, &e->config, &e->sampler, err);
    if (status != EW_OK) {
        ew_chat_energy_close(&e);
        return status;
    }
    *out = e;
    return EW_OK;
}

void ew_chat_energy_close(struct ew_chat_energy **energy) {
    if (!*energy) return;
    struct ew_chat_energy *e = *energy;
    ew_meter_sampler_close(&e->sampler);
    ew_meter_list_close(&e->list);
    free(e);
    *energy = NULL;
}

void ew_chat_energy_begin(struct ew_chat_energy *e) {
    if (e) e->running = ew_meter_sampler_start(e->sampler, NULL) == EW_OK;
}

/* The window must lie between two readings. */
static void wait_for_reading(const struct ew_chat_energy *e) {
    double seconds = fmin(1.5 * ew_meter_info(e->meter)->period_s, MOST_WAIT_S);
    nanosleep(&(struct timespec){.tv_nsec = (long)(seconds * 1e9)}, NULL);
}

bool ew_chat_energy_end(struct ew_chat_energy *e, int64_t begin_ns, int64_t end_ns, struct ew_energy *out) {
    if (!e || !e->running) return false;
    wait_for_reading(e);
    ew_meter_sampler_stop(e->sampler);
    e->running = false;
    const struct ew_meter_trace *t = ew_meter_sampler_trace(e->sampler, 0);
    const struct ew_energy_trace trace = {.info = t->info, .times_ns = t->times_ns, .values = t->values, .n = t->n};
    return end_ns > begin_ns &&
           ew_energy_of_window(&trace, EW_ENERGY_TOTAL, begin_ns, end_ns, NULL, out, NULL) == EW_OK &&
           out->grade != EW_GRADE_NONE && !out->below_resolution;
}

const char *ew_chat_energy_meter(const struct ew_chat_energy *e) { return e ? ew_meter_info(e->meter)->name : NULL; }
