/* Owns reading values of knobs: the sweep, single configurations, and what is left out. */
#include "study/study_sweep.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory(struct ew_yaml *y) {
    if (y->status == EW_OK) y->status = ew_error_set(y->err, EW_ERR_MEMORY, "%s: out of memory", y->path);
    return false;
}

static bool read_value(struct ew_yaml *y, struct ew_study_file *file, enum ew_study_axis axis, const yaml_node_t *node,
                       int64_t *to) {
    const struct ew_axis_info *info = &ew_study_axis_table[axis];
    const char *text = ew_yaml_text(node);
    char why[200];
    if (!text) return ew_yaml_complain(y, ew_yaml_line(node), "%s: must be a value or a list of values", info->name);
    if (!ew_study_axis_parse(axis, text, to, why, sizeof why))
        return ew_yaml_complain(y, ew_yaml_line(node), "%s: %s", info->name, why);
    bool word = (info->kind == EW_KIND_WORD || info->kind == EW_KIND_CORES) && *to >= 0;
    return !word || ew_study_file_add_word(file, text, to) || no_memory(y);
}

bool ew_study_read_values(struct ew_yaml *y, struct ew_study_file *file, enum ew_study_axis axis, int line,
                          yaml_node_t *node, struct ew_study_values *to) {
    const char *name = ew_study_axis_table[axis].name;
    if (to->line)
        return ew_yaml_complain(y, line, "%s: is already in line %d; give it in sweep or in measure", name, to->line);
    struct ew_study_values values = {.line = line};
    yaml_node_t *item;
    for (size_t i = 0; (item = ew_yaml_item(y, node, i)) != NULL; i++) {
        if (i == EW_STUDY_MAX_VALUES)
            return ew_yaml_complain(y, line, "%s: has more than %d values", name, EW_STUDY_MAX_VALUES);
        if (!read_value(y, file, axis, item, &values.value[i])) return false;
        for (size_t j = 0; j < i; j++)
            if (values.value[j] == values.value[i])
                return ew_yaml_complain(y, ew_yaml_line(item), "%s: `%s` comes twice", name, ew_yaml_text(item));
        values.n = i + 1;
    }
    if (values.n == 0) return ew_yaml_complain(y, line, "%s: the list is empty", name);
    *to = values;
    return true;
}

struct scope {
    struct ew_study_file *file;
    const char *what;
    struct ew_study_values *axes;
    int n_axes; /* those below are allowed */
};

static void read_axis(struct ew_yaml *y, void *context, const char *name, int line, yaml_node_t *node) {
    const struct scope *scope = context;
    enum ew_study_axis axis;
    if (ew_study_axis_find(name, &axis) && (int)axis < scope->n_axes) {
        ew_study_read_values(y, scope->file, axis, line, node, &scope->axes[axis]);
        return;
    }
    char known[400];
    size_t used = 0;
    for (int i = 0; i < scope->n_axes && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", ew_study_axis_table[i].name);
    ew_yaml_complain(y, line, "%s: is not a key of %s (%s)", name, scope->what, known);
}

void ew_study_read_sweep(struct ew_yaml *y, struct ew_study_file *file, const char *what, int line, yaml_node_t *node) {
    if (file->sweep_line) {
        ew_yaml_complain(y, line, "%s: the sweep is already in line %d (grid is another word for it)", what,
                         file->sweep_line);
        return;
    }
    file->sweep_line = line;
    ew_yaml_each_pair(y, node, what, read_axis, &(struct scope){file, what, file->axis, EW_SWEEP_AXES});
}

static struct ew_study_grid *add_grid(struct ew_study_grid **list, size_t *n) {
    struct ew_study_grid *larger = realloc(*list, (*n + 1) * sizeof *larger);
    if (!larger) return NULL;
    *list = larger;
    larger[*n] = (struct ew_study_grid){0};
    return &larger[(*n)++];
}

void ew_study_read_grids(struct ew_yaml *y, struct ew_study_file *file, const char *what, int line, yaml_node_t *node) {
    bool exclude = strcmp(what, "exclude") == 0;
    if (node->type != YAML_SEQUENCE_NODE) {
        ew_yaml_complain(y, line, "%s: must be a list, each line beginning with `- `", what);
        return;
    }
    char entry[40];
    snprintf(entry, sizeof entry, "an entry of %s", what);
    yaml_node_t *item;
    for (size_t i = 0; y->status == EW_OK && (item = ew_yaml_item(y, node, i)) != NULL; i++) {
        if (i == EW_STUDY_MAX_GRIDS) {
            ew_yaml_complain(y, ew_yaml_line(item), "%s: more than %d", what, EW_STUDY_MAX_GRIDS);
            return;
        }
        struct ew_study_grid *grid = exclude ? add_grid(&file->exclude, &file->n_exclude)
                                             : add_grid(&file->configurations, &file->n_configurations);
        if (!grid) {
            no_memory(y);
            return;
        }
        grid->line = ew_yaml_line(item);
        ew_yaml_each_pair(y, item, entry, read_axis, &(struct scope){file, entry, grid->axis, EW_AXES});
        size_t named = 0;
        for (int a = 0; a < EW_AXES; a++) named += grid->axis[a].n > 0;
        if (y->status == EW_OK && named == 0) ew_yaml_complain(y, grid->line, "%s: names nothing", entry);
    }
}

static bool check_threads(struct ew_yaml *y, const struct ew_study_values *axis) {
    if (!axis[EW_AXIS_THREADS].n || (!axis[EW_AXIS_PREFILL_THREADS].line && !axis[EW_AXIS_DECODE_THREADS].line))
        return true;
    return ew_yaml_complain(y, axis[EW_AXIS_THREADS].line,
                            "threads: sets prefill and decode alike; give it, or prefill_threads and decode_threads");
}

static void complete(struct ew_yaml *y, const struct ew_study_file *file, struct ew_study_grid *grid) {
    bool own = grid->axis[EW_AXIS_PREFILL_THREADS].n > 0 || grid->axis[EW_AXIS_DECODE_THREADS].n > 0;
    for (int a = 0; a < EW_SWEEP_AXES; a++) {
        struct ew_study_values *values = &grid->axis[a];
        bool threads = a == EW_AXIS_PREFILL_THREADS || a == EW_AXIS_DECODE_THREADS;
        if (values->n > 0 || (a == EW_AXIS_THREADS && own)) continue;
        if (threads && grid->axis[EW_AXIS_THREADS].n > 0) continue;
        if (file->axis[a].n > 1) {
            ew_yaml_complain(y, grid->line, "configurations: must say which %s: the sweep has %zu values for it",
                             ew_study_axis_table[a].name, file->axis[a].n);
            return;
        }
        *values = file->axis[a];
    }
}

void ew_study_complete_grids(struct ew_yaml *y, struct ew_study_file *file) {
    if (y->status != EW_OK || !check_threads(y, file->axis)) return;
    for (size_t i = 0; y->status == EW_OK && i < file->n_configurations; i++)
        if (check_threads(y, file->configurations[i].axis)) complete(y, file, &file->configurations[i]);
    for (size_t i = 0; y->status == EW_OK && i < file->n_exclude; i++) check_threads(y, file->exclude[i].axis);
}
