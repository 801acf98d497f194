/* The engine's side of a trial: what `edgewise trial` does. docs/trial-protocol.md is the contract. */
#ifndef EW_STUDY_TRIAL_CHILD_H
#define EW_STUDY_TRIAL_CHILD_H

#include "study/trial_spec.h"
#include <stdio.h>

/* Runs the spec and writes events to out, flushed line by line. Whatever goes wrong is an `error` event, too, and
 * returned. version: of the program, for hello. */
enum ew_status ew_trial_child_run(const struct ew_trial_spec *spec, const char *version, FILE *out,
                                  struct ew_error *err);

/* An `error` event alone: for a spec that cannot be read. */
void ew_trial_child_fail(FILE *out, const struct ew_error *err);

/* Compiler and kind of build: "gcc 12.2.0, optimised". */
const char *ew_build_text(void);

#endif
