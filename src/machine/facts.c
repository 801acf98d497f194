/* Owns the reading of /proc and /sys: small files, lists and folders below a root. Refuses to interpret: what a value
 * means is said in the file that asks for it. */
#include "machine/facts.h"
#include "base/small_file.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 4 << 20, PATH_BYTES = 512 };

char *ew_facts_read_file(const char *root, const char *path) {
    for (size_t capacity = 16384;; capacity *= 4) {
        char *text = malloc(capacity);
        if (!text) return NULL;
        ssize_t n = ew_small_file_read(root, path, text, capacity);
        if (n >= 0 && ((size_t)n + 1 < capacity || capacity >= MAX_FILE)) return text;
        free(text);
        if (n < 0) return NULL;
    }
}

static bool read_value(const char *root, char *buf, size_t capacity, const char *format, va_list args) {
    char path[PATH_BYTES];
    int n = vsnprintf(path, sizeof path, format, args);
    buf[0] = 0;
    return n > 0 && (size_t)n < sizeof path && ew_small_file_read(root, path, buf, capacity) >= 0;
}

bool ew_facts_text(const char *root, char *buf, size_t capacity, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool ok = read_value(root, buf, capacity, format, args);
    va_end(args);
    buf[ok ? strcspn(buf, "\n") : 0] = 0;
    for (char *p = buf; *p; p++)
        if (iscntrl((unsigned char)*p)) *p = ' ';
    size_t n = strlen(buf);
    while (n > 0 && buf[n - 1] == ' ') buf[--n] = 0;
    return ok && n > 0;
}

double ew_facts_number(const char *root, const char *format, ...) {
    char text[64];
    va_list args;
    va_start(args, format);
    bool ok = read_value(root, text, sizeof text, format, args);
    va_end(args);
    char *end;
    double value = strtod(text, &end);
    return ok && end != text && isfinite(value) ? value : NAN;
}

bool ew_facts_parse_list(const char *text, bool *set, int n) {
    for (int pass = 0; pass < 2; pass++) { /* first only look */
        for (const char *p = text; *p && *p != '\n';) {
            char *end;
            long first = strtol(p, &end, 10), last = first;
            if (end == p || first < 0) return false;
            if (*end == '-') {
                p = end + 1;
                last = strtol(p, &end, 10);
                if (end == p || last < first) return false;
            }
            for (long i = first; pass && i <= last && i < n; i++) set[i] = true;
            if (*end == ',')
                end++;
            else if (*end && *end != '\n')
                return false;
            p = end;
        }
    }
    return true;
}

/* strverscmp orders "zone2" before "zone10". */
static int compare_names(const struct dirent **a, const struct dirent **b) {
    return strverscmp((*a)->d_name, (*b)->d_name);
}

void ew_facts_each_entry(const char *root, const char *folder, const char *prefix,
                         bool (*visit)(void *context, const char *name), void *context) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s%s", root ? root : "", folder);
    if (length < 0 || (size_t)length >= sizeof path) return;
    struct dirent **entries;
    int n = scandir(path, &entries, NULL, compare_names);
    bool go = true;
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (go && name[0] != '.' && strncmp(name, prefix, strlen(prefix)) == 0) go = visit(context, name);
        free(entries[i]);
    }
    if (n >= 0) free(entries);
}

bool ew_facts_field(const char *text, const char *key, char *buf, size_t capacity) {
    size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        if (*line == '\n') line++;
        if (strncmp(line, key, n) != 0) continue;
        const char *p = line + n + strspn(line + n, " \t");
        if (*p != ':') continue;
        p += 1 + strspn(p + 1, " \t");
        size_t length = strcspn(p, "\n");
        while (length > 0 && isspace((unsigned char)p[length - 1])) length--;
        if (length >= capacity) length = capacity - 1;
        memcpy(buf, p, length);
        buf[length] = 0;
        return true;
    }
    return false;
}

void *ew_facts_append(void **array, size_t *n, size_t element_bytes) {
    /* Grows at powers of two; the capacity is thus known from n. */
    if ((*n & (*n - 1)) == 0) {
        size_t capacity = *n ? 2 * *n : 1;
        void *grown = reallocarray(*array, capacity, element_bytes);
        if (!grown) return NULL;
        *array = grown;
    }
    char *element = (char *)*array + *n * element_bytes;
    memset(element, 0, element_bytes);
    (*n)++;
    return element;
}
