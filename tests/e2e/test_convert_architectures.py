#!/usr/bin/env python3
"""`edgewise convert` on a tiny folder of every architecture: that the folder is what transformers would run (its logits
are another engine's), and that the conversion gives the tensors and keys of that engine's file, bit for bit."""
import array
import glob
import json
import os
import sys
import unittest

import hf_folder
from gguf_reader import Gguf
from harness import ScratchCase, run
from hf_reference import Reference

SHARED = os.path.join(os.environ["EW_SHARED_DIR"], "conformance")
MODELS = sorted(os.path.basename(p)[:-len("-64-f32.gguf")] for p in glob.glob(os.path.join(SHARED, "*-64-f32.gguf")))
N_TOKENS = 20  # beyond the windows of 8
# Squared, relative. The other engine looks GELU up in a table of half floats (1e-7); without GELU it is 1e-12, and a
# wrong layout or a missing factor gives more than 1e-3.
MAX_ERROR = 1e-6
SAME_CUT = {"refact": "starcoder"}  # two names of one rule
NOT_IN_FOLDERS = {"general.name"}
# The other files leave these out where readers have a default; what we write must be that default.
DEFAULTS = {"general.type": "model", "general.quantization_version": 2, "tokenizer.ggml.add_space_prefix": True}


class Architectures(ScratchCase):
    def check_logits(self, name, config, weights):
        """The folder means what it should: transformers' computation on it gives the other engine's logits."""
        with open(os.path.join(SHARED, f"{name}-64-f32.json"), encoding="utf-8") as f:
            tokens = json.load(f)["tokens"][:N_TOKENS]
        with open(os.path.join(SHARED, f"{name}-64-f32.exact"), "rb") as f:
            exact = array.array("f", f.read())
        reference = Reference(config, {k: rows for k, (_, rows) in weights.items()})
        error = total = 0.0
        for i, token in enumerate(tokens):
            row = exact[i * 512:(i + 1) * 512]
            error += sum((a - b) ** 2 for a, b in zip(reference.logits(token), row))
            total += sum(b * b for b in row)
        self.assertLess(error / total, MAX_ERROR, name)

    def check_keys(self, name, ours, theirs):
        arch = theirs["general.architecture"]
        for key, value in theirs.items():
            if key in NOT_IN_FOLDERS or (key not in ours and key == f"{arch}.rope.freq_base" and arch == "gpt2"):
                continue
            value = SAME_CUT.get(value, value) if key == "tokenizer.ggml.pre" else value
            self.assertEqual(ours.get(key), value, f"{name}: {key}")
        head = theirs[f"{arch}.embedding_length"] // theirs[f"{arch}.attention.head_count"]
        defaults = dict(DEFAULTS, **{f"{arch}.{k}": v for k, v in (
            ("vocab_size", 512), ("attention.key_length", head), ("attention.value_length", head),
            ("rope.dimension_count", theirs.get(f"{arch}.attention.key_length", head)))})
        for key in ours.keys() - theirs.keys():
            if key.startswith("tokenizer.ggml.add_") and key not in defaults:
                self.assertFalse(ours[key], f"{name}: {key}")  # BPE without a template adds nothing
            else:
                self.assertEqual(ours[key], defaults.get(key), f"{name}: {key}")

    def check_model(self, name):
        theirs = Gguf(os.path.join(SHARED, f"{name}-64-f32.gguf"))
        config, weights = hf_folder.write(self.path(name), theirs, shards=2)
        self.check_logits(name, config, weights)
        out = self.path(name + ".gguf")
        result = run("convert", self.path(name), "-o", out, "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        ours = Gguf(out)
        self.assertEqual(list(sorted(ours.tensors)), list(sorted(theirs.tensors)), name)
        gemma = name.startswith("gemma")
        for tensor, (dims, kind, data) in theirs.tensors.items():
            self.assertEqual(ours.tensors[tensor][:2], (dims, kind), f"{name}: {tensor}")
            if tensor == "rope_freqs.weight" or (gemma and "norm" in tensor):  # computed; less 1 and plus 1 in F32
                for a, b in zip(ours.floats(tensor)[0], theirs.floats(tensor)[0]):
                    self.assertAlmostEqual(a, b, delta=2e-7 * max(1, abs(b)), msg=f"{name}: {tensor}")
            else:
                self.assertEqual(ours.tensors[tensor][2], data, f"{name}: {tensor}")
        self.check_keys(name, ours.keys, theirs.keys)


def add_case(name):
    setattr(Architectures, "test_" + name, lambda self: self.check_model(name))


if __name__ == "__main__":
    if not MODELS:
        print(f"skipped: no tiny models in {SHARED}")
        sys.exit(77)
    for model in MODELS:
        add_case(model)
    unittest.main()
