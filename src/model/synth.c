/* Owns the writing of synthetic models: metadata, then one tensor after the other in pieces. What tensors there are is
 * synth_layout.c, their values synth_weights.c, the vocabulary synth_tokenizer.c. */
#include "model/synth.h"

#include "base/clock.h"
#include "base/error.h"
#include "gguf/gguf_write.h"
#include "model/synth_layout.h"
#include "model/synth_tokenizer.h"
#include "model/synth_weights.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 20, PROGRESS_NS = 100000000 };

const enum ew_file_type *ew_synth_file_types(size_t *n) {
    static const enum ew_file_type types[] = {
        EW_FILE_Q4_0,   EW_FILE_Q4_K_M, EW_FILE_Q5_K_M, EW_FILE_Q6_K,   EW_FILE_Q8_0,   EW_FILE_F16,    EW_FILE_BF16,
        EW_FILE_F32,    EW_FILE_Q2_K,   EW_FILE_Q3_K_S, EW_FILE_Q3_K_M, EW_FILE_Q3_K_L, EW_FILE_IQ4_XS, EW_FILE_IQ4_NL,
        EW_FILE_Q4_K_S, EW_FILE_Q4_1,   EW_FILE_Q5_K_S, EW_FILE_Q5_0,   EW_FILE_Q5_1};
    *n = sizeof types / sizeof *types;
    return types;
}

bool ew_synth_file_type_by_name(const char *name, enum ew_file_type *out) {
    uint32_t id;
    size_t n;
    const enum ew_file_type *types = ew_synth_file_types(&n);
    if (!ew_file_type_by_name(name, &id)) return false;
    for (size_t i = 0; i < n; i++) {
        if ((uint32_t)types[i] != id) continue;
        *out = types[i];
        return true;
    }
    return false;
}

/* ---- metadata ---- */

static void put_u32(struct ew_gguf_writer *writer, const struct ew_shape *shape, const char *suffix, uint32_t value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", shape->architecture, suffix);
    ew_gguf_put_u32(writer, key, value);
}

static void put_f32(struct ew_gguf_writer *writer, const struct ew_shape *shape, const char *suffix, double value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", shape->architecture, suffix);
    ew_gguf_put_f32(writer, key, (float)value);
}

static void put_general(struct ew_gguf_writer *writer, const struct ew_synth_params *params) {
    char name[96];
    snprintf(name, sizeof name, "synthetic %s", params->shape->name);
    ew_gguf_put_string(writer, "general.architecture", params->shape->architecture);
    ew_gguf_put_string(writer, "general.name", name);
    ew_gguf_put_u32(writer, "general.file_type", (uint32_t)params->file_type);
    ew_gguf_put_u32(writer, "general.quantization_version", 2);
    ew_gguf_put_bool(writer, "edgewise.synthetic", true);
    ew_gguf_put_u64(writer, "edgewise.synthetic.seed", params->seed);
    ew_gguf_put_string(writer, "edgewise.synthetic.shape", params->shape->name);
    ew_gguf_put_string(writer, "edgewise.synthetic.shape_source", params->shape->source);
}

static void put_hyperparameters(struct ew_gguf_writer *writer, const struct ew_shape *s) {
    put_u32(writer, s, "vocab_size", s->n_vocab);
    put_u32(writer, s, "context_length", s->n_ctx_train);
    put_u32(writer, s, "embedding_length", s->n_embd);
    put_u32(writer, s, "block_count", s->n_layer);
    put_u32(writer, s, "feed_forward_length", s->n_ff);
    put_u32(writer, s, "attention.head_count", s->n_head);
    put_u32(writer, s, "attention.head_count_kv", s->n_head_kv);
    put_u32(writer, s, "attention.key_length", s->head_dim);
    put_u32(writer, s, "attention.value_length", s->head_dim);
    put_f32(writer, s, "attention.layer_norm_rms_epsilon", s->norm_epsilon);
    put_u32(writer, s, "rope.dimension_count", s->head_dim);
    put_f32(writer, s, "rope.freq_base", s->rope_base);
    if (strcmp(s->architecture, "gemma2") == 0) {
        put_f32(writer, s, "attn_logit_softcapping", 50);
        put_f32(writer, s, "final_logit_softcapping", 30);
        put_u32(writer, s, "attention.sliding_window", 4096);
    }
    if (strcmp(s->architecture, "phi3") == 0) {
        put_u32(writer, s, "rope.scaling.original_context_length", 4096);
        put_f32(writer, s, "rope.scaling.attn_factor", 1.1902380714238083);
        put_u32(writer, s, "attention.sliding_window", 262144);
    }
}

/* ---- values ---- */

struct run {
    const struct ew_synth_params *params;
    struct ew_gguf_writer *writer;
    struct ew_synth_pool *pools[EW_TYPE_ID_END]; /* opened when first wanted */
    uint8_t *piece;                              /* [PIECE_BYTES] */
    uint64_t done, total;
    int64_t next_progress_ns;
    struct ew_error *err;
};

static enum ew_status emit(struct run *run, const void *data, size_t n) {
    enum ew_status status = ew_gguf_writer_write(run->writer, data, n, run->err);
    if (status != EW_OK) return status;
    run->done += n;
    int64_t now = ew_clock_now_ns();
    if (!run->params->progress || now < run->next_progress_ns) return EW_OK;
    run->next_progress_ns = now + PROGRESS_NS;
    if (run->params->progress(run->params->context, run->done, run->total)) return EW_OK;
    return ew_error_set(run->err, EW_ERR_CANCELLED, "%s: writing was stopped", run->params->shape->name);
}

/* Divisors of the rotary frequencies. Phi-3.5's own long factors are learned; ours only rise as those do. */
static float rope_value(const struct run *run, const struct ew_synth_tensor *tensor, uint32_t i) {
    if (strcmp(tensor->name, "rope_freqs.weight") == 0) return ew_shape_rope_divisor(run->params->shape, i);
    bool is_long = strcmp(tensor->name, "rope_factors_long.weight") == 0;
    return is_long ? 1.0f + 63.0f * (float)i / (float)tensor->ne[0] : 1.0f;
}

static enum ew_status emit_vector(struct run *run, const struct ew_synth_tensor *tensor, struct ew_synth_rng *rng) {
    float *values = (float *)(void *)run->piece;
    for (uint64_t done = 0; done < tensor->ne[0];) {
        size_t n = 0;
        for (; n < PIECE_BYTES / sizeof *values && done < tensor->ne[0]; n++, done++) {
            float x = ew_synth_normal(rng) * tensor->deviation;
            values[n] = tensor->fill == EW_SYNTH_ROPE       ? rope_value(run, tensor, (uint32_t)done)
                        : tensor->fill == EW_SYNTH_NEAR_ONE ? 1.0f + x
                                                            : x;
        }
        enum ew_status status = emit(run, values, n * sizeof *values);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status emit_matrix(struct run *run, const struct ew_synth_tensor *tensor, struct ew_synth_rng *rng) {
    enum ew_status status;
    struct ew_synth_pool **pool = &run->pools[tensor->type];
    if (!*pool && (status = ew_synth_pool_open(tensor->type, run->params->seed, pool, run->err)) != EW_OK)
        return status;
    ew_synth_pool_set_deviation(*pool, tensor->deviation);
    size_t unit_bytes = ew_synth_pool_unit_bytes(*pool);
    uint64_t left = tensor->ne[0] * tensor->ne[1] / ew_synth_pool_unit_elems(*pool);
    while (left > 0) {
        size_t n = PIECE_BYTES / unit_bytes;
        if (n > left) n = (size_t)left;
        ew_synth_pool_draw(*pool, rng, run->piece, n);
        if ((status = emit(run, run->piece, n * unit_bytes)) != EW_OK) return status;
        left -= n;
    }
    return EW_OK;
}

static enum ew_status emit_tensors(struct run *run, const struct ew_synth_layout *layout) {
    for (uint32_t i = 0; i < layout->n; i++) {
        const struct ew_synth_tensor *tensor = &layout->tensors[i];
        /* Each tensor has its own sequence, so that its values do not depend on the types before it. */
        struct ew_synth_rng rng = {run->params->seed * 0x9e3779b97f4a7c15 + i};
        rng.state = ew_synth_next(&rng);
        enum ew_status status = tensor->n_dims == 1 ? emit_vector(run, tensor, &rng) : emit_matrix(run, tensor, &rng);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

/* ---- the whole ---- */

static enum ew_status check_params(const struct ew_synth_params *params, struct ew_error *err) {
    size_t n;
    const enum ew_file_type *types = ew_synth_file_types(&n);
    for (size_t i = 0; i < n; i++)
        if (types[i] == params->file_type) return EW_OK;
    return ew_error_set(err, EW_ERR_UNSUPPORTED, "file type %d cannot be written", (int)params->file_type);
}

/* A writer that knows everything but the data, and the list of what is to follow. */
static enum ew_status prepare(const struct ew_synth_params *params, struct ew_gguf_writer **writer,
                              struct ew_synth_layout *layout, struct ew_error *err) {
    enum ew_status status = check_params(params, err);
    if (status != EW_OK) return status;
    if ((status = ew_synth_layout_fill(params->shape, params->file_type, layout, err)) != EW_OK) return status;
    if ((status = ew_gguf_writer_open(writer, err)) != EW_OK) return status;
    put_general(*writer, params);
    put_hyperparameters(*writer, params->shape);
    if ((status = ew_synth_put_tokenizer(*writer, params->shape, err)) != EW_OK) return status;
    for (uint32_t i = 0; i < layout->n && status == EW_OK; i++) {
        const struct ew_synth_tensor *t = &layout->tensors[i];
        status = ew_gguf_writer_add_tensor(*writer, t->name, (uint32_t)t->type, t->n_dims, t->ne, err);
    }
    return status;
}

static struct ew_synth_summary summarise(const struct ew_gguf_writer *writer, const struct ew_synth_layout *layout) {
    return (struct ew_synth_summary){
        .file_bytes = ew_gguf_writer_file_bytes(writer), .n_tensors = layout->n, .n_fallback = layout->n_fallback};
}

enum ew_status ew_synth_measure(const struct ew_synth_params *params, struct ew_synth_summary *out,
                                struct ew_error *err) {
    struct ew_gguf_writer *writer = NULL;
    struct ew_synth_layout layout = {0};
    enum ew_status status = prepare(params, &writer, &layout, err);
    if (status == EW_OK) *out = summarise(writer, &layout);
    ew_synth_layout_free(&layout);
    ew_gguf_writer_close(&writer);
    return status;
}

enum ew_status ew_synth_write(const struct ew_synth_params *params, const char *path, struct ew_synth_summary *summary,
                              struct ew_error *err) {
    struct ew_gguf_writer *writer = NULL;
    struct ew_synth_layout layout = {0};
    struct run run = {.params = params, .err = err};
    enum ew_status status = prepare(params, &writer, &layout, err);
    if (status != EW_OK) goto done;
    run.writer = writer;
    run.total = ew_gguf_writer_file_bytes(writer);
    run.piece = malloc(PIECE_BYTES);
    if (!run.piece) {
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: no memory to write it", path);
        goto done;
    }
    if ((status = ew_gguf_writer_begin(writer, path, err)) != EW_OK) goto done;
    if ((status = emit_tensors(&run, &layout)) != EW_OK) goto done;
    if ((status = ew_gguf_writer_finish(writer, err)) != EW_OK) goto done;
    if (summary) *summary = summarise(writer, &layout);
done:
    for (size_t i = 0; i < EW_TYPE_ID_END; i++) ew_synth_pool_close(&run.pools[i]);
    free(run.piece);
    ew_synth_layout_free(&layout);
    ew_gguf_writer_close(&writer);
    return status;
}

bool ew_synth_is_synthetic(const char *path) {
    struct ew_gguf *gguf = NULL;
    bool synthetic = false;
    if (ew_gguf_open(path, &gguf, NULL) == EW_OK) ew_gguf_get_bool(gguf, "edgewise.synthetic", &synthetic, NULL);
    ew_gguf_close(&gguf);
    return synthetic;
}
