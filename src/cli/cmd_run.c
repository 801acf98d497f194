/* edgewise run: complete a prompt in the terminal; afterwards one line of figures. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/context_options.h"
#include "cli/context_shift.h"
#include "model/box.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct options {
    struct ew_cli_common common;
    const char *model, *prompt, *file;
    uint32_t n_generate;
    bool ignore_end, no_bos;
    struct ew_context_options context;
    struct ew_shift_options shift;
    struct ew_session_params session; /* the context apart */
    struct ew_sampler_params sampler;
};

enum {
    KEY_THREADS_PREFILL = 2001,
    KEY_THREADS_DECODE,
    KEY_TOP_K,
    KEY_TOP_P,
    KEY_MIN_P,
    KEY_REPEAT,
    KEY_REPEAT_LAST,
    KEY_SEED,
    KEY_WEIGHTS,
    KEY_IGNORE_END,
    KEY_NO_BOS
};

static const struct argp_option options[] = {
    {"prompt", 'p', "TEXT", 0, "What to continue", 1},
    {"file", 'f', "FILE", 0, "Read the prompt from a file (- for standard input)", 1},
    {"tokens", 'n', "N", 0, "Most tokens to generate (128)", 1},
    {"ignore-end", KEY_IGNORE_END, 0, 0, "Go on after an end-of-text token", 1},
    {"no-bos", KEY_NO_BOS, 0, 0, "Add no begin-of-text token", 1},
    {"threads", 't', "N", 0, "Threads for prefill and decode (all cores)", 2},
    {"prefill-threads", KEY_THREADS_PREFILL, "N", 0, "Threads for prefill", 2},
    {"decode-threads", KEY_THREADS_DECODE, "N", 0, "Threads for decode", 2},
    {"weights", KEY_WEIGHTS, "LAYOUT", 0, "mapped, packed or auto: where matrices live", 2},
    {"temp", 'T', "X", 0, "Temperature; 0 = always the most likely token (0)", 3},
    {"top-k", KEY_TOP_K, "N", 0, "Sample among the N most likely (0 = off)", 3},
    {"top-p", KEY_TOP_P, "X", 0, "Sample within this probability mass (1 = off)", 3},
    {"min-p", KEY_MIN_P, "X", 0, "Drop tokens below this share of the best one (0 = off)", 3},
    {"repeat-penalty", KEY_REPEAT, "X", 0, "Make recent tokens less likely (1 = off)", 3},
    {"repeat-last", KEY_REPEAT_LAST, "N", 0, "How many tokens count as recent (64)", 3},
    {"seed", KEY_SEED, "N", 0, "Seed of the sampler (0)", 3},
    {0},
};

static void parse_weights(struct argp_state *state, struct options *o, const char *arg) {
    if (strcmp(arg, "auto") == 0)
        o->session.layout = EW_WEIGHTS_AUTO;
    else if (strcmp(arg, "mapped") == 0)
        o->session.layout = EW_WEIGHTS_MAPPED;
    else if (strcmp(arg, "packed") == 0)
        o->session.layout = EW_WEIGHTS_PACKED;
    else
        argp_error(state, "--weights: `%s` is not one of mapped, packed, auto", arg);
}

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->context;
        state->child_inputs[2] = &o->shift;
        return 0;
    case 'p': o->prompt = arg; return 0;
    case 'f': o->file = arg; return 0;
    case 'n': o->n_generate = ew_cli_u32(state, "--tokens", arg, 1, 1 << 20); return 0;
    case 't':
        o->session.threads_prefill = o->session.threads_decode = ew_cli_u32(state, "--threads", arg, 1, 1024);
        return 0;
    case KEY_THREADS_PREFILL:
        o->session.threads_prefill = ew_cli_u32(state, "--prefill-threads", arg, 1, 1024);
        return 0;
    case KEY_THREADS_DECODE: o->session.threads_decode = ew_cli_u32(state, "--decode-threads", arg, 1, 1024); return 0;
    case KEY_WEIGHTS: parse_weights(state, o, arg); return 0;
    case 'T': o->sampler.temperature = (float)ew_cli_f64(state, "--temp", arg, 0, 100); return 0;
    case KEY_TOP_K: o->sampler.top_k = ew_cli_u32(state, "--top-k", arg, 0, 1 << 24); return 0;
    case KEY_TOP_P: o->sampler.top_p = (float)ew_cli_f64(state, "--top-p", arg, 1e-6, 1); return 0;
    case KEY_MIN_P: o->sampler.min_p = (float)ew_cli_f64(state, "--min-p", arg, 0, 1); return 0;
    case KEY_REPEAT: o->sampler.repeat_penalty = (float)ew_cli_f64(state, "--repeat-penalty", arg, 1e-3, 100); return 0;
    case KEY_REPEAT_LAST: o->sampler.repeat_last = ew_cli_u32(state, "--repeat-last", arg, 0, 1 << 16); return 0;
    case KEY_SEED: o->sampler.seed = ew_cli_u32(state, "--seed", arg, 0, UINT32_MAX); return 0;
    case KEY_IGNORE_END: o->ignore_end = true; return 0;
    case KEY_NO_BOS: o->no_bos = true; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "%s: one model is enough", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->prompt && o->file) argp_error(state, "--prompt and --file exclude each other");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- prompt ---- */

enum { MAX_PROMPT_BYTES = 64 << 20 };

static enum ew_status read_all(FILE *f, const char *name, char **out, size_t *n, struct ew_error *err) {
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text) {
        used += fread(text + used, 1, capacity - used, f);
        if (used < capacity) break;
        char *larger = capacity < MAX_PROMPT_BYTES ? realloc(text, capacity *= 2) : NULL;
        if (!larger) free(text);
        text = larger;
    }
    if (!text) return ew_error_set(err, EW_ERR_LIMIT, "%s: longer than %d MiB", name, MAX_PROMPT_BYTES >> 20);
    if (ferror(f)) {
        free(text);
        return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", name);
    }
    *out = text;
    *n = used;
    return EW_OK;
}

/* The prompt's bytes into *out (the caller frees): -p, -f, standard input when that is piped, or a story's opening. */
static enum ew_status get_prompt(const struct options *o, char **out, size_t *n, struct ew_error *err) {
    const char *fixed = o->prompt ? o->prompt : !o->file && isatty(0) ? "Once upon a time" : NULL;
    if (fixed) {
        *out = strdup(fixed);
        *n = strlen(fixed);
        return *out ? EW_OK : ew_error_set(err, EW_ERR_MEMORY, "prompt: out of memory");
    }
    if (!o->file || strcmp(o->file, "-") == 0) return read_all(stdin, "standard input", out, n, err);
    FILE *f = fopen(o->file, "rb");
    if (!f) return ew_error_errno(err, EW_ERR_NOT_FOUND, errno, "%s: cannot open", o->file);
    enum ew_status status = read_all(f, o->file, out, n, err);
    fclose(f);
    return status;
}

static enum ew_status tokenize(const struct ew_model *m, const struct options *o, const char *text, size_t n_bytes,
                               int32_t **ids, size_t *n, struct ew_error *err) {
    size_t capacity = n_bytes + 8;
    int32_t *buf = malloc(capacity * sizeof *buf);
    if (!buf) return ew_error_set(err, EW_ERR_MEMORY, "prompt: out of memory");
    unsigned flags = EW_TOKENIZE_PARSE_SPECIAL | (o->no_bos ? 0 : EW_TOKENIZE_ADD_SPECIAL);
    enum ew_status status = ew_model_tokenize(m, text, n_bytes, flags, buf, capacity, n, err);
    if (status == EW_OK && *n == 0)
        status = ew_error_set(err, EW_ERR_ARGUMENT, "prompt: empty, and the model adds no begin-of-text token");
    if (status != EW_OK) {
        free(buf);
        return status;
    }
    *ids = buf;
    return EW_OK;
}

/* ---- generation ---- */

struct run {
    const struct options *o;
    struct ew_model *model;
    struct ew_session *session;
    struct ew_sampler *sampler;
    int32_t *prompt_ids, *out_ids;
    size_t n_prompt, n_out;
    struct ew_held_tokens held;
    struct ew_context_choice choice; /* n_ctx 0: the context was given */
    const char *stopped;             /* "stop", "length", "context", "interrupted": why the text ends */
    int64_t load_ns, prefill_ns, decode_ns, first_token_ns;
    char *text; /* bytes generated */
    size_t n_text, text_capacity;
};

static volatile sig_atomic_t interrupted;
static void on_interrupt(int sig) {
    (void)sig;
    interrupted = 1;
}

static bool emit(struct run *r, int32_t id) {
    char piece[512];
    size_t n = ew_model_token_bytes(r->model, id, false, piece, sizeof piece);
    if (n > sizeof piece) n = sizeof piece;
    if (r->n_text + n > r->text_capacity) {
        size_t capacity = (r->text_capacity + n) * 2 + 256;
        char *text = realloc(r->text, capacity);
        if (!text) return false;
        r->text = text;
        r->text_capacity = capacity;
    }
    memcpy(r->text + r->n_text, piece, n);
    r->n_text += n;
    if (!r->o->common.json) {
        fwrite(piece, 1, n, stdout);
        fflush(stdout);
    }
    return true;
}

/* Evaluates the newest token; *full: there was no room for it and none was to be made. */
static enum ew_status go_on(struct run *r, int32_t id, bool *full, struct ew_error *err) {
    enum ew_status status = EW_OK;
    if (ew_session_n_past(r->session) == ew_session_params_of(r->session).n_ctx) {
        *full = !r->o->shift.on;
        if (*full) return EW_OK;
        status = ew_context_shift(&r->o->shift, r->session, &r->held, err);
    }
    if (status == EW_OK) status = ew_session_decode(r->session, id, err);
    if (status == EW_OK) ew_held_tokens_add(&r->held, &id, 1);
    return status;
}

static enum ew_status generate(struct run *r, int64_t start, struct ew_error *err) {
    enum ew_status status = ew_session_prefill(r->session, r->prompt_ids, r->n_prompt, err);
    if (status == EW_OK) status = ew_held_tokens_open(&r->held, r->session, err);
    if (status != EW_OK) return status;
    r->prefill_ns = ew_clock_now_ns() - start;
    ew_held_tokens_add(&r->held, r->prompt_ids, r->n_prompt);
    for (size_t i = 0; i < r->n_prompt; i++) ew_sampler_accept(r->sampler, r->prompt_ids[i]);
    int64_t first = 0;
    r->stopped = "length";
    while (r->n_out < r->o->n_generate && !interrupted) {
        int32_t id = ew_sampler_sample(r->sampler, ew_session_logits(r->session));
        int64_t now = ew_clock_now_ns();
        bool full = false;
        if (r->n_out == 0) {
            first = now;
            r->first_token_ns = now - start;
        }
        r->decode_ns = now - first;
        r->out_ids[r->n_out++] = id;
        if (ew_model_token_is_end(r->model, id) && !r->o->ignore_end) {
            r->stopped = "stop";
            return EW_OK;
        }
        if (!emit(r, id)) return ew_error_set(err, EW_ERR_MEMORY, "text: out of memory");
        if (r->n_out == r->o->n_generate) return EW_OK;
        status = go_on(r, id, &full, err);
        if (full) r->stopped = "context";
        if (full || status != EW_OK) return status;
    }
    r->stopped = "interrupted";
    return EW_OK;
}

/* ---- figures ---- */

static double per_second(size_t n, int64_t ns) { return ns > 0 ? (double)n / ew_clock_seconds(ns) : 0; }

static double peak_mib(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / 1024.0;
}

static void print_line(const struct run *r) {
    bool colour = isatty(2) && !getenv("NO_COLOR");
    struct ew_model_info info = ew_model_info(r->model);
    fflush(stdout);
    fprintf(stderr, "\n%s%zu tok", colour ? "\033[2m" : "", r->n_out);
    if (r->n_out > 1) fprintf(stderr, " · %.1f tok/s", per_second(r->n_out - 1, r->decode_ns));
    fprintf(stderr, " · first after %.2f s · prompt %zu tok, %.0f tok/s · load %.2f s · %.0f MiB",
            ew_clock_seconds(r->first_token_ns), r->n_prompt, per_second(r->n_prompt, r->prefill_ns),
            ew_clock_seconds(r->load_ns), peak_mib());
    if (r->held.n_shifts > 0) fprintf(stderr, " · context shifted %u times", r->held.n_shifts);
    if (strcmp(r->stopped, "context") == 0)
        fprintf(stderr, " · stopped: the context of %u tokens is full", ew_session_params_of(r->session).n_ctx);
    if (info.synthetic) fprintf(stderr, " · synthetic weights: the text means nothing");
    fprintf(stderr, "%s\n", colour ? "\033[0m" : "");
}

static json_t *json_ids(const int32_t *ids, size_t n) {
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(a, json_integer(ids[i]));
    return a;
}

static void print_json(const struct run *r) {
    struct ew_model_info info = ew_model_info(r->model);
    struct ew_session_params p = ew_session_params_of(r->session);
    json_t *text = json_stringn(r->text ? r->text : "", r->n_text); /* NULL when cut inside a UTF-8 character */
    json_t *o =
        json_pack("{s:s, s:s, s:b, s:o, s:o*, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:s, s:i, s:s, s:s, s:i}",
                  "model", info.name, "file_type", info.file_type, "synthetic", info.synthetic, "prompt_tokens",
                  json_ids(r->prompt_ids, r->n_prompt), "text", text, "tokens", json_ids(r->out_ids, r->n_out),
                  "load_s", ew_clock_seconds(r->load_ns), "prefill_s", ew_clock_seconds(r->prefill_ns), "ttft_s",
                  ew_clock_seconds(r->first_token_ns), "prefill_tokens_per_s", per_second(r->n_prompt, r->prefill_ns),
                  "decode_tokens_per_s", r->n_out > 1 ? per_second(r->n_out - 1, r->decode_ns) : 0.0, "peak_rss_mib",
                  peak_mib(), "threads_prefill", (int)p.threads_prefill, "threads_decode", (int)p.threads_decode,
                  "kernels", ew_session_kernels(r->session), "context", (int)p.n_ctx, "kv", ew_kv_name(p.kv_k, p.kv_v),
                  "stopped", r->stopped, "context_shifts", (int)r->held.n_shifts);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

static enum ew_status open_all(struct run *r, const char *path, struct ew_error *err) {
    int64_t start = ew_clock_now_ns();
    struct ew_session_params params = r->o->session;
    enum ew_status status = ew_model_open(path, &r->model, err);
    if (status == EW_OK)
        status = ew_context_options_apply(&r->o->context, r->model, r->o->common.root, &params, &r->choice, err);
    if (status == EW_OK) status = ew_session_open(r->model, &params, &r->session, err);
    if (status == EW_OK) status = ew_sampler_open(&r->o->sampler, ew_model_info(r->model).n_vocab, &r->sampler, err);
    r->load_ns = ew_clock_now_ns() - start;
    return status;
}

static enum ew_status execute(const struct options *o, struct ew_error *err) {
    struct run r = {.o = o};
    char box[PATH_MAX], *prompt = NULL;
    const char *path = o->model;
    size_t n_bytes = 0;
    enum ew_status status = EW_OK;
    if (!path) {
        status = ew_model_box_path(box, sizeof box, err);
        path = box;
    }
    if (status == EW_OK) status = get_prompt(o, &prompt, &n_bytes, err);
    if (status == EW_OK) status = open_all(&r, path, err);
    r.out_ids = malloc(o->n_generate * sizeof *r.out_ids);
    if (status == EW_OK && !r.out_ids) status = ew_error_set(err, EW_ERR_MEMORY, "--tokens: out of memory");
    if (status != EW_OK) goto done;

    if (r.choice.n_ctx > 0) {
        char text[160];
        ew_context_choice_text(&r.choice, text, sizeof text);
        fprintf(stderr, "%s\n", text);
    }
    signal(SIGINT, on_interrupt);
    if (!o->common.json && isatty(1)) {
        bool colour = !getenv("NO_COLOR");
        printf("%s%.*s%s", colour ? "\033[2m" : "", (int)(n_bytes < 4096 ? n_bytes : 4096), prompt,
               colour ? "\033[0m" : "");
    }
    int64_t start = ew_clock_now_ns();
    status = tokenize(r.model, o, prompt, n_bytes, &r.prompt_ids, &r.n_prompt, err);
    if (status == EW_OK) status = generate(&r, start, err);
    if (status != EW_OK) goto done;
    if (o->common.json)
        print_json(&r);
    else
        print_line(&r);
done:
    free(prompt);
    free(r.prompt_ids);
    free(r.out_ids);
    free(r.text);
    ew_held_tokens_close(&r.held);
    ew_sampler_close(&r.sampler);
    ew_session_close(&r.session);
    ew_model_close(&r.model);
    return status;
}

int ew_cmd_run(int argc, char **argv) {
    const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0},
                                          {&ew_context_options_argp, 0, NULL, 0},
                                          {&ew_shift_options_argp, 0, NULL, 0},
                                          {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[MODEL]",
        .doc =
            "Continues a prompt with MODEL, a GGUF file; without one, with the small model that comes with Edgewise. "
            "The text goes to standard output, a line of figures to standard error.\v"
            "Example:\n  edgewise run model.gguf -p \"Once upon a time\" -n 64 --temp 0.8 --seed 7\n",
        .children = children,
    };
    struct options o = {.n_generate = 128, .sampler = ew_sampler_default_params()};
    struct ew_error err = {0};
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    o.session.cpu_mask = o.common.cpu_mask;
    return execute(&o, &err) == EW_OK ? EW_EXIT_OK : ew_cli_fail(&err);
}
