/* A report over one study of a store: terminal, Markdown, CSV, JSON, JSON lines and one HTML page, all from the same
 * figures. Nothing here measures or writes the store. */
#ifndef EW_REPORT_REPORT_H
#define EW_REPORT_REPORT_H

#include "insight/insight.h"
#include "insight/money_case.h"
#include "insight/recommend.h"
#include "insight/versus.h"
#include "report/text_table.h"
#include "store/store.h"

struct json_t;

struct ew_report {
    struct ew_store *store;
    struct ew_stored_study *study;
    struct ew_trial_energy *energies; /* [study->n_trials] */
    struct ew_insight *insight;
    double measured_idle_w; /* of the energy meter, between the runs; NAN: none */
    struct ew_prices *prices;
    struct ew_money_case money;
    struct ew_recommendation recommendation;  /* text NULL: nothing was wished for */
    struct ew_own_use uses[EW_MOST_OWN_USES]; /* classes of the reader's own */
    size_t n_uses;
    struct ew_report *against; /* a second store, held against this one; itself where two configurations are; NULL */
    struct ew_versus *versus;  /* of both; NULL: none */
};

/* What a reader asks of a report beyond the store. NULL members = nothing. */
struct ew_report_request {
    const char *study; /* name; NULL = the newest */
    const char *const
        *costs; /* [n_costs] of "KEY=VALUE" (insight/money_case.h); they win over the study's own `cost` */
    size_t n_costs;
    const char *prices;             /* a price list of one's own, in the form of data/api_prices.json */
    const struct ew_wishes *wishes; /* limits under which to recommend */
    const char *const *uses;        /* [n_uses] as ew_use_parse reads them, EW_MOST_OWN_USES at most */
    size_t n_uses;
    const char *against;       /* a second store to compare with */
    const char *against_study; /* its study; NULL = the newest */
    const char *compare[2];    /* two configurations of this store, by id or label; NULL = none */
    double margin;             /* up to which a difference does not count; 0 = EW_VERSUS_MARGIN */
};

/* request NULL: nothing asked. Errors: as ew_store_open and ew_store_read_study; NOT_FOUND for a study of that name
 * (the message lists what is there); as ew_money_case_set and ew_prices_open. *out: ew_report_close. */
enum ew_status ew_report_open(const char *path, const struct ew_report_request *request, struct ew_report **out,
                              struct ew_error *err);
void ew_report_close(struct ew_report **report);

/* Errors of the writers: MEMORY; IO when `out` refuses (disk full). */
enum ew_status ew_report_write_answer(const struct ew_report *report, FILE *out, const struct ew_text_style *style,
                                      struct ew_error *err); /* the words alone */
enum ew_status ew_report_write_terminal(const struct ew_report *report, FILE *out, const struct ew_text_style *style,
                                        struct ew_error *err);
enum ew_status ew_report_write_markdown(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_csv(const struct ew_report *report, FILE *out,
                                   struct ew_error *err); /* configurations */
enum ew_status ew_report_write_jsonl(const struct ew_report *report, FILE *out, struct ew_error *err); /* runs */

/* As llama-bench -o json, jsonl, csv and md would say it: mean and standard deviation, not median and interval. */
enum ew_status ew_report_write_llama_bench(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_llama_bench_lines(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_llama_bench_csv(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_llama_bench_table(const struct ew_report *report, FILE *out, struct ew_error *err);

/* The document of docs/report-data.md, which the page shows and --json prints. The caller's: json_decref. */
enum ew_status ew_report_make_json(const struct ew_report *report, struct json_t **out, struct ew_error *err);
enum ew_status ew_report_write_json(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_html(const struct ew_report *report, FILE *out, struct ew_error *err);

/* Two stores, the first as "before", the second as "after"; for reports that were opened with `against` only. The JSON
 * and the page's document have their own form: docs/report-data.md, "Two stores". */
enum ew_status ew_report_write_versus_terminal(const struct ew_report *report, FILE *out,
                                               const struct ew_text_style *style, struct ew_error *err);
enum ew_status ew_report_write_versus_markdown(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_versus_csv(const struct ew_report *report, FILE *out,
                                          struct ew_error *err); /* a row per configuration and figure */
enum ew_status ew_report_write_versus_jsonl(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_versus_json(const struct ew_report *report, FILE *out, struct ew_error *err);
enum ew_status ew_report_write_versus_html(const struct ew_report *report, FILE *out, struct ew_error *err);

/* The page around any document of that form; `title` and `plain` (shown without JavaScript) are escaped here. */
enum ew_status ew_report_write_page(const struct json_t *document, const char *title, const char *plain, FILE *out,
                                    struct ew_error *err);

#endif
