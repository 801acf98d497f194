/* A Llama model in training: loss and gradients of sequences, in float32. One work space is one thread's; the
 * parameters may be shared by all. Nothing is allocated after opening. */
#ifndef EW_TRAIN_NETWORK_H
#define EW_TRAIN_NETWORK_H

#include "train/network_shape.h"
#include <stdbool.h>

struct ew_net_work;

/* For n_sequences of shape's n_ctx tokens at once. backward: whether ew_net_gradients will be called. *out is owned by
 * the caller. Errors: MEMORY. The shape is checked (ew_net_shape_check). */
enum ew_status ew_net_work_open(const struct ew_net_shape *shape, size_t n_sequences, bool backward,
                                struct ew_net_work **out, struct ew_error *err);
void ew_net_work_close(struct ew_net_work **work); /* NULL and *NULL are fine */
size_t ew_net_work_bytes(const struct ew_net_work *work);

/* ids, next: [n_sequences · n_ctx], below n_vocab. Both take n_sequences up to that of opening. */

/* loss: [n_sequences · n_ctx] receives -ln p(next) in nats. */
void ew_net_losses(struct ew_net_work *work, const float *params, const uint16_t *ids, const uint16_t *next,
                   size_t n_sequences, float *loss);

/* Returns the sum of the losses and adds dscale times its derivatives to gradients [n_params]. */
double ew_net_gradients(struct ew_net_work *work, const float *params, const uint16_t *ids, const uint16_t *next,
                        size_t n_sequences, float dscale, float *gradients);

/* Normal numbers of standard deviation 0.02, what leads back into the residual stream smaller by the root of the number
 * of such matrices; norms 1. Source: Radford et al. 2019 (GPT-2), section 2.3. The same seed gives the same numbers. */
void ew_net_init(const struct ew_net_shape *shape, uint64_t seed, float *params);

#endif
