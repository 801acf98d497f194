/* Owns reading YAML with lines kept: libyaml's document tree, because a message without its line is half a message and
 * a value may be one or a list. The tree is untrusted; aliases can make it deep or cyclic, so nothing here recurses. */
#include "study/study_yaml.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool ew_yaml_complain(struct ew_yaml *y, int line, const char *format, ...) {
    if (y->status != EW_OK) return false;
    char message[EW_ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    y->status = ew_error_set(y->err, EW_ERR_ARGUMENT, "%s:%d: %s", y->path, line, message);
    return false;
}

enum ew_status ew_yaml_parse(struct ew_yaml *y, const char *path, const char *text, size_t size, struct ew_error *err) {
    *y = (struct ew_yaml){.path = path, .err = err};
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    if (!yaml_parser_load(&parser, &y->document)) {
        enum ew_status status = EW_ERR_ARGUMENT;
        if (parser.error == YAML_MEMORY_ERROR)
            status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
        else
            ew_error_set(err, status, "%s:%d: is not valid YAML: %s%s%s", path, (int)parser.problem_mark.line + 1,
                         parser.problem ? parser.problem : "unknown problem", parser.context ? ", " : "",
                         parser.context ? parser.context : "");
        yaml_parser_delete(&parser);
        return status;
    }
    yaml_parser_delete(&parser);
    return EW_OK;
}

const char *ew_yaml_text(const yaml_node_t *node) {
    if (!node || node->type != YAML_SCALAR_NODE) return NULL;
    const char *text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL; /* no NUL inside */
}

static bool seen_before(struct ew_yaml *y, yaml_node_t *mapping, const yaml_node_pair_t *pair, const char *key) {
    for (yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < pair; p++) {
        const char *other = ew_yaml_text(yaml_document_get_node(&y->document, p->key));
        if (other && strcmp(other, key) == 0) return true;
    }
    return false;
}

void ew_yaml_each_pair(struct ew_yaml *y, yaml_node_t *mapping, const char *what, ew_yaml_pair_fn *fn, void *context) {
    if (mapping->type != YAML_MAPPING_NODE) {
        ew_yaml_complain(y, ew_yaml_line(mapping), "%s: must be `key: value` pairs", what);
        return;
    }
    const yaml_node_pair_t *top = mapping->data.mapping.pairs.top;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < top && y->status == EW_OK; pair++) {
        yaml_node_t *node = yaml_document_get_node(&y->document, pair->key);
        const char *key = ew_yaml_text(node);
        if (!key)
            ew_yaml_complain(y, ew_yaml_line(node), "%s: a key is not plain text", what);
        else if (seen_before(y, mapping, pair, key))
            ew_yaml_complain(y, ew_yaml_line(node), "%s: comes twice in %s", key, what);
        else
            fn(y, context, key, ew_yaml_line(node), yaml_document_get_node(&y->document, pair->value));
    }
}

yaml_node_t *ew_yaml_item(struct ew_yaml *y, yaml_node_t *node, size_t index) {
    if (node->type != YAML_SEQUENCE_NODE) return index == 0 ? node : NULL;
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    return index < n ? yaml_document_get_node(&y->document, node->data.sequence.items.start[index]) : NULL;
}
