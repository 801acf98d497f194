/* Owns the way from the pre_tokenizer of a tokenizer.json to a name in tokenizer.ggml.pre. The steps are written in a
 * line, which is looked up; what cuts text the same way has one name here (src/token/pretokenize.c lists the others).
 * Patterns: as the models' publishers state them in tokenizer.json. */
#include "convert/tokenizer_json.h"

#include <stdio.h>
#include <string.h>

#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3(digits) CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES
#define CASED(suffix, digits)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" suffix                 \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" suffix "|" digits     \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

static const struct {
    const char *steps, *name;
    const char *ignoring; /* the name where words of the vocabulary are not merged; NULL: no name for that */
} known[] = {
    {"bytes+words", "gpt-2", NULL},
    {"split " GPT2 ";bytes", "gpt-2", NULL},
    {"digits;bytes+words", "starcoder", NULL},
    {"bytes+words;digits", "starcoder", NULL},
    {"split " LLAMA3("\\p{N}{1,3}") ";bytes", "smaug-bpe", "llama-bpe"},
    {"split " LLAMA3("\\p{N}") ";bytes", "qwen2", NULL},
    {"split " CASED("", "\\p{N}") ";bytes", NULL, "tekken"},
    {"split " CASED("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "\\p{N}{1,3}") ";bytes", "gpt-4o", NULL},
};

/* A pattern with its line ends spelled out: files have them as characters as often as in the pattern's own spelling. */
static void spell(const char *pattern, char *buf, size_t capacity) {
    size_t used = 0;
    for (; *pattern && used + 3 < capacity; pattern++) {
        const char *spelled = *pattern == '\r' ? "\\r" : *pattern == '\n' ? "\\n" : NULL;
        if (spelled)
            used += (size_t)snprintf(buf + used, capacity - used, "%s", spelled);
        else
            buf[used++] = *pattern;
    }
    buf[used] = 0;
}

/* One step's words; false for a step that is not known. */
static bool describe(const json_t *step, char *buf, size_t capacity) {
    const char *type = json_string_value(json_object_get(step, "type"));
    const json_t *pattern = json_object_get(json_object_get(step, "pattern"), "Regex");
    if (!type) return false;
    if (strcmp(type, "ByteLevel") == 0) {
        bool words = !json_is_false(json_object_get(step, "use_regex"));
        return snprintf(buf, capacity, "%s", words ? "bytes+words" : "bytes") > 0;
    }
    if (strcmp(type, "Digits") == 0 && json_is_true(json_object_get(step, "individual_digits")))
        return snprintf(buf, capacity, "digits") > 0;
    const char *behavior = json_string_value(json_object_get(step, "behavior"));
    bool cuts = behavior && (strcmp(behavior, "Isolated") == 0 ||
                             (strcmp(behavior, "Removed") == 0 && json_is_true(json_object_get(step, "invert"))));
    if (strcmp(type, "Split") != 0 || !cuts || !json_is_string(pattern)) return false;
    int used = snprintf(buf, capacity, "split ");
    spell(json_string_value(pattern), buf + used, capacity - (size_t)used);
    return true;
}

const char *ew_tokenizer_json_pre(const json_t *root) {
    char steps[2048], *at = steps;
    const json_t *pre = json_object_get(root, "pre_tokenizer"), *list = json_object_get(pre, "pretokenizers");
    size_t n = json_is_array(list) ? json_array_size(list) : 1;
    for (size_t i = 0; i < n; i++) {
        size_t left = sizeof steps - (size_t)(at - steps);
        if (left < 64) return NULL;
        if (i > 0) *at++ = ';';
        if (!describe(json_is_array(list) ? json_array_get(list, i) : pre, at, left - 1)) return NULL;
        at += strlen(at);
    }
    bool ignoring = json_is_true(json_object_get(json_object_get(root, "model"), "ignore_merges"));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].steps, steps) == 0)
            return ignoring && known[i].ignoring ? known[i].ignoring
                   : known[i].name               ? known[i].name
                                                 : known[i].ignoring;
    return NULL;
}
