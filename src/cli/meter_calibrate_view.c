/* Owns what calibrations look like: the table of steps, gain and offset with their intervals, JSON, and the list of
 * kept ones (edgewise meter calibrations). */
#include "base/error.h"
#include "cli/calibration_choice.h"
#include "cli/command.h"
#include "cli/energy_words.h"
#include "cli/meter_calibrate.h"
#include "cli/meter_commands.h"
#include "cli/meter_json.h"
#include "cli/terminal_style.h"
#include "insight/words.h"
#include "meter/calibration_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_number(struct ew_text_table *table, double value, int decimals) {
    char text[EW_NUMBER_SIZE];
    ew_words_number(text, value, decimals);
    ew_text_table_add(table, text, NULL);
}

static void print_steps(const struct ew_calibration *c, const struct ew_text_style *style) {
    const struct ew_text_column columns[] = {{"load", "%", true, true},
                                             {"target", "W", true, false},
                                             {"reference", "W", true, false},
                                             {"off the line", "W", true, false}};
    struct ew_text_table *table = ew_text_table_open(columns, 4);
    int decimals = ew_words_decimals(c->high_w, c->rms_w);
    for (size_t i = 0; table && i < c->n_steps; i++) {
        const struct ew_calibration_step *s = &c->steps[i];
        add_number(table, 100 * s->level, 0);
        add_number(table, s->target_w, decimals);
        add_number(table, s->reference_w, decimals);
        add_number(table, s->residual_w, decimals);
    }
    if (table) ew_text_table_print(table, stdout, style);
    ew_text_table_close(&table);
}

void ew_calibrate_print(const struct ew_calibration *c, const char *path) {
    char value[2 * EW_NUMBER_SIZE + 8], text[1024];
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    print_steps(c, &style);
    puts("");
    ew_energy_value(value, sizeof value, c->gain, c->gain_error);
    snprintf(text, sizeof text, "%s (%s = gain × %s + offset)", value, c->reference, c->target);
    ew_text_paragraph(stdout, &style, 12, "gain", text);
    ew_energy_value(value, sizeof value, c->offset_w, c->offset_error_w);
    snprintf(text, sizeof text, "%s W", value);
    ew_text_paragraph(stdout, &style, 12, "offset", text);
    ew_energy_value(value, sizeof value, c->lag_s, c->lag_error_s);
    snprintf(text, sizeof text,
             isfinite(c->lag_error_s) ? "%s s: so much later the target shows a change" : "not found", value);
    ew_text_paragraph(stdout, &style, 12, "lag", text);
    snprintf(text, sizeof text, "%.2g W rms, %.2g W at most · R² %.5f · between %.4g and %.4g W of the target",
             c->rms_w, c->largest_w, c->r_squared, c->low_w, c->high_w);
    ew_text_paragraph(stdout, &style, 12, "residuals", text);
    if (isnan(c->error_relative))
        snprintf(value, sizeof value, "not known: the reference's error is not documented");
    else
        snprintf(value, sizeof value, "± %.2g %% of a calibrated figure", 100 * c->error_relative);
    snprintf(text, sizeof text, "%s · grade %s at best · %s", value,
             ew_trust_grade_name(ew_calibration_grade(c, c->board)), c->reference_covers);
    ew_text_paragraph(stdout, &style, 12, "error", text);
    snprintf(text, sizeof text, "%s", path ? path : "not kept");
    ew_text_paragraph(stdout, &style, 12, "kept", text);
    if (path) ew_text_paragraph(stdout, &style, 12, "", "use it with --calibration auto, or by this file's name");
}

json_t *ew_calibrate_json(const struct ew_calibration *c, const char *path) {
    json_t *o = json_object(), *steps = json_array();
    if (!o || !steps) return NULL;
    json_object_set_new(o, "file", ew_meter_json_text(path));
    json_object_set_new(o, "target", ew_meter_json_text(c->target));
    json_object_set_new(o, "reference", ew_meter_json_text(c->reference));
    json_object_set_new(o, "reference_boundary", json_string(ew_meter_boundary_name(c->reference_boundary)));
    json_object_set_new(o, "reference_covers", ew_meter_json_text(c->reference_covers));
    json_object_set_new(o, "board", ew_meter_json_text(c->board));
    json_object_set_new(o, "taken_at_s", json_integer(c->taken_at_s));
    ew_meter_json_put(o, "gain", c->gain);
    ew_meter_json_put(o, "gain_error", c->gain_error);
    ew_meter_json_put(o, "offset_w", c->offset_w);
    ew_meter_json_put(o, "offset_error_w", c->offset_error_w);
    ew_meter_json_put(o, "lag_s", isfinite(c->lag_error_s) ? c->lag_s : NAN);
    ew_meter_json_put(o, "lag_error_s", c->lag_error_s);
    ew_meter_json_put(o, "rms_w", c->rms_w);
    ew_meter_json_put(o, "largest_w", c->largest_w);
    ew_meter_json_put(o, "r_squared", c->r_squared);
    ew_meter_json_put(o, "low_w", c->low_w);
    ew_meter_json_put(o, "high_w", c->high_w);
    ew_meter_json_put(o, "error_relative", c->error_relative);
    json_object_set_new(o, "grade_ceiling", json_string(ew_trust_grade_name(ew_calibration_grade(c, c->board))));
    for (size_t i = 0; i < c->n_steps; i++) {
        json_t *step = json_object();
        ew_meter_json_put(step, "level", c->steps[i].level);
        ew_meter_json_put(step, "target_w", c->steps[i].target_w);
        ew_meter_json_put(step, "reference_w", c->steps[i].reference_w);
        ew_meter_json_put(step, "residual_w", c->steps[i].residual_w);
        json_array_append_new(steps, step);
    }
    json_object_set_new(o, "steps", steps);
    return o;
}

/* ---- kept ones ---- */

struct listing {
    struct ew_cli_common common;
    const char *folder;
    char board[EW_METER_TEXT_SIZE];
    struct ew_text_table *table;
    json_t *json;
    size_t n;
};

static void see(void *context, const char *path, const struct ew_calibration *c) {
    struct listing *l = context;
    char date[32], value[2 * EW_NUMBER_SIZE + 8];
    bool own = strcmp(c->board, l->board) == 0;
    l->n++;
    if (l->common.json) {
        json_t *one = ew_calibrate_json(c, path);
        json_object_set_new(one, "this_board", json_boolean(own));
        json_array_append_new(l->json, one);
        return;
    }
    ew_calibration_date(c->taken_at_s, date, sizeof date);
    ew_text_table_add(l->table, date, NULL);
    ew_text_table_add(l->table, c->target, NULL);
    ew_text_table_add(l->table, c->reference, NULL);
    ew_energy_value(value, sizeof value, c->gain, c->gain_error);
    ew_text_table_add(l->table, value, NULL);
    ew_energy_value(value, sizeof value, c->offset_w, c->offset_error_w);
    ew_text_table_add(l->table, value, NULL);
    if (isfinite(c->error_relative))
        snprintf(value, sizeof value, "%.2g", 100 * c->error_relative);
    else
        snprintf(value, sizeof value, "–");
    ew_text_table_add(l->table, value, NULL);
    ew_text_table_add(l->table, own ? "this one" : c->board, NULL);
    const char *name = strrchr(path, '/');
    ew_text_table_add(l->table, name ? name + 1 : path, NULL);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct listing *l = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &l->common; return 0;
    case 'f': l->folder = arg; return 0;
    case ARGP_KEY_ARG: argp_error(state, "`%s`: takes no words", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static enum ew_status list(struct listing *l, struct ew_error *err) {
    static const struct ew_text_column columns[] = {{"taken", NULL, false, true},      {"target", NULL, false, true},
                                                    {"reference", NULL, false, false}, {"gain", NULL, true, false},
                                                    {"offset", "W", true, false},      {"error", "± %", true, false},
                                                    {"board", NULL, false, false},     {"file", NULL, false, false}};
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    l->table = ew_text_table_open(columns, 8);
    l->json = json_array();
    if (!l->table || !l->json) return ew_error_set(err, EW_ERR_MEMORY, "calibrations: out of memory");
    enum ew_status status = ew_calibration_each(l->folder, see, l, err);
    if (status != EW_OK) return status;
    if (l->common.json) {
        bool printed = ew_meter_json_print(l->json, true, stdout);
        l->json = NULL;
        return printed ? EW_OK : ew_error_set(err, EW_ERR_IO, "standard output: cannot be written");
    }
    if (l->n == 0)
        puts("No calibration is kept. edgewise meter calibrate takes one.");
    else if (!ew_text_table_print(l->table, stdout, &style))
        return ew_error_set(err, EW_ERR_MEMORY, "calibrations: out of memory");
    return EW_OK;
}

int ew_meter_command_calibrations(int argc, char **argv) {
    static const struct argp_option options[] = {
        {"folder", 'f', "DIR", 0, "Look there ($XDG_STATE_HOME/edgewise/calibrations)", 1}, {0}};
    static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse,
                                     .doc = "Lists the calibrations that `edgewise meter calibrate` has kept.\v"
                                            "Example:\n  edgewise meter calibrations --json",
                                     .children = children};
    struct listing l = {0};
    struct ew_error err = {0};
    ew_cli_parse(&argp, argc, argv, &l.common, &l);
    ew_calibration_board(l.common.root, l.board, sizeof l.board);
    enum ew_status status = list(&l, &err);
    ew_text_table_close(&l.table);
    json_decref(l.json);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
