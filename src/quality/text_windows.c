/* Owns the cutting of a text into windows; docs/eval.md has the definitions in words. */
#include "quality/text_windows.h"

#include <assert.h>

size_t ew_text_windows_count(const struct ew_text_windows *w, size_t n_tokens) {
    assert(w->n_ctx >= 4 && w->stride < w->n_ctx);
    if (n_tokens < w->n_ctx) return 0;
    return w->stride == 0 ? n_tokens / w->n_ctx : 1 + (n_tokens - w->n_ctx) / w->stride;
}

struct ew_text_window ew_text_windows_at(const struct ew_text_windows *w, size_t i) {
    if (w->stride == 0) return (struct ew_text_window){i * w->n_ctx, w->n_ctx / 2};
    return (struct ew_text_window){i * w->stride, i == 0 ? 0 : w->n_ctx - w->stride - 1};
}
