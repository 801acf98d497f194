/* The parsed file: shared by gguf_read.c (fills it) and gguf_value.c (reads it), and by nobody else. */
#ifndef EW_GGUF_FILE_H
#define EW_GGUF_FILE_H

#include "gguf/gguf_read.h"

struct ew_gguf {
    char *name; /* path, or what stands for it in messages */
    struct ew_file_map map;
    bool owns_map;
    uint32_t version;
    uint32_t alignment;
    size_t header_bytes;
    size_t n_kv, n_tensors;
    struct ew_gguf_kv *kv;         /* file order */
    struct ew_gguf_kv **kv_by_key; /* [n_kv_sorted] for look-ups: 0 until all keys are known to differ */
    size_t n_kv_sorted;
    struct ew_gguf_tensor *tensors;         /* file order */
    struct ew_gguf_tensor **tensor_by_name; /* [n_tensors_sorted] */
    size_t n_tensors_sorted;
};

/* Order of strings by bytes, then by length. */
int ew_gguf_compare(struct ew_gguf_string a, struct ew_gguf_string b);

#endif
