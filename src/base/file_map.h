/* Read-only file mappings. */
#ifndef EW_BASE_FILE_MAP_H
#define EW_BASE_FILE_MAP_H

#include "edgewise/status.h"
#include <stddef.h>
#include <stdint.h>

struct ew_file_map {
    const uint8_t *data; /* NULL when closed or when the file is empty */
    size_t size;
};

/* Maps the whole regular file read-only (private). Errors: NOT_FOUND, PERMISSION, IO, ARGUMENT (a directory …). */
enum ew_status ew_file_map_open(const char *path, struct ew_file_map *out, struct ew_error *err);
void ew_file_map_close(struct ew_file_map *map);

/* Gives the resident pages wholly inside [data + offset, + size) back to the system; they are read again from the
 * file when touched. For pages that have been copied elsewhere. */
void ew_file_map_release(const struct ew_file_map *map, size_t offset, size_t size);

/* Asks the system to read pages of the file that are not in memory yet in its largest size. Only a wish: what is in
 * memory already stays as it is, and systems that cannot do it ignore it. For files that are read as a whole. */
void ew_file_map_want_large_pages(const struct ew_file_map *map);

#endif
