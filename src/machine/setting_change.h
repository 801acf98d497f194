/* The inside of device_settings.h: one value of the device, and the list of those that were changed. */
#ifndef EW_MACHINE_SETTING_CHANGE_H
#define EW_MACHINE_SETTING_CHANGE_H

#include "machine/device_settings.h"

#include <sys/types.h>

/* What a change writes to. */
enum ew_setting_target {
    EW_TARGET_GOVERNOR = 0,
    EW_TARGET_PREFERENCE,
    EW_TARGET_MIN_KHZ,
    EW_TARGET_MAX_KHZ,
    EW_TARGET_PROFILE,
    EW_TARGET_POWER_MODE,
    EW_TARGETS
};

struct ew_setting_change {
    enum ew_setting_target target;
    int policy; /* number of the cpufreq policy; 0 where the target is the whole machine's */
    char before[EW_SETTING_VALUE_SIZE];
    char value[EW_SETTING_VALUE_SIZE];
};

const char *ew_setting_target_name(enum ew_setting_target target); /* "governor"; as in the journal */

/* The file below the root; "" for a power mode, which a program sets. */
void ew_setting_change_path(enum ew_setting_target target, int policy, char *buf, size_t capacity);

/* The value now. false = cannot be read. */
bool ew_setting_change_read(const char *root, enum ew_setting_target target, int policy,
                            char value[EW_SETTING_VALUE_SIZE]);

/* Writes and reads back. Errors: IO, PERMISSION, UNSUPPORTED; a value that did not take is IO. */
enum ew_status ew_setting_change_write(const char *root, const struct ew_setting_change *change, const char *value,
                                       struct ew_error *err);

/* Words and numbers only: letters, digits and . _ - + */
bool ew_setting_value_is_plain(const char *value);

/* The changes that a setting means here, with the values before. Values that hold already are left out. Appends to
 * changes [capacity] from *n on. Errors: those of ew_device_setting_check; LIMIT. */
enum ew_status ew_setting_plan(const char *root, const struct ew_setting *setting, struct ew_setting_change *changes,
                               size_t capacity, size_t *n, struct ew_error *err);

/* ---- the journal (settings_journal.c) ---- */

enum { EW_SETTINGS_MOST = 2048, EW_SETTINGS_PATH_SIZE = 1024 };

struct ew_settings_journal {
    char root[EW_SETTINGS_PATH_SIZE];   /* "" = this machine */
    char folder[EW_SETTINGS_PATH_SIZE]; /* where its file lies */
    size_t n;
    struct ew_setting_change changes[EW_SETTINGS_MOST]; /* in the order in which they were made */
};

/* Finds the folder; nothing is created. Errors: LIMIT (path too long), NOT_FOUND (no place known). */
enum ew_status ew_settings_journal_place(struct ew_settings_journal *journal,
                                         const struct ew_device_settings_config *config, struct ew_error *err);

/* On the disk, whole or not at all, when it returns; without changes the file is removed. Errors: IO, PERMISSION. */
enum ew_status ew_settings_journal_write(const struct ew_settings_journal *journal, struct ew_error *err);

/* Fills changes from the file; none where there is no file. Those of an earlier start of the system are dropped,
 * except for a power mode. Errors: FORMAT, IO. */
enum ew_status ew_settings_journal_read(struct ew_settings_journal *journal, struct ew_error *err);

/* Puts the changes back, last first, and writes the journal with what is left. Returns the first error. */
enum ew_status ew_settings_journal_undo(struct ew_settings_journal *journal, struct ew_settings_report *report,
                                        struct ew_error *err);

/* ---- the guardian (settings_guardian.c) ---- */

struct ew_settings_guardian {
    int life_fd;   /* closing it is what the guardian waits for; -1 = none */
    int status_fd; /* ends when the guardian has ended */
    pid_t pid;
};

/* Starts a process of its own session that undoes the journal when this process is gone. lock_fd stays open in it.
 * Errors: IO. */
enum ew_status ew_settings_guardian_start(struct ew_settings_guardian *guardian, struct ew_settings_journal *journal,
                                          int lock_fd, struct ew_error *err);
bool ew_settings_guardian_lives(const struct ew_settings_guardian *guardian);

/* Lets it go and waits until it has ended. {.life_fd = -1} is allowed. */
void ew_settings_guardian_stop(struct ew_settings_guardian *guardian);

/* For tests: the guardian's process. */
pid_t ew_device_settings_guardian_pid(const struct ew_device_settings *settings);

#endif
