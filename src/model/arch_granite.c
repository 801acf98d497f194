/* Granite 3: as Llama, with scales of its own for embeddings, scores, what blocks add to the stream, and logits, which
 * are divided by theirs.
 * Sources: config.json beside the weights, huggingface.co/ibm-granite; GGUF tensor names. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

/* A scale that the file does not say is 1. */
static double or_one(double scale) { return scale > 0 ? scale : 1; }

static void build(struct ew_binder *b) {
    const struct ew_config *c = b->config;
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE, .scale = c->attention_scale};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_ADJACENT);
    ew_block_embedding(b, or_one(c->embedding_scale));
    while (ew_block_next_layer(b)) {
        ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_attention(b, EW_BUF_NORMED, &attention);
        ew_block_attention_output(b, EW_BUF_BRANCH);
        ew_block_add(b, or_one(c->residual_scale));
        ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_SILU, EW_BUF_BRANCH);
        ew_block_add(b, or_one(c->residual_scale));
    }
    ew_block_head(b, "output_norm", 1 / or_one(c->logit_scale), 0);
}

const struct ew_architecture ew_architecture_granite = {.name = "granite", .build = build};
