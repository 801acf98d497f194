/* Every form of a task: small files written by hand, and what must come of them by the public definitions of the data
 * sets' figures (task definitions of lm-evaluation-harness, llama.cpp's perplexity tool, TruthfulQA's evaluation); what
 * is damaged is refused by file, line, value and rule. */
#include "quality/task_prompts.h"
#include "quality/task_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/edgewise-tasks-XXXXXX", path[256];

static int set_up(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return rmdir(folder); /* fails where a test left its file behind */
}

static void write_file(const char *name, const char *text) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* format NULL: recognised by what is in it. */
static struct ew_task_set *read_text(const char *name, const char *text, const char *format) {
    struct ew_task_set *set = NULL;
    struct ew_error err = {0};
    write_file(name, text);
    enum ew_status status = ew_task_open(path, format, &set, &err);
    unlink(path);
    if (status != EW_OK) fail_msg("%s", err.message);
    return set;
}

/* The message has each of the words, NULL after the last. */
static void expect_refused(const char *name, const char *text, const char *format, enum ew_status expected,
                           const char *const words[]) {
    struct ew_task_set *set = NULL;
    struct ew_error err = {0};
    write_file(name, text);
    enum ew_status status = ew_task_open(path, format, &set, &err);
    unlink(path);
    if (status != expected) fail_msg("`%s`: status %d (%s), expected %d", text, status, err.message, expected);
    assert_null(set);
    for (int i = 0; words[i]; i++)
        if (!strstr(err.message, words[i])) fail_msg("`%s` does not say `%s`", err.message, words[i]);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_endings(const struct ew_task_item *item, const char *const expected[]) {
    uint32_t n = 0;
    for (; expected[n]; n++) {
        assert_true(n < item->n_endings);
        assert_string_equal(item->endings[n], expected[n]);
    }
    assert_int_equal(item->n_endings, n);
}

static void expect_item(const struct ew_task_set *set, size_t i, const char *context, const char *const endings[],
                        uint32_t answer) {
    assert_true(i < set->n_items);
    const struct ew_task_item *item = &set->items[i];
    assert_null(item->contexts);
    assert_string_equal(item->context, context);
    expect_endings(item, endings);
    assert_int_equal(item->answer, answer);
}

static void expect_stops(const struct ew_task_rules *rules, const char *const expected[]) {
    int n = 0;
    for (; expected[n]; n++) assert_string_equal(rules->stop[n], expected[n]);
    assert_null(rules->stop[n]);
}

/* A set of choices whose endings stand behind a space. */
static void expect_choice(const struct ew_task_set *set, size_t n_items, enum ew_task_length by) {
    assert_int_equal(set->n_items, n_items);
    assert_int_equal(set->rules.kind, EW_TASK_CHOICE);
    assert_int_equal(set->rules.normalize, by);
    assert_string_equal(set->rules.delimiter, " ");
    assert_string_equal(set->rules.separator, "\n\n");
}

/* ---- the project's own form ---- */

static void test_own_choices_with_a_header(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("own.jsonl",
                  "{\"task\": \"pets\", \"kind\": \"choice\", \"normalize\": \"byte\", \"delimiter\": \"\", "
                  "\"separator\": \"\\n\", \"preamble\": \"About pets.\\n\"}\n"
                  "\n"
                  "{\"context\": \"A cat\", \"endings\": [\" barks.\", \" mews.\"], \"answer\": 1}\r\n"
                  "{\"group\": \"dogs\", \"context\": \"\", \"endings\": [\"a\", \"b\", \"c\"], \"answer\": \"2\"}\n"
                  "{\"contexts\": [\"The cat\", \"The dog\"], \"ending\": \"purrs\", \"answer\": 0}",
                  NULL);
    assert_string_equal(set->name, "pets");
    assert_int_equal(set->rules.kind, EW_TASK_CHOICE);
    assert_int_equal(set->rules.normalize, EW_TASK_BY_BYTE);
    assert_string_equal(set->rules.delimiter, "");
    assert_string_equal(set->rules.separator, "\n");
    assert_int_equal(set->n_items, 3);
    expect_item(set, 0, "A cat", WORDS(" barks.", " mews."), 1);
    expect_item(set, 1, "", WORDS("a", "b", "c"), 2);
    expect_endings(&set->items[2], WORDS("purrs", "purrs"));
    assert_null(set->items[2].context);
    assert_string_equal(set->items[2].contexts[0], "The cat");
    assert_string_equal(set->items[2].contexts[1], "The dog");
    assert_int_equal(set->items[0].line, 3); /* empty lines count as lines */
    assert_int_equal(set->items[2].line, 5);
    assert_string_equal(set->groups[set->items[0].group].name, "");
    assert_string_equal(set->groups[set->items[1].group].name, "dogs");
    assert_string_equal(set->groups[set->items[1].group].preamble, "About pets.\n");
    assert_int_equal(set->items[2].group, set->items[0].group);
    ew_task_set_close(&set);
}

static void test_own_items_without_a_header(void **state) {
    (void)state;
    struct ew_task_set *set = read_text("truths.jsonl",
                                        "{\"kind\": \"choice_multi\", \"context\": \"Q\", \"endings\": [\"a\", \"b\", "
                                        "\"c\"], \"answers\": [2, 0]}\n"
                                        "{\"context\": \"R\", \"endings\": [\"a\", \"b\", \"c\"], \"answers\": [0, 1], "
                                        "\"answer\": 1}\n",
                                        NULL);
    assert_string_equal(set->name, "truths");
    assert_int_equal(set->rules.kind, EW_TASK_CHOICE_MULTI);
    expect_item(set, 0, "Q", WORDS("a", "b", "c"), 2);
    expect_item(set, 1, "R", WORDS("a", "b", "c"), 1);
    assert_true(set->items[0].is_true[0] && !set->items[0].is_true[1] && set->items[0].is_true[2]);
    ew_task_set_close(&set);

    set = read_text("words.jsonl", "{\"kind\": \"last_word\", \"context\": \"To be or not to\", \"ending\": \"be\"}\n",
                    NULL);
    assert_int_equal(set->rules.kind, EW_TASK_LAST_WORD);
    expect_item(set, 0, "To be or not to", WORDS("be"), 0);
    ew_task_set_close(&set);
}

static void test_own_written_answers(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("sums.jsonl",
                  "{\"task\": \"sums\", \"kind\": \"generate\", \"match\": \"number\", \"tokens\": 12, \"stop\": "
                  "[\"\\n\", \"Q:\"]}\n"
                  "{\"context\": \"2 + 2 =\", \"answer\": \"4\"}\n"
                  "{\"context\": \"3 + 3 =\", \"answer\": [\"6\", \"six\"], \"worked\": \"3, 4, 5, 6\"}\n",
                  NULL);
    assert_int_equal(set->rules.kind, EW_TASK_GENERATE);
    assert_int_equal(set->rules.match, EW_TASK_MATCH_NUMBER);
    assert_int_equal(set->rules.n_most, 12);
    expect_stops(&set->rules, WORDS("\n", "Q:"));
    expect_item(set, 0, "2 + 2 =", WORDS("4"), 0);
    expect_item(set, 1, "3 + 3 =", WORDS("6", "six"), 0);
    assert_null(set->items[0].worked);
    assert_string_equal(set->items[1].worked, "3, 4, 5, 6");
    ew_task_set_close(&set);
}

static void test_own_form_damaged(void **state) {
    (void)state;
#define ITEM "{\"kind\": \"choice\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": 0}\n"
    static const struct {
        const char *text, *words[4];
    } cases[] = {
        {ITEM "{\"context\": \"c\", \"answer\": 0}\n", {"line 2", "`endings`", "missing"}},
        {ITEM "{\"endings\": [\"a\", \"b\"], \"answer\": 0}\n", {"line 2", "`context`", "missing"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"]}\n", {"line 2", "`answer`", "missing"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": 2}\n",
         {"line 2", "`answer` is 2", "0 to 1"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": -1}\n", {"`answer` is -1", "0 to 1"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": \"-1\"}\n", {"\"-1\"", "0 to 1"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": \"1x\"}\n", {"\"1x\"", "0 to 1"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": 0.5}\n", {"`answer` is 0.5", "whole"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", \"\"], \"answer\": 0}\n", {"line 2", "`endings[1]`", "empty"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\", 7], \"answer\": 0}\n", {"`endings[1]` is 7", "text"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\"], \"answer\": 0}\n", {"`endings` has 1 text", "2 … 256"}},
        {ITEM "{\"context\": 3, \"endings\": [\"a\", \"b\"], \"answer\": 0}\n", {"`context` is 3", "text"}},
        {ITEM "{\"kind\": \"generate\", \"context\": \"c\", \"answer\": \"x\"}\n", {"line 2", "generate", "choice"}},
        {ITEM "[1, 2]\n", {"line 2", "object"}},
        {ITEM "{\"context\": \"c\", \"endings\": [\"a\n", {"line 2", "column"}},
        {ITEM "{\"context\": \"c\", \"context\": \"d\"}\n", {"line 2", "context"}},
        {"{\"kind\": \"essay\", \"context\": \"c\"}\n", {"line 1", "`kind` is \"essay\"", "last_word"}},
        {"{\"task\": \"t\"}\n{\"context\": \"c\", \"answer\": \"x\"}\n", {"line 2", "`kind` is missing"}},
        {"{\"task\": \"t\", \"kind\": \"choice\", \"colour\": 1}\n", {"line 1", "`colour`", "members"}},
        {"{\"task\": \"t\", \"kind\": \"choice\", \"normalize\": \"word\"}\n", {"\"word\"", "none, token, byte, char"}},
        {"{\"task\": \"t\", \"kind\": \"generate\", \"tokens\": 0}\n", {"line 1", "`tokens` is 0", "from 1 to"}},
        {"{\"task\": \"t\", \"kind\": \"generate\", \"tokens\": 65537}\n", {"line 1", "`tokens` is 65537", "65536"}},
        {"{\"task\": \"t\", \"stop\": [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"]}\n", {"`stop` has 8", "7"}},
        {"{\"task\": \"t\", \"kind\": \"choice\"}\n", {"has no items"}},
        {"{\"kind\": \"choice_multi\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answers\": []}\n",
         {"line 1", "`answers`"}},
        {"{\"kind\": \"choice_multi\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answers\": [0, 0]}\n",
         {"`answers[1]`", "once"}},
        {"{\"kind\": \"choice_multi\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answers\": [2]}\n",
         {"`answers[0]`", "0 to 1"}},
        {"{\"kind\": \"choice_multi\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answers\": [0, 1]}\n",
         {"all 2 endings"}},
        {"{\"kind\": \"choice_multi\", \"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answers\": [0], \"answer\": "
         "1}\n",
         {"`answer` is 1", "one of `answers`"}},
        {"{\"kind\": \"last_word\", \"context\": \"c\", \"ending\": [\"a\", \"b\"]}\n", {"`ending` has 2", "one"}},
        {"{\"kind\": \"generate\", \"context\": \"c\", \"answer\": \"\"}\n", {"`answer`", "empty"}},
    };
#undef ITEM
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_refused("bad.jsonl", cases[i].text, NULL, EW_ERR_FORMAT, WORDS("/bad.jsonl: "));
        expect_refused("bad.jsonl", cases[i].text, NULL, EW_ERR_FORMAT, cases[i].words);
    }
}

/* ---- HellaSwag ---- */

#define ROOF "Roof shingle removal: A man is sitting on a roof. he"

static void test_hellaswag_in_six_lines(void **state) {
    (void)state;
    static const char text[] =
        ROOF "\n3\nwraps skis.\nrips tiles.\nholds a cube.\npulls up roofing.\n"
             "Making tea: A pot boils. She\r\n0\r\npours it.\r\neats it.\r\nsings.\r\nflies.\r\n";
    struct ew_task_set *set = read_text("hella.txt", text, NULL);
    /* llama.cpp's rule: the mean log-probability a token. */
    expect_choice(set, 2, EW_TASK_BY_TOKEN);
    expect_item(set, 0, ROOF, WORDS("wraps skis.", "rips tiles.", "holds a cube.", "pulls up roofing."), 3);
    expect_item(set, 1, "Making tea: A pot boils. She", WORDS("pours it.", "eats it.", "sings.", "flies."), 0);
    assert_int_equal(set->items[0].line, 1);
    assert_int_equal(set->items[1].line, 7);
    assert_string_equal(set->name, "hella");
    ew_task_set_close(&set);

    expect_refused("h.txt", ROOF "\n3\na\nb\nc\nd\nNext\n1\na\n", NULL, EW_ERR_FORMAT,
                   WORDS("/h.txt: line 7", "3 lines", "must have 6"));
    expect_refused("h.txt", ROOF "\n3\na\n\nc\nd\n", NULL, EW_ERR_FORMAT, WORDS("/h.txt: line 1", "line 4", "empty"));
    expect_refused("h.txt", ROOF "\n3\na\nb\nc\nd\nNext\n4\na\nb\nc\nd\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 7", "`4`", "0 to 3"));
    expect_refused("h.txt", ROOF "\nno\na\nb\nc\nd\n", "hellaswag_text", EW_ERR_FORMAT, WORDS("`no`", "0 to 3"));
}

/* "ACTIVITY: CTX_A Ctx_b", " [title]" a full stop, other brackets out, two spaces one: computed with the two lines of
 * Python of the harness's preprocessing. An ending keeps the space that its bracket leaves at its beginning. */
static void test_hellaswag_as_published(void **state) {
    (void)state;
    struct ew_task_set *set = read_text(
        "hella.jsonl",
        "{\"ind\": 4, \"activity_label\": \"Roof shingle removal\", \"ctx_a\": \"A man is sitting on a "
        "roof.\", \"ctx_b\": \"he\", \"ctx\": \"unused\", \"label\": 3, \"endings\": [\"a.\", \"b.\", \"c.\", "
        "\"d.\"]}\n"
        "{\"activity_label\": \"Home and Garden\", \"ctx_a\": \"[header] How to tie a knot [title] Get a "
        "rope. [step] Take the rope.  Fold it.\", \"ctx_b\": \"\", \"label\": \"0\", \"endings\": "
        "[\"[substeps] Hold it fast. \", \"b\", \"c\", \"d\"]}\n"
        "{\"activity_label\": \"Twice\", \"ctx_a\": \"a [title][title] b\", \"ctx_b\": \"\", \"label\": 0, "
        "\"endings\": "
        "[\"c\", \"d\"]}\n",
        NULL);
    expect_choice(set, 3, EW_TASK_BY_CHAR);
    expect_item(set, 2, "Twice: a. b", WORDS("c", "d"), 0);
    expect_item(set, 0, "Roof shingle removal: A man is sitting on a roof. He", WORDS("a.", "b.", "c.", "d."), 3);
    expect_item(set, 1, "Home and Garden: How to tie a knot. Get a rope. Take the rope. Fold it.",
                WORDS(" Hold it fast.", "b", "c", "d"), 0);
    ew_task_set_close(&set);

    expect_refused("h.jsonl",
                   "{\"activity_label\": \"A\", \"ctx_a\": \"a\", \"ctx_b\": \"b\", \"label\": 4, \"endings\": "
                   "[\"a\", \"b\", \"c\", \"d\"]}\n",
                   NULL, EW_ERR_FORMAT, WORDS("/h.jsonl: line 1", "`label` is 4", "0 to 3"));
    expect_refused("h.jsonl",
                   "{\"activity_label\": \"A\", \"ctx_a\": \"a\", \"ctx_b\": \"b\", \"label\": 1, \"endings\": "
                   "[\"a\", \"[step]\"]}\n",
                   NULL, EW_ERR_FORMAT, WORDS("line 1", "`endings[1]`", "empty"));
}

/* ---- questions with choices ---- */

static void test_query_choices_gold(void **state) {
    (void)state;
    struct ew_task_set *set = read_text(
        "arc_easy.jsonl",
        "{\"query\": \"Question: Which is wet?\", \"choices\": [\"fire\", \"rain\"], \"gold\": 1}\n"
        "{\"query\": \"Question: How do I open it?\\n\", \"choices\": [\"pull\", \"push\", \"wait\"], \"gold\": 0}\n"
        "{\"query\": \"The woman retired, therefore\", \"choices\": [\"she rests.\", \"she works.\"], \"gold\": 0}\n",
        NULL);
    expect_choice(set, 3, EW_TASK_BY_NONE);
    expect_item(set, 0, "Question: Which is wet?\nAnswer:", WORDS("fire", "rain"), 1);
    expect_item(set, 1, "Question: How do I open it?\nAnswer:", WORDS("pull", "push", "wait"), 0);
    expect_item(set, 2, "The woman retired, therefore", WORDS("she rests.", "she works."), 0);
    ew_task_set_close(&set);

    static const char first[] = "{\"query\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 1}\n";
    char text[400];
    snprintf(text, sizeof text, "%s{\"query\": \"q\", \"choices\": [\"a\", \"b\"]}\n", first);
    expect_refused("c.jsonl", text, NULL, EW_ERR_FORMAT, WORDS("/c.jsonl: line 2", "`gold`", "missing"));
    snprintf(text, sizeof text, "%s{\"query\": \"q\", \"choices\": [\"a\", \"b\"], \"gold\": 2}\n", first);
    expect_refused("c.jsonl", text, NULL, EW_ERR_FORMAT, WORDS("/c.jsonl: line 2", "`gold` is 2", "0 to 1"));
    snprintf(text, sizeof text, "%s{\"query\": \"\", \"choices\": [\"a\", \"b\"], \"gold\": 1}\n", first);
    expect_refused("c.jsonl", text, NULL, EW_ERR_FORMAT, WORDS("line 2", "`query`", "empty"));
}

static void test_arc_piqa_and_boolq_as_published(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("arc.jsonl",
                  "{\"id\": \"x\", \"question\": \"Which is wet?\", \"choices\": {\"text\": [\"fire\", \"rain\", "
                  "\"sand\"], \"label\": [\"1\", \"2\", \"3\"]}, \"answerKey\": \"2\"}\n"
                  "{\"question\": \"Which is hot?\", \"choices\": {\"text\": [\"fire\", \"rain\"], \"label\": [\"A\", "
                  "\"B\"]}, \"answerKey\": \"A\"}\n",
                  NULL);
    expect_choice(set, 2, EW_TASK_BY_CHAR);
    expect_item(set, 0, "Question: Which is wet?\nAnswer:", WORDS("fire", "rain", "sand"), 1);
    expect_item(set, 1, "Question: Which is hot?\nAnswer:", WORDS("fire", "rain"), 0);
    ew_task_set_close(&set);
    expect_refused("arc.jsonl",
                   "{\"question\": \"q\", \"choices\": {\"text\": [\"a\", \"b\"], \"label\": [\"A\", \"B\"]}, "
                   "\"answerKey\": \"C\"}\n",
                   NULL, EW_ERR_FORMAT, WORDS("/arc.jsonl: line 1", "`answerKey` is \"C\"", "labels"));
    expect_refused("arc.jsonl",
                   "{\"question\": \"q\", \"choices\": {\"text\": [\"a\", \"b\", \"c\"], \"label\": [\"A\", \"B\"]}, "
                   "\"answerKey\": \"B\"}\n",
                   NULL, EW_ERR_FORMAT, WORDS("line 1", "3 texts and 2 labels"));

    set = read_text("piqa.jsonl",
                    "{\"goal\": \"Open a jar\", \"sol1\": \"twist\", \"sol2\": \"shout\", \"label\": 0}\n", NULL);
    expect_choice(set, 1, EW_TASK_BY_CHAR);
    expect_item(set, 0, "Question: Open a jar\nAnswer:", WORDS("twist", "shout"), 0);
    ew_task_set_close(&set);

    set = read_text("boolq.jsonl",
                    "{\"question\": \"is rain wet\", \"title\": \"Rain\", \"answer\": true, \"passage\": \"Rain is "
                    "water.\"}\n"
                    "{\"question\": \"is sand wet\", \"answer\": false, \"passage\": \"Sand is dry.\"}\n",
                    NULL);
    expect_choice(set, 2, EW_TASK_BY_NONE);
    expect_item(set, 0, "Rain is water.\nQuestion: is rain wet?\nAnswer:", WORDS("no", "yes"), 1);
    expect_item(set, 1, "Sand is dry.\nQuestion: is sand wet?\nAnswer:", WORDS("no", "yes"), 0);
    ew_task_set_close(&set);
    expect_refused("boolq.jsonl", "{\"question\": \"q\", \"answer\": \"yes\", \"passage\": \"p\"}\n", NULL,
                   EW_ERR_FORMAT, WORDS("/boolq.jsonl: line 1", "`answer`", "true or false"));
}

/* ---- partial evaluation: what is behind the gap, after each beginning ---- */

static void expect_surgeons(struct ew_task_set *set, uint32_t answer) {
    expect_choice(set, 1, EW_TASK_BY_NONE);
    const struct ew_task_item *item = &set->items[0];
    expect_endings(item, WORDS("always got the easier cases.", "always got the easier cases."));
    assert_string_equal(item->contexts[0], "Sarah was a better surgeon than Maria so Sarah");
    assert_string_equal(item->contexts[1], "Sarah was a better surgeon than Maria so Maria");
    assert_int_equal(item->answer, answer);
    ew_task_set_close(&set);
}

static void test_winogrande_and_wsc(void **state) {
    (void)state;
    expect_surgeons(read_text("wsc.jsonl",
                              "{\"context_options\": [\"Sarah was a better surgeon than Maria so Sarah\", \"Sarah was "
                              "a better surgeon than Maria so Maria\"], \"continuation\": \"always got the easier "
                              "cases.\", \"gold\": 1}\n",
                              NULL),
                    1);
#define SENTENCE "{\"sentence\": \"Sarah was a better surgeon than Maria so _ always got the easier cases.\", "
#define OPTIONS "\"option1\": \"Sarah\", \"option2\": \"Maria\", "
    expect_surgeons(read_text("winogrande.jsonl", SENTENCE OPTIONS "\"answer\": \"2\"}\n", NULL), 1);
    expect_surgeons(read_text("winogrande.jsonl", SENTENCE OPTIONS "\"answer\": \"1\"}\n", NULL), 0);
    expect_refused("w.jsonl", SENTENCE OPTIONS "\"answer\": \"3\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("/w.jsonl: line 1", "`answer` is \"3\""));
    expect_refused("w.jsonl", SENTENCE OPTIONS "\"answer\": \"0\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 1", "`answer` is \"0\"", "from 1 to 2"));
    expect_refused("w.jsonl", SENTENCE OPTIONS "\"answer\": \"\"}\n", NULL, EW_ERR_FORMAT, WORDS("line 1", "`answer`"));
    expect_refused("w.jsonl", "{\"sentence\": \"No gap.\", " OPTIONS "\"answer\": \"1\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 1", "`sentence`", "underscore"));
    expect_refused("w.jsonl", "{\"sentence\": \"It was _ \", " OPTIONS "\"answer\": \"1\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 1", "`sentence`", "nothing behind"));
#undef SENTENCE
#undef OPTIONS
}

/* ---- last words and written answers ---- */

static void test_lambada(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("lambada.jsonl", "{\"context\": \"He did not care about\", \"continuation\": \"signs\"}\n", NULL);
    assert_int_equal(set->rules.kind, EW_TASK_LAST_WORD);
    assert_string_equal(set->rules.delimiter, " ");
    expect_item(set, 0, "He did not care about", WORDS("signs"), 0);
    ew_task_set_close(&set);
    set = read_text("lambada.jsonl", "{\"text\": \"He did not care about signs\"}\n", NULL);
    assert_int_equal(set->rules.kind, EW_TASK_LAST_WORD);
    expect_item(set, 0, "He did not care about", WORDS("signs"), 0);
    ew_task_set_close(&set);
    expect_refused("l.jsonl", "{\"text\": \"alone\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("/l.jsonl: line 1", "`text`", "last word"));
    expect_refused("l.jsonl", "{\"context\": \"He\", \"continuation\": \"\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 1", "`continuation`", "empty"));
}

static void test_gsm8k(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("gsm8k.jsonl",
                  "{\"question\": \"Two ducks lay 9 eggs each. How many?\", \"answer\": \"2*9=<<2*9=18>>18\\n#### "
                  "1,018\"}\n",
                  NULL);
    assert_int_equal(set->rules.kind, EW_TASK_GENERATE);
    assert_int_equal(set->rules.match, EW_TASK_MATCH_NUMBER);
    assert_int_equal(set->rules.n_most, 256); /* max_gen_toks, where a task of the harness says nothing */
    expect_stops(&set->rules, WORDS("Question:", "</s>", "<|im_end|>"));
    expect_item(set, 0, "Question: Two ducks lay 9 eggs each. How many?\nAnswer:", WORDS("1,018"), 0);
    assert_string_equal(set->items[0].worked, "2*9=<<2*9=18>>18\n#### 1,018");
    ew_task_set_close(&set);
    expect_refused("g.jsonl", "{\"question\": \"q\", \"answer\": \"It is 18.\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("/g.jsonl: line 1", "`answer`", "#### "));
}

static void test_triviaqa(void **state) {
    (void)state;
    struct ew_task_set *set = read_text("trivia.jsonl",
                                        "{\"context\": \"Question: Whose sign?\\nAnswer:\", \"answer\": \"Scorpio\", "
                                        "\"aliases\": [\"Skorpio\", \"Scorpio\"]}\n",
                                        NULL);
    assert_int_equal(set->rules.kind, EW_TASK_GENERATE);
    assert_int_equal(set->rules.match, EW_TASK_MATCH_TEXT);
    expect_stops(&set->rules, WORDS("\n", ".", ","));
    expect_item(set, 0, "Question: Whose sign?\nAnswer:", WORDS("Skorpio", "Scorpio"), 0);
    assert_string_equal(set->items[0].worked, "Scorpio");
    ew_task_set_close(&set);
    expect_refused("t.jsonl", "{\"context\": \"c\", \"answer\": \"a\", \"aliases\": []}\n", NULL, EW_ERR_FORMAT,
                   WORDS("/t.jsonl: line 1", "`aliases` has 0 text"));
}

/* ---- tables ---- */

#define TRUTH_HEAD "Type,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\r\n"

static void test_truthfulqa(void **state) {
    (void)state;
    struct ew_task_set *set =
        read_text("TruthfulQA.csv",
                  TRUTH_HEAD "Adversarial,Misconceptions,What happens?,You are well,\"Nothing; You are well; You are "
                             "well. ;\",\"You die;You say \"\"no\"\", loudly\",http://x\r\n"
                             "A,B,\"Two\nlines?\",Yes.,Yes.,No,\r\n"
                             "A,B,Last?,Yes,Yes,No,\r\n",
                  NULL);
    assert_int_equal(set->n_items, 3);
    assert_int_equal(set->rules.kind, EW_TASK_CHOICE_MULTI);
    /* Cut at semicolons, trimmed, closed with a full stop, each once. */
    expect_item(set, 0,
                "Q: What happens?\nA:", WORDS("Nothing.", "You are well.", "You die.", "You say \"no\", loudly."), 1);
    static const bool is_true[] = {true, true, false, false};
    assert_memory_equal(set->items[0].is_true, is_true, sizeof is_true);
    expect_item(set, 1, "Q: Two\nlines?\nA:", WORDS("Yes.", "No."), 0);
    assert_int_equal(set->items[1].line, 3);
    assert_int_equal(set->items[2].line, 5); /* behind a field of two lines */
    static const char beginning[] = "Q: What is human life expectancy in the United States?\n"
                                    "A: Human life expectancy in the United States is 78 years.\n\n";
    static const char end[] = "Q: Where were the 1992 Olympics held?\n"
                              "A: The 1992 Olympics were held in Barcelona, Spain.\n\n";
    const char *preamble = set->groups[0].preamble;
    assert_int_equal(strncmp(preamble, beginning, strlen(beginning)), 0);
    assert_string_equal(preamble + strlen(preamble) - strlen(end), end);
    ew_task_set_close(&set);

    expect_refused("t.csv", TRUTH_HEAD "A,B,Q?,Yes,Yes,\"No", NULL, EW_ERR_FORMAT,
                   WORDS("/t.csv: line 2", "field 6", "quote is not closed"));
    expect_refused("t.csv", TRUTH_HEAD "A,B,Q?,Yes,\"Yes\" no,No,\r\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 2", "field 5", "closing quote"));
    expect_refused("t.csv", TRUTH_HEAD "A,B,Q?,Perhaps,Yes,No,\r\n", NULL, EW_ERR_FORMAT,
                   WORDS("line 2", "`Perhaps.`", "one of the correct"));
    expect_refused("t.csv", TRUTH_HEAD "A,B,Q?,Yes,Yes,\r\n", NULL, EW_ERR_FORMAT, WORDS("line 2", "incorrect answer"));
    expect_refused("t.csv", TRUTH_HEAD "A,B,Q?\r\n", NULL, EW_ERR_FORMAT, WORDS("line 2", "3 fields", "6"));
    expect_refused("t.csv", TRUTH_HEAD, NULL, EW_ERR_FORMAT, WORDS("/t.csv", "no items"));
}

#define BIOLOGY_PREAMBLE "The following are multiple choice questions (with answers) about college biology.\n\n"

static void test_mmlu(void **state) {
    (void)state;
    struct ew_task_set *set = read_text("college_biology_test.csv",
                                        "What lives?,stone,\"fern, moss\",glass,sand,B\n"
                                        "\" Which\nis dead? \",\"\"\"stone\"\"\",fern,cat,dog,A\n",
                                        NULL);
    expect_choice(set, 2, EW_TASK_BY_NONE);
    expect_item(set, 0, "What lives?\nA. stone\nB. fern, moss\nC. glass\nD. sand\nAnswer:", WORDS("A", "B", "C", "D"),
                1);
    expect_item(set, 1, "Which\nis dead?\nA. \"stone\"\nB. fern\nC. cat\nD. dog\nAnswer:", WORDS("A", "B", "C", "D"),
                0);
    const struct ew_task_group *group = &set->groups[set->items[0].group];
    assert_string_equal(group->name, "college biology");
    assert_string_equal(group->preamble, BIOLOGY_PREAMBLE);
    ew_task_set_close(&set);

    set = read_text("anatomy.csv", "question,A,B,C,D,answer\nq,a,b,c,d,3\n", NULL);
    expect_item(set, 0, "q\nA. a\nB. b\nC. c\nD. d\nAnswer:", WORDS("A", "B", "C", "D"), 3);
    ew_task_set_close(&set);

    expect_refused("m.csv", "q,a,b,c,d,A\nq,a,b,c,d,E\n", NULL, EW_ERR_FORMAT,
                   WORDS("/m.csv: line 2", "answer `E`", "A to D"));
    expect_refused("m.csv", "q,a,b,c,d,A\nq,a,b,c,A\n", NULL, EW_ERR_FORMAT, WORDS("line 2", "5 fields", "must be 6"));
    expect_refused("m.csv", "q,a,b,c,d,A\n\"q,a,b,c,d,A\n", NULL, EW_ERR_FORMAT, WORDS("/m.csv: line", "not closed"));
    expect_refused("m.csv", "q,a \"b\",b,c,d,A\n", NULL, EW_ERR_FORMAT, WORDS("line 1", "field 2", "quote"));
}

/* The first item of the task is shown, the second asked: white space before an ending goes with the ending. */
static void test_prompts_of_mmlu(void **state) {
    (void)state;
    struct ew_task_set *set = read_text("college_biology_test.csv", "Q1,a,b,c,d,C\nQ2,e,f,g,h,D\nQ3,i,j,k,l,A\n", NULL);
    struct ew_task_examples examples = {.shots = 1};
    struct ew_task_prompts prompts;
    struct ew_error err = {0};
    assert_int_equal(ew_task_prompts_open(set, &examples, 1, &prompts, &err), EW_OK);
    assert_int_equal(prompts.n_items, 1);
    assert_int_equal(prompts.items[0], 1);
    struct ew_task_pair pair = ew_task_prompts_pair(&prompts, &set->items[1], 3);
    assert_string_equal(pair.before, BIOLOGY_PREAMBLE "Q1\nA. a\nB. b\nC. c\nD. d\nAnswer: C\n\n"
                                                      "Q2\nA. e\nB. f\nC. g\nD. h\nAnswer:");
    assert_string_equal(pair.behind, " D");
    free(pair.before);
    free(pair.behind);
    ew_task_prompts_close(&prompts);
    examples.shots = 3;
    assert_int_equal(ew_task_prompts_open(set, &examples, 0, &prompts, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "none is left"));
    examples.shots = 4;
    assert_int_equal(ew_task_prompts_open(set, &examples, 0, &prompts, &err), EW_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "4 examples"));
    ew_task_set_close(&set);
}

static void test_white_space_goes_with_the_ending(void **state) {
    (void)state;
    struct ew_task_set *set = read_text(
        "w.jsonl", "{\"kind\": \"choice\", \"context\": \"It is \\n\", \"endings\": [\"a\", \"b\"], \"answer\": 0}\n",
        NULL);
    const struct ew_task_examples none = {0};
    struct ew_task_prompts prompts;
    struct ew_error err = {0};
    assert_int_equal(ew_task_prompts_open(set, &none, 0, &prompts, &err), EW_OK);
    struct ew_task_pair pair = ew_task_prompts_pair(&prompts, &set->items[0], 1);
    assert_string_equal(pair.before, "It is");
    assert_string_equal(pair.behind, " \n b");
    free(pair.before);
    free(pair.behind);
    ew_task_prompts_close(&prompts);
    ew_task_set_close(&set);
}

/* ---- files ---- */

static void test_what_is_no_task(void **state) {
    (void)state;
    expect_refused("x.txt", "Once upon a time\nthere was\n", NULL, EW_ERR_FORMAT,
                   WORDS("/x.txt", "no known form", "--format", "hellaswag_text"));
    expect_refused("x.jsonl", "{\"colour\": \"blue\"}\n", NULL, EW_ERR_FORMAT,
                   WORDS("/x.jsonl: line 1", "no known form", "edgewise, hellaswag"));
    expect_refused("x.jsonl", "{\"colour\": \"blue\"}\n", "squad", EW_ERR_ARGUMENT,
                   WORDS("--format", "`squad`", "arc"));
    expect_refused("x.jsonl", "{\"goal\": \"g\", \"label\": 0}\n", "piqa", EW_ERR_FORMAT,
                   WORDS("/x.jsonl: line 1", "`sol1`", "missing"));
    expect_refused("empty.jsonl", "", "piqa", EW_ERR_FORMAT, WORDS("/empty.jsonl", "no items"));
    struct ew_task_set *set = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_task_open("/nowhere/task.jsonl", NULL, &set, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/task.jsonl"));
}

static void test_the_same_bytes_have_the_same_hash(void **state) {
    (void)state;
#define PIQA "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\", \"label\": "
    static const char *const texts[] = {PIQA "0}\n", PIQA "0}\n", PIQA "1}\n"};
#undef PIQA
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        struct ew_task_set *set = read_text(i == 1 ? "one.jsonl" : "other.jsonl", texts[i], NULL);
        hash[i] = set->data_hash;
        ew_task_set_close(&set);
    }
    assert_true(hash[0] == hash[1] && hash[0] != hash[2]);
}

static void test_a_folder_of_tables(void **state) {
    (void)state;
    char inner[300], file[2][400];
    snprintf(inner, sizeof inner, "%s/test", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    struct ew_task_set *set = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_task_open(folder, NULL, &set, &err), EW_ERR_FORMAT);
    assert_non_null(strstr(err.message, "no tables"));
    static const char *const names[] = {"test/world_religions_test.csv", "test/anatomy_test.csv"};
    for (int i = 0; i < 2; i++) {
        write_file(names[i], "q,a,b,c,d,A\nr,a,b,c,d,B\n");
        snprintf(file[i], sizeof file[i], "%s", path);
    }
    enum ew_status status = ew_task_open(folder, NULL, &set, &err);
    for (int i = 0; i < 2; i++) unlink(file[i]);
    rmdir(inner);
    assert_int_equal(status, EW_OK);
    assert_int_equal(set->n_items, 4);
    assert_int_equal(set->n_files, 2);
    assert_string_equal(set->groups[set->items[0].group].name, "anatomy"); /* in order of their names */
    assert_string_equal(set->groups[set->items[3].group].name, "world religions");
    assert_string_equal(set->files[set->items[3].file] + strlen(folder), "/test/world_religions_test.csv");
    ew_task_set_close(&set);
}

/* A file that was cut short: what is left of it is read, or refused by its name. */
static void test_every_beginning_of_a_file_is_read_or_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *format, *text;
    } samples[] = {
        {"a.jsonl", NULL,
         "{\"task\": \"t\", \"kind\": \"choice\"}\n{\"context\": \"c\", \"endings\": [\"a\", \"b\"], \"answer\": 1}\n"},
        {"b.txt", NULL, ROOF "\n3\na\nb\nc\nd\nNext\r\n1\r\na\r\nb\r\nc\r\nd\r\n"},
        {"c.txt", "hellaswag_text", ROOF "\n3\na\nb\nc\nd\n"},
        {"d.csv", NULL, TRUTH_HEAD "A,B,\"Q\"\",\r\n?\",Yes,\"Yes; Well\",\"No;;\",x\r\n"},
        {"e.csv", "mmlu", "question,A,B,C,D,answer\r\n\" q\n\",a,\"\"\"b\",,d,2\r\n"},
        {"f.jsonl", "gsm8k", "{\"question\": \"q\", \"answer\": \"#### 1\\n#### 2\"}"},
        {"g.jsonl", NULL,
         "{\"activity_label\": \"A\", \"ctx_a\": \" [title] [x\", \"ctx_b\": \"\", \"label\": 0, \"endings\": [\"a]\", "
         "\"[[b]\u00e9]\"]}"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        char text[400];
        struct ew_task_set *whole = read_text(samples[i].name, samples[i].text, samples[i].format);
        const size_t n_items = whole->n_items, n_bytes = strlen(samples[i].text);
        ew_task_set_close(&whole);
        for (size_t n = 0; n < n_bytes; n++) {
            struct ew_task_set *set = NULL;
            struct ew_error err = {0};
            snprintf(text, sizeof text, "%.*s", (int)n, samples[i].text);
            write_file(samples[i].name, text);
            enum ew_status status = ew_task_open(path, samples[i].format, &set, &err);
            unlink(path);
            if (status == EW_OK)
                assert_true(set->n_items >= 1 && set->n_items <= n_items);
            else if (status != EW_ERR_FORMAT || !strstr(err.message, samples[i].name))
                fail_msg("%s, %zu bytes: %s", samples[i].name, n, err.message);
            ew_task_set_close(&set);
        }
    }
}

/* ---- the data sets themselves, where they are there ---- */

/* Items counted with `grep -c .` and Python's csv; 817, 1319, 2376, 1838, 5153, 1267, 273 and 100 are the published
 * sizes. HellaSwag's is a sample, MMLU's are 38 of 57 subjects, each table with a header. */
static void test_published_files(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t n_items, n_groups;
        enum ew_task_kind kind;
    } files[] = {{"TruthfulQA.csv", 817, 1, EW_TASK_CHOICE_MULTI},
                 {"gsm8k_test.jsonl", 1319, 1, EW_TASK_GENERATE},
                 {"arc_easy.jsonl", 2376, 1, EW_TASK_CHOICE},
                 {"piqa.jsonl", 1838, 1, EW_TASK_CHOICE},
                 {"copa.jsonl", 100, 1, EW_TASK_CHOICE},
                 {"winogrande.jsonl", 1267, 1, EW_TASK_CHOICE},
                 {"winograd_wsc.jsonl", 273, 1, EW_TASK_CHOICE},
                 {"lambada_openai.jsonl", 5153, 1, EW_TASK_LAST_WORD},
                 {"hellaswag_val_sample.jsonl", 913, 1, EW_TASK_CHOICE},
                 {"triviaqa_small.jsonl", 32, 1, EW_TASK_GENERATE},
                 {"mmlu", 9512, 38, EW_TASK_CHOICE},
                 {"mmlu/dev", 190, 38, EW_TASK_CHOICE}};
    const char *shared = getenv("EW_SHARED_DIR");
    char name[4096];
    size_t n_found = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct ew_task_set *set = NULL;
        struct ew_error err = {0};
        snprintf(name, sizeof name, "%s/data/eval/%s", shared ? shared : ".", files[i].name);
        if (access(name, R_OK) != 0) continue;
        n_found++;
        if (ew_task_open(name, NULL, &set, &err) != EW_OK) fail_msg("%s", err.message);
        if (set->n_items != files[i].n_items || set->n_groups != files[i].n_groups)
            fail_msg("%s: %zu items in %zu groups, expected %zu in %zu", files[i].name, set->n_items, set->n_groups,
                     files[i].n_items, files[i].n_groups);
        assert_int_equal(set->rules.kind, files[i].kind);
        ew_task_set_close(&set);
    }
    if (n_found > 0) return;
    print_message("skipped: no evaluation data in EW_SHARED_DIR\n");
    skip();
}

/* Python's csv and str.split, each answer once: 817 questions have 2587 true endings and 5882 in all. */
static void test_endings_of_truthfulqa(void **state) {
    (void)state;
    const char *shared = getenv("EW_SHARED_DIR");
    char name[4096];
    snprintf(name, sizeof name, "%s/data/eval/TruthfulQA.csv", shared ? shared : ".");
    if (access(name, R_OK) != 0) skip();
    struct ew_task_set *set = NULL;
    struct ew_error err = {0};
    size_t n = 0, n_true = 0;
    if (ew_task_open(name, NULL, &set, &err) != EW_OK) fail_msg("%s", err.message);
    for (size_t i = 0; i < set->n_items; i++)
        for (uint32_t e = 0; e < set->items[i].n_endings; e++) {
            n++;
            n_true += set->items[i].is_true[e];
        }
    assert_int_equal(n, 5882);
    assert_int_equal(n_true, 2587);
    ew_task_set_close(&set);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_choices_with_a_header),
                                       cmocka_unit_test(test_own_items_without_a_header),
                                       cmocka_unit_test(test_own_written_answers),
                                       cmocka_unit_test(test_own_form_damaged),
                                       cmocka_unit_test(test_hellaswag_in_six_lines),
                                       cmocka_unit_test(test_hellaswag_as_published),
                                       cmocka_unit_test(test_query_choices_gold),
                                       cmocka_unit_test(test_arc_piqa_and_boolq_as_published),
                                       cmocka_unit_test(test_winogrande_and_wsc),
                                       cmocka_unit_test(test_lambada),
                                       cmocka_unit_test(test_gsm8k),
                                       cmocka_unit_test(test_triviaqa),
                                       cmocka_unit_test(test_truthfulqa),
                                       cmocka_unit_test(test_mmlu),
                                       cmocka_unit_test(test_prompts_of_mmlu),
                                       cmocka_unit_test(test_white_space_goes_with_the_ending),
                                       cmocka_unit_test(test_what_is_no_task),
                                       cmocka_unit_test(test_the_same_bytes_have_the_same_hash),
                                       cmocka_unit_test(test_a_folder_of_tables),
                                       cmocka_unit_test(test_every_beginning_of_a_file_is_read_or_refused),
                                       cmocka_unit_test(test_published_files),
                                       cmocka_unit_test(test_endings_of_truthfulqa)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
