/* How memory grows with the context: weights and buffers stand still, the KV cache grows with every token. Derived from
 * the engine's own ledger of one run, in which the KV cache is proportional to the context; so figures of other
 * contexts are estimates, and reports say so. */
#ifndef EW_INSIGHT_CONTEXT_FIT_H
#define EW_INSIGHT_CONTEXT_FIT_H

#include "study/study_record.h"

struct ew_context_fit {
    double fixed_bytes;        /* all but the KV cache */
    double weights_bytes;      /* part of fixed_bytes */
    double kv_bytes_per_token; /* K and V, all layers */
    double outgrows_tokens;    /* context at which the KV cache is as large as the weights */
};

/* false where the ledger or the context is missing, or the cache is 0. */
bool ew_context_fit_make(const struct ew_ledger_record *ledger, int64_t context, struct ew_context_fit *out);

double ew_context_fit_bytes(const struct ew_context_fit *fit, double tokens);

/* Largest context, in whole tokens, that fits into free_bytes; 0 = not even the weights do. limit_tokens: what the
 * model was trained for, EW_MISSING = unknown; *at_limit tells that it, and not memory, set the result. */
int64_t ew_context_fit_most(const struct ew_context_fit *fit, double free_bytes, int64_t limit_tokens, bool *at_limit);

#endif
