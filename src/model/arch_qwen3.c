/* Qwen 3, dense and with experts: as Llama, with rotary positions on halves and an RMSNorm of each head's queries and
 * keys; heads need not divide the width. The router's softmax is over the chosen experts (norm_topk_prob).
 * Sources: arXiv 2505.09388; config.json beside the weights. */
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

const struct ew_architecture ew_architecture_qwen3 = {.name = "qwen3", .build = build};
const struct ew_architecture ew_architecture_qwen3moe = {.name = "qwen3moe", .build = build};
