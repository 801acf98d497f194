/* Owns reading the price lists; trusts a user's file no more than any other. The sums are in money.c. */
#include "insight/prices.h"

#include "base/error.h"
#include "insight/price_lists.h"

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <strings.h>

static enum ew_status open_document(const char *path, const char *shipped, size_t shipped_size, const char *name,
                                    json_t **out, struct ew_error *err) {
    json_error_t why;
    json_t *root = path ? json_load_file(path, 0, &why) : json_loadb(shipped, shipped_size, 0, &why);
    if (root) {
        *out = root;
        return EW_OK;
    }
    enum ew_status status = json_error_code(&why) == json_error_cannot_open_file ? EW_ERR_NOT_FOUND : EW_ERR_FORMAT;
    return ew_error_set(err, status, "%s: line %d: %s", path ? path : name, why.line, why.text);
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* A price or intensity: a finite number from 0; NAN when it is not there. */
static bool number_of(const json_t *object, const char *key, double *out) {
    const json_t *value = json_object_get(object, key);
    *out = value && !json_is_null(value) ? json_number_value(value) : NAN;
    return !value || json_is_null(value) || (json_is_number(value) && isfinite(*out) && *out >= 0);
}

static enum ew_status bad_entry(const char *name, size_t index, const char *id, const char *rule,
                                struct ew_error *err) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s: entry %zu (%.60s): %s", name, index + 1, id, rule);
}

static enum ew_status read_apis(struct ew_prices *p, const json_t *root, const char *name, struct ew_error *err) {
    p->api_date = text_of(root, "date");
    p->api_currency = text_of(root, "currency");
    p->api_source = text_of(root, "source");
    if (!*p->api_date || !*p->api_currency)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: a price list needs `date` and `currency`", name);
    const json_t *list = json_object_get(root, "models");
    if (!json_is_array(list)) return ew_error_set(err, EW_ERR_FORMAT, "%s: `models` is not a list", name);
    p->apis = calloc(json_array_size(list) + 1, sizeof *p->apis);
    if (!p->apis) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct ew_api_price *a = &p->apis[i];
        *a = (struct ew_api_price){
            .vendor = text_of(entry, "vendor"), .id = text_of(entry, "id"), .name = text_of(entry, "name")};
        if (!*a->name) a->name = a->id;
        if (!*a->id) return bad_entry(name, i, "", "it has no `id`", err);
        if (!number_of(entry, "input", &a->input) || !number_of(entry, "output", &a->output) || isnan(a->input) ||
            isnan(a->output))
            return bad_entry(name, i, a->id, "`input` and `output` are prices per million tokens, 0 or more", err);
        p->n_apis++;
    }
    return EW_OK;
}

static enum ew_status read_countries(struct ew_prices *p, const json_t *root, const char *name, struct ew_error *err) {
    p->country_currency = text_of(root, "currency");
    p->price_period = text_of(root, "price_period");
    p->price_source = text_of(root, "price_source");
    p->carbon_source = text_of(root, "carbon_source");
    const json_t *list = json_object_get(root, "countries");
    if (!json_is_array(list)) return ew_error_set(err, EW_ERR_FORMAT, "%s: `countries` is not a list", name);
    p->countries = calloc(json_array_size(list) + 1, sizeof *p->countries);
    if (!p->countries) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        struct ew_country *c = &p->countries[i];
        *c = (struct ew_country){.code = text_of(entry, "code"),
                                 .name = text_of(entry, "name"),
                                 .carbon_year = (int)json_integer_value(json_object_get(entry, "year"))};
        if (!*c->code) return bad_entry(name, i, c->name, "it has no `code`", err);
        if (!number_of(entry, "carbon_g_per_kwh", &c->carbon_g_per_kwh) ||
            !number_of(entry, "eur_per_kwh", &c->price_per_kwh))
            return bad_entry(name, i, c->code, "`carbon_g_per_kwh` and `eur_per_kwh` are numbers from 0", err);
        p->n_countries++;
    }
    return EW_OK;
}

enum ew_status ew_prices_open(const char *api_path, const char *countries_path, struct ew_prices **out,
                              struct ew_error *err) {
    struct ew_prices *p = calloc(1, sizeof *p);
    if (!p) return ew_error_set(err, EW_ERR_MEMORY, "price lists: out of memory");
    static const char api_name[] = "api_prices.json", countries_name[] = "countries.json";
    json_t *apis = NULL, *countries = NULL;
    enum ew_status status = open_document(api_path, ew_api_prices, ew_api_prices_size, api_name, &apis, err);
    p->documents[0] = apis;
    if (status == EW_OK) status = read_apis(p, apis, api_path ? api_path : api_name, err);
    if (status == EW_OK)
        status = open_document(countries_path, ew_countries, ew_countries_size, countries_name, &countries, err);
    p->documents[1] = countries;
    if (status == EW_OK) status = read_countries(p, countries, countries_path ? countries_path : countries_name, err);
    if (status != EW_OK) {
        ew_prices_close(&p);
        return status;
    }
    *out = p;
    return EW_OK;
}

void ew_prices_close(struct ew_prices **prices) {
    if (!prices || !*prices) return;
    free((*prices)->apis);
    free((*prices)->countries);
    for (int i = 0; i < 2; i++) json_decref((*prices)->documents[i]);
    free(*prices);
    *prices = NULL;
}

const struct ew_api_price *ew_prices_find_api(const struct ew_prices *p, const char *text) {
    for (size_t i = 0; i < p->n_apis; i++)
        if (strcasecmp(p->apis[i].id, text) == 0 || strcasecmp(p->apis[i].name, text) == 0) return &p->apis[i];
    return NULL;
}

const struct ew_country *ew_prices_find_country(const struct ew_prices *p, const char *text) {
    for (size_t i = 0; i < p->n_countries; i++)
        if (strcasecmp(p->countries[i].code, text) == 0 || strcasecmp(p->countries[i].name, text) == 0)
            return &p->countries[i];
    return NULL;
}
