/* OLMo 2: no norms before attention and feed-forward but behind them, and an RMSNorm of all queries and all keys
 * together; rotary positions on halves, SwiGLU.
 * Sources: arXiv 2501.00656; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) {
        ew_block_attention(b, EW_BUF_X, &attention);
        ew_block_attention_output(b, EW_BUF_BRANCH);
        ew_block_norm(b, "post_attention_norm", EW_BUF_BRANCH, EW_BUF_BRANCH);
        ew_block_add(b, 1);
        ew_block_feed_forward(b, EW_BUF_X, EW_ACTIVATION_SILU, EW_BUF_BRANCH);
        ew_block_norm(b, "post_ffw_norm", EW_BUF_BRANCH, EW_BUF_BRANCH);
        ew_block_add(b, 1);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_olmo2 = {.name = "olmo2", .build = build};
