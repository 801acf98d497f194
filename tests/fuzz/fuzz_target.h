/* What every fuzz target defines: libFuzzer's entry point. */
#ifndef EW_FUZZ_TARGET_H
#define EW_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Aborts, or trips a sanitizer, when the code under test breaks a promise; otherwise returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
