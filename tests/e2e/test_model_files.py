#!/usr/bin/env python3
"""`edgewise info` and `edgewise synth`: damaged files are refused, a synthetic model goes all the way, nothing is lost."""
import glob
import json
import os
import resource
import unittest

from harness import BOX, SOURCE, ScratchCase, run

CORPUS = os.path.join(SOURCE, "tests", "fuzz", "corpus", "gguf")


class Info(ScratchCase):
    def test_damaged_files_are_refused(self):
        damaged = glob.glob(os.path.join(CORPUS, "damaged-*"))
        self.assertGreaterEqual(len(damaged), 10)
        for path in damaged:
            self.assert_refused(run("info", path), os.path.basename(path), status=(1,))
            self.assert_refused(run("info", "--raw", path), os.path.basename(path), status=(1,))

    def test_raw_shows_what_comes_before_the_damage(self):
        result = run("info", "--raw", os.path.join(CORPUS, "damaged-type-47.gguf"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("general.architecture", result.stdout)
        self.assertIn("47?", result.stdout)

    def test_missing_file_and_wrong_use(self):
        self.assert_refused(run("info", self.path("none.gguf")), "none.gguf", "No such file", status=(1,))
        self.assertEqual(run("info").returncode, 2)
        self.assertEqual(run("info", BOX, "--context", "0").returncode, 2)

    def test_memory_grows_with_the_context(self):
        def kv_bytes(context):
            result = run("info", BOX, "--json", "--context", str(context))
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["memory"]["kv_cache_bytes"]

        self.assertEqual(kv_bytes(256), 2 * kv_bytes(128))


class Synth(ScratchCase):
    def test_a_synthetic_model_can_be_looked_into_and_replaced(self):
        written = run("synth", "smollm2-135m", "--json", cwd=self.folder)
        self.assertEqual(written.returncode, 0, written.stderr)
        path = self.path("synthetic-smollm2-135m-q4_0.gguf")
        self.assertEqual(json.loads(written.stdout)["file_bytes"], os.path.getsize(path))
        info = json.loads(run("info", path, "--json").stdout)
        self.assertTrue(info["synthetic"])
        self.assertEqual(info["n_params"], 134515008)
        self.assertEqual(info["file_type"], "Q4_0")
        self.assertEqual(run("synth", "smollm2-135m", cwd=self.folder).returncode, 0)

    def test_a_real_model_is_not_overwritten(self):
        path = self.write("real.gguf", "not synthetic")
        self.assert_refused(run("synth", "smollm2-135m", "-o", path), "real.gguf", status=(2,))
        with open(path, encoding="utf-8") as f:
            self.assertEqual(f.read(), "not synthetic")

    def test_a_full_disk_leaves_nothing(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

        result = run("synth", "smollm2-135m", cwd=self.folder, preexec_fn=limit)
        self.assert_refused(result, "synthetic-smollm2-135m-q4_0.gguf", "MiB in all", status=(1,))
        self.assertEqual([f for f in os.listdir(self.folder) if "gguf" in f], [])

    def test_unknown_words(self):
        self.assert_refused(run("synth", "llama-9"), "llama-9", "--list", status=(2,))
        self.assert_refused(run("synth", "smollm2-135m", "--type", "q9"), "q9", status=(2,))


if __name__ == "__main__":
    unittest.main()
