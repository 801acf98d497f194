/* What the program train-model was asked for. */
#ifndef EW_TRAIN_TRAIN_OPTIONS_H
#define EW_TRAIN_TRAIN_OPTIONS_H

#include "train/training.h"

struct ew_train_options {
    const char *vocabulary, *text, *valid, *folder, *name;
    struct ew_training_params training; /* n_vocab and bos come from the vocabulary */
    uint64_t stop_after;                /* steps, fewer than all: for measuring; 0 = all */
    uint32_t log_every, evaluate_every, evaluate_windows, save_seconds;
};

/* Fills *options with defaults and what the command line says; exits with a message when that is nonsense. */
void ew_train_parse(int argc, char **argv, struct ew_train_options *options);

#endif
