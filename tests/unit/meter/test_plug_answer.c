/* Answers of plugs as texts: as the makers document them, and every way in which they can be wrong. */
#include "meter/plug_answer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SWITCH = EW_PLUG_FORM_SWITCH, EM1 = EW_PLUG_FORM_EM1, STATUS = EW_PLUG_FORM_STATUS, TAS = EW_PLUG_FORM_TASMOTA };

struct case_ {
    int form, channel;
    const char *text;
    enum ew_meter_reason reason;
    double watts, step;
};

static const struct case_ cases[] = {
    {SWITCH, 0, "{\"id\":0,\"output\":true,\"apower\":8.9,\"voltage\":237.5,\"aenergy\":{\"total\":6532.7}}", 0, 8.9,
     .1},
    {SWITCH, 0, "{\"apower\": 12}", 0, 12, 1}, /* PM1 has no output */
    {SWITCH, 0, "{\"apower\":-0.4}", 0, -.4, .1},
    {SWITCH, 0, "{\"output\":false,\"apower\":0.0}", EW_METER_NOT_NOW, 0, 0},
    {SWITCH, 0, "{\"output\":true}", EW_METER_UNSUPPORTED, 0, 0},
    {SWITCH, 1, "{\"code\":-105,\"message\":\"Argument 'id', value 1 not found!\"}", EW_METER_ABSENT, 0, 0},
    {SWITCH, 0, "{\"apower\":null}", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "{\"apower\":\"9\"}", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "{\"apower\":-40}", EW_METER_IMPLAUSIBLE, 0, 0},
    {SWITCH, 0, "{\"apower\":1e9}", EW_METER_IMPLAUSIBLE, 0, 0},
    {SWITCH, 0, "{\"apower\":1e999}", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "{\"apower\":NaN}", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "{\"apower\":8.9", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "[1]", EW_METER_IO_ERROR, 0, 0},
    {SWITCH, 0, "{\"apower\":8.9,\"errors\":[\"power_meter_failure\"]}", EW_METER_IO_ERROR, 0, 0},
    {EM1, 0, "{\"id\":0,\"current\":2.598,\"act_power\":501.8}", 0, 501.8, .1},
    {STATUS, 1,
     "{\"relays\":[{\"ison\":false},{\"ison\":true}],\"meters\":[{\"power\":0,\"total\":1},"
     "{\"power\":20.66,\"is_valid\":true,\"total\":9}]}",
     0, 20.66, .01},
    {STATUS, 0, "{\"relays\":[{\"ison\":false}],\"meters\":[{\"power\":0,\"total\":1}]}", EW_METER_NOT_NOW, 0, 0},
    {STATUS, 2, "{\"meters\":[{\"power\":3,\"total\":1}]}", EW_METER_ABSENT, 0, 0},
    {STATUS, 0, "{\"meters\":[{\"power\":0.00,\"is_valid\":true}]}", EW_METER_UNSUPPORTED, 0, 0}, /* a Shelly 1 */
    {STATUS, 0, "{\"meters\":[{\"power\":3,\"is_valid\":false,\"total\":1}]}", EW_METER_IO_ERROR, 0, 0},
    {STATUS, 0, "{\"relays\":[]}", EW_METER_UNSUPPORTED, 0, 0},
    {STATUS, 0, "{\"emeters\":[{\"power\":10.66,\"is_valid\":true,\"total\":5.3}]}", 0, 10.66, .01},
    {TAS, -1, "{\"StatusSNS\":{\"ENERGY\":{\"Total\":3.185,\"Power\":27,\"Factor\":0.94}}}", 0, 27, 1},
    {TAS, 2, "{\"StatusSNS\":{\"ENERGY\":{\"Power\":[12,3.5]}}}", 0, 3.5, .1},
    {TAS, -1, "{\"StatusSNS\":{\"ENERGY\":{\"Power\":[12]}}}", 0, 12, 1},
    {TAS, -1, "{\"StatusSNS\":{\"ENERGY\":{\"Power\":[12,3]}}}", EW_METER_ABSENT, 0, 0},
    {TAS, 3, "{\"StatusSNS\":{\"ENERGY\":{\"Power\":[12,3]}}}", EW_METER_ABSENT, 0, 0},
    {TAS, 0, "{\"StatusSNS\":{\"ENERGY\":{\"Power\":12}}}", EW_METER_ABSENT, 0, 0},
    {TAS, -1, "{\"StatusSNS\":{\"Switch1\":\"OFF\"}}", EW_METER_UNSUPPORTED, 0, 0},
    {TAS, -1, "{\"WARNING\":\"Need user=<username>&password=<password>\"}", EW_METER_PERMISSION, 0, 0},
    {TAS, -1, "{\"Command\":\"Unknown\"}", EW_METER_IO_ERROR, 0, 0},
};

/* In memory of exactly its size, so that a reader beyond the end is caught. */
static enum ew_meter_reason parse(const struct case_ *c, size_t n, struct ew_plug_reading *r,
                                  struct ew_plug_refusal *why) {
    char *exact = malloc(n ? n : 1);
    assert_non_null(exact);
    memcpy(exact, c->text, n);
    enum ew_meter_reason reason = ew_plug_parse((enum ew_plug_form)c->form, c->channel, exact, n, r, why);
    free(exact);
    return reason;
}

static void test_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ew_plug_reading r = {0};
        struct ew_plug_refusal why = {.text = ""};
        enum ew_meter_reason reason = parse(&cases[i], strlen(cases[i].text), &r, &why);
        if (reason != cases[i].reason) fail_msg("%s: %s (%s)", cases[i].text, ew_meter_reason_name(reason), why.text);
        if (reason != EW_METER_USABLE) {
            assert_true(why.text[0]);
        } else if (fabs(r.power_w - cases[i].watts) > 1e-12 || fabs(r.resolution_w - cases[i].step) > 1e-12) {
            fail_msg("%s: %g W in steps of %g", cases[i].text, r.power_w, r.resolution_w);
        }
    }
}

static void test_truncated(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t n = 0; n < strlen(cases[i].text); n++) {
            struct ew_plug_reading r;
            struct ew_plug_refusal why;
            assert_int_equal(parse(&cases[i], n, &r, &why), EW_METER_IO_ERROR);
        }
}

static void test_addresses(void **state) {
    (void)state;
    struct ew_plug_address a;
    struct ew_error e = {0};
    assert_int_equal(ew_plug_address_parse(EW_PLUG_SHELLY, "admin:p/@:x@[::1]:8080/3", &a, &e), EW_OK);
    assert_string_equal(a.user, "admin");
    assert_string_equal(a.password, "p/@:x");
    assert_string_equal(a.host, "[::1]:8080");
    assert_int_equal(a.channel, 3);
    assert_int_equal(ew_plug_address_parse(EW_PLUG_TASMOTA, "plug.local", &a, &e), EW_OK);
    assert_int_equal(a.channel, EW_PLUG_NO_CHANNEL);
    static const char *const wrong[] = {"",    "/1", "a/",        "a/32",         "a/-1",
                                        "a b", "@a", "u:secret@", "u:secret@a?b", "a/1x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ew_plug_address_parse(EW_PLUG_SHELLY, wrong[i], &a, &e), EW_ERR_ARGUMENT);
        assert_null(strstr(e.message, "secret"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_truncated),
                                       cmocka_unit_test(test_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
