/* What the files of `edgewise doctor` share: the examination, how its parts are filled, and its two forms. */
#ifndef EW_CLI_DOCTOR_VIEW_H
#define EW_CLI_DOCTOR_VIEW_H

#include "edgewise/meter.h"
#include "insight/doctor.h"
#include "report/text_table.h"

#include <signal.h>
#include <stdio.h>

struct ew_doctor_request {
    const char *root;       /* "" = this machine */
    const char *model_path; /* NULL = one is made up */
    bool quick, no_model;   /* quick: nothing is measured */
    uint64_t cpu_mask;
    const struct ew_meter_config *meters;
    FILE *progress; /* a terminal, or NULL */
    const volatile sig_atomic_t *stop;
};

/* Everything about one machine. facts points into the rest. */
struct ew_doctor_visit {
    struct ew_machine *machine, *now; /* as found; read again while and after measuring */
    struct ew_machine_tuning tuning;
    struct ew_meter_list *meter_list;
    struct ew_doctor_meter *meters;
    struct ew_machine_limits limits;
    struct ew_doctor_model model;
    char energy_none[EW_ERROR_MESSAGE_SIZE];
    char model_none[EW_ERROR_MESSAGE_SIZE]; /* why no model was measured although one was wanted; "" = none wanted, or
                                               it was */
    struct ew_doctor_facts facts;
    struct ew_doctor_findings findings;
    double seconds;
};

/* Fills the visit; close it in any case. Errors: MEMORY, CANCELLED; a model file that was named and is none: as
 * ew_model_open. */
enum ew_status ew_doctor_visit_machine(const struct ew_doctor_request *request, struct ew_doctor_visit *visit,
                                       struct ew_error *err);
void ew_doctor_visit_close(struct ew_doctor_visit *visit);

/* Opens or makes up the model, and measures it where it fits. limits may be NULL: then only what it needs is said. */
enum ew_status ew_doctor_measure_model(const struct ew_doctor_request *request, const struct ew_machine *machine,
                                       const struct ew_machine_limits *limits, struct ew_doctor_model *out,
                                       struct ew_error *err);

/* One line on the progress terminal, "" clears it. */
void ew_doctor_say_progress(const struct ew_doctor_request *request, const char *what);

/* `edgewise doctor --kernels`: the contest of the kernels, where it has not been held or again, and what it decided. */
enum ew_status ew_doctor_show_kernels(const struct ew_doctor_request *request, bool again, bool json, FILE *out,
                                      const struct ew_text_style *style, struct ew_error *err);

void ew_doctor_print_text(const struct ew_doctor_visit *visit, FILE *out, const struct ew_text_style *style);
bool ew_doctor_print_json(const struct ew_doctor_visit *visit, FILE *out); /* false: out of memory or not written */

#endif
