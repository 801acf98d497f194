/* Owns one value of the device: where it lies, reading it, writing it so that it is known to have taken. Which values
 * make sense is asked in setting_choices.c. */
#include "machine/setting_change.h"
#include "base/error.h"
#include "base/small_file.h"
#include "machine/power_mode.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICY "/sys/devices/system/cpu/cpufreq/policy%d/"

static const struct {
    const char *name, *path;
} targets[EW_TARGETS] = {
    [EW_TARGET_GOVERNOR] = {"governor", POLICY "scaling_governor"},
    [EW_TARGET_PREFERENCE] = {"epp", POLICY "energy_performance_preference"},
    [EW_TARGET_MIN_KHZ] = {"min-khz", POLICY "scaling_min_freq"},
    [EW_TARGET_MAX_KHZ] = {"max-khz", POLICY "scaling_max_freq"},
    [EW_TARGET_PROFILE] = {"platform-profile", "/sys/firmware/acpi/platform_profile"},
    [EW_TARGET_POWER_MODE] = {"power-mode", ""},
};

const char *ew_setting_target_name(enum ew_setting_target target) {
    return (unsigned)target < EW_TARGETS ? targets[target].name : "";
}

void ew_setting_change_path(enum ew_setting_target target, int policy, char *buf, size_t capacity) {
    if (target <= EW_TARGET_MAX_KHZ) {
        const char *file = strrchr(targets[target].path, '/') + 1;
        snprintf(buf, capacity, POLICY "%s", policy, file);
        return;
    }
    snprintf(buf, capacity, "%s", targets[target].path);
}

bool ew_setting_value_is_plain(const char *value) {
    size_t n = strlen(value);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)value[i]) && !strchr("._-+", value[i])) return false;
    return n > 0 && n < EW_SETTING_VALUE_SIZE;
}

bool ew_setting_change_read(const char *root, enum ew_setting_target target, int policy,
                            char value[EW_SETTING_VALUE_SIZE]) {
    char path[128], text[EW_SETTING_VALUE_SIZE];
    int id;
    if (target == EW_TARGET_POWER_MODE) {
        if (!ew_power_mode_now(root, &id)) return false;
        snprintf(value, EW_SETTING_VALUE_SIZE, "%d", id);
        return true;
    }
    ew_setting_change_path(target, policy, path, sizeof path);
    if (ew_small_file_read(root, path, text, sizeof text) <= 0) return false;
    text[strcspn(text, "\n")] = 0;
    memcpy(value, text, sizeof text);
    return true;
}

/* One write(2), and no truncation before it: whoever is killed here leaves the old value or the new one, in a recorded
 * tree too. */
static int write_file(const char *root, const char *path, const char *value) {
    char full[PATH_MAX], line[EW_SETTING_VALUE_SIZE + 1];
    snprintf(full, sizeof full, "%s%s", root, path);
    int n = snprintf(line, sizeof line, "%s\n", value), failure = 0;
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    ssize_t put;
    do put = write(fd, line, (size_t)n);
    while (put < 0 && errno == EINTR);
    if (put < 0) failure = errno;
    if (put >= 0 && root[0] && ftruncate(fd, put) != 0) failure = errno;
    close(fd);
    return failure;
}

static enum ew_status status_of(int failure) {
    return failure == EACCES || failure == EPERM ? EW_ERR_PERMISSION : EW_ERR_IO;
}

enum ew_status ew_setting_change_write(const char *root, const struct ew_setting_change *change, const char *value,
                                       struct ew_error *err) {
    if (change->target == EW_TARGET_POWER_MODE) return ew_power_mode_set(root, atoi(value), err);
    char path[128], now[EW_SETTING_VALUE_SIZE] = "";
    ew_setting_change_path(change->target, change->policy, path, sizeof path);
    int failure = write_file(root ? root : "", path, value);
    if (failure == EBUSY && change->target == EW_TARGET_PREFERENCE)
        return ew_error_set(err, EW_ERR_IO, "%s: `%s` is refused while the governor is performance", path, value);
    if (failure) return ew_error_errno(err, status_of(failure), failure, "%s: cannot write `%s`", path, value);
    if (!ew_setting_change_read(root, change->target, change->policy, now))
        return ew_error_set(err, EW_ERR_IO, "%s: `%s` was written and cannot be read back", path, value);
    if (strcmp(now, value) != 0)
        return ew_error_set(err, EW_ERR_IO,
                            "%s: `%s` was written, but `%s` is in force: the driver or the firmware "
                            "keeps its own value",
                            path, value, now);
    return EW_OK;
}
