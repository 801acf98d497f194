/* Owns the public face of kernel choices: for which processor they hold, their file, and which contest a model needs.
 * The contest: kernel/contest.c; the text: kernel/choice_text.c. */
#include "engine/kernel_choices.h"

#include "base/cache_folder.h"
#include "base/checksum.h"
#include "base/error.h"
#include "engine/thread_choice.h"
#include "kernel/matmul.h"
#include "machine/cpu_features.h"
#include "machine/machine.h"
#include "model/model_inside.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FILE_BYTES = 1 << 20, NO_CACHE_MIB = 64, MIN_BUFFER_MIB = 32, MAX_BUFFER_MIB = 192 };

struct ew_kernel_choices {
    struct ew_choice_record record;
    size_t buffer_bytes; /* that a contest reads weights from */
};

const struct ew_kernel_choice *ew_kernel_choices_inside(const struct ew_kernel_choices *c) { return &c->record.choice; }

/* Twice the last cache, so that what comes round again has left it; at most an eighth of the free memory. */
static size_t choose_buffer(const struct ew_machine *m) {
    int64_t cache = ew_machine_last_cache_bytes(m), free_bytes = ew_machine_free_bytes(m);
    int64_t mib = cache > 0 ? 2 * (cache >> 20) : NO_CACHE_MIB;
    if (mib < MIN_BUFFER_MIB) mib = MIN_BUFFER_MIB;
    if (mib > MAX_BUFFER_MIB) mib = MAX_BUFFER_MIB;
    if (free_bytes >= 0 && mib > free_bytes >> 23) mib = free_bytes >> 23;
    return (size_t)(mib < 1 ? 1 : mib) << 20;
}

enum ew_status ew_kernel_choices_open(uint64_t cpu_mask, struct ew_kernel_choices **out, struct ew_error *err) {
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open("", &machine, err);
    if (status != EW_OK) return status;
    struct ew_kernel_choices *c = calloc(1, sizeof *c);
    if (c) {
        c->record.features = cpu_mask ? cpu_mask & ew_cpu_features() : ew_cpu_features();
        snprintf(c->record.processor, sizeof c->record.processor, "%s", machine->cpu_model);
        for (char *p = c->record.processor; *p; p++)
            if ((unsigned char)*p < ' ') *p = ' ';
        c->buffer_bytes = choose_buffer(machine);
    }
    ew_machine_close(&machine);
    if (!c) return ew_error_set(err, EW_ERR_MEMORY, "kernels: out of memory");
    *out = c;
    return EW_OK;
}

void ew_kernel_choices_close(struct ew_kernel_choices **choices) {
    if (!choices || !*choices) return;
    free((*choices)->record.figures.at);
    free(*choices);
    *choices = NULL;
}

/* ---- remembering ---- */

char *ew_kernel_choices_path(const struct ew_kernel_choices *c) {
    char *folder = ew_cache_folder(), *path = NULL;
    uint64_t key = ew_checksum(c->record.processor, strlen(c->record.processor), c->record.features);
    int n = folder ? asprintf(&path, "%s/kernels-%08" PRIx32 ".txt", folder, (uint32_t)(key ^ key >> 32)) : -1;
    free(folder);
    return n < 0 ? NULL : path;
}

char *ew_kernel_choices_text(const struct ew_kernel_choices *c) { return ew_choice_text_write(&c->record); }

enum ew_status ew_kernel_choices_parse(struct ew_kernel_choices *c, const char *text, size_t n, struct ew_error *err) {
    return ew_choice_text_read(&c->record, text, n, err);
}

enum ew_status ew_kernel_choices_load(struct ew_kernel_choices *c, const char *path, struct ew_error *err) {
    FILE *f = fopen(path, "rbe");
    if (!f)
        return ew_error_errno(err, errno == ENOENT || errno == ENOTDIR ? EW_ERR_NOT_FOUND : EW_ERR_IO, errno,
                              "%s: cannot open", path);
    char *text = malloc(MAX_FILE_BYTES + 1);
    size_t n = text ? fread(text, 1, MAX_FILE_BYTES + 1, f) : 0;
    enum ew_status status = !text       ? ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path)
                            : ferror(f) ? ew_error_set(err, EW_ERR_IO, "%s: cannot read", path)
                                        : ew_kernel_choices_parse(c, text, n, err);
    if (status == EW_ERR_FORMAT || status == EW_ERR_UNSUPPORTED) ew_error_prefix(err, status, "%s", path);
    fclose(f);
    free(text);
    return status;
}

/* A name of its own for each process: two that start at once write the same, one after the other. */
static enum ew_status write_and_rename(const char *text, const char *path, struct ew_error *err) {
    char *part = NULL;
    if (asprintf(&part, "%s.%ld.part", path, (long)getpid()) < 0)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    FILE *f = fopen(part, "wbe");
    bool good = f && fputs(text, f) >= 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int e = errno;
    if (f && fclose(f) != 0) good = false;
    if (good && rename(part, path) == 0) {
        free(part);
        return EW_OK;
    }
    if (good) e = errno;
    unlink(part);
    free(part);
    return ew_error_errno(err, e == EACCES || e == EROFS ? EW_ERR_PERMISSION : EW_ERR_IO, e, "%s: cannot write", path);
}

enum ew_status ew_kernel_choices_save(const struct ew_kernel_choices *c, const char *path, struct ew_error *err) {
    char *text = ew_kernel_choices_text(c);
    if (!text) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = ew_make_folders_of(path, err);
    if (status == EW_OK) status = write_and_rename(text, path, err);
    free(text);
    return status;
}

/* ---- deciding ---- */

struct type_use {
    uint32_t type;
    uint64_t bytes;
};

static int more_bytes_first(const void *a, const void *b) {
    const struct type_use *x = a, *y = b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* Types of the matrices that a plan multiplies with, most bytes first. */
static size_t types_of(const struct ew_plan *plan, struct type_use uses[EW_TYPE_ID_END]) {
    uint64_t bytes[EW_TYPE_ID_END] = {0};
    size_t n = 0;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const struct ew_gguf_tensor *t[EW_OP_MAX_WEIGHTS];
        for (uint32_t w = ew_plan_op_matrices(&plan->ops[i], t); w-- > 0;)
            if (t[w]->type < EW_TYPE_ID_END) bytes[t[w]->type] += t[w]->size_bytes;
    }
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        if (bytes[type] > 0) uses[n++] = (struct type_use){type, bytes[type]};
    qsort(uses, n, sizeof *uses, more_bytes_first);
    return n;
}

static bool is_open(const struct ew_kernel_choices *c, uint32_t type) {
    return !c->record.choice.decided[type] && ew_contest_has_candidates(c->record.features, type);
}

static bool is_vector_open(const struct ew_kernel_choices *c) {
    return c->record.choice.vector == 0 && ew_contest_has_vector_candidates(c->record.features);
}

bool ew_kernel_choices_suffice(const struct ew_kernel_choices *c, const struct ew_model *model) {
    struct type_use uses[EW_TYPE_ID_END];
    size_t n = types_of(&model->plan, uses);
    for (size_t i = 0; i < n; i++)
        if (is_open(c, uses[i].type)) return false;
    return !is_vector_open(c);
}

static void stamp(struct ew_kernel_choices *c) {
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(c->record.date, sizeof c->record.date, "%Y-%m-%d %H:%M UTC", &utc);
}

static enum ew_status hold(struct ew_kernel_choices *c, const uint32_t *types, size_t n, double budget_s,
                           struct ew_error *err) {
    struct ew_thread_choice threads;
    struct ew_contest contest = {.features = c->record.features, .buffer_bytes = c->buffer_bytes, .budget_s = budget_s};
    ew_thread_choose(&threads);
    contest.threads = threads.n_default;
    const int *cores = threads.n_cores >= threads.n_default ? threads.cores : NULL;
    enum ew_status status = ew_thread_pool_open(contest.threads, cores, 0, &contest.pool, err);
    size_t before = c->record.figures.n;
    if (status == EW_OK) status = ew_contest_run(&contest, types, n, &c->record.choice, &c->record.figures, err);
    ew_thread_pool_close(&contest.pool);
    if (status == EW_OK || c->record.figures.n > before) stamp(c);
    return status;
}

enum ew_status ew_kernel_choices_decide_types(struct ew_kernel_choices *c, const enum ew_type *types, size_t n,
                                              double budget_s, struct ew_error *err) {
    uint32_t open[EW_TYPE_ID_END];
    size_t n_open = 0;
    for (size_t i = 0; i < n && n_open < EW_TYPE_ID_END; i++)
        if ((uint32_t)types[i] < EW_TYPE_ID_END && is_open(c, (uint32_t)types[i])) open[n_open++] = (uint32_t)types[i];
    return n_open > 0 || is_vector_open(c) ? hold(c, open, n_open, budget_s, err) : EW_OK;
}

enum ew_status ew_kernel_choices_decide(struct ew_kernel_choices *c, const struct ew_model *model, double budget_s,
                                        struct ew_error *err) {
    struct type_use uses[EW_TYPE_ID_END];
    enum ew_type types[EW_TYPE_ID_END];
    size_t n = types_of(&model->plan, uses);
    for (size_t i = 0; i < n; i++) types[i] = (enum ew_type)uses[i].type;
    return ew_kernel_choices_decide_types(c, types, n, budget_s, err);
}

/* ---- looking ---- */

size_t ew_kernel_choices_figures(const struct ew_kernel_choices *c, const struct ew_kernel_figure **out) {
    *out = c->record.figures.at;
    return c->record.figures.n;
}

static struct ew_kernel_pick pick_of(const struct ew_kernels *k, uint32_t type, enum ew_layout layout) {
    enum { MANY = 512 };
    struct ew_weight w = {NULL, type, layout, 256, 16};
    struct ew_kernel_pick p = {.one = ew_matmul_kernel_name(k, &w, 1),
                               .many = ew_matmul_kernel_name(k, &w, MANY),
                               .few_tokens = ew_matmul_gemv_tokens(k, type, layout),
                               .by_auto = ew_matmul_prefers_packed(k, type) == (layout == EW_LAYOUT_R16)};
    snprintf(p.type, sizeof p.type, "%s", ew_type_traits(type)->name);
    snprintf(p.layout, sizeof p.layout, "%s", ew_matmul_layout_name(layout));
    return p;
}

size_t ew_kernel_choices_picks(const struct ew_kernel_choices *c, struct ew_kernel_pick *out, size_t capacity) {
    struct ew_kernels k;
    size_t n = 0;
    ew_kernels_init(&k, c->record.features);
    ew_kernels_choose(&k, &c->record.choice);
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        for (int layout = 0; layout < EW_CHOICE_LAYOUTS && c->record.choice.decided[type]; layout++) {
            if (!ew_matmul_serves(&k, type, (enum ew_layout)layout)) continue;
            if (n < capacity) out[n] = pick_of(&k, type, (enum ew_layout)layout);
            n++;
        }
    if (c->record.choice.vector == 0) return n;
    if (n < capacity) {
        out[n] = (struct ew_kernel_pick){.type = "F16", .layout = "kv", .by_auto = true};
        out[n].one = out[n].many = ew_kernels_vector_name(c->record.choice.vector - 1u);
    }
    return n + 1;
}

const char *ew_kernel_choices_processor(const struct ew_kernel_choices *c) { return c->record.processor; }
uint64_t ew_kernel_choices_features(const struct ew_kernel_choices *c) { return c->record.features; }
const char *ew_kernel_choices_date(const struct ew_kernel_choices *c) { return c->record.date; }
