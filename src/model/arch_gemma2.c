/* Gemma 2: Gemma with norms behind attention and feed-forward too, soft caps on scores and logits, and a window of 4096
 * positions in every other layer, beginning with the first. The scale of scores is that of the head, but in the model
 * of 46 layers (27B) that of the width per head. Sources: arXiv 2408.00118; config.json beside the weights. */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

#include <math.h>

enum { WINDOW = 4096, PATTERN = 2, LAYERS_27B = 46 };

/* What older files leave out. */
static double or_usual(double value, double usual) { return value > 0 ? value : usual; }

static void build(struct ew_binder *b) {
    const struct ew_config *c = b->config;
    struct ew_attention_block attention = {.rope = EW_BUF_ROPE, .soft_cap = or_usual(c->attention_soft_cap, 50)};
    if (c->n_layer == LAYERS_27B) attention.scale = 1 / sqrt((double)c->n_embd / c->n_head);
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_HALVES);
    ew_block_embedding(b, sqrt(c->n_embd));
    while (ew_block_next_layer(b)) {
        bool local = ew_config_is_local(c, (uint32_t)b->layer, PATTERN);
        attention.window = !local ? 0 : c->window ? c->window : WINDOW;
        ew_block_wrapped_layer(b, &attention, EW_ACTIVATION_GELU);
    }
    ew_block_head(b, "output_norm", 1, or_usual(c->final_soft_cap, 30));
}

const struct ew_architecture ew_architecture_gemma2 = {.name = "gemma2", .build = build};
