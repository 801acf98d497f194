/* Owns the choice of the longest context that fits: the ledger's totals against what the machine has free. Allocates
 * nothing for a session; what is free a moment later is not known. */
#include "edgewise/session.h"

#include "base/error.h"
#include "machine/machine.h"
#include "model/model_inside.h"

enum { STEP = 256, MIB = 1 << 20 };
static const uint64_t LEAST_SPARED = 64 * MIB, MOST_SPARED = 1024 * MIB;

static enum ew_status read_free(const char *root, uint64_t *out, struct ew_error *err) {
    struct ew_machine *machine = NULL;
    enum ew_status status = ew_machine_open(root, &machine, err);
    if (status != EW_OK) return status;
    int64_t free_bytes = ew_machine_free_bytes(machine);
    ew_machine_close(&machine);
    if (free_bytes < 0)
        return ew_error_set(err, EW_ERR_UNSUPPORTED, "context: /proc/meminfo does not say what memory is available");
    *out = (uint64_t)free_bytes;
    return EW_OK;
}

static uint64_t spared(uint64_t free_bytes) {
    uint64_t eighth = free_bytes / 8;
    return eighth < LEAST_SPARED ? LEAST_SPARED : eighth > MOST_SPARED ? MOST_SPARED : eighth;
}

/* The ledger's total at n_ctx tokens. */
static enum ew_status needed(const struct ew_model *model, struct ew_session_params params, uint32_t n_ctx,
                             uint64_t *out, struct ew_error *err) {
    struct ew_memory_ledger ledger;
    params.n_ctx = n_ctx;
    enum ew_status status = ew_session_predict_memory(model, &params, &ledger, err);
    if (status == EW_OK) *out = ledger.total;
    return status;
}

/* Halves the range of steps: the total grows with the context. c->n_ctx: 0 where none fits; c->needed_bytes is then
 * that of the first step. */
static enum ew_status search(const struct ew_model *model, const struct ew_session_params *params, uint64_t room,
                             struct ew_context_choice *c, struct ew_error *err) {
    uint32_t train = c->n_ctx_train, low = 0, high = (train + STEP - 1) / STEP; /* high does not fit */
    enum ew_status status = needed(model, *params, train, &c->needed_bytes, err);
    if (status != EW_OK || c->needed_bytes <= room) {
        c->n_ctx = train;
        return status;
    }
    c->by_memory = true;
    while (status == EW_OK && high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        uint64_t total = 0;
        status = needed(model, *params, middle * STEP, &total, err);
        bool fits = total <= room;
        if (fits || low == 0) c->needed_bytes = total;
        if (fits)
            low = middle;
        else
            high = middle;
    }
    c->n_ctx = low * STEP;
    return status;
}

enum ew_status ew_session_choose_context(const struct ew_model *model, const struct ew_session_params *params,
                                         const char *root, struct ew_context_choice *out, struct ew_error *err) {
    struct ew_session_params p = params ? *params : ew_session_default_params();
    struct ew_context_choice c = {.n_ctx_train = model->config.n_ctx_train};
    enum ew_status status = read_free(root, &c.free_bytes, err);
    if (status != EW_OK) return status;
    c.spared_bytes = spared(c.free_bytes);
    uint64_t room = c.free_bytes > c.spared_bytes ? c.free_bytes - c.spared_bytes : 0;
    status = search(model, &p, room, &c, err);
    if (status != EW_OK) return status;
    if (c.n_ctx == 0)
        return ew_error_set(err, EW_ERR_LIMIT,
                            "context: not even %u tokens fit: %.0f MiB are needed, and of %.0f MiB that are free %.0f "
                            "MiB are left to others",
                            c.n_ctx_train < STEP ? c.n_ctx_train : STEP, (double)c.needed_bytes / MIB,
                            (double)c.free_bytes / MIB, (double)c.spared_bytes / MIB);
    *out = c;
    return EW_OK;
}
