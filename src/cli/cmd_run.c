/* edgewise run: the options, and the completion of a prompt; afterwards one line of figures. The chat: chat_turns.c. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/chat_turns.h"
#include "cli/interrupt.h"
#include "cli/run_figures.h"
#include "cli/run_session.h"
#include "cli/token_ids.h"
#include "edgewise/speculation.h"
#include "edgewise/text_stream.h"
#include "model/box.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_TOKENS = 128 };
enum {
    KEY_THREADS_PREFILL = 2001,
    KEY_THREADS_DECODE,
    KEY_TOP_K,
    KEY_TOP_P,
    KEY_MIN_P,
    KEY_REPEAT,
    KEY_REPEAT_LAST,
    KEY_SEED,
    KEY_SPECULATE,
    KEY_IGNORE_END,
    KEY_NO_BOS,
    KEY_CHAT,
    KEY_SYSTEM,
    KEY_TEMPLATE,
    KEY_NO_TEMPLATE,
    KEY_DROP_OLDEST,
    KEY_ENERGY
};

static const struct argp_option options[] = {
    {"prompt", 'p', "TEXT", 0, "What to continue", 1},
    {"file", 'f', "FILE", 0, "Read the prompt from a file (- for standard input)", 1},
    {"tokens", 'n', "N", 0, "Most tokens to generate (128; in a chat per answer, and as many as fit)", 1},
    {"ignore-end", KEY_IGNORE_END, 0, 0, "Go on after an end-of-text token", 1},
    {"no-bos", KEY_NO_BOS, 0, 0, "Add no begin-of-text token", 1},
    {"threads", 't', "N", 0, "Threads for prefill and decode (all cores)", 2},
    {"prefill-threads", KEY_THREADS_PREFILL, "N", 0, "Threads for prefill", 2},
    {"decode-threads", KEY_THREADS_DECODE, "N", 0, "Threads for decode", 2},
    {"temp", 'T', "X", 0, "Temperature; 0 = always the most likely token (0)", 3},
    {"top-k", KEY_TOP_K, "N", 0, "Sample among the N most likely (0 = off)", 3},
    {"top-p", KEY_TOP_P, "X", 0, "Sample within this probability mass (1 = off)", 3},
    {"min-p", KEY_MIN_P, "X", 0, "Drop tokens below this share of the best one (0 = off)", 3},
    {"repeat-penalty", KEY_REPEAT, "X", 0, "Make recent tokens less likely (1 = off)", 3},
    {"repeat-last", KEY_REPEAT_LAST, "N", 0, "How many tokens count as recent (64)", 3},
    {"seed", KEY_SEED, "N", 0, "Seed of the sampler (0)", 3},
    {"speculate", KEY_SPECULATE, "HOW", 0,
     "Draft tokens by looking up where the context repeats itself; the text stays the same: auto (where it pays), off, "
     "or always this many (1 to 15) (off)",
     3},
    {0, 0, 0, 0, "Chat (docs/chat.md):", 4},
    {"chat", KEY_CHAT, 0, 0, "Chat; with --prompt or --file: answer that one message", 4},
    {"system", KEY_SYSTEM, "TEXT", 0, "System message", 4},
    {"template", KEY_TEMPLATE, "FILE", 0, "Chat template, instead of the model's own", 4},
    {"no-template", KEY_NO_TEMPLATE, 0, 0, "Plain User and Assistant, whatever template the model has", 4},
    {"drop-oldest", KEY_DROP_OLDEST, 0, 0, "Drop the oldest turns when the context is full, instead of stopping", 4},
    {"energy", KEY_ENERGY, "METER", 0, "Energy meter of a chat by name, auto or none (auto)", 4},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state) {
    struct ew_run_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        state->child_inputs[1] = &o->meters;
        state->child_inputs[2] = &o->context;
        state->child_inputs[3] = &o->shift;
        state->child_inputs[4] = &o->cores;
        state->child_inputs[5] = &o->weights;
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
    case 'T': o->sampler.temperature = (float)ew_cli_f64(state, "--temp", arg, 0, 100); return 0;
    case KEY_TOP_K: o->sampler.top_k = ew_cli_u32(state, "--top-k", arg, 0, 1 << 24); return 0;
    case KEY_TOP_P: o->sampler.top_p = (float)ew_cli_f64(state, "--top-p", arg, 1e-6, 1); return 0;
    case KEY_MIN_P: o->sampler.min_p = (float)ew_cli_f64(state, "--min-p", arg, 0, 1); return 0;
    case KEY_REPEAT: o->sampler.repeat_penalty = (float)ew_cli_f64(state, "--repeat-penalty", arg, 1e-3, 100); return 0;
    case KEY_REPEAT_LAST: o->sampler.repeat_last = ew_cli_u32(state, "--repeat-last", arg, 0, 1 << 16); return 0;
    case KEY_SEED: o->sampler.seed = ew_cli_u32(state, "--seed", arg, 0, UINT32_MAX); return 0;
    case KEY_SPECULATE: ew_cli_speculate(state, arg, &o->session.n_draft); return 0;
    case KEY_IGNORE_END: o->ignore_end = true; return 0;
    case KEY_NO_BOS: o->no_bos = true; return 0;
    case KEY_CHAT: o->chat = true; return 0;
    case KEY_SYSTEM: o->system = arg; return 0;
    case KEY_TEMPLATE: o->template = arg; return 0;
    case KEY_NO_TEMPLATE: o->no_template = true; return 0;
    case KEY_DROP_OLDEST: o->drop_oldest = true; return 0;
    case KEY_ENERGY: o->energy = arg; return 0;
    case ARGP_KEY_ARG:
        if (o->model) argp_error(state, "%s: one model is enough", arg);
        o->model = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->prompt && o->file) argp_error(state, "--prompt and --file exclude each other");
        if (o->template && o->no_template) argp_error(state, "--template and --no-template exclude each other");
        o->chat |= o->system || o->template || o->no_template || o->drop_oldest;
        o->chat |= o->model && !o->prompt && !o->file;
        if (o->chat && o->shift.on)
            argp_error(state, "--context-shift is for a prompt; a chat has --drop-oldest, which forgets whole turns");
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- prompt ---- */

static enum ew_status read_all(FILE *f, const char *name, char **out, size_t *n, struct ew_error *err) {
    size_t used = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    while (text) {
        used += fread(text + used, 1, capacity - used, f);
        if (used < capacity) break;
        char *larger = capacity < EW_RUN_MAX_PROMPT_BYTES ? realloc(text, capacity *= 2) : NULL;
        if (!larger) free(text);
        text = larger;
    }
    if (!text) return ew_error_set(err, EW_ERR_LIMIT, "%s: longer than %d MiB", name, EW_RUN_MAX_PROMPT_BYTES >> 20);
    if (ferror(f)) {
        free(text);
        return ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot read", name);
    }
    *out = text;
    *n = used;
    return EW_OK;
}

/* The prompt's bytes into *out (the caller frees): -p, -f, standard input when that is piped, or a story's opening. */
static enum ew_status get_prompt(const struct ew_run_options *o, char **out, size_t *n, struct ew_error *err) {
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

static enum ew_status tokenize(const struct ew_model *m, const struct ew_run_options *o, const char *text,
                               size_t n_bytes, int32_t **ids, size_t *n, struct ew_error *err) {
    unsigned flags = EW_TOKENIZE_PARSE_SPECIAL | (o->no_bos ? 0 : EW_TOKENIZE_ADD_SPECIAL);
    int32_t *found = NULL;
    enum ew_status status = ew_cli_token_ids(m, text, n_bytes, flags, &found, n, err);
    if (status == EW_OK && *n == 0)
        status = ew_error_set(err, EW_ERR_ARGUMENT, "prompt: empty, and the model adds no begin-of-text token");
    if (status == EW_OK)
        *ids = found;
    else
        free(found);
    return status;
}

/* ---- generation ---- */

struct run {
    const struct ew_run_options *o;
    struct ew_model *model;
    struct ew_session *session;
    struct ew_sampler *sampler;
    int32_t *prompt_ids, *out_ids;
    size_t n_prompt, n_out;
    struct ew_held_tokens held;
    const char *stopped; /* "stop", "length", "context", "interrupted": why the text ends */
    int64_t load_ns, prefill_ns, decode_ns, first_token_ns;
    struct ew_text_stream stream;
    char *text; /* generated, in whole characters */
    size_t n_text, text_capacity;
};

static bool put_text(struct run *r, const char *text, size_t n) {
    if (r->n_text + n > r->text_capacity) {
        size_t capacity = (r->text_capacity + n) * 2 + 256;
        char *grown = realloc(r->text, capacity);
        if (!grown) return false;
        r->text = grown;
        r->text_capacity = capacity;
    }
    if (n) memcpy(r->text + r->n_text, text, n);
    r->n_text += n;
    if (!r->o->common.json) {
        fwrite(text, 1, n, stdout);
        fflush(stdout);
    }
    return true;
}

static bool emit(struct run *r, int32_t id) {
    char piece[512], whole[EW_TEXT_STREAM_ROOM(sizeof piece)];
    size_t n = ew_model_token_bytes(r->model, id, false, piece, sizeof piece);
    if (n > sizeof piece) n = sizeof piece;
    return put_text(r, whole, ew_text_stream_add(&r->stream, piece, n, whole));
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

/* Generates until something ends the text: r->stopped. */
static enum ew_status generate_tokens(struct run *r, int64_t start, struct ew_error *err) {
    int64_t first = 0;
    r->stopped = "length";
    while (r->n_out < r->o->n_generate) {
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
        enum ew_status status = go_on(r, id, &full, err);
        if (full || ew_interrupt_pending()) r->stopped = full ? "context" : "interrupted";
        if (full || ew_interrupt_pending() || status != EW_OK) return status;
    }
    return EW_OK;
}

static enum ew_status generate(struct run *r, int64_t start, struct ew_error *err) {
    enum ew_status status = ew_session_prefill(r->session, r->prompt_ids, r->n_prompt, err);
    if (status == EW_OK) status = ew_held_tokens_open(&r->held, r->session, err);
    if (status != EW_OK) return status;
    r->prefill_ns = ew_clock_now_ns() - start;
    ew_held_tokens_add(&r->held, r->prompt_ids, r->n_prompt);
    for (size_t i = 0; i < r->n_prompt; i++) ew_sampler_accept(r->sampler, r->prompt_ids[i]);
    status = generate_tokens(r, start, err);
    if (status != EW_OK) return status;
    char last[3];
    if (!put_text(r, last, ew_text_stream_end(&r->stream, last)))
        return ew_error_set(err, EW_ERR_MEMORY, "text: out of memory");
    return EW_OK;
}

/* ---- figures ---- */

static void print_line(const struct run *r) {
    char drafts[EW_RUN_DRAFTS_SIZE];
    struct ew_speculation s = ew_session_speculation(r->session);
    bool colour = isatty(2) && !getenv("NO_COLOR");
    struct ew_model_info info = ew_model_info(r->model);
    fflush(stdout);
    fprintf(stderr, "\n%s%zu tok", colour ? "\033[2m" : "", r->n_out);
    if (r->n_out > 1) fprintf(stderr, " · %.1f tok/s", ew_run_per_second(r->n_out - 1, r->decode_ns));
    fprintf(stderr, " · first after %.2f s · prompt %zu tok, %.0f tok/s · load %.2f s · %.0f MiB",
            ew_clock_seconds(r->first_token_ns), r->n_prompt, ew_run_per_second(r->n_prompt, r->prefill_ns),
            ew_clock_seconds(r->load_ns), ew_run_peak_mib());
    fputs(ew_run_drafts_text(s.drafted, s.accepted, drafts), stderr);
    if (ew_session_weights(r->session)->side_file[0]) fputs(" · weights from a side file", stderr);
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

static void add_speculation(json_t *o, const struct ew_session *session) {
    char how[16];
    struct ew_speculation s = ew_session_speculation(session);
    ew_draft_print(ew_session_params_of(session).n_draft, how, sizeof how);
    json_object_set_new(o, "speculate", json_string(how));
    json_object_set_new(o, "speculation_off", s.off ? json_string(s.off) : json_null());
    json_object_set_new(o, "drafted", json_integer((json_int_t)s.drafted));
    json_object_set_new(o, "accepted", json_integer((json_int_t)s.accepted));
    json_object_set_new(o, "draft_passes", json_integer((json_int_t)s.passes));
}

static void print_json(const struct run *r) {
    struct ew_model_info info = ew_model_info(r->model);
    struct ew_session_params p = ew_session_params_of(r->session);
    json_t *text = json_stringn(r->text ? r->text : "", r->n_text);
    json_t *o = json_pack(
        "{s:s, s:s, s:b, s:o, s:o*, s:o, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:s, s:i, s:s, s:s, s:i, s:s}",
        "model", info.name, "file_type", info.file_type, "synthetic", info.synthetic, "prompt_tokens",
        json_ids(r->prompt_ids, r->n_prompt), "text", text, "tokens", json_ids(r->out_ids, r->n_out), "load_s",
        ew_clock_seconds(r->load_ns), "prefill_s", ew_clock_seconds(r->prefill_ns), "ttft_s",
        ew_clock_seconds(r->first_token_ns), "prefill_tokens_per_s", ew_run_per_second(r->n_prompt, r->prefill_ns),
        "decode_tokens_per_s", r->n_out > 1 ? ew_run_per_second(r->n_out - 1, r->decode_ns) : 0.0, "peak_rss_mib",
        ew_run_peak_mib(), "threads_prefill", (int)p.threads_prefill, "threads_decode", (int)p.threads_decode,
        "kernels", ew_session_kernels(r->session), "context", (int)p.n_ctx, "kv", ew_kv_name(p.kv_k, p.kv_v), "stopped",
        r->stopped, "context_shifts", (int)r->held.n_shifts, "weights", ew_session_weights(r->session)->where);
    add_speculation(o, r->session);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

static enum ew_status open_all(struct run *r, const char *path, struct ew_error *err) {
    int64_t start = ew_clock_now_ns();
    const struct ew_run_options *o = r->o;
    enum ew_status status = ew_model_open(path, &r->model, err);
    int64_t choosing_ns = 0;
    if (status == EW_OK) status = ew_run_session_open(o, r->model, &r->session, &choosing_ns, err);
    if (status == EW_OK) status = ew_sampler_open(&r->o->sampler, ew_model_info(r->model).n_vocab, &r->sampler, err);
    r->load_ns = ew_clock_now_ns() - start - choosing_ns;
    return status;
}

static enum ew_status complete(const struct ew_run_options *o, const char *path, struct ew_error *err) {
    struct run r = {.o = o};
    char *prompt = NULL;
    size_t n_bytes = 0;
    enum ew_status status = get_prompt(o, &prompt, &n_bytes, err);
    if (status == EW_OK) status = open_all(&r, path, err);
    r.out_ids = malloc(o->n_generate * sizeof *r.out_ids);
    if (status == EW_OK && !r.out_ids) status = ew_error_set(err, EW_ERR_MEMORY, "--tokens: out of memory");
    if (status != EW_OK) goto done;

    const char *note = ew_model_info(r.model).tokenizer_note;
    if (*note) fprintf(stderr, "edgewise: note: %s: %s\n", path, note);
    ew_interrupt_catch(SIGINT);
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

/* A chat, or the answer to one message; the exit status. */
static int chat(const struct ew_run_options *o, const char *path) {
    struct ew_error err = {0};
    char *message = NULL;
    size_t n;
    if (!o->prompt && !o->file) return ew_chat_run(o, path, NULL);
    if (get_prompt(o, &message, &n, &err) != EW_OK) return ew_cli_fail(&err);
    char *text = strndup(message, n); /* ends where a file has a NUL byte */
    free(message);
    if (!text) {
        ew_error_set(&err, EW_ERR_MEMORY, "prompt: out of memory");
        return ew_cli_fail(&err);
    }
    int status = ew_chat_run(o, path, text);
    free(text);
    return status;
}

int ew_cmd_run(int argc, char **argv) {
    const struct argp_child children[] = {{&ew_cli_common_argp, 0, NULL, 0},
                                          {&ew_meter_options_argp, 0, "Meters of a chat:", 8},
                                          {&ew_context_options_argp, 0, NULL, 0},
                                          {&ew_shift_options_argp, 0, NULL, 0},
                                          {&ew_core_options_argp, 0, NULL, 0},
                                          {&ew_weights_options_argp, 0, NULL, 0},
                                          {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse,
        .args_doc = "[MODEL]",
        .doc =
            "Chats with MODEL, a GGUF file, in the terminal, or line by line over a pipe. With --prompt or --file it "
            "continues that text instead; without MODEL, a story with the small model that comes with Edgewise. "
            "The text goes to standard output, a line of figures to standard error.\v"
            "Examples:\n  edgewise run model.gguf --system \"Answer briefly.\" --temp 0.8\n"
            "  edgewise run model.gguf -p \"Once upon a time\" -n 64 --temp 0.8 --seed 7\n"
            "  edgewise run model.gguf --chat -p \"What is a kernel?\"\n",
        .children = children,
    };
    struct ew_run_options o = {.sampler = ew_sampler_default_params()};
    struct ew_error err = {0};
    char box[PATH_MAX];
    int exit_status = EW_EXIT_OK;
    ew_cli_parse(&argp, argc, argv, &o.common, &o);
    o.session.cpu_mask = o.common.cpu_mask;
    o.session.spin_us = o.cores.spin_us;
    if (ew_cores_take(o.cores.cores, &err) != EW_OK ||
        ew_weights_options_apply(&o.weights, &o.session, &err) != EW_OK) {
        exit_status = ew_cli_fail(&err);
    } else if (!o.model && ew_model_box_path(box, sizeof box, &err) != EW_OK) {
        exit_status = ew_cli_fail(&err);
    } else if (o.chat) {
        exit_status = chat(&o, o.model ? o.model : box);
    } else {
        if (!o.n_generate) o.n_generate = DEFAULT_TOKENS;
        if (complete(&o, o.model ? o.model : box, &err) != EW_OK) exit_status = ew_cli_fail(&err);
    }
    ew_weights_options_close(&o.weights);
    ew_meter_options_close(&o.meters);
    return exit_status;
}
