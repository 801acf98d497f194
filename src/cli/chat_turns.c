/* Owns the turns of a chat: what happens between what the user says and what the model answers. Commands:
 * chat_commands.c; the answer itself: reply.c; the prompt: conversation.c. */
#include "cli/chat_turns.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/run_figures.h"
#include "cli/run_session.h"
#include "cli/terminal_style.h"
#include "report/run_json.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ew_chat_note(const struct ew_chat *chat, const char *format, ...) {
    va_list args;
    fflush(stdout);
    if (chat->colour) fputs("\033[2m", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(chat->colour ? "\033[0m\n" : "\n", stderr);
}

void ew_chat_complain(struct ew_chat *chat, const struct ew_error *err) {
    fflush(stdout);
    chat->exit_status = ew_cli_fail(err);
}

/* ---- figures ---- */

static void print_json(const struct ew_reply *a, const struct ew_energy *energy) {
    json_t *o = json_pack(
        "{s:o, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "answer", ew_json_text(a->text), "end",
        ew_reply_end_name(a->end), "prompt_tokens", (json_int_t)a->n_prompt, "reused_tokens", (json_int_t)a->n_reused,
        "tokens", (json_int_t)a->n_tokens, "prefill_s", ew_clock_seconds(a->prefill_ns), "ttft_s",
        ew_clock_seconds(a->first_token_ns), "decode_s", ew_clock_seconds(a->decode_ns), "decode_tokens_per_s",
        a->n_tokens > 1 ? ew_run_per_second(a->n_tokens - 1, a->decode_ns) : 0.0, "peak_rss_mib", ew_run_peak_mib());
    json_object_set_new(o, "drafted", json_integer((json_int_t)a->n_drafted));
    json_object_set_new(o, "accepted", json_integer((json_int_t)a->n_accepted));
    json_object_set_new(o, "energy_j", energy ? json_real(energy->energy_j) : json_null());
    json_object_set_new(o, "energy_grade", energy ? json_string(ew_trust_grade_name(energy->grade)) : json_null());
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(o);
}

static void print_line(const struct ew_chat *chat, const struct ew_reply *a, const struct ew_energy *energy) {
    char line[512], drafts[EW_RUN_DRAFTS_SIZE];
    size_t n = 0;
#define ADD(...) n += (size_t)snprintf(line + n, sizeof line - n, __VA_ARGS__)
    ADD("%zu tok", a->n_tokens);
    if (a->n_tokens > 1) ADD(" · %.1f tok/s", ew_run_per_second(a->n_tokens - 1, a->decode_ns));
    ADD(" · first after %.2f s · prompt %zu tok, %zu new", ew_clock_seconds(a->first_token_ns), a->n_prompt,
        a->n_prompt - a->n_reused);
    if (energy)
        ADD(" · %.3g J, %.3g J/tok (%s)", energy->energy_j, energy->energy_j / (double)a->n_tokens,
            ew_trust_grade_name(energy->grade));
    ADD(" · %.0f MiB%s", ew_run_peak_mib(), ew_run_drafts_text(a->n_drafted, a->n_accepted, drafts));
    if (a->end == EW_REPLY_INTERRUPTED) ADD(" · stopped");
    if (a->end == EW_REPLY_LENGTH) ADD(" · cut at --tokens");
    if (ew_model_info(chat->model).synthetic) ADD(" · synthetic weights: the text means nothing");
#undef ADD
    ew_chat_note(chat, "%s", line);
}

/* ---- the answer's text ---- */

/* A model's text must not drive the terminal: of the control characters only line breaks and tabs pass. Those of
 * U+0080 to U+009F are two bytes, of which the first waits for the second. */
static void show(const char *text, size_t n, void *context) {
    struct ew_chat *chat = context;
    bool plain = ew_conversation_stop(chat->conversation) != NULL;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = (uint8_t)text[i];
        if (plain && !chat->text_begun && (c == ' ' || c == '\n')) continue;
        chat->text_begun = true;
        bool after_c2 = chat->held_c2, upper_control = after_c2 && c >= 0x80 && c < 0xa0;
        chat->held_c2 = c == 0xc2;
        if (after_c2 && !upper_control) putchar(0xc2);
        if (!upper_control && !chat->held_c2 && ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t')) putchar(c);
    }
    fflush(stdout);
}

/* The plain template has blanks around what is said, and the model writes them. */
static void trim(const char **text, size_t *n) {
    while (*n > 0 && strchr(" \n", (*text)[*n - 1])) (*n)--;
    for (; *n > 0 && strchr(" \n", **text); (*text)++) (*n)--;
}

/* ---- one turn ---- */

static uint32_t room_for_answer(const struct ew_chat *chat, uint32_t n_ctx) {
    uint32_t most = chat->options->n_generate;
    if (!chat->options->drop_oldest) return 1;
    return most && most < n_ctx / 4 ? most : n_ctx / 4;
}

/* The prompt, made to fit: without --drop-oldest a conversation that does not is refused. */
static enum ew_status fitting_prompt(struct ew_chat *chat, int32_t **ids, size_t *n, struct ew_error *err) {
    const uint32_t n_ctx = ew_session_params_of(chat->session).n_ctx, room = room_for_answer(chat, n_ctx);
    size_t n_dropped = 0;
    enum ew_status status = ew_conversation_prompt(chat->conversation, ids, n, err);
    while (status == EW_OK && *n + room > n_ctx && chat->options->drop_oldest &&
           ew_conversation_drop_oldest(chat->conversation)) {
        free(*ids);
        *ids = NULL;
        n_dropped++;
        status = ew_conversation_prompt(chat->conversation, ids, n, err);
    }
    if (status != EW_OK) return status;
    if (n_dropped)
        ew_chat_note(chat, "context full: the oldest %zu turn%s dropped", n_dropped, n_dropped == 1 ? " is" : "s are");
    if (*n < n_ctx) return EW_OK;
    free(*ids);
    *ids = NULL;
    return ew_error_set(err, EW_ERR_LIMIT,
                        "context full: the conversation has %zu tokens and the context %u; your message is taken back. "
                        "/reset begins anew, --context makes it larger, --drop-oldest forgets old turns",
                        *n, n_ctx);
}

/* After the answer: keeps what was said, or takes back the question when nothing was. */
static enum ew_status conclude(struct ew_chat *chat, struct ew_error *err) {
    const struct ew_reply *a = &chat->answer;
    const char *text = a->text;
    size_t n = a->n_text;
    if (a->n_tokens == 0) {
        ew_conversation_drop_last(chat->conversation);
        ew_chat_note(chat, "stopped before the answer began; your message is taken back");
        return EW_OK;
    }
    if (ew_conversation_stop(chat->conversation)) trim(&text, &n);
    enum ew_status status = ew_conversation_add(chat->conversation, "assistant", text, n, err);
    if (a->end == EW_REPLY_CONTEXT)
        ew_chat_note(chat, "context full: the answer is cut at %u tokens of context. /reset begins anew%s",
                     ew_session_params_of(chat->session).n_ctx,
                     chat->options->drop_oldest ? "" : ", --drop-oldest forgets old turns");
    return status;
}

static enum ew_status answer(struct ew_chat *chat, struct ew_error *err) {
    struct ew_reply *a = &chat->answer;
    struct ew_energy energy;
    int32_t *ids = NULL;
    size_t n;
    enum ew_status status = fitting_prompt(chat, &ids, &n, err);
    if (status != EW_OK) return status;
    chat->text_begun = chat->held_c2 = false;
    ew_chat_energy_begin(chat->energy);
    status = ew_reply_prompt(&chat->replier, ids, n, a, err);
    bool measured = ew_chat_energy_end(chat->energy, a->begin_ns, a->end_ns, &energy);
    free(ids);
    if (status != EW_OK) return status;
    if (chat->options->common.json) {
        print_json(a, measured ? &energy : NULL);
    } else {
        putchar('\n');
        if (a->n_tokens) print_line(chat, a, measured ? &energy : NULL);
    }
    return EW_OK;
}

/* A failed turn leaves the conversation as it was before. */
static void take_turn(struct ew_chat *chat, const char *text, size_t n) {
    struct ew_error err = {0};
    enum ew_status status = ew_conversation_add(chat->conversation, "user", text, n, &err);
    if (status == EW_OK) {
        status = answer(chat, &err);
        if (status != EW_OK) ew_conversation_drop_last(chat->conversation);
    }
    if (status == EW_OK) status = conclude(chat, &err);
    if (status != EW_OK) ew_chat_complain(chat, &err);
}

/* ---- the whole chat ---- */

enum ew_status ew_chat_renew_sampler(struct ew_chat *chat, struct ew_error *err) {
    struct ew_sampler *sampler = NULL;
    uint32_t n_vocab = ew_model_info(chat->model).n_vocab;
    enum ew_status status = ew_sampler_open(&chat->options->sampler, n_vocab, &sampler, err);
    if (status != EW_OK) return status;
    ew_sampler_close(&chat->sampler);
    chat->sampler = chat->replier.sampler = sampler;
    return EW_OK;
}

static enum ew_status open_chat(struct ew_chat *chat, const char *model_path, bool once, struct ew_error *err) {
    const struct ew_run_options *o = chat->options;
    enum ew_status status = ew_model_open(model_path, &chat->model, err);
    if (status == EW_OK) status = ew_conversation_open(chat->model, o, &chat->conversation, err);
    int64_t choosing_ns;
    if (status == EW_OK) status = ew_run_session_open(o, chat->model, &chat->session, &choosing_ns, err);
    if (status != EW_OK) return status;
    chat->replier = (struct ew_replier){.model = chat->model,
                                        .session = chat->session,
                                        .conversation = chat->conversation,
                                        .n_most = o->n_generate,
                                        .ignore_end = o->ignore_end,
                                        .held = calloc(ew_session_params_of(chat->session).n_ctx, sizeof(int32_t)),
                                        .show = o->common.json ? NULL : show,
                                        .context = chat};
    if (!chat->replier.held) return ew_error_set(err, EW_ERR_MEMORY, "chat: out of memory");
    status = ew_chat_renew_sampler(chat, err);
    if (status == EW_OK) status = ew_chat_energy_open(o, &chat->energy, err);
    if (status == EW_OK && !once) status = ew_chat_input_open(&chat->input, err);
    return status;
}

static void close_chat(struct ew_chat *chat) {
    ew_chat_input_close(&chat->input);
    ew_chat_energy_close(&chat->energy);
    ew_conversation_close(&chat->conversation);
    ew_sampler_close(&chat->sampler);
    ew_session_close(&chat->session);
    ew_model_close(&chat->model);
    free(chat->replier.held);
    free(chat->answer.text);
}

static void greet(const struct ew_chat *chat) {
    struct ew_model_info info = ew_model_info(chat->model);
    const char *meter = ew_chat_energy_meter(chat->energy);
    if (!ew_chat_input_is_terminal(chat->input)) return;
    ew_chat_note(chat, "%s%s%s · context %u%s%s%s\n/help lists the commands · Ctrl-C stops an answer · Ctrl-D leaves",
                 info.name[0] ? info.name : info.architecture, info.file_type[0] ? " " : "", info.file_type,
                 ew_session_params_of(chat->session).n_ctx,
                 ew_conversation_stop(chat->conversation) ? " · no chat template: plain User and Assistant" : "",
                 meter ? " · joules by " : "", meter ? meter : "");
}

static void converse(struct ew_chat *chat) {
    const char *text = NULL;
    size_t n = 0;
    greet(chat);
    for (;;) {
        enum ew_chat_said said = ew_chat_input_read(chat->input, &text, &n);
        if (said == EW_SAID_GOODBYE) break;
        if (said == EW_SAID_NOTHING) continue;
        bool slash = text[0] == '/' && memchr(text, '\n', n) == NULL;
        if (slash && text[1] != '/') {
            if (!ew_chat_command(chat, text)) return;
            continue;
        }
        take_turn(chat, text + slash, n - slash); /* of two slashes one is said */
    }
    if (ew_chat_input_is_terminal(chat->input)) putchar('\n');
}

int ew_chat_run(const struct ew_run_options *options, const char *model_path, const char *once) {
    struct ew_chat chat = {.options = options, .colour = ew_terminal_style(2, false).colour};
    struct ew_error err = {0};
    enum ew_status status = open_chat(&chat, model_path, once != NULL, &err);
    if (status == EW_OK) {
        ew_interrupt_catch(SIGINT);
        if (once)
            take_turn(&chat, once, strlen(once));
        else
            converse(&chat);
    } else {
        ew_chat_complain(&chat, &err);
    }
    close_chat(&chat);
    return chat.exit_status;
}
