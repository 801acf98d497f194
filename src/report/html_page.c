/* Puts the document, the style sheet and the script of web/dist into one page that opens without a network.
 * Whatever comes from a store is escaped here or by the JSON; the script inserts it as text only. */
#include "report/report.h"

#include "base/error.h"
#include "report/page_assets.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void put_escaped(FILE *out, const char *text) {
    char *clean = ew_text_clean(text);
    for (const char *c = clean ? clean : ""; *c; c++) {
        switch (*c) {
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '&': fputs("&amp;", out); break;
        case '"': fputs("&quot;", out); break;
        default: fputc(*c, out);
        }
    }
    free(clean);
}

/* JSON inside a script element: "<" as an escape, so that neither "</script" nor "<!--" can appear. */
static int put_json(const char *buffer, size_t size, void *context) {
    FILE *out = context;
    for (size_t i = 0; i < size; i++)
        if (buffer[i] == '<')
            fputs("\\u003c", out);
        else
            fputc(buffer[i], out);
    return 0;
}

static void put_part(FILE *out, const char *name, const json_t *document, const char *title, const char *plain) {
    if (strcmp(name, "title") == 0) put_escaped(out, title);
    if (strcmp(name, "plain") == 0) put_escaped(out, plain);
    if (strcmp(name, "style") == 0) fwrite(ew_page_css, 1, ew_page_css_size, out);
    if (strcmp(name, "script") == 0) fwrite(ew_page_js, 1, ew_page_js_size, out);
    if (strcmp(name, "licences") == 0) fwrite(ew_page_licences, 1, ew_page_licences_size, out);
    if (strcmp(name, "data") == 0)
        json_dump_callback(document, put_json, out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
}

enum ew_status ew_report_write_page(const json_t *document, const char *title, const char *plain, FILE *out,
                                    struct ew_error *err) {
    const char *at = ew_page_frame, *end = ew_page_frame + ew_page_frame_size;
    while (at < end) {
        const char *open = strstr(at, "{{"), *close = open ? strstr(open, "}}") : NULL;
        char name[16] = "";
        if (!close) {
            fwrite(at, 1, (size_t)(end - at), out);
            break;
        }
        fwrite(at, 1, (size_t)(open - at), out);
        snprintf(name, sizeof name, "%.*s", (int)(close - open - 2), open + 2);
        put_part(out, name, document, title, plain);
        at = close + 2;
    }
    if (fflush(out) != 0 || ferror(out)) return ew_error_set(err, EW_ERR_IO, "report: cannot be written");
    return EW_OK;
}

enum ew_status ew_report_write_html(const struct ew_report *report, FILE *out, struct ew_error *err) {
    json_t *document = NULL;
    char *plain = NULL;
    size_t size = 0;
    enum ew_status status = ew_report_make_json(report, &document, err);
    FILE *words = status == EW_OK ? open_memstream(&plain, &size) : NULL;
    if (status == EW_OK && !words) status = ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    if (words) {
        fputs("The plots of this page need JavaScript; `edgewise report` prints the tables. ", words);
        for (size_t i = 0; i < report->insight->n_answers; i++)
            fprintf(words, "%s: %s ", report->insight->answers[i].heading, report->insight->answers[i].text);
        for (size_t i = 0; i < report->insight->n_caveats; i++) fprintf(words, "%s ", report->insight->caveats[i].text);
        if (fclose(words) != 0) status = ew_error_set(err, EW_ERR_MEMORY, "report: out of memory");
    }
    const char *title = report->study->study.name ? report->study->study.name : "Edgewise report";
    if (status == EW_OK) status = ew_report_write_page(document, title, plain, out, err);
    free(plain);
    json_decref(document);
    return status;
}
