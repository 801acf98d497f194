/* One owner's case for the sums of money.h, as a person states it: the `cost` block of a study file, or
 * `edgewise report --cost KEY=VALUE`. What is not stated is NAN and is never made up here. */
#ifndef EW_INSIGHT_MONEY_CASE_H
#define EW_INSIGHT_MONEY_CASE_H

#include "insight/insight.h"
#include "insight/money.h"
#include "insight/prices.h"

struct ew_money_case {
    struct ew_owner owner;    /* per_kwh, idle_w … NAN until stated */
    double tariff;            /* per kWh; NAN: not stated (then a country's, where its currency is ours) */
    double cheap_tariff;      /* NAN: none */
    int cheap_from, cheap_to; /* hours */
    int use_from, use_to;     /* hours in which requests come; equal: all day */
    double requests_per_day;
    double work_w;                         /* assumed power at work, for configurations without joules; NAN */
    double prompt_tokens, generate_tokens; /* NAN: as measured */
    char currency[8];                      /* "USD" */
    double usd_rate;                       /* of our currency for one US dollar; NAN: not stated, 1 for USD */
    char country[64];                      /* "" = none */
    char api[64];                          /* id or name in the price list; "" = none */
    struct ew_battery battery;             /* capacity NAN: none */
};

/* Nothing stated; USD, efficiency 1, requests at any hour. */
struct ew_money_case ew_money_case_new(void);

/* States one thing: device_price, lifetime_years, hosting_per_day, tariff, cheap_tariff, cheap_hours (22-6), use_hours,
 * country, currency, usd_rate, requests_per_day, prompt_tokens, generate_tokens, idle_w, work_w, off_when_idle (yes,
 * no), supply_efficiency, embodied_kg, api, battery_wh, battery_usable, battery_efficiency. Errors: ARGUMENT, naming
 * key, value, rule. */
enum ew_status ew_money_case_set(struct ew_money_case *c, const char *key, const char *value, struct ew_error *err);

/* Looks up country and API, and fills tariff hours, carbon and use. Errors: ARGUMENT (not in the list; a country's
 * tariff in another currency without a rate). */
enum ew_status ew_money_case_resolve(struct ew_money_case *c, const struct ew_prices *prices, struct ew_error *err);

/* The rent of c->api in c's currency; NANs where there is none. */
struct ew_rent ew_money_case_rent(const struct ew_money_case *c, const struct ew_prices *prices);

/* Figures of a configuration for the sums: speeds, and joules per token or, without a meter, work_w over speed
 * (*assumed is set then). idle_w measured: NAN = not. */
struct ew_running ew_money_case_running(const struct ew_money_case *c, const struct ew_insight_config *config,
                                        bool *assumed);
struct ew_demand ew_money_case_demand(const struct ew_money_case *c, const struct ew_insight_config *config);

#endif
