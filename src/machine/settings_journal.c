/* Owns the journal of changed settings: one file, replaced whole, on the disk before the change it tells of; and
 * putting its changes back. Refuses files that belong to another user, and names and values that no change of ours can
 * have: as root it decides what is written to /sys. */
#include "base/error.h"
#include "base/small_file.h"
#include "machine/setting_change.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE "edgewise settings journal 1"

enum { PATH_SIZE = EW_SETTINGS_PATH_SIZE + 32, BOOT_SIZE = 64 };

enum ew_status ew_settings_journal_place(struct ew_settings_journal *j, const struct ew_device_settings_config *config,
                                         struct ew_error *err) {
    const char *root = config && config->root ? config->root : "", *xdg = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME"), *asked = config ? config->state_folder : NULL;
    size_t size = sizeof j->folder;
    int n;
    j->n = 0;
    if (strlen(root) >= sizeof j->root) return ew_error_set(err, EW_ERR_LIMIT, "root: the path is too long");
    snprintf(j->root, sizeof j->root, "%s", root);
    if (asked && asked[0])
        n = snprintf(j->folder, size, "%s", asked);
    else if (root[0])
        n = snprintf(j->folder, size, "%s/var/lib/edgewise", root);
    else if (geteuid() == 0)
        n = snprintf(j->folder, size, "/var/lib/edgewise");
    else if (xdg && xdg[0] == '/')
        n = snprintf(j->folder, size, "%s/edgewise", xdg);
    else if (home && home[0] == '/')
        n = snprintf(j->folder, size, "%s/.local/state/edgewise", home);
    else
        return ew_error_set(err, EW_ERR_NOT_FOUND,
                            "settings: no folder for the journal: neither $XDG_STATE_HOME nor $HOME is set");
    return n > 0 && (size_t)n < size ? EW_OK
                                     : ew_error_set(err, EW_ERR_LIMIT, "settings: the journal's path is too long");
}

static void file_of(const struct ew_settings_journal *j, const char *name, char path[PATH_SIZE]) {
    snprintf(path, PATH_SIZE, "%s/%s", j->folder, name);
}

static void read_boot(const struct ew_settings_journal *j, char boot[BOOT_SIZE]) {
    if (ew_small_file_read(j->root, "/proc/sys/kernel/random/boot_id", boot, BOOT_SIZE) <= 0)
        snprintf(boot, BOOT_SIZE, "unknown");
}

static enum ew_status fail(struct ew_error *err, const char *path, const char *what) {
    int failure = errno;
    enum ew_status status = failure == EACCES || failure == EPERM ? EW_ERR_PERMISSION : EW_ERR_IO;
    return ew_error_errno(err, status, failure, "%s: %s", path, what);
}

/* ---- writing ---- */

static bool make_folders(const char *folder) {
    char path[EW_SETTINGS_PATH_SIZE];
    snprintf(path, sizeof path, "%s", folder);
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST) return false;
        *p = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool sync_folder(const char *folder) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return ok;
}

static bool put_all(int fd, const char *text, size_t n) {
    while (n > 0) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        text += put;
        n -= (size_t)put;
    }
    return true;
}

static bool put_changes(const struct ew_settings_journal *j, int fd) {
    char line[256], boot[BOOT_SIZE];
    read_boot(j, boot);
    int n = snprintf(line, sizeof line, FIRST_LINE "\nboot %s\n", boot);
    if (!put_all(fd, line, (size_t)n)) return false;
    for (size_t i = 0; i < j->n; i++) {
        const struct ew_setting_change *c = &j->changes[i];
        n = snprintf(line, sizeof line, "%s %d %s %s\n", ew_setting_target_name(c->target), c->policy, c->before,
                     c->value);
        if (!put_all(fd, line, (size_t)n)) return false;
    }
    return put_all(fd, "end\n", 4) && fsync(fd) == 0;
}

enum ew_status ew_settings_journal_write(const struct ew_settings_journal *j, struct ew_error *err) {
    char path[PATH_SIZE], part[PATH_SIZE];
    file_of(j, "settings.journal", path);
    file_of(j, "settings.journal.new", part);
    if (j->n == 0) {
        if (unlink(path) != 0 && errno != ENOENT) return fail(err, path, "cannot be removed");
        return EW_OK;
    }
    if (!make_folders(j->folder))
        return fail(err, j->folder,
                    "cannot be made, and settings are changed only with a "
                    "journal there");
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return fail(err, part, "cannot be written");
    bool ok = put_changes(j, fd);
    ok = close(fd) == 0 && ok;
    if (!ok || rename(part, path) != 0 || !sync_folder(j->folder)) return fail(err, path, "cannot be written");
    return EW_OK;
}

/* ---- reading ---- */

static bool parse_change(const char *text, struct ew_setting_change *c) {
    char line[192], name[32];
    int used = 0;
    size_t n = strcspn(text, "\n");
    *c = (struct ew_setting_change){0};
    if (n >= sizeof line) return false;
    memcpy(line, text, n);
    line[n] = 0;
    if (sscanf(line, "%31s %9d %47s %47s%n", name, &c->policy, c->before, c->value, &used) != 4 || line[used])
        return false;
    unsigned t = 0;
    while (t < EW_TARGETS && strcmp(name, ew_setting_target_name((enum ew_setting_target)t)) != 0) t++;
    c->target = (enum ew_setting_target)t;
    return t < EW_TARGETS && c->policy >= 0 && c->policy < 4096 && ew_setting_value_is_plain(c->before) &&
           ew_setting_value_is_plain(c->value);
}

static bool parse_journal(struct ew_settings_journal *j, const char *text) {
    char boot[BOOT_SIZE], now[BOOT_SIZE];
    int used = 0;
    if (sscanf(text, FIRST_LINE "\nboot %63s%n", boot, &used) != 1 || text[used] != '\n') return false;
    read_boot(j, now);
    bool same_boot = strcmp(boot, now) == 0;
    for (const char *line = text + used + 1; strcmp(line, "end\n") != 0; line = strchr(line, '\n') + 1) {
        struct ew_setting_change change;
        if (j->n == EW_SETTINGS_MOST || !strchr(line, '\n') || !parse_change(line, &change)) return false;
        if (same_boot || change.target == EW_TARGET_POWER_MODE) j->changes[j->n++] = change;
    }
    return true;
}

/* malloc'd, NUL-terminated; NULL with errno = ENOENT where there is none. */
static char *read_own_file(const char *path, bool *foreign) {
    enum { MOST_BYTES = EW_SETTINGS_MOST * 160 };
    *foreign = false;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0) return NULL;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0))
        text = malloc(MOST_BYTES + 1);
    else
        *foreign = true;
    ssize_t used = 0, got = 1;
    while (text && used < MOST_BYTES && got > 0) {
        got = read(fd, text + used, (size_t)(MOST_BYTES - used));
        if (got < 0 && errno == EINTR)
            got = 1;
        else if (got > 0)
            used += got;
    }
    if (text) text[got < 0 ? 0 : used] = 0;
    close(fd);
    errno = EIO;
    return text;
}

enum ew_status ew_settings_journal_read(struct ew_settings_journal *j, struct ew_error *err) {
    char path[PATH_SIZE];
    bool foreign;
    file_of(j, "settings.journal", path);
    j->n = 0;
    char *text = read_own_file(path, &foreign);
    if (!text && foreign)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: belongs to another user, so that nothing is restored from it",
                            path);
    if (!text && errno == ENOENT) return EW_OK;
    if (!text) return fail(err, path, "cannot be read");
    bool ok = parse_journal(j, text);
    free(text);
    if (ok) return EW_OK;
    j->n = 0;
    return ew_error_set(err, EW_ERR_FORMAT,
                        "%s: damaged; see that clocks and governors are as they should be, then remove it", path);
}

/* ---- undoing ---- */

__attribute__((format(printf, 2, 3))) static void note(struct ew_settings_report *report, const char *format, ...) {
    size_t used = strlen(report->text);
    if (used) used += (size_t)snprintf(report->text + used, sizeof report->text - used, "; ");
    if (used >= sizeof report->text) return;
    va_list args;
    va_start(args, format);
    vsnprintf(report->text + used, sizeof report->text - used, format, args);
    va_end(args);
}

static void name_of(const struct ew_setting_change *c, char buf[64]) {
    if (c->target <= EW_TARGET_MAX_KHZ)
        snprintf(buf, 64, "%s of policy %d", ew_setting_target_name(c->target), c->policy);
    else
        snprintf(buf, 64, "%s", ew_setting_target_name(c->target));
}

/* true = done with it: put back, or no longer ours. */
static bool undo_one(const char *root, const struct ew_setting_change *c, struct ew_settings_report *report,
                     struct ew_error *err) {
    char now[EW_SETTING_VALUE_SIZE], name[64];
    name_of(c, name);
    if (!ew_setting_change_read(root, c->target, c->policy, now)) {
        report->failed++;
        note(report, "%s cannot be read", name);
        ew_error_set(err, EW_ERR_IO, "%s: cannot be read, so that `%s` is not put back", name, c->before);
        return false;
    }
    if (strcmp(now, c->before) == 0) return true;
    if (strcmp(now, c->value) != 0) {
        report->foreign++;
        note(report, "%s is `%s` and no longer `%s`: somebody else changed it, so it stays", name, now, c->value);
        return true;
    }
    if (ew_setting_change_write(root, c, c->before, err) == EW_OK) {
        report->restored++;
        note(report, "%s %s again", name, c->before);
        return true;
    }
    report->failed++;
    note(report, "%s could not be put back to `%s`", name, c->before);
    return false;
}

enum ew_status ew_settings_journal_undo(struct ew_settings_journal *j, struct ew_settings_report *report,
                                        struct ew_error *err) {
    struct ew_error first = {0};
    size_t kept = j->n;
    /* Kept ones gather at the end, in their old order. */
    for (size_t i = j->n; i-- > 0;) {
        struct ew_error one = {0};
        if (undo_one(j->root, &j->changes[i], report, &one)) continue;
        if (first.status == EW_OK) first = one;
        j->changes[--kept] = j->changes[i];
    }
    size_t total = j->n;
    j->n = total - kept;
    memmove(j->changes, j->changes + kept, j->n * sizeof *j->changes);
    enum ew_status status = ew_settings_journal_write(j, err);
    if (first.status == EW_OK) return status;
    if (err) *err = first;
    return first.status;
}
