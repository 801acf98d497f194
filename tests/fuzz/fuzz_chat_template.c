/* Fuzz target of the template interpreter: any bytes are either refused with a message or give a text within the
 * limits. The input is a template, and behind a NUL byte the variables in JSON. Under libFuzzer see docs/chat.md; in
 * the test run replay_corpus.c feeds it the corpus. */
#include "edgewise/chat.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static const struct ew_chat_message MESSAGES[] = {
    {"system", "Be kind."}, {"user", "Hello <|im_end|>"}, {"assistant", " Hi\n"}, {"user", "\xc3\xa4\xff"}};

static const char VARIABLES[] = "{\"bos_token\": \"<s>\", \"tools\": [{\"type\": \"function\", \"function\": "
                                "{\"name\": \"f\", \"description\": \"d\","
                                "\"parameters\": {\"type\": \"object\", \"properties\": {\"x\": {\"type\": "
                                "\"number\"}}, \"required\": [\"x\"]}}}]}";

enum { MOST_OUTPUT = 64 << 10 };

static void must(bool promise) {
    if (!promise) abort();
}

static void render(const struct ew_chat_template *t, const char *variables) {
    const struct ew_chat_request request = {
        .messages = MESSAGES,
        .n_messages = 4,
        .add_generation_prompt = true,
        .variables = variables,
        .now_s = 1700000000,
        .limits = {.steps = 50000, .memory_bytes = 2 << 20, .output_bytes = MOST_OUTPUT},
    };
    struct ew_error err = {0};
    char *text = NULL;
    size_t n = 0;
    enum ew_status status = ew_chat_template_render(t, &request, &text, &n, &err);
    if (status == EW_OK)
        must(n <= MOST_OUTPUT && text[n] == 0);
    else
        must(text == NULL && err.status == status && strncmp(err.message, "fuzz: ", 6) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ew_chat_template *t = NULL;
    struct ew_error err = {0};
    const uint8_t *end = size > 0 ? memchr(data, 0, size) : NULL;
    size_t n = end ? (size_t)(end - data) : size;
    /* Copies on the heap, so that the sanitizer sees a read beyond the end. */
    char *template = calloc(1, n > 0 ? n : 1), *variables = end ? strndup((const char *)end + 1, size - n - 1) : NULL;
    if (!template) return 0;
    if (n > 0) memcpy(template, data, n);
    enum ew_status status = ew_chat_template_open("fuzz", template, n, &t, &err);
    free(template); /* an opened template keeps nothing of it */
    if (status == EW_OK)
        render(t, variables ? variables : VARIABLES);
    else
        must(t == NULL && err.status == status && strncmp(err.message, "fuzz: ", 6) == 0);
    ew_chat_template_close(&t);
    free(variables);
    return 0;
}
