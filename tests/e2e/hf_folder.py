"""Makes Hugging Face folders out of tiny GGUF files: the way back of a conversion, written on its own.

`folder_of(gguf)` gives config.json as a dict and the weights as {name: (shape, rows)}; `write` puts them into a folder
as safetensors. Layouts as transformers has them; that they are right is shown by hf_reference.py, whose logits for the
folder must be those that another engine has for the GGUF file."""
import array
import json
import os
import struct

LLAMA_LIKE = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_q": "self_attn.q_proj",
              "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
              "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
              "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
AROUND = dict(LLAMA_LIKE, post_attention_norm="post_attention_layernorm", ffn_norm="pre_feedforward_layernorm",
              post_ffw_norm="post_feedforward_layernorm")
OLMO2 = dict(LLAMA_LIKE, post_attention_norm="post_attention_layernorm", post_ffw_norm="post_feedforward_layernorm")
NAMES = {  # general.architecture: (model_type, names in a layer)
    "llama": ("llama", LLAMA_LIKE), "granite": ("granite", LLAMA_LIKE), "smollm3": ("smollm3", LLAMA_LIKE),
    "qwen2": ("qwen2", LLAMA_LIKE), "qwen3": ("qwen3", LLAMA_LIKE), "stablelm": ("stablelm", LLAMA_LIKE),
    "gemma": ("gemma", LLAMA_LIKE), "gemma2": ("gemma2", AROUND), "gemma3": ("gemma3_text", AROUND),
    "olmo2": ("olmo2", OLMO2),
    "qwen3moe": ("qwen3_moe", dict(LLAMA_LIKE, ffn_gate_inp="mlp.gate", ffn_gate_exps="mlp.experts.%d.gate_proj",
                                   ffn_up_exps="mlp.experts.%d.up_proj", ffn_down_exps="mlp.experts.%d.down_proj")),
    "starcoder2": ("starcoder2", dict(LLAMA_LIKE, ffn_up="mlp.c_fc", ffn_down="mlp.c_proj")),
    "phi3": ("phi3", dict(LLAMA_LIKE, attn_qkv="self_attn.qkv_proj", ffn_up="mlp.gate_up_proj")),
    "phi2": ("phi", dict(LLAMA_LIKE, attn_output="self_attn.dense", ffn_up="mlp.fc1", ffn_down="mlp.fc2")),
    "gptneox": ("gpt_neox", dict(LLAMA_LIKE, attn_qkv="attention.query_key_value", attn_output="attention.dense",
                                 ffn_up="mlp.dense_h_to_4h", ffn_down="mlp.dense_4h_to_h")),
    "gpt2": ("gpt2", {"attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
                      "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"}),
    "internlm2": ("internlm2", {"attn_norm": "attention_norm", "attn_output": "attention.wo", "ffn_norm": "ffn_norm",
                                "ffn_gate": "feed_forward.w1", "ffn_down": "feed_forward.w2",
                                "ffn_up": "feed_forward.w3"}),
    "lfm2": ("lfm2", {"attn_norm": "operator_norm", "ffn_norm": "ffn_norm", "ffn_gate": "feed_forward.w1",
                      "ffn_up": "feed_forward.w3", "ffn_down": "feed_forward.w2", "shortconv.conv": "conv.conv",
                      "shortconv.in_proj": "conv.in_proj", "shortconv.out_proj": "conv.out_proj",
                      "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
                      "attn_q_norm": "self_attn.q_layernorm", "attn_k_norm": "self_attn.k_layernorm",
                      "attn_output": "self_attn.out_proj"}),
}
MIXTRAL = dict(LLAMA_LIKE, ffn_gate_inp="block_sparse_moe.gate", ffn_gate_exps="block_sparse_moe.experts.%d.w1",
               ffn_down_exps="block_sparse_moe.experts.%d.w2", ffn_up_exps="block_sparse_moe.experts.%d.w3")
ENDS = {"gpt2": {"token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f"},
        "gptneox": {"token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm",
                    "output": "embed_out"},
        "internlm2": {"token_embd": "model.tok_embeddings", "output_norm": "model.norm", "output": "output"},
        "phi2": {"token_embd": "model.embed_tokens", "output_norm": "model.final_layernorm", "output": "lm_head"},
        "lfm2": {"token_embd": "model.embed_tokens", "token_embd_norm": "model.embedding_norm"}}
USUAL_ENDS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
PREFIX = {"gpt2": "transformer.h.%d.", "gptneox": "gpt_neox.layers.%d."}
PAIRED = {"llama", "granite", "smollm3", "internlm2"}  # GGUF has adjacent pairs, the folder halves


def halves(rows, head):
    """Rows of adjacent pairs into rows of two halves, head by head."""
    out = []
    for i in range(0, len(rows), head):
        out += rows[i:i + head:2] + rows[i + 1:i + head:2]
    return out


def config_of(g):
    arch, k = g.keys["general.architecture"], g.keys

    def key(name, default=None):
        return k.get(f"{arch}.{name}", default)

    model_type = NAMES[arch][0]
    c = {"model_type": model_type, "architectures": ["TinyForCausalLM"], "hidden_size": key("embedding_length"),
         "num_hidden_layers": key("block_count"), "num_attention_heads": key("attention.head_count"),
         "num_key_value_heads": key("attention.head_count_kv"), "intermediate_size": key("feed_forward_length"),
         "max_position_embeddings": key("context_length"), "vocab_size": len(k["tokenizer.ggml.tokens"]),
         "bos_token_id": k["tokenizer.ggml.bos_token_id"], "eos_token_id": k["tokenizer.ggml.eos_token_id"]}
    base = round(key("rope.freq_base", 10000))
    c["rotary_emb_base" if arch == "gptneox" else "rope_theta"] = float(base)
    head = key("attention.key_length", c["hidden_size"] // c["num_attention_heads"])
    if key("attention.key_length"):
        c["head_dim"] = head
    eps = {"gpt2": "layer_norm_epsilon", "phi2": "layer_norm_eps", "gptneox": "layer_norm_eps", "lfm2": "norm_eps",
           "stablelm": "layer_norm_eps", "starcoder2": "norm_epsilon"}.get(arch, "rms_norm_eps")
    c[eps] = float(f"{key('attention.layer_norm_rms_epsilon', key('attention.layer_norm_epsilon')):.3g}")
    if key("rope.dimension_count", head) != head:
        c["rotary_pct" if arch == "gptneox" else "partial_rotary_factor"] = key("rope.dimension_count") / head
    for source, name in (("use_parallel_residual", "use_parallel_residual"), ("logit_scale", "logits_scaling"),
                         ("residual_scale", "residual_multiplier"), ("embedding_scale", "embedding_multiplier"),
                         ("attention.scale", "attention_multiplier"), ("attention.sliding_window", "sliding_window"),
                         ("attn_logit_softcapping", "attn_logit_softcapping"),
                         ("final_logit_softcapping", "final_logit_softcapping"),
                         ("expert_used_count", "num_experts_per_tok"),
                         ("expert_feed_forward_length", "moe_intermediate_size")):
        if key(source) is not None:
            c[name] = key(source)
    if key("expert_count"):
        c["num_experts" if arch == "qwen3moe" else "num_local_experts"] = key("expert_count")
    if arch == "llama" and key("expert_count"):
        c["model_type"] = "mixtral"
    if arch == "qwen3moe":
        c["norm_topk_prob"] = True
    if arch == "phi3":
        c["original_max_position_embeddings"] = key("rope.scaling.original_context_length")
    if arch == "gemma3":
        c["rope_local_base_freq"] = 10000.0
    if arch == "lfm2":
        heads = key("attention.head_count_kv")
        c.update(conv_L_cache=key("shortconv.l_cache"), num_key_value_heads=max(heads), block_auto_adjust_ff_dim=False,
                 layer_types=["full_attention" if n else "conv" for n in heads])
    if "rope_freqs.weight" in g.tensors:  # the figures that the file's divisors follow from
        c["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                             "original_max_position_embeddings": 64}
    if arch == "gpt2":
        for old, new in (("hidden_size", "n_embd"), ("num_hidden_layers", "n_layer"), ("num_attention_heads", "n_head"),
                         ("intermediate_size", "n_inner"), ("max_position_embeddings", "n_positions")):
            c[new] = c.pop(old)
        del c["num_key_value_heads"], c["rope_theta"]
    c["hidden_act"] = {"gpt2": "gelu_new", "phi2": "gelu_new", "gptneox": "gelu_new", "starcoder2": "gelu_pytorch_tanh",
                       "gemma": "gelu", "gemma2": "gelu_pytorch_tanh", "gemma3": "gelu_pytorch_tanh"}.get(arch, "silu")
    c["tie_word_embeddings"] = "output.weight" not in g.tensors
    return c


def stored(g, arch, config, name, kind, rows):
    """Rows as the folder has them, for a tensor of the GGUF file."""
    head = config.get("head_dim") or config.get("hidden_size", config.get("n_embd")) // config.get(
        "num_attention_heads", config.get("n_head"))
    if name in ("attn_q", "attn_k") and arch in PAIRED:
        if kind == "bias":
            return [array.array("f", halves(list(rows[0]), head))]
        return halves(rows, head)
    if arch.startswith("gemma") and name.endswith("norm"):
        return [array.array("f", [x - 1 for x in rows[0]])]
    if arch == "gpt2" and kind == "weight" and name in ("attn_qkv", "attn_output", "ffn_up", "ffn_down"):
        return [array.array("f", column) for column in zip(*rows)]
    if arch == "gptneox" and name == "attn_qkv":
        flat = rows if kind == "weight" else list(rows[0])
        third, out = len(flat) // 3, []
        for h in range(0, third, head):
            for part in range(3):
                out += flat[part * third + h:part * third + h + head]
        return out if kind == "weight" else [array.array("f", out)]
    return rows


def folder_of(g):
    """(config, {name: (shape, rows)}) of a GGUF file with F32 tensors."""
    arch, config, weights = g.keys["general.architecture"], config_of(g), {}
    names = MIXTRAL if config["model_type"] == "mixtral" else NAMES[arch][1]

    def put(name, kind, rows, shape=None):
        vector = kind == "bias" or (shape is None and len(rows) == 1)
        weights[f"{name}.{kind}"] = (shape or ([len(rows[0])] if vector else [len(rows), len(rows[0])]), rows)

    for full in g.tensors:
        if full == "rope_freqs.weight":
            continue
        rows = g.floats(full)
        stem, kind = full.rsplit(".", 1)
        if not full.startswith("blk."):
            put(ENDS.get(arch, USUAL_ENDS)[stem], kind, stored(g, arch, config, stem, kind, rows))
            continue
        layer, name = int(full.split(".")[1]), ".".join(full.split(".")[2:-1])
        prefix = PREFIX.get(arch, "model.layers.%d.") % layer
        if arch == "internlm2" and name in ("attn_q", "attn_k", "attn_v"):
            continue
        if name.endswith("_exps"):
            n = g.tensors[full][0][2]
            for e in range(n):
                put(prefix + names[name] % e, kind, rows[e * len(rows) // n:(e + 1) * len(rows) // n])
        elif arch == "phi2" and name == "attn_qkv":  # the folder has q, k and v apart
            third = len(rows) // 3 if kind == "weight" else len(rows[0]) // 3
            for i, part in enumerate("qkv"):
                piece = rows[i * third:(i + 1) * third] if kind == "weight" else [rows[0][i * third:(i + 1) * third]]
                put(f"{prefix}self_attn.{part}_proj", kind, piece)
        elif name == "shortconv.conv":
            put(prefix + names[name], kind, rows, [len(rows), 1, len(rows[0])])
        else:
            put(prefix + names[name], kind, stored(g, arch, config, name, kind, rows))
    if arch == "internlm2":
        head = config["hidden_size"] // config["num_attention_heads"]
        group = config["num_attention_heads"] // config["num_key_value_heads"]
        for i in range(config["num_hidden_layers"]):
            q, k = (halves(g.floats(f"blk.{i}.attn_{n}.weight"), head) for n in "qk")
            v, out = g.floats(f"blk.{i}.attn_v.weight"), []
            for h in range(config["num_key_value_heads"]):
                out += q[h * group * head:(h + 1) * group * head] + k[h * head:(h + 1) * head] + v[h * head:(h + 1) * head]
            put(f"model.layers.{i}.attention.wqkv", "weight", out)
    return config, weights


# ---- files ----

def encode(rows, dtype):
    flat = array.array("f")
    for row in rows:
        flat.extend(row)
    if dtype == "F32":
        return flat.tobytes()
    if dtype == "F16":
        return struct.pack(f"<{len(flat)}e", *flat)
    if dtype == "F64":
        return struct.pack(f"<{len(flat)}d", *flat)
    assert dtype == "BF16"  # cut, not rounded: for weights whose lower half is zero, and for damage
    return b"".join(struct.pack("<f", x)[2:] for x in flat)


def write_safetensors(path, weights, dtype="F32"):
    """weights: {name: (shape, rows)} or {name: (shape, dtype, bytes)}."""
    table, data = {"__metadata__": {"format": "pt"}}, b""
    for name, entry in weights.items():
        shape, kind, raw = entry if len(entry) == 3 else (entry[0], dtype, encode(entry[1], dtype))
        table[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def write_shards(folder, weights, n, dtype="F32"):
    names, index = list(weights), {}
    for i in range(n):
        part, file = names[i::n], f"model-{i + 1:05d}-of-{n:05d}.safetensors"
        write_safetensors(os.path.join(folder, file), {k: weights[k] for k in part}, dtype)
        index.update({k: file for k in part})
    with open(os.path.join(folder, "model.safetensors.index.json"), "w", encoding="utf-8") as f:
        json.dump({"metadata": {"total_size": 0}, "weight_map": index}, f)


# ---- tokenizers ----

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
PLAIN_BYTES = dict(BYTES, use_regex=False)


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


PRE_TOKENIZERS = {  # as the publishers' tokenizer.json have them
    "gpt-2": BYTES,
    "starcoder": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES]},
    "qwen2": {"type": "Sequence", "pretokenizers": [split(LLAMA3 % r"\p{N}"), PLAIN_BYTES]},
    "llama-bpe": {"type": "Sequence", "pretokenizers": [split(LLAMA3 % r"\p{N}{1,3}"), PLAIN_BYTES]},
}
PRE_TOKENIZERS["refact"] = PRE_TOKENIZERS["starcoder"]


def bpe_json(g):
    """tokenizer.json of a byte-level vocabulary."""
    tokens, types, pre = (g.keys["tokenizer.ggml." + n] for n in ("tokens", "token_type", "pre"))
    return {"version": "1.0", "normalizer": None, "pre_tokenizer": PRE_TOKENIZERS[pre], "decoder": BYTES,
            "post_processor": BYTES,
            "added_tokens": [{"id": i, "content": t, "special": types[i] == 3, "normalized": False}
                             for i, t in enumerate(tokens) if types[i] in (3, 4)],
            "model": {"type": "BPE", "unk_token": None, "ignore_merges": pre == "llama-bpe",
                      "vocab": {t: i for i, t in enumerate(tokens)}, "merges": g.keys["tokenizer.ggml.merges"]}}


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def sentencepiece(g, dummy_prefix=True, model_type=2):
    """tokenizer.model of a SentencePiece vocabulary: pieces, trainer_spec, normalizer_spec."""
    out = b""
    for text, score, kind in zip(*(g.keys["tokenizer.ggml." + n] for n in ("tokens", "scores", "token_type"))):
        piece = field(1, text.encode()) + b"\x15" + struct.pack("<f", score)
        out += field(1, piece + (b"\x18" + varint(kind) if kind != 1 else b""))
    return out + field(2, b"\x18" + varint(model_type)) + field(3, b"\x18" + varint(int(dummy_prefix)))


def write_tokenizer(folder, g):
    if g.keys["tokenizer.ggml.model"] == "llama":
        with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
            f.write(sentencepiece(g))
    else:
        with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
            json.dump(bpe_json(g), f)


def write(folder, g, shards=1, dtype="F32"):
    """The whole folder; config and weights as they were written."""
    os.makedirs(folder, exist_ok=True)
    config, weights = folder_of(g)
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    if shards == 1:
        write_safetensors(os.path.join(folder, "model.safetensors"), weights, dtype)
    else:
        write_shards(folder, weights, shards, dtype)
    write_tokenizer(folder, g)
    return config, weights
