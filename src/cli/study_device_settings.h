/* What a study may set on this machine: the settings of src/machine behind the study's interface. */
#ifndef EW_CLI_STUDY_DEVICE_SETTINGS_H
#define EW_CLI_STUDY_DEVICE_SETTINGS_H

#include "study/study_device.h"

struct ew_study_device_settings {
    const char *root;                /* as for ew_machine_open */
    struct ew_device_settings *open; /* NULL until something is set, and after the end */
};

/* d must outlive what is returned. */
struct ew_study_device ew_study_device_settings(struct ew_study_device_settings *d);

#endif
