/* Owns writing costs, price lists, context and recommendations as JSON. Keys: docs/report-data.md. */
#include "report/money_json.h"

#include "insight/context_fit.h"
#include "report/run_json.h"

#include <jansson.h>
#include <math.h>

static json_t *hours_json(const double hours[EW_HOURS]) {
    json_t *list = json_array();
    for (int h = 0; h < EW_HOURS; h++) json_array_append_new(list, ew_json_number(hours[h]));
    return list;
}

static json_t *case_json(const struct ew_money_case *c, double measured_idle_w) {
    const struct ew_owner *o = &c->owner;
    bool cheap = !isnan(c->cheap_tariff);
    json_t *out = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "currency",
        c->currency, "usd_rate", ew_json_number(c->usd_rate), "device_price", ew_json_number(o->device_price),
        "lifetime_years", ew_json_number(o->lifetime_years), "hosting_per_day", ew_json_number(o->hosting_per_day),
        "tariff", ew_json_number(c->tariff), "per_kwh", hours_json(o->per_kwh), "use_share", hours_json(o->use_share),
        "idle_w", ew_json_number(o->idle_w), "measured_idle_w", ew_json_number(measured_idle_w), "work_w",
        ew_json_number(c->work_w), "off_when_idle", o->off_when_idle, "supply_efficiency",
        ew_json_number(o->supply_efficiency), "carbon_g_per_kwh", ew_json_number(o->carbon_g_per_kwh), "embodied_kg",
        ew_json_number(o->embodied_kg), "country", *c->country ? json_string(c->country) : json_null(), "api",
        *c->api ? json_string(c->api) : json_null(), "requests_per_day", ew_json_number(c->requests_per_day),
        "battery_wh", ew_json_number(c->battery.capacity_wh));
    json_t *more = json_pack("{s:o, s:o, s:o, s:f, s:f, s:o, s:o}", "cheap_tariff", ew_json_number(c->cheap_tariff),
                             "cheap_hours", cheap ? json_pack("[i, i]", c->cheap_from, c->cheap_to) : json_null(),
                             "use_hours", json_pack("[i, i]", c->use_from, c->use_to), "battery_usable",
                             c->battery.usable_share, "battery_efficiency", c->battery.efficiency, "prompt_tokens",
                             ew_json_number(c->prompt_tokens), "generate_tokens", ew_json_number(c->generate_tokens));
    if (out && more) json_object_update(out, more);
    json_decref(more);
    return out;
}

static const char *break_even_word(enum ew_break_even_kind kind) {
    static const char *const words[] = {"unknown", "at", "never", "too_slow"};
    return words[kind];
}

static json_t *costs_json(const struct ew_report *report, const struct ew_insight_config *config) {
    const struct ew_money_case *c = &report->money;
    bool assumed;
    struct ew_owner owner = c->owner;
    if (isnan(owner.idle_w)) owner.idle_w = report->measured_idle_w;
    const struct ew_running running = ew_money_case_running(c, config, &assumed);
    const struct ew_demand demand = ew_money_case_demand(c, config);
    const struct ew_rent rent = ew_money_case_rent(c, report->prices);
    const struct ew_owning_cost cost = ew_money_owning(&owner, &running, &demand);
    const struct ew_break_even even = ew_money_break_even(&owner, &running, &demand, &rent);
    const struct ew_battery_life life = ew_money_battery(&c->battery, &running, &demand, owner.idle_w);
    return json_pack(
        "{s:I, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "configuration", (json_int_t)config->record->id, "assumed_power", assumed, "request_s",
        ew_json_number(cost.request_s), "utilisation", ew_json_number(cost.utilisation), "most_requests_per_day",
        ew_json_number(cost.most_requests), "energy_kwh_per_day", ew_json_number(cost.energy_kwh_day), "device_per_day",
        ew_json_number(cost.device_day), "total_per_day", ew_json_number(cost.total_day), "per_million_generated",
        ew_json_number(cost.per_million_generated), "per_month", ew_json_number(cost.per_month), "carbon_g_per_day",
        ew_json_number(cost.carbon_g_day), "break_even", break_even_word(even.kind), "break_even_requests_per_day",
        ew_json_number(even.requests_per_day), "rent_per_day", ew_json_number(even.rent_day), "payback_days",
        ew_json_number(even.payback_days), "battery_answers", ew_json_number(life.answers), "battery_hours",
        ew_json_number(life.hours), "battery_idle_hours", ew_json_number(life.idle_hours), "battery_day_hours",
        ew_json_number(life.day_hours));
}

static json_t *apis_json(const struct ew_prices *p) {
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_apis; i++)
        json_array_append_new(list, json_pack("[s, s, s, f, f]", p->apis[i].vendor, p->apis[i].id, p->apis[i].name,
                                              p->apis[i].input, p->apis[i].output));
    return json_pack("{s:s, s:s, s:s, s:o}", "date", p->api_date, "currency", p->api_currency, "source", p->api_source,
                     "list", list);
}

static json_t *countries_json(const struct ew_prices *p) {
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_countries; i++) {
        const struct ew_country *c = &p->countries[i];
        json_array_append_new(list, json_pack("[s, s, o, i, o]", c->code, c->name, ew_json_number(c->carbon_g_per_kwh),
                                              c->carbon_year, ew_json_number(c->price_per_kwh)));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "currency", p->country_currency, "price_period", p->price_period,
                     "price_source", p->price_source, "carbon_source", p->carbon_source, "list", list);
}

json_t *ew_money_json(const struct ew_report *report) {
    json_t *costs = json_array();
    for (size_t i = 0; i < report->insight->n_configs; i++)
        if (report->insight->configs[i].n_ok)
            json_array_append_new(costs, costs_json(report, &report->insight->configs[i]));
    return json_pack("{s:o, s:o, s:o, s:o}", "case", case_json(&report->money, report->measured_idle_w),
                     "configurations", costs, "apis", apis_json(report->prices), "countries",
                     countries_json(report->prices));
}

json_t *ew_context_json(const struct ew_insight_config *config) {
    struct ew_context_fit fit;
    if (!ew_context_fit_make(&config->ledger, config->record->context, &fit)) return json_null();
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "fixed_bytes", ew_json_number(fit.fixed_bytes), "weights_bytes",
                     ew_json_number(fit.weights_bytes), "kv_bytes_per_token", ew_json_number(fit.kv_bytes_per_token),
                     "outgrows_tokens", ew_json_number(fit.outgrows_tokens), "trained_tokens",
                     ew_json_integer(config->model->n_ctx_train));
}

json_t *ew_recommended_json(const struct ew_report *report) {
    const struct ew_recommendation *r = &report->recommendation;
    if (!r->text) return json_null();
    return json_pack("{s:o, s:o, s:o, s:I}", "text", ew_json_text(r->text), "reason", ew_json_text(r->reason),
                     "configuration", r->config ? json_integer(r->config->record->id) : json_null(), "meeting",
                     (json_int_t)r->n_meeting);
}
