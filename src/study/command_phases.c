/* Owns the rules of phase lines. They come from any program, so every line is checked and none is trusted; times are
 * the reader's own. Who reads the pipe: command_process.c. */
#include "study/command_phases.h"
#include "base/error.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum ew_status begin_phase(struct ew_command_phases *p, const char *name, int64_t time_ns,
                                  struct ew_error *err) {
    if (p->n == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 16;
        struct ew_command_phase *larger = realloc(p->list, capacity * sizeof *larger);
        if (!larger) return ew_error_set(err, EW_ERR_MEMORY, "phases: out of memory");
        p->list = larger;
        p->capacity = capacity;
    }
    struct ew_command_phase *phase = &p->list[p->n++];
    *phase = (struct ew_command_phase){.begin_ns = time_ns};
    snprintf(phase->name, sizeof phase->name, "%s", name);
    return EW_OK;
}

/* The phase of this name that was begun last and is open. */
static struct ew_command_phase *find_open(struct ew_command_phases *p, const char *name) {
    for (size_t i = p->n; i > 0; i--)
        if (p->list[i - 1].end_ns == 0 && strcmp(p->list[i - 1].name, name) == 0) return &p->list[i - 1];
    return NULL;
}

/* 1 to 63 bytes, and nothing that drives a terminal or is no UTF-8: names go into tables and JSON. */
static bool is_name(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n >= EW_PHASE_NAME_SIZE) return false;
    for (const unsigned char *s = (const unsigned char *)name; *s; s++)
        if (*s < 0x20 || *s == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0)) return false;
    json_t *text = json_string(name); /* NULL: no UTF-8 */
    json_decref(text);
    return text != NULL;
}

static enum ew_status take_line(struct ew_command_phases *p, int64_t time_ns, struct ew_error *err) {
    char *line = p->line;
    if (p->line_size > 0 && line[p->line_size - 1] == '\r') line[p->line_size - 1] = 0;
    bool begins = strncmp(line, "begin ", 6) == 0, ends = strncmp(line, "end ", 4) == 0;
    const char *name = line + (begins ? 6 : 4);
    bool fits = p->line_size < EW_PHASE_LINE_SIZE && (begins || ends) && is_name(name) && p->n < EW_PHASE_MOST;
    if (fits && begins) return begin_phase(p, name, time_ns, err);
    struct ew_command_phase *open = fits ? find_open(p, name) : NULL;
    if (open) {
        open->end_ns = time_ns;
        return EW_OK;
    }
    if (p->broken++ == 0) memcpy(p->first_broken, line, sizeof p->first_broken);
    return EW_OK;
}

enum ew_status ew_command_phases_feed(struct ew_command_phases *p, const char *bytes, size_t n, int64_t time_ns,
                                      struct ew_error *err) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\n') {
            if (p->line_size < EW_PHASE_LINE_SIZE - 1) p->line[p->line_size] = bytes[i] ? bytes[i] : '\1';
            if (p->line_size < EW_PHASE_LINE_SIZE) p->line_size++; /* at that size: too long */
            continue;
        }
        p->line[p->line_size < EW_PHASE_LINE_SIZE ? p->line_size : EW_PHASE_LINE_SIZE - 1] = 0;
        enum ew_status status = take_line(p, time_ns, err);
        p->line_size = 0;
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_command_phases_mark(struct ew_command_phases *p, int64_t begin_ns, int64_t time_ns,
                                      struct ew_error *err) {
    char name[EW_PHASE_NAME_SIZE];
    enum ew_status status = EW_OK;
    if (p->n >= EW_PHASE_MOST) return EW_OK;
    snprintf(name, sizeof name, "part %u", p->parts);
    if (p->parts == 0) {
        p->parts = 1;
        snprintf(name, sizeof name, "part 1");
        status = begin_phase(p, name, begin_ns, err);
        if (status != EW_OK) return status;
    }
    struct ew_command_phase *open = find_open(p, name);
    if (open) open->end_ns = time_ns;
    snprintf(name, sizeof name, "part %u", ++p->parts);
    return begin_phase(p, name, time_ns, err);
}

void ew_command_phases_end(struct ew_command_phases *p, int64_t time_ns) {
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i].end_ns == 0) p->list[i].end_ns = time_ns;
}

void ew_command_phases_close(struct ew_command_phases *p) {
    free(p->list);
    *p = (struct ew_command_phases){0};
}
