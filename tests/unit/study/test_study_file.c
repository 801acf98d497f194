/* Study files: what a good one gives, and what each mistake is told. */
#include "study/study_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

#define HEAD "study: s\nmodels:\n  - {box: true}\n"

static void everything_is_read(void **state) {
    (void)state;
    struct ew_study_file *f = good("study: which model\n"
                                   "models:\n"
                                   "  - {synth: llama-3.2-1b, types: [q4_0, q8_0]}\n"
                                   "  - {file: m.gguf, sample_text: false}\n"
                                   "  - box: true\n"
                                   "sweep:\n"
                                   "  prefill_threads: [1, all]\n"
                                   "  decode_threads: 2\n"
                                   "  depth: [0, 2048]\n"
                                   "  layout: [mapped, packed]\n"
                                   "measure:\n"
                                   "  prompt_tokens: 256\n"
                                   "  generate_tokens: 64\n"
                                   "  repeats: {min: 3, max: 15, until_interval: 2 %}\n"
                                   "  idle: 30 s\n"
                                   "  timeout: 10 min\n"
                                   "  warmup: 500 ms\n"
                                   "  seed: 42\n"
                                   "  sample_prompt: \"Hello: world\"\n"
                                   "  energy: none\n"
                                   "store: out.db\n"
                                   "cache: /c\n");
    assert_string_equal(f->name, "which model");
    assert_int_equal(f->n_models, 4);
    assert_int_equal(f->models[0].kind, EW_STUDY_MODEL_SYNTH);
    assert_string_equal(f->models[1].type, "q8_0");
    assert_string_equal(f->models[1].name, "llama-3.2-1b");
    assert_int_equal(f->models[2].kind, EW_STUDY_MODEL_FILE);
    assert_false(f->models[0].has_sample_text); /* random weights: no text unless asked for */
    assert_false(f->models[2].has_sample_text);
    assert_true(f->models[3].has_sample_text);
    assert_int_equal(f->models[2].line, 4);
    assert_int_equal(f->models[3].kind, EW_STUDY_MODEL_BOX);
    assert_int_equal(f->prefill_threads.n, 2);
    assert_int_equal(f->prefill_threads.value[1], EW_STUDY_ALL);
    assert_int_equal(f->decode_threads.n, 1);
    assert_int_equal(f->decode_threads.value[0], 2);
    assert_int_equal(f->decode_threads.line, 8);
    assert_int_equal(f->depth.value[1], 2048);
    assert_int_equal(f->layout.value[1], EW_WEIGHTS_PACKED);
    assert_int_equal(f->prompt_tokens.value[0], 256);
    assert_int_equal(f->repeats_min, 3);
    assert_int_equal(f->repeats_max, 15);
    assert_true(f->until_interval == 0.02);
    assert_true(f->idle_s == 30 && f->timeout_s == 600 && f->warmup_s == 0.5);
    assert_int_equal(f->seed, 42);
    assert_string_equal(f->sample_prompt, "Hello: world");
    assert_string_equal(f->energy, "none");
    assert_string_equal(f->store, "out.db");
    char *json = ew_study_file_json(f);
    assert_non_null(strstr(json, "\"decode_threads\":[2]"));
    assert_non_null(strstr(json, "\"prefill_threads\":[1,\"all\"]"));
    free(json);
    ew_study_file_close(&f);
    assert_null(f);
}

static void mistakes_name_line_key_and_rule(void **state) {
    (void)state;
    bad("", "s.yaml:1: the file is empty");
    bad("models:\n  - {box: true}\n", "s.yaml:1: study: is missing");
    bad("study: s\n", "models: is missing or empty");
    bad("study: s\nmodels: []\n", "models: is missing or empty");
    bad("study: s\nmodels: {box: true}\n", "s.yaml:2: models: must be a list");
    bad(HEAD "colour: red\n",
        "s.yaml:4: colour: is not a key of a study file (models, sweep, configurations, exclude, measure, "
        "budget, quality, study, store, cache)");
    bad(HEAD "sweep:\n  decode_thread: [1]\n",
        "s.yaml:5: decode_thread: is not a key of sweep (threads, prefill_threads");
    bad(HEAD "measure: {repeat: 3}\n", "s.yaml:4: repeat: is not a key of measure");
    bad(HEAD "sweep:\n  decode_threads: [1, 0]\n",
        "s.yaml:5: decode_threads: `0` is not a number of threads (1 or more, or all)");
    bad(HEAD "sweep:\n  decode_threads:\n    - 1\n    - lots\n",
        "s.yaml:7: decode_threads: `lots` is not a number of threads");
    bad(HEAD "sweep: {prompt_tokens: [1.5]}\n", "prompt_tokens: `1.5` is not a whole number from 1 to 1048576");
    bad(HEAD "sweep: {prompt_tokens: []}\n", "prompt_tokens: the list is empty");
    bad(HEAD "sweep: {depth: [0, 0]}\n", "depth: `0` comes twice");
    bad(HEAD "sweep: {depth: {a: 1}}\n", "depth: must be a value or a list");
    bad(HEAD "sweep: {generate_tokens: [1]}\n", "generate_tokens: `1` is not a whole number from 2");
    bad(HEAD "sweep: {layout: fast}\n", "layout: `fast` is not auto, mapped, packed or side_file");
    bad(HEAD "sweep: {prompt_tokens: 5}\nmeasure: {prompt_tokens: 6}\n",
        "s.yaml:5: prompt_tokens: is already in line 4");
    bad(HEAD "sweep: {threads: 1, decode_threads: 1}\n", "threads: sets prefill and decode alike");
    bad(HEAD "sweep: [1]\n", "s.yaml:4: sweep: must be `key: value` pairs");
    bad(HEAD "measure:\n  idle: 30\n", "s.yaml:5: idle: `30` is not a duration (such as 500 ms");
    bad(HEAD "measure: {timeout: 0}\n", "timeout: 0 is outside 0.1 s to 86400 s");
    bad(HEAD "measure: {repeats: 0}\n", "repeats: `0` is not a whole number from 1 to 1000");
    bad(HEAD "measure: {repeats: {min: 4, max: 2}}\n", "repeats: min 4 is more than max 2");
    bad(HEAD "measure: {repeats: {until_interval: 2}}\n", "until_interval: `2` is not a share such as 2 %");
    bad(HEAD "measure: {repeats: {often: 2}}\n", "often: is not a key of repeats");
    bad(HEAD "measure: {seed: 1}\nmeasure: {seed: 2}\n", "s.yaml:5: measure: comes twice");
    bad("study: s\nmodels:\n  - {synth: x}\n", "s.yaml:3: types: is missing; synth: x needs a list");
    bad("study: s\nmodels:\n  - {synth: x, types: []}\n", "types: the list is empty");
    bad("study: s\nmodels:\n  - {file: x, types: [q4_0]}\n", "types: a file has the type that it has");
    bad("study: s\nmodels:\n  - {types: [q4_0]}\n", "an entry needs one of synth, file, box");
    bad("study: s\nmodels:\n  - {file: x, box: true}\n", "an entry needs one of synth, file, box");
    bad("study: s\nmodels:\n  - {box: yes}\n", "box: `yes` is not true or false");
    bad("study: s\nmodels:\n  - {box: false}\n", "box: false names no model");
    bad("study: s\nmodels:\n  - {filee: x}\n",
        "filee: is not a key of a model (synth, file, else_synth, box, types, sample_text)");
    bad("study: s\nmodels:\n  - {synth: a, types: b}\n  - [1]\n",
        "s.yaml:4: an entry of models: must be `key: value` pairs");
    bad("study: [a]\n", "study: must be text");
    bad("study: s\n\tx: 1\n", "s.yaml:2: is not valid YAML");
    bad("study: \"s\nmodels: 3\n", "is not valid YAML");
    bad("? [a]\n: b\n", "a key is not plain text");
}

static void knobs_of_the_machine_and_the_protocol(void **state) {
    (void)state;
    struct ew_study_file *f =
        good("study: s\n"
             "models:\n"
             "  - {file: \"m-{type}.gguf\", else_synth: llama-3.2-1b, types: [q4_0, q8_0]}\n"
             "grid:\n"
             "  threads: [1, all]\n"
             "  batch: [0, 64]\n"
             "  cores: [0-3, big, \"0,2-3\", all]\n"
             "  sustained: [none, 10 min]\n"
             "  load: [warm, cold]\n"
             "  backend: cpu\n"
             "  kv: f16\n"
             "  speculate: [off, auto, 15]\n"
             "  governor: [powersave, performance, as_is]\n"
             "  frequency_cap: [1.5 GHz, 800 MHz, as_is]\n"
             "  power_mode: [15W, as_is]\n"
             "  epp: balance_power\n"
             "measure:\n"
             "  cool_to: {at: 50 °C, within: 3 °C, timeout: 2 min}\n"
             "  timeout: 2 h\n"
             "  idle: {min: 20 s, max: 90 s, until_interval: 1 %}\n"
             "budget: {time: 2 h, energy: 5 Wh, disk: 20 GB}\n"
             "exclude:\n"
             "  - {threads: 1, load: cold}\n"
             "  - {model: llama-3.2-1b, type: [q8_0], sustained: 10 min}\n"
             "configurations:\n"
             "  - {threads: 2, batch: 0, cores: all, sustained: 1 h, load: warm, governor: as_is,\n"
             "     frequency_cap: as_is, power_mode: as_is, speculate: auto}\n");
    assert_int_equal(f->n_models, 2);
    assert_string_equal(f->models[1].else_synth, "llama-3.2-1b");
    assert_string_equal(f->models[1].type, "q8_0");
    assert_int_equal(f->batch.value[1], 64);
    assert_int_equal(f->cores.n, 4);
    assert_string_equal(ew_study_file_word(f, f->cores.value[0]), "0-3");
    assert_string_equal(ew_study_file_word(f, f->cores.value[2]), "0,2-3");
    assert_int_equal(f->cores.value[3], EW_STUDY_ALL);
    assert_int_equal(f->sustained.value[1], 600000);
    assert_int_equal(f->load.value[1], EW_LOAD_COLD);
    assert_int_equal(f->speculate.n, 3);
    assert_int_equal(f->frequency_cap.value[0], 1500000000);
    assert_int_equal(f->frequency_cap.value[1], 800000000);
    assert_int_equal(f->governor.value[2], EW_STUDY_AS_IS);
    assert_string_equal(ew_study_file_word(f, f->epp.value[0]), "balance_power");
    assert_true(f->cool_to.at_c == 50 && f->cool_to.within_c == 3 && f->cool_to.timeout_s == 120);
    assert_true(f->idle_s == 20 && f->idle_max_s == 90 && f->idle_until == 0.01);
    assert_true(f->budget.time_s == 7200 && f->budget.energy_j == 18000 && f->budget.disk_bytes == 20e9);
    assert_int_equal(f->n_exclude, 2);
    assert_int_equal(f->exclude[0].axis[EW_AXIS_THREADS].value[0], 1);
    assert_int_equal(f->n_configurations, 1);
    assert_int_equal(f->configurations[0].axis[EW_AXIS_SUSTAINED].value[0], 3600000);
    assert_int_equal(f->configurations[0].axis[EW_AXIS_PROMPT_TOKENS].value[0], 512); /* the sweep's only one */
    char *json = ew_study_file_json(f);
    assert_non_null(strstr(json, "\"cores\":[\"0-3\",\"big\",\"0,2-3\",\"all\"]"));
    assert_non_null(strstr(json, "\"load\":[\"warm\",\"cold\"]"));
    assert_non_null(strstr(json, "\"speculate\":[\"off\",\"auto\",\"15\"]"));
    assert_non_null(strstr(json, "\"frequency_cap\":[1500000000,800000000,\"as_is\"]"));
    assert_non_null(strstr(json, "\"exclude\":[{\"threads\":[1],\"load\":[\"cold\"]}"));
    free(json);
    ew_study_file_close(&f);
}

static void mistakes_in_knobs(void **state) {
    (void)state;
    bad(HEAD "sweep: {backend: [cpu, cuda]}\n", "s.yaml:4: backend: `cuda` is not in this build, which has only cpu");
    bad(HEAD "sweep: {kv: q4_0}\n", "kv: `q4_0` is not f16, q8_0, f32, q8_0/f16 or f16/q8_0");
    bad(HEAD "sweep: {speculate: 16}\n", "speculate: `16` is not off, auto, 1, 2,");
    bad(HEAD "sweep: {spin: 1000001}\n", "spin: `1000001` is not a whole number from 0 to 1000000");
    bad(HEAD "sweep: {load: hot}\n", "load: `hot` is not warm or cold");
    bad(HEAD "sweep:\n  cores: [3-1]\n", "s.yaml:5: cores: `3-1` is not a set of cores (all, big, little, or a list");
    bad(HEAD "sweep: {frequency_cap: 1500}\n", "frequency_cap: `1500` is not a frequency (such as 1.5 GHz");
    bad(HEAD "sweep: {sustained: 10}\n", "sustained: `10` is not a duration");
    bad(HEAD "sweep:\n  sustained: [none, 30 min]\n",
        "s.yaml:5: sustained: 30 min 0 s is not less than the timeout of 30 min 0 s (measure: timeout)");
    bad(HEAD "sweep: {batch: [-1]}\n", "batch: `-1` is not a whole number from 0");
    bad(HEAD "measure: {cool_to: 50}\n", "cool_to: `50` is not a temperature such as 50 °C");
    bad(HEAD "measure: {cool_to: {within: 2 °C}}\n", "cool_to: has no temperature");
    bad(HEAD "measure: {cool_to: {until: 2 °C}}\n", "until: is not a key of cool_to (at, within, timeout)");
    bad(HEAD "measure: {idle: {min: 50 s, max: 40 s}}\n", "idle: min 50 s is more than max 40 s");
    bad(HEAD "measure: {idle: {until_interval: 2}}\n", "idle: until_interval: `2` is not a share such as 2 %");
    bad(HEAD "measure: {idle: {long: 2 s}}\n", "long: is not a key of idle (min, max, until_interval)");
    bad(HEAD "budget: {time: 2}\n", "budget: time: `2` is not a duration");
    bad(HEAD "budget: {energy: 2 W}\n", "budget: energy: `2 W` is not an energy (such as 500 J");
    bad(HEAD "budget: {disk: lots}\n", "budget: disk: `lots` is not a size");
    bad(HEAD "budget: {money: 2}\n", "s.yaml:4: money: is not a key of budget (time, energy, disk)");
    bad(HEAD "exclude: {threads: 1}\n", "exclude: must be a list");
    bad(HEAD "exclude:\n  - {thread: 1}\n", "s.yaml:5: thread: is not a key of an entry of exclude (threads,");
    bad(HEAD "exclude:\n  - {}\n", "s.yaml:5: an entry of exclude: names nothing");
    bad(HEAD "sweep: {depth: [0, 8]}\nconfigurations:\n  - {threads: 1}\n",
        "s.yaml:6: configurations: must say which depth: the sweep has 2 values for it");
    bad(HEAD "configurations:\n  - {threads: 1, decode_threads: 2}\n", "s.yaml:5: threads: sets prefill and decode");
    bad(HEAD "sweep: {depth: 1}\ngrid: {batch: 2}\n", "s.yaml:5: grid: the sweep is already in line 4");
    bad("study: s\nmodels: [{synth: a, else_synth: b, types: [q4_0]}]\n", "else_synth: stands in for a file");
    bad("study: s\nmodels: [{file: a, else_synth: b}]\n", "types: is missing; synth: b needs a list");
}

static void repeats_in_both_forms(void **state) {
    (void)state;
    struct ew_study_file *f = good(HEAD "measure: {repeats: 7}\n");
    assert_int_equal(f->repeats_min, 7);
    assert_int_equal(f->repeats_max, 7);
    ew_study_file_close(&f);
    f = good(HEAD "measure: {repeats: {min: 8}}\n");
    assert_int_equal(f->repeats_max, 8);
    ew_study_file_close(&f);
}

/* An alias to its own parent makes the tree endless. */
static void endless_and_huge_files_end(void **state) {
    (void)state;
    bad("&a study: *a\n", "s.yaml");
    bad("study: s\nmodels: &m\n  - *m\n", "s.yaml");
    char text[6000] = HEAD "sweep: {prompt_tokens: [1";
    for (int i = 2; i < 200; i++) sprintf(text + strlen(text), ", %d", i);
    strcat(text, "]}\n");
    bad(text, "prompt_tokens: has more than 64 values");
}

/* Any single byte changed: a study or a message, never a crash. */
static void changed_bytes_do_not_crash(void **state) {
    (void)state;
    static const char text[] =
        "study: s\nmodels: [{synth: a, types: [b, c]}, {box: true}]\nsweep: {threads: [1, all]}\n"
        "measure: {repeats: {min: 1, max: 2, until_interval: 2 %}, idle: 1 s, cool_to: {at: 50 C}}\n"
        "exclude: [{cores: 0-1, load: cold}]\nbudget: {energy: 5 J}\n";
    static const char swaps[] = "\0\n\t:{}[]&*!|>'\"%@`#-?,x\xff";
    for (size_t i = 0; i + 1 < sizeof text; i++)
        for (size_t k = 0; k + 1 < sizeof swaps; k++) {
            char changed[sizeof text];
            memcpy(changed, text, sizeof text);
            changed[i] = swaps[k];
            struct ew_study_file *f = NULL;
            struct ew_error err = {0};
            if (ew_study_file_parse("s.yaml", changed, sizeof text - 1, &f, &err) != EW_OK)
                assert_memory_equal(err.message, "s.yaml:", 7);
            ew_study_file_close(&f);
        }
}

static void missing_file(void **state) {
    (void)state;
    struct ew_study_file *f = NULL;
    struct ew_error err = {0};
    assert_int_equal(ew_study_file_read("/no/such/study.yaml", &f, &err), EW_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/no/such/study.yaml"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),         cmocka_unit_test(mistakes_name_line_key_and_rule),
        cmocka_unit_test(repeats_in_both_forms),      cmocka_unit_test(endless_and_huge_files_end),
        cmocka_unit_test(changed_bytes_do_not_crash), cmocka_unit_test(missing_file),
        cmocka_unit_test(mistakes_in_knobs),          cmocka_unit_test(knobs_of_the_machine_and_the_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
