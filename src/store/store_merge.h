/* Many stores into one file: boards side by side, or halves of a study that ran apart. */
#ifndef EW_STORE_STORE_MERGE_H
#define EW_STORE_STORE_MERGE_H

#include "store/store.h"

struct ew_merge_counts {
    int64_t trials;        /* finished ones that came with this file */
    int64_t same;          /* finished ones that were there already, the very same run */
    int64_t twice;         /* measured here and there: the one that was there first stays */
    int64_t planned;       /* not run yet */
    int64_t studies_apart; /* studies of a name that another machine has used: kept under a name of their own */
};

/* Copies all that `path` holds into `store`, which is open for writing; all of it or nothing. Rows that are there
 * already (the same machine, model, configuration, invocation, trial) are not copied again, so that merging twice
 * changes nothing. A study of the same name on another machine becomes "NAME @ MACHINE"; its trials get keys of their
 * own. Of two figures or answers of the same model, KV type, data and settings the newer one stays. `path` is only
 * read. Errors name it: NOT_FOUND, FORMAT (no store, damaged), UNSUPPORTED (a newer schema, or an older one: upgrade it
 * first), ARGUMENT (it is the store itself), IO. */
enum ew_status ew_store_merge(struct ew_store *store, const char *path, struct ew_merge_counts *out,
                              struct ew_error *err);

#endif
