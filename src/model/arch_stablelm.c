/* StableLM 2, 3B: LayerNorm, rotary positions on halves of a part of each head, SwiGLU; biases on queries, keys and
 * values in some. The 12B has attention and feed-forward side by side on one norm, and a norm of its own for each
 * head's queries and keys. Sources: arXiv 2402.17834; config.json beside the weights. */
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
        if (!b->config->parallel_residual) ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_SILU, EW_BUF_X);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_stablelm = {.name = "stablelm", .build = build};
