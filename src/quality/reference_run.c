/* Owns the file of a reference run: header, blocks of rows, end mark. Bytes from the file pass the bounds-checked
 * cursor, every block carries a checksum, and a file without its end mark is refused when it is opened. */
#include "quality/reference_run.h"

#include "base/bytes.h"
#include "base/error.h"
#include "base/file_map.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

static const char MAGIC[8] = "EWREFRUN", END_MARK[8] = "EWREFEND";

enum {
    VERSION = 1,
    MODEL_BYTES = sizeof(((struct ew_reference_key *)0)->model),
    HEADER_BYTES = 8 + 4 * 4 + 2 * 8 + MODEL_BYTES,
    END_BYTES = 8 + 8,
    ROW_HEAD_BYTES = 16,
    ZSTD_LEVEL = 3,
    MAX_VOCAB = 1 << 24,
    BLOCK_ROWS_MOST = 1 << 16
};

void ew_reference_key_of(const struct ew_text_score *s, const char *model, struct ew_reference_key *out) {
    *out = (struct ew_reference_key){.n_vocab = s->n_vocab,
                                     .n_ctx = s->windows.n_ctx,
                                     .stride = s->windows.stride,
                                     .n_windows = ew_text_score_windows(s)};
    size_t used = 0;
    if (out->n_windows > 0) used = ew_text_windows_at(&s->windows, out->n_windows - 1).begin + s->windows.n_ctx;
    out->text_hash = XXH3_64bits_withSeed(s->ids, used * sizeof *s->ids, (XXH64_hash_t)(int64_t)s->bos);
    snprintf(out->model, sizeof out->model, "%s", model);
}

/* Rows of a block in memory: the heads of all rows, then the high bytes of all codes, then the low ones, because high
 * bytes compress well and low ones hardly. */
static size_t block_bytes(size_t n_rows, uint32_t n_vocab) { return n_rows * (ROW_HEAD_BYTES + 2 * (size_t)n_vocab); }

/* ---- writing ---- */

struct ew_reference_writer {
    FILE *file;
    char *path, *temporary;
    uint8_t *raw, *packed;
    size_t raw_capacity, packed_capacity;
    uint64_t n_rows;
};

static enum ew_status put(struct ew_reference_writer *w, const void *bytes, size_t n, struct ew_error *err) {
    if (fwrite(bytes, 1, n, w->file) == n) return EW_OK;
    return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", w->path);
}

static void append(uint8_t **at, const void *value, size_t n) {
    memcpy(*at, value, n);
    *at += n;
}

static enum ew_status put_header(struct ew_reference_writer *w, const struct ew_reference_key *key,
                                 struct ew_error *err) {
    uint8_t header[HEADER_BYTES] = {0}, *at = header;
    const uint32_t version = VERSION;
    append(&at, MAGIC, sizeof MAGIC);
    append(&at, &version, 4);
    append(&at, &key->n_vocab, 4);
    append(&at, &key->n_ctx, 4);
    append(&at, &key->stride, 4);
    append(&at, &key->n_windows, 8);
    append(&at, &key->text_hash, 8);
    append(&at, key->model, MODEL_BYTES);
    return put(w, header, sizeof header, err);
}

enum ew_status ew_reference_writer_open(const char *path, const struct ew_reference_key *key,
                                        struct ew_reference_writer **out, struct ew_error *err) {
    struct ew_reference_writer *w = calloc(1, sizeof *w);
    if (!w) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    enum ew_status status = EW_OK;
    w->path = strdup(path);
    if (!w->path || asprintf(&w->temporary, "%s.%ld.partial", path, (long)getpid()) < 0) {
        w->temporary = NULL;
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    if (status == EW_OK && !(w->file = fopen(w->temporary, "wb")))
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot create", path);
    if (status == EW_OK) status = put_header(w, key, err);
    if (status == EW_OK)
        *out = w;
    else
        ew_reference_writer_abandon(&w);
    return status;
}

static bool reserve(uint8_t **buffer, size_t *capacity, size_t n) {
    if (n <= *capacity) return true;
    uint8_t *more = realloc(*buffer, n);
    if (!more) return false;
    *buffer = more;
    *capacity = n;
    return true;
}

/* Row r of rows into the block's three parts. */
static void encode_row(const struct ew_scored_rows *rows, size_t r, uint8_t *raw) {
    const size_t n_vocab = rows->n_vocab;
    const float *logits = rows->logits + r * n_vocab;
    const struct ew_row_score *score = &rows->score[r];
    float least = logits[0];
    for (size_t i = 1; i < n_vocab; i++) least = logits[i] < least ? logits[i] : least;
    const float span = logits[score->top] - least, low = (float)((double)least - score->log_sum), step = span / 65535;
    const float log_p_next = (float)-score->nll, per_step = span > 0 ? 65535 / span : 0;
    uint8_t *head = raw + r * ROW_HEAD_BYTES;
    append(&head, &low, 4);
    append(&head, &step, 4);
    append(&head, &log_p_next, 4);
    append(&head, &score->top, 4);
    uint8_t *high = raw + rows->n * ROW_HEAD_BYTES + r * n_vocab, *low_bytes = high + rows->n * n_vocab;
    for (size_t i = 0; i < n_vocab; i++) {
        float code = (logits[i] - least) * per_step + 0.5F;
        uint32_t whole = code < 65535 ? (uint32_t)code : 65535;
        high[i] = (uint8_t)(whole >> 8);
        low_bytes[i] = (uint8_t)whole;
    }
}

enum ew_status ew_reference_writer_add(struct ew_reference_writer *w, const struct ew_scored_rows *rows,
                                       struct ew_error *err) {
    const size_t n = block_bytes(rows->n, rows->n_vocab), most = ZSTD_compressBound(n);
    if (!reserve(&w->raw, &w->raw_capacity, n) || !reserve(&w->packed, &w->packed_capacity, most))
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for %zu bytes of rows", w->path, n);
    for (size_t r = 0; r < rows->n; r++) encode_row(rows, r, w->raw);
    size_t packed = ZSTD_compress(w->packed, most, w->raw, n, ZSTD_LEVEL);
    if (ZSTD_isError(packed))
        return ew_error_set(err, EW_ERR_INTERNAL, "%s: cannot compress: %s", w->path, ZSTD_getErrorName(packed));
    const uint64_t n_rows = rows->n, n_packed = packed, hash = XXH3_64bits(w->packed, packed);
    enum ew_status status = put(w, &n_rows, 8, err);
    if (status == EW_OK) status = put(w, &n_packed, 8, err);
    if (status == EW_OK) status = put(w, &hash, 8, err);
    if (status == EW_OK) status = put(w, w->packed, packed, err);
    w->n_rows += rows->n;
    return status;
}

void ew_reference_writer_abandon(struct ew_reference_writer **writer) {
    if (!writer || !*writer) return;
    struct ew_reference_writer *w = *writer;
    if (w->file) {
        fclose(w->file);
        unlink(w->temporary);
    }
    free(w->packed);
    free(w->raw);
    free(w->temporary);
    free(w->path);
    free(w);
    *writer = NULL;
}

enum ew_status ew_reference_writer_finish(struct ew_reference_writer **writer, struct ew_error *err) {
    struct ew_reference_writer *w = *writer;
    enum ew_status status = put(w, END_MARK, sizeof END_MARK, err);
    if (status == EW_OK) status = put(w, &w->n_rows, 8, err);
    bool sound = fflush(w->file) == 0 && fsync(fileno(w->file)) == 0;
    if (status == EW_OK && (!sound || rename(w->temporary, w->path) != 0))
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", w->path);
    if (status == EW_OK) {
        fclose(w->file);
        w->file = NULL;
    }
    ew_reference_writer_abandon(writer);
    return status;
}

/* ---- reading ---- */

struct ew_reference_reader {
    struct ew_file_map map;
    struct ew_bytes bytes; /* up to the end mark */
    char *path;
    struct ew_reference_key key;
    uint8_t *raw;
    uint16_t *code; /* [n_vocab] of the current row */
    size_t raw_capacity;
    size_t n_rows, row; /* of the current block */
};

static enum ew_status damaged(const struct ew_reference_reader *r, const char *what, struct ew_error *err) {
    return ew_error_set(err, EW_ERR_FORMAT, "%s: %s", r->path, what);
}

static enum ew_status read_header(struct ew_reference_reader *r, struct ew_error *err) {
    struct ew_reference_key *k = &r->key;
    uint32_t version = 0;
    const uint8_t *magic = ew_bytes_take(&r->bytes, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return damaged(r, "is not a reference run of edgewise eval", err);
    if (!ew_bytes_u32(&r->bytes, &version) || version != VERSION)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: a reference run of version %u; this program reads %d",
                            r->path, version, VERSION);
    bool whole = ew_bytes_u32(&r->bytes, &k->n_vocab) && ew_bytes_u32(&r->bytes, &k->n_ctx) &&
                 ew_bytes_u32(&r->bytes, &k->stride) && ew_bytes_u64(&r->bytes, &k->n_windows) &&
                 ew_bytes_u64(&r->bytes, &k->text_hash) && ew_bytes_copy(&r->bytes, k->model, MODEL_BYTES);
    if (!whole) return damaged(r, "ends within its header", err);
    if (k->model[MODEL_BYTES - 1] != 0 || k->n_vocab == 0 || k->n_vocab > MAX_VOCAB || k->n_ctx < 4 ||
        k->stride >= k->n_ctx)
        return damaged(r, "has a damaged header", err);
    return EW_OK;
}

/* Takes the end mark off the readable bytes: a file that lacks it was cut short. */
static enum ew_status check_end(struct ew_reference_reader *r, struct ew_error *err) {
    if (r->bytes.size - r->bytes.pos < END_BYTES) return damaged(r, "was cut short", err);
    r->bytes.size -= END_BYTES;
    if (memcmp(r->bytes.data + r->bytes.size, END_MARK, sizeof END_MARK) != 0) return damaged(r, "was cut short", err);
    return EW_OK;
}

enum ew_status ew_reference_reader_open(const char *path, struct ew_reference_reader **out, struct ew_error *err) {
    struct ew_reference_reader *r = calloc(1, sizeof *r);
    if (!r || !(r->path = strdup(path))) {
        free(r);
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    }
    enum ew_status status = ew_file_map_open(path, &r->map, err);
    r->bytes = (struct ew_bytes){.data = r->map.data, .size = r->map.size};
    if (status == EW_OK) status = read_header(r, err);
    if (status == EW_OK) status = check_end(r, err);
    if (status == EW_OK && !(r->code = calloc(r->key.n_vocab, sizeof *r->code)))
        status = ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for rows of %u", path, r->key.n_vocab);
    if (status == EW_OK)
        *out = r;
    else
        ew_reference_reader_close(&r);
    return status;
}

void ew_reference_reader_close(struct ew_reference_reader **reader) {
    if (!reader || !*reader) return;
    struct ew_reference_reader *r = *reader;
    ew_file_map_close(&r->map);
    free(r->code);
    free(r->raw);
    free(r->path);
    free(r);
    *reader = NULL;
}

const struct ew_reference_key *ew_reference_reader_key(const struct ew_reference_reader *r) { return &r->key; }

uint64_t ew_reference_reader_bytes(const struct ew_reference_reader *r) { return r->map.size; }

enum ew_status ew_reference_reader_matches(const struct ew_reference_reader *r, const struct ew_reference_key *key,
                                           struct ew_error *err) {
    const struct ew_reference_key *k = &r->key;
    if (k->n_vocab != key->n_vocab)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: of a model with %u tokens in its vocabulary, this one has %u",
                            r->path, k->n_vocab, key->n_vocab);
    if (k->n_ctx != key->n_ctx || k->stride != key->stride)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: windows of %u tokens, stride %u; now %u, stride %u", r->path,
                            k->n_ctx, k->stride, key->n_ctx, key->stride);
    if (k->n_windows != key->n_windows)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %llu windows of its text were used; now %llu", r->path,
                            (unsigned long long)k->n_windows, (unsigned long long)key->n_windows);
    if (k->text_hash != key->text_hash)
        return ew_error_set(err, EW_ERR_ARGUMENT, "%s: is about another text, or tokenized otherwise", r->path);
    return EW_OK;
}

static enum ew_status next_block(struct ew_reference_reader *r, struct ew_error *err) {
    uint64_t n_rows, n_packed, hash;
    if (r->bytes.pos == r->bytes.size) return damaged(r, "has fewer rows than the text", err);
    if (!ew_bytes_u64(&r->bytes, &n_rows) || !ew_bytes_u64(&r->bytes, &n_packed) || !ew_bytes_u64(&r->bytes, &hash))
        return damaged(r, "has a damaged block", err);
    const uint8_t *packed = ew_bytes_take(&r->bytes, n_packed);
    if (!packed || n_rows == 0 || n_rows > BLOCK_ROWS_MOST || XXH3_64bits(packed, n_packed) != hash)
        return damaged(r, "has a damaged block", err);
    size_t n = block_bytes(n_rows, r->key.n_vocab);
    if (!reserve(&r->raw, &r->raw_capacity, n))
        return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory for %zu bytes of rows", r->path, n);
    if (ZSTD_decompress(r->raw, n, packed, n_packed) != n) return damaged(r, "has a damaged block", err);
    r->n_rows = n_rows;
    r->row = 0;
    return EW_OK;
}

enum ew_status ew_reference_reader_next(struct ew_reference_reader *r, struct ew_reference_row *out,
                                        struct ew_error *err) {
    if (r->row == r->n_rows) {
        enum ew_status status = next_block(r, err);
        if (status != EW_OK) return status;
    }
    const size_t n_vocab = r->key.n_vocab;
    struct ew_bytes head = {.data = r->raw + r->row * ROW_HEAD_BYTES, .size = ROW_HEAD_BYTES};
    struct ew_reference_row row = {.code = r->code};
    ew_bytes_copy(&head, &row.low, 4);
    ew_bytes_copy(&head, &row.step, 4);
    ew_bytes_copy(&head, &row.log_p_next, 4);
    ew_bytes_copy(&head, &row.top, 4);
    if (!isfinite(row.low) || !isfinite(row.step) || !(row.step >= 0) || !(row.log_p_next <= 0) || row.top < 0 ||
        (size_t)row.top >= n_vocab)
        return damaged(r, "has a damaged row", err);
    const uint8_t *high = r->raw + r->n_rows * ROW_HEAD_BYTES + r->row * n_vocab, *low = high + r->n_rows * n_vocab;
    for (size_t i = 0; i < n_vocab; i++) r->code[i] = (uint16_t)(high[i] << 8 | low[i]);
    r->row++;
    *out = row;
    return EW_OK;
}
