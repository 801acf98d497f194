/* Qwen 2, 2.5: as Llama, with biases on queries, keys and values and rotary positions on halves.
 * Sources: arXiv 2407.10671, 2412.15115; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_usual_layer(b, &attention, EW_ACTIVATION_SILU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_qwen2 = {.name = "qwen2", .build = build};
