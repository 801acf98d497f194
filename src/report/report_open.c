/* Opens a store and derives everything that the writers show. */
#include "report/report.h"

#include "base/error.h"
#include "insight/stored_energy.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status find_study(struct ew_store *store, const char *name, int64_t *id, struct ew_error *err) {
    const struct ew_study_record *studies;
    size_t n;
    *id = 0;
    enum ew_status status = ew_store_list_studies(store, &studies, &n, err);
    if (status != EW_OK) return status;
    if (!n) return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: a store without a study", ew_store_path(store));
    if (!name) return EW_OK;
    char names[256] = "";
    for (size_t i = 0; i < n; i++) {
        const char *one = studies[i].name ? studies[i].name : "";
        if (strcmp(one, name) == 0) {
            *id = studies[i].id;
            return EW_OK;
        }
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", one);
    }
    return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: no study `%.100s` (there are: %s)", ew_store_path(store), name,
                        names);
}

static int compare_double(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What net energy was taken against, by way of gross - net = idle power x duration. The median over the runs. */
static double find_idle_w(const struct ew_report *report) {
    double *watts = calloc(report->study->n_trials + 1, sizeof *watts), idle = NAN;
    size_t n = 0;
    for (size_t i = 0; watts && i < report->study->n_trials; i++) {
        const struct ew_phase_record *phase = ew_measure_phase(&report->study->trials[i], "decode");
        double joules = report->energies[i].decode_j - report->energies[i].decode_net_j;
        if (phase && phase->end_ns > phase->begin_ns && isfinite(joules))
            watts[n++] = joules / ((double)(phase->end_ns - phase->begin_ns) * 1e-9);
    }
    if (n) {
        qsort(watts, n, sizeof *watts, compare_double);
        idle = n % 2 ? watts[n / 2] : 0.5 * (watts[n / 2 - 1] + watts[n / 2]);
    }
    free(watts);
    return idle;
}

/* The `cost` block of the study's settings; a value may be a number, a text or a truth. */
static enum ew_status take_study_costs(struct ew_report *report, struct ew_error *err) {
    const char *text = report->study->study.settings_json;
    json_t *settings = text ? json_loads(text, 0, NULL) : NULL, *value;
    const char *key;
    enum ew_status status = EW_OK;
    json_object_foreach(json_object_get(settings, "cost"), key, value) {
        char number[32];
        snprintf(number, sizeof number, "%.12g", json_number_value(value));
        const char *word = json_is_string(value)    ? json_string_value(value)
                           : json_is_boolean(value) ? (json_is_true(value) ? "yes" : "no")
                                                    : number;
        if (status == EW_OK) status = ew_money_case_set(&report->money, key, word, err);
    }
    json_decref(settings);
    return status == EW_OK ? EW_OK : ew_error_prefix(err, status, "%s: cost", ew_store_path(report->store));
}

static enum ew_status take_costs(struct ew_report *report, const struct ew_report_request *request,
                                 struct ew_error *err) {
    report->money = ew_money_case_new();
    enum ew_status status = take_study_costs(report, err);
    for (size_t i = 0; i < request->n_costs && status == EW_OK; i++) {
        const char *pair = request->costs[i];
        char key[64];
        size_t n = strcspn(pair, "=");
        if (!pair[n] || n >= sizeof key)
            return ew_error_set(err, EW_ERR_ARGUMENT, "--cost `%s`: it is not KEY=VALUE", pair);
        memcpy(key, pair, n);
        key[n] = 0;
        status = ew_money_case_set(&report->money, key, pair + n + 1, err);
    }
    return status == EW_OK ? ew_money_case_resolve(&report->money, report->prices, err) : status;
}

static enum ew_status take_uses(struct ew_report *report, const struct ew_report_request *request,
                                struct ew_error *err) {
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < request->n_uses && status == EW_OK; i++) {
        if (report->n_uses == EW_MOST_OWN_USES)
            return ew_error_set(err, EW_ERR_ARGUMENT, "--use `%.60s`: more than %d of them", request->uses[i],
                                EW_MOST_OWN_USES);
        status = ew_use_parse(request->uses[i], &report->uses[report->n_uses], err);
        report->n_uses += status == EW_OK;
    }
    return status;
}

static enum ew_status open_against(struct ew_report *report, const struct ew_report_request *request,
                                   struct ew_error *err) {
    const struct ew_report_request other = {.study = request->against_study};
    enum ew_status status = ew_report_open(request->against, &other, &report->against, err);
    if (status != EW_OK) return status;
    double margin = request->margin > 0 ? request->margin : EW_VERSUS_MARGIN;
    return ew_versus_build(report->insight, report->against->insight, margin, &report->versus, err);
}

/* By id or by label. */
static const struct ew_insight_config *find_config(const struct ew_insight *insight, const char *text) {
    char id[32];
    for (size_t i = 0; i < insight->n_configs; i++) {
        snprintf(id, sizeof id, "%lld", (long long)insight->configs[i].record->id);
        if (strcmp(id, text) == 0 || strcmp(insight->configs[i].label, text) == 0) return &insight->configs[i];
    }
    return NULL;
}

static enum ew_status compare_two(struct ew_report *report, const struct ew_report_request *request,
                                  struct ew_error *err) {
    const struct ew_insight_config *two[2];
    for (int k = 0; k < 2; k++) {
        two[k] = find_config(report->insight, request->compare[k]);
        if (!two[k])
            return ew_error_set(err, EW_ERR_NOT_FOUND,
                                "--compare `%.100s`: no configuration has this id or label (`configurations` of --json "
                                "lists them)",
                                request->compare[k]);
    }
    report->against = report;
    double margin = request->margin > 0 ? request->margin : EW_VERSUS_MARGIN;
    return ew_versus_build_two(report->insight, two[0], two[1], margin, &report->versus, err);
}

enum ew_status ew_report_open(const char *path, const struct ew_report_request *request, struct ew_report **out,
                              struct ew_error *err) {
    static const struct ew_report_request nothing = {0};
    if (!request) request = &nothing;
    struct ew_report *report = calloc(1, sizeof *report);
    int64_t id = 0;
    if (!report) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = ew_store_open(path, EW_STORE_READ, &report->store, err);
    if (status == EW_OK) status = find_study(report->store, request->study, &id, err);
    if (status == EW_OK) status = ew_store_read_study(report->store, id, &report->study, err);
    if (status == EW_OK) {
        report->energies = calloc(report->study->n_trials + 1, sizeof *report->energies);
        if (!report->energies) status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    if (status == EW_OK) status = ew_stored_energy_read(report->store, report->study, report->energies, err);
    if (status == EW_OK) status = ew_insight_build(report->study, report->energies, &report->insight, err);
    if (status == EW_OK) status = ew_prices_open(request->prices, NULL, &report->prices, err);
    if (status == EW_OK) report->measured_idle_w = find_idle_w(report);
    if (status == EW_OK) status = take_costs(report, request, err);
    if (status == EW_OK) status = take_uses(report, request, err);
    if (status == EW_OK && request->wishes)
        status = ew_recommend(report->insight, request->wishes, &report->recommendation, err);
    if (status == EW_OK && request->against) status = open_against(report, request, err);
    if (status == EW_OK && request->compare[1]) status = compare_two(report, request, err);
    if (status != EW_OK) {
        ew_report_close(&report);
        return status;
    }
    *out = report;
    return EW_OK;
}

void ew_report_close(struct ew_report **report) {
    if (!*report) return;
    ew_versus_close(&(*report)->versus);
    if ((*report)->against != *report) ew_report_close(&(*report)->against);
    ew_insight_close(&(*report)->insight);
    ew_prices_close(&(*report)->prices);
    free((*report)->energies);
    ew_store_free_study(&(*report)->study);
    ew_store_close(&(*report)->store);
    free(*report);
    *report = NULL;
}
