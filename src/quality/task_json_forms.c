/* Owns the forms of public data sets that are lines of JSON, each with the prompt and the rules under which its figures
 * are published. Source of prompts, delimiters, stop texts and normalisation: the task definitions of
 * lm-evaluation-harness; docs/tasks.md lists them. */
#include "quality/task_reading.h"

#include <ctype.h>
#include <string.h>

/* ---- HellaSwag: artifacts of its source taken out, "ACTIVITY: CONTEXT" ---- */

/* What stays of a text in brackets-free form: white space at both ends cut, " [title]" a full stop, other brackets out,
 * two spaces one. The order of the steps matters: what brackets leave behind may be two spaces. */
static void clean_hellaswag(char *text) {
    size_t n = strlen(text), begin = 0, to = 0;
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    while (begin < n && isspace((unsigned char)text[begin])) begin++;
    memmove(text, text + begin, n - begin);
    text[n - begin] = 0;
    for (char *at = text; (at = strstr(at, " [title]")); at += 2) { /* shorter afterwards */
        memcpy(at, ". ", 2);
        memmove(at + 2, at + 8, strlen(at + 8) + 1);
    }
    for (size_t i = 0; text[i]; i++) {
        const char *close = text[i] == '[' ? strchr(text + i, ']') : NULL;
        if (close && !memchr(text + i, '\n', (size_t)(close - text) - i))
            i = (size_t)(close - text);
        else
            text[to++] = text[i];
    }
    text[to] = 0;
    to = 0;
    for (size_t i = 0; text[i]; i++) {
        text[to++] = text[i];
        if (text[i] == ' ' && text[i + 1] == ' ') i++;
    }
    text[to] = 0;
}

static enum ew_status read_hellaswag(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const char *activity, *ctx_a, *ctx_b;
    enum ew_status status = ew_task_text(r, object, "activity_label", false, &activity);
    if (status == EW_OK) status = ew_task_text(r, object, "ctx_a", true, &ctx_a);
    if (status == EW_OK) status = ew_task_text(r, object, "ctx_b", true, &ctx_b);
    if (status == EW_OK) status = ew_task_texts(r, object, "endings", 2, &item.endings, &item.n_endings);
    if (status == EW_OK) status = ew_task_number(r, object, "label", 0, item.n_endings - 1, &item.answer);
    if (status != EW_OK) return status;
    /* The set's own copies: nobody else has them yet. */
    char *b = (char *)ctx_b;
    for (size_t i = 0; b[i]; i++) b[i] = (char)(i == 0 ? toupper((unsigned char)b[i]) : tolower((unsigned char)b[i]));
    item.context = ew_task_set_print(r->set, "%s: %s %s", activity, ctx_a, b);
    if (!item.context) return ew_task_no_memory(r);
    clean_hellaswag((char *)item.context);
    for (uint32_t i = 0; i < item.n_endings; i++) {
        clean_hellaswag((char *)item.endings[i]);
        if (item.endings[i][0] == 0) return ew_task_refuse(r, "`endings[%u]` is empty without its brackets", i);
    }
    return ew_task_add_item(r, item, "", "");
}

/* ---- questions with choices ---- */

/* "query", "choices", "gold". A query that asks gets its "Answer:", as ARC and PIQA are asked; others go on. */
static enum ew_status read_choices(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    enum ew_status status = ew_task_text(r, object, "query", false, &item.context);
    if (status == EW_OK) status = ew_task_texts(r, object, "choices", 2, &item.endings, &item.n_endings);
    if (status == EW_OK) status = ew_task_number(r, object, "gold", 0, item.n_endings - 1, &item.answer);
    if (status != EW_OK) return status;
    if (strncmp(item.context, "Question:", 9) == 0) {
        size_t n = strlen(item.context);
        while (n > 0 && item.context[n - 1] == '\n') n--;
        item.context = ew_task_set_print(r->set, "%.*s\nAnswer:", (int)n, item.context);
        if (!item.context) return ew_task_no_memory(r);
    }
    return ew_task_add_item(r, item, "", "");
}

/* ARC as published: choices with labels, the key is one of these. */
static enum ew_status read_arc(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const json_t *choices = json_object_get(object, "choices");
    const char *question, *key;
    const char *const *labels;
    uint32_t n_labels;
    enum ew_status status = ew_task_text(r, object, "question", false, &question);
    if (status == EW_OK) status = ew_task_texts(r, choices, "text", 2, &item.endings, &item.n_endings);
    if (status == EW_OK) status = ew_task_texts(r, choices, "label", 2, &labels, &n_labels);
    if (status == EW_OK) status = ew_task_text(r, object, "answerKey", false, &key);
    if (status != EW_OK) return status;
    int answer = ew_task_name_index(labels, (int)n_labels, key);
    if (n_labels != item.n_endings)
        return ew_task_refuse(r, "%u texts and %u labels: must be as many", item.n_endings, n_labels);
    if (answer < 0) return ew_task_refuse(r, "`answerKey` is \"%.20s\": must be one of the labels", key);
    item.answer = (uint32_t)answer;
    item.context = ew_task_set_print(r->set, "Question: %s\nAnswer:", question);
    return item.context ? ew_task_add_item(r, item, "", "") : ew_task_no_memory(r);
}

/* Two texts as a list that lives as long as the set. */
static enum ew_status pair(const struct ew_task_reading *r, const char *first, const char *second,
                           const char *const **out) {
    const char **texts = ew_task_set_take(r->set, 2 * sizeof *texts);
    if (!texts || !first || !second) return ew_task_no_memory(r);
    texts[0] = first;
    texts[1] = second;
    *out = texts;
    return EW_OK;
}

static enum ew_status read_piqa(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {.n_endings = 2};
    const char *goal, *first, *second;
    enum ew_status status = ew_task_text(r, object, "goal", false, &goal);
    if (status == EW_OK) status = ew_task_text(r, object, "sol1", false, &first);
    if (status == EW_OK) status = ew_task_text(r, object, "sol2", false, &second);
    if (status == EW_OK) status = ew_task_number(r, object, "label", 0, 1, &item.answer);
    if (status == EW_OK) status = pair(r, first, second, &item.endings);
    if (status != EW_OK) return status;
    item.context = ew_task_set_print(r->set, "Question: %s\nAnswer:", goal);
    return item.context ? ew_task_add_item(r, item, "", "") : ew_task_no_memory(r);
}

static enum ew_status read_boolq(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {.n_endings = 2};
    const json_t *answer = json_object_get(object, "answer");
    const char *passage, *question;
    enum ew_status status = ew_task_text(r, object, "passage", false, &passage);
    if (status == EW_OK) status = ew_task_text(r, object, "question", false, &question);
    if (status == EW_OK && !json_is_boolean(answer)) status = ew_task_refuse(r, "`answer` must be true or false");
    if (status == EW_OK) status = pair(r, "no", "yes", &item.endings);
    if (status != EW_OK) return status;
    item.answer = json_is_true(answer);
    item.context = ew_task_set_print(r->set, "%s\nQuestion: %s?\nAnswer:", passage, question);
    return item.context ? ew_task_add_item(r, item, "", "") : ew_task_no_memory(r);
}

/* ---- the same words behind different beginnings ---- */

static enum ew_status add_beginnings(struct ew_task_reading *r, struct ew_task_item item, const char *ending) {
    const char **endings = ew_task_set_take(r->set, item.n_endings * sizeof *endings);
    if (!endings) return ew_task_no_memory(r);
    for (uint32_t i = 0; i < item.n_endings; i++) endings[i] = ending;
    item.endings = endings;
    return ew_task_add_item(r, item, "", "");
}

static enum ew_status read_context_options(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const char *ending = NULL;
    enum ew_status status = ew_task_texts(r, object, "context_options", 2, &item.contexts, &item.n_endings);
    if (status == EW_OK) status = ew_task_text(r, object, "continuation", false, &ending);
    if (status == EW_OK) status = ew_task_number(r, object, "gold", 0, item.n_endings - 1, &item.answer);
    return status == EW_OK ? add_beginnings(r, item, ending) : status;
}

/* "answer" counts from 1; the gap is an underscore. */
static enum ew_status read_winogrande(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {.n_endings = 2};
    const char *sentence, *first, *second;
    enum ew_status status = ew_task_text(r, object, "sentence", false, &sentence);
    if (status == EW_OK) status = ew_task_text(r, object, "option1", false, &first);
    if (status == EW_OK) status = ew_task_text(r, object, "option2", false, &second);
    if (status == EW_OK) status = ew_task_number(r, object, "answer", 1, 2, &item.answer);
    if (status != EW_OK) return status;
    item.answer--;
    const char *gap = strchr(sentence, '_');
    if (!gap) return ew_task_refuse(r, "`sentence` has no gap: must have an underscore");
    const char *ending = gap + 1;
    while (isspace((unsigned char)*ending)) ending++;
    size_t n = strlen(ending);
    while (n > 0 && isspace((unsigned char)ending[n - 1])) n--;
    if (n == 0) return ew_task_refuse(r, "`sentence` has nothing behind its gap, and that is what is scored");
    int before = (int)(gap - sentence);
    status = pair(r, ew_task_set_print(r->set, "%.*s%s", before, sentence, first),
                  ew_task_set_print(r->set, "%.*s%s", before, sentence, second), &item.contexts);
    ending = status == EW_OK ? ew_task_set_copy(r->set, ending, n) : NULL;
    return ending ? add_beginnings(r, item, ending) : ew_task_no_memory(r);
}

/* ---- last words and written answers ---- */

static enum ew_status add_answer(struct ew_task_reading *r, struct ew_task_item item, const char *answer) {
    const char **one = ew_task_set_take(r->set, sizeof *one);
    if (!one || !answer) return ew_task_no_memory(r);
    *one = answer;
    item.endings = one;
    item.n_endings = 1;
    return ew_task_add_item(r, item, "", "");
}

static enum ew_status read_lambada(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const char *word = NULL;
    enum ew_status status = ew_task_text(r, object, "context", false, &item.context);
    if (status == EW_OK) status = ew_task_text(r, object, "continuation", false, &word);
    return status == EW_OK ? add_answer(r, item, word) : status;
}

static enum ew_status read_lambada_text(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const char *text;
    enum ew_status status = ew_task_text(r, object, "text", false, &text);
    if (status != EW_OK) return status;
    const char *gap = strrchr(text, ' ');
    if (!gap || gap == text || gap[1] == 0) return ew_task_refuse(r, "`text` must have a last word, behind a space");
    item.context = ew_task_set_copy(r->set, text, (size_t)(gap - text));
    return item.context ? add_answer(r, item, gap + 1) : ew_task_no_memory(r);
}

static enum ew_status read_gsm8k(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    const char *question, *number = NULL;
    enum ew_status status = ew_task_text(r, object, "question", false, &question);
    if (status == EW_OK) status = ew_task_text(r, object, "answer", false, &item.worked);
    if (status != EW_OK) return status;
    for (const char *at = item.worked; (at = strstr(at, "#### ")); at += 5) number = at + 5;
    if (!number || !*number) return ew_task_refuse(r, "`answer` must end with its number behind \"#### \"");
    item.context = ew_task_set_print(r->set, "Question: %s\nAnswer:", question);
    return item.context ? add_answer(r, item, number) : ew_task_no_memory(r);
}

/* The example shows the answer; any of the aliases counts. */
static enum ew_status read_triviaqa(struct ew_task_reading *r, const json_t *object) {
    struct ew_task_item item = {0};
    enum ew_status status = ew_task_text(r, object, "context", false, &item.context);
    if (status == EW_OK) status = ew_task_text(r, object, "answer", false, &item.worked);
    if (status == EW_OK) status = ew_task_texts(r, object, "aliases", 1, &item.endings, &item.n_endings);
    return status == EW_OK ? ew_task_add_item(r, item, "", "") : status;
}

/* ---- the table ---- */

#define CHOICE(length)                                                                                                 \
    { .kind = EW_TASK_CHOICE, .normalize = length, .delimiter = " ", .separator = "\n\n" }
#define WRITTEN(how, most, ...)                                                                                        \
    {                                                                                                                  \
        .kind = EW_TASK_GENERATE, .delimiter = " ", .separator = "\n\n", .n_most = most, .match = how, .stop = {       \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define OWN                                                                                                            \
    { .kind = EW_TASK_KINDS, .delimiter = " ", .separator = "\n\n", .n_most = EW_TASK_DEFAULT_TOKENS }
#define LAST_WORD                                                                                                      \
    { .kind = EW_TASK_LAST_WORD, .delimiter = " ", .separator = "\n\n" }

/* Forms with more members come before forms whose members they have, too. */
const struct ew_task_json_form ew_task_json_forms[] = {
    {"edgewise", "the project's own form", {"task"}, OWN, ew_task_read_own},
    {"edgewise", "the project's own form", {"kind"}, OWN, ew_task_read_own},
    {"hellaswag", "HellaSwag", {"activity_label", "ctx_a", "ctx_b"}, CHOICE(EW_TASK_BY_CHAR), read_hellaswag},
    {"choices", "query, choices, gold", {"query", "choices", "gold"}, CHOICE(EW_TASK_BY_NONE), read_choices},
    {"arc", "ARC", {"question", "choices", "answerKey"}, CHOICE(EW_TASK_BY_CHAR), read_arc},
    {"piqa", "PIQA", {"goal", "sol1", "sol2"}, CHOICE(EW_TASK_BY_CHAR), read_piqa},
    {"boolq", "BoolQ", {"passage", "question", "answer"}, CHOICE(EW_TASK_BY_NONE), read_boolq},
    {"context_options",
     "context_options, continuation, gold",
     {"context_options", "continuation", "gold"},
     CHOICE(EW_TASK_BY_NONE),
     read_context_options},
    {"winogrande", "WinoGrande", {"sentence", "option1", "option2"}, CHOICE(EW_TASK_BY_NONE), read_winogrande},
    {"lambada", "LAMBADA", {"context", "continuation"}, LAST_WORD, read_lambada},
    {"triviaqa",
     "TriviaQA",
     {"context", "answer", "aliases"},
     WRITTEN(EW_TASK_MATCH_TEXT, EW_TASK_DEFAULT_TOKENS, "\n", ".", ","),
     read_triviaqa},
    {"gsm8k",
     "GSM8K",
     {"question", "answer"},
     WRITTEN(EW_TASK_MATCH_NUMBER, EW_TASK_DEFAULT_TOKENS, "Question:", "</s>", "<|im_end|>"),
     read_gsm8k},
    {"lambada_text", "LAMBADA, whole texts", {"text"}, LAST_WORD, read_lambada_text},
};
const size_t ew_task_json_form_count = sizeof ew_task_json_forms / sizeof *ew_task_json_forms;
