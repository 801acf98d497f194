/* Owns the list of all meters, usable and refused, and the choice of the energy meter. The choice never falls back to a
 * guess: where nothing measures, the message says why. Looks next at: prove.c, and the probes that driver.h lists. */
#include "base/error.h"
#include "meter/driver.h"
#include "meter/prove.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ew_meter_list {
    struct ew_meter **meters;
    size_t n, capacity;
};

struct ew_meter_list *ew_meter_list_new(void) {
    return calloc(1, sizeof(struct ew_meter_list));
}

enum ew_status ew_meter_list_add(struct ew_meter_list *list, struct ew_meter *meter, struct ew_error *err) {
    if (!meter) return ew_error_set(err, EW_ERR_MEMORY, "list of meters: out of memory");
    if (list->n == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 16;
        struct ew_meter **grown = realloc(list->meters, capacity * sizeof(struct ew_meter *));
        if (!grown) {
            ew_meter_close(&meter);
            return ew_error_set(err, EW_ERR_MEMORY, "list of meters: out of memory");
        }
        list->meters = grown;
        list->capacity = capacity;
    }
    list->meters[list->n++] = meter;
    return EW_OK;
}

enum ew_status ew_meter_list_add_refused(struct ew_meter_list *list, const struct ew_meter_config *config,
                                         const char *name, enum ew_meter_reason reason, const char *text,
                                         const char *remedy, struct ew_error *err) {
    struct ew_meter *m = ew_meter_new(NULL, config, 0, 0);
    if (m) {
        m->info.quantity = EW_METER_ENERGY;
        ew_meter_text(m->info.name, sizeof m->info.name, "%s", name);
        ew_meter_refuse(m, reason, text, remedy);
    }
    return ew_meter_list_add(list, m, err);
}

enum ew_status ew_meter_list_probe(const struct ew_meter_config *config, struct ew_meter_list **out,
                                   struct ew_error *err) {
    static enum ew_status (*const probes[])(struct ew_meter_list *, const struct ew_meter_config *,
                                            struct ew_error *) = {
        ew_meter_probe_sources,  ew_meter_probe_rapl,     ew_meter_probe_rapl_perf, ew_meter_probe_hwmon,
        ew_meter_probe_ina3221x, ew_meter_probe_pmic,     ew_meter_probe_nvml,      ew_meter_probe_battery,
        ew_meter_probe_cooling,  ew_meter_probe_throttle, ew_meter_probe_heat,      ew_meter_probe_gpu_clock,
        ew_meter_probe_time,
    };
    struct ew_meter_list *list = ew_meter_list_new();
    if (!list) return ew_error_set(err, EW_ERR_MEMORY, "list of meters: out of memory");
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < sizeof probes / sizeof *probes; i++)
        status = probes[i](list, config, err);
    if (status == EW_OK && config && config->found) status = config->found(config, list, err);
    if (status != EW_OK) {
        ew_meter_list_close(&list);
        return status;
    }
    *out = list;
    return EW_OK;
}

void ew_meter_list_close(struct ew_meter_list **list) {
    if (!list || !*list) return;
    for (size_t i = 0; i < (*list)->n; i++) ew_meter_close(&(*list)->meters[i]);
    free((*list)->meters);
    free(*list);
    *list = NULL;
}

size_t ew_meter_list_count(const struct ew_meter_list *list) { return list->n; }

struct ew_meter *ew_meter_list_at(const struct ew_meter_list *list, size_t index) {
    return index < list->n ? list->meters[index] : NULL;
}

struct ew_meter *ew_meter_list_find(const struct ew_meter_list *list, const char *name) {
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->meters[i]->info.name, name) == 0) return list->meters[i];
    return NULL;
}

/* Whether auto may take it: it must be known what it covers, and a graphics card alone does not cover a CPU's run. An
 * assumption covers what the user thinks of; its boundary is the smallest, so that it comes last. */
static bool is_candidate(const struct ew_meter_info *info) {
    return info->quantity == EW_METER_ENERGY && info->reason == EW_METER_USABLE &&
           (info->boundary != EW_BOUNDARY_UNKNOWN || info->assumed) && info->boundary != EW_BOUNDARY_GPU &&
           info->grade_ceiling != EW_GRADE_NONE;
}

/* The better grade first; between equals the wider boundary; between those the first found. An explicitly given trace
 * wins over all, as nobody passes one by accident. */
static struct ew_meter *best_candidate(const struct ew_meter_list *list) {
    struct ew_meter *best = NULL;
    for (size_t i = 0; i < list->n; i++) {
        struct ew_meter *m = list->meters[i];
        if (!is_candidate(&m->info)) continue;
        if (strcmp(m->info.name, "replay") == 0) return m;
        bool better = !best || m->info.grade_ceiling > best->info.grade_ceiling ||
                      (m->info.grade_ceiling == best->info.grade_ceiling && m->info.boundary > best->info.boundary);
        if (better) best = m;
    }
    return best;
}

const struct ew_meter *ew_meter_list_best(const struct ew_meter_list *list) { return best_candidate(list); }

/* "no RAPL (…); no power sensor (…)": every refused energy meter in one line. */
static enum ew_status explain_absence(const struct ew_meter_list *list, struct ew_error *err) {
    char text[EW_ERROR_MESSAGE_SIZE - 32] = "";
    size_t used = 0;
    bool permission_alone = false;
    for (size_t i = 0; i < list->n; i++) {
        const struct ew_meter_info *info = &list->meters[i]->info;
        if (info->quantity != EW_METER_ENERGY) continue;
        const char *why = info->reason_text;
        if (info->reason == EW_METER_DUPLICATE) continue;
        if (info->reason == EW_METER_USABLE) why = "usable, but what it covers is not the whole run: choose it by name";
        if (info->reason == EW_METER_PERMISSION) permission_alone = true;
        bool named = info->reason != EW_METER_ABSENT;
        ew_meter_text(text + used, sizeof text - used, "%s%s%s%s", used ? "; " : "", named ? info->name : "",
                      named ? ": " : "", why);
        used = strlen(text);
    }
    return ew_error_set(err, permission_alone ? EW_ERR_PERMISSION : EW_ERR_NOT_FOUND, "no energy figure: %s",
                        used ? text : "no meter is known for this machine");
}

static enum ew_status choose_named(struct ew_meter_list *list, const char *name, struct ew_meter **out,
                                   struct ew_error *err) {
    struct ew_meter *m = ew_meter_list_find(list, name);
    if (!m || m->info.quantity != EW_METER_ENERGY)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "no energy figure: meter `%s` is not one of this machine's", name);
    if (m->info.reason != EW_METER_USABLE)
        return ew_error_set(err, m->info.reason == EW_METER_PERMISSION ? EW_ERR_PERMISSION : EW_ERR_NOT_FOUND,
                            "no energy figure: meter %s: %s", name, m->info.reason_text);
    enum ew_status status = ew_meter_prove(m, NULL, err);
    if (status != EW_OK) return ew_error_prefix(err, status, "no energy figure");
    *out = m;
    return EW_OK;
}

enum ew_status ew_meter_list_choose_energy(struct ew_meter_list *list, const char *selector, struct ew_meter **out,
                                           struct ew_error *err) {
    if (selector && strcmp(selector, "none") == 0)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "no energy figure: switched off by the user (meter none)");
    if (selector && strcmp(selector, "auto") != 0) return choose_named(list, selector, out, err);
    for (;;) {
        struct ew_meter *m = best_candidate(list);
        if (!m) return explain_absence(list, err);
        enum ew_status status = ew_meter_prove(m, NULL, err);
        if (status == EW_OK) {
            *out = m;
            return EW_OK;
        }
        if (m->info.reason == EW_METER_USABLE) return status; /* out of memory or threads: not the meter's fault */
    }
}
