/* The load pattern around a measured program, by which its runs are found in the log of a meter that this machine does
 * not read. */
#ifndef EW_STUDY_COMMAND_SIGNATURE_H
#define EW_STUDY_COMMAND_SIGNATURE_H

#include "meter/load_signature.h"

/* How long a pattern takes for a meter with this period; 0 = unknown, 0.05 s. */
double ew_command_signature_s(double period_s);

/* Plays one on all usable cores, another each time, between ew_command_signals_open and close. Errors: CANCELLED (a
 * signal came), ARGUMENT (no pattern suits the period), MEMORY, IO. */
enum ew_status ew_command_play_signature(double period_s, struct ew_played_signature *out, struct ew_error *err);

#endif
