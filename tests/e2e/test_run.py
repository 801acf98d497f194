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

    def test_wrong_use_is_refused(self):
        self.assert_refused(run("run", "--temp", "hot", cwd=self.folder), "--temp: `hot` is not a number", status=(2,))
        self.assert_refused(run("run", "-n", "0", cwd=self.folder), "whole number from 1", status=(2,))
        self.assert_refused(run("run", "--weights", "frozen", cwd=self.folder), "mapped, packed, auto", status=(2,))
        self.assert_refused(run("run", "--cpu-mask", "sse9", cwd=self.folder), "`sse9` is not a CPU feature", status=(2,))
        self.assert_refused(run("run", "nosuch.gguf", "-p", "x", cwd=self.folder), "nosuch.gguf: cannot open", status=(1,))
        self.assert_refused(run("run", "-p", "x", "-c", "2", cwd=self.folder), "context", status=(1, 2))
        self.assert_refused(run("run", self.folder, "-p", "x", cwd=self.folder), "not a regular file")
        self.assert_refused(run("fly", cwd=self.folder), "`fly` is not a command", status=(2,))

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
