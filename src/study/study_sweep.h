/* Private to the study file: the parts that hold values of knobs. */
#ifndef EW_STUDY_STUDY_SWEEP_H
#define EW_STUDY_STUDY_SWEEP_H

#include "study/study_file.h"
#include "study/study_yaml.h"

/* One value or a list of them. Complains where *to has some already. */
bool ew_study_read_values(struct ew_yaml *y, struct ew_study_file *file, enum ew_study_axis axis, int line,
                          yaml_node_t *node, struct ew_study_values *to);

/* `sweep` (or `grid`), `configurations`, `exclude`. what: the key, for messages. */
void ew_study_read_sweep(struct ew_yaml *y, struct ew_study_file *file, const char *what, int line, yaml_node_t *node);
void ew_study_read_grids(struct ew_yaml *y, struct ew_study_file *file, const char *what, int line, yaml_node_t *node);

/* Once all is read: fills what entries of `configurations` leave to the sweep. Complains where the sweep has several
 * values for it, and about `threads` beside prefill_threads or decode_threads. */
void ew_study_complete_grids(struct ew_yaml *y, struct ew_study_file *file);

#endif
