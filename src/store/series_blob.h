/* Stamps and samples as compressed, checked blobs. Layout: zstd of n little-endian int64 differences (the first to
 * 0), then, for samples, n little-endian float64; the checksum is XXH64 of the uncompressed bytes. */
#ifndef EW_STORE_SERIES_BLOB_H
#define EW_STORE_SERIES_BLOB_H

#include "edgewise/status.h"
#include <stddef.h>
#include <stdint.h>

struct ew_series_blob {
    void *data;
    size_t size;
    int64_t xxh64; /* the unsigned value's bits */
};

/* time_ns: [n]; value: [n] or NULL for stamps alone. blob->data is the caller's: free(). Errors: MEMORY, LIMIT. */
enum ew_status ew_series_blob_encode(const int64_t *time_ns, const double *value, size_t n, struct ew_series_blob *blob,
                                     struct ew_error *err);

/* The reverse, into the caller's arrays of n. blob is untrusted. Errors: FORMAT, MEMORY. */
enum ew_status ew_series_blob_decode(const struct ew_series_blob *blob, int64_t *time_ns, double *value, size_t n,
                                     struct ew_error *err);

#endif
