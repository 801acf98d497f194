"""edgewise quantize from outside: files held against those that llama.cpp's quantizer made of the same source, what they
lose, wrong use, and that nothing half-written stays behind."""
import glob
import json
import os
import signal
import subprocess
import unittest

from gguf_reader import Gguf
from harness import BOX, PROGRAM, ScratchCase, run

SHARED = os.path.join(os.environ.get("EW_SHARED_DIR", ""), "conformance")
needs_conformance = unittest.skipUnless(os.path.isdir(SHARED), "skipped: no conformance files")
Q4_0, Q8_0, Q6_K = 2, 8, 14


class QuantizeCase(ScratchCase):
    def quantize(self, source, kind, *args, output="out.gguf"):
        result = run("quantize", source, self.path(output), kind, "--force", *args, cwd=self.folder)
        self.assertEqual(result.returncode, 0, result.stderr)
        return self.path(output)

    def types(self, path):
        return {name: tensor[1] for name, tensor in Gguf(path).tensors.items()}


@needs_conformance
class AsTheOthers(QuantizeCase):
    def compare(self, source, theirs):
        kind = os.path.basename(theirs).split("-")[-1][:-len(".gguf")]
        ours, theirs = Gguf(self.quantize(source, kind)), Gguf(theirs)
        self.assertEqual(set(ours.tensors), set(theirs.tensors))
        for name, (dims, number, data) in theirs.tensors.items():
            self.assertEqual(ours.tensors[name][:2], (dims, number), name)
            if number <= 1:
                self.assertEqual(ours.tensors[name][2], data, name)
        self.assertEqual({k: v for k, v in ours.keys.items()}, {k: v for k, v in theirs.keys.items()})
        return ours, theirs

    def test_every_type_of_one_model(self):
        source = os.path.join(SHARED, "llama-256-f32.gguf")
        files = sorted(set(glob.glob(os.path.join(SHARED, "llama-256-*.gguf"))) - {source})
        self.assertGreater(len(files), 10)
        for theirs in files:
            with self.subTest(theirs):
                self.compare(source, theirs)

    def test_every_architecture(self):
        sources = sorted(glob.glob(os.path.join(SHARED, "*-64-f32.gguf")))
        self.assertGreater(len(sources), 15)
        for source in sources:
            for kind in ("q4_0", "q8_0"):
                with self.subTest(source, kind=kind):
                    self.compare(source, source.replace("f32", kind))

    def test_blocks_of_eight_bits_are_theirs(self):
        """Q8_0 leaves nothing to choose: the bytes are the same."""
        source = os.path.join(SHARED, "llama-256-f32.gguf")
        ours, theirs = self.compare(source, os.path.join(SHARED, "llama-256-q8_0.gguf"))
        for name, tensor in theirs.tensors.items():
            self.assertEqual(ours.tensors[name], tensor, name)


class Quantize(QuantizeCase):
    def kl(self, path, *args):
        text = self.write("text.txt", "Once upon a time there was a boat that wanted to see the sea. " * 12)
        result = run("eval", path, "-f", text, "-c", "64", "--json", *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_fewer_bits_lose_more(self):
        self.kl(BOX, "--save-reference", self.path("ref"))
        lost, sizes = [], []
        for kind in ("f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k"):
            path = self.quantize(BOX, kind)
            lost.append(self.kl(path, "--reference", self.path("ref"))["reference"]["kl"]["value"])
            sizes.append(os.path.getsize(path))
        self.assertEqual(lost, sorted(lost))
        self.assertEqual(sizes, sorted(sizes, reverse=True))
        self.assertLess(lost[0], 1e-6)
        self.assertLess(lost[1], 0.01)
        self.assertGreater(lost[-1], 0.01)

    def test_threads_do_not_matter(self):
        with open(self.quantize(BOX, "q4_k_m", "-t", "1"), "rb") as f:
            one = f.read()
        with open(self.quantize(BOX, "q4_k_m", "-t", "3"), "rb") as f:
            self.assertEqual(f.read(), one)

    def test_overrides_and_pure(self):
        path = self.quantize(BOX, "q4_0", "--tensor", "ffn_down=q6_k", "--tensor", "blk.0.ffn_down=q8_0")
        types = self.types(path)
        self.assertEqual(types["blk.0.ffn_down.weight"], Q8_0)
        self.assertEqual(types["blk.1.ffn_down.weight"], Q6_K)
        self.assertEqual(types["blk.1.ffn_up.weight"], Q4_0)
        matrices = {kind for name, kind in self.types(self.quantize(BOX, "q4_0", "--pure")).items() if "norm" not in name}
        self.assertEqual(matrices, {Q4_0})

    def test_dry_run_knows_the_size(self):
        result = run("quantize", BOX, self.path("o.gguf"), "q4_k_m", "--dry-run", "--list", "--json", cwd=self.folder)
        said = json.loads(result.stdout)
        self.assertFalse(os.path.exists(self.path("o.gguf")))
        self.assertEqual(said["file_bytes"], os.path.getsize(self.quantize(BOX, "q4_k_m")))
        table = Gguf(self.path("out.gguf")).tensors
        self.assertEqual({t["name"]: t["to_bytes"] for t in said["tensors"]}, {n: len(t[2]) for n, t in table.items()})
        people = run("quantize", BOX, self.path("o.gguf"), "Q4_K_M", "-n", "-l")
        self.assertIn("not written (--dry-run)", people.stdout)
        self.assertIn("bits a weight", people.stdout)

    def test_wrong_use(self):
        self.assert_refused(run("quantize", BOX), "IN, OUT and TYPE", status=(2,))
        self.assert_refused(run("quantize", BOX, self.path("o"), "q9_z"), "q9_z", status=(2,))
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--tensor", "ffn"), "PART=TYPE", status=(2,))
        self.assert_refused(run("quantize", BOX, self.path("o"), "q4_0", "--tensor", "ffn=iq1_s"), "iq1_s", status=(2,))
        self.assert_refused(run("quantize", "nothing.gguf", self.path("o"), "q4_0"), "nothing.gguf")
        self.assert_refused(run("quantize", self.write("text", "no model"), self.path("o"), "q4_0"), "text")
        small = self.quantize(BOX, "q4_0")
        self.assert_refused(run("quantize", small, self.path("o"), "q4_0"), "quantized already", "Q6_K")
        self.assert_refused(run("quantize", BOX, small, "q4_0"), "--force")
        self.assertEqual(run("quantize", small, self.path("o"), "q8_0", "--again").returncode, 0)
        self.assert_refused(run("quantize", BOX, "/nonexistent/o", "q4_0"), "/nonexistent/o")

    def test_a_full_disk_leaves_nothing(self):
        script = f"ulimit -f 512; exec '{PROGRAM}' quantize '{BOX}' '{self.path('o')}' q8_0"
        self.assert_refused(subprocess.run(["bash", "-c", script], capture_output=True, text=True), self.path("o"))
        self.assertEqual(os.listdir(self.folder), [])

    def test_a_signal_leaves_nothing_and_keeps_the_old_file(self):
        run("synth", "smollm2-360m", "-t", "f16", "-o", self.path("big.gguf"))
        self.write("o", "the old file")
        process = subprocess.Popen([PROGRAM, "quantize", self.path("big.gguf"), self.path("o"), "q3_k_m", "--force"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.signal_while_writing(process, signal.SIGTERM)
        self.assertEqual(sorted(os.listdir(self.folder)), ["big.gguf", "o"])
        with open(self.path("o"), encoding="utf-8") as f:
            self.assertEqual(f.read(), "the old file")


if __name__ == "__main__":
    unittest.main()
