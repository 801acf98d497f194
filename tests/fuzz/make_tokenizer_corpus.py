#!/usr/bin/env python3
"""Writes tests/fuzz/corpus/tokenizer: small vocabularies with a text each, sound ones and ones with a contradiction,
named after it. The form of an input is in fuzz_tokenizer.c. Built from the GGUF specification, not with Edgewise's own
writer.     make_tokenizer_corpus.py FOLDER"""
import struct
import sys
from pathlib import Path

from make_gguf_corpus import ARRAY, BOOL, F32, I32, STRING, U32, file, kv

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
SPACE = "\u2581"


def key(name, kind, value):
    return kv("tokenizer.ggml." + name, kind, value)


def arrays(tokens, scores=None, types=True):
    keys = [key("tokens", ARRAY, (STRING, [t[0] for t in tokens]))]
    if types:
        keys.append(key("token_type", ARRAY, (I32, [t[1] for t in tokens])))
    if scores is not None:
        keys.append(key("scores", ARRAY, (F32, scores)))
    return keys


SPM = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL), *[(f"<0x{b:02X}>", BYTE) for b in b"\n\xc3\xa9xyz"],
       *[(t, NORMAL) for t in (SPACE, "a", "b", "ab", SPACE + "ab", "ba", "aa", SPACE * 2, "<", "s>", "ab" + SPACE)],
       ("<tool>", USER), ("<tool>x", USER), ("  ", USER), ("gone", UNUSED), ("<|im_end|>", NORMAL)]
SPM_SCORES = [-float(i) for i in range(len(SPM))]


def spm(*more, tokens=SPM, scores=SPM_SCORES, **how):
    return [key("model", STRING, "llama"), *arrays(tokens, scores, **how), *more]


LETTERS = [chr(c) for c in range(0x21, 0x7F)] + ["\u0120", "\u010a", "\u00c3", "\u00a9", "\u00f0", "\u0141"]
BPE = [*[(c, NORMAL) for c in LETTERS],
       *[(t, NORMAL) for t in ("ab", "\u0120a", "\u0120ab", "abc", "aa", "aaaa", "hello", "12", "\u00c3\u00a9")],
       ("<|endoftext|>", CONTROL), ("<u>", USER), ("<|fim_prefix|>", CONTROL), ("<|file_sep|>", CONTROL)]
MERGES = ["a b", "\u0120 ab", "\u0120 a", "ab c", "a a", "aa aa", "q zz", "a b", "1 2", "\u00c3 \u00a9"]


# The byte alphabet of GPT-2 in the order of bytes: those that do not print take U+0100 on.
PRINT = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
OTHERS = [b for b in range(256) if b not in PRINT]
ALPHABET = [(chr(b if b in PRINT else 0x100 + OTHERS.index(b)), NORMAL) for b in range(256)]


def bpe(pre=None, *more, tokens=BPE, merges=MERGES):
    named = [] if pre is None else [key("pre", STRING, pre)]
    return [key("model", STRING, "gpt2"), *named, *arrays(tokens), key("merges", ARRAY, (STRING, merges)), *more]


TEXT = "ab <s>hello <tool>x  abab 12'll <|endoftext|>\u00e9</s><u>aaaaa "
BYTES = TEXT.encode() + b"\xff\xc3 \xf0\x9f\xa6 ab"
PRES = ["gpt-2", "default", "llama-bpe", "qwen2", "jais-2", "exaone-moe", "starcoder", "chameleon", "bloom", "deepseek-llm",
        "deepseek-coder", "deepseek-v3", "afmoe", "superbpe", "tekken", "gpt-4o", "tiny_aya", "youtu"]
FILES = {
    "spm": spm(),
    "spm-no-prefix": spm(key("add_space_prefix", BOOL, 0), key("add_eos_token", BOOL, 1), key("add_bos_token", BOOL, 0)),
    "spm-collapses": spm(key("remove_extra_whitespaces", BOOL, 1)),
    "spm-phi3": spm(kv("general.name", STRING, "Phi-3")),
    "spm-no-scores": spm(scores=None),
    "spm-odd-scores": spm(scores=[float("nan"), float("inf"), -float("inf"), -0.0] * 6 + [0.0] * (len(SPM) - 24)),
    "spm-no-types": spm(types=False),
    "spm-no-unknown": spm(key("unknown_token_id", U32, 2**32 - 1), tokens=SPM[8:19], scores=SPM_SCORES[8:19]),
    "spm-one-token": spm(tokens=[("a", NORMAL)], scores=[0.0]),
    "spm-same-texts": spm(tokens=[("a", NORMAL)] * 6 + [("", USER)] * 4, scores=[0.0] * 10),
    "bpe-no-pre": bpe(),
    "bpe-all-bytes": bpe("llama-bpe", tokens=[*ALPHABET, *BPE[len(LETTERS):]]),
    "bpe-unknown-pre": bpe("no-such\x1brule"),
    "bpe-foreign-pre": bpe("gemma4"),
    "bpe-gaps": bpe("qwen2", key("fim_suf_token_id", U32, 3), key("eot_token_id", U32, 100)),
    "bpe-bytes-missing": bpe("gpt-2", tokens=BPE[30:]),
    "bpe-merge-without-space": bpe("gpt-2", merges=["a b", "ab"]),
    "bpe-merges-of-special": bpe("gpt-2", merges=["< u>", "<u >", "<|endoftext|> a"]),
    "bpe-not-of-the-alphabet": bpe("gpt-2", tokens=[*BPE, ("\u6f22", NORMAL), ("\xa0", NORMAL)], merges=["a b", "\u6f22 a"]),
    "wrong-model": [key("model", STRING, "bert"), *arrays(SPM)],
    "wrong-id": spm(key("eos_token_id", U32, 9999)),
    "wrong-type": spm(tokens=[("a", 7)], scores=[0.0]),
    "wrong-length": spm(scores=SPM_SCORES[1:]),
    "wrong-flag": spm(key("add_bos_token", U32, 1)),
    **{"pre-" + pre: bpe(pre) for pre in PRES},
}


def build(name, keys):
    has_all_bytes = name.startswith("spm") or name == "bpe-all-bytes"
    text = BYTES if has_all_bytes else TEXT.encode()
    return struct.pack("<H", len(text)) + text + file(keys, [], b"")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, keys in FILES.items():
        (folder / name).write_bytes(build(name, keys))
