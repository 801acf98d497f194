/* edgewise eval: what a model knows. Here are its options; a text is eval_text.c's, a task eval_task.c's, a set of
 * prompts eval_answers.c's. */
#include "cli/context_options.h"
#include "cli/eval_answers.h"
#include "cli/eval_options.h"
#include "cli/write_progress.h"
#include "quality/task_set.h"

enum {
    KEY_STRIDE = 2201,
    KEY_WINDOWS,
    KEY_KV,
    KEY_REFERENCE,
    KEY_SAVE,
    KEY_TASK,
    KEY_FORMAT,
    KEY_SHOTS,
    KEY_SHOTS_FROM,
    KEY_SEED,
    KEY_ITEMS,
    KEY_NORMALIZE,
    KEY_TOKENS,
    KEY_SKIP_LONG,
    KEY_ITEMS_OUT,
    KEY_SHOW_PROMPTS,
    KEY_PROMPTS,
    KEY_STORE
};

static const struct argp_option option_table[] = {
    {0, 0, 0, 0, "A text: perplexity, and what quantization costs", 1},
    {"file", 'f', "FILE", 0, "The text, as it is, byte by byte", 1},
    {"stride", KEY_STRIDE, "N", 0,
     "Begin a window every N tokens and score its last N (by default windows lie side by side and the second half of "
     "each is scored, as llama.cpp does)",
     1},
    {"windows", KEY_WINDOWS, "N", 0, "Only the first N windows (all)", 1},
    {"save-reference", KEY_SAVE, "RUN", 0, "Keep what the model predicted in file RUN, for --reference", 1},
    {"reference", KEY_REFERENCE, "RUN", 0, "Hold the model against what another one predicted, from file RUN", 1},
    {0, 0, 0, 0, "A task: questions with right answers", 2},
    {"task", KEY_TASK, "FILE", 0, "Items as docs/tasks.md describes them, or a file of a public data set", 2},
    {"format", KEY_FORMAT, "NAME", 0, "The form of FILE (by default what it looks like)", 2},
    {"shots", KEY_SHOTS, "N", 0, "Show N examples with their answers before each item (0)", 2},
    {"shots-from", KEY_SHOTS_FROM, "FILE", 0, "Take them from FILE (from the task, which then does not score them)", 2},
    {"seed", KEY_SEED, "N", 0, "Draw the examples by seed N (0: the first ones)", 2},
    {"items", KEY_ITEMS, "N", 0, "Only the first N items, of each group where there are groups (all)", 2},
    {"normalize", KEY_NORMALIZE, "BY", 0,
     "Divide the log-likelihood of an ending by its length: token, byte, char or none (as the task says)", 2},
    {"skip-long", KEY_SKIP_LONG, 0, 0, "Leave out items that do not fit the context, instead of refusing the task", 2},
    {"items-out", KEY_ITEMS_OUT, "FILE", 0, "Write each item with its scores to FILE, as lines of JSON", 2},
    {"show-prompts", KEY_SHOW_PROMPTS, 0, 0, "Print what a model would be asked, as lines of JSON; needs no MODEL", 2},
    {0, 0, 0, 0, "Prompts: answers to be read", 3},
    {"prompts", KEY_PROMPTS, "FILE", 0,
     "Answer the prompts of FILE ({\"prompt\": \"…\"} a line), always the likeliest token", 3},
    {0, 0, 0, 0, "All of them", 4},
    {"tokens", KEY_TOKENS, "N", 0, "Most tokens of a written answer (64; as the task says)", 4},
    {"store", KEY_STORE, "DB", 0, "Keep the figures, or the answers, in this store, beside what studies measured", 4},
    {"context", 'c', "N", 0,
     "Tokens of a window (512, or as many as the model was trained for where that is less); for a task the longest "
     "item (4096, or as many as it was trained for)",
     4},
    {"threads", 't', "N", 0, "Threads (all cores)", 4},
    {"kv", KEY_KV, "TYPE", 0, "Type of the KV cache: f16, q8_0, f32, or keys and values apart, as q8_0/f16 (f16)", 4},
    {0},
};

/* ---- wrong use ---- */

static int normalize_of(const struct argp_state *state, const char *text) {
    int by = ew_task_name_index(ew_task_length_names, EW_TASK_LENGTHS, text);
    if (by < 0) argp_error(state, "--normalize: `%s` is not one of token, byte, char and none", text);
    return by;
}

static void check_mode(const struct argp_state *state, const struct ew_eval_options *o) {
    const int n_modes = (o->text != NULL) + (o->task != NULL) + (o->prompts != NULL);
    if (n_modes > 1) argp_error(state, "--file is a text, --task asks questions, --prompts are answered: choose one");
    if (n_modes == 0)
        argp_error(state, "which text? --file FILE; or which questions? --task FILE; or which prompts? --prompts FILE");
    bool of_text = o->stride || o->windows || o->reference || o->save_reference;
    bool of_task = o->format || o->shots || o->shots_from || o->seed || o->items || o->normalize >= 0 || o->skip_long ||
                   o->items_out || o->show_prompts;
    if (!o->text && of_text) argp_error(state, "--stride, --windows, --reference and --save-reference go with --file");
    if (!o->task && of_task) argp_error(state, "--shots, --items and what else is about questions go with --task");
    if (o->text && o->n_most) argp_error(state, "--tokens goes with --task or --prompts");
    if (o->reference && o->save_reference)
        argp_error(state, "--reference compares with a run, --save-reference writes one: choose one");
    if (o->shots == 0 && (o->shots_from || o->seed)) argp_error(state, "how many examples? --shots N");
    if (!o->model && !o->show_prompts) argp_error(state, "which MODEL?");
}

static error_t parse_task_option(int key, char *arg, struct argp_state *state) {
    struct ew_eval_options *o = state->input;
    switch (key) {
    case KEY_TASK: o->task = arg; return 0;
    case KEY_FORMAT: o->format = arg; return 0;
    case KEY_SHOTS: o->shots = ew_cli_u32(state, "--shots", arg, 0, 1000); return 0;
    case KEY_SHOTS_FROM: o->shots_from = arg; return 0;
    case KEY_SEED: o->seed = ew_cli_u32(state, "--seed", arg, 0, UINT32_MAX); return 0;
    case KEY_ITEMS: o->items = ew_cli_u32(state, "--items", arg, 1, UINT32_MAX); return 0;
    case KEY_NORMALIZE: o->normalize = normalize_of(state, arg); return 0;
    case KEY_TOKENS: o->n_most = ew_cli_u32(state, "--tokens", arg, 1, EW_TASK_MOST_TOKENS); return 0;
    case KEY_SKIP_LONG: o->skip_long = true; return 0;
    case KEY_ITEMS_OUT: o->items_out = arg; return 0;
    case KEY_SHOW_PROMPTS: o->show_prompts = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct ew_eval_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'f': o->text = arg; return 0;
    case 'c': o->n_ctx = ew_cli_u32(state, "--context", arg, EW_EVAL_LEAST_WINDOW, 1 << 24); return 0;
    case 't': o->threads = ew_cli_u32(state, "--threads", arg, 1, 1024); return 0;
    case KEY_STRIDE: o->stride = ew_cli_u32(state, "--stride", arg, 1, 1 << 24); return 0;
    case KEY_WINDOWS: o->windows = ew_cli_u32(state, "--windows", arg, 1, UINT32_MAX); return 0;
    case KEY_KV: ew_cli_kv(state, arg, &o->kv_k, &o->kv_v); return 0;
    case KEY_SAVE: o->save_reference = arg; return 0;
    case KEY_REFERENCE: o->reference = arg; return 0;
    case KEY_PROMPTS: o->prompts = arg; return 0;
    case KEY_STORE: o->store = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "one model at a time, please: `%s` is a second one", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END: check_mode(state, o); return 0;
    default: return parse_task_option(key, arg, state);
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0}, {0}};
static const struct argp eval_argp = {
    option_table,
    parse_option,
    "MODEL --file FILE\nMODEL --task FILE\nMODEL --prompts FILE",
    "What a model knows: how well it predicts a text, and how many questions it answers.\v"
    "Example:  edgewise eval model-f16.gguf -f wiki.test.raw --save-reference wiki.ref\n"
    "          edgewise eval model-q4_0.gguf -f wiki.test.raw --reference wiki.ref\n"
    "          edgewise eval model-q4_0.gguf --task hellaswag_val.jsonl --items 1000\n"
    "          edgewise eval model-q4_0.gguf --task mmlu/ --shots 5\n"
    "          edgewise eval model-q4_0.gguf --prompts prompts.jsonl --json\n\n"
    "docs/eval.md defines every figure, docs/tasks.md the questions.",
    children,
    NULL,
    NULL,
};

struct ew_session_params ew_eval_session_params(const struct ew_eval_options *o) {
    return (struct ew_session_params){.n_ctx = o->n_ctx,
                                      .threads_prefill = o->threads,
                                      .threads_decode = o->threads,
                                      .cpu_mask = o->common.cpu_mask,
                                      .kv_k = o->kv_k,
                                      .kv_v = o->kv_v};
}

static enum ew_status answer_prompts(const struct ew_eval_options *o, struct ew_error *err) {
    const struct ew_eval_answers answers = {.model = o->model,
                                            .prompts = o->prompts,
                                            .store = o->store,
                                            .tokens = o->n_most,
                                            .json = o->common.json,
                                            .session = ew_eval_session_params(o)};
    return ew_eval_answer(&answers, err);
}

int ew_cmd_eval(int argc, char **argv) {
    struct ew_eval_options o = {.normalize = -1};
    struct ew_error err = {0};
    ew_cli_parse(&eval_argp, argc, argv, &o.common, &o);
    ew_cli_write_begin();
    enum ew_status status = o.task      ? ew_eval_task(&o, &err)
                            : o.prompts ? answer_prompts(&o, &err)
                                        : ew_eval_text(&o, &err);
    return status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
