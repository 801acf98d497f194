/* What a model writes behind a prompt when it always takes the likeliest token: the same every time, so that two files
 * of one model can be compared word by word. */
#ifndef EW_STUDY_GREEDY_TEXT_H
#define EW_STUDY_GREEDY_TEXT_H

#include "edgewise/session.h"

/* Empties the session, reads ids [n_ids] and generates until the model ends, n_most tokens are there, or the context is
 * full. *text is valid UTF-8 and the caller's: free(). Errors: MEMORY, those of the session. */
enum ew_status ew_greedy_text_write(struct ew_session *session, const struct ew_model *model, const int32_t *ids,
                                    size_t n_ids, uint32_t n_most, char **text, uint32_t *n_tokens,
                                    struct ew_error *err);

#endif
