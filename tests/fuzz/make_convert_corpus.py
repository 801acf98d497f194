#!/usr/bin/env python3
"""Writes the corpora of what `edgewise convert` reads: safetensors, llama2.c checkpoints, tokenizer files. Sound ones
and variants with one damage each, named after it; built from the descriptions of the formats.
    make_convert_corpus.py FOLDER"""
import json
import struct
import sys
from pathlib import Path

# ---- safetensors: a tiny Llama (fuzz_safetensors.c has its numbers) ----

LAYER = "model.layers.0."
SHAPES = {"model.embed_tokens.weight": [5, 4], "model.norm.weight": [4], "lm_head.weight": [5, 4],
          LAYER + "input_layernorm.weight": [4], LAYER + "post_attention_layernorm.weight": [4],
          LAYER + "self_attn.q_proj.weight": [4, 4], LAYER + "self_attn.k_proj.weight": [2, 4],
          LAYER + "self_attn.v_proj.weight": [2, 4], LAYER + "self_attn.o_proj.weight": [4, 4],
          LAYER + "self_attn.q_proj.bias": [4], LAYER + "mlp.gate_proj.weight": [6, 4],
          LAYER + "mlp.up_proj.weight": [6, 4], LAYER + "mlp.down_proj.weight": [4, 6]}
BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "U8": 1}


def table_of(shapes, dtype="F32"):
    table, at = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in shapes.items():
        n = BYTES[dtype]
        for s in shape:
            n *= s
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + n]}
        at += n
    return table, at


def safetensors(shapes=SHAPES, dtype="F32", change=None, length=None, cut=0, extra=b""):
    table, n = table_of(shapes, dtype)
    if change:
        change(table)
    text = json.dumps(table, separators=(",", ":")).encode()
    data = bytes((i * 7) % 120 for i in range(n))
    file = struct.pack("<Q", len(text) if length is None else length) + text + data + extra
    return file[:len(file) - cut]


def entry(**more):
    return lambda table: table["model.norm.weight"].update(more)


SAFETENSORS = {
    "sound-f32": safetensors(), "sound-f16": safetensors(dtype="F16"), "sound-bf16": safetensors(dtype="BF16"),
    "sound-f64": safetensors(dtype="F64"),
    "sound-tied": safetensors({k: v for k, v in SHAPES.items() if k != "lm_head.weight"}),
    "sound-unused-mask": safetensors(dict(SHAPES, **{LAYER + "self_attn.rotary_emb.inv_freq": [1]})),
    "damaged-empty": b"", "damaged-length-huge": safetensors(length=2**63), "damaged-length-short": safetensors(length=9),
    "damaged-type-integers": safetensors(dtype="I64"), "damaged-cut": safetensors(cut=3),
    "damaged-more": safetensors(extra=b"x"), "damaged-dtype": safetensors(change=entry(dtype="F99")),
    "damaged-shape-negative": safetensors(change=entry(shape=[-4])),
    "damaged-shape-huge": safetensors(change=entry(shape=[2**40, 2**40])),
    "damaged-shape-zero": safetensors(change=entry(shape=[0])),
    "damaged-shape-turned": safetensors(dict(SHAPES, **{LAYER + "mlp.down_proj.weight": [6, 4]})),
    "damaged-range-backward": safetensors(change=entry(data_offsets=[96, 80])),
    "damaged-range-beyond": safetensors(change=entry(data_offsets=[2**52, 2**52 + 16])),
    "damaged-range-overlap": safetensors(change=entry(data_offsets=[0, 16])),
    "damaged-missing": safetensors({k: v for k, v in SHAPES.items() if "k_proj" not in k}),
    "damaged-unknown-name": safetensors(dict(SHAPES, other=[3])),
}

# ---- llama2.c: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size, seq_len ----

NUMBERS = (4, 6, 1, 2, 1, 3, 2)


def floats(n):
    return struct.pack(f"<{n}f", *(i % 5 - 2 for i in range(n)))


def sizes(numbers):
    dim, hidden, layers, heads, kv, vocab, seq = numbers
    kv_dim = dim // heads * kv
    weights = layers * (2 * dim + 2 * dim * dim + 2 * kv_dim * dim + 3 * dim * hidden) + dim + vocab * dim
    return weights, seq * (dim // heads)


def version0(numbers=NUMBERS, header=None, untied=False, cut=0):
    weights, rope = sizes(numbers)
    data = struct.pack("<7i", *(header or numbers)) + floats(weights + rope + (numbers[5] * numbers[0] if untied else 0))
    return data[:len(data) - cut]


def version1(numbers=NUMBERS, version=1, shared=1, cut=0):
    head = struct.pack("<Ii7iB", 0x616b3432, version, *numbers, shared)
    weights, _ = sizes(numbers)
    data = head + bytes(256 - len(head)) + floats(weights + (0 if shared else numbers[5] * numbers[0]))
    return data[:len(data) - cut]


def words(*tokens):
    out = struct.pack("<I", 7)
    for text, score in tokens:
        out += struct.pack("<fI", score, len(text)) + text
    return out


def numbers_with(i, value):
    return tuple(value if k == i else n for k, n in enumerate(NUMBERS))


LLAMA2C = {
    "sound-0": version0(), "sound-0-untied": version0(header=numbers_with(5, -3), untied=True), "sound-1": version1(),
    "sound-1-untied": version1(shared=0),
    "sound-tokenizer": words((b"<unk>", 0), (b"\n<s>\n", 0), (b"\n</s>\n", 0), (b"<0x41>", 0), (b" a", -1)),
    "damaged-empty": b"", "damaged-cut-0": version0(cut=1), "damaged-cut-1": version1(cut=5),
    "damaged-version-2": version1(version=2), "damaged-dim-zero": version0(header=numbers_with(0, 0)),
    "damaged-heads": version0(header=numbers_with(3, 3)), "damaged-layers-huge": version0(header=numbers_with(2, 1000)),
    "damaged-all-huge": version0(header=(2**20, 2**20, 1000, 4096, 4096, 2**24, 2**24)),
    "damaged-vocab-smallest": version0(header=numbers_with(5, -2**31)),
    "damaged-tokenizer-length": words((b"<unk>", 0))[:-5] + struct.pack("<I", 2**31),
    "damaged-tokenizer-zero-byte": words((b"a\0", 0), (b"b", 0)),
    "damaged-tokenizer-ranks": words(*((bytes([65 + i]), i) for i in range(6))),
}

# ---- tokenizer files ----


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def piece(text, score=0.0, kind=1):
    return field(1, field(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind))


PIECES = piece(b"<unk>", 0, 2) + piece(b"<s>", 0, 3) + piece(b"</s>", 0, 3) + piece(b"<0x41>", 0, 6) + piece(b"a", -1)
TRAINER, NORMALIZER = field(2, b"\x18\x02\xc0\x02\x00\xc8\x02\x01\xd0\x02\x02"), field(3, b"\x18\x01")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
JSON = {"added_tokens": [{"id": 3, "content": "<end>", "special": True}], "normalizer": None, "pre_tokenizer": BYTE_LEVEL,
        "decoder": BYTE_LEVEL, "bos_token": "<end>", "eos_token_id": [3, 0], "add_bos_token": True, "chat_template": "{{x}}",
        "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<end>"}}, {"Sequence": {}}]},
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}


def tokenizer(**more):
    return json.dumps(dict(JSON, **more)).encode()


def model(**more):
    return tokenizer(model=dict(JSON["model"], **more))


TOKENIZERS = {
    "sound-sentencepiece": PIECES + TRAINER + NORMALIZER, "sound-json-bytes": tokenizer(),
    "sound-json-pairs": model(merges=[["a", "b"]]),
    "sound-json-sentencepiece": tokenizer(pre_tokenizer=None, decoder=None, normalizer={
        "type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}]}),
    "sound-merges": b"#version: 0.2\na b\r\nb a\n",
    "sound-added-decoder": tokenizer(added_tokens_decoder={"0": {"content": "z", "special": False}}),
    "sound-templates": tokenizer(chat_template=[{"name": "default", "template": "d"}, {"name": "t", "template": "t"}]),
    "damaged-sentencepiece-cut": (PIECES + TRAINER)[:-1], "damaged-sentencepiece-unigram": PIECES + field(2, b"\x18\x01"),
    "damaged-sentencepiece-length": b"\x0a\xff\xff\xff\xff\x0f" + PIECES,
    "damaged-sentencepiece-varint": b"\xff" * 12, "damaged-sentencepiece-type": piece(b"a", 0, 9) + TRAINER,
    "damaged-json-cut": tokenizer()[:-20], "damaged-json-list": b"[]", "damaged-model": tokenizer(model=7),
    "damaged-id-twice": model(vocab={"a": 0, "b": 0}), "damaged-id-huge": model(vocab={"a": 2**40}),
    "damaged-id-text": model(vocab={"a": "0"}), "damaged-merge-one": model(merges=["ab"]),
    "damaged-merge-three": model(merges=[["a", "b", "c"]]), "damaged-added": tokenizer(added_tokens=[{"id": 1}]),
    "damaged-merges-line": b"a b\nab\n",
}

if __name__ == "__main__":
    for folder, suffix, files in (("safetensors", ".safetensors", SAFETENSORS), ("llama2c", ".bin", LLAMA2C),
                                  ("tokenizer_files", "", TOKENIZERS)):
        out = Path(sys.argv[1]) / folder
        out.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (out / (name + suffix)).write_bytes(data)
