/* Quality on the terminal and in Markdown: a table of all figures, and what each step of quantization costs. */
#ifndef EW_REPORT_QUALITY_TEXT_H
#define EW_REPORT_QUALITY_TEXT_H

#include "report/report.h"

/* NULL when out of memory. */
struct ew_text_table *ew_quality_table(const struct ew_insight *insight);

/* What the column called quality stands on, in one sentence of at most `size` bytes. */
void ew_quality_note(const struct ew_insight *insight, char *out, size_t size);

#endif
