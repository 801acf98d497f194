/* What owning a device costs against renting an API, what it emits, and how long a battery lasts. Pure functions;
 * docs/insight.md, "Money", has the formulas and tests/fixtures/money their values by another tool.
 *
 * Money is in one currency throughout, the caller's. Energy prices are per kWh. NAN in, NAN out: a figure that lacks an
 * input is absent, never zero. */
#ifndef EW_INSIGHT_MONEY_H
#define EW_INSIGHT_MONEY_H

#include <stdbool.h>
#include <stddef.h>

enum { EW_HOURS = 24 };

/* What does not depend on the model. */
struct ew_owner {
    double device_price;
    double lifetime_years;
    double hosting_per_day;     /* anything else that it costs per day; 0 = nothing */
    double per_kwh[EW_HOURS];   /* tariff by hour of the day; a flat one has 24 equal values */
    double use_share[EW_HOURS]; /* share of the requests that come in each hour; sums to 1 */
    double idle_w;              /* at rest; NAN: the cost of waiting is not known */
    bool off_when_idle;         /* switched off between requests: waiting costs nothing */
    double supply_efficiency;   /* wall to the meter's boundary; 1 where the meter is at the wall */
    double carbon_g_per_kwh;    /* of the grid */
    double embodied_kg;         /* CO2e of making the device; 0 = left out */
};

/* What was measured of a configuration. */
struct ew_running {
    double prefill_tokens_per_s, decode_tokens_per_s;
    double prefill_j_per_token, decode_j_per_token; /* gross; NAN: no meter */
};

/* What is asked of it. */
struct ew_demand {
    double prompt_tokens, generate_tokens; /* of one request */
    double requests_per_day;
};

/* Rented: price per million tokens of prompt and of answer. */
struct ew_rent {
    double input, output;
};

struct ew_owning_cost {
    double request_s;      /* time of one request */
    double utilisation;    /* share of the day in which it works; above 1: one device is not enough */
    double most_requests;  /* per day that one device can answer */
    double energy_kwh_day; /* at the wall, waiting included */
    double waiting_kwh_day;
    double device_day, energy_day, total_day; /* money per day */
    double per_million_tokens;    /* money per million tokens, prompt and answer together, as the API counts */
    double per_million_generated; /* the same money, per million tokens of the answer alone */
    double per_month;             /* 365.25 / 12 days */
    double carbon_g_day, carbon_g_per_million_generated;
};
struct ew_owning_cost ew_money_owning(const struct ew_owner *owner, const struct ew_running *running,
                                      const struct ew_demand *demand);

enum ew_break_even_kind {
    EW_BREAK_EVEN_UNKNOWN = 0, /* an input is not known */
    EW_BREAK_EVEN_AT,          /* from requests_per_day on owning is cheaper */
    EW_BREAK_EVEN_NEVER,       /* each request costs more in energy than its rent */
    EW_BREAK_EVEN_TOO_SLOW     /* it would be cheaper from requests_per_day on, but one device cannot answer so many */
};
struct ew_break_even {
    enum ew_break_even_kind kind;
    double requests_per_day;
    double rent_day;     /* of the demand given */
    double payback_days; /* until the device has paid for itself at the demand given; INFINITY = never */
};
struct ew_break_even ew_money_break_even(const struct ew_owner *owner, const struct ew_running *running,
                                         const struct ew_demand *demand, const struct ew_rent *rent);

/* How total_day answers to each input, one at a time, changed by ±change (0.5 = half and one and a half times). */
enum ew_sensitive {
    EW_SENSITIVE_DEVICE = 0,
    EW_SENSITIVE_LIFETIME,
    EW_SENSITIVE_TARIFF,
    EW_SENSITIVE_IDLE,
    EW_SENSITIVE_ENERGY, /* joules per token */
    EW_SENSITIVE_SPEED,
    EW_SENSITIVE_DEMAND,
    EW_SENSITIVES
};
struct ew_sensitivity {
    double low, high; /* per_million_generated with the input at (1 - change) and (1 + change) */
};
const char *ew_sensitive_name(enum ew_sensitive input); /* "lifetime" */
void ew_money_sensitivity(const struct ew_owner *owner, const struct ew_running *running,
                          const struct ew_demand *demand, double change, struct ew_sensitivity out[EW_SENSITIVES]);

/* A tariff with a cheaper part of the day, from hour `from` up to, not including, hour `to` (may pass midnight). */
void ew_money_tariff(double per_kwh, double cheap_per_kwh, int from, int to, double out[EW_HOURS]);
void ew_money_even_use(double out[EW_HOURS]);

struct ew_battery {
    double capacity_wh;
    double usable_share; /* 0.8 = a fifth stays in */
    double efficiency;   /* battery to the meter's boundary */
};
struct ew_battery_life {
    double answers;    /* requests on one charge, nothing in between */
    double hours;      /* of answering without a pause */
    double idle_hours; /* at rest */
    double day_hours;  /* with the demand's requests spread over the day */
};
struct ew_battery_life ew_money_battery(const struct ew_battery *battery, const struct ew_running *running,
                                        const struct ew_demand *demand, double idle_w);

#endif
