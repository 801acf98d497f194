/* Owns where the model in the box lies. */
#include "model/box.h"

#include "base/error.h"
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char box_file[] = "edgewise-tales-6m-f16.gguf";

static enum ew_status keep(const char *path, char *buf, size_t capacity, struct ew_error *err) {
    if (strlen(path) >= capacity) return ew_error_set(err, EW_ERR_LIMIT, "%s: path too long", path);
    snprintf(buf, capacity, "%s", path);
    return EW_OK;
}

enum ew_status ew_model_box_path(char *buf, size_t capacity, struct ew_error *err) {
    const char *named = getenv("EDGEWISE_MODEL");
    if (named && *named) return keep(named, buf, capacity, err);
    char program[PATH_MAX / 2];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n < 0)
        return ew_error_set(err, EW_ERR_IO, "/proc/self/exe: cannot be read; name a model or set EDGEWISE_MODEL");
    program[n] = 0;
    const char *folder = dirname(program);
    static const char *const places[] = {"../models", "../share/edgewise/models", "models"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s/%s", folder, places[i], box_file);
        if (access(path, R_OK) == 0) return keep(path, buf, capacity, err);
    }
    return ew_error_set(err, EW_ERR_NOT_FOUND,
                        "%s: not in %s/../models nor ../share/edgewise/models; name a model or set "
                        "EDGEWISE_MODEL",
                        box_file, folder);
}
