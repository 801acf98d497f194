/* Settings of the machine that a study varies: governor, frequency cap, power mode, EPP. The runner knows this
 * interface only; what can be set, and with which rights, is known to whoever fills it in. */
#ifndef EW_STUDY_STUDY_DEVICE_H
#define EW_STUDY_STUDY_DEVICE_H

#include "edgewise/status.h"
#include "study/study_record.h"

/* What a trial asks for. NULL and 0: as the machine was found. */
struct ew_study_setting {
    const char *governor;     /* of all cores: "performance" */
    int64_t frequency_cap_hz; /* of all cores */
    const char *power_mode;   /* by name or number: "15W", "balanced" */
    const char *epp;          /* energy_performance_preference of all cores */
};

struct ew_study_device {
    void *context;
    /* Undoes what a study that was killed left behind; *undone: there was something. Called once, before any check. */
    enum ew_status (*recover)(void *context, bool *undone, struct ew_error *err);
    /* Whether it can be set here, with the rights we have. Changes nothing. Errors: UNSUPPORTED, PERMISSION, ARGUMENT,
     * with a message that names setting, value, rule and what to do. */
    enum ew_status (*check)(void *context, const struct ew_study_setting *setting, struct ew_error *err);
    /* Sets all that is asked for and puts the rest as it was found. Errors: as check, IO. */
    enum ew_status (*apply)(void *context, const struct ew_study_setting *setting, struct ew_error *err);
    /* As the machine was found. Nothing to do is no error. */
    enum ew_status (*restore)(void *context, struct ew_error *err);
};

static inline struct ew_study_setting ew_study_setting_of(const struct ew_config_record *config) {
    return (struct ew_study_setting){config->governor, config->frequency_cap_hz, config->power_mode, config->epp};
}
static inline bool ew_study_setting_is_none(const struct ew_study_setting *s) {
    return !s->governor && !s->power_mode && !s->epp && s->frequency_cap_hz == 0;
}

/* "governor performance, at most 1500 MHz"; "as it is" where nothing is asked for. */
void ew_study_setting_text(const struct ew_study_setting *setting, char *buf, size_t capacity);

#endif
