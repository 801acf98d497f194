/* Text that arrives in pieces, handed on as whole characters: valid UTF-8 at every moment.
 *
 * The bytes of a token may be half of a character. The stream keeps such a beginning back (3 bytes at most) until its
 * end arrives. Bytes that can be no character become U+FFFD, one for each longest beginning of a character or stray
 * byte: the joined output is the same however the input was cut.
 * Source: The Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts". */
#ifndef EDGEWISE_TEXT_STREAM_H
#define EDGEWISE_TEXT_STREAM_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Owns nothing; zero-initialised is empty. */
struct ew_text_stream {
    unsigned char held[4];
    unsigned n_held;
};

/* Bytes of output that n bytes of input may give. */
#define EW_TEXT_STREAM_ROOM(n) (3 * ((size_t)(n) + 3))

/* Takes bytes[0..n) and writes what is whole by now to out, which has EW_TEXT_STREAM_ROOM(n) bytes and does not overlap
 * them. Returns how many bytes were written: none while a character is incomplete. */
size_t ew_text_stream_add(struct ew_text_stream *stream, const char *bytes, size_t n, char *out);

/* The text is over: writes U+FFFD (3 bytes) where a beginning was kept back. Returns 3 or 0; the stream is empty. */
size_t ew_text_stream_end(struct ew_text_stream *stream, char *out);

#ifdef __cplusplus
}
#endif

#endif
