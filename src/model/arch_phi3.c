/* Phi-3, 3.5, 4-mini: as Llama, with one fused product for queries, keys and values, one for gate and up, and rotary
 * positions on halves; contexts of 128 k come with two sets of rotary divisors. Attends within a window where the file
 * says so.
 * Sources: arXiv 2404.14219, 2402.13753 (long rotary positions); config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE, .window = b->config->window};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_usual_layer(b, &attention, EW_ACTIVATION_SILU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_phi3 = {.name = "phi3", .build = build};
