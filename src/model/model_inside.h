/* The insides of struct ew_model, for the rooms below: the engine runs its plan. */
#ifndef EW_MODEL_MODEL_INSIDE_H
#define EW_MODEL_MODEL_INSIDE_H

#include "edgewise/model.h"
#include "model/config.h"
#include "plan/plan.h"
#include "token/tokenizer.h"

struct ew_model {
    struct ew_gguf *gguf;
    struct ew_config config;
    struct ew_plan plan;
    struct ew_tokenizer *tokenizer; /* NULL when the file has none */
    char *name;
    char file_type[24];
    bool synthetic;
    uint64_t n_params, weights_bytes;
};

/* Heap and mapped bytes that an opened model holds besides its weights: metadata and tokenizer tables. */
uint64_t ew_model_overhead_bytes(const struct ew_model *model);

#endif
