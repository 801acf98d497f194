/* A file of JSON lines that is whole or not there: written beside its name, which it takes at the end. */
#ifndef EW_CLI_ITEM_LINES_H
#define EW_CLI_ITEM_LINES_H

#include "edgewise/status.h"
#include <jansson.h>

struct ew_item_lines;

/* Errors: IO, MEMORY. On success *out is the caller's: _finish or _abandon. */
enum ew_status ew_item_lines_open(const char *path, struct ew_item_lines **out, struct ew_error *err);
/* Takes the object over; NULL is out of memory. Errors: IO, MEMORY. */
enum ew_status ew_item_lines_add(struct ew_item_lines *lines, json_t *object, struct ew_error *err);
/* Closes and frees in any case. */
enum ew_status ew_item_lines_finish(struct ew_item_lines **lines, struct ew_error *err);
void ew_item_lines_abandon(struct ew_item_lines **lines); /* NULL and *NULL are fine */

#endif
