/* Owns the joining of cut characters. What a character is: base/utf8.h; where the pieces come from: tokenizer.c. */
#include "edgewise/text_stream.h"
#include "base/utf8.h"

#include <string.h>

static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; /* U+FFFD */

/* Moves all that is decided of text[0..n) to out; *done tells how far. The rest may still become a character. */
static size_t copy_decided(const uint8_t *text, size_t n, char *out, size_t *done) {
    size_t at = 0, written = 0;
    while (at < n) {
        bool whole;
        const size_t size = ew_utf8_next(text + at, n - at, &whole);
        if (!whole && at + size == n && size < ew_utf8_lead_bytes(text[at])) break;
        memcpy(out + written, whole ? (const char *)text + at : replacement, whole ? size : sizeof replacement);
        written += whole ? size : sizeof replacement;
        at += size;
    }
    *done = at;
    return written;
}

size_t ew_text_stream_add(struct ew_text_stream *stream, const char *bytes, size_t n, char *out) {
    size_t at = 0, written = 0, done;
    if (n == 0) return 0;
    /* One byte at a time until what was kept back is decided: a byte decides all of it, or lengthens it. */
    while (stream->n_held && at < n) {
        stream->held[stream->n_held++] = (uint8_t)bytes[at++];
        written += copy_decided(stream->held, stream->n_held, out + written, &done);
        stream->n_held -= (unsigned)done;
        memmove(stream->held, stream->held + done, stream->n_held);
    }
    written += copy_decided((const uint8_t *)bytes + at, n - at, out + written, &done);
    if (n - at > done) {
        stream->n_held = (unsigned)(n - at - done);
        memcpy(stream->held, bytes + at + done, stream->n_held);
    }
    return written;
}

size_t ew_text_stream_end(struct ew_text_stream *stream, char *out) {
    if (stream->n_held == 0) return 0;
    stream->n_held = 0;
    memcpy(out, replacement, sizeof replacement);
    return sizeof replacement;
}
