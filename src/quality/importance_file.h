/* Files of importance matrices. Two forms are read, the first is written:
 *
 * GGUF with general.type "imatrix": imatrix.datasets (strings), imatrix.chunk_count, imatrix.chunk_size (u32), and for
 * each tensor NAME.in_sum2, the sums of squares, [experts][columns], and NAME.counts, the tokens, [experts][1]; F32.
 *
 * The older binary form, all of it 32-bit: number of entries; per entry the length of its name, the name, the number of
 * calls, the number of values, the values; then, not in all files, the number of chunks, the length of the dataset's
 * name and the name. A value divided by the calls is the mean of squares; how many tokens a call had is not kept, and
 * is taken to be 512, nor is how many experts the values belong to, which the model has to tell.
 *
 * Source: the formats of llama.cpp's tools, as far as they are described in its pull request 9400. */
#ifndef EW_QUALITY_IMPORTANCE_FILE_H
#define EW_QUALITY_IMPORTANCE_FILE_H

#include "quality/importance.h"

/* *out is owned by the caller. Errors: those of ew_file_map_open and ew_gguf_open, FORMAT (another kind of file; sums
 * without counts, of the wrong type or shape, negative or no numbers; a name that comes twice), LIMIT, MEMORY. */
enum ew_status ew_importance_read(const char *path, struct ew_importance **out, struct ew_error *err);
/* The same over bytes that the caller keeps alive (tests, fuzzing); name stands in for the path in messages. */
enum ew_status ew_importance_read_memory(const char *name, const void *data, size_t size, struct ew_importance **out,
                                         struct ew_error *err);

/* The file appears under its name when it is complete. Errors: FORMAT (sums that are no finite numbers; no entries),
 * LIMIT (a name too long for GGUF), and what ew_gguf_writer_begin gives. */
enum ew_status ew_importance_write(const struct ew_importance *importance, const char *path, struct ew_error *err);

#endif
