/* Owning against renting, held against a day lived through hour by hour (tests/fixtures/money/simulate.py). */
#include "insight/money.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near_value(got_, expected_, within_) assert_true(fabs((got_) - (expected_)) <= (within_))

enum { COLUMNS = 32 };
enum {
    PRICE,
    YEARS,
    HOSTING,
    IDLE_W,
    OFF,
    EFFICIENCY,
    CARBON,
    EMBODIED,
    DAY_KWH,
    NIGHT_KWH,
    NIGHT_FROM,
    NIGHT_TO,
    EVENING,
    PREFILL,
    DECODE,
    PREFILL_J,
    DECODE_J,
    PROMPT,
    GENERATE,
    REQUESTS,
    RENT_IN,
    RENT_OUT,
    KWH,
    WAITING,
    MONEY,
    PER_MILLION,
    PER_MONTH,
    CARBON_DAY,
    BREAK_EVEN,
    PAYBACK,
    ANSWERS,
    DAY_HOURS
};

static void assert_near(double got, double expected, const char *what, size_t line) {
    if (got == expected || fabs(got - expected) <= 1e-8 * fabs(expected) + 1e-30) return;
    fail_msg("case %zu: %s is %.12g, lived through it is %.12g", line, what, got, expected);
}

static struct ew_owner owner_of(const double *v) {
    struct ew_owner o = {.device_price = v[PRICE],
                         .lifetime_years = v[YEARS],
                         .hosting_per_day = v[HOSTING],
                         .idle_w = v[IDLE_W],
                         .off_when_idle = v[OFF] != 0,
                         .supply_efficiency = v[EFFICIENCY],
                         .carbon_g_per_kwh = v[CARBON],
                         .embodied_kg = v[EMBODIED]};
    ew_money_tariff(v[DAY_KWH], v[NIGHT_KWH], (int)v[NIGHT_FROM], (int)v[NIGHT_TO], o.per_kwh);
    for (int h = 0; h < EW_HOURS; h++) o.use_share[h] = h >= 17 && h < 23 ? v[EVENING] / 6 : (1 - v[EVENING]) / 18;
    return o;
}

static void check_case(const double *v, size_t line) {
    const struct ew_owner owner = owner_of(v);
    const struct ew_running running = {v[PREFILL], v[DECODE], v[PREFILL_J], v[DECODE_J]};
    const struct ew_demand demand = {v[PROMPT], v[GENERATE], v[REQUESTS]};
    const struct ew_rent rent = {v[RENT_IN], v[RENT_OUT]};
    const struct ew_owning_cost cost = ew_money_owning(&owner, &running, &demand);
    assert_near(cost.energy_kwh_day, v[KWH], "energy of a day", line);
    assert_near(cost.waiting_kwh_day, v[WAITING], "energy of waiting", line);
    assert_near(cost.total_day, v[MONEY], "money of a day", line);
    assert_near(cost.per_million_generated, v[PER_MILLION], "money per million tokens", line);
    assert_near(cost.per_month, v[PER_MONTH], "money per month", line);
    assert_near(cost.carbon_g_day, v[CARBON_DAY], "carbon of a day", line);
    const struct ew_break_even even = ew_money_break_even(&owner, &running, &demand, &rent);
    assert_near(even.requests_per_day, v[BREAK_EVEN], "break-even", line);
    assert_near(even.payback_days, v[PAYBACK], "payback", line);
    if (isinf(v[BREAK_EVEN]))
        assert_int_equal(even.kind, EW_BREAK_EVEN_NEVER);
    else
        assert_int_equal(even.kind, v[BREAK_EVEN] > cost.most_requests ? EW_BREAK_EVEN_TOO_SLOW : EW_BREAK_EVEN_AT);
    const struct ew_battery battery = {.capacity_wh = 50, .usable_share = 0.8, .efficiency = 0.9};
    const struct ew_battery_life life = ew_money_battery(&battery, &running, &demand, v[IDLE_W]);
    assert_near(life.answers, v[ANSWERS], "answers on a charge", line);
    assert_near(life.day_hours, v[DAY_HOURS], "hours on a charge", line);
}

static void test_a_day_lived_through(void **state) {
    (void)state;
    char path[1024], text[2048];
    snprintf(path, sizeof path, "%s/tests/fixtures/money/cases.csv", getenv("EW_SOURCE_DIR"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    size_t line = 0, never = 0;
    for (; fgets(text, sizeof text, f); line++) {
        double v[COLUMNS];
        char *p = text;
        for (int i = 0; i < COLUMNS; i++, p++) v[i] = strtod(p, &p);
        check_case(v, line + 1);
        never += isinf(v[BREAK_EVEN]);
    }
    fclose(f);
    assert_int_equal(line, 40);
    assert_true(never > 0 && never < line); /* both kinds of break-even were there */
}

static const struct ew_running pi = {
    .prefill_tokens_per_s = 100, .decode_tokens_per_s = 10, .prefill_j_per_token = 0.1, .decode_j_per_token = 1};

static struct ew_owner plain_owner(void) {
    struct ew_owner o = {.device_price = 36.525, .lifetime_years = 0.1, .idle_w = 0, .supply_efficiency = 1};
    ew_money_tariff(0.36, 0.36, 0, 0, o.per_kwh);
    ew_money_even_use(o.use_share);
    return o;
}

/* 100 prompt tokens take 1 s and 10 J, 90 tokens 9 s and 90 J: 100 J at 0.36 per 3.6 MJ is 1e-5; a day of the device 1.
 */
static void test_a_sum_in_the_head(void **state) {
    (void)state;
    struct ew_owner o = plain_owner();
    const struct ew_demand d = {.prompt_tokens = 100, .generate_tokens = 90, .requests_per_day = 864};
    struct ew_owning_cost c = ew_money_owning(&o, &pi, &d);
    assert_near_value(c.request_s, 10, 1e-12);
    assert_near_value(c.most_requests, 8640, 1e-9);
    assert_near_value(c.utilisation, 0.1, 1e-12);
    assert_near_value(c.device_day, 1, 1e-9);
    assert_near_value(c.energy_day, 0.00864, 1e-12);
    assert_near_value(c.per_million_tokens, 1.00864 / (864 * 190) * 1e6, 1e-6);
    /* Rent of 1 per thousand requests: 1 / (1e-3 - 1e-5) = 1010.1 requests pay for a day. */
    const struct ew_rent rent = {.input = 1, .output = 10};
    struct ew_break_even b = ew_money_break_even(&o, &pi, &d, &rent);
    assert_int_equal(b.kind, EW_BREAK_EVEN_AT);
    assert_near_value(b.requests_per_day, 1 / (1e-3 - 1e-5), 1e-6);
    o.device_price *= 10;
    assert_int_equal(ew_money_break_even(&o, &pi, &d, &rent).kind, EW_BREAK_EVEN_TOO_SLOW);
}

static void test_what_is_not_known_stays_unknown(void **state) {
    (void)state;
    struct ew_owner o = plain_owner();
    const struct ew_demand d = {100, 90, 864};
    struct ew_running unmetered = pi;
    unmetered.decode_j_per_token = NAN;
    struct ew_owning_cost c = ew_money_owning(&o, &unmetered, &d);
    assert_true(isnan(c.total_day) && isnan(c.energy_kwh_day) && isnan(c.carbon_g_day));
    assert_false(isnan(c.device_day) || isnan(c.request_s));
    assert_int_equal(ew_money_break_even(&o, &unmetered, &d, &(struct ew_rent){1, 10}).kind, EW_BREAK_EVEN_UNKNOWN);
    o.idle_w = NAN;
    assert_true(isnan(ew_money_owning(&o, &pi, &d).total_day));
    o.off_when_idle = true; /* then idle power does not matter */
    assert_false(isnan(ew_money_owning(&o, &pi, &d).total_day));
}

static void test_sensitivity_moves_as_it_must(void **state) {
    (void)state;
    struct ew_owner o = plain_owner();
    o.idle_w = 2;
    const struct ew_demand d = {100, 90, 864};
    const double now = ew_money_owning(&o, &pi, &d).per_million_generated;
    struct ew_sensitivity s[EW_SENSITIVES];
    ew_money_sensitivity(&o, &pi, &d, 0.5, s);
    assert_true(s[EW_SENSITIVE_DEVICE].low < now && now < s[EW_SENSITIVE_DEVICE].high);
    assert_true(s[EW_SENSITIVE_LIFETIME].low > now && now > s[EW_SENSITIVE_LIFETIME].high);
    assert_true(s[EW_SENSITIVE_TARIFF].low < now && now < s[EW_SENSITIVE_TARIFF].high);
    assert_true(s[EW_SENSITIVE_DEMAND].low > now && now > s[EW_SENSITIVE_DEMAND].high);
    /* Half the lifetime doubles the device's share and nothing else: 1 per day over 864 x 90 tokens. */
    assert_near_value(s[EW_SENSITIVE_LIFETIME].low - now, 1.0 / (864 * 90) * 1e6, 1e-6);
}

static void test_cheap_hours_may_pass_midnight(void **state) {
    (void)state;
    double hours[EW_HOURS];
    ew_money_tariff(2, 1, 22, 6, hours);
    assert_true(hours[21] == 2 && hours[22] == 1 && hours[23] == 1 && hours[0] == 1 && hours[5] == 1 && hours[6] == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_day_lived_through),
        cmocka_unit_test(test_a_sum_in_the_head),
        cmocka_unit_test(test_what_is_not_known_stays_unknown),
        cmocka_unit_test(test_sensitivity_moves_as_it_must),
        cmocka_unit_test(test_cheap_hours_may_pass_midnight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
