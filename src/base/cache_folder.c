/* Owns the folder of the cache: its place by the XDG base directory specification, and making it. */
#include "base/cache_folder.h"

#include "base/error.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *ew_cache_folder(void) {
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = xdg && *xdg == '/' ? asprintf(&path, "%s/edgewise", xdg)
                               : asprintf(&path, "%s/.cache/edgewise", home && *home ? home : "");
    return n < 0 ? NULL : path;
}

char *ew_packed_folder(const char *cache) {
    char *own = cache ? NULL : ew_cache_folder(), *path = NULL;
    if (!cache && !own) return NULL;
    int n = asprintf(&path, "%s/packed", cache ? cache : own);
    free(own);
    return n < 0 ? NULL : path;
}

enum ew_status ew_make_folders(const char *path, struct ew_error *err) {
    char folder[PATH_MAX];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return ew_error_set(err, EW_ERR_ARGUMENT, "cache: the path is too long");
    for (char *p = folder + 1;; p++) {
        if (*p && *p != '/') continue;
        char end = *p;
        *p = 0;
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            return ew_error_errno(err, errno == EACCES ? EW_ERR_PERMISSION : EW_ERR_IO, errno, "%s: cannot make folder",
                                  folder);
        *p = end;
        if (!end) return EW_OK;
    }
}

enum ew_status ew_make_folders_of(const char *path, struct ew_error *err) {
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path) return EW_OK;
    char *folder = strndup(path, (size_t)(slash - path));
    if (!folder) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = ew_make_folders(folder, err);
    free(folder);
    return status;
}
