/* Where Edgewise keeps what it could make again: synthetic models, packed weights. */
#ifndef EW_BASE_CACHE_FOLDER_H
#define EW_BASE_CACHE_FOLDER_H

#include "edgewise/status.h"

/* $XDG_CACHE_HOME/edgewise, or ~/.cache/edgewise; whether it exists is not asked. The caller's: free(). NULL = out of
 * memory. */
char *ew_cache_folder(void);

/* Where packed weights are kept: cache/packed; cache NULL: in the folder above. The caller's: free(). NULL = out of
 * memory. */
char *ew_packed_folder(const char *cache);

/* Makes a folder and those above it, where they are missing. Errors: PERMISSION, IO, ARGUMENT (a path too long). */
enum ew_status ew_make_folders(const char *path, struct ew_error *err);
/* The same for the folder that a file of this name would lie in. Errors: also MEMORY. */
enum ew_status ew_make_folders_of(const char *path, struct ew_error *err);

#endif
