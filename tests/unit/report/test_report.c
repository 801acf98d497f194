/* Every output over the store of report_fixture.h. Expectations are worked out by hand from the table there:
 * big Q4_0, 2 threads: gaps of 50, 40, 25 ms -> 20, 25, 40 tok/s, median 25, range 20 to 40; 100 tokens in 1 s. */
#include "quality_fixture.h"
#include "report/report.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64], store[96];
    struct ew_report *report;
};

static void place_open_with(struct place *p, void (*make)(const char *, struct report_fixture_options),
                            struct report_fixture_options options, const struct ew_report_request *request) {
    strcpy(p->folder, "/tmp/edgewise-report-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->store, sizeof p->store, "%s/s.db", p->folder);
    make(p->store, options);
    struct ew_error err = {0};
    p->report = NULL;
    if (ew_report_open(p->store, request, &p->report, &err) != EW_OK) fail_msg("%s", err.message);
}

static void place_open(struct place *p, struct report_fixture_options options) {
    place_open_with(p, report_fixture_make, options, NULL);
}

static void place_close(struct place *p) {
    ew_report_close(&p->report);
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", p->folder);
    assert_int_equal(system(command), 0);
}

typedef enum ew_status (*writer)(const struct ew_report *report, FILE *out, struct ew_error *err);

static char *written(const struct ew_report *report, writer write) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    struct ew_error err = {0};
    if (write(report, out, &err) != EW_OK) fail_msg("%s", err.message);
    fclose(out);
    return text;
}

static enum ew_status write_unfolded(const struct ew_report *report, FILE *out, struct ew_error *err) {
    const struct ew_text_style style = {0};
    return ew_report_write_terminal(report, out, &style, err);
}

static void expect_in(const char *text, const char *part) {
    if (text && strstr(text, part)) return;
    fail_msg("`%s` is not in:\n%s", part, text ? text : "(nothing)");
}

static void expect_not_in(const char *text, const char *part) {
    if (text && !strstr(text, part)) return;
    fail_msg("`%s` is in:\n%s", part, text ? text : "(nothing)");
}

static void terminal_report(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){0});
    char *text = written(p.report, write_unfolded);
    expect_in(text, "model  type  threads  ");
    expect_in(text, "\ntiny   Q8_0      1/1  ");
    expect_in(text, "\nbig ¹  Q4_0      2/2  ");
    expect_in(text, "25 +15 -5 "); /* decode: median 25, 20 to 40 */
    expect_in(text, "100 ± 25 ");  /* tiny: 80, 100, 125 */
    expect_in(text, " +5.0 ");     /* 21 MiB said, 20 seen */
    expect_in(text, " +1.0 ");     /* 606 said, 600 seen */
    expect_in(text,
              "For chat              Run big in Q4_0 with 2 threads: after a prompt of 100 tokens the first token "
              "comes after 1.25 s, then 25 tokens/s (4.7 times reading speed), in 610 MiB of memory. Its weights here "
              "were random");
    expect_in(text, "With 1 thread it writes 13 tokens/s"); /* 1/0.078 = 12.8, between 10 and 16: no more digits */
    expect_in(text, "big (synthetic) in Q4_0 with 2 threads reads 100 and writes 25 tokens/s.");
    expect_in(text, "tiny in Q8_0 with 1 thread takes 20 MiB. big (synthetic) needs at least 600 MiB, in Q4_0.");
    expect_in(text, "Does not fit: big in Q8_0 (it would need 1.1 GiB).");
    expect_in(text, "! Synthetic weights   big: random weights");
    expect_in(text, "! No energy           There is no energy figure: no RAPL, no power sensor.");
    expect_in(text, "3 of 12 runs failed: 3 ran out of memory.");
    expect_in(text, "oom          1,100  killed for want of memory");
    expect_not_in(text, "J/token");
    expect_not_in(text, "\033");
    free(text);
    place_close(&p);
}

/* 2 W mean; gaps of 50, 40, 25 ms -> 0.1, 0.08, 0.05 J per token, median 0.08; idle 0.5 W -> net 0.06.
 * S_t per run: 0.1/20, 0.08/25, 0.05/40 -> median 0.0032 J s. Prefill: 2 W for 1 s over 100 tokens: 0.02 J. */
static void energy_is_integrated_again(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){.energy = true});
    const struct ew_insight *insight = p.report->insight;
    assert_true(insight->has_energy);
    const struct ew_insight_config *big = &insight->configs[2];
    assert_string_equal(big->label, "big Q4_0 · 2 threads");
    assert_float_equal(big->figure[EW_MEASURE_DECODE_ENERGY].value, 0.08, 0.0005);
    assert_float_equal(big->figure[EW_MEASURE_DECODE_ENERGY_NET].value, 0.06, 0.0005);
    assert_float_equal(big->figure[EW_MEASURE_PREFILL_ENERGY].value, 0.02, 0.0002);
    assert_float_equal(big->figure[EW_MEASURE_S_T].value, 0.0032, 0.00003);
    assert_int_equal(big->grade, EW_GRADE_C);
    char *text = written(p.report, write_unfolded);
    expect_in(text, "J/token");
    expect_in(text, "! Energy              Energy is of grade C");
    expect_in(text, "leaves out USB.");
    expect_not_in(text, "No energy");
    free(text);
    json_t *document = NULL;
    assert_int_equal(ew_report_make_json(p.report, &document, NULL), EW_OK);
    const json_t *power = json_object_get(document, "power");
    assert_int_equal(json_array_size(power), 3); /* configurations with runs that ended well */
    assert_float_equal(json_number_value(json_object_get(json_array_get(power, 0), "idle_w")), 0.5, 0.001);
    json_decref(document);
    place_close(&p);
}

static void json_has_the_documented_form(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){0});
    char *text = written(p.report, ew_report_write_json);
    json_t *document = json_loads(text, 0, NULL);
    assert_non_null(document);
    assert_string_equal(json_string_value(json_object_get(document, "format")), "edgewise-report");
    assert_int_equal(json_array_size(json_object_get(document, "configurations")), 4);
    assert_int_equal(json_array_size(json_object_get(document, "trials")), 12);
    assert_int_equal(json_array_size(json_object_get(document, "traces")), 9);
    const json_t *sample = json_array_get(json_object_get(document, "samples"), 0);
    assert_string_equal(json_string_value(json_object_get(sample, "text")), " upon a time.");
    assert_int_equal(json_array_size(json_object_get(document, "samples")), 1); /* never of random weights */
    const json_t *repeat = json_object_get(document, "repeat_commands");
    expect_in(json_string_value(json_array_get(repeat, 0)), "edgewise study 'studies/made up.yaml' --store ");
    const json_t *gaps = json_object_get(json_array_get(json_object_get(document, "traces"), 0), "gaps_ms");
    assert_int_equal(json_array_size(gaps), 10);
    assert_float_equal(json_number_value(json_array_get(gaps, 0)), 12.5, 1e-9);
    json_decref(document);
    free(text);
    place_close(&p);
}

static size_t lines_of(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += *text == '\n';
    return n;
}

static void rows_for_machines(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){.hostile = true});
    char *csv = written(p.report, ew_report_write_csv);
    assert_int_equal(lines_of(csv), 1 + 4);
    expect_in(csv,
              "\n\"<img src=x onerror=alert(1)>\033[31m=1+1|\"\"x\"\"\",no,\"Q8_0\",1000000,1062500,1,1,100,11,0,128,");
    expect_in(csv, "\n\"big\",yes,\"Q4_0\",1000000000,562500000,2,2,100,11,0,128,\"auto\",3,0,0,2,2,2,3,1.25,");
    free(csv);
    char *jsonl = written(p.report, ew_report_write_jsonl);
    assert_int_equal(lines_of(jsonl), 12);
    for (char *line = strtok(jsonl, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *run = json_loads(line, 0, NULL);
        assert_non_null(json_object_get(run, "outcome"));
        json_decref(run);
    }
    free(jsonl);
    place_close(&p);
}

static void hostile_names_stay_text(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){.hostile = true});
    char *text = written(p.report, write_unfolded);
    expect_not_in(text, "\033");
    free(text);
    char *markdown = written(p.report, ew_report_write_markdown);
    expect_not_in(markdown, "<img");
    expect_not_in(markdown, "<script");
    free(markdown);
    char *page = written(p.report, ew_report_write_html);
    expect_not_in(page, "<img src=x");
    expect_not_in(page, "<script>alert");
    size_t scripts = 0; /* data, licences, script: and no fourth end of a script */
    for (const char *at = page; (at = strstr(at, "</script")); at++) scripts++;
    assert_int_equal(scripts, 3);
    free(page);
    place_close(&p);
}

static void partly_done(void **state) {
    (void)state;
    struct place p;
    place_open(&p, (struct report_fixture_options){.unfinished = true});
    char *text = written(p.report, write_unfolded);
    expect_in(text, "The study is not finished: 3 of 12 runs are still to be done.");
    expect_not_in(text, "Does not fit");
    free(text);
    free(written(p.report, ew_report_write_html));
    place_close(&p);
}

static void what_is_no_store(void **state) {
    (void)state;
    char folder[] = "/tmp/edgewise-report-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    struct ew_report *report = NULL;
    struct ew_error err = {0};
    snprintf(path, sizeof path, "%s/none.db", folder);
    assert_int_equal(ew_report_open(path, NULL, &report, &err), EW_ERR_NOT_FOUND);
    expect_in(err.message, "none.db");
    FILE *foreign = fopen(path, "w");
    fputs("This is a text file and no store, however long one reads in it. It goes on and on and on.\n", foreign);
    fclose(foreign);
    assert_int_equal(ew_report_open(path, NULL, &report, &err), EW_ERR_FORMAT);
    unlink(path);
    report_fixture_make(path, (struct report_fixture_options){0});
    assert_int_equal(ew_report_open(path, &(struct ew_report_request){.study = "another"}, &report, &err),
                     EW_ERR_NOT_FOUND);
    expect_in(err.message, "no study `another` (there are: which model here)");
    struct stat was;
    assert_int_equal(stat(path, &was), 0);
    for (off_t size = 0; size < was.st_size; size += was.st_size / 7 + 1) { /* cut short: refused, or read as it is */
        char copy[96], command[256];
        snprintf(copy, sizeof copy, "%s/cut.db", folder);
        snprintf(command, sizeof command, "cp '%s' '%s'", path, copy);
        assert_int_equal(system(command), 0);
        assert_int_equal(truncate(copy, size), 0);
        assert_int_not_equal(ew_report_open(copy, NULL, &report, &err), EW_OK);
        assert_true(strlen(err.message) > 0);
    }
    assert_null(report);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* Accuracy rates all three files of tiny and so does the text; tasks come first. Against the reference itself Q8_0 has
 * exp(0.001 ± 1.96 · 0.001), and Q4_0 against Q8_0 exp(0.059 ± 1.96 · sqrt(0.001² + 0.004²)): 1.0522 to 1.0694. */
static void quality_in_words(void **state) {
    (void)state;
    struct place p;
    struct ew_wishes wishes = {.prefer = EW_PREFER_SPEED};
    for (int l = 0; l < EW_LIMITS; l++) wishes.limit[l] = NAN;
    wishes.limit[EW_LIMIT_QUALITY] = 0.5;
    place_open_with(&p, quality_fixture_make, (struct report_fixture_options){.energy = true},
                    &(struct ew_report_request){.wishes = &wishes});
    char *text = written(p.report, write_unfolded);
    expect_in(text, "Run tiny Q8_0 · 1 thread: first token"); /* 100 tokens/s; the faster Q4_0 has 0.45 only */
    expect_in(text, "Quality 0.61 (0.54 to 0.67): accuracy on made-up items, not told apart from 1 other.");
    expect_in(text, "by quality");
    expect_in(text, "\ntiny   Q4_0  f16  accuracy       made-up items");
    expect_in(text,
              "F16 → Q8_0: 47 % smaller, 2.0 times faster decode, 50 % less energy per token; perplexity on made-up "
              "text +0.1 % (−0.1 … +0.3): not told apart by 5,000 tokens; KL divergence 0.00123 nats, top token "
              "the same in 99.4 %; accuracy on made-up items 62 % → 61 %: not told apart by 200 items.");
    expect_in(text, "Q8_0 → Q4_0: 47 % smaller, 2.5 times faster decode");
    expect_in(text, "+6.1 % (+5.2 … +6.9)");
    expect_in(text, "Quality was measured for only some of them"); /* big is synthetic */
    free(text);
    char *markdown = written(p.report, ew_report_write_markdown);
    expect_in(markdown, "## Quality\n\n| model | type | KV | measure | data |");
    expect_in(markdown, "- **tiny:** F16 → Q8_0: 47 % smaller");
    free(markdown);
    char *csv = written(p.report, ew_report_write_csv);
    expect_in(csv, ",flags,quality,quality_low,quality_high,quality_basis,quality_per_joule,quality_per_gb\r\n");
    expect_in(csv, ",0.62,0.5511,0.6844,tasks,"); /* F16 */
    expect_in(csv, "\"\",,,,,,\r\n");             /* without a figure: nothing, not zero */
    free(csv);
    place_close(&p);
}

/* 2 W at 100 tokens/s are 0.02 J a token, and 20 MiB are 0.02097152 GB: (0.61 - 0.25) / each. */
static void quality_in_the_document(void **state) {
    (void)state;
    struct place p;
    place_open_with(&p, quality_fixture_make, (struct report_fixture_options){.energy = true}, NULL);
    json_t *document = NULL;
    assert_int_equal(ew_report_make_json(p.report, &document, NULL), EW_OK);
    assert_string_equal(json_string_value(json_object_get(json_object_get(document, "quality"), "basis")), "tasks");
    assert_int_equal(json_array_size(json_object_get(document, "qualities")), 8); /* 2 of F16, 3 of each other */
    assert_int_equal(json_array_size(json_object_get(document, "quality_steps")), 2);
    const json_t *answers = json_object_get(document, "answers_to_prompts");
    assert_int_equal(json_array_size(answers), 9);
    assert_string_equal(json_string_value(json_object_get(json_array_get(answers, 0), "prompt")), "Once upon a time");
    size_t i, seen = 0;
    json_t *c;
    json_array_foreach(json_object_get(document, "configurations"), i, c) {
        const char *label = json_string_value(json_object_get(c, "label"));
        if (strcmp(label, "big Q4_0 · 2 threads") == 0) assert_true(json_is_null(json_object_get(c, "quality")));
        if (strcmp(label, "tiny Q8_0 · 1 thread") != 0) continue;
        assert_float_equal(json_number_value(json_object_get(c, "quality")), 0.61, 1e-9);
        assert_float_equal(json_number_value(json_object_get(c, "quality_per_joule")), 18, 0.1);
        assert_float_equal(json_number_value(json_object_get(c, "quality_per_gb")), 17.166, 0.001);
        seen++;
    }
    assert_int_equal(seen, 1);
    json_array_foreach(json_object_get(document, "qualities"), i, c) {
        if (strcmp(json_string_value(json_object_get(c, "measure")), "kl_divergence") != 0) continue;
        const json_t *reference = json_object_get(json_object_get(c, "figures"), "reference");
        assert_string_equal(json_string_value(json_object_get(reference, "model")), "tiny F16");
        seen++;
    }
    assert_int_equal(seen, 3);
    json_decref(document);
    place_close(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(terminal_report),
                                       cmocka_unit_test(energy_is_integrated_again),
                                       cmocka_unit_test(json_has_the_documented_form),
                                       cmocka_unit_test(rows_for_machines),
                                       cmocka_unit_test(hostile_names_stay_text),
                                       cmocka_unit_test(partly_done),
                                       cmocka_unit_test(quality_in_words),
                                       cmocka_unit_test(quality_in_the_document),
                                       cmocka_unit_test(what_is_no_store)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
