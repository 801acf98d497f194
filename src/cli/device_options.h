/* --set NAME=VALUE: device settings for as long as a command measures, put back afterwards. docs/device-settings.md. */
#ifndef EW_CLI_DEVICE_OPTIONS_H
#define EW_CLI_DEVICE_OPTIONS_H

#include "machine/device_settings.h"

#include <argp.h>

/* An argp child; its input is a struct ew_device_options. */
struct ew_device_options {
    size_t n;
    struct ew_setting list[EW_SETTING_KINDS];
};
extern const struct argp ew_device_options_argp;

/* Sets what was asked for; *out stays NULL where nothing was. Says on standard error what an earlier run had left. */
enum ew_status ew_device_options_apply(const struct ew_device_options *options, const char *root,
                                       struct ew_device_settings **out, struct ew_error *err);

/* Puts it back; prints what did not go back, or was changed by somebody else. false = something did not go back. */
bool ew_device_options_close(struct ew_device_settings **settings);

/* Puts back what a program that was killed together with its guardian left set, and says so on standard error. */
void ew_device_restore_left_over(void);

#endif
