/* Owns which questions are put to which model, in which order, and what need not be asked again. Running them:
 * quality_run.c. */
#include "study/quality_jobs.h"
#include "base/error.h"
#include "study/plan_filter.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { BYTES_PER_TOKEN = 4, DECODE_COST = 4 };

struct making {
    const struct ew_study_file *study;
    const struct ew_located_models *models;
    struct ew_study_plan *plan;
    const struct ew_study_sink *sink;
    int64_t study_id;
    struct ew_quality_jobs *out;
    bool outside_known; /* out->outside is there */
    struct ew_error *err;
};

static enum ew_status no_memory(const struct making *m) {
    return ew_error_set(m->err, EW_ERR_MEMORY, "%s: out of memory", m->study->path);
}

static enum ew_status leave_out(struct making *m, const char *what, const char *of, const char *why) {
    struct ew_plan_left_out one = {0};
    snprintf(one.what, sizeof one.what, "%s %.70s", what, of);
    snprintf(one.why, sizeof one.why, "%.255s", why);
    return ew_study_plan_leave_out(m->plan, &one, m->err);
}

/* ---- data ---- */

static double file_tokens(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (double)info.st_size / BYTES_PER_TOKEN : 0;
}

/* A file that is not there, or no set of prompts, is left out, and the study goes on. */
static enum ew_status add_data(struct making *m, enum ew_quality_kind kind, const char *asked,
                               const struct ew_study_text *text) {
    struct ew_error why = {0};
    struct ew_quality_data d = {.kind = kind, .text = text, .path = ew_study_beside(m->study, asked)};
    if (!d.path) return no_memory(m);
    enum ew_status status = ew_data_hash(d.path, d.hash, &why);
    if (status == EW_OK && kind == EW_QUALITY_ANSWERS) status = ew_prompt_set_read(d.path, &d.prompts, &why);
    struct ew_quality_data *larger =
        status == EW_OK ? realloc(m->out->data, (m->out->n_data + 1) * sizeof *larger) : NULL;
    if (larger) {
        ew_data_name(d.path, d.name);
        d.tokens = file_tokens(d.path);
        m->out->data = larger;
        larger[m->out->n_data++] = d;
        return EW_OK;
    }
    status = status != EW_OK ? leave_out(m, "quality on", asked, why.message) : no_memory(m);
    ew_prompt_set_close(&d.prompts);
    free(d.path);
    return status;
}

static enum ew_status add_all_data(struct making *m) {
    const struct ew_study_quality *q = &m->study->quality;
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && i < q->n_texts; i++)
        status = add_data(m, EW_QUALITY_TEXT, q->texts[i].path, &q->texts[i]);
    for (size_t i = 0; status == EW_OK && i < q->n_tasks; i++) status = add_data(m, EW_QUALITY_TASK, q->tasks[i], NULL);
    if (status == EW_OK && q->prompts) status = add_data(m, EW_QUALITY_ANSWERS, q->prompts, NULL);
    return status;
}

/* ---- references ---- */

static bool is_path(const char *reference) {
    size_t n = strlen(reference);
    return strchr(reference, '/') || (n > 5 && strcmp(reference + n - 5, ".gguf") == 0);
}

/* The same model in another type. */
static bool is_same_model(const struct ew_model_record *a, const struct ew_model_record *b) {
    return strcmp(a->name, b->name) == 0 && strcmp(a->architecture, b->architecture) == 0 && a->n_vocab == b->n_vocab &&
           a->n_layer == b->n_layer && a->n_embd == b->n_embd;
}

/* What a model is held against; NULL: there is nothing, which is noted. */
static enum ew_status find_reference(struct making *m, const struct ew_model_record *model,
                                     const struct ew_model_record **out) {
    const char *asked = m->study->quality.reference ? m->study->quality.reference : "f16";
    *out = NULL;
    if (is_path(asked)) {
        if (m->outside_known) *out = &m->out->outside;
        return EW_OK;
    }
    for (size_t i = 0; i < m->models->n && !*out; i++) {
        const struct ew_model_record *r = &m->models->models[i].record;
        if (!r->synthetic && is_same_model(r, model) && strcasecmp(r->file_type, asked) == 0) *out = r;
    }
    if (*out) return EW_OK;
    char why[160];
    snprintf(why, sizeof why, "reference: no file of type %.40s of this model is in the study", asked);
    return leave_out(m, "divergence of", model->name, why);
}

/* A reference that is a file of its own. */
static enum ew_status open_outside(struct making *m) {
    const struct ew_study_quality *q = &m->study->quality;
    struct ew_error why = {0};
    if (!q->divergence || !q->reference || !is_path(q->reference)) return EW_OK;
    char *path = ew_study_beside(m->study, q->reference);
    if (!path) return no_memory(m);
    enum ew_status status = ew_model_record_make(path, &m->out->outside, &why);
    m->outside_known = status == EW_OK;
    free(path);
    return status == EW_OK ? EW_OK : leave_out(m, "divergence from", q->reference, why.message);
}

/* The name that eval keeps in a run, and that the store has as reference. */
static void name_reference(const struct ew_model_record *r, char name[128]) {
    snprintf(name, 128, "%.100s %.20s", r->name, r->file_type);
}

/* The caller's; NULL = out of memory. */
static char *run_path(const struct making *m, const struct ew_model_record *reference, const char *data_hash,
                      const char *settings) {
    char text[256], *path = NULL;
    int n = snprintf(text, sizeof text, "%s|%s|%s", reference->key, data_hash, settings);
    uint64_t hash = XXH64(text, (size_t)n, 0);
    uint64_t *larger = realloc(m->out->runs, (m->out->n_runs + 1) * sizeof *larger);
    if (!larger) return NULL;
    m->out->runs = larger;
    larger[m->out->n_runs++] = hash;
    return asprintf(&path, "%s/%016" PRIx64 ".ref", m->out->folder, hash) < 0 ? NULL : path;
}

/* ---- jobs ---- */

static struct ew_quality_job *add_job(struct making *m, size_t data, const struct ew_model_record *model,
                                      int64_t model_id, const char *kv_type) {
    struct ew_quality_job *larger = realloc(m->out->jobs, (m->out->n + 1) * sizeof *larger);
    if (!larger) return NULL;
    m->out->jobs = larger;
    struct ew_quality_job *job = &larger[m->out->n++];
    *job = (struct ew_quality_job){
        .data = data, .order = m->out->n, .model = model, .model_id = model_id, .kv_type = kv_type};
    job->cost = (double)model->n_params * m->out->data[data].tokens;
    return job;
}

static struct ew_quality_record record_of(const struct making *m, const struct ew_quality_job *job) {
    const struct ew_quality_data *d = &m->out->data[job->data];
    return (struct ew_quality_record){
        .model_id = job->model_id, .study_id = EW_MISSING, .kv_type = job->kv_type, .data_hash = d->hash};
}

static enum ew_status ask(const struct making *m, const struct ew_quality_record *record, bool *yes) {
    return m->sink->has_quality(m->sink->context, record, yes, m->err);
}

static void weigh_text(struct ew_quality_job *job, const struct ew_quality_data *d) {
    const struct ew_study_text *t = d->text;
    double tokens = d->tokens, window = (double)job->context;
    double step = t->stride > 0 ? (double)t->stride : window;
    if (t->windows > 0 && (double)t->windows * step < tokens) tokens = (double)t->windows * step;
    job->cost = (double)job->model->n_params * tokens * window / step;
}

/* reference NULL: perplexity alone. */
static enum ew_status add_text(struct making *m, size_t data, const struct ew_model_record *model, int64_t model_id,
                               const char *kv_type, const struct ew_model_record *reference) {
    const struct ew_quality_data *d = &m->out->data[data];
    struct ew_quality_job *job = add_job(m, data, model, model_id, kv_type);
    if (!job) return no_memory(m);
    job->context = d->text->context ? d->text->context : ew_eval_context(model->n_ctx_train);
    ew_text_settings(job->context, d->text->stride, d->text->windows, job->settings);
    weigh_text(job, d);
    if (reference && !(job->run = run_path(m, reference, d->hash, job->settings))) return no_memory(m);
    job->writes_run = reference == model && !kv_type;
    if (model_id == EW_MISSING) {
        job->has_value = job->has_divergence = true;
        return EW_OK;
    }
    char name[128];
    struct ew_quality_record record = record_of(m, job);
    record.settings = job->settings;
    record.measure = "perplexity";
    enum ew_status status = ask(m, &record, &job->has_value);
    job->has_divergence = job->writes_run || !reference;
    if (status != EW_OK || job->has_divergence) return status;
    name_reference(reference, name);
    record.measure = "kl_divergence";
    record.reference = name;
    return ask(m, &record, &job->has_divergence);
}

static enum ew_status add_task(struct making *m, size_t data, const struct ew_model_record *model, int64_t model_id,
                               const char *kv_type) {
    struct ew_quality_job *job = add_job(m, data, model, model_id, kv_type);
    if (!job) return no_memory(m);
    job->has_divergence = true;
    struct ew_quality_record record = record_of(m, job);
    record.study_id = m->study_id; /* its settings are the evaluation's own: the study's row has the same ones */
    return ask(m, &record, &job->has_value);
}

static enum ew_status add_answers(struct making *m, size_t data, const struct ew_model_record *model, int64_t model_id,
                                  const char *kv_type) {
    const struct ew_prompt_set *set = &m->out->data[data].prompts;
    int64_t most = m->study->quality.tokens;
    struct ew_quality_job *job = add_job(m, data, model, model_id, kv_type);
    if (!job) return no_memory(m);
    job->cost += (double)model->n_params * (double)set->n * (double)most * DECODE_COST;
    job->has_value = job->has_divergence = true;
    enum ew_status status = EW_OK;
    for (size_t i = 0; status == EW_OK && job->has_value && i < set->n; i++) {
        const struct ew_answer_record record = {.model_id = model_id,
                                                .kv_type = kv_type,
                                                .set = set->name,
                                                .position = (int64_t)i,
                                                .prompt = set->prompts[i],
                                                .n_most = most};
        status = m->sink->has_answer(m->sink->context, &record, &job->has_value, m->err);
    }
    return status;
}

/* ---- the list ---- */

static bool same_text(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* Whether an earlier configuration has the same model and KV type. */
static bool seen(const struct ew_study_plan *plan, size_t config) {
    const struct ew_plan_config *c = &plan->configs[config];
    for (size_t i = 0; i < config; i++)
        if (plan->configs[i].model == c->model && same_text(plan->configs[i].record.kv_type, c->record.kv_type))
            return true;
    return false;
}

static enum ew_status add_jobs_of(struct making *m, size_t data, const struct ew_plan_config *config) {
    const struct ew_model_record *model = &m->models->models[config->model].record, *reference = NULL;
    int64_t id = config->record.model_id;
    const char *kv = config->record.kv_type;
    enum ew_status status = EW_OK;
    switch (m->out->data[data].kind) {
    case EW_QUALITY_TASK: return add_task(m, data, model, id, kv);
    case EW_QUALITY_ANSWERS: return add_answers(m, data, model, id, kv);
    case EW_QUALITY_TEXT:
        if (m->study->quality.divergence) status = find_reference(m, model, &reference);
        return status == EW_OK ? add_text(m, data, model, id, kv, reference) : status;
    }
    return EW_OK;
}

static const struct ew_quality_job *writer_of(const struct ew_quality_jobs *jobs, const char *run) {
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->jobs[i].writes_run && same_text(jobs->jobs[i].run, run)) return &jobs->jobs[i];
    return NULL;
}

/* A reference runs in the windows of those that are held against it, whatever its own would be. */
static enum ew_status take_windows(struct making *m, struct ew_quality_job *writer, const struct ew_quality_job *job) {
    writer->context = job->context;
    memcpy(writer->settings, job->settings, sizeof writer->settings);
    free(writer->run);
    writer->run = strdup(job->run);
    return writer->run ? EW_OK : no_memory(m);
}

/* References that are none of the study's models, or run with another KV type only: jobs of their own. */
static enum ew_status add_writers(struct making *m, size_t data, size_t begin) {
    enum ew_status status = EW_OK;
    for (size_t i = begin, end = m->out->n; status == EW_OK && i < end; i++) {
        const struct ew_quality_job *job = &m->out->jobs[i];
        const struct ew_model_record *reference = NULL;
        if (!job->run || writer_of(m->out, job->run)) continue;
        status = find_reference(m, job->model, &reference);
        if (status != EW_OK || !reference) continue;
        status = add_text(m, data, reference, EW_MISSING, NULL, reference);
        if (status == EW_OK) status = take_windows(m, &m->out->jobs[m->out->n - 1], &m->out->jobs[i]);
    }
    return status;
}

/* Whether a reference must be run, because others are to be held against it and its run is not there. */
static bool run_is_missing(const struct ew_quality_jobs *jobs, const struct ew_quality_job *writer) {
    if (access(writer->run, F_OK) == 0) return false;
    for (size_t i = 0; i < jobs->n; i++)
        if (!jobs->jobs[i].has_divergence && same_text(jobs->jobs[i].run, writer->run)) return true;
    return false;
}

/* Leaves a job what it still has to do; false: nothing. */
static bool is_needed(const struct ew_quality_jobs *jobs, struct ew_quality_job *job) {
    bool compares = job->run && (job->writes_run ? run_is_missing(jobs, job) : !job->has_divergence);
    if (!compares) {
        free(job->run);
        job->run = NULL;
        job->writes_run = false;
    }
    return compares || !job->has_value;
}

/* References come first, so that there is something to hold the others against. */
static int by_order(const void *pa, const void *pb) {
    const struct ew_quality_job *a = pa, *b = pb;
    if (a->data != b->data) return a->data < b->data ? -1 : 1;
    if (a->writes_run != b->writes_run) return a->writes_run ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Writers are judged first: those that they write for still say then that they need it. */
static void drop_known(struct ew_quality_jobs *jobs) {
    size_t kept = 0;
    if (jobs->n == 0) return;
    qsort(jobs->jobs, jobs->n, sizeof *jobs->jobs, by_order);
    for (size_t i = 0; i < jobs->n; i++) {
        struct ew_quality_job job = jobs->jobs[i];
        bool needed = is_needed(jobs, &job);
        jobs->jobs[i].run = NULL; /* it moved */
        jobs->n_known += !needed && job.model_id != EW_MISSING;
        if (needed) jobs->jobs[kept++] = job;
    }
    jobs->n = kept;
}

static enum ew_status list_jobs(struct making *m) {
    enum ew_status status = EW_OK;
    for (size_t d = 0; status == EW_OK && d < m->out->n_data; d++) {
        size_t begin = m->out->n;
        for (size_t i = 0; status == EW_OK && i < m->plan->n_configs; i++) {
            const struct ew_plan_config *c = &m->plan->configs[i];
            if (seen(m->plan, i)) continue;
            if (m->models->models[c->model].record.synthetic)
                m->out->n_synthetic += d == 0;
            else
                status = add_jobs_of(m, d, c);
        }
        if (status == EW_OK) status = add_writers(m, d, begin);
    }
    return status;
}

enum ew_status ew_quality_jobs_make(const struct ew_study_file *study, const struct ew_located_models *models,
                                    struct ew_study_plan *plan, const struct ew_study_sink *sink, int64_t study_id,
                                    struct ew_quality_jobs *out, struct ew_error *err) {
    struct making m = {study, models, plan, sink, study_id, out, false, err};
    *out = (struct ew_quality_jobs){0};
    if (study->quality.line == 0) return EW_OK;
    if (asprintf(&out->folder, "%s/references", models->cache) < 0) {
        out->folder = NULL;
        return no_memory(&m);
    }
    enum ew_status status = add_all_data(&m);
    if (status == EW_OK) status = open_outside(&m);
    if (status == EW_OK) status = list_jobs(&m);
    if (status == EW_OK)
        drop_known(out);
    else
        ew_quality_jobs_close(out);
    return status;
}

/* A run, or a part of one: "0123456789abcdef.ref", "0123456789abcdef.ref.77.partial". */
static bool is_run_of(const struct ew_quality_jobs *jobs, const char *name) {
    char *end = NULL;
    uint64_t hash = strtoull(name, &end, 16);
    if (end != name + 16 || strncmp(end, ".ref", 4) != 0) return false;
    for (size_t i = 0; i < jobs->n_runs; i++)
        if (jobs->runs[i] == hash) return true;
    return false;
}

void ew_quality_jobs_remove_runs(const struct ew_quality_jobs *jobs) {
    DIR *folder = jobs->n_runs > 0 ? opendir(jobs->folder) : NULL;
    if (!folder) return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (is_run_of(jobs, entry->d_name)) unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
    rmdir(jobs->folder);
}

void ew_quality_jobs_close(struct ew_quality_jobs *jobs) {
    for (size_t i = 0; i < jobs->n_data; i++) {
        ew_prompt_set_close(&jobs->data[i].prompts);
        free(jobs->data[i].path);
    }
    for (size_t i = 0; i < jobs->n; i++) free(jobs->jobs[i].run);
    ew_model_record_free(&jobs->outside);
    free(jobs->data);
    free(jobs->jobs);
    free(jobs->folder);
    free(jobs->runs);
    *jobs = (struct ew_quality_jobs){0};
}
