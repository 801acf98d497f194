/* Owns edgewise quantize: which tensor gets which type, and the passage of rows through decoder and encoder, all
 * threads on one piece at a time. The mixtures are model/type_mixture.c's, the encoders the quant room's. */
#include "convert/requantize.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/thread_pool.h"
#include "gguf/gguf_write.h"
#include "model/synth.h"
#include "model/type_mixture.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Encoded bytes that are gathered before they are written, and floats that one thread decodes at a time at least. */
enum { PIECE_BYTES = 8 << 20, PROGRESS_NS = 100000000 };

bool ew_requantize_file_type(const char *name, enum ew_file_type *out) { return ew_synth_file_type_by_name(name, out); }

bool ew_requantize_tensor_type(const char *name, enum ew_type *out) {
    static const enum ew_type types[] = {EW_TYPE_F32,  EW_TYPE_F16,  EW_TYPE_BF16, EW_TYPE_Q8_0,   EW_TYPE_Q6_K,
                                         EW_TYPE_Q5_K, EW_TYPE_Q5_1, EW_TYPE_Q5_0, EW_TYPE_Q4_K,   EW_TYPE_Q4_1,
                                         EW_TYPE_Q4_0, EW_TYPE_Q3_K, EW_TYPE_Q2_K, EW_TYPE_IQ4_NL, EW_TYPE_IQ4_XS};
    enum ew_type found;
    if (!ew_type_by_name(name, &found)) return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i] != found) continue;
        *out = found;
        return true;
    }
    return false;
}

const char *ew_requantize_type_name(enum ew_type type) { return ew_type_traits((uint32_t)type)->name; }

/* ---- which type ---- */

struct source {
    struct ew_gguf *gguf;
    const char *path;
    uint32_t n_layer, heads_per_kv, n_expert;
    bool has_head; /* an output matrix of its own */
};

/* A key below the architecture's name; 0 where it is missing or a list. */
static uint32_t read_u32(const struct ew_gguf *gguf, struct ew_gguf_string architecture, const char *suffix) {
    char key[128];
    uint64_t value;
    int n = snprintf(key, sizeof key, "%.*s.%s", (int)architecture.size, architecture.data, suffix);
    bool found = n > 0 && n < (int)sizeof key && ew_gguf_get_u64(gguf, key, &value, NULL) == EW_OK;
    return found && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static enum ew_status source_open(const char *path, struct source *s, struct ew_error *err) {
    struct ew_gguf_string architecture;
    *s = (struct source){.path = path};
    enum ew_status status = ew_gguf_open(path, &s->gguf, err);
    if (status == EW_OK) status = ew_gguf_get_string(s->gguf, "general.architecture", &architecture, err);
    if (status != EW_OK) return status;
    s->n_layer = read_u32(s->gguf, architecture, "block_count");
    s->n_expert = read_u32(s->gguf, architecture, "expert_count");
    uint32_t heads = read_u32(s->gguf, architecture, "attention.head_count");
    uint32_t keys = read_u32(s->gguf, architecture, "attention.head_count_kv");
    s->heads_per_kv = keys > 0 ? heads / keys : 1;
    s->has_head = ew_gguf_find_tensor(s->gguf, "output.weight") != NULL;
    return EW_OK;
}

static bool contains(struct ew_gguf_string name, const char *part) {
    return memmem(name.data, name.size, part, strlen(part)) != NULL;
}

static bool starts_with(struct ew_gguf_string name, const char *begin) {
    size_t n = strlen(begin);
    return name.size >= n && memcmp(name.data, begin, n) == 0;
}

static bool is_named(struct ew_gguf_string name, const char *whole) {
    return name.size == strlen(whole) && memcmp(name.data, whole, name.size) == 0;
}

static bool ends_with(struct ew_gguf_string name, const char *end) {
    size_t n = strlen(end);
    return name.size >= n && memcmp(name.data + name.size - n, end, n) == 0;
}

/* Matrices that products meet. Vectors, routers, convolutions and learned positions keep their type: they are small,
 * and what they do is not forgiving. */
static bool is_encoded(const struct ew_gguf_tensor *t) {
    static const char *const kept[] = {"_norm.weight",  "ffn_gate_inp", "shortconv.conv", "ssm_conv1d",
                                       "position_embd", "token_types",  "rope_f"};
    if (t->n_dims < 2 || !ends_with(t->name, "weight")) return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (contains(t->name, kept[i])) return false;
    return true;
}

static enum ew_matrix_role role_of(const struct source *s, struct ew_gguf_string name) {
    static const struct {
        const char *part;
        enum ew_matrix_role role;
    } roles[] = {{"attn_k.weight", EW_ROLE_KEY},
                 {"attn_v.weight", EW_ROLE_VALUE},
                 {"ffn_down", EW_ROLE_DOWN},
                 {"attn_output.weight", EW_ROLE_ATTENTION_OUTPUT},
                 {"attn_qkv.weight", EW_ROLE_FUSED_QKV}};
    if (is_named(name, "output.weight") || (is_named(name, "token_embd.weight") && !s->has_head)) return EW_ROLE_HEAD;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++)
        if (contains(name, roles[i].part)) return roles[i].role;
    return EW_ROLE_PLAIN;
}

/* "blk.12.…" → 12; 0 outside of layers. */
static uint32_t layer_of(struct ew_gguf_string name) {
    uint32_t layer = 0;
    if (name.size < 5 || memcmp(name.data, "blk.", 4) != 0) return 0;
    for (size_t i = 4; i < name.size && isdigit((unsigned char)name.data[i]) && layer < 100000; i++)
        layer = layer * 10 + (uint32_t)(name.data[i] - '0');
    return layer;
}

struct choice {
    enum ew_type type;
    bool encoded, fallback;
    const struct ew_importance_entry *importance; /* NULL: encoded without */
};

static enum ew_status choose(const struct ew_requantize_params *p, const struct source *s,
                             const struct ew_gguf_tensor *t, struct choice *out, struct ew_error *err) {
    *out = (struct choice){.type = (enum ew_type)t->type};
    if (!is_encoded(t)) return EW_OK;
    const struct ew_matrix_place place = {.role = p->pure ? EW_ROLE_PLAIN : role_of(s, t->name),
                                          .layer = layer_of(t->name),
                                          .n_layer = s->n_layer,
                                          .heads_per_kv = s->heads_per_kv,
                                          .row = t->ne[0],
                                          .n_expert = s->n_expert};
    out->encoded = true;
    out->type = ew_mixture_type(p->file_type, place, &out->fallback);
    for (size_t i = p->n_overrides; i-- > 0;) {
        if (!contains(t->name, p->overrides[i].pattern)) continue;
        out->type = p->overrides[i].type;
        out->fallback = false;
        break;
    }
    const struct ew_type_traits *traits = ew_type_traits((uint32_t)out->type);
    if (t->ne[0] % traits->block_elems == 0) return EW_OK;
    return ew_error_set(err, EW_ERR_SHAPE, "tensor %.*s: rows of %llu are no whole blocks of %u (%s)",
                        (int)t->name.size, t->name.data, (unsigned long long)t->ne[0], traits->block_elems,
                        traits->name);
}

/* What is known of a tensor's columns, where its type can make use of that. */
static enum ew_status find_importance(const struct ew_requantize_params *p, const struct ew_gguf_tensor *t,
                                      struct choice *c, struct ew_error *err) {
    if (!p->importance || !c->encoded || !ew_quantize_takes_weights(c->type)) return EW_OK;
    const struct ew_importance_entry *e = ew_importance_find(p->importance, t->name.data, t->name.size);
    const uint64_t n_matrices = t->ne[2] * t->ne[3];
    if (e && !ew_importance_fits(e, t->ne[0], n_matrices))
        return ew_error_set(err, EW_ERR_SHAPE, "%s: tensor %s has %zu × %zu columns there, but %llu × %llu in %s",
                            p->importance_path, e->name, e->n_matrices, e->n_in, (unsigned long long)n_matrices,
                            (unsigned long long)t->ne[0], p->source);
    c->importance = e;
    return EW_OK;
}

/* A matrix of another model would rather be noticed than used. */
static enum ew_status check_importance(const struct ew_requantize_params *p, const struct source *s,
                                       struct ew_error *err) {
    for (size_t i = 0; p->importance && i < p->importance->n_entries; i++) {
        const struct ew_importance_entry *e = &p->importance->entries[i];
        if (ew_gguf_find_tensor(s->gguf, e->name)) continue;
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: tensor %s (%zu × %zu columns) is not in %s: another model's?",
                            p->importance_path, e->name, e->n_matrices, e->n_in, s->path);
    }
    return EW_OK;
}

/* A source that has lost already is taken only where that is wanted. */
static enum ew_status check_source(const struct ew_requantize_params *p, const struct source *s, struct ew_error *err) {
    for (size_t i = 0; i < ew_gguf_n_tensors(s->gguf) && !p->again; i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(s->gguf, i);
        if (!is_encoded(t) || t->type == EW_TYPE_F32 || t->type == EW_TYPE_F16 || t->type == EW_TYPE_BF16) continue;
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: tensor %.*s is quantized already (%s): begin with the F16, BF16 or F32 file", s->path,
                            (int)t->name.size, t->name.data, ew_type_traits(t->type)->name);
    }
    return EW_OK;
}

/* ---- the plan of the file ---- */

struct job {
    const struct ew_requantize_params *params;
    struct source source;
    struct ew_gguf_writer *writer;
    struct choice *choices; /* [n_tensors] */
    struct ew_requantize_summary summary;
    struct ew_thread_pool *pool;
    uint8_t *piece; /* [PIECE_BYTES], or a row where one is longer */
    size_t piece_capacity;
    float *rows;    /* [threads][row_capacity] */
    float *weights; /* what the columns of the matrix under way matter, [row_capacity] */
    size_t row_capacity;
    uint64_t done;
    int64_t next_progress_ns;
};

static void put_metadata(struct job *j) {
    const struct ew_gguf *gguf = j->source.gguf;
    const struct ew_importance *importance = j->params->importance;
    for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) {
        const struct ew_gguf_kv *kv = ew_gguf_kv_at(gguf, i);
        if (is_named(kv->key, "general.file_type") || is_named(kv->key, "general.quantization_version") ||
            is_named(kv->key, "general.alignment") || (importance && starts_with(kv->key, "quantize.imatrix.")))
            continue;
        ew_gguf_put_kv(j->writer, kv);
    }
    ew_gguf_put_u32(j->writer, "general.file_type", (uint32_t)j->params->file_type);
    ew_gguf_put_u32(j->writer, "general.quantization_version", 2);
    if (!importance) return;
    ew_gguf_put_string(j->writer, "quantize.imatrix.file", j->params->importance_path);
    if (importance->n_datasets > 0) ew_gguf_put_string(j->writer, "quantize.imatrix.dataset", importance->datasets[0]);
    ew_gguf_put_u32(j->writer, "quantize.imatrix.entries_count", (uint32_t)importance->n_entries);
    ew_gguf_put_u32(j->writer, "quantize.imatrix.chunks_count", importance->chunk_count);
}

static enum ew_status add_tensor(struct job *j, size_t i, struct ew_error *err) {
    const struct ew_gguf_tensor *t = ew_gguf_tensor_at(j->source.gguf, i);
    struct choice *c = &j->choices[i];
    enum ew_status status = choose(j->params, &j->source, t, c, err);
    if (status == EW_OK) status = find_importance(j->params, t, c, err);
    if (status != EW_OK) return status;
    char name[256];
    if (t->name.size >= sizeof name)
        return ew_error_set(err, EW_ERR_LIMIT, "%s: a tensor's name has %zu bytes (255 at most)", j->source.path,
                            t->name.size);
    memcpy(name, t->name.data, t->name.size);
    name[t->name.size] = 0;
    uint64_t rows = t->ne[1] * t->ne[2] * t->ne[3];
    if (c->encoded) {
        j->summary.n_encoded++;
        j->summary.n_fallback += c->fallback;
        j->summary.n_weighted += c->importance != NULL;
        j->summary.n_unmatched += j->params->importance && !c->importance && ew_quantize_takes_weights(c->type);
        j->summary.n_weights += rows * t->ne[0];
        j->summary.matrix_bytes += rows * ew_type_row_bytes((uint32_t)c->type, t->ne[0]);
    }
    return ew_gguf_writer_add_tensor(j->writer, name, (uint32_t)c->type, t->n_dims, t->ne, err);
}

static enum ew_status job_open(struct job *j, const struct ew_requantize_params *params, struct ew_error *err) {
    *j = (struct job){.params = params};
    enum ew_status status = source_open(params->source, &j->source, err);
    if (status == EW_OK) status = check_source(params, &j->source, err);
    if (status == EW_OK) status = check_importance(params, &j->source, err);
    if (status == EW_OK) status = ew_gguf_writer_open(&j->writer, err);
    if (status != EW_OK) return status;
    size_t n = ew_gguf_n_tensors(j->source.gguf);
    j->choices = calloc(n + 1, sizeof *j->choices);
    if (!j->choices) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for %zu tensors", params->source, n);
    put_metadata(j);
    for (size_t i = 0; i < n && status == EW_OK; i++) status = add_tensor(j, i, err);
    j->summary.file_type = ew_file_type_name((uint32_t)params->file_type);
    j->summary.n_tensors = (uint32_t)n;
    j->summary.source_bytes = ew_gguf_map(j->source.gguf)->size;
    j->summary.file_bytes = ew_gguf_writer_file_bytes(j->writer);
    return status;
}

static void job_close(struct job *j) {
    ew_thread_pool_close(&j->pool);
    free(j->weights);
    free(j->rows);
    free(j->piece);
    free(j->choices);
    ew_gguf_writer_close(&j->writer);
    ew_gguf_close(&j->source.gguf);
}

/* ---- the bytes ---- */

struct piece_job {
    struct job *job;
    const struct ew_gguf_tensor *tensor;
    enum ew_type to;
    const float *weights; /* NULL: none */
    uint64_t first;       /* row */
    uint32_t n_rows;
    atomic_uint next;
    atomic_bool not_a_number;
};

static void encode_rows(const struct ew_pool_member *me, void *context) {
    struct piece_job *p = context;
    const size_t n = p->tensor->ne[0], from = ew_type_row_bytes(p->tensor->type, n),
                 to = ew_type_row_bytes((uint32_t)p->to, n);
    float *row = p->job->rows + me->index * p->job->row_capacity;
    for (;;) {
        uint32_t r = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed);
        if (r >= p->n_rows) return;
        ew_dequantize_row((enum ew_type)p->tensor->type, p->tensor->data + (p->first + r) * from, n, row, NULL);
        for (size_t i = 0; i < n; i++)
            if (!isfinite(row[i])) atomic_store_explicit(&p->not_a_number, true, memory_order_relaxed);
        ew_quantize_row_weighted(p->to, row, p->weights, n, p->job->piece + r * to, NULL);
    }
}

static enum ew_status advance(struct job *j, size_t n, struct ew_error *err) {
    int64_t now = ew_clock_now_ns();
    j->done += n;
    if (!j->params->progress || now < j->next_progress_ns) return EW_OK;
    j->next_progress_ns = now + PROGRESS_NS;
    if (j->params->progress(j->params->context, j->done, j->summary.file_bytes)) return EW_OK;
    return ew_error_set(err, EW_ERR_CANCELLED, "%s: writing was stopped", j->params->source);
}

/* Rows [row, end) of a tensor, whose columns matter as weights say. */
static enum ew_status write_rows(struct job *j, const struct ew_gguf_tensor *t, enum ew_type to, const float *weights,
                                 uint64_t row, uint64_t end, struct ew_error *err) {
    const size_t to_bytes = ew_type_row_bytes((uint32_t)to, t->ne[0]);
    size_t most = j->piece_capacity / to_bytes;
    if (most > UINT32_MAX / 2) most = UINT32_MAX / 2;
    for (; row < end; row += most) {
        struct piece_job p = {.job = j, .tensor = t, .to = to, .weights = weights, .first = row};
        p.n_rows = end - row < most ? (uint32_t)(end - row) : (uint32_t)most;
        ew_thread_pool_run(j->pool, j->params->threads, encode_rows, &p);
        if (atomic_load(&p.not_a_number))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: tensor %.*s holds values that are not finite numbers",
                                j->source.path, (int)t->name.size, t->name.data);
        enum ew_status status = ew_gguf_writer_write(j->writer, j->piece, p.n_rows * to_bytes, err);
        if (status == EW_OK) status = advance(j, p.n_rows * to_bytes, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status write_encoded(struct job *j, const struct ew_gguf_tensor *t, const struct choice *c,
                                    struct ew_error *err) {
    const uint64_t n_matrices = t->ne[2] * t->ne[3];
    if (!c->importance) return write_rows(j, t, c->type, NULL, 0, t->ne[1] * n_matrices, err);
    enum ew_status status = EW_OK;
    for (uint64_t m = 0; m < n_matrices && status == EW_OK; m++) {
        ew_importance_weights(c->importance, m, t->ne[0], j->weights);
        status = write_rows(j, t, c->type, j->weights, t->ne[1] * m, t->ne[1] * (m + 1), err);
    }
    return status;
}

static enum ew_status write_as_it_is(struct job *j, const struct ew_gguf_tensor *t, struct ew_error *err) {
    for (size_t at = 0; at < t->size_bytes; at += PIECE_BYTES) {
        size_t n = t->size_bytes - at < PIECE_BYTES ? t->size_bytes - at : PIECE_BYTES;
        enum ew_status status = ew_gguf_writer_write(j->writer, t->data + at, n, err);
        if (status == EW_OK) status = advance(j, n, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* Room for the longest row, so that nothing is allocated on the way. */
static enum ew_status reserve_buffers(struct job *j, struct ew_error *err) {
    j->piece_capacity = PIECE_BYTES;
    for (uint32_t i = 0; i < j->summary.n_tensors; i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(j->source.gguf, i);
        if (!j->choices[i].encoded) continue;
        size_t bytes = ew_type_row_bytes((uint32_t)j->choices[i].type, t->ne[0]);
        if (t->ne[0] > j->row_capacity) j->row_capacity = t->ne[0];
        if (bytes > j->piece_capacity) j->piece_capacity = bytes;
    }
    j->piece = malloc(j->piece_capacity);
    j->rows = calloc(j->params->threads, (j->row_capacity + 16) * sizeof *j->rows);
    j->weights = calloc(j->row_capacity + 1, sizeof *j->weights);
    if (!j->piece || !j->rows || !j->weights)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for rows of %zu weights", j->source.path,
                            j->row_capacity);
    return ew_thread_pool_open(j->params->threads, NULL, 0, &j->pool, err);
}

static void tell_tensor(const struct job *j, uint32_t i,
                        void (*each)(void *context, const struct ew_requantize_tensor *tensor), void *context) {
    const struct ew_gguf_tensor *t = ew_gguf_tensor_at(j->source.gguf, i);
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)t->name.size, t->name.data);
    struct ew_requantize_tensor tensor = {.name = name,
                                          .ne = {t->ne[0], t->ne[1], t->ne[2], t->ne[3]},
                                          .from = (enum ew_type)t->type,
                                          .to = j->choices[i].type,
                                          .from_bytes = t->size_bytes};
    tensor.to_bytes = t->ne[1] * t->ne[2] * t->ne[3] * ew_type_row_bytes((uint32_t)tensor.to, t->ne[0]);
    each(context, &tensor);
}

enum ew_status ew_requantize_measure(const struct ew_requantize_params *params,
                                     void (*each)(void *context, const struct ew_requantize_tensor *tensor),
                                     void *context, struct ew_requantize_summary *out, struct ew_error *err) {
    struct job j;
    enum ew_status status = job_open(&j, params, err);
    if (status == EW_OK) *out = j.summary;
    for (uint32_t i = 0; each && status == EW_OK && i < j.summary.n_tensors; i++) tell_tensor(&j, i, each, context);
    job_close(&j);
    return status;
}

enum ew_status ew_requantize_write(const struct ew_requantize_params *params, const char *path,
                                   struct ew_requantize_summary *summary, struct ew_error *err) {
    struct job j;
    assert(params->threads >= 1);
    enum ew_status status = job_open(&j, params, err);
    if (status == EW_OK) status = reserve_buffers(&j, err);
    if (status == EW_OK) status = ew_gguf_writer_begin(j.writer, path, err);
    const struct ew_file_map *map = j.source.gguf ? ew_gguf_map(j.source.gguf) : NULL;
    for (uint32_t i = 0; status == EW_OK && i < j.summary.n_tensors; i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(j.source.gguf, i);
        bool encoded = j.choices[i].encoded && t->type != (uint32_t)j.choices[i].type;
        status = encoded ? write_encoded(&j, t, &j.choices[i], err) : write_as_it_is(&j, t, err);
        ew_file_map_release(map, t->offset, t->size_bytes);
    }
    if (status == EW_OK) status = ew_gguf_writer_finish(j.writer, err);
    if (status == EW_OK && summary) *summary = j.summary;
    job_close(&j);
    return status;
}
