/* Fuzz target of the GGUF reader: any bytes are either refused with a message or give a file whose every value, string
 * and tensor byte can be read. Under libFuzzer see docs/formats.md; in the test run replay_corpus.c feeds it the
 * corpus. */
#include "gguf/gguf_read.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static volatile uint64_t sink;

static void touch(const void *data, size_t n) {
    const uint8_t *p = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i];
    sink += sum;
}

static void must(bool promise) {
    if (!promise) abort();
}

static void read_kv(const struct ew_gguf *gguf, const struct ew_gguf_kv *kv) {
    char key[256], buf[64];
    uint64_t u64, n = 0;
    double f64;
    bool boolean;
    struct ew_gguf_string string;
    const struct ew_gguf_kv *array;
    must(kv->key.size > 0);
    ew_gguf_print_string(kv->key, key, sizeof key);
    must(strlen(key) < sizeof key);
    touch(kv->data, kv->size_bytes);
    const uint8_t *cursor = kv->data;
    for (; ew_gguf_next_string(kv, &cursor, &string); n++) touch(ew_gguf_print_string(string, buf, sizeof buf), 1);
    must(kv->element_type != EW_GGUF_STRING || n == kv->n);
    ew_gguf_get_u64(gguf, key, &u64, NULL);
    ew_gguf_get_f64(gguf, key, &f64, NULL);
    ew_gguf_get_bool(gguf, key, &boolean, NULL);
    ew_gguf_get_string(gguf, key, &string, NULL);
    ew_gguf_get_array(gguf, key, kv->element_type, &array, NULL);
}

static void read_tensor(const struct ew_gguf *gguf, const struct ew_gguf_tensor *tensor) {
    char name[128]; /* a name of 64 bytes is never cut, but may have been escaped */
    const struct ew_file_map *map = ew_gguf_map(gguf);
    must(ew_type_traits(tensor->type) != NULL);
    must(tensor->offset <= map->size && tensor->size_bytes <= map->size - tensor->offset);
    touch(tensor->data, tensor->size_bytes);
    ew_gguf_print_string(tensor->name, name, sizeof name);
    if (strlen(name) == tensor->name.size && memcmp(name, tensor->name.data, tensor->name.size) == 0)
        must(ew_gguf_find_tensor(gguf, name) == tensor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0};
    /* A copy on the heap, so that the sanitizer sees a read beyond the end. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy) return 0;
    if (size > 0) memcpy(copy, data, size);
    enum ew_status status = ew_gguf_open_memory("fuzz", copy, size, &gguf, &err);
    if (status == EW_OK) {
        for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) read_kv(gguf, ew_gguf_kv_at(gguf, i));
        for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) read_tensor(gguf, ew_gguf_tensor_at(gguf, i));
    } else {
        must(gguf == NULL && err.status == status && strncmp(err.message, "fuzz: ", 6) == 0);
    }
    ew_gguf_close(&gguf);
    free(copy);
    return 0;
}
