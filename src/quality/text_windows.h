/* How a long text is cut into windows that fit a context, and which of their tokens are scored. Pure functions.
 *
 * Side by side (stride 0): windows do not overlap and the second half of each is scored, so that every scored token has
 * at least half a window before it. This is how llama.cpp's perplexity tool does it; published figures of GGUF files
 * are of this kind. With a stride, windows begin every `stride` tokens and the last `stride` of each are scored (all,
 * in the first window): every token of the text but the first is scored once. This is how papers do it. */
#ifndef EW_QUALITY_TEXT_WINDOWS_H
#define EW_QUALITY_TEXT_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

struct ew_text_windows {
    uint32_t n_ctx;  /* tokens of a window, at least 4 */
    uint32_t stride; /* 0, or 1 … n_ctx - 1 */
};

struct ew_text_window {
    size_t begin;   /* its first token in the text */
    uint32_t first; /* tokens first + 1 … n_ctx - 1 of the window are scored: those that follow token `first` */
};

/* Whole windows in a text of n_tokens; what is left over at its end is not used. */
size_t ew_text_windows_count(const struct ew_text_windows *windows, size_t n_tokens);
/* i < count. */
struct ew_text_window ew_text_windows_at(const struct ew_text_windows *windows, size_t i);

#endif
