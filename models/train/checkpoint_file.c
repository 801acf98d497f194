/* Owns the bytes of a checkpoint: head, three arrays of floats, checksum of the arrays. */
#include "train/checkpoint_file.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/error.h"
#include "base/file_map.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* No padding: every member is a multiple of four bytes and the 64-bit ones come first. */
struct head {
    char magic[8];
    uint64_t step, seed;
    double seconds;
    struct ew_net_shape shape;
    uint32_t batch, muon, zero;
};

static const char magic[8] = "EWTRAIN1";
enum { N_ARRAYS = 3 };

static struct head head_of(const struct ew_training *t) {
    struct head h = {.step = t->optimizer.step,
                     .seed = t->params.seed,
                     .seconds = t->seconds,
                     .shape = t->params.shape,
                     .batch = t->params.batch,
                     .muon = t->params.optimizer.muon};
    memcpy(h.magic, magic, sizeof magic);
    return h;
}

static uint64_t checksum_of(float *const arrays[N_ARRAYS], size_t bytes) {
    uint64_t sum = 0;
    for (size_t i = 0; i < N_ARRAYS; i++) sum = ew_checksum(arrays[i], bytes, sum);
    return sum;
}

enum ew_status ew_train_save(const struct ew_training *t, const char *path, struct ew_error *err) {
    char part[4096];
    const struct head head = head_of(t);
    const size_t n = ew_net_n_params(&t->params.shape);
    float *const arrays[N_ARRAYS] = {t->weights, t->optimizer.first, t->optimizer.second};
    const uint64_t sum = checksum_of(arrays, n * sizeof(float));
    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%.60s…: the path is too long", path);
    FILE *f = fopen(part, "wb");
    if (!f) return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot be written", part);
    bool good = fwrite(&head, sizeof head, 1, f) == 1;
    for (size_t i = 0; i < N_ARRAYS && good; i++) good = fwrite(arrays[i], sizeof(float), n, f) == n;
    good = good && fwrite(&sum, sizeof sum, 1, f) == 1 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    int error = errno;
    if (fclose(f) != 0 && good) {
        good = false;
        error = errno;
    }
    if (good && rename(part, path) == 0) return EW_OK;
    if (good) error = errno;
    unlink(part);
    return ew_error_errno(err, EW_ERR_IO, error, "%s: cannot be written", path);
}

static enum ew_status load(struct ew_training *t, const char *path, struct ew_bytes bytes, struct ew_error *err) {
    struct head head;
    const struct head wanted = head_of(t);
    const size_t n = ew_net_n_params(&t->params.shape);
    if (!ew_bytes_copy(&bytes, &head, sizeof head) || memcmp(head.magic, magic, sizeof magic) != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is no checkpoint of a training", path);
    if (memcmp(&head.shape, &wanted.shape, sizeof head.shape) != 0 || head.batch != wanted.batch ||
        head.seed != wanted.seed || head.muon != wanted.muon)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is of a training with another shape, batch, seed or optimizer",
                            path);
    if (bytes.size - bytes.pos != N_ARRAYS * n * sizeof(float) + sizeof(uint64_t))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: has %zu bytes, not those of its shape", path, bytes.size);
    const size_t begin = bytes.pos;
    uint64_t sum = 0, stored = 0;
    for (size_t i = 0; i < N_ARRAYS; i++)
        sum = ew_checksum(ew_bytes_take(&bytes, n * sizeof(float)), n * sizeof(float), sum);
    ew_bytes_u64(&bytes, &stored);
    if (sum != stored) return ew_error_set(err, EW_ERR_FORMAT, "%s: is damaged: its checksum differs", path);
    bytes.pos = begin;
    ew_bytes_copy(&bytes, t->weights, n * sizeof(float));
    ew_bytes_copy(&bytes, t->optimizer.first, n * sizeof(float));
    ew_bytes_copy(&bytes, t->optimizer.second, n * sizeof(float));
    t->optimizer.step = head.step;
    t->seconds = head.seconds;
    return EW_OK;
}

enum ew_status ew_train_resume(struct ew_training *t, const char *path, struct ew_error *err) {
    struct ew_file_map map = {0};
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    status = load(t, path, (struct ew_bytes){.data = map.data, .size = map.size}, err);
    ew_file_map_close(&map);
    return status;
}
