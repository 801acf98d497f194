/* Dated lists of prices: what APIs ask per million tokens, and what a kilowatt-hour costs and emits per country. The
 * lists that ship are data/api_prices.json and data/countries.json; a user's own file of the same form takes their
 * place. */
#ifndef EW_INSIGHT_PRICES_H
#define EW_INSIGHT_PRICES_H

#include "edgewise/status.h"

#include <stddef.h>

struct ew_api_price {
    const char *vendor, *id, *name;
    double input, output; /* per million tokens, in the list's currency */
};

struct ew_country {
    const char *code, *name; /* ISO 3166-1 alpha-3 */
    double carbon_g_per_kwh;
    int carbon_year;
    double price_per_kwh; /* households, all taxes, in the list's currency; NAN: not in the list */
};

struct ew_prices {
    const char *api_date, *api_currency, *api_source;
    struct ew_api_price *apis; /* [n_apis] */
    size_t n_apis;
    const char *country_currency, *price_period, *price_source, *carbon_source;
    struct ew_country *countries; /* [n_countries] */
    size_t n_countries;
    void *documents[2]; /* private: they own the texts */
};

/* api_path, countries_path: NULL = the list that ships. Errors: NOT_FOUND, IO, FORMAT (names the file, entry and rule),
 * MEMORY. */
enum ew_status ew_prices_open(const char *api_path, const char *countries_path, struct ew_prices **out,
                              struct ew_error *err);
void ew_prices_close(struct ew_prices **prices);

/* By id or name, not minding case; NULL = not in the list. */
const struct ew_api_price *ew_prices_find_api(const struct ew_prices *prices, const char *text);
/* By code or name, not minding case. */
const struct ew_country *ew_prices_find_country(const struct ew_prices *prices, const char *text);

#endif
