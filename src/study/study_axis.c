/* Owns the table of knobs and the syntax of their values. What the machine can do is checked in study_plan.c. */
#include "study/study_axis.h"
#include "study/core_set.h"
#include "study/study_value.h"

#include <stdio.h>
#include <string.h>

/* In the order of enum ew_weights_layout and enum ew_study_load. */
static const char *const layouts[] = {"auto", "mapped", "packed", "side_file", NULL};
static const char *const loads[] = {"warm", "cold", NULL};
/* Names of ew_kv_by_name, which the trial reads them with; keys and values differ where one of them is known to
 * suffer. */
static const char *const kv_types[] = {"f16", "q8_0", "f32", "q8_0/f16", "f16/q8_0", NULL};
/* Words of ew_draft_parse, which the trial reads them with. */
static const char *const drafts[] = {"off", "auto", "1",  "2",  "3",  "4",  "5",  "6",  "7",
                                     "8",   "9",    "10", "11", "12", "13", "14", "15", NULL};
/* What this build has. */
static const char *const backends[] = {"cpu", NULL};

enum { MAX_TOKENS = 1 << 20, MAX_THREADS = 4096, DAY_MS = 86400000, SECOND_US = 1000000 };

const struct ew_axis_info ew_study_axis_table[EW_AXES] = {
    [EW_AXIS_THREADS] = {"threads", EW_KIND_THREADS, 1, MAX_THREADS, NULL, EW_STUDY_ALL, false},
    [EW_AXIS_PREFILL_THREADS] = {"prefill_threads", EW_KIND_THREADS, 1, MAX_THREADS, NULL, EW_STUDY_ALL, false},
    [EW_AXIS_DECODE_THREADS] = {"decode_threads", EW_KIND_THREADS, 1, MAX_THREADS, NULL, EW_STUDY_ALL, false},
    [EW_AXIS_PROMPT_TOKENS] = {"prompt_tokens", EW_KIND_COUNT, 1, MAX_TOKENS, NULL, 512, false},
    [EW_AXIS_GENERATE_TOKENS] = {"generate_tokens", EW_KIND_COUNT, 2, MAX_TOKENS, NULL, 128, false},
    [EW_AXIS_DEPTH] = {"depth", EW_KIND_COUNT, 0, MAX_TOKENS, NULL, 0, false},
    [EW_AXIS_LAYOUT] = {"layout", EW_KIND_CHOICE, 0, 0, layouts, 0, false},
    [EW_AXIS_BATCH] = {"batch", EW_KIND_COUNT, 0, MAX_TOKENS, NULL, 0, false},
    [EW_AXIS_CORES] = {"cores", EW_KIND_CORES, 0, 0, NULL, EW_STUDY_ALL, false},
    [EW_AXIS_SUSTAINED] = {"sustained", EW_KIND_DURATION, 0, DAY_MS, NULL, 0, false},
    [EW_AXIS_LOAD] = {"load", EW_KIND_CHOICE, 0, 0, loads, EW_STUDY_AS_IS, false},
    [EW_AXIS_BACKEND] = {"backend", EW_KIND_CHOICE, 0, 0, backends, 0, false},
    [EW_AXIS_KV] = {"kv", EW_KIND_CHOICE, 0, 0, kv_types, 0, false},
    [EW_AXIS_SPECULATE] = {"speculate", EW_KIND_CHOICE, 0, 0, drafts, 0, false},
    [EW_AXIS_SPIN] = {"spin", EW_KIND_COUNT, 0, SECOND_US, NULL, EW_STUDY_SPIN_US, false},
    [EW_AXIS_GOVERNOR] = {"governor", EW_KIND_WORD, 0, 0, NULL, EW_STUDY_AS_IS, true},
    [EW_AXIS_FREQUENCY_CAP] = {"frequency_cap", EW_KIND_HERTZ, 0, 0, NULL, EW_STUDY_AS_IS, true},
    [EW_AXIS_POWER_MODE] = {"power_mode", EW_KIND_WORD, 0, 0, NULL, EW_STUDY_AS_IS, true},
    [EW_AXIS_EPP] = {"epp", EW_KIND_WORD, 0, 0, NULL, EW_STUDY_AS_IS, true},
    [EW_AXIS_MODEL] = {"model", EW_KIND_WORD, 0, 0, NULL, EW_STUDY_AS_IS, false},
    [EW_AXIS_TYPE] = {"type", EW_KIND_WORD, 0, 0, NULL, EW_STUDY_AS_IS, false},
};

bool ew_study_axis_find(const char *name, enum ew_study_axis *out) {
    for (int i = 0; i < EW_AXES; i++) {
        if (strcmp(ew_study_axis_table[i].name, name) != 0) continue;
        *out = (enum ew_study_axis)i;
        return true;
    }
    return false;
}

static bool parse_choice(const struct ew_axis_info *info, const char *text, int64_t *out, char *why, size_t capacity) {
    size_t n = 0;
    while (info->choice[n]) n++;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(info->choice[i], text) != 0) continue;
        *out = (int64_t)i;
        return true;
    }
    if (info->choice == backends) {
        snprintf(why, capacity, "`%.80s` is not in this build, which has only %s", text, info->choice[0]);
        return false;
    }
    size_t used = (size_t)snprintf(why, capacity, "`%.80s` is not ", text);
    for (size_t i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(why + used, capacity - used, "%s%s",
                                 i == 0       ? ""
                                 : i + 1 == n ? " or "
                                              : ", ",
                                 info->choice[i]);
    return false;
}

static bool parse_number(const struct ew_axis_info *info, const char *text, int64_t *out, char *why, size_t capacity) {
    if (ew_value_parse_int(text, out) && *out >= info->low && *out <= info->high) return true;
    if (info->kind == EW_KIND_THREADS)
        snprintf(why, capacity, "`%.80s` is not a number of threads (1 or more, or all)", text);
    else
        snprintf(why, capacity, "`%.80s` is not a whole number from %lld to %lld", text, (long long)info->low,
                 (long long)info->high);
    return false;
}

static bool parse_duration(const struct ew_axis_info *info, const char *text, int64_t *out, char *why,
                           size_t capacity) {
    double seconds;
    if (strcmp(text, "none") == 0) {
        *out = 0;
        return true;
    }
    if (!ew_value_parse_duration(text, &seconds)) {
        snprintf(why, capacity, "`%.80s` is not a duration (such as 500 ms, 30 s, 2 min, 1 h)", text);
        return false;
    }
    *out = (int64_t)(seconds * 1000 + 0.5);
    if (*out <= info->high) return true;
    snprintf(why, capacity, "%.80s is outside 0 s to %lld s", text, (long long)info->high / 1000);
    return false;
}

bool ew_study_axis_parse(enum ew_study_axis axis, const char *text, int64_t *out, char *why, size_t capacity) {
    const struct ew_axis_info *info = &ew_study_axis_table[axis];
    *out = 0;
    bool all = info->kind == EW_KIND_THREADS || info->kind == EW_KIND_CORES;
    if (all && strcmp(text, "all") == 0) {
        *out = EW_STUDY_ALL;
        return true;
    }
    if (info->by_device && strcmp(text, "as_is") == 0) {
        *out = EW_STUDY_AS_IS;
        return true;
    }
    switch (info->kind) {
    case EW_KIND_THREADS:
    case EW_KIND_COUNT: return parse_number(info, text, out, why, capacity);
    case EW_KIND_CHOICE: return parse_choice(info, text, out, why, capacity);
    case EW_KIND_DURATION: return parse_duration(info, text, out, why, capacity);
    case EW_KIND_HERTZ:
        if (ew_value_parse_frequency(text, out)) return true;
        snprintf(why, capacity, "`%.80s` is not a frequency (such as 1.5 GHz, 800 MHz, or as_is)", text);
        return false;
    case EW_KIND_CORES:
        if (ew_core_set_is_name(text) || ew_core_set_parse(text, NULL)) return true;
        snprintf(why, capacity, "`%.80s` is not a set of cores (all, big, little, or a list such as 0-3 or \"0,2\")",
                 text);
        return false;
    case EW_KIND_WORD:
        if (*text && strlen(text) < 64) return true;
        snprintf(why, capacity, "`%.80s` has %zu bytes (1 to 63)", text, strlen(text));
        return false;
    }
    return false;
}

void ew_study_axis_print(enum ew_study_axis axis, int64_t value, const char *word, char *buf, size_t capacity) {
    const struct ew_axis_info *info = &ew_study_axis_table[axis];
    if (value == EW_STUDY_ALL) {
        snprintf(buf, capacity, "all");
    } else if (value == EW_STUDY_AS_IS) {
        snprintf(buf, capacity, "as_is");
    } else if (info->kind == EW_KIND_CHOICE) {
        snprintf(buf, capacity, "%s", info->choice[value]);
    } else if (info->kind == EW_KIND_DURATION) {
        ew_value_print_duration((double)value / 1000, buf, (int)capacity);
    } else if (info->kind == EW_KIND_HERTZ) {
        snprintf(buf, capacity, "%g MHz", (double)value / 1e6);
    } else if (info->kind == EW_KIND_CORES || info->kind == EW_KIND_WORD) {
        snprintf(buf, capacity, "%s", word ? word : "");
    } else {
        snprintf(buf, capacity, "%lld", (long long)value);
    }
}
