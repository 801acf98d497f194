/* Fuzz target of llama2.c checkpoints and tokenizers: any bytes are either refused with a message or give tensors that
 * lie inside the file and a vocabulary of the size asked for. */
#include "convert/llama2c.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static volatile uint64_t sink;

static void must(bool promise) {
    if (!promise) abort();
}

static void read_checkpoint(const uint8_t *data, size_t size) {
    struct ew_checkpoint checkpoint = {0};
    struct ew_hf_config config;
    struct ew_error err = {0};
    if (ew_llama2c_read("fuzz", data, size, 0, &checkpoint, &config, &err) == EW_OK) {
        must(config.n_embd == config.n_head * config.head_dim && config.n_layer >= 1);
        for (size_t i = 0; i < checkpoint.n_tensors; i++) {
            const struct ew_stored_tensor *t = &checkpoint.tensors[i];
            must(t->data >= data && t->size_bytes <= size - (size_t)(t->data - data));
            must(t->size_bytes == t->shape[0] * t->shape[1] * 4);
            for (size_t k = 0; k < t->size_bytes; k++) sink += t->data[k];
        }
    } else {
        must(err.status != EW_OK && strncmp(err.message, "fuzz: ", 6) == 0);
    }
    ew_checkpoint_close(&checkpoint);
}

static void read_tokenizer(const uint8_t *data, size_t size, uint32_t n_vocab) {
    struct ew_vocabulary vocabulary;
    struct ew_error err = {0};
    if (ew_llama2c_tokenizer_read("fuzz", data, size, n_vocab, &vocabulary, &err) == EW_OK) {
        must(vocabulary.n_tokens == n_vocab);
        for (uint32_t i = 0; i < n_vocab; i++)
            must(vocabulary.tokens[i].size == strlen(vocabulary.tokens[i].text) && vocabulary.tokens[i].size > 0);
        ew_vocabulary_free(&vocabulary);
    } else {
        must(err.status != EW_OK && strncmp(err.message, "fuzz: ", 6) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    /* A copy on the heap, so that the sanitizer sees a read beyond the end. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (!copy) return 0;
    if (size > 0) memcpy(copy, data, size);
    read_checkpoint(copy, size);
    for (uint32_t n = 1; n <= 6; n++) read_tokenizer(copy, size, n);
    free(copy);
    return 0;
}
