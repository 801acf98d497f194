/* Values as text: a growing buffer, Python's str() and repr(), and JSON as Python's json.dumps writes it. */
#ifndef EW_CHAT_PRINT_H
#define EW_CHAT_PRINT_H

#include "chat/chat_value.h"

struct ew_chat_buffer {
    struct ew_chat_machine *m;
    char *data;
    size_t n, capacity;
    bool output; /* the rendered text itself: held against limits.output_bytes */
};

void ew_chat_write(struct ew_chat_buffer *b, const char *text, size_t size);
void ew_chat_write_text(struct ew_chat_buffer *b, const char *text); /* NUL-terminated */
void ew_chat_write_code(struct ew_chat_buffer *b, uint32_t code);
void ew_chat_write_str(struct ew_chat_buffer *b, struct ew_chat_value v);  /* as str() */
void ew_chat_write_repr(struct ew_chat_buffer *b, struct ew_chat_value v); /* as repr() */

/* What has been written, as a string value. */
static inline struct ew_chat_value ew_chat_written(const struct ew_chat_buffer *b) {
    return ew_chat_string(b->data ? b->data : "", b->n);
}

/* str(v); v itself where it is a string. */
struct ew_chat_value ew_chat_str(struct ew_chat_machine *m, struct ew_chat_value v);

struct ew_chat_json_style {
    bool ascii; /* other characters as \uXXXX */
    bool sort_keys;
    bool lines;                                    /* one item per line, `indent` before it per level */
    struct ew_chat_value indent;                   /* string */
    struct ew_chat_value between_items, after_key; /* strings: ", " and ": " */
};
/* Fails for what JSON cannot say: undefined values, macros. */
void ew_chat_write_json(struct ew_chat_buffer *b, struct ew_chat_value v, const struct ew_chat_json_style *style);

#endif
