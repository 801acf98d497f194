/* Owns access to a parsed GGUF file: look-ups, typed values, strings made printable. Everything it touches was checked
 * by gguf_read.c. */
#include "base/error.h"
#include "gguf/gguf_file.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size_bytes;
} value_types[] = {
    [EW_GGUF_U8] = {"u8", 1},       [EW_GGUF_I8] = {"i8", 1},     [EW_GGUF_U16] = {"u16", 2},
    [EW_GGUF_I16] = {"i16", 2},     [EW_GGUF_U32] = {"u32", 4},   [EW_GGUF_I32] = {"i32", 4},
    [EW_GGUF_F32] = {"f32", 4},     [EW_GGUF_BOOL] = {"bool", 1}, [EW_GGUF_STRING] = {"string", 0},
    [EW_GGUF_ARRAY] = {"array", 0}, [EW_GGUF_U64] = {"u64", 8},   [EW_GGUF_I64] = {"i64", 8},
    [EW_GGUF_F64] = {"f64", 8},
};
enum { N_VALUE_TYPES = sizeof value_types / sizeof *value_types };

size_t ew_gguf_value_bytes(enum ew_gguf_value_type type) {
    return (unsigned)type < N_VALUE_TYPES ? value_types[type].size_bytes : 0;
}

const char *ew_gguf_value_type_name(enum ew_gguf_value_type type) {
    return (unsigned)type < N_VALUE_TYPES ? value_types[type].name : "?";
}

/* ---- the file ---- */

const char *ew_gguf_path(const struct ew_gguf *gguf) { return gguf->name; }
uint32_t ew_gguf_version(const struct ew_gguf *gguf) { return gguf->version; }
const struct ew_file_map *ew_gguf_map(const struct ew_gguf *gguf) { return &gguf->map; }
size_t ew_gguf_header_bytes(const struct ew_gguf *gguf) { return gguf->header_bytes; }
size_t ew_gguf_n_tensors(const struct ew_gguf *gguf) { return gguf->n_tensors; }
size_t ew_gguf_n_kv(const struct ew_gguf *gguf) { return gguf->n_kv; }

const struct ew_gguf_tensor *ew_gguf_tensor_at(const struct ew_gguf *gguf, size_t index) {
    return index < gguf->n_tensors ? &gguf->tensors[index] : NULL;
}

const struct ew_gguf_kv *ew_gguf_kv_at(const struct ew_gguf *gguf, size_t index) {
    return index < gguf->n_kv ? &gguf->kv[index] : NULL;
}

int ew_gguf_compare(struct ew_gguf_string a, struct ew_gguf_string b) {
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

const struct ew_gguf_tensor *ew_gguf_find_tensor(const struct ew_gguf *gguf, const char *name) {
    struct ew_gguf_string wanted = {.data = name, .size = strlen(name)};
    size_t low = 0, high = gguf->n_tensors_sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ew_gguf_compare(gguf->tensor_by_name[middle]->name, wanted);
        if (order == 0) return gguf->tensor_by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct ew_gguf_kv *ew_gguf_find_kv(const struct ew_gguf *gguf, const char *key) {
    struct ew_gguf_string wanted = {.data = key, .size = strlen(key)};
    size_t low = 0, high = gguf->n_kv_sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ew_gguf_compare(gguf->kv_by_key[middle]->key, wanted);
        if (order == 0) return gguf->kv_by_key[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- typed values ---- */

static enum ew_status missing(const struct ew_gguf *gguf, const char *key, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: key %s is missing", gguf->name, key);
}

static enum ew_status wrong_kind(const struct ew_gguf *gguf, const struct ew_gguf_kv *kv, const char *key,
                                 const char *wanted, struct ew_error *err) {
    bool array = kv->type == EW_GGUF_ARRAY;
    return ew_error_set(err, EW_ERR_FORMAT, "%s: key %s: is %s%s, should be %s", gguf->name, key,
                        array ? "an array of " : "", ew_gguf_value_type_name(kv->element_type), wanted);
}

/* A signed or unsigned integer of any width as its bits in 64, sign-extended. */
static bool load_integer(const struct ew_gguf_kv *kv, uint64_t *bits, bool *negative) {
    union {
        uint8_t u8;
        int8_t i8;
        uint16_t u16;
        int16_t i16;
        uint32_t u32;
        int32_t i32;
        uint64_t u64;
        int64_t i64;
    } v;
    size_t n = ew_gguf_value_bytes(kv->type);
    if (kv->type == EW_GGUF_ARRAY || n == 0) return false;
    memcpy(&v, kv->data, n);
    int64_t value;
    switch (kv->type) {
    case EW_GGUF_U8: value = v.u8; break;
    case EW_GGUF_I8: value = v.i8; break;
    case EW_GGUF_U16: value = v.u16; break;
    case EW_GGUF_I16: value = v.i16; break;
    case EW_GGUF_U32: value = v.u32; break;
    case EW_GGUF_I32: value = v.i32; break;
    case EW_GGUF_U64:
        *bits = v.u64;
        *negative = false;
        return true;
    case EW_GGUF_I64: value = v.i64; break;
    default: return false;
    }
    *bits = (uint64_t)value;
    *negative = value < 0;
    return true;
}

enum ew_status ew_gguf_get_u64(const struct ew_gguf *gguf, const char *key, uint64_t *out, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return missing(gguf, key, err);
    uint64_t bits;
    bool negative;
    if (!load_integer(kv, &bits, &negative)) return wrong_kind(gguf, kv, key, "an integer", err);
    if (negative)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: key %s: %" PRId64 " is below 0", gguf->name, key, (int64_t)bits);
    *out = bits;
    return EW_OK;
}

enum ew_status ew_gguf_get_f64(const struct ew_gguf *gguf, const char *key, double *out, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return missing(gguf, key, err);
    if (kv->type == EW_GGUF_F32) {
        float value;
        memcpy(&value, kv->data, sizeof value);
        *out = (double)value;
        return EW_OK;
    }
    if (kv->type != EW_GGUF_F64) return wrong_kind(gguf, kv, key, "a number with a point (f32, f64)", err);
    memcpy(out, kv->data, sizeof *out);
    return EW_OK;
}

enum ew_status ew_gguf_get_bool(const struct ew_gguf *gguf, const char *key, bool *out, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return missing(gguf, key, err);
    if (kv->type != EW_GGUF_BOOL) return wrong_kind(gguf, kv, key, "bool", err);
    *out = kv->data[0] != 0;
    return EW_OK;
}

enum ew_status ew_gguf_get_string(const struct ew_gguf *gguf, const char *key, struct ew_gguf_string *out,
                                  struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return missing(gguf, key, err);
    if (kv->type != EW_GGUF_STRING) return wrong_kind(gguf, kv, key, "a string", err);
    const uint8_t *cursor = kv->data;
    ew_gguf_next_string(kv, &cursor, out);
    return EW_OK;
}

enum ew_status ew_gguf_get_array(const struct ew_gguf *gguf, const char *key, enum ew_gguf_value_type element_type,
                                 const struct ew_gguf_kv **out, struct ew_error *err) {
    const struct ew_gguf_kv *kv = ew_gguf_find_kv(gguf, key);
    if (!kv) return missing(gguf, key, err);
    if (kv->type != EW_GGUF_ARRAY || kv->element_type != element_type) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "an array of %s", ew_gguf_value_type_name(element_type));
        return wrong_kind(gguf, kv, key, wanted, err);
    }
    *out = kv;
    return EW_OK;
}

bool ew_gguf_next_string(const struct ew_gguf_kv *kv, const uint8_t **cursor, struct ew_gguf_string *out) {
    if (kv->element_type != EW_GGUF_STRING || *cursor >= kv->data + kv->size_bytes) return false;
    uint64_t size;
    memcpy(&size, *cursor, sizeof size);
    *out = (struct ew_gguf_string){.data = (const char *)*cursor + sizeof size, .size = (size_t)size};
    *cursor += sizeof size + (size_t)size;
    return true;
}

/* ---- printing ---- */

/* Length of the well-formed, printable UTF-8 character at s, or 0. Follows the table of RFC 3629, section 4. */
static size_t printable_char(const uint8_t *s, size_t n) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    size_t need = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    if (need == 0 || need > n) return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool surrogate = s[0] == 0xed && s[1] > 0x9f, too_high = s[0] == 0xf4 && s[1] > 0x8f;
    bool control = s[0] == 0xc2 && s[1] < 0xa0; /* C1 controls move cursors on some terminals */
    return overlong || surrogate || too_high || control ? 0 : need;
}

const char *ew_gguf_print_string(struct ew_gguf_string string, char *buf, size_t capacity) {
    static const char ellipsis[] = "…";
    const uint8_t *s = (const uint8_t *)string.data;
    size_t used = 0, room = capacity - sizeof ellipsis; /* sizeof counts the final NUL */
    for (size_t i = 0; i < string.size;) {
        size_t keep = printable_char(s + i, string.size - i);
        size_t need = keep ? keep : 4;
        if (used + need > room) {
            memcpy(buf + used, ellipsis, sizeof ellipsis);
            return buf;
        }
        if (keep)
            memcpy(buf + used, s + i, keep);
        else
            snprintf(buf + used, 5, "\\x%02x", s[i]);
        used += need;
        i += keep ? keep : 1;
    }
    buf[used] = 0;
    return buf;
}
