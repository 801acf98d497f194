/* Owns running one trial inside the child: load, warm-up, depth, prefill, decode, sample text. Measures nothing but
 * stamps; memory, power and heat are the parent's to read. Nothing is written while a phase is being timed. */
#include "study/trial_child.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/seeded_random.h"
#include "base/small_file.h"
#include "edgewise/speculation.h"
#include "machine/cpu_features.h"
#include "study/greedy_text.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const int64_t sustained_window_ns = 1000000000;
enum { WARMUP_PREFILL = 64, WARMUP_DECODE = 4, WARMUP_BATCH = 512 };
static const double warmup_agreement = 0.05;

struct child {
    const struct ew_trial_spec *spec;
    FILE *out;
    struct ew_model *model;
    struct ew_session *session;
    struct ew_sampler *sampler;
    struct ew_kernel_choices *kernels; /* NULL: features decide */
    uint32_t n_vocab;
    int32_t *ids;    /* [depth + prompt_tokens] */
    int64_t *stamps; /* [generate_tokens] */
    struct ew_error *err;
};

const char *ew_build_text(void) {
#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifdef __SANITIZE_ADDRESS__
    return COMPILER ", sanitizers: figures are no measure of speed";
#elif defined(__OPTIMIZE__)
    return COMPILER ", optimised";
#else
    return COMPILER ", not optimised: figures are no measure of speed";
#endif
}

/* ---- events ---- */

/* Takes the event over; NULL (out of memory) is not written. */
static void emit(FILE *out, json_t *event) {
    if (!event) return;
    json_dumpf(event, out, JSON_COMPACT);
    fputc('\n', out);
    fflush(out);
    json_decref(event);
}

static void emit_hello(FILE *out, const char *version, uint64_t cpu_mask) {
    char features[256];
    ew_cpu_features_text(cpu_mask ? ew_cpu_features() & cpu_mask : ew_cpu_features(), features, sizeof features);
    emit(out, json_pack("{s:s, s:I, s:i, s:s, s:s, s:s, s:I, s:s}", "event", "hello", "t",
                        (json_int_t)ew_clock_now_ns(), "protocol", EW_TRIAL_PROTOCOL, "engine", "edgewise", "version",
                        version, "build", ew_build_text(), "pid", (json_int_t)getpid(), "cpu_features", features));
}

void ew_trial_child_fail(FILE *out, const struct ew_error *err) {
    emit(out, json_pack("{s:s, s:I, s:s, s:s}", "event", "error", "t", (json_int_t)ew_clock_now_ns(), "status",
                        ew_status_name(err->status), "message", err->message));
}

static json_int_t status_kib(const char *text, const char *name) {
    const char *line = strstr(text, name);
    return line ? (json_int_t)strtoll(line + strlen(name), NULL, 10) * 1024 : 0;
}

static json_t *own_memory(void) {
    char text[8192];
    if (ew_small_file_read("", "/proc/self/status", text, sizeof text) < 0) return json_object();
    return json_pack("{s:I, s:I, s:I}", "vm_hwm_bytes", status_kib(text, "VmHWM:"), "rss_anon_bytes",
                     status_kib(text, "RssAnon:"), "rss_file_bytes", status_kib(text, "RssFile:"));
}

static void nap(uint32_t ms) {
    if (ms) nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* Returns the moment after the event is on its way: writing it is no part of the phase, see end_phase. */
static int64_t begin_phase(struct child *c, const char *name) {
    nap(c->spec->idle_gap_ms);
    emit(c->out, json_pack("{s:s, s:I, s:s, s:s}", "event", "phase", "t", (json_int_t)ew_clock_now_ns(), "name", name,
                           "edge", "begin"));
    return ew_clock_now_ns();
}

static void end_phase(struct child *c, const char *name, int64_t begin, int64_t t, uint64_t tokens) {
    emit(c->out,
         json_pack("{s:s, s:I, s:s, s:s, s:I, s:I, s:o}", "event", "phase", "t", (json_int_t)t, "name", name, "edge",
                   "end", "begin", (json_int_t)begin, "tokens", (json_int_t)tokens, "memory", own_memory()));
}

/* ---- load ---- */

static enum ew_status emit_ledger(struct child *c, const struct ew_session_params *params) {
    struct ew_memory_ledger l;
    enum ew_status status = ew_session_predict_memory(c->model, params, &l, c->err);
    if (status != EW_OK) return status;
    emit(c->out, json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "event", "ledger", "t",
                           (json_int_t)ew_clock_now_ns(), "weights_mapped", (json_int_t)l.weights_mapped,
                           "weights_packed", (json_int_t)l.weights_packed, "kv_cache", (json_int_t)l.kv_cache,
                           "activations", (json_int_t)l.activations, "scratch", (json_int_t)l.scratch, "tokenizer",
                           (json_int_t)l.tokenizer, "runtime", (json_int_t)l.runtime, "total", (json_int_t)l.total));
    return EW_OK;
}

/* Kernels are chosen by the parent, never here: a contest would be part of what is measured. */
static enum ew_status take_kernels(struct child *c) {
    const struct ew_trial_spec *s = c->spec;
    if (!s->kernels) return EW_OK;
    enum ew_status status = ew_kernel_choices_open(s->cpu_mask, &c->kernels, c->err);
    if (status == EW_OK) status = ew_kernel_choices_parse(c->kernels, s->kernels, strlen(s->kernels), c->err);
    return status == EW_OK ? EW_OK : ew_error_prefix(c->err, status, "spec");
}

static enum ew_status load(struct child *c) {
    const struct ew_trial_spec *s = c->spec;
    int64_t begin = begin_phase(c, "load");
    enum ew_status status = ew_model_open(s->model, &c->model, c->err);
    if (status != EW_OK) return status;
    c->n_vocab = ew_model_info(c->model).n_vocab;
    struct ew_session_params params = ew_session_default_params();
    params.n_ctx = s->context;
    params.n_batch = s->batch;
    params.threads_prefill = s->threads_prefill;
    params.threads_decode = s->threads_decode;
    params.layout = s->layout;
    if (s->layout == EW_WEIGHTS_SIDE_FILE) params.side_folder = s->side_folder;
    params.kv_k = s->kv_k;
    params.kv_v = s->kv_v;
    params.n_draft = s->n_draft;
    params.cpu_mask = s->cpu_mask;
    params.spin_us = s->spin_us;
    params.kernels = c->kernels;
    status = emit_ledger(c, &params);
    if (status == EW_OK) status = ew_session_open(c->model, &params, &c->session, c->err);
    if (status == EW_OK && ew_session_weights(c->session)->note[0]) /* nothing else is measured under that name */
        status = ew_error_set(c->err, EW_ERR_IO, "layout side_file: %s", ew_session_weights(c->session)->note);
    struct ew_sampler_params greedy = ew_sampler_default_params();
    greedy.seed = s->seed;
    if (status == EW_OK) status = ew_sampler_open(&greedy, c->n_vocab, &c->sampler, c->err);
    if (status != EW_OK) return status;
    end_phase(c, "load", begin, ew_clock_now_ns(), 0);
    emit(c->out, json_pack("{s:s, s:I, s:s}", "event", "kernels", "t", (json_int_t)ew_clock_now_ns(), "names",
                           ew_session_kernels(c->session)));
    return EW_OK;
}

/* A plain word: a control token could change what a model does. */
static int32_t draw_id(const struct child *c, uint64_t *state) {
    char bytes[256];
    int32_t id = 0;
    for (int attempt = 0; attempt < 64; attempt++) {
        id = (int32_t)ew_random_below(state, c->n_vocab);
        if (ew_model_token_bytes(c->model, id, false, bytes, sizeof bytes) > 0 && !ew_model_token_is_end(c->model, id))
            break;
    }
    return id;
}

static enum ew_status draw_ids(struct child *c) {
    size_t n = (size_t)c->spec->depth + c->spec->prompt_tokens;
    c->ids = malloc(n * sizeof *c->ids);
    c->stamps = calloc(c->spec->generate_tokens, sizeof *c->stamps);
    if (!c->ids || !c->stamps) return ew_error_set(c->err, EW_ERR_MEMORY, "trial: no memory for %zu tokens", n);
    uint64_t state = c->spec->seed;
    for (size_t i = 0; i < n; i++) c->ids[i] = draw_id(c, &state);
    return EW_OK;
}

/* ---- warm-up ---- */

static enum ew_status warm_window(struct child *c, uint32_t n_prefill, double *seconds) {
    int64_t begin = ew_clock_now_ns();
    ew_session_reset(c->session);
    enum ew_status status = ew_session_prefill(c->session, c->ids, n_prefill, c->err);
    uint32_t room = c->spec->context - n_prefill;
    for (uint32_t i = 0; status == EW_OK && i < WARMUP_DECODE && i < room; i++)
        status = ew_session_decode(c->session, c->ids[0], c->err);
    *seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
    return status;
}

/* The first pass touches every page that the measured prefill will; then equal windows until two agree. */
static enum ew_status warm_up(struct child *c) {
    if (c->spec->warmup_limit_ms == 0) return EW_OK;
    uint32_t all = c->spec->prompt_tokens;
    int64_t begin = begin_phase(c, "warmup");
    int64_t limit = begin + (int64_t)c->spec->warmup_limit_ms * 1000000;
    double before = 0, seconds = 0;
    uint64_t tokens = 0;
    enum ew_status status = warm_window(c, all < WARMUP_BATCH ? all : WARMUP_BATCH, &seconds);
    bool agreed = false;
    while (status == EW_OK && !agreed && ew_clock_now_ns() < limit) {
        uint32_t n = all < WARMUP_PREFILL ? all : WARMUP_PREFILL;
        before = tokens ? seconds : 0;
        status = warm_window(c, n, &seconds);
        tokens += n;
        agreed = before > 0 && fabs(seconds - before) < warmup_agreement * before;
    }
    if (status != EW_OK) return status;
    ew_session_reset(c->session);
    end_phase(c, "warmup", begin, ew_clock_now_ns(), tokens);
    return EW_OK;
}

/* ---- measured phases ---- */

static enum ew_status fill_depth(struct child *c) {
    if (c->spec->depth == 0) return EW_OK;
    int64_t begin = begin_phase(c, "depth");
    enum ew_status status = ew_session_prefill(c->session, c->ids, c->spec->depth, c->err);
    if (status != EW_OK) return status;
    end_phase(c, "depth", begin, ew_clock_now_ns(), c->spec->depth);
    return EW_OK;
}

static enum ew_status prefill(struct child *c, int32_t *token) {
    const int32_t *prompt = c->ids + c->spec->depth;
    int64_t begin = begin_phase(c, "prefill");
    enum ew_status status = ew_session_prefill(c->session, prompt, c->spec->prompt_tokens, c->err);
    int64_t ready = ew_clock_now_ns();
    if (status != EW_OK) return status;
    *token = ew_sampler_sample(c->sampler, ew_session_logits(c->session));
    int64_t first = ew_clock_now_ns();
    end_phase(c, "prefill", begin, ready, c->spec->prompt_tokens);
    emit(c->out,
         json_pack("{s:s, s:I, s:I}", "event", "ttft", "t", (json_int_t)first, "ns", (json_int_t)(first - begin)));
    return EW_OK;
}

/* What was drafted since then, where drafts were asked for. */
static void emit_speculation(const struct child *c, const struct ew_speculation *before) {
    struct ew_speculation now = ew_session_speculation(c->session);
    if (c->spec->n_draft == 0) return;
    emit(c->out, json_pack("{s:s, s:I, s:I, s:I, s:I, s:s?}", "event", "speculation", "t",
                           (json_int_t)ew_clock_now_ns(), "drafted", (json_int_t)(now.drafted - before->drafted),
                           "accepted", (json_int_t)(now.accepted - before->accepted), "passes",
                           (json_int_t)(now.passes - before->passes), "off", now.off));
}

static enum ew_status decode(struct child *c, int32_t token) {
    uint32_t n = c->spec->generate_tokens;
    struct ew_speculation before = ew_session_speculation(c->session);
    c->stamps[0] = begin_phase(c, "decode");
    for (uint32_t i = 1; i < n; i++) {
        enum ew_status status = ew_session_decode(c->session, token, c->err);
        if (status != EW_OK) return status;
        token = ew_sampler_sample(c->sampler, ew_session_logits(c->session));
        c->stamps[i] = ew_clock_now_ns();
    }
    end_phase(c, "decode", c->stamps[0], c->stamps[n - 1], n - 1);
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) json_array_append_new(list, json_integer((json_int_t)c->stamps[i]));
    emit(c->out, json_pack("{s:s, s:I, s:o}", "event", "token_stamps", "t", (json_int_t)c->stamps[n - 1], "ns", list));
    emit_speculation(c, &before);
    return EW_OK;
}

/* ---- sustained ---- */

/* Decode speed over a long run, in windows of about a second of decoding; prompts are read again in between. */
struct windows {
    json_t *ends_ns, *tokens, *decode_ns;
    int64_t open_tokens, open_ns;
};

static void close_window(struct windows *w, int64_t end_ns) {
    if (w->open_tokens == 0) return;
    json_array_append_new(w->ends_ns, json_integer((json_int_t)end_ns));
    json_array_append_new(w->tokens, json_integer((json_int_t)w->open_tokens));
    json_array_append_new(w->decode_ns, json_integer((json_int_t)w->open_ns));
    w->open_tokens = w->open_ns = 0;
}

/* One prompt and its answer, after the same depth as before. */
static enum ew_status sustain_once(struct child *c, int64_t until_ns, struct windows *w, uint64_t *tokens) {
    const struct ew_trial_spec *s = c->spec;
    ew_session_reset(c->session);
    enum ew_status status = ew_session_prefill(c->session, c->ids, (size_t)s->depth + s->prompt_tokens, c->err);
    *tokens += s->depth + s->prompt_tokens;
    int64_t before = ew_clock_now_ns();
    for (uint32_t i = 1; status == EW_OK && i < s->generate_tokens && before < until_ns; i++) {
        int32_t token = ew_sampler_sample(c->sampler, ew_session_logits(c->session));
        status = ew_session_decode(c->session, token, c->err);
        int64_t now = ew_clock_now_ns();
        w->open_ns += now - before;
        w->open_tokens++;
        before = now;
        ++*tokens;
        if (w->open_ns >= sustained_window_ns) close_window(w, now);
    }
    return status;
}

static enum ew_status sustain(struct child *c) {
    if (c->spec->sustained_ms == 0) return EW_OK;
    struct windows w = {.ends_ns = json_array(), .tokens = json_array(), .decode_ns = json_array()};
    uint64_t tokens = 0;
    int64_t begin = begin_phase(c, "sustained"), end = begin + (int64_t)c->spec->sustained_ms * 1000000;
    enum ew_status status = EW_OK;
    while (status == EW_OK && ew_clock_now_ns() < end) status = sustain_once(c, end, &w, &tokens);
    int64_t ended = ew_clock_now_ns();
    close_window(&w, ended);
    if (status == EW_OK) end_phase(c, "sustained", begin, ended, tokens);
    json_t *event = json_pack("{s:s, s:I, s:o, s:o, s:o}", "event", "windows", "t", (json_int_t)ended, "ends_ns",
                              w.ends_ns, "tokens", w.tokens, "decode_ns", w.decode_ns);
    if (status == EW_OK)
        emit(c->out, event);
    else
        json_decref(event);
    return status;
}

/* ---- sample text ---- */

static enum ew_status complete(struct child *c, const int32_t *ids, size_t n) {
    char *text = NULL;
    uint32_t tokens = 0;
    int64_t begin = begin_phase(c, "sample");
    enum ew_status status =
        ew_greedy_text_write(c->session, c->model, ids, n, c->spec->sample_tokens, &text, &tokens, c->err);
    if (status != EW_OK) return status;
    end_phase(c, "sample", begin, ew_clock_now_ns(), n + tokens);
    emit(c->out, json_pack("{s:s, s:I, s:s, s:s, s:I}", "event", "text", "t", (json_int_t)ew_clock_now_ns(), "prompt",
                           c->spec->sample_prompt, "text", text, "tokens", (json_int_t)tokens));
    free(text);
    return EW_OK;
}

static enum ew_status sample(struct child *c) {
    const char *prompt = c->spec->sample_prompt;
    if (!prompt || c->spec->sample_tokens == 0) return EW_OK;
    size_t capacity = strlen(prompt) + 8, n = 0;
    int32_t *ids = malloc(capacity * sizeof *ids);
    if (!ids) return ew_error_set(c->err, EW_ERR_MEMORY, "trial: no memory for the sample prompt");
    enum ew_status status =
        ew_model_tokenize(c->model, prompt, strlen(prompt), EW_TOKENIZE_ADD_SPECIAL, ids, capacity, &n, c->err);
    if (status == EW_OK && n > 0 && n < c->spec->context) status = complete(c, ids, n);
    free(ids);
    return status;
}

enum ew_status ew_trial_child_run(const struct ew_trial_spec *spec, const char *version, FILE *out,
                                  struct ew_error *err) {
    struct ew_error own = {0};
    struct child c = {.spec = spec, .out = out, .err = err ? err : &own};
    int32_t token = 0;
    emit_hello(out, version, spec->cpu_mask);
    enum ew_status status = take_kernels(&c);
    if (status == EW_OK) status = load(&c);
    if (status == EW_OK) status = draw_ids(&c);
    if (status == EW_OK) status = warm_up(&c);
    if (status == EW_OK) status = fill_depth(&c);
    if (status == EW_OK) status = prefill(&c, &token);
    if (status == EW_OK) status = decode(&c, token);
    if (status == EW_OK) status = sustain(&c);
    if (status == EW_OK) status = sample(&c);
    if (status == EW_OK)
        emit(out, json_pack("{s:s, s:I}", "event", "done", "t", (json_int_t)ew_clock_now_ns()));
    else
        ew_trial_child_fail(out, c.err);
    free(c.ids);
    free(c.stamps);
    ew_sampler_close(&c.sampler);
    ew_session_close(&c.session);
    ew_kernel_choices_close(&c.kernels);
    ew_model_close(&c.model);
    return status;
}
