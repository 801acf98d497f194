/* Owns --set, and saying what was put back. What can be set, and how it goes back: machine/device_settings.h. */
#include "cli/device_options.h"
#include "cli/command.h"

#include <stdio.h>

enum { KEY_SET = 2951 };

static const struct argp_option options[] = {
    {"set", KEY_SET, "NAME=VALUE", 0,
     "Set the device so while this runs, and put it back afterwards, also after a kill: governor, epp, max-frequency, "
     "frequency, platform-profile, power-mode. Repeatable; needs rights; docs/device-settings.md",
     7},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_device_options *o = state->input;
    struct ew_error err = {0};
    struct ew_setting setting;
    if (key != KEY_SET) return ARGP_ERR_UNKNOWN;
    if (ew_setting_parse(arg, &setting, &err) != EW_OK) argp_error(state, "--set: %s", err.message);
    for (size_t i = 0; i < o->n; i++)
        if (o->list[i].kind == setting.kind)
            argp_error(state, "--set: %s is set twice", ew_setting_kind_name(setting.kind));
    o->list[o->n++] = setting;
    return 0;
}

const struct argp ew_device_options_argp = {.options = options, .parser = parse};

enum ew_status ew_device_options_apply(const struct ew_device_options *o, const char *root,
                                       struct ew_device_settings **out, struct ew_error *err) {
    const struct ew_device_settings_config config = {.root = root};
    struct ew_device_settings *settings = NULL;
    *out = NULL;
    if (o->n == 0) return EW_OK;
    for (size_t i = 0; i < o->n; i++) {
        enum ew_status status = ew_device_setting_check(root, &o->list[i], err);
        if (status != EW_OK) return status;
    }
    enum ew_status status = ew_device_settings_open(&config, &settings, err);
    if (status == EW_OK) status = ew_device_settings_apply(settings, o->list, o->n, err);
    if (status != EW_OK) {
        ew_device_settings_close(&settings, NULL, NULL);
        return status;
    }
    *out = settings;
    return EW_OK;
}

bool ew_device_options_close(struct ew_device_settings **settings) {
    struct ew_settings_report report;
    struct ew_error err = {0};
    enum ew_status status = ew_device_settings_close(settings, &report, &err);
    if (report.foreign || report.failed) fprintf(stderr, "edgewise: settings: %s\n", report.text);
    if (status != EW_OK) ew_cli_fail(&err);
    return status == EW_OK;
}

void ew_device_restore_left_over(void) {
    struct ew_settings_report report;
    struct ew_error err = {0};
    enum ew_status status = ew_device_settings_recover(NULL, &report, &err);
    if (report.text[0]) fprintf(stderr, "edgewise: settings that an earlier run had left: %s\n", report.text);
    if (status != EW_OK) ew_cli_fail(&err);
}
