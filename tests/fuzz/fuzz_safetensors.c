/* Fuzz target of safetensors files: any bytes are either refused with a message or give tensors that lie inside the
 * file; and if they are those of a tiny Llama, its conversion stays inside them, too. */
#include "convert/recipe.h"
#include "convert/safetensors.h"
#include "convert/tensor_stream.h"

#include "fuzz_target.h"
#include <stdlib.h>
#include <string.h>

static volatile uint64_t sink;

static void must(bool promise) {
    if (!promise) abort();
}

static void touch(const void *data, size_t n) {
    const uint8_t *p = data;
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += p[i];
    sink += sum;
}

static enum ew_status take(void *context, const void *data, size_t n, struct ew_error *err) {
    (void)err;
    *(uint64_t *)context += n;
    touch(data, n);
    return EW_OK;
}

/* The model that make_convert_corpus.py writes. */
static const struct ew_hf_config tiny = {.path = "tiny",
                                         .n_layer = 1,
                                         .n_embd = 4,
                                         .n_head = 2,
                                         .n_head_kv = 1,
                                         .head_dim = 2,
                                         .n_rot = 2,
                                         .n_ff = 6,
                                         .n_vocab = 5,
                                         .n_ctx = 8,
                                         .norm_eps = 1e-5,
                                         .rope_base = 10000};

static void convert(struct ew_checkpoint *checkpoint, enum ew_convert_type type) {
    struct ew_recipe recipe = {0};
    struct ew_error err = {0};
    if (ew_recipe_build("fuzz", &ew_family_llama, &tiny, checkpoint, type, &recipe, &err) != EW_OK) {
        must(err.message[0] != 0);
        return;
    }
    for (uint32_t i = 0; i < recipe.n_tensors; i++) {
        const struct ew_recipe_tensor *t = &recipe.tensors[i];
        uint64_t written = 0, elements = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        if (ew_tensor_stream("fuzz", &recipe, t, &tiny, checkpoint, take, &written, &err) != EW_OK) continue;
        must(written == elements * (t->type == EW_TYPE_F32 ? 4 : 2));
    }
    ew_recipe_free(&recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ew_checkpoint checkpoint = {0};
    struct ew_error err = {0};
    /* A copy on the heap, so that the sanitizer sees a read beyond the end; at an odd address, so that giving its pages
     * back, as is done with a mapped file, touches none. */
    uint8_t *block = malloc(size + 1), *copy = block + 1;
    if (!block) return 0;
    if (size > 0) memcpy(copy, data, size);
    struct ew_checkpoint_file file = {.path = NULL, .map = {.data = copy, .size = 0}};
    enum ew_status status = ew_safetensors_read("fuzz", copy, size, 0, &checkpoint, &err);
    if (status == EW_OK && ew_checkpoint_sort(&checkpoint, "fuzz", &err) == EW_OK) {
        for (size_t i = 0; i < checkpoint.n_tensors; i++) {
            const struct ew_stored_tensor *t = &checkpoint.tensors[i];
            must(t->data >= copy && t->size_bytes <= size - (size_t)(t->data - copy));
            must(ew_checkpoint_find(&checkpoint, t->name) == t);
            touch(t->data, t->size_bytes);
        }
        checkpoint.files = malloc(sizeof file);
        if (checkpoint.files) {
            checkpoint.files[0] = file;
            convert(&checkpoint, EW_CONVERT_AUTO);
            convert(&checkpoint, EW_CONVERT_F16);
            free(checkpoint.files);
            checkpoint.files = NULL;
        }
    } else {
        must(err.status != EW_OK && strncmp(err.message, "fuzz: ", 6) == 0);
    }
    ew_checkpoint_close(&checkpoint);
    free(block);
    return 0;
}
