/* Owns the writing of GGUF files. Never holds tensor data: what it keeps in memory is what stands before it. */
#include "gguf/gguf_write.h"

#include "base/bytes.h"
#include "base/error.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 32 };

struct buffer {
    uint8_t *data;
    size_t size, capacity;
    bool failed;
};

struct ew_gguf_writer {
    struct buffer metadata, table;
    uint64_t n_kv, n_tensors;
    size_t *tensor_bytes; /* [n_tensors] */
    size_t data_bytes;    /* of all tensors so far, each padded */
    char *path, *temporary;
    int fd;            /* -1 before begin */
    size_t current;    /* tensor that the next bytes belong to */
    size_t current_at; /* bytes of it written */
};

/* ---- bytes in memory ---- */

static void append(struct buffer *b, const void *data, size_t n) {
    size_t need;
    if (b->failed || n == 0) return;
    if (!ew_add_size(b->size, n, &need)) {
        b->failed = true;
        return;
    }
    if (need > b->capacity) {
        size_t capacity = need > SIZE_MAX / 2 ? need : need * 2;
        uint8_t *grown = realloc(b->data, capacity);
        if (!grown) {
            b->failed = true;
            return;
        }
        b->data = grown;
        b->capacity = capacity;
    }
    memcpy(b->data + b->size, data, n);
    b->size = need;
}

static void append_u32(struct buffer *b, uint32_t value) { append(b, &value, sizeof value); }
static void append_u64(struct buffer *b, uint64_t value) { append(b, &value, sizeof value); }

static void append_string(struct buffer *b, const char *data, size_t size) {
    append_u64(b, size);
    append(b, data, size);
}

enum ew_status ew_gguf_writer_open(struct ew_gguf_writer **out, struct ew_error *err) {
    struct ew_gguf_writer *writer = calloc(1, sizeof *writer);
    if (!writer) return ew_error_set(err, EW_ERR_MEMORY, "no memory to write a GGUF file");
    writer->fd = -1;
    *out = writer;
    return EW_OK;
}

void ew_gguf_writer_close(struct ew_gguf_writer **writer) {
    if (!writer || !*writer) return;
    struct ew_gguf_writer *w = *writer;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->temporary);
    }
    free(w->metadata.data);
    free(w->table.data);
    free(w->tensor_bytes);
    free(w->path);
    free(w->temporary);
    free(w);
    *writer = NULL;
}

/* ---- metadata ---- */

static void put_head(struct ew_gguf_writer *w, const char *key, enum ew_gguf_value_type type) {
    append_string(&w->metadata, key, strlen(key));
    append_u32(&w->metadata, (uint32_t)type);
    w->n_kv++;
}

static void put_scalar(struct ew_gguf_writer *w, const char *key, enum ew_gguf_value_type type, const void *value) {
    put_head(w, key, type);
    append(&w->metadata, value, ew_gguf_value_bytes(type));
}

void ew_gguf_put_u32(struct ew_gguf_writer *writer, const char *key, uint32_t value) {
    put_scalar(writer, key, EW_GGUF_U32, &value);
}

void ew_gguf_put_u64(struct ew_gguf_writer *writer, const char *key, uint64_t value) {
    put_scalar(writer, key, EW_GGUF_U64, &value);
}

void ew_gguf_put_f32(struct ew_gguf_writer *writer, const char *key, float value) {
    put_scalar(writer, key, EW_GGUF_F32, &value);
}

void ew_gguf_put_bool(struct ew_gguf_writer *writer, const char *key, bool value) {
    put_scalar(writer, key, EW_GGUF_BOOL, &(uint8_t){value});
}

void ew_gguf_put_string(struct ew_gguf_writer *writer, const char *key, const char *value) {
    put_head(writer, key, EW_GGUF_STRING);
    append_string(&writer->metadata, value, strlen(value));
}

void ew_gguf_put_array(struct ew_gguf_writer *writer, const char *key, enum ew_gguf_value_type type, const void *values,
                       size_t n) {
    assert(ew_gguf_value_bytes(type) > 0);
    put_head(writer, key, EW_GGUF_ARRAY);
    append_u32(&writer->metadata, (uint32_t)type);
    append_u64(&writer->metadata, n);
    append(&writer->metadata, values, n * ew_gguf_value_bytes(type));
}

void ew_gguf_put_kv(struct ew_gguf_writer *writer, const struct ew_gguf_kv *kv) {
    append_string(&writer->metadata, kv->key.data, kv->key.size);
    append_u32(&writer->metadata, (uint32_t)kv->type);
    if (kv->type == EW_GGUF_ARRAY) {
        append_u32(&writer->metadata, (uint32_t)kv->element_type);
        append_u64(&writer->metadata, kv->n);
    }
    append(&writer->metadata, kv->data, kv->size_bytes);
    writer->n_kv++;
}

void ew_gguf_put_strings(struct ew_gguf_writer *writer, const char *key, size_t n) {
    put_head(writer, key, EW_GGUF_ARRAY);
    append_u32(&writer->metadata, EW_GGUF_STRING);
    append_u64(&writer->metadata, n);
}

void ew_gguf_put_element(struct ew_gguf_writer *writer, const char *data, size_t size) {
    append_string(&writer->metadata, data, size);
}

/* ---- tensor table ---- */

static enum ew_status check_shape(const char *name, uint32_t type, uint32_t n_dims, const uint64_t *ne, size_t *bytes,
                                  struct ew_error *err) {
    const struct ew_type_traits *traits = ew_type_traits(type);
    if (!traits) return ew_error_set(err, EW_ERR_UNSUPPORTED, "tensor %s: type %" PRIu32 " is not known", name, type);
    if (n_dims < 1 || n_dims > EW_GGUF_MAX_DIMS)
        return ew_error_set(err, EW_ERR_ARGUMENT, "tensor %s: %" PRIu32 " dimensions (1 to %d are allowed)", name,
                            n_dims, EW_GGUF_MAX_DIMS);
    if (ne[0] % traits->block_elems != 0)
        return ew_error_set(err, EW_ERR_SHAPE,
                            "tensor %s: row length %" PRIu64 " is not a multiple of %" PRIu32 " (%s)", name, ne[0],
                            traits->block_elems, traits->name);
    size_t total = ne[0] > SIZE_MAX ? 0 : ew_type_row_bytes(type, (size_t)ne[0]);
    for (uint32_t i = 1; i < n_dims; i++)
        if (ne[i] > SIZE_MAX || !ew_mul_size(total, (size_t)ne[i], &total)) total = 0;
    if (total == 0) return ew_error_set(err, EW_ERR_SHAPE, "tensor %s: is empty or larger than any file", name);
    *bytes = total;
    return EW_OK;
}

enum ew_status ew_gguf_writer_add_tensor(struct ew_gguf_writer *writer, const char *name, uint32_t type,
                                         uint32_t n_dims, const uint64_t *ne, struct ew_error *err) {
    size_t bytes = 0, padded = 0, end = 0;
    enum ew_status status = check_shape(name, type, n_dims, ne, &bytes, err);
    if (status != EW_OK) return status;
    if (!ew_align_size(bytes, ALIGNMENT, &padded) || !ew_add_size(writer->data_bytes, padded, &end))
        return ew_error_set(err, EW_ERR_SHAPE, "tensor %s: makes the file larger than any can be", name);
    if ((writer->n_tensors & (writer->n_tensors - 1)) == 0) { /* room is doubled at powers of two */
        size_t room = writer->n_tensors ? (size_t)writer->n_tensors * 2 : 1;
        size_t *grown = realloc(writer->tensor_bytes, room * sizeof *grown);
        if (!grown) return ew_error_set(err, EW_ERR_MEMORY, "tensor %s: no memory for the tensor table", name);
        writer->tensor_bytes = grown;
    }
    writer->tensor_bytes[writer->n_tensors++] = bytes;
    append_string(&writer->table, name, strlen(name));
    append_u32(&writer->table, n_dims);
    append(&writer->table, ne, n_dims * sizeof *ne);
    append_u32(&writer->table, type);
    append_u64(&writer->table, writer->data_bytes);
    writer->data_bytes = end;
    return EW_OK;
}

static size_t padding_of(size_t bytes) { return (ALIGNMENT - bytes % ALIGNMENT) % ALIGNMENT; }

static size_t head_bytes(const struct ew_gguf_writer *w) { return 24 + w->metadata.size + w->table.size; }

uint64_t ew_gguf_writer_file_bytes(const struct ew_gguf_writer *writer) {
    size_t head = head_bytes(writer);
    return (uint64_t)head + padding_of(head) + writer->data_bytes;
}

/* ---- the file ---- */

static enum ew_status fail_io(const struct ew_gguf_writer *w, const char *what, int e, struct ew_error *err) {
    enum ew_status status = e == ENOENT || e == ENOTDIR               ? EW_ERR_NOT_FOUND
                            : e == EACCES || e == EPERM || e == EROFS ? EW_ERR_PERMISSION
                                                                      : EW_ERR_IO;
    return ew_error_errno(err, status, e, "%s: %s (%.1f MiB in all)", w->path, what,
                          (double)ew_gguf_writer_file_bytes(w) / 1048576.0);
}

static enum ew_status write_all(struct ew_gguf_writer *w, const void *data, size_t n, struct ew_error *err) {
    const uint8_t *p = data;
    while (n > 0) {
        ssize_t put = write(w->fd, p, n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return fail_io(w, "cannot write", put < 0 ? errno : EIO, err);
        p += put;
        n -= (size_t)put;
    }
    return EW_OK;
}

static enum ew_status create_file(struct ew_gguf_writer *w, const char *path, struct ew_error *err) {
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: exists and is not a regular file", path);
    w->path = strdup(path);
    if (!w->path || asprintf(&w->temporary, "%s.%ld.partial", path, (long)getpid()) < 0) {
        w->temporary = NULL;
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its name", path);
    }
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (w->fd < 0) return fail_io(w, "cannot create", errno, err);
    /* A full disk shows here rather than minutes later; file systems that cannot reserve say so and are written to. */
    off_t size = (off_t)ew_gguf_writer_file_bytes(w);
    if (fallocate(w->fd, 0, 0, size) != 0 && (errno == ENOSPC || errno == EFBIG || errno == EDQUOT))
        return fail_io(w, "no room", errno, err);
    return EW_OK;
}

enum ew_status ew_gguf_writer_begin(struct ew_gguf_writer *writer, const char *path, struct ew_error *err) {
    static const uint8_t zeros[ALIGNMENT];
    assert(writer->fd < 0);
    if (writer->metadata.failed || writer->table.failed)
        return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its metadata", path);
    enum ew_status status = create_file(writer, path, err);
    if (status != EW_OK) return status;
    uint8_t head[24] = {'G', 'G', 'U', 'F', 3};
    memcpy(head + 8, &writer->n_tensors, 8);
    memcpy(head + 16, &writer->n_kv, 8);
    if ((status = write_all(writer, head, sizeof head, err)) != EW_OK) return status;
    if ((status = write_all(writer, writer->metadata.data, writer->metadata.size, err)) != EW_OK) return status;
    if ((status = write_all(writer, writer->table.data, writer->table.size, err)) != EW_OK) return status;
    return write_all(writer, zeros, padding_of(head_bytes(writer)), err);
}

enum ew_status ew_gguf_writer_write(struct ew_gguf_writer *writer, const void *data, size_t n, struct ew_error *err) {
    static const uint8_t zeros[ALIGNMENT];
    assert(writer->fd >= 0);
    size_t left = writer->current < writer->n_tensors ? writer->tensor_bytes[writer->current] - writer->current_at : 0;
    if (n > left)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %zu bytes for tensor number %zu, which takes %zu more",
                            writer->path, n, writer->current, left);
    enum ew_status status = write_all(writer, data, n, err);
    if (status != EW_OK) return status;
    writer->current_at += n;
    if (n < left) return EW_OK;
    size_t padding = padding_of(writer->current_at);
    writer->current++;
    writer->current_at = 0;
    return write_all(writer, zeros, padding, err);
}

enum ew_status ew_gguf_writer_finish(struct ew_gguf_writer *writer, struct ew_error *err) {
    if (writer->fd < 0 || writer->current < writer->n_tensors)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: data of tensor number %zu of %" PRIu64 " is missing",
                            writer->path ? writer->path : "GGUF file", writer->current, writer->n_tensors);
    int closed = close(writer->fd); /* network file systems report a full disk here */
    int e = errno;
    writer->fd = -1;
    if (closed == 0 && rename(writer->temporary, writer->path) == 0) return EW_OK;
    e = closed == 0 ? errno : e;
    unlink(writer->temporary);
    return fail_io(writer, "cannot complete", e, err);
}
