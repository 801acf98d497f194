/* GPT-2: LayerNorm and biases, learned positions, one fused product for queries, keys and values, GELU without a gate.
 * Sources: Radford et al. 2019, Language Models are Unsupervised Multitask Learners; GGUF tensor names. */
#include "model/decoder_blocks.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = 0};
    b->norm = EW_NORM_LAYER;
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) {
        ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_attention(b, EW_BUF_NORMED, &attention);
        ew_block_attention_output(b, EW_BUF_X);
        ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_plain_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_GELU, EW_BUF_X);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_gpt2 = {.name = "gpt2", .build = build};
