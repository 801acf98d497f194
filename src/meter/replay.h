/* A recorded trace as a meter. Format: docs/meters.md, "Trace files". */
#ifndef EW_METER_REPLAY_H
#define EW_METER_REPLAY_H

#include "edgewise/meter.h"

/* Opens path as the meter "replay": a CSV with the head time_s,power_w or time_s,energy_j (further columns are not
 * read), and `# key: value` lines before it (boundary, covers, leaves_out, resolution, averaging_s, error_relative,
 * grade, wrap_j, loop, source). Time 0 is the moment of ew_meter_start; samples come when the clock passes them. Unless
 * the file says otherwise its grade ceiling is E: a trace of some other run is an assumption here. Errors: IO,
 * NOT_FOUND, FORMAT (names the line), MEMORY, LIMIT. */
enum ew_status ew_meter_open_replay(const struct ew_meter_config *config, const char *path, struct ew_meter **out,
                                    struct ew_error *err);

#endif
