/* Owns writing and reading memory activity as JSON. What was read may come from anybody's store: numbers that are none
 * of ours count as not known. */
#include "study/memory_record.h"

#include <stdio.h>
#include <stdlib.h>

struct field {
    const char *key;
    size_t offset; /* of an int64_t */
};

#define FIELD(type, name)                                                                                              \
    { #name, offsetof(struct type, name) }

static const struct field fields[] = {
    FIELD(ew_memory_activity, window_ns),
    FIELD(ew_memory_activity, page_bytes),
    FIELD(ew_memory_activity, available_before_bytes),
    FIELD(ew_memory_activity, available_after_bytes),
    FIELD(ew_memory_activity, swapped_in_pages),
    FIELD(ew_memory_activity, swapped_out_pages),
    FIELD(ew_memory_activity, major_faults),
    FIELD(ew_memory_activity, reread_pages),
    FIELD(ew_memory_activity, stalled_us),
    FIELD(ew_memory_activity, stalled_all_us),
    FIELD(ew_memory_activity, limit_bytes),
    FIELD(ew_memory_activity, used_before_bytes),
    FIELD(ew_memory_activity, used_after_bytes),
    FIELD(ew_memory_activity, above_high),
    FIELD(ew_memory_activity, limit_hits),
    FIELD(ew_memory_activity, limit_oom),
    FIELD(ew_memory_activity, oom_kills),
};

static const struct field zram_fields[] = {
    FIELD(ew_memory_zram_change, original_before_bytes),
    FIELD(ew_memory_zram_change, original_after_bytes),
    FIELD(ew_memory_zram_change, compressed_after_bytes),
    FIELD(ew_memory_zram_change, used_after_bytes),
};

enum { FIELDS = sizeof fields / sizeof *fields, ZRAM_FIELDS = sizeof zram_fields / sizeof *zram_fields };

static void put_fields(json_t *object, const struct field *list, size_t n, const void *from) {
    for (size_t i = 0; i < n; i++) {
        int64_t value = *(const int64_t *)((const char *)from + list[i].offset);
        json_object_set_new(object, list[i].key, value < 0 ? json_null() : json_integer(value));
    }
}

static void take_fields(const json_t *object, const struct field *list, size_t n, void *to) {
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(object, list[i].key);
        json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
        *(int64_t *)((char *)to + list[i].offset) = number < 0 ? -1 : number;
    }
}

static json_t *flags_json(const struct ew_memory_activity *a) {
    static const struct {
        enum ew_memory_flag flag;
        const char *name;
    } names[] = {{EW_MEMORY_SWAPPED, "swapped"},
                 {EW_MEMORY_STALLED, "stalled"},
                 {EW_MEMORY_LIMIT, "limit_hit"},
                 {EW_MEMORY_REREAD, "reread"}};
    json_t *list = json_array();
    unsigned flags = ew_memory_activity_flags(a);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (flags & names[i].flag) json_array_append_new(list, json_string(names[i].name));
    return list;
}

json_t *ew_memory_record_json(const struct ew_memory_activity *a) {
    char words[EW_MEMORY_WORDS_BYTES];
    json_t *object = json_object(), *zram = json_array();
    put_fields(object, fields, FIELDS, a);
    for (size_t i = 0; i < a->n_zram; i++) {
        json_t *one = json_pack("{s:s}", "name", a->zram[i].name);
        put_fields(one, zram_fields, ZRAM_FIELDS, &a->zram[i]);
        json_array_append_new(zram, one);
    }
    bool happened = ew_memory_activity_words(a, words, sizeof words);
    json_object_set_new(object, "zram", zram);
    json_object_set_new(object, "flags", flags_json(a));
    json_object_set_new(object, "words", happened ? json_string(words) : json_null());
    return object;
}

char *ew_memory_record_write(const struct ew_memory_activity *a) {
    json_t *object = ew_memory_record_json(a);
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

bool ew_memory_record_read(const char *text, struct ew_memory_activity *out) {
    *out = ew_memory_activity_unknown();
    json_t *object = text ? json_loads(text, 0, NULL) : NULL;
    bool ok = json_is_object(object);
    if (ok) take_fields(object, fields, FIELDS, out);
    const json_t *zram = json_object_get(object, "zram");
    size_t n = json_array_size(zram);
    for (size_t i = 0; i < n && i < EW_MEMORY_ZRAM_DEVICES; i++) {
        const json_t *one = json_array_get(zram, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        struct ew_memory_zram_change *z = &out->zram[out->n_zram++];
        take_fields(one, zram_fields, ZRAM_FIELDS, z);
        snprintf(z->name, sizeof z->name, "%s", name ? name : "zram");
    }
    json_decref(object);
    return ok;
}
