/* Owns the metadata and types of the exported file. */
#include "train/export_gguf.h"

#include "base/error.h"
#include "gguf/file_type.h"
#include "gguf/gguf_write.h"
#include "quant/half.h"
#include <stdlib.h>
#include <string.h>

static void put_metadata(struct ew_gguf_writer *w, const struct ew_net_shape *s, const struct ew_gguf *vocabulary,
                         const char *name, bool f16) {
    const struct {
        const char *key;
        size_t value;
    } numbers[] = {{"llama.vocab_size", s->n_vocab},
                   {"llama.context_length", s->n_ctx},
                   {"llama.embedding_length", s->n_embd},
                   {"llama.block_count", s->n_layer},
                   {"llama.feed_forward_length", s->n_ff},
                   {"llama.attention.head_count", s->n_head},
                   {"llama.attention.head_count_kv", s->n_head_kv},
                   {"llama.attention.key_length", ew_net_head_dim(s)},
                   {"llama.attention.value_length", ew_net_head_dim(s)},
                   {"llama.rope.dimension_count", ew_net_head_dim(s)}};
    static const char prefix[] = "tokenizer.";
    ew_gguf_put_string(w, "general.architecture", "llama");
    ew_gguf_put_string(w, "general.type", "model");
    ew_gguf_put_string(w, "general.name", name);
    ew_gguf_put_string(w, "general.license", "mit");
    ew_gguf_put_u32(w, "general.file_type", f16 ? EW_FILE_F16 : EW_FILE_F32);
    ew_gguf_put_u32(w, "general.quantization_version", 2);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ew_gguf_put_u32(w, numbers[i].key, (uint32_t)numbers[i].value);
    ew_gguf_put_f32(w, "llama.attention.layer_norm_rms_epsilon", s->norm_eps);
    ew_gguf_put_f32(w, "llama.rope.freq_base", s->rope_base);
    for (size_t i = 0; i < ew_gguf_n_kv(vocabulary); i++) {
        const struct ew_gguf_kv *kv = ew_gguf_kv_at(vocabulary, i);
        if (kv->key.size >= sizeof prefix - 1 && memcmp(kv->key.data, prefix, sizeof prefix - 1) == 0)
            ew_gguf_put_kv(w, kv);
    }
}

static enum ew_status write_tensor(struct ew_gguf_writer *w, const float *values, size_t n, bool f16, uint16_t *half,
                                   struct ew_error *err) {
    if (!f16) return ew_gguf_writer_write(w, values, n * sizeof *values, err);
    for (size_t i = 0; i < n; i++) half[i] = ew_f32_to_f16(values[i]);
    return ew_gguf_writer_write(w, half, n * sizeof *half, err);
}

static enum ew_status write_file(struct ew_gguf_writer *w, const struct ew_net_shape *s, const float *weights, bool f16,
                                 uint16_t *half, const char *path, struct ew_error *err) {
    enum ew_status status = EW_OK;
    const size_t n = ew_net_n_tensors(s);
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(s, i);
        const uint64_t ne[2] = {t.columns, t.rows};
        const bool norm = t.kind == EW_NET_NORM;
        status = ew_gguf_writer_add_tensor(w, t.name, f16 && !norm ? EW_TYPE_F16 : EW_TYPE_F32, norm ? 1 : 2, ne, err);
    }
    if (status == EW_OK) status = ew_gguf_writer_begin(w, path, err);
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(s, i);
        status = write_tensor(w, weights + t.offset, t.rows * t.columns, f16 && t.kind != EW_NET_NORM, half, err);
    }
    return status == EW_OK ? ew_gguf_writer_finish(w, err) : status;
}

enum ew_status ew_train_export(const struct ew_net_shape *s, const float *weights, const struct ew_gguf *vocabulary,
                               const char *name, bool f16, const char *path, struct ew_error *err) {
    struct ew_gguf_writer *w = NULL;
    uint16_t *half = malloc(ew_net_n_params(s) * sizeof *half);
    enum ew_status status =
        half ? ew_gguf_writer_open(&w, err) : ew_error_set(err, EW_ERR_MEMORY, "%s: no memory to write it", path);
    if (status == EW_OK) {
        put_metadata(w, s, vocabulary, name, f16);
        status = write_file(w, s, weights, f16, half, path, err);
    }
    ew_gguf_writer_close(&w);
    free(half);
    return status;
}
