/* GGUF v2/v3 files, read in place over a mapping. Every count, offset, length and product of the file is checked
 * once, in ew_gguf_open; afterwards every tensor's bytes are known to lie inside the mapping.
 * Source: GGUF specification. */
#ifndef EW_GGUF_READ_H
#define EW_GGUF_READ_H

#include "base/file_map.h"
#include "gguf/tensor_type.h"

enum { EW_GGUF_MAX_DIMS = 4 };

enum ew_gguf_value_type {
    EW_GGUF_U8,
    EW_GGUF_I8,
    EW_GGUF_U16,
    EW_GGUF_I16,
    EW_GGUF_U32,
    EW_GGUF_I32,
    EW_GGUF_F32,
    EW_GGUF_BOOL,
    EW_GGUF_STRING,
    EW_GGUF_ARRAY,
    EW_GGUF_U64,
    EW_GGUF_I64,
    EW_GGUF_F64
};

/* Bytes inside the mapping; not NUL-terminated. */
struct ew_gguf_string {
    const char *data;
    size_t size;
};

struct ew_gguf_tensor {
    struct ew_gguf_string name;
    uint32_t n_dims;
    uint64_t ne[EW_GGUF_MAX_DIMS]; /* GGUF order: ne[0] is the row length; unused ones are 1 */
    uint32_t type;                 /* id as in the file; known to ew_type_traits */
    uint64_t offset;               /* from the start of the file */
    size_t size_bytes;
    const uint8_t *data;
};

struct ew_gguf; /* opaque */

/* Names path in every message. Errors: what ew_file_map_open gives, FORMAT, UNSUPPORTED (version, type), MEMORY. */
enum ew_status ew_gguf_open(const char *path, struct ew_gguf **out, struct ew_error *err);
/* The same over bytes that the caller keeps alive (tests, fuzzing). name stands in for the path in messages. */
enum ew_status ew_gguf_open_memory(const char *name, const void *data, size_t size, struct ew_gguf **out,
                                   struct ew_error *err);
/* For showing what is in a damaged file: *out is what could be read before the first fault, which *fault describes
 * (status EW_OK: there is none). After a fault tensors of unknown types are included, none has data, offsets count
 * from the start of the data, and look-ups by name find nothing. Fails only where nothing can be read: what
 * ew_file_map_open gives, FORMAT, UNSUPPORTED, MEMORY. */
enum ew_status ew_gguf_open_damaged(const char *path, struct ew_gguf **out, struct ew_error *fault,
                                    struct ew_error *err);
void ew_gguf_close(struct ew_gguf **gguf);

const char *ew_gguf_path(const struct ew_gguf *gguf);
uint32_t ew_gguf_version(const struct ew_gguf *gguf);
const struct ew_file_map *ew_gguf_map(const struct ew_gguf *gguf);
/* Bytes before the tensor data: header, metadata, tensor table. */
size_t ew_gguf_header_bytes(const struct ew_gguf *gguf);

size_t ew_gguf_n_tensors(const struct ew_gguf *gguf);
const struct ew_gguf_tensor *ew_gguf_tensor_at(const struct ew_gguf *gguf, size_t index);
/* By name; NULL when there is none. A binary search. */
const struct ew_gguf_tensor *ew_gguf_find_tensor(const struct ew_gguf *gguf, const char *name);

/* ---- metadata ---- */

struct ew_gguf_kv {
    struct ew_gguf_string key;
    enum ew_gguf_value_type type;
    enum ew_gguf_value_type element_type; /* arrays only */
    uint64_t n;                           /* arrays: elements; otherwise 1 */
    const uint8_t *data; /* first value's bytes (arrays: first element); strings start with their u64 length */
    size_t size_bytes;   /* of all values together */
};

size_t ew_gguf_n_kv(const struct ew_gguf *gguf);
const struct ew_gguf_kv *ew_gguf_kv_at(const struct ew_gguf *gguf, size_t index);
const struct ew_gguf_kv *ew_gguf_find_kv(const struct ew_gguf *gguf, const char *key);

/* Typed getters. Integers of any width and sign convert where the value fits; floats of both widths convert.
 * NOT_FOUND when the key is missing, FORMAT when the value has another kind or does not fit; *out stays unset. */
enum ew_status ew_gguf_get_u64(const struct ew_gguf *gguf, const char *key, uint64_t *out, struct ew_error *err);
enum ew_status ew_gguf_get_f64(const struct ew_gguf *gguf, const char *key, double *out, struct ew_error *err);
enum ew_status ew_gguf_get_bool(const struct ew_gguf *gguf, const char *key, bool *out, struct ew_error *err);
enum ew_status ew_gguf_get_string(const struct ew_gguf *gguf, const char *key, struct ew_gguf_string *out,
                                  struct ew_error *err);
/* An array with elements of the given type; NOT_FOUND / FORMAT as above. */
enum ew_status ew_gguf_get_array(const struct ew_gguf *gguf, const char *key, enum ew_gguf_value_type element_type,
                                 const struct ew_gguf_kv **out, struct ew_error *err);

/* Walks an array of strings (or the one string of a scalar): start with *cursor = kv->data; true and *out while there
 * are more. */
bool ew_gguf_next_string(const struct ew_gguf_kv *kv, const uint8_t **cursor, struct ew_gguf_string *out);

/* Bytes of one value of a type; 0 for strings and arrays. */
size_t ew_gguf_value_bytes(enum ew_gguf_value_type type);
const char *ew_gguf_value_type_name(enum ew_gguf_value_type type); /* "u32"; "?" for anything else */

/* A file's string made safe for a terminal or a message: valid UTF-8 is kept, control characters and stray bytes become
 * \xNN, and what does not fit is cut with "…". capacity is at least 8. Returns buf. */
const char *ew_gguf_print_string(struct ew_gguf_string string, char *buf, size_t capacity);

#endif
