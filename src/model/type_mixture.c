/* Owns the mixtures of types, one row per file type, and what types give way to where rows are short. */
#include "model/type_mixture.h"

#include "gguf/tensor_type.h"
#include <stddef.h>

/* Which layers a role's better type is for. */
enum layers {
    NO_LAYER,
    ALL_LAYERS,
    FIRST_TWO,
    FIRST_FOUR,
    FIRST_EIGHTH,
    FIRST_SIXTEENTH,
    MORE_BITS,  /* the first and last eighth, and every third between */
    SHARED_KEYS /* all, where at least four query heads share a key */
};

struct better {
    enum layers layers;
    enum ew_type type, otherwise;
};

/* Mixtral's number, and the only one that the rule names. */
enum { EIGHT_EXPERTS = 8 };

/* A role without an entry has the base type. */
struct mixture {
    enum ew_file_type file_type;
    enum ew_type base;
    bool plain_head;      /* otherwise the head is Q6_K */
    bool output_of_eight; /* with eight experts the attention's output is Q5_K */
    struct better value, down, attention_output, fused_qkv;
};

#define ALL(type_)                                                                                                     \
    { ALL_LAYERS, EW_TYPE_##type_, EW_TYPE_##type_ }
#define SOME(layers_, type_, otherwise_)                                                                               \
    { layers_, EW_TYPE_##type_, EW_TYPE_##otherwise_ }

static const struct mixture mixtures[] = {
    {EW_FILE_F32, EW_TYPE_F32, .plain_head = true},
    {EW_FILE_F16, EW_TYPE_F16, .plain_head = true},
    {EW_FILE_BF16, EW_TYPE_BF16, .plain_head = true},
    {EW_FILE_Q8_0, EW_TYPE_Q8_0, .plain_head = true},
    {EW_FILE_Q4_0, EW_TYPE_Q4_0},
    {EW_FILE_Q4_1, EW_TYPE_Q4_1},
    {EW_FILE_Q5_0, EW_TYPE_Q5_0},
    {EW_FILE_Q5_1, EW_TYPE_Q5_1},
    {EW_FILE_Q2_K, EW_TYPE_Q2_K, .output_of_eight = true, .value = SOME(SHARED_KEYS, Q4_K, Q3_K), .down = ALL(Q3_K),
     .attention_output = ALL(Q3_K)},
    {EW_FILE_Q3_K_S, EW_TYPE_Q3_K, .output_of_eight = true},
    {EW_FILE_Q3_K_M, EW_TYPE_Q3_K, .output_of_eight = true, .value = SOME(FIRST_TWO, Q5_K, Q4_K),
     .down = SOME(FIRST_SIXTEENTH, Q5_K, Q4_K), .attention_output = ALL(Q4_K), .fused_qkv = ALL(Q4_K)},
    {EW_FILE_Q3_K_L, EW_TYPE_Q3_K, .value = ALL(Q5_K), .down = ALL(Q5_K), .attention_output = ALL(Q5_K),
     .fused_qkv = ALL(Q4_K)},
    {EW_FILE_Q4_K_S, EW_TYPE_Q4_K, .output_of_eight = true, .value = SOME(FIRST_FOUR, Q5_K, Q4_K),
     .down = SOME(FIRST_EIGHTH, Q5_K, Q4_K)},
    {EW_FILE_Q4_K_M, EW_TYPE_Q4_K, .output_of_eight = true, .value = SOME(MORE_BITS, Q6_K, Q4_K),
     .down = SOME(MORE_BITS, Q6_K, Q4_K), .fused_qkv = ALL(Q5_K)},
    {EW_FILE_Q5_K_S, EW_TYPE_Q5_K},
    {EW_FILE_Q5_K_M, EW_TYPE_Q5_K, .value = SOME(MORE_BITS, Q6_K, Q5_K), .down = SOME(MORE_BITS, Q6_K, Q5_K),
     .fused_qkv = ALL(Q6_K)},
    {EW_FILE_Q6_K, EW_TYPE_Q6_K},
    {EW_FILE_IQ4_NL, EW_TYPE_IQ4_NL, .output_of_eight = true, .value = SOME(SHARED_KEYS, Q5_K, IQ4_NL),
     .down = SOME(FIRST_EIGHTH, Q5_K, IQ4_NL)},
    {EW_FILE_IQ4_XS, EW_TYPE_IQ4_XS, .output_of_eight = true, .value = SOME(SHARED_KEYS, Q5_K, IQ4_XS),
     .down = SOME(FIRST_EIGHTH, Q5_K, IQ4_XS)},
};

static bool is_among(enum layers layers, const struct ew_matrix_place *p) {
    const uint32_t n = p->n_layer;
    switch (layers) {
    case ALL_LAYERS: return true;
    case FIRST_TWO: return p->layer < 2;
    case FIRST_FOUR: return p->layer < 4;
    case FIRST_EIGHTH: return p->layer < n / 8;
    case FIRST_SIXTEENTH: return p->layer < n / 16;
    case MORE_BITS: return p->layer < n / 8 || p->layer >= 7 * n / 8 || (p->layer - n / 8) % 3 == 2;
    case SHARED_KEYS: return p->heads_per_kv >= 4;
    case NO_LAYER: break;
    }
    return false;
}

static enum ew_type type_without_fallback(const struct mixture *m, const struct ew_matrix_place *p) {
    const struct better *better;
    if (p->n_expert == EIGHT_EXPERTS && !m->plain_head) {
        if (p->role == EW_ROLE_KEY || p->role == EW_ROLE_VALUE) return EW_TYPE_Q8_0;
        if (p->role == EW_ROLE_ATTENTION_OUTPUT) return m->output_of_eight ? EW_TYPE_Q5_K : m->base;
    }
    switch (p->role) {
    case EW_ROLE_HEAD: return m->plain_head ? m->base : EW_TYPE_Q6_K;
    case EW_ROLE_VALUE: better = &m->value; break;
    case EW_ROLE_DOWN: better = &m->down; break;
    case EW_ROLE_ATTENTION_OUTPUT: better = &m->attention_output; break;
    case EW_ROLE_FUSED_QKV: better = &m->fused_qkv; break;
    default: return m->base;
    }
    if (better->layers == NO_LAYER) return m->base;
    return is_among(better->layers, p) ? better->type : better->otherwise;
}

/* What a type of 256-element blocks gives way to. */
static enum ew_type small_type(enum ew_type type) {
    switch (type) {
    case EW_TYPE_Q4_K: return EW_TYPE_Q5_0;
    case EW_TYPE_Q5_K: return EW_TYPE_Q5_1;
    case EW_TYPE_Q6_K: return EW_TYPE_Q8_0;
    case EW_TYPE_IQ4_XS: return EW_TYPE_IQ4_NL;
    default: return EW_TYPE_Q4_0; /* Q2_K, Q3_K */
    }
}

enum ew_type ew_mixture_type(enum ew_file_type file_type, struct ew_matrix_place place, bool *fallback) {
    const struct mixture *m = mixtures;
    while (m < mixtures + sizeof mixtures / sizeof *mixtures - 1 && m->file_type != file_type) m++;
    enum ew_type type = type_without_fallback(m, &place);
    *fallback = place.row % ew_type_traits((uint32_t)type)->block_elems != 0;
    return *fallback ? small_type(type) : type;
}
