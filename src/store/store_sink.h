/* A store as the place where a study's records go. */
#ifndef EW_STORE_STORE_SINK_H
#define EW_STORE_STORE_SINK_H

#include "store/store.h"
#include "study/study_sink.h"

/* Valid as long as the store is open. */
struct ew_study_sink ew_store_sink(struct ew_store *store);

#endif
