/* GPT-2: LayerNorm and biases, learned positions, one fused product for queries, keys and values, GELU without a gate.
 * Sources: Radford et al. 2019, Language Models are Unsupervised Multitask Learners; GGUF tensor names. */
#include "model/decoder_blocks.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = 0};
    b->norm = EW_NORM_LAYER;
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_plain_layer(b, &attention, EW_ACTIVATION_GELU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_gpt2 = {.name = "gpt2", .build = build};
