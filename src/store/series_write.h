/* Private to src/store: one row of sample_series, inside the caller's transaction. */
#ifndef EW_STORE_SERIES_WRITE_H
#define EW_STORE_SERIES_WRITE_H

#include "store/store.h"

/* One of trial_id and baseline_id is EW_MISSING; the record's own are ignored. */
enum ew_status ew_store_write_series(struct ew_store *store, int64_t trial_id, int64_t baseline_id,
                                     const struct ew_series_record *series, struct ew_error *err);

#endif
