/* Owns memory over context. The ledger itself: src/plan/ledger.c, by way of the trial's record. */
#include "insight/context_fit.h"

#include <math.h>

bool ew_context_fit_make(const struct ew_ledger_record *l, int64_t context, struct ew_context_fit *out) {
    if (!l->present || context <= 0 || l->kv_cache <= 0 || l->total <= l->kv_cache) return false;
    struct ew_context_fit fit = {.fixed_bytes = (double)(l->total - l->kv_cache),
                                 .weights_bytes = (double)(l->weights_mapped + l->weights_packed),
                                 .kv_bytes_per_token = (double)l->kv_cache / (double)context};
    fit.outgrows_tokens = fit.weights_bytes / fit.kv_bytes_per_token;
    *out = fit;
    return true;
}

double ew_context_fit_bytes(const struct ew_context_fit *fit, double tokens) {
    return fit->fixed_bytes + tokens * fit->kv_bytes_per_token;
}

int64_t ew_context_fit_most(const struct ew_context_fit *fit, double free_bytes, int64_t limit_tokens, bool *at_limit) {
    double tokens = floor((free_bytes - fit->fixed_bytes) / fit->kv_bytes_per_token);
    *at_limit = limit_tokens != EW_MISSING && tokens > (double)limit_tokens;
    if (*at_limit) return limit_tokens;
    return tokens > 0 ? (int64_t)fmin(tokens, 1e15) : 0;
}
