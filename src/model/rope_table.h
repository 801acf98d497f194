/* Tables of rotations: how far each pair of dimensions turns per position, with the scalings that stretch contexts. */
#ifndef EW_MODEL_ROPE_TABLE_H
#define EW_MODEL_ROPE_TABLE_H

#include "model/architecture.h"

/* The table behind EW_BUF_ROPE from the file: base, scaling by metadata (linear, YaRN), and divisors by tensors
 * (rope_freqs: Llama 3; rope_factors_long and _short: long contexts of Phi-3). */
void ew_rope_bind(struct ew_binder *b, enum ew_rope_pairs pairs);

/* The table behind EW_BUF_ROPE_LOCAL: this base, unscaled. */
void ew_rope_bind_local(struct ew_binder *b, enum ew_rope_pairs pairs, double base);

/* Radians per position of pair i of n_rot / 2 under YaRN: pairs that turn more than fast times within the original
 * context keep their frequency, those below slow turns get 1 / factor of it, those between a blend by their index.
 * Source: arXiv 2309.00071, section 3.2. */
double ew_rope_yarn(const struct ew_config *config, uint32_t i);

/* What cos and sin are multiplied with: YaRN 1 + 0.1 ln(factor) (same source, section 3.3); long contexts
 * sqrt(1 + ln(factor) / ln(original context)) (arXiv 2402.13753, as in the config of Phi-3); else 1. */
double ew_rope_magnitude(const struct ew_config *config);

#endif
