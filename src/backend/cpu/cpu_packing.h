/* Packed weights of a plan: which matrices are packed, where each lies among the packed bytes, and packing them with
 * all threads, into memory or into a file. */
#ifndef EW_BACKEND_CPU_PACKING_H
#define EW_BACKEND_CPU_PACKING_H

#include "base/thread_pool.h"
#include "plan/ledger.h"

struct ew_packed_matrix {
    const struct ew_gguf_tensor *tensor;
    struct ew_weight rows; /* as the model file has it; experts follow each other as one tall matrix */
    size_t row_bytes;
    size_t offset;       /* of its packed bytes, a multiple of 64 */
    size_t size;         /* packed */
    uint32_t piece_rows; /* what one thread packs at a time; a multiple of 16 */
    size_t first_piece;
};

struct ew_packing {
    struct ew_packed_matrix *matrices; /* in the order in which the plan has them */
    size_t n;
    size_t size; /* of all packed bytes: the ledger's weights_packed_bytes */
    size_t n_pieces;
};

/* Where packed bytes go: into memory, or, where that is NULL, into a file from `start` on; then the checksum of each
 * piece is noted. */
struct ew_packing_target {
    uint8_t *memory;
    int file;
    uint64_t start;
    uint64_t *sums; /* [n_pieces] */
};

/* Errors: MEMORY. */
enum ew_status ew_packing_list(const struct ew_plan *plan, const struct ew_kernels *kernels,
                               enum ew_weights_layout layout, struct ew_packing *out, struct ew_error *err);
void ew_packing_free(struct ew_packing *packing);

/* Packs everything. model: a descriptor of the model file, which is read past its mapping: no page of it becomes
 * resident; -1: its bytes are taken from where the tensors point. Errors: IO (reading, or writing to the target),
 * MEMORY, FORMAT (the model file has become shorter). */
enum ew_status ew_packing_run(const struct ew_packing *packing, const struct ew_kernels *kernels, int model,
                              struct ew_thread_pool *pool, uint32_t n_threads, const struct ew_packing_target *target,
                              struct ew_error *err);

/* Reads n bytes of a file from `at` on. Returns 0, an errno, or EW_FILE_ENDED where the file is shorter; which of them,
 * of the model file, ew_packing_read_failed says. */
enum { EW_FILE_ENDED = -1 };
int ew_packing_read(int file, uint8_t *to, size_t n, uint64_t at);
enum ew_status ew_packing_read_failed(int error, struct ew_error *err);

/* Pieces of a matrix, and the packed bytes [*begin, *end) of one of them. */
size_t ew_packing_pieces(const struct ew_packed_matrix *matrix);
void ew_packing_piece_bytes(const struct ew_packed_matrix *matrix, size_t piece, size_t *begin, size_t *end);

#endif
