/* Private to the study file: reading its section `quality`. */
#ifndef EW_STUDY_QUALITY_KEYS_H
#define EW_STUDY_QUALITY_KEYS_H

#include "study/study_quality.h"
#include "study/study_yaml.h"

/* Complains through y. */
void ew_study_read_quality(struct ew_yaml *y, struct ew_study_quality *out, int line, yaml_node_t *node);

#endif
