/* JSON files of a model folder: loaded with a limit on their size, members read with a type and a range. Whole numbers
 * are taken as doubles, because tokenizer_config.json likes 1000000000000000019884624838656 for "no limit". */
#ifndef EW_CONVERT_FOLDER_JSON_H
#define EW_CONVERT_FOLDER_JSON_H

#include "edgewise/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses bytes; name stands before every message. *out is a new reference. Errors: FORMAT, MEMORY. */
enum ew_status ew_folder_json_parse(const char *name, const void *data, size_t size, json_t **out,
                                    struct ew_error *err);
/* Reads folder/file. *out is a new reference, or NULL where the file is missing and `optional`.
 * Errors: NOT_FOUND, PERMISSION, IO, FORMAT, LIMIT (above 256 MiB), MEMORY. */
enum ew_status ew_folder_json_load(const char *folder, const char *file, bool optional, json_t **out,
                                   struct ew_error *err);

/* The first member of object that is there and not null, among names separated by '|'; NULL when there is none. */
const json_t *ew_folder_json_find(const json_t *object, const char *names);

/* value as a whole number in [low, high]; false when it is none. */
bool ew_folder_json_whole(const json_t *value, double low, double high, uint64_t *out);

/* A path in a folder, in memory of the caller's; NULL without memory. */
char *ew_folder_path(const char *folder, const char *file);

#endif
