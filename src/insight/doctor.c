/* Owns the list of rules and how a finding is put together. The rules themselves: doctor_*.c, by subject. */
#include "insight/doctor.h"

#include "kernel/kernel.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The order in which findings are shown. What explains a model's speed comes before the model. */
static const struct ew_doctor_rules *const subjects[] = {&ew_doctor_energy_rules, &ew_doctor_clock_rules,
                                                         &ew_doctor_share_rules, &ew_doctor_kernel_rules,
                                                         &ew_doctor_model_rules};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

size_t ew_doctor_rule_count(void) {
    size_t n = 0;
    for (size_t s = 0; s < N_SUBJECTS; s++) n += subjects[s]->n;
    return n;
}

const struct ew_doctor_rule *ew_doctor_rule_at(size_t index) {
    for (size_t s = 0; s < N_SUBJECTS; s++) {
        if (index < subjects[s]->n) return &subjects[s]->at[index];
        index -= subjects[s]->n;
    }
    return NULL;
}

void ew_doctor_examine(const struct ew_doctor_facts *facts, struct ew_doctor_findings *out) {
    out->n = 0;
    for (size_t i = 0; i < ew_doctor_rule_count() && out->n < EW_DOCTOR_FINDINGS; i++) {
        const struct ew_doctor_rule *rule = ew_doctor_rule_at(i);
        struct ew_doctor_finding *finding = &out->at[out->n];
        *finding = (struct ew_doctor_finding){.id = rule->id, .topic = rule->topic, .why = rule->why};
        if (rule->apply(facts, out, finding)) out->n++;
    }
}

const char *ew_doctor_severity_name(enum ew_doctor_severity severity) {
    static const char *const names[] = {"ok", "note", "warning", "problem"};
    return names[severity];
}

bool ew_doctor_say(struct ew_doctor_finding *finding, enum ew_doctor_severity severity, const char *format, ...) {
    va_list args;
    finding->severity = severity;
    va_start(args, format);
    vsnprintf(finding->found, sizeof finding->found, format, args);
    va_end(args);
    return true;
}

void ew_doctor_add(struct ew_doctor_finding *finding, const char *format, ...) {
    size_t used = strlen(finding->found);
    va_list args;
    va_start(args, format);
    vsnprintf(finding->found + used, sizeof finding->found - used, format, args);
    va_end(args);
}

void ew_doctor_remedy(struct ew_doctor_finding *finding, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(finding->remedy, sizeof finding->remedy, format, args);
    va_end(args);
}

uint64_t ew_doctor_kernel_features(void) { return ew_kernels_known_features(); }
