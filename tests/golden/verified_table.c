/* Collecting and writing of the table of verified models; see verified_table.h. */
#include "verified_table.h"
#include "golden_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROWS = 64, MAX_TYPES = 32 };

static const char begin_mark[] = "<!-- written by test_logits --table: begin -->\n";
static const char end_mark[] = "<!-- end -->\n";

struct row {
    char model[32], architecture[32];
    double worst[MAX_TYPES]; /* -1: skipped; 0: no file */
};

static struct row rows[MAX_ROWS];
static char types[MAX_TYPES][16] = {"f32", "f16", "bf16", "q8_0", "q4_0", "q4_k_m"};
static int n_rows, n_types = 6;

/* MODEL-WIDTH-TYPE, where the width does not matter. */
static struct row *find(const char *name, int *type) {
    const char *dash = strchr(name, '-'), *last = strrchr(name, '-');
    size_t n = (size_t)(dash - name);
    int r = 0, t = 0;
    while (t < n_types && strcmp(types[t], last + 1) != 0) t++;
    if (t == n_types) snprintf(types[n_types++], sizeof types[0], "%s", last + 1);
    while (r < n_rows && (strncmp(rows[r].model, name, n) != 0 || rows[r].model[n] != 0)) r++;
    if (r == n_rows) snprintf(rows[n_rows++].model, sizeof rows[0].model, "%.*s", (int)n, name);
    *type = t;
    return &rows[r];
}

void verified_add(const char *name, const char *architecture, double worst) {
    int type;
    struct row *r = find(name, &type);
    snprintf(r->architecture, sizeof r->architecture, "%s", architecture);
    if (worst > r->worst[type]) r->worst[type] = worst;
}

void verified_skip(const char *name) {
    int type;
    struct row *r = find(name, &type);
    if (r->worst[type] == 0) r->worst[type] = -1;
}

static void print_upper(FILE *out, const char *s) {
    for (; *s; s++) fputc(*s >= 'a' && *s <= 'z' ? *s - 32 : *s, out);
}

static void print_table(FILE *out) {
    fprintf(out, "| file | architecture |");
    for (int t = 0; t < n_types; t++) {
        fputc(' ', out);
        print_upper(out, types[t]);
        fputs(" |", out);
    }
    fprintf(out, "\n|---|---|");
    for (int t = 0; t < n_types; t++) fprintf(out, "--:|");
    for (int i = 0; i < n_rows; i++) {
        fprintf(out, "\n| %s | `%s` |", rows[i].model, rows[i].architecture);
        for (int t = 0; t < n_types; t++) {
            if (rows[i].worst[t] > 0)
                fprintf(out, " %.0f %% |", 100 * rows[i].worst[t]);
            else
                fprintf(out, " %s |", rows[i].worst[t] < 0 ? "not yet" : "–");
        }
    }
    fputc('\n', out);
}

bool verified_write(const char *path) {
    size_t size;
    char *page = golden_read(path, &size);
    char *begin = page ? strstr(page, begin_mark) : NULL, *end = begin ? strstr(begin, end_mark) : NULL;
    FILE *out = end ? fopen(path, "w") : NULL;
    if (out) {
        fwrite(page, 1, (size_t)(begin - page) + strlen(begin_mark), out);
        print_table(out);
        fputs(end, out);
        fclose(out);
    } else {
        fprintf(stderr, "%s: cannot be written, or lacks its markers\n", path);
    }
    free(page);
    return out != NULL;
}
