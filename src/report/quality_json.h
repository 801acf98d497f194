/* The document's parts about what models know: figures, the cost of each step of quantization, answers to prompts. */
#ifndef EW_REPORT_QUALITY_JSON_H
#define EW_REPORT_QUALITY_JSON_H

#include "report/report.h"

/* `quality`: what the one number stands on. */
struct json_t *ew_quality_json(const struct ew_insight *insight);
/* `qualities`, `quality_steps`, `answers_to_prompts`: lists, empty where nothing was measured. */
struct json_t *ew_qualities_json(const struct ew_insight *insight);
struct json_t *ew_quality_steps_json(const struct ew_insight *insight);
struct json_t *ew_prompt_answers_json(const struct ew_insight *insight);

/* Keys of one configuration: its file, its quality with interval, and what that costs. */
struct json_t *ew_config_quality_json(const struct ew_insight_config *config);

#endif
