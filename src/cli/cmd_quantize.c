/* edgewise quantize: a GGUF file into one with fewer bits per weight. */
#include "cli/command.h"
#include "cli/write_progress.h"
#include "convert/requantize.h"
#include "engine/thread_choice.h"
#include "quality/importance_file.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    struct ew_requantize_params params;
    const char *output, *imatrix;
    char *patterns[EW_REQUANTIZE_OVERRIDES]; /* owned copies */
    bool has_type, dry_run, force, list;
};

enum { KEY_PURE = 2301, KEY_AGAIN, KEY_TENSOR, KEY_IMATRIX };

static const char doc[] = "Write a model with fewer bits per weight: IN, a GGUF file in F16, BF16 or F32, becomes OUT "
                          "in TYPE. Memory use does "
                          "not depend on the model's size."
                          "\vTypes: f32 f16 bf16 q8_0 q6_k q5_k_m q5_k_s q5_1 q5_0 q4_k_m q4_k_s q4_1 q4_0 iq4_nl "
                          "iq4_xs q3_k_l q3_k_m q3_k_s "
                          "q2_k. docs/quantize.md says which matrix gets what in each.\n\nExample:\n"
                          "  edgewise quantize model-f16.gguf model-q4_k_m.gguf q4_k_m\n"
                          "  edgewise quantize model-f16.gguf model.gguf q4_0 --tensor output.weight=q8_0 --dry-run\n"
                          "  edgewise quantize model-f16.gguf model-q2_k.gguf q2_k --imatrix model.imatrix.gguf";

static const struct argp_option arguments[] = {
    {"threads", 't', "N", 0, "Threads (all cores)", 0},
    {"tensor", KEY_TENSOR, "PART=TYPE", 0,
     "Tensors whose name contains PART get TYPE, as in ffn_down=q6_k; repeatable, the last that fits counts", 0},
    {"pure", KEY_PURE, 0, 0, "Every matrix of the same type, no mixture", 0},
    {"imatrix", KEY_IMATRIX, "FILE", 0,
     "Keep errors small where this importance matrix says that they matter; edgewise imatrix makes one", 0},
    {"again", KEY_AGAIN, 0, 0, "Take a file that is quantized already; what it lost stays lost", 0},
    {"dry-run", 'n', 0, 0, "Say how large the file would be, write nothing", 0},
    {"list", 'l', 0, 0, "With --dry-run: every tensor with its type before and after", 0},
    {"force", 'f', 0, 0, "Replace a file of that name", 0},
    {0},
};

static void parse_override(struct argp_state *state, struct options *o, const char *arg) {
    struct ew_requantize_params *p = &o->params;
    const char *equals = strrchr(arg, '=');
    if (p->n_overrides == EW_REQUANTIZE_OVERRIDES)
        argp_error(state, "--tensor: more than %d of them", EW_REQUANTIZE_OVERRIDES);
    if (!equals || equals == arg) argp_error(state, "--tensor: `%s` is not PART=TYPE, as in ffn_down=q6_k", arg);
    struct ew_requantize_override *override = &p->overrides[p->n_overrides];
    if (!ew_requantize_tensor_type(equals + 1, &override->type))
        argp_error(state, "--tensor: `%s` is not a type that can be written (q4_0, q6_k, f16 …)", equals + 1);
    override->pattern = o->patterns[p->n_overrides++] = strndup(arg, (size_t)(equals - arg));
    if (!override->pattern) argp_failure(state, EW_EXIT_FAILED, 0, "out of memory");
}

static void parse_type(struct argp_state *state, struct options *o, const char *arg) {
    if (!ew_requantize_file_type(arg, &o->params.file_type))
        argp_error(state, "type `%s` cannot be written; --help lists those that can", arg);
    o->has_type = true;
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 't': o->params.threads = ew_cli_u32(state, "--threads", arg, 1, EW_MAX_THREADS); return 0;
    case 'n': o->dry_run = true; return 0;
    case 'l': o->list = true; return 0;
    case 'f': o->force = true; return 0;
    case KEY_PURE: o->params.pure = true; return 0;
    case KEY_IMATRIX: o->imatrix = arg; return 0;
    case KEY_AGAIN: o->params.again = true; return 0;
    case KEY_TENSOR: parse_override(state, o, arg); return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            o->params.source = arg;
        else if (state->arg_num == 1)
            o->output = arg;
        else if (state->arg_num == 2)
            parse_type(state, o, arg);
        else
            argp_error(state, "`%s` is one argument too many", arg);
        return 0;
    case ARGP_KEY_END:
        if (!o->has_type) argp_error(state, "IN, OUT and TYPE, please");
        if (o->list && !o->dry_run) argp_error(state, "--list goes with --dry-run");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&ew_cli_common_argp, 0, 0, 0}, {0}};
static const struct argp quantize_argp = {arguments, parse, "IN OUT TYPE", doc, children, 0, 0};

static double mib(uint64_t bytes) { return (double)bytes / 1048576.0; }

static double bits_per_weight(const struct ew_requantize_summary *s) {
    return s->n_weights > 0 ? 8 * (double)s->matrix_bytes / (double)s->n_weights : 0;
}

/* ---- the list ---- */

static void print_tensor(void *context, const struct ew_requantize_tensor *t) {
    (void)context;
    printf("%-34s %6" PRIu64 " × %-7" PRIu64 " %-7s → %-7s %9.2f → %9.2f MiB\n", t->name, t->ne[0],
           t->ne[1] * t->ne[2] * t->ne[3], ew_requantize_type_name(t->from), ew_requantize_type_name(t->to),
           mib(t->from_bytes), mib(t->to_bytes));
}

static void append_tensor(void *context, const struct ew_requantize_tensor *t) {
    json_array_append_new(context,
                          json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", t->name, "from",
                                    ew_requantize_type_name(t->from), "to", ew_requantize_type_name(t->to),
                                    "from_bytes", (json_int_t)t->from_bytes, "to_bytes", (json_int_t)t->to_bytes));
}

/* ---- the outcome ---- */

/* tensors: the list that was asked for, or NULL; it is taken over. */
static void print_json(const struct options *o, const struct ew_requantize_summary *s, json_t *tensors) {
    json_t *object = json_pack(
        "{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:b}", "path", o->output, "file_type", s->file_type,
        "source_bytes", (json_int_t)s->source_bytes, "file_bytes", (json_int_t)s->file_bytes, "n_tensors",
        (json_int_t)s->n_tensors, "n_encoded", (json_int_t)s->n_encoded, "n_fallback", (json_int_t)s->n_fallback,
        "n_weights", (json_int_t)s->n_weights, "bits_per_weight", bits_per_weight(s), "written", (int)!o->dry_run);
    if (o->imatrix)
        json_object_set_new(object, "imatrix",
                            json_pack("{s:s, s:I, s:I}", "path", o->imatrix, "n_weighted", (json_int_t)s->n_weighted,
                                      "n_unmatched", (json_int_t)s->n_unmatched));
    if (tensors) json_object_set_new(object, "tensors", tensors);
    json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(object);
}

static void print_text(const struct options *o, const struct ew_requantize_summary *s) {
    printf("%s  %s, %.1f MiB of %.1f, %" PRIu32 " of %" PRIu32 " tensors encoded, %.2f bits a weight%s\n", o->output,
           s->file_type, mib(s->file_bytes), mib(s->source_bytes), s->n_encoded, s->n_tensors, bits_per_weight(s),
           o->dry_run ? " · not written (--dry-run)" : "");
    if (s->n_fallback > 0)
        printf("  %" PRIu32 " of them in a type with smaller blocks, because their rows are no multiple of 256\n",
               s->n_fallback);
    if (o->imatrix)
        printf("  %" PRIu32 " of them weighted by %s, %" PRIu32 " without, because it has no entry for them\n",
               s->n_weighted, o->imatrix, s->n_unmatched);
}

static int foretell(const struct options *o) {
    struct ew_error err = {0};
    struct ew_requantize_summary summary;
    json_t *tensors = o->list && o->common.json ? json_array() : NULL;
    enum ew_status status = ew_requantize_measure(&o->params,
                                                  !o->list         ? NULL
                                                  : o->common.json ? append_tensor
                                                                   : print_tensor,
                                                  tensors, &summary, &err);
    if (status != EW_OK) {
        json_decref(tensors);
        return ew_cli_fail(&err);
    }
    if (o->common.json)
        print_json(o, &summary, tensors);
    else
        print_text(o, &summary);
    return EW_EXIT_OK;
}

static int quantize(struct options *o) {
    struct ew_error err = {0};
    struct ew_requantize_summary summary;
    bool terminal = isatty(STDERR_FILENO) && !o->common.json;
    o->params.progress = ew_cli_write_show;
    o->params.context = &terminal;
    if (!o->force && access(o->output, F_OK) == 0) {
        fprintf(stderr, "edgewise: %s: exists; --force replaces it\n", o->output);
        return EW_EXIT_USAGE;
    }
    ew_cli_write_begin();
    enum ew_status status = ew_requantize_write(&o->params, o->output, &summary, &err);
    ew_cli_write_end(terminal);
    if (status != EW_OK) return ew_cli_fail(&err);
    if (o->common.json)
        print_json(o, &summary, NULL);
    else
        print_text(o, &summary);
    return EW_EXIT_OK;
}

int ew_cmd_quantize(int argc, char **argv) {
    struct options o = {0};
    struct ew_thread_choice threads;
    ew_cli_parse(&quantize_argp, argc, argv, &o.common, &o);
    if (o.params.threads == 0) {
        ew_thread_choose(&threads);
        o.params.threads = threads.n_default;
    }
    struct ew_importance *importance = NULL;
    struct ew_error err = {0};
    int status;
    if (o.imatrix && ew_importance_read(o.imatrix, &importance, &err) != EW_OK) {
        status = ew_cli_fail(&err);
    } else {
        o.params.importance = importance;
        o.params.importance_path = o.imatrix;
        status = o.dry_run ? foretell(&o) : quantize(&o);
    }
    ew_importance_close(&importance);
    for (size_t i = 0; i < o.params.n_overrides; i++) free(o.patterns[i]);
    return status;
}
