/* Owns where each parameter lies. */
#include "train/network_shape.h"

#include "base/error.h"
#include <stdio.h>

enum { MOST_LAYERS = 256, MOST_WIDTH = 1 << 14, MOST_VOCAB = 1 << 16, MOST_CONTEXT = 1 << 14 };

enum ew_status ew_net_shape_check(const struct ew_net_shape *s, struct ew_error *err) {
    const struct {
        const char *what;
        uint32_t value, high;
    } checks[] = {{"layers", s->n_layer, MOST_LAYERS},   {"width", s->n_embd, MOST_WIDTH},
                  {"heads", s->n_head, MOST_WIDTH},      {"KV heads", s->n_head_kv, MOST_WIDTH},
                  {"feed-forward", s->n_ff, MOST_WIDTH}, {"vocabulary", s->n_vocab, MOST_VOCAB},
                  {"context", s->n_ctx, MOST_CONTEXT}};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].value < 1 || checks[i].value > checks[i].high)
            return ew_error_set(err, EW_ERR_ARGUMENT, "%s: %u is not from 1 to %u", checks[i].what, checks[i].value,
                                checks[i].high);
    if (s->n_embd % s->n_head || s->n_head % s->n_head_kv || s->n_embd / s->n_head % 2)
        return ew_error_set(err, EW_ERR_ARGUMENT, "width %u, %u heads and %u KV heads do not divide into even heads",
                            s->n_embd, s->n_head, s->n_head_kv);
    return EW_OK;
}

static size_t layer_size(const struct ew_net_shape *s) {
    const size_t width = s->n_embd;
    return 2 * width + ew_net_qkv_width(s) * width + width * width + 3 * (size_t)s->n_ff * width;
}

struct ew_net_layer_at ew_net_layer(const struct ew_net_shape *s, uint32_t layer) {
    const size_t width = s->n_embd;
    struct ew_net_layer_at at;
    at.attn_norm = (size_t)s->n_vocab * width + layer * layer_size(s);
    at.qkv = at.attn_norm + width;
    at.attn_output = at.qkv + ew_net_qkv_width(s) * width;
    at.ffn_norm = at.attn_output + width * width;
    at.gate_up = at.ffn_norm + width;
    at.ffn_down = at.gate_up + 2 * (size_t)s->n_ff * width;
    return at;
}

size_t ew_net_output_norm(const struct ew_net_shape *s) { return ew_net_layer(s, s->n_layer).attn_norm; }
size_t ew_net_n_params(const struct ew_net_shape *s) { return ew_net_output_norm(s) + s->n_embd; }

struct ew_net_tensor ew_net_tensor_at(const struct ew_net_shape *s, size_t i) {
    const size_t width = s->n_embd, kv = ew_net_kv_width(s), ff = s->n_ff;
    struct ew_net_tensor t = {
        .name = "token_embd.weight", .kind = EW_NET_EMBEDDING, .rows = s->n_vocab, .columns = width};
    if (i == 0) return t;
    if (i == ew_net_n_tensors(s) - 1)
        return (struct ew_net_tensor){"output_norm.weight", EW_NET_NORM, ew_net_output_norm(s), 1, width};
    const uint32_t layer = (uint32_t)((i - 1) / EW_NET_TENSORS_PER_LAYER);
    const struct ew_net_layer_at at = ew_net_layer(s, layer);
    const struct ew_net_tensor row[EW_NET_TENSORS_PER_LAYER] = {
        {"attn_norm", EW_NET_NORM, at.attn_norm, 1, width},
        {"attn_q", EW_NET_MATRIX, at.qkv, width, width},
        {"attn_k", EW_NET_MATRIX, at.qkv + width * width, kv, width},
        {"attn_v", EW_NET_MATRIX, at.qkv + (width + kv) * width, kv, width},
        {"attn_output", EW_NET_MATRIX, at.attn_output, width, width},
        {"ffn_norm", EW_NET_NORM, at.ffn_norm, 1, width},
        {"ffn_gate", EW_NET_MATRIX, at.gate_up, ff, width},
        {"ffn_up", EW_NET_MATRIX, at.gate_up + ff * width, ff, width},
        {"ffn_down", EW_NET_MATRIX, at.ffn_down, width, ff},
    };
    t = row[(i - 1) % EW_NET_TENSORS_PER_LAYER];
    char name[sizeof t.name];
    snprintf(name, sizeof name, "blk.%u.%.24s.weight", layer, t.name);
    snprintf(t.name, sizeof t.name, "%s", name);
    return t;
}

double ew_net_flops_per_token(const struct ew_net_shape *s) {
    double matrices = 0;
    for (size_t i = 0; i < ew_net_n_tensors(s); i++) {
        const struct ew_net_tensor t = ew_net_tensor_at(s, i);
        if (t.kind != EW_NET_NORM) matrices += (double)t.rows * (double)t.columns;
    }
    return 6 * matrices + 12.0 * s->n_layer * s->n_embd * (s->n_ctx / 2.0);
}
