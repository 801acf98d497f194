/* The table of costs on the terminal and in Markdown; only where an owner stated a price. */
#include "report/money_table.h"

#include "insight/words.h"

#include <math.h>
#include <stdio.h>

bool ew_money_is_stated(const struct ew_report *report) {
    return !isnan(report->money.owner.device_price) && !isnan(report->money.owner.lifetime_years);
}

static void add_number(struct ew_text_table *table, double value) {
    char number[EW_NUMBER_SIZE];
    ew_words_number(number, value, -1);
    ew_text_table_add(table, number, NULL);
}

static void add_break_even(struct ew_text_table *table, const struct ew_break_even *even) {
    char text[2 * EW_NUMBER_SIZE], number[EW_NUMBER_SIZE];
    ew_words_number(number, even->requests_per_day, even->requests_per_day < 100 ? 1 : 0);
    switch (even->kind) {
    case EW_BREAK_EVEN_AT: snprintf(text, sizeof text, "%s", number); break;
    case EW_BREAK_EVEN_TOO_SLOW: snprintf(text, sizeof text, "%s: too slow", number); break;
    case EW_BREAK_EVEN_NEVER: snprintf(text, sizeof text, "never"); break;
    case EW_BREAK_EVEN_UNKNOWN: snprintf(text, sizeof text, "–"); break;
    }
    ew_text_table_add(table, text, NULL);
}

struct ew_text_table *ew_money_table(const struct ew_report *report) {
    const struct ew_money_case *c = &report->money;
    bool rent = *c->api != 0;
    const struct ew_text_column columns[] = {
        {"configuration", NULL, false, true}, {"utilisation", "%", true, false},
        {"energy", "kWh/day", true, false},   {"device", "per day", true, false},
        {"in all", "per month", true, false}, {"in all", "per 1M generated", true, false},
        {"carbon", "g/day", true, false},     {"break-even", "requests/day", true, false},
        {"paid off", "days", true, false}};
    struct ew_text_table *table = ew_text_table_open(columns, rent ? 9 : 7);
    for (size_t i = 0; table && i < report->insight->n_configs; i++) {
        const struct ew_insight_config *config = &report->insight->configs[i];
        if (!config->n_ok) continue;
        bool assumed;
        struct ew_owner owner = c->owner;
        if (isnan(owner.idle_w)) owner.idle_w = report->measured_idle_w;
        const struct ew_running running = ew_money_case_running(c, config, &assumed);
        const struct ew_demand demand = ew_money_case_demand(c, config);
        const struct ew_owning_cost cost = ew_money_owning(&owner, &running, &demand);
        char label[256];
        snprintf(label, sizeof label, "%.200s%s", config->label, assumed ? " (E)" : "");
        ew_text_table_add(table, label, NULL);
        add_number(table, cost.utilisation * 100);
        add_number(table, cost.energy_kwh_day);
        add_number(table, cost.device_day);
        add_number(table, cost.per_month);
        add_number(table, cost.per_million_generated);
        add_number(table, cost.carbon_g_day);
        if (!rent) continue;
        const struct ew_rent price = ew_money_case_rent(c, report->prices);
        const struct ew_break_even even = ew_money_break_even(&owner, &running, &demand, &price);
        add_break_even(table, &even);
        add_number(table, even.payback_days);
    }
    return table;
}

void ew_money_note(const struct ew_report *report, FILE *out) {
    const struct ew_money_case *c = &report->money;
    fprintf(out, "Money in %s", c->currency);
    if (*c->api) {
        const struct ew_api_price *api = ew_prices_find_api(report->prices, c->api);
        fprintf(out, "; rent: %s at %g in and %g out per million tokens, %s list of %s", api->name, api->input,
                api->output, report->prices->api_currency, report->prices->api_date);
    }
    if (isnan(c->tariff)) fputs("; the price of electricity is not stated (tariff, country)", out);
    if (isnan(c->requests_per_day)) fputs("; how much is asked of it is not stated (requests_per_day)", out);
    if (isnan(c->owner.idle_w) && isnan(report->measured_idle_w) && !c->owner.off_when_idle)
        fputs("; power at rest was neither measured nor stated (idle_w)", out);
    if (!report->insight->has_energy && isnan(c->work_w))
        fputs("; power at work was neither measured nor stated (work_w)", out);
    if (!isnan(c->work_w) && !report->insight->has_energy) fputs("; (E): with assumed watts, not measured", out);
    fputs(".\n", out);
}
