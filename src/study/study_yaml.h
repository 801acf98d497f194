/* Private to the study file: a YAML document as a tree whose nodes know their lines, and lookups that complain. */
#ifndef EW_STUDY_STUDY_YAML_H
#define EW_STUDY_STUDY_YAML_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

struct ew_yaml {
    const char *path;
    yaml_document_t document;
    struct ew_error *err;
    enum ew_status status; /* first complaint; later ones are dropped */
};

/* FORMAT problems of YAML itself become ARGUMENT with the line. Afterwards: yaml_document_delete. */
enum ew_status ew_yaml_parse(struct ew_yaml *y, const char *path, const char *text, size_t size, struct ew_error *err);

/* Complains: "path:line: message". Returns false, for `return ew_yaml_complain(…)`. */
__attribute__((format(printf, 3, 4))) bool ew_yaml_complain(struct ew_yaml *y, int line, const char *format, ...);

static inline int ew_yaml_line(const yaml_node_t *node) { return (int)node->start_mark.line + 1; }

/* A scalar's text; NULL for other nodes. */
const char *ew_yaml_text(const yaml_node_t *node);

/* Calls fn for each key of a mapping; complains about keys that are no plain text or come twice. what: for messages. */
typedef void ew_yaml_pair_fn(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *value);
void ew_yaml_each_pair(struct ew_yaml *y, yaml_node_t *mapping, const char *what, ew_yaml_pair_fn *fn, void *context);

/* Items of a sequence, or the node itself where it is a scalar or mapping. NULL beyond the end. */
yaml_node_t *ew_yaml_item(struct ew_yaml *y, yaml_node_t *node, size_t index);

#endif
