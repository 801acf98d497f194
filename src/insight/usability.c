/* See usability.h; docs/insight.md, "Pleasant to use", has the reasons. */
#include "insight/usability.h"

#include "base/error.h"
#include "study/study_value.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

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

static int meets(double most_ttft_s, double most_per_token_s, double ttft_s, double decode_tokens_per_s) {
    if (!isfinite(decode_tokens_per_s) || decode_tokens_per_s <= 0) return -1;
    if (isfinite(most_ttft_s) && !isfinite(ttft_s)) return -1;
    return (!isfinite(most_ttft_s) || ttft_s <= most_ttft_s) && 1 / decode_tokens_per_s <= most_per_token_s;
}

int ew_use_meets(enum ew_use_class use, double ttft_s, double decode_tokens_per_s) {
    return meets(thresholds[use].ttft_s, thresholds[use].time_per_token_s, ttft_s, decode_tokens_per_s);
}

int ew_use_meets_own(const struct ew_own_use *use, double ttft_s, double decode_tokens_per_s) {
    return meets(use->ttft_s, use->time_per_token_s, ttft_s, decode_tokens_per_s);
}

/* One of the two times; nothing = not asked. */
static bool parse_time(const char *text, size_t n, double *out) {
    char word[32];
    *out = INFINITY;
    if (!n) return true;
    if (n >= sizeof word) return false;
    memcpy(word, text, n);
    word[n] = 0;
    return ew_value_parse_duration(word, out) && *out > 0;
}

static void say_rule(struct ew_own_use *use) {
    char first[48] = "", then[48] = "";
    if (isfinite(use->ttft_s)) snprintf(first, sizeof first, "first token within %g s", use->ttft_s);
    if (isfinite(use->time_per_token_s)) snprintf(then, sizeof then, "%g ms per token", 1e3 * use->time_per_token_s);
    snprintf(use->rule, sizeof use->rule, "%s%s%s%s", first, *first && *then ? ", then " : "", then,
             *then ? " or less" : "");
}

enum ew_status ew_use_parse(const char *text, struct ew_own_use *out, struct ew_error *err) {
    struct ew_own_use use = {.ttft_s = INFINITY, .time_per_token_s = INFINITY};
    size_t n = strcspn(text, "=");
    const char *times = text[n] ? text + n + 1 : "", *comma = strchr(times, ',');
    size_t first = comma ? (size_t)(comma - times) : strlen(times);
    bool fits = n > 0 && n < sizeof use.name && text[n] == '=';
    if (!fits || !parse_time(times, first, &use.ttft_s) ||
        !parse_time(comma ? comma + 1 : "", comma ? strlen(comma + 1) : 0, &use.time_per_token_s) ||
        (!isfinite(use.ttft_s) && !isfinite(use.time_per_token_s)))
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "--use `%.60s`: it is not NAME=FIRST,PER_TOKEN such as kiosk=1s,200ms (name of at most %zu "
                            "bytes; one of the times may be left out)",
                            text, sizeof use.name - 1);
    memcpy(use.name, text, n);
    say_rule(&use);
    *out = use;
    return EW_OK;
}

double ew_use_reading_tokens_per_s(void) { return 1 / thresholds[EW_USE_READING].time_per_token_s; }
