/* Side files: packed weights kept in a file that later sessions map instead of packing again. The page cache holds one
 * copy for all processes, and nothing is read that a run does not touch.
 *
 * A side file is of one model file at one path; its format is in docs/formats.md. It is trusted as the cache folder is:
 * its header is checked whole, its weights are compared with their checksums when they are written and on demand. */
#ifndef EW_BACKEND_SIDE_FILE_H
#define EW_BACKEND_SIDE_FILE_H

#include "backend/cpu/cpu_packing.h"
#include "base/file_map.h"

enum { EW_SIDE_FILE_VERSION = 1, EW_SIDE_FILE_FIXED_BYTES = 40, EW_SIDE_FILE_ENTRY_BYTES = 48 };

struct ew_side_file {
    struct ew_file_map map;
    const uint8_t *weights; /* packed bytes, laid out as the packing says; NULL when closed */
};

/* folder/NAME-HASH.packed, by the model file's name and its real path. The caller's: free(). Errors: MEMORY, IO (no
 * such model file). */
enum ew_status ew_side_file_path(const char *folder, const char *model_path, char **out, struct ew_error *err);

/* What changes when the model file does: its size, its times, its header, samples of its weights. Errors: IO. */
enum ew_status ew_side_file_fingerprint(const struct ew_gguf *gguf, uint64_t *out, struct ew_error *err);

/* Maps a side file that fits the model file and the packing in every respect. Errors: NOT_FOUND (there is none),
 * FORMAT (it is damaged or cut), UNSUPPORTED (it is of another state of the model file, for other kernels or of another
 * version), IO. */
enum ew_status ew_side_file_open(const char *path, const struct ew_gguf *gguf, const struct ew_packing *packing,
                                 struct ew_side_file *out, struct ew_error *err);
void ew_side_file_close(struct ew_side_file *file);

/* Compares an opened file's weights with their checksums. Errors: FORMAT naming the matrix, MEMORY. */
enum ew_status ew_side_file_verify(const struct ew_side_file *file, const char *path, const struct ew_packing *packing,
                                   struct ew_thread_pool *pool, uint32_t n_threads, struct ew_error *err);

/* Packs into a new file and puts it in the place of path, whole or not at all. Of two that write at once one does; the
 * other gets LIMIT. Errors: IO, PERMISSION, MEMORY, LIMIT, UNSUPPORTED (the model file changed meanwhile); on each,
 * nothing new is left behind and an older file stays as it was. */
enum ew_status ew_side_file_write(const char *path, const struct ew_gguf *gguf, int model,
                                  const struct ew_packing *packing, const struct ew_kernels *kernels,
                                  struct ew_thread_pool *pool, uint32_t n_threads, struct ew_error *err);

/* Bytes before the weights, and the checksum of a matrix by those of its pieces ([n_pieces] of the packing). */
size_t ew_side_file_header_bytes(size_t n_matrices);
uint64_t ew_side_file_matrix_sum(const struct ew_packed_matrix *matrix, const uint64_t *sums);

#endif
