/* Owns greedy continuation into a buffer. Text that is shown while it comes: edgewise/text_stream.h. */
#include "study/greedy_text.h"
#include "base/error.h"
#include "edgewise/text_stream.h"

#include <stdlib.h>

enum { BYTES_PER_TOKEN = 64 };

/* As valid UTF-8, without a character that was cut at the end. The caller's; NULL = out of memory. */
static char *whole_characters(const char *bytes, size_t n) {
    struct ew_text_stream stream = {0};
    char *text = malloc(EW_TEXT_STREAM_ROOM(n) + 1);
    if (text) text[ew_text_stream_add(&stream, bytes, n, text)] = 0;
    return text;
}

/* Generates at most `most` tokens after what the context holds. *size: of the text. */
static enum ew_status generate(struct ew_session *session, const struct ew_model *model, struct ew_sampler *sampler,
                               uint32_t most, char *text, size_t capacity, size_t *size, uint32_t *tokens,
                               struct ew_error *err) {
    *size = 0;
    for (*tokens = 0; *tokens < most; ++*tokens) {
        int32_t token = ew_sampler_sample(sampler, ew_session_logits(session));
        if (ew_model_token_is_end(model, token)) return EW_OK;
        size_t n = ew_model_token_bytes(model, token, false, text + *size, capacity - *size);
        if (n > capacity - *size) return EW_OK;
        *size += n;
        if (*tokens + 1 == most) continue; /* nothing follows that would need its logits */
        enum ew_status status = ew_session_decode(session, token, err);
        if (status != EW_OK) return status;
    }
    return EW_OK;
}

enum ew_status ew_greedy_text_write(struct ew_session *session, const struct ew_model *model, const int32_t *ids,
                                    size_t n_ids, uint32_t n_most, char **text, uint32_t *n_tokens,
                                    struct ew_error *err) {
    const struct ew_sampler_params greedy = ew_sampler_default_params();
    struct ew_sampler *sampler = NULL;
    uint32_t n_ctx = ew_session_params_of(session).n_ctx, room = n_ids < n_ctx ? n_ctx - (uint32_t)n_ids : 0;
    uint32_t most = room < n_most ? room : n_most, tokens = 0;
    size_t capacity = (size_t)most * BYTES_PER_TOKEN, size = 0;
    char *written = malloc(capacity + 1);
    if (!written) return ew_error_set(err, EW_ERR_MEMORY, "no memory for a text of %u tokens", most);
    enum ew_status status = ew_sampler_open(&greedy, ew_model_info(model).n_vocab, &sampler, err);
    ew_session_reset(session);
    if (status == EW_OK) status = ew_session_prefill(session, ids, n_ids, err);
    if (status == EW_OK) status = generate(session, model, sampler, most, written, capacity, &size, &tokens, err);
    ew_sampler_close(&sampler);
    char *whole = status == EW_OK ? whole_characters(written, size) : NULL;
    free(written);
    if (status != EW_OK) return status;
    if (!whole) return ew_error_set(err, EW_ERR_MEMORY, "no memory for a text of %u tokens", most);
    *text = whole;
    *n_tokens = tokens;
    return EW_OK;
}
