/* JSON text to values: the variables of a request, and the filter from_json. */
#ifndef EW_CHAT_JSON_READ_H
#define EW_CHAT_JSON_READ_H

#include "chat/chat_value.h"

/* what: for messages, "variables". Fails with FORMAT naming the byte, or LIMIT. Of equal keys the last counts; whole
 * numbers beyond 64 bits become floats. */
struct ew_chat_value ew_chat_read_json(struct ew_chat_machine *m, const char *what, const char *text, size_t size);

#endif
