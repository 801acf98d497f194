/* Reading events: a good trial in pieces of any size, and every way to break the protocol. */
#include "study/trial_collector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLO                                                                                                          \
    "{\"event\":\"hello\",\"t\":1,\"protocol\":1,\"engine\":\"e\",\"version\":\"2\",\"build\":\"b\",\"pid\":77,\"cpu_" \
    "features\":\"f\"}\n"
#define PHASE(name, a, b)                                                                                              \
    "{\"event\":\"phase\",\"t\":" #a ",\"name\":\"" name "\",\"edge\":\"begin\"}\n"                                    \
    "{\"event\":\"phase\",\"t\":" #b ",\"name\":\"" name                                                               \
    "\",\"edge\":\"end\",\"tokens\":8,\"memory\":{\"vm_hwm_bytes\":900}}\n"
#define LEDGER "{\"event\":\"ledger\",\"t\":3,\"weights_mapped\":10,\"kv_cache\":5,\"total\":15}\n"
#define TTFT "{\"event\":\"ttft\",\"t\":40,\"ns\":21}\n"
#define STAMPS "{\"event\":\"token_stamps\",\"t\":60,\"ns\":[50,54,60]}\n"
#define TEXT "{\"event\":\"text\",\"t\":61,\"prompt\":\"p\",\"text\":\"t\\u00e4\",\"tokens\":2}\n"
#define DONE "{\"event\":\"done\",\"t\":62}\n"
#define GOOD HELLO PHASE("load", 2, 9) LEDGER PHASE("prefill", 20, 40) TTFT PHASE("decode", 50, 60) STAMPS TEXT

static struct ew_trial_collector *feed(const char *text, size_t piece) {
    struct ew_trial_collector *c = NULL;
    assert_int_equal(ew_trial_collector_open(&c, NULL), EW_OK);
    for (size_t n = strlen(text); n > 0;) {
        size_t part = n < piece ? n : piece;
        assert_int_equal(ew_trial_collector_feed(c, text, part, NULL), EW_OK);
        text += part;
        n -= part;
    }
    assert_int_equal(ew_trial_collector_end(c, NULL), EW_OK);
    return c;
}

static void good_trial(void **state) {
    (void)state;
    for (size_t piece = 1; piece < 200; piece += 7) {
        struct ew_trial_collector *c = feed(GOOD "{\"event\":\"tomorrow\",\"t\":61}\n" DONE, piece);
        struct ew_trial_collected said = ew_trial_collector_state(c);
        if (said.broken) fail_msg("%s", said.broken);
        assert_true(said.done);
        assert_null(said.error_status);
        assert_int_equal(said.pid, 77);
        struct ew_trial_record r = {0};
        ew_trial_collector_record(c, 100, &r);
        assert_string_equal(r.engine, "e");
        assert_string_equal(r.engine_version, "2");
        assert_int_equal(r.ttft_ns, 21);
        assert_int_equal(r.ledger.total, 15);
        assert_int_equal(r.ledger.scratch, EW_MISSING);
        assert_int_equal(r.n_phases, 3);
        assert_string_equal(r.phases[1].name, "prefill");
        assert_int_equal(r.phases[1].end_ns, 40);
        assert_int_equal(r.phases[1].n_tokens, 8);
        assert_int_equal(r.phases[1].vm_hwm_bytes, 900);
        assert_int_equal(r.phases[1].rss_anon_bytes, EW_MISSING);
        assert_int_equal(r.n_stamps, 3);
        assert_int_equal(r.stamps_ns[1], 54);
        assert_int_equal(r.last_stamp_ns, 60);
        assert_string_equal(r.sample_text, "t\xc3\xa4");
        ew_trial_collector_close(&c);
    }
}

static void an_exact_begin_replaces_the_event_s(void **state) {
    (void)state;
    struct ew_trial_collector *c =
        feed(HELLO "{\"event\":\"phase\",\"t\":5,\"name\":\"load\",\"edge\":\"begin\"}\n"
                   "{\"event\":\"phase\",\"t\":9,\"name\":\"load\",\"edge\":\"end\",\"begin\":6}\n"
                   "{\"event\":\"phase\",\"t\":15,\"name\":\"x\",\"edge\":\"begin\"}\n"
                   "{\"event\":\"phase\",\"t\":19,\"name\":\"x\",\"edge\":\"end\",\"begin\":3}\n",
             4096);
    struct ew_trial_record r = {0};
    ew_trial_collector_record(c, 100, &r);
    assert_int_equal(r.phases[0].begin_ns, 6);
    assert_int_equal(r.phases[1].begin_ns, 15); /* before its own begin event: not believed */
    ew_trial_collector_close(&c);
}

#define WINDOWS(ends, tokens, decode)                                                                                  \
    "{\"event\":\"windows\",\"t\":9,\"ends_ns\":" ends ",\"tokens\":" tokens ",\"decode_ns\":" decode "}\n"

static void windows_of_a_sustained_phase(void **state) {
    (void)state;
    struct ew_trial_collector *c = feed(HELLO WINDOWS("[5,9]", "[2,3]", "[4,4]"), 7);
    struct ew_trial_record r = {0};
    ew_trial_collector_record(c, 100, &r);
    assert_null(ew_trial_collector_state(c).broken);
    assert_int_equal(r.n_windows, 2);
    assert_int_equal(r.windows[1].end_ns, 9);
    assert_int_equal(r.windows[1].n_tokens, 3);
    assert_int_equal(r.windows[0].decode_ns, 4);
    ew_trial_collector_close(&c);
}

#define SPECULATION(drafted, accepted, passes)                                                                         \
    "{\"event\":\"speculation\",\"t\":9,\"drafted\":" drafted ",\"accepted\":" accepted ",\"passes\":" passes "}\n"

static void drafts_of_a_trial(void **state) {
    (void)state;
    struct ew_trial_collector *c = feed(HELLO SPECULATION("12", "9", "4"), 7);
    struct ew_trial_record r = {0};
    ew_trial_collector_record(c, 100, &r);
    assert_null(ew_trial_collector_state(c).broken);
    assert_int_equal(r.drafts.drafted, 12);
    assert_int_equal(r.drafts.accepted, 9);
    assert_int_equal(r.drafts.passes, 4);
    ew_trial_collector_close(&c);
    c = feed(HELLO, 7);
    ew_trial_collector_record(c, 100, &r);
    assert_int_equal(r.drafts.drafted, EW_MISSING);
    ew_trial_collector_close(&c);
}

static void broken_rules_are_named(void **state) {
    (void)state;
    static const struct {
        const char *text, *word;
    } bad[] = {
        {DONE, "`done` came before hello"},
        {HELLO "loading…\n", "no JSON object: loading"},
        {HELLO "[1]\n", "no JSON object"},
        {HELLO "{\"event\":\"phase\"}\n", "without `event` or `t`"},
        {HELLO "{\"t\":3}\n", "without `event` or `t`"},
        {HELLO "{\"event\":\"phase\",\"t\":1}\n", "phase without a name or edge"},
        {HELLO "{\"event\":\"phase\",\"t\":1,\"name\":\"a\",\"edge\":\"middle\"}\n", "is not begin or end"},
        {HELLO "{\"event\":\"phase\",\"t\":1,\"name\":\"a\",\"edge\":\"end\"}\n", "phase a ends, but did not begin"},
        {HELLO "{\"event\":\"phase\",\"t\":5,\"name\":\"a\",\"edge\":\"begin\"}\n"
               "{\"event\":\"phase\",\"t\":4,\"name\":\"a\",\"edge\":\"end\"}\n",
         "phase a ends"},
        {HELLO "{\"event\":\"phase\",\"t\":1,\"name\":\"a\",\"edge\":\"begin\"}\n"
               "{\"event\":\"phase\",\"t\":1,\"name\":\"b\",\"edge\":\"begin\"}\n",
         "phase b begins inside phase a"},
        {HELLO DONE, "done, but phase load is missing"},
        {HELLO PHASE("load", 2, 9) PHASE("prefill", 20, 40) PHASE("decode", 50, 60) STAMPS DONE, "ttft is missing"},
        {HELLO PHASE("load", 2, 9) PHASE("prefill", 20, 40) TTFT PHASE("decode", 50, 60) DONE,
         "token_stamps is missing"},
        {GOOD DONE TTFT, "`ttft` came after done"},
        {GOOD STAMPS, "a second time"},
        {HELLO "{\"event\":\"token_stamps\",\"t\":1,\"ns\":[3,2]}\n", "before the one before it"},
        {HELLO WINDOWS("[5,4]", "[1,1]", "[1,1]"), "window 1 is no numbers, or ends before"},
        {HELLO WINDOWS("[5,6]", "[1,-1]", "[1,1]"), "window 1 is no numbers"},
        {HELLO WINDOWS("[5,\"6\"]", "[1,1]", "[1,1]"), "window 1 is no numbers"},
        {HELLO WINDOWS("[5,6]", "[1]", "[1,1]"), "windows: 2 ends, but another number"},
        {HELLO WINDOWS("[5]", "[1]", "[1]") WINDOWS("[5]", "[1]", "[1]"), "or a second time"},
        {HELLO "{\"event\":\"token_stamps\",\"t\":1,\"ns\":[3,\"x\"]}\n", "is no number"},
        {HELLO "{\"event\":\"token_stamps\",\"t\":1,\"ns\":[]}\n", "0 stamps"},
        {HELLO SPECULATION("4", "5", "1"), "speculation: accepted and passes are not 0 to drafted"},
        {HELLO SPECULATION("4", "-1", "1"), "speculation: accepted"},
        {HELLO SPECULATION("4", "1", "\"1\""), "speculation: accepted"},
        {HELLO "{\"event\":\"ledger\",\"t\":1}\n", "ledger without a total"},
        {HELLO "{\"event\":\"do", "last line is not complete"},
        {"{\"event\":\"hello\",\"t\":1,\"protocol\":9}\n", "protocol is not 1"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ew_trial_collector *c = feed(bad[i].text, 4096);
        struct ew_trial_collected said = ew_trial_collector_state(c);
        if (!said.broken || !strstr(said.broken, bad[i].word))
            fail_msg("wanted: %s\n   got: %s", bad[i].word, said.broken ? said.broken : "(nothing)");
        struct ew_trial_record r = {0};
        ew_trial_collector_record(c, 100, &r);
        ew_trial_collector_close(&c);
    }
}

static void endless_lines_and_events_are_bounded(void **state) {
    (void)state;
    struct ew_trial_collector *c = NULL;
    static char block[65536];
    memset(block, 'x', sizeof block);
    assert_int_equal(ew_trial_collector_open(&c, NULL), EW_OK);
    for (int i = 0; i < 200; i++) assert_int_equal(ew_trial_collector_feed(c, block, sizeof block, NULL), EW_OK);
    assert_int_equal(ew_trial_collector_feed(c, "\n" HELLO, strlen(HELLO) + 1, NULL), EW_OK);
    for (int i = 0; i < 5000; i++) {
        static const char event[] = PHASE("p", 1, 2);
        assert_int_equal(ew_trial_collector_feed(c, event, sizeof event - 1, NULL), EW_OK);
    }
    assert_int_equal(ew_trial_collector_end(c, NULL), EW_OK);
    struct ew_trial_collected said = ew_trial_collector_state(c);
    assert_non_null(strstr(said.broken, "a line of more than"));
    assert_int_equal(said.pid, 77); /* what came after the long line was read */
    ew_trial_collector_close(&c);
}

static void a_trial_that_stops_keeps_its_phases(void **state) {
    (void)state;
    struct ew_trial_collector *c = feed(
        HELLO PHASE("load", 2, 9) "{\"event\":\"phase\",\"t\":20,\"name\":\"prefill\",\"edge\":\"begin\"}\n", 4096);
    struct ew_trial_collected said = ew_trial_collector_state(c);
    assert_null(said.broken);
    assert_false(said.done);
    assert_string_equal(said.phase, "prefill");
    struct ew_trial_record r = {0};
    ew_trial_collector_record(c, 100, &r);
    assert_int_equal(r.n_phases, 2);
    assert_int_equal(r.phases[1].end_ns, 100);
    assert_int_equal(r.n_stamps, 0);
    assert_int_equal(r.ttft_ns, EW_MISSING);
    ew_trial_collector_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_trial),
        cmocka_unit_test(an_exact_begin_replaces_the_event_s),
        cmocka_unit_test(windows_of_a_sustained_phase),
        cmocka_unit_test(drafts_of_a_trial),
        cmocka_unit_test(broken_rules_are_named),
        cmocka_unit_test(endless_lines_and_events_are_bounded),
        cmocka_unit_test(a_trial_that_stops_keeps_its_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
