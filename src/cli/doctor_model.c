/* Owns measuring what share of the machine's limits a model reaches: a short prefill and a short decode with several
 * numbers of threads, in turns, through the public session. Without a model one is made up that is too large for the
 * caches. In this process and not in another as trials are: the figures are compared with each other and with the limit
 * measured here, and are no results of a study. */
#include "base/clock.h"
#include "base/error.h"
#include "cli/doctor_view.h"
#include "cli/kernel_memory.h"
#include "edgewise/session.h"
#include "engine/thread_choice.h"
#include "model/synth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ROUNDS_MIN = 3,
    ROUNDS_MAX = 7,
    PROBE_PROMPT = 32,
    PROBE_DECODE = 3,
    PROMPT = 256,
    DECODE = 32,
    LEAST_PROMPT = 16
};
static const double budget_s = 6;
static const int64_t least_bytes = 80 << 20; /* of a made-up model: smaller ones are mostly overhead */
static const double caches = 3;              /* and this many times the last cache */

struct bench {
    const struct ew_doctor_request *request;
    struct ew_model *model;
    struct ew_kernel_choices *kernels; /* remembered ones, or NULL */
    struct ew_doctor_model *out;
    size_t n;
    struct ew_session *sessions[EW_DOCTOR_SPEEDS];
    double probe_prefill_s[EW_DOCTOR_SPEEDS], probe_decode_s[EW_DOCTOR_SPEEDS]; /* per token */
    double prefill_per_s[EW_DOCTOR_SPEEDS][ROUNDS_MAX], decode_per_s[EW_DOCTOR_SPEEDS][ROUNDS_MAX];
    int32_t ids[PROMPT];
};

/* ---- the model ---- */

/* The smallest shape that the caches cannot hold; the largest of them where none is large enough. */
static struct ew_synth_params choose_shape(const struct ew_machine *machine) {
    static const char *const names[] = {"smollm2-135m", "smollm2-360m", "tinyllama-1.1b"};
    double wanted = fmax((double)least_bytes, caches * (double)ew_machine_last_cache_bytes(machine));
    double room = (double)ew_machine_free_bytes(machine) / 4; /* file pages and packed weights, for each session */
    struct ew_synth_params best = {.shape = ew_shape_find(names[0]), .file_type = EW_FILE_Q4_0, .seed = 1};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ew_synth_params params = {.shape = ew_shape_find(names[i]), .file_type = EW_FILE_Q4_0, .seed = 1};
        struct ew_synth_summary summary;
        if (ew_synth_measure(&params, &summary, NULL) != EW_OK || (i > 0 && (double)summary.file_bytes > room)) break;
        best = params;
        if ((double)summary.file_bytes >= wanted) break;
    }
    return best;
}

static bool go_on(void *context, uint64_t done, uint64_t total) {
    const struct ew_doctor_request *request = context;
    (void)done;
    (void)total;
    return !*request->stop;
}

/* A file of its own in the folder for temporary files, until the measuring is over. */
struct made_up {
    char folder[4000], path[4096];
};

static enum ew_status open_made_up(const struct ew_doctor_request *request, const struct ew_machine *machine,
                                   struct made_up *file, struct ew_model **out, struct ew_error *err) {
    const char *base = getenv("TMPDIR");
    snprintf(file->folder, sizeof file->folder, "%s/edgewise-doctor-XXXXXX", base && *base ? base : P_tmpdir);
    if (!mkdtemp(file->folder)) {
        ew_error_set(err, EW_ERR_IO, "%s: no folder for a made-up model", file->folder);
        file->folder[0] = 0;
        return EW_ERR_IO;
    }
    snprintf(file->path, sizeof file->path, "%s/model.gguf", file->folder);
    struct ew_synth_params params = choose_shape(machine);
    params.progress = go_on;
    params.context = (void *)request;
    enum ew_status status = ew_synth_write(&params, file->path, NULL, err);
    return status == EW_OK ? ew_model_open(file->path, out, err) : status;
}

static void remove_made_up(const struct made_up *file) {
    if (!file->folder[0]) return;
    unlink(file->path);
    rmdir(file->folder);
}

static void describe(const struct ew_model *model, struct ew_doctor_model *out) {
    struct ew_model_info info = ew_model_info(model);
    *out = (struct ew_doctor_model){.synthetic = info.synthetic,
                                    .weights_bytes = info.weights_bytes,
                                    .prefill_limit_per_s = NAN,
                                    .decode_limit_per_s = NAN};
    snprintf(out->name, sizeof out->name, "%s", info.name);
    snprintf(out->type, sizeof out->type, "%s", info.file_type);
}

/* ---- numbers of threads ---- */

static void add_threads(uint32_t *list, size_t *n, uint32_t threads, uint32_t most) {
    if (threads < 1 || threads > most || *n == EW_DOCTOR_SPEEDS) return;
    for (size_t i = 0; i < *n; i++)
        if (list[i] == threads) return;
    list[(*n)++] = threads;
}

static int compare_threads(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The defaults first: when memory allows no more they stay. Then what most often wins, and one for comparison. */
static size_t choose_threads(const struct ew_machine *m, uint32_t usual, uint32_t decoding, uint32_t *list) {
    size_t n = 0;
    uint32_t most = m->usable > (int)usual ? (uint32_t)m->usable : usual, fast = 0;
    for (size_t i = 0; i < m->n_cpus; i++) fast += m->cpus[i].usable && m->cpus[i].kind == 0 && m->cpus[i].smt <= 0;
    add_threads(list, &n, usual, most);
    add_threads(list, &n, decoding, most);
    if (m->kinds > 1) add_threads(list, &n, fast, most);
    add_threads(list, &n, most, most);
    if (usual > 2) add_threads(list, &n, usual - 1, most);
    if (usual > 3) add_threads(list, &n, (usual + 1) / 2, most);
    add_threads(list, &n, 1, most);
    return n;
}

static struct ew_session_params params_of(const struct bench *b, uint32_t threads) {
    struct ew_session_params p = ew_session_default_params();
    p.n_ctx = PROMPT + DECODE;
    p.n_batch = PROMPT;
    p.threads_prefill = p.threads_decode = threads;
    p.cpu_mask = b->request->cpu_mask;
    p.kernels = b->kernels;
    return p;
}

/* Sessions stay open together so that runs can take turns: as many as half of the free memory holds. */
static enum ew_status open_sessions(struct bench *b, const struct ew_machine *machine, struct ew_error *err) {
    struct ew_memory_ledger ledger;
    struct ew_session_params usual = params_of(b, 0);
    enum ew_status status = ew_session_predict_memory(b->model, &usual, &ledger, err);
    if (status != EW_OK) return status;
    int64_t room = ew_machine_free_bytes(machine);
    b->out->needed_bytes = ledger.total;
    if (!b->out->default_threads) return EW_OK; /* only what it needs was asked */
    if (room >= 0 && ledger.total > (uint64_t)room) return EW_OK;
    uint32_t list[EW_DOCTOR_SPEEDS];
    size_t n = choose_threads(machine, b->out->default_threads, b->out->default_decode_threads, list);
    uint64_t each = ledger.total - ledger.weights_mapped - ledger.tokenizer - ledger.runtime;
    while (n > 1 && room >= 0 && ledger.weights_mapped + n * each > (uint64_t)room / 2) n--;
    qsort(list, n, sizeof *list, compare_threads);
    for (size_t i = 0; i < n && status == EW_OK; i++) {
        struct ew_session_params p = params_of(b, list[i]);
        status = ew_session_open(b->model, &p, &b->sessions[i], err);
        if (status == EW_OK) b->out->speeds[b->n++].threads = list[i];
    }
    return status;
}

/* ---- runs ---- */

static enum ew_status run_once(struct bench *b, struct ew_session *s, uint32_t prompt, uint32_t decode,
                               double *prefill_s, double *decode_s, struct ew_error *err) {
    if (*b->request->stop) return ew_error_set(err, EW_ERR_CANCELLED, "stopped");
    ew_session_reset(s);
    int64_t begin = ew_clock_now_ns();
    enum ew_status status = ew_session_prefill(s, b->ids, prompt, err);
    int64_t middle = ew_clock_now_ns();
    for (uint32_t i = 0; i < decode && status == EW_OK; i++) status = ew_session_decode(s, b->ids[i % PROMPT], err);
    *prefill_s = ew_clock_seconds(middle - begin) / prompt;
    *decode_s = ew_clock_seconds(ew_clock_now_ns() - middle) / decode;
    return status;
}

static double round_seconds(const struct bench *b, uint32_t prompt, uint32_t decode) {
    double sum = 0;
    for (size_t i = 0; i < b->n; i++) sum += prompt * b->probe_prefill_s[i] + decode * b->probe_decode_s[i];
    return sum;
}

static void drop(struct bench *b, size_t i) {
    ew_session_close(&b->sessions[i]);
    b->n--;
    for (; i < b->n; i++) {
        b->sessions[i] = b->sessions[i + 1];
        b->out->speeds[i] = b->out->speeds[i + 1];
        b->probe_prefill_s[i] = b->probe_prefill_s[i + 1];
        b->probe_decode_s[i] = b->probe_decode_s[i + 1];
    }
    b->sessions[b->n] = NULL;
}

/* A first short run touches all memory and tells how long the real ones may be; where even the shortest are too long
 * for the budget, single threads and others are left out before the default is. */
static enum ew_status choose_length(struct bench *b, struct ew_error *err) {
    enum ew_status status = EW_OK;
    uint32_t prompt = PROMPT, decode = DECODE;
    for (size_t i = 0; i < b->n && status == EW_OK; i++)
        status =
            run_once(b, b->sessions[i], PROBE_PROMPT, PROBE_DECODE, &b->probe_prefill_s[i], &b->probe_decode_s[i], err);
    while (ROUNDS_MIN * round_seconds(b, prompt, decode) > budget_s && prompt > LEAST_PROMPT) {
        prompt /= 2;
        decode = decode > 4 ? decode / 2 : decode;
    }
    for (size_t i = 0; i < b->n && ROUNDS_MIN * round_seconds(b, prompt, decode) > budget_s;)
        if (b->out->speeds[i].threads == b->out->default_threads)
            i++;
        else
            drop(b, i);
    b->out->prompt_tokens = prompt;
    b->out->generate_tokens = decode;
    return status;
}

static enum ew_status run_rounds(struct bench *b, size_t *rounds, struct ew_error *err) {
    enum ew_status status = EW_OK;
    int64_t begin = ew_clock_now_ns();
    double took = 0;
    size_t r = 0;
    for (; r < ROUNDS_MAX && status == EW_OK && (r < ROUNDS_MIN || took * (double)(r + 1) / (double)r < budget_s);
         r++) {
        for (size_t k = 0; k < b->n && status == EW_OK; k++) {
            size_t i = r % 2 ? b->n - 1 - k : k; /* drift hits all alike */
            double prefill_s, decode_s;
            status =
                run_once(b, b->sessions[i], b->out->prompt_tokens, b->out->generate_tokens, &prefill_s, &decode_s, err);
            b->prefill_per_s[i][r] = 1 / prefill_s;
            b->decode_per_s[i][r] = 1 / decode_s;
        }
        took = ew_clock_seconds(ew_clock_now_ns() - begin);
    }
    *rounds = r;
    return status;
}

static int compare_doubles(const void *a, const void *b) {
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void summarise(double *values, size_t n, double *median, double *low, double *high) {
    qsort(values, n, sizeof *values, compare_doubles);
    *median = (values[(n - 1) / 2] + values[n / 2]) / 2;
    *low = values[0];
    *high = values[n - 1];
}

static enum ew_status measure(struct bench *b, const struct ew_machine *machine, const struct ew_machine_limits *limits,
                              struct ew_error *err) {
    struct ew_doctor_model *m = b->out;
    size_t rounds = 0;
    uint32_t n_vocab = ew_model_info(b->model).n_vocab, x = 1;
    for (int i = 0; i < PROMPT; i++) { /* spread over the vocabulary: a text would touch few rows of the embedding */
        x = x * 1664525 + 1013904223;
        b->ids[i] = (int32_t)((x >> 8) % n_vocab);
    }
    enum ew_status status = choose_length(b, err);
    if (status == EW_OK) status = run_rounds(b, &rounds, err);
    if (status != EW_OK) return status;
    for (size_t i = 0; i < b->n; i++) {
        struct ew_doctor_speed *s = &m->speeds[i];
        s->n = rounds;
        summarise(b->prefill_per_s[i], rounds, &s->prefill_per_s, &s->prefill_low, &s->prefill_high);
        summarise(b->decode_per_s[i], rounds, &s->decode_per_s, &s->decode_low, &s->decode_high);
    }
    m->n_speeds = b->n;
    snprintf(m->kernels, sizeof m->kernels, "%s", ew_session_kernels(b->sessions[0]));
    const struct ew_work_request prompt = {.n_tokens = m->prompt_tokens};
    const struct ew_work_request tokens = {.n_tokens = m->generate_tokens, .depth = m->prompt_tokens};
    m->prefill_limit_per_s = ew_machine_limits_prefill_rate(limits, b->model, &prompt, 0);
    if (!ew_doctor_is_in_cache(machine, m->weights_bytes))
        m->decode_limit_per_s = ew_machine_limits_decode_rate(limits, b->model, &tokens);
    return EW_OK;
}

enum ew_status ew_doctor_measure_model(const struct ew_doctor_request *request, const struct ew_machine *machine,
                                       const struct ew_machine_limits *limits, struct ew_doctor_model *out,
                                       struct ew_error *err) {
    struct bench b = {.request = request, .out = out};
    struct made_up file = {0};
    enum ew_status status = request->model_path ? ew_model_open(request->model_path, &b.model, err)
                                                : open_made_up(request, machine, &file, &b.model, err);
    if (status == EW_OK) describe(b.model, out);
    if (limits) {
        struct ew_thread_choice choice;
        ew_thread_choose_on(machine, &choice);
        out->default_threads = limits->threads;
        out->default_decode_threads = choice.n_decode;
    }
    b.kernels = ew_cli_remembered_kernels(request->cpu_mask);
    if (status == EW_OK) status = open_sessions(&b, machine, err);
    if (status == EW_OK && b.n > 0) status = measure(&b, machine, limits, err);
    for (size_t i = 0; i < EW_DOCTOR_SPEEDS; i++) ew_session_close(&b.sessions[i]);
    ew_model_close(&b.model);
    ew_kernel_choices_close(&b.kernels);
    remove_made_up(&file);
    return status;
}
