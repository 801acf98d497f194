/* GPT-NeoX: Pythia. LayerNorm and biases, rotary positions on halves of a part of each head, exact GELU; attention and
 * feed-forward side by side, each on its own norm of the same input, or one after the other.
 * Sources: arXiv 2204.06745, 2304.01373 (Pythia); GGUF tensor names. */
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
        /* Side by side, the second norm reads X before the attention joins it. */
        if (b->config->parallel_residual) ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_attention_output(b, EW_BUF_X);
        if (!b->config->parallel_residual) ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_plain_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_GELU_ERF, EW_BUF_X);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_gptneox = {.name = "gptneox", .build = build};
