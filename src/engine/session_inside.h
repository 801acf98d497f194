/* The insides of sessions that other files of the engine, and the quality room, look at, and what they share. */
#ifndef EW_ENGINE_SESSION_INSIDE_H
#define EW_ENGINE_SESSION_INSIDE_H

#include "backend/backend.h"

struct ew_session;

/* Tensor types of the cache's types. */
struct ew_kv_types ew_kv_types_of(enum ew_kv_type k, enum ew_kv_type v);

const struct ew_plan *ew_session_plan(const struct ew_session *session);
struct ew_kv_types ew_session_kv_types(const struct ew_session *session);

/* As in struct ew_backend_interface. */
enum ew_status ew_session_time_ops(struct ew_session *session, struct ew_error *err);
void ew_session_op_times(const struct ew_session *session, struct ew_backend_time *out);

/* As in struct ew_backend_interface. Errors: UNSUPPORTED (the backend cannot). */
enum ew_status ew_session_observe(struct ew_session *session, struct ew_product_observer observer,
                                  struct ew_error *err);

#endif
