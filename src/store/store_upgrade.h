/* Private to src/store: stores of older schemas. */
#ifndef EW_STORE_STORE_UPGRADE_H
#define EW_STORE_STORE_UPGRADE_H

#include "store/store.h"

enum { EW_STORE_VERSION = 5 };

/* For writers: brings the file to the newest schema, all of it or nothing. */
enum ew_status ew_store_upgrade(struct ew_store *store, struct ew_error *err);

/* For readers: the file stays as it is; temporary views in front of its tables have the columns that it lacks. */
enum ew_status ew_store_show_as_newest(struct ew_store *store, struct ew_error *err);

#endif
