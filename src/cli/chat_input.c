/* Owns reading what a user says. While a line is edited Ctrl-C is a key that takes the line back; otherwise it is the
 * signal that stops an answer (interrupt.c). */
#include "cli/chat_input.h"
#include "base/error.h"
#include "cli/interrupt.h"
#include "cli/run_options.h"

#include <histedit.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { HISTORY_LINES = 1000 };

struct ew_chat_input {
    EditLine *editor; /* NULL: not a terminal */
    History *history;
    char *line; /* of a pipe; getline's */
    size_t line_capacity;
    char *text; /* [n], what has been said so far */
    size_t n, capacity;
    size_t n_lines;
    bool taken_back; /* Ctrl-C while editing */
    bool continued;  /* more belongs to it: the prompt says so */
};

static char *prompt(EditLine *editor) {
    static char first[] = "> ", next[] = ". ";
    struct ew_chat_input *input = NULL;
    el_get(editor, EL_CLIENTDATA, &input);
    return input->continued ? next : first;
}

static unsigned char take_back(EditLine *editor, wint_t key) {
    (void)key;
    struct ew_chat_input *input = NULL;
    el_get(editor, EL_CLIENTDATA, &input);
    input->taken_back = true;
    return CC_NEWLINE;
}

static enum ew_status open_editor(struct ew_chat_input *input, struct ew_error *err) {
    HistEvent event;
    /* What is typed is UTF-8, whether or not the environment says so; numbers keep their point. */
    if (!setlocale(LC_CTYPE, "") || strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
    input->editor = el_init("edgewise", stdin, isatty(1) ? stdout : stderr, stderr);
    input->history = history_init();
    if (!input->editor || !input->history) return ew_error_set(err, EW_ERR_MEMORY, "terminal: out of memory");
    history(input->history, &event, H_SETSIZE, HISTORY_LINES);
    history(input->history, &event, H_SETUNIQUE, 1);
    el_set(input->editor, EL_CLIENTDATA, input);
    el_set(input->editor, EL_PROMPT, prompt);
    el_set(input->editor, EL_EDITOR, "emacs");
    el_set(input->editor, EL_HIST, history, input->history);
    /* By wide characters, as the other way leaks in libedit. */
    el_wset(input->editor, EL_ADDFN, L"ew-take-back", L"Forget the line", take_back);
    el_set(input->editor, EL_BIND, "^C", "ew-take-back", NULL);
    el_set(input->editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(input->editor, EL_SETTY, "-d", "-isig", NULL);
    el_source(input->editor, NULL);
    return EW_OK;
}

enum ew_status ew_chat_input_open(struct ew_chat_input **out, struct ew_error *err) {
    struct ew_chat_input *input = calloc(1, sizeof *input);
    if (!input) return ew_error_set(err, EW_ERR_MEMORY, "input: out of memory");
    enum ew_status status = isatty(0) ? open_editor(input, err) : EW_OK;
    if (status != EW_OK) {
        ew_chat_input_close(&input);
        return status;
    }
    *out = input;
    return EW_OK;
}

void ew_chat_input_close(struct ew_chat_input **pointer) {
    if (!*pointer) return;
    struct ew_chat_input *input = *pointer;
    if (input->editor) el_end(input->editor);
    if (input->history) history_end(input->history);
    free(input->line);
    free(input->text);
    free(input);
    *pointer = NULL;
}

bool ew_chat_input_is_terminal(const struct ew_chat_input *input) { return input->editor != NULL; }

/* One line without its end into *line [*n]; false at the end of the input. */
static bool read_line(struct ew_chat_input *input, const char **line, size_t *n) {
    int count = 0;
    input->taken_back = false;
    if (input->editor) {
        el_set(input->editor, EL_PREP_TERM, 1); /* keys count as keys from the moment that the prompt is seen */
        *line = el_gets(input->editor, &count);
        if (!*line) count = 0;
        if (input->taken_back) fputs("^C\n", isatty(1) ? stdout : stderr);
    } else {
        count = (int)getline(&input->line, &input->line_capacity, stdin);
        *line = input->line;
    }
    if (count <= 0) return false;
    *n = (size_t)count;
    while (*n > 0 && ((*line)[*n - 1] == '\n' || (*line)[*n - 1] == '\r')) (*n)--;
    return true;
}

static bool append(struct ew_chat_input *input, const char *line, size_t n) {
    if (input->n + n + 2 > EW_RUN_MAX_PROMPT_BYTES) return false;
    if (input->n + n + 2 > input->capacity) {
        size_t capacity = 2 * (input->n + n) + 256;
        char *text = realloc(input->text, capacity);
        if (!text) return false;
        input->text = text;
        input->capacity = capacity;
    }
    if (input->n_lines++ > 0) input->text[input->n++] = '\n';
    if (n > 0) memcpy(input->text + input->n, line, n);
    input->text[input->n += n] = 0;
    return true;
}

static void remember(struct ew_chat_input *input) {
    HistEvent event;
    if (input->editor && input->n > 0) history(input->history, &event, H_ENTER, input->text);
}

static bool is_fence(const char *line, size_t n) { return n == 3 && memcmp(line, "\"\"\"", 3) == 0; }

enum ew_chat_said ew_chat_input_read(struct ew_chat_input *input, const char **text, size_t *n) {
    bool fenced = false;
    const char *line = NULL;
    size_t size = 0;
    input->n = input->n_lines = 0;
    input->continued = false;
    ew_interrupt_clear(); /* what was meant for the last answer; from the end of this line on it is for the next one */
    do {
        if (!read_line(input, &line, &size)) {
            if (input->n == 0 || ew_interrupt_pending()) return EW_SAID_GOODBYE;
            break; /* what was begun counts as said */
        }
        if (input->taken_back) return EW_SAID_NOTHING;
        if (is_fence(line, size)) {
            input->continued = fenced = !fenced;
            continue;
        }
        input->continued = fenced || (size > 0 && line[size - 1] == '\\');
        if (!append(input, line, size - (input->continued && !fenced))) return EW_SAID_NOTHING;
    } while (input->continued);
    remember(input);
    if (input->n == 0) return EW_SAID_NOTHING;
    *text = input->text;
    *n = input->n;
    return EW_SAID_TEXT;
}
