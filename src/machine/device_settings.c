/* Owns the life of changed settings: lock, what was left before, guardian, apply, put back. The order that makes a kill
 * at any moment harmless: lock, guardian, journal on the disk, then the write; on the way back the write, then the
 * journal. */
#include "machine/device_settings.h"
#include "base/error.h"
#include "machine/setting_change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct ew_device_settings {
    struct ew_settings_journal journal; /* what is set now */
    struct ew_settings_guardian guardian;
    int lock_fd;
    struct ew_settings_report report; /* of all that was put back so far */
    size_t n_applied;
    struct ew_setting applied[EW_SETTING_KINDS];
};

/* The lock is on the folder /sys itself: one for the machine, whoever runs this, gone with its last holder. */
static enum ew_status take_lock(const char *root, int *out, struct ew_error *err) {
    char path[EW_SETTINGS_PATH_SIZE + 8];
    snprintf(path, sizeof path, "%s/sys", root);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return ew_error_errno(err, EW_ERR_NOT_FOUND, errno, "settings: %s cannot be opened", path);
    int result;
    do result = flock(fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    if (result == 0) {
        *out = fd;
        return EW_OK;
    }
    int failure = errno;
    close(fd);
    if (failure != EWOULDBLOCK) return ew_error_errno(err, EW_ERR_IO, failure, "settings: %s cannot be locked", path);
    return ew_error_set(
        err, EW_ERR_LIMIT,
        "settings: another edgewise has settings of this machine in its hands; wait until it has ended");
}

static enum ew_status recover(struct ew_settings_journal *journal, struct ew_settings_report *report,
                              struct ew_error *err) {
    enum ew_status status = ew_settings_journal_read(journal, err);
    /* Also without changes: a journal of an earlier start of the system is out of date and goes. */
    if (status == EW_OK) status = ew_settings_journal_undo(journal, report, err);
    return status;
}

enum ew_status ew_device_settings_recover(const struct ew_device_settings_config *config,
                                          struct ew_settings_report *report, struct ew_error *err) {
    struct ew_settings_journal *journal = calloc(1, sizeof *journal);
    struct ew_settings_report ignored;
    char path[EW_SETTINGS_PATH_SIZE + 32];
    int lock = -1;
    if (!report) report = &ignored;
    *report = (struct ew_settings_report){0};
    if (!journal) return ew_error_set(err, EW_ERR_MEMORY, "settings: out of memory");
    enum ew_status status = EW_OK;
    /* Most starts end here: no place, no journal, or a program that looks after it itself. */
    if (ew_settings_journal_place(journal, config, NULL) != EW_OK) goto done;
    snprintf(path, sizeof path, "%s/settings.journal", journal->folder);
    if (access(path, F_OK) != 0) goto done;
    if (take_lock(journal->root, &lock, NULL) != EW_OK) goto done;
    status = recover(journal, report, err);
done:
    if (lock >= 0) close(lock);
    free(journal);
    return status;
}

enum ew_status ew_device_settings_open(const struct ew_device_settings_config *config, struct ew_device_settings **out,
                                       struct ew_error *err) {
    struct ew_device_settings *s = calloc(1, sizeof *s);
    if (!s) return ew_error_set(err, EW_ERR_MEMORY, "settings: out of memory");
    s->lock_fd = s->guardian.life_fd = -1;
    enum ew_status status = ew_settings_journal_place(&s->journal, config, err);
    if (status == EW_OK) status = take_lock(s->journal.root, &s->lock_fd, err);
    if (status == EW_OK) status = recover(&s->journal, &s->report, err);
    if (status == EW_OK) status = ew_settings_guardian_start(&s->guardian, &s->journal, s->lock_fd, err);
    if (status == EW_OK) {
        *out = s;
        return EW_OK;
    }
    if (s->lock_fd >= 0) close(s->lock_fd);
    free(s);
    return status;
}

static enum ew_status put_back(struct ew_device_settings *s, struct ew_error *err) {
    s->n_applied = 0;
    return ew_settings_journal_undo(&s->journal, &s->report, err);
}

static enum ew_status apply_one(struct ew_device_settings *s, const struct ew_setting *setting, struct ew_error *err) {
    struct ew_settings_journal *j = &s->journal;
    size_t first = j->n;
    enum ew_status status = ew_setting_plan(j->root, setting, j->changes, EW_SETTINGS_MOST, &j->n, err);
    if (status != EW_OK) {
        j->n = first; /* planned, not made */
        return status;
    }
    if (j->n > first) status = ew_settings_journal_write(j, err);
    for (size_t i = first; i < j->n && status == EW_OK; i++)
        status = ew_setting_change_write(j->root, &j->changes[i], j->changes[i].value, err);
    return status == EW_OK ? EW_OK
                           : ew_error_prefix(err, status, "%s=%s", ew_setting_kind_name(setting->kind), setting->value);
}

static enum ew_status check_list(const struct ew_setting *list, size_t n, struct ew_error *err) {
    bool seen[EW_SETTING_KINDS] = {false};
    for (size_t i = 0; i < n; i++) {
        if ((unsigned)list[i].kind >= EW_SETTING_KINDS || !ew_setting_value_is_plain(list[i].value))
            return ew_error_set(err, EW_ERR_ARGUMENT, "settings: entry %zu has no kind, or no plain value", i + 1);
        if (seen[list[i].kind])
            return ew_error_set(err, EW_ERR_ARGUMENT, "%s: set twice", ew_setting_kind_name(list[i].kind));
        seen[list[i].kind] = true;
    }
    if (seen[EW_SETTING_MAX_FREQUENCY] && seen[EW_SETTING_FREQUENCY])
        return ew_error_set(err, EW_ERR_ARGUMENT, "frequency and max-frequency: only one of them can be set");
    return EW_OK;
}

static bool is_applied(const struct ew_device_settings *s, const struct ew_setting *list, size_t n) {
    if (n != s->n_applied) return false;
    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t k = 0; k < n; k++)
            found |= list[i].kind == s->applied[k].kind && strcmp(list[i].value, s->applied[k].value) == 0;
        if (!found) return false;
    }
    return ew_device_settings_hold(s, NULL, 0);
}

enum ew_status ew_device_settings_apply(struct ew_device_settings *s, const struct ew_setting *list, size_t n,
                                        struct ew_error *err) {
    enum ew_status status = check_list(list, n, err);
    if (status != EW_OK || is_applied(s, list, n)) return status;
    status = put_back(s, err);
    if (status == EW_OK && !ew_settings_guardian_lives(&s->guardian)) { /* somebody killed it */
        ew_settings_guardian_stop(&s->guardian);
        status = ew_settings_guardian_start(&s->guardian, &s->journal, s->lock_fd, err);
    }
    for (int kind = 0; kind < EW_SETTING_KINDS; kind++)
        for (size_t i = 0; i < n && status == EW_OK; i++)
            if ((int)list[i].kind == kind) status = apply_one(s, &list[i], err);
    if (status != EW_OK) {
        put_back(s, NULL);
        return status;
    }
    for (size_t i = 0; i < n; i++) s->applied[s->n_applied++] = list[i];
    return EW_OK;
}

bool ew_device_settings_hold(const struct ew_device_settings *s, char *text, size_t capacity) {
    if (capacity) text[0] = 0;
    for (size_t i = 0; i < s->journal.n; i++) {
        const struct ew_setting_change *c = &s->journal.changes[i];
        char now[EW_SETTING_VALUE_SIZE] = "";
        bool known = ew_setting_change_read(s->journal.root, c->target, c->policy, now);
        if (known && strcmp(now, c->value) == 0) continue;
        if (capacity)
            snprintf(text, capacity, "%s of policy %d is `%s` and no longer `%s`", ew_setting_target_name(c->target),
                     c->policy, known ? now : "unreadable", c->value);
        return false;
    }
    return true;
}

size_t ew_device_settings_count(const struct ew_device_settings *s) { return s->journal.n; }

pid_t ew_device_settings_guardian_pid(const struct ew_device_settings *s) { return s->guardian.pid; }

enum ew_status ew_device_settings_close(struct ew_device_settings **settings, struct ew_settings_report *report,
                                        struct ew_error *err) {
    if (report) *report = (struct ew_settings_report){0};
    if (!settings || !*settings) return EW_OK;
    struct ew_device_settings *s = *settings;
    enum ew_status status = put_back(s, err);
    ew_settings_guardian_stop(&s->guardian);
    close(s->lock_fd);
    if (report) *report = s->report;
    free(s);
    *settings = NULL;
    return status;
}
