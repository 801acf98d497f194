/* Opens a store and derives everything that the writers show. */
#include "report/report.h"

#include "base/error.h"
#include "insight/stored_energy.h"

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

enum ew_status ew_report_open(const char *path, const char *study_name, struct ew_report **out, struct ew_error *err) {
    struct ew_report *report = calloc(1, sizeof *report);
    int64_t id = 0;
    if (!report) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = ew_store_open(path, EW_STORE_READ, &report->store, err);
    if (status == EW_OK) status = find_study(report->store, study_name, &id, err);
    if (status == EW_OK) status = ew_store_read_study(report->store, id, &report->study, err);
    if (status == EW_OK) {
        report->energies = calloc(report->study->n_trials + 1, sizeof *report->energies);
        if (!report->energies) status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    if (status == EW_OK) status = ew_stored_energy_read(report->store, report->study, report->energies, err);
    if (status == EW_OK) status = ew_insight_build(report->study, report->energies, &report->insight, err);
    if (status != EW_OK) {
        ew_report_close(&report);
        return status;
    }
    *out = report;
    return EW_OK;
}

void ew_report_close(struct ew_report **report) {
    if (!*report) return;
    ew_insight_close(&(*report)->insight);
    free((*report)->energies);
    ew_store_free_study(&(*report)->study);
    ew_store_close(&(*report)->store);
    free(*report);
    *report = NULL;
}
