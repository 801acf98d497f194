/* Owns what a template needs from a model file: the template itself and the spelling of its special tokens. */
#include "base/error.h"
#include "chat/chat_template.h"
#include "model/model_inside.h"

#include <stdio.h>

enum ew_status ew_chat_template_open_model(const struct ew_model *model, struct ew_chat_template **out,
                                           struct ew_error *err) {
    struct ew_gguf_string text;
    const char *path = ew_gguf_path(model->gguf);
    if (!ew_gguf_find_kv(model->gguf, "tokenizer.chat_template"))
        return ew_error_set(err, EW_ERR_NOT_FOUND, "%s: has no chat template (tokenizer.chat_template is missing)",
                            path);
    enum ew_status status = ew_gguf_get_string(model->gguf, "tokenizer.chat_template", &text, err);
    if (status != EW_OK) return status;
    char name[256];
    snprintf(name, sizeof name, "%.200s: tokenizer.chat_template", path);
    return ew_chat_template_open(name, text.data, text.size, out, err);
}

bool ew_chat_model_token(const struct ew_model *model, bool end, char *buf, size_t capacity) {
    if (!model || !model->tokenizer) return false;
    int32_t id = end ? ew_tokenizer_eos(model->tokenizer) : ew_tokenizer_bos(model->tokenizer);
    if (id < 0) return false;
    size_t n = ew_tokenizer_token_bytes(model->tokenizer, id, true, buf, capacity);
    if (n >= capacity) return false;
    buf[n] = 0;
    return true;
}
