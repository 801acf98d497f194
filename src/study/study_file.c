/* Owns the keys of a study file: which there are, what they take, and what is wrong with a value. Values of knobs:
 * study_sweep.c. What the machine can do is checked later (study_plan.c), and whether models exist (study_models.c). */
#include "study/study_file.h"
#include "base/error.h"
#include "base/file_map.h"
#include "study/quality_keys.h"
#include "study/study_keys.h"
#include "study/study_sweep.h"
#include "study/study_value.h"
#include "study/study_yaml.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_PATH_BYTES = 4096 };

/* What a key takes. */
enum value_kind { KIND_AXIS, KIND_INT, KIND_DURATION, KIND_TEXT, KIND_COOL, KIND_REPEATS, KIND_IDLE };

struct key {
    const char *name;
    enum value_kind kind;
    size_t offset; /* in struct ew_study_file; KIND_AXIS: which */
    double low, high;
};

#define FIELD(name) offsetof(struct ew_study_file, name)

static const struct key measure_keys[] = {
    {"prompt_tokens", KIND_AXIS, EW_AXIS_PROMPT_TOKENS, 0, 0},
    {"generate_tokens", KIND_AXIS, EW_AXIS_GENERATE_TOKENS, 0, 0},
    {"depth", KIND_AXIS, EW_AXIS_DEPTH, 0, 0},
    {"batch", KIND_AXIS, EW_AXIS_BATCH, 0, 0},
    {"sustained", KIND_AXIS, EW_AXIS_SUSTAINED, 0, 0},
    {"repeats", KIND_REPEATS, FIELD(repeats_max), 1, 1000},
    {"cool_to", KIND_COOL, FIELD(cool_to), 0, 0},
    {"idle", KIND_IDLE, FIELD(idle_s), 0, 3600},
    {"timeout", KIND_DURATION, FIELD(timeout_s), 0.1, 86400},
    {"warmup", KIND_DURATION, FIELD(warmup_s), 0, 600},
    {"gap", KIND_DURATION, FIELD(gap_s), 0, 60},
    {"seed", KIND_INT, FIELD(seed), 1, 9007199254740992.0},
    {"sample_prompt", KIND_TEXT, FIELD(sample_prompt), 0, 4096},
    {"sample_tokens", KIND_INT, FIELD(sample_tokens), 1, 4096},
    {"energy", KIND_TEXT, FIELD(energy), 1, 64},
};

static const struct key top_keys[] = {
    {"study", KIND_TEXT, FIELD(name), 1, 120},
    {"store", KIND_TEXT, FIELD(store), 1, 4096},
    {"cache", KIND_TEXT, FIELD(cache), 1, 4096},
};

#define N_OF(array) (sizeof(array) / sizeof *(array))

static const struct key *find_key(const struct key *keys, size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

/* "a, b and c" of the keys, for the message about one that is not known. */
static void list_keys(const struct key *keys, size_t n, const char *more, char *buf, size_t capacity) {
    size_t used = (size_t)snprintf(buf, capacity, "%s", more);
    for (size_t i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(buf + used, capacity - used, "%s%s", used ? ", " : "", keys[i].name);
}

static void read_cool_key(struct ew_yaml *y, void *context, const char *name, int line, yaml_node_t *node) {
    struct ew_thermal_gate *gate = context;
    const char *text = ew_yaml_text(node);
    bool at = strcmp(name, "at") == 0;
    double *to = at ? &gate->at_c : &gate->within_c;
    if (strcmp(name, "timeout") == 0) {
        ew_study_read_duration(y, "cool_to: timeout", 1, 86400, line, node, &gate->timeout_s);
    } else if (!at && strcmp(name, "within") != 0) {
        ew_yaml_complain(y, line, "%s: is not a key of cool_to (at, within, timeout)", name);
    } else if (!text || !ew_value_parse_celsius(text, to) || *to > (at ? 150 : 50)) {
        ew_yaml_complain(y, line, "cool_to: `%s` is not a temperature such as %s", text ? text : "(a list)",
                         at ? "50 °C (0 to 150 °C)" : "2 °C (0 to 50 °C)");
    }
}

static bool read_cool(struct ew_yaml *y, int line, yaml_node_t *node, struct ew_thermal_gate *gate) {
    if (node->type != YAML_MAPPING_NODE)
        read_cool_key(y, gate, "at", line, node);
    else
        ew_yaml_each_pair(y, node, "cool_to", read_cool_key, gate);
    if (y->status == EW_OK && isnan(gate->at_c))
        ew_yaml_complain(y, line, "cool_to: has no temperature; such as {at: 50 °C, within: 2 °C, timeout: 5 min}");
    return y->status == EW_OK;
}

static void read_repeats_key(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *node) {
    struct ew_study_file *file = context;
    const char *text = ew_yaml_text(node);
    if (strcmp(key, "min") == 0) {
        ew_study_read_int(y, "repeats: min", 1, 1000, line, node, &file->repeats_min);
    } else if (strcmp(key, "max") == 0) {
        ew_study_read_int(y, "repeats: max", 1, 1000, line, node, &file->repeats_max);
    } else if (strcmp(key, "until_interval") == 0) {
        double fraction = 0;
        if (!text || !ew_value_parse_percent(text, &fraction) || fraction <= 0 || fraction > 1)
            ew_yaml_complain(y, line, "until_interval: `%s` is not a share such as 2 %%", text ? text : "(a list)");
        file->until_interval = fraction;
    } else {
        ew_yaml_complain(y, line, "%s: is not a key of repeats (min, max, until_interval)", key);
    }
}

static void read_idle_key(struct ew_yaml *y, void *context, const char *name, int line, yaml_node_t *node) {
    struct ew_study_file *file = context;
    const char *text = ew_yaml_text(node);
    if (strcmp(name, "min") == 0)
        ew_study_read_duration(y, "idle: min", 0, 3600, line, node, &file->idle_s);
    else if (strcmp(name, "max") == 0)
        ew_study_read_duration(y, "idle: max", 0, 3600, line, node, &file->idle_max_s);
    else if (strcmp(name, "until_interval") != 0)
        ew_yaml_complain(y, line, "%s: is not a key of idle (min, max, until_interval)", name);
    else if (!text || !ew_value_parse_percent(text, &file->idle_until) || file->idle_until <= 0 || file->idle_until > 1)
        ew_yaml_complain(y, line, "idle: until_interval: `%s` is not a share such as 2 %%", text ? text : "(a list)");
}

static void read_idle(struct ew_yaml *y, const struct key *key, int line, yaml_node_t *node,
                      struct ew_study_file *file) {
    if (node->type != YAML_MAPPING_NODE) {
        ew_study_read_duration(y, key->name, key->low, key->high, line, node, &file->idle_s);
        return;
    }
    file->idle_until = 0.02;
    ew_yaml_each_pair(y, node, "idle", read_idle_key, file);
    if (y->status == EW_OK && file->idle_s > file->idle_max_s)
        ew_yaml_complain(y, line, "idle: min %g s is more than max %g s", file->idle_s, file->idle_max_s);
}

static void read_repeats(struct ew_yaml *y, const struct key *key, int line, yaml_node_t *node,
                         struct ew_study_file *file) {
    if (node->type == YAML_MAPPING_NODE) {
        file->repeats_max = 0;
        ew_yaml_each_pair(y, node, "repeats", read_repeats_key, file);
    } else if (ew_study_read_int(y, key->name, key->low, key->high, line, node, &file->repeats_max)) {
        file->repeats_min = file->repeats_max;
    }
    if (y->status != EW_OK) return;
    if (file->repeats_max == 0) file->repeats_max = file->repeats_min;
    if (file->repeats_min > file->repeats_max)
        ew_yaml_complain(y, line, "repeats: min %lld is more than max %lld", (long long)file->repeats_min,
                         (long long)file->repeats_max);
}

static void read_key(struct ew_yaml *y, const struct key *key, int line, yaml_node_t *node,
                     struct ew_study_file *file) {
    void *to = (char *)file + key->offset;
    switch (key->kind) {
    case KIND_TEXT: ew_study_read_text(y, key->name, (size_t)key->low, (size_t)key->high, line, node, to); return;
    case KIND_INT: ew_study_read_int(y, key->name, key->low, key->high, line, node, to); return;
    case KIND_DURATION: ew_study_read_duration(y, key->name, key->low, key->high, line, node, to); return;
    case KIND_COOL: read_cool(y, line, node, to); return;
    case KIND_IDLE: read_idle(y, key, line, node, file); return;
    case KIND_REPEATS: read_repeats(y, key, line, node, file); return;
    case KIND_AXIS:
        ew_study_read_values(y, file, (enum ew_study_axis)key->offset, line, node, &file->axis[key->offset]);
        return;
    }
}

static void read_measure(struct ew_yaml *y, void *context, const char *name, int line, yaml_node_t *node) {
    const struct key *key = find_key(measure_keys, N_OF(measure_keys), name);
    if (key) {
        read_key(y, key, line, node, context);
        return;
    }
    char known[400];
    list_keys(measure_keys, N_OF(measure_keys), "", known, sizeof known);
    ew_yaml_complain(y, line, "%s: is not a key of measure (%s)", name, known);
}

static void read_budget(struct ew_yaml *y, void *context, const char *name, int line, yaml_node_t *node) {
    struct ew_study_budget *budget = context;
    const char *text = ew_yaml_text(node), *shown = text ? text : "(a list)";
    if (strcmp(name, "time") == 0) {
        ew_study_read_duration(y, "budget: time", 1, 1e8, line, node, &budget->time_s);
    } else if (strcmp(name, "energy") == 0) {
        if (!text || !ew_value_parse_energy(text, &budget->energy_j) || budget->energy_j <= 0)
            ew_yaml_complain(y, line, "budget: energy: `%s` is not an energy (such as 500 J, 20 kJ, 5 Wh)", shown);
    } else if (strcmp(name, "disk") == 0) {
        if (!text || !ew_value_parse_size(text, &budget->disk_bytes))
            ew_yaml_complain(y, line, "budget: disk: `%s` is not a size (such as 500 MB, 20 GB)", shown);
    } else {
        ew_yaml_complain(y, line, "%s: is not a key of budget (time, energy, disk)", name);
    }
}

/* ---- models ---- */

struct model_entry {
    struct ew_study_model model;
    yaml_node_t *types;
    int types_line;
    int kinds; /* how many of synth, file, box it has */
    bool box;
};

static void read_model_key(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *node) {
    struct model_entry *entry = context;
    if (strcmp(key, "synth") == 0 || strcmp(key, "file") == 0) {
        entry->model.kind = *key == 's' ? EW_STUDY_MODEL_SYNTH : EW_STUDY_MODEL_FILE;
        entry->kinds++;
        ew_study_read_text(y, key, 1, MAX_PATH_BYTES, line, node, &entry->model.name);
    } else if (strcmp(key, "else_synth") == 0) {
        ew_study_read_text(y, key, 1, MAX_PATH_BYTES, line, node, &entry->model.else_synth);
    } else if (strcmp(key, "box") == 0) {
        entry->model.kind = EW_STUDY_MODEL_BOX;
        entry->kinds++;
        if (ew_study_read_flag(y, key, line, node, &entry->box) && !entry->box)
            ew_yaml_complain(y, line, "box: false names no model; remove the entry");
    } else if (strcmp(key, "types") == 0) {
        entry->types = node;
        entry->types_line = line;
    } else if (strcmp(key, "sample_text") == 0) {
        entry->model.sample_given = ew_study_read_flag(y, key, line, node, &entry->model.has_sample_text);
    } else {
        ew_yaml_complain(y, line, "%s: is not a key of a model (synth, file, else_synth, box, types, sample_text)",
                         key);
    }
}

static void add_types(struct ew_yaml *y, struct ew_study_file *file, struct model_entry *entry) {
    yaml_node_t *item;
    for (size_t i = 0; y->status == EW_OK && (item = ew_yaml_item(y, entry->types, i)) != NULL; i++) {
        const char *text = ew_yaml_text(item);
        if (!text || !*text || i >= EW_STUDY_MAX_VALUES) {
            ew_yaml_complain(y, ew_yaml_line(item), "types: must be a list such as [q4_0, q8_0]");
            return;
        }
        struct ew_study_model model = entry->model;
        model.type = (char *)text;
        model.line = ew_yaml_line(item);
        y->status = ew_study_file_add_model(file, &model, y->err);
    }
}

static void read_model(struct ew_yaml *y, struct ew_study_file *file, yaml_node_t *node) {
    struct model_entry entry = {.model = {.line = ew_yaml_line(node)}};
    ew_yaml_each_pair(y, node, "an entry of models", read_model_key, &entry);
    bool synth = entry.model.kind == EW_STUDY_MODEL_SYNTH;
    bool typed = synth || entry.model.else_synth, box = entry.model.kind == EW_STUDY_MODEL_BOX;
    /* What real models say belongs in a report; random weights say nothing. */
    if (!entry.model.sample_given) entry.model.has_sample_text = !synth;
    if (y->status != EW_OK) {
        /* said already */
    } else if (entry.kinds != 1) {
        ew_yaml_complain(y, entry.model.line, "models: an entry needs one of synth, file, box");
    } else if (entry.model.else_synth && entry.model.kind != EW_STUDY_MODEL_FILE) {
        ew_yaml_complain(y, entry.model.line, "else_synth: stands in for a file; it needs one");
    } else if (!box && typed != (entry.types != NULL)) {
        ew_yaml_complain(y, entry.types ? entry.types_line : entry.model.line,
                         typed ? "types: is missing; synth: %s needs a list such as [q4_0, q4_k_m, q8_0]"
                               : "types: a file has the type that it has; synthetic models and the one in the box have "
                                 "types to choose%.0s",
                         synth   ? entry.model.name
                         : typed ? entry.model.else_synth
                                 : "");
    } else if (entry.types) {
        add_types(y, file, &entry);
        if (y->status == EW_OK && !ew_yaml_item(y, entry.types, 0))
            ew_yaml_complain(y, entry.types_line, "types: the list is empty");
    } else {
        y->status = ew_study_file_add_model(file, &entry.model, y->err);
    }
    free(entry.model.name);
    free(entry.model.else_synth);
}

static void read_models(struct ew_yaml *y, struct ew_study_file *file, int line, yaml_node_t *node) {
    if (node->type != YAML_SEQUENCE_NODE) {
        ew_yaml_complain(y, line, "models: must be a list, each line beginning with `- `");
        return;
    }
    yaml_node_t *item;
    for (size_t i = 0; y->status == EW_OK && (item = ew_yaml_item(y, node, i)) != NULL; i++) {
        if (file->n_models >= EW_STUDY_MAX_MODELS) {
            ew_yaml_complain(y, ew_yaml_line(item), "models: more than %d", EW_STUDY_MAX_MODELS);
            return;
        }
        read_model(y, file, item);
    }
}

static void read_top(struct ew_yaml *y, void *context, const char *key, int line, yaml_node_t *node) {
    struct ew_study_file *file = context;
    const struct key *known = find_key(top_keys, N_OF(top_keys), key);
    if (known) {
        read_key(y, known, line, node, file);
    } else if (strcmp(key, "models") == 0) {
        read_models(y, file, line, node);
    } else if (strcmp(key, "sweep") == 0 || strcmp(key, "grid") == 0) {
        ew_study_read_sweep(y, file, key, line, node);
    } else if (strcmp(key, "configurations") == 0 || strcmp(key, "exclude") == 0) {
        ew_study_read_grids(y, file, key, line, node);
    } else if (strcmp(key, "measure") == 0) {
        ew_yaml_each_pair(y, node, "measure", read_measure, file);
    } else if (strcmp(key, "budget") == 0) {
        ew_yaml_each_pair(y, node, "budget", read_budget, &file->budget);
    } else if (strcmp(key, "quality") == 0) {
        ew_study_read_quality(y, &file->quality, line, node);
    } else {
        char list[200];
        list_keys(top_keys, N_OF(top_keys), "models, sweep, configurations, exclude, measure, budget, quality", list,
                  sizeof list);
        ew_yaml_complain(y, line, "%s: is not a key of a study file (%s)", key, list);
    }
}

/* A run that is told to last longer than it may is a mistake, not a result. */
static void check_sustained(struct ew_yaml *y, const struct ew_study_file *file, const struct ew_study_values *values) {
    for (size_t i = 0; i < values->n; i++) {
        char asked[32], most[32];
        if ((double)values->value[i] / 1000 < file->timeout_s) continue;
        ew_value_print_duration((double)values->value[i] / 1000, asked, sizeof asked);
        ew_value_print_duration(file->timeout_s, most, sizeof most);
        ew_yaml_complain(y, values->line, "sustained: %s is not less than the timeout of %s (measure: timeout)", asked,
                         most);
    }
}

static void check_whole(struct ew_yaml *y, struct ew_study_file *file) {
    if (y->status != EW_OK) return;
    if (!file->name)
        ew_yaml_complain(y, 1, "study: is missing: the study needs a name");
    else if (file->n_models == 0)
        ew_yaml_complain(y, 1, "models: is missing or empty: nothing to measure");
    else
        ew_study_complete_grids(y, file);
    check_sustained(y, file, &file->sustained);
    for (size_t i = 0; i < file->n_configurations; i++)
        check_sustained(y, file, &file->configurations[i].axis[EW_AXIS_SUSTAINED]);
}

enum ew_status ew_study_file_parse(const char *path, const char *text, size_t size, struct ew_study_file **out,
                                   struct ew_error *err) {
    struct ew_yaml y;
    enum ew_status status = ew_yaml_parse(&y, path, text, size, err);
    if (status != EW_OK) return status;
    struct ew_study_file *file = ew_study_file_new(path);
    if (file) file->source = strndup(text, size);
    yaml_node_t *root = yaml_document_get_root_node(&y.document);
    if (!file || !file->source)
        y.status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    else if (!root)
        ew_yaml_complain(&y, 1, "the file is empty");
    else
        ew_yaml_each_pair(&y, root, "the study file", read_top, file);
    if (file) check_whole(&y, file);
    yaml_document_delete(&y.document);
    if (y.status != EW_OK) {
        ew_study_file_close(&file);
        return y.status;
    }
    *out = file;
    return EW_OK;
}

enum ew_status ew_study_file_read(const char *path, struct ew_study_file **out, struct ew_error *err) {
    struct ew_file_map map;
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    if (map.size > MAX_FILE_BYTES)
        status = ew_error_set(err, EW_ERR_ARGUMENT, "%s: has %zu bytes; a study file has at most %d", path, map.size,
                              MAX_FILE_BYTES);
    else
        status = ew_study_file_parse(path, map.data ? (const char *)map.data : "", map.size, out, err);
    ew_file_map_close(&map);
    return status;
}
