/* Owns the turns of a chat and their way to token ids. The template decides about begin-of-text, as it does for Hugging
 * Face: nothing is added to its text. Only the plain template leaves that to the tokenizer. */
#include "cli/conversation.h"
#include "base/error.h"
#include "base/file_map.h"
#include "cli/token_ids.h"
#include "report/run_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ew_conversation {
    const struct ew_model *model;
    struct ew_chat_template *template;
    bool adds_special;             /* the tokenizer's part: plain template */
    int32_t end_id;                /* what the template puts behind an answer; -1 = nothing, or no control token */
    char *system;                  /* NULL = none */
    struct ew_chat_message *turns; /* [n]; their contents are owned */
    size_t n, capacity;
};

/* ---- template ---- */

static enum ew_status open_file_template(const char *path, struct ew_chat_template **out, struct ew_error *err) {
    struct ew_file_map map;
    enum ew_status status = ew_file_map_open(path, &map, err);
    if (status != EW_OK) return status;
    status = ew_chat_template_open(path, map.data ? (const char *)map.data : "", map.size, out, err);
    ew_file_map_close(&map);
    return status;
}

static enum ew_status open_template(struct ew_conversation *c, const struct ew_run_options *o, struct ew_error *err) {
    if (o->template) return open_file_template(o->template, &c->template, err);
    enum ew_status status = EW_ERR_NOT_FOUND;
    if (!o->no_template) status = ew_chat_template_open_model(c->model, &c->template, err);
    if (status != EW_ERR_NOT_FOUND) return status;
    c->adds_special = !o->no_bos;
    return ew_chat_template_open_plain(&c->template, err);
}

static enum ew_status tokenize(const struct ew_conversation *c, const char *text, size_t n_bytes, int32_t **ids,
                               size_t *n, struct ew_error *err) {
    unsigned flags = EW_TOKENIZE_PARSE_SPECIAL | (c->adds_special ? EW_TOKENIZE_ADD_SPECIAL : 0);
    return ew_cli_token_ids(c->model, text, n_bytes, flags, ids, n, err);
}

static bool is_control(const struct ew_model *model, int32_t id) {
    char piece[8];
    return ew_model_token_bytes(model, id, false, piece, sizeof piece) == 0 &&
           ew_model_token_bytes(model, id, true, piece, sizeof piece) > 0;
}

/* The control token that the template puts right behind what an assistant said: it ends answers too. */
static int32_t find_end(const struct ew_conversation *c) {
    static const char mark[] = "qzanswerqz";
    const struct ew_chat_message turns[] = {{"user", "qzuserqz"}, {"assistant", mark}};
    const struct ew_chat_request request = {.messages = turns, .n_messages = 2, .model = c->model};
    char *text = NULL;
    int32_t *ids = NULL, end = -1;
    size_t n = 0;
    if (c->adds_special || ew_chat_template_render(c->template, &request, &text, NULL, NULL) != EW_OK) return -1;
    const char *behind = strstr(text, mark);
    if (behind) {
        behind += sizeof mark - 1;
        behind += strspn(behind, " \n");
        if (*behind && tokenize(c, behind, strlen(behind), &ids, &n, NULL) == EW_OK && n > 0 &&
            is_control(c->model, ids[0]))
            end = ids[0];
    }
    free(ids);
    free(text);
    return end;
}

enum ew_status ew_conversation_open(const struct ew_model *model, const struct ew_run_options *options,
                                    struct ew_conversation **out, struct ew_error *err) {
    struct ew_conversation *c = calloc(1, sizeof *c);
    if (!c) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
    c->model = model;
    enum ew_status status = open_template(c, options, err);
    if (status == EW_OK) status = ew_conversation_set_system(c, options->system, err);
    if (status != EW_OK) {
        ew_conversation_close(&c);
        return status;
    }
    c->end_id = find_end(c);
    *out = c;
    return EW_OK;
}

void ew_conversation_close(struct ew_conversation **conversation) {
    if (!conversation || !*conversation) return;
    struct ew_conversation *c = *conversation;
    ew_conversation_clear(c);
    ew_chat_template_close(&c->template);
    free(c->system);
    free(c->turns);
    free(c);
    *conversation = NULL;
}

/* ---- turns ---- */

enum ew_status ew_conversation_add(struct ew_conversation *c, const char *role, const char *content, size_t n_bytes,
                                   struct ew_error *err) {
    if (c->n == c->capacity) {
        size_t capacity = 2 * c->capacity + 8;
        struct ew_chat_message *turns = realloc(c->turns, capacity * sizeof *turns);
        if (!turns) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
        c->turns = turns;
        c->capacity = capacity;
    }
    char *copy = strndup(content, n_bytes);
    if (!copy) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
    c->turns[c->n++] = (struct ew_chat_message){role, copy};
    return EW_OK;
}

void ew_conversation_drop_last(struct ew_conversation *c) {
    if (c->n > 0) free((char *)c->turns[--c->n].content);
}

void ew_conversation_clear(struct ew_conversation *c) {
    while (c->n > 0) ew_conversation_drop_last(c);
}

static bool is_user(const struct ew_chat_message *turn) { return strcmp(turn->role, "user") == 0; }

bool ew_conversation_drop_oldest(struct ew_conversation *c) {
    size_t n = 1;
    while (n < c->n && !is_user(&c->turns[n])) n++;
    if (n >= c->n) return false;
    for (size_t i = 0; i < n; i++) free((char *)c->turns[i].content);
    c->n -= n;
    memmove(c->turns, c->turns + n, c->n * sizeof *c->turns);
    return true;
}

size_t ew_conversation_n_turns(const struct ew_conversation *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) n += is_user(&c->turns[i]);
    return n;
}

enum ew_status ew_conversation_set_system(struct ew_conversation *c, const char *text, struct ew_error *err) {
    char *copy = NULL;
    if (text && *text && !(copy = strdup(text))) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
    free(c->system);
    c->system = copy;
    return EW_OK;
}

const char *ew_conversation_system(const struct ew_conversation *c) { return c->system; }

/* The system message and the turns, [*n]; the caller frees the array alone. NULL: out of memory. */
static struct ew_chat_message *all_messages(const struct ew_conversation *c, size_t *n) {
    struct ew_chat_message *all = malloc((c->n + 1) * sizeof *all);
    if (!all) return NULL;
    *n = 0;
    if (c->system) all[(*n)++] = (struct ew_chat_message){"system", c->system};
    for (size_t i = 0; i < c->n; i++) all[(*n)++] = c->turns[i];
    return all;
}

/* ---- prompt ---- */

enum ew_status ew_conversation_prompt(const struct ew_conversation *c, int32_t **ids, size_t *n, struct ew_error *err) {
    struct ew_chat_request request = {.add_generation_prompt = true, .model = c->model};
    char *text = NULL;
    size_t n_bytes;
    struct ew_chat_message *all = all_messages(c, &request.n_messages);
    if (!all) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
    request.messages = all;
    enum ew_status status = ew_chat_template_render(c->template, &request, &text, &n_bytes, err);
    free(all);
    if (status == EW_OK) status = tokenize(c, text, n_bytes, ids, n, err);
    free(text);
    if (status == EW_OK && *n == 0) {
        free(*ids);
        *ids = NULL;
        status = ew_error_set(err, EW_ERR_ARGUMENT, "chat: the template makes nothing of the conversation");
    }
    return status;
}

bool ew_conversation_ends(const struct ew_conversation *c, int32_t id) {
    return ew_model_token_is_end(c->model, id) || (id >= 0 && id == c->end_id);
}

const char *ew_conversation_stop(const struct ew_conversation *c) { return ew_chat_template_stop(c->template); }

/* ---- saving ---- */

static json_t *json_message(const char *role, const char *content) {
    return json_pack("{s:s, s:o}", "role", role, "content", ew_json_text(content));
}

enum ew_status ew_conversation_save(const struct ew_conversation *c, const char *path, struct ew_error *err) {
    json_t *messages = json_array();
    if (c->system) json_array_append_new(messages, json_message("system", c->system));
    for (size_t i = 0; i < c->n; i++)
        json_array_append_new(messages, json_message(c->turns[i].role, c->turns[i].content));
    json_t *all = json_pack("{s:o, s:o}", "model", ew_json_text(ew_model_info(c->model).name), "messages", messages);
    if (!all) return ew_error_set(err, EW_ERR_MEMORY, "%s: out of memory", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    enum ew_status status = EW_OK;
    if (fd < 0 && errno == EEXIST)
        status = ew_error_set(err, EW_ERR_ARGUMENT, "%s: is there already; give another name", path);
    else if (fd < 0)
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot create", path);
    else if (json_dumpfd(all, fd, JSON_INDENT(2)) != 0 || write(fd, "\n", 1) != 1)
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", path);
    if (fd >= 0 && close(fd) != 0 && status == EW_OK)
        status = ew_error_errno(err, EW_ERR_IO, errno, "%s: cannot write", path);
    json_decref(all);
    return status;
}
