/* What study and bench share: signals, the machine's limits, models on disk, the engine's command, the run itself. */
#ifndef EW_CLI_STUDY_DRIVE_H
#define EW_CLI_STUDY_DRIVE_H

#include "cli/command.h"
#include "cli/meter_options.h"
#include "cli/study_view.h"
#include "store/store.h"

struct ew_study_drive {
    const struct ew_cli_common *common;
    struct ew_study_file *study; /* the caller's */
    const char *cache;           /* --cache, or NULL */
    const char *engine_command;  /* --engine-command, or NULL */
    const struct ew_meter_options *meters;
    const struct ew_study_device *device; /* what can be set on the machine; NULL: nothing */
    bool silent;                          /* say nothing at all while it runs */
    bool quiet;                           /* say nothing of meters, nor of each run off a terminal: a table follows */
    struct ew_study_view view;
    struct ew_machine *machine;
    struct ew_located_models models;
    struct ew_plan_limits limits;
    char *kernels; /* that trials are to use, as text; owned */
    char engine_text[4352];
    char self[4096];
    const char *engine[4];
};

/* Opens the machine, finds the models and fills limits and engine. Nothing is written. */
enum ew_status ew_study_drive_open(struct ew_study_drive *drive, FILE *out, struct ew_error *err);
void ew_study_drive_close(struct ew_study_drive *drive);

/* Writes the models that are missing, with progress, and reads what all of them are. */
enum ew_status ew_study_drive_models(struct ew_study_drive *drive, struct ew_error *err);

/* From here on the first Ctrl-C lets the running trial finish, the second ends it; a full disk is an error, not a
 * signal. */
void ew_study_drive_catch_signals(void);

enum ew_status ew_study_drive_run(struct ew_study_drive *drive, struct ew_store *store, struct ew_study_outcome *out,
                                  struct ew_error *err);

#endif
