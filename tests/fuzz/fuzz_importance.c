/* Fuzz target of importance files, both forms: any bytes are either refused with a message or give entries whose every
 * sum and count is a finite number and not negative. Under libFuzzer see docs/formats.md; in the test run
 * replay_corpus.c feeds it the corpus. */
#include "quality/importance_file.h"

#include "fuzz_target.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void must(bool promise) {
    if (!promise) abort();
}

static void must_be_sums(const double *values, size_t n) {
    for (size_t i = 0; i < n; i++) must(values[i] >= 0 && isfinite(values[i]));
}

static void use(const struct ew_importance *m) {
    must(m->n_entries > 0);
    for (size_t i = 0; i < m->n_entries; i++) {
        const struct ew_importance_entry *e = &m->entries[i];
        must(ew_importance_fits(e, e->n_in, e->n_matrices));
        must_be_sums(e->sum_squares, e->n_in * e->n_matrices);
        must_be_sums(e->count, e->n_matrices);
        float *weights = calloc(e->n_in, sizeof *weights);
        for (size_t k = 0; weights && k < e->n_matrices; k++) ew_importance_weights(e, k, e->n_in, weights);
        free(weights);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ew_importance *m = NULL, *sum = NULL;
    struct ew_error err = {0};
    /* A copy on the heap, so that the sanitizer sees a read beyond the end. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy) return 0;
    if (size > 0) memcpy(copy, data, size);
    enum ew_status status = ew_importance_read_memory("fuzz", copy, size, &m, &err);
    free(copy); /* nothing of it is kept */
    if (status == EW_OK) {
        use(m);
        must(ew_importance_open(&sum, NULL) == EW_OK);
        must(ew_importance_merge(sum, m, NULL) == EW_OK && ew_importance_merge(sum, m, NULL) == EW_OK);
        must(sum->n_entries == m->n_entries);
    } else {
        must(m == NULL && err.status == status && strncmp(err.message, "fuzz: ", 6) == 0);
    }
    ew_importance_close(&sum);
    ew_importance_close(&m);
    return 0;
}
