/* Owns the memory of a task: three lists that grow, and blocks of texts that are freed together. */
#include "quality/task_set.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ew_task_kind_names[EW_TASK_KINDS] = {"choice", "choice_multi", "generate", "last_word"};
const char *const ew_task_length_names[EW_TASK_LENGTHS] = {"none", "token", "byte", "char"};
const char *const ew_task_match_names[EW_TASK_MATCHES] = {"text", "number"};

enum { BLOCK_BYTES = 1 << 16, ALIGNMENT = 8 };

struct ew_task_block {
    struct ew_task_block *next;
    size_t used, size;
    _Alignas(ALIGNMENT) char bytes[];
};

int ew_task_name_index(const char *const *names, int n, const char *name) {
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

struct ew_task_set *ew_task_set_new(void) {
    return calloc(1, sizeof(struct ew_task_set));
}

void ew_task_set_close(struct ew_task_set **set) {
    if (!set || !*set) return;
    for (struct ew_task_block *block = (*set)->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free((*set)->items);
    free((*set)->groups);
    free((*set)->files);
    free(*set);
    *set = NULL;
}

void *ew_task_set_take(struct ew_task_set *set, size_t size) {
    struct ew_task_block *block = set->blocks;
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || size > block->size - block->used) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        block = malloc(sizeof *block + room);
        if (!block) return NULL;
        *block = (struct ew_task_block){.next = set->blocks, .size = room};
        set->blocks = block;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    return at;
}

const char *ew_task_set_copy(struct ew_task_set *set, const char *text, size_t n_bytes) {
    char *copy = ew_task_set_take(set, n_bytes + 1);
    if (!copy) return NULL;
    memcpy(copy, text, n_bytes);
    copy[n_bytes] = 0;
    return copy;
}

const char *ew_task_set_print(struct ew_task_set *set, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *text = n < 0 ? NULL : ew_task_set_take(set, (size_t)n + 1);
    if (text) vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    va_end(args);
    return text;
}

/* Room for one more of the n elements at list. */
static bool grow(void **list, size_t n, size_t *room, size_t element_size) {
    if (n < *room) return true;
    size_t more = *room ? *room * 2 : 16;
    void *larger = reallocarray(*list, more, element_size);
    if (!larger) return false;
    *list = larger;
    *room = more;
    return true;
}

bool ew_task_set_add(struct ew_task_set *set, const struct ew_task_item *item) {
    if (!grow((void **)&set->items, set->n_items, &set->item_room, sizeof *item)) return false;
    set->items[set->n_items++] = *item;
    return true;
}

bool ew_task_set_add_file(struct ew_task_set *set, const char *path) {
    const char *copy = ew_task_set_copy(set, path, strlen(path));
    if (!copy || !grow((void **)&set->files, set->n_files, &set->file_room, sizeof copy)) return false;
    set->files[set->n_files++] = copy;
    return true;
}

bool ew_task_set_group(struct ew_task_set *set, const char *name, const char *preamble, uint32_t *group) {
    /* Items of a group mostly stand together. */
    for (size_t i = set->n_groups; i-- > 0;)
        if (strcmp(set->groups[i].name, name) == 0) {
            *group = (uint32_t)i;
            return true;
        }
    struct ew_task_group made = {ew_task_set_copy(set, name, strlen(name)),
                                 ew_task_set_copy(set, preamble, strlen(preamble))};
    if (!made.name || !made.preamble || !grow((void **)&set->groups, set->n_groups, &set->group_room, sizeof made))
        return false;
    *group = (uint32_t)set->n_groups;
    set->groups[set->n_groups++] = made;
    return true;
}
