/* Owns the profile of a model: a prompt and some tokens in this process, each operation timed, beside the read limit of
 * the same seconds. Figures to compare by come from trials; these say what to look at. */
#include "cli/bench_profile.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/seeded_random.h"
#include "cli/core_options.h"
#include "cli/terminal_style.h"
#include "engine/machine_limits.h"
#include "engine/step_profile.h"
#include "insight/words.h"
#include "report/text_table.h"
#include "study/study_axis.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct profile {
    const struct ew_study_drive *drive;
    struct ew_model *model;
    struct ew_session *session;
    uint32_t depth, n_prompt, n_generate;
    int32_t *ids; /* [depth + n_prompt] */
    double read_bytes_per_s;
    FILE *out;
};

/* One phase, counted. */
struct phase {
    const char *name;
    uint32_t n_tokens, n_calls, threads;
    double seconds; /* of all calls */
    struct ew_step_profile steps;
};

static enum ew_status open_model(struct profile *p, const struct ew_located_model *located, struct ew_error *err) {
    const struct ew_study_file *study = p->drive->study;
    const int64_t threads = study->threads.n ? study->threads.value[0] : EW_STUDY_ALL;
    char kv[32];
    struct ew_session_params params = ew_session_default_params();
    params.n_ctx = p->depth + p->n_prompt + p->n_generate;
    params.cpu_mask = p->drive->limits.cpu_mask;
    if (threads != EW_STUDY_ALL) params.threads_prefill = params.threads_decode = (uint32_t)threads;
    if (study->layout.n) params.layout = (enum ew_weights_layout)study->layout.value[0];
    if (study->spin.n) params.spin_us = study->spin.value[0] ? (uint32_t)study->spin.value[0] : EW_SPIN_NONE;
    ew_study_axis_print(EW_AXIS_KV, study->kv.n ? study->kv.value[0] : 0, NULL, kv, sizeof kv);
    ew_kv_by_name(kv, &params.kv_k, &params.kv_v);
    enum ew_status status = ew_model_open(located->path, &p->model, err);
    if (status != EW_OK) return status;
    size_t n = (size_t)p->depth + p->n_prompt;
    p->ids = malloc(n * sizeof *p->ids);
    if (!p->ids) return ew_error_set(err, EW_ERR_MEMORY, "profile: out of memory for %zu tokens", n);
    uint64_t state = 1;
    for (size_t i = 0; i < n; i++) p->ids[i] = (int32_t)ew_random_below(&state, ew_model_info(p->model).n_vocab);
    return ew_session_open(p->model, &params, &p->session, err);
}

static void close_model(struct profile *p) {
    ew_session_close(&p->session);
    ew_model_close(&p->model);
    free(p->ids);
    p->ids = NULL;
}

/* Everything is touched once, then counted: warm caches, awake threads. */
static enum ew_status warm_up(struct profile *p, struct ew_error *err) {
    enum ew_status status = ew_session_prefill(p->session, p->ids, p->n_prompt < 64 ? p->n_prompt : 64, err);
    ew_session_reset(p->session);
    if (status == EW_OK && p->depth > 0) status = ew_session_prefill(p->session, p->ids, p->depth, err);
    return status;
}

static enum ew_status count_prompt(struct profile *p, struct phase *f, struct ew_error *err) {
    struct ew_session_params params = ew_session_params_of(p->session);
    *f = (struct phase){"prefill", p->n_prompt, 1, params.threads_prefill, 0, {0}};
    enum ew_status status = ew_step_profile_begin(p->session, err);
    int64_t begin = ew_clock_now_ns();
    if (status == EW_OK) status = ew_session_prefill(p->session, p->ids + p->depth, p->n_prompt, err);
    f->seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
    return status == EW_OK ? ew_step_profile_read(p->session, p->n_prompt, p->depth, &f->steps, err) : status;
}

/* The same token again and again: which one it is changes nothing but a row of the embedding. */
static enum ew_status count_tokens(struct profile *p, struct phase *f, struct ew_error *err) {
    struct ew_session_params params = ew_session_params_of(p->session);
    *f = (struct phase){"decode", 1, p->n_generate - 1, params.threads_decode, 0, {0}};
    enum ew_status status = ew_session_decode(p->session, p->ids[0], err);
    if (status == EW_OK) status = ew_step_profile_begin(p->session, err);
    int64_t begin = ew_clock_now_ns();
    for (uint32_t i = 0; status == EW_OK && i < f->n_calls; i++) status = ew_session_decode(p->session, p->ids[0], err);
    f->seconds = ew_clock_seconds(ew_clock_now_ns() - begin);
    uint32_t middle = p->depth + p->n_prompt + p->n_generate / 2;
    return status == EW_OK ? ew_step_profile_read(p->session, 1, middle, &f->steps, err) : status;
}

/* The best of what was read before and after the tokens. */
static enum ew_status read_memory(struct profile *p, struct ew_error *err) {
    struct ew_machine_limits limits;
    const struct ew_limits_request request = {.budget_s = 1, .all_in_all_only = true};
    enum ew_status status = ew_machine_limits_measure(p->drive->machine, &request, &limits, err);
    if (status == EW_OK) p->read_bytes_per_s = fmax(p->read_bytes_per_s, limits.read_bytes_per_s);
    return status;
}

/* ---- words ---- */

static void add_number(struct ew_text_table *table, double value, int decimals) {
    char text[EW_NUMBER_SIZE];
    ew_words_number(text, value, decimals);
    ew_text_table_add(table, value != 0 ? text : "", NULL);
}

/* bytes 0: this row moves none, or more than one pass over them. */
static void add_row(struct ew_text_table *table, const struct profile *p, const struct phase *f, const char *name,
                    double busy_s, double wait_s, double bytes) {
    const double call_ms = 1000.0 / f->n_calls, rate = bytes * f->n_calls / busy_s;
    bool reads = f->n_tokens == 1 && bytes > 0 && busy_s > 0;
    ew_text_table_add(table, name, NULL);
    add_number(table, busy_s * call_ms, 3);
    add_number(table, wait_s * call_ms, 3);
    add_number(table, 100 * (busy_s + wait_s) / f->seconds, 1);
    add_number(table, bytes / 1048576, 1);
    add_number(table, reads ? rate * 1e-9 : 0, 1);
    add_number(table, reads && p->read_bytes_per_s > 0 ? 100 * rate / p->read_bytes_per_s : 0, 0);
}

static void print_head(const struct profile *p, const struct phase *f) {
    struct ew_model_info info = ew_model_info(p->model);
    fprintf(p->out, "%s %s · %s of %u tokens after %u · %u thread%s · %.1f tokens/s", info.name, info.file_type,
            f->name, f->n_tokens * f->n_calls, f->n_tokens > 1 ? p->depth : p->depth + p->n_prompt + 1, f->threads,
            f->threads == 1 ? "" : "s", f->n_tokens * f->n_calls / f->seconds);
    if (f->n_tokens == 1) fprintf(p->out, " · memory reads %.1f GB/s", p->read_bytes_per_s * 1e-9);
    fputs("\n\n", p->out);
}

static enum ew_status print_phase(const struct profile *p, const struct phase *f, struct ew_error *err) {
    static const struct ew_text_column columns[] = {{"step", NULL, false, true},     {"work", "ms", true, false},
                                                    {"waiting", "ms", true, false},  {"share", "%", true, false},
                                                    {"moves", "MiB", true, false},   {"rate", "GB/s", true, false},
                                                    {"of reading", "%", true, false}};
    struct ew_text_style style = ew_terminal_style(fileno(p->out), false);
    struct ew_text_table *table = ew_text_table_open(columns, sizeof columns / sizeof *columns);
    const struct ew_step_profile *s = &f->steps;
    double bytes = 0;
    for (size_t i = 0; table && i < s->n_rows; i++) {
        const struct ew_step_row *r = &s->row[i];
        bytes += r->bytes;
        if (r->busy_s + r->wait_s > 0) add_row(table, p, f, r->name, r->busy_s, r->wait_s, r->bytes);
    }
    if (table) add_row(table, p, f, "between calls", fmax(f->seconds - s->busy_s - s->wait_s, 0), 0, 0);
    if (table) add_row(table, p, f, "all", f->seconds - s->wait_s, s->wait_s, 0);
    print_head(p, f);
    bool printed = table && ew_text_table_print(table, p->out, &style);
    ew_text_table_close(&table);
    if (!printed) return ew_error_set(err, EW_ERR_MEMORY, "profile: out of memory");
    if (f->n_tokens == 1 && p->read_bytes_per_s > 0)
        fprintf(p->out, "\n%.1f GB/s over the whole token: %.0f %% of reading\n",
                bytes * f->n_calls / f->seconds * 1e-9, 100 * bytes * f->n_calls / f->seconds / p->read_bytes_per_s);
    fputc('\n', p->out);
    return EW_OK;
}

static enum ew_status print_json(const struct profile *p, const struct phase *f, struct ew_error *err) {
    struct ew_model_info info = ew_model_info(p->model);
    json_t *steps = json_array();
    for (size_t i = 0; i < f->steps.n_rows; i++) {
        const struct ew_step_row *r = &f->steps.row[i];
        json_array_append_new(steps, json_pack("{s:s, s:i, s:f, s:f, s:f}", "step", r->name, "ops", (int)r->n_ops,
                                               "work_s", r->busy_s / f->n_calls, "waiting_s", r->wait_s / f->n_calls,
                                               "bytes", r->bytes));
    }
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:f, s:f, s:o}", "model", info.name, "type", info.file_type, "phase",
                  f->name, "threads", (int)f->threads, "tokens_per_call", (int)f->n_tokens, "calls", (int)f->n_calls,
                  "call_s", f->seconds / f->n_calls, "read_bytes_per_s", p->read_bytes_per_s, "steps", steps);
    if (!o) return ew_error_set(err, EW_ERR_MEMORY, "profile: out of memory");
    json_dumpf(o, p->out, JSON_COMPACT);
    fputc('\n', p->out);
    json_decref(o);
    return EW_OK;
}

static enum ew_status profile_model(struct profile *p, const struct ew_located_model *located, struct ew_error *err) {
    struct phase prompt, tokens;
    enum ew_status status = open_model(p, located, err);
    if (status == EW_OK) status = warm_up(p, err);
    if (status == EW_OK) status = count_prompt(p, &prompt, err);
    if (status == EW_OK) status = read_memory(p, err);
    if (status == EW_OK) status = count_tokens(p, &tokens, err);
    if (status == EW_OK) status = read_memory(p, err);
    enum ew_status (*print)(const struct profile *, const struct phase *, struct ew_error *) =
        p->drive->common->json ? print_json : print_phase;
    if (status == EW_OK) status = print(p, &prompt, err);
    if (status == EW_OK) status = print(p, &tokens, err);
    return status;
}

enum ew_status ew_bench_profile(const struct ew_study_drive *d, FILE *out, struct ew_error *err) {
    const struct ew_study_file *study = d->study;
    const char *cores = study->cores.n ? ew_study_file_word(study, study->cores.value[0]) : NULL;
    enum ew_status status = ew_cores_take(cores, err);
    for (size_t i = 0; i < d->models.n && status == EW_OK; i++) {
        struct profile p = {.drive = d,
                            .depth = study->depth.n ? (uint32_t)study->depth.value[0] : 0,
                            .n_prompt = (uint32_t)study->prompt_tokens.value[0],
                            .n_generate = (uint32_t)study->generate_tokens.value[0],
                            .out = out};
        status = profile_model(&p, &d->models.models[i], err);
        close_model(&p);
    }
    return status;
}
