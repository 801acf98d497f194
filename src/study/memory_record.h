/* What the memory system did during a run, as JSON: one form for the store, the report and `edgewise meter run`. */
#ifndef EW_STUDY_MEMORY_RECORD_H
#define EW_STUDY_MEMORY_RECORD_H

#include "machine/memory_activity.h"

#include <jansson.h>

/* Members as in struct ew_memory_activity, null where not known; "flags": names of what may have changed figures;
 * "words": what happened, null where nothing did. The caller's: json_decref. NULL = out of memory. */
json_t *ew_memory_record_json(const struct ew_memory_activity *activity);

/* The same as one line of text. The caller's: free(). NULL = out of memory. */
char *ew_memory_record_write(const struct ew_memory_activity *activity);

/* What stands in such a text; the rest is unknown. text may be NULL. false = it is no such object, and *out unknown. */
bool ew_memory_record_read(const char *text, struct ew_memory_activity *out);

#endif
