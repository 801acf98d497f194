/* See usability.h; docs/insight.md, "Pleasant to use", has the reasons. */
#include "insight/usability.h"

#include <math.h>

/* English text in the usual vocabularies (32,000 and up) takes about 4 tokens for 3 words. */
#define TOKENS_PER_WORD (4.0 / 3.0)
#define PER_TOKEN(words_per_minute) (60.0 / ((words_per_minute)*TOKENS_PER_WORD))

static const struct ew_use_threshold thresholds[EW_USE_CLASSES] = {
    [EW_USE_INTERACTIVE] = {"interactive", "Interactive", "first token within 0.5 s, then 30 ms per token or less",
                            "MLPerf Inference v5.1, Llama 3.1 8B interactive", 0.5, 0.030},
    [EW_USE_CONVERSATIONAL] = {"conversational", "Conversational",
                               "first token within 2 s, then 100 ms per token or less",
                               "MLPerf Inference v5.1, Llama 3.1 8B server", 2.0, 0.100},
    [EW_USE_READING] = {"reading", "Reading along", "5.3 tokens/s or more: 238 words/min at 4 tokens per 3 words",
                        "Brysbaert 2019, silent reading of English non-fiction", INFINITY, PER_TOKEN(238)},
    [EW_USE_SPEECH] = {"speech", "Speech", "3.3 tokens/s or more: 150 words/min at 4 tokens per 3 words",
                       "usual rate of spoken English", INFINITY, PER_TOKEN(150)},
};

const struct ew_use_threshold *ew_use_threshold(enum ew_use_class use) { return &thresholds[use]; }

int ew_use_meets(enum ew_use_class use, double ttft_s, double decode_tokens_per_s) {
    const struct ew_use_threshold *t = &thresholds[use];
    if (!isfinite(decode_tokens_per_s) || decode_tokens_per_s <= 0) return -1;
    if (isfinite(t->ttft_s) && !isfinite(ttft_s)) return -1;
    return (!isfinite(t->ttft_s) || ttft_s <= t->ttft_s) && 1 / decode_tokens_per_s <= t->time_per_token_s;
}

double ew_use_reading_tokens_per_s(void) { return 1 / thresholds[EW_USE_READING].time_per_token_s; }
