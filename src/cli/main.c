/* The command table. Each command owns its options, help and output in cmd_NAME.c. */
#include "cli/command.h"
#include "cli/device_options.h"
#include "machine/cpu_features.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary; /* NULL: for other programs, not listed */
} commands[] = {
    {"run", ew_cmd_run, "chat or complete a prompt in the terminal; afterwards speed and memory"},
    {"bench", ew_cmd_bench, "load, prefill, decode, memory, energy: one table"},
    {"study", ew_cmd_study, "a whole sweep from a study file, resumable, into a store"},
    {"report", ew_cmd_report, "tables and one HTML page from a store"},
    {"doctor", ew_cmd_doctor, "what works here, what holds the speed back, what to change"},
    {"merge", ew_cmd_merge, "many stores into one: boards side by side"},
    {"store", ew_cmd_store, "check a store, or upgrade one of an older version"},
    {"meter", ew_cmd_meter, "list, watch, calibrate meters; run any program under them"},
    {"synth", ew_cmd_synth, "write a model file of a well-known shape with random weights"},
    {"convert", ew_cmd_convert, "a Hugging Face folder or a llama2.c checkpoint into one GGUF file"},
    {"quantize", ew_cmd_quantize, "a GGUF file into one with fewer bits per weight"},
    {"imatrix", ew_cmd_imatrix, "learn from a text which weights matter, for quantize --imatrix"},
    {"eval", ew_cmd_eval, "how well a model predicts a text; what quantization costs"},
    {"info", ew_cmd_info, "metadata, tensors and memory needs of a model file"},
    {"tokenize", ew_cmd_tokenize, "token ids of a text"},
    {"logits", ew_cmd_logits, "float32 logits after each given token, to check the engine against another"},
    {"trial", ew_cmd_trial, NULL},
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *out) {
    fputs("Edgewise runs language models on small computers and measures what that takes.\n\n"
          "Usage: edgewise COMMAND [OPTION…]\n\n",
          out);
    for (int i = 0; i < N_COMMANDS; i++)
        if (commands[i].summary) fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nedgewise COMMAND --help says more, with an example.  edgewise --version\n", out);
}

static error_t parse_common(int key, char *arg, struct argp_state *state) {
    struct ew_cli_common *common = state->input;
    switch (key) {
    case 1001: common->json = true; return 0;
    case 1002: {
        const char *bad;
        common->cpu_mask = ew_cpu_features_parse(arg, &bad);
        if (bad) argp_error(state, "--cpu-mask: `%s` is not a CPU feature (all, none, avx2, no-avx512 …)", bad);
        return 0;
    }
    case 1003: common->root = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option common_options[] = {
    {"json", 1001, 0, 0, "Print JSON for machines", 90},
    {"cpu-mask", 1002, "LIST", 0, "CPU features that kernels may use: all, none, or a list such as avx2 or no-avx512",
     91},
    {"root", 1003, "DIR", 0, "Look for /proc, /sys and /dev below DIR (recorded machines)", 91},
    {0},
};
const struct argp ew_cli_common_argp = {.options = common_options, .parser = parse_common};

static void parse_with(const struct argp *argp, int argc, char **argv, unsigned flags, struct ew_cli_common *common,
                       void *input) {
    *common = (struct ew_cli_common){.cpu_mask = ew_cpu_features(), .root = ""};
    argp_err_exit_status = EW_EXIT_USAGE;
    int failed = argp_parse(argp, argc, argv, flags, NULL, input);
    if (!failed) return;
    fprintf(stderr, "edgewise: cannot read the command line: %s\n", strerror(failed));
    exit(EW_EXIT_FAILED);
}

void ew_cli_parse(const struct argp *argp, int argc, char **argv, struct ew_cli_common *common, void *input) {
    parse_with(argp, argc, argv, 0, common, input);
}

void ew_cli_parse_in_order(const struct argp *argp, int argc, char **argv, struct ew_cli_common *common, void *input) {
    parse_with(argp, argc, argv, ARGP_IN_ORDER, common, input);
}

uint32_t ew_cli_u32(const struct argp_state *state, const char *option, const char *text, uint32_t min, uint32_t max) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || errno || text[0] == '-' || v < min || v > max)
        argp_error(state, "%s: `%s` is not a whole number from %u to %u", option, text, min, max);
    return (uint32_t)v;
}

double ew_cli_f64(const struct argp_state *state, const char *option, const char *text, double min, double max) {
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end || errno || !(v >= min && v <= max))
        argp_error(state, "%s: `%s` is not a number from %g to %g", option, text, min, max);
    return v;
}

int ew_cli_fail(const struct ew_error *err) {
    fprintf(stderr, "edgewise: %s\n", err->message);
    return err->status == EW_ERR_ARGUMENT ? EW_EXIT_USAGE : EW_EXIT_FAILED;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EW_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EW_EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("edgewise " EW_VERSION);
        return EW_EXIT_OK;
    }
    for (int i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0) continue;
        char name[64];
        snprintf(name, sizeof name, "edgewise %s", commands[i].name);
        argv[1] = name;
        ew_device_restore_left_over();
        return commands[i].run(argc - 1, argv + 1);
    }
    fprintf(stderr, "edgewise: `%s` is not a command; edgewise --help lists them\n", argv[1]);
    return EW_EXIT_USAGE;
}
