/* SmolLM 3: as Llama, but every fourth layer does not rotate its queries and keys.
 * Sources: huggingface.co/blog/smollm3 and config.json beside the weights; arXiv 2501.18795 (layers without positions).
 */
#include "model/decoder_blocks.h"
#include "model/rope_table.h"

enum { PATTERN = 4 };

static void build(struct ew_binder *b) {
    b->norm = EW_NORM_RMS;
    ew_rope_bind(b, EW_ROPE_ADJACENT);
    ew_block_embedding(b, 1);
    while (ew_block_next_layer(b)) {
        bool rotates = (b->layer + 1) % PATTERN != 0;
        const struct ew_attention_block attention = {.rope = rotates ? EW_BUF_ROPE : 0};
        ew_block_usual_layer(b, &attention, EW_ACTIVATION_SILU);
    }
    ew_block_head(b, "output_norm", 1, 0);
}

const struct ew_architecture ew_architecture_smollm3 = {.name = "smollm3", .build = build};
