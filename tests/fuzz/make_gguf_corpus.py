#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/gguf: two sound GGUF files and variants with one damage each, named after it.

Built from the GGUF specification, not with Edgewise's own writer: so the reader is checked against an independent
one. The expected refusals are in tests/unit/gguf/test_gguf_damage.c.     make_gguf_corpus.py FOLDER"""
import struct
import sys
from pathlib import Path

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q", I64: "q", F64: "d"}


def string(text, size=None):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data) if size is None else size) + data


def value(kind, v):
    if kind == STRING:
        return string(v)
    if kind == ARRAY:
        element, values = v
        return struct.pack("<IQ", element, len(values)) + b"".join(value(element, x) for x in values)
    return struct.pack("<" + FORMATS[kind], v)


def kv(key, kind, v, raw=None):
    return string(key) + struct.pack("<I", kind) + (value(kind, v) if raw is None else raw)


def tensor(name, dims, kind, offset, n_dims=None):
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims) if n_dims is None else n_dims, *dims, kind, offset)


KEYS = [
    kv("general.architecture", STRING, "llama"),
    kv("a.u8", U8, 200), kv("a.i8", I8, -5), kv("a.u16", U16, 60000), kv("a.i16", I16, -300),
    kv("a.u32", U32, 4000000000), kv("a.i32", I32, -7), kv("a.f32", F32, 0.5), kv("a.bool", BOOL, 1),
    kv("a.u64", U64, 2**63 + 1), kv("a.i64", I64, -2**40), kv("a.f64", F64, 1e-300),
    kv("a.strings", ARRAY, (STRING, ["one", "", "drei \u00e4"])), kv("a.numbers", ARRAY, (I32, [1, -2, 3])),
]
TENSORS = [tensor("t.f32", [4, 2], 0, 0), tensor("t.q8_0", [32], 8, 32), tensor("t.q4_k", [256, 1, 2], 12, 96)]
DATA = bytes(range(32)) + bytes(64) + bytes(288)


def file(keys=KEYS, tensors=TENSORS, data=DATA, magic=b"GGUF", version=3, n_tensors=None, n_keys=None, align=32):
    head = magic + struct.pack("<IQQ", version, len(tensors) if n_tensors is None else n_tensors,
                               len(keys) if n_keys is None else n_keys)
    head += b"".join(keys) + b"".join(tensors)
    return head + bytes(-len(head) % align) + data


ARCH = KEYS[:1]
FILES = {
    "sound-v3": file(),
    "sound-v2-aligned-64": file([*ARCH, kv("general.alignment", U32, 64)], [tensor("t", [8], 0, 0)], bytes(32),
                                version=2, align=64),
    "sound-no-tensors": file(tensors=[], data=b""),
    "damaged-empty": b"",
    "damaged-magic": file(magic=b"GGML"),
    "damaged-version-1": file(version=1),
    "damaged-version-4": file(version=4),
    "damaged-big-endian": file(version=3 << 24),
    "damaged-cut-in-header": file()[:20],
    "damaged-cut-in-keys": file()[:200],
    "damaged-cut-in-table": file()[:len(file()) - len(DATA) - 60],
    "damaged-cut-in-data": file()[:-40],
    "damaged-key-count-huge": file(n_keys=2**60),
    "damaged-tensor-count-huge": file(n_tensors=2**60),
    "damaged-key-empty": file([kv("", U8, 1)]),
    "damaged-key-zero-byte": file([kv(b"a\0b", U8, 1)]),
    "damaged-key-length-huge": file([string("general", 2**63) + struct.pack("<IB", U8, 1)]),
    "damaged-key-twice": file([*ARCH, *ARCH]),
    "damaged-value-type": file([kv("a", 13, None, b"\0" * 8)]),
    "damaged-value-bool": file([kv("a", BOOL, 2)]),
    "damaged-string-length-huge": file([kv("a", STRING, None, struct.pack("<Q", 2**64 - 8) + b"xx")]),
    "damaged-array-length-huge": file([kv("a", ARRAY, None, struct.pack("<IQ", U64, 2**61 + 1) + b"\0" * 8)]),
    "damaged-array-of-strings-long": file([kv("a", ARRAY, None, struct.pack("<IQ", STRING, 2**62) + string("x"))]),
    "damaged-array-nested": file([kv("a", ARRAY, None, struct.pack("<IQ", ARRAY, 1) + struct.pack("<IQB", U8, 1, 1))]),
    "damaged-alignment-24": file([*ARCH, kv("general.alignment", U32, 24)]),
    "damaged-alignment-0": file([*ARCH, kv("general.alignment", U32, 0)]),
    "damaged-alignment-string": file([*ARCH, kv("general.alignment", STRING, "32")]),
    "damaged-tensor-name-empty": file(tensors=[tensor("", [4], 0, 0)]),
    "damaged-tensor-name-long": file(tensors=[tensor("x" * 65, [4], 0, 0)]),
    "damaged-tensor-name-escapes": file(tensors=[tensor("\x1b[2Jblk.0", [4], 47, 0)]),
    "damaged-tensor-twice": file(tensors=[tensor("t", [4], 0, 0), tensor("t", [4], 0, 32)]),
    "damaged-dims-0": file(tensors=[tensor("t", [], 0, 0)]),
    "damaged-dims-5": file(tensors=[tensor("t", [1, 1, 1, 1, 1], 0, 0)]),
    "damaged-dims-huge": file(tensors=[tensor("t", [4], 0, 0, n_dims=2**31)]),
    "damaged-dim-zero": file(tensors=[tensor("t", [4, 0], 0, 0)]),
    "damaged-shape-overflow": file(tensors=[tensor("t", [2**32, 2**32], 0, 0)]),
    "damaged-shape-overflow-to-small": file(tensors=[tensor("t", [2**63, 2**63, 4], 0, 0)]),
    "damaged-type-47": file(tensors=[tensor("blk.3.attn_q.weight", [32], 47, 0)]),
    "damaged-type-retired": file(tensors=[tensor("t", [32], 31, 0)]),
    "damaged-row-not-whole-blocks": file(tensors=[tensor("t", [250], 12, 0)]),
    "damaged-offset-unaligned": file(tensors=[tensor("t", [4], 0, 8)]),
    "damaged-offset-beyond": file(tensors=[tensor("t", [4], 0, 2**63)]),
    "damaged-tensor-ends-beyond": file(tensors=[tensor("t", [128], 0, 32)]),
    "damaged-tensors-overlap": file(tensors=[tensor("t", [16], 0, 0), tensor("u", [4], 0, 32)]),
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / f"{name}.gguf").write_bytes(data)
