/* StarCoder 2: LayerNorm and biases, grouped-query attention with rotary positions on halves (within a window where the
 * file has one), GELU without a gate.
 * Sources: arXiv 2402.19173; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE, .window = b->config->window};
    b->norm = EW_NORM_LAYER;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_plain_layer(b, &attention, EW_ACTIVATION_GELU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_starcoder2 = {.name = "starcoder2", .build = build};
