/* The document's parts about money, memory over context and wishes; the sums are insight's. */
#ifndef EW_REPORT_MONEY_JSON_H
#define EW_REPORT_MONEY_JSON_H

#include "report/report.h"

/* `money`: the case as stated, what it gives per configuration, and the price lists for the page's own sums. */
struct json_t *ew_money_json(const struct ew_report *report);

/* `context` of one configuration, or null where its ledger is not known. */
struct json_t *ew_context_json(const struct ew_insight_config *config);

/* `recommended`, or null where nothing was wished for. */
struct json_t *ew_recommended_json(const struct ew_report *report);

#endif
