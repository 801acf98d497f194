/* Owns the members of a line and the words of refusals that all readers of tasks share. */
#include "quality/task_reading.h"

#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum ew_status ew_task_refuse(const struct ew_task_reading *r, const char *format, ...) {
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return ew_error_set(r->err, EW_ERR_FORMAT, "%s: line %u: %s", r->file, r->line, message);
}

enum ew_status ew_task_no_memory(const struct ew_task_reading *r) {
    return ew_error_set(r->err, EW_ERR_MEMORY, "%s: line %u: out of memory", r->file, r->line);
}

static enum ew_status refuse_value(const struct ew_task_reading *r, const char *key, const json_t *value,
                                   const char *rule) {
    if (!value) return ew_task_refuse(r, "`%s` is missing", key);
    enum { SHOWN = 60 };
    char *shown = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    if (!shown) return ew_task_no_memory(r);
    enum ew_status status =
        ew_task_refuse(r, "`%s` is %.*s%s: %s", key, SHOWN, shown, strlen(shown) > SHOWN ? "…" : "", rule);
    free(shown);
    return status;
}

static enum ew_status copy_text(const struct ew_task_reading *r, const json_t *value, const char **out) {
    const char *copy = ew_task_set_copy(r->set, json_string_value(value), json_string_length(value));
    if (!copy) return ew_task_no_memory(r);
    *out = copy;
    return EW_OK;
}

enum ew_status ew_task_text(const struct ew_task_reading *r, const json_t *object, const char *key, bool may_be_empty,
                            const char **out) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return refuse_value(r, key, value, "must be a text");
    if (!may_be_empty && json_string_length(value) == 0) return refuse_value(r, key, value, "must not be empty");
    return copy_text(r, value, out);
}

enum ew_status ew_task_text_or(const struct ew_task_reading *r, const json_t *object, const char *key,
                               const char *otherwise, const char **out) {
    if (json_object_get(object, key)) return ew_task_text(r, object, key, true, out);
    *out = otherwise;
    return EW_OK;
}

enum ew_status ew_task_texts(const struct ew_task_reading *r, const json_t *object, const char *key, size_t least,
                             const char *const **out, uint32_t *n) {
    const json_t *list = json_object_get(object, key), *value;
    size_t i, count = json_array_size(list);
    if (!json_is_array(list)) return refuse_value(r, key, list, "must be a list of texts");
    if (count < least || count > EW_TASK_MOST_ENDINGS)
        return ew_task_refuse(r, "`%s` has %zu texts: must be %zu … %d", key, count, least, EW_TASK_MOST_ENDINGS);
    const char **texts = ew_task_set_take(r->set, count * sizeof *texts);
    if (!texts) return ew_task_no_memory(r);
    json_array_foreach(list, i, value) {
        char name[96];
        snprintf(name, sizeof name, "%.60s[%zu]", key, i);
        if (!json_is_string(value)) return refuse_value(r, name, value, "must be a text");
        if (json_string_length(value) == 0) return refuse_value(r, name, value, "must not be empty");
        enum ew_status status = copy_text(r, value, &texts[i]);
        if (status != EW_OK) return status;
    }
    *out = texts;
    *n = (uint32_t)count;
    return EW_OK;
}

enum ew_status ew_task_number(const struct ew_task_reading *r, const json_t *object, const char *key, uint32_t least,
                              uint32_t most, uint32_t *out) {
    const json_t *value = json_object_get(object, key);
    char rule[64];
    snprintf(rule, sizeof rule, "must be a whole number from %u to %u", least, most);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    if (json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value)) {
        int end = 0;
        unsigned parsed;
        if (sscanf(json_string_value(value), "%5u%n", &parsed, &end) == 1 && !json_string_value(value)[end])
            number = parsed;
    }
    if (number < (json_int_t)least || number > (json_int_t)most) return refuse_value(r, key, value, rule);
    *out = (uint32_t)number;
    return EW_OK;
}

enum ew_status ew_task_add_item(const struct ew_task_reading *r, struct ew_task_item item, const char *group,
                                const char *preamble) {
    item.file = r->file_index;
    item.line = r->line;
    if (!ew_task_set_group(r->set, group, preamble, &item.group) || !ew_task_set_add(r->set, &item))
        return ew_task_no_memory(r);
    return EW_OK;
}

bool ew_task_next_line(struct ew_task_reading *r, size_t *at, const char **line, size_t *n) {
    if (*at >= r->n_bytes) return false;
    const char *begin = r->text + *at, *end = memchr(begin, '\n', r->n_bytes - *at);
    size_t length = end ? (size_t)(end - begin) : r->n_bytes - *at;
    *at += length + (end != NULL);
    if (length > 0 && begin[length - 1] == '\r') length--;
    *line = begin;
    *n = length;
    r->line++;
    return true;
}
