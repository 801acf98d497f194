/* Writes float copies of model files: the bytes of the metadata as they are, a tensor table of F32, decoded data. Not
 * through the product's writer, which puts known keys only. */
#include "float_copy.h"

#include "edgewise/quantize.h"
#include "gguf/gguf_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALIGNMENT = 32 };

static size_t n_elements(const struct ew_gguf_tensor *t) { return (size_t)(t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]); }

static size_t padded(size_t n) { return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static void pad(FILE *out) {
    while (ftell(out) % ALIGNMENT != 0) fputc(0, out);
}

static void write_table(FILE *out, const struct ew_gguf *gguf) {
    uint64_t offset = 0;
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        uint64_t name_size = t->name.size;
        uint32_t type = EW_TYPE_F32;
        fwrite(&name_size, sizeof name_size, 1, out);
        fwrite(t->name.data, 1, t->name.size, out);
        fwrite(&t->n_dims, sizeof t->n_dims, 1, out);
        fwrite(t->ne, sizeof *t->ne, t->n_dims, out);
        fwrite(&type, sizeof type, 1, out);
        fwrite(&offset, sizeof offset, 1, out);
        offset += padded(n_elements(t) * sizeof(float));
    }
}

static void write_data(FILE *out, const struct ew_gguf *gguf) {
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        size_t n = n_elements(t);
        float *values = malloc(n * sizeof *values);
        assert_non_null(values);
        assert_int_equal(ew_dequantize_row((enum ew_type)t->type, t->data, n, values, NULL), EW_OK);
        pad(out);
        assert_int_equal(fwrite(values, sizeof *values, n, out), n);
        free(values);
    }
}

void float_copy(const char *from, const char *to) {
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
    write_table(out, gguf);
    write_data(out, gguf);
    assert_int_equal(fclose(out), 0);
    ew_gguf_close(&gguf);
}
