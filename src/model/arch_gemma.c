/* Gemma: embeddings times the root of the width, RMSNorm (files store 1 + weight), rotary positions on halves, GELU as
 * the gate; the head shares the embedding.
 * Sources: arXiv 2403.08295; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

#include <math.h>

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, sqrt(b->config->n_embd));
    while (ew_block_next_layer(b)) ew_block_usual_layer(b, &attention, EW_ACTIVATION_GELU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_gemma = {.name = "gemma", .build = build};
