/* The verdict on a trial: a table of what was seen and what it means. */
#include "study/trial_judge.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { GIB = 1 << 30 };

static struct ew_trial_evidence quiet(void) {
    return (struct ew_trial_evidence){.said = {.pid = 5, .done = true},
                                      .timeout_s = 2,
                                      .oom_kills = 0,
                                      .peak_bytes = EW_MISSING,
                                      .free_at_start_bytes = EW_MISSING,
                                      .stderr_tail = ""};
}

static void expect(const struct ew_trial_evidence *e, enum ew_trial_status status, const char *word) {
    char reason[EW_TRIAL_REASON_SIZE];
    assert_string_equal(ew_trial_status_name(ew_trial_judge(e, reason)), ew_trial_status_name(status));
    if (!strstr(reason, word)) fail_msg("`%s` is not in: %s", word, reason);
}

static void exits(void **state) {
    (void)state;
    struct ew_trial_evidence e = quiet();
    expect(&e, EW_TRIAL_OK, "");
    e.exit_code = 1; /* done, and then it failed */
    expect(&e, EW_TRIAL_FAILED, "exit status 1 after done");
    e = quiet();
    e.said.done = false;
    e.said.phase = "prefill";
    e.stderr_tail = "first\nlast words\n";
    expect(&e, EW_TRIAL_FAILED, "exit status 0 before done, in phase prefill: last words");
    e.stderr_tail = "terminate: std::bad_alloc";
    expect(&e, EW_TRIAL_OOM, "out of memory");
    e = quiet();
    e.said.broken = "a line that is no JSON";
    expect(&e, EW_TRIAL_FAILED, "broke the trial protocol: a line that is no JSON");
}

static void errors_of_the_engine(void **state) {
    (void)state;
    struct ew_trial_evidence e = quiet();
    e.said.done = false;
    e.exit_code = 1;
    e.said.error_status = "format";
    e.said.error_message = "type 47 is not known";
    expect(&e, EW_TRIAL_FAILED, "type 47 is not known");
    e.said.error_status = "memory";
    expect(&e, EW_TRIAL_OOM, "type 47 is not known");
    e.said.error_message = NULL;
    expect(&e, EW_TRIAL_OOM, "no message");
}

static void signals(void **state) {
    (void)state;
    struct ew_trial_evidence e = quiet();
    e.exit_code = -1;
    e.said.done = false;
    e.said.phase = "load";
    e.signal = SIGSEGV;
    expect(&e, EW_TRIAL_CRASHED, "signal 11), in phase load");
    e.signal = SIGKILL; /* somebody's kill -9: no sign of memory */
    e.peak_bytes = GIB;
    e.free_at_start_bytes = (int64_t)4 * GIB;
    expect(&e, EW_TRIAL_CRASHED, "signal 9");
    e.oom_kills = 1;
    expect(&e, EW_TRIAL_OOM, "had taken 1024 of 4096 MiB that were free");
    e.oom_kills = EW_MISSING; /* in a container: the counter is not ours to read */
    expect(&e, EW_TRIAL_CRASHED, "signal 9");
    e.peak_bytes = (int64_t)4 * GIB - 1;
    expect(&e, EW_TRIAL_OOM, "out of memory, in phase load");
    e.signal = SIGABRT;
    e.stderr_tail = "ggml_aligned_malloc: insufficient memory\nfailed to allocate 9 GB";
    expect(&e, EW_TRIAL_OOM, "failed to allocate 9 GB");
    e.said.phase = NULL;
    e.said.pid = EW_MISSING;
    e.stderr_tail = "";
    expect(&e, EW_TRIAL_CRASHED, "before hello");
}

static void time_runs_out(void **state) {
    (void)state;
    struct ew_trial_evidence e = quiet();
    e.timed_out = true;
    e.exit_code = -1;
    e.signal = SIGKILL; /* ours */
    e.oom_kills = 3;
    e.said.done = false;
    e.said.phase = "decode";
    expect(&e, EW_TRIAL_TIMEOUT, "not done after 2 s, in phase decode");
}

/* Reasons are cut, never overrun. */
static void long_texts(void **state) {
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    struct ew_trial_evidence e = quiet();
    e.said.done = false;
    e.stderr_tail = text;
    expect(&e, EW_TRIAL_FAILED, "xxx");
    e.said.broken = text;
    expect(&e, EW_TRIAL_FAILED, "xxx");
    e.said.error_status = "io";
    e.said.error_message = text;
    expect(&e, EW_TRIAL_FAILED, "xxx");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exits), cmocka_unit_test(errors_of_the_engine),
                                       cmocka_unit_test(signals), cmocka_unit_test(time_runs_out),
                                       cmocka_unit_test(long_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
