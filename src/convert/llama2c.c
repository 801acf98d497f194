/* Owns the layouts of llama2.c's checkpoints. The file's length must be exactly what the header asks for, which is also
 * what tells a version 0 file from anything else. */
#include "convert/llama2c.h"

#include "base/bytes.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

enum { MAGIC = 0x616b3432, HEADER_V0 = 28, HEADER_V1 = 256, MAX_WIDTH = 1 << 20, MAX_VOCAB = 1 << 24 };

struct numbers {
    int32_t dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len;
};

enum kind { ONE, PER_LAYER, SKIPPED };

struct layout {
    const char *name; /* Meta's; NULL at the end */
    enum kind kind;
    enum { DIM, HIDDEN, KV, VOCAB, ROPE } rows;
    enum { NONE, BY_DIM, BY_HIDDEN } columns;
    bool untied_only;
};

static const struct layout version0[] = {
    {"tok_embeddings", ONE, VOCAB, BY_DIM, false},
    {"attention_norm", PER_LAYER, DIM, NONE, false},
    {"attention.wq", PER_LAYER, DIM, BY_DIM, false},
    {"attention.wk", PER_LAYER, KV, BY_DIM, false},
    {"attention.wv", PER_LAYER, KV, BY_DIM, false},
    {"attention.wo", PER_LAYER, DIM, BY_DIM, false},
    {"ffn_norm", PER_LAYER, DIM, NONE, false},
    {"feed_forward.w1", PER_LAYER, HIDDEN, BY_DIM, false},
    {"feed_forward.w2", PER_LAYER, DIM, BY_HIDDEN, false},
    {"feed_forward.w3", PER_LAYER, HIDDEN, BY_DIM, false},
    {"norm", ONE, DIM, NONE, false},
    {"rotation", SKIPPED, ROPE, NONE, false},
    {"output", ONE, VOCAB, BY_DIM, true},
    {NULL, ONE, DIM, NONE, false},
};

static const struct layout version1[] = {
    {"attention_norm", PER_LAYER, DIM, NONE, false},
    {"ffn_norm", PER_LAYER, DIM, NONE, false},
    {"norm", ONE, DIM, NONE, false},
    {"tok_embeddings", ONE, VOCAB, BY_DIM, false},
    {"attention.wq", PER_LAYER, DIM, BY_DIM, false},
    {"attention.wk", PER_LAYER, KV, BY_DIM, false},
    {"attention.wv", PER_LAYER, KV, BY_DIM, false},
    {"attention.wo", PER_LAYER, DIM, BY_DIM, false},
    {"feed_forward.w1", PER_LAYER, HIDDEN, BY_DIM, false},
    {"feed_forward.w2", PER_LAYER, DIM, BY_HIDDEN, false},
    {"feed_forward.w3", PER_LAYER, HIDDEN, BY_DIM, false},
    {"output", ONE, VOCAB, BY_DIM, true},
    {NULL, ONE, DIM, NONE, false},
};

static enum ew_status check_numbers(const char *name, const struct numbers *n, struct ew_error *err) {
    const struct {
        const char *what;
        int32_t value, high;
    } checks[] = {{"dim", n->dim, MAX_WIDTH},
                  {"hidden_dim", n->hidden_dim, MAX_WIDTH},
                  {"n_layers", n->n_layers, EW_CONVERT_MAX_LAYERS},
                  {"n_heads", n->n_heads, 4096},
                  {"n_kv_heads", n->n_kv_heads, 4096},
                  {"vocab_size", n->vocab_size, MAX_VOCAB},
                  {"seq_len", n->seq_len, 1 << 24}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].value < 1 || checks[i].value > checks[i].high)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: header: %s: %d is not from 1 to %d: no llama2.c checkpoint",
                                name, checks[i].what, checks[i].value, checks[i].high);
    if (n->dim % n->n_heads != 0 || n->n_heads % n->n_kv_heads != 0 || n->dim / n->n_heads % 2 != 0)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: header: dim %d, %d heads and %d KV heads do not divide", name,
                            n->dim, n->n_heads, n->n_kv_heads);
    return EW_OK;
}

/* Reads either header; the cursor then stands at the first tensor. */
static enum ew_status read_header(const char *name, struct ew_bytes *bytes, struct numbers *n, bool *shared,
                                  const struct layout **layout, struct ew_error *err) {
    uint32_t magic = 0;
    int32_t version = 0;
    uint8_t tied = 0;
    if (bytes->size >= HEADER_V1) memcpy(&magic, bytes->data, sizeof magic);
    if (magic == MAGIC) {
        ew_bytes_take(bytes, sizeof magic);
        ew_bytes_copy(bytes, &version, sizeof version);
        if (version != 1)
            return ew_error_set(err, EW_ERR_UNSUPPORTED, "%s: llama2.c version %d cannot be converted (0 and 1 can)",
                                name, version);
        ew_bytes_copy(bytes, n, sizeof *n);
        ew_bytes_u8(bytes, &tied);
        bytes->pos = HEADER_V1;
        *shared = tied != 0;
        *layout = version1;
    } else {
        if (!ew_bytes_copy(bytes, n, sizeof *n))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: %zu bytes are no llama2.c checkpoint", name, bytes->size);
        *shared = n->vocab_size > 0; /* a negative size marks a classifier of its own */
        if (n->vocab_size < 0 && n->vocab_size > INT32_MIN) n->vocab_size = -n->vocab_size;
        *layout = version0;
    }
    return check_numbers(name, n, err);
}

static void shape_of(const struct numbers *n, const struct layout *l, uint64_t shape[2]) {
    uint64_t head_dim = (uint64_t)(n->dim / n->n_heads);
    const uint64_t rows[] = {[DIM] = (uint64_t)n->dim,
                             [HIDDEN] = (uint64_t)n->hidden_dim,
                             [KV] = head_dim * (uint64_t)n->n_kv_heads,
                             [VOCAB] = (uint64_t)n->vocab_size,
                             [ROPE] = (uint64_t)n->seq_len * head_dim}; /* cosines, then sines, of half a head each */
    const uint64_t columns[] = {[NONE] = 1, [BY_DIM] = (uint64_t)n->dim, [BY_HIDDEN] = (uint64_t)n->hidden_dim};
    shape[0] = rows[l->rows];
    shape[1] = columns[l->columns];
}

static enum ew_status add_tensors(const char *name, struct ew_bytes *bytes, const struct numbers *n, uint32_t file,
                                  const struct layout *l, struct ew_checkpoint *checkpoint, struct ew_error *err) {
    uint64_t shape[2];
    shape_of(n, l, shape);
    for (int32_t layer = 0; layer < (l->kind == PER_LAYER ? n->n_layers : 1); layer++) {
        char tensor_name[64];
        if (l->kind == PER_LAYER)
            snprintf(tensor_name, sizeof tensor_name, "layers.%d.%s.weight", layer, l->name);
        else
            snprintf(tensor_name, sizeof tensor_name, "%s.weight", l->name);
        size_t n_bytes = (size_t)(shape[0] * shape[1] * 4); /* below 2^46: both are bounded */
        const uint8_t *data = ew_bytes_take(bytes, n_bytes);
        if (!data)
            return ew_error_set(err, EW_ERR_FORMAT, "%s: ends inside %s: %zu of %zu bytes are left", name, tensor_name,
                                bytes->size - bytes->pos, n_bytes);
        if (l->kind == SKIPPED) continue;
        struct ew_stored_tensor *t = ew_checkpoint_add_tensor(checkpoint, tensor_name, strlen(tensor_name));
        if (!t) return ew_error_set(err, EW_ERR_MEMORY, "%s: no memory for its table", name);
        t->type = EW_STORED_F32;
        snprintf(t->type_name, sizeof t->type_name, "F32");
        t->n_dims = l->columns == NONE ? 1 : 2;
        for (size_t i = 0; i < EW_STORED_MAX_DIMS; i++) t->shape[i] = i < 2 ? shape[i] : 1;
        t->data = data;
        t->size_bytes = n_bytes;
        t->file = file;
    }
    return EW_OK;
}

enum ew_status ew_llama2c_read(const char *name, const uint8_t *data, size_t size, uint32_t file,
                               struct ew_checkpoint *checkpoint, struct ew_hf_config *config, struct ew_error *err) {
    struct ew_bytes bytes = {.data = data, .size = size};
    struct numbers n = {0};
    bool shared = false;
    const struct layout *layout = NULL;
    enum ew_status status = read_header(name, &bytes, &n, &shared, &layout, err);
    for (; status == EW_OK && layout->name; layout++)
        if (!(layout->untied_only && shared)) status = add_tensors(name, &bytes, &n, file, layout, checkpoint, err);
    if (status != EW_OK) return status;
    if (bytes.pos != size)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: %zu bytes more than its header asks for", name, size - bytes.pos);
    /* The files state neither epsilon nor base: llama2.c has these built in. */
    struct ew_hf_config c = {.n_layer = (uint32_t)n.n_layers,
                             .n_embd = (uint32_t)n.dim,
                             .n_head = (uint32_t)n.n_heads,
                             .n_head_kv = (uint32_t)n.n_kv_heads,
                             .head_dim = (uint32_t)(n.dim / n.n_heads),
                             .n_rot = (uint32_t)(n.dim / n.n_heads),
                             .n_ff = (uint32_t)n.hidden_dim,
                             .n_vocab = (uint32_t)n.vocab_size,
                             .n_ctx = (uint32_t)n.seq_len,
                             .norm_eps = 1e-5,
                             .rope_base = 10000,
                             .tied_said = true,
                             .tied = shared};
    snprintf(c.path, sizeof c.path, "%s", name);
    *config = c;
    return EW_OK;
}

/* ---- tokenizer.bin ---- */

enum { UNKNOWN_ID = 0, BOS_ID = 1, EOS_ID = 2, MAX_TEXT = 1 << 12 };
enum { RANKS = 8 }; /* scores begin level and fall; so many that rise from the first on are no scores */

/* Spaces are SentencePiece's marks; begin and end of text are written with line ends around them. */
static enum ew_status add_token(const char *name, uint32_t id, const uint8_t *text, size_t size, float score,
                                struct ew_vocabulary *v, struct ew_error *err) {
    char spelled[3 * MAX_TEXT];
    size_t n = 0;
    unsigned byte;
    char end;
    enum ew_token_type type = id == UNKNOWN_ID ? EW_TOKEN_UNKNOWN : EW_TOKEN_NORMAL;
    if (id == BOS_ID || id == EOS_ID) {
        n = (size_t)snprintf(spelled, sizeof spelled, "%s", id == BOS_ID ? "<s>" : "</s>");
        type = EW_TOKEN_CONTROL;
    } else {
        for (size_t i = 0; i < size; i++) {
            if (text[i] == ' ') {
                memcpy(spelled + n, "\xe2\x96\x81", 3);
                n += 3;
            } else {
                spelled[n++] = (char)text[i];
            }
        }
        spelled[n] = 0;
        if (n == 6 && sscanf(spelled, "<0x%2X%c", &byte, &end) == 2 && end == '>') type = EW_TOKEN_BYTE;
    }
    return ew_vocabulary_set(v, name, id, spelled, n, score, type, err);
}

static enum ew_status read_tokens(const char *name, struct ew_bytes *bytes, uint32_t n_vocab, struct ew_vocabulary *v,
                                  struct ew_error *err) {
    uint32_t longest, size, n_rising = 0;
    float score, last = 0;
    if (!ew_bytes_u32(bytes, &longest)) return ew_error_set(err, EW_ERR_FORMAT, "%s: is empty", name);
    for (uint32_t id = 0; id < n_vocab; id++) {
        const uint8_t *text = NULL;
        if (ew_bytes_copy(bytes, &score, sizeof score) && ew_bytes_u32(bytes, &size) && size < MAX_TEXT)
            text = ew_bytes_take(bytes, size);
        if (!text || memchr(text, 0, size))
            return ew_error_set(err, EW_ERR_FORMAT, "%s: token %u of %u is damaged or missing", name, id, n_vocab);
        n_rising += id > 0 && score > last;
        last = score;
        if (n_rising == RANKS && id == RANKS)
            return ew_error_set(
                err, EW_ERR_UNSUPPORTED,
                "%s: its scores are ranks of a byte-level vocabulary, whose merges the file does not have", name);
        enum ew_status status = add_token(name, id, text, size, score, v, err);
        if (status != EW_OK) return status;
    }
    if (bytes->pos != bytes->size)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: has more than the model's %u tokens", name, n_vocab);
    return EW_OK;
}

enum ew_status ew_llama2c_tokenizer_read(const char *name, const uint8_t *data, size_t size, uint32_t n_vocab,
                                         struct ew_vocabulary *out, struct ew_error *err) {
    struct ew_vocabulary v;
    struct ew_bytes bytes = {.data = data, .size = size};
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    enum ew_status status = read_tokens(name, &bytes, n_vocab, &v, err);
    v.unknown = n_vocab > UNKNOWN_ID ? UNKNOWN_ID : -1;
    v.bos = n_vocab > BOS_ID ? BOS_ID : -1;
    v.eos = n_vocab > EOS_ID ? EOS_ID : -1;
    v.add_bos = EW_SAID_YES;
    v.add_eos = EW_SAID_NO;
    v.add_space_prefix = EW_SAID_YES;
    if (status == EW_OK)
        *out = v;
    else
        ew_vocabulary_free(&v);
    return status;
}
