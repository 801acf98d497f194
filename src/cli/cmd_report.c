/* edgewise report: reads a store, prints tables, writes files. What they contain is src/report's. */
#include "base/error.h"
#include "cli/command.h"
#include "report/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *store, *study, *html, *csv, *jsonl;
    bool markdown, plain;
};

enum { KEY_HTML = 2001, KEY_CSV, KEY_JSONL, KEY_MARKDOWN, KEY_PLAIN, KEY_STUDY };

static const struct argp_option options[] = {
    {"html", KEY_HTML, "FILE", 0, "Write one page that opens without a network", 1},
    {"csv", KEY_CSV, "FILE", 0, "Write one row per configuration; - is the terminal", 1},
    {"jsonl", KEY_JSONL, "FILE", 0, "Write one JSON object per run; - is the terminal", 1},
    {"markdown", KEY_MARKDOWN, 0, 0, "Print Markdown", 2},
    {"plain", KEY_PLAIN, 0, 0, "Print without colour and without folding", 2},
    {"study", KEY_STUDY, "NAME", 0, "Which study, where the store has several (the newest)", 3},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case KEY_HTML: o->html = arg; return 0;
    case KEY_CSV: o->csv = arg; return 0;
    case KEY_JSONL: o->jsonl = arg; return 0;
    case KEY_MARKDOWN: o->markdown = true; return 0;
    case KEY_PLAIN: o->plain = true; return 0;
    case KEY_STUDY: o->study = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->store) argp_error(state, "one store at a time: `%s` is a second", arg);
        o->store = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->store) argp_error(state, "which store? Such as: edgewise report demo.db --html report.html");
        if (o->markdown && o->common.json) argp_error(state, "--markdown and --json: choose one");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, "Every command:", 90}, {0}};
static const struct argp argp = {
    options,
    parse,
    "STORE",
    "Shows what a study measured: the answer in words, the table of configurations, what failed.\v"
    "Example: edgewise report demo/demo.db --html report.html --csv configurations.csv",
    children,
    NULL,
    NULL};

static struct ew_text_style choose_style(bool plain) {
    struct ew_text_style style = {0};
    if (plain || !isatty(STDOUT_FILENO)) return style;
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    struct winsize size;
    style.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 100;
    style.colour = !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
    return style;
}

typedef enum ew_status (*writer)(const struct ew_report *report, FILE *out, struct ew_error *err);

/* Whole or not at all: written beside its place, then renamed. */
static enum ew_status write_file(const struct ew_report *report, const char *path, writer write, struct ew_error *err) {
    if (strcmp(path, "-") == 0) return write(report, stdout, err);
    size_t size = strlen(path) + sizeof ".XXXXXX";
    char *part = malloc(size);
    if (!part) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    snprintf(part, size, "%s.XXXXXX", path);
    int fd = mkstemp(part);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
    if (!out) {
        enum ew_status status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot be written", path);
        if (fd >= 0) close(fd), unlink(part);
        free(part);
        return status;
    }
    mode_t mask = umask(0);
    umask(mask);
    enum ew_status status =
        fchmod(fd, 0666 & ~mask) == 0 ? write(report, out, err) : ew_error_errno(err, EW_ERR_IO, errno, "%s", path);
    int failure = errno;
    if (status == EW_ERR_IO) ew_error_errno(err, EW_ERR_IO, failure, "%s: cannot be written", path);
    if (fclose(out) != 0 && status == EW_OK)
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot be written", path);
    if (status == EW_OK && rename(part, path) != 0) status = ew_error_errno(err, EW_ERR_IO, errno, "%s", path);
    if (status != EW_OK) unlink(part);
    free(part);
    return status;
}

/* The terminal gets what no file was asked for; with files, the answer and their names. */
static enum ew_status show(const struct options *o, const struct ew_report *report, struct ew_error *err) {
    struct ew_text_style style = choose_style(o->plain);
    if (o->common.json) return ew_report_write_json(report, stdout, err);
    if (o->markdown) return ew_report_write_markdown(report, stdout, err);
    const char *const files[] = {o->html, o->csv, o->jsonl};
    bool any = false, to_terminal = false;
    for (int i = 0; i < 3; i++) {
        any |= files[i] != NULL;
        to_terminal |= files[i] && strcmp(files[i], "-") == 0;
    }
    if (to_terminal) return EW_OK;
    if (!any) return ew_report_write_terminal(report, stdout, &style, err);
    enum ew_status status = ew_report_write_answer(report, stdout, &style, err);
    for (int i = 0; i < 3 && status == EW_OK; i++)
        if (files[i]) printf("%s%s\n", i == 0 || !any ? "\nwritten: " : "written: ", files[i]);
    return status;
}

int ew_cmd_report(int argc, char **argv) {
    struct options o = {0};
    struct ew_error err = {0};
    struct ew_report *report = NULL;
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    enum ew_status status = ew_report_open(o.store, o.study, &report, &err);
    if (status == EW_OK && o.html) status = write_file(report, o.html, ew_report_write_html, &err);
    if (status == EW_OK && o.csv) status = write_file(report, o.csv, ew_report_write_csv, &err);
    if (status == EW_OK && o.jsonl) status = write_file(report, o.jsonl, ew_report_write_jsonl, &err);
    if (status == EW_OK) status = show(&o, report, &err);
    ew_report_close(&report);
    if (status == EW_OK) return EW_EXIT_OK;
    ew_cli_fail(&err);
    return EW_EXIT_FAILED; /* a store that cannot be read is no wrong use of the command */
}
