/* The price lists that ship, as bytes of the program: data/api_prices.json and data/countries.json. */
#ifndef EW_INSIGHT_PRICE_LISTS_H
#define EW_INSIGHT_PRICE_LISTS_H

#include <stddef.h>

extern const char ew_api_prices[];
extern const size_t ew_api_prices_size;
extern const char ew_countries[];
extern const size_t ew_countries_size;

#endif
