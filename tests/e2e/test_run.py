"""edgewise run and logits from outside: the text, the figures, wrong use, and the oldest CPU we promise."""
import json
import math
import os
import platform
import shutil
import struct
import subprocess
import unittest

from harness import BOX, PROGRAM, SOURCE, ScratchCase, is_instrumented, run

with open(os.path.join(SOURCE, "models", "expected.json"), encoding="utf-8") as f:
    EXPECTED = json.load(f)["cases"]


class Run(ScratchCase):
    def test_writes_the_expected_text(self):
        for case in EXPECTED:
            result = run("run", "-p", case["prompt"], "-n", str(len(case["greedy_tokens"])), "--ignore-end", "--json",
                         cwd=self.folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            answer = json.loads(result.stdout)
            self.assertEqual(answer["prompt_tokens"], case["prompt_tokens"])
            self.assertEqual(answer["tokens"], case["greedy_tokens"])
            self.assertEqual(answer["text"].lstrip(), case["text"])

    def test_text_and_figures_go_apart(self):
        result = run("run", BOX, "-p", "Once upon a time", "-n", "6", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, " there lived a king who had")
        for word in ("6 tok", "tok/s", "first after", "load", "MiB"):
            self.assertIn(word, result.stderr)

    def test_same_seed_same_text(self):
        args = ("run", "-p", "The sea", "-n", "24", "--temp", "1", "--top-p", "0.95", "--json", "--seed")
        texts = [json.loads(run(*args, seed, cwd=self.folder).stdout)["tokens"] for seed in ("1", "1", "2")]
        self.assertEqual(texts[0], texts[1])
        self.assertNotEqual(texts[0], texts[2])

    def test_text_is_whole_characters(self):
        """At a high temperature byte tokens come in any order; the text stays UTF-8, and --json has it."""
        for seed in ("1", "2", "3", "4"):
            answer = json.loads(run("run", "-p", "a", "-n", "60", "--temp", "50", "--ignore-end", "--json", "--seed", seed,
                                    cwd=self.folder).stdout)
            self.assertTrue(any(3 <= id < 259 for id in answer["tokens"]))  # bytes among them
            self.assertIn("\ufffd", answer["text"])

    def test_prompt_comes_from_a_pipe_or_a_file(self):
        path = self.write("prompt.txt", "Once upon a time")
        piped = run("run", "-n", "6", cwd=self.folder, stdin="Once upon a time")
        filed = run("run", "-n", "6", "-f", path, cwd=self.folder)
        self.assertEqual(piped.stdout, " there lived a king who had")
        self.assertEqual(filed.stdout, piped.stdout)

    def test_cores_and_spinning_change_no_word(self):
        core = min(os.sched_getaffinity(0))
        for args in (("--cores", str(core)), ("--spin", "0", "-t", "2"), ("--cores", "all", "--spin", "1000", "-t", "3")):
            result = run("run", BOX, "-p", "Once upon a time", "-n", "6", *args, cwd=self.folder)
            self.assertEqual((result.returncode, result.stdout), (0, " there lived a king who had"), result.stderr)
        answer = json.loads(run("run", BOX, "-p", "a", "-n", "2", "--cores", str(core), "--json", cwd=self.folder).stdout)
        self.assertEqual((answer["threads_prefill"], answer["threads_decode"]), (1, 1))

    def test_wrong_use_is_refused(self):
        self.assert_refused(run("run", "--cores", "0-", cwd=self.folder), "--cores: `0-` is not a set of cores", status=(2,))
        self.assert_refused(run("run", BOX, "-p", "a", "--cores", "1023", cwd=self.folder), "1023: core 1023", status=(2,))
        self.assert_refused(run("run", "--spin", "soon", cwd=self.folder), "--spin: `soon`", status=(2,))
        self.assert_refused(run("run", "--temp", "hot", cwd=self.folder), "--temp: `hot` is not a number", status=(2,))
        self.assert_refused(run("run", "-n", "0", cwd=self.folder), "whole number from 1", status=(2,))
        self.assert_refused(run("run", "--weights", "frozen", cwd=self.folder), "mapped, packed, auto", status=(2,))
        self.assert_refused(run("run", "--cpu-mask", "sse9", cwd=self.folder), "`sse9` is not a CPU feature", status=(2,))
        self.assert_refused(run("run", "nosuch.gguf", "-p", "x", cwd=self.folder), "nosuch.gguf: cannot open", status=(1,))
        self.assert_refused(run("run", "-p", "x", "-c", "2", cwd=self.folder), "context", status=(1, 2))
        self.assert_refused(run("run", self.folder, "-p", "x", cwd=self.folder), "not a regular file")
        self.assert_refused(run("fly", cwd=self.folder), "`fly` is not a command", status=(2,))

    def test_a_full_context_ends_the_text(self):
        args = ("run", "-p", "Once upon a time", "-n", "60", "--ignore-end", "-c", "32")
        result = run(*args, "--json", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual((answer["context"], answer["stopped"], answer["context_shifts"]), (32, "context", 0))
        self.assertEqual(len(answer["prompt_tokens"]) + len(answer["tokens"]), 33)  # the last one was not evaluated
        self.assertIn("stopped: the context of 32 tokens is full", run(*args, cwd=self.folder).stderr)

    def test_a_shifted_context_goes_on(self):
        args = ("run", "-p", "Once upon a time", "--ignore-end", "--json", "-n")
        short = json.loads(run(*args, "28", "-c", "32", cwd=self.folder).stdout)
        result = run(*args, "60", "-c", "32", "--context-shift", "half", cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        answer = json.loads(result.stdout)
        self.assertEqual((len(answer["tokens"]), answer["stopped"]), (60, "length"))
        held, shifts, n = len(answer["prompt_tokens"]), 0, len(answer["tokens"])
        for _ in range(n - 1):  # each token but the last is evaluated
            if held == 32:
                held, shifts = held - (32 - 1) // 2, shifts + 1
            held += 1
        self.assertEqual(answer["context_shifts"], shifts)
        self.assertEqual(answer["tokens"][:28], short["tokens"])
        # What follows a shift is what follows the kept tokens alone.
        before = answer["prompt_tokens"] + answer["tokens"][:32 - len(answer["prompt_tokens"]) + 1]
        kept = before[:1] + before[1 + 15:]
        out = self.path("kept.f32")
        run("logits", BOX, "--tokens", ",".join(map(str, kept)), "-o", out, cwd=self.folder)
        with open(out, "rb") as f:
            last = struct.unpack("<4096f", f.read()[-4 * 4096:])
        self.assertEqual(last.index(max(last)), answer["tokens"][32 - len(answer["prompt_tokens"]) + 1])
        for shift, keep, rule in (("half", "32", "leaves nothing"), ("31", "1", "leaves nothing"), ("0", "1", "from 1"),
                                  ("some", "1", "whole number")):
            refused = run(*args, "60", "-c", "32", "--context-shift", shift, "--keep", keep, cwd=self.folder)
            self.assert_refused(refused, rule, status=(2,))
        self.assert_refused(run(*args, "9", "--keep", "2", cwd=self.folder), "--keep is for --context-shift", status=(2,))

    def test_types_of_the_cache(self):
        rows = {}
        for kv in ("f32", "f16", "q8_0", "q8_0/f16"):
            result = run("logits", BOX, "--tokens", "1,3110,636,261", "--kv", kv, "-o", self.path("kv"), cwd=self.folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            with open(self.path("kv"), "rb") as f:
                rows[kv] = struct.unpack(f"<{4 * 4096}f", f.read())
            answer = json.loads(run("run", "-p", "The sea", "-n", "4", "--kv", kv, "--json", cwd=self.folder).stdout)
            self.assertEqual(answer["kv"], kv)
        apart = {kv: sum((a - b) ** 2 for a, b in zip(row, rows["f32"])) for kv, row in rows.items()}
        self.assertTrue(0 < apart["f16"] < apart["q8_0/f16"] < 1e-3 * sum(a * a for a in rows["f32"]), apart)
        self.assertNotEqual(rows["q8_0"], rows["q8_0/f16"])
        for words in (("run", "--kv", "q4_0"), ("info", BOX, "--kv", "q8_0/"), ("bench", "--kv", "f8")):
            self.assert_refused(run(*words, cwd=self.folder), "--kv: `", status=(2,))

    def test_speculation_changes_no_token(self):
        """With the plain kernels, which take any number of tokens of the F16 model at once."""
        cat = "There was a cat. The cat sat on a mat. "
        for prompt, sampling in ((cat * 3, ()), (cat * 3, ("--temp", "0.8", "--seed", "5")), ("The sea", ())):
            args = ("run", "-p", prompt, "-n", "24", "--ignore-end", "--cpu-mask", "none", "--json", *sampling)
            plain = json.loads(run(*args, "--speculate", "off", cwd=self.folder).stdout)
            self.assertEqual((plain["speculate"], plain["drafted"], plain["draft_passes"]), ("off", 0, 0))
            for how in ("1", "15", "auto"):
                answer = json.loads(run(*args, "--speculate", how, cwd=self.folder).stdout)
                self.assertEqual(answer["speculate"], how)
                self.assertEqual((answer["tokens"], answer["text"]), (plain["tokens"], plain["text"]))
                self.assertLessEqual(answer["accepted"], answer["drafted"])
                self.assertIsNone(answer["speculation_off"])
            if prompt != "The sea" and not sampling:
                self.assertGreater(json.loads(run(*args, "--speculate", "3", cwd=self.folder).stdout)["accepted"], 0)
        line = run("run", "-p", cat * 3, "-n", "24", "--cpu-mask", "none", "--speculate", "3", cwd=self.folder).stderr
        self.assertRegex(line, r"· \d+ % of \d+ drafted tok accepted")
        full = run("run", "-p", cat * 3, "-n", "60", "--ignore-end", "-c", "50", "--cpu-mask", "none", "--speculate",
                   "15", "--json", cwd=self.folder)
        answer = json.loads(full.stdout)
        self.assertEqual((answer["stopped"], len(answer["prompt_tokens"]) + len(answer["tokens"])), ("context", 51))

    def test_speculation_that_cannot_be(self):
        for how in ("16", "0", "on"):
            self.assert_refused(run("run", "-p", "x", "--speculate", how, cwd=self.folder),
                                f"--speculate: `{how}` is not off, auto or a number of 1 to 15", status=(2,))
        lfm2 = os.path.join(SOURCE, "tests", "golden", "conformance", "lfm2-64-q4_0.gguf")
        self.assert_refused(run("run", lfm2, "-p", "x", "--speculate", "4", cwd=self.folder),
                            "speculation: the state of the model's convolutions cannot go back", status=(1,))
        answer = json.loads(run("run", lfm2, "-p", "x", "-n", "4", "--speculate", "auto", "--json", cwd=self.folder).stdout)
        self.assertIn("convolutions", answer["speculation_off"])
        self.assertEqual(answer["drafted"], 0)

    def test_context_as_long_as_memory_allows(self):
        for kib, tokens in ((4000000, 256), (70000, None)):
            os.makedirs(self.path("root/proc"), exist_ok=True)
            self.write("root/proc/meminfo", f"MemTotal: 8000000 kB\nMemAvailable: {kib} kB\n")
            result = run("run", "-p", "The sea", "-n", "4", "-c", "auto", "--root", self.path("root"), "--json",
                         cwd=self.folder)
            if tokens is None:
                self.assert_refused(result, "not even 256 tokens fit", status=(1,))
                continue
            self.assertEqual(json.loads(result.stdout)["context"], tokens)
            self.assertIn("context 256 tokens, what the model was trained for: ", result.stderr)
            self.assertIn("of 3906 MiB free, 488 MiB left to others", result.stderr)
        memory = json.loads(run("info", BOX, "--json", "-c", "auto", "--kv", "q8_0", cwd=self.folder).stdout)["memory"]
        self.assertEqual((memory["context"], memory["kv"]), (256, "q8_0"))
        self.assertEqual(memory["kv_cache_bytes"], 6 * 2 * 2 * 256 * 68)

    def test_logits_are_rows_of_the_vocabulary(self):
        out = self.path("logits.f32")
        for mode in ((), ("--one-by-one",), ("--cpu-mask", "none")):
            result = run("logits", BOX, "--tokens", "1,3110,636", "-o", out, *mode, cwd=self.folder)
            self.assertEqual(result.returncode, 0, result.stderr)
            with open(out, "rb") as f:
                values = struct.unpack(f"<{3 * 4096}f", f.read())
            self.assertTrue(all(map(math.isfinite, values)))
            last = values[-4096:]
            self.assertEqual(last.index(max(last)), 261)  # "upon" is followed by "a"
        result = run("logits", BOX, "--tokens", "1,99999", "-o", out, cwd=self.folder)
        self.assert_refused(result, "id 99999 is outside the vocabulary", status=(2,))
        self.assert_refused(run("logits", BOX, "--tokens", "1", "-o", "/dev/full", cwd=self.folder), "/dev/full", status=(1,))

    @unittest.skipUnless(platform.machine() == "x86_64" and shutil.which("qemu-x86_64"), "qemu-x86_64 is not there")
    def test_starts_on_a_plain_x86_64_v2_cpu(self):
        if is_instrumented():
            self.skipTest("sanitizers need more address space than the emulator has")
        args = ["qemu-x86_64", "-cpu", "Nehalem", PROGRAM, "run", BOX, "-p", "Once upon a time", "-n", "6", "--json"]
        answer = json.loads(subprocess.run(args, capture_output=True, text=True, check=True, timeout=200).stdout)
        self.assertEqual(answer["tokens"], EXPECTED[0]["greedy_tokens"][:6])
        self.assertNotIn("avx", answer["kernels"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
