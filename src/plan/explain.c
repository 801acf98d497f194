/* Owns the wording of plans. Layers with the same text share it, whatever their numbers. */
#include "plan/explain.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "attn_q.weight" of "blk.3.attn_q.weight": layers are told once. */
static void print_name(FILE *out, const struct ew_gguf_tensor *t) {
    char name[96];
    struct ew_gguf_string s = t->name;
    const char *dot = s.size > 4 && memcmp(s.data, "blk.", 4) == 0 ? memchr(s.data + 4, '.', s.size - 4) : NULL;
    if (dot) s = (struct ew_gguf_string){dot + 1, s.size - (size_t)(dot + 1 - s.data)};
    fputs(ew_gguf_print_string(s, name, sizeof name), out);
}

static void print_matrix(FILE *out, const struct ew_gguf_tensor *t) {
    print_name(out, t);
    fprintf(out, " [%" PRIu64, t->ne[1]);
    fprintf(out, " × %" PRIu64, t->ne[0]);
    if (t->ne[2] > 1) fprintf(out, " × %" PRIu64 " experts", t->ne[2]);
    fprintf(out, "] %s", ew_type_traits(t->type)->name);
}

static void print_scale(FILE *out, float scale) {
    if (scale != 1) fprintf(out, " · %g", (double)scale);
}

static void print_cap(FILE *out, float cap) {
    if (cap > 0) fprintf(out, ", capped at ±%g", (double)cap);
}

static const char *norm_name(enum ew_norm_kind kind) { return kind == EW_NORM_LAYER ? "layer norm" : "rms norm"; }

static void explain_products(FILE *out, const struct ew_op *op) {
    for (uint32_t i = 0; i < op->n_weights; i++) {
        if (i > 0) fputs("\n  ", out);
        fprintf(out, "%-8s %s ", ew_buffer_name(op->dst[i]), op->accumulate ? "+=" : "=");
        print_matrix(out, op->weights[i]);
        fprintf(out, " · %s%s", ew_buffer_name(op->src), op->bias[i] ? " + bias" : "");
        if (op->kind == EW_OP_EXPERTS) fprintf(out, ", for the %" PRIu32 " chosen", op->n_used);
    }
}

static void explain_norm(FILE *out, const struct ew_op *op) {
    fprintf(out, "%-8s = %s %s, ", ew_buffer_name(op->dst[0]), norm_name(op->norm), ew_buffer_name(op->src));
    print_name(out, op->weights[0]);
    if (op->bias[0]) fputs(" + bias", out);
    if (op->n_rows > 1) fprintf(out, ", each of %" PRIu32 " heads", op->n_rows);
}

static void explain_rope(FILE *out, const struct ew_plan *plan, const struct ew_op *op) {
    const struct ew_rope *rope = &plan->ropes[op->src - EW_BUF_ROPE];
    fprintf(out, "q, k       rotated: %" PRIu32 " of %" PRIu32 " values of each head, %s%s", rope->n_rot, op->head_dim,
            rope->pairs == EW_ROPE_HALVES ? "halves" : "adjacent pairs",
            op->src == EW_BUF_ROPE_LOCAL ? ", local table" : "");
    if (rope->long_frequency) fprintf(out, ", another table beyond %" PRIu32 " tokens", rope->n_ctx_short);
}

static void explain_attention(FILE *out, const struct ew_op *op) {
    fprintf(out, "attn     = attention: %" PRIu32 " heads of %" PRIu32 " over %" PRIu32 " of keys and values",
            op->n_head, op->head_dim, op->n_head_kv);
    fprintf(out, ", scores · %.4g", (double)op->scale);
    if (op->window) fprintf(out, ", last %" PRIu32 " positions", op->window);
    print_cap(out, op->soft_cap);
}

static void explain_gate(FILE *out, const struct ew_op *op) {
    static const char *const names[] = {"silu", "gelu", "gelu (exact)"};
    fprintf(out, "gate     = %s(gate)%s", names[op->activation], op->src == EW_BUF_UP ? " · up" : "");
}

static void explain_embed(FILE *out, const struct ew_op *op) {
    fputs("x        = a row of ", out);
    print_matrix(out, op->weights[0]);
    print_scale(out, op->scale);
    if (op->n_weights < 2) return;
    fputs(" + a row of ", out);
    print_matrix(out, op->weights[1]);
}

static void explain_head(FILE *out, const struct ew_op *op) {
    fputs("logits   = ", out);
    print_matrix(out, op->weights[1]);
    fprintf(out, " · %s x, ", norm_name(op->norm));
    print_name(out, op->weights[0]);
    if (op->bias[1]) fputs(" + bias", out);
    print_scale(out, op->scale);
    print_cap(out, op->soft_cap);
}

static void explain_op(FILE *out, const struct ew_plan *plan, const struct ew_op *op) {
    fputs("  ", out);
    switch (op->kind) {
    case EW_OP_EMBED: explain_embed(out, op); break;
    case EW_OP_NORM: explain_norm(out, op); break;
    case EW_OP_MATMUL:
    case EW_OP_EXPERTS: explain_products(out, op); break;
    case EW_OP_ROPE: explain_rope(out, plan, op); break;
    case EW_OP_CACHE:
        fprintf(out, "k, v       kept: %" PRIu32 " heads of %" PRIu32, op->n_head_kv, op->head_dim);
        break;
    case EW_OP_ATTENTION: explain_attention(out, op); break;
    case EW_OP_GATE: explain_gate(out, op); break;
    case EW_OP_ADD:
        fprintf(out, "x        += %s", ew_buffer_name(op->src));
        print_scale(out, op->scale);
        break;
    case EW_OP_CONV:
        fprintf(out, "%-8s = gated convolution of %s over %" PRIu64 " positions, ", ew_buffer_name(op->dst[0]),
                ew_buffer_name(op->src), op->weights[0]->ne[0]);
        print_name(out, op->weights[0]);
        break;
    case EW_OP_ROUTE:
        fprintf(out, "           %" PRIu32 " of %" PRIu32 " experts chosen by %s", op->n_used, op->n_expert,
                ew_buffer_name(op->src));
        break;
    case EW_OP_MIX:
        fprintf(out, "%-8s %s %s, weighted", ew_buffer_name(op->dst[0]), op->accumulate ? "+=" : "=",
                ew_buffer_name(op->src));
        break;
    case EW_OP_HEAD: explain_head(out, op); break;
    }
    fputc('\n', out);
}

/* The text of one layer; NULL when memory is short. */
static char *explain_layer(const struct ew_plan *plan, int32_t layer) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    for (size_t i = 0; i < plan->n_ops; i++)
        if (plan->ops[i].layer == layer) explain_op(out, plan, &plan->ops[i]);
    fclose(out);
    return text;
}

/* Heads a text with the numbers of the layers that have it, and empties their texts. */
static void print_layers(FILE *out, char **texts, int32_t n, int32_t first) {
    char *text = texts[first];
    fputs("layers", out);
    for (int32_t i = first, from = -1; i <= n; i++) {
        bool same = i < n && texts[i] && strcmp(texts[i], text) == 0;
        if (same && from < 0) from = i;
        if (same || from < 0) continue;
        fprintf(out, i - from > 1 ? " %d–%d" : " %d", from, i - 1);
        from = -1;
    }
    fprintf(out, "\n%s", text);
    for (int32_t i = n - 1; i >= first; i--) { /* the first, which the others are compared with, goes last */
        if (!texts[i] || strcmp(texts[i], text) != 0) continue;
        free(texts[i]);
        texts[i] = NULL;
    }
}

/* Ops outside the layers that stand before (or behind) them. */
static void print_outside(FILE *out, const struct ew_plan *plan, bool before) {
    bool seen = false;
    for (size_t i = 0; i < plan->n_ops; i++) {
        seen |= plan->ops[i].layer >= 0;
        if (plan->ops[i].layer < 0 && seen != before) explain_op(out, plan, &plan->ops[i]);
    }
}

char *ew_plan_explain(const struct ew_plan *plan) {
    int32_t n = 0;
    for (size_t i = 0; i < plan->n_ops; i++)
        if (plan->ops[i].layer >= n) n = plan->ops[i].layer + 1;
    char *text = NULL, **layers = calloc((size_t)n + 1, sizeof *layers);
    size_t size;
    FILE *out = layers ? open_memstream(&text, &size) : NULL;
    bool complete = out != NULL;
    for (int32_t i = 0; i < n && complete; i++) complete = (layers[i] = explain_layer(plan, i)) != NULL;
    if (complete) {
        print_outside(out, plan, true);
        for (int32_t i = 0; i < n; i++)
            if (layers[i]) print_layers(out, layers, n, i);
        fputs("then\n", out);
        print_outside(out, plan, false);
    }
    for (int32_t i = 0; i < n && layers; i++) free(layers[i]);
    free(layers);
    if (out) fclose(out);
    if (complete) return text;
    free(text);
    return NULL;
}
