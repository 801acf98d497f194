/* Owns how plain values of a study file are read and refused. */
#include "study/study_keys.h"
#include "base/error.h"
#include "study/study_value.h"

#include <stdlib.h>
#include <string.h>

bool ew_study_read_text(struct ew_yaml *y, const char *key, size_t least, size_t most, int line,
                        const yaml_node_t *node, char **to) {
    const char *text = ew_yaml_text(node);
    if (!text) return ew_yaml_complain(y, line, "%s: must be text", key);
    size_t n = strlen(text);
    if (n < least || n > most) return ew_yaml_complain(y, line, "%s: has %zu bytes (%zu to %zu)", key, n, least, most);
    char *copy = strdup(text);
    if (!copy) {
        y->status = ew_error_set(y->err, EW_ERR_MEMORY, "%s: out of memory", y->path);
        return false;
    }
    free(*to);
    *to = copy;
    return true;
}

bool ew_study_read_int(struct ew_yaml *y, const char *key, double low, double high, int line, const yaml_node_t *node,
                       int64_t *to) {
    const char *text = ew_yaml_text(node);
    int64_t value;
    if (!text || !ew_value_parse_int(text, &value) || (double)value < low || (double)value > high)
        return ew_yaml_complain(y, line, "%s: `%s` is not a whole number from %.0f to %.0f", key,
                                text ? text : "(a list)", low, high);
    *to = value;
    return true;
}

bool ew_study_read_duration(struct ew_yaml *y, const char *key, double low, double high, int line,
                            const yaml_node_t *node, double *to) {
    const char *text = ew_yaml_text(node);
    double value;
    if (!text || !ew_value_parse_duration(text, &value))
        return ew_yaml_complain(y, line, "%s: `%s` is not a duration (such as 500 ms, 30 s, 2 min, 1 h)", key,
                                text ? text : "(a list)");
    if (value < low || value > high)
        return ew_yaml_complain(y, line, "%s: %s is outside %g s to %g s", key, text, low, high);
    *to = value;
    return true;
}

bool ew_study_read_flag(struct ew_yaml *y, const char *key, int line, const yaml_node_t *node, bool *to) {
    const char *text = ew_yaml_text(node);
    if (!text || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return ew_yaml_complain(y, line, "%s: `%s` is not true or false", key, text ? text : "(a list)");
    *to = strcmp(text, "true") == 0;
    return true;
}
