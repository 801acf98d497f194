/* A whole text as token ids, for commands. */
#ifndef EW_CLI_TOKEN_IDS_H
#define EW_CLI_TOKEN_IDS_H

#include "edgewise/model.h"

/* flags: enum ew_tokenize_flags. *ids is the caller's: free(). Errors: MEMORY, those of ew_model_tokenize. */
enum ew_status ew_cli_token_ids(const struct ew_model *model, const char *text, size_t n_bytes, unsigned flags,
                                int32_t **ids, size_t *n, struct ew_error *err);

/* The begin-of-text token that the model's file asks for, or -1. */
int32_t ew_cli_begin_token(const struct ew_model *model);

#endif
