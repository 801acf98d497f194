/* Packing into R16 for AVX-512; the work is in pack_body.h. */
#include "kernel/x86/lanes_avx512.h"

#include "kernel/x86/pack_body.h"

void ew_pack_strip_avx512(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows, size_t row_bytes,
                          uint8_t *out) {
    pack_strip(fields, block_bytes, rows, row_bytes, out);
}
