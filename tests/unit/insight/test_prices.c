/* The price lists that ship, and a user's own. */
#include "base/error.h"
#include "insight/prices.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define assert_near_value(got_, expected_, within_) assert_true(fabs((got_) - (expected_)) <= (within_))

/* Looked up in the sources by hand; data/README.md names them. */
static void test_what_ships(void **state) {
    (void)state;
    struct ew_prices *p = NULL;
    assert_int_equal(ew_prices_open(NULL, NULL, &p, NULL), EW_OK);
    assert_string_equal(p->api_currency, "USD");
    assert_string_equal(p->api_date, "2026-08");
    assert_true(p->n_apis > 100 && p->n_countries > 200);
    const struct ew_api_price *micro = ew_prices_find_api(p, "amazon-nova-micro");
    assert_non_null(micro);
    assert_near_value(micro->input, 0.035, 0);
    assert_near_value(micro->output, 0.14, 0);
    assert_ptr_equal(ew_prices_find_api(p, "AMAZON nova micro"), micro);
    assert_null(ew_prices_find_api(p, "amazon"));
    const struct ew_country *germany = ew_prices_find_country(p, "deu");
    assert_non_null(germany);
    assert_ptr_equal(ew_prices_find_country(p, "Germany"), germany);
    assert_near_value(germany->price_per_kwh, 0.3943, 0);
    const struct ew_country *albania = ew_prices_find_country(p, "ALB");
    assert_near_value(albania->carbon_g_per_kwh, 24.286, 0);
    const struct ew_country *kenya = ew_prices_find_country(p, "KEN");
    assert_non_null(kenya);
    assert_true(isnan(kenya->price_per_kwh)); /* not in the list of prices: unknown, not zero */
    for (size_t i = 0; i < p->n_countries; i++) assert_true(p->countries[i].carbon_g_per_kwh > 0);
    ew_prices_close(&p);
    assert_null(p);
}

static enum ew_status open_text(const char *text, struct ew_prices **out, struct ew_error *err) {
    char path[] = "/tmp/ew-prices-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    enum ew_status status = ew_prices_open(path, NULL, out, err);
    unlink(path);
    return status;
}

static void test_own_list(void **state) {
    (void)state;
    struct ew_prices *p = NULL;
    assert_int_equal(open_text("{\"date\": \"2030-01\", \"currency\": \"EUR\", \"models\": ["
                               "{\"id\": \"mine\", \"input\": 1, \"output\": 2.5}]}",
                               &p, NULL),
                     EW_OK);
    assert_string_equal(ew_prices_find_api(p, "mine")->name, "mine");
    assert_near_value(ew_prices_find_api(p, "mine")->output, 2.5, 0);
    ew_prices_close(&p);
}

static void test_wrong_lists(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"", "line"},
        {"{\"models\": []}", "needs `date` and `currency`"},
        {"{\"date\": \"x\", \"currency\": \"EUR\"}", "`models` is not a list"},
        {"{\"date\": \"x\", \"currency\": \"EUR\", \"models\": [{\"input\": 1}]}", "entry 1"},
        {"{\"date\": \"x\", \"currency\": \"EUR\", \"models\": [{\"id\": \"a\", \"input\": -1, \"output\": 1}]}",
         "(a)"},
        {"{\"date\": \"x\", \"currency\": \"EUR\", \"models\": [{\"id\": \"a\", \"input\": \"1\", \"output\": 1}]}",
         "(a)"},
        {"{\"date\": \"x\", \"currency\": \"EUR\", \"models\": [{\"id\": \"a\", \"input\": 1}]}", "(a)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ew_prices *p = NULL;
        struct ew_error err = {0};
        assert_int_equal(open_text(wrong[i].text, &p, &err), EW_ERR_FORMAT);
        assert_null(p);
        if (!strstr(err.message, wrong[i].says)) fail_msg("`%s` does not say `%s`", err.message, wrong[i].says);
    }
    struct ew_prices *p = NULL;
    assert_int_equal(ew_prices_open("/nowhere/prices.json", NULL, &p, NULL), EW_ERR_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_ships),
        cmocka_unit_test(test_own_list),
        cmocka_unit_test(test_wrong_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
