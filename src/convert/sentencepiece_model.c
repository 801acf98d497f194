/* Owns the reading of SentencePiece models: the wire format, and the few fields that a vocabulary needs. */
#include "convert/sentencepiece_model.h"

#include "base/bytes.h"
#include "base/error.h"
#include <string.h>

/* ModelProto: pieces 1, trainer_spec 2, normalizer_spec 3. SentencePiece: piece 1, score 2, type 3.
 * TrainerSpec: model_type 3, unk_id 40, bos_id 41, eos_id 42, pad_id 43. NormalizerSpec: add_dummy_prefix 3. */
enum { PIECES = 1, TRAINER = 2, NORMALIZER = 3 };
enum { MODEL_BPE = 2 };
enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t value;      /* varint */
    struct ew_bytes sub; /* the bytes of WIRE_BYTES, WIRE_32 and WIRE_64 */
};

static bool read_varint(struct ew_bytes *b, uint64_t *out) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        if (!ew_bytes_u8(b, &byte)) return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(struct ew_bytes *b, uint64_t n, struct field *f) {
    const uint8_t *data = n <= b->size ? ew_bytes_take(b, (size_t)n) : NULL;
    f->sub = (struct ew_bytes){.data = data, .size = (size_t)n};
    return data != NULL;
}

/* The next field; false at the end or at damage, which leaves bytes over. */
static bool next_field(struct ew_bytes *b, struct field *f) {
    uint64_t key, n;
    size_t start = b->pos;
    if (start == b->size || !read_varint(b, &key)) return false;
    *f = (struct field){.number = (uint32_t)(key >> 3), .wire = (enum wire)(key & 7)};
    bool sound = key >> 3 <= UINT32_MAX && key >> 3 > 0;
    switch (f->wire) {
    case WIRE_VARINT: sound = sound && read_varint(b, &f->value); break;
    case WIRE_64: sound = sound && take_bytes(b, 8, f); break;
    case WIRE_32: sound = sound && take_bytes(b, 4, f); break;
    case WIRE_BYTES: sound = sound && read_varint(b, &n) && take_bytes(b, n, f); break;
    default: sound = false;
    }
    if (!sound) b->pos = start;
    return sound;
}

static enum ew_status read_piece(const char *name, struct ew_bytes piece, struct ew_vocabulary *v,
                                 struct ew_error *err) {
    struct field f, text = {0};
    float score = 0;
    uint64_t type = EW_TOKEN_NORMAL;
    while (next_field(&piece, &f)) {
        if (f.number == 1 && f.wire == WIRE_BYTES) text = f;
        if (f.number == 2 && f.wire == WIRE_32) ew_bytes_copy(&f.sub, &score, sizeof score);
        if (f.number == 3 && f.wire == WIRE_VARINT) type = f.value;
    }
    if (piece.pos != piece.size || type < EW_TOKEN_NORMAL || type > EW_TOKEN_BYTE)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: piece %u is damaged", name, v->n_tokens);
    if (memchr(text.sub.data ? text.sub.data : (const uint8_t *)"", 0, text.sub.size))
        return ew_error_set(err, EW_ERR_FORMAT, "%s: piece %u has a zero byte", name, v->n_tokens);
    /* SentencePiece numbers its types as GGUF does: normal 1, unknown 2, control 3, user-defined 4, unused 5, byte 6.
     */
    return ew_vocabulary_set(v, name, v->n_tokens, (const char *)text.sub.data, text.sub.size, score,
                             (enum ew_token_type)type, err);
}

static enum ew_status read_trainer(const char *name, struct ew_bytes spec, struct ew_vocabulary *v,
                                   struct ew_error *err) {
    struct field f;
    uint64_t model = 1;
    int64_t *const ids[] = {&v->unknown, &v->bos, &v->eos, &v->pad};
    for (size_t i = 0; i < 4; i++) *ids[i] = i < 3 ? (int64_t)i : -1; /* the defaults of the message */
    while (next_field(&spec, &f)) {
        if (f.wire != WIRE_VARINT) continue;
        if (f.number == 3) model = f.value;
        if (f.number >= 40 && f.number <= 43) *ids[f.number - 40] = (int32_t)(uint32_t)f.value;
    }
    if (spec.pos != spec.size) return ew_error_set(err, EW_ERR_FORMAT, "%s: trainer_spec is damaged", name);
    if (model != MODEL_BPE)
        return ew_error_set(err, EW_ERR_UNSUPPORTED,
                            "%s: SentencePiece model type %llu cannot be converted (BPE, 2, can)", name,
                            (unsigned long long)model);
    return EW_OK;
}

static enum ew_status read_normalizer(const char *name, struct ew_bytes spec, struct ew_vocabulary *v,
                                      struct ew_error *err) {
    struct field f;
    v->add_space_prefix = EW_SAID_YES;
    while (next_field(&spec, &f))
        if (f.number == 3 && f.wire == WIRE_VARINT) v->add_space_prefix = f.value ? EW_SAID_YES : EW_SAID_NO;
    if (spec.pos != spec.size) return ew_error_set(err, EW_ERR_FORMAT, "%s: normalizer_spec is damaged", name);
    return EW_OK;
}

static enum ew_status read_fields(const char *name, struct ew_bytes *bytes, struct ew_vocabulary *v,
                                  struct ew_error *err) {
    struct field f;
    enum ew_status status = EW_OK;
    bool trained = false;
    while (status == EW_OK && next_field(bytes, &f)) {
        if (f.wire != WIRE_BYTES) continue;
        if (f.number == PIECES) status = read_piece(name, f.sub, v, err);
        if (f.number == NORMALIZER) status = read_normalizer(name, f.sub, v, err);
        if (f.number != TRAINER) continue;
        status = read_trainer(name, f.sub, v, err);
        trained = true;
    }
    if (status != EW_OK) return status;
    if (bytes->pos != bytes->size)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: is damaged at byte %zu", name, bytes->pos);
    if (v->n_tokens == 0 || !trained)
        return ew_error_set(err, EW_ERR_FORMAT, "%s: has no pieces or no trainer_spec", name);
    return EW_OK;
}

enum ew_status ew_sentencepiece_model_read(const char *name, const uint8_t *data, size_t size,
                                           struct ew_vocabulary *out, struct ew_error *err) {
    struct ew_vocabulary v;
    struct ew_bytes bytes = {.data = data, .size = size};
    ew_vocabulary_init(&v, EW_VOCABULARY_SPM);
    enum ew_status status = read_fields(name, &bytes, &v, err);
    int64_t *const ids[] = {&v.unknown, &v.bos, &v.eos, &v.pad};
    for (size_t i = 0; i < 4; i++)
        if (*ids[i] < 0 || *ids[i] >= v.n_tokens) *ids[i] = -1;
    if (status == EW_OK)
        *out = v;
    else
        ew_vocabulary_free(&v);
    return status;
}
