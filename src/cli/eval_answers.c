/* Owns answering a set of prompts: one session as long as the longest needs, emptied for each. */
#include "cli/eval_answers.h"
#include "base/error.h"
#include "cli/eval_keep.h"
#include "cli/interrupt.h"
#include "cli/token_ids.h"
#include "study/greedy_text.h"
#include "study/prompt_set.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct prompt_ids {
    int32_t *ids;
    size_t n;
};

struct answering {
    const struct ew_eval_answers *what;
    uint32_t tokens;
    struct ew_prompt_set set;
    struct ew_model *model;
    struct ew_session *session;
    struct prompt_ids *prompts;       /* [set.n] */
    struct ew_answer_record *answers; /* [set.n]; texts are owned */
};

/* *n_ctx: what the longest prompt and its answer need, at most the trained context. */
static enum ew_status read_prompts(struct answering *a, uint32_t *n_ctx, struct ew_error *err) {
    uint32_t trained = ew_model_info(a->model).n_ctx_train;
    size_t longest = 0, most = trained > 0 ? trained - 1 : UINT32_MAX - a->tokens;
    a->prompts = calloc(a->set.n, sizeof *a->prompts);
    a->answers = calloc(a->set.n, sizeof *a->answers);
    if (!a->prompts || !a->answers) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", a->what->prompts);
    for (size_t i = 0; i < a->set.n; i++) {
        struct prompt_ids *p = &a->prompts[i];
        const char *text = a->set.prompts[i];
        enum ew_status status =
            ew_cli_token_ids(a->model, text, strlen(text), EW_TOKENIZE_ADD_SPECIAL, &p->ids, &p->n, err);
        if (status != EW_OK) return status;
        if (p->n == 0 || p->n > most)
            return ew_error_set(err, EW_ERR_LIMIT,
                                "%s: prompt %zu has %zu tokens: must be 1 to %zu, so that %s answers", a->what->prompts,
                                i, p->n, most, a->what->model);
        if (p->n > longest) longest = p->n;
    }
    size_t need = longest + a->tokens;
    if (trained > 0 && need > trained) need = trained;
    *n_ctx = (uint32_t)need;
    return EW_OK;
}

static enum ew_status open_all(struct answering *a, struct ew_error *err) {
    struct ew_session_params params = a->what->session;
    enum ew_status status = ew_prompt_set_read(a->what->prompts, &a->set, err);
    if (status == EW_OK) status = ew_model_open(a->what->model, &a->model, err);
    if (status == EW_OK) status = read_prompts(a, &params.n_ctx, err);
    return status == EW_OK ? ew_session_open(a->model, &params, &a->session, err) : status;
}

static void close_all(struct answering *a) {
    for (size_t i = 0; i < a->set.n; i++) {
        if (a->prompts) free(a->prompts[i].ids);
        if (a->answers) free((char *)a->answers[i].text);
    }
    free(a->prompts);
    free(a->answers);
    ew_session_close(&a->session);
    ew_model_close(&a->model);
    ew_prompt_set_close(&a->set);
}

static void print_answer(const struct answering *a, const struct ew_answer_record *r) {
    if (!a->what->json) {
        printf("── %lld of %zu: %s\n%s\n\n", (long long)r->position + 1, a->set.n, r->prompt, r->text);
    } else {
        json_t *line =
            json_pack("{s:s, s:I, s:s, s:s, s:I, s:I}", "set", r->set, "position", (json_int_t)r->position, "prompt",
                      r->prompt, "text", r->text, "tokens", (json_int_t)r->n_tokens, "most", (json_int_t)r->n_most);
        json_dumpf(line, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(line);
    }
    fflush(stdout);
}

static enum ew_status answer_all(struct answering *a, struct ew_error *err) {
    for (size_t i = 0; i < a->set.n; i++) {
        char *text = NULL;
        uint32_t n_tokens = 0;
        if (ew_interrupt_pending())
            return ew_error_set(err, EW_ERR_CANCELLED, "%s: stopped after %zu of %zu prompts", a->what->prompts, i,
                                a->set.n);
        enum ew_status status = ew_greedy_text_write(a->session, a->model, a->prompts[i].ids, a->prompts[i].n,
                                                     a->tokens, &text, &n_tokens, err);
        if (status != EW_OK) return status;
        a->answers[i] = (struct ew_answer_record){.set = a->set.name,
                                                  .position = (int64_t)i,
                                                  .prompt = a->set.prompts[i],
                                                  .text = text,
                                                  .n_tokens = n_tokens,
                                                  .n_most = a->tokens};
        print_answer(a, &a->answers[i]);
    }
    return EW_OK;
}

enum ew_status ew_eval_answer(const struct ew_eval_answers *what, struct ew_error *err) {
    struct answering a = {.what = what, .tokens = what->tokens ? what->tokens : EW_ANSWER_TOKENS};
    struct ew_eval_keep *keep = NULL;
    enum ew_status status = open_all(&a, err);
    if (status == EW_OK && what->store)
        status = ew_eval_keep_open(what->store, what->model, what->session.kv_k, what->session.kv_v, &keep, err);
    if (status == EW_OK) status = answer_all(&a, err);
    if (status == EW_OK && keep) status = ew_eval_keep_answers(keep, a.answers, a.set.n, err);
    ew_eval_keep_close(&keep);
    close_all(&a);
    return status;
}
