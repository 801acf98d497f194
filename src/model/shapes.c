/* Owns the table of shapes. Adding a model of a known architecture is one row here and one in its test, whose expected
 * parameter count must come from the publisher and not from this code. */
#include "model/shapes.h"

#include "model/architecture.h"

#include <math.h>
#include <strings.h>

/* Sources are the config.json files beside the weights on huggingface.co, by repository. */
static const struct ew_shape shapes[] = {
    {"smollm2-135m", "SmolLM2 135M", "llama", 30, 576, 9, 3, 64, 1536, 49152, 8192, 100000, 0, 1e-5, true,
     EW_SHAPE_TOKENS_SMOLLM2, "HuggingFaceTB/SmolLM2-135M-Instruct config.json"},
    {"smollm2-360m", "SmolLM2 360M", "llama", 32, 960, 15, 5, 64, 2560, 49152, 8192, 100000, 0, 1e-5, true,
     EW_SHAPE_TOKENS_SMOLLM2, "HuggingFaceTB/SmolLM2-360M-Instruct config.json"},
    {"smollm2-1.7b", "SmolLM2 1.7B", "llama", 24, 2048, 32, 32, 64, 8192, 49152, 8192, 130000, 0, 1e-5, true,
     EW_SHAPE_TOKENS_SMOLLM2, "HuggingFaceTB/SmolLM2-1.7B-Instruct config.json"},
    {"tinyllama-1.1b", "TinyLlama 1.1B", "llama", 22, 2048, 32, 4, 64, 5632, 32000, 2048, 10000, 0, 1e-5, false,
     EW_SHAPE_TOKENS_LLAMA2, "TinyLlama/TinyLlama-1.1B-Chat-v1.0 config.json"},
    {"llama-3.2-1b", "Llama 3.2 1B", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000, 32, 1e-5, true,
     EW_SHAPE_TOKENS_LLAMA3, "meta-llama/Llama-3.2-1B-Instruct config.json"},
    {"llama-3.2-3b", "Llama 3.2 3B", "llama", 28, 3072, 24, 8, 128, 8192, 128256, 131072, 500000, 32, 1e-5, true,
     EW_SHAPE_TOKENS_LLAMA3, "meta-llama/Llama-3.2-3B-Instruct config.json"},
    {"llama-3.1-8b", "Llama 3.1 8B", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 500000, 8, 1e-5, false,
     EW_SHAPE_TOKENS_LLAMA3, "meta-llama/Llama-3.1-8B-Instruct config.json"},
    {"mistral-7b", "Mistral 7B v0.3", "llama", 32, 4096, 32, 8, 128, 14336, 32768, 32768, 1000000, 0, 1e-5, false,
     EW_SHAPE_TOKENS_MISTRAL, "mistralai/Mistral-7B-Instruct-v0.3 config.json"},
    {"qwen2.5-0.5b", "Qwen2.5 0.5B", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1000000, 0, 1e-6, true,
     EW_SHAPE_TOKENS_QWEN2, "Qwen/Qwen2.5-0.5B-Instruct config.json"},
    {"qwen2.5-1.5b", "Qwen2.5 1.5B", "qwen2", 28, 1536, 12, 2, 128, 8960, 151936, 32768, 1000000, 0, 1e-6, true,
     EW_SHAPE_TOKENS_QWEN2, "Qwen/Qwen2.5-1.5B-Instruct config.json"},
    {"qwen2.5-3b", "Qwen2.5 3B", "qwen2", 36, 2048, 16, 2, 128, 11008, 151936, 32768, 1000000, 0, 1e-6, true,
     EW_SHAPE_TOKENS_QWEN2, "Qwen/Qwen2.5-3B-Instruct config.json"},
    {"gemma-2-2b", "Gemma 2 2B", "gemma2", 26, 2304, 8, 4, 256, 9216, 256000, 8192, 10000, 0, 1e-6, true,
     EW_SHAPE_TOKENS_GEMMA, "google/gemma-2-2b-it config.json"},
    {"phi-3.5-mini", "Phi-3.5 mini", "phi3", 32, 3072, 32, 32, 96, 8192, 32064, 131072, 10000, 0, 1e-5, false,
     EW_SHAPE_TOKENS_PHI3, "microsoft/Phi-3.5-mini-instruct config.json"},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

size_t ew_shape_count(void) { return N_SHAPES; }

const struct ew_shape *ew_shape_at(size_t index) { return index < N_SHAPES ? &shapes[index] : NULL; }

const struct ew_shape *ew_shape_find(const char *name) {
    for (size_t i = 0; i < N_SHAPES; i++)
        if (strcasecmp(name, shapes[i].name) == 0) return &shapes[i];
    return NULL;
}

uint64_t ew_shape_n_params(const struct ew_shape *shape) {
    uint64_t width = shape->n_embd, q = (uint64_t)shape->n_head * shape->head_dim;
    uint64_t kv = (uint64_t)shape->n_head_kv * shape->head_dim;
    bool qwen2 = strcasecmp(shape->architecture, "qwen2") == 0, gemma2 = strcasecmp(shape->architecture, "gemma2") == 0;
    uint64_t layer = 2 * width * q + 2 * width * kv + 3 * width * shape->n_ff;
    layer += (gemma2 ? 4 : 2) * width; /* norms, also after attention and feed-forward in Gemma 2 */
    layer += qwen2 ? q + 2 * kv : 0;   /* biases of query, key, value */
    uint64_t embedding = width * shape->n_vocab;
    return shape->n_layer * layer + width + (shape->tied ? 1 : 2) * embedding;
}

bool ew_shape_runs(const struct ew_shape *shape) { return ew_architecture_find(shape->architecture) != NULL; }

float ew_shape_rope_divisor(const struct ew_shape *shape, uint32_t i) {
    const double low = 1, high = 4, original = 8192, pi = 3.14159265358979323846;
    if (shape->rope_factor <= 0) return 1.0f;
    double wave_length = 2 * pi * pow(shape->rope_base, 2.0 * i / shape->head_dim);
    if (wave_length < original / high) return 1.0f;
    if (wave_length > original / low) return (float)shape->rope_factor;
    double smooth = (original / wave_length - low) / (high - low);
    return (float)(1 / ((1 - smooth) / shape->rope_factor + smooth));
}
