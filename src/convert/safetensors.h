/* safetensors files: a length, a JSON table of names, types, shapes and byte ranges, then the bytes.
 * Source: the format's description (huggingface/safetensors, README, "Format"). */
#ifndef EW_CONVERT_SAFETENSORS_H
#define EW_CONVERT_SAFETENSORS_H

#include "convert/checkpoint.h"

/* Adds the tensors of data to checkpoint as tensors of file `file`. name stands before every message. Refuses tables
 * that are no JSON, ranges outside the data or not of the shape's size, and ranges that overlap or leave gaps.
 * Errors: FORMAT, LIMIT (table above 100 MB, more than 4 dimensions of a weight), MEMORY. */
enum ew_status ew_safetensors_read(const char *name, const uint8_t *data, size_t size, uint32_t file,
                                   struct ew_checkpoint *checkpoint, struct ew_error *err);

#endif
