/* The options by which a user names meters that no probe can find; shared by every command that measures. */
#ifndef EW_CLI_METER_OPTIONS_H
#define EW_CLI_METER_OPTIONS_H

#include "edgewise/meter.h"

#include <argp.h>

enum { EW_CLI_MAX_SOURCES = 16 };

/* An argp child; its input is a struct ew_meter_options. */
struct ew_meter_options {
    const char *sources[EW_CLI_MAX_SOURCES]; /* as ew_meter_config wants them */
    size_t n_sources;
    char *owned[EW_CLI_MAX_SOURCES]; /* those that had to be put together; freed by ew_meter_options_close */
    size_t n_owned;
    const char *calibration; /* "none", "auto" or a file; set once the options are parsed */
};
extern const struct argp ew_meter_options_argp;

/* The meters under root ("" or NULL = this machine), the named ones, and what calibration_choice.c corrects; points
 * into *options. */
struct ew_meter_config ew_meter_options_config(const struct ew_meter_options *options, const char *root);
void ew_meter_options_close(struct ew_meter_options *options);

#endif
