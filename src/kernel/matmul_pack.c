/* Owns the R16 weight layout: which fields of a block it interleaves, its size, and the plain C of packing, which
 * pack_strip_body.h does in vectors. Kernels that read it are in ref/, x86/ and arm/. Described in
 * docs/formats.md. */
#include "gguf/tensor_type.h"
#include "kernel/matmul_table.h"

#include <assert.h>
#include <string.h>

static const struct ew_pack_field fields_q4_0[] = {{0, 2, 1}, {2, 4, 4}, {0, 0, 0}};
static const struct ew_pack_field fields_q4_1[] = {{0, 2, 2}, {4, 4, 4}, {0, 0, 0}};
static const struct ew_pack_field fields_q5_0[] = {{0, 2, 1}, {2, 4, 1}, {6, 4, 4}, {0, 0, 0}};
static const struct ew_pack_field fields_q5_1[] = {{0, 2, 2}, {4, 4, 1}, {8, 4, 4}, {0, 0, 0}};
static const struct ew_pack_field fields_q8_0[] = {{0, 2, 1}, {2, 4, 8}, {0, 0, 0}};
static const struct ew_pack_field fields_q2_k[] = {{80, 2, 2}, {0, 4, 4}, {16, 4, 16}, {0, 0, 0}};
static const struct ew_pack_field fields_q3_k[] = {{108, 2, 1}, {96, 4, 3}, {0, 4, 8}, {32, 4, 16}, {0, 0, 0}};
static const struct ew_pack_field fields_q4_k[] = {{0, 2, 2}, {4, 4, 3}, {16, 4, 32}, {0, 0, 0}};
static const struct ew_pack_field fields_q5_k[] = {{0, 2, 2}, {4, 4, 3}, {16, 4, 8}, {48, 4, 32}, {0, 0, 0}};
static const struct ew_pack_field fields_q6_k[] = {{208, 2, 1}, {192, 4, 4}, {128, 4, 16}, {0, 4, 32}, {0, 0, 0}};
static const struct ew_pack_field fields_iq4_xs[] = {{0, 4, 1}, {4, 4, 1}, {8, 4, 32}, {0, 0, 0}};

const struct ew_pack_field *ew_matmul_pack_fields(uint32_t type) {
    switch (type) {
    case EW_TYPE_Q4_0:
    case EW_TYPE_IQ4_NL: return fields_q4_0;
    case EW_TYPE_Q4_1: return fields_q4_1;
    case EW_TYPE_Q5_0: return fields_q5_0;
    case EW_TYPE_Q5_1: return fields_q5_1;
    case EW_TYPE_Q8_0: return fields_q8_0;
    case EW_TYPE_Q2_K: return fields_q2_k;
    case EW_TYPE_Q3_K: return fields_q3_k;
    case EW_TYPE_Q4_K: return fields_q4_k;
    case EW_TYPE_Q5_K: return fields_q5_k;
    case EW_TYPE_Q6_K: return fields_q6_k;
    case EW_TYPE_IQ4_XS: return fields_iq4_xs;
    default: return NULL;
    }
}

size_t ew_matmul_packed_bytes(uint32_t type, uint32_t n_in, uint32_t n_out) {
    return ew_type_row_bytes(type, n_in) * (((size_t)n_out + 15) / 16 * 16);
}

uint32_t ew_matmul_packed_order(uint32_t type) {
    uint32_t hash = 0x811c9dc5u; /* FNV-1a */
    for (const struct ew_pack_field *f = ew_matmul_pack_fields(type); f->count; f++) {
        const uint8_t bytes[] = {f->offset, f->unit, f->count};
        for (size_t i = 0; i < sizeof bytes; i++) hash = (hash ^ bytes[i]) * 0x01000193u;
    }
    return hash;
}

/* n_rows of 16 rows; those that are missing become zeros. */
static void pack_rows(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, uint32_t n_rows,
                      size_t row_bytes, uint8_t *out) {
    for (size_t at = 0; at < row_bytes; at += block_bytes) {
        for (const struct ew_pack_field *f = fields; f->count; f++) {
            for (size_t from = at + f->offset; from < at + f->offset + f->count * f->unit; from += f->unit) {
                for (uint32_t r = 0; r < 16; r++, out += f->unit) {
                    if (r < n_rows)
                        memcpy(out, rows + r * row_bytes + from, f->unit);
                    else
                        memset(out, 0, f->unit);
                }
            }
        }
    }
}

void ew_pack_strip_ref(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, size_t row_bytes,
                       uint8_t *out) {
    pack_rows(fields, block_bytes, rows, 16, row_bytes, out);
}

void ew_matmul_pack_rows(const struct ew_kernels *k, const struct ew_weight *w, uint32_t row_begin, uint32_t row_end,
                         void *packed) {
    const struct ew_matmul_kernels *m = k->matmul;
    const struct ew_pack_field *fields = ew_matmul_pack_fields(w->type);
    size_t block_bytes = ew_type_traits(w->type)->block_bytes, row_bytes = ew_type_row_bytes(w->type, w->n_in);
    assert(fields && w->layout == EW_LAYOUT_ROWS && row_begin % 16 == 0);
    while (!m->pack_strip) m = m->base;
    for (uint32_t row = row_begin; row < row_end; row += 16) {
        const uint8_t *rows = (const uint8_t *)w->data + row * row_bytes;
        uint8_t *out = (uint8_t *)packed + row * row_bytes;
        if (w->n_out - row >= 16)
            m->pack_strip(fields, block_bytes, rows, row_bytes, out);
        else
            pack_rows(fields, block_bytes, rows, w->n_out - row, row_bytes, out);
    }
}

void ew_matmul_fetch_block(const struct ew_weight *w, uint32_t row, size_t index, void *block) {
    const struct ew_type_traits *traits = ew_type_traits(w->type);
    size_t row_bytes = ew_type_row_bytes(w->type, w->n_in);
    const uint8_t *data = w->data;
    if (w->layout == EW_LAYOUT_ROWS) {
        memcpy(block, data + row * row_bytes + index * traits->block_bytes, traits->block_bytes);
        return;
    }
    const uint8_t *src = data + row / 16 * 16 * row_bytes + index * 16 * traits->block_bytes;
    for (const struct ew_pack_field *f = ew_matmul_pack_fields(w->type); f->count; f++)
        for (size_t u = 0; u < f->count; u++, src += 16 * f->unit)
            memcpy((uint8_t *)block + f->offset + u * f->unit, src + row % 16 * f->unit, f->unit);
}
