/* Owns the memory that the ids of a text take: about one per byte at most, more only where a vocabulary spells out what
 * the text does not have. */
#include "cli/token_ids.h"

#include "base/error.h"
#include <stdlib.h>

static enum ew_status no_memory(size_t n_bytes, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "token ids of %zu bytes: out of memory", n_bytes);
}

enum ew_status ew_cli_token_ids(const struct ew_model *model, const char *text, size_t n_bytes, unsigned flags,
                                int32_t **ids, size_t *n, struct ew_error *err) {
    size_t capacity = n_bytes + 8;
    int32_t *buf = malloc(capacity * sizeof *buf);
    if (!buf) return no_memory(n_bytes, err);
    enum ew_status status = ew_model_tokenize(model, text, n_bytes, flags, buf, capacity, n, err);
    if (status == EW_ERR_LIMIT) {
        int32_t *more = realloc(buf, *n * sizeof *buf);
        if (more) buf = more;
        status = more ? ew_model_tokenize(model, text, n_bytes, flags, buf, *n, n, err) : no_memory(n_bytes, err);
    }
    if (status == EW_OK)
        *ids = buf;
    else
        free(buf);
    return status;
}
