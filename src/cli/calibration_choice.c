/* Owns the application of kept calibrations to the meters of a list. Refuses to guess: a calibration that was asked for
 * and cannot be used is an error, and none is used that nobody asked for. */
#include "cli/calibration_choice.h"
#include "base/error.h"
#include "machine/machine.h"
#include "meter/calibration_file.h"
#include "study/machine_facts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void ew_calibration_board(const char *root, char *out, size_t size) {
    struct ew_machine *machine = NULL;
    struct ew_machine_record record;
    out[0] = 0;
    if (ew_machine_open(root && *root ? root : NULL, &machine, NULL) != EW_OK) return;
    if (ew_machine_facts_make(machine, &record, NULL) == EW_OK) {
        snprintf(out, size, "%.160s (%s)", record.name, record.fingerprint);
        ew_machine_facts_free(&record);
    }
    ew_machine_close(&machine);
}

void ew_calibration_date(int64_t taken_at_s, char *out, size_t size) {
    time_t at = (time_t)taken_at_s;
    struct tm tm;
    if (!gmtime_r(&at, &tm) || !strftime(out, size, "%Y-%m-%d %H:%M UTC", &tm)) snprintf(out, size, "unknown date");
}

void ew_calibration_note(const struct ew_meter_info *info, const char *board, char *out, size_t size) {
    struct ew_calibration c;
    char date[32];
    out[0] = 0;
    bool in_use = false; /* then the offset is a channel */
    for (size_t i = 0; i < info->n_channels; i++) in_use |= strcmp(info->channels[i].name, "calibration") == 0;
    if (in_use || info->quantity != EW_METER_ENERGY || info->reason != EW_METER_USABLE) return;
    if (ew_calibration_find(NULL, info->name, board, &c, NULL) != EW_OK || strcmp(c.board, board) != 0) return;
    ew_calibration_date(c.taken_at_s, date, sizeof date);
    snprintf(out, size, "a calibration of %s against %s is kept: --calibration auto", date, c.reference);
}

static enum ew_status apply_kept(struct ew_meter_list *list, const char *board, struct ew_error *err) {
    size_t applied = 0;
    for (size_t i = 0; i < ew_meter_list_count(list); i++) {
        struct ew_meter *meter = ew_meter_list_at(list, i);
        const struct ew_meter_info *info = ew_meter_info(meter);
        struct ew_calibration c;
        struct ew_error why = {0};
        if (info->quantity != EW_METER_ENERGY || info->reason != EW_METER_USABLE) continue;
        enum ew_status status = ew_calibration_find(NULL, info->name, board, &c, &why);
        if (status != EW_OK && status != EW_ERR_NOT_FOUND) return ew_error_set(err, status, "%s", why.message);
        if (status != EW_OK || strcmp(c.board, board) != 0)
            continue; /* another board's is for those who name its file */
        if ((status = ew_calibration_apply(&c, board, meter, err)) != EW_OK) return status;
        applied++;
    }
    if (applied > 0) return EW_OK;
    return ew_error_set(err, EW_ERR_NOT_FOUND,
                        "no calibration of a usable meter of this board is kept (%.150s): edgewise meter calibrate "
                        "takes one, edgewise meter calibrations lists them, --calibration none does without",
                        board[0] ? board : "unknown board");
}

static enum ew_status apply_file(struct ew_meter_list *list, const char *path, const char *board,
                                 struct ew_error *err) {
    struct ew_calibration c;
    enum ew_status status = ew_calibration_load(path, &c, err);
    if (status != EW_OK) return status;
    struct ew_meter *meter = ew_meter_list_find(list, c.target);
    if (!meter || ew_meter_info(meter)->reason != EW_METER_USABLE)
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s is of meter %s, which %s%s", path, c.target,
                            meter ? "cannot be used: " : "is none of this machine's",
                            meter ? ew_meter_info(meter)->reason_text : "");
    return ew_calibration_apply(&c, board, meter, err);
}

enum ew_status ew_calibration_choice_apply(const struct ew_meter_config *config, struct ew_meter_list *list,
                                           struct ew_error *err) {
    char board[EW_METER_TEXT_SIZE];
    const char *choice = config->found_context;
    if (!choice || !*choice || strcmp(choice, "none") == 0) return EW_OK;
    ew_calibration_board(config->root, board, sizeof board);
    enum ew_status status =
        strcmp(choice, "auto") == 0 ? apply_kept(list, board, err) : apply_file(list, choice, board, err);
    return status == EW_OK ? EW_OK : ew_error_prefix(err, status, "--calibration %s", choice);
}
