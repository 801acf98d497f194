/* The plug as a meter, with a scripted client in place of HTTP: answers as the makers document them, a server that goes
 * away in the middle, garbage, slow answers, a counter that is reset. The meter's clock is moved by hand, its thread is
 * a real one and asks once a second. */
#include "meter/driver.h"
#include "meter/plug_answer.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* What every question is answered with until it is changed. */
struct server {
    pthread_mutex_t lock;
    pthread_cond_t change;
    enum ew_plug_form form;
    char text[512]; /* "" = it does not answer */
    int64_t takes_ns;
    bool hangs, cancelled;
    int asked;
    struct ew_plug_address address; /* as it was opened with */
    _Atomic int64_t now_ns;
};
static struct server server;

static int64_t now_ns(void *context) { return ((struct server *)context)->now_ns; }
static void sleep_until_ns(void *context, int64_t time_ns) {
    struct server *s = context;
    if (time_ns > s->now_ns) s->now_ns = time_ns;
}
static const struct ew_meter_clock hand = {.now_ns = now_ns, .sleep_until_ns = sleep_until_ns, .context = &server};

static void *open_client(const struct ew_plug_address *address) {
    server.address = *address;
    return &server;
}

static enum ew_meter_reason ask(void *client, struct ew_plug_reading *out, struct ew_plug_refusal *why) {
    struct server *s = client;
    char text[sizeof s->text];
    pthread_mutex_lock(&s->lock);
    s->asked++;
    pthread_cond_broadcast(&s->change);
    while (s->hangs && !s->cancelled) pthread_cond_wait(&s->change, &s->lock);
    bool gone = s->cancelled || !s->text[0];
    snprintf(text, sizeof text, "%s", s->text);
    s->now_ns += s->takes_ns;
    pthread_mutex_unlock(&s->lock);
    if (!gone) return ew_plug_parse(s->form, s->address.channel, text, strlen(text), out, why);
    snprintf(why->text, sizeof why->text, "the connection was refused");
    return EW_METER_IO_ERROR;
}

static void set_cancelled(void *client, bool cancelled) {
    struct server *s = client;
    pthread_mutex_lock(&s->lock);
    s->cancelled = cancelled;
    pthread_cond_broadcast(&s->change);
    pthread_mutex_unlock(&s->lock);
}
static void cancel(void *client) { set_cancelled(client, true); }
static void resume(void *client) { set_cancelled(client, false); }
static void close_client(void *client) { (void)client; }

static const struct ew_plug_interface plugs = {open_client, ask, cancel, resume, close_client};

/* ---- what the tests do to it ---- */

static void answer(const char *text) {
    pthread_mutex_lock(&server.lock);
    snprintf(server.text, sizeof server.text, "%s", text);
    pthread_mutex_unlock(&server.lock);
}

static struct ew_meter_list *find(enum ew_plug_form form, const char *source, const char *text) {
    struct ew_meter_list *list = ew_meter_list_new();
    server = (struct server){.lock = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER, .form = form};
    answer(text);
    const struct ew_meter_config config = {.clock = &hand, .plugs = &plugs};
    assert_int_equal(form == EW_PLUG_FORM_TASMOTA ? ew_meter_source_tasmota(list, &config, source, NULL)
                                                  : ew_meter_source_shelly(list, &config, source, NULL),
                     EW_OK);
    return list;
}

/* Waits for the answer to a question that is asked from now on; two, as one may be on its way. */
static void wait_for_answers(void) {
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 20;
    pthread_mutex_lock(&server.lock);
    int until = server.asked + 2;
    while (server.asked < until)
        if (pthread_cond_timedwait(&server.change, &server.lock, &limit) != 0) break;
    bool came = server.asked >= until;
    pthread_mutex_unlock(&server.lock);
    assert_true(came);
}

/* The last sample of those that are there; *n how many. */
static enum ew_status read_last(struct ew_meter *m, double *watts, size_t *n, struct ew_error *err) {
    int64_t times[64];
    double values[64];
    *n = 0;
    enum ew_status status = ew_meter_read(m, times, values, 64, n, err);
    if (status == EW_OK && *n > 0) *watts = values[*n - 1];
    return status;
}

static const char gen2[] = "{\"id\":0,\"output\":true,\"apower\":41.5,\"aenergy\":{\"total\":%s}}";

static void test_makers(void **state) {
    (void)state;
    static const struct {
        enum ew_plug_form form;
        const char *source, *name, *text;
        double watts, step;
    } cases[] = {
        {EW_PLUG_FORM_SWITCH, "desk", "shelly:desk", "{\"id\":0,\"output\":true,\"apower\":41.5}", 41.5, 0.1},
        {EW_PLUG_FORM_STATUS, "desk/1", "shelly:desk/1",
         "{\"relays\":[{\"ison\":true},{\"ison\":true}],\"meters\":[{\"power\":1.00,\"is_valid\":true,\"total\":5},"
         "{\"power\":42.25,\"is_valid\":true,\"total\":9}]}",
         42.25, 0.01},
        {EW_PLUG_FORM_TASMOTA, "u:geheim@desk", "tasmota:desk",
         "{\"StatusSNS\":{\"ENERGY\":{\"Total\":3.185,\"Power\":43}}}", 43, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ew_meter_list *list = find(cases[i].form, cases[i].source, cases[i].text);
        struct ew_meter *m = ew_meter_list_at(list, 0);
        const struct ew_meter_info *info = ew_meter_info(m);
        assert_string_equal(info->name, cases[i].name);
        assert_null(strstr(info->source, "geheim"));
        assert_int_equal(info->reason, EW_METER_USABLE);
        assert_int_equal(info->boundary, EW_BOUNDARY_WALL);
        assert_int_equal(info->grade_ceiling, EW_GRADE_C);
        assert_true(fabs(info->resolution - cases[i].step) < 1e-12);
        double watts = NAN;
        size_t n;
        assert_int_equal(ew_meter_start(m, NULL), EW_OK); /* the first reading is there when it returns */
        assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
        assert_true(n == 1 && watts == cases[i].watts);
        ew_meter_stop(m);
        ew_meter_list_close(&list);
    }
}

/* The counter in the answer is not what is measured: a plug that starts it anew goes on. */
static void test_counter_reset(void **state) {
    (void)state;
    char text[256];
    snprintf(text, sizeof text, gen2, "6532.7");
    struct ew_meter_list *list = find(EW_PLUG_FORM_SWITCH, "desk", text);
    struct ew_meter *m = ew_meter_list_at(list, 0);
    double watts = NAN;
    size_t n;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    snprintf(text, sizeof text, gen2, "0.0");
    answer(text);
    wait_for_answers();
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    assert_true(n >= 2 && watts == 41.5);
    ew_meter_list_close(&list);
}

/* A server that is shut down leaves missing samples, and after ten seconds the meter is gone, with the last cause. */
static void test_shut_down_midway(void **state) {
    (void)state;
    struct ew_error e = {0};
    double watts = NAN;
    size_t n;
    struct ew_meter_list *list = find(EW_PLUG_FORM_SWITCH, "desk", "{\"apower\":41.5}");
    struct ew_meter *m = ew_meter_list_at(list, 0);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    answer("");
    wait_for_answers();
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    assert_true(n >= 2 && isnan(watts));
    server.now_ns += 9000000000; /* nine seconds of silence are borne */
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_USABLE);
    server.now_ns += 2000000000;
    enum ew_status status = EW_OK;
    for (int i = 0; i < 3 && status == EW_OK; i++) status = read_last(m, &watts, &n, &e); /* a sample may have come */
    assert_int_equal(status, EW_ERR_NOT_FOUND);
    assert_non_null(strstr(e.message, "no reading for 11 s: the connection was refused"));
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_GONE);
    ew_meter_list_close(&list);
}

/* Garbage is a missing sample in the middle, and a refusal at the start. */
static void test_garbage(void **state) {
    (void)state;
    double watts = NAN;
    size_t n;
    struct ew_meter_list *list = find(EW_PLUG_FORM_TASMOTA, "desk", "<html>\x01\x02 login</html>");
    const struct ew_meter_info *info = ew_meter_info(ew_meter_list_at(list, 0));
    assert_int_equal(info->reason, EW_METER_IO_ERROR);
    assert_non_null(strstr(info->reason_text, "not the JSON that is expected: <html>   login"));
    ew_meter_list_close(&list);

    list = find(EW_PLUG_FORM_TASMOTA, "desk", "{\"StatusSNS\":{\"ENERGY\":{\"Power\":43}}}");
    struct ew_meter *m = ew_meter_list_at(list, 0);
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    answer("{\"StatusSNS\":{\"ENERGY\":{\"Power\":-900}}}");
    wait_for_answers();
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    assert_true(n >= 2 && isnan(watts));
    answer("{\"StatusSNS\":{\"ENERGY\":{\"Power\":44}}}");
    wait_for_answers();
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    assert_true(watts == 44);
    assert_int_equal(ew_meter_info(m)->reason, EW_METER_USABLE);
    ew_meter_list_close(&list);
}

/* An answer tells of the middle of its asking, give or take half the way; reading never waits for one. */
static void test_slow_answers(void **state) {
    (void)state;
    struct ew_meter_list *list = find(EW_PLUG_FORM_SWITCH, "desk", "{\"apower\":41.5}");
    struct ew_meter *m = ew_meter_list_at(list, 0);
    int64_t time_ns = 0;
    double watts = NAN;
    size_t n = 0;
    server.takes_ns = 800000000;
    server.now_ns = 5000000000;
    assert_int_equal(ew_meter_start(m, NULL), EW_OK);
    assert_int_equal(ew_meter_read(m, &time_ns, &watts, 1, &n, NULL), EW_OK);
    assert_true(n == 1 && watts == 41.5);
    assert_int_equal(time_ns, 5400000000);
    assert_true(fabs(ew_meter_info(m)->stamp_error_s - 0.4) < 1e-9);

    pthread_mutex_lock(&server.lock);
    server.hangs = true;
    pthread_mutex_unlock(&server.lock);
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL); /* until it hangs */
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    assert_int_equal(read_last(m, &watts, &n, NULL), EW_OK);
    ew_meter_stop(m); /* takes the question back */
    clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec < 5);
    ew_meter_list_close(&list);
}

/* A plug that this computer is not behind shows nothing, and is said so before anything is measured. */
static void test_not_behind_it(void **state) {
    (void)state;
    struct ew_meter_list *list = find(EW_PLUG_FORM_SWITCH, "desk", "{\"output\":true,\"apower\":0.0}");
    const struct ew_meter_info *info = ew_meter_info(ew_meter_list_at(list, 0));
    assert_int_equal(info->reason, EW_METER_NOT_NOW);
    assert_non_null(strstr(info->reason_text, "desk says 0 W"));
    assert_non_null(strstr(info->remedy, "plug this computer in there"));
    ew_meter_list_close(&list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_makers),  cmocka_unit_test(test_counter_reset), cmocka_unit_test(test_shut_down_midway),
        cmocka_unit_test(test_garbage), cmocka_unit_test(test_slow_answers),  cmocka_unit_test(test_not_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
