/* The importance matrix of a model: for every matrix, how large the values are that each of its columns meets, as the
 * sum of their squares over a text. An error e of a weight changes a product by e * x; so with nothing known of how the
 * columns depend on each other Σ E[x²] * e² is the expected squared change of the product, and what an encoder should
 * keep small (docs/imatrix.md). Mixtures have a row of sums for each expert, over the tokens that chose it. */
#ifndef EW_QUALITY_IMPORTANCE_H
#define EW_QUALITY_IMPORTANCE_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ew_importance_entry {
    char *name;          /* of the tensor */
    size_t n_in;         /* columns */
    size_t n_matrices;   /* 1, or experts */
    double *sum_squares; /* [n_matrices][n_in] */
    double *count;       /* [n_matrices] tokens that were seen */
};

struct ew_importance {
    struct ew_importance_entry *entries; /* [n_entries], in the order they came */
    size_t n_entries;
    char **datasets; /* [n_datasets] names of the texts, in the order they came */
    size_t n_datasets;
    uint32_t chunk_count, chunk_size; /* windows that were walked over, and their tokens */
};

/* An empty one. *out is owned by the caller. Errors: MEMORY. */
enum ew_status ew_importance_open(struct ew_importance **out, struct ew_error *err);
void ew_importance_close(struct ew_importance **importance);

/* NULL: there is none of that name. name need not end with NUL. */
struct ew_importance_entry *ew_importance_find(const struct ew_importance *importance, const char *name, size_t n);

/* The entry of that name, made with sums of 0 where there is none. Errors: SHAPE (one is there with other lengths),
 * LIMIT (larger than any matrix), MEMORY. */
enum ew_status ew_importance_add(struct ew_importance *importance, const char *name, size_t n_name, size_t n_in,
                                 size_t n_matrices, struct ew_importance_entry **out, struct ew_error *err);

enum ew_status ew_importance_add_dataset(struct ew_importance *importance, const char *name, size_t n,
                                         struct ew_error *err);

/* Adds what another run has seen: sums and counts of entries of one name, and the windows. Errors: SHAPE, MEMORY. */
enum ew_status ew_importance_merge(struct ew_importance *into, const struct ew_importance *from, struct ew_error *err);

/* Whether an entry is of matrices with n_in columns each. Files of the older form do not say where the columns of one
 * expert end: such an entry fits where all of them together are as many. */
bool ew_importance_fits(const struct ew_importance_entry *entry, size_t n_in, size_t n_matrices);

/* The mean of squares of one matrix's n_in columns, for an encoder; the entry fits. Where no token was seen, or only
 * zeros, that is 1 for all: nothing is known of them. out: [n_in]. */
void ew_importance_weights(const struct ew_importance_entry *entry, size_t matrix, size_t n_in, float *out);

#endif
