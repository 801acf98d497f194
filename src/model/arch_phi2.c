/* Phi-1, 1.5, 2: attention and feed-forward side by side on one LayerNorm, biases everywhere, the head included, rotary
 * positions on halves of a part of each head.
 * Sources: config.json and the modelling code named there, huggingface.co/microsoft/phi-2; GGUF tensor names. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_LAYER;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) {
        ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_attention(b, EW_BUF_NORMED, &attention);
        ew_block_attention_output(b, EW_BUF_X);
        ew_block_plain_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_GELU, EW_BUF_X);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_phi2 = {.name = "phi2", .build = build};
