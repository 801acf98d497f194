/* InternLM 2: as Llama; its files have queries, keys and values apart, in pairs as Llama's.
 * Sources: arXiv 2403.17297; GGUF tensor names. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_ADJACENT);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_usual_layer(b, &attention, EW_ACTIVATION_SILU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_internlm2 = {.name = "internlm2", .build = build};
