/* Owns the way of a tensor's values from stored to written. What goes where was decided in recipe.c. */
#include "convert/tensor_stream.h"

#include "base/bytes.h"
#include "base/error.h"
#include "edgewise/quantize.h"
#include "gguf/tensor_type.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_BYTES = 1 << 20, RELEASE_BYTES = 16 << 20, F16_LARGEST = 65504 };

struct stream {
    const char *source;
    const struct ew_recipe *recipe;
    const struct ew_recipe_tensor *tensor;
    const struct ew_hf_config *config;
    const struct ew_checkpoint *checkpoint;
    size_t unreleased; /* bytes gone through since pages were given back */
    float *values;     /* [rows of a piece][row_len] */
    uint8_t *coded;    /* the same, encoded */
    ew_tensor_sink_fn *sink;
    void *context;
    struct ew_error *err;
};

/* Gives the tensor's pages back to the system, so that they do not count as this process's memory: what is needed once
 * more is read again, from the system's own cache as a rule. */
static void release(struct stream *s, size_t n_bytes, bool done) {
    s->unreleased += n_bytes;
    if (s->unreleased < RELEASE_BYTES && !done) return;
    s->unreleased = 0;
    for (uint32_t i = 0; i < s->tensor->n_parts; i++) {
        const struct ew_stored_tensor *part = s->recipe->parts[s->tensor->first_part + i];
        const struct ew_file_map *map = &s->checkpoint->files[part->file].map;
        ew_file_map_release(map, (size_t)(part->data - map->data), part->size_bytes);
    }
}

/* n elements of a stored type, any alignment, to f32. */
static void load(enum ew_stored_type type, const uint8_t *from, size_t n, float *to) {
    switch (type) {
    case EW_STORED_F32: memcpy(to, from, n * sizeof *to); return;
    case EW_STORED_F16: ew_dequantize_row(EW_TYPE_F16, from, n, to, NULL); return;
    case EW_STORED_BF16: ew_dequantize_row(EW_TYPE_BF16, from, n, to, NULL); return;
    case EW_STORED_F64:
        for (size_t i = 0; i < n; i++) {
            double value;
            memcpy(&value, from + i * sizeof value, sizeof value);
            to[i] = (float)value;
        }
        return;
    case EW_STORED_OTHER: return;
    }
}

/* The part that holds stored row `row` of the tensor, and the row within it. */
static const struct ew_stored_tensor *part_of(const struct stream *s, uint64_t row, uint64_t *inside) {
    const struct ew_recipe_tensor *t = s->tensor;
    uint32_t i = 0;
    for (;; i++) {
        const struct ew_stored_tensor *part = s->recipe->parts[t->first_part + i];
        uint64_t rows = part->size_bytes / (ew_stored_type_bytes(part->type) * t->stored_len);
        if (row < rows || i + 1 == t->n_parts) {
            *inside = row;
            return part;
        }
        row -= rows;
    }
}

static void gather_row(const struct stream *s, uint64_t row, float *to) {
    const struct ew_recipe_tensor *t = s->tensor;
    if (t->values) {
        memcpy(to, t->values, (size_t)t->row_len * sizeof *to);
        return;
    }
    uint64_t inside;
    size_t n = row < t->n_stored ? (size_t)t->stored_len : 0;
    for (size_t i = n; i < t->row_len; i++) to[i] = 0;
    if (n == 0) return;
    const struct ew_stored_tensor *part = part_of(s, ew_row_source(s->config, t->order, row), &inside);
    size_t bytes = ew_stored_type_bytes(part->type);
    if (t->order == EW_ROWS_COLUMNS)
        for (size_t i = 0; i < n; i++) load(part->type, part->data + (i * t->n_stored + row) * bytes, 1, to + i);
    else
        load(part->type, part->data + inside * n * bytes, n, to);
    for (size_t i = 0; t->add != 0 && i < n; i++) to[i] += t->add;
}

/* F16 ends at 65504: a weight beyond would become infinite, and the model useless without a word. */
static enum ew_status check_f16(const struct stream *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (fabsf(s->values[i]) > F16_LARGEST && isfinite(s->values[i]))
            return ew_error_set(s->err, EW_ERR_UNSUPPORTED,
                                "%s: tensor %s: %g is beyond F16 (65504); type bf16 or f32 can hold it", s->source,
                                s->tensor->name, (double)s->values[i]);
    return EW_OK;
}

static enum ew_status emit(const struct stream *s, uint64_t first, uint64_t n_rows) {
    const struct ew_recipe_tensor *t = s->tensor;
    size_t n = (size_t)(n_rows * t->row_len);
    for (uint64_t r = 0; r < n_rows; r++) gather_row(s, first + r, s->values + r * t->row_len);
    enum ew_status status = t->type == EW_TYPE_F16 ? check_f16(s, n) : EW_OK;
    if (status != EW_OK) return status;
    if (t->type == EW_TYPE_F32) return s->sink(s->context, s->values, n * sizeof *s->values, s->err);
    if ((status = ew_quantize_row(t->type, s->values, n, s->coded, s->err)) != EW_OK) return status;
    return s->sink(s->context, s->coded, ew_type_row_bytes((uint32_t)t->type, n), s->err);
}

/* Stored bytes that need nothing done to them go through as they are. */
static bool is_plain(const struct ew_recipe *recipe, const struct ew_recipe_tensor *t) {
    if (t->values || t->order != EW_ROWS_STORED || t->add != 0) return false;
    if (t->row_len != t->stored_len || t->n_rows != t->n_stored) return false;
    for (uint32_t i = 0; i < t->n_parts; i++) {
        enum ew_stored_type type = recipe->parts[t->first_part + i]->type;
        if (!(type == EW_STORED_F32 && t->type == EW_TYPE_F32) && !(type == EW_STORED_F16 && t->type == EW_TYPE_F16) &&
            !(type == EW_STORED_BF16 && t->type == EW_TYPE_BF16))
            return false;
    }
    return true;
}

static enum ew_status emit_plain(struct stream *s) {
    for (uint32_t i = 0; i < s->tensor->n_parts; i++) {
        const struct ew_stored_tensor *part = s->recipe->parts[s->tensor->first_part + i];
        for (size_t at = 0; at < part->size_bytes;) {
            size_t n = part->size_bytes - at < PIECE_BYTES ? part->size_bytes - at : PIECE_BYTES;
            enum ew_status status = s->sink(s->context, part->data + at, n, s->err);
            if (status != EW_OK) return status;
            at += n;
            release(s, n, false);
        }
    }
    return EW_OK;
}

/* Pieces hold whole blocks: rows of a vector are single numbers, but a vector is F32. */
static enum ew_status emit_pieces(struct stream *s) {
    const struct ew_recipe_tensor *t = s->tensor;
    uint64_t rows = PIECE_BYTES / sizeof *s->values / t->row_len;
    if (rows == 0) rows = 1;
    if (rows > t->n_rows) rows = t->n_rows;
    size_t bytes;
    if (!ew_mul_size((size_t)(rows * t->row_len), sizeof *s->values, &bytes)) bytes = 0;
    s->values = bytes ? malloc(bytes) : NULL;
    s->coded = s->values ? malloc(bytes) : NULL; /* no type takes more than F32 */
    enum ew_status status = EW_OK;
    if (!s->coded)
        status = ew_error_set(s->err, EW_ERR_MEMORY, "%s: tensor %s: no memory for a row", s->source, t->name);
    for (uint64_t row = 0; row < t->n_rows && status == EW_OK; row += rows) {
        status = emit(s, row, t->n_rows - row < rows ? t->n_rows - row : rows);
        release(s, bytes, false);
    }
    free(s->values);
    free(s->coded);
    return status;
}

enum ew_status ew_tensor_stream(const char *source, const struct ew_recipe *recipe,
                                const struct ew_recipe_tensor *tensor, const struct ew_hf_config *config,
                                const struct ew_checkpoint *checkpoint, ew_tensor_sink_fn *sink, void *context,
                                struct ew_error *err) {
    struct stream s = {.source = source,
                       .recipe = recipe,
                       .tensor = tensor,
                       .config = config,
                       .checkpoint = checkpoint,
                       .sink = sink,
                       .context = context,
                       .err = err};
    enum ew_status status = is_plain(recipe, tensor) ? emit_plain(&s) : emit_pieces(&s);
    release(&s, 0, true);
    return status;
}
