/* LFM 2: layers of grouped-query attention, with norms of each head's queries and keys, among layers of short gated
 * convolutions, which are those without KV heads; SwiGLU. A convolution multiplies its input by a first gate, mixes it
 * over the last positions of each channel, and multiplies by a second.
 * Sources: liquid.ai/blog/liquid-foundation-models-v2-our-second-series-of-generative-ai-models, config.json beside the
 * weights; GGUF tensor names. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void add_convolution(struct ew_binder *b) {
    const uint32_t n = b->config->n_embd;
    struct ew_op *op = ew_bind_op(b, EW_OP_MATMUL);
    op->src = EW_BUF_NORMED;
    op->dst[0] = ew_bind_buffer(b, EW_BUF_CONV, 3 * n);
    op->n_weights = 1;
    op->weights[0] = ew_bind_matrix(b, "shortconv.in_proj.weight", n, 3 * (uint64_t)n);
    op = ew_bind_op(b, EW_OP_CONV);
    op->src = EW_BUF_CONV;
    op->dst[0] = ew_bind_buffer(b, EW_BUF_ATTN, n);
    op->width = n;
    op->n_weights = 1;
    op->weights[0] = ew_bind_vectors(b, "shortconv.conv.weight", b->config->n_taps, n);
    ew_block_output(b, "shortconv.out_proj", EW_BUF_ATTN, n, EW_BUF_X);
}

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) {
        ew_block_norm(b, "attn_norm", EW_BUF_X, EW_BUF_NORMED);
        if (b->config->layers[b->layer].n_head_kv == 0) {
            add_convolution(b);
        } else {
            ew_block_attention(b, EW_BUF_NORMED, &attention);
            ew_block_attention_output(b, EW_BUF_X);
        }
        ew_block_norm(b, "ffn_norm", EW_BUF_X, EW_BUF_NORMED);
        ew_block_feed_forward(b, EW_BUF_NORMED, EW_ACTIVATION_SILU, EW_BUF_X);
    }
    ew_block_head(b, "token_embd_norm", 1, 0);
}

const struct ew_architecture ew_architecture_lfm2 = {.name = "lfm2", .build = build};
