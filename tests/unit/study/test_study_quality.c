/* The section `quality` of a study file, sets of prompts, and what becomes of what eval prints. */
#include "study/eval_figures.h"
#include "study/prompt_set.h"
#include "study/study_file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "study: s\nmodels:\n  - {box: true}\n"

static struct ew_study_file *good(const char *text) {
    struct ew_study_file *file = NULL;
    struct ew_error err = {0};
    if (ew_study_file_parse("s.yaml", text, strlen(text), &file, &err) != EW_OK) fail_msg("%s", err.message);
    return file;
}

static void bad(const char *text, const char *message) {
    struct ew_study_file *file = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_study_file_parse("s.yaml", text, strlen(text), &file, &err), EW_ERR_ARGUMENT);
    assert_null(file);
    if (!strstr(err.message, message)) fail_msg("wanted: %s\n   got: %s", message, err.message);
}

static void the_section_is_read(void **state) {
    (void)state;
    struct ew_study_file *f = good(HEAD "quality:\n"
                                        "  texts:\n"
                                        "    - {text: a.txt, context: 256, stride: 128, windows: 20}\n"
                                        "    - b.txt\n"
                                        "  divergence: true\n"
                                        "  reference: bf16\n"
                                        "  tasks: [t.jsonl, u.jsonl]\n"
                                        "  prompts: p.jsonl\n"
                                        "  tokens: 32\n"
                                        "  timeout: 2 min\n");
    const struct ew_study_quality *q = &f->quality;
    assert_int_equal(q->line, 4);
    assert_int_equal(q->n_texts, 2);
    assert_string_equal(q->texts[0].path, "a.txt");
    assert_int_equal(q->texts[0].context, 256);
    assert_int_equal(q->texts[0].stride, 128);
    assert_int_equal(q->texts[0].windows, 20);
    assert_string_equal(q->texts[1].path, "b.txt");
    assert_int_equal(q->texts[1].context, 0);
    assert_true(q->divergence);
    assert_string_equal(q->reference, "bf16");
    assert_int_equal(q->n_tasks, 2);
    assert_string_equal(q->tasks[1], "u.jsonl");
    assert_string_equal(q->prompts, "p.jsonl");
    assert_int_equal(q->tokens, 32);
    assert_true(q->timeout_s == 120);
    char *json = ew_study_file_json(f);
    assert_non_null(strstr(json, "\"quality\":{\"texts\":[{\"text\":\"a.txt\",\"context\":256"));
    free(json);
    ew_study_file_close(&f);
}

static void defaults_of_the_section(void **state) {
    (void)state;
    struct ew_study_file *f = good(HEAD "quality: {tasks: t.jsonl}\n");
    assert_int_equal(f->quality.n_tasks, 1);
    assert_int_equal(f->quality.tokens, 64);
    assert_true(f->quality.timeout_s == 1800);
    assert_false(f->quality.divergence);
    assert_null(f->quality.prompts);
    ew_study_file_close(&f);
    f = good(HEAD);
    assert_int_equal(f->quality.line, 0);
    char *json = ew_study_file_json(f);
    assert_non_null(strstr(json, "\"quality\":null"));
    free(json);
    ew_study_file_close(&f);
}

static void mistakes_are_told(void **state) {
    (void)state;
    bad(HEAD "quality: {}\n", "s.yaml:4: quality: asks nothing; it needs texts, tasks or prompts");
    bad(HEAD "quality: [a]\n", "s.yaml:4: quality: must be `key: value` pairs");
    bad(HEAD "quality: {text: a}\n", "text: is not a key of quality (texts, divergence, reference, tasks");
    bad(HEAD "quality:\n  texts: [{context: 256}]\n", "s.yaml:5: text: is missing: an entry of texts names a file");
    bad(HEAD "quality:\n  texts: [{text: a, context: 3}]\n", "context: `3` is not a whole number from 4 to 16777216");
    bad(HEAD "quality:\n  texts: [{text: a, context: 64, stride: 64}]\n",
        "s.yaml:5: stride: 64 is not below the context of 64 tokens");
    bad(HEAD "quality:\n  texts: [{text: a, window: 3}]\n",
        "window: is not a key of an entry of texts (text, context, stride, windows)");
    bad(HEAD "quality:\n  texts: [a]\n  divergence: maybe\n", "s.yaml:6: divergence: `maybe` is not true or false");
    bad(HEAD "quality: {tasks: [a], divergence: true}\n", "divergence: true needs texts to measure it on");
    bad(HEAD "quality: {texts: [a], reference: f16}\n", "reference: f16 is for divergence: true");
    bad(HEAD "quality: {tasks: [[a]]}\n", "tasks: must be text");
    bad(HEAD "quality: {prompts: p, tokens: 0}\n", "tokens: `0` is not a whole number from 1 to 65536");
    bad(HEAD "quality: {prompts: p, timeout: 5}\n", "quality: timeout: `5` is not a duration");
    bad("study: s\nmodels:\n  - {box: true, types: []}\n", "types: the list is empty");
}

static void types_of_the_box(void **state) {
    (void)state;
    struct ew_study_file *f = good("study: s\nmodels:\n  - {box: true, types: [f16, q4_0]}\n");
    assert_int_equal(f->n_models, 2);
    assert_int_equal(f->models[1].kind, EW_STUDY_MODEL_BOX);
    assert_string_equal(f->models[1].type, "q4_0");
    assert_true(f->models[1].has_sample_text);
    ew_study_file_close(&f);
}

/* ---- prompts ---- */

static char folder[] = "/tmp/edgewise-prompts-XXXXXX";
static char path[64];

static const char *write_file(const char *text, size_t size) {
    snprintf(path, sizeof path, "%s/a.set.jsonl", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    fclose(f);
    return path;
}

static void prompts_are_read(void **state) {
    (void)state;
    static const char text[] = "{\"prompt\": \"One\"}\n\n  \r\n{\"name\": \"x\", \"prompt\": \"Zwei \\u00e4\"}";
    struct ew_prompt_set set;
    struct ew_error err = {0};
    if (ew_prompt_set_read(write_file(text, sizeof text - 1), &set, &err) != EW_OK) fail_msg("%s", err.message);
    assert_int_equal(set.n, 2);
    assert_string_equal(set.name, "a.set");
    assert_string_equal(set.prompts[0], "One");
    assert_string_equal(set.prompts[1], "Zwei \xc3\xa4");
    ew_prompt_set_close(&set);
}

static void bad_prompts(const char *text, size_t size, const char *message) {
    struct ew_prompt_set set = {0};
    struct ew_error err = {0};
    assert_int_equal(ew_prompt_set_read(write_file(text, size), &set, &err), EW_ERR_FORMAT);
    if (!strstr(err.message, message)) fail_msg("wanted: %s\n   got: %s", message, err.message);
    assert_null(set.prompts);
}

#define BAD_PROMPTS(text, message) bad_prompts(text, sizeof text - 1, message)

static void mistakes_in_prompts_are_told(void **state) {
    (void)state;
    BAD_PROMPTS("", "a.set.jsonl: no prompt in it");
    BAD_PROMPTS("{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n", "a.set.jsonl:2: prompt: must be a text that is not empty");
    BAD_PROMPTS("{\"prompt\": 5}\n", "a.set.jsonl:1: prompt: must be a text");
    BAD_PROMPTS("{\"prompt\": \"\"}\n", "a.set.jsonl:1: prompt: must be a text that is not empty");
    BAD_PROMPTS("\nhello\n", "a.set.jsonl:2: is no JSON object");
    BAD_PROMPTS("{\"prompt\": \"a\\u0000b\"}\n", "a.set.jsonl:1: is no JSON object");
    BAD_PROMPTS("{\"prompt\": \"\xff\"}\n", "a.set.jsonl:1: is no JSON object");
    BAD_PROMPTS("\0\n", "a.set.jsonl:1: is no JSON object");
}

/* ---- figures ---- */

static const struct ew_quality_record like = {.model_id = 3,
                                              .study_id = 4,
                                              .kv_type = "q8_0",
                                              .data = "held-out",
                                              .data_hash = "aa",
                                              .settings = "context 256, stride 0",
                                              .seconds_ns = 5,
                                              .joules = 6,
                                              .version = "0.1"};

static struct ew_eval_figures read_figures(const char *text) {
    struct ew_eval_figures f;
    struct ew_error err = {0};
    if (ew_eval_figures_read(text, strlen(text), &like, &f, &err) != EW_OK) fail_msg("%s", err.message);
    return f;
}

/* exp(2 ± 1.96 · 0.1): the errors are 0.1 and 0.2 of the perplexity e². */
static void perplexity_and_its_interval(void **state) {
    (void)state;
    char text[400];
    for (int windows = 19; windows <= 20; windows++) {
        snprintf(text, sizeof text,
                 "{\"perplexity\": %.9g, \"mean_nll\": 2.0, \"tokens\": 700, \"windows\": %d, \"error\": %.9g,"
                 " \"error_windows\": %.9g}",
                 exp(2), windows, 0.1 * exp(2), 0.2 * exp(2));
        struct ew_eval_figures f = read_figures(text);
        assert_int_equal(f.n, 1);
        const struct ew_quality_record *r = &f.records[0];
        double half = windows < 20 ? 0.195996 : 0.391993; /* few windows: tokens; many: windows */
        assert_string_equal(r->measure, "perplexity");
        assert_int_equal(r->n, 700);
        assert_true(fabs(r->value - exp(2)) < 1e-6);
        assert_true(fabs(r->low - exp(2 - half)) < 1e-4);
        assert_true(fabs(r->high - exp(2 + half)) < 1e-4);
        assert_true(isnan(r->chance));
        assert_null(r->reference);
        assert_int_equal(r->model_id, 3);
        assert_int_equal(r->study_id, 4);
        assert_string_equal(r->kv_type, "q8_0");
        assert_string_equal(r->settings, "context 256, stride 0");
        assert_true(r->joules == 6 && r->seconds_ns == 5);
        assert_non_null(strstr(r->figures_json, "\"windows\":"));
        ew_eval_figures_close(&f);
    }
}

static void divergence_is_a_second_figure(void **state) {
    (void)state;
    struct ew_eval_figures f =
        read_figures("{\"perplexity\": 7.5, \"mean_nll\": 2.0149, \"tokens\": 700, \"windows\": 3,"
                     " \"error\": 0.5, \"error_windows\": null, \"reference\": {\"model\": \"M F16\","
                     " \"tokens\": 690, \"kl\": {\"value\": 0.05, \"error\": 0.01}}}");
    assert_int_equal(f.n, 2);
    assert_string_equal(f.records[1].measure, "kl_divergence");
    assert_string_equal(f.records[1].reference, "M F16");
    assert_int_equal(f.records[1].n, 690);
    assert_true(f.records[1].value == 0.05);
    assert_true(fabs(f.records[1].low - 0.0304004) < 1e-6 && fabs(f.records[1].high - 0.0695996) < 1e-6);
    ew_eval_figures_close(&f);
}

static void tasks_speak_for_themselves(void **state) {
    (void)state;
    struct ew_eval_figures f = read_figures(
        "{\"tasks\": [{\"task\": \"hellaswag\", \"measure\": \"accuracy\", \"data_hash\": \"bb\", \"settings\": \"0 "
        "shots\","
        " \"items\": 40, \"value\": 0.5, \"low\": 0.35, \"high\": 0.65, \"chance\": 0.25},"
        " {\"task\": \"lambada\", \"measure\": \"last_word\", \"items\": 9, \"value\": 1, \"low\": 0.7, \"high\": 1,"
        " \"chance\": null}, {\"task\": \"nothing\", \"value\": null}]}");
    assert_int_equal(f.n, 2);
    assert_string_equal(f.records[0].measure, "accuracy");
    assert_string_equal(f.records[0].data, "hellaswag");
    assert_string_equal(f.records[0].data_hash, "bb");
    assert_string_equal(f.records[0].settings, "0 shots");
    assert_int_equal(f.records[0].n, 40);
    assert_true(f.records[0].value == 0.5 && f.records[0].low == 0.35 && f.records[0].high == 0.65);
    assert_true(f.records[0].chance == 0.25);
    assert_string_equal(f.records[1].measure, "last_word");
    assert_string_equal(f.records[1].data_hash, "aa");
    assert_true(f.records[1].value == 1 && isnan(f.records[1].chance));
    ew_eval_figures_close(&f);
}

static void no_figures(void **state) {
    (void)state;
    static const char *const texts[] = {"", "[]", "{", "{}", "{\"perplexity\": null}", "{\"tasks\": [7]}", "nonsense"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ew_eval_figures f;
        struct ew_error err = {0};
        assert_int_equal(ew_eval_figures_read(texts[i], strlen(texts[i]), &like, &f, &err), EW_ERR_FORMAT);
        assert_non_null(strstr(err.message, "figures: "));
    }
}

/* XXH3 of the empty input and of "abc": from the vectors of xxHash 0.8 (xxhsum -H3). */
static void hashes_and_names_of_data(void **state) {
    (void)state;
    char hash[EW_DATA_HASH], name[EW_DATA_NAME], settings[EW_TEXT_SETTINGS];
    assert_int_equal(ew_data_hash(write_file("", 0), hash, NULL), EW_OK);
    assert_string_equal(hash, "2d06800538d394c2");
    assert_int_equal(ew_data_hash(write_file("abc", 3), hash, NULL), EW_OK);
    assert_string_equal(hash, "78af5f94892f3950");
    assert_int_equal(ew_data_hash("/nonexistent/x", hash, NULL), EW_ERR_NOT_FOUND);
    ew_data_name("eval/held-out.txt", name);
    assert_string_equal(name, "held-out");
    ew_data_name(".hidden", name);
    assert_string_equal(name, ".hidden");
    ew_text_settings(256, 128, 0, settings);
    assert_string_equal(settings, "context 256, stride 128");
    ew_text_settings(256, 0, 9, settings);
    assert_string_equal(settings, "context 256, stride 0, 9 windows");
    assert_int_equal(ew_eval_context(2048), 512);
    assert_int_equal(ew_eval_context(256), 256);
    assert_int_equal(ew_eval_context(0), 512);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_section_is_read),
        cmocka_unit_test(defaults_of_the_section),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(types_of_the_box),
        cmocka_unit_test(prompts_are_read),
        cmocka_unit_test(mistakes_in_prompts_are_told),
        cmocka_unit_test(perplexity_and_its_interval),
        cmocka_unit_test(divergence_is_a_second_figure),
        cmocka_unit_test(tasks_speak_for_themselves),
        cmocka_unit_test(no_figures),
        cmocka_unit_test(hashes_and_names_of_data),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
