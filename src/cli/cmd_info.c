/* edgewise info: what is in a model file and what memory it would need, without loading it. The one command that looks
 * into a file's own metadata and tensors; nothing here trusts a string of the file to be printable. */
#include "cli/context_options.h"
#include "cli/kernel_memory.h"
#include "cli/weights_options.h"
#include "gguf/file_type.h"
#include "gguf/gguf_read.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct ew_cli_common common;
    const char *path;
    struct ew_context_options context;
    struct ew_weights_options weights;
    bool raw, tensors, verify;
};

static const char doc[] =
    "Show metadata, tensors, sizes by type, and the memory that a context would need, without loading the model."
    "\vExample:\n  edgewise info model.gguf --context 8192\n\n"
    "--raw lists every key and tensor as the file has them, of a damaged file as far as it can be read.";

enum { KEY_VERIFY = 2001 };

static const struct argp_option arguments[] = {
    {"tensors", 't', 0, 0, "List all tensors", 0},
    {"verify", KEY_VERIFY, 0, 0, "Compare the weights of the side file with their checksums, and no more", 0},
    {"raw", 'r', 0, 0, "List what the file holds, also where it is damaged", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->context;
        state->child_inputs[2] = &o->weights;
        return 0;
    case 't': o->tensors = true; return 0;
    case 'r': o->raw = true; return 0;
    case KEY_VERIFY: o->verify = true; return 0;
    case ARGP_KEY_ARG:
        if (o->path) argp_error(state, "one file at a time, please: `%s` is a second one", arg);
        o->path = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->path) argp_error(state, "which file?");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    {&ew_cli_common_argp, 0, 0, 0}, {&ew_context_options_argp, 0, 0, 0}, {&ew_weights_options_argp, 0, 0, 0}, {0}};
static const struct argp info_argp = {arguments, parse, "FILE", doc, children, 0, 0};

static double mib(uint64_t bytes) { return (double)bytes / 1048576.0; }

/* ---- values ---- */

enum { TEXT_SIZE = 160, SHOWN_ELEMENTS = 8 };

static int64_t signed_value(enum ew_gguf_value_type type, const uint8_t *p) {
    int64_t i64 = 0;
    int32_t i32;
    int16_t i16;
    memcpy(&i64, p, ew_gguf_value_bytes(type)); /* little-endian: the low bytes */
    memcpy(&i32, &i64, sizeof i32);
    memcpy(&i16, &i64, sizeof i16);
    return type == EW_GGUF_I8 ? (int8_t)i64 : type == EW_GGUF_I16 ? i16 : type == EW_GGUF_I32 ? i32 : i64;
}

static double float_value(enum ew_gguf_value_type type, const uint8_t *p) {
    float f32;
    double f64;
    if (type == EW_GGUF_F32) {
        memcpy(&f32, p, sizeof f32);
        return (double)f32;
    }
    memcpy(&f64, p, sizeof f64);
    return f64;
}

static bool is_float(enum ew_gguf_value_type type) { return type == EW_GGUF_F32 || type == EW_GGUF_F64; }

/* The value at *cursor, which moves on to the next one. */
static const char *value_text(const struct ew_gguf_kv *kv, const uint8_t **cursor, char buf[TEXT_SIZE]) {
    enum ew_gguf_value_type type = kv->element_type;
    struct ew_gguf_string string;
    if (type == EW_GGUF_STRING)
        return ew_gguf_next_string(kv, cursor, &string) ? ew_gguf_print_string(string, buf, TEXT_SIZE / 2) : "";
    if (type == EW_GGUF_BOOL)
        snprintf(buf, TEXT_SIZE, "%s", **cursor ? "true" : "false");
    else if (is_float(type))
        snprintf(buf, TEXT_SIZE, type == EW_GGUF_F32 ? "%.7g" : "%.17g", float_value(type, *cursor));
    else if (type == EW_GGUF_U64)
        snprintf(buf, TEXT_SIZE, "%" PRIu64, (uint64_t)signed_value(type, *cursor));
    else
        snprintf(buf, TEXT_SIZE, "%" PRId64, signed_value(type, *cursor));
    *cursor += ew_gguf_value_bytes(type);
    return buf;
}

static json_t *value_json(const struct ew_gguf_kv *kv, const uint8_t **cursor) {
    enum ew_gguf_value_type type = kv->element_type;
    const uint8_t *at = *cursor;
    char buf[TEXT_SIZE];
    struct ew_gguf_string string;
    if (type == EW_GGUF_STRING && ew_gguf_next_string(kv, cursor, &string)) {
        json_t *exact = json_stringn(string.data, string.size); /* NULL for what is not UTF-8 */
        return exact ? exact : json_string(ew_gguf_print_string(string, buf, sizeof buf));
    }
    value_text(kv, cursor, buf);
    if (type == EW_GGUF_BOOL) return json_boolean(*at);
    if (is_float(type)) return isfinite(float_value(type, at)) ? json_real(float_value(type, at)) : json_string(buf);
    int64_t value = signed_value(type, at);
    return type == EW_GGUF_U64 && value < 0 ? json_string(buf) : json_integer(value);
}

static void print_kv(const struct ew_gguf_kv *kv) {
    char key[TEXT_SIZE], value[TEXT_SIZE], type[48];
    bool array = kv->type == EW_GGUF_ARRAY;
    const char *element = ew_gguf_value_type_name(kv->element_type);
    if (array)
        snprintf(type, sizeof type, "%s[%" PRIu64 "]", element, kv->n);
    else
        snprintf(type, sizeof type, "%s", element);
    printf("%-42s  %-15s  ", ew_gguf_print_string(kv->key, key, sizeof key), type);
    const uint8_t *cursor = kv->data;
    uint64_t shown = kv->n < SHOWN_ELEMENTS ? kv->n : SHOWN_ELEMENTS;
    const char *quote = array && kv->element_type == EW_GGUF_STRING ? "\"" : "";
    for (uint64_t i = 0; i < shown; i++)
        printf("%s%s%s%s", i > 0 ? " " : "", quote, value_text(kv, &cursor, value), quote);
    puts(shown < kv->n ? " …" : "");
}

static json_t *kv_json(const struct ew_gguf_kv *kv) {
    const uint8_t *cursor = kv->data;
    if (kv->type != EW_GGUF_ARRAY) return value_json(kv, &cursor);
    json_t *first = json_array();
    for (uint64_t i = 0; i < kv->n && i < SHOWN_ELEMENTS; i++) json_array_append_new(first, value_json(kv, &cursor));
    return json_pack("{s:s, s:I, s:o}", "array_of", ew_gguf_value_type_name(kv->element_type), "n", (json_int_t)kv->n,
                     "first", first);
}

/* ---- tensors ---- */

struct type_sum {
    uint64_t n_tensors, n_params, bytes;
};

static uint64_t n_elements(const struct ew_gguf_tensor *t) { return t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3]; }

static struct type_sum sum_types(const struct ew_gguf *gguf, struct type_sum sums[EW_TYPE_ID_END]) {
    struct type_sum total = {0};
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        struct type_sum *each[] = {&sums[t->type], &total};
        for (size_t k = 0; k < 2; k++) {
            each[k]->n_tensors++;
            each[k]->n_params += n_elements(t);
            each[k]->bytes += t->size_bytes;
        }
    }
    return total;
}

static void print_types(const struct type_sum sums[EW_TYPE_ID_END], struct type_sum total) {
    if (total.n_tensors == 0) {
        puts("\nno tensors: a vocabulary or metadata only");
        return;
    }
    printf("\n%-9s %8s %12s %10s %7s\n", "type", "tensors", "params 10^6", "MiB", "share");
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        if (sums[type].n_tensors > 0)
            printf("%-9s %8" PRIu64 " %12.2f %10.1f %5.1f %%\n", ew_type_traits(type)->name, sums[type].n_tensors,
                   (double)sums[type].n_params / 1e6, mib(sums[type].bytes),
                   100.0 * (double)sums[type].bytes / (double)total.bytes);
}

static void print_tensors(const struct ew_gguf *gguf) {
    printf("\n%-34s %-8s %-26s %12s %14s\n", "tensor", "type", "shape (row length first)", "bytes", "offset in data");
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        const struct ew_type_traits *traits = ew_type_traits(t->type);
        char name[TEXT_SIZE], type[16], shape[96];
        int used = 0;
        for (uint32_t d = 0; d < t->n_dims; d++)
            used += snprintf(shape + used, sizeof shape - (size_t)used, "%s%" PRIu64, d ? " " : "", t->ne[d]);
        if (traits)
            snprintf(type, sizeof type, "%s", traits->name);
        else
            snprintf(type, sizeof type, "%" PRIu32 "?", t->type);
        printf("%-34s %-8s %-26s %12zu %14" PRIu64 "\n", ew_gguf_print_string(t->name, name, sizeof name), type, shape,
               t->size_bytes, t->data ? t->offset - ew_gguf_header_bytes(gguf) : t->offset);
    }
}

static json_t *tensors_json(const struct ew_gguf *gguf) {
    json_t *list = json_array();
    for (size_t i = 0; i < ew_gguf_n_tensors(gguf); i++) {
        const struct ew_gguf_tensor *t = ew_gguf_tensor_at(gguf, i);
        char name[TEXT_SIZE * 2];
        json_t *shape = json_array();
        for (uint32_t d = 0; d < t->n_dims; d++) json_array_append_new(shape, json_integer((json_int_t)t->ne[d]));
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:I, s:I}", "name",
                                              ew_gguf_print_string(t->name, name, sizeof name), "type",
                                              ew_type_traits(t->type)->name, "shape", shape, "bytes",
                                              (json_int_t)t->size_bytes, "file_offset", (json_int_t)t->offset));
    }
    return list;
}

/* ---- the model ---- */

struct summary {
    char name[TEXT_SIZE], architecture[64], file_type[32];
    bool synthetic;
    struct type_sum types[EW_TYPE_ID_END], total;
};

static const char *string_or_empty(const struct ew_gguf *gguf, const char *key, char *buf, size_t capacity) {
    struct ew_gguf_string s;
    if (ew_gguf_get_string(gguf, key, &s, NULL) == EW_OK) return ew_gguf_print_string(s, buf, capacity);
    buf[0] = 0;
    return buf;
}

static struct summary summarise(const struct ew_gguf *gguf) {
    struct summary s = {0};
    uint64_t id;
    string_or_empty(gguf, "general.name", s.name, sizeof s.name);
    string_or_empty(gguf, "general.architecture", s.architecture, sizeof s.architecture);
    if (ew_gguf_get_u64(gguf, "general.file_type", &id, NULL) == EW_OK && id <= UINT32_MAX) {
        const char *name = ew_file_type_name((uint32_t)id);
        snprintf(s.file_type, sizeof s.file_type, "%s", name ? name : "");
    }
    ew_gguf_get_bool(gguf, "edgewise.synthetic", &s.synthetic, NULL);
    s.total = sum_types(gguf, s.types);
    return s;
}

/* <architecture>.<suffix> as text, "?" when it is missing or no integer. */
static const char *shape_text(const struct ew_gguf *gguf, const struct summary *s, const char *suffix, char buf[24]) {
    char key[128];
    uint64_t value;
    snprintf(key, sizeof key, "%s.%s", s->architecture, suffix);
    if (ew_gguf_get_u64(gguf, key, &value, NULL) == EW_OK)
        snprintf(buf, 24, "%" PRIu64, value);
    else
        snprintf(buf, 24, "?");
    return buf;
}

static void print_summary(const struct ew_gguf *gguf, const struct summary *s) {
    char a[24], b[24], c[24], d[24], e[24], f[24], kind[TEXT_SIZE], pre[TEXT_SIZE];
    const struct ew_gguf_kv *tokens = ew_gguf_find_kv(gguf, "tokenizer.ggml.tokens");
    printf("file       %.1f MiB · GGUF version %" PRIu32 " · %zu keys · %zu tensors\n", mib(ew_gguf_map(gguf)->size),
           ew_gguf_version(gguf), ew_gguf_n_kv(gguf), ew_gguf_n_tensors(gguf));
    printf("model      %s%s · %s", s->name[0] ? s->name : "(no name)", s->synthetic ? " ¹" : "",
           s->architecture[0] ? s->architecture : "(no architecture)");
    if (s->file_type[0]) printf(" · %s", s->file_type);
    if (s->total.n_params > 0)
        printf(" · %.1f million parameters at %.2f bits", (double)s->total.n_params / 1e6,
               8.0 * (double)s->total.bytes / (double)s->total.n_params);
    printf("\nshape      %s layers · width %s · %s heads, %s for keys and values · feed-forward %s · trained for %s "
           "tokens\n",
           shape_text(gguf, s, "block_count", a), shape_text(gguf, s, "embedding_length", b),
           shape_text(gguf, s, "attention.head_count", c), shape_text(gguf, s, "attention.head_count_kv", d),
           shape_text(gguf, s, "feed_forward_length", e), shape_text(gguf, s, "context_length", f));
    string_or_empty(gguf, "tokenizer.ggml.model", kind, sizeof kind);
    string_or_empty(gguf, "tokenizer.ggml.pre", pre, sizeof pre);
    if (kind[0])
        printf("tokenizer  %s%s%s · %" PRIu64 " tokens\n", kind, pre[0] ? ", " : "", pre, tokens ? tokens->n : 0);
}

/* ---- memory ---- */

struct prediction {
    struct ew_error err; /* status EW_OK: the rest is filled */
    struct ew_memory_ledger ledger;
    struct ew_session_params params;
    struct ew_context_choice choice; /* n_ctx 0: the context was given */
    struct ew_weights_choice weights;
    char *plan; /* as text, owned; NULL when the model does not open */
};

static struct prediction predict(struct options *o) {
    struct prediction p = {0};
    struct ew_model *model = NULL;
    if (ew_model_open(o->path, &model, &p.err) != EW_OK) return p;
    struct ew_session_params params = ew_session_default_params();
    struct ew_model_info info = ew_model_info(model);
    struct ew_kernel_choices *kernels = ew_cli_remembered_kernels(o->common.cpu_mask);
    params.cpu_mask = o->common.cpu_mask;
    params.kernels = kernels;
    if (ew_weights_options_apply(&o->weights, &params, &p.err) == EW_OK)
        ew_context_options_apply(&o->context, model, o->common.root, &params, &p.choice, &p.err);
    if (params.n_ctx == 0) params.n_ctx = info.n_ctx_train < 4096 ? info.n_ctx_train : 4096;
    p.params = params;
    if (p.err.status == EW_OK) ew_session_predict_memory(model, &params, &p.ledger, &p.err);
    if (p.err.status == EW_OK) ew_session_choose_weights(model, &params, &p.weights, &p.err);
    p.plan = ew_model_explain(model);
    p.params.kernels = NULL;
    ew_kernel_choices_close(&kernels);
    ew_model_close(&model);
    return p;
}

static const struct {
    const char *key, *label;
    size_t offset;
} ledger_rows[] = {
    {"weights_mapped", "weights, mapped from files", offsetof(struct ew_memory_ledger, weights_mapped)},
    {"weights_packed", "weights, packed copies", offsetof(struct ew_memory_ledger, weights_packed)},
    {"kv_cache", "keys and values of the context", offsetof(struct ew_memory_ledger, kv_cache)},
    {"activations", "activations and logits", offsetof(struct ew_memory_ledger, activations)},
    {"scratch", "work space of the kernels", offsetof(struct ew_memory_ledger, scratch)},
    {"tokenizer", "tokenizer", offsetof(struct ew_memory_ledger, tokenizer)},
    {"runtime", "program and threads", offsetof(struct ew_memory_ledger, runtime)},
    {"total", "total", offsetof(struct ew_memory_ledger, total)},
};
enum { N_LEDGER_ROWS = sizeof ledger_rows / sizeof *ledger_rows };

static uint64_t ledger_value(const struct ew_memory_ledger *ledger, size_t row) {
    uint64_t value;
    memcpy(&value, (const char *)ledger + ledger_rows[row].offset, sizeof value);
    return value;
}

static void print_memory(const struct prediction *p) {
    if (p->err.status != EW_OK) {
        printf("\nmemory: not predicted — %s\n", p->err.message);
        return;
    }
    printf("\n%-34s %10s\n", "memory to run it, predicted", "MiB");
    for (size_t i = 0; i < N_LEDGER_ROWS; i++)
        if (ledger_value(&p->ledger, i) > 0)
            printf("%-34s %10.1f\n", ledger_rows[i].label, mib(ledger_value(&p->ledger, i)));
    printf("weights %s: %s\n", strcmp(p->weights.where, "side_file") == 0 ? "from a side file" : p->weights.where,
           p->weights.why);
    if (p->weights.note[0]) printf("note: %s\n", p->weights.note);
    if (p->choice.n_ctx > 0) {
        char text[160];
        ew_context_choice_text(&p->choice, text, sizeof text);
        printf("%s; KV cache %s\n", text, ew_kv_name(p->params.kv_k, p->params.kv_v));
        return;
    }
    printf("context %" PRIu32 " tokens, KV cache %s; others with --context and --kv\n", p->params.n_ctx,
           ew_kv_name(p->params.kv_k, p->params.kv_v));
}

static json_t *memory_json(const struct prediction *p) {
    if (p->err.status != EW_OK)
        return json_pack("{s:s, s:s}", "error", ew_status_name(p->err.status), "message", p->err.message);
    json_t *memory = json_pack("{s:I, s:s, s:{s:s, s:s, s:s, s:s}}", "context", (json_int_t)p->params.n_ctx, "kv",
                               ew_kv_name(p->params.kv_k, p->params.kv_v), "weights", "where", p->weights.where, "why",
                               p->weights.why, "side_file", p->weights.side_file, "note", p->weights.note);
    if (p->choice.n_ctx > 0)
        json_object_update_new(memory, json_pack("{s:b, s:I, s:I}", "limited_by_memory", p->choice.by_memory,
                                                 "free_bytes", (json_int_t)p->choice.free_bytes, "spared_bytes",
                                                 (json_int_t)p->choice.spared_bytes));
    for (size_t i = 0; i < N_LEDGER_ROWS; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s_bytes", ledger_rows[i].key);
        json_object_set_new(memory, key, json_integer((json_int_t)ledger_value(&p->ledger, i)));
    }
    return memory;
}

/* ---- the three ways to show a file ---- */

static void show_json(struct options *o, const struct ew_gguf *gguf) {
    struct summary s = summarise(gguf);
    json_t *types = json_array(), *metadata = json_object();
    for (uint32_t type = 0; type < EW_TYPE_ID_END; type++)
        if (s.types[type].n_tensors > 0)
            json_array_append_new(types, json_pack("{s:s, s:I, s:I, s:I}", "type", ew_type_traits(type)->name,
                                                   "n_tensors", (json_int_t)s.types[type].n_tensors, "n_params",
                                                   (json_int_t)s.types[type].n_params, "bytes",
                                                   (json_int_t)s.types[type].bytes));
    for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) {
        char key[TEXT_SIZE * 2];
        const struct ew_gguf_kv *kv = ew_gguf_kv_at(gguf, i);
        json_object_set_new(metadata, ew_gguf_print_string(kv->key, key, sizeof key), kv_json(kv));
    }
    json_t *root = json_pack(
        "{s:s, s:I, s:i, s:I, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:o, s:o}", "path", o->path, "file_bytes",
        (json_int_t)ew_gguf_map(gguf)->size, "gguf_version", (int)ew_gguf_version(gguf), "header_bytes",
        (json_int_t)ew_gguf_header_bytes(gguf), "name", s.name, "architecture", s.architecture, "file_type",
        s.file_type, "synthetic", (int)s.synthetic, "n_tensors", (json_int_t)s.total.n_tensors, "n_params",
        (json_int_t)s.total.n_params, "weights_bytes", (json_int_t)s.total.bytes, "types", types, "metadata", metadata);
    if (s.total.n_tensors > 0) {
        struct prediction p = predict(o);
        json_object_set_new(root, "memory", memory_json(&p));
        if (p.plan) json_object_set_new(root, "plan", json_string(p.plan));
        free(p.plan);
    }
    if (o->tensors) json_object_set_new(root, "tensors", tensors_json(gguf));
    json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(root);
}

static void show_text(struct options *o, const struct ew_gguf *gguf) {
    struct summary s = summarise(gguf);
    print_summary(gguf, &s);
    print_types(s.types, s.total);
    if (s.total.n_tensors > 0) {
        struct prediction p = predict(o);
        print_memory(&p);
        if (p.plan) printf("\nwhat a token passes through: the plan\n%s", p.plan);
        free(p.plan);
    }
    putchar('\n');
    for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) print_kv(ew_gguf_kv_at(gguf, i));
    if (o->tensors) print_tensors(gguf);
    if (s.synthetic) puts("\n¹ synthetic weights: speed and memory are real, the text is not");
}

static int show_raw(const char *path) {
    struct ew_gguf *gguf = NULL;
    struct ew_error err = {0}, fault;
    if (ew_gguf_open_damaged(path, &gguf, &fault, &err) != EW_OK) return ew_cli_fail(&err);
    printf("GGUF version %" PRIu32 " · %zu bytes · %zu keys and %zu tensors read\n\n", ew_gguf_version(gguf),
           ew_gguf_map(gguf)->size, ew_gguf_n_kv(gguf), ew_gguf_n_tensors(gguf));
    for (size_t i = 0; i < ew_gguf_n_kv(gguf); i++) print_kv(ew_gguf_kv_at(gguf, i));
    print_tensors(gguf);
    ew_gguf_close(&gguf);
    fflush(stdout);
    return fault.status == EW_OK ? EW_EXIT_OK : ew_cli_fail(&fault);
}

/* auto as it stands, or what --weights names. */
static int verify(struct options *o) {
    struct ew_model *model = NULL;
    struct ew_error err = {0};
    struct ew_session_params params = {.cpu_mask = o->common.cpu_mask};
    enum ew_status status = ew_weights_options_apply(&o->weights, &params, &err);
    if (status == EW_OK) status = ew_model_open(o->path, &model, &err);
    if (status == EW_OK) status = ew_session_verify_side_file(model, &params, &err);
    ew_model_close(&model);
    if (status != EW_OK) return ew_cli_fail(&err);
    puts("side file: its weights are as they were written");
    return EW_EXIT_OK;
}

int ew_cmd_info(int argc, char **argv) {
    struct options o = {0};
    struct ew_error err = {0};
    struct ew_gguf *gguf = NULL;
    ew_cli_parse(&info_argp, argc, argv, &o.common, &o);
    if (o.raw) return show_raw(o.path);
    int exit_status = EW_EXIT_OK;
    if (o.verify) {
        exit_status = verify(&o);
    } else if (ew_gguf_open(o.path, &gguf, &err) != EW_OK) {
        exit_status = ew_cli_fail(&err);
    } else {
        if (o.common.json)
            show_json(&o, gguf);
        else
            show_text(&o, gguf);
        ew_gguf_close(&gguf);
    }
    ew_weights_options_close(&o.weights);
    return exit_status;
}
