/* Hyper-parameters of a model folder (config.json), checked for sense. Publishers call the same number by many names;
 * what a family leaves unsaid has the default of its configuration class. */
#ifndef EW_CONVERT_HF_CONFIG_H
#define EW_CONVERT_HF_CONFIG_H

#include "edgewise/status.h"
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { EW_CONVERT_MAX_LAYERS = 1024 };

struct ew_hf_config {
    char path[256];         /* for messages: the file, cut where it is long */
    const json_t *root;     /* of the text model; borrowed; NULL where the numbers come from no JSON */
    const json_t *envelope; /* the whole file: token ids, where the text model is an object inside */
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_rot, n_ff, n_vocab, n_ctx;
    uint32_t n_expert, n_expert_used, n_ff_expert; /* 0: dense */
    uint32_t n_conv_taps;                          /* 0: no convolutions */
    bool is_conv[EW_CONVERT_MAX_LAYERS];           /* layers without attention */
    bool is_parallel, has_qk_norm;                 /* of StableLM, whose models differ in both */
    double norm_eps, rope_base;
    bool tied_said, tied; /* whether the output matrix is the embedding, where the file says so */
};

/* Values for what a file leaves out; 0: it must say so, or the number follows from others. */
struct ew_hf_defaults {
    uint32_t n_head, n_head_kv, head_dim, n_ctx, n_vocab;
    double norm_eps, rope_base, rotary_share;
};

/* root stays the caller's. Errors: NOT_FOUND (a number is missing), FORMAT (no number, out of range, heads that do
 * not divide). */
enum ew_status ew_hf_config_read(const char *path, const json_t *root, const struct ew_hf_defaults *defaults,
                                 struct ew_hf_config *out, struct ew_error *err);

/* A number of the text model by names as in ew_folder_json_find; `fallback` where it is missing. FORMAT where it is no
 * finite number. */
enum ew_status ew_hf_config_number(const struct ew_hf_config *config, const char *names, double fallback, double *out,
                                   struct ew_error *err);

/* The object that describes the scaling of positions, NULL when there is none; its kind in *kind ("default", "linear",
 * "llama3" …). */
const json_t *ew_hf_config_rope_scaling(const struct ew_hf_config *config, const char **kind);
/* A number above 0 of that object. FORMAT where it is none or missing. */
enum ew_status ew_hf_config_scaling_number(const struct ew_hf_config *config, const json_t *scaling, const char *name,
                                           double *out, struct ew_error *err);

#endif
