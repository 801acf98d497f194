/* The tensors of a trained model as its publisher stored them, by name, whatever files they lie in. Bytes stay in the
 * mapped files; every tensor is known to lie inside its file and to have the bytes its shape needs. */
#ifndef EW_CONVERT_CHECKPOINT_H
#define EW_CONVERT_CHECKPOINT_H

#include "base/file_map.h"
#include <stdbool.h>

enum { EW_STORED_MAX_DIMS = 4 };

/* Element types that weights may have; anything else is kept as EW_STORED_OTHER and refused when it is wanted. */
enum ew_stored_type { EW_STORED_F64, EW_STORED_F32, EW_STORED_F16, EW_STORED_BF16, EW_STORED_OTHER };

struct ew_stored_tensor {
    char *name;
    enum ew_stored_type type;
    char type_name[16];
    uint32_t n_dims;
    uint64_t shape[EW_STORED_MAX_DIMS]; /* slowest first; unused ones are 1 */
    const uint8_t *data;
    size_t size_bytes;
    uint32_t file; /* index in files */
    bool used;     /* something of the output comes from it */
};

struct ew_checkpoint_file {
    char *path;
    struct ew_file_map map;
};

struct ew_checkpoint {
    struct ew_checkpoint_file *files;
    struct ew_stored_tensor *tensors; /* by name once sorted */
    size_t n_files, n_tensors, capacity;
};

/* Opens model.safetensors, or the files that model.safetensors.index.json lists. Errors: NOT_FOUND (no weights, or a
 * missing file of several), FORMAT, UNSUPPORTED, and what ew_file_map_open gives. */
enum ew_status ew_checkpoint_open_folder(const char *folder, struct ew_checkpoint *out, struct ew_error *err);

/* {0} is empty and may be closed. */
void ew_checkpoint_close(struct ew_checkpoint *checkpoint);

/* Maps a file and keeps it; its index in *index. */
enum ew_status ew_checkpoint_add_file(struct ew_checkpoint *checkpoint, const char *path, uint32_t *index,
                                      struct ew_error *err);
/* Adds a tensor without a name's copy: the caller fills the rest. NULL without memory. */
struct ew_stored_tensor *ew_checkpoint_add_tensor(struct ew_checkpoint *checkpoint, const char *name, size_t n);
/* Sorts for ew_checkpoint_find. FORMAT where two have one name. */
enum ew_status ew_checkpoint_sort(struct ew_checkpoint *checkpoint, const char *source, struct ew_error *err);

/* NULL when there is none. */
struct ew_stored_tensor *ew_checkpoint_find(const struct ew_checkpoint *checkpoint, const char *name);

/* Bytes of an element; 0 for EW_STORED_OTHER. */
size_t ew_stored_type_bytes(enum ew_stored_type type);

#endif
