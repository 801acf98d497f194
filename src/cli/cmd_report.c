/* edgewise report: reads a store, prints tables, writes files. What they contain is src/report's. */
#include "base/error.h"
#include "cli/command.h"
#include "cli/terminal_style.h"
#include "report/report.h"
#include "study/study_value.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_COSTS = 32 };

struct options {
    struct ew_cli_common common;
    const char *store, *against, *study, *against_study, *html, *csv, *jsonl, *llama_bench;
    const char *compare[2];
    double margin;
    bool markdown, plain;
    const char *costs[MOST_COSTS], *prices;
    size_t n_costs;
    const char *uses[EW_MOST_OWN_USES];
    size_t n_uses;
    struct ew_wishes wishes;
    bool wished;
};

enum {
    KEY_HTML = 2001,
    KEY_CSV,
    KEY_JSONL,
    KEY_MARKDOWN,
    KEY_PLAIN,
    KEY_STUDY,
    KEY_COST,
    KEY_PRICES,
    KEY_PREFER,
    KEY_LLAMA_BENCH,
    KEY_MARGIN,
    KEY_COMPARE,
    KEY_USE,
    KEY_LIMIT
};

static const struct argp_option options[] = {
    {"html", KEY_HTML, "FILE", 0, "Write one page that opens without a network", 1},
    {"csv", KEY_CSV, "FILE", 0, "Write one row per configuration; - is the terminal", 1},
    {"jsonl", KEY_JSONL, "FILE", 0, "Write one JSON object per run; - is the terminal", 1},
    {"llama-bench", KEY_LLAMA_BENCH, "FILE", 0,
     "Write what llama-bench would: JSON, or by its ending .jsonl, .csv or .md; - is the terminal", 1},
    {"markdown", KEY_MARKDOWN, 0, 0, "Print Markdown", 2},
    {"plain", KEY_PLAIN, 0, 0, "Print without colour and without folding", 2},
    {"study", KEY_STUDY, "NAME", 0,
     "Which study, where the store has several (the newest); given twice: of the first and of the second store", 3},
    {"compare", KEY_COMPARE, "CONFIG", 0, "Given twice: the second configuration against the first, by id or label", 3},
    {"margin", KEY_MARGIN, "PERCENT", 0, "Comparing: up to which a difference does not count ('2 %')", 3},
    {"max-memory", KEY_LIMIT + EW_LIMIT_MEMORY, "SIZE", 0, "Recommend within this peak memory, such as 4GiB", 4},
    {"max-ttft", KEY_LIMIT + EW_LIMIT_TTFT, "TIME", 0, "… with the first token after this time at most, such as 2s", 4},
    {"min-speed", KEY_LIMIT + EW_LIMIT_SPEED, "N", 0, "… writing at least so many tokens per second", 4},
    {"max-watts", KEY_LIMIT + EW_LIMIT_WATTS, "W", 0, "… within this average power", 4},
    {"max-joules", KEY_LIMIT + EW_LIMIT_JOULES, "J", 0, "… within these joules per generated token", 4},
    {"min-quality", KEY_LIMIT + EW_LIMIT_QUALITY, "Q", 0,
     "… with at least this quality, in the unit of the table's column", 4},
    {"prefer", KEY_PREFER, "WHAT", 0, "… and of those the best in quality, speed, energy or memory (quality)", 4},
    {"use", KEY_USE, "NAME=FIRST,PER_TOKEN", 0,
     "A class of your own, such as kiosk=1s,200ms: first token within 1 s, then 200 ms per token. Repeatable", 4},
    {"cost", KEY_COST, "KEY=VALUE", 0,
     "State what a sum needs: device_price=80, lifetime_years=4, tariff=0.3, requests_per_day=500, api=NAME …; "
     "docs/report.md lists all. Repeatable",
     5},
    {"prices", KEY_PRICES, "FILE", 0, "A price list of your own, in the form of data/api_prices.json", 5},
    {0},
};

static void set_limit(struct options *o, enum ew_limit limit, const char *arg, const struct argp_state *state) {
    char option[32];
    snprintf(option, sizeof option, "--%s", ew_limit_info(limit)->option);
    o->wished = true;
    double *to = &o->wishes.limit[limit];
    if (limit == EW_LIMIT_MEMORY) {
        if (!ew_value_parse_size(arg, to)) argp_error(state, "%s: `%s` is not a size such as 4GiB", option, arg);
    } else if (limit == EW_LIMIT_TTFT) {
        if (!ew_value_parse_duration(arg, to)) argp_error(state, "%s: `%s` is not a time such as 2s", option, arg);
    } else {
        *to = ew_cli_f64(state, option, arg, 0, 1e12);
    }
}

static void set_preference(struct options *o, const char *arg, const struct argp_state *state) {
    o->wished = true;
    for (int p = 0; p < EW_PREFERENCES; p++)
        if (strcmp(ew_preference_name((enum ew_preference)p), arg) == 0) {
            o->wishes.prefer = (enum ew_preference)p;
            return;
        }
    argp_error(state, "--prefer: `%s` is none of quality, speed, energy, memory", arg);
}

static void check(const struct options *o, const struct argp_state *state) {
    if (!o->store) argp_error(state, "which store? Such as: edgewise report demo.db --html report.html");
    if (o->markdown && o->common.json) argp_error(state, "--markdown and --json: choose one");
    if (o->compare[0] && (!o->compare[1] || o->against)) argp_error(state, "--compare: give it twice, with one store");
    if (!o->against && o->against_study) argp_error(state, "a second --study: only where two stores are compared");
    if (!o->against && !o->compare[0] && o->margin > 0)
        argp_error(state, "--margin: only where two stores or configurations are compared");
    if ((o->against || o->compare[0]) && (o->llama_bench || o->n_costs || o->prices || o->wished || o->n_uses))
        argp_error(state, "%s: not where two are compared",
                   o->llama_bench ? "--llama-bench"
                   : o->n_costs   ? "--cost"
                   : o->prices    ? "--prices"
                                  : "limits");
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    if (key >= KEY_LIMIT && key < KEY_LIMIT + EW_LIMITS) {
        set_limit(o, (enum ew_limit)(key - KEY_LIMIT), arg, state);
        return 0;
    }
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case KEY_PREFER: set_preference(o, arg, state); return 0;
    case KEY_LLAMA_BENCH: o->llama_bench = arg; return 0;
    case KEY_PRICES: o->prices = arg; return 0;
    case KEY_COST:
        if (o->n_costs == MOST_COSTS) argp_error(state, "--cost %s: more than %d of them", arg, MOST_COSTS);
        o->costs[o->n_costs++] = arg;
        return 0;
    case KEY_USE:
        if (o->n_uses == EW_MOST_OWN_USES) argp_error(state, "--use %s: more than %d of them", arg, EW_MOST_OWN_USES);
        o->uses[o->n_uses++] = arg;
        return 0;
    case KEY_HTML: o->html = arg; return 0;
    case KEY_CSV: o->csv = arg; return 0;
    case KEY_JSONL: o->jsonl = arg; return 0;
    case KEY_MARKDOWN: o->markdown = true; return 0;
    case KEY_PLAIN: o->plain = true; return 0;
    case KEY_STUDY: *(o->study ? &o->against_study : &o->study) = arg; return 0;
    case KEY_COMPARE:
        if (o->compare[1]) argp_error(state, "--compare `%s`: two configurations at most", arg);
        o->compare[o->compare[0] != NULL] = arg;
        return 0;
    case KEY_MARGIN:
        if (!ew_value_parse_percent(arg, &o->margin) || !(o->margin > 0 && o->margin <= 1))
            argp_error(state, "--margin: `%s` is not a percentage above 0 such as '2 %%'", arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->against) argp_error(state, "two stores at most: `%s` is a third", arg);
        *(o->store ? &o->against : &o->store) = arg;
        return 0;
    case ARGP_KEY_END: check(o, state); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, "Every command:", 90}, {0}};
static const struct argp argp = {
    options,
    parse,
    "STORE [STORE]",
    "Shows what a study measured: the answer in words, the table of configurations, what failed. With two stores: what "
    "changed from the first to the second, figure by figure, with a verdict.\v"
    "Examples:\n"
    "  edgewise report demo/demo.db --html report.html --csv configurations.csv\n"
    "  edgewise report before.db after.db --margin '2 %'",
    children,
    NULL,
    NULL};

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

static writer llama_bench_writer(const char *path) {
    const char *ending = strrchr(path, '.');
    if (ending && strcmp(ending, ".jsonl") == 0) return ew_report_write_llama_bench_lines;
    if (ending && strcmp(ending, ".csv") == 0) return ew_report_write_llama_bench_csv;
    return ending && strcmp(ending, ".md") == 0 ? ew_report_write_llama_bench_table : ew_report_write_llama_bench;
}

/* The terminal gets what no file was asked for; with files, the answer and their names. */
static enum ew_status show(const struct options *o, const struct ew_report *report, struct ew_error *err) {
    struct ew_text_style style = ew_terminal_style(STDOUT_FILENO, o->plain);
    bool two = report->versus != NULL;
    if (o->common.json)
        return two ? ew_report_write_versus_json(report, stdout, err) : ew_report_write_json(report, stdout, err);
    if (o->markdown)
        return two ? ew_report_write_versus_markdown(report, stdout, err)
                   : ew_report_write_markdown(report, stdout, err);
    const char *const files[] = {o->html, o->csv, o->jsonl, o->llama_bench};
    bool any = false, to_terminal = false;
    for (int i = 0; i < 4; i++) {
        any |= files[i] != NULL;
        to_terminal |= files[i] && strcmp(files[i], "-") == 0;
    }
    if (to_terminal) return EW_OK;
    if (two && !any) return ew_report_write_versus_terminal(report, stdout, &style, err);
    if (!any) return ew_report_write_terminal(report, stdout, &style, err);
    enum ew_status status = two ? EW_OK : ew_report_write_answer(report, stdout, &style, err);
    for (int i = 0; i < 4 && status == EW_OK; i++)
        if (files[i]) printf("%s%s\n", i == 0 || !any ? "\nwritten: " : "written: ", files[i]);
    return status;
}

static enum ew_status write_files(const struct options *o, const struct ew_report *report, struct ew_error *err) {
    bool two = report->versus != NULL;
    enum ew_status status = EW_OK;
    if (o->html) status = write_file(report, o->html, two ? ew_report_write_versus_html : ew_report_write_html, err);
    if (status == EW_OK && o->csv)
        status = write_file(report, o->csv, two ? ew_report_write_versus_csv : ew_report_write_csv, err);
    if (status == EW_OK && o->jsonl)
        status = write_file(report, o->jsonl, two ? ew_report_write_versus_jsonl : ew_report_write_jsonl, err);
    if (status == EW_OK && o->llama_bench)
        status = write_file(report, o->llama_bench, llama_bench_writer(o->llama_bench), err);
    return status;
}

int ew_cmd_report(int argc, char **argv) {
    struct options o = {0};
    struct ew_error err = {0};
    struct ew_report *report = NULL;
    for (int l = 0; l < EW_LIMITS; l++) o.wishes.limit[l] = NAN;
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    const struct ew_report_request request = {.study = o.study,
                                              .costs = o.costs,
                                              .n_costs = o.n_costs,
                                              .prices = o.prices,
                                              .wishes = o.wished ? &o.wishes : NULL,
                                              .uses = o.uses,
                                              .n_uses = o.n_uses,
                                              .against = o.against,
                                              .against_study = o.against_study ? o.against_study : o.study,
                                              .compare = {o.compare[0], o.compare[1]},
                                              .margin = o.margin};
    enum ew_status status = ew_report_open(o.store, &request, &report, &err);
    if (status == EW_OK) status = write_files(&o, report, &err);
    if (status == EW_OK) status = show(&o, report, &err);
    ew_report_close(&report);
    if (status == EW_OK) return EW_EXIT_OK;
    ew_cli_fail(&err);
    /* A store that cannot be read is no wrong use of the command; a cost or a class that cannot be is. */
    return err.status == EW_ERR_ARGUMENT && (o.n_costs || o.n_uses) ? EW_EXIT_USAGE : EW_EXIT_FAILED;
}
