/* Owns stating a case: keys, ranges, look-ups. The sums are in money.c. */
#include "insight/money_case.h"

#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ew_money_case ew_money_case_new(void) {
    struct ew_money_case c = {.tariff = NAN,
                              .cheap_tariff = NAN,
                              .requests_per_day = NAN,
                              .work_w = NAN,
                              .prompt_tokens = NAN,
                              .generate_tokens = NAN,
                              .currency = "USD",
                              .usd_rate = NAN,
                              .battery = {.capacity_wh = NAN, .usable_share = 1, .efficiency = 1}};
    c.owner = (struct ew_owner){
        .device_price = NAN, .lifetime_years = NAN, .idle_w = NAN, .supply_efficiency = 1, .carbon_g_per_kwh = NAN};
    for (int h = 0; h < EW_HOURS; h++) c.owner.per_kwh[h] = NAN;
    ew_money_even_use(c.owner.use_share);
    return c;
}

#define AT(member_) offsetof(struct ew_money_case, member_)

static const struct {
    const char *key;
    size_t offset;
    double min, max;
} numbers[] = {
    {"device_price", AT(owner.device_price), 0, 1e9},
    {"lifetime_years", AT(owner.lifetime_years), 0.01, 100},
    {"hosting_per_day", AT(owner.hosting_per_day), 0, 1e6},
    {"tariff", AT(tariff), 0, 1e4},
    {"cheap_tariff", AT(cheap_tariff), 0, 1e4},
    {"usd_rate", AT(usd_rate), 1e-6, 1e6},
    {"requests_per_day", AT(requests_per_day), 1e-6, 1e12},
    {"prompt_tokens", AT(prompt_tokens), 1, 1e7},
    {"generate_tokens", AT(generate_tokens), 1, 1e7},
    {"idle_w", AT(owner.idle_w), 0, 1e5},
    {"work_w", AT(work_w), 1e-3, 1e5},
    {"supply_efficiency", AT(owner.supply_efficiency), 0.05, 1},
    {"embodied_kg", AT(owner.embodied_kg), 0, 1e6},
    {"battery_wh", AT(battery.capacity_wh), 1e-3, 1e6},
    {"battery_usable", AT(battery.usable_share), 0.01, 1},
    {"battery_efficiency", AT(battery.efficiency), 0.05, 1},
};

static const struct {
    const char *key;
    size_t offset, size;
} texts[] = {
    {"currency", AT(currency), sizeof((struct ew_money_case *)0)->currency},
    {"country", AT(country), sizeof((struct ew_money_case *)0)->country},
    {"api", AT(api), sizeof((struct ew_money_case *)0)->api},
};

#undef AT

static enum ew_status set_number(struct ew_money_case *c, size_t i, const char *value, struct ew_error *err) {
    char *end;
    errno = 0;
    double v = strtod(value, &end);
    if (end == value || *end || errno || !(v >= numbers[i].min && v <= numbers[i].max))
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%s` is not a number from %g to %g", numbers[i].key, value,
                            numbers[i].min, numbers[i].max);
    *(double *)((char *)c + numbers[i].offset) = v;
    return EW_OK;
}

static enum ew_status set_hours(const char *key, const char *value, int *from, int *to, struct ew_error *err) {
    int length = 0;
    int a, b;
    if (sscanf(value, "%d-%d%n", &a, &b, &length) != 2 || value[length] || a < 0 || a > 23 || b < 0 || b > 24)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%s` is not two hours of the day such as 22-6", key, value);
    *from = a;
    *to = b;
    return EW_OK;
}

enum ew_status ew_money_case_set(struct ew_money_case *c, const char *key, const char *value, struct ew_error *err) {
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].key, key) == 0) return set_number(c, i, value, err);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(texts[i].key, key) != 0) continue;
        if (!*value || strlen(value) >= texts[i].size)
            return ew_error_set(err, EW_ERR_ARGUMENT, "%s: `%s` is empty or longer than %zu letters", key, value,
                                texts[i].size - 1);
        memcpy((char *)c + texts[i].offset, value, strlen(value) + 1);
        return EW_OK;
    }
    if (strcmp(key, "cheap_hours") == 0) return set_hours(key, value, &c->cheap_from, &c->cheap_to, err);
    if (strcmp(key, "use_hours") == 0) return set_hours(key, value, &c->use_from, &c->use_to, err);
    if (strcmp(key, "off_when_idle") == 0) {
        bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
        if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
            return ew_error_set(err, EW_ERR_ARGUMENT, "off_when_idle: `%s` is neither yes nor no", value);
        c->owner.off_when_idle = yes;
        return EW_OK;
    }
    return ew_error_set(err, EW_ERR_ARGUMENT,
                        "cost: `%s` is not a key it knows (device_price, lifetime_years, tariff …)", key);
}

static bool is_usd(const struct ew_money_case *c) { return strcmp(c->currency, "USD") == 0; }

static enum ew_status resolve_country(struct ew_money_case *c, const struct ew_prices *prices, struct ew_error *err) {
    const struct ew_country *country = ew_prices_find_country(prices, c->country);
    if (!country)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "country: `%s` is not in the list (a name, or three letters such as DEU)", c->country);
    c->owner.carbon_g_per_kwh = country->carbon_g_per_kwh;
    if (!isnan(c->tariff) || isnan(country->price_per_kwh)) return EW_OK;
    if (strcmp(c->currency, prices->country_currency) != 0)
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "country: the price of electricity in %s is known in %s and the currency is %s; state "
                            "`tariff`, or `currency: %s` with `usd_rate`",
                            country->name, prices->country_currency, c->currency, prices->country_currency);
    c->tariff = country->price_per_kwh;
    return EW_OK;
}

static void spread_use(struct ew_money_case *c) {
    bool in[EW_HOURS];
    int n = 0;
    for (int h = 0; h < EW_HOURS; h++) {
        bool all = c->use_from == c->use_to;
        in[h] =
            all || (c->use_from < c->use_to ? h >= c->use_from && h < c->use_to : h >= c->use_from || h < c->use_to);
        n += in[h];
    }
    for (int h = 0; h < EW_HOURS; h++) c->owner.use_share[h] = in[h] ? 1.0 / n : 0;
}

enum ew_status ew_money_case_resolve(struct ew_money_case *c, const struct ew_prices *prices, struct ew_error *err) {
    enum ew_status status = *c->country ? resolve_country(c, prices, err) : EW_OK;
    if (status != EW_OK) return status;
    if (isnan(c->usd_rate) && is_usd(c)) c->usd_rate = 1;
    if (*c->api && !ew_prices_find_api(prices, c->api))
        return ew_error_set(err, EW_ERR_ARGUMENT, "api: `%s` is not in the price list of %s", c->api, prices->api_date);
    if (*c->api && isnan(c->usd_rate))
        return ew_error_set(err, EW_ERR_ARGUMENT, "api: its price is in %s and the currency is %s; state `usd_rate`",
                            prices->api_currency, c->currency);
    ew_money_tariff(c->tariff, isnan(c->cheap_tariff) ? c->tariff : c->cheap_tariff, c->cheap_from, c->cheap_to,
                    c->owner.per_kwh);
    spread_use(c);
    return EW_OK;
}

struct ew_rent ew_money_case_rent(const struct ew_money_case *c, const struct ew_prices *prices) {
    const struct ew_api_price *api = *c->api ? ew_prices_find_api(prices, c->api) : NULL;
    if (!api) return (struct ew_rent){NAN, NAN};
    return (struct ew_rent){api->input * c->usd_rate, api->output * c->usd_rate};
}

struct ew_running ew_money_case_running(const struct ew_money_case *c, const struct ew_insight_config *config,
                                        bool *assumed) {
    struct ew_running r = {.prefill_tokens_per_s = config->figure[EW_MEASURE_PREFILL].value,
                           .decode_tokens_per_s = config->figure[EW_MEASURE_DECODE].value,
                           .prefill_j_per_token = config->figure[EW_MEASURE_PREFILL_ENERGY].value,
                           .decode_j_per_token = config->figure[EW_MEASURE_DECODE_ENERGY].value};
    *assumed = isnan(r.decode_j_per_token) && !isnan(c->work_w);
    if (*assumed) {
        r.prefill_j_per_token = c->work_w / r.prefill_tokens_per_s;
        r.decode_j_per_token = c->work_w / r.decode_tokens_per_s;
    }
    return r;
}

struct ew_demand ew_money_case_demand(const struct ew_money_case *c, const struct ew_insight_config *config) {
    return (struct ew_demand){
        .prompt_tokens = isnan(c->prompt_tokens) ? (double)config->record->prompt_tokens : c->prompt_tokens,
        .generate_tokens = isnan(c->generate_tokens) ? (double)config->record->generate_tokens : c->generate_tokens,
        .requests_per_day = c->requests_per_day};
}
