/* Owns the application of a family's rules. Refuses what it does not know rather than leaving it out: a tensor that no
 * rule wants is an error, and so is one with another shape than config.json says. */
#include "convert/recipe.h"

#include "base/bytes.h"
#include "base/error.h"
#include "gguf/tensor_type.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t ew_extent_value(const struct ew_hf_config *c, enum ew_extent extent) {
    uint64_t q = (uint64_t)c->n_head * c->head_dim, kv = (uint64_t)c->n_head_kv * c->head_dim;
    switch (extent) {
    case EW_NONE: return 1;
    case EW_EMBD: return c->n_embd;
    case EW_VOCAB: return c->n_vocab;
    case EW_CONTEXT: return c->n_ctx;
    case EW_FF: return c->n_ff;
    case EW_TWO_FF: return 2 * (uint64_t)c->n_ff;
    case EW_FF_EXPERT: return c->n_ff_expert;
    case EW_HEAD: return c->n_head;
    case EW_HEAD_KV: return c->n_head_kv;
    case EW_HEAD_DIM: return c->head_dim;
    case EW_Q: return q;
    case EW_KV: return kv;
    case EW_QKV: return q + 2 * kv;
    case EW_EXPERT: return c->n_expert;
    case EW_THREE_EMBD: return 3 * (uint64_t)c->n_embd;
    case EW_CONV_TAPS: return c->n_conv_taps;
    }
    return 1;
}

/* ---- rows ---- */

/* The stored place within a head of what stands at `at` when the pairs are adjacent. */
static uint64_t paired(uint64_t at, uint64_t head_dim) { return at % 2 * (head_dim / 2) + at / 2; }

uint64_t ew_row_source(const struct ew_hf_config *c, enum ew_row_order order, uint64_t row) {
    uint64_t dim = c->head_dim, head = row / dim, at = row % dim, group = c->n_head / c->n_head_kv;
    switch (order) {
    case EW_ROWS_PAIRED: return head * dim + paired(at, dim);
    case EW_ROWS_NEOX_QKV: return (head % c->n_head * 3 + head / c->n_head) * dim + at;
    case EW_ROWS_GROUPED_Q: return (head / group * (group + 2) + head % group) * dim + paired(at, dim);
    case EW_ROWS_GROUPED_K: return (head * (group + 2) + group) * dim + paired(at, dim);
    case EW_ROWS_GROUPED_V: return (head * (group + 2) + group + 1) * dim + at;
    case EW_ROWS_STORED:
    case EW_ROWS_COLUMNS: break;
    }
    return row;
}

static bool is_grouped(enum ew_row_order order) {
    return order == EW_ROWS_GROUPED_Q || order == EW_ROWS_GROUPED_K || order == EW_ROWS_GROUPED_V;
}

/* ---- building ---- */

enum { MAX_RULES = 32 };

struct build {
    const char *source;
    const struct ew_family *family;
    const struct ew_hf_config *config;
    struct ew_checkpoint *checkpoint;
    const struct ew_name_root *root;
    enum ew_convert_type type;
    struct ew_recipe *recipe;
    bool tied;
    uint32_t n_of_rule[MAX_RULES][2]; /* outputs so far: weights, biases */
    struct ew_error *err;
};

static enum ew_status fail_memory(const struct build *b) {
    return ew_error_set(b->err, EW_ERR_MEMORY, "%s: no memory for its list of tensors", b->source);
}

static struct ew_recipe_tensor *add_tensor(struct build *b) {
    struct ew_recipe *r = b->recipe;
    if (r->n_tensors == r->tensor_capacity) {
        uint32_t capacity = r->tensor_capacity ? r->tensor_capacity * 2 : 64;
        struct ew_recipe_tensor *grown = realloc(r->tensors, capacity * sizeof *grown);
        if (!grown) return NULL;
        r->tensors = grown;
        r->tensor_capacity = capacity;
    }
    struct ew_recipe_tensor *tensor = &r->tensors[r->n_tensors++];
    *tensor = (struct ew_recipe_tensor){.ne = {1, 1, 1, 1}, .first_part = r->n_parts};
    return tensor;
}

static bool add_part(struct build *b, struct ew_stored_tensor *part) {
    struct ew_recipe *r = b->recipe;
    if (r->n_parts == r->part_capacity) {
        uint32_t capacity = r->part_capacity ? r->part_capacity * 2 : 64;
        struct ew_stored_tensor **grown = realloc(r->parts, capacity * sizeof(struct ew_stored_tensor *));
        if (!grown) return false;
        r->parts = grown;
        r->part_capacity = capacity;
    }
    part->used = true;
    r->parts[r->n_parts++] = part;
    return true;
}

/* "model." "layers." 3 "." NAME suffix, with number `index` in place of '%'. */
static void stored_name(const struct build *b, const struct ew_tensor_rule *rule, int32_t layer, const char *name,
                        size_t n, uint64_t index, const char *suffix, char *buf, size_t capacity) {
    const char *mark = memchr(name, '%', n);
    char number[24] = "", where[64];
    size_t head = mark ? (size_t)(mark - name) : n;
    if (mark) snprintf(number, sizeof number, "%llu", (unsigned long long)index);
    if (rule->flags & EW_RULE_OUTPUT)
        snprintf(where, sizeof where, "%s", b->root->outer);
    else if (layer < 0)
        snprintf(where, sizeof where, "%s", b->root->model);
    else
        snprintf(where, sizeof where, "%s%s%d.", b->root->model, b->family->layers, layer);
    snprintf(buf, capacity, "%s%.*s%s%.*s%s", where, (int)head, name, number, (int)(mark ? n - head - 1 : 0),
             mark ? mark + 1 : "", suffix);
}

/* The output matrix under whichever of its names a family gives it; for files that hold a tied embedding only so. */
static struct ew_stored_tensor *find_output(const struct build *b) {
    char name[160];
    for (size_t i = 0; i < b->family->n_rules; i++) {
        const struct ew_tensor_rule *rule = &b->family->rules[i];
        if (!(rule->flags & EW_RULE_OUTPUT)) continue;
        stored_name(b, rule, -1, rule->from, strlen(rule->from), 0, ".weight", name, sizeof name);
        struct ew_stored_tensor *found = ew_checkpoint_find(b->checkpoint, name);
        if (found) return found;
    }
    return NULL;
}

/* Appends the parts of one output tensor; n_missing counts those that are not there, the first named in missing. */
static enum ew_status collect(struct build *b, const struct ew_tensor_rule *rule, int32_t layer, const char *suffix,
                              uint32_t *n_missing, char *missing, size_t capacity) {
    uint64_t many = ew_extent_value(b->config, rule->many);
    assert(many > 0); /* families with experts check that there are some */
    for (const char *at = rule->from; *at;) {
        size_t n = strcspn(at, "|");
        for (uint64_t i = 0; i < many; i++) {
            char name[160];
            stored_name(b, rule, layer, at, n, i, suffix, name, sizeof name);
            struct ew_stored_tensor *part = ew_checkpoint_find(b->checkpoint, name);
            if (!part && (rule->flags & EW_RULE_EMBEDDING) && b->tied && strcmp(suffix, ".weight") == 0)
                part = find_output(b);
            if (!part && (*n_missing)++ == 0) snprintf(missing, capacity, "%s", name);
            if (part && !add_part(b, part)) return fail_memory(b);
        }
        at += n + (at[n] == '|');
    }
    return EW_OK;
}

static enum ew_status fail_shape(const struct build *b, const struct ew_stored_tensor *part, uint64_t rows,
                                 uint64_t row_len) {
    char shape[96];
    size_t used = 0;
    for (uint32_t i = 0; i < part->n_dims && used < sizeof shape; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%llu", i ? " x " : "",
                                 (unsigned long long)part->shape[i]);
    return ew_error_set(b->err, EW_ERR_SHAPE, "%s: tensor %.100s: %s, expected %llu x %llu by the configuration",
                        b->source, part->name, part->n_dims ? shape : "one number", (unsigned long long)rows,
                        (unsigned long long)row_len);
}

/* The rows that a part holds if its rows are row_len long, 0 if they are not. Dimensions of 1 between do not matter. */
static uint64_t rows_of(const struct ew_stored_tensor *part, uint64_t row_len) {
    uint64_t extent[EW_STORED_MAX_DIMS] = {1, 1, 1, 1};
    uint32_t n = 0;
    for (uint32_t i = 0; i < part->n_dims; i++)
        if (part->shape[i] != 1) extent[n++] = part->shape[i];
    if (n > 2) return 0;
    if (extent[1] == row_len && (n == 2 || row_len == 1)) return extent[0];
    return n <= 1 && extent[0] == row_len ? 1 : 0;
}

/* What an extent is in the output. */
static uint64_t written_extent(const struct build *b, enum ew_extent extent) {
    return extent == EW_FF ? ew_family_ffn_width(b->family, b->config) : ew_extent_value(b->config, extent);
}

/* Fills the rows of the output, stored and written, from the parts. */
static enum ew_status check_parts(const struct build *b, const struct ew_tensor_rule *rule, bool vector,
                                  struct ew_recipe_tensor *t) {
    const struct ew_hf_config *c = b->config;
    bool columns = t->order == EW_ROWS_COLUMNS;
    uint64_t many = ew_extent_value(c, rule->many), out = ew_extent_value(c, rule->out);
    uint64_t in = vector ? 1 : ew_extent_value(c, rule->in), total = 0;
    uint64_t stored_out = is_grouped(t->order) ? ew_extent_value(c, EW_QKV) : out;
    bool joined = strchr(rule->from, '|') != NULL;
    if (t->order == EW_ROWS_NEOX_QKV && c->n_head_kv != c->n_head)
        return ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: %u KV heads for %u heads: %s has as many of both",
                            b->source, c->n_head_kv, c->n_head, b->family->arch);
    if ((t->order == EW_ROWS_PAIRED || is_grouped(t->order)) && c->n_rot != c->head_dim)
        return ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: %u of %u numbers of a head are rotated: %s rotates all",
                            b->source, c->n_rot, c->head_dim, b->family->arch);
    for (uint32_t i = 0; i < t->n_parts; i++) {
        const struct ew_stored_tensor *part = b->recipe->parts[t->first_part + i];
        uint64_t rows = rows_of(part, columns ? out : in);
        if (ew_stored_type_bytes(part->type) == 0)
            return ew_error_set(b->err, EW_ERR_UNSUPPORTED,
                                "%s: tensor %.100s: type %s cannot be converted (F32, F16, BF16, F64 can)", b->source,
                                part->name, part->type_name);
        if (rows == 0 || (!joined && rows != (columns ? in : stored_out)))
            return fail_shape(b, part, columns ? in : stored_out, columns ? out : in);
        total += rows;
    }
    if (joined && total != out) return fail_shape(b, b->recipe->parts[t->first_part], out, in);
    t->stored_len = in;
    t->n_stored = out * many;
    t->row_len = vector ? 1 : written_extent(b, rule->in);
    t->n_rows = written_extent(b, rule->out) * many;
    return EW_OK;
}

/* ---- types ---- */

static enum ew_type stored_as(const struct ew_stored_tensor *part) {
    return part->type == EW_STORED_F16 ? EW_TYPE_F16 : part->type == EW_STORED_BF16 ? EW_TYPE_BF16 : EW_TYPE_F32;
}

static enum ew_type matrix_type(struct build *b, const struct ew_recipe_tensor *t) {
    switch (b->type) {
    case EW_CONVERT_F16: return EW_TYPE_F16;
    case EW_CONVERT_BF16: return EW_TYPE_BF16;
    case EW_CONVERT_F32: return EW_TYPE_F32;
    case EW_CONVERT_Q8_0:
        if (t->ne[0] % ew_type_traits(EW_TYPE_Q8_0)->block_elems == 0) return EW_TYPE_Q8_0;
        b->recipe->n_fallback++;
        return EW_TYPE_F16;
    case EW_CONVERT_AUTO: break;
    }
    enum ew_type type = stored_as(b->recipe->parts[t->first_part]);
    for (uint32_t i = 1; i < t->n_parts; i++) /* parts that differ meet where nothing is lost */
        if (stored_as(b->recipe->parts[t->first_part + i]) != type) return EW_TYPE_F32;
    return type;
}

/* A vector's rows are single numbers, so that they can be re-ordered like a matrix's. */
static void set_dims(struct build *b, const struct ew_tensor_rule *rule, bool vector, struct ew_recipe_tensor *t) {
    uint64_t many = ew_extent_value(b->config, rule->many), dims[3], n = 0;
    if (!vector) dims[n++] = written_extent(b, rule->in);
    dims[n++] = written_extent(b, rule->out);
    if (rule->many != EW_NONE) dims[n++] = many;
    for (uint32_t i = 0; i < n; i++) t->ne[i] = dims[i];
    t->n_dims = (uint32_t)n;
    t->type = n == 1 || (rule->flags & EW_RULE_KEEP_F32) ? EW_TYPE_F32 : matrix_type(b, t);
}

static enum ew_status add_output(struct build *b, const struct ew_tensor_rule *rule, int32_t layer, bool bias) {
    char missing[160];
    uint32_t n_missing = 0;
    struct ew_recipe_tensor *t = add_tensor(b);
    if (!t) return fail_memory(b);
    enum ew_status status = collect(b, rule, layer, bias ? ".bias" : ".weight", &n_missing, missing, sizeof missing);
    if (status != EW_OK) return status;
    t->n_parts = b->recipe->n_parts - t->first_part;
    if (t->n_parts == 0 && bias) {
        b->recipe->n_tensors--;
        return EW_OK;
    }
    if (n_missing > 0) return ew_error_set(b->err, EW_ERR_NOT_FOUND, "%s: tensor %s is missing", b->source, missing);
    bool vector = bias || rule->in == EW_NONE;
    if (layer < 0)
        snprintf(t->name, sizeof t->name, "%s%s", rule->to, bias ? ".bias" : ".weight");
    else
        snprintf(t->name, sizeof t->name, "blk.%d.%s%s", layer, rule->to, bias ? ".bias" : ".weight");
    t->order = bias && rule->order == EW_ROWS_COLUMNS ? EW_ROWS_STORED : rule->order;
    t->add = rule->flags & EW_RULE_ADD_ONE ? 1.0f : 0.0f;
    if ((status = check_parts(b, rule, vector, t)) != EW_OK) return status;
    set_dims(b, rule, vector, t);
    b->n_of_rule[rule - b->family->rules][bias]++;
    return EW_OK;
}

static enum ew_status add_rule(struct build *b, const struct ew_tensor_rule *rule, int32_t layer) {
    if (layer >= 0 && (rule->flags & EW_RULE_CONV) && !b->config->is_conv[layer]) return EW_OK;
    if (layer >= 0 && (rule->flags & EW_RULE_ATTENTION) && b->config->is_conv[layer]) return EW_OK;
    if ((rule->flags & EW_RULE_SERIAL) && b->config->is_parallel) return EW_OK;
    if ((rule->flags & EW_RULE_QK_NORM) && !b->config->has_qk_norm) return EW_OK;
    if ((rule->flags & EW_RULE_OUTPUT) && b->tied) {
        struct ew_stored_tensor *same = find_output(b);
        if (same) same->used = true;
        return EW_OK;
    }
    enum ew_status status = add_output(b, rule, layer, false);
    return status == EW_OK ? add_output(b, rule, layer, true) : status;
}

static enum ew_status add_divisors(struct build *b) {
    struct ew_rope_divisors divisors[2];
    enum ew_status status = ew_rope_divisors(b->family, b->config, divisors, b->err);
    if (status != EW_OK) return status;
    for (int i = 0; i < 2; i++) {
        if (!divisors[i].name) continue;
        struct ew_recipe_tensor *t = status == EW_OK ? add_tensor(b) : NULL;
        if (!t) {
            free(divisors[i].values);
            status = fail_memory(b);
            continue;
        }
        snprintf(t->name, sizeof t->name, "%s", divisors[i].name);
        t->values = divisors[i].values;
        t->n_dims = 1;
        t->ne[0] = t->row_len = t->stored_len = b->config->n_rot / 2;
        t->n_rows = t->n_stored = 1;
        t->type = EW_TYPE_F32;
    }
    return status;
}

/* ---- the whole ---- */

static bool matches(const char *pattern, const char *name) {
    size_t n = strlen(pattern), length = strlen(name);
    if (pattern[0] == '*') return length >= n - 1 && strcmp(name + length - (n - 1), pattern + 1) == 0;
    if (pattern[n - 1] == '*') return strncmp(pattern, name, n - 1) == 0;
    return strcmp(pattern, name) == 0;
}

static enum ew_status refuse_leftovers(struct build *b) {
    for (size_t i = 0; i < b->checkpoint->n_tensors; i++) {
        const struct ew_stored_tensor *tensor = &b->checkpoint->tensors[i];
        bool ignored = false;
        for (const char *const *p = b->family->ignored; p && *p && !ignored; p++) ignored = matches(*p, tensor->name);
        b->recipe->n_ignored += ignored;
        if (!tensor->used && !ignored)
            return ew_error_set(b->err, EW_ERR_UNSUPPORTED, "%s: tensor %.100s: has no place in architecture %s",
                                b->source, tensor->name, b->family->arch);
    }
    return EW_OK;
}

/* A bias that only some layers have is a damaged checkpoint, not a model. */
static enum ew_status check_biases(const struct build *b) {
    for (size_t i = 0; i < b->family->n_rules; i++)
        if (b->n_of_rule[i][1] > 0 && b->n_of_rule[i][1] != b->n_of_rule[i][0])
            return ew_error_set(b->err, EW_ERR_NOT_FOUND, "%s: %s.bias: %u of %u layers have it", b->source,
                                b->family->rules[i].from, b->n_of_rule[i][1], b->n_of_rule[i][0]);
    return EW_OK;
}

/* The layout whose first layer's names are there; the first layout where none is, for its message. */
static const struct ew_name_root *find_root(const struct build *b) {
    for (size_t i = 0; i < sizeof b->family->roots / sizeof *b->family->roots && b->family->roots[i].model; i++) {
        char prefix[96];
        const struct ew_name_root *root = &b->family->roots[i];
        snprintf(prefix, sizeof prefix, "%s%s0.", root->model, b->family->layers);
        for (size_t k = 0; k < b->checkpoint->n_tensors; k++)
            if (strncmp(b->checkpoint->tensors[k].name, prefix, strlen(prefix)) == 0) return root;
    }
    return &b->family->roots[0];
}

static enum ew_status add_all(struct build *b) {
    enum ew_status status = add_divisors(b);
    for (int pass = 0; pass < 2; pass++) { /* the output's own end of the model stands last, as in other files */
        for (size_t i = 0; i < b->family->n_rules && status == EW_OK; i++) {
            const struct ew_tensor_rule *rule = &b->family->rules[i];
            bool ends = strcmp(rule->to, "output_norm") == 0 || (rule->flags & EW_RULE_OUTPUT);
            if ((rule->flags & (EW_RULE_MODEL | EW_RULE_OUTPUT)) && ends == (pass == 1)) status = add_rule(b, rule, -1);
        }
        for (uint32_t layer = 0; pass == 0 && layer < b->config->n_layer; layer++)
            for (size_t i = 0; i < b->family->n_rules && status == EW_OK; i++)
                if (!(b->family->rules[i].flags & (EW_RULE_MODEL | EW_RULE_OUTPUT)))
                    status = add_rule(b, &b->family->rules[i], (int32_t)layer);
    }
    return status;
}

enum ew_status ew_recipe_build(const char *source, const struct ew_family *family, const struct ew_hf_config *config,
                               struct ew_checkpoint *checkpoint, enum ew_convert_type type, struct ew_recipe *out,
                               struct ew_error *err) {
    struct ew_recipe recipe = {0};
    struct build b = {.source = source,
                      .family = family,
                      .config = config,
                      .checkpoint = checkpoint,
                      .type = type,
                      .recipe = &recipe,
                      .err = err};
    assert(family->n_rules <= MAX_RULES);
    b.root = find_root(&b);
    b.tied = config->tied_said ? config->tied : find_output(&b) == NULL;
    enum ew_status status = add_all(&b);
    if (status == EW_OK) status = check_biases(&b);
    if (status == EW_OK) status = refuse_leftovers(&b);
    if (status == EW_OK)
        *out = recipe;
    else
        ew_recipe_free(&recipe);
    return status;
}

void ew_recipe_free(struct ew_recipe *recipe) {
    for (uint32_t i = 0; i < recipe->n_tensors; i++) free(recipe->tensors[i].values);
    free(recipe->tensors);
    free(recipe->parts);
    *recipe = (struct ew_recipe){0};
}
