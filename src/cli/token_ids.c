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

/* What stands before a letter only when special tokens are added. */
int32_t ew_cli_begin_token(const struct ew_model *model) {
    int32_t with[16], without[16];
    size_t n_with, n_without;
    if (ew_model_tokenize(model, "a", 1, EW_TOKENIZE_ADD_SPECIAL, with, 16, &n_with, NULL) != EW_OK ||
        ew_model_tokenize(model, "a", 1, 0, without, 16, &n_without, NULL) != EW_OK)
        return -1;
    return n_with > n_without && with[0] != without[0] ? with[0] : -1;
}
