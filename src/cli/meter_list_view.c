/* edgewise meter list: every meter of the machine with what it covers, and every refused one with its reason. */
#include "base/error.h"
#include "cli/calibration_choice.h"
#include "cli/command.h"
#include "cli/meter_commands.h"
#include "cli/meter_json.h"
#include "cli/meter_options.h"
#include "cli/meter_reading.h"
#include "cli/terminal_style.h"
#include "insight/words.h"
#include "meter/process_memory.h"
#include "meter/prove.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { INDENT = 4 };

struct options {
    struct ew_cli_common common;
    struct ew_meter_options meters;
    bool prove;
};

static const struct argp_option options[] = {
    {"prove", 'p', 0, 0, "Let every energy meter prove itself under a short load, and show what each meter reads now",
     1},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        return 0;
    case 'p': o->prove = true; return 0;
    case ARGP_KEY_ARG: argp_error(state, "%s: nothing is expected here; all meters are listed", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what to show ---- */

struct entry {
    struct ew_meter *meter;
    bool is_auto;
    double now; /* --prove: watts, or the value of one channel; NAN = not read */
    char words[EW_METER_TEXT_SIZE];
};

struct listing {
    const struct options *o;
    struct ew_meter_list *list;
    struct ew_meter *memory; /* belongs to a process: shown with our own as the example */
    struct entry *entries;
    size_t n;
    char board[EW_METER_TEXT_SIZE]; /* which calibrations are this machine's */
};

/* Energy first, in each kind the usable ones first, otherwise as found. */
static int rank(const struct ew_meter_info *info) {
    return 2 * (int)info->quantity + (info->reason != EW_METER_USABLE);
}

static bool add_entries(struct listing *l) {
    size_t n = ew_meter_list_count(l->list);
    l->entries = calloc(n + 1, sizeof *l->entries);
    if (!l->entries) return false;
    for (int r = 0; r < 2 * EW_METER_QUANTITIES; r++) {
        for (size_t i = 0; i < n; i++) {
            struct ew_meter *m = ew_meter_list_at(l->list, i);
            if (rank(ew_meter_info(m)) == r) l->entries[l->n++] = (struct entry){.meter = m, .now = NAN};
        }
        if (l->memory && rank(ew_meter_info(l->memory)) == r)
            l->entries[l->n++] = (struct entry){.meter = l->memory, .now = NAN};
    }
    const struct ew_meter *best = ew_meter_list_best(l->list);
    for (size_t i = 0; i < l->n; i++) l->entries[i].is_auto = l->entries[i].meter == best;
    return true;
}

static void prove_all(struct listing *l) {
    for (size_t i = 0; i < ew_meter_list_count(l->list); i++) {
        struct ew_meter *m = ew_meter_list_at(l->list, i);
        const struct ew_meter_info *info = ew_meter_info(m);
        if (info->quantity == EW_METER_ENERGY && info->reason == EW_METER_USABLE) ew_meter_prove(m, NULL, NULL);
    }
}

static void read_all(struct listing *l) {
    for (size_t i = 0; i < l->n; i++) {
        const struct ew_meter_info *info = ew_meter_info(l->entries[i].meter);
        if (info->reason != EW_METER_USABLE) continue;
        struct entry *e = &l->entries[i];
        if (info->quantity != EW_METER_ENERGY) {
            e->now = ew_meter_live_gauge(e->meter, e->words, sizeof e->words);
            continue;
        }
        char number[EW_NUMBER_SIZE];
        ew_words_number(number, e->now = ew_meter_live_power(e->meter), -1);
        if (!isnan(e->now)) snprintf(e->words, sizeof e->words, "%s W", number);
    }
}

/* ---- for people ---- */

static void period_words(char *out, size_t size, double seconds) {
    snprintf(out, size, "%.3g %s", seconds < 1 ? seconds * 1e3 : seconds, seconds < 1 ? "ms" : "s");
}

static void describe(const struct ew_meter_info *info, char *text, size_t size) {
    char words[64];
    text[0] = 0;
    period_words(words, sizeof words, info->period_s);
    if (info->period_s > 0) ew_words_add(text, size, "every %s", words);
    ew_meter_value_words(words, sizeof words, info, info->resolution);
    if (info->resolution > 0) ew_words_add(text, size, " · steps of %s", words);
    period_words(words, sizeof words, info->averaging_s);
    if (info->averaging_s > 0) ew_words_add(text, size, " · averages over %s", words);
    period_words(words, sizeof words, info->stamp_error_s);
    if (info->stamp_error_s > 0) ew_words_add(text, size, " · stamps ± %s", words);
    if (info->quantity == EW_METER_ENERGY) {
        if (isnan(info->error_relative))
            ew_words_add(text, size, " · error not documented");
        else
            ew_words_add(text, size, " · error ± %.3g %%", 100 * info->error_relative);
    }
    ew_words_add(text, size, " · from %s", info->source);
}

static void channel_words(const struct ew_meter_info *info, char *text, size_t size) {
    text[0] = 0;
    bool parts = false, any = false;
    for (size_t c = 0; c < info->n_channels; c++) parts |= !info->channels[c].in_total;
    for (size_t c = 0; c < info->n_channels && c < 32; c++) {
        bool energy = info->quantity == EW_METER_ENERGY;
        if (energy && !info->channels[c].in_total) continue;
        ew_words_add(text, size, "%s%s", any ? ", " : "", info->channels[c].name);
        any = true;
    }
    if (info->quantity != EW_METER_ENERGY || !parts) return;
    ew_words_add(text, size, " (and as parts of %s:", any ? "it" : "nothing that is summed");
    for (size_t c = 0; c < info->n_channels && c < 32; c++)
        if (!info->channels[c].in_total) ew_words_add(text, size, " %s", info->channels[c].name);
    ew_words_add(text, size, ")");
}

static void print_usable(const struct entry *e, const char *board, const struct ew_text_style *style) {
    const struct ew_meter_info *info = ew_meter_info(e->meter);
    char head[256], text[1024];
    snprintf(head, sizeof head, "✓ %s", info->name);
    snprintf(text, sizeof text, "%s", info->covers);
    if (info->quantity == EW_METER_ENERGY)
        ew_words_add(text, sizeof text, "%s(%s, grade %s at best)", info->covers[0] ? " " : "",
                     info->boundary == EW_BOUNDARY_UNKNOWN ? "place on the board unknown"
                                                           : ew_meter_boundary_name(info->boundary),
                     ew_trust_grade_name(info->grade_ceiling));
    if (e->words[0]) ew_words_add(text, sizeof text, " · now %s", e->words);
    if (e->is_auto) ew_words_add(text, sizeof text, " ← auto takes this one");
    printf("%s%s%s\n", style->colour ? "\033[1m" : "", head, style->colour ? "\033[0m" : "");
    ew_text_paragraph(stdout, style, INDENT, "", text);
    if (info->leaves_out[0]) {
        snprintf(text, sizeof text, "leaves out %s", info->leaves_out);
        ew_text_paragraph(stdout, style, INDENT, "", text);
    }
    describe(info, text, sizeof text);
    ew_text_paragraph(stdout, style, INDENT, "", text);
    channel_words(info, text, sizeof text);
    if (text[0]) ew_text_paragraph(stdout, style, INDENT, "", text);
    if (info->documented && *info->documented) {
        snprintf(text, sizeof text, "according to %s", info->documented);
        ew_text_paragraph(stdout, style, INDENT, "", text);
    }
    ew_calibration_note(info, board, text, sizeof text);
    if (text[0]) ew_text_paragraph(stdout, style, INDENT, "", text);
}

static void print_refused(const struct ew_meter_info *info, const struct ew_text_style *style) {
    char *name = ew_text_clean(info->name);
    char text[1024];
    printf("%s✗ %s%s\n", style->colour ? "\033[1m" : "", name ? name : "", style->colour ? "\033[0m" : "");
    snprintf(text, sizeof text, "%s: %s", ew_meter_reason_name(info->reason), info->reason_text);
    ew_text_paragraph(stdout, style, INDENT, "", text);
    if (info->remedy[0]) {
        snprintf(text, sizeof text, "remedy: %s", info->remedy);
        ew_text_paragraph(stdout, style, INDENT, "", text);
    }
    free(name);
}

static void print_text(const struct listing *l) {
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, false);
    bool any_auto = false;
    int quantity = -1;
    for (size_t i = 0; i < l->n; i++) {
        const struct ew_meter_info *info = ew_meter_info(l->entries[i].meter);
        if ((int)info->quantity != quantity) printf("%s%s\n", i ? "\n" : "", ew_meter_quantity_name(info->quantity));
        quantity = (int)info->quantity;
        any_auto |= l->entries[i].is_auto;
        if (info->reason == EW_METER_USABLE)
            print_usable(&l->entries[i], l->board, &style);
        else
            print_refused(info, &style);
    }
    if (!any_auto)
        puts("\nNo meter that `auto` may take: runs here have no energy figure, and say so.");
    else if (!l->o->prove)
        puts("\nA meter must still prove itself before it is used; --prove does that now.");
}

/* ---- for machines ---- */

static bool print_json(const struct listing *l) {
    json_t *meters = json_array(), *root = json_object();
    json_t *chosen = json_null();
    for (size_t i = 0; i < l->n; i++) {
        const struct entry *e = &l->entries[i];
        const struct ew_meter_info *info = ew_meter_info(e->meter);
        json_t *o = ew_meter_json_info(info);
        json_object_set_new(o, "auto", json_boolean(e->is_auto));
        if (l->o->prove) json_object_set_new(o, "now", ew_meter_json_number(e->now));
        char note[EW_METER_TEXT_SIZE];
        ew_calibration_note(info, l->board, note, sizeof note);
        json_object_set_new(o, "calibration_kept", note[0] ? ew_meter_json_text(note) : json_null());
        if (e->is_auto) chosen = ew_meter_json_text(info->name);
        json_array_append_new(meters, o);
    }
    json_object_set_new(root, "proved", json_boolean(l->o->prove));
    json_object_set_new(root, "auto", chosen);
    json_object_set_new(root, "meters", meters);
    return ew_meter_json_print(root, true, stdout);
}

int ew_meter_command_list(int argc, char **argv) {
    static const struct argp_child children[] = {
        {&ew_cli_common_argp, 0, NULL, 0}, {&ew_meter_options_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "",
        .doc =
            "Lists what can be measured here: energy first, then memory, heat and clocks; what each meter covers and "
            "leaves out, how good a figure of it can be, and why others cannot be used.\v"
            "Example:\n  edgewise meter list --prove\n  edgewise meter list --meter-source shelly:192.168.1.20 "
            "--json\n",
        .children = children};
    struct options o = {0};
    struct ew_error err = {0};
    struct listing l = {.o = &o};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    struct ew_meter_config config = ew_meter_options_config(&o.meters, o.common.root);
    enum ew_status status = ew_meter_list_probe(&config, &l.list, &err);
    if (status == EW_OK) ew_meter_open_process_memory(NULL, (int32_t)getpid(), &l.memory, NULL);
    ew_calibration_board(o.common.root, l.board, sizeof l.board);
    if (status == EW_OK && o.prove) prove_all(&l);
    if (status == EW_OK && !add_entries(&l))
        status = ew_error_set(&err, EW_ERR_MEMORY, "list of meters: out of memory");
    if (status == EW_OK && o.prove) read_all(&l);
    if (status == EW_OK && o.common.json && !print_json(&l))
        status = ew_error_set(&err, EW_ERR_IO, "standard output: cannot be written");
    if (status == EW_OK && !o.common.json) print_text(&l);
    free(l.entries);
    ew_meter_close(&l.memory);
    ew_meter_list_close(&l.list);
    ew_meter_options_close(&o.meters);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
