/* Rows of a CSV text, strictly as RFC 4180 has them: fields between commas, in double quotes where they hold commas,
 * quotes (doubled) or line ends; lines end with CR LF or LF. What does not follow is refused, with its line. */
#ifndef EW_QUALITY_CSV_ROWS_H
#define EW_QUALITY_CSV_ROWS_H

#include "edgewise/status.h"
#include <stddef.h>
#include <stdint.h>

enum { EW_CSV_MOST_FIELDS = 64 };

struct ew_csv_rows {
    const char *text; /* [n_bytes] stays the caller's */
    size_t n_bytes, at;
    uint32_t next_line; /* of the byte at `at`, from 1 */
    /* The row that was read: */
    uint32_t line; /* where it begins */
    uint32_t n_fields;
    const char *field[EW_CSV_MOST_FIELDS]; /* NUL-terminated; valid until the next row */
    char *room;                            /* [n_bytes + EW_CSV_MOST_FIELDS] */
};

/* Errors: MEMORY. */
enum ew_status ew_csv_open(const char *text, size_t n_bytes, struct ew_csv_rows *out, struct ew_error *err);
void ew_csv_close(struct ew_csv_rows *rows);

/* The next row; n_fields is 0 after the last one. name: of the file, for messages. Errors: FORMAT. */
enum ew_status ew_csv_next(struct ew_csv_rows *rows, const char *name, struct ew_error *err);

#endif
