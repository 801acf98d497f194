/* Private to the study file: values that several of its sections take. Each complains with key, value and rule, and
 * returns false then. */
#ifndef EW_STUDY_STUDY_KEYS_H
#define EW_STUDY_STUDY_KEYS_H

#include "study/study_yaml.h"

/* Of least to most bytes. Replaces *to, which is owned. */
bool ew_study_read_text(struct ew_yaml *y, const char *key, size_t least, size_t most, int line,
                        const yaml_node_t *node, char **to);
bool ew_study_read_int(struct ew_yaml *y, const char *key, double low, double high, int line, const yaml_node_t *node,
                       int64_t *to);
/* In seconds. */
bool ew_study_read_duration(struct ew_yaml *y, const char *key, double low, double high, int line,
                            const yaml_node_t *node, double *to);
bool ew_study_read_flag(struct ew_yaml *y, const char *key, int line, const yaml_node_t *node, bool *to);

#endif
