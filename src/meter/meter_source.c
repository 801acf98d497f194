/* Owns the grammar of meters that a user names, "KIND:REST", and the table of kinds. What the rest means belongs to
 * each driver. */
#include "base/error.h"
#include "meter/driver.h"

#include <string.h>

static const struct {
    const char *kind;
    enum ew_status (*add)(struct ew_meter_list *, const struct ew_meter_config *, const char *, struct ew_error *);
} kinds[] = {
    {"replay", ew_meter_source_replay},
    {"log", ew_meter_source_log},
    {"shelly", ew_meter_source_shelly},
    {"tasmota", ew_meter_source_tasmota},
    {"assumed", ew_meter_source_assumed},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static enum ew_status add_source(struct ew_meter_list *list, const struct ew_meter_config *config, const char *source,
                                 struct ew_error *err) {
    size_t length = strcspn(source, ":");
    for (size_t i = 0; i < KINDS; i++)
        if (strlen(kinds[i].kind) == length && strncmp(kinds[i].kind, source, length) == 0) {
            if (source[length] && source[length + 1]) return kinds[i].add(list, config, source + length + 1, err);
            return ew_error_set(err, EW_ERR_ARGUMENT, "meter source `%s`: nothing stands after `%s:`", source,
                                kinds[i].kind);
        }
    char known[EW_METER_TEXT_SIZE] = "";
    for (size_t i = 0; i < KINDS; i++)
        ew_meter_text(known + strlen(known), sizeof known - strlen(known), "%s%s:", i ? ", " : "", kinds[i].kind);
    return ew_error_set(err, EW_ERR_ARGUMENT, "meter source `%s`: it begins with none of %s", source, known);
}

enum ew_status ew_meter_probe_sources(struct ew_meter_list *list, const struct ew_meter_config *config,
                                      struct ew_error *err) {
    for (size_t i = 0; config && i < config->n_sources; i++) {
        enum ew_status status = add_source(list, config, config->sources[i], err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}
