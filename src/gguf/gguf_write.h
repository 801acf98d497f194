/* GGUF v3 files, written as a stream: metadata and the tensor table are gathered in memory, tensor data passes through
 * piece by piece. The file appears under its name only when it is complete: until then it has a temporary name in the
 * same folder, which is removed on failure.
 *
 *   ew_gguf_writer_open -> put metadata -> add every tensor -> begin -> write the data in order -> finish -> close
 *
 * Source: GGUF specification. */
#ifndef EW_GGUF_WRITE_H
#define EW_GGUF_WRITE_H

#include "gguf/gguf_read.h"

struct ew_gguf_writer;

/* *out is owned by the caller. Errors: MEMORY. */
enum ew_status ew_gguf_writer_open(struct ew_gguf_writer **out, struct ew_error *err);
/* Without a successful finish this removes what has been written. NULL and *NULL are fine. */
void ew_gguf_writer_close(struct ew_gguf_writer **writer);

/* ---- metadata: a failed allocation is remembered and reported by begin ---- */

void ew_gguf_put_u32(struct ew_gguf_writer *writer, const char *key, uint32_t value);
void ew_gguf_put_u64(struct ew_gguf_writer *writer, const char *key, uint64_t value);
void ew_gguf_put_f32(struct ew_gguf_writer *writer, const char *key, float value);
void ew_gguf_put_bool(struct ew_gguf_writer *writer, const char *key, bool value);
void ew_gguf_put_string(struct ew_gguf_writer *writer, const char *key, const char *value);
/* values: n elements of a type of fixed size. */
void ew_gguf_put_array(struct ew_gguf_writer *writer, const char *key, enum ew_gguf_value_type type, const void *values,
                       size_t n);
/* A pair of another file, as it stands there. */
void ew_gguf_put_kv(struct ew_gguf_writer *writer, const struct ew_gguf_kv *kv);
/* Starts an array of strings; exactly n calls of ew_gguf_put_element follow. */
void ew_gguf_put_strings(struct ew_gguf_writer *writer, const char *key, size_t n);
void ew_gguf_put_element(struct ew_gguf_writer *writer, const char *data, size_t size);

/* ---- tensors ---- */

/* ne: [n_dims] in GGUF order, row length first; 1 to 4 dimensions. Errors: ARGUMENT, UNSUPPORTED, SHAPE, MEMORY. */
enum ew_status ew_gguf_writer_add_tensor(struct ew_gguf_writer *writer, const char *name, uint32_t type,
                                         uint32_t n_dims, const uint64_t *ne, struct ew_error *err);

/* Bytes that the file will have: known once all tensors are added. */
uint64_t ew_gguf_writer_file_bytes(const struct ew_gguf_writer *writer);

/* Creates the temporary file, reserves the space where the file system can, and writes everything before the data.
 * Errors: ARGUMENT (path is a directory, a device …), IO (no space, …), NOT_FOUND, PERMISSION, MEMORY. */
enum ew_status ew_gguf_writer_begin(struct ew_gguf_writer *writer, const char *path, struct ew_error *err);

/* The next n bytes of the current tensor; padding between tensors is added here. A call never crosses from one tensor
 * into the next. Errors: ARGUMENT (more than the tensor holds), IO. */
enum ew_status ew_gguf_writer_write(struct ew_gguf_writer *writer, const void *data, size_t n, struct ew_error *err);

/* Renames the complete file to its name, replacing an older one. Errors: ARGUMENT (data missing), IO. */
enum ew_status ew_gguf_writer_finish(struct ew_gguf_writer *writer, struct ew_error *err);

#endif
