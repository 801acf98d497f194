/* Owns turning a study's model entries into files with facts. Writing synthetic ones: src/model/synth; types of the
 * model in the box: src/convert/requantize. */
#include "study/study_models.h"
#include "base/cache_folder.h"
#include "base/error.h"
#include "convert/requantize.h"
#include "edgewise/model.h"
#include "engine/thread_choice.h"
#include "gguf/file_type.h"
#include "gguf/gguf_read.h"
#include "model/box.h"
#include "model/synth.h"
#include "study/study_value.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

enum { SYNTH_SEED = 1, HASHED_HEADER_BYTES = 64 << 20 };

static enum ew_status no_memory(const struct ew_study_file *study, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", study->path);
}

char *ew_study_beside(const struct ew_study_file *study, const char *path) {
    const char *slash = strrchr(study->path, '/');
    char *joined = NULL;
    if (*path == '/' || !slash) return strdup(path);
    /* studies/../models reads better as models; true unless the folder is a link. */
    struct stat info;
    char folder[256];
    size_t n = (size_t)(slash - study->path);
    if (strncmp(path, "../", 3) == 0 && n < sizeof folder && *study->path != '.' && !memchr(study->path, '/', n)) {
        memcpy(folder, study->path, n);
        folder[n] = 0;
        if (lstat(folder, &info) == 0 && S_ISDIR(info.st_mode)) return strdup(path + 3);
    }
    if (asprintf(&joined, "%.*s/%s", (int)(slash - study->path), study->path, path) < 0) return NULL;
    if (access(joined, F_OK) != 0 && access(path, F_OK) == 0) {
        free(joined);
        return strdup(path);
    }
    return joined;
}

/* Puts "study.yaml:14: " before the message; models of bench have no line. */
static enum ew_status at_line(const char *study_path, int line, enum ew_status status, struct ew_error *err) {
    if (status == EW_OK || line == 0) return status;
    ew_error_prefix(err, status, "%s:%d", study_path, line);
    return status;
}

/* ---- locating ---- */

static enum ew_status stat_file(struct ew_located_model *m, struct ew_error *err) {
    struct stat info;
    if (stat(m->path, &info) != 0)
        return ew_error_errno(err, errno == ENOENT ? EW_ERR_NOT_FOUND : EW_ERR_IO, errno, "%s: cannot open", m->path);
    if (!S_ISREG(info.st_mode)) return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is not a regular file", m->path);
    m->file_bytes = (uint64_t)info.st_size;
    return EW_OK;
}

/* The type that a file says it has, "F16"; NULL where it does not say. */
static enum ew_status read_type(const char *path, const char **type, struct ew_error *err) {
    struct ew_gguf *gguf = NULL;
    uint64_t id = UINT32_MAX;
    enum ew_status status = ew_gguf_open(path, &gguf, err);
    if (status != EW_OK) return status;
    if (ew_gguf_get_u64(gguf, "general.file_type", &id, NULL) != EW_OK) id = UINT32_MAX;
    ew_gguf_close(&gguf);
    *type = ew_file_type_name((uint32_t)id);
    return EW_OK;
}

/* "cache/NAME-q4_0.gguf" for a box of "…/NAME-f16.gguf" with the type F16; the caller's. NULL = out of memory. */
static char *box_type_path(const char *cache, const char *box, const char *own_type, const char *type) {
    const char *slash = strrchr(box, '/'), *base = slash ? slash + 1 : box;
    size_t n = strlen(base), own = own_type ? strlen(own_type) : 0;
    if (n > 5 && strcmp(base + n - 5, ".gguf") == 0) n -= 5;
    if (own > 0 && n > own + 1 && base[n - own - 1] == '-' && strncasecmp(base + n - own, own_type, own) == 0)
        n -= own + 1;
    char *path = NULL;
    if (asprintf(&path, "%s/%.*s-%s.gguf", cache, (int)n, base, type) < 0) return NULL;
    for (char *p = path + strlen(path) - strlen(type) - 5; *p; p++) *p = (char)tolower((unsigned char)*p);
    return path;
}

/* The model in the box in another type than its own: made from it, and made again where it is newer. */
static enum ew_status locate_box_type(const struct ew_study_file *study, const char *cache, const char *box,
                                      struct ew_located_model *m, struct ew_error *err) {
    const char *own = NULL;
    struct ew_requantize_params params = {.source = box, .threads = 1};
    struct ew_requantize_summary summary;
    struct stat there, source;
    if (!ew_requantize_file_type(m->from->type, &params.file_type))
        return ew_error_set(err, EW_ERR_ARGUMENT,
                            "types: `%s` cannot be written (edgewise quantize --help lists those that can)",
                            m->from->type);
    enum ew_status status = read_type(box, &own, err);
    if (status != EW_OK) return status;
    if (own && strcasecmp(own, m->from->type) == 0) {
        m->path = strdup(box);
        return m->path ? stat_file(m, err) : no_memory(study, err);
    }
    status = ew_requantize_measure(&params, NULL, NULL, &summary, err);
    if (status != EW_OK) return status;
    m->source = strdup(box);
    m->path = box_type_path(cache, box, own, m->from->type);
    if (!m->source || !m->path) return no_memory(study, err);
    m->file_bytes = summary.file_bytes;
    m->to_write = stat(m->path, &there) != 0 || (uint64_t)there.st_size != summary.file_bytes ||
                  stat(box, &source) != 0 || there.st_mtime < source.st_mtime;
    return EW_OK;
}

static enum ew_status locate_file(const struct ew_study_file *study, const char *cache, struct ew_located_model *m,
                                  struct ew_error *err) {
    if (m->from->kind == EW_STUDY_MODEL_BOX) {
        char path[PATH_MAX];
        enum ew_status status = ew_model_box_path(path, sizeof path, err);
        if (status != EW_OK) return status;
        if (m->from->type) return locate_box_type(study, cache, path, m, err);
        m->path = strdup(path);
    } else {
        m->path = ew_study_beside(study, m->from->name);
    }
    return m->path ? stat_file(m, err) : no_memory(study, err);
}

static enum ew_status unknown_shape(const char *name, struct ew_error *err) {
    char list[360];
    size_t used = 0;
    for (size_t i = 0; i < ew_shape_count() && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", ew_shape_at(i)->name);
    return ew_error_set(err, EW_ERR_ARGUMENT, "synth: `%s` is not a known shape (%s)", name, list);
}

static enum ew_status find_type(const struct ew_study_model *from, enum ew_file_type *out, struct ew_error *err) {
    if (ew_synth_file_type_by_name(from->type, out)) return EW_OK;
    size_t n = 0, used = 0;
    const enum ew_file_type *types = ew_synth_file_types(&n);
    char list[160];
    for (size_t i = 0; i < n && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 ew_file_type_name((uint32_t)types[i]));
    return ew_error_set(err, EW_ERR_ARGUMENT, "types: `%s` cannot be written (%s can)", from->type, list);
}

static enum ew_status locate_synth(const struct ew_study_file *study, const char *cache, const char *shape,
                                   struct ew_located_model *m, struct ew_error *err) {
    m->shape = ew_shape_find(shape);
    if (!m->shape) return unknown_shape(shape, err);
    struct ew_synth_params params = {.shape = m->shape, .seed = SYNTH_SEED};
    enum ew_status status = find_type(m->from, &params.file_type, err);
    struct ew_synth_summary summary;
    if (status != EW_OK) return status;
    status = ew_synth_measure(&params, &summary, err);
    if (status != EW_OK) return status;
    char type[24];
    snprintf(type, sizeof type, "%s", ew_file_type_name((uint32_t)params.file_type));
    for (char *p = type; *p; p++) *p = (char)tolower((unsigned char)*p);
    if (asprintf(&m->path, "%s/%s-%s.gguf", cache, m->shape->name, type) < 0) {
        m->path = NULL;
        return no_memory(study, err);
    }
    m->file_bytes = summary.file_bytes;
    struct stat info;
    m->to_write = stat(m->path, &info) != 0 || (uint64_t)info.st_size != summary.file_bytes;
    return EW_OK;
}

/* The path with {type} replaced, in capitals or as written; the caller's. NULL = out of memory. */
static char *typed_path(const struct ew_study_model *from, bool capitals) {
    static const char mark[] = "{type}";
    const char *at = strstr(from->name, mark);
    char *path = NULL;
    if (!at) return strdup(from->name);
    int before = (int)(at - from->name);
    if (asprintf(&path, "%.*s%s%s", before, from->name, from->type, at + sizeof mark - 1) < 0) return NULL;
    for (size_t i = 0; capitals && i < strlen(from->type); i++)
        path[before + (int)i] = (char)toupper((unsigned char)path[before + (int)i]);
    return path;
}

/* A file where it is there, otherwise the shape that stands in for it. */
static enum ew_status locate_either(const struct ew_study_file *study, const char *cache, struct ew_located_model *m,
                                    struct ew_error *err) {
    for (int i = 0; i < 2; i++) {
        char *name = typed_path(m->from, i == 0), *path = name ? ew_study_beside(study, name) : NULL;
        free(name);
        if (!path) return no_memory(study, err);
        if (access(path, F_OK) == 0) {
            m->path = path;
            return stat_file(m, err);
        }
        free(path);
    }
    m->stands_in = true;
    return locate_synth(study, cache, m->from->else_synth, m, err);
}

/* Of the nearest folder above path that exists. */
static uint64_t free_where(const char *path) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s", path);
    struct statvfs info;
    while (statvfs(*folder ? folder : ".", &info) != 0) {
        char *slash = strrchr(folder, '/');
        if (!slash || slash == folder)
            return statvfs(slash ? "/" : ".", &info) == 0 ? info.f_bavail * info.f_frsize : 0;
        *slash = 0;
    }
    return (uint64_t)info.f_bavail * info.f_frsize;
}

enum ew_status ew_study_models_locate(const struct ew_study_file *study, const char *cache,
                                      struct ew_located_models *out, struct ew_error *err) {
    struct ew_located_models all = {.models = calloc(study->n_models + 1, sizeof *all.models)};
    all.cache = cache ? strdup(cache) : study->cache ? ew_study_beside(study, study->cache) : ew_cache_folder();
    enum ew_status status = all.models && all.cache ? EW_OK : no_memory(study, err);
    for (size_t i = 0; status == EW_OK && i < study->n_models; i++) {
        struct ew_located_model *m = &all.models[all.n++];
        m->from = &study->models[i];
        status = m->from->kind == EW_STUDY_MODEL_SYNTH ? locate_synth(study, all.cache, m->from->name, m, err)
                 : m->from->else_synth                 ? locate_either(study, all.cache, m, err)
                                                       : locate_file(study, all.cache, m, err);
        status = at_line(study->path, m->from->line, status, err);
        for (size_t j = 0; status == EW_OK && m->to_write && j + 1 < all.n; j++)
            m->to_write = strcmp(all.models[j].path, m->path) != 0; /* written once, whoever stands in */
        if (status == EW_OK && m->to_write) all.write_bytes += m->file_bytes;
    }
    if (status != EW_OK) {
        ew_located_models_close(&all);
        return status;
    }
    all.free_bytes = free_where(all.cache);
    *out = all;
    return EW_OK;
}

void ew_model_record_free(struct ew_model_record *r) {
    const char *const texts[] = {r->key, r->path, r->name, r->architecture, r->file_type, r->shape};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) free((char *)texts[i]);
    *r = (struct ew_model_record){0};
}

void ew_located_models_close(struct ew_located_models *models) {
    for (size_t i = 0; i < models->n; i++) {
        free(models->models[i].path);
        free(models->models[i].source);
        ew_model_record_free(&models->models[i].record);
    }
    free(models->models);
    free(models->cache);
    *models = (struct ew_located_models){0};
}

/* ---- writing ---- */

struct write_context {
    bool (*progress)(void *context, const char *path, uint64_t done, uint64_t total);
    void *context;
    const char *path;
};

static bool forward_progress(void *context, uint64_t done, uint64_t total) {
    const struct write_context *w = context;
    return !w->progress || w->progress(w->context, w->path, done, total);
}

static enum ew_status write_synth(const struct ew_located_model *m, struct write_context *w, struct ew_error *err) {
    uint32_t type = 0;
    ew_file_type_by_name(m->from->type, &type);
    const struct ew_synth_params params = {.shape = m->shape,
                                           .file_type = (enum ew_file_type)type,
                                           .seed = SYNTH_SEED,
                                           .progress = forward_progress,
                                           .context = w};
    return ew_synth_write(&params, m->path, NULL, err);
}

static enum ew_status write_box_type(const struct ew_located_model *m, struct write_context *w, struct ew_error *err) {
    struct ew_thread_choice threads;
    ew_thread_choose(&threads);
    struct ew_requantize_params params = {
        .source = m->source, .threads = threads.n_default, .progress = forward_progress, .context = w};
    ew_requantize_file_type(m->from->type, &params.file_type);
    return ew_requantize_write(&params, m->path, NULL, err);
}

enum ew_status ew_study_models_write(struct ew_located_models *models,
                                     bool (*progress)(void *context, const char *path, uint64_t done, uint64_t total),
                                     void *context, struct ew_error *err) {
    if (models->write_bytes == 0) return EW_OK;
    if (models->write_bytes > models->free_bytes) {
        char need[32], have[32];
        ew_value_print_bytes((double)models->write_bytes, need, sizeof need);
        ew_value_print_bytes((double)models->free_bytes, have, sizeof have);
        return ew_error_set(err, EW_ERR_IO, "%s: model files need %s, %s are free. Name another folder with --cache",
                            models->cache, need, have);
    }
    enum ew_status status = ew_make_folders(models->cache, err);
    for (size_t i = 0; status == EW_OK && i < models->n; i++) {
        struct ew_located_model *m = &models->models[i];
        if (!m->to_write) continue;
        struct write_context w = {progress, context, m->path};
        status = m->source ? write_box_type(m, &w, err) : write_synth(m, &w, err);
        if (status == EW_OK) {
            m->to_write = false;
            models->write_bytes -= m->file_bytes;
        }
    }
    return status;
}

/* ---- describing ---- */

/* Over the base name, the size, and all bytes before the weights: the same file elsewhere is the same model. */
static void model_key(const struct ew_gguf *gguf, const char *path, uint64_t size, char key[17]) {
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t header = ew_gguf_header_bytes(gguf);
    if (header > HASHED_HEADER_BYTES) header = HASHED_HEADER_BYTES;
    uint64_t hash = XXH64(base, strlen(base), size);
    hash = XXH64(ew_gguf_map(gguf)->data, header, hash);
    snprintf(key, 17, "%016llx", (unsigned long long)hash);
}

static char *gguf_text(const struct ew_gguf *gguf, const char *key) {
    struct ew_gguf_string s;
    return ew_gguf_get_string(gguf, key, &s, NULL) == EW_OK ? strndup(s.data, s.size) : strdup("");
}

/* What the file says of itself, without asking whether our engine runs it. */
static void describe_gguf(const struct ew_gguf *gguf, struct ew_model_record *r) {
    uint64_t type = UINT32_MAX;
    bool synthetic = false;
    if (ew_gguf_get_bool(gguf, "edgewise.synthetic", &synthetic, NULL) != EW_OK) synthetic = false;
    if (ew_gguf_get_u64(gguf, "general.file_type", &type, NULL) != EW_OK) type = UINT32_MAX;
    const char *type_name = ew_file_type_name((uint32_t)type);
    r->name = gguf_text(gguf, "general.name");
    r->architecture = gguf_text(gguf, "general.architecture");
    r->file_type = strdup(type_name ? type_name : "");
    r->synthetic = synthetic;
    r->n_params = r->weights_bytes = 0;
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        r->n_params += (int64_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]);
        r->weights_bytes += (int64_t)t->size_bytes;
    }
    r->n_layer = r->n_embd = r->n_vocab = r->n_ctx_train = EW_MISSING;
}

/* Opens it as the engine would, which also says whether it can be run at all. */
static enum ew_status describe_model(const char *path, struct ew_model_record *r, struct ew_error *err) {
    struct ew_model *model = NULL;
    enum ew_status status = ew_model_open(path, &model, err);
    if (status != EW_OK) return status;
    struct ew_model_info info = ew_model_info(model);
    r->n_params = (int64_t)info.n_params;
    r->weights_bytes = (int64_t)info.weights_bytes;
    r->n_layer = info.n_layer;
    r->n_embd = info.n_embd;
    r->n_vocab = info.n_vocab;
    r->n_ctx_train = info.n_ctx_train;
    ew_model_close(&model);
    return EW_OK;
}

static void name_by_file(struct ew_model_record *r, const char *path) {
    if (r->name && *r->name) return;
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    size_t n = strlen(base);
    if (n > 5 && strcmp(base + n - 5, ".gguf") == 0) n -= 5;
    free((char *)r->name);
    r->name = strndup(base, n);
}

/* *out is to be freed in any case. */
static enum ew_status describe_file(const char *path, struct ew_model_record *out, struct ew_error *err) {
    struct ew_gguf *gguf = NULL;
    enum ew_status status = ew_gguf_open(path, &gguf, err);
    if (status != EW_OK) return status;
    struct ew_model_record r = {0};
    struct stat info = {0};
    char key[17], full[PATH_MAX];
    stat(path, &info);
    model_key(gguf, path, (uint64_t)info.st_size, key);
    describe_gguf(gguf, &r);
    ew_gguf_close(&gguf);
    name_by_file(&r, path);
    r.key = strdup(key);
    r.path = strdup(realpath(path, full) ? full : path);
    r.file_bytes = info.st_size;
    r.mtime_unix_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    *out = r;
    if (!r.key || !r.path || !r.name || !r.architecture || !r.file_type)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    return EW_OK;
}

static enum ew_status describe(struct ew_located_model *m, bool foreign_engine, struct ew_error *err) {
    ew_model_record_free(&m->record);
    enum ew_status status = describe_file(m->path, &m->record, err);
    if (status != EW_OK) return status;
    m->record.shape = m->shape ? strdup(m->shape->name) : NULL;
    m->record.in_the_box = m->from->kind == EW_STUDY_MODEL_BOX;
    return foreign_engine ? EW_OK : describe_model(m->path, &m->record, err);
}

enum ew_status ew_model_record_make(const char *path, struct ew_model_record *out, struct ew_error *err) {
    char box[PATH_MAX], full[PATH_MAX];
    struct ew_model_record r = {0};
    enum ew_status status = describe_file(path, &r, err);
    if (status == EW_OK) status = describe_model(path, &r, err);
    if (status != EW_OK) {
        ew_model_record_free(&r);
        return status;
    }
    r.in_the_box = ew_model_box_path(box, sizeof box, NULL) == EW_OK && realpath(box, full) && !strcmp(full, r.path);
    *out = r;
    return EW_OK;
}

enum ew_status ew_study_models_describe(struct ew_located_models *models, const char *study_path, bool foreign_engine,
                                        struct ew_error *err) {
    for (size_t i = 0; i < models->n; i++) {
        enum ew_status status = describe(&models->models[i], foreign_engine, err);
        if (status != EW_OK) return at_line(study_path, models->models[i].from->line, status, err);
    }
    return EW_OK;
}
