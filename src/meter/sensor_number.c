/* Owns the strict reading of sensor files. Refuses what merely begins like a number. */
#include "meter/sensor_number.h"
#include "base/small_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool ew_sensor_number_parse(const char *text, int64_t *out) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno || (*end && !isspace((unsigned char)*end))) return false;
    while (isspace((unsigned char)*end)) end++;
    while (isalpha((unsigned char)*end)) end++;
    if (*end) return false;
    *out = value;
    return true;
}

bool ew_sensor_number_read(const char *root, const char *path, int64_t *out) {
    char text[64];
    if (ew_small_file_read(root, path, text, sizeof text) < 0) return false;
    if (ew_sensor_number_parse(text, out)) return true;
    errno = EINVAL;
    return false;
}

bool ew_sensor_file_exists(const char *root, const char *path) {
    char unused[8];
    return ew_small_file_read(root, path, unused, sizeof unused) >= 0 || (errno != ENOENT && errno != ENOTDIR);
}

bool ew_sensor_errno_is_gone(int e) { return e == ENOENT || e == ENOTDIR || e == ENODEV || e == ENXIO; }
