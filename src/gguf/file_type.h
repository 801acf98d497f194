/* The file type of a GGUF file (key general.file_type): which mixture of tensor types the quantizer was asked for.
 * Source: GGUF specification, general.file_type; llama.cpp's list of file types. */
#ifndef EW_GGUF_FILE_TYPE_H
#define EW_GGUF_FILE_TYPE_H

#include <stdbool.h>
#include <stdint.h>

enum ew_file_type {
    EW_FILE_F32 = 0,
    EW_FILE_F16 = 1,
    EW_FILE_Q4_0 = 2,
    EW_FILE_Q4_1 = 3,
    EW_FILE_Q8_0 = 7,
    EW_FILE_Q5_0 = 8,
    EW_FILE_Q5_1 = 9,
    EW_FILE_Q2_K = 10,
    EW_FILE_Q3_K_S = 11,
    EW_FILE_Q3_K_M = 12,
    EW_FILE_Q3_K_L = 13,
    EW_FILE_Q4_K_S = 14,
    EW_FILE_Q4_K_M = 15,
    EW_FILE_Q5_K_S = 16,
    EW_FILE_Q5_K_M = 17,
    EW_FILE_Q6_K = 18,
    EW_FILE_IQ4_NL = 25,
    EW_FILE_IQ4_XS = 30,
    EW_FILE_BF16 = 32
};

/* "Q4_K_M"; NULL for an id that is not known. */
const char *ew_file_type_name(uint32_t id);

/* Id by name, any case; false when unknown. */
bool ew_file_type_by_name(const char *name, uint32_t *id);

#endif
