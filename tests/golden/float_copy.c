/* Writes float copies of model files: the bytes of the metadata as they are, a tensor table of F32 or F16, decoded
 * data. Not through the product's writer, which puts known keys only. */
#include "float_copy.h"

#include "edgewise/quantize.h"
#include "gguf/gguf_read.h"
#include "quant/half.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ALIGNMENT = 32 };

static size_t n_elements(const struct ew_gguf_tensor *t) { return (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]); }

static size_t padded(size_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void pad(FILE *out) {
    while (ftell(out) % ALIGNMENT != 0) fputc(0, out);
}

/* As in real files vectors and routers are F32 whatever the matrices are. */
static enum ew_type type_of_copy(const struct ew_gguf_tensor *t, enum ew_type matrices) {
    const char router[] = "gate_inp";
    bool routes = memmem(t->name.data, t->name.size, router, sizeof router - 1) != NULL;
    return t->n_dims > 1 && t->ne[0] % 32 == 0 && !routes ? matrices : EW_TYPE_F32;
}

static size_t bytes_of_copy(const struct ew_gguf_tensor *t, enum ew_type matrices) {
    return n_elements(t) * (type_of_copy(t, matrices) == EW_TYPE_F16 ? 2 : 4);
}

static void write_table(FILE *out, const struct ew_gguf *gguf, enum ew_type matrices) {
    uint64_t offset = 0;
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        uint64_t name_size = t->name.size;
        uint32_t type = type_of_copy(t, matrices);
        fwrite(&name_size, sizeof name_size, 1, out);
        fwrite(t->name.data, 1, t->name.size, out);
        fwrite(&t->n_dims, sizeof t->n_dims, 1, out);
        fwrite(t->ne, sizeof *t->ne, t->n_dims, out);
        fwrite(&type, sizeof type, 1, out);
        fwrite(&offset, sizeof offset, 1, out);
        offset += padded(bytes_of_copy(t, matrices));
    }
}

static void write_data(FILE *out, const struct ew_gguf *gguf, enum ew_type matrices) {
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        size_t n = n_elements(t);
        float *values = malloc(n * sizeof *values);
        assert_non_null(values);
        assert_int_equal(ew_dequantize_row((enum ew_type)t->type, t->data, n, values, NULL), EW_OK);
        size_t size = bytes_of_copy(t, matrices);
        if (type_of_copy(t, matrices) == EW_TYPE_F16) {
            uint16_t *halves = (uint16_t *)(void *)values; /* each is read before its place is written */
            for (size_t k = 0; k < n; k++) {
                uint16_t half = ew_f32_to_f16(values[k]);
                memcpy(&halves[k], &half, sizeof half);
            }
        }
        pad(out);
        assert_int_equal(fwrite(values, 1, size, out), size);
        free(values);
    }
}

void float_copy(const char *from, const char *to, enum ew_type matrices) {
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0};
    if (ew_gguf_open(from, &gguf, &err) != EW_OK) fail_msg("%s", err.message);
    FILE *out = fopen(to, "wb");
    assert_non_null(out);
    /* Header and metadata end where the last value does; keys need not come back in the file's order. */
    const uint8_t *begin = ew_gguf_map(gguf)->data, *end = begin;
    for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) {
        const struct ew_gguf_kv *kv = ew_gguf_kv_at(gguf, i);
        if (kv->data + kv->size_bytes > end) end = kv->data + kv->size_bytes;
    }
    fwrite(begin, 1, (size_t)(end - begin), out);
    write_table(out, gguf, matrices);
    write_data(out, gguf, matrices);
    assert_int_equal(fclose(out), 0);
    ew_gguf_close(&gguf);
}
