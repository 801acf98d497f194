/* What a matrix-product variant offers to the driver in matmul.c, and the memory forms that they share: prepared
 * activations and the R16 weight layout. Private to src/kernel, its checks and its benches.
 *
 * A variant gives, per weight type and layout, an unpacker (weights -> panel), a tile kernel (panel × activations) and,
 * where it pays, a fused matrix-vector kernel. A panel's form is private to the pair of unpacker and tile kernel.
 * What a variant lacks is taken from its base; the reference has everything. */
#ifndef EW_KERNEL_MATMUL_TABLE_H
#define EW_KERNEL_MATMUL_TABLE_H

#include "edgewise/quantize.h"
#include "gguf/tensor_type.h"
#include "kernel/matmul.h"
#include "machine/cpu_features.h"

/* X(isa, feature bits that it needs), slowest first. Feeds declarations, the choice in kernel.c, checks and benches. */
#if defined(__x86_64__)
#define EW_MATMUL_VARIANTS(X)                                                                                          \
    X(ref, 0)                                                                                                          \
    X(avx2, EW_CPU_AVX2)                                                                                               \
    X(avxvnni, EW_CPU_AVX2 | EW_CPU_AVXVNNI)                                                                           \
    X(avx512, EW_CPU_AVX2 | EW_CPU_AVX512)                                                                             \
    X(avx512vnni, EW_CPU_AVX2 | EW_CPU_AVX512 | EW_CPU_AVX512VNNI)
#elif defined(__aarch64__)
#define EW_MATMUL_VARIANTS(X)                                                                                          \
    X(ref, 0)                                                                                                          \
    X(neon, EW_CPU_NEON)                                                                                               \
    X(dotprod, EW_CPU_NEON | EW_CPU_DOTPROD)                                                                           \
    X(i8mm, EW_CPU_NEON | EW_CPU_DOTPROD | EW_CPU_I8MM)
#else
#define EW_MATMUL_VARIANTS(X) X(ref, 0)
#endif

/* Columns that one activation record covers, and that one panel holds at most. */
enum { EW_ACT_Q8_COLS = 512, EW_ACT_F32_COLS = 256, EW_ACT_Q16_COLS = 512 };
/* Most rows of a panel, most bytes of a panel, most tokens that pass over one unpacked panel, and most rows that share
 * one pass over a block of activations. */
enum { EW_PANEL_ROWS = 64, EW_PANEL_BYTES = 96 * 1024, EW_PANEL_TOKENS = 512, EW_GROUP_ROWS = 128 };
/* Most tokens that a matrix-vector kernel takes. Of any number up to that each gets, to the bit, what it gets alone. */
enum { EW_GEMV_TOKENS = EW_FEW_TOKENS };
/* Groups: activations share a scale per 32 columns; Q6_K weights per 16. */
enum {
    EW_ACT_GROUP = 32,
    EW_ACT_Q8_GROUPS = EW_ACT_Q8_COLS / EW_ACT_GROUP,
    EW_ACT_Q16_GROUPS = EW_ACT_Q16_COLS / EW_ACT_GROUP
};

/* Activations of one token over 512 columns: x[i] = d[i / 32] * q[i], q in -127 … 127, d = max|x| / 127 of the group.
 * The prepared input is [ceil(n_in / 512)][n_tokens] of these, so that a tile kernel walks over tokens in one stream.
 * The sums come ready for what kernels add: minima of K-quants meet ds; weights held as unsigned bytes q + 128 need
 * -128 Σ as the start value of their integer sum. Groups beyond n_in are unspecified. */
struct ew_act_q8 {
    int8_t q[EW_ACT_Q8_COLS];
    float d[EW_ACT_Q8_GROUPS];
    float ds[EW_ACT_Q8_GROUPS];          /* d * Σ q of the group */
    int32_t sum32[EW_ACT_Q8_GROUPS];     /* -128 * Σ q of the group */
    int32_t sum16[EW_ACT_Q8_GROUPS * 2]; /* -128 * Σ q of each half group */
};

/* Activations for products of float weights in 16-bit integers, [ceil(n_in / 512)][n_tokens] of these: x[i] =
 * d[i / 32] * q[i], |q| <= 32767, and the |q| of a group add up to 131000 and what rounding adds, at most 16. Weights
 * become w = s * q, s a power of two per row and group that gives the largest 14 bits. So no sum of 32 products reaches
 * 2^31, and groups of many even values get fewer bits than those with a few large ones, which need them more than if
 * only the largest counted. d and s are 2^-60 at least: their product is never denormal. A group with an infinity or a
 * NaN has d, or s, NaN. */
enum { EW_Q16_LARGEST = 32767, EW_Q16_TOTAL = 131000, EW_Q16_WEIGHT_BITS = 14, EW_Q16_LEAST_STEP = -60 };
struct ew_act_q16 {
    int16_t q[EW_ACT_Q16_COLS];
    float d[EW_ACT_Q16_GROUPS];
};

/* The same for float products: [ceil(n_in / 256)][n_tokens] of these. */
struct ew_act_f32 {
    float x[EW_ACT_F32_COLS];
};

/* One panel against all tokens: out[t][r] = in[t][r] + Σ_c panel[r][c] · act[t][c]. in NULL means zero; in may be out.
 * Rows beyond n_rows are neither read from in nor written to out. n_cols is a multiple of 32. */
struct ew_tile_args {
    const void *panel;
    const void *act; /* record of the first token; the next tokens follow */
    uint32_t n_cols, n_tokens, n_rows;
    const float *in;
    size_t in_stride;
    float *out;
    size_t out_stride;
};

/* y[t][r] (+)= row r · act[t] for rows [row_begin, row_end), row_begin a multiple of 16. A token's sums are added up in
 * an order that neither n_tokens nor the rows asked for change. */
struct ew_gemv_args {
    const struct ew_weight *w;
    const void *act;
    uint32_t n_tokens; /* at most the entry's gemv_tokens */
    uint32_t row_begin, row_end;
    bool accumulate;
    float *y;
    size_t y_stride;
};

struct ew_matmul_entry {
    const char *gemm_name, *gemv_name;
    enum ew_act_kind act;
    bool preferred;       /* R16 entries: measured faster than this variant's ROWS entry */
    bool exact_panels;    /* panels add up in gemv's order: results are the same however many tokens there are */
    uint32_t gemv_tokens; /* up to this many tokens take gemv, at most EW_GEMV_TOKENS; 0: none do */
    uint32_t panel_rows;  /* a power of two, 16 … EW_PANEL_ROWS */
    void (*gemv)(const struct ew_gemv_args *args);
    /* Columns [col, col + n_cols) of rows [row, row + n_rows) into a panel of panel_rows (the rest is unspecified).
     * row is a multiple of 16, col of the act record's columns. */
    void (*unpack)(const struct ew_weight *w, uint32_t row, uint32_t n_rows, uint32_t col, uint32_t n_cols,
                   void *panel);
    void (*tile)(const struct ew_tile_args *args);
};

typedef void ew_act_prepare_fn(uint32_t n_in, uint32_t n_tokens, const float *x, size_t x_stride, uint32_t token_begin,
                               uint32_t token_end, void *act);

/* R16: block by block, the 16 rows' units of a field side by side, fields in this order. See docs/formats.md. */
struct ew_pack_field {
    uint8_t offset; /* bytes into the file's block */
    uint8_t unit;   /* bytes: 2 or 4 */
    uint8_t count;  /* units per block; 0 ends the list */
};

/* Packs 16 whole rows of row_bytes each, one behind the other, into out (32-byte aligned). All variants write the same
 * bytes, and none reads beyond the rows. */
typedef void ew_pack_strip_fn(const struct ew_pack_field *fields, size_t block_bytes, const uint8_t *rows,
                              size_t row_bytes, uint8_t *out);
ew_pack_strip_fn ew_pack_strip_ref, ew_pack_strip_avx2, ew_pack_strip_avx512, ew_pack_strip_neon;

enum { EW_MATMUL_TYPES = EW_TYPE_ID_END, EW_LAYOUTS = EW_CHOICE_LAYOUTS };

struct ew_matmul_kernels {
    const char *isa;
    const struct ew_matmul_kernels *base; /* NULL for the reference */
    ew_act_prepare_fn *act_prepare[EW_ACT_KINDS];
    ew_pack_strip_fn *pack_strip;                              /* NULL: that of the base */
    struct ew_matmul_entry entry[EW_LAYOUTS][EW_MATMUL_TYPES]; /* tile NULL: not offered */
    /* For more than EW_FEW_TOKENS tokens, weights in the file's layout: instead of entry, where this one has a tile. */
    struct ew_matmul_entry many[EW_MATMUL_TYPES];
};

#define EW_MATMUL_DECLARE(isa_, features_) extern const struct ew_matmul_kernels ew_matmul_##isa_;
EW_MATMUL_VARIANTS(EW_MATMUL_DECLARE)

/* The table that a variant's number in a choice stands for; 0: the best by features. */
const struct ew_matmul_kernels *ew_kernels_matmul_of(const struct ew_kernels *k, uint8_t chosen);

/* The entry that serves a weight: of this table or the nearest base that has one. NULL when no R16 form exists. */
const struct ew_matmul_entry *ew_matmul_find_entry(const struct ew_matmul_kernels *m, uint32_t type,
                                                   enum ew_layout layout);

/* The fields of a type's block; NULL when it has no R16 layout. */
const struct ew_pack_field *ew_matmul_pack_fields(uint32_t type);
/* Copies block `index` of a row as the file has it, out of either layout. */
enum { EW_BLOCK_BYTES_MAX = 256 };
void ew_matmul_fetch_block(const struct ew_weight *w, uint32_t row, size_t index, void *block);

#endif
