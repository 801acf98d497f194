/* Costs as a table; docs/insight.md, "Money", has the formulas. */
#ifndef EW_REPORT_MONEY_TABLE_H
#define EW_REPORT_MONEY_TABLE_H

#include "report/report.h"

/* Whether there is a case to print: a price and a lifetime. */
bool ew_money_is_stated(const struct ew_report *report);

/* NULL when out of memory. */
struct ew_text_table *ew_money_table(const struct ew_report *report);

/* One line below it: currency, rent and its date, and what was not stated and so is missing above. */
void ew_money_note(const struct ew_report *report, FILE *out);

#endif
