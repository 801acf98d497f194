/* Gemma 3, text: Gemma 2 without soft caps, with norms of each head's queries and keys; five layers within a window to
 * one that sees all, and for those five a rotary base of their own, unscaled. The scale of scores is that of the head,
 * but in the model of 62 layers (27B) that of the width per head.
 * Sources: arXiv 2503.19786; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

#include <math.h>

enum { PATTERN = 6, LOCAL_BASE = 10000, LAYERS_27B = 62 };

static void build(struct ew_binder *b) {
    const struct ew_config *c = b->config;
    struct ew_attention_block attention = {.soft_cap = c->attention_soft_cap};
    if (c->n_layer == LAYERS_27B) attention.scale = 1 / sqrt((double)c->n_embd / c->n_head);
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_rope_bind_local(b, EW_ROPE_HALVES, LOCAL_BASE);
    ew_block_embedding(b, sqrt(c->n_embd));
    while (ew_block_next_layer(b)) {
        bool local = ew_config_is_local(c, (uint32_t)b->layer, PATTERN);
        attention.window = local ? c->window : 0;
        attention.rope = local ? EW_BUF_ROPE_LOCAL : EW_BUF_ROPE;
        ew_block_wrapped_layer(b, &attention, EW_ACTIVATION_GELU);
    }
    ew_block_head(b, "output_norm", 1, c->final_soft_cap);
}

const struct ew_architecture ew_architecture_gemma3 = {.name = "gemma3", .build = build};
