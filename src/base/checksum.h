/* A checksum of bytes that tells damage and change, not malice: XXH64, for rooms of the library, which links no xxHash.
 * Source: xxHash fast digest algorithm, specification 0.1.1, XXH64. */
#ifndef EW_BASE_CHECKSUM_H
#define EW_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* data may be NULL where size is 0. seed: 0, or the checksum of what came before, to chain pieces (which gives another
 * number than the pieces in one). */
uint64_t ew_checksum(const void *data, size_t size, uint64_t seed);

#endif
