#!/usr/bin/env python3
"""Writes the corpus of importance files: sound ones of both forms and variants with one damage each, named after it;
built from the description in src/quality/importance_file.h.
    make_importance_corpus.py FOLDER"""
import struct
import sys
from pathlib import Path

F32, F16, U32, STRING, ARRAY = 0, 1, 4, 8, 9


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(tensors, kind="imatrix", datasets=("a.txt",), chunks=2):
    """tensors: name, dimensions (row length first), values."""
    keys = [text("general.type") + struct.pack("<I", STRING) + text(kind),
            text("imatrix.datasets") + struct.pack("<IIQ", ARRAY, STRING, len(datasets)) + b"".join(map(text, datasets)),
            text("imatrix.chunk_count") + struct.pack("<II", U32, chunks),
            text("imatrix.chunk_size") + struct.pack("<II", U32, 512)]
    table, data = b"", b""
    for name, dims, values in tensors:
        table += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        table += struct.pack("<IQ", F32, len(data))
        data += struct.pack(f"<{len(values)}f", *values)
        data += bytes(-len(data) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys) + table
    return head + bytes(-len(head) % 32) + data


def old(entries, tail=struct.pack("<ii", 2, 5) + b"a.txt", count=None):
    file = struct.pack("<i", len(entries) if count is None else count)
    for name, calls, values, *more in entries:
        n_name, n_values = more or (len(name), len(values))
        file += struct.pack("<i", n_name) + name.encode() + struct.pack("<ii", calls, n_values)
        file += struct.pack(f"<{len(values)}f", *values)
    return file + tail


DENSE = [("blk.0.attn_q.weight.in_sum2", (4, 1), [1, 2, 0, 4]), ("blk.0.attn_q.weight.counts", (1, 1), [3])]
EXPERTS = [("blk.0.ffn_up_exps.weight.in_sum2", (2, 3), [1, 2, 0, 0, 5, 6]),
           ("blk.0.ffn_up_exps.weight.counts", (1, 3), [3, 0, 1])]
NAN, INF = float("nan"), float("inf")


def with_values(values, counts):
    return [("t.in_sum2", (len(values), 1), values), ("t.counts", (1, len(counts)), counts)]


FILES = {
    "sound": gguf(DENSE + EXPERTS),
    "sound-no-dataset": gguf(DENSE, datasets=()),
    "sound-other-tensors": gguf(DENSE + [("t.mean", (2, 1), [1, 2])]),
    "damaged-type": gguf(DENSE, kind="model"),
    "damaged-no-tensors": gguf([]),
    "damaged-no-counts": gguf(DENSE[:1]),
    "damaged-no-sums": gguf(DENSE[1:]),
    "damaged-suffix-alone": gguf([(".in_sum2", (1, 1), [1]), (".counts", (1, 1), [1])]),
    "damaged-counts-shape": gguf([EXPERTS[0], ("blk.0.ffn_up_exps.weight.counts", (3, 1), [3, 0, 1])]),
    "damaged-counts-number": gguf([EXPERTS[0], ("blk.0.ffn_up_exps.weight.counts", (1, 2), [3, 0])]),
    "damaged-negative": gguf(with_values([1, -1], [1])),
    "damaged-nan": gguf(with_values([1, NAN], [1])),
    "damaged-infinite": gguf(with_values([1, 2], [INF])),
    "damaged-cut": gguf(DENSE)[:-24],
    "old-sound": old([("blk.0.attn_q.weight", 2, [1, 0, 3]), ("blk.0.ffn_down.weight", 2, [4])]),
    "old-sound-no-tail": old([("t", 1, [1, 2])], tail=b""),
    "old-sound-no-calls": old([("t", 0, [1, 2])]),
    "old-sound-empty-dataset": old([("t", 1, [1])], tail=struct.pack("<ii", 2, 0)),
    "old-damaged-empty": b"",
    "old-damaged-count-zero": old([], count=0),
    "old-damaged-count-huge": old([("t", 1, [1])], count=0x7fffffff),
    "old-damaged-count-negative": old([("t", 1, [1])], count=-1),
    "old-damaged-name-length-huge": old([("t", 1, [1], 0x7fffffff, 1)]),
    "old-damaged-name-length-negative": old([("t", 1, [1], -1, 1)]),
    "old-damaged-name-empty": old([("", 1, [1])]),
    "old-damaged-name-zero-byte": old([("a\0b", 1, [1])]),
    "old-damaged-name-twice": old([("t", 1, [1]), ("t", 1, [1])]),
    "old-damaged-values-huge": old([("t", 1, [1], 1, 0x7fffffff)]),
    "old-damaged-values-negative": old([("t", 1, [1], 1, -4)]),
    "old-damaged-values-none": old([("t", 1, [])]),
    "old-damaged-calls-negative": old([("t", -1, [1])]),
    "old-damaged-nan": old([("t", 1, [1, NAN])]),
    "old-damaged-tail-cut": old([("t", 1, [1])], tail=b"\2\0\0\0\5\0"),
    "old-damaged-tail-long": old([("t", 1, [1])], tail=struct.pack("<ii", 2, 5) + b"a.txt more"),
}

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
