#!/usr/bin/env python3
"""Side files from outside: made when asked for, found by the next run, told by info, refused when they do not fit, and
used in a study only under their own name."""
import json
import os
import shutil
import unittest

from harness import ScratchCase, run


class SideFile(ScratchCase):
    MODEL = "synthetic-smollm2-135m-q4_0.gguf"

    def setUp(self):
        super().setUp()
        self.assertEqual(run("synth", "smollm2-135m", cwd=self.folder).returncode, 0)
        if self.info()["where"] == "mapped":
            self.skipTest("the kernels of this processor pack nothing")

    def info(self, *args):
        result = run("info", self.MODEL, "--json", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)["memory"]["weights"]

    def answer(self, *args):
        result = run("run", self.MODEL, "-p", "The sea", "-n", "6", "-c", "64", "--ignore-end", "--json", *args,
                     cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout), result.stderr

    def side_files(self):
        folder = self.path("cache/edgewise/packed")
        return [os.path.join(folder, name) for name in os.listdir(folder)] if os.path.isdir(folder) else []

    def test_made_when_asked_for_and_found_the_next_time(self):
        packed, _ = self.answer()
        self.assertEqual((packed["weights"], self.side_files()), ("packed", []))
        self.assertIn("packed while loading", self.info()["why"])
        self.assertIn("to be written", self.info("--weights", "side_file")["why"])
        self.assertEqual(self.side_files(), [])
        made, _ = self.answer("--weights", "side_file")
        self.assertEqual(len(self.side_files()), 1)
        found, _ = self.answer()
        self.assertEqual((made["weights"], found["weights"]), ("side_file", "side_file"))
        self.assertEqual(found["tokens"], packed["tokens"])
        self.assertEqual(made["tokens"], packed["tokens"])
        self.assertEqual(self.info()["side_file"], self.side_files()[0])
        text = run("info", self.MODEL, cwd=self.folder).stdout
        self.assertIn("weights from a side file: ", text)
        self.assertEqual(self.answer("--weights", "packed")[0]["weights"], "packed")
        self.assertEqual(self.answer("--weights", "mapped")[0]["weights"], "mapped")
        shutil.rmtree(self.path("cache/edgewise/packed"))
        self.assertEqual(self.answer()[0]["weights"], "packed")

    def test_another_folder(self):
        self.answer("--weights", "side_file", "--cache", "here")
        self.assertEqual(self.side_files(), [])
        self.assertEqual(len(os.listdir(self.path("here/packed"))), 1)
        self.assertEqual(self.answer()[0]["weights"], "packed")
        self.assertEqual(self.answer("--cache", "here")[0]["weights"], "side_file")

    def test_verify(self):
        verify = ("info", self.MODEL, "--verify")
        self.assert_refused(run(*verify, cwd=self.folder), "cannot open", status=(1,))
        self.answer("--weights", "side_file")
        self.assertEqual(run(*verify, cwd=self.folder).returncode, 0)
        with open(self.side_files()[0], "r+b") as f:
            f.seek(-1000, os.SEEK_END)
            byte = f.read(1)[0]
            f.seek(-1000, os.SEEK_END)
            f.write(bytes([byte ^ 1]))
        self.assert_refused(run(*verify, cwd=self.folder), "its checksum differs", status=(1,))

    def test_what_does_not_fit_is_said_and_replaced(self):
        self.answer("--weights", "side_file")
        with open(self.side_files()[0], "r+b") as f:
            f.truncate(100000)
        answer, said = self.answer()
        self.assertEqual(answer["weights"], "packed")
        self.assertIn("edgewise: note: ", said)
        self.assertIn("the side file is cut or damaged; packed in memory instead", said)
        os.utime(self.path(self.MODEL))
        self.assertEqual(self.answer("--weights", "side_file")[0]["weights"], "side_file")
        self.assertEqual(len(self.side_files()), 1)
        os.utime(self.path(self.MODEL))
        self.assertIn("is of another state of", self.answer()[1])

    def test_a_study_uses_one_under_its_own_name_alone(self):
        self.write("s.yaml", f"study: s\ncache: models\nmodels: [{{file: {self.MODEL}, sample_text: false}}]\n"
                             "sweep: {layout: [auto, side_file]}\n"
                             "measure: {prompt_tokens: 8, generate_tokens: 4, repeats: 1, warmup: 0, energy: none}\n")
        result = self.study("s.yaml")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        rows = {layout: (mapped, packed) for layout, mapped, packed in self.query(
            "SELECT c.layout, t.ledger_weights_mapped_bytes, t.ledger_weights_packed_bytes FROM trial t"
            " JOIN config c ON c.id = t.config_id WHERE t.status = 'ok'")}
        self.assertEqual(set(rows), {"auto", "side_file"})
        self.assertEqual(len(os.listdir(self.path("models/packed"))), 1)
        self.assertEqual(sum(rows["auto"]), sum(rows["side_file"]))
        self.assertGreater(rows["side_file"][0], 10 * rows["side_file"][1])
        self.assertGreater(rows["auto"][1], rows["auto"][0])


if __name__ == "__main__":
    unittest.main()
