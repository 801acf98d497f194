/* Which kept calibration corrects a meter: --calibration FILE|auto|none. Nothing is corrected unless somebody asks. */
#ifndef EW_CLI_CALIBRATION_CHOICE_H
#define EW_CLI_CALIBRATION_CHOICE_H

#include "meter/calibration.h"

/* For ew_meter_config's found: found_context is the text of --calibration. none: nothing. auto: each energy meter by
 * the newest calibration that was taken of it on this board; those without one stay as they are. A file: the meter it
 * is of. Errors: those of ew_calibration_load and ew_calibration_apply; NOT_FOUND (auto finds none, a file's meter is
 * not here). */
enum ew_status ew_calibration_choice_apply(const struct ew_meter_config *config, struct ew_meter_list *list,
                                           struct ew_error *err);

/* What tells boards apart in calibrations: name and fingerprint of the machine. "" = it cannot be told. */
void ew_calibration_board(const char *root, char *out, size_t size);

/* "a calibration of 2026-11-25 14:03 UTC is kept: --calibration auto", where one of this meter and board is kept and
 * not in use; "" otherwise. */
void ew_calibration_note(const struct ew_meter_info *info, const char *board, char *out, size_t size);

/* "2026-11-25 14:03 UTC" */
void ew_calibration_date(int64_t taken_at_s, char *out, size_t size);

#endif
