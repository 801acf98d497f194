/* Owns the arithmetic of owning against renting. No defaults here: who asks says every price. Price lists: prices.c. */
#include "insight/money.h"

#include <math.h>

static const double day_s = 86400, joules_per_kwh = 3.6e6, days_per_year = 365.25;

static double request_seconds(const struct ew_running *r, const struct ew_demand *d) {
    return d->prompt_tokens / r->prefill_tokens_per_s + d->generate_tokens / r->decode_tokens_per_s;
}

static double request_joules(const struct ew_running *r, const struct ew_demand *d) {
    return d->prompt_tokens * r->prefill_j_per_token + d->generate_tokens * r->decode_j_per_token;
}

/* Waiting power; a device that is switched off waits for nothing. */
static double waiting_w(const struct ew_owner *o) { return o->off_when_idle ? 0 : o->idle_w; }

/* kWh of one request beyond what waiting would have taken in its time, at the wall. */
static double request_kwh_extra(const struct ew_owner *o, const struct ew_running *r, const struct ew_demand *d) {
    double joules = request_joules(r, d) - waiting_w(o) * request_seconds(r, d);
    return joules / joules_per_kwh / o->supply_efficiency;
}

/* Mean tariff of the hours in which requests come, and of the whole day. */
static double tariff_of_use(const struct ew_owner *o) {
    double sum = 0;
    for (int h = 0; h < EW_HOURS; h++) sum += o->use_share[h] * o->per_kwh[h];
    return sum;
}

static double tariff_of_day(const struct ew_owner *o) {
    double sum = 0;
    for (int h = 0; h < EW_HOURS; h++) sum += o->per_kwh[h];
    return sum / EW_HOURS;
}

static double device_per_day(const struct ew_owner *o) {
    return o->device_price / (o->lifetime_years * days_per_year) + o->hosting_per_day;
}

/* Waiting all day long, at the wall. */
static double waiting_kwh_all_day(const struct ew_owner *o) {
    return waiting_w(o) * day_s / joules_per_kwh / o->supply_efficiency;
}

struct ew_owning_cost ew_money_owning(const struct ew_owner *o, const struct ew_running *r, const struct ew_demand *d) {
    struct ew_owning_cost c = {.request_s = request_seconds(r, d)};
    c.most_requests = day_s / c.request_s;
    c.utilisation = d->requests_per_day / c.most_requests;
    double all_day = waiting_kwh_all_day(o), extra = d->requests_per_day * request_kwh_extra(o, r, d);
    c.energy_kwh_day = all_day + extra;
    c.waiting_kwh_day = all_day * fmax(1 - c.utilisation, 0);
    c.device_day = device_per_day(o);
    c.energy_day = all_day * tariff_of_day(o) + extra * tariff_of_use(o);
    c.total_day = c.device_day + c.energy_day;
    double generated = d->requests_per_day * d->generate_tokens;
    c.per_million_generated = c.total_day / generated * 1e6;
    c.per_million_tokens = c.total_day / (d->requests_per_day * (d->prompt_tokens + d->generate_tokens)) * 1e6;
    c.per_month = c.total_day * days_per_year / 12;
    c.carbon_g_day =
        c.energy_kwh_day * o->carbon_g_per_kwh + o->embodied_kg * 1000 / (o->lifetime_years * days_per_year);
    c.carbon_g_per_million_generated = c.carbon_g_day / generated * 1e6;
    return c;
}

struct ew_break_even ew_money_break_even(const struct ew_owner *o, const struct ew_running *r,
                                         const struct ew_demand *d, const struct ew_rent *rent) {
    double rent_request = (d->prompt_tokens * rent->input + d->generate_tokens * rent->output) / 1e6;
    double fixed_energy = waiting_kwh_all_day(o) * tariff_of_day(o);
    double request = request_kwh_extra(o, r, d) * tariff_of_use(o);
    double saved = rent_request - request;
    struct ew_break_even b = {.rent_day = rent_request * d->requests_per_day, .payback_days = NAN};
    b.requests_per_day = (device_per_day(o) + fixed_energy) / saved;
    if (isnan(b.requests_per_day)) return b;
    double saved_day = d->requests_per_day * saved - fixed_energy - o->hosting_per_day;
    b.payback_days = saved_day > 0 ? o->device_price / saved_day : INFINITY;
    if (saved <= 0) {
        b.kind = EW_BREAK_EVEN_NEVER;
        b.requests_per_day = INFINITY;
    } else {
        b.kind = b.requests_per_day <= day_s / request_seconds(r, d) ? EW_BREAK_EVEN_AT : EW_BREAK_EVEN_TOO_SLOW;
    }
    return b;
}

const char *ew_sensitive_name(enum ew_sensitive input) {
    static const char *const names[EW_SENSITIVES] = {"device price",     "lifetime", "tariff", "idle power",
                                                     "joules per token", "speed",    "demand"};
    return names[input];
}

static double cost_with(struct ew_owner o, struct ew_running r, struct ew_demand d, enum ew_sensitive input,
                        double factor) {
    switch (input) {
    case EW_SENSITIVE_DEVICE: o.device_price *= factor; break;
    case EW_SENSITIVE_LIFETIME: o.lifetime_years *= factor; break;
    case EW_SENSITIVE_TARIFF:
        for (int h = 0; h < EW_HOURS; h++) o.per_kwh[h] *= factor;
        break;
    case EW_SENSITIVE_IDLE: o.idle_w *= factor; break;
    case EW_SENSITIVE_ENERGY:
        r.prefill_j_per_token *= factor;
        r.decode_j_per_token *= factor;
        break;
    case EW_SENSITIVE_SPEED:
        r.prefill_tokens_per_s *= factor;
        r.decode_tokens_per_s *= factor;
        break;
    case EW_SENSITIVE_DEMAND: d.requests_per_day *= factor; break;
    case EW_SENSITIVES: break;
    }
    return ew_money_owning(&o, &r, &d).per_million_generated;
}

void ew_money_sensitivity(const struct ew_owner *o, const struct ew_running *r, const struct ew_demand *d,
                          double change, struct ew_sensitivity out[EW_SENSITIVES]) {
    for (int i = 0; i < EW_SENSITIVES; i++) {
        out[i].low = cost_with(*o, *r, *d, (enum ew_sensitive)i, 1 - change);
        out[i].high = cost_with(*o, *r, *d, (enum ew_sensitive)i, 1 + change);
    }
}

void ew_money_tariff(double per_kwh, double cheap_per_kwh, int from, int to, double out[EW_HOURS]) {
    for (int h = 0; h < EW_HOURS; h++) {
        bool cheap = from <= to ? h >= from && h < to : h >= from || h < to;
        out[h] = cheap ? cheap_per_kwh : per_kwh;
    }
}

void ew_money_even_use(double out[EW_HOURS]) {
    for (int h = 0; h < EW_HOURS; h++) out[h] = 1.0 / EW_HOURS;
}

struct ew_battery_life ew_money_battery(const struct ew_battery *b, const struct ew_running *r,
                                        const struct ew_demand *d, double idle_w) {
    double joules = b->capacity_wh * 3600 * b->usable_share * b->efficiency;
    double request_j = request_joules(r, d), request_s = request_seconds(r, d);
    struct ew_battery_life life = {.answers = joules / request_j, .idle_hours = joules / idle_w / 3600};
    life.hours = life.answers * request_s / 3600;
    double share = fmin(d->requests_per_day * request_s / day_s, 1);
    life.day_hours = joules / (share * request_j / request_s + (1 - share) * idle_w) / 3600;
    return life;
}
