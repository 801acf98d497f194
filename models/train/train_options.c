/* Owns the command line of train-model: one table of numbers, with their ranges and where they go. */
#include "train/train_options.h"

#include <argp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { U32, U64, F32, F64 };
enum { KEY_NUMBER = 1000, KEY_VOCABULARY = 2000, KEY_TEXT, KEY_VALID, KEY_NAME, KEY_OPTIMIZER };

struct number {
    const char *option, *help;
    enum kind kind;
    size_t offset;
    double low, high;
};

#define AT(member) offsetof(struct ew_train_options, member)
static const struct number numbers[] = {
    {"layers", "Layers (5)", U32, AT(training.shape.n_layer), 1, 256},
    {"width", "Width of the residual stream (256)", U32, AT(training.shape.n_embd), 2, 16384},
    {"heads", "Heads of attention (4)", U32, AT(training.shape.n_head), 1, 1024},
    {"kv-heads", "Heads of keys and values (2)", U32, AT(training.shape.n_head_kv), 1, 1024},
    {"ff", "Width of the feed-forward part (768)", U32, AT(training.shape.n_ff), 1, 65536},
    {"context", "Tokens of a window (256)", U32, AT(training.shape.n_ctx), 4, 16384},
    {"batch", "Windows of a step (64)", U32, AT(training.batch), 1, 65536},
    {"at-once", "Windows that a thread computes together (4)", U32, AT(training.at_once), 1, 1024},
    {"threads", "Threads (2)", U32, AT(training.threads), 1, 64},
    {"steps", "Steps of the whole training (1900)", U64, AT(training.n_steps), 1, 1e9},
    {"stop-after", "End after N steps, with the model as it is then", U64, AT(stop_after), 1, 1e9},
    {"warmup", "Steps in which the rate rises (100)", U64, AT(training.warmup), 0, 1e9},
    {"decay", "Share of the steps, the last ones, in which the rate falls to 0 (0.6)", F64, AT(training.decay), 0, 1},
    {"clip", "Longest gradient (1)", F32, AT(training.clip), 1e-6, 1e9},
    {"rate", "AdamW's rate (0.003)", F32, AT(training.optimizer.rate), 0, 10},
    {"muon-rate", "Muon's rate (0.006)", F32, AT(training.optimizer.muon_rate), 0, 10},
    {"momentum", "Muon's momentum (0.95)", F32, AT(training.optimizer.momentum), 0, 0.9999},
    {"weight-decay", "Decay of weights (0.1)", F32, AT(training.optimizer.decay), 0, 10},
    {"seed", "Seed of weights and of the windows' order (1)", U64, AT(training.seed), 0, 1e15},
    {"log-every", "Steps between lines of the log (50)", U32, AT(log_every), 1, 1e9},
    {"evaluate-every", "Steps between evaluations (250)", U32, AT(evaluate_every), 1, 1e9},
    {"evaluate-windows", "Windows of an evaluation under way (128)", U32, AT(evaluate_windows), 1, 1e9},
    {"save-seconds", "Seconds between checkpoints (120)", U32, AT(save_seconds), 1, 1e6},
};
enum { N_NUMBERS = sizeof numbers / sizeof *numbers };

static void set_number(struct argp_state *state, const struct number *n, const char *text) {
    char *end, *at = (char *)state->input + n->offset;
    const double value = strtod(text, &end);
    const bool whole = n->kind == F32 || n->kind == F64 || value == (double)(uint64_t)(value < 0 ? 0 : value);
    if (end == text || *end || !(value >= n->low && value <= n->high) || !whole)
        argp_error(state, "--%s: `%s` is not a%s number from %g to %g", n->option, text, n->kind < F32 ? " whole" : "",
                   n->low, n->high);
    switch (n->kind) {
    case U32: *(uint32_t *)at = (uint32_t)value; break;
    case U64: *(uint64_t *)at = (uint64_t)value; break;
    case F32: *(float *)at = (float)value; break;
    case F64: *(double *)at = value; break;
    }
}

static void set_optimizer(struct argp_state *state, struct ew_train_options *o, const char *name) {
    if (strcmp(name, "muon") != 0 && strcmp(name, "adamw") != 0)
        argp_error(state, "--optimizer: `%s` is neither muon nor adamw", name);
    o->training.optimizer.muon = strcmp(name, "muon") == 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct ew_train_options *o = state->input;
    if (key >= KEY_NUMBER && key < KEY_NUMBER + N_NUMBERS) {
        set_number(state, &numbers[key - KEY_NUMBER], arg);
        return 0;
    }
    switch (key) {
    case KEY_VOCABULARY: o->vocabulary = arg; return 0;
    case KEY_TEXT: o->text = arg; return 0;
    case KEY_VALID: o->valid = arg; return 0;
    case KEY_NAME: o->name = arg; return 0;
    case KEY_OPTIMIZER: set_optimizer(state, o, arg); return 0;
    case ARGP_KEY_ARG:
        if (o->folder) argp_error(state, "`%s` is one argument too many", arg);
        o->folder = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->folder) argp_error(state, "which FOLDER for checkpoint, log and model?");
        if (!o->vocabulary || !o->text || !o->valid) argp_error(state, "--vocabulary, --text and --valid are needed");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

void ew_train_parse(int argc, char **argv, struct ew_train_options *o) {
    struct argp_option table[N_NUMBERS + 6] = {
        {"vocabulary", KEY_VOCABULARY, "FILE", 0, "GGUF file of train-vocabulary", 1},
        {"text", KEY_TEXT, "FILE", 0, "Text to train with; documents separated by lines <|doc|>", 1},
        {"valid", KEY_VALID, "FILE", 0, "Text to evaluate with, as one text", 1},
        {"name", KEY_NAME, "NAME", 0, "Name of the model, in its metadata", 1},
        {"optimizer", KEY_OPTIMIZER, "NAME", 0, "muon (default) or adamw", 2},
    };
    for (int i = 0; i < N_NUMBERS; i++)
        table[5 + i] = (struct argp_option){numbers[i].option, KEY_NUMBER + i, "N", 0, numbers[i].help, 3};
    const struct argp argp = {
        table, parse_option, "FOLDER", "Trains a Llama model on a text, or goes on where FOLDER has a checkpoint.",
        NULL,  NULL,         NULL};
    *o = (struct ew_train_options){
        .name = "edgewise",
        .training = {.shape = {.n_layer = 5,
                               .n_embd = 256,
                               .n_head = 4,
                               .n_head_kv = 2,
                               .n_ff = 768,
                               .n_ctx = 256,
                               .norm_eps = 1e-5f,
                               .rope_base = 10000},
                     .optimizer = ew_optimizer_default_params(),
                     .batch = 64,
                     .at_once = 4,
                     .threads = 2,
                     .n_steps = 1900,
                     .warmup = 100,
                     .decay = 0.6,
                     .clip = 1,
                     .seed = 1},
        .log_every = 50,
        .evaluate_every = 250,
        .evaluate_windows = 128,
        .save_seconds = 120,
    };
    argp_parse(&argp, argc, argv, 0, NULL, o);
}
