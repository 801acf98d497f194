/* The Llama family: Llama 1–3.2, TinyLlama, SmolLM2, Mistral, and with experts Mixtral. Pre-norm decoder with RMSNorm,
 * rotary positions on adjacent pairs, grouped-query attention (within a window where the file has one: Mistral 0.1) and
 * a SwiGLU feed-forward; the head may share the embedding.
 * Sources: arXiv 2302.13971 (Llama), 2307.09288 (grouped queries), 2407.21783 (Llama 3), 2310.06825 (Mistral),
 * 2401.04088 (Mixtral); GGUF tensor names. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

static void build(struct ew_binder *b) {
    const struct ew_attention_block attention = {.rope = EW_BUF_ROPE, .window = b->config->window};
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_ADJACENT);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) ew_block_usual_layer(b, &attention, EW_ACTIVATION_SILU);
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_llama = {.name = "llama", .build = build};
