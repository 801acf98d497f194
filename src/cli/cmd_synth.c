/* edgewise synth: writes a model file of a well-known shape with random weights. */
#include "cli/command.h"
#include "cli/write_progress.h"
#include "model/synth.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *shape, *type, *output;
    uint64_t seed;
    bool list, dry_run;
};

static const char doc[] =
    "Write a GGUF file in the shape of a well-known model, with random weights. Speed, memory and energy do not depend "
    "on the values, so a device can be judged before any download. The file is marked as synthetic."
    "\vExample:\n  edgewise synth llama-3.2-1b --type q4_0\n  edgewise bench synthetic-llama-3.2-1b-q4_0.gguf\n\n"
    "Types: q4_0, q4_k_m, q5_k_m, q6_k, q8_0, f16, bf16, f32; q2_k, q3_k_s, q3_k_m, q3_k_l, iq4_xs, iq4_nl, q4_k_s, "
    "q4_1, q5_k_s, q5_0, q5_1. Where a row is no multiple of 256, types with blocks of 256 give way to those that "
    "llama.cpp takes then (Q4_K to Q5_0, Q5_K to Q5_1, Q6_K to Q8_0, IQ4_XS to IQ4_NL, Q2_K and Q3_K to Q4_0).";

static const struct argp_option arguments[] = {
    {"type", 't', "TYPE", 0, "Type of the weights (q4_0 by default)", 0},
    {"output", 'o', "FILE", 0, "Name of the file (synthetic-SHAPE-TYPE.gguf by default)", 0},
    {"seed", 's', "N", 0, "The same seed gives the same bytes (1 by default)", 0},
    {"list", 'l', 0, 0, "List the shapes with their figures", 0},
    {"dry-run", 'n', 0, 0, "Say how large the file would be and write nothing", 0},
    {0},
};

static uint64_t parse_seed(const char *text, struct argp_state *state) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') argp_error(state, "--seed: `%s` is not a whole number", text);
    return value;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 't': o->type = arg; return 0;
    case 'o': o->output = arg; return 0;
    case 's': o->seed = parse_seed(arg, state); return 0;
    case 'l': o->list = true; return 0;
    case 'n': o->dry_run = true; return 0;
    case ARGP_KEY_ARG:
        if (o->shape) argp_error(state, "one shape at a time, please: `%s` is a second one", arg);
        o->shape = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->shape && !o->list) argp_error(state, "which shape? edgewise synth --list shows them");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, 0, 0}, {0}};
static const struct argp synth_argp = {arguments, parse, "[SHAPE]", doc, children, 0, 0};

/* ---- the list ---- */

static double mib(uint64_t bytes) { return (double)bytes / 1048576.0; }

static uint64_t file_bytes_of(const struct ew_shape *shape, enum ew_file_type type) {
    struct ew_synth_summary summary;
    struct ew_synth_params params = {.shape = shape, .file_type = type, .seed = 1};
    return ew_synth_measure(&params, &summary, NULL) == EW_OK ? summary.file_bytes : 0;
}

static int list_json(void) {
    json_t *list = json_array();
    for (size_t i = 0; i < ew_shape_count(); i++) {
        const struct ew_shape *s = ew_shape_at(i);
        json_array_append_new(
            list,
            json_pack("{s:s, s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:b, s:s}",
                      "name", s->name, "title", s->title, "architecture", s->architecture, "runs",
                      (int)ew_shape_runs(s), "n_params", (json_int_t)ew_shape_n_params(s), "n_layer", (int)s->n_layer,
                      "n_embd", (int)s->n_embd, "n_head", (int)s->n_head, "n_head_kv", (int)s->n_head_kv, "head_dim",
                      (int)s->head_dim, "n_ff", (int)s->n_ff, "n_vocab", (int)s->n_vocab, "n_ctx_train",
                      (int)s->n_ctx_train, "rope_base", s->rope_base, "rope_factor", s->rope_factor, "norm_epsilon",
                      s->norm_epsilon, "tied", (int)s->tied, "source", s->source));
    }
    json_dumpf(list, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(list);
    return EW_EXIT_OK;
}

static int list_table(void) {
    printf("%-15s %-7s %8s %7s %6s %7s %8s %7s %7s %8s  %9s %9s\n", "shape", "arch", "params", "layers", "width",
           "heads", "head dim", "ffn", "vocab", "context", "Q4_0", "Q8_0");
    printf("%-15s %-7s %8s %7s %6s %7s %8s %7s %7s %8s  %9s %9s\n", "", "", "10^6", "", "", "q/kv", "", "", "",
           "tokens", "MiB", "MiB");
    bool any_waits = false;
    for (size_t i = 0; i < ew_shape_count(); i++) {
        const struct ew_shape *s = ew_shape_at(i);
        char heads[24], arch[24];
        snprintf(heads, sizeof heads, "%" PRIu32 "/%" PRIu32, s->n_head, s->n_head_kv);
        snprintf(arch, sizeof arch, "%s%s", s->architecture, ew_shape_runs(s) ? "" : "*");
        any_waits |= !ew_shape_runs(s);
        printf("%-15s %-7s %8.1f %7" PRIu32 " %6" PRIu32 " %7s %8" PRIu32 " %7" PRIu32 " %7" PRIu32 " %8" PRIu32
               "  %9.0f %9.0f\n",
               s->name, arch, (double)ew_shape_n_params(s) / 1e6, s->n_layer, s->n_embd, heads, s->head_dim, s->n_ff,
               s->n_vocab, s->n_ctx_train, mib(file_bytes_of(s, EW_FILE_Q4_0)), mib(file_bytes_of(s, EW_FILE_Q8_0)));
    }
    if (any_waits) puts("* this engine does not run the architecture yet; the file can be written all the same");
    return EW_EXIT_OK;
}

/* ---- writing ---- */

/* A real model must not vanish under a synthetic one of the same name. */
static enum ew_status check_target(const char *path, struct ew_error *err) {
    if (access(path, F_OK) != 0 || ew_synth_is_synthetic(path)) return EW_OK;
    err->status = EW_ERR_ARGUMENT;
    snprintf(err->message, sizeof err->message, "%s: exists and is not a synthetic model; choose another name with -o",
             path);
    return err->status;
}

static void print_result(const struct options *o, const struct ew_synth_params *params, const char *path,
                         const struct ew_synth_summary *s) {
    const char *type = ew_file_type_name((uint32_t)params->file_type);
    if (o->common.json) {
        json_t *object = json_pack(
            "{s:s, s:s, s:s, s:I, s:I, s:i, s:i, s:b, s:b}", "path", path, "shape", params->shape->name, "type", type,
            "seed", (json_int_t)params->seed, "file_bytes", (json_int_t)s->file_bytes, "n_tensors", (int)s->n_tensors,
            "n_fallback", (int)s->n_fallback, "written", (int)!o->dry_run, "runs", (int)ew_shape_runs(params->shape));
        json_dumpf(object, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(object);
        return;
    }
    printf("%s  %s %s, %.0f MiB, %" PRIu32 " tensors, random weights%s\n", path, params->shape->title, type,
           mib(s->file_bytes), s->n_tensors, o->dry_run ? " · not written (--dry-run)" : "");
    if (s->n_fallback > 0)
        printf("  %" PRIu32 " of them in a type with smaller blocks, because their rows are no multiple of 256\n",
               s->n_fallback);
    if (!ew_shape_runs(params->shape))
        printf("  architecture %s: this engine does not run it yet\n", params->shape->architecture);
}

static int write_model(const struct options *o, const struct ew_synth_params *params, const char *path) {
    struct ew_error err = {0};
    struct ew_synth_summary summary;
    if (o->dry_run) {
        if (ew_synth_measure(params, &summary, &err) != EW_OK) return ew_cli_fail(&err);
        print_result(o, params, path, &summary);
        return EW_EXIT_OK;
    }
    if (check_target(path, &err) != EW_OK) return ew_cli_fail(&err);
    ew_cli_write_begin();
    enum ew_status status = ew_synth_write(params, path, &summary, &err);
    ew_cli_write_end(*(const bool *)params->context);
    if (status != EW_OK) return ew_cli_fail(&err);
    print_result(o, params, path, &summary);
    return EW_EXIT_OK;
}

int ew_cmd_synth(int argc, char **argv) {
    struct options o = {.type = "q4_0", .seed = 1};
    ew_cli_parse(&synth_argp, argc, argv, &o.common, &o);
    if (o.list) return o.common.json ? list_json() : list_table();
    bool terminal = isatty(STDERR_FILENO) && !o.common.json;
    struct ew_synth_params params = {
        .shape = ew_shape_find(o.shape), .seed = o.seed, .progress = ew_cli_write_show, .context = &terminal};
    if (!params.shape) {
        fprintf(stderr, "edgewise: shape `%s` is not known; edgewise synth --list shows those that are\n", o.shape);
        return EW_EXIT_USAGE;
    }
    if (!ew_synth_file_type_by_name(o.type, &params.file_type)) {
        fprintf(stderr, "edgewise: type `%s` cannot be written; edgewise synth --help lists those that can\n", o.type);
        return EW_EXIT_USAGE;
    }
    char name[256];
    snprintf(name, sizeof name, "synthetic-%s-%s.gguf", params.shape->name,
             ew_file_type_name((uint32_t)params.file_type));
    for (char *c = name; *c; c++) *c = (char)tolower((unsigned char)*c);
    return write_model(&o, &params, o.output ? o.output : name);
}
