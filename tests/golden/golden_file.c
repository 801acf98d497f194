/* Reading the files that golden tests compare with; what the functions promise is in golden_file.h. */
#include "golden_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

char *golden_read(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    fseek(f, 0, SEEK_END);
    *size = (size_t)ftell(f);
    rewind(f);
    char *data = calloc(1, *size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, f), *size);
    fclose(f);
    return data;
}

static const char *behind(const char *json, const char *key) {
    char quoted[96];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *p = strstr(json, quoted);
    return p ? p + strlen(quoted) : NULL;
}

size_t golden_ints(const char **json, const char *key, int32_t *out, size_t capacity) {
    const char *p = behind(*json, key);
    *json = NULL;
    if (!p) return 0;
    p = strchr(p, '[') + 1;
    size_t n = 0;
    for (char *end; n < capacity; p = end + 1) {
        out[n++] = (int32_t)strtol(p, &end, 10);
        while (*end == ' ' || *end == '\n') end++;
        *json = end;
        if (*end == ']') break;
        assert_int_equal(*end, ',');
    }
    return n;
}

double golden_number(const char *json, const char *within, const char *key) {
    const char *p = within ? behind(json, within) : json;
    if (p) p = behind(p, key);
    assert_non_null(p);
    return strtod(p, NULL);
}
