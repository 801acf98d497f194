/* edgewise convert: a Hugging Face folder or a llama2.c checkpoint into one GGUF file. */
#include "cli/command.h"
#include "cli/write_progress.h"
#include "convert/convert.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *source, *output, *type, *tokenizer, *name, *pre;
    bool dry_run, force;
};

static const char doc[] =
    "Write a model as one GGUF file: from a Hugging Face folder (config.json, model.safetensors or its shards, "
    "tokenizer.json or tokenizer.model), or from a llama2.c checkpoint (.bin, with tokenizer.bin). Memory use does not "
    "depend on the model's size."
    "\vExample:\n  edgewise convert SmolLM2-135M-Instruct --type q8_0\n  edgewise run SmolLM2-135M-Instruct-q8_0.gguf "
    "-p \"Once upon a time\"\n\nTypes: auto (weights keep the 16-bit type they have), f32, f16, bf16, q8_0. Vectors "
    "and routers are F32 in all of them. What cannot be converted faithfully is refused, with the reason.";

static const struct argp_option arguments[] = {
    {"type", 't', "TYPE", 0, "Type of the weights: auto (default), f32, f16, bf16, q8_0", 0},
    {"output", 'o', "FILE", 0, "Name of the file (NAME-TYPE.gguf in this folder by default)", 0},
    {"tokenizer", 'k', "FILE", 0, "llama2.c: its tokenizer (tokenizer.bin beside the checkpoint by default)", 0},
    {"name", 'N', "NAME", 0, "general.name of the file (the folder's name by default)", 0},
    {"pre", 'p', "NAME", 0, "How text is cut into words, where the patterns of tokenizer.json are not known", 0},
    {"force", 'f', 0, 0, "Replace a file of that name", 0},
    {"dry-run", 'n', 0, 0, "Check everything but the values, say how large the file would be, write nothing", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 't':
        if (!ew_convert_knows_type(arg))
            argp_error(state, "type `%s` cannot be written (auto, f32, f16, bf16, q8_0 can)", arg);
        o->type = arg;
        return 0;
    case 'o': o->output = arg; return 0;
    case 'k': o->tokenizer = arg; return 0;
    case 'N': o->name = arg; return 0;
    case 'p': o->pre = arg; return 0;
    case 'f': o->force = true; return 0;
    case 'n': o->dry_run = true; return 0;
    case ARGP_KEY_ARG:
        if (o->source) argp_error(state, "one model at a time, please: `%s` is a second one", arg);
        o->source = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->source) argp_error(state, "which model? A folder with config.json, or a llama2.c .bin file");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, 0, 0}, {0}};
static const struct argp convert_argp = {arguments, parse, "FOLDER|FILE.bin", doc, children, 0, 0};

static double mib(uint64_t bytes) { return (double)bytes / 1048576.0; }

static void print_result(const struct options *o, const char *path, const struct ew_convert_summary *s) {
    if (o->common.json) {
        json_t *object =
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "path", path, "name",
                      s->name, "architecture", s->architecture, "file_type", s->file_type, "pre", s->pre, "file_bytes",
                      (json_int_t)s->file_bytes, "n_params", (json_int_t)s->n_params, "n_tensors",
                      (json_int_t)s->n_tensors, "n_vocab", (json_int_t)s->n_vocab, "n_fallback",
                      (json_int_t)s->n_fallback, "n_ignored", (json_int_t)s->n_ignored, "n_padded",
                      (json_int_t)s->n_padded, "n_dropped", (json_int_t)s->n_dropped, "written", (int)!o->dry_run);
        json_dumpf(object, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(object);
        return;
    }
    printf("%s  %s, %s %s, %.1f MiB, %" PRIu32 " tensors, %.4g million parameters, %" PRIu32 " tokens%s\n", path,
           s->name, s->architecture, s->file_type, mib(s->file_bytes), s->n_tensors, (double)s->n_params / 1e6,
           s->n_vocab, o->dry_run ? " · not written (--dry-run)" : "");
    if (s->n_fallback > 0)
        printf("  %" PRIu32 " of them in F16 because their rows are no multiple of 32\n", s->n_fallback);
    if (s->n_ignored > 0)
        printf("  %" PRIu32 " stored tensors left out: they carry nothing of the text model's weights\n", s->n_ignored);
    if (s->n_dropped > 0)
        printf("  %" PRIu32 " added tokens have no row of the embedding and are left out\n", s->n_dropped);
    if (s->n_padded > 0) printf("  %" PRIu32 " rows of the embedding have no token\n", s->n_padded);
}

static int convert(const struct options *o, const struct ew_convert_params *params, const char *path) {
    struct ew_error err = {0};
    struct ew_convert_summary summary;
    ew_cli_write_begin();
    enum ew_status status = ew_convert_write(params, path, &summary, &err);
    ew_cli_write_end(*(const bool *)params->context);
    if (status != EW_OK) return ew_cli_fail(&err);
    print_result(o, path, &summary);
    return EW_EXIT_OK;
}

/* NAME-type.gguf; the type is what the weights have, also where it was not asked for by name. */
static void default_path(const struct ew_convert_summary *summary, char *buf, size_t capacity) {
    int used = snprintf(buf, capacity, "%s-", summary->name);
    for (char *c = buf; *c; c++)
        if (*c == '/') *c = '-';
    for (const char *c = summary->file_type; *c && used + 6 < (int)capacity; c++)
        buf[used++] = (char)tolower((unsigned char)*c);
    snprintf(buf + used, capacity - (size_t)used, ".gguf");
}

int ew_cmd_convert(int argc, char **argv) {
    struct options o = {.type = "auto"};
    ew_cli_parse(&convert_argp, argc, argv, &o.common, &o);
    bool terminal = isatty(STDERR_FILENO) && !o.common.json;
    struct ew_convert_params params = {.source = o.source,
                                       .tokenizer = o.tokenizer,
                                       .type = o.type,
                                       .name = o.name,
                                       .pre = o.pre,
                                       .progress = ew_cli_write_show,
                                       .context = &terminal};
    struct ew_error err = {0};
    struct ew_convert_summary summary;
    char name[256];
    if (!o.output || o.dry_run) {
        if (ew_convert_measure(&params, &summary, &err) != EW_OK) return ew_cli_fail(&err);
        default_path(&summary, name, sizeof name);
    }
    const char *path = o.output ? o.output : name;
    if (o.dry_run) {
        print_result(&o, path, &summary);
        return EW_EXIT_OK;
    }
    if (!o.force && access(path, F_OK) == 0) {
        fprintf(stderr, "edgewise: %s: exists; --force replaces it, -o FILE chooses another name\n", path);
        return EW_EXIT_USAGE;
    }
    return convert(&o, &params, path);
}
