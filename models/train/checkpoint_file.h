/* A training on disk, to go on with after a kill: weights, moments and the number of steps done. Written beside the
 * name and renamed, so that a kill while writing leaves the older file. The bytes are this machine's own
 * (little-endian). */
#ifndef EW_TRAIN_CHECKPOINT_FILE_H
#define EW_TRAIN_CHECKPOINT_FILE_H

#include "train/training.h"

/* Errors: IO, ARGUMENT (a path too long). */
enum ew_status ew_train_save(const struct ew_training *training, const char *path, struct ew_error *err);
/* Into an opened training of the same shape, batch and seed. Errors: NOT_FOUND, IO, FORMAT (damaged), ARGUMENT (of
 * another training); nothing is changed then. */
enum ew_status ew_train_resume(struct ew_training *training, const char *path, struct ew_error *err);

#endif
