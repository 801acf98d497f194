/* Owns the encoding of stamp and sample blobs; series_blob.h has the layout, schema.sql the columns. */
#include "store/series_blob.h"
#include "base/bytes.h"
#include "base/error.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zstd.h>

enum { BLOB_LEVEL = 3 }; /* higher levels gain under 2 % on stamps */

static size_t raw_bytes(size_t n, bool with_values) {
    size_t size;
    return ew_mul_size(n, with_values ? 16 : 8, &size) ? size : 0;
}

enum ew_status ew_series_blob_encode(const int64_t *time_ns, const double *value, size_t n, struct ew_series_blob *blob,
                                     struct ew_error *err) {
    enum ew_status status = EW_OK;
    size_t raw_size = raw_bytes(n, value != NULL);
    if (n > 0 && raw_size == 0) return ew_error_set(err, EW_ERR_LIMIT, "samples: %zu are too many", n);
    size_t bound = ZSTD_compressBound(raw_size);
    uint8_t *raw = malloc(raw_size ? raw_size : 1);
    uint8_t *packed = malloc(bound);
    if (!raw || !packed) {
        status = ew_error_set(err, EW_ERR_MEMORY, "samples: no memory for %zu bytes", raw_size + bound);
        goto done;
    }
    int64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        /* Unsigned, so that hostile or wrapped stamps cannot overflow. */
        uint64_t delta = (uint64_t)time_ns[i] - (uint64_t)last;
        memcpy(raw + 8 * i, &delta, 8);
        last = time_ns[i];
    }
    if (value && n > 0) memcpy(raw + 8 * n, value, 8 * n);
    size_t size = ZSTD_compress(packed, bound, raw, raw_size, BLOB_LEVEL);
    if (ZSTD_isError(size)) {
        status = ew_error_set(err, EW_ERR_INTERNAL, "samples: cannot compress: %s", ZSTD_getErrorName(size));
        goto done;
    }
    *blob = (struct ew_series_blob){.data = packed, .size = size, .xxh64 = (int64_t)XXH64(raw, raw_size, 0)};
    packed = NULL;
done:
    free(packed);
    free(raw);
    return status;
}

enum ew_status ew_series_blob_decode(const struct ew_series_blob *blob, int64_t *time_ns, double *value, size_t n,
                                     struct ew_error *err) {
    enum ew_status status = EW_OK;
    size_t raw_size = raw_bytes(n, value != NULL);
    if (n > 0 && raw_size == 0) return ew_error_set(err, EW_ERR_FORMAT, "samples: %zu are too many", n);
    uint8_t *raw = malloc(raw_size ? raw_size : 1);
    if (!raw) return ew_error_set(err, EW_ERR_MEMORY, "samples: no memory for %zu bytes", raw_size);
    size_t size = ZSTD_decompress(raw, raw_size, blob->data, blob->size);
    if (ZSTD_isError(size) || size != raw_size) {
        status = ew_error_set(err, EW_ERR_FORMAT, "samples: blob does not unpack to %zu bytes", raw_size);
        goto done;
    }
    if ((int64_t)XXH64(raw, raw_size, 0) != blob->xxh64) {
        status = ew_error_set(err, EW_ERR_FORMAT, "samples: checksum does not fit");
        goto done;
    }
    uint64_t last = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t delta;
        memcpy(&delta, raw + 8 * i, 8);
        last += delta;
        time_ns[i] = (int64_t)last;
    }
    if (value && n > 0) memcpy(value, raw + 8 * n, 8 * n);
done:
    free(raw);
    return status;
}
