/* Owns random blocks. Encoding a billion values takes minutes and drawing ready blocks takes a second; a pool of some
 * thousand blocks in random order has as many different rows as any model could want. */
#include "model/synth_weights.h"

#include "base/error.h"
#include "gguf/tensor_type.h"
#include "quant/blocks.h"
#include "quant/half.h"
#include <stdlib.h>

/* A power of two of values: the K formats get 1024 blocks, the small ones 8192. At 4 bits this stays in a level 2
 * cache. */
enum { POOL_ELEMS = 1 << 18 };

struct ew_synth_pool {
    enum ew_type type;
    size_t unit_elems, unit_bytes, n_units;
    float *source;     /* [POOL_ELEMS] standard normal values */
    uint8_t *standard; /* the same, encoded */
    uint8_t *scaled;   /* the same, with the current deviation */
};

float ew_synth_normal(struct ew_synth_rng *rng) {
    /* The sum of eight 16-bit uniform numbers: mean 8 * 65535 / 2, variance 8 * (65536^2 - 1) / 12. */
    const float mean = 262140.0f, deviation = 53509.913f;
    uint64_t a = ew_synth_next(rng), b = ew_synth_next(rng);
    uint32_t sum = 0;
    for (int i = 0; i < 4; i++) sum += (uint32_t)(a >> 16 * i & 0xffff) + (uint32_t)(b >> 16 * i & 0xffff);
    return ((float)sum - mean) / deviation;
}

/* Where a block's f16 scales are: of the second, where there is one, two bytes on. 0: the type has none. */
static size_t scale_offsets(enum ew_type type, size_t offsets[2]) {
    size_t n = 1;
    switch (type) {
    case EW_TYPE_Q4_0:
    case EW_TYPE_Q5_0:
    case EW_TYPE_Q8_0:
    case EW_TYPE_IQ4_NL:
    case EW_TYPE_IQ4_XS: offsets[0] = 0; break;
    case EW_TYPE_Q4_1:
    case EW_TYPE_Q5_1:
    case EW_TYPE_Q4_K:
    case EW_TYPE_Q5_K: offsets[0] = 0, n = 2; break;
    case EW_TYPE_Q2_K: offsets[0] = offsetof(struct ew_block_q2_k, d), n = 2; break;
    case EW_TYPE_Q3_K: offsets[0] = offsetof(struct ew_block_q3_k, d); break;
    case EW_TYPE_Q6_K: offsets[0] = offsetof(struct ew_block_q6_k, d); break;
    default: return 0;
    }
    offsets[1] = offsets[0] + sizeof(uint16_t);
    return n;
}

enum ew_status ew_synth_pool_open(enum ew_type type, uint64_t seed, struct ew_synth_pool **out, struct ew_error *err) {
    enum ew_status status = EW_OK;
    const struct ew_type_traits *traits = ew_type_traits((uint32_t)type);
    if (!traits || !traits->decodable)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "type %d: no random weights of this type", (int)type);
    struct ew_synth_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return ew_error_set(err, EW_ERR_MEMORY, "no memory for random weights");
    pool->type = type;
    pool->unit_elems = traits->block_elems > 1 ? traits->block_elems : EW_QK_SMALL;
    pool->unit_bytes = ew_type_row_bytes((uint32_t)type, pool->unit_elems);
    pool->n_units = POOL_ELEMS / pool->unit_elems;
    pool->source = malloc(POOL_ELEMS * sizeof *pool->source);
    pool->standard = malloc(pool->n_units * pool->unit_bytes);
    pool->scaled = malloc(pool->n_units * pool->unit_bytes);
    if (!pool->source || !pool->standard || !pool->scaled) {
        status = ew_error_set(err, EW_ERR_MEMORY, "no memory for random weights");
        goto done;
    }
    struct ew_synth_rng rng = {seed};
    for (size_t i = 0; i < POOL_ELEMS; i++) pool->source[i] = ew_synth_normal(&rng);
    status = ew_quantize_row(type, pool->source, POOL_ELEMS, pool->standard, err);
    if (status != EW_OK) goto done;
    ew_synth_pool_set_deviation(pool, 1.0f);
    *out = pool;
    pool = NULL;
done:
    ew_synth_pool_close(&pool);
    return status;
}

void ew_synth_pool_close(struct ew_synth_pool **pool) {
    if (!pool || !*pool) return;
    free((*pool)->source);
    free((*pool)->standard);
    free((*pool)->scaled);
    free(*pool);
    *pool = NULL;
}

/* Unblocked types have no scale: their values are encoded anew. */
static void scale_values(struct ew_synth_pool *pool, float deviation) {
    float values[EW_QK_SMALL];
    for (size_t u = 0; u < pool->n_units; u++) {
        for (size_t i = 0; i < EW_QK_SMALL; i++) values[i] = pool->source[u * EW_QK_SMALL + i] * deviation;
        ew_quantize_row(pool->type, values, EW_QK_SMALL, pool->scaled + u * pool->unit_bytes, NULL);
    }
}

void ew_synth_pool_set_deviation(struct ew_synth_pool *pool, float deviation) {
    size_t offsets[2], n_offsets = scale_offsets(pool->type, offsets);
    if (n_offsets == 0) {
        scale_values(pool, deviation);
        return;
    }
    memcpy(pool->scaled, pool->standard, pool->n_units * pool->unit_bytes);
    for (size_t u = 0; u < pool->n_units; u++) {
        for (size_t k = 0; k < n_offsets; k++) {
            uint8_t *at = pool->scaled + u * pool->unit_bytes + offsets[k];
            uint16_t scale;
            memcpy(&scale, at, sizeof scale);
            scale = ew_f32_to_f16(ew_f16_to_f32(scale) * deviation);
            memcpy(at, &scale, sizeof scale);
        }
    }
}

size_t ew_synth_pool_unit_bytes(const struct ew_synth_pool *pool) { return pool->unit_bytes; }
size_t ew_synth_pool_unit_elems(const struct ew_synth_pool *pool) { return pool->unit_elems; }

void ew_synth_pool_draw(struct ew_synth_pool *pool, struct ew_synth_rng *rng, void *dst, size_t n) {
    uint8_t *out = dst;
    for (size_t i = 0; i < n; i++, out += pool->unit_bytes) {
        size_t unit = (size_t)(ew_synth_next(rng) >> 32) & (pool->n_units - 1);
        memcpy(out, pool->scaled + unit * pool->unit_bytes, pool->unit_bytes);
    }
}
