/* Owns calibrations as files: written whole or not at all, read with suspicion (a file may be edited or from a later
 * version), and found again by meter and board. */
#include "meter/calibration_file.h"
#include "base/error.h"
#include "meter/driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, MAX_FILE = 1 << 20 };
static const char format_name[] = "edgewise-calibration-1";

enum ew_status ew_calibration_folder(char *buf, size_t capacity, struct ew_error *err) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (state && *state == '/')
        n = snprintf(buf, capacity, "%s/edgewise/calibrations", state);
    else if (home && *home == '/')
        n = snprintf(buf, capacity, "%s/.local/state/edgewise/calibrations", home);
    else
        return ew_error_set(err, EW_ERR_NOT_FOUND, "calibrations: neither XDG_STATE_HOME nor HOME is set");
    if (n < 0 || (size_t)n >= capacity) return ew_error_set(err, EW_ERR_LIMIT, "calibrations: path is too long");
    return EW_OK;
}

/* null stands for NAN: JSON has no such number. */
static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *steps_json(const struct ew_calibration *c) {
    json_t *steps = json_array();
    for (size_t i = 0; i < c->n_steps; i++) {
        const struct ew_calibration_step *s = &c->steps[i];
        json_array_append_new(steps, json_pack("{s:o, s:o, s:o, s:o}", "level", number(s->level), "target_w",
                                               number(s->target_w), "reference_w", number(s->reference_w), "residual_w",
                                               number(s->residual_w)));
    }
    return steps;
}

static json_t *to_json(const struct ew_calibration *c) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, "
                     "s:o, s:o, s:o}",
                     "format", format_name, "target", c->target, "reference", c->reference, "reference_boundary",
                     ew_meter_boundary_name(c->reference_boundary), "reference_covers", c->reference_covers,
                     "reference_grade", ew_trust_grade_name(c->reference_grade), "board", c->board, "taken_at_s",
                     (json_int_t)c->taken_at_s, "reference_error_relative", number(c->reference_error_relative), "gain",
                     number(c->gain), "gain_error", number(c->gain_error), "offset_w", number(c->offset_w),
                     "offset_error_w", number(c->offset_error_w), "lag_s", number(c->lag_s), "lag_error_s",
                     number(c->lag_error_s), "rms_w", number(c->rms_w), "largest_w", number(c->largest_w), "r_squared",
                     number(c->r_squared), "low_w", number(c->low_w), "high_w", number(c->high_w), "error_relative",
                     number(c->error_relative), "steps", steps_json(c));
}

static enum ew_status make_folders(const char *folder, struct ew_error *err) {
    char path[PATH_SIZE];
    ew_meter_text(path, sizeof path, "%s", folder);
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash) *slash = 0;
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return ew_error_errno(err, errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO, errno, "%s: cannot make it",
                                  path);
        if (!slash) return EW_OK;
        *slash = '/';
    }
}

/* What stands in a file name for a meter: "hwmon:ina3221" has a colon, a source may have a slash. */
static void file_word(const char *name, char *out, size_t capacity) {
    ew_meter_text(out, capacity, "%s", name);
    for (char *c = out; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '-';
        if (!plain) *c = '_';
    }
}

static enum ew_status write_file(const char *path, const char *text, struct ew_error *err) {
    char part[PATH_SIZE + 8];
    ew_meter_text(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "we");
    if (!f)
        return ew_error_errno(err, errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO, errno, "%s: cannot write", part);
    bool good = fputs(text, f) >= 0 && fputc('\n', f) != EOF && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int e = errno;
    if (fclose(f) != 0) good = false;
    if (good && rename(part, path) == 0) return EW_OK;
    if (good) e = errno;
    unlink(part);
    return ew_error_errno(err, EW_ERR_IO, e, "%s: cannot write", path);
}

enum ew_status ew_calibration_save(const struct ew_calibration *c, const char *folder, char *path, size_t path_size,
                                   struct ew_error *err) {
    char own[PATH_SIZE], file[PATH_SIZE], target[EW_METER_NAME_SIZE], reference[EW_METER_NAME_SIZE], date[32];
    enum ew_status status;
    if (!folder) {
        if ((status = ew_calibration_folder(own, sizeof own, err)) != EW_OK) return status;
        folder = own;
    }
    time_t at = (time_t)c->taken_at_s;
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", &tm))
        return ew_error_set(err, EW_ERR_ARGUMENT, "calibration: %lld is no date", (long long)c->taken_at_s);
    file_word(c->target, target, sizeof target);
    file_word(c->reference, reference, sizeof reference);
    int n = snprintf(file, sizeof file, "%s/%s-by-%s-%s.json", folder, target, reference, date);
    if (n < 0 || (size_t)n >= sizeof file || (path && (size_t)n >= path_size))
        return ew_error_set(err, EW_ERR_LIMIT, "calibration: the path of folder %.100s… is too long", folder);
    if ((status = make_folders(folder, err)) != EW_OK) return status;
    json_t *json = to_json(c);
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(json);
    if (!text)
        return ew_error_set(err, EW_ERR_MEMORY, "calibration of %s: out of memory, or a name is not UTF-8", c->target);
    status = write_file(file, text, err);
    free(text);
    if (status == EW_OK && path) ew_meter_text(path, path_size, "%s", file);
    return status;
}

static bool take_text(const json_t *json, const char *key, char *out, size_t capacity) {
    const char *text = json_string_value(json_object_get(json, key));
    if (!text || strlen(text) >= capacity) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* A number, or null = NAN. */
static bool take_number(const json_t *json, const char *key, double *out) {
    const json_t *value = json_object_get(json, key);
    *out = json_is_number(value) ? json_number_value(value) : NAN;
    return json_is_number(value) || json_is_null(value);
}

static bool take_words(const json_t *json, struct ew_calibration *c) {
    const char *boundary = json_string_value(json_object_get(json, "reference_boundary"));
    const char *grade = json_string_value(json_object_get(json, "reference_grade"));
    bool found = false;
    for (int b = EW_BOUNDARY_UNKNOWN; boundary && b <= EW_BOUNDARY_WALL; b++)
        if (strcmp(boundary, ew_meter_boundary_name((enum ew_meter_boundary)b)) == 0) {
            c->reference_boundary = (enum ew_meter_boundary)b;
            found = true;
        }
    for (int g = EW_GRADE_NONE; found && grade && g <= EW_GRADE_A; g++)
        if (strcmp(grade, ew_trust_grade_name((enum ew_trust_grade)g)) == 0) {
            c->reference_grade = (enum ew_trust_grade)g;
            return true;
        }
    return false;
}

static bool take_steps(const json_t *json, struct ew_calibration *c) {
    const json_t *steps = json_object_get(json, "steps");
    c->n_steps = json_array_size(steps);
    if (!json_is_array(steps) || c->n_steps > EW_CALIBRATION_MAX_STEPS) return false;
    for (size_t i = 0; i < c->n_steps; i++) {
        const json_t *step = json_array_get(steps, i);
        struct ew_calibration_step *s = &c->steps[i];
        if (!take_number(step, "level", &s->level) || !take_number(step, "target_w", &s->target_w) ||
            !take_number(step, "reference_w", &s->reference_w) || !take_number(step, "residual_w", &s->residual_w))
            return false;
    }
    return true;
}

static bool from_json(const json_t *json, struct ew_calibration *c) {
    const char *format = json_string_value(json_object_get(json, "format"));
    const json_t *taken = json_object_get(json, "taken_at_s");
    c->taken_at_s = json_integer_value(taken);
    return format && strcmp(format, format_name) == 0 && json_is_integer(taken) &&
           take_text(json, "target", c->target, sizeof c->target) &&
           take_text(json, "reference", c->reference, sizeof c->reference) &&
           take_text(json, "reference_covers", c->reference_covers, sizeof c->reference_covers) &&
           take_text(json, "board", c->board, sizeof c->board) && take_words(json, c) &&
           take_number(json, "reference_error_relative", &c->reference_error_relative) &&
           take_number(json, "gain", &c->gain) && c->gain > 0 && take_number(json, "gain_error", &c->gain_error) &&
           take_number(json, "offset_w", &c->offset_w) && !isnan(c->offset_w) &&
           take_number(json, "offset_error_w", &c->offset_error_w) && take_number(json, "lag_s", &c->lag_s) &&
           take_number(json, "lag_error_s", &c->lag_error_s) && take_number(json, "rms_w", &c->rms_w) &&
           take_number(json, "largest_w", &c->largest_w) && take_number(json, "r_squared", &c->r_squared) &&
           take_number(json, "low_w", &c->low_w) && take_number(json, "high_w", &c->high_w) &&
           take_number(json, "error_relative", &c->error_relative) && !(c->error_relative < 0) && take_steps(json, c);
}

enum ew_status ew_calibration_load(const char *path, struct ew_calibration *out, struct ew_error *err) {
    struct stat st;
    json_error_t where;
    if (stat(path, &st) != 0)
        return ew_error_errno(err, errno == ENOENT ? EW_ERR_NOT_FOUND : EW_ERR_IO, errno, "%s: cannot read", path);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_FILE)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: no file, or too large for a calibration", path);
    json_t *json = json_load_file(path, JSON_REJECT_DUPLICATES, &where);
    if (!json) return ew_error_set(err, EW_ERR_FORMAT, "%s:%d: %s", path, where.line, where.text);
    struct ew_calibration c = {0};
    bool good = from_json(json, &c);
    json_decref(json);
    if (!good) return ew_error_set(err, EW_ERR_FORMAT, "%s: is no calibration of this version (%s)", path, format_name);
    *out = c;
    return EW_OK;
}

enum ew_status ew_calibration_each(const char *folder,
                                   void (*see)(void *context, const char *path, const struct ew_calibration *c),
                                   void *context, struct ew_error *err) {
    char own[PATH_SIZE], path[PATH_SIZE];
    if (!folder) {
        enum ew_status status = ew_calibration_folder(own, sizeof own, err);
        if (status != EW_OK) return status;
        folder = own;
    }
    DIR *dir = opendir(folder);
    if (!dir && errno != ENOENT) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", folder);
    struct ew_calibration c;
    for (const struct dirent *entry; dir && (entry = readdir(dir));) {
        size_t n = strlen(entry->d_name);
        if (n < 6 || strcmp(entry->d_name + n - 5, ".json") != 0) continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof path || ew_calibration_load(path, &c, NULL) != EW_OK) continue;
        see(context, path, &c);
    }
    if (dir) closedir(dir);
    return EW_OK;
}

struct finding {
    const char *target, *board;
    bool found;
    struct ew_calibration best;
};

static bool is_better(const struct ew_calibration *c, const struct ew_calibration *best, const char *board) {
    bool own = strcmp(c->board, board) == 0, best_own = strcmp(best->board, board) == 0;
    return own != best_own ? own : c->taken_at_s > best->taken_at_s;
}

static void consider(void *context, const char *path, const struct ew_calibration *c) {
    struct finding *f = context;
    (void)path;
    if (strcmp(c->target, f->target) != 0 || (f->found && !is_better(c, &f->best, f->board))) return;
    f->best = *c;
    f->found = true;
}

enum ew_status ew_calibration_find(const char *folder, const char *target, const char *board,
                                   struct ew_calibration *out, struct ew_error *err) {
    struct finding f = {.target = target, .board = board};
    enum ew_status status = ew_calibration_each(folder, consider, &f, err);
    if (status != EW_OK) return status;
    if (!f.found)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: holds no calibration of meter %s",
                            folder ? folder : "the folder of calibrations", target);
    *out = f.best;
    return EW_OK;
}
