/* Owns the way from an item to its outcome: texts to token ids, ids to scores, or to a text that the model writes. */
#include "quality/task_run.h"

#include "base/error.h"
#include "base/utf8.h"
#include "quality/sequence_score.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ids {
    int32_t *at;
    size_t n, capacity;
};

struct work {
    struct ew_task_run *run;
    struct ew_sequence_scorer *scorer;
    uint32_t n_ctx;
    int32_t bos;
    char *last_before;         /* the beginning that is in `before` */
    struct ids before;         /* of an ending */
    struct ids *whole;         /* [EW_TASK_MOST_ENDINGS] beginning and ending */
    size_t *first;             /* [EW_TASK_MOST_ENDINGS] the first token of each that belongs to the ending */
    struct ew_row_score *rows; /* [n_ctx + 1] */
    struct ew_ending_score *endings;
    char *text; /* generated */
    size_t n_text, text_capacity;
};

static const struct ew_task_rules *rules_of(const struct work *w) { return &w->run->prompts->set->rules; }

static enum ew_status no_memory(struct ew_error *err) {
    return ew_error_set(err, EW_ERR_MEMORY, "items: out of memory");
}

static const char *file_of(const struct work *w, const struct ew_task_item *item) {
    return w->run->prompts->set->files[item->file];
}

/* ---- texts to token ids ---- */

static bool reserve(struct ids *ids, size_t n) {
    if (n <= ids->capacity) return true;
    int32_t *more = realloc(ids->at, n * sizeof *more);
    if (!more) return false;
    ids->at = more;
    ids->capacity = n;
    return true;
}

/* The model's begin-of-text token, where it wants one, and the text's. */
static enum ew_status tokenize(const struct work *w, const char *text, struct ids *ids, struct ew_error *err) {
    const size_t begin = w->bos >= 0, n_bytes = strlen(text);
    size_t n = n_bytes + 8;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (!reserve(ids, begin + n)) return no_memory(err);
        if (begin) ids->at[0] = w->bos;
        enum ew_status status =
            ew_model_tokenize(w->run->model, text, n_bytes, 0, ids->at + begin, ids->capacity - begin, &n, err);
        ids->n = begin + n;
        if (status != EW_ERR_LIMIT) return status;
    }
    return ew_error_set(err, EW_ERR_INTERNAL, "token ids of %zu bytes: their count changed", n_bytes);
}

/* Ending i as ids behind those of its beginning. Items share beginnings, endings of an item nearly always. */
static enum ew_status tokenize_ending(struct work *w, const struct ew_task_item *item, uint32_t i,
                                      struct ew_error *err) {
    struct ew_task_pair pair = ew_task_prompts_pair(w->run->prompts, item, i);
    char *joined = NULL;
    enum ew_status status = EW_OK;
    if (!pair.before) return no_memory(err);
    if (asprintf(&joined, "%s%s", pair.before, pair.behind) < 0) {
        joined = NULL;
        status = no_memory(err);
    }
    if (status == EW_OK && (!w->last_before || strcmp(w->last_before, pair.before) != 0)) {
        status = tokenize(w, pair.before, &w->before, err);
        free(w->last_before);
        w->last_before = status == EW_OK ? pair.before : NULL;
        if (status == EW_OK) pair.before = NULL;
    }
    if (status == EW_OK) status = tokenize(w, joined, &w->whole[i], err);
    w->first[i] = w->before.n;
    if (status == EW_OK && w->before.n == 0)
        status =
            ew_error_set(err, EW_ERR_FORMAT,
                         "%s: line %u: the context is empty, and the model has no token for the beginning of a text",
                         file_of(w, item), item->line);
    else if (status == EW_OK && w->whole[i].n <= w->before.n)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s: line %u: ending %u `%.40s` adds no token to its context",
                              file_of(w, item), item->line, i, item->endings[i]);
    free(pair.before);
    free(pair.behind);
    free(joined);
    return status;
}

/* Whether n tokens fit; *skip where they do not and that is no error. */
static enum ew_status check_length(const struct work *w, const struct ew_task_item *item, size_t n, bool *skip,
                                   struct ew_error *err) {
    *skip = n > w->n_ctx;
    if (!*skip || w->run->skip_long) return EW_OK;
    return ew_error_set(err, EW_ERR_LIMIT,
                        "%s: line %u: the item takes %zu tokens, the context has %u; see --context, --shots and "
                        "--skip-long",
                        file_of(w, item), item->line, n, w->n_ctx);
}

/* ---- endings ---- */

/* How many tokens all endings begin with; at least one is left of each. */
static size_t shared_length(const struct work *w, uint32_t n) {
    const struct ids *one = &w->whole[0];
    size_t shared = one->n - 1;
    for (uint32_t e = 1; e < n; e++) {
        const struct ids *other = &w->whole[e];
        size_t most = other->n - 1 < shared ? other->n - 1 : shared, i = 0;
        while (i < most && other->at[i] == one->at[i]) i++;
        shared = i;
    }
    return shared;
}

static uint32_t count_chars(const char *text) {
    uint32_t n = 0;
    bool whole;
    for (size_t at = 0, size = strlen(text); at < size; n++)
        at += ew_utf8_next((const uint8_t *)text + at, size - at, &whole);
    return n;
}

/* differs: from which token on the mean counts. */
static enum ew_status score_ending(struct work *w, const char *text, uint32_t i, size_t differs, struct ew_error *err) {
    const struct ids *ids = &w->whole[i];
    const size_t first = w->first[i], begin = differs < first ? differs : first;
    enum ew_status status = ew_sequence_score(w->scorer, ids->at, ids->n, begin, w->rows, err);
    if (status != EW_OK) return status;
    struct ew_ending_score e = {.n_tokens = (uint32_t)(ids->n - first), .greedy = true};
    for (size_t t = begin; t < ids->n; t++) {
        const struct ew_row_score *row = &w->rows[t - begin];
        if (t >= differs) e.token_mean -= row->nll;
        if (t < first) continue;
        e.log_p -= row->nll;
        e.greedy = e.greedy && row->top == ids->at[t];
    }
    e.token_mean /= (double)(ids->n - differs);
    e.n_bytes = (uint32_t)strlen(text);
    e.n_chars = count_chars(text);
    w->endings[i] = e;
    return EW_OK;
}

static enum ew_status tokenize_endings(struct work *w, const struct ew_task_item *item, bool *skip,
                                       struct ew_error *err) {
    size_t longest = 0;
    for (uint32_t i = 0; i < item->n_endings; i++) {
        enum ew_status status = tokenize_ending(w, item, i, err);
        if (status != EW_OK) return status;
        if (w->whole[i].n > longest) longest = w->whole[i].n;
    }
    return check_length(w, item, longest - 1, skip, err); /* the last token is predicted, not evaluated */
}

static bool goes_on(const struct work *w) { return !w->run->goes_on || w->run->goes_on(w->run->context); }

static enum ew_status score_item(struct work *w, struct ew_task_outcome *o, struct ew_error *err) {
    const struct ew_task_item *item = o->item;
    enum ew_status status = tokenize_endings(w, item, &o->skipped, err);
    if (status != EW_OK || o->skipped) return status;
    /* Position 0 has nothing before it that could predict it. */
    size_t shared = shared_length(w, item->n_endings);
    if (shared == 0) shared = 1;
    for (uint32_t i = 0; i < item->n_endings && status == EW_OK; i++) {
        /* Where endings are alike behind beginnings that are not, the endings' own tokens count. */
        status = score_ending(w, item->endings[i], i, item->contexts ? w->first[i] : shared, err);
        if (status == EW_OK && !goes_on(w)) status = ew_error_set(err, EW_ERR_CANCELLED, "stopped");
    }
    if (status != EW_OK) return status;
    o->endings = w->endings;
    ew_task_judge(rules_of(w), o);
    return EW_OK;
}

/* ---- written answers ---- */

/* Appends a token's bytes; NUL bytes are left out, the text is a string. */
static enum ew_status write_token(struct work *w, int32_t id, struct ew_error *err) {
    char piece[512];
    size_t n = ew_model_token_bytes(w->run->model, id, false, piece, sizeof piece);
    if (n > sizeof piece) n = sizeof piece;
    if (w->n_text + n + 1 > w->text_capacity) {
        size_t capacity = (w->n_text + n + 1) * 2;
        char *more = realloc(w->text, capacity);
        if (!more) return no_memory(err);
        w->text = more;
        w->text_capacity = capacity;
    }
    for (size_t i = 0; i < n; i++)
        if (piece[i]) w->text[w->n_text++] = piece[i];
    w->text[w->n_text] = 0;
    return EW_OK;
}

/* Cuts the text before the first of the stop texts; whether there was one. */
static bool stop_text(struct work *w) {
    const struct ew_task_rules *rules = rules_of(w);
    char *earliest = NULL;
    for (int i = 0; i < EW_TASK_MOST_STOPS && rules->stop[i]; i++) {
        char *at = strstr(w->text, rules->stop[i]);
        if (at && (!earliest || at < earliest)) earliest = at;
    }
    if (!earliest) return false;
    *earliest = 0;
    w->n_text = (size_t)(earliest - w->text);
    return true;
}

static enum ew_status write_answer(struct work *w, struct ew_task_outcome *o, struct ew_error *err) {
    const uint32_t n_vocab = ew_model_info(w->run->model).n_vocab, n_most = rules_of(w)->n_most;
    const float *logits;
    w->n_text = 0;
    enum ew_status status = ew_sequence_begin(w->scorer, w->before.at, w->before.n, &logits, err);
    while (status == EW_OK) {
        int32_t id = ew_row_top(logits, n_vocab);
        if (ew_model_token_is_end(w->run->model, id)) break;
        o->n_tokens++;
        status = write_token(w, id, err);
        if (status != EW_OK || stop_text(w) || o->n_tokens == n_most) break;
        if (!goes_on(w)) return ew_error_set(err, EW_ERR_CANCELLED, "stopped");
        status = ew_sequence_go_on(w->scorer, id, &logits, err);
    }
    return status;
}

static enum ew_status generate_item(struct work *w, struct ew_task_outcome *o, struct ew_error *err) {
    const struct ew_task_item *item = o->item;
    char *question = ew_task_prompts_question(w->run->prompts, item);
    if (!question) return no_memory(err);
    enum ew_status status = tokenize(w, question, &w->before, err);
    free(question);
    if (status == EW_OK && w->before.n == 0)
        status = ew_error_set(err, EW_ERR_FORMAT, "%s: line %u: the context is empty", file_of(w, item), item->line);
    if (status == EW_OK) status = check_length(w, item, w->before.n + rules_of(w)->n_most - 1, &o->skipped, err);
    if (status != EW_OK || o->skipped) return status;
    status = write_answer(w, o, err);
    if (status != EW_OK) return status;
    o->text = w->n_text > 0 ? w->text : "";
    o->match = ew_answer_matches(rules_of(w)->match, item->endings, item->n_endings, o->text);
    o->right = o->match.strict;
    return EW_OK;
}

/* ---- all items ---- */

/* Refuses a task with an item that is too long before anything is computed. Texts that cannot have more tokens than the
 * context are not cut into tokens for it. */
static enum ew_status check_all_lengths(struct work *w, struct ew_error *err) {
    const struct ew_task_prompts *p = w->run->prompts;
    const bool generates = rules_of(w)->kind == EW_TASK_GENERATE;
    enum ew_status status = EW_OK;
    for (size_t i = 0; i < p->n_items && status == EW_OK && !w->run->skip_long; i++) {
        const struct ew_task_item *item = &p->set->items[p->items[i]];
        size_t head = strlen(p->heads[item->group]) + strlen(rules_of(w)->delimiter), longest = 0;
        for (uint32_t e = 0; e < item->n_endings; e++) {
            size_t n = strlen(item->contexts ? item->contexts[e] : item->context);
            n += generates ? 0 : strlen(item->endings[e]);
            longest = n > longest ? n : longest;
        }
        bool skip;
        if (head + longest + 8 + (generates ? rules_of(w)->n_most : 0) <= w->n_ctx) continue;
        if (!generates)
            status = tokenize_endings(w, item, &skip, err);
        else {
            char *question = ew_task_prompts_question(p, item);
            status = question ? tokenize(w, question, &w->before, err) : no_memory(err);
            free(question);
            if (status == EW_OK) status = check_length(w, item, w->before.n + rules_of(w)->n_most - 1, &skip, err);
        }
        if (status == EW_OK && !goes_on(w)) status = ew_error_set(err, EW_ERR_CANCELLED, "stopped");
    }
    return status;
}

static enum ew_status walk(struct work *w, struct ew_error *err) {
    const struct ew_task_prompts *p = w->run->prompts;
    enum ew_status status = check_all_lengths(w, err);
    size_t done = 0;
    for (; done < p->n_items && status == EW_OK; done++) {
        struct ew_task_outcome outcome = {.item = &p->set->items[p->items[done]]};
        bool generates = rules_of(w)->kind == EW_TASK_GENERATE;
        status = generates ? generate_item(w, &outcome, err) : score_item(w, &outcome, err);
        if (status == EW_OK) status = w->run->take(w->run->context, &outcome, done + 1, err);
    }
    if (status == EW_ERR_CANCELLED)
        return ew_error_set(err, status, "stopped after %zu of %zu items", done > 0 ? done - 1 : 0, p->n_items);
    return status;
}

enum ew_status ew_task_run_all(struct ew_task_run *run, struct ew_error *err) {
    const struct ew_session_params params = ew_session_params_of(run->session);
    struct work w = {.run = run, .n_ctx = params.n_ctx, .bos = ew_sequence_bos(run->model)};
    w.whole = calloc(EW_TASK_MOST_ENDINGS, sizeof *w.whole);
    w.first = calloc(EW_TASK_MOST_ENDINGS, sizeof *w.first);
    w.endings = calloc(EW_TASK_MOST_ENDINGS, sizeof *w.endings);
    w.rows = calloc((size_t)w.n_ctx + 1, sizeof *w.rows);
    enum ew_status status = w.whole && w.first && w.endings && w.rows ? EW_OK : no_memory(err);
    if (status == EW_OK)
        status =
            ew_sequence_open(run->session, ew_model_info(run->model).n_vocab, params.threads_prefill, &w.scorer, err);
    if (status == EW_OK) status = walk(&w, err);
    if (w.scorer) run->n_evaluated = ew_sequence_evaluated(w.scorer);
    ew_sequence_close(&w.scorer);
    for (size_t i = 0; w.whole && i < EW_TASK_MOST_ENDINGS; i++) free(w.whole[i].at);
    free(w.whole);
    free(w.first);
    free(w.endings);
    free(w.rows);
    free(w.before.at);
    free(w.last_before);
    free(w.text);
    return status;
}
