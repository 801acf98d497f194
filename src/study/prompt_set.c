/* Owns reading prompt sets, line by line, trusting nothing. Who answers them: cli/eval_answers.c. */
#include "study/prompt_set.h"
#include "base/error.h"
#include "base/file_map.h"
#include "study/eval_figures.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status add(struct ew_prompt_set *set, const char *path, const char *prompt, struct ew_error *err) {
    char **larger = realloc(set->prompts, (set->n + 1) * sizeof *larger);
    if (larger) set->prompts = larger;
    char *copy = larger ? strdup(prompt) : NULL;
    if (!copy) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    set->prompts[set->n++] = copy;
    return EW_OK;
}

static enum ew_status read_line(struct ew_prompt_set *set, const char *path, int number, const char *line, size_t size,
                                struct ew_error *err) {
    json_error_t why;
    json_t *object = json_loadb(line, size, JSON_REJECT_DUPLICATES, &why);
    const char *prompt = json_string_value(json_object_get(object, "prompt"));
    enum ew_status status = EW_OK;
    if (!object)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s:%d: is no JSON object: %s", path, number, why.text);
    else if (!prompt || !*prompt)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s:%d: prompt: must be a text that is not empty", path, number);
    else if (set->n == EW_PROMPT_SET_MOST)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s:%d: more than %d prompts", path, number, EW_PROMPT_SET_MOST);
    else
        status = add(set, path, prompt, err);
    json_decref(object);
    return status;
}

static bool is_blank(const char *line, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!strchr(" \t\r", line[i]) || !line[i]) return false;
    return true;
}

enum ew_status ew_prompt_set_read(const char *path, struct ew_prompt_set *out, struct ew_error *err) {
    struct ew_prompt_set set = {0};
    struct ew_file_map map;
    char name[EW_DATA_NAME];
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    const char *at = (const char *)map.data, *end = at ? at + map.size : NULL;
    for (int number = 1; status == EW_OK && at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t size = (size_t)(stop - at);
        if (!is_blank(at, size)) status = read_line(&set, path, number, at, size, err);
        at = stop < end ? stop + 1 : end;
    }
    ew_file_map_close(&map);
    if (status == EW_OK && set.n == 0) status = ew_error_set(err, EW_ERR_FORMAT, "%s: no prompt in it", path);
    ew_data_name(path, name);
    if (status == EW_OK && !(set.name = strdup(name)))
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    if (status != EW_OK)
        ew_prompt_set_close(&set);
    else
        *out = set;
    return status;
}

void ew_prompt_set_close(struct ew_prompt_set *set) {
    for (size_t i = 0; i < set->n; i++) free(set->prompts[i]);
    free(set->prompts);
    free(set->name);
    *set = (struct ew_prompt_set){0};
}
