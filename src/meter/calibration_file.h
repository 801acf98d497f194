/* Calibrations as dated JSON files, one each. Part of the program, not of the engine library (it needs jansson). */
#ifndef EW_METER_CALIBRATION_FILE_H
#define EW_METER_CALIBRATION_FILE_H

#include "meter/calibration.h"

/* $XDG_STATE_HOME/edgewise/calibrations, or ~/.local/state/… . Errors: NOT_FOUND (neither variable is set), LIMIT. */
enum ew_status ew_calibration_folder(char *buf, size_t capacity, struct ew_error *err);

/* Writes FOLDER/TARGET-by-REFERENCE-YYYYMMDDTHHMMSSZ.json (folders are made; the file appears whole or not at all;
 * path_size bytes of its path go to path where that is not NULL). folder NULL = ew_calibration_folder. Errors: IO,
 * PERMISSION, LIMIT, MEMORY. */
enum ew_status ew_calibration_save(const struct ew_calibration *calibration, const char *folder, char *path,
                                   size_t path_size, struct ew_error *err);

/* Reads one file of at most 1 MiB. Errors: NOT_FOUND, IO, FORMAT, MEMORY. */
enum ew_status ew_calibration_load(const char *path, struct ew_calibration *out, struct ew_error *err);

/* Shows every calibration in the folder (NULL as above), in no order; files that are none are passed over. A folder
 * that does not exist holds none. Errors: IO, NOT_FOUND, LIMIT. */
enum ew_status ew_calibration_each(const char *folder,
                                   void (*see)(void *context, const char *path, const struct ew_calibration *c),
                                   void *context, struct ew_error *err);

/* The newest calibration of this target meter in the folder (NULL as above): of this board if there is one, otherwise
 * of any. Files that are no calibrations are passed over. Errors: NOT_FOUND (none), IO, MEMORY. */
enum ew_status ew_calibration_find(const char *folder, const char *target, const char *board,
                                   struct ew_calibration *out, struct ew_error *err);

#endif
