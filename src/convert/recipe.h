/* What the output's tensors are and where their rows come from: a family's rules applied to one checkpoint, every shape
 * checked. Nothing is read but the tables; the bytes follow in tensor_stream.c. */
#ifndef EW_CONVERT_RECIPE_H
#define EW_CONVERT_RECIPE_H

#include "convert/checkpoint.h"
#include "convert/family.h"

enum { EW_RECIPE_NAME_SIZE = 64 };

/* Types a conversion can be asked for. AUTO: matrices keep the 16-bit type they have, everything else is F32. */
enum ew_convert_type { EW_CONVERT_AUTO, EW_CONVERT_F32, EW_CONVERT_F16, EW_CONVERT_BF16, EW_CONVERT_Q8_0 };

struct ew_recipe_tensor {
    char name[EW_RECIPE_NAME_SIZE];
    uint32_t n_dims;
    uint64_t ne[4]; /* GGUF order */
    enum ew_type type;
    uint64_t row_len, n_rows;      /* rows as they are written: n_rows * row_len elements in all */
    uint64_t stored_len, n_stored; /* rows as they are stored; what is beyond is zeros */
    uint32_t first_part, n_parts;  /* in parts; 0 parts: values */
    enum ew_row_order order;
    float add;
    float *values; /* computed: [row_len] F32; owned */
};

struct ew_recipe {
    struct ew_recipe_tensor *tensors;
    struct ew_stored_tensor **parts; /* rows of the parts follow one another */
    uint32_t n_tensors, n_parts, tensor_capacity, part_capacity;
    uint32_t n_fallback; /* matrices in F16 because their rows are no multiple of the asked type's block */
    uint32_t n_ignored;  /* stored tensors that carry nothing of the model */
};

/* source stands before messages. Marks stored tensors as used. Errors: NOT_FOUND (tensor), SHAPE, UNSUPPORTED (element
 * type, a tensor that no rule knows), MEMORY. */
enum ew_status ew_recipe_build(const char *source, const struct ew_family *family, const struct ew_hf_config *config,
                               struct ew_checkpoint *checkpoint, enum ew_convert_type type, struct ew_recipe *out,
                               struct ew_error *err);
/* {0} is empty and may be freed. */
void ew_recipe_free(struct ew_recipe *recipe);

/* The number that an extent stands for; 1 for EW_NONE. */
uint64_t ew_extent_value(const struct ew_hf_config *config, enum ew_extent extent);

/* The stored row that row `row` of the output is, for orders other than EW_ROWS_COLUMNS. row is below the rows that
 * the order gives. */
uint64_t ew_row_source(const struct ew_hf_config *config, enum ew_row_order order, uint64_t row);

/* Divisors of rotary frequencies that go into the file as tensors. Errors: FORMAT, UNSUPPORTED, MEMORY. */
struct ew_rope_divisors {
    const char *name; /* NULL: none */
    float *values;    /* [n_rot / 2]; owned by the caller */
};
enum ew_status ew_rope_divisors(const struct ew_family *family, const struct ew_hf_config *config,
                                struct ew_rope_divisors out[2], struct ew_error *err);

#endif
