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
MAX_ENGINE_ERROR = 5e-6  # with keys and values in F16
SAME_CUT = {"refact": "starcoder"}  # two names of one rule
NOT_IN_FOLDERS = {"general.name"}
# The other files leave these out where readers have a default; what we write must be that default.
DEFAULTS = {"general.type": "model", "general.quantization_version": 2, "tokenizer.ggml.add_space_prefix": True}


class Architectures(ScratchCase):
    def distance(self, name, logits):
        """Squared error of the first rows against the other engine's exact ones, relative."""
        with open(os.path.join(SHARED, f"{name}-64-f32.exact"), "rb") as f:
            exact = array.array("f", f.read())[:len(logits)]
        return sum((a - b) ** 2 for a, b in zip(logits, exact)) / sum(b * b for b in exact)

    def check_logits(self, name, config, weights, converted):
        """The folder means what it should: transformers' computation on it gives the other engine's logits. And the
        converted file gives them in Edgewise, where it runs the architecture."""
        with open(os.path.join(SHARED, f"{name}-64-f32.json"), encoding="utf-8") as f:
            tokens = json.load(f)["tokens"][:N_TOKENS]
        reference = Reference(config, {k: rows for k, (_, rows) in weights.items()})
        self.assertLess(self.distance(name, [x for t in tokens for x in reference.logits(t)]), MAX_ERROR, name)
        result = run("logits", converted, "--tokens", ",".join(map(str, tokens)), "-o", self.path("logits"),
                     cwd=self.folder)
        if result.returncode != 0 and not name.startswith("llama"):
            self.assert_refused(result, name + ".gguf", status=(1,))
            return
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(self.path("logits"), "rb") as f:
            self.assertLess(self.distance(name, array.array("f", f.read())), MAX_ENGINE_ERROR, name)

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
        out = self.path(name + ".gguf")
        result = run("convert", self.path(name), "-o", out, "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.check_logits(name, config, weights, out)
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


class Variants(ScratchCase):
    """Folders that differ from the plain one of their architecture."""

    def make(self, name, change=None, **config_changes):
        """(config, weights, folder) of a tiny model; change edits the weights."""
        config, weights = hf_folder.folder_of(Gguf(os.path.join(SHARED, f"{name}-64-f32.gguf")))
        config.update(config_changes)
        folder = self.path(name)
        hf_folder.write(folder, Gguf(os.path.join(SHARED, f"{name}-64-f32.gguf")))
        weights = change(weights) if change else weights
        hf_folder.write_safetensors(os.path.join(folder, "model.safetensors"), weights)
        self.write(os.path.join(name, "config.json"), json.dumps(config))
        return folder

    def convert(self, folder):
        out = self.path("out.gguf")
        result = run("convert", folder, "-o", out, "--json", "--force", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return Gguf(out), json.loads(result.stdout)

    def refuse(self, folder, *words):
        self.assert_refused(run("convert", folder, "-o", self.path("no.gguf"), cwd=self.folder), *words, status=(1,))
        self.assertFalse(os.path.exists(self.path("no.gguf")))

    def same_tensors(self, folder, name):
        gguf, summary = self.convert(folder)
        theirs = Gguf(os.path.join(SHARED, f"{name}-64-f32.gguf"))
        self.assertEqual({k: v[2] for k, v in gguf.tensors.items() if "norm" not in k},
                         {k: v[2] for k, v in theirs.tensors.items() if "norm" not in k})
        return gguf, summary

    def test_names_without_prefix_masks_and_a_tied_output(self):
        def change(weights):
            weights = {k.removeprefix("transformer."): v for k, v in weights.items()}
            weights["h.0.attn.bias"] = ([1, 1, 2, 2], "U8", bytes([1, 0, 1, 1]))
            weights["h.1.attn.masked_bias"] = ([], "F32", bytes(4))
            weights["lm_head.weight"] = weights["wte.weight"]
            return weights

        gguf, summary = self.same_tensors(self.make("gpt2", change), "gpt2")
        self.assertEqual(summary["n_ignored"], 2)
        self.assertNotIn("output.weight", gguf.tensors)

    def test_gemma3_with_a_vision_tower(self):
        def change(weights):
            weights = {"language_model." + k: v for k, v in weights.items()}
            weights["vision_tower.vision_model.embeddings.weight"] = ([3], "F32", bytes(12))
            weights["multi_modal_projector.weight"] = ([3], "F16", bytes(6))
            return weights

        folder = self.make("gemma3", change)
        with open(os.path.join(folder, "config.json"), encoding="utf-8") as f:
            text = json.load(f)
        for key in ("vocab_size", "rope_theta"):
            text.setdefault(key, None)
        self.write("gemma3/config.json", json.dumps({"model_type": "gemma3", "text_config": text}))
        self.assertEqual(self.same_tensors(folder, "gemma3")[1]["n_ignored"], 2)

    def test_gemma3_of_another_pattern_is_refused(self):
        self.refuse(self.make("gemma3", sliding_window_pattern=4), "every 4th", "6 and 10000")
        self.refuse(self.make("gemma3", rope_local_base_freq=5000), "base 5000")

    def test_parameters_of_rotation_in_an_object_of_their_own(self):
        folder = self.make("llama", rope_theta=None, rope_parameters={"rope_type": "default", "rope_theta": 777.0})
        self.assertEqual(self.same_tensors(folder, "llama")[0].keys["llama.rope.freq_base"], 777.0)
        folder = self.make("gemma3", rope_theta=None, rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}})
        keys = self.convert(folder)[0].keys
        self.assertEqual(keys["gemma3.rope.freq_base"], 5e5)
        self.assertEqual((keys["gemma3.rope.scaling.type"], keys["gemma3.rope.scaling.factor"]), ("linear", 8.0))

    def test_yarn_becomes_keys(self):
        keys = self.convert(self.make("qwen2", rope_scaling={
            "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}))[0].keys
        self.assertEqual([keys["qwen2.rope.scaling." + k] for k in ("type", "factor", "original_context_length")],
                         ["yarn", 4.0, 64])
        self.refuse(self.make("qwen2", rope_scaling={"type": "yarn"}), "factor is missing")
        self.refuse(self.make("qwen2", rope_scaling={"type": "longrope"}), "longrope")
        self.refuse(self.make("llama3", rope_scaling={"rope_type": "llama3", "factor": 8.0}), "low_freq_factor")

    def test_factors_of_phi3_must_fit(self):
        scaling = {"type": "longrope", "long_factor": [1.0] * 8, "short_factor": [1.0] * 7}
        self.refuse(self.make("phi3", rope_scaling=scaling), "short_factor", "7 numbers for 8")

    def test_norms_of_heads_in_a_parallel_stablelm(self):
        def change(weights):
            rows = {f"model.layers.{i}.self_attn.{n}_layernorm.norms.{h}.weight": ([16], "F32", bytes([i, h] * 32))
                    for i in range(2) for n in "qk" for h in range(4)}
            return rows | {k: v for k, v in weights.items() if "post_attention" not in k}

        gguf, _ = self.convert(self.make("stablelm", change, use_parallel_residual=True, qk_layernorm=True))
        dims, kind, data = gguf.tensors["blk.1.attn_k_norm.weight"]
        self.assertEqual((dims, kind), ([16, 4], 0))
        self.assertEqual(data, b"".join(bytes([1, h] * 32) for h in range(4)))
        self.assertTrue(gguf.keys["stablelm.use_parallel_residual"])
        self.assertNotIn("blk.0.ffn_norm.weight", gguf.tensors)

        def without_one(weights):
            return {k: v for k, v in change(weights).items() if "k_layernorm.norms.2" not in k}

        self.refuse(self.make("stablelm", without_one, use_parallel_residual=True, qk_layernorm=True),
                    "k_layernorm.norms.2", "is missing")
        self.refuse(self.make("stablelm", change, qk_layernorm=True), "post_attention_layernorm", "is missing")
        self.refuse(self.make("stablelm", change, use_parallel_residual=True), "k_layernorm", "no place")

    def test_what_gguf_cannot_say_is_refused(self):
        self.refuse(self.make("smollm3", no_rope_layers=[1, 0, 1, 0]), "no_rope_layers[1]")
        self.refuse(self.make("smollm3", no_rope_layer_interval=3), "no_rope_layer_interval")
        self.refuse(self.make("qwen3moe", norm_topk_prob=False), "norm_topk_prob")
        self.refuse(self.make("qwen3moe", mlp_only_layers=[0]), "no experts")
        self.refuse(self.make("mixtral", num_local_experts=None), "experts")
        self.refuse(self.make("mixtral", num_local_experts=5), "gate.weight", "4 x 64", "5 x 64")
        self.refuse(self.make("mixtral", lambda w: {k: v for k, v in w.items() if "0.block_sparse_moe.experts.2.w3" not in k}),
                    "experts.2.w3", "is missing")
        self.refuse(self.make("gemma2", attn_logit_softcapping=None), "attn_logit_softcapping")
        self.refuse(self.make("lfm2", conv_bias=True), "conv_bias")
        self.refuse(self.make("gemma3", use_bidirectional_attention=True), "looks back")
        self.refuse(self.make("phi2", qk_layernorm=True), "qk_layernorm")
        self.refuse(self.make("llama", partial_rotary_factor=0.5), "rotates all")
        self.refuse(self.make("gptneox", num_key_value_heads=2), "KV heads")
        self.refuse(self.make("gpt2", scale_attn_by_inverse_layer_idx=True), "scale_attn")

    def test_a_bias_in_some_layers_only_is_refused(self):
        self.refuse(self.make("qwen2", lambda w: {k: v for k, v in w.items() if "1.self_attn.k_proj.bias" not in k}),
                    "self_attn.k_proj.bias", "1 of 2 layers")

    def test_layers_of_lfm2(self):
        """Width as transformers adjusts it: 2/3 of 143 is 95, rounded up to a multiple of 32 is 96."""
        folder = self.make("lfm2", intermediate_size=143, block_auto_adjust_ff_dim=True, block_multiple_of=32,
                           layer_types=None, full_attn_idxs=[1, 3])
        self.assertEqual(self.same_tensors(folder, "lfm2")[0].keys["lfm2.feed_forward_length"], 96)
        self.refuse(self.make("lfm2", layer_types=["conv", "conv", "conv", "full_attention"]), "model.layers.1.conv")
        self.refuse(self.make("lfm2", layer_types=["conv"]), "layer_types", "1 for 4")
        self.refuse(self.make("lfm2", layer_types=["conv", "mamba", "conv", "conv"]), "mamba")

    def test_every_tokenizer_file_counts(self):
        """vocab.json and merges.txt instead of tokenizer.json; a chat template; tokens that end a text."""
        folder = self.make("qwen2")
        with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
            model = json.load(f)["model"]
        os.unlink(os.path.join(folder, "tokenizer.json"))
        vocab = {t: i for t, i in model["vocab"].items() if i < 509}
        self.write("qwen2/vocab.json", json.dumps(vocab))
        self.write("qwen2/merges.txt", "#version: 0.2\n" + "\n".join(model["merges"]) + "\n")
        self.write("qwen2/tokenizer_config.json", json.dumps({
            "tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "eos_token": "<|end|>", "bos_token": None,
            "model_max_length": 1000000000000000019884624838656, "chat_template": "no",
            "added_tokens_decoder": {"509": {"content": "<|start|>", "special": True},
                                     "510": {"content": "<|end|>", "special": True}}}))
        self.write("qwen2/generation_config.json", json.dumps({"eos_token_id": [510, 509]}))
        self.write("qwen2/chat_template.jinja", "{{ messages }}")
        gguf, summary = self.convert(folder)
        keys, theirs = gguf.keys, Gguf(os.path.join(SHARED, "qwen2-64-f32.gguf")).keys
        self.assertEqual(keys["tokenizer.ggml.merges"], theirs["tokenizer.ggml.merges"])
        self.assertEqual(keys["tokenizer.ggml.tokens"][:509], theirs["tokenizer.ggml.tokens"][:509])
        self.assertEqual(keys["tokenizer.ggml.tokens"][509:], ["<|start|>", "<|end|>", "[PAD511]"])
        self.assertEqual(keys["tokenizer.ggml.token_type"][508:], [1, 3, 3, 5])
        self.assertEqual([keys[f"tokenizer.ggml.{k}_token_id"] for k in ("bos", "eos", "eot")], [510, 510, 509])
        self.assertEqual((keys["tokenizer.chat_template"], keys["tokenizer.ggml.pre"]), ("{{ messages }}", "qwen2"))
        self.assertFalse(keys["tokenizer.ggml.add_bos_token"])
        self.assertEqual(summary["n_padded"], 1)

    def test_sentencepiece_in_json_means_the_same_as_its_model(self):
        theirs = Gguf(os.path.join(SHARED, "llama-64-f32.gguf")).keys
        tokens, types = theirs["tokenizer.ggml.tokens"], theirs["tokenizer.ggml.token_type"]
        scores, ids = theirs["tokenizer.ggml.scores"], {t: i for i, t in enumerate(tokens)}
        pairs = [(scores[i], t[:k], t[k:]) for t, i in ids.items() if types[i] == 1 for k in range(1, len(t))
                 if t[:k] in ids and t[k:] in ids]
        pairs.sort(key=lambda p: -p[0])
        folder = self.make("llama")
        os.unlink(os.path.join(folder, "tokenizer.model"))
        self.write("llama/tokenizer.json", json.dumps({
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"}]},
            "pre_tokenizer": None, "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]},
            "added_tokens": [{"id": i, "content": tokens[i], "special": True} for i in range(3)],
            "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": True, "vocab": ids,
                      "merges": [f"{a} {b}" for _, a, b in pairs]}}))
        keys = self.convert(folder)[0].keys
        self.assertEqual(keys["tokenizer.ggml.tokens"], tokens)
        self.assertEqual(keys["tokenizer.ggml.token_type"], types)
        merged = {ids[a + b] for _, a, b in pairs}
        by_score = sorted(merged, key=lambda i: -keys["tokenizer.ggml.scores"][i])
        self.assertEqual(by_score, sorted(merged, key=lambda i: -scores[i]))
        self.assertTrue(keys["tokenizer.ggml.add_bos_token"] and keys["tokenizer.ggml.add_space_prefix"])


def add_case(name):
    setattr(Architectures, "test_" + name, lambda self: self.check_model(name))


if __name__ == "__main__":
    if not MODELS:
        print(f"skipped: no tiny models in {SHARED}")
        sys.exit(77)
    for model in MODELS:
        add_case(model)
    unittest.main()
