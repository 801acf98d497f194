/* Settings of the device that an experiment may ask for: governor, energy preference, clock limits, platform profile,
 * Jetson power mode. Set only when asked for, read back, and put back afterwards: at close, when the program ends in
 * any way (a guardian process waits for that), and, where both were killed or the power failed, at the next start, from
 * a journal that is on the disk before the first change.
 *
 * What can be set: setting_choices.c. One value: setting_change.c. The guardian: settings_guardian.c.
 * Sources: kernel Documentation/admin-guide/pm/{cpufreq,intel_pstate,amd-pstate}.rst, Documentation/ABI/testing/
 * sysfs-platform_profile; NVIDIA Jetson Linux Developer Guide, "Power Mode Controls". */
#ifndef EW_MACHINE_DEVICE_SETTINGS_H
#define EW_MACHINE_DEVICE_SETTINGS_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are set: a power mode moves the clocks' limits, a governor the energy preference. */
enum ew_setting_kind {
    EW_SETTING_POWER_MODE = 0,   /* "power-mode": nvpmodel, a number or name of /etc/nvpmodel.conf */
    EW_SETTING_PLATFORM_PROFILE, /* "platform-profile": ACPI */
    EW_SETTING_GOVERNOR,         /* "governor", of every cpufreq policy */
    EW_SETTING_PREFERENCE,       /* "epp": energy_performance_preference, of every policy that has one */
    EW_SETTING_MAX_FREQUENCY,    /* "max-frequency": upper limit, "1.5GHz", "1500MHz", "min", "max" */
    EW_SETTING_FREQUENCY,        /* "frequency": upper and lower limit at once */
    EW_SETTING_KINDS
};

enum { EW_SETTING_VALUE_SIZE = 48, EW_SETTINGS_TEXT_SIZE = 512 };

struct ew_setting {
    enum ew_setting_kind kind;
    char value[EW_SETTING_VALUE_SIZE];
};

const char *ew_setting_kind_name(enum ew_setting_kind kind); /* "governor"; never NULL */

/* "governor", also with _ for -. false = no such setting; *out is then untouched. */
bool ew_setting_kind_parse(const char *name, enum ew_setting_kind *out);

/* "governor=performance". Errors: ARGUMENT. Whether the device offers the value is not asked. */
enum ew_status ew_setting_parse(const char *text, struct ew_setting *out, struct ew_error *err);

/* Whether it could be set here and now, without touching anything; root as in machine.h. Errors, with the reason and
 * what would help: NOT_FOUND (this machine has no such setting), ARGUMENT (it does not offer the value; the message
 * lists those it does), PERMISSION, UNSUPPORTED (could not be put back; read-only). */
enum ew_status ew_device_setting_check(const char *root, const struct ew_setting *setting, struct ew_error *err);

/* The values that are offered, joined by ", ", and the one in force (of the first policy); "" where there is none. */
void ew_device_setting_choices(const char *root, enum ew_setting_kind kind, char *buf, size_t capacity);
void ew_device_setting_now(const char *root, enum ew_setting_kind kind, char *buf, size_t capacity);

struct ew_device_settings_config {
    const char *root; /* NULL or "" = this machine */
    /* Where the journal lies. NULL: /var/lib/edgewise for root, otherwise $XDG_STATE_HOME/edgewise or
     * ~/.local/state/edgewise; below a root folder ROOT/var/lib/edgewise. */
    const char *state_folder;
};

/* What was put back, for people. */
struct ew_settings_report {
    unsigned restored; /* values put back */
    unsigned foreign;  /* values that somebody else changed meanwhile: left alone */
    unsigned failed;   /* could not be put back; they stay in the journal */
    char text[EW_SETTINGS_TEXT_SIZE];
};

/* Puts back what an earlier program left set, and only that: values that are no longer what it had set stay. Nothing
 * to do, or the settings belong to a program that still runs: EW_OK with zero counts. Settings do not outlive a start
 * of the system, except for a power mode. Errors: FORMAT (a journal that is damaged or somebody else's), IO,
 * PERMISSION. */
enum ew_status ew_device_settings_recover(const struct ew_device_settings_config *config,
                                          struct ew_settings_report *report, struct ew_error *err);

struct ew_device_settings;

/* Puts back what was left, takes the machine's lock (one program sets at a time), starts the guardian. Call it before
 * the program has threads; processes started later must not inherit descriptors (all here are O_CLOEXEC).
 * *out: ew_device_settings_close. Errors: LIMIT (another program holds the settings), IO, MEMORY, those of recover. */
enum ew_status ew_device_settings_open(const struct ew_device_settings_config *config, struct ew_device_settings **out,
                                       struct ew_error *err);

/* Makes the device what it was at open, plus these n settings, at most one of a kind; n = 0 puts everything back.
 * Nothing is written where all of it holds already. Each value is read back; when one does not take, all is put back
 * and the error says which. Errors: those of check; IO; LIMIT. */
enum ew_status ew_device_settings_apply(struct ew_device_settings *settings, const struct ew_setting *list, size_t n,
                                        struct ew_error *err);

/* Whether everything that was set still holds; otherwise text says what moved ("policy0 governor is …"). */
bool ew_device_settings_hold(const struct ew_device_settings *settings, char *text, size_t capacity);

/* Values that are set now: one per policy and limit; 0 = the device is as it was. */
size_t ew_device_settings_count(const struct ew_device_settings *settings);

/* Puts everything back and ends the guardian. report may be NULL. Errors: what could not be put back (it stays in the
 * journal for the next start); the object is closed all the same. */
enum ew_status ew_device_settings_close(struct ew_device_settings **settings, struct ew_settings_report *report,
                                        struct ew_error *err);

#endif
