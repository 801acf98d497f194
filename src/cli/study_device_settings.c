/* Owns joining a study's settings (study/study_device.h) with those of src/machine: names, units, one object that is
 * opened at the first change and closed at the end. */
#include "cli/study_device_settings.h"
#include "base/error.h"
#include "machine/device_settings.h"

#include <stdio.h>
#include <string.h>

static struct ew_device_settings_config config_of(const struct ew_study_device_settings *d) {
    return (struct ew_device_settings_config){.root = d->root};
}

static void add(struct ew_setting *list, size_t *n, enum ew_setting_kind kind, const char *value) {
    list[*n] = (struct ew_setting){.kind = kind};
    snprintf(list[*n].value, sizeof list[*n].value, "%s", value);
    ++*n;
}

/* A board with nvpmodel has power modes by that name; others call theirs a platform profile. */
static enum ew_setting_kind power_kind(const char *root) {
    char offered[EW_SETTINGS_TEXT_SIZE];
    ew_device_setting_choices(root, EW_SETTING_POWER_MODE, offered, sizeof offered);
    return *offered ? EW_SETTING_POWER_MODE : EW_SETTING_PLATFORM_PROFILE;
}

static size_t translate(const char *root, const struct ew_study_setting *s, struct ew_setting list[4]) {
    size_t n = 0;
    char hertz[32];
    if (s->power_mode) add(list, &n, power_kind(root), s->power_mode);
    if (s->governor) add(list, &n, EW_SETTING_GOVERNOR, s->governor);
    if (s->epp) add(list, &n, EW_SETTING_PREFERENCE, s->epp);
    if (s->frequency_cap_hz > 0) {
        snprintf(hertz, sizeof hertz, "%lldkHz", (long long)s->frequency_cap_hz / 1000);
        add(list, &n, EW_SETTING_MAX_FREQUENCY, hertz);
    }
    return n;
}

static enum ew_status recover(void *context, bool *undone, struct ew_error *err) {
    struct ew_study_device_settings *d = context;
    const struct ew_device_settings_config config = config_of(d);
    struct ew_settings_report report = {0};
    enum ew_status status = ew_device_settings_recover(&config, &report, err);
    *undone = report.restored > 0;
    return status;
}

static enum ew_status check(void *context, const struct ew_study_setting *setting, struct ew_error *err) {
    struct ew_study_device_settings *d = context;
    struct ew_setting list[4];
    size_t n = translate(d->root, setting, list);
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < n; i++) status = ew_device_setting_check(d->root, &list[i], err);
    return status;
}

static enum ew_status apply(void *context, const struct ew_study_setting *setting, struct ew_error *err) {
    struct ew_study_device_settings *d = context;
    const struct ew_device_settings_config config = config_of(d);
    struct ew_setting list[4];
    size_t n = translate(d->root, setting, list);
    enum ew_status status = d->open ? EW_OK : ew_device_settings_open(&config, &d->open, err);
    return status == EW_OK ? ew_device_settings_apply(d->open, list, n, err) : status;
}

static enum ew_status restore(void *context, struct ew_error *err) {
    struct ew_study_device_settings *d = context;
    return d->open ? ew_device_settings_close(&d->open, NULL, err) : EW_OK;
}

struct ew_study_device ew_study_device_settings(struct ew_study_device_settings *d) {
    return (struct ew_study_device){d, recover, check, apply, restore};
}
