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
    while (ew_block_next_layer(b)) {
        ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_attention(b, EW_BUF_NORMED, &attention);
        ew_block_attention_output(b, EW_BUF_X);
        ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_SILU, EW_BUF_X);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_phi3 = {.name = "phi3", .build = build};
