/* What one trial is to do: the JSON object on the trial's stdin. docs/trial-protocol.md explains the members. */
#ifndef EW_STUDY_TRIAL_SPEC_H
#define EW_STUDY_TRIAL_SPEC_H

#include "edgewise/session.h"

enum { EW_TRIAL_PROTOCOL = 1, EW_TRIAL_MAX_LINE = 4 << 20 };

struct ew_trial_spec {
    const char *model;
    uint32_t context, depth, prompt_tokens, generate_tokens;
    uint32_t threads_prefill, threads_decode;
    enum ew_weights_layout layout;
    const char *side_folder; /* with layout side_file alone: a trial uses none that it was not told to */
    enum ew_kv_type kv_k, kv_v;
    uint64_t cpu_mask;
    uint64_t seed;
    uint32_t warmup_limit_ms, idle_gap_ms;
    uint32_t batch;            /* most tokens in flight while reading the prompt; 0 = the engine's default */
    uint32_t n_draft;          /* as in ew_session_params: how many tokens to speculate on at once */
    uint32_t spin_us;          /* as in struct ew_session_params */
    uint32_t sustained_ms;     /* after the measured phases, go on for this long; 0 = no sustained phase */
    const char *sample_prompt; /* NULL = no sample text */
    uint32_t sample_tokens;
    const char *kernels; /* ew_kernel_choices_text of the parent; NULL: features decide */
};

/* One line without the newline; the caller's: free(). Errors: MEMORY, ARGUMENT (a path that is not UTF-8). */
enum ew_status ew_trial_spec_write(const struct ew_trial_spec *spec, char **out, struct ew_error *err);

/* Parses untrusted text. Strings of *out belong to *owner: ew_trial_spec_free. Errors: FORMAT naming the member,
 * UNSUPPORTED (another protocol version), MEMORY. */
enum ew_status ew_trial_spec_read(const char *text, size_t size, struct ew_trial_spec *out, void **owner,
                                  struct ew_error *err);
void ew_trial_spec_free(void **owner);

const char *ew_layout_name(enum ew_weights_layout layout);
bool ew_layout_by_name(const char *name, enum ew_weights_layout *out);

#endif
