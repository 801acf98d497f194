"""What a Hugging Face folder computes, in plain Python: the reference that a conversion is held against.

Written from the modelling code of transformers (rotary embedding by halves, q/k/v layouts, norms, residuals), one token
at a time, in double precision. For models of some thousand weights only.

Weights: {name: list of rows}, a vector being one row. Config: what config.json holds."""
import math
from operator import mul

ADD_ONE = {"gemma", "gemma2", "gemma3_text"}  # norms stored less 1
LAYER_NORM = {"gpt2", "gpt_neox", "phi", "stablelm", "starcoder2"}


def dot(a, b):
    return sum(map(mul, a, b))


def add(a, b):
    return [x + y for x, y in zip(a, b)]


def scaled(a, factor):
    return a if factor == 1 else [x * factor for x in a]


def silu(x):
    return x / (1 + math.exp(-x)) if x > -700 else 0.0


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def softmax(values):
    peak = max(values)
    weights = [math.exp(v - peak) for v in values]
    total = sum(weights)
    return [w / total for w in weights]


class Reference:
    def __init__(self, config, weights):
        self.c, self.w, self.kind = config, weights, config["model_type"]
        c = config
        self.n_embd = c.get("hidden_size") or c["n_embd"]
        self.n_layer = c.get("num_hidden_layers") or c["n_layer"]
        self.n_head = c.get("num_attention_heads") or c["n_head"]
        self.n_kv = c.get("num_key_value_heads") or self.n_head
        self.head = c.get("head_dim") or self.n_embd // self.n_head
        self.eps = next(c[k] for k in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps")
                        if k in c)
        share = next((c[k] for k in ("partial_rotary_factor", "rotary_pct") if k in c), 1)
        self.n_rot = int(self.head * share)
        self.scale = c.get("query_pre_attn_scalar", self.head) ** -0.5
        if self.kind == "granite":
            self.scale = c["attention_multiplier"]
        self.keys = [[] for _ in range(self.n_layer)]
        self.values = [[] for _ in range(self.n_layer)]
        self.taps = [[] for _ in range(self.n_layer)]

    # ---- parts ----

    def linear(self, name, x):
        y = [dot(row, x) for row in self.w[name + ".weight"]]
        return add(y, self.w[name + ".bias"][0]) if name + ".bias" in self.w else y

    def conv1d(self, name, x):
        """GPT-2's: the matrix is stored [in][out]."""
        y = list(self.w[name + ".bias"][0])
        for value, row in zip(x, self.w[name + ".weight"]):
            y = [a + value * b for a, b in zip(y, row)]
        return y

    def norm(self, name, x):
        weight = self.w[name + ".weight"][0]
        if self.kind in LAYER_NORM:
            mean = sum(x) / len(x)
            factor = (sum((v - mean) ** 2 for v in x) / len(x) + self.eps) ** -0.5
            y = [(v - mean) * factor * g for v, g in zip(x, weight)]
            return add(y, self.w[name + ".bias"][0]) if name + ".bias" in self.w else y
        factor = (dot(x, x) / len(x) + self.eps) ** -0.5
        one = 1 if self.kind in ADD_ONE else 0
        return [v * factor * (g + one) for v, g in zip(x, weight)]

    def inverse_frequencies(self, layer):
        base = self.c.get("rope_theta", self.c.get("rotary_emb_base", 10000))
        if self.kind == "gemma3_text" and self.is_sliding(layer):
            base = self.c["rope_local_base_freq"]
        plain = [base ** (-2 * i / self.n_rot) for i in range(self.n_rot // 2)]
        scaling = self.c.get("rope_scaling")
        if not scaling:
            return plain
        assert scaling["rope_type"] == "llama3"
        low, high, factor = scaling["low_freq_factor"], scaling["high_freq_factor"], scaling["factor"]
        original, result = scaling["original_max_position_embeddings"], []
        for f in plain:
            wave = 2 * math.pi / f
            smooth = (original / wave - low) / (high - low)
            result.append(f / factor if wave > original / low else f if wave < original / high
                          else (1 - smooth) * f / factor + smooth * f)
        return result

    def rotate(self, x, position, layer):
        """rotate_half over the first n_rot numbers of a head."""
        half, out = self.n_rot // 2, list(x)
        for i, f in enumerate(self.inverse_frequencies(layer)):
            cos, sin = math.cos(position * f), math.sin(position * f)
            a, b = x[i], x[i + half]
            out[i], out[i + half] = a * cos - b * sin, b * cos + a * sin
        return out

    def is_sliding(self, layer):
        if self.kind == "gemma2":
            return layer % 2 == 0
        return self.kind == "gemma3_text" and (layer + 1) % 6 != 0

    def heads(self, flat):
        return [flat[i:i + self.head] for i in range(0, len(flat), self.head)]

    def attend(self, layer, q, k, v):
        """q: heads; k, v: KV heads, all before rotation."""
        position = len(self.keys[layer])
        rotates = self.kind != "gpt2" and not (self.kind == "smollm3" and (layer + 1) % 4 == 0)
        if rotates:
            q, k = [self.rotate(h, position, layer) for h in q], [self.rotate(h, position, layer) for h in k]
        self.keys[layer].append(k)
        self.values[layer].append(v)
        first = max(0, position + 1 - self.c["sliding_window"]) if self.is_sliding(layer) else 0
        keys, values, out = self.keys[layer][first:], self.values[layer][first:], []
        cap = self.c.get("attn_logit_softcapping")
        for h, query in enumerate(q):
            kv = h // (self.n_head // self.n_kv)
            scores = [dot(query, key[kv]) * self.scale for key in keys]
            if cap:
                scores = [cap * math.tanh(s / cap) for s in scores]
            total = [0.0] * self.head
            for weight, value in zip(softmax(scores), values):
                total = [t + weight * x for t, x in zip(total, value[kv])]
            out += total
        return out

    # ---- attention by layout ----

    def attention(self, layer, p, x):
        a = p + "self_attn."
        if self.kind == "phi3":
            qkv = self.heads(self.linear(a + "qkv_proj", x))
            q, k, v = qkv[:self.n_head], qkv[self.n_head:self.n_head + self.n_kv], qkv[self.n_head + self.n_kv:]
            return self.linear(a + "o_proj", self.attend(layer, q, k, v))
        if self.kind == "internlm2":
            group = self.n_head // self.n_kv
            qkv, q, k, v = self.heads(self.linear(p + "attention.wqkv", x)), [], [], []
            for g in range(self.n_kv):
                part = qkv[g * (group + 2):(g + 1) * (group + 2)]
                q, k, v = q + part[:group], k + [part[group]], v + [part[group + 1]]
            return self.linear(p + "attention.wo", self.attend(layer, q, k, v))
        if self.kind == "gpt_neox":
            qkv = self.heads(self.linear(p + "attention.query_key_value", x))
            return self.linear(p + "attention.dense", self.attend(layer, qkv[0::3], qkv[1::3], qkv[2::3]))
        if self.kind == "gpt2":
            qkv = self.heads(self.conv1d(p + "attn.c_attn", x))
            n = self.n_head
            return self.conv1d(p + "attn.c_proj", self.attend(layer, qkv[:n], qkv[n:2 * n], qkv[2 * n:]))
        q, k, v = (self.linear(a + n, x) for n in ("q_proj", "k_proj", "v_proj"))
        if self.kind == "olmo2":  # norms over the whole width
            q, k = self.norm(a + "q_norm", q), self.norm(a + "k_norm", k)
        q, k, v = self.heads(q), self.heads(k), self.heads(v)
        for name in ("norm", "layernorm"):
            if self.kind != "olmo2" and f"{a}q_{name}.weight" in self.w:
                q, k = [self.norm(f"{a}q_{name}", h) for h in q], [self.norm(f"{a}k_{name}", h) for h in k]
        out = {"phi": "dense", "lfm2": "out_proj"}.get(self.kind, "o_proj")
        return self.linear(a + out, self.attend(layer, q, k, v))

    def convolution(self, layer, p, x):
        b, c, x = (lambda y: (y[:len(y) // 3], y[len(y) // 3:2 * len(y) // 3], y[2 * len(y) // 3:]))(
            self.linear(p + "conv.in_proj", x))
        self.taps[layer].append(list(map(mul, b, x)))
        rows, length = self.w[p + "conv.conv.weight"], self.c["conv_L_cache"]
        past = self.taps[layer][-length:]
        kernel = [row[length - len(past):] for row in rows]
        mixed = [dot(row, [t[i] for t in past]) for i, row in enumerate(kernel)]
        return self.linear(p + "conv.out_proj", list(map(mul, c, mixed)))

    # ---- feed-forward by layout ----

    def gated(self, gate, up, down, x, act=silu):
        return self.linear(down, [act(g) * u for g, u in zip(self.linear(gate, x), self.linear(up, x))])

    def experts(self, prefix, names, x):
        scores = softmax(self.linear(prefix + "gate", x))
        chosen = sorted(range(len(scores)), key=lambda e: -scores[e])[:self.c["num_experts_per_tok"]]
        total, out = sum(scores[e] for e in chosen), [0.0] * self.n_embd
        for e in chosen:
            y = self.gated(*(f"{prefix}experts.{e}.{n}" for n in names), x)
            out = add(out, scaled(y, scores[e] / total))
        return out

    def feed_forward(self, p, x):
        m = p + "mlp."
        if self.kind == "mixtral":
            return self.experts(p + "block_sparse_moe.", ("w1", "w3", "w2"), x)
        if self.kind == "qwen3_moe":
            return self.experts(m, ("gate_proj", "up_proj", "down_proj"), x)
        if self.kind in ("internlm2", "lfm2"):
            return self.gated(p + "feed_forward.w1", p + "feed_forward.w3", p + "feed_forward.w2", x)
        if self.kind == "phi3":
            y = self.linear(m + "gate_up_proj", x)
            half = len(y) // 2
            return self.linear(m + "down_proj", [silu(g) * u for g, u in zip(y[:half], y[half:])])
        if self.kind == "gpt2":
            return self.conv1d(m + "c_proj", list(map(gelu_tanh, self.conv1d(m + "c_fc", x))))
        plain = {"phi": ("fc1", "fc2"), "gpt_neox": ("dense_h_to_4h", "dense_4h_to_h"), "starcoder2": ("c_fc", "c_proj")}
        if self.kind in plain:
            up, down = plain[self.kind]
            return self.linear(m + down, list(map(gelu_tanh, self.linear(m + up, x))))
        act = gelu_tanh if self.kind in ADD_ONE else silu
        return self.gated(m + "gate_proj", m + "up_proj", m + "down_proj", x, act)

    # ---- layers ----

    def layer(self, i, x):
        if self.kind == "gpt2":
            p = f"transformer.h.{i}."
            x = add(x, self.attention(i, p, self.norm(p + "ln_1", x)))
            return add(x, self.feed_forward(p, self.norm(p + "ln_2", x)))
        p = f"gpt_neox.layers.{i}." if self.kind == "gpt_neox" else f"model.layers.{i}."
        if self.kind == "lfm2":
            mixer = self.convolution if self.c["layer_types"][i] == "conv" else self.attention
            x = add(x, mixer(i, p, self.norm(p + "operator_norm", x)))
            return add(x, self.feed_forward(p, self.norm(p + "ffn_norm", x)))
        if self.kind == "internlm2":
            x = add(x, self.attention(i, p, self.norm(p + "attention_norm", x)))
            return add(x, self.feed_forward(p, self.norm(p + "ffn_norm", x)))
        after = p + "post_attention_layernorm"
        if self.kind == "olmo2":
            x = add(x, self.norm(after, self.attention(i, p, x)))
            return add(x, self.norm(p + "post_feedforward_layernorm", self.feed_forward(p, x)))
        before = self.norm(p + "input_layernorm", x)
        if self.kind == "phi":
            return add(add(x, self.attention(i, p, before)), self.feed_forward(p, before))
        if self.kind == "gpt_neox" and self.c["use_parallel_residual"]:
            return add(add(x, self.attention(i, p, before)), self.feed_forward(p, self.norm(after, x)))
        if self.kind in ("gemma2", "gemma3_text"):
            x = add(x, self.norm(after, self.attention(i, p, before)))
            y = self.feed_forward(p, self.norm(p + "pre_feedforward_layernorm", x))
            return add(x, self.norm(p + "post_feedforward_layernorm", y))
        factor = self.c.get("residual_multiplier", 1)
        x = add(x, scaled(self.attention(i, p, before), factor))
        return add(x, scaled(self.feed_forward(p, self.norm(after, x)), factor))

    def logits(self, token):
        """Takes the next token; the logits after it."""
        ends = {"gpt2": ("transformer.wte", "transformer.ln_f", "lm_head"),
                "gpt_neox": ("gpt_neox.embed_in", "gpt_neox.final_layer_norm", "embed_out"),
                "internlm2": ("model.tok_embeddings", "model.norm", "output"),
                "lfm2": ("model.embed_tokens", "model.embedding_norm", "lm_head"),
                "phi": ("model.embed_tokens", "model.final_layernorm", "lm_head")}
        embed, norm, head = ends.get(self.kind, ("model.embed_tokens", "model.norm", "lm_head"))
        x = list(self.w[embed + ".weight"][token])
        if self.kind == "gpt2":
            x = add(x, self.w["transformer.wpe.weight"][len(self.keys[0])])
        if self.kind in ADD_ONE:
            x = scaled(x, self.n_embd ** 0.5)
        x = scaled(x, self.c.get("embedding_multiplier", 1))
        for i in range(self.n_layer):
            x = self.layer(i, x)
        y = self.linear(head if head + ".weight" in self.w else embed, self.norm(norm, x))
        y = scaled(y, 1 / self.c.get("logits_scaling", 1))
        cap = self.c.get("final_logit_softcapping")
        return [cap * math.tanh(v / cap) for v in y] if cap else y
