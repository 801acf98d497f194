/* Owns writing and reading the text of choices. Reading believes nothing: the checksum comes first, then every word is
 * looked up in this build's own lists. A file of another processor or build is refused in words, not guessed at. */
#include "kernel/choice_text.h"

#include "base/checksum.h"
#include "base/error.h"
#include "kernel/matmul.h"
#include "machine/cpu_features.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT_VERSION = 1, MAX_BYTES = 1 << 20, LINE = 256 };

/* ---- writing ---- */

static void write_head(FILE *out, const struct ew_choice_record *r) {
    char features[256];
    ew_cpu_features_text(r->features, features, sizeof features);
    fprintf(out, "edgewise kernels %d\nprocessor %s\nfeatures %s\ntable %016" PRIx64 "\ndecided %s\n", FORMAT_VERSION,
            r->processor, features, ew_kernels_fingerprint(), r->date);
}

static const char *variant_word(uint8_t chosen) { return chosen ? ew_kernels_variant_name(chosen - 1u) : "-"; }

static void write_type(FILE *out, const struct ew_kernel_choice *choice, uint32_t type) {
    static const char *const packed[] = {[EW_PACKED_AS_LISTED] = "-", [EW_PACKED_NO] = "no", [EW_PACKED_YES] = "yes"};
    const char *name = ew_type_traits(type)->name;
    fprintf(out, "type %s packed %s\n", name, packed[choice->packed[type]]);
    for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++) {
        const struct ew_matmul_choice *c = &choice->matmul[type][layout];
        fprintf(out, "choice %s %s few %s many %s few_tokens %d\n", name, ew_matmul_layout_name((enum ew_layout)layout),
                variant_word(c->few), variant_word(c->many), c->few_tokens - 1);
    }
}

char *ew_choice_text_write(const struct ew_choice_record *r) {
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    if (!out) return NULL;
    write_head(out, r);
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        if (r->choice.decided[type]) write_type(out, &r->choice, type);
    if (r->choice.vector) fprintf(out, "attention %s\n", ew_kernels_vector_name(r->choice.vector - 1u));
    for (size_t i = 0; i < r->figures.n; i++) {
        const struct ew_kernel_figure *f = &r->figures.at[i];
        fprintf(out, "figure %s %s %u %s %.6g %.6g %.4f %.4f %d\n", f->type, f->layout, f->tokens, f->kernel,
                f->bytes_per_s, f->ops_per_s, f->of_limit, f->spread, f->chosen);
    }
    bool ok = fflush(out) == 0;
    uint64_t sum = ok ? ew_checksum(text, n, 0) : 0;
    fprintf(out, "end %016" PRIx64 "\n", sum);
    if (fclose(out) == 0 && ok) return text;
    free(text);
    return NULL;
}

/* ---- reading ---- */

struct reader {
    const char *at, *end;
    int number; /* of the line, from 1 */
    char line[LINE];
    struct ew_kernels kernels; /* what may run here */
    struct ew_choice_record found;
    struct ew_error *err;
};

static enum ew_status bad_line(struct reader *r, const char *rule) {
    return ew_error_set(r->err, EW_ERR_FORMAT, "kernels: line %d: %s", r->number, rule);
}

/* The next line without its end; false at the end of the text, or where a line is too long. */
static bool next_line(struct reader *r) {
    const char *newline = r->at < r->end ? memchr(r->at, '\n', (size_t)(r->end - r->at)) : NULL;
    if (!newline || newline - r->at >= LINE) return false;
    memcpy(r->line, r->at, (size_t)(newline - r->at));
    r->line[newline - r->at] = 0;
    r->at = newline + 1;
    r->number++;
    return true;
}

/* The last line is the checksum of all before it; the text then ends there. */
static enum ew_status check_sum(struct reader *r, const char *text, size_t n) {
    enum { END_LINE = 4 + 16 + 1 };
    uint64_t sum = 0;
    if (n > MAX_BYTES || memchr(text, 0, n)) return ew_error_set(r->err, EW_ERR_FORMAT, "kernels: is no text");
    bool ends = n > END_LINE && text[n - 1] == '\n' && text[n - END_LINE - 1] == '\n';
    char last[END_LINE] = "";
    if (ends) memcpy(last, text + n - END_LINE, END_LINE - 1);
    if (!ends || sscanf(last, "end %16" SCNx64, &sum) != 1 || sum != ew_checksum(text, n - END_LINE, 0))
        return ew_error_set(r->err, EW_ERR_FORMAT, "kernels: damaged: the checksum does not fit");
    r->at = text;
    r->end = text + n - END_LINE;
    return EW_OK;
}

/* A head line "word value" into r->line's rest; NULL where it is another. */
static const char *head_value(struct reader *r, const char *word) {
    size_t n = strlen(word);
    if (!next_line(r) || strncmp(r->line, word, n) != 0 || r->line[n] != ' ') return NULL;
    return r->line + n + 1;
}

static enum ew_status other(struct reader *r, const char *what, const char *theirs, const char *ours) {
    return ew_error_set(r->err, EW_ERR_UNSUPPORTED, "kernels: decided for another %s: %s, here it is %s", what, theirs,
                        ours);
}

static enum ew_status read_head(struct reader *r) {
    char features[256], table[24];
    ew_cpu_features_text(r->found.features, features, sizeof features);
    snprintf(table, sizeof table, "%016" PRIx64, ew_kernels_fingerprint());
    const char *value = head_value(r, "edgewise kernels");
    if (!value) return bad_line(r, "is not `edgewise kernels 1`");
    if (atoi(value) != FORMAT_VERSION) return other(r, "version of this file", value, "1");
    const struct {
        const char *word, *what, *ours;
    } heads[] = {{"processor", "processor", r->found.processor},
                 {"features", "set of features", features},
                 {"table", "build's kernels", table}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        value = head_value(r, heads[i].word);
        if (!value) return bad_line(r, "processor, features and table are missing");
        if (strcmp(value, heads[i].ours) != 0) return other(r, heads[i].what, value, heads[i].ours);
    }
    value = head_value(r, "decided");
    if (!value) return bad_line(r, "when it was decided is missing");
    snprintf(r->found.date, sizeof r->found.date, "%.31s", value);
    return EW_OK;
}

static bool type_by_word(const char *word, uint32_t *type) {
    enum ew_type found;
    if (!ew_type_by_name(word, &found) || (uint32_t)found >= EW_TYPE_ID_END) return false;
    *type = (uint32_t)found;
    return true;
}

static bool variant_by_word(const struct reader *r, const char *word, uint8_t *chosen) {
    uint32_t number;
    *chosen = 0;
    if (strcmp(word, "-") == 0) return true;
    if (!ew_kernels_variant_by_name(word, &number) || !ew_kernels_may_use(&r->kernels, number)) return false;
    *chosen = (uint8_t)(number + 1);
    return true;
}

static enum ew_status read_type(struct reader *r) {
    char name[16], packed[8];
    uint32_t type;
    if (sscanf(r->line, "type %15s packed %7s", name, packed) != 2 || !type_by_word(name, &type))
        return bad_line(r, "is no type");
    bool yes = strcmp(packed, "yes") == 0, no = strcmp(packed, "no") == 0;
    if (!yes && !no && strcmp(packed, "-") != 0) return bad_line(r, "packed is not yes, no or -");
    r->found.choice.packed[type] = yes ? EW_PACKED_YES : no ? EW_PACKED_NO : EW_PACKED_AS_LISTED;
    r->found.choice.decided[type] = true;
    return EW_OK;
}

static enum ew_status read_choice(struct reader *r) {
    char name[16], layout_word[8], few[24], many[24];
    uint32_t type;
    int few_tokens;
    if (sscanf(r->line, "choice %15s %7s few %23s many %23s few_tokens %d", name, layout_word, few, many,
               &few_tokens) != 5 ||
        !type_by_word(name, &type) || few_tokens < -1 || few_tokens >= UINT8_MAX)
        return bad_line(r, "is no choice");
    for (int layout = 0; layout < EW_CHOICE_LAYOUTS; layout++) {
        if (strcmp(layout_word, ew_matmul_layout_name((enum ew_layout)layout)) != 0) continue;
        struct ew_matmul_choice *c = &r->found.choice.matmul[type][layout];
        if (!variant_by_word(r, few, &c->few) || !variant_by_word(r, many, &c->many))
            return bad_line(r, "names a variant that may not run here");
        c->few_tokens = (uint8_t)(few_tokens + 1);
        struct ew_kernels k = r->kernels;
        k.choice.matmul[type][layout] = *c;
        if ((c->few || c->many) && !ew_matmul_serves(&k, type, (enum ew_layout)layout))
            return bad_line(r, "names a variant that has no kernel for the type");
        return EW_OK;
    }
    return bad_line(r, "names no layout");
}

static enum ew_status read_attention(struct reader *r) {
    uint32_t number;
    char word[24];
    if (sscanf(r->line, "attention %23s", word) != 1 || !ew_kernels_vector_by_name(word, &number) ||
        !ew_kernels_may_use_vector(&r->kernels, number))
        return bad_line(r, "names a variant that may not run here");
    r->found.choice.vector = (uint8_t)(number + 1);
    return EW_OK;
}

static enum ew_status read_figure(struct reader *r) {
    struct ew_kernel_figure f = {0};
    int chosen;
    if (sscanf(r->line, "figure %15s %7s %u %47s %lf %lf %lf %lf %d", f.type, f.layout, &f.tokens, f.kernel,
               &f.bytes_per_s, &f.ops_per_s, &f.of_limit, &f.spread, &chosen) != 9)
        return bad_line(r, "is no figure");
    f.chosen = chosen != 0;
    if (!isfinite(f.bytes_per_s) || !isfinite(f.ops_per_s) || !isfinite(f.of_limit) || !isfinite(f.spread))
        return bad_line(r, "has a figure that is no number");
    if (!ew_kernel_figures_add(&r->found.figures, &f))
        return ew_error_set(r->err, EW_ERR_MEMORY, "kernels: out of memory");
    return EW_OK;
}

static enum ew_status read_lines(struct reader *r) {
    static const struct {
        const char *word;
        enum ew_status (*read)(struct reader *r);
    } kinds[] = {
        {"type ", read_type}, {"choice ", read_choice}, {"attention ", read_attention}, {"figure ", read_figure}};
    while (r->at < r->end) {
        if (!next_line(r)) return bad_line(r, "the next one is too long");
        enum ew_status status = EW_ERR_FORMAT;
        size_t i = 0;
        while (i < sizeof kinds / sizeof *kinds && strncmp(r->line, kinds[i].word, strlen(kinds[i].word)) != 0) i++;
        status = i < sizeof kinds / sizeof *kinds ? kinds[i].read(r) : bad_line(r, "begins with no word of this file");
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_choice_text_read(struct ew_choice_record *record, const char *text, size_t n, struct ew_error *err) {
    struct reader r = {.found = {.features = record->features}, .err = err};
    memcpy(r.found.processor, record->processor, sizeof r.found.processor);
    ew_kernels_init(&r.kernels, record->features);
    enum ew_status status = check_sum(&r, text, n);
    if (status == EW_OK) status = read_head(&r);
    if (status == EW_OK) status = read_lines(&r);
    if (status != EW_OK) {
        free(r.found.figures.at);
        return status;
    }
    free(record->figures.at);
    *record = r.found;
    return EW_OK;
}
