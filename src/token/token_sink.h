/* Where encoders put ids: counts all, keeps what fits. */
#ifndef EW_TOKEN_SINK_H
#define EW_TOKEN_SINK_H

#include <stddef.h>
#include <stdint.h>

struct ew_token_sink {
    int32_t *ids;
    size_t capacity;
    size_t n; /* may pass capacity */
};

static inline void ew_token_push(struct ew_token_sink *sink, uint32_t id) {
    if (sink->n < sink->capacity) sink->ids[sink->n] = (int32_t)id;
    sink->n++;
}

#endif
